/* SPDX-License-Identifier: MIT */
/*
 * expand - the ${...} in a value, filled in.
 *
 *     ${NAME}            the environment variable; an error if it is not set
 *     ${NAME:-default}   the default if it is not set or empty
 *     ${file:/path}      the file's text without its last newline; a secret from then on
 *     $$                 a dollar sign; a '$' before anything else stands for itself
 *
 *   E1  What is filled in is never looked at again for ${...}.
 *   E2  What is filled into a part of a URI is percent-encoded, so that it cannot become another
 *       part; only ',' is kept, for lists of hosts. A value that is nothing but one ${...} is taken
 *       as it is: then the variable holds the whole URI.
 *   E3  A value with something from a file in it is marked secret.
 */
#ifndef ACKD_CONFIG_EXPAND_H
#define ACKD_CONFIG_EXPAND_H

#include <ackd/abi.h>

#include "config/node.h"

struct arena;

struct expand {
    struct arena *arena;
    struct findings *findings;
    const char *(*getenv_fn)(const char *name); /* NULL: no variable is set */
};

/*
 * Fill in node->value, sources and secret of a scalar. @uri: the value is a URI (E2). A value that
 * cannot be filled in is added to the findings, and stays NULL. ACKD_E_NOMEM is the only failure.
 */
ACKD_MUST_CHECK int expand_node(const struct expand *expand, struct node *node, bool uri);

#endif
