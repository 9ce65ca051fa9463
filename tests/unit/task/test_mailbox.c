/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/timer.h"
#include "world.h"

static struct ackd_mailbox *mailbox;
static char order[64];

static void note(char letter)
{
    size_t length = strlen(order);
    ck_assert_uint_lt(length + 1, sizeof order);
    order[length] = letter;
    order[length + 1] = '\0';
}

static void note_dropped(void *item, void *arg)
{
    note(*(const char *)arg);
    note(*(const char *)item);
}

static char items[] = "0123456789";

static void make(size_t capacity, enum ackd_mailbox_full full)
{
    static char mark[] = "!";
    const struct ackd_mailbox_options options = {
        .name = "parcels", .capacity = capacity, .full = full, .drop = note_dropped, .arg = mark};
    ck_assert_int_eq(ackd_mailbox_new(&options, &mailbox), ACKD_OK);
}

static void begin(void)
{
    order[0] = '\0';
    world_new();
}

static void end(void)
{
    ackd_mailbox_free(&mailbox);
    ck_assert_ptr_null(mailbox);
    ackd_mailbox_free(&mailbox);
    world_free();
}

static int send_one(void *arg)
{
    ACKD_TRY(ackd_mailbox_send(mailbox, arg));
    note('s');
    note(*(const char *)arg);
    return ACKD_OK;
}

static int receive_one(void *arg)
{
    void *item;
    ACKD_TRY(ackd_mailbox_receive(mailbox, &item));
    note(*(const char *)arg);
    note(*(const char *)item);
    return ACKD_OK;
}

START_TEST(rule_q1_the_one_too_many_waits_and_senders_go_in_order)
{
    make(2, ACKD_MAILBOX_WAIT);
    for (int i = 0; i < 4; i++)
        world_spawn(send_one, &items[i]);
    world_settle();
    ck_assert_str_eq(order, "s0s1");
    ck_assert_uint_eq(ackd_mailbox_count(mailbox), 2);
    ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[9]), ACKD_E_FULL);
    static char who[] = "abcd";
    world_spawn(receive_one, &who[0]);
    world_settle();
    ck_assert_str_eq(order, "s0s1a0s2");
    for (int i = 1; i < 4; i++)
        world_spawn(receive_one, &who[i]);
    world_run_all();
    ck_assert_str_eq(order, "s0s1a0s2b1c2d3s3");
}
END_TEST

START_TEST(rule_q1_receivers_go_in_order)
{
    static char who[] = "abc";
    make(1, ACKD_MAILBOX_WAIT);
    for (int i = 0; i < 3; i++)
        world_spawn(receive_one, &who[i]);
    world_settle();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[i]), ACKD_OK);
    ck_assert_str_eq(order, "");
    world_run_all();
    ck_assert_str_eq(order, "a0b1c2");
}
END_TEST

static int receive_to_the_end(void *arg)
{
    int *code = arg;
    void *item;
    while ((*code = ackd_mailbox_receive(mailbox, &item)) == ACKD_OK)
        note(*(const char *)item);
    return ACKD_OK;
}

static int send_and_see(void *arg)
{
    *(int *)arg = ackd_mailbox_send(mailbox, &items[9]);
    return ACKD_OK;
}

START_TEST(rule_q2_complete_once_then_what_is_queued_then_closed)
{
    int sent = 99, received = 99, late = 99;
    make(2, ACKD_MAILBOX_WAIT);
    ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[0]), ACKD_OK);
    ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[1]), ACKD_OK);
    world_spawn(send_and_see, &sent);
    world_settle();
    ck_assert(ackd_mailbox_complete(mailbox, ACKD_OK));
    ck_assert(!ackd_mailbox_complete(mailbox, ACKD_E_INVAL));
    world_settle();
    ck_assert_int_eq(sent, ACKD_E_CLOSED);
    world_spawn(send_and_see, &late);
    world_spawn(receive_to_the_end, &received);
    world_run_all();
    ck_assert_int_eq(late, ACKD_E_CLOSED);
    ck_assert_int_eq(received, ACKD_E_CLOSED);
    ck_assert_str_eq(order, "01");
    ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[0]), ACKD_E_CLOSED);
}
END_TEST

static const struct ackd_error *seen_errors[2];

static int receive_failure(void *arg)
{
    void *item;
    int code = ackd_mailbox_receive(mailbox, &item);
    ck_assert_int_eq(code, ACKD_E_DISCONNECTED);
    seen_errors[*(int *)arg] = ackd_error_ref(ackd_error_current());
    return ACKD_OK;
}

static int complete_with_failure(void *arg)
{
    (void)arg;
    (void)ackd_fail(ACKD_E_DISCONNECTED, "the feed broke");
    ck_assert(ackd_mailbox_complete(mailbox, ACKD_E_DISCONNECTED));
    /* Those who were waiting have yet to run. */
    ackd_mailbox_free(&mailbox);
    return ACKD_OK;
}

START_TEST(rule_q2_a_failure_is_given_to_all_who_receive)
{
    int which[] = {0, 1};
    make(1, ACKD_MAILBOX_WAIT);
    world_spawn(receive_failure, &which[0]);
    world_spawn(receive_failure, &which[1]);
    world_settle();
    world_spawn(complete_with_failure, NULL);
    world_run_all();
    ck_assert_ptr_eq(seen_errors[0], seen_errors[1]);
    ck_assert_str_eq(ackd_error_text(seen_errors[0]), "the feed broke");
    ackd_error_unref(seen_errors[0]);
    ackd_error_unref(seen_errors[1]);
    ck_assert_uint_eq(world_counts().failed, 0);
}
END_TEST

static int send_five(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        ACKD_TRY(ackd_mailbox_send(mailbox, &items[i]));
    return ACKD_OK;
}

static void drop_mode(enum ackd_mailbox_full full, const char *expected)
{
    int code;
    make(3, full);
    ck_assert_int_eq(world_run(send_five, NULL), ACKD_OK);
    ck_assert(ackd_mailbox_complete(mailbox, ACKD_OK));
    ck_assert_int_eq(world_run(receive_to_the_end, &code), ACKD_OK);
    ck_assert_str_eq(order, expected);
}

START_TEST(rule_q3_the_oldest_is_dropped)
{
    drop_mode(ACKD_MAILBOX_DROP_OLDEST, "!0!1234");
}
END_TEST

START_TEST(rule_q3_the_newest_is_dropped)
{
    drop_mode(ACKD_MAILBOX_DROP_NEWEST, "!2!3014");
}
END_TEST

START_TEST(rule_q3_the_new_one_is_dropped)
{
    drop_mode(ACKD_MAILBOX_DROP_WRITE, "!3!4012");
}
END_TEST

static struct ackd_mailbox *going;
static unsigned drops;

static void send_back(void *item, void *arg)
{
    (void)arg;
    drops++;
    ck_assert_int_eq(ackd_mailbox_try_send(going, item), ACKD_E_CLOSED);
}

static int free_what_sends_back(void *arg)
{
    const struct ackd_mailbox_options options = {
        .name = "echo", .capacity = 1, .full = ACKD_MAILBOX_DROP_OLDEST, .drop = send_back};
    ACKD_TRY(ackd_mailbox_new(&options, &going));
    ACKD_TRY(ackd_mailbox_try_send(going, arg));
    struct ackd_mailbox *freed = going;
    ackd_mailbox_free(&freed);
    return ACKD_OK;
}

START_TEST(a_mailbox_that_is_freed_takes_nothing_back)
{
    drops = 0;
    ck_assert_int_eq(world_run(free_what_sends_back, items), ACKD_OK);
    ck_assert_uint_eq(drops, 1);
}
END_TEST

START_TEST(rule_q3_dropping_in_silence_is_refused)
{
    for (int full = ACKD_MAILBOX_WAIT; full <= ACKD_MAILBOX_DROP_WRITE; full++) {
        const struct ackd_mailbox_options options = {
            .name = "silent", .capacity = 1, .full = (enum ackd_mailbox_full)full};
        int code = ackd_mailbox_new(&options, &mailbox);
        ck_assert_int_eq(code, full <= ACKD_MAILBOX_REJECT ? ACKD_OK : ACKD_E_INVAL);
        ackd_mailbox_free(&mailbox);
    }
    struct ackd_mailbox_options wrong = {.name = "x"};
    ck_assert_int_eq(ackd_mailbox_new(&wrong, &mailbox), ACKD_E_INVAL);
    wrong = (struct ackd_mailbox_options){.capacity = 1};
    ck_assert_int_eq(ackd_mailbox_new(&wrong, &mailbox), ACKD_E_INVAL);
    wrong = (struct ackd_mailbox_options){.name = "x", .capacity = SIZE_MAX / 4};
    ck_assert_int_eq(ackd_mailbox_new(&wrong, &mailbox), ACKD_E_NOMEM);
    wrong = (struct ackd_mailbox_options){
        .name = "x", .capacity = 1, .full = (enum ackd_mailbox_full)5, .drop = note_dropped};
    ck_assert_int_eq(ackd_mailbox_new(&wrong, &mailbox), ACKD_E_INVAL);
}
END_TEST

START_TEST(what_is_left_is_dropped_at_free_and_reject_refuses)
{
    make(2, ACKD_MAILBOX_REJECT);
    ck_assert_int_eq(world_run(send_five, NULL), ACKD_E_FULL);
    ackd_mailbox_free(&mailbox);
    ck_assert_str_eq(order, "!0!1");
}
END_TEST

static void send_again(void *item, void *arg)
{
    (void)arg;
    note(*(const char *)item);
    if (mailbox != NULL && *(const char *)item == '0')
        error_ignore(ackd_mailbox_try_send(mailbox, &items[7]));
}

START_TEST(a_drop_callback_may_send)
{
    const struct ackd_mailbox_options options = {
        .name = "again", .capacity = 2, .full = ACKD_MAILBOX_DROP_OLDEST, .drop = send_again};
    ck_assert_int_eq(ackd_mailbox_new(&options, &mailbox), ACKD_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[i]), ACKD_OK);
    ackd_mailbox_free(&mailbox);
    ck_assert_str_eq(order, "0127");
}
END_TEST

static unsigned long taken, refused;

static int receive_and_count(void *arg)
{
    void *item = NULL;
    int code = arg == NULL ? ackd_mailbox_receive(mailbox, &item) : ACKD_OK;
    struct ackd_op op;
    if (arg != NULL) {
        ACKD_TRY(ackd_op_receive(&op, mailbox, &item));
        code = ackd_op_await(&op);
    }
    test_that((code == ACKD_OK) == (item != NULL));
    if (code == ACKD_OK)
        taken++;
    else
        refused++;
    return code;
}

static int send_and_count(void *arg)
{
    (void)arg;
    int code = ackd_mailbox_send(mailbox, &items[1]);
    if (code == ACKD_OK)
        taken++;
    else
        refused++;
    return code;
}

/* One waits to receive from an empty mailbox; an item and a cancellation come in all orders. */
static int race_receive(unsigned long way)
{
    const struct ackd_task_options options = {.name = "racer"};
    struct ackd_task *task;
    unsigned long before = taken;
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, receive_and_count, way & 1 ? &taken : NULL, &options, &task));
    if (way & 2)
        ACKD_TRY(ackd_yield());
    for (int step = 0; step < 2; step++) {
        if ((step == 0) == !(way & 4))
            ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
        else
            ACKD_TRY(ackd_mailbox_send(mailbox, &items[0]));
        if (step == 0 && way & 8)
            ACKD_TRY(ackd_yield());
    }
    ackd_task_unref(task);
    ACKD_TRY(ackd_scope_join(&scope));
    test_that(taken - before + ackd_mailbox_count(mailbox) == 1);
    void *item;
    test_that(ackd_mailbox_try_receive(mailbox, &item) == (taken == before));
    return ACKD_OK;
}

/* The same for one that waits to send to a full one. */
static int race_send(unsigned long way)
{
    const struct ackd_task_options options = {.name = "racer"};
    struct ackd_task *task;
    void *item;
    unsigned long before = taken;
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_mailbox_send(mailbox, &items[0]));
    ACKD_TRY(ackd_spawn_task(&scope, send_and_count, NULL, &options, &task));
    if (way & 2)
        ACKD_TRY(ackd_yield());
    for (int step = 0; step < 2; step++) {
        if ((step == 0) == !(way & 4))
            ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
        else
            ACKD_TRY(ackd_mailbox_receive(mailbox, &item));
        if (step == 0 && way & 8)
            ACKD_TRY(ackd_yield());
    }
    ackd_task_unref(task);
    ACKD_TRY(ackd_scope_join(&scope));
    test_that(ackd_mailbox_count(mailbox) == taken - before);
    test_that(ackd_mailbox_try_receive(mailbox, &item) == (taken > before));
    return ACKD_OK;
}

static int race_often(void *arg)
{
    int (*race)(unsigned long) = *(int (**)(unsigned long))arg;
    taken = refused = 0;
    for (unsigned long i = 0; i < test_scale(200000) + 16; i++)
        ACKD_TRY(race(i % 16));
    ck_assert_uint_gt(taken, 0);
    ck_assert_uint_gt(refused, 0);
    return ACKD_OK;
}

START_TEST(rule_c17_a_cancelled_receive_has_taken_no_item)
{
    int (*race)(unsigned long) = race_receive;
    make(1, ACKD_MAILBOX_WAIT);
    ck_assert_int_eq(world_run(race_often, &race), ACKD_OK);
}
END_TEST

START_TEST(rule_c17_a_cancelled_send_has_delivered_none)
{
    int (*race)(unsigned long) = race_send;
    make(1, ACKD_MAILBOX_WAIT);
    ck_assert_int_eq(world_run(race_often, &race), ACKD_OK);
}
END_TEST

static int send_and_receive_cancelled(void *arg)
{
    (void)arg;
    void *item = NULL;
    ck_assert_int_eq(ackd_delay(1000), ACKD_CANCELED);
    ck_assert_int_eq(ackd_mailbox_send(mailbox, &items[1]), ACKD_CANCELED);
    ck_assert_int_eq(ackd_mailbox_receive(mailbox, &item), ACKD_CANCELED);
    ck_assert_ptr_null(item);
    return ACKD_CANCELED;
}

START_TEST(rule_c16_who_is_cancelled_neither_sends_nor_receives)
{
    make(2, ACKD_MAILBOX_WAIT);
    ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[0]), ACKD_OK);
    struct ackd_task *task = world_spawn(send_and_receive_cancelled, NULL);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ck_assert_uint_eq(ackd_mailbox_count(mailbox), 1);
}
END_TEST

struct hog {
    unsigned long received, at_other, at_timer;
    bool other_ran, timer_fired;
    struct timespec began, fired;
};

static int consume_what_is_always_there(void *arg)
{
    struct hog *hog = arg;
    clock_gettime(CLOCK_MONOTONIC, &hog->began);
    while (!hog->timer_fired) {
        void *item;
        ACKD_TRY(ackd_mailbox_receive(mailbox, &item));
        hog->received++;
        ACKD_TRY(ackd_mailbox_try_send(mailbox, item));
    }
    return ACKD_OK;
}

static int run_beside(void *arg)
{
    struct hog *hog = arg;
    hog->at_other = hog->received;
    hog->other_ran = true;
    return ACKD_OK;
}

static int wait_a_millisecond(void *arg)
{
    struct hog *hog = arg;
    ACKD_TRY(ackd_delay(1));
    clock_gettime(CLOCK_MONOTONIC, &hog->fired);
    hog->timer_fired = true;
    return ACKD_OK;
}

START_TEST(rule_y2_a_consumer_of_a_mailbox_that_is_always_full_is_forced_off)
{
    struct hog hog = {0};
    world.real_clock = true;
    make(1, ACKD_MAILBOX_WAIT);
    ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[0]), ACKD_OK);
    world_spawn(wait_a_millisecond, &hog);
    world_spawn(consume_what_is_always_there, &hog);
    world_spawn(run_beside, &hog);
    world_run_all();
    ck_assert(hog.other_ran);
    ck_assert_uint_eq(hog.at_other, 128);
    int64_t took_ms = (hog.fired.tv_sec - hog.began.tv_sec) * 1000 +
                      (hog.fired.tv_nsec - hog.began.tv_nsec) / (int64_t)NS_PER_MS;
    ck_assert_int_lt(took_ms, 50); /* 5 ms, and an order of magnitude for a busy machine */
}
END_TEST

static int give_up_and_see_it_stays(void *arg)
{
    (void)arg;
    void *item = NULL, *second = NULL;
    struct ackd_op one, two;
    ACKD_TRY(ackd_op_receive(&one, mailbox, &item));
    ACKD_TRY(ackd_op_receive(&two, mailbox, &second));
    ck_assert(!ackd_op_is_completed(&one));
    ACKD_TRY(ackd_mailbox_try_send(mailbox, &items[0]));
    ck_assert(ackd_op_is_completed(&one));
    ck_assert(!ackd_op_is_completed(&two));
    /* It is full, and yet nothing can be received: it is reserved. */
    ck_assert(!ackd_mailbox_try_receive(mailbox, &item));
    ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[1]), ACKD_E_FULL);
    ck_assert(!ackd_op_cancel(&one));
    ck_assert_ptr_null(item);
    ck_assert(ackd_op_is_completed(&two));
    ACKD_TRY(ackd_op_await(&two));
    ck_assert_ptr_eq(second, &items[0]);
    ck_assert_int_eq(ackd_op_await(&one), ACKD_E_CONSUMED);
    return ACKD_OK;
}

START_TEST(rule_c17_an_operation_that_is_given_up_leaves_its_item_to_the_next)
{
    make(1, ACKD_MAILBOX_WAIT);
    ck_assert_int_eq(world_run(give_up_and_see_it_stays, NULL), ACKD_OK);
    ck_assert_uint_eq(ackd_mailbox_count(mailbox), 0);
}
END_TEST

static int await_ops_of_what_ends(void *arg)
{
    (void)arg;
    void *item = NULL;
    struct ackd_op ready, waiting;
    ACKD_TRY(ackd_mailbox_try_send(mailbox, &items[0]));
    ACKD_TRY(ackd_op_receive(&ready, mailbox, &item));
    ACKD_TRY(ackd_op_receive(&waiting, mailbox, &item));
    ackd_mailbox_free(&mailbox);
    ck_assert_int_eq(ackd_op_await(&ready), ACKD_E_CLOSED);
    ck_assert_int_eq(ackd_op_await(&waiting), ACKD_E_CLOSED);
    ck_assert_ptr_null(item);
    return ACKD_OK;
}

START_TEST(operations_on_a_mailbox_that_ends_are_told)
{
    make(2, ACKD_MAILBOX_WAIT);
    ck_assert_int_eq(world_run(await_ops_of_what_ends, NULL), ACKD_OK);
    ck_assert_str_eq(order, "!0");
}
END_TEST

START_TEST(those_who_wait_at_a_mailbox_that_ends_are_told)
{
    int sent = 99, received = 99;
    make(1, ACKD_MAILBOX_WAIT);
    world_spawn(receive_to_the_end, &received);
    world_settle();
    ackd_mailbox_free(&mailbox);
    world_run_all();
    ck_assert_int_eq(received, ACKD_E_CLOSED);
    make(1, ACKD_MAILBOX_WAIT);
    ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[0]), ACKD_OK);
    world_spawn(send_and_see, &sent);
    world_settle();
    ackd_mailbox_free(&mailbox);
    world_run_all();
    ck_assert_int_eq(sent, ACKD_E_CLOSED);
    ck_assert_uint_eq(world_logged("event=ended-in-use"), 2);
}
END_TEST

static struct ackd_semaphore permits;
static struct ackd_event event;
static struct ackd_promise *promise;

static int await_event(void *arg)
{
    ACKD_TRY(ackd_event_await(&event));
    note(*(const char *)arg);
    return ACKD_OK;
}

static int await_permit(void *arg)
{
    ACKD_TRY(ackd_semaphore_acquire(&permits));
    note(*(const char *)arg);
    return ACKD_OK;
}

static int await_promise(void *arg)
{
    ACKD_TRY(ackd_promise_new("p", &promise));
    ACKD_TRY(ackd_promise_await(promise, NULL));
    note(*(const char *)arg);
    ackd_promise_unref(promise);
    return ACKD_OK;
}

static int await_timer(void *arg)
{
    ACKD_TRY(ackd_delay(10));
    note(*(const char *)arg);
    return ACKD_OK;
}

static int ready_them(void *arg)
{
    (void)arg;
    void *item;
    ACKD_TRY(ackd_mailbox_receive(mailbox, &item));
    ck_assert(ackd_promise_resolve(promise, NULL));
    ACKD_TRY(ackd_event_set(&event));
    world.now_ns += 10 * NS_PER_MS;
    ACKD_TRY(ackd_semaphore_release(&permits));
    ck_assert_str_eq(order, "");
    return ACKD_OK;
}

START_TEST(rule_y6_who_became_ready_first_runs_first_whatever_it_waited_for)
{
    static char letters[] = "tepm";
    make(1, ACKD_MAILBOX_WAIT);
    ackd_event_init(&event, "event", false);
    ck_assert_int_eq(ackd_semaphore_init(&permits, "permits", 0, 1), ACKD_OK);
    ck_assert_int_eq(ackd_mailbox_try_send(mailbox, &items[0]), ACKD_OK);
    world_spawn(await_timer, &letters[0]);
    world_spawn(await_event, &letters[1]);
    world_spawn(await_permit, &letters[3]);
    world_spawn(await_promise, &letters[2]);
    world_settle();
    world_spawn(ready_them, NULL);
    world_settle();
    world_run_all();
    ck_assert_str_eq(order, "pemt");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/mailbox");
    TCase *tc = tcase_create("mailbox");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, rule_q1_the_one_too_many_waits_and_senders_go_in_order);
    tcase_add_test(tc, rule_q1_receivers_go_in_order);
    tcase_add_test(tc, rule_q2_complete_once_then_what_is_queued_then_closed);
    tcase_add_test(tc, rule_q2_a_failure_is_given_to_all_who_receive);
    tcase_add_test(tc, rule_q3_the_oldest_is_dropped);
    tcase_add_test(tc, rule_q3_the_newest_is_dropped);
    tcase_add_test(tc, rule_q3_the_new_one_is_dropped);
    tcase_add_test(tc, rule_q3_dropping_in_silence_is_refused);
    tcase_add_test(tc, a_mailbox_that_is_freed_takes_nothing_back);
    tcase_add_test(tc, what_is_left_is_dropped_at_free_and_reject_refuses);
    tcase_add_test(tc, a_drop_callback_may_send);
    tcase_add_test(tc, rule_c17_a_cancelled_receive_has_taken_no_item);
    tcase_add_test(tc, rule_c17_a_cancelled_send_has_delivered_none);
    tcase_add_test(tc, rule_c16_who_is_cancelled_neither_sends_nor_receives);
    tcase_add_test(tc, rule_y2_a_consumer_of_a_mailbox_that_is_always_full_is_forced_off);
    tcase_add_test(tc, rule_c17_an_operation_that_is_given_up_leaves_its_item_to_the_next);
    tcase_add_test(tc, operations_on_a_mailbox_that_ends_are_told);
    tcase_add_test(tc, those_who_wait_at_a_mailbox_that_ends_are_told);
    tcase_add_test(tc, rule_y6_who_became_ready_first_runs_first_whatever_it_waited_for);
    suite_add_tcase(suite, tc);
    return suite;
}
