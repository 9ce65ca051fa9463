/* SPDX-License-Identifier: MIT */
/* plugin_settings - what an operator wrote under 'settings:', against the handler's own table. */
#include <config.h>

#include <ackd/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "plugin/option.h"
#include "plugin/plugin.h"

struct plugin_report {
    void (*report)(const char *line, void *arg);
    void *arg;
    size_t count; /* errors so far */
};

static void plugin_report(struct plugin_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void plugin_report(struct plugin_report *report, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    report->count++;
    report->report(line, report->arg);
}

/* " (did you mean 'x'?)", or which there are. */
static const char *plugin_hint(const struct ackd_option *table, const char *key, char *text,
                               size_t size)
{
    struct nearest nearest;
    nearest_init(&nearest, key);
    for (const struct ackd_option *option = table; option->size != 0; option++)
        nearest_offer(&nearest, option->name);
    if (nearest_name(&nearest) != NULL) {
        snprintf(text, size, " (did you mean '%s'?)", nearest_name(&nearest));
        return text;
    }
    size_t length =
        (size_t)snprintf(text, size, " (%s", table->size == 0 ? "it has none" : "it has");
    for (const struct ackd_option *option = table; option->size != 0 && length < size; option++)
        length += (size_t)snprintf(text + length, size - length, "%s %s",
                                   option == table ? "" : ",", option->name);
    if (length < size)
        snprintf(text + length, size - length, ")");
    return text;
}

static bool plugin_set_before(const struct config_setting *settings, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(settings[i].key, settings[index].key) == 0)
            return true;
    }
    return false;
}

static void plugin_setting(const struct ackd_consumer *consumer,
                           const struct config_setting *settings, size_t index, void *state,
                           struct plugin_report *report)
{
    char hint[512];
    const struct config_setting *setting = &settings[index];
    const struct ackd_option *option = option_find(consumer->options, setting->key);
    if (option == NULL)
        plugin_report(report, "%s:%d:%d: unknown setting '%s' of handler '%s'%s", setting->file,
                      setting->line, setting->column, setting->key, consumer->name,
                      plugin_hint(consumer->options, setting->key, hint, sizeof hint));
    else if (plugin_set_before(settings, index))
        plugin_report(report, "%s:%d:%d: setting '%s' of handler '%s' is set twice: keep one",
                      setting->file, setting->line, setting->column, setting->key, consumer->name);
    else if (option_set(option, setting->values, setting->list, state) != ACKD_OK)
        plugin_report(report, "%s:%d:%d: setting '%s' of handler '%s' %s", setting->file,
                      setting->line, setting->column, setting->key, consumer->name,
                      ackd_error_text(ackd_error_current()));
}

static bool plugin_is_set(const struct config_setting *settings, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(settings[i].key, key) == 0)
            return true;
    }
    return false;
}

int plugin_settings(const struct plugin *plugin, const struct config_setting *settings,
                    size_t count, const char *where, void *state,
                    void (*report)(const char *line, void *arg), void *arg)
{
    const struct ackd_consumer *consumer = plugin_consumer(plugin);
    struct plugin_report errors = {.report = report, .arg = arg};
    for (size_t i = 0; i < count; i++)
        plugin_setting(consumer, settings, i, state, &errors);
    for (const struct ackd_option *option = consumer->options; option->size != 0; option++) {
        if (plugin_is_set(settings, count, option->name))
            continue;
        if (option->required)
            plugin_report(&errors, "%s: handler '%s' needs the setting '%s'%s%s", where,
                          consumer->name, option->name, option->help == NULL ? "" : ": ",
                          option->help == NULL ? "" : option->help);
        else if (state != NULL)
            option_set_default(option, state);
    }
    if (errors.count > 0)
        return ackd_fail(ACKD_E_CONFIG, "%zu of the settings of handler '%s' cannot be used",
                         errors.count, consumer->name);
    return ACKD_OK;
}
