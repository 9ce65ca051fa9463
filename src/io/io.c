/* SPDX-License-Identifier: MIT */
#include <config.h>
typedef int io_floor_is_empty;
