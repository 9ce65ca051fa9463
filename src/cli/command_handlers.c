/* SPDX-License-Identifier: MIT */
/* command handlers - what can be named under 'handler:', and what each can be told. */
#include <config.h>

#include <ackd/error.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "plugin/option.h"
#include "plugin/plugin.h"

struct command_handlers {
    const char *only; /* NULL: all */
    size_t found;
};

static void command_handlers_option(const struct ackd_option *option)
{
    printf("    %s (%s", option->name, option_type_name(option));
    for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++)
        printf("%s%s", i == 0 ? ": " : ", ", option->choices[i]);
    if (option->required)
        printf("; required");
    else if (option->fallback != NULL)
        printf("; default %s", option->fallback);
    printf(")\n");
    if (option->help != NULL)
        printf("        %s\n", option->help);
}

static void command_handlers_visit(const char *name, const char *file, const struct plugin *plugin,
                                   void *arg)
{
    struct command_handlers *handlers = arg;
    if (handlers->only != NULL && strcmp(handlers->only, name) != 0)
        return;
    handlers->found++;
    if (plugin == NULL) {
        printf("%s\n    cannot be used: %s\n", name, ackd_error_text(ackd_error_current()));
        return;
    }
    const struct ackd_consumer *consumer = plugin_consumer(plugin);
    printf("%s%s%s%s%s\n    %s\n", name, consumer->version == NULL ? "" : " ",
           consumer->version == NULL ? "" : consumer->version, consumer->help == NULL ? "" : ": ",
           consumer->help == NULL ? "" : consumer->help, file);
    for (const struct ackd_option *option = consumer->options; option != NULL && option->size != 0;
         option = (const struct ackd_option *)((const char *)option + option->size))
        command_handlers_option(option);
}

int command_handlers(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {0}};
    static const char *const builtin[] = {ACKD_PLUGINDIR, NULL};
    const char *file = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option != 'c')
            return command_bad_option(argv);
        file = optarg;
    }
    struct command_handlers handlers = {.only = optind < argc ? argv[optind] : NULL};
    struct config *config = NULL;
    if (file != NULL) {
        int status = command_load_config(argv[0], file, &config);
        if (status != COMMAND_OK)
            return status;
    }
    const char *const *path = config == NULL ? builtin : config_plugin_path(config);
    plugin_each(path, command_handlers_visit, &handlers);
    if (handlers.found == 0) {
        fprintf(stderr, "ackd handlers: none%s%s found in", handlers.only == NULL ? "" : " named ",
                handlers.only == NULL ? "" : handlers.only);
        for (size_t i = 0; path[i] != NULL; i++)
            fprintf(stderr, " %s", path[i]);
        fprintf(stderr, "\n");
    }
    config_unref(&config);
    return handlers.found == 0 ? COMMAND_FAILED : COMMAND_OK;
}
