/* SPDX-License-Identifier: MIT */
/*
 * option - the rows of a handler's own table of options, and how each takes a value.
 *
 * It must not know where a value was written; no text here holds a value, for it may be a secret.
 */
#ifndef ACKD_PLUGIN_OPTION_H
#define ACKD_PLUGIN_OPTION_H

#include <ackd/abi.h>
#include <ackd/option.h>

#include "base/arena.h"

enum { OPTION_ROWS_MAX = 256 }; /* a longer table has lost its end */

/*
 * Check @table (NULL: none) against a state of @state_size bytes, and make it complete in @arena:
 * rows of our size, keys with '-' for '_', ended by a row of size 0. ACKD_E_PLUGIN, with a text
 * that starts with @who, names the row and what is wrong with it: a fault of whoever wrote the
 * handler.
 */
ACKD_MUST_CHECK int option_table(const struct ackd_option *table, size_t state_size,
                                 const char *who, struct arena *arena,
                                 const struct ackd_option **ret_table);

/* The row of that key in a complete table; NULL if there is none. */
const struct ackd_option *option_find(const struct ackd_option *table, const char *key);

/*
 * Check @values, ended by NULL, and store them in the member of @state unless that is NULL. Strings
 * and lists are not copied. ACKD_E_CONFIG with a text that goes on behind the name of the setting:
 * "is not a duration: write ...".
 */
ACKD_MUST_CHECK int option_set(const struct ackd_option *option, const char *const *values,
                               bool list, void *state);
/* Store the default, which option_table has checked; zero of its type without one. */
void option_set_default(const struct ackd_option *option, void *state);

/* "string", "url", "duration"... */
const char *option_type_name(const struct ackd_option *option);

#endif
