/* SPDX-License-Identifier: MIT */
#include <config.h>
typedef int ledger_floor_is_empty;
