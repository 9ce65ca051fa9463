/* SPDX-License-Identifier: MIT */
#include <config.h>
typedef int config_floor_is_empty;
