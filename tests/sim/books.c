/* SPDX-License-Identifier: MIT */
/* books - see the header. */
#include <config.h>

#include "books.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BOOKS_DELIVERIES_MIN = 4096 };

#define books_fail(format, ...) sim_fail(__FILE__, __LINE__, format, __VA_ARGS__)

void books_begin(struct books *books, size_t messages, const char *dead_queue)
{
    *books = (struct books){.message_count = messages,
                            .dead_queue = dead_queue,
                            .delivery_room = 2 * messages + BOOKS_DELIVERIES_MIN};
    books->messages = calloc(messages + 1, sizeof *books->messages);
    books->deliveries = calloc(books->delivery_room, sizeof *books->deliveries);
    books->products = calloc(messages + 1, sizeof *books->products);
    sim_that(books->messages != NULL && books->deliveries != NULL && books->products != NULL);
    for (size_t i = 1; i <= messages; i++)
        books->messages[i].instances = 1;
}

void books_free(struct books *books)
{
    free(books->messages);
    free(books->products);
    free(books->deliveries);
    *books = (struct books){0};
}

static struct books_message *books_message(const struct books *books, uint64_t number)
{
    sim_that(number > 0 && number <= books->message_count);
    return &books->messages[number];
}

static struct books_delivery *books_delivery(const struct books *books, uint64_t serial)
{
    sim_that(serial > 0 && serial < books->delivery_room);
    return &books->deliveries[serial];
}

static bool books_ends(uint8_t outcome)
{
    return outcome == BOOKS_DONE || outcome == BOOKS_DROPPED;
}

void books_started(struct books *books, uint64_t serial)
{
    struct books_delivery *delivery = books_delivery(books, serial);
    sim_that(delivery->outcome == BOOKS_NONE || delivery->outcome == BOOKS_FAILED);
    sim_that(!delivery->settled);
    delivery->outcome = BOOKS_NONE;
}

bool books_is_open(const struct books *books, uint64_t serial)
{
    const struct books_delivery *delivery = books_delivery(books, serial);
    return !delivery->settled && !delivery->lost;
}

void books_outcome(struct books *books, uint64_t serial, enum books_outcome outcome)
{
    struct books_delivery *delivery = books_delivery(books, serial);
    struct books_message *message = books_message(books, delivery->number);
    sim_equal(delivery->outcome, BOOKS_NONE);
    delivery->outcome = (uint8_t)outcome;
    if (!books_ends(delivery->outcome))
        return;
    books->ended += message->ends == 0;
    books->again += message->ends > 0;
    message->ends++;
    message->explained += delivery->lost || delivery->settled;
}

static void books_delivered(struct books *books, uint64_t number, uint64_t serial)
{
    if (serial >= books->delivery_room) {
        size_t room = 2 * books->delivery_room;
        books->deliveries = realloc(books->deliveries, room * sizeof *books->deliveries);
        sim_that(books->deliveries != NULL);
        memset(books->deliveries + books->delivery_room, 0,
               (room - books->delivery_room) * sizeof *books->deliveries);
        books->delivery_room = room;
    }
    books_delivery(books, serial)->number = (uint32_t)number;
    books->delivered++;
}

/* Whether a confirmed copy excuses an acknowledgement; *ret_dead: it is the message's end. */
static bool books_excuse(struct books_message *message, uint8_t outcome, bool *ret_dead)
{
    bool other = message->copies > 0 && outcome != BOOKS_DEAD;
    if (!other && message->dead == 0)
        return false;
    if (other)
        message->copies--;
    else
        message->dead--;
    message->excused++;
    *ret_dead = !other;
    return true;
}

/* B1 */
static void books_acked(struct books *books, struct books_message *message,
                        const struct books_delivery *delivery)
{
    bool end = books_ends(delivery->outcome);
    bool remembered = delivery->outcome == BOOKS_NONE && message->ends > 0;
    if (!end && !books_excuse(message, delivery->outcome, &end)) {
        if (!remembered)
            books_fail("message %" PRIu32 " was acknowledged, its handler's outcome was %d",
                       delivery->number, delivery->outcome);
        end = true;
    }
    if (!end)
        return;
    books->finished += message->finished == 0;
    message->finished++;
}

/* B2 */
static void books_sent_back(const struct books *books, struct books_message *message,
                            const struct books_delivery *delivery, enum fakebroker_fate fate)
{
    bool end = books_ends(delivery->outcome);
    if (fate == FAKEBROKER_REJECTED)
        books_fail("message %" PRIu32 " was rejected", delivery->number);
    if (fate == FAKEBROKER_RETRIED && delivery->outcome != BOOKS_FAILED)
        books_fail("message %" PRIu32 " was rejected without a failure", delivery->number);
    if (end && !books->loose)
        books_fail("message %" PRIu32 " was handled, and sent back", delivery->number);
    message->explained += end;
}

static void books_settled(struct books *books, const struct fakebroker_event *event)
{
    struct books_delivery *delivery = books_delivery(books, event->serial);
    struct books_message *message = books_message(books, event->number);
    sim_that(!delivery->settled && !delivery->lost);
    if (event->fate == FAKEBROKER_GIVEN_BACK) {
        delivery->lost = true;
        message->explained += books_ends(delivery->outcome);
        return;
    }
    delivery->settled = true;
    if (event->fate == FAKEBROKER_ACKED) {
        message->instances -= event->held ? 1 : 0;
        books_acked(books, message, delivery);
    } else {
        books_sent_back(books, message, delivery, event->fate);
    }
}

void books_happened(const struct fakebroker_event *event, void *arg)
{
    struct books *books = arg;
    if (event->number > books->message_count) {
        sim_that(event->number <= 2 * books->message_count);
        books->products[event->number - books->message_count] +=
            event->fate == FAKEBROKER_CONFIRMED;
        return;
    }
    struct books_message *message = books_message(books, event->number);
    bool dead = strcmp(event->queue, books->dead_queue) == 0;
    switch (event->fate) {
    case FAKEBROKER_STORED:
        message->stored++;
        message->instances++;
        break;
    case FAKEBROKER_CONFIRMED:
        message->dead += dead;
        message->copies += !dead;
        break;
    case FAKEBROKER_DELIVERED:
        books_delivered(books, event->number, event->serial);
        break;
    case FAKEBROKER_ACKED:
    case FAKEBROKER_RELEASED:
    case FAKEBROKER_RETRIED:
    case FAKEBROKER_REJECTED:
    case FAKEBROKER_GIVEN_BACK:
        books_settled(books, event);
        break;
    case FAKEBROKER_REPEATED:
        message->explained++;
        break;
    case FAKEBROKER_DROPPED:
        message->instances--;
        if (message->instances == 0 && message->finished == 0)
            books_fail("the broker dropped message %" PRIu64 " out of %s", event->number,
                       event->queue);
        break;
    case FAKEBROKER_REFUSED:
    case FAKEBROKER_MOVED:
        break;
    }
}

void books_check(const struct books *books)
{
    for (size_t i = 1; i <= books->message_count; i++) {
        const struct books_message *message = &books->messages[i];
        uint32_t explained = message->explained + message->stored - message->excused;
        if (message->finished + message->instances == 0)
            books_fail("message %zu is lost", i);
        if (message->ends > 1 + explained)
            books_fail("message %zu was handled %" PRIu32 " times, %" PRIu32 " more are explained",
                       i, message->ends, explained);
    }
}
