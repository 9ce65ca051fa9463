/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <ackd/abi.h>

ACKD_API int ackd_main(int argc, char **argv);
int ackd_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 64;
}
