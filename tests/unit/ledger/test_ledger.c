/* SPDX-License-Identifier: MIT */
/*
 * The ledger against its invariants, case by case. Two tests compare it with a broker: one tries
 * every small state and searches for a shorter sequence of frames, one goes a long random way (see
 * test_ledger_model).
 */
#include <config.h>

#include "ledger/ledger.h"

#include <ackd/error.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"

enum { ENTRIES = 16 };

static struct ledger ledger;
static struct ledger_entry entries[ENTRIES + 1]; /* by tag */
static struct list sent;

static void open_tags(uint64_t count)
{
    ledger_init(&ledger);
    ledger_renew(&ledger, 1);
    list_init(&sent);
    for (uint64_t tag = 1; tag <= count; tag++)
        ck_assert_int_eq(ledger_open(&ledger, &entries[tag], tag), ACKD_OK);
}

static void settle(uint64_t tag, enum ledger_answer answer)
{
    ck_assert_int_eq(ledger_settle(&ledger, &entries[tag], answer), ACKD_OK);
}

/* The next frame is this one, and covers @covered entries. */
static void expect(uint64_t tag, enum ledger_answer answer, bool multiple, size_t covered)
{
    struct ledger_frame frame;
    list_init(&sent);
    ck_assert(ledger_next(&ledger, &frame, &sent));
    ck_assert_uint_eq(frame.tag, tag);
    ck_assert_int_eq(frame.answer, answer);
    ck_assert_int_eq(frame.multiple, multiple);
    size_t count = 0;
    list_for_each (node, &sent)
        count++;
    ck_assert_uint_eq(count, covered);
}

static void expect_nothing(void)
{
    struct ledger_frame frame = {.tag = 99};
    ck_assert(!ledger_next(&ledger, &frame, &sent));
    ck_assert_uint_eq(frame.tag, 99);
}

START_TEST(test_L1_a_tag_is_open_until_one_settlement)
{
    open_tags(1);
    ck_assert_uint_eq(ledger.open, 1);
    expect_nothing();
    settle(1, LEDGER_ACK);
    ck_assert_uint_eq(ledger.open, 0);
    ck_assert_int_eq(ledger_settle(&ledger, &entries[1], LEDGER_RELEASE), ACKD_E_NOT_OPEN);
    expect(1, LEDGER_ACK, false, 1);
    ck_assert_int_eq(ledger_settle(&ledger, &entries[1], LEDGER_ACK), ACKD_E_NOT_OPEN);
    expect_nothing();
    ck_assert_uint_eq(ledger.stale, 0);
}
END_TEST

START_TEST(test_L1_a_tag_that_is_not_the_next_is_refused_and_changes_nothing)
{
    open_tags(2);
    ck_assert_int_eq(ledger_open(&ledger, &entries[4], 4), ACKD_E_PROTOCOL);
    ck_assert_int_eq(ledger_open(&ledger, &entries[4], 2), ACKD_E_PROTOCOL);
    ck_assert_int_eq(ledger_open(&ledger, &entries[4], 0), ACKD_E_PROTOCOL);
    ck_assert_uint_eq(ledger.open, 2);
    ck_assert_uint_eq(ledger.last_tag, 2);
    ck_assert_int_eq(ledger_open(&ledger, &entries[3], 3), ACKD_OK);
}
END_TEST

START_TEST(test_L2_a_settled_run_at_the_head_is_one_multiple)
{
    open_tags(5);
    settle(3, LEDGER_ACK);
    settle(1, LEDGER_ACK);
    settle(2, LEDGER_ACK);
    expect(3, LEDGER_ACK, true, 3);
    expect_nothing();
}
END_TEST

START_TEST(test_L2_a_run_of_one_is_single)
{
    open_tags(2);
    settle(1, LEDGER_ACK);
    expect(1, LEDGER_ACK, false, 1);
    expect_nothing();
}
END_TEST

START_TEST(test_L2_behind_an_open_tag_each_goes_alone)
{
    open_tags(5);
    settle(5, LEDGER_ACK);
    settle(2, LEDGER_ACK);
    settle(4, LEDGER_ACK);
    expect(5, LEDGER_ACK, false, 1);
    expect(2, LEDGER_ACK, false, 1);
    expect(4, LEDGER_ACK, false, 1);
    expect_nothing();
    settle(1, LEDGER_ACK);
    settle(3, LEDGER_ACK);
    expect(3, LEDGER_ACK, true, 2); /* L3: 3 and not 5, which is answered already */
    expect_nothing();
}
END_TEST

START_TEST(test_L2_a_refusal_in_the_run_goes_first_and_the_run_goes_past_it)
{
    open_tags(6);
    for (uint64_t tag = 1; tag <= 5; tag++)
        settle(tag, tag == 3 ? LEDGER_RELEASE : LEDGER_ACK);
    expect(3, LEDGER_RELEASE, false, 1);
    expect(5, LEDGER_ACK, true, 4);
    expect_nothing();
}
END_TEST

START_TEST(test_L3_a_refusal_at_the_end_of_the_run_does_not_carry_multiple)
{
    open_tags(3);
    settle(1, LEDGER_ACK);
    settle(2, LEDGER_ACK);
    settle(3, LEDGER_RELEASE);
    expect(3, LEDGER_RELEASE, false, 1);
    expect(2, LEDGER_ACK, true, 2);
    expect_nothing();
}
END_TEST

START_TEST(test_refusals_keep_their_answer_and_the_order_of_settling)
{
    open_tags(4);
    settle(4, LEDGER_RELEASE);
    settle(1, LEDGER_RELEASE);
    settle(3, LEDGER_RELEASE);
    expect(4, LEDGER_RELEASE, false, 1);
    expect(1, LEDGER_RELEASE, false, 1);
    expect(3, LEDGER_RELEASE, false, 1);
    expect_nothing();
    ck_assert_uint_eq(ledger.open, 1);
}
END_TEST

START_TEST(test_covered_entries_are_given_back_by_tag)
{
    open_tags(3);
    settle(2, LEDGER_ACK);
    settle(3, LEDGER_ACK);
    settle(1, LEDGER_ACK);
    expect(3, LEDGER_ACK, true, 3);
    for (uint64_t tag = 1; tag <= 3; tag++)
        ck_assert_ptr_eq(list_take(&sent), &entries[tag].node);
}
END_TEST

START_TEST(test_L4_a_settlement_of_a_gone_channel_is_refused_and_counted)
{
    open_tags(2);
    settle(2, LEDGER_ACK);
    ledger_abandon(&ledger);
    expect_nothing();
    ck_assert_uint_eq(ledger.open, 0);
    ck_assert_int_eq(ledger_settle(&ledger, &entries[1], LEDGER_ACK), ACKD_E_STALE);
    ledger_renew(&ledger, 2);
    struct ledger_entry again;
    ck_assert_int_eq(ledger_open(&ledger, &again, 1), ACKD_OK);
    ck_assert_int_eq(ledger_settle(&ledger, &entries[1], LEDGER_ACK), ACKD_E_STALE);
    ck_assert_uint_eq(ledger.stale, 2);
    ck_assert_uint_eq(ledger.open, 1);
    expect_nothing();
}
END_TEST

START_TEST(test_L4_what_was_abandoned_is_in_no_list)
{
    open_tags(3);
    settle(1, LEDGER_ACK);
    settle(2, LEDGER_RELEASE);
    ledger_abandon(&ledger);
    for (uint64_t tag = 1; tag <= 3; tag++) {
        ck_assert(list_empty(&entries[tag].node));
        ck_assert(list_empty(&entries[tag].answered));
    }
}
END_TEST

START_TEST(test_L4_an_epoch_that_comes_back_aborts)
{
    ledger_init(&ledger);
    ledger_renew(&ledger, 2);
    ledger_abandon(&ledger);
    ledger_renew(&ledger, 2);
}
END_TEST

START_TEST(test_to_renew_with_open_tags_aborts)
{
    open_tags(1);
    ledger_renew(&ledger, 2);
}
END_TEST

/*
 * The broker's side of a small channel: bit i of @outstanding is tag i + 1. What may be sent next
 * is every settled tag alone, and `multiple` on an outstanding tag if all outstanding ones up to it
 * are acknowledgements. The least number of frames until no settled one is left, by trying them
 * all.
 */
enum { SMALL = 7 };
static unsigned char least[1 << SMALL];

static unsigned least_frames(unsigned outstanding, unsigned acks, unsigned refusals)
{
    unsigned settled = outstanding & (acks | refusals);
    if (settled == 0)
        return 0;
    if (least[outstanding] != 0)
        return least[outstanding];
    unsigned best = SMALL + 1;
    for (unsigned i = 0; i < SMALL; i++) {
        unsigned upto = (2U << i) - 1;
        if ((settled & (1U << i)) == 0)
            continue;
        unsigned frames = 1 + least_frames(outstanding & ~(1U << i), acks, refusals);
        if ((outstanding & upto & ~acks) == 0) {
            unsigned more = 1 + least_frames(outstanding & ~upto, acks, refusals);
            frames = more < frames ? more : frames;
        }
        best = frames < best ? frames : best;
    }
    least[outstanding] = (unsigned char)best;
    return best;
}

/* One state: digit i of @state says what became of tag i + 1: open, acknowledged, refused. */
static void compare_small_state(unsigned state)
{
    unsigned acks = 0;
    unsigned refusals = 0;
    open_tags(SMALL);
    for (unsigned i = 0; i < SMALL; i++, state /= 3) {
        if (state % 3 == 1)
            acks |= 1U << i;
        if (state % 3 == 2)
            refusals |= 1U << i;
        if (state % 3 != 0)
            settle(i + 1, state % 3 == 1 ? LEDGER_ACK : LEDGER_RELEASE);
    }
    memset(least, 0, sizeof least);
    unsigned frames = 0;
    struct ledger_frame frame;
    while (ledger_next(&ledger, &frame, &sent))
        frames++;
    ck_assert_uint_eq(frames, least_frames((1U << SMALL) - 1, acks, refusals));
}

START_TEST(test_no_shorter_sequence_of_frames_exists)
{
    for (unsigned state = 0; state < 3 * 3 * 3 * 3 * 3 * 3 * 3; state++)
        compare_small_state(state);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/ledger");
    TCase *tc = tcase_create("ledger");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_L1_a_tag_is_open_until_one_settlement);
    tcase_add_test(tc, test_L1_a_tag_that_is_not_the_next_is_refused_and_changes_nothing);
    tcase_add_test(tc, test_L2_a_settled_run_at_the_head_is_one_multiple);
    tcase_add_test(tc, test_L2_a_run_of_one_is_single);
    tcase_add_test(tc, test_L2_behind_an_open_tag_each_goes_alone);
    tcase_add_test(tc, test_L2_a_refusal_in_the_run_goes_first_and_the_run_goes_past_it);
    tcase_add_test(tc, test_L3_a_refusal_at_the_end_of_the_run_does_not_carry_multiple);
    tcase_add_test(tc, test_refusals_keep_their_answer_and_the_order_of_settling);
    tcase_add_test(tc, test_covered_entries_are_given_back_by_tag);
    tcase_add_test(tc, test_L4_a_settlement_of_a_gone_channel_is_refused_and_counted);
    tcase_add_test(tc, test_L4_what_was_abandoned_is_in_no_list);
    tcase_add_test(tc, test_no_shorter_sequence_of_frames_exists);
    if (strcmp(getenv("CK_FORK") == NULL ? "yes" : getenv("CK_FORK"), "no") != 0) {
        tcase_add_test_raise_signal(tc, test_L4_an_epoch_that_comes_back_aborts, SIGABRT);
        tcase_add_test_raise_signal(tc, test_to_renew_with_open_tags_aborts, SIGABRT);
    }
    suite_add_tcase(suite, tc);
    return suite;
}
