/* SPDX-License-Identifier: MIT */
/*
 * The ledger against a model of the broker, over a long random way.
 *
 * The model is as plain as can be: for each tag of the channel, what the broker knows and what the
 * host decided. It plays RabbitMQ's rules (a tag that is not outstanding closes the channel with
 * 406, `multiple` settles all that is outstanding up to its tag) and checks after each frame that
 * every answer reached the message it was meant for, once. After each turn it counts the frames
 * against the fewest there can be: one for each refusal, one for each acknowledgement behind an
 * open tag, one for all those before. ACKD_SEED runs a seed again.
 */
#include <config.h>

#include "ledger/ledger.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/random.h"
#include "main.h"

enum { WINDOW = 96, OPERATIONS = 2000000, PAST = 64 };

/* What the broker and the host think of one tag. */
struct tag {
    struct ledger_entry entry;
    bool settled;
    enum ledger_answer answer;
};

struct model {
    struct ledger ledger;
    struct random random;
    struct tag *tags[WINDOW]; /* outstanding at the broker, oldest first */
    size_t count;
    uint64_t last_tag;
    uint32_t epoch;
    struct tag *past[PAST]; /* of channels gone: what a slow handler still has */
    size_t past_count;
    uint64_t stale;
    uint64_t frames, answers, turns; /* to tell that the test did something */
};

static uint64_t below(struct model *model, uint64_t bound)
{
    return random_below(&model->random, bound);
}

static void model_open(struct model *model)
{
    if (model->count == WINDOW)
        return;
    struct tag *tag = calloc(1, sizeof *tag);
    test_that(tag != NULL);
    test_that(ledger_open(&model->ledger, &tag->entry, ++model->last_tag) == ACKD_OK);
    model->tags[model->count++] = tag;
}

static enum ledger_answer model_answer(struct model *model)
{
    return below(model, 8) != 0 ? LEDGER_ACK : (enum ledger_answer)(1 + below(model, 3));
}

/* Old ones are settled more often, so that runs at the head come about. */
static void model_settle(struct model *model)
{
    if (model->count == 0)
        return;
    size_t at = below(model, below(model, 3) == 0 ? model->count : 1 + model->count / 8);
    struct tag *tag = model->tags[at];
    enum ledger_answer answer = model_answer(model);
    int code = ledger_settle(&model->ledger, &tag->entry, answer);
    test_that(code == (tag->settled ? ACKD_E_NOT_OPEN : ACKD_OK));
    if (tag->settled)
        return;
    tag->settled = true;
    tag->answer = answer;
}

static void model_settle_stale(struct model *model)
{
    if (model->past_count == 0)
        return;
    struct tag *tag = model->past[--model->past_count];
    test_that(ledger_settle(&model->ledger, &tag->entry, model_answer(model)) == ACKD_E_STALE);
    test_that(model->ledger.stale == ++model->stale);
    free(tag);
}

/* What the fewest frames are, from what the broker waits for. */
static size_t model_fewest(const struct model *model)
{
    size_t refusals = 0;
    size_t behind = 0;
    bool head = false;
    bool opened = false;
    for (size_t i = 0; i < model->count; i++) {
        const struct tag *tag = model->tags[i];
        if (!tag->settled)
            opened = true;
        else if (tag->answer != LEDGER_ACK)
            refusals++;
        else if (opened)
            behind++;
        else
            head = true;
    }
    return refusals + behind + head;
}

/* The broker takes @tag off its list: its answer must be the host's, and the entry come back. */
static void model_take(struct model *model, size_t at, enum ledger_answer answer, struct list *sent)
{
    struct tag *tag = model->tags[at];
    test_that(tag->settled); /* L2 */
    test_that(tag->answer == answer);
    test_that(list_take(sent) == &tag->entry.node);
    test_that(list_empty(&tag->entry.answered));
    free(tag);
    model->count--;
    for (size_t i = at; i < model->count; i++)
        model->tags[i] = model->tags[i + 1];
    model->answers++;
}

/* One frame as the broker reads it. */
static bool model_frame(struct model *model)
{
    struct ledger_frame frame;
    struct list sent;
    list_init(&sent);
    if (!ledger_next(&model->ledger, &frame, &sent))
        return false;
    test_that(frame.tag != 0);
    size_t at = 0;
    while (at < model->count && model->tags[at]->entry.tag != frame.tag)
        at++;
    if (at == model->count) /* L3 */
        ck_abort_msg("406: tag %" PRIu64 " is not outstanding", frame.tag);
    if (frame.multiple) {
        test_that(frame.answer == LEDGER_ACK);
        test_that(at > 0); /* or a single one would do */
        for (size_t i = 0; i <= at; i++)
            model_take(model, 0, LEDGER_ACK, &sent);
    } else {
        model_take(model, at, frame.answer, &sent);
    }
    test_that(list_empty(&sent));
    model->frames++;
    return true;
}

/* The end of a turn of the loop. */
static void model_turn(struct model *model)
{
    size_t fewest = model_fewest(model);
    size_t frames = 0;
    while (model_frame(model))
        frames++;
    test_that(frames == fewest);
    for (size_t i = 0; i < model->count; i++)
        test_that(!model->tags[i]->settled);
    test_that(model->ledger.open == model->count);
    model->turns++;
}

/* The channel dies with whatever was not sent; a few of its messages are settled later. */
static void model_die(struct model *model)
{
    ledger_abandon(&model->ledger);
    while (model->count > 0) {
        struct tag *tag = model->tags[--model->count];
        if (!tag->settled && model->past_count < PAST)
            model->past[model->past_count++] = tag;
        else
            free(tag);
    }
    if (below(model, 2) == 0)
        model_settle_stale(model);
    ledger_renew(&model->ledger, ++model->epoch);
    model->last_tag = 0;
}

static void model_step(struct model *model)
{
    uint64_t choice = below(model, 1000);
    if (choice < 470)
        model_open(model);
    else if (choice < 950)
        model_settle(model);
    else if (choice < 975)
        model_turn(model);
    else if (choice < 990)
        (void)model_frame(model); /* the host may stop between frames, and settle more */
    else if (choice < 999)
        model_settle_stale(model);
    else
        model_die(model);
}

static uint64_t model_seed(void)
{
    const char *given = getenv("ACKD_SEED");
    return given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 0);
}

START_TEST(promise_a4_every_answer_reaches_its_message_once_in_the_fewest_frames)
{
    struct model model = {.epoch = 1};
    uint64_t seed = model_seed();
    fprintf(stderr, "# ACKD_SEED=%" PRIu64 "\n", seed);
    random_init(&model.random, seed);
    ledger_init(&model.ledger);
    ledger_renew(&model.ledger, model.epoch);
    unsigned long operations = test_scale(OPERATIONS);
    for (unsigned long i = 0; i < operations; i++)
        model_step(&model);
    model_turn(&model);
    if (operations >= 10000) {
        ck_assert_uint_gt(model.epoch, 2);
        ck_assert_uint_gt(model.stale, 10);
        ck_assert_uint_gt(model.answers, operations / 10);
        ck_assert_uint_gt(model.answers, model.frames);
    }
    model_die(&model);
    while (model.past_count > 0)
        model_settle_stale(&model);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/model");
    TCase *tc = tcase_create("model");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, promise_a4_every_answer_reaches_its_message_once_in_the_fewest_frames);
    suite_add_tcase(suite, tc);
    return suite;
}
