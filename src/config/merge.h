/* SPDX-License-Identifier: MIT */
/*
 * merge - several files as one tree. Maps are joined by key; what is set in two files is an error
 * that names both places, so the order of the files never decides what counts.
 */
#ifndef ACKD_CONFIG_MERGE_H
#define ACKD_CONFIG_MERGE_H

#include "config/node.h"

/* Move what is in @from into @into; @from is used up. */
void merge_nodes(struct node *into, struct node *from, struct findings *findings);

#endif
