/* SPDX-License-Identifier: MIT */
/*
 * document - a YAML file as a tree of nodes, each with its place.
 *
 * It takes what an operator needs and refuses what makes a small file large or hard to read:
 * anchors, aliases, tags, keys that are not plain words, more than one document.
 *
 *   D1  The tree is bounded: DOCUMENT_DEPTH_MAX levels, DOCUMENT_ENTRIES_MAX entries in one map or
 *       list, DOCUMENT_NODES_MAX nodes.
 *   D2  No key is in a map twice: the second is an error that names the first.
 *   D3  All texts are UTF-8 without NUL.
 */
#ifndef ACKD_CONFIG_DOCUMENT_H
#define ACKD_CONFIG_DOCUMENT_H

#include <ackd/abi.h>
#include <stddef.h>

#include "config/findings.h"

struct arena;

enum { DOCUMENT_DEPTH_MAX = 16, DOCUMENT_ENTRIES_MAX = 1024, DOCUMENT_NODES_MAX = 65536 };

struct node;

/*
 * Read @size bytes at @text. @ret_root is a map, or empty. What is wrong is added to @findings;
 * what stands before it is in the tree all the same. ACKD_E_NOMEM is the only failure.
 */
ACKD_MUST_CHECK int document_parse(struct arena *arena, const char *text, size_t size,
                                   const char *file, uint32_t order, struct findings *findings,
                                   struct node **ret_root);

#endif
