/* SPDX-License-Identifier: MIT */
/*
 * gate - what a message passes before it starts, where more than a free slot is asked for: its key,
 * the consumer's rate, the groups it shares, and the kill switch.
 *
 * A consumer without any of these has no gate, and pays nothing. What decides is in ledger; here it
 * is given the clock, and timers for what it waits for.
 *
 *   G1  A message that passed has a place in each group until gate_give_back.
 *   G2  With a strict key it keeps its key until it is settled, or its channel is gone and its
 *       handler has ended; with a relaxed one until its handler has ended.
 *   G3  A message of a strict key that is given back after it started has everything that waits
 *       given back with it: the broker then has them in their order again.
 */
#ifndef ACKD_HOST_GATE_H
#define ACKD_HOST_GATE_H

#include "host/consumer.h"
#include "ledger/key.h"
#include "ledger/kill_switch.h"
#include "ledger/lanes.h"
#include "ledger/limit.h"
#include "ledger/rate.h"

struct gate {
    struct consumer *consumer;
    struct lanes *lanes; /* NULL: without a key */
    struct key_seed seed;
    struct rate rate;
    struct limit_member member;
    struct kill_switch kill_switch;
    struct timer due;       /* the rate, or that of a group */
    struct timer half_open; /* the kill switch's pause is over */
};

/* What the consumer's configuration asks for; NULL where that is nothing. ACKD_E_NOMEM. */
ACKD_MUST_CHECK int gate_new(struct consumer *consumer, struct gate **ret_gate);
/* One that asks for nothing, for bounds that come at run time. ACKD_E_NOMEM. */
ACKD_MUST_CHECK int gate_new_open(struct consumer *consumer, struct gate **ret_gate);
/* No message may be left. NULL does nothing. */
void gate_free(struct gate **gate);

/* @job, which is QUEUED, waits for its start, behind those of its key or before them. ACKD_E_NOMEM:
 * it cannot. */
ACKD_MUST_CHECK int gate_add(struct gate *gate, struct job *job, bool first);
/* The next that may start, all taken; NULL: none. It is still QUEUED. */
struct job *gate_take(struct gate *gate);
/*
 * Once per turn: where slots are idle because all that is here waits for busy keys, more is fetched,
 * to find other keys behind it; and less again when that is over. Not where the prefetch was given,
 * nor where another host would take the queue over meanwhile.
 */
void gate_look_ahead(struct gate *gate);
/* One more, to run in the place of one that gate_take let pass, in the same turn: it takes of the
 * rate, but no place in a group. NULL: none. */
struct job *gate_join(struct gate *gate);
/* What passes between these two is one batch: of a key it may have several messages, in order. */
void gate_begin_batch(struct gate *gate);
void gate_end_batch(struct gate *gate);
/* Whether there is a group that it is in. */
bool gate_shares(const struct gate *gate);
/* Messages whose key is free. */
size_t gate_ready(const struct gate *gate);
/* It has come back: its places are free, and a relaxed key. */
void gate_give_back(struct gate *gate, struct job *job);
/* It is settled, or forgotten: its key is free. */
void gate_forget(struct gate *gate, struct job *job);
/* Nothing is to start: places that it stands in line for go to others. */
void gate_withdraw(struct gate *gate);
/* An operator says that all is well: the kill switch closes, and forgets. */
void gate_reset(struct gate *gate);
/* What its verdict says about the handler: the kill switch may trip, or close. */
void gate_judge(struct gate *gate, const struct job *job);

/*
 * @job, which is RUNNING and has failed, is tried again here after @delay_ms, or earlier, and its
 * key waits. False: its key has waited long enough, and it is to be dead.
 */
bool gate_hold(struct gate *gate, struct job *job, uint64_t delay_ms);
/* Whether failures are to be tried again here. NULL: false. */
bool gate_is_strict(const struct gate *gate);
/* How many the broker may have under way now, of @prefetch. */
uint32_t gate_prefetch(const struct gate *gate, uint32_t prefetch);

#endif
