/* SPDX-License-Identifier: MIT */
/* sim_plugin - src/plugin in a simulation: one handler, which the test provides. */
#include <config.h>

#include "sim_plugin.h"

#include <ackd/error.h>

#include <stdlib.h>

#include "sim.h"

struct plugin {
    const struct ackd_consumer *consumer;
};

static struct plugin sim_plugin;

void sim_plugin_use(const struct ackd_consumer *consumer)
{
    sim_plugin.consumer = consumer;
}

int plugin_load(const char *name, const char *const *path, const char *cache,
                struct plugin **ret_plugin)
{
    (void)name;
    (void)path;
    (void)cache;
    *ret_plugin = &sim_plugin;
    return ACKD_OK;
}

const struct ackd_consumer *plugin_consumer(const struct plugin *plugin)
{
    return plugin->consumer;
}

const char *plugin_file(const struct plugin *plugin)
{
    (void)plugin;
    return "sim.so";
}

const char *plugin_build_id(const struct plugin *plugin)
{
    (void)plugin;
    return "";
}

int plugin_settings(const struct plugin *plugin, const struct config_setting *settings,
                    size_t count, const char *where, void *state,
                    void (*report)(const char *line, void *arg), void *arg)
{
    (void)plugin;
    (void)settings;
    (void)count;
    (void)where;
    (void)state;
    (void)report;
    (void)arg;
    return ACKD_OK;
}

int plugin_state_new(const struct plugin *plugin, const struct config_setting *settings,
                     size_t count, const char *where, void **ret_state)
{
    (void)settings;
    (void)count;
    (void)where;
    *ret_state = plugin->consumer->state_size == 0 ? NULL : calloc(1, plugin->consumer->state_size);
    return ACKD_OK;
}

void plugin_state_free(const struct plugin *plugin, void **state)
{
    (void)plugin;
    free(*state);
    *state = NULL;
}

void plugin_sweep(const char *cache)
{
    (void)cache;
}
