/* SPDX-License-Identifier: MIT */
#include <config.h>
typedef int task_floor_is_empty;
