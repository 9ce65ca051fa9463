/* SPDX-License-Identifier: MIT */
/* merge - several files as one tree. It must not know which keys there are. */
#include <config.h>

#include "config/merge.h"

#include "config/document.h"

static void merge_child(struct node *into, struct node *child, struct findings *findings)
{
    struct node *there = node_child(into, child->key);
    if (there != NULL) {
        merge_nodes(there, child, findings);
        return;
    }
    if (into->count == DOCUMENT_ENTRIES_MAX) {
        findings_add(findings, &child->key_place, "more than %d entries", DOCUMENT_ENTRIES_MAX);
        return;
    }
    node_append(into, child);
}

void merge_nodes(struct node *into, struct node *from, struct findings *findings)
{
    if (from->kind == NODE_EMPTY)
        return;
    if (into->kind == NODE_EMPTY) {
        into->kind = from->kind;
        into->place = from->place;
        into->key_place = from->key_place;
        into->text = from->text;
        into->quoted = from->quoted;
        into->children = from->children;
        into->last = from->last;
        into->count = from->count;
        return;
    }
    if (into->kind != NODE_MAP || from->kind != NODE_MAP) {
        char quote[FINDINGS_QUOTE_SIZE];
        findings_add(findings, &from->key_place, "'%s' is set twice: it is already at %s:%d",
                     findings_quote(from->key, quote), into->key_place.file, into->key_place.line);
        return;
    }
    for (struct node *child = from->children; child != NULL;) {
        struct node *next = child->next;
        child->next = NULL;
        merge_child(into, child, findings);
        child = next;
    }
}
