/* SPDX-License-Identifier: MIT */
/*
 * hose - deliveries encoded once, of which only the tags change.
 *
 *   H1  A slot is filled again only after the kernel has taken all that was filled before.
 */
#ifndef ACKD_BENCH_HOSE_H
#define ACKD_BENCH_HOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hose {
    uint8_t *bytes;    /* owned: `slots` deliveries, one after the other */
    size_t size;       /* of one delivery */
    size_t tag_offset; /* of the tag in it */
    uint32_t slots;
    size_t filled, sent; /* bytes */
};

/* Encode deliveries of @body_size bytes; exits when out of memory. */
void hose_init(struct hose *hose, uint16_t channel, const char *consumer_tag, size_t body_size);
void hose_fini(struct hose *hose);

/* Nothing filled is left to be sent. */
bool hose_is_empty(const struct hose *hose);
/* Fill in the next deliveries, beginning with @tag: at most `slots` of them. The hose is empty. */
void hose_fill(struct hose *hose, uint64_t tag, uint32_t count);
/* Forget the deliveries of which no byte has been sent. */
void hose_cut(struct hose *hose);
/* Give the kernel what it takes. False if the connection is gone. */
bool hose_send(struct hose *hose, int fd);

#endif
