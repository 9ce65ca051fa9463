/* SPDX-License-Identifier: MIT */
/* command config - the effective configuration, or the schema of its files. */
#include <config.h>

#include <ackd/error.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "plugin/plugin.h"

/* As the handler's own table says; one that cannot be loaded is judged by the key's name. */
static bool command_config_is_secret(const struct config_consumer *consumer, const char *key,
                                     void *arg)
{
    const struct config *config = arg;
    struct plugin *plugin = NULL;
    if (strstr(key, "password") != NULL || strstr(key, "secret") != NULL ||
        strstr(key, "token") != NULL)
        return true;
    if (plugin_load(consumer->handler, config_plugin_path(config), NULL, &plugin) != ACKD_OK)
        return false;
    return plugin_is_secret(plugin, key);
}

int command_config(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"schema", no_argument, NULL, 's'}, {0}};
    const char *file = command_default_file();
    bool schema = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'c')
            file = optarg;
        else if (option == 's')
            schema = true;
        else
            return command_bad_option(argv);
    }
    if (optind < argc)
        return command_usage(argv[0], "'%s' is one argument too many", argv[optind]);
    struct config *config = NULL;
    int status = schema ? COMMAND_OK : command_load_config(argv[0], file, &config);
    if (status != COMMAND_OK)
        return status;
    int code = schema ? config_schema(stdout)
                      : config_dump_with(config, command_config_is_secret, config, stdout);
    config_unref(&config);
    if (code != ACKD_OK)
        command_complain(argv[0]);
    return code == ACKD_OK ? COMMAND_OK : COMMAND_INTERNAL;
}
