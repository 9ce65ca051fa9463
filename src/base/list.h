/* SPDX-License-Identifier: MIT */
/*
 * list - doubly linked, intrusive, circular: the node is a member of what is listed, so that to
 * list something never allocates. A node that is in no list points at itself.
 */
#ifndef ACKD_BASE_LIST_H
#define ACKD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *previous;
};

/* The structure around @node. */
#define LIST_ITEM(node, type, member) \
    ((struct type *)((char *)(node)-offsetof(struct type, member)))

#define list_for_each(node, head) \
    for (struct list *node = (head)->next; node != (head); node = node->next)

static inline void list_init(struct list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

/* Behind @place. */
static inline void list_insert(struct list *place, struct list *node)
{
    node->previous = place;
    node->next = place->next;
    place->next->previous = node;
    place->next = node;
}

static inline void list_append(struct list *list, struct list *node)
{
    list_insert(list->previous, node);
}

static inline void list_remove(struct list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    list_init(node);
}

/* The first node, taken out; NULL when the list is empty. */
static inline struct list *list_take(struct list *list)
{
    if (list_empty(list))
        return NULL;
    struct list *node = list->next;
    list_remove(node);
    return node;
}

/* All of @from to the end of @to. */
static inline void list_append_all(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

#endif
