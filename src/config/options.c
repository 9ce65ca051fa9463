/* SPDX-License-Identifier: MIT */
/* options - the table options.def as rows. It must not know how a value is written. */
#include <config.h>

#include "config/options.h"

#include <string.h>

#include "base/assert.h"
#include "base/nearest.h"

/* O1: the C type that each type of option fills, and the structure that each section fills. */
#define OPTIONS_C_STRING const char *
#define OPTIONS_C_PATH const char *
#define OPTIONS_C_PATHS const char *const *
#define OPTIONS_C_SECRET const char *
#define OPTIONS_C_URI const char *
#define OPTIONS_C_INTEGER uint32_t
#define OPTIONS_C_BOOLEAN bool
#define OPTIONS_C_DURATION uint64_t
#define OPTIONS_C_SIZE uint64_t
#define OPTIONS_C_PERCENT uint32_t
#define OPTIONS_C_CHOICE int
#define OPTIONS_C_SETTINGS const struct config_setting *
#define OPTIONS_C_RATE struct config_rate
#define OPTIONS_C_NAMES const char *const *
#define OPTIONS_C_TABLE struct config_table

#define OPTIONS_OF_BROKER struct options_broker
#define OPTIONS_OF_TLS struct options_broker
#define OPTIONS_OF_RECONNECT struct options_broker
#define OPTIONS_OF_RUNTIME struct options_process
#define OPTIONS_OF_STALL struct options_process
#define OPTIONS_OF_SHUTDOWN struct options_process
#define OPTIONS_OF_LOG struct options_process
#define OPTIONS_OF_PLUGINS struct options_process
#define OPTIONS_OF_LIMIT struct config_limit
#define OPTIONS_OF_CONSUMER struct options_consumer
#define OPTIONS_OF_BATCH struct options_consumer
#define OPTIONS_OF_RETRY struct options_consumer
#define OPTIONS_OF_KILL_SWITCH struct options_consumer
#define OPTIONS_OF_DECLARE struct options_consumer
#define OPTIONS_OF_BIND struct config_binding
#define OPTIONS_OF_EXCHANGE struct config_exchange
#define OPTIONS_OF_EXCHANGE_BIND struct config_binding
#define OPTIONS_OF_DEAD struct options_consumer

#define OPTIONS_OFFSET(structure, type, member) \
    _Generic(((structure *)0)->member, type : offsetof(structure, member))

static const struct options_section_row options_section_table[] = {
#define OPTIONS_SECTION(id, parent, key, names, help) \
    {OPTIONS_##id, OPTIONS_##parent, key, names, help, 0, 0, 0},
#define OPTIONS_LIST(id, within, name, items, count, text)                                \
    {.section = OPTIONS_##id,                                                             \
     .parent = OPTIONS_##within,                                                          \
     .key = name,                                                                         \
     .help = text,                                                                        \
     .item_size = sizeof(OPTIONS_OF_##id),                                                \
     .items_offset = OPTIONS_OFFSET(OPTIONS_OF_##within, const OPTIONS_OF_##id *, items), \
     .count_offset = OPTIONS_OFFSET(OPTIONS_OF_##within, size_t, count)},
#define OPTIONS_ROW(...)
#include "config/options.def"
#undef OPTIONS_SECTION
#undef OPTIONS_LIST
#undef OPTIONS_ROW
};

static const struct options_row options_table[] = {
#define OPTIONS_SECTION(...)
#define OPTIONS_LIST(...)
#define OPTIONS_ROW(in, name, kind, member, preset, least, most, counts, reload, release, instead, \
                    sample, text)                                                                  \
    {.section = OPTIONS_##in,                                                                      \
     .key = name,                                                                                  \
     .type = OPTIONS_##kind,                                                                       \
     .offset = OPTIONS_OFFSET(OPTIONS_OF_##in, OPTIONS_C_##kind, member),                          \
     .fallback = preset,                                                                           \
     .min = least,                                                                                 \
     .max = most,                                                                                  \
     .unit = counts,                                                                               \
     .reloadable = reload,                                                                         \
     .since = release,                                                                             \
     .otherwise = instead,                                                                         \
     .example = sample,                                                                            \
     .help = text},
#include "config/options.def"
#undef OPTIONS_SECTION
#undef OPTIONS_LIST
#undef OPTIONS_ROW
};

enum {
    OPTIONS_COUNT = sizeof options_table / sizeof options_table[0],
    OPTIONS_SECTION_ROWS = sizeof options_section_table / sizeof options_section_table[0]
};

const struct options_row *options_rows(size_t *ret_count)
{
    *ret_count = OPTIONS_COUNT;
    return options_table;
}

size_t options_index(const struct options_row *row)
{
    ackd_assert(row >= options_table && row < options_table + OPTIONS_COUNT);
    return (size_t)(row - options_table);
}

bool options_required(const struct options_row *row)
{
    return strcmp(row->otherwise, "REQUIRED") == 0;
}

void options_choices(const struct options_row *row, struct options_choices *ret_choices)
{
    ackd_assert(row->type == OPTIONS_CHOICE);
    ackd_assert(strlen(row->unit) < sizeof ret_choices->text);
    strcpy(ret_choices->text, row->unit);
    size_t count = 0;
    char *rest = ret_choices->text;
    while (rest != NULL) {
        ackd_assert(count < OPTIONS_CHOICES_MAX);
        ret_choices->words[count++] = strsep(&rest, "|");
    }
    ret_choices->words[count] = NULL;
}

const struct options_row *options_find(enum options_section section, const char *key)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (options_table[i].section == section && strcmp(options_table[i].key, key) == 0)
            return &options_table[i];
    }
    return NULL;
}

const struct options_section_row *options_sections(size_t *ret_count)
{
    *ret_count = OPTIONS_SECTION_ROWS;
    return options_section_table;
}

const struct options_section_row *options_section(enum options_section section)
{
    ackd_assert(section != OPTIONS_ROOT);
    /* The table is in the order of the enum, which starts with the root. */
    const struct options_section_row *row = &options_section_table[section - 1];
    ackd_assert(row->section == section);
    return row;
}

const struct options_section_row *options_inner(enum options_section parent, const char *key)
{
    for (size_t i = 0; i < OPTIONS_SECTION_ROWS; i++) {
        const struct options_section_row *row = &options_section_table[i];
        if (row->parent == parent && row->key != NULL && strcmp(row->key, key) == 0)
            return row;
    }
    return NULL;
}

const char *options_nearest(enum options_section section, const char *key)
{
    struct nearest nearest;
    nearest_init(&nearest, key);
    for (size_t i = 0; i < OPTIONS_SECTION_ROWS; i++) {
        const struct options_section_row *row = &options_section_table[i];
        if (row->parent == section && row->key != NULL)
            nearest_offer(&nearest, row->key);
        if (row->parent == section && row->names != NULL)
            nearest_offer(&nearest, row->names);
    }
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (options_table[i].section == section)
            nearest_offer(&nearest, options_table[i].key);
    }
    return nearest_name(&nearest);
}

const struct options_section_row *options_elsewhere(const char *key)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (strcmp(options_table[i].key, key) == 0)
            return options_section(options_table[i].section);
    }
    for (size_t i = 0; i < OPTIONS_SECTION_ROWS; i++) {
        const struct options_section_row *row = &options_section_table[i];
        if (row->parent != OPTIONS_ROOT && strcmp(row->key, key) == 0)
            return options_section(row->parent);
    }
    return NULL;
}
