/* SPDX-License-Identifier: MIT */
/*
 * window - the deliveries a consumer has not answered, and what RabbitMQ thinks of an answer.
 *
 *   W1  Tags count up from 1; at most `limit` of them are open.
 *   W2  An answer to a tag that is not open is refused, also where `multiple` covers others that
 *       are: RabbitMQ 3.10 closes the channel with 406 then. Tag 0 with `multiple` is all of them.
 */
#ifndef ACKD_BENCH_WINDOW_H
#define ACKD_BENCH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { WINDOW_MAX = 65536 };

struct window {
    uint64_t first; /* no tag below is open */
    uint64_t next;  /* the tag of the next delivery */
    uint32_t limit;
    uint32_t open;
    bool is_open[WINDOW_MAX * 2]; /* by tag modulo its size: see window_room */
};

void window_init(struct window *window, uint32_t limit);

/* How many may be delivered now. A tag must not meet an older open one in the table. */
uint32_t window_room(const struct window *window);
/* Open the next @count tags; returns the first. */
uint64_t window_deliver(struct window *window, uint32_t count);
/* Close what the answer covers; how many, or -1 if it is wrong. */
int64_t window_answer(struct window *window, uint64_t tag, bool multiple);

#endif
