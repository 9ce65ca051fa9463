/* SPDX-License-Identifier: MIT */
/*
 * ledger - the deliveries of one channel that the broker still wants an answer for.
 *
 * Pure bookkeeping: no I/O, no clock, no task. The host tells it what became of a delivery; it says
 * what to send, in as few answers as RabbitMQ accepts. It must not know why a handler failed.
 * Nothing here allocates, but for the text of an error; each call is O(1), a frame that covers many
 * is O(1) for each that it covers.
 *
 *   L1  A tag is open from ledger_open until exactly one ledger_settle, or until ledger_abandon.
 *
 *   L2  `multiple` never covers an open tag, nor one whose answer is not an acknowledgement.
 *
 *   L3  The tag that carries `multiple` is itself still unanswered: RabbitMQ closes the channel
 * with 406 PRECONDITION_FAILED otherwise. Tag 0 is never sent.
 *
 *   L4  A settlement of an earlier epoch changes nothing and is refused: on the present channel the
 *       same number is another message.
 */
#ifndef ACKD_LEDGER_LEDGER_H
#define ACKD_LEDGER_LEDGER_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/* What to tell the broker. Never basic.reject: what failed is acknowledged for its confirmed copy, and
 * RabbitMQ 4.3 would count it towards a quorum queue's delivery limit. */
enum ledger_answer {
    LEDGER_ACK,    /* basic.ack */
    LEDGER_RELEASE /* basic.nack, requeue */
};

/* A member of what is delivered: to open a tag never allocates. */
struct ledger_entry {
    struct list node; /* open: in order of tags; settled and not yet sent: still there */
    uint64_t tag;
    uint32_t epoch;
    uint8_t answer; /* enum ledger_answer, once settled */
    bool open;
    struct list answered; /* settled, and its answer not yet taken by ledger_next */
};

struct ledger {
    struct list entries;  /* by tag, oldest first: open, or settled and not yet sent */
    struct list answered; /* settled with ACK and not yet sent, in order of settling */
    struct list refused;  /* settled with any other answer and not yet sent, in order of settling */
    uint64_t last_tag;    /* the highest ever opened in this epoch */
    uint32_t epoch;       /* of the present channel; 0: there is none */
    uint32_t epoch_last;  /* the highest there ever was */
    size_t open;          /* open tags */
    uint64_t stale;       /* settlements refused by L4, ever */
};

void ledger_init(struct ledger *ledger);
/* The channel is new: tags start again at 1. Nothing may be open, and @epoch is above all before.
 */
void ledger_renew(struct ledger *ledger, uint32_t epoch);
/*
 * The channel is gone: nothing is open any more, nothing will be sent. Entries may be freed at
 * once. Whoever finds the settled ones only through ledger_next takes them out by it first, and
 * lets the frames go.
 */
void ledger_abandon(struct ledger *ledger);

/* A delivery came. ACKD_E_PROTOCOL unless @tag is the next above the last. */
ACKD_MUST_CHECK int ledger_open(struct ledger *ledger, struct ledger_entry *entry, uint64_t tag);
/* ACKD_E_STALE: of an earlier epoch, to be forgotten. ACKD_E_NOT_OPEN: settled before. */
ACKD_MUST_CHECK int ledger_settle(struct ledger *ledger, struct ledger_entry *entry,
                                  enum ledger_answer answer);

/* One frame to send. */
struct ledger_frame {
    uint64_t tag;
    enum ledger_answer answer;
    bool multiple;
};
/*
 * The next answer to send for what was settled; false when there is none. The entries it covers
 * leave the ledger and go to the end of @ret_sent (linked by `node`), where their owner frees them.
 * Frames are right only in the order in which they are given, and all of them: send each.
 */
bool ledger_next(struct ledger *ledger, struct ledger_frame *ret_frame, struct list *ret_sent);

#endif
