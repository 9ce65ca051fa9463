/* SPDX-License-Identifier: MIT */
/*
 * lanes - a queue for each key, found by a hash table; those that may go on stand in a ring.
 *
 * A lane is in the ring exactly if it has an entry that waits and none that is out. It goes to the
 * end of the ring when it comes in, so between two turns of one lane every other has had its own
 * (E3). A lane without entries goes back to the idle ones: keys come and go, and there are as many
 * lanes as there ever were keys at one time.
 */
#include <config.h>

#include "ledger/lanes.h"

#include <ackd/error.h>
#include <stdlib.h>

#include "base/assert.h"

enum {
    LANES_BLOCK = 64,    /* lanes that are allocated together: about a page */
    LANES_BUCKETS = 256, /* to begin with; doubled when there are more lanes */
};

struct lane {
    struct list turn;   /* in the ring, or among the idle */
    struct list queue;  /* of entries that wait */
    size_t size;        /* of the queue */
    struct lane *chain; /* the next one in its bucket */
    uint64_t key;
    bool taken; /* an entry of it is out */
};

struct lanes_block {
    struct lanes_block *next;
    struct lane each[LANES_BLOCK];
};

struct lanes {
    struct list ring;
    struct list idle;
    struct lane keyless; /* always there, in no bucket, and never taken */
    struct lane **buckets;
    size_t bucket_count; /* a power of two */
    size_t keys;
    size_t waiting;
    struct lanes_block *blocks;
};

static void lanes_init_lane(struct lane *lane)
{
    list_init(&lane->turn);
    list_init(&lane->queue);
    lane->size = 0;
    lane->taken = false;
}

int lanes_new(struct lanes **ret_lanes)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);
    struct lane **buckets = calloc(LANES_BUCKETS, sizeof *buckets);
    if (lanes == NULL || buckets == NULL) {
        free(lanes);
        free(buckets);
        return ackd_fail(ACKD_E_NOMEM, "lanes for keys");
    }
    list_init(&lanes->ring);
    list_init(&lanes->idle);
    lanes_init_lane(&lanes->keyless);
    lanes->buckets = buckets;
    lanes->bucket_count = LANES_BUCKETS;
    *ret_lanes = lanes;
    return ACKD_OK;
}

void lanes_free(struct lanes **lanes)
{
    struct lanes *freed = *lanes;
    if (freed == NULL)
        return;
    *lanes = NULL;
    ackd_assert(freed->waiting == 0);
    ackd_assert(freed->keys == 0);
    while (freed->blocks != NULL) {
        struct lanes_block *block = freed->blocks;
        freed->blocks = block->next;
        free(block);
    }
    free(freed->buckets);
    free(freed);
}

static struct lane **lanes_bucket(const struct lanes *lanes, uint64_t key)
{
    uint64_t mixed = (key ^ key >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return &lanes->buckets[(mixed >> 32) & (lanes->bucket_count - 1)];
}

/* Twice the buckets; without the memory for them the chains get longer, and that is all. */
static void lanes_spread(struct lanes *lanes)
{
    struct lane **before = lanes->buckets;
    size_t count = lanes->bucket_count;
    struct lane **buckets = calloc(count * 2, sizeof *buckets);
    if (buckets == NULL)
        return;
    lanes->buckets = buckets;
    lanes->bucket_count = count * 2;
    for (size_t i = 0; i < count; i++) {
        while (before[i] != NULL) {
            struct lane *lane = before[i];
            before[i] = lane->chain;
            struct lane **bucket = lanes_bucket(lanes, lane->key);
            lane->chain = *bucket;
            *bucket = lane;
        }
    }
    free(before);
}

static int lanes_grow(struct lanes *lanes)
{
    struct lanes_block *block = calloc(1, sizeof *block);
    if (block == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a lane for a key: %zu are in use", lanes->keys);
    block->next = lanes->blocks;
    lanes->blocks = block;
    for (size_t i = 0; i < LANES_BLOCK; i++) {
        lanes_init_lane(&block->each[i]);
        list_append(&lanes->idle, &block->each[i].turn);
    }
    return ACKD_OK;
}

/* The lane of @key, which may be new. */
static int lanes_find(struct lanes *lanes, uint64_t key, struct lane **ret_lane)
{
    for (struct lane *lane = *lanes_bucket(lanes, key); lane != NULL; lane = lane->chain) {
        if (lane->key == key) {
            *ret_lane = lane;
            return ACKD_OK;
        }
    }
    if (list_empty(&lanes->idle))
        ACKD_TRY(lanes_grow(lanes));
    if (lanes->keys >= lanes->bucket_count)
        lanes_spread(lanes);
    struct lane *lane = LIST_ITEM(lanes->idle.next, lane, turn);
    list_remove(&lane->turn);
    struct lane **bucket = lanes_bucket(lanes, key);
    lane->key = key;
    lane->chain = *bucket;
    *bucket = lane;
    lanes->keys++;
    *ret_lane = lane;
    return ACKD_OK;
}

/* Into the ring, out of it, or to the idle: as its entries are now. */
static void lanes_place(struct lanes *lanes, struct lane *lane)
{
    if (lane->size > 0 && !lane->taken) {
        if (list_empty(&lane->turn))
            list_append(&lanes->ring, &lane->turn);
        return;
    }
    list_remove(&lane->turn);
    if (lane->size > 0 || lane->taken || lane == &lanes->keyless)
        return;
    struct lane **at = lanes_bucket(lanes, lane->key);
    while (*at != lane)
        at = &(*at)->chain;
    *at = lane->chain;
    lanes->keys--;
    list_append(&lanes->idle, &lane->turn);
}

static void lanes_join(struct lanes *lanes, struct lanes_entry *entry, struct lane *lane)
{
    ackd_assert(entry->lane == NULL);
    entry->lane = lane;
    entry->out = false;
    list_append(&lane->queue, &entry->node);
    lane->size++;
    lanes->waiting++;
    lanes_place(lanes, lane);
}

int lanes_add(struct lanes *lanes, struct lanes_entry *entry, uint64_t key)
{
    struct lane *lane = NULL;
    ACKD_TRY(lanes_find(lanes, key, &lane));
    lanes_join(lanes, entry, lane);
    return ACKD_OK;
}

void lanes_add_keyless(struct lanes *lanes, struct lanes_entry *entry)
{
    lanes_join(lanes, entry, &lanes->keyless);
}

bool lanes_ready(const struct lanes *lanes)
{
    return !list_empty(&lanes->ring);
}

struct lanes_entry *lanes_take(struct lanes *lanes)
{
    struct list *turn = list_take(&lanes->ring);
    if (turn == NULL)
        return NULL;
    struct lane *lane = LIST_ITEM(turn, lane, turn);
    struct lanes_entry *entry = LIST_ITEM(list_take(&lane->queue), lanes_entry, node);
    ackd_assert(!lane->taken); /* E1 */
    lane->size--;
    lanes->waiting--;
    lane->taken = lane != &lanes->keyless; /* E4 */
    entry->out = true;
    lanes_place(lanes, lane);
    return entry;
}

void lanes_put_back(struct lanes *lanes, struct lanes_entry *entry)
{
    struct lane *lane = entry->lane;
    ackd_assert(entry->out);
    entry->out = false;
    lane->taken = false;
    list_insert(&lane->queue, &entry->node); /* E2 */
    lane->size++;
    lanes->waiting++;
    lanes_place(lanes, lane);
}

void lanes_done(struct lanes *lanes, struct lanes_entry *entry)
{
    struct lane *lane = entry->lane;
    if (lane == NULL)
        return;
    if (entry->out) {
        lane->taken = false;
    } else {
        list_remove(&entry->node);
        lane->size--;
        lanes->waiting--;
    }
    entry->lane = NULL;
    entry->out = false;
    lanes_place(lanes, lane);
}

size_t lanes_keys(const struct lanes *lanes)
{
    return lanes->keys;
}

size_t lanes_waiting(const struct lanes *lanes)
{
    return lanes->waiting;
}

size_t lanes_behind(const struct lanes_entry *entry)
{
    return entry->lane == NULL ? 0 : entry->lane->size;
}
