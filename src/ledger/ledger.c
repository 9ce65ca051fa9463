/* SPDX-License-Identifier: MIT */
/*
 * ledger - two queues of answers and one list in the order of tags.
 *
 * `entries` is what the broker holds as unanswered, in its own order: an entry leaves it with the
 * frame that covers it and never before. So the head of `entries` is the oldest tag the broker
 * waits for, and `multiple` on an entry covers exactly the entries up to it. Answers other than
 * acknowledgements go out first, one by one; what is then settled at the head is acknowledged only,
 * and one frame takes it all. That is the fewest there can be: each refusal needs a frame of its
 * own, an acknowledgement behind an open tag too, and the run at the head at least one.
 *
 * It must not know what a delivery is, nor when its frames are written.
 */
#include <config.h>

#include "ledger/ledger.h"

#include <ackd/error.h>
#include <inttypes.h>

#include "base/assert.h"

#define LEDGER_ENTRY(at, member) LIST_ITEM(at, ledger_entry, member)

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){0};
    list_init(&ledger->entries);
    list_init(&ledger->answered);
    list_init(&ledger->refused);
}

void ledger_renew(struct ledger *ledger, uint32_t epoch)
{
    ackd_assert(ledger->open == 0);
    ackd_assert(list_empty(&ledger->entries));
    ackd_assert(epoch > ledger->epoch_last); /* L4: a number that comes back would let one pass */
    ledger->epoch = epoch;
    ledger->epoch_last = epoch;
    ledger->last_tag = 0;
}

void ledger_abandon(struct ledger *ledger)
{
    struct list *node;
    while ((node = list_take(&ledger->entries)) != NULL) {
        struct ledger_entry *entry = LEDGER_ENTRY(node, node);
        entry->open = false;
        list_remove(&entry->answered);
    }
    ackd_assert(list_empty(&ledger->answered));
    ackd_assert(list_empty(&ledger->refused));
    ledger->open = 0;
    ledger->epoch = 0; /* L4: no entry carries it, so whatever is settled from here on is stale */
}

int ledger_open(struct ledger *ledger, struct ledger_entry *entry, uint64_t tag)
{
    ackd_assert(ledger->epoch != 0);
    if (tag != ledger->last_tag + 1)
        return ackd_fail(ACKD_E_PROTOCOL,
                         "the broker sent delivery tag %" PRIu64 " where %" PRIu64 " comes next",
                         tag, ledger->last_tag + 1);
    *entry = (struct ledger_entry){.tag = tag, .epoch = ledger->epoch, .open = true};
    list_init(&entry->answered);
    list_append(&ledger->entries, &entry->node);
    ledger->last_tag = tag;
    ledger->open++;
    return ACKD_OK;
}

int ledger_settle(struct ledger *ledger, struct ledger_entry *entry, enum ledger_answer answer)
{
    if (entry->epoch != ledger->epoch) { /* L4 */
        ledger->stale++;
        return ackd_fail(ACKD_E_STALE, "delivery %" PRIu64 " came on a channel that is gone",
                         entry->tag);
    }
    if (!entry->open) /* L1 */
        return ackd_fail(ACKD_E_NOT_OPEN, "delivery %" PRIu64 " is settled already", entry->tag);
    ackd_assert(ledger->open > 0);
    ackd_assert(list_empty(&entry->answered));
    entry->open = false;
    entry->answer = (uint8_t)answer;
    ledger->open--;
    list_append(answer == LEDGER_ACK ? &ledger->answered : &ledger->refused, &entry->answered);
    return ACKD_OK;
}

/* The entry leaves the ledger for its owner. */
static void ledger_give(struct ledger_entry *entry, struct list *ret_sent)
{
    ackd_assert(!entry->open);
    list_remove(&entry->answered);
    list_remove(&entry->node);
    list_append(ret_sent, &entry->node);
}

/* One answer for one entry. */
static void ledger_single(struct ledger_entry *entry, struct ledger_frame *ret_frame,
                          struct list *ret_sent)
{
    *ret_frame = (struct ledger_frame){.tag = entry->tag, .answer = entry->answer};
    ledger_give(entry, ret_sent);
}

/* One acknowledgement for all that is settled at the head: nothing refused may be left. */
static void ledger_run(struct ledger *ledger, struct ledger_frame *ret_frame, struct list *ret_sent)
{
    *ret_frame = (struct ledger_frame){.answer = LEDGER_ACK};
    size_t covered = 0;
    while (!list_empty(&ledger->entries)) {
        struct ledger_entry *entry = LEDGER_ENTRY(ledger->entries.next, node);
        if (entry->open) /* L2 */
            break;
        ackd_assert(entry->answer == LEDGER_ACK); /* L2 */
        ackd_assert(entry->tag > ret_frame->tag);
        ret_frame->tag =
            entry->tag; /* L3: it was in the ledger, so the broker still waits for it */
        ledger_give(entry, ret_sent);
        covered++;
    }
    ackd_assert(covered > 0);
    ret_frame->multiple = covered > 1;
}

bool ledger_next(struct ledger *ledger, struct ledger_frame *ret_frame, struct list *ret_sent)
{
    if (!list_empty(&ledger->refused)) {
        ledger_single(LEDGER_ENTRY(ledger->refused.next, answered), ret_frame, ret_sent);
        return true;
    }
    if (list_empty(&ledger->answered))
        return false;
    if (!LEDGER_ENTRY(ledger->entries.next, node)->open)
        ledger_run(ledger, ret_frame, ret_sent);
    else
        ledger_single(LEDGER_ENTRY(ledger->answered.next, answered), ret_frame, ret_sent);
    return true;
}
