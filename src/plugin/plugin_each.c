/* SPDX-License-Identifier: MIT */
/* plugin_each - all handlers in the directories of a path, by name. */
#include <config.h>

#include <ackd/error.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugin/plugin.h"

static int plugin_each_wanted(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 3 && strcmp(entry->d_name + length - 3, ".so") == 0;
}

/* Whether a directory before @index has it too: then that one counts, as it does in plugin_load. */
static bool plugin_each_hidden(const char *const *path, size_t index, const char *entry)
{
    for (size_t i = 0; i < index; i++) {
        char *file = NULL;
        if (asprintf(&file, "%s/%s", path[i], entry) < 0)
            return false;
        int found = access(file, F_OK);
        free(file);
        if (found == 0)
            return true;
    }
    return false;
}

static void plugin_each_visit(const char *const *path, const char *directory, const char *entry,
                              void (*visit)(const char *name, const char *file,
                                            const struct plugin *plugin, void *arg),
                              void *arg)
{
    char *name = strndup(entry, strlen(entry) - 3);
    char *file = NULL;
    struct plugin *plugin = NULL;
    if (name != NULL && asprintf(&file, "%s/%s", directory, entry) >= 0) {
        int code = plugin_load(name, path, NULL, &plugin);
        visit(name, file, code == ACKD_OK ? plugin : NULL, arg);
        free(file);
    }
    free(name);
}

void plugin_each(const char *const *path,
                 void (*visit)(const char *name, const char *file, const struct plugin *plugin,
                               void *arg),
                 void *arg)
{
    for (size_t i = 0; path != NULL && path[i] != NULL; i++) {
        struct dirent **entries = NULL;
        int count = scandir(path[i], &entries, plugin_each_wanted, alphasort);
        for (int k = 0; k < count; k++) {
            if (!plugin_each_hidden(path, i, entries[k]->d_name))
                plugin_each_visit(path, path[i], entries[k]->d_name, visit, arg);
            free(entries[k]);
        }
        free(entries);
    }
}
