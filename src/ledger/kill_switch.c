/* SPDX-License-Identifier: MIT */
/* kill_switch - see the header. */
#include <config.h>

#include "ledger/kill_switch.h"

#include <string.h>

#include "base/assert.h"

enum { KILL_SWITCH_NS_PER_MS = 1000000 };

static const char *const kill_switch_state_names[] = {
#define KILL_SWITCH_STATE(name, text) text,
#include "ledger/kill_switch.def"
#undef KILL_SWITCH_STATE
};

const char *kill_switch_state_name(enum kill_switch_state state)
{
    ackd_assert((size_t)state < sizeof kill_switch_state_names / sizeof kill_switch_state_names[0]);
    return kill_switch_state_names[state];
}

void kill_switch_init(struct kill_switch *kill_switch, uint32_t percent, uint32_t of,
                      uint64_t pause_ms)
{
    ackd_assert(percent <= 100);
    ackd_assert(percent == 0 || (of > 0 && of <= KILL_SWITCH_OF_MAX));
    *kill_switch = (struct kill_switch){
        .percent = percent, .of = of, .pause_ns = pause_ms * KILL_SWITCH_NS_PER_MS};
}

/* The one function that changes the state: from where to where, and what was known is forgotten. */
static void kill_switch_move(struct kill_switch *kill_switch, enum kill_switch_state state)
{
    static const unsigned moves[] = {
        [KILL_SWITCH_CLOSED] = 1U << KILL_SWITCH_OPEN,
        [KILL_SWITCH_OPEN] = 1U << KILL_SWITCH_HALF_OPEN | 1U << KILL_SWITCH_CLOSED,
        [KILL_SWITCH_HALF_OPEN] = 1U << KILL_SWITCH_OPEN | 1U << KILL_SWITCH_CLOSED,
    };
    ackd_assert(moves[kill_switch->state] & 1U << state);
    kill_switch->state = state;
    kill_switch->period++;
    kill_switch->trying = false;
    kill_switch->known = kill_switch->failures = kill_switch->at = 0;
    memset(kill_switch->outcomes, 0, sizeof kill_switch->outcomes);
}

bool kill_switch_allows(const struct kill_switch *kill_switch)
{
    return kill_switch->state == KILL_SWITCH_CLOSED ||
           (kill_switch->state == KILL_SWITCH_HALF_OPEN && !kill_switch->trying); /* W2 */
}

uint32_t kill_switch_start(struct kill_switch *kill_switch)
{
    ackd_assert(kill_switch_allows(kill_switch)); /* W2 */
    kill_switch->trying = kill_switch->state == KILL_SWITCH_HALF_OPEN;
    return kill_switch->period;
}

static void kill_switch_open(struct kill_switch *kill_switch, uint64_t now_ns)
{
    kill_switch_move(kill_switch, KILL_SWITCH_OPEN);
    kill_switch->due_ns = now_ns + kill_switch->pause_ns;
}

/* Remember one outcome, and forget the oldest. */
static void kill_switch_remember(struct kill_switch *kill_switch, bool failed)
{
    uint64_t *word = &kill_switch->outcomes[kill_switch->at / 64];
    uint64_t bit = UINT64_C(1) << (kill_switch->at % 64);
    if (kill_switch->known < kill_switch->of)
        kill_switch->known++;
    else
        kill_switch->failures -= (*word & bit) != 0;
    *word = failed ? *word | bit : *word & ~bit;
    kill_switch->failures += failed;
    kill_switch->at = (kill_switch->at + 1) % kill_switch->of;
    ackd_assert(kill_switch->failures <= kill_switch->known);
}

bool kill_switch_note(struct kill_switch *kill_switch, uint32_t period, bool failed,
                      uint64_t now_ns)
{
    if (kill_switch->percent == 0 || period != kill_switch->period) /* W3 */
        return false;
    if (kill_switch->state == KILL_SWITCH_HALF_OPEN) {
        if (failed)
            kill_switch_open(kill_switch, now_ns);
        else
            kill_switch_move(kill_switch, KILL_SWITCH_CLOSED);
        return true;
    }
    ackd_assert(kill_switch->state == KILL_SWITCH_CLOSED); /* W2 */
    kill_switch_remember(kill_switch, failed);
    if (kill_switch->known < kill_switch->of || /* W1 */
        (uint64_t)kill_switch->failures * 100 < (uint64_t)kill_switch->percent * kill_switch->of)
        return false;
    kill_switch_open(kill_switch, now_ns);
    return true;
}

void kill_switch_pass(struct kill_switch *kill_switch, uint32_t period)
{
    if (period == kill_switch->period)
        kill_switch->trying = false;
}

bool kill_switch_go_on(struct kill_switch *kill_switch, uint64_t now_ns)
{
    if (kill_switch->state != KILL_SWITCH_OPEN || now_ns < kill_switch->due_ns)
        return false;
    kill_switch_move(kill_switch, KILL_SWITCH_HALF_OPEN);
    return true;
}

void kill_switch_reset(struct kill_switch *kill_switch)
{
    if (kill_switch->state != KILL_SWITCH_CLOSED)
        kill_switch_move(kill_switch, KILL_SWITCH_CLOSED);
}
