/* SPDX-License-Identifier: MIT */
/* test_outlet - see the header. It must not know what the test is about. */
#include <config.h>

#include "host/test_outlet.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "host/runner.h"
#include "task/scheduler.h"

struct test_outlet_kept {
    struct ackd_test_publication what;
    uint8_t *bytes; /* owned: all that it points at */
    char id[PUBLISHER_ID_SIZE];
};

struct test_outlet_unanswered {
    struct list node;
    struct timer limit;
    struct publication *publication;
};

void test_outlet_init(struct test_outlet *outlet)
{
    list_init(&outlet->unanswered);
}

static void test_outlet_forget(struct test_outlet_unanswered *unanswered)
{
    list_remove(&unanswered->node);
    timer_stop(&unanswered->limit);
    free(unanswered);
}

void test_outlet_fini(struct test_outlet *outlet)
{
    while (!list_empty(&outlet->unanswered))
        test_outlet_forget(LIST_ITEM(outlet->unanswered.next, test_outlet_unanswered, node));
    for (size_t i = 0; i < outlet->count; i++) {
        free(outlet->kept[i]->bytes);
        free(outlet->kept[i]);
    }
    free(outlet->kept);
}

static void test_outlet_give_back(struct publication *publication, int code)
{
    publication_answer(publication, code);
    runner_flush(publication->pool->runner);
}

static void test_outlet_limit_over(struct timer *timer)
{
    struct test_outlet_unanswered *unanswered = LIST_ITEM(timer, test_outlet_unanswered, limit);
    struct publication *publication = unanswered->publication;
    test_outlet_forget(unanswered);
    test_outlet_give_back(publication,
                          ackd_fail(ACKD_E_TIMEOUT, "no %s within its time limit",
                                    publication->request.wants_reply ? "reply" : "confirm"));
}

static int test_outlet_hold(struct test_outlet *outlet, struct scheduler *scheduler,
                            uint64_t now_ns, struct publication *publication)
{
    struct test_outlet_unanswered *unanswered = calloc(1, sizeof *unanswered);
    if (unanswered == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a publication without an answer");
    uint64_t ms = publication->request.timeout_ms;
    unanswered->publication = publication;
    list_init(&unanswered->node);
    list_append(&outlet->unanswered, &unanswered->node);
    timer_init(&unanswered->limit, test_outlet_limit_over);
    timer_start(scheduler_timers(scheduler), &unanswered->limit,
                timer_after_ms(now_ns, ms == 0 ? PUBLISHER_WAIT_MS : ms));
    return ACKD_OK;
}

/* Its copies become ours: nothing of it is needed to answer. */
static int test_outlet_keep(struct test_outlet *outlet, struct publication *publication,
                            uint64_t now_ms, struct test_outlet_kept **ret_kept)
{
    const struct publisher_request *request = &publication->request;
    const struct properties *properties = &publication->properties;
    if (outlet->count == outlet->room) {
        size_t room = outlet->room == 0 ? 16 : 2 * outlet->room;
        struct test_outlet_kept **grown = realloc(outlet->kept, room * sizeof *grown);
        if (grown == NULL)
            return ackd_fail(ACKD_E_NOMEM, "what was published");
        outlet->kept = grown;
        outlet->room = room;
    }
    struct test_outlet_kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        return ackd_fail(ACKD_E_NOMEM, "what was published");
    kept->bytes = publication->bytes;
    publication->bytes = NULL;
    publication->room = 0;
    kept->what = (struct ackd_test_publication){.exchange = request->exchange,
                                                .routing_key = request->routing_key,
                                                .body = request->body,
                                                .content_type = properties->content_type,
                                                .content_encoding = properties->content_encoding,
                                                .correlation_id = properties->correlation_id,
                                                .reply_to = properties->reply_to,
                                                .expiration = properties->expiration,
                                                .id = properties->message_id,
                                                .type = properties->type,
                                                .user_id = properties->user_id,
                                                .app_id = properties->app_id,
                                                .timestamp_s = properties->timestamp_s,
                                                .priority = properties->priority,
                                                .transient = properties->delivery_mode == 1,
                                                .optional = request->optional,
                                                .request = request->wants_reply,
                                                .headers = {.rest = properties->headers},
                                                .at_ms = now_ms};
    if (request->wants_reply) { /* its own, which is used again */
        memcpy(kept->id, request->id, sizeof kept->id);
        kept->what.correlation_id = kept->id;
    }
    outlet->kept[outlet->count++] = kept;
    *ret_kept = kept;
    return ACKD_OK;
}

/* The test's word on it; ACKD_TEST_UNANSWERED. */
static int test_outlet_ask(const struct test_outlet *outlet, struct publication *publication,
                           const struct test_outlet_kept *kept)
{
    struct ackd_bytes reply = {"", 0};
    if (outlet->answer == NULL)
        return publication->request.wants_reply ? ACKD_TEST_UNANSWERED : ACKD_OK;
    error_clear();
    int code = outlet->answer(&kept->what, &reply, outlet->arg);
    if (code < 0 && code != ACKD_CANCELED)
        (void)error_for(code);
    if (code == ACKD_OK && publication->request.wants_reply)
        code = publication_set_reply(publication, reply);
    return code;
}

static void test_outlet_withdraw(struct test_outlet *outlet, const struct publication *publication)
{
    list_for_each (node, &outlet->unanswered) {
        struct test_outlet_unanswered *unanswered = LIST_ITEM(node, test_outlet_unanswered, node);
        if (unanswered->publication != publication)
            continue;
        struct publication *mine = unanswered->publication;
        test_outlet_forget(unanswered);
        publication_answer(mine, ACKD_CANCELED);
        return;
    }
}

void test_outlet_receive(struct test_outlet *outlet, struct scheduler *scheduler, uint64_t now_ns,
                         uint64_t now_ms, struct crossing *crossing)
{
    struct publication *publication = publication_of(crossing);
    if (crossing->kind == CROSSING_WITHDRAW) {
        test_outlet_withdraw(outlet, publication);
        runner_send(publication->pool->runner, crossing);
        runner_flush(publication->pool->runner);
        return;
    }
    struct test_outlet_kept *kept = NULL;
    int code = test_outlet_keep(outlet, publication, now_ms, &kept);
    if (code == ACKD_OK)
        code = test_outlet_ask(outlet, publication, kept);
    if (code == ACKD_TEST_UNANSWERED) {
        code = test_outlet_hold(outlet, scheduler, now_ns, publication);
        if (code == ACKD_OK)
            return;
    }
    test_outlet_give_back(publication, code);
}

const struct ackd_test_publication *test_outlet_at(const struct test_outlet *outlet, size_t index)
{
    return index < outlet->count ? &outlet->kept[index]->what : NULL;
}
