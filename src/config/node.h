/* SPDX-License-Identifier: MIT */
/*
 * node - one value of a configuration file, with its place and what is below it.
 *
 * Nodes live in the arena of the snapshot, so that every value can tell where it came from.
 */
#ifndef ACKD_CONFIG_NODE_H
#define ACKD_CONFIG_NODE_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/findings.h"

enum node_kind {
    NODE_EMPTY, /* nothing behind the colon, ~ or null */
    NODE_SCALAR,
    NODE_LIST,
    NODE_MAP
};

struct node {
    enum node_kind kind;
    struct place place;     /* of the value */
    const char *key;        /* in a map; NULL in a list */
    struct place key_place; /* of the key; that of the value where there is none */
    const char *text;       /* of a scalar, as written */
    bool quoted;            /* a scalar in quotes, or in a block: a text, whatever it looks like */
    struct node *children;  /* of a map or a list */
    struct node *last;      /* of the children */
    size_t count;           /* of the children */
    struct node *next;      /* in the same map or list */

    /* What expand_node() adds. */
    const char *value;   /* the text with its ${...} filled in; NULL before */
    const char *sources; /* the ${...} that are in it, with a space between; NULL: none */
    bool secret;         /* something in it came from a file: never to be shown */
};

/* The child of a map with that key; NULL if there is none. */
struct node *node_child(const struct node *map, const char *key);
/* Append @child to the children of a map or a list. */
void node_append(struct node *parent, struct node *child);
/* "a value", "a list", "a map", "nothing". */
const char *node_kind_name(enum node_kind kind);

#endif
