/* SPDX-License-Identifier: MIT */
#include <config.h>
typedef int amqp_floor_is_empty;
