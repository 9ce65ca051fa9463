/* SPDX-License-Identifier: MIT */
/* option - one function for each type of a setting, and the checks on a table that others wrote. */
#include <config.h>

#include "plugin/option.h"

#include <ackd/error.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "config/value.h"
#include "plugin/descriptor.h"

struct option_type {
    const char *name;
    size_t size; /* of the member, bytes; its alignment is the same for all of these */
    bool bounded;
};

static const struct option_type option_types[] = {
    [ACKD_OPTION_STRING] = {"string", sizeof(const char *), false},
    [ACKD_OPTION_URL] = {"url", sizeof(const char *), false},
    [ACKD_OPTION_PATH] = {"path", sizeof(const char *), false},
    [ACKD_OPTION_SECRET] = {"secret", sizeof(const char *), false},
    [ACKD_OPTION_INTEGER] = {"integer", sizeof(int64_t), true},
    [ACKD_OPTION_BOOLEAN] = {"boolean", sizeof(bool), false},
    [ACKD_OPTION_DURATION] = {"duration", sizeof(uint64_t), true},
    [ACKD_OPTION_SIZE] = {"size", sizeof(uint64_t), true},
    [ACKD_OPTION_CHOICE] = {"choice", sizeof(int), false},
    [ACKD_OPTION_LIST] = {"list", sizeof(const char *const *), false},
};
enum { OPTION_TYPES = sizeof option_types / sizeof *option_types };

const char *option_type_name(const struct ackd_option *option)
{
    ackd_assert(option->type < OPTION_TYPES);
    return option_types[option->type].name;
}

static void option_store(const struct ackd_option *option, void *state, const void *value)
{
    if (state != NULL)
        memcpy((char *)state + option->offset, value, option_types[option->type].size);
}

/* What a value is not, from the floor that reads it. */
static int option_wrong(void)
{
    char text[512];
    snprintf(text, sizeof text, "%s", ackd_error_text(ackd_error_current()));
    return ackd_fail(ACKD_E_CONFIG, "is %s", text);
}

static const char *option_number(const struct ackd_option *option, int64_t number, char *text)
{
    if (option->type == ACKD_OPTION_DURATION)
        return value_format_duration((uint64_t)number, text);
    if (option->type == ACKD_OPTION_SIZE)
        return value_format_size((uint64_t)number, text);
    snprintf(text, VALUE_TEXT_SIZE, "%lld", (long long)number);
    return text;
}

static int option_bounds(const struct ackd_option *option, int64_t number)
{
    char least[VALUE_TEXT_SIZE];
    char most[VALUE_TEXT_SIZE];
    bool endless = option->max == 0 && option->min > 0;
    if (option->min == 0 && option->max == 0)
        return ACKD_OK;
    if (number >= option->min && (endless || number <= option->max))
        return ACKD_OK;
    if (endless)
        return ackd_fail(ACKD_E_CONFIG, "is out of bounds: write %s at least",
                         option_number(option, option->min, least));
    return ackd_fail(ACKD_E_CONFIG, "is out of bounds: write %s to %s",
                     option_number(option, option->min, least),
                     option_number(option, option->max, most));
}

static int option_set_integer(const struct ackd_option *option, const char *text, void *state)
{
    int64_t number = 0;
    if (value_integer(text, &number) != ACKD_OK)
        return option_wrong();
    ACKD_TRY(option_bounds(option, number));
    option_store(option, state, &number);
    return ACKD_OK;
}

/* A duration or a size: unsigned, and within what bounds can say. */
static int option_set_quantity(const struct ackd_option *option, const char *text, void *state)
{
    uint64_t number = 0;
    int code = option->type == ACKD_OPTION_SIZE ? value_size(text, &number)
                                                : value_duration_ms(text, &number);
    if (code != ACKD_OK)
        return option_wrong();
    ACKD_TRY(option_bounds(option, number > INT64_MAX ? INT64_MAX : (int64_t)number));
    option_store(option, state, &number);
    return ACKD_OK;
}

static int option_set_boolean(const struct ackd_option *option, const char *text, void *state)
{
    bool truth = false;
    if (value_boolean(text, &truth) != ACKD_OK)
        return option_wrong();
    option_store(option, state, &truth);
    return ACKD_OK;
}

static int option_set_choice(const struct ackd_option *option, const char *text, void *state)
{
    int index = 0;
    if (value_choice(text, option->choices, &index) != ACKD_OK)
        return option_wrong();
    option_store(option, state, &index);
    return ACKD_OK;
}

static int option_set_text(const struct ackd_option *option, const char *text, void *state)
{
    if (option->type == ACKD_OPTION_URL && value_url(text) != ACKD_OK)
        return option_wrong();
    if (option->type == ACKD_OPTION_PATH && text[0] != '/')
        return ackd_fail(ACKD_E_CONFIG, "is not an absolute path: begin it with '/'");
    option_store(option, state, &text);
    return ACKD_OK;
}

int option_set(const struct ackd_option *option, const char *const *values, bool list, void *state)
{
    if (option->type == ACKD_OPTION_LIST) {
        if (option->required && values[0] == NULL)
            return ackd_fail(ACKD_E_CONFIG, "is an empty list: it needs one item at least");
        option_store(option, state, &values);
        return ACKD_OK;
    }
    if (list)
        return ackd_fail(ACKD_E_CONFIG, "is a list: it takes one value");
    ackd_assert(values[0] != NULL);
    switch ((enum ackd_option_type)option->type) {
    case ACKD_OPTION_INTEGER:
        return option_set_integer(option, values[0], state);
    case ACKD_OPTION_BOOLEAN:
        return option_set_boolean(option, values[0], state);
    case ACKD_OPTION_DURATION:
    case ACKD_OPTION_SIZE:
        return option_set_quantity(option, values[0], state);
    case ACKD_OPTION_CHOICE:
        return option_set_choice(option, values[0], state);
    case ACKD_OPTION_STRING:
    case ACKD_OPTION_URL:
    case ACKD_OPTION_PATH:
    case ACKD_OPTION_SECRET:
    case ACKD_OPTION_LIST:
        break;
    }
    return option_set_text(option, values[0], state);
}

/* The default of a list is one item; its complete row has it in `choices`, as a list that lasts. */
void option_set_default(const struct ackd_option *option, void *state)
{
    const char *const one[] = {option->fallback, NULL};
    if (option->fallback == NULL) {
        memset((char *)state + option->offset, 0, option_types[option->type].size);
        return;
    }
    int code =
        option_set(option, option->type == ACKD_OPTION_LIST ? option->choices : one, false, state);
    ackd_assert(code == ACKD_OK);
}

const struct ackd_option *option_find(const struct ackd_option *table, const char *key)
{
    for (const struct ackd_option *option = table; option != NULL && option->size != 0; option++) {
        if (strcmp(option->name, key) == 0)
            return option;
    }
    return NULL;
}

/* What is wrong with a row; NULL for nothing. */
static const char *option_fault(const struct ackd_option *option, size_t state_size)
{
    const struct option_type *type = &option_types[option->type];
    const char *const one[] = {option->fallback, NULL};
    if (state_size < type->size || option->offset > state_size - type->size)
        return "its member is outside of state_size";
    if (option->offset % type->size != 0)
        return "its offset is not that of a member of this type";
    if (option->type == ACKD_OPTION_CHOICE &&
        (option->choices == NULL || option->choices[0] == NULL))
        return "a CHOICE needs .choices";
    if (option->min > option->max && option->max != 0)
        return "its min is above its max";
    if (!type->bounded && (option->min != 0 || option->max != 0))
        return "bounds are for numbers, durations and sizes";
    if (option->required && option->fallback != NULL)
        return "it is required and has a default too";
    if (option->fallback != NULL && option_set(option, one, false, NULL) != ACKD_OK)
        return "its default is not a value of its type";
    return NULL;
}

/* The key as an operator writes it. */
static const char *option_key(const char *member, struct arena *arena)
{
    char *key = arena_strndup(arena, member, strlen(member));
    for (char *at = key; at != NULL && *at != '\0'; at++) {
        if (*at == '_')
            *at = '-';
    }
    return key;
}

/* One row of theirs becomes one of ours. */
static int option_row(const struct ackd_option *theirs, size_t state_size, const char *who,
                      struct arena *arena, struct ackd_option *ret_ours)
{
    struct ackd_option ours;
    bool known = descriptor_complete(theirs, theirs->size, &ours, sizeof ours);
    ours.size = sizeof ours;
    if (ours.name == NULL || ours.name[0] == '\0')
        return ackd_fail(ACKD_E_PLUGIN, "%s has an option without a name", who);
    if (!known || ours.type >= OPTION_TYPES)
        return ackd_fail(ACKD_E_PLUGIN,
                         "%s: option '%s' is of a kind that this ackd does not know: update ackd",
                         who, ours.name);
    const char *fault = option_fault(&ours, state_size);
    if (fault != NULL)
        return ackd_fail(ACKD_E_PLUGIN, "%s: option '%s': %s", who, ours.name, fault);
    ours.name = option_key(ours.name, arena);
    if (ours.type == ACKD_OPTION_LIST) {
        const char **items = arena_alloc(arena, 2 * sizeof *items);
        if (items != NULL)
            memcpy(items, (const char *const[]){ours.fallback, NULL}, 2 * sizeof *items);
        ours.choices = items;
    }
    if (ours.name == NULL || (ours.type == ACKD_OPTION_LIST && ours.choices == NULL))
        return ackd_fail(ACKD_E_NOMEM, "%s: its options", who);
    *ret_ours = ours;
    return ACKD_OK;
}

/* How many rows there are before the end; rows of other sizes than the first are none. */
static int option_count(const struct ackd_option *table, const char *who, size_t *ret_count)
{
    uint32_t size = table->size;
    if (size != 0 && (size < offsetof(struct ackd_option, help) || size > 4096 ||
                      size % alignof(struct ackd_option) != 0))
        return ackd_fail(ACKD_E_PLUGIN, "%s: its options are not made by ACKD_OPTION", who);
    for (size_t count = 0; size == 0 || count <= OPTION_ROWS_MAX; count++) {
        const struct ackd_option *row = (const void *)((const char *)table + count * size);
        if (row->size == 0) {
            *ret_count = count;
            return ACKD_OK;
        }
        if (row->size != size)
            break;
    }
    return ackd_fail(ACKD_E_PLUGIN, "%s: its options do not end with ACKD_OPTIONS_END", who);
}

int option_table(const struct ackd_option *table, size_t state_size, const char *who,
                 struct arena *arena, const struct ackd_option **ret_table)
{
    size_t count = 0;
    if (table != NULL)
        ACKD_TRY(option_count(table, who, &count));
    struct ackd_option *ours = arena_alloc(arena, (count + 1) * sizeof *ours);
    if (ours == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%s: its options", who);
    memset(ours, 0, (count + 1) * sizeof *ours);
    for (size_t i = 0; i < count; i++) {
        const struct ackd_option *row = (const void *)((const char *)table + i * table->size);
        struct ackd_option complete = {0};
        ACKD_TRY(option_row(row, state_size, who, arena, &complete));
        if (option_find(ours, complete.name) != NULL)
            return ackd_fail(ACKD_E_PLUGIN, "%s: option '%s' is there twice", who, complete.name);
        ours[i] = complete;
    }
    *ret_table = ours;
    return ACKD_OK;
}
