/* SPDX-License-Identifier: MIT */
/* engine - memory for blocks and frames, and the firing of timers. It must not know whose they are.
 */
#include <config.h>

#include "task/engine.h"

#include <stdlib.h>

_Thread_local struct scheduler *engine_this;
_Thread_local char engine_thread;

struct scheduler_post engine_closed;

void engine_serve_posts(struct scheduler *scheduler, struct scheduler_post *next)
{
    if (atomic_load_explicit(&scheduler->posted, memory_order_relaxed) == &engine_closed)
        return;
    struct scheduler_post *last =
        atomic_exchange_explicit(&scheduler->posted, next, memory_order_acquire);
    struct scheduler_post *first = NULL;
    while (last != NULL) {
        struct scheduler_post *before = last->next;
        last->next = first;
        first = last;
        last = before;
    }
    struct ackd_task *current = scheduler->current;
    struct error_slot *slot = error_slot_use(NULL);
    scheduler->current = NULL;
    while (first != NULL) {
        struct scheduler_post *post = first;
        first = post->next;
        post->run(post);
    }
    scheduler->current = current;
    error_slot_use(slot);
}

void engine_fire(struct scheduler *scheduler)
{
    uint64_t now_ns = engine_now(scheduler);
    if (timers_next_ns(&scheduler->timers) > now_ns)
        return;
    struct ackd_task *current = scheduler->current;
    struct error_slot *slot = error_slot_use(NULL);
    scheduler->current = NULL;
    timers_run(&scheduler->timers, now_ns);
    scheduler->current = current;
    error_slot_use(slot);
}

struct engine_chunk {
    struct engine_chunk *next;
    max_align_t bytes[];
};

void *engine_cut(struct scheduler *scheduler, size_t count, size_t size)
{
    struct engine_chunk *chunk = calloc(1, sizeof *chunk + count * size);
    if (chunk == NULL)
        return NULL;
    chunk->next = scheduler->chunks;
    scheduler->chunks = chunk;
    return chunk->bytes;
}

void engine_free_chunks(struct scheduler *scheduler)
{
    while (scheduler->chunks != NULL) {
        struct engine_chunk *chunk = scheduler->chunks;
        scheduler->chunks = chunk->next;
        free(chunk);
    }
}
