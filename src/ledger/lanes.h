/* SPDX-License-Identifier: MIT */
/*
 * lanes - messages with keys: in order within a key, keys side by side, each key in its turn.
 *
 * Pure bookkeeping: no clock, no task, no message. Whoever has a message to start puts an entry in
 * and takes the next that may start out. Each call is O(1) on average. To add allocates only where
 * there are more keys at a time than there ever were.
 *
 *   E1  Of one key at most one entry is out at a time: from lanes_take to lanes_done. Or it is several
 *       that were taken as one group, and the key is free when the last of them is done.
 *
 *   E2  Entries of one key are taken in the order in which they were added, and those that were put
 *       back before all others.
 *
 *   E3  Between an entry's coming to the head of its free key and its being taken, no other key is
 *       taken from twice: round robin, however many entries a key has.
 *
 *   E4  Entries without a key are in no order and never wait for one another; in the turn they are
 *       together one key.
 */
#ifndef ACKD_LEDGER_LANES_H
#define ACKD_LEDGER_LANES_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct lanes;
struct lane;

/* A member of what has a key. Before lanes_add: zeroed, `node` initialized. */
struct lanes_entry {
    struct list node;  /* in its lane, while it waits */
    struct lane *lane; /* NULL: it is in no lane; the lanes' own */
    bool out;          /* taken, and not done */
    uint64_t number;   /* in the order of adding */
};

ACKD_MUST_CHECK int lanes_new(struct lanes **ret_lanes);
/* No entry may be left. */
void lanes_free(struct lanes **lanes);

/* Behind all others of @key. ACKD_E_NOMEM: it is not in. */
ACKD_MUST_CHECK int lanes_add(struct lanes *lanes, struct lanes_entry *entry, uint64_t key);
/* Before all others of @key. ACKD_E_NOMEM: it is not in. */
ACKD_MUST_CHECK int lanes_add_first(struct lanes *lanes, struct lanes_entry *entry, uint64_t key);
void lanes_add_keyless(struct lanes *lanes, struct lanes_entry *entry);

/* Whether lanes_take would find one. */
bool lanes_ready(const struct lanes *lanes);
/* The next that may start; NULL: all that wait wait for their key, or none waits. */
struct lanes_entry *lanes_take(struct lanes *lanes);
/*
 * What is taken between these two is one group: an entry of each free key in its turn, and when all
 * have had theirs, again of those keys.
 */
void lanes_group_begin(struct lanes *lanes);
void lanes_group_end(struct lanes *lanes);
/* @entry, which is out, is to be taken again, before those of its key that were added later, and in
 * its turn. */
void lanes_put_back(struct lanes *lanes, struct lanes_entry *entry);
/* @entry leaves: one that is out frees its key, one that waits is not to start any more. One in no
 * lane is left alone. */
void lanes_done(struct lanes *lanes, struct lanes_entry *entry);

/* Keys that are known now, that is, have an entry that waits or is out. */
size_t lanes_keys(const struct lanes *lanes);
/* Entries that wait. */
size_t lanes_waiting(const struct lanes *lanes);
/* Entries that wait and whose key is free. */
size_t lanes_startable(const struct lanes *lanes);
/* Entries that wait behind @entry, which is out. */
size_t lanes_behind(const struct lanes_entry *entry);

#endif
