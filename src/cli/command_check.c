/* SPDX-License-Identifier: MIT */
/* command check - everything a start would look at, but for the network. */
#include <config.h>

#include <ackd/error.h>
#include <stdio.h>

#include "cli/command.h"
#include "host/batcher.h"
#include "plugin/plugin.h"

static void command_check_report(const char *line, void *arg)
{
    size_t *wrong = arg;
    fprintf(stderr, "%s\n", line);
    (*wrong)++;
}

static void command_check_consumer(const struct config *config,
                                   const struct config_consumer *consumer, size_t *wrong)
{
    struct plugin *plugin = NULL;
    char where[160];
    snprintf(where, sizeof where, "consumer '%.100s'", consumer->name);
    if (plugin_load(consumer->handler, config_plugin_path(config), NULL, &plugin) != ACKD_OK) {
        fprintf(stderr, "%s:%d:%d: %s: ", consumer->file, consumer->line, consumer->column, where);
        fprintf(stderr, "%s\n", ackd_error_text(ackd_error_current()));
        (*wrong)++;
        return;
    }
    size_t before = *wrong;
    if (batcher_check(consumer, plugin_consumer(plugin)) != ACKD_OK)
        command_check_report(ackd_error_text(ackd_error_current()), wrong);
    if (plugin_settings(plugin, consumer->settings, consumer->setting_count, where, NULL,
                        command_check_report, wrong) != ACKD_OK &&
        *wrong == before)
        (*wrong)++;
}

/* What a start would refuse is not good. */
static void command_check_none(const char *file, size_t *wrong)
{
    fprintf(stderr, "%s: no consumer is configured: see 'consumers:'\n", file);
    (*wrong)++;
}

int command_check(int argc, char **argv)
{
    const char *file = NULL;
    struct config *config = NULL;
    int status = command_only_file(argc, argv, &file);
    if (status == COMMAND_OK)
        status = command_load_config(argv[0], file, &config);
    if (status != COMMAND_OK)
        return status;
    size_t count = 0;
    size_t wrong = 0;
    const struct config_consumer *consumers = config_consumers(config, &count);
    if (count == 0)
        command_check_none(file, &wrong);
    for (size_t i = 0; i < count; i++)
        command_check_consumer(config, &consumers[i], &wrong);
    if (wrong == 0)
        printf("%s: good: %zu consumers\n", file, count);
    config_unref(&config);
    return wrong == 0 ? COMMAND_OK : COMMAND_CONFIG;
}
