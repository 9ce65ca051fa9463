/* SPDX-License-Identifier: MIT */
/* limit - see the header. */
#include <config.h>

#include "ledger/limit.h"

#include "base/assert.h"

void limit_init(struct limit *limit, const char *name, unsigned rank, uint32_t concurrency,
                uint64_t count, uint64_t per_ms)
{
    *limit = (struct limit){.name = name, .rank = rank, .concurrency = concurrency};
    rate_init(&limit->rate, count, per_ms);
    list_init(&limit->line);
}

static bool limit_has_place(const struct limit *limit)
{
    return limit->concurrency == 0 || limit->taken < limit->concurrency;
}

void limit_go_on(struct limit *limit, uint64_t now_ns)
{
    while (!list_empty(&limit->line) && limit_has_place(limit) &&
           rate_allows(&limit->rate, now_ns)) {
        struct limit_claim *first = LIST_ITEM(limit->line.next, limit_claim, node); /* I2 */
        list_remove(&first->node);
        first->held = true;
        rate_spend(&limit->rate, now_ns);
        limit->taken++;
        limit->granted++;
    }
}

void limit_change(struct limit *limit, uint32_t concurrency, uint64_t count, uint64_t per_ms,
                  uint64_t now_ns)
{
    limit->concurrency = concurrency;
    rate_change(&limit->rate, count, per_ms, now_ns);
    limit_go_on(limit, now_ns);
}

uint64_t limit_due_ns(const struct limit *limit)
{
    if (list_empty(&limit->line) || !limit_has_place(limit))
        return 0;
    return rate_due_ns(&limit->rate);
}

void limit_member_init(struct limit_member *member)
{
    *member = (struct limit_member){.count = 0};
}

void limit_member_join(struct limit_member *member, struct limit *limit)
{
    ackd_assert(member->count < LIMIT_CLAIMS_MAX);
    size_t at = member->count++;
    for (; at > 0 && member->claims[at - 1].limit->rank > limit->rank; at--)
        member->claims[at].limit = member->claims[at - 1].limit;
    ackd_assert(at == 0 || member->claims[at - 1].limit->rank < limit->rank);
    member->claims[at].limit = limit;
    list_init(&member->claims[member->count - 1].node);
}

bool limit_member_claim(struct limit_member *member, uint64_t now_ns)
{
    for (size_t i = 0; i < member->count; i++) {
        struct limit_claim *claim = &member->claims[i];
        if (!claim->held && list_empty(&claim->node))
            list_append(&claim->limit->line, &claim->node);
        if (!claim->held)
            limit_go_on(claim->limit, now_ns);
        if (!claim->held)
            return false;
    }
    for (size_t i = 0; i < member->count; i++)
        member->claims[i].held = false; /* used from now on */
    return true;
}

static void limit_give_back(struct limit *limit, uint64_t now_ns)
{
    ackd_assert(limit->taken > 0);
    limit->taken--;
    limit_go_on(limit, now_ns);
}

void limit_member_withdraw(struct limit_member *member, uint64_t now_ns)
{
    for (size_t i = 0; i < member->count; i++) {
        struct limit_claim *claim = &member->claims[i];
        list_remove(&claim->node);
        if (claim->held) {
            claim->held = false;
            limit_give_back(claim->limit, now_ns);
        } else {
            limit_go_on(claim->limit, now_ns); /* who stood behind may be next */
        }
    }
}

void limit_member_leave(struct limit_member *member, uint64_t now_ns)
{
    for (size_t i = 0; i < member->count; i++)
        limit_give_back(member->claims[i].limit, now_ns);
}

bool limit_member_wants(const struct limit_member *member)
{
    for (size_t i = 0; i < member->count; i++) {
        if (member->claims[i].held || !list_empty(&member->claims[i].node))
            return true;
    }
    return false;
}
