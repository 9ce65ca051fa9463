/* SPDX-License-Identifier: MIT */
/*
 * E4: a scenario is run again and again, each time with another of its allocations failing, or with
 * all from that one on. It ends as it would have, or with ACKD_E_NOMEM; nothing is left behind.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/timer.h"
#include "task/engine.h"
#include "task/owner.h"
#include "task/refusal.h"
#include "world.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__real_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);

enum { SWEEP_MAX = 2000, BLOCKS_MAX = 4096 };

static struct {
    unsigned long asked;    /* allocations while it was watched */
    unsigned long fails_at; /* 0: none fails */
    bool for_good;          /* all from there on do */
    bool watching;
    long held;                /* blocks that are not free again */
    void *blocks[BLOCKS_MAX]; /* which; NULL: a free place */
} memory;

static bool memory_fails(void)
{
    if (!memory.watching)
        return false;
    memory.asked++;
    return memory.fails_at != 0 &&
           (memory.asked == memory.fails_at || (memory.for_good && memory.asked > memory.fails_at));
}

/* What Check allocates for itself is not watched, so blocks are known one by one. */
static void *memory_hold(void *bytes)
{
    if (!memory.watching || bytes == NULL)
        return bytes;
    for (size_t i = 0; i < BLOCKS_MAX; i++) {
        if (memory.blocks[i] == NULL) {
            memory.blocks[i] = bytes;
            memory.held++;
            return bytes;
        }
    }
    abort();
}

static void memory_let_go(const void *bytes)
{
    for (size_t i = 0; bytes != NULL && i < BLOCKS_MAX && memory.held > 0; i++) {
        if (memory.blocks[i] == bytes) {
            memory.blocks[i] = NULL;
            memory.held--;
            return;
        }
    }
}

void *__wrap_malloc(size_t size)
{
    return memory_fails() ? NULL : memory_hold(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return memory_fails() ? NULL : memory_hold(__real_calloc(count, size));
}

void *__wrap_realloc(void *bytes, size_t size)
{
    if (memory_fails())
        return NULL;
    memory_let_go(bytes);
    return memory_hold(__real_realloc(bytes, size));
}

void __wrap_free(void *bytes)
{
    memory_let_go(bytes);
    __real_free(bytes);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    if (memory_fails()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mmap(address, size, protection, flags, file, offset);
}

/* As world_run_all, without the checks, which allocate. */
static void run_all(void)
{
    for (unsigned turn = 0; world.scheduler->counts.live > 0; turn++) {
        uint64_t due_ns = scheduler_turn(world.scheduler);
        test_that(turn < 100000 && (due_ns != TIMER_NEVER || world.scheduler->counts.live == 0));
        if (due_ns > world.now_ns)
            world.now_ns = due_ns;
    }
}

static int succeed(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

static int wait_a_little(void *arg)
{
    (void)arg;
    return ackd_delay(3);
}

static int wait_long(void *arg)
{
    (void)arg;
    return ackd_delay(1000);
}

static int fail_wrapped(void *arg)
{
    (void)arg;
    error_ignore(ackd_fail(ACKD_E_PROTOCOL, "the peer said %d", 7));
    return ackd_wrap(ACKD_E_NOT_FOUND, "no such order: %s", "4711");
}

static int spawn_many(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    for (unsigned i = 0; i < 40; i++)
        ACKD_TRY(ackd_spawn(&scope, i % 2 == 0 ? succeed : wait_a_little, NULL));
    return ackd_scope_join(&scope);
}

static int nest_deadlines(void *arg)
{
    uintptr_t depth = (uintptr_t)arg;
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, depth == 0 ? 10 : 1000);
    int code = depth == 20 ? ackd_delay(500) : nest_deadlines((void *)(depth + 1));
    return ackd_deadline_pop(&deadline, code);
}

static int push_shields(void *arg)
{
    uintptr_t depth = (uintptr_t)arg;
    if (depth == 20)
        return ackd_delay(2);
    struct ackd_shield shield;
    ACKD_TRY(ackd_shield_push(&shield, 100));
    int code = push_shields((void *)(depth + 1));
    ackd_shield_pop(&shield);
    return code;
}

static int await_failing(void *arg)
{
    (void)arg;
    const struct ackd_task_options options = {.name = "failing"};
    ACKD_SCOPE_SUPERVISED(scope);
    struct ackd_task *child = NULL;
    ACKD_TRY(ackd_spawn_task(&scope, fail_wrapped, NULL, &options, &child));
    int code = ackd_await(child);
    ackd_task_unref(child);
    test_that(ackd_error_code(ackd_error_current()) == code);
    return code;
}

static int fail_together(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    for (unsigned i = 0; i < 5; i++)
        ACKD_TRY(ackd_spawn(&scope, fail_wrapped, NULL));
    ACKD_TRY(ackd_spawn(&scope, wait_long, NULL));
    return ackd_scope_join(&scope);
}

static int fail_unseen(void *arg)
{
    (void)arg;
    ACKD_SCOPE_SUPERVISED(scope);
    for (unsigned i = 0; i < 5; i++)
        ACKD_TRY(ackd_spawn(&scope, fail_wrapped, NULL));
    return ackd_scope_join(&scope);
}

static int aggregate(void *arg)
{
    (void)arg;
    const struct ackd_error *children[3];
    for (size_t i = 0; i < 3; i++) {
        error_ignore(ackd_fail(ACKD_E_USER - (int)i, "number %zu", i));
        children[i] = error_take();
    }
    int code = ackd_aggregate(children, 3);
    for (size_t i = 0; i < 3; i++)
        ackd_error_unref(children[i]);
    return code;
}

static void count_up(void *arg)
{
    ++*(unsigned *)arg;
}

static int allocate(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < 30; i++) {
        char *bytes = ackd_alloc(i * 100);
        if (bytes == NULL)
            return ackd_error_code(ackd_error_current());
        memset(bytes, 0, i * 100);
        char *text = ackd_printf("%zu %s", i, "of thirty");
        if (text == NULL)
            return ackd_error_code(ackd_error_current());
    }
    return ACKD_OK;
}

static unsigned deferred;

static int defer(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 30; i++)
        ACKD_TRY(ackd_defer(count_up, &deferred));
    return ackd_delay(1);
}

static struct ackd_owner owner;

static int observe(const struct ackd_task *task, int code, const struct ackd_error *error,
                   void *arg)
{
    (void)task;
    (void)arg;
    test_that(code == ackd_error_code(error));
    return ACKD_OK;
}

static int detach(void *arg)
{
    (void)arg;
    const struct ackd_task_options options = {.name = "detached"};
    for (unsigned i = 0; i < 20; i++)
        ACKD_TRY(ackd_spawn_detached(&owner, i % 2 == 0 ? fail_wrapped : wait_a_little, NULL,
                                     &options, observe, NULL));
    return ACKD_OK;
}

static int spawn_with_flags(void *arg)
{
    (void)arg;
    const struct ackd_task_options options = {
        .name = "flagged", .flags = ACKD_TASK_WAIT_FOR_ROOM | ACKD_TASK_START_INLINE};
    ACKD_SCOPE(scope);
    for (unsigned i = 0; i < 150; i++)
        ACKD_TRY(ackd_spawn_task(&scope, wait_a_little, NULL, &options, NULL));
    return ackd_scope_join(&scope);
}

static int be_refused(void *arg)
{
    (void)arg;
    ACKD_NO_AWAIT(section);
    return ackd_delay(1);
}

static int cancel_source(void *arg)
{
    (void)arg;
    struct ackd_cancel_source *parent = NULL, *linked = NULL;
    ACKD_TRY(ackd_cancel_source_new(&parent));
    const struct ackd_token token = ackd_cancel_source_token(parent);
    int code = ackd_cancel_source_link(&token, 1, &linked);
    if (code == ACKD_OK) {
        ackd_cancel(parent, ACKD_CANCEL_REQUESTED, "somebody");
        test_that(ackd_token_canceled(ackd_cancel_source_token(linked)));
        ackd_cancel_source_unref(linked);
    }
    ackd_cancel_source_unref(parent);
    return code;
}

static const struct scenario {
    const char *name;
    ackd_task_fn *fn;
    int code; /* with memory enough */
} scenarios[] = {
    {"spawn", spawn_many, ACKD_OK},
    {"deadline", nest_deadlines, ACKD_E_TIMEOUT},
    {"shield", push_shields, ACKD_OK},
    {"error", await_failing, ACKD_E_NOT_FOUND},
    {"fail-fast scope", fail_together, ACKD_E_NOT_FOUND},
    {"supervised scope", fail_unseen, ACKD_OK},
    {"aggregate", aggregate, ACKD_E_AGGREGATE},
    {"arena", allocate, ACKD_OK},
    {"defer", defer, ACKD_OK},
    {"detached", detach, ACKD_OK},
    {"flags", spawn_with_flags, ACKD_OK},
    {"refusal", be_refused, ACKD_E_SUSPEND},
    {"source", cancel_source, ACKD_OK},
};

enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

/* What one run of @scenario ends with. */
static int run_once(const struct scenario *scenario, unsigned long fails_at, bool for_good)
{
    long held = memory.held;
    world_new_with((struct scheduler_options){.tasks_max = 100});
    owner_init(&owner, world.scheduler, "owner");
    memory.asked = 0;
    memory.fails_at = fails_at;
    memory.for_good = for_good;
    memory.watching = true;
    struct scheduler_root root = {.fn = scenario->fn, .name = "root", .owner = &owner};
    struct ackd_task *task = NULL;
    int code = scheduler_spawn(world.scheduler, &root, &task);
    if (code == ACKD_OK) {
        ackd_task_ref(task);
        run_all();
        code = ackd_error_code(ackd_task_error(task));
        ackd_task_unref(task);
    }
    memory.watching = false;
    error_clear();
    owner_close(&owner, NULL);
    ck_assert_uint_eq(owner_live(&owner), 0);
    world_free();
    ck_assert_msg(memory.held == held, "%s: %ld blocks are left, allocation %lu failed",
                  scenario->name, memory.held - held, fails_at);
    return code;
}

static void sweep(const struct scenario *scenario, bool for_good)
{
    ck_assert_int_eq(run_once(scenario, 0, false), scenario->code);
    unsigned long fails_at = 0;
    do {
        ck_assert_uint_lt(fails_at, SWEEP_MAX);
        int code = run_once(scenario, ++fails_at, for_good);
        ck_assert_msg(code == scenario->code || code == ACKD_E_NOMEM,
                      "%s: %s, where allocation %lu failed", scenario->name, ackd_code_name(code),
                      fails_at);
    } while (memory.asked >= fails_at);
    ck_assert_uint_gt(fails_at, 1);
}

START_TEST(rule_e4_wherever_one_allocation_fails_the_code_is_right)
{
    sweep(&scenarios[_i], false);
}
END_TEST

START_TEST(rule_e4_and_where_there_is_no_memory_from_then_on)
{
    sweep(&scenarios[_i], true);
}
END_TEST

static int spawn_beyond_bound(void *arg)
{
    unsigned long *before = arg;
    ACKD_SCOPE(scope);
    for (unsigned i = 0; i < 99; i++)
        ACKD_TRY(ackd_spawn(&scope, wait_a_little, NULL));
    error_ignore(ackd_spawn(&scope, wait_a_little, NULL)); /* the error itself */
    error_clear();
    long held = memory.held;
    *before = memory.asked;
    int code = ackd_spawn(&scope, wait_a_little, NULL);
    *before = memory.asked - *before;
    error_clear();
    test_that(memory.held == held);
    ACKD_TRY(ackd_scope_join(&scope));
    return code;
}

START_TEST(rule_t13_a_refused_spawn_leaves_nothing)
{
    unsigned long allocations = 0;
    world_new_with((struct scheduler_options){.tasks_max = 100});
    memory.watching = true;
    memory.fails_at = 0;
    ck_assert_int_eq(world_run(spawn_beyond_bound, &allocations), ACKD_E_FULL);
    memory.watching = false;
    ck_assert_uint_le(allocations, 1); /* of the error */
    ck_assert_uint_eq(world_counts().created, 100);
    world_free();
}
END_TEST

static int spawn_a_thousand_times(void *arg)
{
    unsigned long *asked = arg;
    for (unsigned i = 0; i < 1000; i++) {
        ACKD_SCOPE(scope);
        if (i == 10)
            memory.asked = 0;
        ACKD_TRY(ackd_spawn(&scope, wait_a_little, NULL));
        struct ackd_deadline deadline;
        ackd_deadline_push(&deadline, 1000);
        ACKD_TRY(ackd_deadline_pop(&deadline, ackd_scope_join(&scope)));
    }
    *asked = memory.asked;
    return ACKD_OK;
}

START_TEST(after_warming_up_tasks_scopes_and_deadlines_allocate_nothing)
{
    unsigned long asked = 1;
    world_new();
    memory.watching = true;
    memory.fails_at = 0;
    world_spawn(spawn_a_thousand_times, &asked);
    run_all();
    memory.watching = false;
    ck_assert_uint_eq(asked, 0);
    world_free();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/no_memory");
    TCase *tc = tcase_create("no_memory");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, rule_e4_wherever_one_allocation_fails_the_code_is_right, 0, SCENARIOS);
    tcase_add_loop_test(tc, rule_e4_and_where_there_is_no_memory_from_then_on, 0, SCENARIOS);
    tcase_add_test(tc, rule_t13_a_refused_spawn_leaves_nothing);
    tcase_add_test(tc, after_warming_up_tasks_scopes_and_deadlines_allocate_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}
