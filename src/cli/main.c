/* SPDX-License-Identifier: MIT */
/* main - the program: everything is in libackd, so that plugins and the program share one copy of
 * it. */
#include <config.h>

#include "cli/ackd.h"

int main(int argc, char **argv)
{
    return ackd_main(argc, argv);
}
