/* SPDX-License-Identifier: MIT */
/*
 * kill_switch - stops a consumer whose messages fail one after the other, and tries again with one.
 *
 * A failure that most messages share is not theirs: a service is down, a disk is full. Closed, it
 * remembers the last outcomes; when enough of them are failures it trips, and nothing starts for a
 * pause. Then it is half open: one message is tried. If it succeeds the switch closes, and has
 * forgotten; if it fails there is another pause. The clock comes in.
 *
 *   W1  It trips only when as many outcomes as it looks at are known since it was closed.
 *   W2  While it is open nothing starts; half open, one message at a time.
 *   W3  What started before it tripped says nothing about whether it is better now.
 */
#ifndef ACKD_LEDGER_KILL_SWITCH_H
#define ACKD_LEDGER_KILL_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

enum { KILL_SWITCH_OF_MAX = 1024 };

enum kill_switch_state {
#define KILL_SWITCH_STATE(name, text) KILL_SWITCH_##name,
#include "ledger/kill_switch.def"
#undef KILL_SWITCH_STATE
};

struct kill_switch {
    enum kill_switch_state state;
    uint32_t percent; /* of failures at which it trips; 0: it never does */
    uint32_t of;      /* outcomes that it looks at */
    uint64_t pause_ns;
    uint64_t due_ns;                            /* open: when it is half open */
    uint32_t period;                            /* one more at each change of state */
    bool trying;                                /* half open: the one message is under way */
    uint32_t known;                             /* outcomes, `of` at most */
    uint32_t failures;                          /* of those */
    uint32_t at;                                /* where the next outcome goes */
    uint64_t outcomes[KILL_SWITCH_OF_MAX / 64]; /* a bit each: it failed */
};

/* Trip when @percent of the last @of failed; 0: never. @of is from 1 to KILL_SWITCH_OF_MAX. */
void kill_switch_init(struct kill_switch *kill_switch, uint32_t percent, uint32_t of,
                      uint64_t pause_ms);
const char *kill_switch_state_name(enum kill_switch_state state);

/* Whether a message may start now. */
bool kill_switch_allows(const struct kill_switch *kill_switch);
/* One starts. Returns the period, to be given with its outcome. */
uint32_t kill_switch_start(struct kill_switch *kill_switch);
/*
 * A message that started in @period has failed or not. Returns whether this changed the state: to
 * OPEN until due_ns, or to CLOSED.
 */
bool kill_switch_note(struct kill_switch *kill_switch, uint32_t period, bool failed,
                      uint64_t now_ns);
/* It came to nothing that tells: another may be tried. */
void kill_switch_pass(struct kill_switch *kill_switch, uint32_t period);
/* Open, and its pause is over: now half open. Else nothing happens. Returns whether it did. */
bool kill_switch_go_on(struct kill_switch *kill_switch, uint64_t now_ns);
/* Closed, with nothing known: what an operator says. */
void kill_switch_reset(struct kill_switch *kill_switch);

#endif
