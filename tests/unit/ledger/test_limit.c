/* SPDX-License-Identifier: MIT */
/* Limits, and a world of members that want, start, end and withdraw by chance; ACKD_SEED runs a
 * seed again. */
#include <config.h>

#include "ledger/limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "main.h"

enum { LIMITS = 4, MEMBERS = 6, STEPS = 400000 };
#define MS UINT64_C(1000000)

START_TEST(test_a_place_is_given_once)
{
    struct limit limit;
    struct limit_member a, b;
    limit_init(&limit, "db", 0, 1, 0, 0);
    limit_member_init(&a);
    limit_member_init(&b);
    limit_member_join(&a, &limit);
    limit_member_join(&b, &limit);
    ck_assert(limit_member_claim(&a, 0));
    ck_assert(!limit_member_wants(&a));
    ck_assert(!limit_member_claim(&b, 0));
    ck_assert(limit_member_wants(&b));
    ck_assert(!limit_member_claim(&a, 0)); /* behind b, I2 */
    limit_member_leave(&a, 0);
    ck_assert(!limit_member_claim(&a, 0));
    ck_assert(limit_member_claim(&b, 0));
    ck_assert_uint_eq(limit.taken, 1);
    limit_member_withdraw(&a, 0);
    limit_member_leave(&b, 0);
    ck_assert_uint_eq(limit.taken, 0); /* I3 */
}
END_TEST

START_TEST(test_who_withdraws_leaves_his_place_to_the_next)
{
    struct limit limit;
    struct limit_member a, b, c;
    limit_init(&limit, "db", 0, 1, 0, 0);
    limit_member_init(&a);
    limit_member_init(&b);
    limit_member_init(&c);
    limit_member_join(&a, &limit);
    limit_member_join(&b, &limit);
    limit_member_join(&c, &limit);
    ck_assert(limit_member_claim(&a, 0));
    ck_assert(!limit_member_claim(&b, 0));
    ck_assert(!limit_member_claim(&c, 0));
    limit_member_leave(&a, 0); /* b holds a place */
    limit_member_withdraw(&b, 0);
    ck_assert(limit_member_claim(&c, 0));
    limit_member_leave(&c, 0);
}
END_TEST

START_TEST(test_who_needs_two_is_not_passed_over_by_those_who_need_one)
{
    struct limit first, second;
    struct limit_member both, one, other;
    limit_init(&first, "first", 0, 1, 0, 0);
    limit_init(&second, "second", 1, 1, 0, 0);
    limit_member_init(&both);
    limit_member_init(&one);
    limit_member_init(&other);
    limit_member_join(&both, &second); /* in whatever order they are named */
    limit_member_join(&both, &first);
    limit_member_join(&one, &first);
    limit_member_join(&other, &second);
    int starts = 0;
    bool one_runs = limit_member_claim(&one, 0);
    bool other_runs = limit_member_claim(&other, 0);
    for (int turn = 0; turn < 60; turn++) { /* each ends and wants again, never both at once */
        if (limit_member_claim(&both, 0)) {
            starts++;
            limit_member_leave(&both, 0);
        }
        if (turn % 2 == 0 && one_runs)
            limit_member_leave(&one, 0);
        if (turn % 2 == 0)
            one_runs = limit_member_claim(&one, 0);
        if (turn % 2 == 1 && other_runs)
            limit_member_leave(&other, 0);
        if (turn % 2 == 1)
            other_runs = limit_member_claim(&other, 0);
    }
    ck_assert_int_ge(starts, 10);
}
END_TEST

START_TEST(test_a_rate_is_shared_and_its_time_is_known)
{
    struct limit limit;
    struct limit_member a, b;
    limit_init(&limit, "api", 0, 0, 10, 1000);
    limit_member_init(&a);
    limit_member_init(&b);
    limit_member_join(&a, &limit);
    limit_member_join(&b, &limit);
    ck_assert_uint_eq(limit_due_ns(&limit), 0);
    ck_assert(limit_member_claim(&a, 1000 * MS));
    ck_assert(!limit_member_claim(&b, 1000 * MS));
    ck_assert_uint_eq(limit_due_ns(&limit), 1100 * MS);
    ck_assert(!limit_member_claim(&a, 1050 * MS));
    ck_assert(!limit_member_claim(&a, 1100 * MS)); /* b was first */
    ck_assert(limit_member_claim(&b, 1100 * MS));
    limit_member_withdraw(&a, 1100 * MS);
}
END_TEST

START_TEST(test_other_bounds_hold_from_now_on)
{
    struct limit limit;
    struct limit_member members[4];
    limit_init(&limit, "db", 0, 3, 0, 0);
    for (int i = 0; i < 4; i++) {
        limit_member_init(&members[i]);
        limit_member_join(&members[i], &limit);
        ck_assert(limit_member_claim(&members[i], 0) == (i < 3));
    }
    limit_change(&limit, 1, 0, 0, 0);
    limit_member_leave(&members[0], 0);
    limit_member_leave(&members[1], 0);
    ck_assert(!limit_member_claim(&members[3], 0)); /* one is still taken */
    limit_change(&limit, 0, 0, 0, 0);
    ck_assert(limit_member_claim(&members[3], 0));
    limit_member_leave(&members[2], 0);
    limit_member_leave(&members[3], 0);
}
END_TEST

struct world {
    struct random random;
    struct limit limits[LIMITS];
    uint32_t high[LIMITS]; /* taken when the bound was lowered */
    struct limit_member members[MEMBERS];
    uint32_t running[MEMBERS];
    /* For each limit who stood in line, in the order in which they came. */
    int line[LIMITS][MEMBERS];
    size_t line_count[LIMITS];
    uint64_t now_ns;
    unsigned long starts[MEMBERS];
};

static bool world_is_of(const struct world *world, int member, int limit)
{
    for (size_t i = 0; i < world->members[member].count; i++) {
        if (world->members[member].claims[i].limit == &world->limits[limit])
            return true;
    }
    return false;
}

static const struct limit_claim *world_claim(const struct world *world, int member, int limit)
{
    for (size_t i = 0; i < world->members[member].count; i++) {
        if (world->members[member].claims[i].limit == &world->limits[limit])
            return &world->members[member].claims[i];
    }
    ck_abort_msg("member %d does not share limit %d", member, limit);
    return &world->members[0].claims[0];
}

/* I1, I2, and that what is taken is what runs or is held. */
static void world_check(struct world *world)
{
    for (int l = 0; l < LIMITS; l++) {
        struct limit *limit = &world->limits[l];
        uint32_t taken = 0;
        for (int m = 0; m < MEMBERS; m++) {
            if (world_is_of(world, m, l))
                taken += world->running[m] + world_claim(world, m, l)->held;
        }
        test_that(limit->taken == taken);
        if (world->high[l] > taken)
            world->high[l] = taken;
        test_that(limit->concurrency == 0 || taken <= limit->concurrency ||
                  taken <= world->high[l]);
        /* Whoever still stands in line stands there in the order of his coming. */
        size_t kept = 0;
        for (size_t i = 0; i < world->line_count[l]; i++) {
            int member = world->line[l][i];
            bool stands = !list_empty(&world_claim(world, member, l)->node);
            if (stands)
                world->line[l][kept++] = member;
        }
        world->line_count[l] = kept;
        size_t at = 0;
        list_for_each (node, &limit->line) {
            const struct limit_claim *claim = LIST_ITEM(node, limit_claim, node);
            if (at == kept) { /* a new one, at the end */
                for (int m = 0; m < MEMBERS; m++) {
                    if (world_is_of(world, m, l) && world_claim(world, m, l) == claim)
                        world->line[l][world->line_count[l]++] = m;
                }
                kept++;
            }
            test_that(world_claim(world, world->line[l][at], l) == claim);
            at++;
        }
        test_that(at == kept);
        /* Nobody stands in line for nothing. */
        if (!list_empty(&limit->line))
            test_that((limit->concurrency != 0 && limit->taken >= limit->concurrency) ||
                      !rate_allows(&limit->rate, world->now_ns));
    }
}

static void world_step(struct world *world)
{
    int m = (int)random_below(&world->random, MEMBERS);
    int l = (int)random_below(&world->random, LIMITS);
    unsigned what = (unsigned)random_below(&world->random, 100);
    if (what < 50) {
        if (limit_member_claim(&world->members[m], world->now_ns)) {
            world->running[m]++;
            world->starts[m]++;
            test_that(!limit_member_wants(&world->members[m])); /* I3 */
        }
    } else if (what < 90) {
        if (world->running[m] > 0) {
            world->running[m]--;
            limit_member_leave(&world->members[m], world->now_ns);
        }
    } else if (what < 92) {
        limit_member_withdraw(&world->members[m], world->now_ns);
        test_that(!limit_member_wants(&world->members[m])); /* I3 */
    } else if (what < 93) {
        world->high[l] = world->limits[l].taken;
        limit_change(&world->limits[l], (uint32_t)random_below(&world->random, 4),
                     random_below(&world->random, 3) * 100, 100, world->now_ns);
    } else {
        uint64_t due_ns = limit_due_ns(&world->limits[l]);
        world->now_ns += random_below(&world->random, 3 * MS);
        if (due_ns > world->now_ns && random_below(&world->random, 2) == 0)
            world->now_ns = due_ns;
        for (int i = 0; i < LIMITS; i++)
            limit_go_on(&world->limits[i], world->now_ns);
    }
    world_check(world);
}

START_TEST(test_in_a_random_world_bounds_and_lines_are_kept)
{
    const char *given = getenv("ACKD_SEED");
    uint64_t seed = given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 0);
    fprintf(stderr, "# ACKD_SEED=%" PRIu64 "\n", seed);
    static struct world world;
    random_init(&world.random, seed);
    world.now_ns = 1000 * MS;
    for (int l = 0; l < LIMITS; l++)
        limit_init(&world.limits[l], "limit", (unsigned)l, 1 + (uint32_t)l, 0, 0);
    for (int m = 0; m < MEMBERS; m++) {
        limit_member_init(&world.members[m]);
        for (int l = LIMITS - 1; l >= 0; l--) {
            if (l == m % LIMITS || random_below(&world.random, 2) == 0)
                limit_member_join(&world.members[m], &world.limits[l]);
        }
    }
    unsigned long steps = test_scale(STEPS);
    for (unsigned long i = 0; i < steps; i++)
        world_step(&world);
    if (steps >= 100000) {
        for (int m = 0; m < MEMBERS; m++) /* nobody starves */
            ck_assert_uint_gt(world.starts[m], steps / 1000);
    }
    for (int m = 0; m < MEMBERS; m++) {
        limit_member_withdraw(&world.members[m], world.now_ns);
        for (; world.running[m] > 0; world.running[m]--)
            limit_member_leave(&world.members[m], world.now_ns);
    }
    for (int l = 0; l < LIMITS; l++)
        ck_assert_uint_eq(world.limits[l].taken, 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/limit");
    TCase *tc = tcase_create("limit");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_a_place_is_given_once);
    tcase_add_test(tc, test_who_withdraws_leaves_his_place_to_the_next);
    tcase_add_test(tc, test_who_needs_two_is_not_passed_over_by_those_who_need_one);
    tcase_add_test(tc, test_a_rate_is_shared_and_its_time_is_known);
    tcase_add_test(tc, test_other_bounds_hold_from_now_on);
    tcase_add_test(tc, test_in_a_random_world_bounds_and_lines_are_kept);
    suite_add_tcase(suite, tc);
    return suite;
}
