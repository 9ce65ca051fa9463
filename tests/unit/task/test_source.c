/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <malloc.h>
#include <string.h>

#include "task/source.h"
#include "world.h"

static char order[32];

static void note(void *letter)
{
    size_t length = strlen(order);
    ck_assert_uint_lt(length + 1, sizeof order);
    order[length] = *(const char *)letter;
    order[length + 1] = '\0';
}

static void reset(void)
{
    order[0] = '\0';
    world_new();
}

static struct ackd_cancel_source *make_source(void)
{
    struct ackd_cancel_source *source = NULL;
    ck_assert_int_eq(ackd_cancel_source_new(&source), ACKD_OK);
    return source;
}

static struct ackd_cancel_source *make_child(struct ackd_cancel_source *a,
                                             struct ackd_cancel_source *b)
{
    struct ackd_cancel_source *source = NULL;
    const struct ackd_token parents[] = {ackd_cancel_source_token(a), ackd_cancel_source_token(b)};
    ck_assert_int_eq(ackd_cancel_source_link(parents, 2, &source), ACKD_OK);
    return source;
}

static enum ackd_cancel_reason reason_of(struct ackd_cancel_source *source)
{
    return ackd_token_reason(ackd_cancel_source_token(source), NULL);
}

static const char *who_of(struct ackd_cancel_source *source)
{
    const char *who = "?";
    (void)ackd_token_reason(ackd_cancel_source_token(source), &who);
    return who;
}

struct spy {
    struct ackd_cancel_source *source;
    enum ackd_cancel_reason seen;
    bool canceled;
    const void *thread;
    const struct ackd_task *task;
    const struct scheduler *loop;
    unsigned calls;
};

static _Thread_local char this_thread;

static void look(void *arg)
{
    struct spy *spy = arg;
    spy->seen = reason_of(spy->source);
    spy->canceled = ackd_token_canceled(ackd_cancel_source_token(spy->source));
    spy->thread = &this_thread;
    spy->task = ackd_task_current();
    spy->loop = scheduler_current();
    spy->calls++;
}

START_TEST(rule_c1_the_reason_is_there_before_the_first_call)
{
    struct ackd_cancel_registration registration;
    struct spy spy = {.source = make_source()};
    struct ackd_token token = ackd_cancel_source_token(spy.source);
    ck_assert(!ackd_token_canceled(token));
    ck_assert_int_eq(reason_of(spy.source), ACKD_CANCEL_NONE);
    ck_assert_ptr_null(who_of(spy.source));
    ackd_cancel_register(token, &registration, look, &spy);
    ackd_cancel(spy.source, ACKD_CANCEL_NONE, "nobody");
    ck_assert_uint_eq(spy.calls, 0);
    ackd_cancel(spy.source, ACKD_CANCEL_CHANNEL_CLOSED, "the broker");
    ck_assert_uint_eq(spy.calls, 1);
    ck_assert_int_eq(spy.seen, ACKD_CANCEL_CHANNEL_CLOSED);
    ck_assert(spy.canceled);
    ck_assert_ptr_eq(spy.thread, &this_thread);
    ackd_cancel_source_unref(spy.source);
}
END_TEST

START_TEST(rule_c2_the_first_reason_and_who_stay)
{
    struct ackd_cancel_source *source = make_source();
    char who[] = "the first";
    ackd_cancel(source, ACKD_CANCEL_PAUSE, who);
    who[0] = 'T';
    ackd_cancel(source, ACKD_CANCEL_SHUTDOWN, "the second");
    ck_assert_int_eq(reason_of(source), ACKD_CANCEL_PAUSE);
    ck_assert_str_eq(who_of(source), "the first");
    ackd_cancel_source_unref(source);
}
END_TEST

START_TEST(who_is_copied_as_far_as_it_goes)
{
    struct ackd_cancel_source *source = make_source();
    char who[200];
    memset(who, 'w', sizeof who - 1);
    who[sizeof who - 1] = '\0';
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, who);
    ck_assert_uint_eq(strlen(who_of(source)), 63);
    ackd_cancel_source_unref(source);
    source = make_source();
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_str_eq(who_of(source), "");
    ackd_cancel_source_unref(source);
}
END_TEST

START_TEST(rule_c3_calls_run_last_registered_first_and_once)
{
    static char letters[] = "123";
    struct ackd_cancel_registration registrations[3];
    struct ackd_cancel_source *source = make_source();
    for (int i = 0; i < 3; i++)
        ackd_cancel_register(ackd_cancel_source_token(source), &registrations[i], note,
                             &letters[i]);
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_str_eq(order, "321");
    for (int i = 0; i < 3; i++)
        ackd_cancel_unregister(&registrations[i]);
    ackd_cancel_source_unref(source);
}
END_TEST

static struct ackd_cancel_registration later;

static void unregister_later(void *arg)
{
    note(arg);
    ackd_cancel_unregister(&later);
    ackd_cancel_unregister(&later);
}

START_TEST(rule_c4_a_call_can_take_back_one_that_is_still_to_run)
{
    static char letters[] = "123";
    struct ackd_cancel_registration first, last;
    struct ackd_cancel_source *source = make_source();
    struct ackd_token token = ackd_cancel_source_token(source);
    ackd_cancel_register(token, &first, note, &letters[0]);
    ackd_cancel_register(token, &later, note, &letters[1]);
    ackd_cancel_register(token, &last, unregister_later, &letters[2]);
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_str_eq(order, "31");
    ackd_cancel_source_unref(source);
}
END_TEST

START_TEST(rule_c5_registering_on_what_is_cancelled_calls_at_once)
{
    static char letter[] = "!";
    struct ackd_cancel_registration registration;
    struct ackd_cancel_source *source = make_source();
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    ackd_cancel_register(ackd_cancel_source_token(source), &registration, note, letter);
    ck_assert_str_eq(order, "!");
    ackd_cancel_unregister(&registration);
    ackd_cancel_source_unref(source);
    ck_assert_str_eq(order, "!");
    ck_assert_uint_eq(world.log_length, 0);
}
END_TEST

static void unregister_itself(void *arg)
{
    note(arg);
    ackd_cancel_unregister(&later);
    memset(&later, 0xee, sizeof later);
}

START_TEST(rule_c7_a_call_may_unregister_itself_and_reuse_its_memory)
{
    static char letter[] = "x";
    struct ackd_cancel_source *source = make_source();
    ackd_cancel_register(ackd_cancel_source_token(source), &later, unregister_itself, letter);
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_str_eq(order, "x");
    ackd_cancel_source_unref(source);
}
END_TEST

static void cancel_again(void *arg)
{
    static char letter[] = "a";
    note(letter);
    ackd_cancel(arg, ACKD_CANCEL_SHUTDOWN, "the call");
    letter[0] = 'b';
    note(letter);
}

START_TEST(rule_c8_a_call_that_cancels_its_source_goes_on_at_once)
{
    static char letter[] = "-";
    struct ackd_cancel_registration first, second;
    struct ackd_cancel_source *source = make_source();
    ackd_cancel_register(ackd_cancel_source_token(source), &first, note, letter);
    ackd_cancel_register(ackd_cancel_source_token(source), &second, cancel_again, source);
    ackd_cancel(source, ACKD_CANCEL_PAUSE, NULL);
    ck_assert_str_eq(order, "ab-");
    ck_assert_int_eq(reason_of(source), ACKD_CANCEL_PAUSE);
    ackd_cancel_source_unref(source);
}
END_TEST

START_TEST(rule_c9_any_parent_cancels_and_the_child_leaves_them_alone)
{
    for (int which = 0; which < 3; which++) {
        struct ackd_cancel_source *a = make_source(), *b = make_source();
        struct ackd_cancel_source *child = make_child(a, b);
        if (which == 2)
            ackd_cancel(child, ACKD_CANCEL_LOST_RACE, "itself");
        else
            ackd_cancel(which == 0 ? a : b, ACKD_CANCEL_DEADLINE, which == 0 ? "a" : "b");
        ck_assert_int_eq(reason_of(child), which == 2 ? ACKD_CANCEL_LOST_RACE : ACKD_CANCEL_PARENT);
        ck_assert_str_eq(who_of(child), which == 0 ? "a" : which == 1 ? "b" : "itself");
        ck_assert_int_eq(reason_of(a), which == 0 ? ACKD_CANCEL_DEADLINE : ACKD_CANCEL_NONE);
        ck_assert_int_eq(reason_of(b), which == 1 ? ACKD_CANCEL_DEADLINE : ACKD_CANCEL_NONE);
        ackd_cancel_source_unref(a);
        ackd_cancel_source_unref(child);
        ackd_cancel_source_unref(b);
    }
    ck_assert_uint_eq(world.log_length, 0);
}
END_TEST

START_TEST(rule_c10_linked_to_a_cancelled_parent_it_is_born_cancelled)
{
    struct ackd_cancel_source *a = make_source(), *b = make_source();
    ackd_cancel(b, ACKD_CANCEL_SHUTDOWN, "systemd");
    struct ackd_cancel_source *child = make_child(a, b);
    ck_assert_int_eq(reason_of(child), ACKD_CANCEL_PARENT);
    ck_assert_str_eq(who_of(child), "systemd");
    ackd_cancel(a, ACKD_CANCEL_PAUSE, "late");
    ck_assert_str_eq(who_of(child), "systemd");
    ackd_cancel_source_unref(child);
    ackd_cancel_source_unref(b);
    ackd_cancel_source_unref(a);
}
END_TEST

START_TEST(rule_c11_a_million_links_leave_nothing_on_the_parent)
{
    struct ackd_cancel_source *parent = make_source(), *other = make_source();
    long before = 0;
    unsigned long count = test_scale(1000000);
    for (unsigned long i = 0; i < count; i++) {
        struct ackd_cancel_source *child = make_child(parent, other);
        ackd_cancel_source_unref(child);
        test_that(list_empty(&parent->registrations.list));
        if (i == count / 10)
            before = world_resident_pages();
    }
    ck_assert_int_le(world_resident_pages(), before + 64);
    ck_assert_uint_eq(atomic_load(&parent->references), 1);
    ackd_cancel_source_unref(parent);
    ackd_cancel_source_unref(other);
}
END_TEST

START_TEST(rule_c12_tokens_of_no_source_link_and_register_and_cost_nothing)
{
    struct ackd_cancel_registration registration;
    struct spy spy = {0};
    size_t before = mallinfo2().uordblks;
    const struct ackd_token none = {NULL};
    ackd_cancel_register(none, &registration, look, &spy);
    ackd_cancel_unregister(&registration);
    ackd_cancel_unregister(&registration);
    ackd_cancel(NULL, ACKD_CANCEL_REQUESTED, "nobody");
    ck_assert_uint_eq(mallinfo2().uordblks, before);
    ck_assert(!ackd_token_canceled(none));
    const char *who = "?";
    ck_assert_int_eq(ackd_token_reason(none, &who), ACKD_CANCEL_NONE);
    ck_assert_ptr_null(who);
    struct ackd_cancel_source *child = make_child(NULL, NULL);
    ck_assert_uint_eq(child->link_count, 0);
    ck_assert_int_eq(reason_of(child), ACKD_CANCEL_NONE);
    ackd_cancel_source_unref(child);
    ackd_cancel_source_unref(NULL);
    ck_assert_ptr_null(ackd_cancel_source_ref(NULL));
    ck_assert_ptr_null(ackd_cancel_source_token(NULL).source);
    ck_assert(!ackd_cancel_source_try_reset(NULL));
    ck_assert_uint_eq(spy.calls, 0);
}
END_TEST

START_TEST(rule_c14_reset_makes_it_as_new_unless_it_was_cancelled)
{
    struct ackd_cancel_registration registration;
    struct spy spy = {.source = make_source()};
    struct ackd_token token = ackd_cancel_source_token(spy.source);
    ackd_cancel_register(token, &registration, look, &spy);
    ck_assert(ackd_cancel_source_try_reset(spy.source));
    ck_assert(ackd_cancel_source_try_reset(spy.source));
    ackd_cancel(spy.source, ACKD_CANCEL_PAUSE, "late");
    ck_assert_uint_eq(spy.calls, 0);
    ck_assert(!ackd_cancel_source_try_reset(spy.source));
    ck_assert(!ackd_cancel_source_try_reset(spy.source));
    ck_assert_int_eq(reason_of(spy.source), ACKD_CANCEL_PAUSE);
    ackd_cancel_unregister(&registration);
    ackd_cancel_register(token, &registration, look, &spy);
    ck_assert_uint_eq(spy.calls, 1);
    ackd_cancel_source_unref(spy.source);
    ck_assert_uint_eq(world.log_length, 0);
}
END_TEST

START_TEST(rule_c25_letting_go_with_calls_registered_is_said_and_never_dangles)
{
    struct ackd_cancel_registration registrations[2];
    struct spy spy = {.source = make_source()};
    for (int i = 0; i < 2; i++)
        ackd_cancel_register(ackd_cancel_source_token(spy.source), &registrations[i], look, &spy);
    ackd_cancel_source_unref(spy.source);
    ck_assert_uint_eq(world_logged("event=source-released"), 1);
    ck_assert_uint_eq(world_logged("registrations=2"), 1);
    for (int i = 0; i < 2; i++)
        ackd_cancel_unregister(&registrations[i]);
    ck_assert_uint_eq(spy.calls, 0);
}
END_TEST

static void let_go(void *arg)
{
    ackd_cancel_source_unref(arg);
}

START_TEST(a_call_may_let_go_of_the_last_reference)
{
    static char letter[] = "x";
    struct ackd_cancel_registration first, second;
    struct ackd_cancel_source *source = make_source();
    ackd_cancel_register(ackd_cancel_source_token(source), &first, note, letter);
    ackd_cancel_register(ackd_cancel_source_token(source), &second, let_go, source);
    ackd_cancel(source, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_str_eq(order, "x");
}
END_TEST

START_TEST(a_child_may_be_let_go_of_by_what_its_parent_causes)
{
    struct ackd_cancel_registration registration;
    struct ackd_cancel_source *parent = make_source();
    struct ackd_cancel_source *child = make_child(parent, parent);
    ackd_cancel_register(ackd_cancel_source_token(child), &registration, let_go, child);
    ackd_cancel(parent, ACKD_CANCEL_REQUESTED, NULL);
    ck_assert_uint_eq(atomic_load(&parent->references), 1);
    ackd_cancel_source_unref(parent);
}
END_TEST

START_TEST(a_long_chain_of_links_is_let_go_of_on_a_small_stack)
{
    struct ackd_cancel_source *last = make_source();
    for (unsigned long i = 0; i < test_scale(100000); i++) {
        struct ackd_cancel_source *next = make_child(last, NULL);
        ackd_cancel_source_unref(last);
        last = next;
    }
    ackd_cancel_source_unref(last);
}
END_TEST

START_TEST(a_long_chain_of_links_is_cancelled_on_a_small_stack)
{
    struct ackd_cancel_registration registration;
    struct ackd_cancel_source *first = make_source();
    struct ackd_cancel_source *last = ackd_cancel_source_ref(first);
    for (unsigned long i = 0; i < test_scale(100000); i++) {
        struct ackd_cancel_source *next = make_child(last, NULL);
        ackd_cancel_source_unref(last);
        last = next;
    }
    struct spy spy = {.source = last};
    ackd_cancel_register(ackd_cancel_source_token(last), &registration, look, &spy);
    ackd_cancel(first, ACKD_CANCEL_REQUESTED, "the first");
    ck_assert_uint_eq(spy.calls, 1);
    ck_assert_str_eq(who_of(last), "the first");
    ackd_cancel_source_unref(last);
    ackd_cancel_source_unref(first);
}
END_TEST

START_TEST(a_lent_source_is_not_kept_and_its_links_end_with_it)
{
    struct ackd_cancel_source lent;
    struct ackd_cancel_registration registration;
    struct spy spy = {.source = &lent};
    size_t before = mallinfo2().uordblks;
    source_init(&lent);
    struct ackd_token token = ackd_cancel_source_token(&lent);
    ackd_cancel_register(token, &registration, look, &spy);
    ackd_cancel_unregister(&registration);
    ck_assert_uint_eq(mallinfo2().uordblks, before);
    ck_assert_ptr_null(ackd_cancel_source_ref(&lent));
    struct ackd_cancel_source *child = make_child(&lent, NULL);
    struct ackd_cancel_source *late = make_child(NULL, &lent);
    ackd_cancel_register(token, &registration, look, &spy);
    ackd_cancel_source_unref(late);
    ackd_cancel(&lent, ACKD_CANCEL_LOST_RACE, "the lender");
    ck_assert_uint_eq(spy.calls, 1);
    ck_assert_str_eq(who_of(child), "the lender");
    source_fini(&lent);
    memset(&lent, 0xee, sizeof lent);
    ackd_cancel_source_unref(child);

    source_init(&lent);
    child = make_child(&lent, NULL);
    source_fini(&lent);
    memset(&lent, 0xee, sizeof lent);
    ck_assert_int_eq(reason_of(child), ACKD_CANCEL_NONE);
    ackd_cancel_source_unref(child);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/source");
    TCase *tc = tcase_create("source");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_c1_the_reason_is_there_before_the_first_call);
    tcase_add_test(tc, rule_c2_the_first_reason_and_who_stay);
    tcase_add_test(tc, who_is_copied_as_far_as_it_goes);
    tcase_add_test(tc, rule_c3_calls_run_last_registered_first_and_once);
    tcase_add_test(tc, rule_c4_a_call_can_take_back_one_that_is_still_to_run);
    tcase_add_test(tc, rule_c5_registering_on_what_is_cancelled_calls_at_once);
    tcase_add_test(tc, rule_c7_a_call_may_unregister_itself_and_reuse_its_memory);
    tcase_add_test(tc, rule_c8_a_call_that_cancels_its_source_goes_on_at_once);
    tcase_add_test(tc, rule_c9_any_parent_cancels_and_the_child_leaves_them_alone);
    tcase_add_test(tc, rule_c10_linked_to_a_cancelled_parent_it_is_born_cancelled);
    tcase_add_test(tc, rule_c11_a_million_links_leave_nothing_on_the_parent);
    tcase_add_test(tc, rule_c12_tokens_of_no_source_link_and_register_and_cost_nothing);
    tcase_add_test(tc, rule_c14_reset_makes_it_as_new_unless_it_was_cancelled);
    tcase_add_test(tc, rule_c25_letting_go_with_calls_registered_is_said_and_never_dangles);
    tcase_add_test(tc, a_call_may_let_go_of_the_last_reference);
    tcase_add_test(tc, a_child_may_be_let_go_of_by_what_its_parent_causes);
    tcase_add_test(tc, a_long_chain_of_links_is_let_go_of_on_a_small_stack);
    tcase_add_test(tc, a_long_chain_of_links_is_cancelled_on_a_small_stack);
    tcase_add_test(tc, a_lent_source_is_not_kept_and_its_links_end_with_it);
    suite_add_tcase(suite, tc);
    return suite;
}
