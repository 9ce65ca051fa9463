/* SPDX-License-Identifier: MIT */
/*
 * documents - what is generated from the table of options: the sample file, the options' part of
 * the manual page ackd.yaml(5), and the JSON Schema.
 *
 *     documents sample|manual|schema
 *
 * The results are in the tree, so that nothing has to run to build a release; a test compares them.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "config/config.h"
#include "config/options.h"
#include "config/value.h"

enum { WIDTH = 78, TEXT_SIZE = 1024, PART_SIZE = 256 };

/* Write @text after @margin on every line, broken between words. */
static void write_wrapped(const char *margin, const char *text)
{
    size_t column = 0;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, " ");
        if (column > 0 && column + 1 + length > WIDTH) {
            putchar('\n');
            column = 0;
        }
        if (column == 0) {
            fputs(margin, stdout);
            column = strlen(margin);
        } else {
            putchar(' ');
            column++;
        }
        fwrite(at, 1, length, stdout);
        column += length;
        at += length;
        at += *at == ' ';
    }
    putchar('\n');
}

static void bound_text(const struct options_row *row, int64_t bound, char *text)
{
    if (row->type == OPTIONS_DURATION)
        value_format_duration((uint64_t)bound, text);
    else if (row->type == OPTIONS_SIZE)
        value_format_size((uint64_t)bound, text);
    else
        snprintf(text, VALUE_TEXT_SIZE, "%lld", (long long)bound);
}

/* Into PART_SIZE bytes: "From 1s to 10m.", or the words of a choice, or nothing. */
static void range_text(const struct options_row *row, char *text)
{
    char least[VALUE_TEXT_SIZE];
    char most[VALUE_TEXT_SIZE];
    struct options_choices choices;
    *text = '\0';
    if (row->type == OPTIONS_CHOICE) {
        options_choices(row, &choices);
        char *at = stpcpy(text, "One of ");
        for (size_t i = 0; choices.words[i] != NULL; i++)
            at += sprintf(at, "%s%s", i == 0 ? "" : ", ", choices.words[i]);
        strcpy(at, ".");
    } else if (row->type == OPTIONS_INTEGER || row->type == OPTIONS_DURATION ||
               row->type == OPTIONS_SIZE) {
        bound_text(row, row->min, least);
        bound_text(row, row->max, most);
        if (row->type == OPTIONS_DURATION && row->min == 0)
            snprintf(text, PART_SIZE, "Up to %s, or off.", most);
        else
            snprintf(text, PART_SIZE, "From %s to %s.", least, most);
    }
}

/* What holds where the option is not given. */
static void otherwise_text(const struct options_row *row, char *text)
{
    if (options_required(row))
        strcpy(text, "It must be given.");
    else if (row->fallback != NULL)
        snprintf(text, PART_SIZE, "Default: %s.",
                 *row->fallback == '\0' ? "empty" : row->fallback);
    else
        snprintf(text, PART_SIZE, "Default: %s.", row->otherwise);
}

static const char *sample_value(const struct options_row *row)
{
    const char *value = row->fallback != NULL ? row->fallback : row->example;
    return *value == '\0' ? "\"\"" : value;
}

static void sample_option(const struct options_row *row, const char *indent)
{
    char margin[32];
    char text[2 * TEXT_SIZE];
    char range[PART_SIZE];
    char otherwise[PART_SIZE] = "";
    snprintf(margin, sizeof margin, "%s# ", indent);
    range_text(row, range);
    if (row->fallback == NULL)
        otherwise_text(row, otherwise);
    snprintf(text, sizeof text, "%s%s%s%s%s", row->help, *range == '\0' ? "" : " ", range,
             *otherwise == '\0' ? "" : " ", otherwise);
    write_wrapped(margin, text);
    printf("%s#%s: %s\n", indent, row->key, sample_value(row));
}

static void sample_options(enum options_section section, const char *indent)
{
    size_t count = 0;
    const struct options_row *rows = options_rows(&count);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].section != section)
            continue;
        if (!first)
            putchar('\n');
        sample_option(&rows[i], indent);
        first = false;
    }
}

/* The sections within @section, with @mark in front of their keys. */
static void sample_inner(enum options_section section, size_t width, const char *mark)
{
    size_t count = 0;
    const struct options_section_row *inner = options_sections(&count);
    for (size_t i = 0; i < count; i++) {
        char indent[32], margin[32];
        if (inner[i].parent != section)
            continue;
        bool list = inner[i].item_size != 0;
        snprintf(margin, sizeof margin, "%*s# ", (int)width, "");
        putchar('\n');
        write_wrapped(margin, inner[i].help);
        printf("%*s%s%s:\n", (int)width, "", mark, inner[i].key);
        if (list)
            printf("%*s%s-\n", (int)width + 2, "", mark);
        snprintf(indent, sizeof indent, "%*s", (int)width + (list ? 4 : 2), "");
        sample_options(inner[i].section, indent);
        sample_inner(inner[i].section, strlen(indent), mark);
    }
}

static void sample_section(const struct options_section_row *section)
{
    putchar('\n');
    write_wrapped("# ", section->help);
    if (section->key == NULL)
        printf("%s:\n  #NAME:\n", section->names);
    else
        printf("%s:\n", section->key);
    sample_options(section->section, section->key == NULL ? "    " : "  ");
    sample_inner(section->section, section->key == NULL ? 4 : 2, section->key == NULL ? "#" : "");
}

static void write_sample(void)
{
    static const char *const head[] = {
        "ackd.yaml - the configuration of ackd: every option, with its default or an example.",
        "",
        "Take the '#' away in front of an option to set it. Files conf.d/*.yaml beside this one "
        "are read too and add to it; the same option in two of them is an error. 'ackd check' "
        "finds all that is wrong, 'ackd config' prints what counts and where it came from. The "
        "manual page is ackd.yaml(5).",
        "",
        "In any value: ${NAME} is an environment variable, ${NAME:-default} has a default, "
        "${file:/path} is the text of a file that only its owner reads, $$ is a dollar sign. "
        "Inside { } and [ ] such a value needs quotes.",
        "",
        "Durations: 500ms, 15s, 5m, 1h, 1d. Sizes: 65536, 64KiB, 1MiB, 1GiB. Rates: 500/s, 30/m, "
        "1000/h.",
        NULL};
    for (size_t i = 0; head[i] != NULL; i++) {
        if (*head[i] == '\0')
            puts("#");
        else
            write_wrapped("# ", head[i]);
    }
    size_t count = 0;
    const struct options_section_row *sections = options_sections(&count);
    for (size_t i = 0; i < count; i++) {
        if (sections[i].parent == OPTIONS_ROOT)
            sample_section(&sections[i]);
    }
}

/* @text as scdoc takes it literally. */
static const char *manual_escape(const char *text, char *escaped)
{
    char *to = escaped;
    for (const char *at = text; *at != '\0'; at++) {
        ackd_assert(to < escaped + TEXT_SIZE - 3);
        if (strchr("\\*_#[|", *at) != NULL)
            *to++ = '\\';
        *to++ = *at;
    }
    *to = '\0';
    return escaped;
}

static const char *manual_type(const struct options_row *row)
{
    static const char *const names[] = {[OPTIONS_STRING] = "text",
                                        [OPTIONS_PATH] = "path",
                                        [OPTIONS_PATHS] = "list of paths",
                                        [OPTIONS_SECRET] = "text",
                                        [OPTIONS_URI] = "uri",
                                        [OPTIONS_INTEGER] = "number",
                                        [OPTIONS_BOOLEAN] = "boolean",
                                        [OPTIONS_DURATION] = "duration",
                                        [OPTIONS_SIZE] = "size",
                                        [OPTIONS_PERCENT] = "percentage",
                                        [OPTIONS_CHOICE] = "word",
                                        [OPTIONS_SETTINGS] = "map",
                                        [OPTIONS_RATE] = "rate",
                                        [OPTIONS_NAMES] = "list of names",
                                        [OPTIONS_TABLE] = "map of values"};
    return names[row->type];
}

static void manual_option(const struct options_row *row)
{
    char text[TEXT_SIZE];
    char escaped[TEXT_SIZE];
    printf("*%s*: _%s_\n", row->key, manual_type(row));
    write_wrapped("\t", manual_escape(row->help, escaped));
    range_text(row, text);
    if (*text != '\0') {
        putchar('\n');
        write_wrapped("\t", manual_escape(text, escaped));
    }
    otherwise_text(row, text);
    putchar('\n');
    write_wrapped("\t", manual_escape(text, escaped));
    putchar('\n');
}

/* "consumers: NAME: declare: bind", into PART_SIZE bytes. */
static void manual_title(const struct options_section_row *section, char *title)
{
    *title = '\0';
    if (section->parent != OPTIONS_ROOT)
        manual_title(options_section(section->parent), title);
    size_t length = strlen(title);
    snprintf(title + length, PART_SIZE - length, "%s%s%s", length == 0 ? "" : ": ",
             section->key == NULL ? section->names : section->key,
             section->key == NULL ? ": NAME" : "");
}

static void manual_section(const struct options_section_row *section)
{
    size_t count = 0;
    char title[PART_SIZE];
    char escaped[TEXT_SIZE];
    const struct options_row *rows = options_rows(&count);
    manual_title(section, title);
    printf("## %s:\n\n", title);
    write_wrapped("", manual_escape(section->help, escaped));
    putchar('\n');
    if (section->item_size != 0)
        puts("A list of maps with these:\n");
    for (size_t i = 0; i < count; i++) {
        if (rows[i].section == section->section)
            manual_option(&rows[i]);
    }
}

static void write_manual(void)
{
    size_t count = 0;
    const struct options_section_row *sections = options_sections(&count);
    for (size_t i = 0; i < count; i++)
        manual_section(&sections[i]);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "sample") == 0) {
        write_sample();
    } else if (strcmp(what, "manual") == 0) {
        write_manual();
    } else if (strcmp(what, "schema") == 0) {
        if (config_schema(stdout) != 0)
            return EXIT_FAILURE;
    } else {
        fputs("usage: documents sample|manual|schema\n", stderr);
        return 64;
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
