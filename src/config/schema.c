/* SPDX-License-Identifier: MIT */
/*
 * schema - the table of options as JSON Schema.
 *
 * A schema sees what is written and not what it means: any value may be a ${...} in place of its
 * own form, sections may be empty, and bounds of durations and sizes are told but not enforced.
 */
#include <config.h>

#include "config/schema.h"

#include <ackd/error.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "config/options.h"
#include "config/quoted.h"
#include "config/value.h"

static const char schema_head[] =
    "{\n"
    "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
    "  \"title\": \"ackd.yaml\",\n"
    "  \"description\": \"Configuration of ackd: one file and those of conf.d beside it.\",\n"
    "  \"type\": [\"object\", \"null\"],\n"
    "  \"additionalProperties\": false,\n"
    "  \"properties\": {\n";

static const char schema_definitions[] =
    "  \"$defs\": {\n"
    "    \"interpolated\": {\"type\": \"string\", \"pattern\": \"\\\\$\\\\{\"},\n"
    "    \"text\": {\"type\": [\"string\", \"number\", \"boolean\"]},\n"
    "    \"duration\": {\"anyOf\": [{\"type\": \"string\", \"pattern\": "
    "\"^([0-9]+(ms|s|m|h|d)|0)$\"}, {\"const\": 0}]},\n"
    "    \"size\": {\"anyOf\": [{\"type\": \"string\", \"pattern\": "
    "\"^[0-9]+(B|KiB|MiB|GiB|TiB)?$\"}, {\"type\": \"integer\", \"minimum\": 0}]},\n"
    "    \"percent\": {\"type\": \"string\", \"pattern\": \"^([0-9]|[1-9][0-9]|100)%$\"},\n"
    "    \"name\": {\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9._-]{1,64}$\"}\n"
    "  }\n"
    "}\n";

static void schema_choices(const struct options_row *row, FILE *out)
{
    struct options_choices choices;
    options_choices(row, &choices);
    fputs("{\"enum\": [", out);
    for (size_t i = 0; choices.words[i] != NULL; i++) {
        fputs(i == 0 ? "" : ", ", out);
        /* YAML reads the bare word as a boolean before the schema sees it. */
        if (strcmp(choices.words[i], "true") == 0)
            fputs("true, ", out);
        quoted_write(choices.words[i], out);
    }
    fputs("]}", out);
}

static void schema_text(const struct options_row *row, FILE *out)
{
    if (row->max > 0)
        fprintf(out, "{\"$ref\": \"#/$defs/text\", \"minLength\": %" PRId64 "}", row->min);
    else
        fputs("{\"$ref\": \"#/$defs/text\", \"minLength\": 1}", out);
}

/* What the value looks like without ${...}. */
static void schema_form(const struct options_row *row, FILE *out)
{
    switch (row->type) {
    case OPTIONS_STRING:
    case OPTIONS_SECRET:
    case OPTIONS_PATH:
        schema_text(row, out);
        return;
    case OPTIONS_URI:
        fputs("{\"type\": \"string\", \"pattern\": \"^[Aa][Mm][Qq][Pp][Ss]?://\"}", out);
        return;
    case OPTIONS_RATE:
        fputs("{\"type\": \"string\", \"pattern\": \"^[0-9]+/[smh]$\"}", out);
        return;
    case OPTIONS_NAMES:
        fprintf(out,
                "{\"type\": \"array\", \"minItems\": %" PRId64 ", \"maxItems\": %" PRId64
                ", \"items\": {\"$ref\": \"#/$defs/name\"}}, {\"$ref\": \"#/$defs/name\"}",
                row->min, row->max);
        return;
    case OPTIONS_PATHS:
        fprintf(out,
                "{\"type\": \"array\", \"minItems\": %" PRId64 ", \"maxItems\": %" PRId64
                ", \"items\": {\"type\": \"string\"}}, {\"type\": \"string\"}",
                row->min, row->max);
        return;
    case OPTIONS_INTEGER:
        fprintf(out, "{\"type\": \"integer\", \"minimum\": %" PRId64 ", \"maximum\": %" PRId64 "}",
                row->min, row->max);
        return;
    case OPTIONS_BOOLEAN:
        fputs("{\"type\": \"boolean\"}", out);
        return;
    case OPTIONS_DURATION:
        if (row->min == 0)
            fputs("{\"const\": \"off\"}, {\"const\": false}, ", out);
        fputs("{\"$ref\": \"#/$defs/duration\"}", out);
        return;
    case OPTIONS_SIZE:
        fputs("{\"$ref\": \"#/$defs/size\"}", out);
        return;
    case OPTIONS_PERCENT:
        fputs("{\"$ref\": \"#/$defs/percent\"}", out);
        return;
    case OPTIONS_CHOICE:
        schema_choices(row, out);
        return;
    case OPTIONS_TABLE:
        fprintf(out,
                "{\"type\": [\"object\", \"null\"], \"maxProperties\": %" PRId64
                ", \"additionalProperties\": {\"$ref\": \"#/$defs/text\"}}",
                row->max);
        return;
    case OPTIONS_SETTINGS:
        fputs("{\"type\": [\"object\", \"null\"], \"additionalProperties\": {\"anyOf\": "
              "[{\"$ref\": \"#/$defs/text\"}, {\"type\": \"array\", \"items\": "
              "{\"$ref\": \"#/$defs/text\"}}]}}",
              out);
        return;
    }
    ackd_assert(!"a type without a form");
}

/* The default, as the type that an editor would write. */
static void schema_default(const struct options_row *row, FILE *out)
{
    if (row->fallback == NULL)
        return;
    fputs(", \"default\": ", out);
    if (row->type == OPTIONS_INTEGER || row->type == OPTIONS_BOOLEAN)
        fputs(row->fallback, out);
    else
        quoted_write(row->fallback, out);
}

static void schema_option(const struct options_row *row, int indent, FILE *out)
{
    fprintf(out, "%*s", indent, "");
    quoted_write(row->key, out);
    fputs(": {\"description\": ", out);
    quoted_write(row->help, out);
    schema_default(row, out);
    if (row->type == OPTIONS_SECRET)
        fputs(", \"writeOnly\": true", out);
    fputs(", \"anyOf\": [", out);
    schema_form(row, out);
    if (row->type != OPTIONS_SETTINGS && row->type != OPTIONS_TABLE)
        fputs(", {\"$ref\": \"#/$defs/interpolated\"}", out);
    fputs("]}", out);
}

static void schema_required(enum options_section section, int indent, FILE *out)
{
    size_t count = 0;
    const struct options_row *rows = options_rows(&count);
    const char *before = "[";
    for (size_t i = 0; i < count; i++) {
        if (rows[i].section != section || !options_required(&rows[i]))
            continue;
        if (*before == '[')
            fprintf(out, "%*s\"required\": ", indent, "");
        fputs(before, out);
        quoted_write(rows[i].key, out);
        before = ", ";
    }
    if (*before != '[')
        fputs("],\n", out);
}

static void schema_section(const struct options_section_row *section, int indent, FILE *out);

/* A section within another, or a list of such. */
static void schema_inner(const struct options_section_row *section, int indent, FILE *out)
{
    fprintf(out, "%*s\"%s\": {\n", indent, "", section->key);
    if (section->item_size == 0) {
        schema_section(section, indent + 2, out);
        fprintf(out, "%*s}", indent, "");
        return;
    }
    fprintf(out, "%*s\"type\": [\"array\", \"null\"],\n%*s\"items\": {\n", indent + 2, "",
            indent + 2, "");
    schema_section(section, indent + 4, out);
    fprintf(out, "%*s}\n%*s}", indent + 2, "", indent, "");
}

/* The inside of the object for a section and, one level deeper, those within it. */
static void schema_section(const struct options_section_row *section, int indent, FILE *out)
{
    size_t count = 0;
    const struct options_row *rows = options_rows(&count);
    const char *before = "";
    fprintf(out, "%*s\"description\": ", indent, "");
    quoted_write(section->help, out);
    fprintf(out, ",\n%*s\"type\": [\"object\", \"null\"],\n", indent, "");
    fprintf(out, "%*s\"additionalProperties\": false,\n", indent, "");
    schema_required(section->section, indent, out);
    fprintf(out, "%*s\"properties\": {\n", indent, "");
    for (size_t i = 0; i < count; i++) {
        if (rows[i].section != section->section)
            continue;
        fputs(before, out);
        schema_option(&rows[i], indent + 2, out);
        before = ",\n";
    }
    const struct options_section_row *inner = options_sections(&count);
    for (size_t i = 0; i < count; i++) {
        if (inner[i].parent != section->section)
            continue;
        fputs(before, out);
        schema_inner(&inner[i], indent + 2, out);
        before = ",\n";
    }
    fprintf(out, "\n%*s}\n", indent, "");
}

/* A map from names to sections. */
static void schema_names(const struct options_section_row *section, FILE *out)
{
    fprintf(out, "    \"%s\": {\n", section->names);
    fputs("      \"description\": ", out);
    quoted_write(section->help, out);
    fputs(",\n"
          "      \"type\": [\"object\", \"null\"],\n"
          "      \"propertyNames\": {\"$ref\": \"#/$defs/name\"},\n"
          "      \"additionalProperties\": {\n",
          out);
    schema_section(section, 8, out);
    fputs("      }\n    }", out);
}

int schema_write(FILE *out)
{
    size_t count = 0;
    const struct options_section_row *sections = options_sections(&count);
    const char *before = "";
    fputs(schema_head, out);
    for (size_t i = 0; i < count; i++) {
        if (sections[i].parent != OPTIONS_ROOT)
            continue;
        if (sections[i].key != NULL) {
            fprintf(out, "%s    \"%s\": {\n", before, sections[i].key);
            schema_section(&sections[i], 6, out);
            fputs("    }", out);
            before = ",\n";
        }
        if (sections[i].names != NULL) {
            fputs(before, out);
            schema_names(&sections[i], out);
            before = ",\n";
        }
    }
    fputs("\n  },\n", out);
    fputs(schema_definitions, out);
    if (fflush(out) != 0 || ferror(out))
        return ackd_fail(ACKD_E_OS, "the schema cannot be written: %s", strerror(errno));
    return ACKD_OK;
}
