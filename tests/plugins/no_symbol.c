/* SPDX-License-Identifier: MIT */
/* no_symbol - a shared object that is no handler. */
#include <ackd/ackd.h>

ACKD_API int ackd_nothing(void);
int ackd_nothing(void)
{
    return 0;
}
