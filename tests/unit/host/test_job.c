/* SPDX-License-Identifier: MIT */
/* Fingerprints: the same for each delivery of a message, another for another message. */
#include <config.h>

#include "host/job.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"

enum { BODY_SIZE = 8192, BODY_SEEN = 4096 };

static struct delivery_pool *pool;
static char body[BODY_SIZE];

static void set_up(void)
{
    memset(body, 'a', sizeof body);
    ck_assert_int_eq(delivery_pool_new(sizeof(struct job), 4, &pool), ACKD_OK);
}

static void tear_down(void)
{
    ck_assert_uint_eq(delivery_pool_live(pool), 0);
    delivery_pool_free(&pool);
}

static struct job *made(const char *consumer, const char *id, const char *key, size_t size)
{
    struct delivery *delivery = delivery_new(pool);
    ck_assert_ptr_nonnull(delivery);
    delivery->tag = 1;
    delivery->properties.message_id = id;
    delivery->routing_key = key;
    delivery->body = (struct ackd_bytes){body, size};
    return job_init(delivery, NULL, consumer, "work");
}

static uint64_t fingerprint(const char *consumer, const char *id, const char *key, size_t size)
{
    struct job *job = made(consumer, id, key, size);
    uint64_t print = job_fingerprint(job);
    job_free(&job);
    ck_assert_ptr_null(job);
    return print;
}

START_TEST(each_delivery_of_a_message_has_the_same)
{
    uint64_t print = fingerprint("orders", NULL, "k", 100);
    struct job *job = made("orders", NULL, "k", 100);
    job->delivery->tag = 77;
    job->delivery->redelivered = true;
    job->message.attempt = 5;
    ck_assert_uint_eq(job_fingerprint(job), print);
    job_free(&job);
}
END_TEST

START_TEST(a_message_id_alone_tells_who_it_is)
{
    uint64_t print = fingerprint("orders", "m-1", "k", 100);
    ck_assert_uint_eq(fingerprint("orders", "m-1", "other", 7), print);
    ck_assert_uint_ne(fingerprint("orders", "m-2", "k", 100), print);
}
END_TEST

START_TEST(without_an_id_key_size_and_body_tell)
{
    uint64_t print = fingerprint("orders", NULL, "k", 100);
    ck_assert_uint_ne(fingerprint("orders", NULL, "l", 100), print);
    ck_assert_uint_ne(fingerprint("orders", NULL, "k", 101), print);
    body[99] = 'b';
    ck_assert_uint_ne(fingerprint("orders", NULL, "k", 100), print);
}
END_TEST

START_TEST(consumers_count_apart)
{
    ck_assert_uint_ne(fingerprint("orders", "m-1", "k", 0), fingerprint("bills", "m-1", "k", 0));
    ck_assert_uint_ne(fingerprint("orders", NULL, "k", 9), fingerprint("bills", NULL, "k", 9));
}
END_TEST

START_TEST(a_large_body_counts_by_its_beginning_and_its_size)
{
    uint64_t print = fingerprint("orders", NULL, "k", BODY_SIZE);
    body[BODY_SEEN] = 'b';
    ck_assert_uint_eq(fingerprint("orders", NULL, "k", BODY_SIZE), print);
    ck_assert_uint_ne(fingerprint("orders", NULL, "k", BODY_SIZE - 1), print);
    body[BODY_SEEN - 1] = 'b';
    ck_assert_uint_ne(fingerprint("orders", NULL, "k", BODY_SIZE), print);
}
END_TEST

START_TEST(an_empty_body_has_one_too)
{
    ck_assert_uint_eq(fingerprint("orders", NULL, "k", 0), fingerprint("orders", NULL, "k", 0));
    ck_assert_uint_ne(fingerprint("orders", NULL, "k", 0), fingerprint("orders", NULL, "k", 1));
}
END_TEST

START_TEST(a_job_logs_by_its_consumer_queue_tag_and_id)
{
    struct job *job = made("orders", NULL, "k", 0);
    ck_assert_uint_eq(job->log.count, 3);
    job_free(&job);
    job = made("orders", "m-1", "k", 0);
    ck_assert_uint_eq(job->log.count, JOB_FIELDS);
    ck_assert_uint_eq(job->message.attempt, 1);
    job_free(&job);
    job_free(&job); /* of NULL: nothing */
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("job");
    TCase *tcase = tcase_create("job");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, each_delivery_of_a_message_has_the_same);
    tcase_add_test(tcase, a_message_id_alone_tells_who_it_is);
    tcase_add_test(tcase, without_an_id_key_size_and_body_tell);
    tcase_add_test(tcase, consumers_count_apart);
    tcase_add_test(tcase, a_large_body_counts_by_its_beginning_and_its_size);
    tcase_add_test(tcase, an_empty_body_has_one_too);
    tcase_add_test(tcase, a_job_logs_by_its_consumer_queue_tag_and_id);
    suite_add_tcase(suite, tcase);
    return suite;
}
