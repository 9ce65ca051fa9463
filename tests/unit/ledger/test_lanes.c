/* SPDX-License-Identifier: MIT */
/*
 * Lanes, and a model of them: a queue for each key, looked through from its beginning. The model
 * knows what may be taken, and counts for each key that may go on how often the others were taken
 * from meanwhile. ACKD_SEED runs a seed again.
 */
#include <config.h>

#include "ledger/lanes.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "main.h"

enum { ITEMS = 120, KEYS = 24, KEYLESS = KEYS, STEPS = 400000, MANY = 5000 };

struct item {
    struct lanes_entry entry;
    int key; /* KEYLESS: none */
    bool in;
    uint64_t order; /* among those of its key */
};

static void item_add(struct lanes *lanes, struct item *item, int key)
{
    memset(item, 0, sizeof *item);
    list_init(&item->entry.node);
    item->key = key;
    item->in = true;
    if (key == KEYLESS)
        lanes_add_keyless(lanes, &item->entry);
    else /* keys far apart and close together */
        test_that(lanes_add(lanes, &item->entry, (uint64_t)key << (key % 2 * 40)) == ACKD_OK);
}

static struct item *item_take(struct lanes *lanes)
{
    struct lanes_entry *entry = lanes_take(lanes);
    return entry == NULL ? NULL : LIST_ITEM(entry, item, entry);
}

START_TEST(test_of_one_key_one_is_out_at_a_time_in_order)
{
    struct lanes *lanes = NULL;
    struct item items[3];
    ck_assert_int_eq(lanes_new(&lanes), ACKD_OK);
    ck_assert(!lanes_ready(lanes));
    ck_assert_ptr_null(lanes_take(lanes));
    for (int i = 0; i < 3; i++)
        item_add(lanes, &items[i], 7);
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_eq(item_take(lanes), &items[i]);
        ck_assert(!lanes_ready(lanes)); /* E1 */
        ck_assert_uint_eq(lanes_behind(&items[i].entry), (size_t)(2 - i));
        lanes_done(lanes, &items[i].entry);
    }
    ck_assert_uint_eq(lanes_keys(lanes), 0);
    lanes_free(&lanes);
    ck_assert_ptr_null(lanes);
    lanes_free(&lanes);
}
END_TEST

/* Of keys 1 (a, b, c) and 2 (d): in turn, then again of key 1; nothing of either until all are done. */
START_TEST(test_a_group_takes_several_of_a_key_and_frees_it_at_its_end)
{
    struct lanes *lanes = NULL;
    struct item items[5];
    ck_assert_int_eq(lanes_new(&lanes), ACKD_OK);
    for (int i = 0; i < 4; i++)
        item_add(lanes, &items[i], i == 3 ? 2 : 1);
    ck_assert_uint_eq(lanes_startable(lanes), 4);
    lanes_group_begin(lanes);
    ck_assert_ptr_eq(item_take(lanes), &items[0]);
    ck_assert_ptr_eq(item_take(lanes), &items[3]);
    ck_assert_ptr_eq(item_take(lanes), &items[1]);
    ck_assert(lanes_ready(lanes));
    lanes_group_end(lanes);
    ck_assert(!lanes_ready(lanes)); /* c waits for a and b */
    ck_assert_uint_eq(lanes_startable(lanes), 0);
    ck_assert_uint_eq(lanes_waiting(lanes), 1);
    item_add(lanes, &items[4], 2);
    lanes_group_begin(lanes); /* another group has no part in what the first one holds */
    ck_assert_ptr_null(item_take(lanes));
    lanes_group_end(lanes);
    lanes_done(lanes, &items[0].entry);
    ck_assert(!lanes_ready(lanes)); /* E1 */
    lanes_done(lanes, &items[1].entry);
    ck_assert_uint_eq(lanes_startable(lanes), 1);
    ck_assert_ptr_eq(item_take(lanes), &items[2]);
    ck_assert_ptr_null(item_take(lanes));
    lanes_done(lanes, &items[3].entry);
    ck_assert_ptr_eq(item_take(lanes), &items[4]);
    lanes_done(lanes, &items[2].entry);
    lanes_done(lanes, &items[4].entry);
    ck_assert_uint_eq(lanes_keys(lanes), 0);
    lanes_free(&lanes);
}
END_TEST

/* However they come back, they are taken in their order, before what was added later. */
START_TEST(test_a_group_that_is_put_back_keeps_its_order)
{
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    for (size_t k = 0; k < sizeof orders / sizeof orders[0]; k++) {
        struct lanes *lanes = NULL;
        struct item items[4];
        ck_assert_int_eq(lanes_new(&lanes), ACKD_OK);
        for (int i = 0; i < 4; i++)
            item_add(lanes, &items[i], 1);
        lanes_group_begin(lanes);
        for (int i = 0; i < 3; i++)
            ck_assert_ptr_eq(item_take(lanes), &items[i]);
        lanes_group_end(lanes);
        for (int i = 0; i < 3; i++) {
            ck_assert(!lanes_ready(lanes));
            lanes_put_back(lanes, &items[orders[k][i]].entry);
        }
        for (int i = 0; i < 4; i++) {
            ck_assert_ptr_eq(item_take(lanes), &items[i]);
            lanes_done(lanes, &items[i].entry);
        }
        lanes_free(&lanes);
    }
}
END_TEST

START_TEST(test_one_that_was_put_back_is_the_next_of_its_key)
{
    struct lanes *lanes = NULL;
    struct item items[2];
    ck_assert_int_eq(lanes_new(&lanes), ACKD_OK);
    item_add(lanes, &items[0], 1);
    item_add(lanes, &items[1], 1);
    ck_assert_ptr_eq(item_take(lanes), &items[0]);
    lanes_put_back(lanes, &items[0].entry);
    ck_assert_ptr_eq(item_take(lanes), &items[0]); /* E2 */
    lanes_done(lanes, &items[0].entry);
    lanes_done(lanes, &items[1].entry); /* it waits, and leaves */
    lanes_done(lanes, &items[1].entry); /* it is in no lane */
    ck_assert_uint_eq(lanes_waiting(lanes), 0);
    lanes_free(&lanes);
}
END_TEST

START_TEST(test_one_that_is_added_first_is_before_all_of_its_key)
{
    struct lanes *lanes = NULL;
    struct item items[3];
    ck_assert_int_eq(lanes_new(&lanes), ACKD_OK);
    item_add(lanes, &items[0], 0);
    item_add(lanes, &items[1], 0);
    memset(&items[2], 0, sizeof items[2]);
    list_init(&items[2].entry.node);
    ck_assert_int_eq(lanes_add_first(lanes, &items[2].entry, 0), ACKD_OK);
    static const int order[] = {2, 0, 1};
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_eq(item_take(lanes), &items[order[i]]);
        lanes_done(lanes, &items[order[i]].entry);
    }
    lanes_free(&lanes);
}
END_TEST

START_TEST(test_a_key_with_many_has_one_turn_as_the_others)
{
    struct lanes *lanes = NULL;
    struct item noisy[10];
    struct item quiet[3];
    ck_assert_int_eq(lanes_new(&lanes), ACKD_OK);
    for (int i = 0; i < 10; i++)
        item_add(lanes, &noisy[i], 1);
    for (int i = 0; i < 3; i++)
        item_add(lanes, &quiet[i], 2 + i);
    ck_assert_ptr_eq(item_take(lanes), &noisy[0]);
    lanes_done(lanes, &noisy[0].entry);
    for (int i = 0; i < 3; i++) { /* E3 */
        ck_assert_ptr_eq(item_take(lanes), &quiet[i]);
        lanes_done(lanes, &quiet[i].entry);
    }
    for (int i = 1; i < 10; i++)
        lanes_done(lanes, &noisy[i].entry);
    lanes_free(&lanes);
}
END_TEST

START_TEST(test_those_without_a_key_do_not_wait_for_one_another)
{
    struct lanes *lanes = NULL;
    struct item items[3];
    ck_assert_int_eq(lanes_new(&lanes), ACKD_OK);
    for (int i = 0; i < 3; i++)
        item_add(lanes, &items[i], KEYLESS);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(item_take(lanes), &items[i]); /* E4 */
    ck_assert_uint_eq(lanes_keys(lanes), 0);
    for (int i = 0; i < 3; i++)
        lanes_done(lanes, &items[i].entry);
    lanes_free(&lanes);
}
END_TEST

START_TEST(test_as_many_keys_as_there_are)
{
    struct lanes *lanes = NULL;
    struct item *items = calloc(MANY, sizeof *items);
    ck_assert_ptr_nonnull(items);
    ck_assert_int_eq(lanes_new(&lanes), ACKD_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++)
            item_add(lanes, &items[i], i + KEYS + 1);
        ck_assert_uint_eq(lanes_keys(lanes), MANY);
        for (int i = 0; i < MANY; i++)
            ck_assert_ptr_eq(item_take(lanes), &items[i]);
        for (int i = 0; i < MANY; i++)
            lanes_done(lanes, &items[i].entry);
        ck_assert_uint_eq(lanes_keys(lanes), 0);
    }
    lanes_free(&lanes);
    free(items);
}
END_TEST

struct model {
    struct lanes *lanes;
    struct random random;
    struct item items[ITEMS];
    uint64_t order;
    unsigned turns[KEYS + 1][KEYS + 1]; /* of another key, since this one could go on */
    unsigned long takes, backs;
};

/* The first of @key that waits; NULL: none does. */
static struct item *model_first(struct model *model, int key)
{
    struct item *first = NULL;
    for (int i = 0; i < ITEMS; i++) {
        struct item *item = &model->items[i];
        if (item->in && item->key == key && !item->entry.out &&
            (first == NULL || item->order < first->order))
            first = item;
    }
    return first;
}

static bool model_is_out(const struct model *model, int key)
{
    for (int i = 0; i < ITEMS; i++) {
        if (model->items[i].in && model->items[i].key == key && model->items[i].entry.out)
            return true;
    }
    return false;
}

static bool model_may_go_on(struct model *model, int key)
{
    return model_first(model, key) != NULL && (key == KEYLESS || !model_is_out(model, key));
}

/* What @key has waited starts anew if it could not go on before, and can now. */
static void model_check_turn(struct model *model, int key, bool before)
{
    if (!before)
        memset(model->turns[key], 0, sizeof model->turns[key]);
}

static void model_take(struct model *model)
{
    bool any = false;
    for (int key = 0; key <= KEYS; key++)
        any = any || model_may_go_on(model, key);
    test_that(lanes_ready(model->lanes) == any);
    bool could[KEYS + 1];
    struct item *firsts[KEYS + 1];
    for (int key = 0; key <= KEYS; key++) {
        could[key] = model_may_go_on(model, key);
        firsts[key] = model_first(model, key);
    }
    struct item *item = item_take(model->lanes);
    test_that((item != NULL) == any);
    if (item == NULL)
        return;
    test_that(could[item->key]);          /* E1 */
    test_that(firsts[item->key] == item); /* E2 */
    for (int key = 0; key <= KEYS; key++) {
        if (could[key] && key != item->key)
            test_that(++model->turns[key][item->key] <= 1); /* E3 */
    }
    memset(model->turns[item->key], 0, sizeof model->turns[item->key]);
    model->takes++;
}

static void model_step(struct model *model)
{
    struct item *item = &model->items[random_below(&model->random, ITEMS)];
    unsigned what = (unsigned)random_below(&model->random, 10);
    if (what < 3) {
        model_take(model);
        return;
    }
    if (!item->in) {
        /* A few keys have most of the items. */
        int key = (int)random_below(&model->random, 1 + random_below(&model->random, KEYS + 1));
        bool before = model_may_go_on(model, key);
        item_add(model->lanes, item, key);
        item->order = ++model->order;
        model_check_turn(model, key, before);
        return;
    }
    int key = item->key;
    bool before = model_may_go_on(model, key);
    if (item->entry.out && what < 5 && key != KEYLESS) {
        lanes_put_back(model->lanes, &item->entry);
        model->backs++;
    } else if (item->entry.out || what == 9) {
        lanes_done(model->lanes, &item->entry);
        item->in = false;
    }
    model_check_turn(model, key, before);
}

START_TEST(test_does_what_a_plain_model_does)
{
    const char *given = getenv("ACKD_SEED");
    uint64_t seed = given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 0);
    fprintf(stderr, "# ACKD_SEED=%" PRIu64 "\n", seed);
    static struct model model;
    random_init(&model.random, seed);
    ck_assert_int_eq(lanes_new(&model.lanes), ACKD_OK);
    unsigned long steps = test_scale(STEPS) / 4;
    for (unsigned long i = 0; i < steps; i++)
        model_step(&model);
    if (steps >= 10000) {
        ck_assert_uint_gt(model.takes, steps / 20);
        ck_assert_uint_gt(model.backs, steps / 100);
    }
    for (int i = 0; i < ITEMS; i++)
        lanes_done(model.lanes, &model.items[i].entry);
    ck_assert_uint_eq(lanes_keys(model.lanes), 0);
    ck_assert_uint_eq(lanes_waiting(model.lanes), 0);
    lanes_free(&model.lanes);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/lanes");
    TCase *tc = tcase_create("lanes");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_of_one_key_one_is_out_at_a_time_in_order);
    tcase_add_test(tc, test_a_group_takes_several_of_a_key_and_frees_it_at_its_end);
    tcase_add_test(tc, test_a_group_that_is_put_back_keeps_its_order);
    tcase_add_test(tc, test_one_that_was_put_back_is_the_next_of_its_key);
    tcase_add_test(tc, test_one_that_is_added_first_is_before_all_of_its_key);
    tcase_add_test(tc, test_a_key_with_many_has_one_turn_as_the_others);
    tcase_add_test(tc, test_those_without_a_key_do_not_wait_for_one_another);
    tcase_add_test(tc, test_as_many_keys_as_there_are);
    tcase_add_test(tc, test_does_what_a_plain_model_does);
    suite_add_tcase(suite, tc);
    return suite;
}
