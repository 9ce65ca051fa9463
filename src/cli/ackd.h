/* SPDX-License-Identifier: MIT */
/* ackd - the program's entry: the one symbol of libackd that is for the program and not for
 * plugins. */
#ifndef ACKD_CLI_ACKD_H
#define ACKD_CLI_ACKD_H

#include <ackd/abi.h>

/* What main() calls. Returns the exit status, as in sysexits.h. */
ACKD_API int ackd_main(int argc, char **argv);

#endif
