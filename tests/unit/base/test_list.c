/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "base/list.h"

#include "main.h"

struct item {
    int number;
    struct list node;
};

static struct item items[6];
static struct list some, others;

static void setup(void)
{
    list_init(&some);
    list_init(&others);
    for (int i = 0; i < 6; i++) {
        items[i].number = i;
        list_init(&items[i].node);
    }
}

/* The numbers of a list, read forwards as digits, and the same backwards. */
static int digits(struct list *list)
{
    int forwards = 0;
    int backwards = 0;
    int scale = 1;
    list_for_each (node, list)
        forwards = forwards * 10 + LIST_ITEM(node, item, node)->number;
    for (struct list *node = list->previous; node != list; node = node->previous, scale *= 10)
        backwards += scale * LIST_ITEM(node, item, node)->number;
    ck_assert_int_eq(forwards, backwards);
    return forwards;
}

START_TEST(test_keeps_the_order_of_appending)
{
    ck_assert(list_empty(&some));
    for (int i = 1; i <= 3; i++)
        list_append(&some, &items[i].node);
    ck_assert(!list_empty(&some));
    ck_assert_int_eq(digits(&some), 123);
}
END_TEST

START_TEST(test_inserts_behind_a_place_and_at_the_front)
{
    list_append(&some, &items[1].node);
    list_insert(&items[1].node, &items[2].node);
    list_insert(&items[1].node, &items[3].node);
    list_insert(&some, &items[4].node);
    ck_assert_int_eq(digits(&some), 4132);
}
END_TEST

START_TEST(test_a_removed_node_is_in_no_list_and_may_be_removed_again)
{
    for (int i = 1; i <= 3; i++)
        list_append(&some, &items[i].node);
    list_remove(&items[2].node);
    ck_assert(list_empty(&items[2].node));
    list_remove(&items[2].node);
    ck_assert_int_eq(digits(&some), 13);
    list_append(&some, &items[2].node);
    ck_assert_int_eq(digits(&some), 132);
}
END_TEST

START_TEST(test_takes_from_the_front_until_it_is_empty)
{
    for (int i = 1; i <= 2; i++)
        list_append(&some, &items[i].node);
    ck_assert_ptr_eq(list_take(&some), &items[1].node);
    ck_assert(list_empty(&items[1].node));
    ck_assert_ptr_eq(list_take(&some), &items[2].node);
    ck_assert_ptr_null(list_take(&some));
}
END_TEST

START_TEST(test_appends_all_of_another)
{
    for (int i = 1; i <= 2; i++)
        list_append(&some, &items[i].node);
    for (int i = 3; i <= 5; i++)
        list_append(&others, &items[i].node);
    list_append_all(&some, &others);
    ck_assert_int_eq(digits(&some), 12345);
    ck_assert(list_empty(&others));
    list_append_all(&some, &others);
    ck_assert_int_eq(digits(&some), 12345);
    list_append_all(&others, &some);
    ck_assert_int_eq(digits(&others), 12345);
    ck_assert(list_empty(&some));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/list");
    TCase *tc = tcase_create("list");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_keeps_the_order_of_appending);
    tcase_add_test(tc, test_inserts_behind_a_place_and_at_the_front);
    tcase_add_test(tc, test_a_removed_node_is_in_no_list_and_may_be_removed_again);
    tcase_add_test(tc, test_takes_from_the_front_until_it_is_empty);
    tcase_add_test(tc, test_appends_all_of_another);
    suite_add_tcase(suite, tc);
    return suite;
}
