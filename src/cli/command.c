/* SPDX-License-Identifier: MIT */
/* command - see the header. */
#include <config.h>

#include "cli/command.h"

#include <ackd/error.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/host.h"
#include "host/report.h"

int command_usage(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "ackd %s: ", name);
    vfprintf(stderr, format, args);
    fprintf(stderr, ". Try 'ackd %s --help'\n", name);
    va_end(args);
    return COMMAND_USAGE;
}

int command_bad_option(char **argv)
{
    if (optopt != 0)
        return command_usage(argv[0], "-%c is no option, or its value is missing", optopt);
    return command_usage(argv[0], "%s is no option, or has a value that it does not take",
                         argv[optind - 1]);
}

void command_complain(const char *name)
{
    char text[2048];
    report_error_line(ackd_error_current(), text, sizeof text);
    fprintf(stderr, "ackd %s: %s\n", name, text);
}

const char *command_default_file(void)
{
    return ACKD_SYSCONFDIR "/ackd/ackd.yaml";
}

static const char *command_getenv(const char *name)
{
    return getenv(name);
}

int command_load_config(const char *name, const char *file, struct config **ret_config)
{
    struct config_errors errors = {0};
    int code = config_load(file, command_getenv, ret_config, &errors);
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "%s\n", errors.lines[i]);
    if (code != ACKD_OK && errors.count == 0)
        command_complain(name);
    config_errors_free(&errors);
    if (code == ACKD_OK) {
        for (const char *const *line = config_warnings(*ret_config); *line != NULL; line++)
            fprintf(stderr, "%s\n", *line);
    }
    return code == ACKD_OK ? COMMAND_OK : COMMAND_CONFIG;
}

int command_only_file(int argc, char **argv, const char **ret_file)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {0}};
    int option;
    *ret_file = command_default_file();
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option != 'c')
            return command_bad_option(argv);
        *ret_file = optarg;
    }
    if (optind < argc)
        return command_usage(argv[0], "'%s' is one argument too many", argv[optind]);
    return COMMAND_OK;
}
