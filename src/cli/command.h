/* SPDX-License-Identifier: MIT */
/* command - what the commands of the program share: exit statuses, reading the configuration,
 * complaining. */
#ifndef ACKD_CLI_COMMAND_H
#define ACKD_CLI_COMMAND_H

#include <ackd/abi.h>
#include <stddef.h>

#include "config/config.h"

/* As in sysexits.h. */
enum command_exit {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1, /* try: a message was not done */
    COMMAND_USAGE = 64,
    COMMAND_NO_INPUT = 66,
    COMMAND_INTERNAL = 70,
    COMMAND_CONFIG = 78
};

/* argv[0] is the command's name. Each returns the exit status. */
#define COMMAND(name, arguments, help, details) int command_##name(int argc, char **argv);
#include "cli/commands.def"
#undef COMMAND

/* "ackd NAME: TEXT" and where to find help, to standard error. Returns COMMAND_USAGE. */
int command_usage(const char *name, const char *format, ...) ACKD_PRINTF(2, 3);
/* What getopt_long did not take, told the same way; after its '?'. Returns COMMAND_USAGE. */
int command_bad_option(char **argv);
/* The current error, with its causes, to standard error. */
void command_complain(const char *name);

/*
 * Read the configuration; all that is wrong with it goes to standard error. Returns COMMAND_OK,
 * COMMAND_CONFIG.
 */
int command_load_config(const char *name, const char *file, struct config **ret_config);
/* The arguments of a command that takes nothing but -c FILE. Returns COMMAND_OK or COMMAND_USAGE. */
int command_only_file(int argc, char **argv, const char **ret_file);
/* The file that counts unless -c names one. */
const char *command_default_file(void);

#endif
