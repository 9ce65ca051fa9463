/* SPDX-License-Identifier: MIT */
/*
 * attempts - how often a message failed here, as far as a bounded memory tells.
 *
 * A message that is given back comes again at once; without a pause it would turn in a tight circle
 * between broker and handler. The caller has a fingerprint of 64 bits for each message. The table
 * remembers as many failures as it has places, never allocates and never grows: where two messages
 * share a place, the one that failed last is remembered and the other starts again at 1. It gives
 * the length of a pause, never the verdict on a message: nothing may be lost by what it forgets. It
 * must not know a clock, nor what a fingerprint is made of.
 */
#ifndef ACKD_LEDGER_ATTEMPTS_H
#define ACKD_LEDGER_ATTEMPTS_H

#include <stdint.h>

enum {
    ATTEMPTS_BITS = 12,
    ATTEMPTS_PLACES = 1 << ATTEMPTS_BITS, /* 64 KiB; fewer messages than that fail at one time */
    ATTEMPTS_PAUSE_MS = 100,              /* after the first failure; doubles with each one more */
    ATTEMPTS_PAUSE_MS_MAX = 5000          /* the delivery is held meanwhile: no longer than this */
};

struct attempts_place {
    uint64_t fingerprint;
    uint32_t count; /* failures; 0: the place is empty */
};

struct attempts {
    struct attempts_place places[ATTEMPTS_PLACES];
};

void attempts_init(struct attempts *attempts);
/* It failed once more. Returns how often it did, 1 for the first time that is remembered. */
uint32_t attempts_failed(struct attempts *attempts, uint64_t fingerprint);
/* How often it failed, as far as is remembered; 0: not known to have failed. */
uint32_t attempts_count(const struct attempts *attempts, uint64_t fingerprint);
/* It is done with, in whatever way. */
void attempts_done(struct attempts *attempts, uint64_t fingerprint);
/* Milliseconds to wait after @count failures before it is given back; 0 for none. */
uint64_t attempts_pause_ms(uint32_t count);

#endif
