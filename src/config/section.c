/* SPDX-License-Identifier: MIT */
/* section - one broker, one consumer, or the process. It must not know what an option is for. */
#include <config.h>

#include "config/section.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "config/value.h"

/* One option that is being read. */
struct reading {
    struct section *section;
    const struct expand *expand;
    const struct options_row *row;
    const struct node *node; /* NULL: the fallback */
    void *member;
    bool wrong;
};

static int section_no_memory(void)
{
    return ackd_fail(ACKD_E_NOMEM, "the configuration");
}

/* The section as a whole, without a part of it. */
static void section_describe_whole(const struct section *section, enum options_section part,
                                   char *text)
{
    const char *kind = section->kind == OPTIONS_CONSUMER ? "consumer"
                       : section->kind == OPTIONS_LIMIT  ? "limit"
                                                         : "broker";
    if (section->owner != NULL) {
        char owner[SECTION_TEXT_SIZE];
        const struct options_section_row *row = options_section(section->kind);
        section_describe(section->owner, row->parent, owner);
        snprintf(text, SECTION_TEXT_SIZE, "item %zu of '%s' of %.200s", section->index + 1,
                 row->key, owner);
    } else if (section->name != NULL) {
        snprintf(text, SECTION_TEXT_SIZE, "%s '%.64s'", kind, section->name);
    } else {
        snprintf(text, SECTION_TEXT_SIZE, "'%s'",
                 options_section(section->kind == OPTIONS_ROOT ? part : section->kind)->key);
    }
}

const char *section_describe(const struct section *section, enum options_section part, char *text)
{
    ackd_assert(part != OPTIONS_ROOT);
    size_t length = 0;
    for (; part != section->kind && section->kind != OPTIONS_ROOT;
         part = options_section(part)->parent)
        length += (size_t)snprintf(text + length, SECTION_TEXT_SIZE - length, "'%s' of ",
                                   options_section(part)->key);
    char whole[SECTION_TEXT_SIZE];
    section_describe_whole(section, part, whole);
    snprintf(text + length, SECTION_TEXT_SIZE - length, "%s", whole);
    return text;
}

/* Whether @part is @kind or within it, without the items of its lists. */
static bool section_holds(enum options_section kind, enum options_section part)
{
    while (part != kind && part != OPTIONS_ROOT) {
        const struct options_section_row *row = options_section(part);
        if (row->item_size != 0 || (kind == OPTIONS_ROOT && row->names != NULL))
            return false;
        part = row->parent;
    }
    return part == kind;
}

/* Add "'KEY' in WHERE: " and the text to the findings. */
static void section_wrong(struct reading *reading, const char *format, ...) ACKD_PRINTF(2, 3);
static void section_wrong(struct reading *reading, const char *format, ...)
{
    char where[SECTION_TEXT_SIZE];
    char text[FINDINGS_TEXT_SIZE / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    findings_add(reading->expand->findings, &reading->node->place, "'%s' in %s: %s",
                 reading->row->key,
                 section_describe(reading->section, reading->row->section, where), text);
    reading->wrong = true;
}

/* The value for an error: quoted, unless it may not be shown. */
static const char *section_show(const struct reading *reading, char *text, size_t size)
{
    char quote[FINDINGS_QUOTE_SIZE];
    if (reading->node->secret || reading->row->type == OPTIONS_SECRET)
        snprintf(text, size, "its value");
    else
        snprintf(text, size, "'%s'", findings_quote(reading->node->value, quote));
    return text;
}

static void section_malformed(struct reading *reading)
{
    char shown[FINDINGS_QUOTE_SIZE + 2];
    section_wrong(reading, "%s is %s", section_show(reading, shown, sizeof shown),
                  ackd_error_text(ackd_error_current()));
}

static void section_bound(const struct options_row *row, int64_t bound, char *text)
{
    if (row->type == OPTIONS_DURATION)
        value_format_duration((uint64_t)bound, text);
    else if (row->type == OPTIONS_SIZE)
        value_format_size((uint64_t)bound, text);
    else
        snprintf(text, VALUE_TEXT_SIZE, "%" PRId64, bound);
}

/* Check @number against the bounds of the row. */
static bool section_within(struct reading *reading, uint64_t number)
{
    const struct options_row *row = reading->row;
    if (number >= (uint64_t)row->min && number <= (uint64_t)row->max)
        return true;
    bool small = number < (uint64_t)row->min;
    char bound[VALUE_TEXT_SIZE];
    char shown[FINDINGS_QUOTE_SIZE + 2];
    section_bound(row, small ? row->min : row->max, bound);
    section_wrong(reading, "%s is too %s: the %s is %s", section_show(reading, shown, sizeof shown),
                  small ? "small" : "large", small ? "least" : "most", bound);
    return false;
}

static void section_set_integer(struct reading *reading, const char *value)
{
    int64_t number = 0;
    if (value_integer(value, &number) != ACKD_OK)
        section_malformed(reading);
    else if (section_within(reading, number < 0 ? 0 : (uint64_t)number))
        *(uint32_t *)reading->member = (uint32_t)number;
}

static void section_set_percent(struct reading *reading, const char *value)
{
    uint32_t percent = 0;
    if (value_percent(value, &percent) != ACKD_OK)
        section_malformed(reading);
    else if (section_within(reading, percent))
        *(uint32_t *)reading->member = percent;
}

static void section_set_wide(struct reading *reading, const char *value)
{
    const struct options_row *row = reading->row;
    uint64_t number = 0;
    int code = ACKD_OK;
    if (row->type == OPTIONS_SIZE)
        code = value_size(value, &number);
    else if (row->min > 0 || strcmp(value, "off") != 0)
        code = value_duration_ms(value, &number);
    if (code != ACKD_OK)
        section_malformed(reading);
    else if (section_within(reading, number))
        *(uint64_t *)reading->member = number;
}

static void section_set_rate(struct reading *reading, const char *value)
{
    struct config_rate rate = {.count = 0};
    if (value_rate(value, &rate.count, &rate.per_ms) != ACKD_OK)
        section_malformed(reading);
    else if (section_within(reading, rate.count))
        *(struct config_rate *)reading->member = rate;
}

static void section_set_choice(struct reading *reading, const char *value)
{
    struct options_choices choices;
    options_choices(reading->row, &choices);
    if (value_choice(value, choices.words, reading->member) != ACKD_OK)
        section_malformed(reading);
}

static void section_set_string(struct reading *reading, const char *value)
{
    const struct options_row *row = reading->row;
    size_t length = strlen(value);
    if (length < (uint64_t)row->min)
        section_wrong(reading, "it is empty");
    else if (row->max > 0 && length > (uint64_t)row->max)
        section_wrong(reading, "it is longer than %" PRId64 " bytes", row->max);
    else
        *(const char **)reading->member = value;
}

/* @value from the directory of the file that it stands in, if it is relative. */
static int section_path(struct reading *reading, const char *value, const char **ret_path)
{
    const char *file = reading->node == NULL ? NULL : reading->node->place.file;
    const char *slash = file == NULL ? NULL : strrchr(file, '/');
    *ret_path = value;
    if (*value == '/' || slash == NULL)
        return ACKD_OK;
    size_t directory = (size_t)(slash + 1 - file);
    char *path = arena_alloc_bytes(reading->expand->arena, directory + strlen(value) + 1);
    if (path == NULL)
        return section_no_memory();
    memcpy(path, file, directory);
    strcpy(path + directory, value);
    *ret_path = path;
    return ACKD_OK;
}

static int section_set_path(struct reading *reading, const char *value)
{
    if (*value == '\0') {
        section_wrong(reading, "it is empty");
        return ACKD_OK;
    }
    return section_path(reading, value, reading->member);
}

/* Set the member from one value. */
static int section_set(struct reading *reading, const char *value)
{
    switch (reading->row->type) {
    case OPTIONS_STRING:
    case OPTIONS_SECRET:
    case OPTIONS_URI:
        section_set_string(reading, value);
        return ACKD_OK;
    case OPTIONS_PATH:
        return section_set_path(reading, value);
    case OPTIONS_INTEGER:
        section_set_integer(reading, value);
        return ACKD_OK;
    case OPTIONS_BOOLEAN:
        if (value_boolean(value, reading->member) != ACKD_OK)
            section_malformed(reading);
        return ACKD_OK;
    case OPTIONS_DURATION:
    case OPTIONS_SIZE:
        section_set_wide(reading, value);
        return ACKD_OK;
    case OPTIONS_PERCENT:
        section_set_percent(reading, value);
        return ACKD_OK;
    case OPTIONS_CHOICE:
        section_set_choice(reading, value);
        return ACKD_OK;
    case OPTIONS_RATE:
        section_set_rate(reading, value);
        return ACKD_OK;
    case OPTIONS_PATHS:
    case OPTIONS_SETTINGS:
    case OPTIONS_NAMES:
    case OPTIONS_TABLE:
        break;
    }
    ackd_assert(!"a list or a map has no single value");
    return ACKD_OK;
}

/* Fill in the ${...} of a scalar. *ret_value is NULL where something was wrong. */
static int section_expand(struct reading *reading, struct node *node, const char **ret_value)
{
    *ret_value = NULL;
    if (node->kind != NODE_SCALAR) {
        const struct node *before = reading->node;
        reading->node = node;
        if (node->kind == NODE_EMPTY)
            section_wrong(reading, "it has no value");
        else
            section_wrong(reading, "it is %s, but takes one value", node_kind_name(node->kind));
        reading->node = before;
        return ACKD_OK;
    }
    ACKD_TRY(expand_node(reading->expand, node, reading->row->type == OPTIONS_URI));
    *ret_value = node->value;
    return ACKD_OK;
}

static int section_read_scalar(struct reading *reading, struct node *node)
{
    const char *value = NULL;
    ACKD_TRY(section_expand(reading, node, &value));
    return value == NULL ? ACKD_OK : section_set(reading, value);
}

/* A list of paths or names; one alone is a list of one. */
static int section_read_list(struct reading *reading, struct node *node)
{
    bool is_path = reading->row->type == OPTIONS_PATHS;
    size_t count = node->kind == NODE_LIST ? node->count : 1;
    if (count < (uint64_t)reading->row->min || count > (uint64_t)reading->row->max) {
        section_wrong(reading, "it holds %zu %s: write from %" PRId64 " to %" PRId64, count,
                      is_path ? "paths" : "names", reading->row->min, reading->row->max);
        return ACKD_OK;
    }
    const char **paths = arena_alloc(reading->expand->arena, (count + 1) * sizeof *paths);
    if (paths == NULL)
        return section_no_memory();
    size_t i = 0;
    struct node *item = node->kind == NODE_LIST ? node->children : node;
    for (; i < count; i++, item = item->next) {
        const char *value = NULL;
        paths[i] = "";
        ACKD_TRY(section_expand(reading, item, &value));
        if (value != NULL && *value == '\0')
            section_wrong(reading, "a %s is empty", is_path ? "path" : "name");
        else if (value != NULL && !is_path)
            paths[i] = value;
        else if (value != NULL)
            ACKD_TRY(section_path(reading, value, &paths[i]));
    }
    paths[i] = NULL;
    *(const char *const **)reading->member = paths;
    return ACKD_OK;
}

/* Whether the text is a URI by what stands before the first ${...}: "http://${HOST}/". */
static bool section_is_uri(const char *text)
{
    const char *colon = strstr(text, "://");
    const char *first = strstr(text, "${");
    return colon != NULL && first != NULL && colon < first;
}

static int section_read_setting(struct reading *reading, struct node *node,
                                struct config_setting *setting)
{
    size_t count = node->kind == NODE_LIST ? node->count : 1;
    const char **values = arena_alloc(reading->expand->arena, (count + 1) * sizeof *values);
    if (values == NULL)
        return section_no_memory();
    *setting = (struct config_setting){.key = node->key,
                                       .values = values,
                                       .list = node->kind == NODE_LIST,
                                       .file = node->place.file,
                                       .line = node->place.line,
                                       .column = node->place.column};
    struct node *item = node->kind == NODE_LIST ? node->children : node;
    size_t i = 0;
    for (; i < count; i++, item = item->next) {
        char where[SECTION_TEXT_SIZE];
        char quote[FINDINGS_QUOTE_SIZE];
        values[i] = "";
        if (item->kind != NODE_SCALAR) {
            findings_add(reading->expand->findings, &item->place,
                         "setting '%s' of %s is %s: a setting is a value or a list of values",
                         findings_quote(node->key, quote),
                         section_describe(reading->section, OPTIONS_CONSUMER, where),
                         node_kind_name(item->kind));
            continue;
        }
        ACKD_TRY(expand_node(reading->expand, item, section_is_uri(item->text)));
        values[i] = item->value == NULL ? "" : item->value;
        setting->secret = setting->secret || item->secret;
    }
    values[i] = NULL;
    return ACKD_OK;
}

static int section_read_settings(struct reading *reading, struct node *node)
{
    struct options_consumer *consumer = reading->section->values;
    if (node->kind == NODE_EMPTY)
        return ACKD_OK;
    if (node->kind != NODE_MAP) {
        section_wrong(reading, "it is %s, but takes a map of settings", node_kind_name(node->kind));
        return ACKD_OK;
    }
    struct config_setting *settings =
        arena_alloc(reading->expand->arena, (node->count + 1) * sizeof *settings);
    if (settings == NULL)
        return section_no_memory();
    size_t count = 0;
    for (struct node *child = node->children; child != NULL; child = child->next)
        ACKD_TRY(section_read_setting(reading, child, &settings[count++]));
    consumer->out.settings = settings;
    consumer->out.setting_count = count;
    return ACKD_OK;
}

/* A value of a map: what it is, is how it is written. */
static void section_read_argument(const struct node *node, struct config_argument *ret_argument)
{
    *ret_argument = (struct config_argument){
        .key = node->key, .kind = CONFIG_TEXT, .text = node->value, .secret = node->secret};
    bool boolean = false;
    if (node->quoted)
        return;
    if (value_integer(node->value, &ret_argument->number) == ACKD_OK) {
        ret_argument->kind = CONFIG_INTEGER;
    } else if (strcmp(node->value, "true") == 0 || strcmp(node->value, "false") == 0) {
        ret_argument->kind = CONFIG_BOOLEAN;
        boolean = node->value[0] == 't';
        ret_argument->number = boolean;
    } else if (value_timestamp_s(node->value, &ret_argument->number) == ACKD_OK) {
        ret_argument->kind = CONFIG_TIMESTAMP;
    }
}

static int section_read_table(struct reading *reading, struct node *node)
{
    struct config_table *table = reading->member;
    if (node->kind == NODE_EMPTY)
        return ACKD_OK;
    if (node->kind != NODE_MAP) {
        section_wrong(reading, "it is %s, but takes a map of values", node_kind_name(node->kind));
        return ACKD_OK;
    }
    if (node->count > (uint64_t)reading->row->max) {
        section_wrong(reading, "it holds %zu values: write %" PRId64 " at most", node->count,
                      reading->row->max);
        return ACKD_OK;
    }
    struct config_argument *arguments =
        arena_alloc(reading->expand->arena, (node->count + 1) * sizeof *arguments);
    if (arguments == NULL)
        return section_no_memory();
    table->arguments = arguments;
    table->count = 0;
    for (struct node *child = node->children; child != NULL; child = child->next) {
        const char *value = NULL;
        ACKD_TRY(section_expand(reading, child, &value));
        if (value != NULL)
            section_read_argument(child, &arguments[table->count++]);
    }
    return ACKD_OK;
}

static int section_read_option(struct section *section, const struct expand *expand,
                               const struct options_row *row, struct node *node)
{
    struct reading reading = {.section = section, .expand = expand, .row = row, .node = node};
    reading.member = (char *)section->values + row->offset;
    section->nodes[options_index(row)] = node;
    if (row->type == OPTIONS_PATHS || row->type == OPTIONS_NAMES)
        return section_read_list(&reading, node);
    if (row->type == OPTIONS_SETTINGS)
        return section_read_settings(&reading, node);
    if (row->type == OPTIONS_TABLE)
        return section_read_table(&reading, node);
    return section_read_scalar(&reading, node);
}

static void section_unknown(const struct section *section, const struct expand *expand,
                            enum options_section part, const struct node *node)
{
    char where[SECTION_TEXT_SIZE];
    char quote[FINDINGS_QUOTE_SIZE];
    findings_quote(node->key, quote);
    section_describe(section, part, where);
    const char *nearest = options_nearest(part, node->key);
    const struct options_section_row *elsewhere = options_elsewhere(node->key);
    if (elsewhere != NULL)
        findings_add(expand->findings, &node->key_place,
                     "unknown option '%s' in %s (it belongs below '%s')", quote, where,
                     elsewhere->key != NULL ? elsewhere->key : elsewhere->names);
    else if (nearest != NULL)
        findings_add(expand->findings, &node->key_place,
                     "unknown option '%s' in %s (did you mean '%s'?)", quote, where, nearest);
    else
        findings_add(expand->findings, &node->key_place, "unknown option '%s' in %s", quote, where);
}

/* One item of a list of sections. */
static int section_read_item(struct section *item, const struct section *owner, size_t index,
                             const struct expand *expand, const struct options_section_row *row,
                             void *values, struct node *node)
{
    memset(values, 0, row->item_size);
    ACKD_TRY(section_init(item, expand->arena, row->section, NULL, values));
    item->owner = owner;
    item->index = index;
    item->node = node;
    item->place = node->place;
    if (node->kind == NODE_MAP)
        return section_read(item, expand, row->section, node);
    char where[SECTION_TEXT_SIZE];
    findings_add(expand->findings, &node->place, "%s is %s, but takes a map of options",
                 section_describe(item, row->section, where), node_kind_name(node->kind));
    return ACKD_OK;
}

/* A list of sections; a map alone is a list of one. */
static int section_read_items(struct section *section, const struct expand *expand,
                              const struct options_section_row *row, struct node *node)
{
    if (node->kind == NODE_EMPTY)
        return ACKD_OK;
    if (node->kind == NODE_SCALAR) {
        char where[SECTION_TEXT_SIZE];
        findings_add(expand->findings, &node->place, "'%s' of %s is a value, but takes a list",
                     row->key, section_describe(section, row->parent, where));
        return ACKD_OK;
    }
    struct node *item = node->kind == NODE_LIST ? node->children : node;
    size_t count = node->kind == NODE_LIST ? node->count : 1;
    struct section_list *list = arena_alloc(expand->arena, sizeof *list);
    struct section *items = arena_alloc(expand->arena, (count + 1) * sizeof *items);
    char *values = arena_alloc(expand->arena, (count + 1) * row->item_size);
    if (list == NULL || items == NULL || values == NULL)
        return section_no_memory();
    for (size_t i = 0; i < count; i++, item = item->next)
        ACKD_TRY(section_read_item(&items[i], section, i, expand, row, values + i * row->item_size,
                                   item));
    *list = (struct section_list){
        .part = row->section, .node = node, .items = items, .count = count, .next = section->lists};
    section->lists = list;
    memcpy((char *)section->values + row->items_offset, &values, sizeof values);
    memcpy((char *)section->values + row->count_offset, &count, sizeof count);
    return ACKD_OK;
}

bool section_given(const struct section *section, enum options_section part)
{
    return (section->given & UINT64_C(1) << part) != 0;
}

const struct section_list *section_list(const struct section *section, enum options_section part)
{
    const struct section_list *list = section->lists;
    while (list != NULL && list->part != part)
        list = list->next;
    return list;
}

int section_read(struct section *section, const struct expand *expand, enum options_section part,
                 struct node *node)
{
    _Static_assert(OPTIONS_SECTION_COUNT <= 64, "a bit for each section");
    if (node->kind == NODE_EMPTY)
        return ACKD_OK;
    if (node->kind != NODE_MAP) {
        char where[SECTION_TEXT_SIZE];
        findings_add(expand->findings, &node->place, "%s is %s, but takes a map of options",
                     section_describe(section, part, where), node_kind_name(node->kind));
        return ACKD_OK;
    }
    section->given |= UINT64_C(1) << part;
    for (struct node *child = node->children; child != NULL; child = child->next) {
        const struct options_row *row = options_find(part, child->key);
        const struct options_section_row *inner = options_inner(part, child->key);
        if (row != NULL)
            ACKD_TRY(section_read_option(section, expand, row, child));
        else if (inner != NULL && inner->item_size != 0)
            ACKD_TRY(section_read_items(section, expand, inner, child));
        else if (inner != NULL)
            ACKD_TRY(section_read(section, expand, inner->section, child));
        else
            section_unknown(section, expand, part, child);
    }
    return ACKD_OK;
}

int section_init(struct section *section, struct arena *arena, enum options_section kind,
                 const char *name, void *values)
{
    size_t count = 0;
    const struct options_row *rows = options_rows(&count);
    *section = (struct section){.kind = kind, .name = name, .values = values};
    section->nodes = arena_alloc(arena, count * sizeof *section->nodes);
    if (section->nodes == NULL)
        return section_no_memory();
    struct findings none;
    findings_init(&none);
    const struct expand expand = {.arena = arena, .findings = &none};
    for (size_t i = 0; i < count; i++) {
        section->nodes[i] = NULL;
        if (rows[i].fallback == NULL || !section_holds(kind, rows[i].section))
            continue;
        struct reading reading = {.section = section, .expand = &expand, .row = &rows[i]};
        reading.member = (char *)values + rows[i].offset;
        ACKD_TRY(section_set(&reading, rows[i].fallback));
        ackd_assert(!reading.wrong); /* a fault in options.def */
    }
    return ACKD_OK;
}

const struct node *section_node(const struct section *section, enum options_section part,
                                const char *key)
{
    const struct options_row *row = options_find(part, key);
    ackd_assert(row != NULL);
    return section->nodes[options_index(row)];
}

void section_set_node(struct section *section, enum options_section part, const char *key,
                      const struct node *node)
{
    const struct options_row *row = options_find(part, key);
    ackd_assert(row != NULL);
    section->nodes[options_index(row)] = node;
}

const struct place *section_place(const struct section *section, enum options_section part,
                                  const char *key)
{
    const struct node *node = section_node(section, part, key);
    return node == NULL ? &section->place : &node->place;
}
