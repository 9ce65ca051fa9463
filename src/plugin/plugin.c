/* SPDX-License-Identifier: MIT */
#include <config.h>
typedef int plugin_floor_is_empty;
