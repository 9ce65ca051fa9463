/* SPDX-License-Identifier: MIT */
/*
 * lanes - a queue for each key, found by a hash table; those that may go on stand in a ring.
 *
 * A lane is in the ring exactly if it has an entry that waits and none that is out. It goes to the
 * end of the ring when it comes in, so between two turns of one lane every other has had its own
 * (E3). While a group is taken, lanes of which it has an entry and could have more are in a ring of
 * their own, behind that one. A lane without entries goes back to the idle ones: keys come and go, and there are as many
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
    struct list turn;   /* in a ring, or among the idle */
    struct list queue;  /* of entries that wait */
    size_t size;        /* of the queue */
    struct lane *chain; /* the next one in its bucket */
    uint64_t key;
    size_t counted; /* of the queue, among those that may start */
    size_t out;     /* entries of it */
    uint64_t group; /* that an entry of it was last taken for; 0: none */
};

struct lanes_block {
    struct lanes_block *next;
    struct lane each[LANES_BLOCK];
};

struct lanes {
    struct list ring;
    struct list group; /* lanes that the group may take from again */
    struct list idle;
    uint64_t groups;     /* so far */
    bool grouping;       /* the last of them */
    struct lane keyless; /* always there, in no bucket, and never taken */
    struct lane **buckets;
    size_t bucket_count; /* a power of two */
    size_t keys;
    size_t waiting;
    size_t startable;
    uint64_t added;
    struct lanes_block *blocks;
};

static void lanes_init_lane(struct lane *lane)
{
    list_init(&lane->turn);
    list_init(&lane->queue);
    lane->size = 0;
    lane->counted = lane->out = 0;
    lane->group = 0;
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
    list_init(&lanes->group);
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

/* Whether its entries that are out are of the group that is being taken. */
static bool lanes_is_grouped(const struct lanes *lanes, const struct lane *lane)
{
    return lanes->grouping && lane->group == lanes->groups;
}

/* Into a ring, out of it, or to the idle: as its entries are now. */
static void lanes_place(struct lanes *lanes, struct lane *lane)
{
    bool free = lane->size > 0 && lane->out == 0;
    lanes->startable -= lane->counted;
    lane->counted = free ? lane->size : 0;
    lanes->startable += lane->counted;
    if (free || (lane->size > 0 && lanes_is_grouped(lanes, lane))) {
        if (list_empty(&lane->turn))
            list_append(free ? &lanes->ring : &lanes->group, &lane->turn);
        return;
    }
    list_remove(&lane->turn);
    if (lane->size > 0 || lane->out > 0 || lane == &lanes->keyless)
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
    entry->number = ++lanes->added;
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

int lanes_add_first(struct lanes *lanes, struct lanes_entry *entry, uint64_t key)
{
    struct lane *lane = NULL;
    ACKD_TRY(lanes_find(lanes, key, &lane));
    lanes_join(lanes, entry, lane);
    list_remove(&entry->node);
    list_insert(&lane->queue, &entry->node);
    entry->number = 0; /* whatever is put back comes behind it */
    return ACKD_OK;
}

void lanes_add_keyless(struct lanes *lanes, struct lanes_entry *entry)
{
    lanes_join(lanes, entry, &lanes->keyless);
}

bool lanes_ready(const struct lanes *lanes)
{
    return !list_empty(&lanes->ring) || !list_empty(&lanes->group);
}

struct lanes_entry *lanes_take(struct lanes *lanes)
{
    struct list *turn = list_take(&lanes->ring);
    if (turn == NULL)
        turn = list_take(&lanes->group);
    if (turn == NULL)
        return NULL;
    struct lane *lane = LIST_ITEM(turn, lane, turn);
    struct lanes_entry *entry = LIST_ITEM(list_take(&lane->queue), lanes_entry, node);
    ackd_assert(lane->out == 0 || lanes_is_grouped(lanes, lane)); /* E1 */
    lane->size--;
    lanes->waiting--;
    if (lane != &lanes->keyless) { /* E4 */
        lane->out++;
        lane->group = lanes->grouping ? lanes->groups : 0;
    }
    entry->out = true;
    lanes_place(lanes, lane);
    return entry;
}

void lanes_group_begin(struct lanes *lanes)
{
    ackd_assert(!lanes->grouping);
    lanes->grouping = true;
    lanes->groups++;
}

void lanes_group_end(struct lanes *lanes)
{
    lanes->grouping = false;
    while (list_take(&lanes->group) != NULL)
        continue;
}

void lanes_put_back(struct lanes *lanes, struct lanes_entry *entry)
{
    struct lane *lane = entry->lane;
    ackd_assert(entry->out);
    entry->out = false;
    if (lane != &lanes->keyless)
        lane->out--;
    /* E2: behind those that stood before it and were put back earlier. */
    struct list *after = &lane->queue;
    while (after->next != &lane->queue &&
           LIST_ITEM(after->next, lanes_entry, node)->number < entry->number)
        after = after->next;
    list_insert(after, &entry->node);
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
        if (lane != &lanes->keyless)
            lane->out--;
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

size_t lanes_startable(const struct lanes *lanes)
{
    return lanes->startable;
}

size_t lanes_behind(const struct lanes_entry *entry)
{
    return entry->lane == NULL ? 0 : entry->lane->size;
}
