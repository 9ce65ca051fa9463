/* SPDX-License-Identifier: MIT */
/*
 * plugin - the handlers that were loaded, for as long as the process lives.
 *
 *   G1  A real path is loaded once: what is loaded again is the same plugin.
 *   G2  Nothing of a plugin is called before its descriptor was checked, but for its constructors,
 *       which the dynamic linker runs.
 *   G3  What was loaded is never closed, also where it was refused afterwards.
 *
 * Used by the main thread alone. It must not know consumers, nor what a handler does.
 */
#include <config.h>

#include "plugin/plugin.h"

#include <ackd/error.h>
#include <ackd/log.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "plugin/copy.h"
#include "plugin/descriptor.h"
#include "plugin/image.h"
#include "plugin/option.h"

struct plugin {
    struct plugin *next; /* in plugins_loaded */
    const char *file;    /* its real path, not that of the copy */
    char build_id[IMAGE_ID_SIZE];
    struct ackd_consumer consumer; /* complete, also its options */
    struct arena arena;            /* file and options */
};

static struct plugin *plugins_loaded; /* G1 */

const struct ackd_consumer *plugin_consumer(const struct plugin *plugin)
{
    return &plugin->consumer;
}

bool plugin_is_secret(const struct plugin *plugin, const char *key)
{
    const struct ackd_option *option = option_find(plugin->consumer.options, key);
    return option != NULL && option->type == ACKD_OPTION_SECRET;
}

const char *plugin_file(const struct plugin *plugin)
{
    return plugin->file;
}

const char *plugin_build_id(const struct plugin *plugin)
{
    return plugin->build_id;
}

void plugin_sweep(const char *cache)
{
    copy_sweep(cache);
}

/* "handler 'shop' (/path/shop.so)", to be freed. */
static char *plugin_who(const char *name, const char *file)
{
    char *who = NULL;
    return asprintf(&who, "handler '%s' (%s)", name, file) < 0 ? NULL : who;
}

/* Add "DIRECTORY/NAME.so" to the places that were looked at. */
static void plugin_looked(char *places, size_t size, const char *directory, const char *name)
{
    size_t length = strlen(places);
    snprintf(places + length, size - length, "%s%s/%s.so", length == 0 ? "" : ", ", directory,
             name);
}

/* The file of that name, as the operator would name it; to be freed. */
static int plugin_find(const char *name, const char *const *path, char **ret_file)
{
    char places[2048] = "";
    char *file = NULL;
    if (strchr(name, '/') != NULL) {
        file = strdup(name);
        if (file == NULL)
            return ackd_fail(ACKD_E_NOMEM, "a path");
        *ret_file = file;
        return ACKD_OK;
    }
    for (size_t i = 0; path != NULL && path[i] != NULL; i++) {
        if (asprintf(&file, "%s/%s.so", path[i], name) < 0)
            return ackd_fail(ACKD_E_NOMEM, "a path");
        if (access(file, F_OK) == 0) {
            *ret_file = file;
            return ACKD_OK;
        }
        free(file);
        plugin_looked(places, sizeof places, path[i], name);
    }
    bool beside = access(name, F_OK) == 0;
    return ackd_fail(ACKD_E_NOT_FOUND, "handler '%s' is not there: looked for %s%s%s%s", name,
                     places[0] == '\0' ? "it in no directory: set 'plugins: {path: [...]}'"
                                       : places,
                     beside ? "; for the file of that name write './" : "", beside ? name : "",
                     beside ? "'" : "");
}

/* Without directory and ".so", for the copy's name. */
static char *plugin_base_name(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *base = slash == NULL ? file : slash + 1;
    size_t length = strlen(base);
    if (length > 3 && strcmp(base + length - 3, ".so") == 0)
        length -= 3;
    return strndup(base, length);
}

/* What to hand to the dynamic linker: a copy, or the file itself where there can be none. */
static char *plugin_place(const char *file, const char *cache, const struct image *image)
{
    char *path = NULL;
    char *base = cache == NULL ? NULL : plugin_base_name(file);
    if (base != NULL && copy_file(cache, base, image, &path) != ACKD_OK) {
        ackd_log_debug("plugin_in_memory", "no copy of %s: %s", file,
                       ackd_error_text(ackd_error_current()));
        if (copy_memory(base, image, &path) != ACKD_OK)
            ackd_log_debug("plugin_in_place",
                           "%s is loaded in place, so it must not be "
                           "overwritten: %s",
                           file, ackd_error_text(ackd_error_current()));
    }
    free(base);
    return path == NULL ? strdup(file) : path;
}

static int plugin_link(const char *place, const char *who, const struct ackd_consumer **ret)
{
    void *handle = dlopen(place, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return ackd_fail(ACKD_E_PLUGIN, "%s cannot be loaded: %s", who, dlerror());
    const struct ackd_consumer *theirs = dlsym(handle, "ackd_consumer");
    if (theirs == NULL)
        return ackd_fail(ACKD_E_PLUGIN,
                         "%s has no symbol 'ackd_consumer': it is no handler, or its "
                         "ACKD_CONSUMER(...) is missing",
                         who);
    *ret = theirs;
    return ACKD_OK;
}

/* From a judged image to a plugin that is complete. */
static int plugin_make(struct plugin *plugin, const char *cache, const struct image *image,
                       const char *who)
{
    const struct ackd_consumer *theirs = NULL;
    char *place = plugin_place(plugin->file, cache, image);
    if (place == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%s: a path", who);
    int code = plugin_link(place, who, &theirs);
    free(place);
    ACKD_TRY(code);
    ACKD_TRY(descriptor_read(theirs, who, &plugin->consumer)); /* G2 */
    ACKD_TRY(option_table(plugin->consumer.options, plugin->consumer.state_size, who,
                          &plugin->arena, &plugin->consumer.options));
    memcpy(plugin->build_id, image->build_id, sizeof plugin->build_id);
    return ACKD_OK;
}

static struct plugin *plugin_new(const char *file)
{
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (plugin == NULL)
        return NULL;
    arena_init(&plugin->arena, NULL, 0);
    plugin->file = arena_strndup(&plugin->arena, file, strlen(file));
    return plugin;
}

static void plugin_free(struct plugin *plugin)
{
    arena_fini(&plugin->arena);
    free(plugin);
}

static int plugin_add(const char *file, const char *cache, const char *who,
                      struct plugin **ret_plugin)
{
    struct image image = {0};
    ACKD_TRY(image_read(file, who, &image));
    struct plugin *plugin = plugin_new(file);
    int code = plugin == NULL || plugin->file == NULL ? ackd_fail(ACKD_E_NOMEM, "%s", who)
                                                      : plugin_make(plugin, cache, &image, who);
    image_fini(&image);
    if (plugin == NULL)
        return code;
    if (code != ACKD_OK) {
        plugin_free(plugin);
        return code;
    }
    plugin->next = plugins_loaded;
    plugins_loaded = plugin;
    *ret_plugin = plugin;
    return ACKD_OK;
}

/* @file is real. */
static int plugin_get(const char *name, const char *file, const char *cache,
                      struct plugin **ret_plugin)
{
    for (struct plugin *plugin = plugins_loaded; plugin != NULL; plugin = plugin->next) {
        if (strcmp(plugin->file, file) == 0) { /* G1 */
            *ret_plugin = plugin;
            return ACKD_OK;
        }
    }
    char *who = plugin_who(name, file);
    if (who == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a name");
    int code = plugin_add(file, cache, who, ret_plugin);
    free(who);
    return code;
}

int plugin_load(const char *name, const char *const *path, const char *cache,
                struct plugin **ret_plugin)
{
    char *file = NULL;
    ACKD_TRY(plugin_find(name, path, &file));
    char *real = realpath(file, NULL);
    int code = ACKD_OK;
    if (real == NULL)
        code = ackd_fail(errno == ENOENT ? ACKD_E_NOT_FOUND : ACKD_E_OS,
                         "handler '%s' cannot be found: %s", file, strerror(errno));
    else
        code = plugin_get(name, real, cache, ret_plugin);
    free(real);
    free(file);
    return code;
}

int plugin_wrap(const struct ackd_consumer *consumer, struct plugin **ret_plugin)
{
    static const char who[] = "this program's handler";
    struct plugin *plugin = plugin_new("");
    int code = plugin == NULL || plugin->file == NULL
                   ? ackd_fail(ACKD_E_NOMEM, "%s", who)
                   : descriptor_read(consumer, who, &plugin->consumer);
    if (code == ACKD_OK)
        code = option_table(plugin->consumer.options, plugin->consumer.state_size, who,
                            &plugin->arena, &plugin->consumer.options);
    if (code == ACKD_OK)
        *ret_plugin = plugin;
    else if (plugin != NULL)
        plugin_free(plugin);
    return code;
}

void plugin_forget(struct plugin **plugin)
{
    if (*plugin != NULL)
        plugin_free(*plugin);
    *plugin = NULL;
}
