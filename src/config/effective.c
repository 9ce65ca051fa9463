/* SPDX-License-Identifier: MIT */
/* effective - the configuration that counts. It must not know how it was read. */
#include <config.h>

#include "config/effective.h"

#include <ackd/error.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "config/value.h"

enum { EFFECTIVE_COLUMN = 48 };

static const char effective_secret[] = "(secret)";

static bool effective_is_plain(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+=";
    if (*text == '\0' || text[strspn(text, letters)] != '\0' || strcasecmp(text, "null") == 0)
        return false;
    return strchr("-.:@%=", *text) == NULL && text[strlen(text) - 1] != ':';
}

/* In quotes, with $$ for $. */
static void effective_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '$')
            fputs("$$", out);
        else if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte < ' ' || byte == 0x7f)
            fprintf(out, "\\x%02x", byte);
        else
            fputc(byte, out);
    }
    fputc('"', out);
}

/* A scalar: as it is where YAML takes it for a word, else quoted. */
static void effective_scalar(const char *text, FILE *out)
{
    if (effective_is_plain(text))
        fputs(text, out);
    else
        effective_quoted(text, out);
}

/* A map of values. Texts are quoted, so that none looks like a number. */
static void effective_table(const struct config_table *table, FILE *out)
{
    char text[VALUE_TEXT_SIZE];
    fputc('{', out);
    for (size_t i = 0; i < table->count; i++) {
        const struct config_argument *argument = &table->arguments[i];
        fputs(i == 0 ? "" : ", ", out);
        effective_scalar(argument->key, out);
        fputs(": ", out);
        if (argument->secret)
            effective_quoted(effective_secret, out); /* W1 */
        else if (argument->kind == CONFIG_INTEGER)
            fprintf(out, "%" PRId64, argument->number);
        else if (argument->kind == CONFIG_BOOLEAN)
            fputs(argument->number != 0 ? "true" : "false", out);
        else if (argument->kind == CONFIG_TIMESTAMP)
            fputs(value_format_timestamp(argument->number, text), out);
        else
            effective_quoted(argument->text, out);
    }
    fputc('}', out);
}

static void effective_list(const char *const *values, FILE *out)
{
    fputc('[', out);
    for (size_t i = 0; values[i] != NULL; i++) {
        fputs(i == 0 ? "" : ", ", out);
        effective_scalar(values[i], out);
    }
    fputc(']', out);
}

static void effective_encode(const char *text, FILE *out)
{
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= '0' && byte <= '9') || strchr("-._~", byte) != NULL;
        fprintf(out, plain ? "%c" : "%%%02X", byte);
    }
}

/* The uri without user and password, with all that it left open. */
static void effective_uri(const struct config_broker *broker, FILE *out)
{
    fprintf(out, "\"%s://", broker->tls ? "amqps" : "amqp");
    for (size_t i = 0; i < broker->host_count; i++) {
        const struct config_host *host = &broker->hosts[i];
        bool brackets = strchr(host->name, ':') != NULL;
        fprintf(out, "%s%s", i == 0 ? "" : ",", brackets ? "[" : "");
        /* Of what a host may hold only the zone's '%' has a meaning of its own in a uri. */
        for (const char *at = host->name; *at != '\0'; at++)
            fprintf(out, *at == '%' ? "%%25" : "%c", *at);
        fprintf(out, "%s:%u", brackets ? "]" : "", host->port);
    }
    fputc('/', out);
    if (strcmp(broker->vhost, "/") != 0)
        effective_encode(broker->vhost, out);
    fputc('"', out);
}

static bool effective_rate(const struct config_rate *rate, FILE *out)
{
    const char *unit = rate->per_ms == 1000 ? "s" : rate->per_ms == 60000 ? "m" : "h";
    fprintf(out, "%" PRIu64 "/%s", rate->count, unit);
    return rate->count != 0;
}

/* The value of @row; false where it has none. */
static bool effective_number(const struct options_row *row, const void *member, FILE *out)
{
    char text[VALUE_TEXT_SIZE];
    struct options_choices choices;
    uint64_t wide = 0;
    switch (row->type) {
    case OPTIONS_INTEGER:
        fprintf(out, "%" PRIu32, *(const uint32_t *)member);
        return *(const uint32_t *)member != 0 || row->min == 0;
    case OPTIONS_PERCENT:
        fprintf(out, "%" PRIu32 "%%", *(const uint32_t *)member);
        return *(const uint32_t *)member != 0 || row->min == 0;
    case OPTIONS_BOOLEAN:
        fputs(*(const bool *)member ? "true" : "false", out);
        return true;
    case OPTIONS_CHOICE:
        options_choices(row, &choices);
        fputs(choices.words[*(const int *)member], out);
        return true;
    case OPTIONS_DURATION:
    case OPTIONS_SIZE:
        wide = *(const uint64_t *)member;
        if (wide == 0 && row->type == OPTIONS_DURATION && row->min == 0) {
            fputs("off", out);
            return true;
        }
        fputs(row->type == OPTIONS_SIZE ? value_format_size(wide, text)
                                        : value_format_duration(wide, text),
              out);
        return wide != 0;
    case OPTIONS_RATE:
        return effective_rate(member, out);
    case OPTIONS_STRING:
    case OPTIONS_PATH:
    case OPTIONS_PATHS:
    case OPTIONS_SECRET:
    case OPTIONS_URI:
    case OPTIONS_SETTINGS:
    case OPTIONS_TABLE:
    case OPTIONS_NAMES:
        break;
    }
    ackd_assert(!"a text is no number");
    return false;
}

static bool effective_value(const struct section *section, const struct options_row *row, FILE *out)
{
    const void *member = (const char *)section->values + row->offset;
    const struct node *node = section->nodes[options_index(row)];
    const char *text = NULL;
    switch (row->type) {
    case OPTIONS_STRING:
    case OPTIONS_PATH:
    case OPTIONS_SECRET:
        text = *(const char *const *)member;
        if (text != NULL && (row->type == OPTIONS_SECRET || (node != NULL && node->secret)))
            fputs(effective_secret, out); /* W1 */
        else if (text != NULL)
            effective_scalar(text, out);
        return text != NULL;
    case OPTIONS_URI:
        if (node != NULL && node->secret)
            fputs(effective_secret, out);
        else
            effective_uri(&((const struct options_broker *)section->values)->out, out);
        return true;
    case OPTIONS_PATHS:
    case OPTIONS_NAMES:
        if (*(const char *const *const *)member == NULL)
            return false;
        effective_list(*(const char *const *const *)member, out);
        return true;
    case OPTIONS_INTEGER:
    case OPTIONS_BOOLEAN:
    case OPTIONS_DURATION:
    case OPTIONS_SIZE:
    case OPTIONS_PERCENT:
    case OPTIONS_CHOICE:
    case OPTIONS_RATE:
        return effective_number(row, member, out);
    case OPTIONS_TABLE:
        effective_table(member, out);
        return ((const struct config_table *)member)->count > 0;
    case OPTIONS_SETTINGS:
        break;
    }
    return false;
}

/* "KEY: VALUE", and behind it where it came from, from a column on. */
static void effective_line(FILE *out, int indent, const char *key, const char *value,
                           const char *origin)
{
    int width = fprintf(out, "%*s%s: %s", indent, "", key, value);
    fprintf(out, "%*s  # %s\n", width < EFFECTIVE_COLUMN ? EFFECTIVE_COLUMN - width : 0, "",
            origin);
}

static void effective_origin(const struct options_row *row, const struct node *node, char *text,
                             size_t size)
{
    if (node == NULL && row->otherwise[0] != '\0')
        snprintf(text, size, "default: %s", row->otherwise);
    else if (node == NULL)
        snprintf(text, size, "default");
    else
        snprintf(text, size, "%s:%d%s%s", node->place.file, node->place.line,
                 node->sources == NULL ? "" : " ", node->sources == NULL ? "" : node->sources);
}

static int effective_option(const struct effective *effective, const struct section *section,
                            const struct options_row *row, int indent)
{
    char origin[FINDINGS_TEXT_SIZE / 2];
    char *value = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&value, &size);
    if (memory == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the configuration");
    bool there = effective_value(section, row, memory);
    if (fclose(memory) != 0) {
        free(value);
        return ackd_fail(ACKD_E_NOMEM, "the configuration");
    }
    effective_origin(row, section->nodes[options_index(row)], origin, sizeof origin);
    if (there)
        effective_line(effective->out, indent, row->key, value, origin);
    else
        fprintf(effective->out, "%*s# %s: not set; %s\n", indent, "", row->key, row->otherwise);
    explicit_bzero(value, size);
    free(value);
    return ACKD_OK;
}

/* Whether the name of a setting says that its value is not for everybody. */
static bool effective_sounds_secret(const char *key)
{
    static const char *const words[] = {"password", "passwd",     "passphrase", "secret",
                                        "token",    "credential", "apikey",     "api-key",
                                        "api_key",  "private",    "auth"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasestr(key, words[i]) != NULL)
            return true;
    }
    return false;
}

/* Whether the value holds a user and a password as URLs do. */
static bool effective_holds_user(const char *value)
{
    const char *authority = strstr(value, "://");
    if (authority == NULL)
        return false;
    authority += strlen("://");
    return memchr(authority, '@', strcspn(authority, "/?#")) != NULL;
}

static bool effective_setting_is_secret(const struct effective *effective,
                                        const struct config_consumer *consumer,
                                        const struct config_setting *setting)
{
    if (setting->secret || effective_sounds_secret(setting->key))
        return true;
    if (effective->is_secret != NULL &&
        effective->is_secret(consumer, setting->key, effective->arg))
        return true;
    for (size_t i = 0; setting->values[i] != NULL; i++) {
        if (effective_holds_user(setting->values[i]))
            return true;
    }
    return false;
}

static void effective_settings(const struct effective *effective,
                               const struct config_consumer *consumer)
{
    FILE *out = effective->out;
    fputs(consumer->setting_count == 0 ? "    # settings: not set; none\n" : "    settings:\n",
          out);
    for (size_t i = 0; i < consumer->setting_count; i++) {
        const struct config_setting *setting = &consumer->settings[i];
        fputs("      ", out);
        effective_scalar(setting->key, out);
        fputs(": ", out);
        if (effective_setting_is_secret(effective, consumer, setting))
            fputs(effective_secret, out);
        else if (setting->list)
            effective_list(setting->values, out);
        else
            effective_scalar(setting->values[0], out);
        fprintf(out, "  # %s:%d\n", setting->file, setting->line);
    }
}

static bool effective_has_tls(const struct section *section)
{
    const struct options_broker *values = section->values;
    return values->out.tls;
}

static int effective_part(const struct effective *effective, const struct section *section,
                          enum options_section part, int indent);

/* The items of the list @part. */
static int effective_items(const struct effective *effective, const struct section *section,
                           const struct options_section_row *part, int indent)
{
    const struct section_list *list = section_list(section, part->section);
    if (list == NULL || list->count == 0) {
        fprintf(effective->out, "%*s# %s: none\n", indent, "", part->key);
        return ACKD_OK;
    }
    fprintf(effective->out, "%*s%s:\n", indent, "", part->key);
    for (size_t i = 0; i < list->count; i++) {
        fprintf(effective->out, "%*s-\n", indent + 2, "");
        ACKD_TRY(effective_part(effective, &list->items[i], part->section, indent + 4));
    }
    return ACKD_OK;
}

/* A section within another. */
static int effective_inner(const struct effective *effective, const struct section *section,
                           const struct options_section_row *part, int indent)
{
    if (part->item_size != 0)
        return effective_items(effective, section, part, indent);
    if (part->section == OPTIONS_TLS && !effective_has_tls(section)) {
        fprintf(effective->out, "%*s# tls: the uri has no TLS\n", indent, "");
        return ACKD_OK;
    }
    if (part->section == OPTIONS_DECLARE && !section_given(section, OPTIONS_DECLARE)) {
        fprintf(effective->out, "%*s# declare: not set; the queue must exist\n", indent, "");
        return ACKD_OK;
    }
    if (part->section == OPTIONS_DEAD && !section_given(section, OPTIONS_DEAD)) {
        fprintf(effective->out, "%*s# dead-letter: not set; the broker drops them\n", indent, "");
        return ACKD_OK;
    }
    fprintf(effective->out, "%*s%s:\n", indent, "", part->key);
    return effective_part(effective, section, part->section, indent + 2);
}

/* The options of @part, and the sections within it. */
static int effective_part(const struct effective *effective, const struct section *section,
                          enum options_section part, int indent)
{
    size_t count = 0;
    const struct options_row *rows = options_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].section == part && rows[i].type != OPTIONS_SETTINGS)
            ACKD_TRY(effective_option(effective, section, &rows[i], indent));
    }
    const struct options_section_row *inner = options_sections(&count);
    for (size_t i = 0; i < count; i++) {
        if (inner[i].parent == part)
            ACKD_TRY(effective_inner(effective, section, &inner[i], indent));
    }
    return ACKD_OK;
}

static int effective_brokers(const struct effective *effective)
{
    const struct config *config = effective->config;
    if (config->broker_sections[0].name == NULL) {
        fputs("broker:\n", effective->out);
        return effective_part(effective, &config->broker_sections[0], OPTIONS_BROKER, 2);
    }
    fputs("brokers:\n", effective->out);
    for (size_t i = 0; i < config->broker_count; i++) {
        fprintf(effective->out, "  %s:\n", config->brokers[i].name);
        ACKD_TRY(effective_part(effective, &config->broker_sections[i], OPTIONS_BROKER, 4));
    }
    return ACKD_OK;
}

int effective_write(const struct effective *effective)
{
    const struct config *config = effective->config;
    ACKD_TRY(effective_brokers(effective));
    size_t count = 0;
    const struct options_section_row *sections = options_sections(&count);
    for (size_t i = 0; i < count; i++) {
        if (sections[i].parent != OPTIONS_ROOT || sections[i].names != NULL)
            continue;
        fprintf(effective->out, "%s:\n", sections[i].key);
        ACKD_TRY(effective_part(effective, &config->process_section, sections[i].section, 2));
    }
    fputs(config->limit_count == 0 ? "# limits: none\n" : "limits:\n", effective->out);
    for (size_t i = 0; i < config->limit_count; i++) {
        fprintf(effective->out, "  %s:\n", config->limits[i].name);
        ACKD_TRY(effective_part(effective, &config->limit_sections[i], OPTIONS_LIMIT, 4));
    }
    fputs(config->consumer_count == 0 ? "# consumers: none\n" : "consumers:\n", effective->out);
    for (size_t i = 0; i < config->consumer_count; i++) {
        fprintf(effective->out, "  %s:\n", config->consumers[i].name);
        ACKD_TRY(effective_part(effective, &config->consumer_sections[i], OPTIONS_CONSUMER, 4));
        effective_settings(effective, &config->consumers[i]);
    }
    if (fflush(effective->out) != 0 || ferror(effective->out))
        return ackd_fail(ACKD_E_OS, "the configuration cannot be written: %s", strerror(errno));
    return ACKD_OK;
}
