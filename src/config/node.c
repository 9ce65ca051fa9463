/* SPDX-License-Identifier: MIT */
/* node - one value of a configuration file. It must not know what YAML is. */
#include <config.h>

#include "config/node.h"

#include <string.h>

#include "base/assert.h"

struct node *node_child(const struct node *map, const char *key)
{
    ackd_assert(map->kind == NODE_MAP);
    struct node *child = map->children;
    while (child != NULL && strcmp(child->key, key) != 0)
        child = child->next;
    return child;
}

void node_append(struct node *parent, struct node *child)
{
    ackd_assert(parent->kind == NODE_MAP || parent->kind == NODE_LIST);
    ackd_assert(child->next == NULL);
    if (parent->last == NULL)
        parent->children = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

const char *node_kind_name(enum node_kind kind)
{
    static const char *const names[] = {"nothing", "a value", "a list", "a map"};
    ackd_assert((size_t)kind < sizeof names / sizeof names[0]);
    return names[kind];
}
