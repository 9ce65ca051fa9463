/* SPDX-License-Identifier: MIT */
/*
 * plugin - handlers as shared objects: found, checked, loaded once, never unloaded.
 *
 * A suspended stack may return into a plugin, so it is never closed. The daemon loads a private
 * copy, because overwriting a mapped file in place would kill the process.
 */
#ifndef ACKD_PLUGIN_PLUGIN_H
#define ACKD_PLUGIN_PLUGIN_H

#include <ackd/consumer.h>
#include <stdbool.h>

#include "config/config.h"

struct plugin;

/*
 * Find NAME.so in @path (directories, ended by NULL), or take @name as a path if it holds a '/'.
 * @cache: where to put the private copy <name>-<build-id>.so; NULL: load in place. The same name
 * again gives the same plugin. ACKD_E_NOT_FOUND lists where it was looked for; ACKD_E_PLUGIN names
 * both ABI versions, the missing symbol, or what the dynamic linker said.
 */
ACKD_MUST_CHECK int plugin_load(const char *name, const char *const *path, const char *cache,
                                struct plugin **ret_plugin);

/*
 * A handler that is part of this program: @consumer as a plugin would export it. Freed by
 * plugin_forget, unlike what was loaded. ACKD_E_PLUGIN, ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int plugin_wrap(const struct ackd_consumer *consumer, struct plugin **ret_plugin);
void plugin_forget(struct plugin **plugin);

/* The descriptor, complete: members that an older plugin does not have are zero. */
const struct ackd_consumer *plugin_consumer(const struct plugin *plugin);
/* Whether its option @key is a secret; false for what it does not have. */
bool plugin_is_secret(const struct plugin *plugin, const char *key);
const char *plugin_file(const struct plugin *plugin);
const char *plugin_build_id(const struct plugin *plugin); /* hexadecimal; "" if it has none */

/*
 * Check @settings against the plugin's options and, where @state is not NULL, fill in the state.
 * Each error is given to @report as "FILE:LINE:COLUMN: ..."; ACKD_E_CONFIG if there was any.
 */
ACKD_MUST_CHECK int plugin_settings(const struct plugin *plugin,
                                    const struct config_setting *settings, size_t count,
                                    const char *where, void *state,
                                    void (*report)(const char *line, void *arg), void *arg);

/* Zeroed state with its options filled in; freed by plugin_state_free. NULL with size 0. */
ACKD_MUST_CHECK int plugin_state_new(const struct plugin *plugin,
                                     const struct config_setting *settings, size_t count,
                                     const char *where, void **ret_state);
void plugin_state_free(const struct plugin *plugin, void **state);

/* Remove copies in @cache that no process uses: at start. */
void plugin_sweep(const char *cache);

/* Visit every NAME.so in @path. @plugin is NULL, and the error current, where it cannot be loaded.
 */
void plugin_each(const char *const *path,
                 void (*visit)(const char *name, const char *file, const struct plugin *plugin,
                               void *arg),
                 void *arg);

#endif
