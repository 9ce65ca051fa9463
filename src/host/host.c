/* SPDX-License-Identifier: MIT */
#include <config.h>
typedef int host_floor_is_empty;
