/* SPDX-License-Identifier: MIT */
/* ackd - finds the command in the table and calls it. */
#include <config.h>

#include "cli/ackd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

static const struct {
    const char *name;
    const char *arguments;
    const char *help;
    const char *details;
    int (*run)(int argc, char **argv);
} ackd_commands[] = {
#define COMMAND(name, arguments, help, details) {#name, arguments, help, details, command_##name},
#include "cli/commands.def"
#undef COMMAND
};

enum { ACKD_COMMANDS = sizeof ackd_commands / sizeof ackd_commands[0] };

static void ackd_print_help(void)
{
    printf("Usage: ackd COMMAND [ARGUMENT]...\n"
           "Run message handlers on a RabbitMQ broker: a message is acknowledged only after its "
           "handler is "
           "done.\n\n");
    for (size_t i = 0; i < ACKD_COMMANDS; i++)
        printf("  ackd %s %s\n      %s\n", ackd_commands[i].name, ackd_commands[i].arguments,
               ackd_commands[i].help);
    printf(
        "\n"
        "  -c, --config FILE  instead of %s\n"
        "      --help         this, or the help of a command\n"
        "      --version      the version\n\n"
        "Exit status: 0 done, 64 usage, 70 a fault in ackd, 75 stopped by force with work given\n"
        "back, 78 configuration. See ackd(1) and ackd.yaml(5).\n",
        command_default_file());
}

static int ackd_print_command_help(size_t index)
{
    printf("Usage: ackd %s %s\n%s\n\n%s", ackd_commands[index].name, ackd_commands[index].arguments,
           ackd_commands[index].help, ackd_commands[index].details);
    return COMMAND_OK;
}

static int ackd_run_command(size_t index, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return ackd_print_command_help(index);
    }
    opterr = 0; /* command_bad_option tells it */
    return ackd_commands[index].run(argc, argv);
}

int ackd_main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "ackd: which command? Try 'ackd --help'\n");
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        ackd_print_help();
        return COMMAND_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("ackd %s\n", PACKAGE_VERSION);
        return COMMAND_OK;
    }
    for (size_t i = 0; i < ACKD_COMMANDS; i++) {
        if (strcmp(argv[1], ackd_commands[i].name) == 0)
            return ackd_run_command(i, argc - 1, argv + 1);
    }
    fprintf(stderr, "ackd: there is no command '%s'. Try 'ackd --help'\n", argv[1]);
    return COMMAND_USAGE;
}
