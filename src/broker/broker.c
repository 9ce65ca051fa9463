/* SPDX-License-Identifier: MIT */
#include <config.h>
typedef int broker_floor_is_empty;
