/* SPDX-License-Identifier: MIT */
/* no_handle - a consumer that forgot what it does. */
#include <ackd/ackd.h>

ACKD_CONSUMER(.name = "no_handle");
