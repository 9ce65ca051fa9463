/* SPDX-License-Identifier: MIT */
/*
 * plugin_state - a handler's state, with all that its members point at.
 *
 * The settings are copied before they are read, so that the state outlives the configuration it
 * was made from. Secrets are wiped when it goes.
 */
#include <config.h>

#include <ackd/error.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "plugin/plugin.h"

enum { PLUGIN_STATE_MAGIC = 0x706c7374 };

struct plugin_state {
    uint32_t magic;
    struct arena arena;                    /* the copies */
    const struct config_setting *settings; /* in the arena; NULL: none */
    size_t setting_count;
    alignas(max_align_t) unsigned char bytes[];
};

static const char *plugin_state_text(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

static int plugin_state_values(struct arena *arena, const char *const *values,
                               const char *const **ret_copy)
{
    size_t count = 0;
    while (values[count] != NULL)
        count++;
    const char **copy = arena_alloc(arena, (count + 1) * sizeof *copy);
    for (size_t i = 0; i < count && copy != NULL; i++) {
        copy[i] = plugin_state_text(arena, values[i]);
        if (copy[i] == NULL)
            copy = NULL;
    }
    if (copy == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the settings of a handler");
    copy[count] = NULL;
    *ret_copy = copy;
    return ACKD_OK;
}

static int plugin_state_copy(struct arena *arena, const struct config_setting *settings,
                             size_t count, const struct config_setting **ret_copy)
{
    if (count == 0)
        return ACKD_OK;
    struct config_setting *copy = arena_alloc(arena, count * sizeof *copy);
    if (copy == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the settings of a handler");
    memcpy(copy, settings, count * sizeof *copy);
    for (size_t i = 0; i < count; i++)
        ACKD_TRY(plugin_state_values(arena, settings[i].values, &copy[i].values));
    *ret_copy = copy;
    return ACKD_OK;
}

/* Any of them may be a secret. The text is a copy in the arena, so it may be written to. */
static void plugin_state_wipe(const char *text)
{
    char *bytes = NULL;
    memcpy(&bytes, &text, sizeof bytes);
    explicit_bzero(bytes, strlen(bytes));
}

void plugin_state_free(const struct plugin *plugin, void **state)
{
    (void)plugin;
    if (*state == NULL)
        return;
    struct plugin_state *whole =
        OBJECT_CAST(plugin_state, PLUGIN_STATE_MAGIC,
                    (unsigned char *)*state - offsetof(struct plugin_state, bytes));
    for (size_t i = 0; i < whole->setting_count; i++) {
        for (size_t k = 0; whole->settings[i].values[k] != NULL; k++)
            plugin_state_wipe(whole->settings[i].values[k]);
    }
    arena_fini(&whole->arena);
    whole->magic = 0;
    free(whole);
    *state = NULL;
}

/* The first of the errors is the one to be told. */
static void plugin_state_report(const char *line, void *arg)
{
    char *first = arg;
    if (first[0] == '\0')
        snprintf(first, 1024, "%s", line);
}

static int plugin_state_fill(const struct plugin *plugin, struct plugin_state *state,
                             const struct config_setting *settings, size_t count, const char *where)
{
    char first[1024] = "";
    ACKD_TRY(plugin_state_copy(&state->arena, settings, count, &state->settings));
    state->setting_count = count;
    int code = plugin_settings(plugin, state->settings, count, where, state->bytes,
                               plugin_state_report, first);
    if (code == ACKD_E_CONFIG)
        return ackd_fail(ACKD_E_CONFIG, "%s", first);
    return code;
}

int plugin_state_new(const struct plugin *plugin, const struct config_setting *settings,
                     size_t count, const char *where, void **ret_state)
{
    size_t size = plugin_consumer(plugin)->state_size;
    struct plugin_state *state =
        size > SIZE_MAX - sizeof *state ? NULL : calloc(1, sizeof *state + size);
    if (state == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%zu bytes for the state of handler '%s'", size,
                         plugin_consumer(plugin)->name);
    state->magic = PLUGIN_STATE_MAGIC;
    arena_init(&state->arena, NULL, 0);
    void *bytes = state->bytes;
    int code = plugin_state_fill(plugin, state, settings, count, where);
    if (code != ACKD_OK || size == 0)
        plugin_state_free(plugin, &bytes);
    if (code == ACKD_OK)
        *ret_state = size == 0 ? NULL : bytes;
    return code;
}
