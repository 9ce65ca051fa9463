/* SPDX-License-Identifier: MIT */
/* executor - see the header. It must not know what its tasks are for. */
#include <config.h>

#include "host/executor.h"

#include <ackd/error.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "host/local.h"
#include "io/pool.h"

#define EXECUTOR_MAGIC UINT32_C(0x65786563)

enum {
    EXECUTOR_ROUNDS = 64,    /* batches in a turn */
    EXECUTOR_CLOSE_MS = 5000 /* for the destruction of all loop-locals */
};

enum executor_end { EXECUTOR_RUNS, EXECUTOR_CLOSING, EXECUTOR_CLOSED };

struct executor {
    uint32_t magic;
    struct loop *loop;
    struct scheduler *scheduler;
    bool pooled; /* a user of the CPU pool */
    bool (*take)(void *arg);
    void (*flush)(void *arg);
    uint64_t (*now_ns)(void *arg); /* NULL: the loop's */
    uint64_t due_ns;               /* with a clock of its own */
    void (*deadlocked)(void *arg);
    void *arg;
    struct watchdog *watchdog; /* borrowed; may be NULL */
    uint64_t deadlock_ns;
    uint64_t look_ns;    /* when to look whether anything ran; TIMER_NEVER: it was looked */
    uint64_t dispatched; /* when look_ns was set */
    uint64_t idle_since_ns, idle_cpu_ns; /* of the first turn, or of the last answer; 0: none yet */
    struct locals locals;
    enum executor_end end;
    void (*ended)(void *arg);
    void *ended_arg;
    atomic_bool known; /* ackd_loop_current or ackd_runtime_loop gave it away */
};

/* What ackd_post makes of a call. */
struct executor_post {
    struct scheduler_post post;
    void (*fn)(void *arg);
    void *arg;
};

static _Thread_local struct executor *executor_here __attribute__((tls_model("initial-exec")));

uint64_t executor_now_ns(const struct executor *executor)
{
    return executor->now_ns == NULL ? loop_now_ns(executor->loop) : executor->now_ns(executor->arg);
}

static uint64_t executor_clock_ns(void *arg)
{
    return executor_now_ns(arg);
}

static void executor_wake(void *arg)
{
    const struct executor *executor = arg;
    loop_wake(executor->loop);
}

/*
 * The scheduler has nothing to do and waits for no time: if tasks are live, see some time later
 * whether any has run since, and if not, whether any ever can. Returns when to come round for that.
 */
static uint64_t executor_look(struct executor *executor)
{
    struct scheduler_counts counts;
    scheduler_counts(executor->scheduler, &counts);
    if (counts.live == 0)
        return TIMER_NEVER;
    bool ran = counts.dispatched != executor->dispatched;
    if (executor->look_ns == TIMER_NEVER && !ran)
        return TIMER_NEVER;
    uint64_t now_ns = loop_now_ns(executor->loop);
    if (executor->look_ns != TIMER_NEVER && now_ns < executor->look_ns)
        return executor->look_ns;
    executor->dispatched = counts.dispatched;
    if (ran)
        return executor->look_ns = now_ns + executor->deadlock_ns;
    executor->look_ns = TIMER_NEVER;
    if (!scheduler_is_deadlocked(executor->scheduler) || loop_expects(executor->loop))
        return TIMER_NEVER;
    executor->deadlocked(executor->arg);
    return 0; /* who was told may have cancelled some */
}

static void executor_end_if_closed(struct executor *executor)
{
    if (executor->end != EXECUTOR_CLOSED || executor->ended == NULL)
        return;
    scheduler_close(executor->scheduler);
    void (*ended)(void *arg) = executor->ended;
    executor->ended = NULL;
    ended(executor->ended_arg);
}

static void executor_begin_idle(struct executor *executor, uint64_t now_ns, uint64_t cpu_ns)
{
    executor->idle_since_ns = now_ns;
    executor->idle_cpu_ns = cpu_ns;
}

int executor_idle_percent(struct executor *executor)
{
    uint64_t now_ns = loop_now_ns(executor->loop), cpu_ns = loop_cpu_ns();
    uint64_t passed_ns = now_ns - executor->idle_since_ns;
    uint64_t busy_ns = cpu_ns - executor->idle_cpu_ns;
    if (executor->idle_since_ns == 0 || passed_ns == 0)
        return -1;
    executor_begin_idle(executor, now_ns, cpu_ns);
    return busy_ns >= passed_ns ? 0 : (int)(100 - busy_ns * 100 / passed_ns);
}

/*
 * By batches (X1). It goes on while tasks end or await as fast as that; where they do not, the loop
 * must see its other events.
 */
static uint64_t executor_turn(void *arg)
{
    struct executor *executor = arg;
    executor_here = executor;
    if (__builtin_expect(executor->idle_since_ns == 0, 0))
        executor_begin_idle(executor, loop_now_ns(executor->loop), loop_cpu_ns());
    bool more = executor->take != NULL;
    uint64_t next_ns;
    int round = 0;
    do {
        if (more)
            more = executor->take(executor->arg);
        next_ns = scheduler_turn(executor->scheduler);
    } while (more && next_ns != 0 && ++round < EXECUTOR_ROUNDS);
    if (executor->flush != NULL)
        executor->flush(executor->arg);
    executor->due_ns = more ? 0 : next_ns;
    if (more)
        return 0;
    executor_end_if_closed(executor);
    if (executor->now_ns != NULL && next_ns != 0)
        return TIMER_NEVER;
    if (next_ns == TIMER_NEVER && executor->deadlock_ns > 0)
        return executor_look(executor);
    return next_ns;
}

int executor_new(const struct executor_options *options, struct executor **ret_executor)
{
    struct executor *executor = calloc(1, sizeof *executor);
    if (executor == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the handler loop '%s'", options->name);
    executor->magic = EXECUTOR_MAGIC;
    executor->take = options->take;
    executor->flush = options->flush;
    executor->now_ns = options->now_ns;
    executor->arg = options->arg;
    executor->deadlocked = options->deadlocked;
    executor->deadlock_ns = options->deadlocked == NULL ? 0 : options->deadlock_ms * NS_PER_MS;
    executor->watchdog = options->watchdog;
    executor->look_ns = TIMER_NEVER;
    local_init(&executor->locals);
    struct scheduler_options scheduler = {.name = options->name,
                                          .now_ns = executor_clock_ns,
                                          .wake = executor_wake,
                                          .arg = executor,
                                          .stack_size = options->stack_size,
                                          .tasks_max = options->tasks_max,
                                          .stacks_cached = options->stacks_cached,
                                          .guard = options->guard};
    int code = pool_open(NULL);
    executor->pooled = code == ACKD_OK;
    if (code == ACKD_OK)
        code = loop_new(options->name, &executor->loop);
    if (code == ACKD_OK)
        code = scheduler_new(&scheduler, &executor->scheduler);
    if (code == ACKD_OK && options->watchdog != NULL)
        code = watchdog_add(options->watchdog, executor->loop, executor->scheduler);
    if (code != ACKD_OK) {
        executor_free(&executor);
        return code;
    }
    loop_set_turn(executor->loop, executor_turn, executor);
    *ret_executor = executor;
    return ACKD_OK;
}

void executor_free(struct executor **executor)
{
    struct executor *freed = *executor;
    if (freed == NULL)
        return;
    *executor = NULL;
    ackd_assert(freed->magic == EXECUTOR_MAGIC);
    ackd_assert(list_empty(&freed->locals.all));
    if (executor_here == freed)
        executor_here = NULL; /* where loops are stepped by one thread */
    if (freed->watchdog != NULL)
        watchdog_remove(freed->watchdog, freed->loop);
    scheduler_free(&freed->scheduler);
    loop_free(&freed->loop);
    freed->magic = 0;
    if (freed->pooled)
        pool_close();
    free(freed);
}

int executor_start(struct executor *executor)
{
    return loop_start(executor->loop);
}

void executor_join(struct executor *executor)
{
    loop_join(executor->loop);
}

static int executor_destroy_locals(void *arg)
{
    struct executor *executor = arg;
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, EXECUTOR_CLOSE_MS);
    local_destroy_all(&executor->locals);
    return ackd_deadline_pop(&deadline, ACKD_OK);
}

static void executor_locals_gone(struct ackd_task *task, int code, const struct ackd_error *error,
                                 enum ackd_cancel_reason reason, void *arg)
{
    struct executor *executor = arg;
    (void)task;
    (void)error;
    (void)reason;
    ackd_assert(code == ACKD_OK);
    executor->end = EXECUTOR_CLOSED;
}

void executor_close(struct executor *executor, void (*ended)(void *arg), void *arg)
{
    ackd_assert(executor->end == EXECUTOR_RUNS);
    executor->ended = ended;
    executor->ended_arg = arg;
    executor->end = EXECUTOR_CLOSING;
    executor->deadlock_ns = 0;
    if (!list_empty(&executor->locals.all)) {
        struct scheduler_root root = {.fn = executor_destroy_locals,
                                      .arg = executor,
                                      .name = "loop-locals",
                                      .done = executor_locals_gone};
        if (scheduler_spawn(executor->scheduler, &root, NULL) == ACKD_OK)
            return;
        ackd_log_error("internal", "what is local to a loop cannot be destroyed: %s",
                       ackd_error_text(ackd_error_current()));
        local_forget_all(&executor->locals);
    }
    executor->end = EXECUTOR_CLOSED;
    loop_wake(executor->loop);
}

uint64_t executor_due_ns(const struct executor *executor)
{
    return executor->due_ns;
}

struct loop *executor_loop(const struct executor *executor)
{
    return executor->loop;
}

struct scheduler *executor_scheduler(const struct executor *executor)
{
    return executor->scheduler;
}

struct locals *executor_locals(struct executor *executor)
{
    return &executor->locals;
}

struct ackd_loop *executor_handle(struct executor *executor)
{
    if (executor == NULL)
        return NULL;
    atomic_store_explicit(&executor->known, true, memory_order_relaxed);
    return (struct ackd_loop *)executor;
}

bool executor_is_known(const struct executor *executor)
{
    return atomic_load_explicit(&executor->known, memory_order_relaxed);
}

struct executor *executor_current(void)
{
    return executor_here;
}

struct ackd_loop *ackd_loop_current(void)
{
    return executor_handle(executor_here);
}

static void executor_run_post(struct scheduler_post *post)
{
    struct executor_post *call = LIST_ITEM(post, executor_post, post);
    void (*fn)(void *arg) = call->fn;
    void *arg = call->arg;
    free(call);
    fn(arg);
}

int ackd_post(struct ackd_loop *loop, void (*fn)(void *arg), void *arg, void (*destroy)(void *arg))
{
    const struct executor *executor = OBJECT_CAST(executor, EXECUTOR_MAGIC, loop);
    struct executor_post *call = malloc(sizeof *call);
    int code = ACKD_OK;
    if (call == NULL) {
        code = ackd_fail(ACKD_E_NOMEM, "a call to be posted");
    } else {
        *call = (struct executor_post){.post = {.run = executor_run_post}, .fn = fn, .arg = arg};
        if (!scheduler_post(executor->scheduler, &call->post)) {
            free(call);
            code = ackd_fail(ACKD_E_CLOSED, "the loop has ended: it takes no more calls");
        }
    }
    if (code != ACKD_OK && destroy != NULL)
        destroy(arg);
    return code;
}
