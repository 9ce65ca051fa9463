/* SPDX-License-Identifier: MIT */
/* What a dump says of a task that waits: for each kind of wait in states.def, one that does. */
#include <config.h>
#define ACKD_ALLOW_BLOCKING /* threads of libuv and of the resolver are held */

#include <ackd/ackd.h>
#include <ackd/inspect.h>
#include <ackd/runtime.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/timer.h"
#include "host/executor.h"
#include "host/survey.h"
#include "main.h"
#include "task/wait.h"

enum { TASKS_MAX = 100 };

static struct ackd_runtime *runtime;
static atomic_bool done, syncing, cancelled;

static void sleep_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

/* These come before the C library's. */
ACKD_API int fsync(int fd)
{
    (void)fd;
    atomic_store(&syncing, true);
    while (!atomic_load(&done))
        sleep_ms(1);
    return 0;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **ret_found)
{
    (void)host;
    (void)port;
    *ret_found = NULL;
    if (hints->ai_flags & AI_NUMERICHOST) /* asked first, on the loop: it must not wait */
        return EAI_NONAME;
    while (!atomic_load(&cancelled)) /* before that it would be a failure */
        sleep_ms(1);
    return EAI_FAIL;
}

static struct ackd_semaphore semaphore;
static struct ackd_mutex mutex;
static struct ackd_event event;
static struct ackd_mailbox *mailbox;
static struct ackd_promise *promise;

static int wait_timer(void *arg)
{
    (void)arg;
    return ackd_delay(60000);
}

static int wait_semaphore(void *arg)
{
    (void)arg;
    return ackd_semaphore_acquire(&semaphore);
}

static int wait_mutex(void *arg)
{
    (void)arg;
    return ackd_mutex_lock(&mutex);
}

static int wait_event(void *arg)
{
    (void)arg;
    return ackd_event_await(&event);
}

static int wait_mailbox(void *arg)
{
    void *item;
    (void)arg;
    return ackd_mailbox_receive(mailbox, &item);
}

static int wait_promise(void *arg)
{
    void *value;
    (void)arg;
    return ackd_promise_await(promise, &value);
}

static int wait_when_all(void *arg)
{
    struct ackd_task *tasks[] = {arg};
    int code = ackd_when_all(tasks, 1);
    return code;
}

static int hold_thread(void *arg, struct ackd_token token)
{
    (void)arg;
    while (!ackd_token_canceled(token) && !atomic_load(&done))
        sleep_ms(1);
    return ACKD_OK;
}

static int wait_offload(void *arg)
{
    return ackd_offload(hold_thread, arg);
}

static int wait_thread(void *arg)
{
    return ackd_thread(hold_thread, arg);
}

static int wait_task(void *arg)
{
    return ackd_await(arg);
}

static int wait_scope(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, wait_timer, arg));
    return ackd_scope_join(&scope);
}

static int sockets[2], pipes[2];

static int wait_socket(void *arg)
{
    char byte;
    size_t size;
    (void)arg;
    ACKD_TCP(tcp);
    ACKD_TRY(ackd_tcp_open(sockets[0], &tcp));
    return ackd_tcp_read(tcp, &byte, 1, &size);
}

static int wait_descriptor(void *arg)
{
    (void)arg;
    ACKD_DESCRIPTOR(descriptor);
    ACKD_TRY(ackd_descriptor_open(pipes[0], &descriptor));
    return ackd_await_readable(descriptor);
}

static int wait_process(void *arg)
{
    static const char *const argv[] = {"sleep", "60", NULL};
    const struct ackd_process_options options = {.file = "sleep", .argv = argv};
    (void)arg;
    ACKD_PROCESS(process);
    ACKD_TRY(ackd_process_open(&options, &process));
    return ackd_process_wait(process, NULL, NULL);
}

static int wait_signal(void *arg)
{
    (void)arg;
    ACKD_SIGNAL(signal);
    ACKD_TRY(ackd_signal_open(SIGUSR1, &signal));
    return ackd_signal_await(signal);
}

static int wait_periodic(void *arg)
{
    struct ackd_periodic periodic;
    (void)arg;
    ACKD_TRY(ackd_periodic_start(&periodic, 60000));
    int code = ackd_periodic_next(&periodic);
    ackd_periodic_stop(&periodic);
    return code;
}

static int wait_pipe(void *arg)
{
    static const char *const argv[] = {"sleep", "60", NULL};
    const struct ackd_process_options options = {
        .file = "sleep", .argv = argv, .output = ACKD_STDIO_PIPE};
    char byte;
    size_t size;
    (void)arg;
    ACKD_PROCESS(process);
    ACKD_TRY(ackd_process_open(&options, &process));
    return ackd_process_read(process, ACKD_PROCESS_OUTPUT, &byte, 1, &size);
}

static int wait_file(void *arg)
{
    (void)arg;
    ACKD_FILE(file);
    ACKD_TRY(ackd_file_open("/dev/null", ACKD_FILE_WRITE, 0, &file));
    return ackd_file_sync(file);
}

static int wait_name(void *arg)
{
    struct ackd_address address;
    size_t count;
    (void)arg;
    return ackd_resolve("nowhere.invalid", 1, &address, 1, &count);
}

static int wait_yield(void *arg)
{
    (void)arg;
    while (!atomic_load(&done))
        ACKD_TRY(ackd_yield());
    return ACKD_OK;
}

static struct ackd_once once;

static int make_once(void *arg)
{
    (void)arg;
    return ackd_delay(60000);
}

static int run_once(void *arg)
{
    return ackd_once(&once, make_once, arg);
}

static int wait_once(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, run_once, arg));
    ACKD_TRY(ackd_yield());
    return ackd_once(&once, make_once, arg);
}

static const char local_key;

static int create_local(void **ret_value)
{
    *ret_value = NULL;
    return ackd_delay(60000);
}

static int make_local(void *arg)
{
    return ackd_loop_local(&local_key, create_local, NULL, &arg);
}

static int wait_local(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, make_local, arg));
    ACKD_TRY(ackd_yield());
    return ackd_loop_local(&local_key, create_local, NULL, &arg);
}

static int wait_when_any(void *arg)
{
    struct ackd_task *tasks[] = {arg};
    size_t index;
    return ackd_when_any(tasks, 1, &index);
}

static int wait_race(void *arg)
{
    struct ackd_task *task;
    const struct ackd_task_options options = {.name = "racer"};
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, wait_timer, arg, &options, &task));
    size_t index;
    int code = ackd_race(&task, 1, &index);
    ackd_task_unref(task);
    return code;
}

static int wait_hedge(void *arg)
{
    const struct ackd_alternative alternatives[] = {{wait_timer, arg, "first way"},
                                                    {wait_timer, arg, "second way"}};
    return ackd_hedge(alternatives, 2, 60000, NULL);
}

static int wait_for_item(void *item, void *arg)
{
    (void)item;
    return wait_timer(arg);
}

static int wait_for_each(void *arg)
{
    void *items[] = {arg};
    const struct ackd_for_each_options options = {.name = "orders"};
    return ackd_for_each(items, 1, wait_for_item, arg, &options);
}

/* To the bound of the loop, and then for room. */
static int wait_room(void *arg)
{
    const struct ackd_task_options options = {.name = "filler", .flags = ACKD_TASK_WAIT_FOR_ROOM};
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_delay(20)); /* the others spawn first */
    for (;;)
        ACKD_TRY(ackd_spawn_task(&scope, wait_timer, arg, &options, NULL));
}

static atomic_bool looked;

static void judge_spawn(const struct ackd_task_info *task)
{
    ck_assert_ptr_nonnull(task->await_kind);
    ck_assert_str_eq(task->await_kind, "spawn");
    ck_assert_ptr_nonnull(task->await_what);
    ck_assert_str_eq(task->await_what, "look_around");
    ck_assert_str_eq(task->await_function, "wait_spawn");
    ck_assert_ptr_nonnull(strstr(task->await_file, "test_inspect_kinds.c"));
    ck_assert_int_gt(task->await_line, 0);
    ck_assert_uint_le(task->state_ns, task->age_ns);
    atomic_store(&looked, true);
}

/* On the loop's own thread, in a task. */
static int look_around(void *arg)
{
    (void)arg;
    struct survey *survey = survey_new(executor_scheduler(executor_current()), false);
    ck_assert_ptr_nonnull(survey);
    survey_take(survey);
    ck_assert(survey_sort(survey));
    for (size_t i = 0; i < survey->count; i++) {
        if (strcmp(survey->sorted[i]->info.name, "wait_spawn") == 0)
            judge_spawn(&survey->sorted[i]->info);
    }
    survey_free(&survey);
    return ACKD_OK;
}

/* It goes on before the loop does: only the task that it starts can see it wait. */
static int wait_spawn(void *arg)
{
    const struct ackd_task_options options = {.name = "look_around",
                                              .flags = ACKD_TASK_START_INLINE};
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, look_around, arg, &options, NULL));
    return ackd_scope_join(&scope);
}

#define WAITS_IN(fn, what, passing)  \
    {                                \
        (fn), #fn, (what), (passing) \
    }
static const struct {
    ackd_task_fn *fn;
    const char *function;
    const char *what;
    bool passing; /* it waits for no longer than a turn */
} waits[] = {
    /* Only where there is a broker: tests/broker/test_publish.sh shows it. */
    [WAIT_PUBLISH] = {.function = "wait_publish"},
    [WAIT_TIMER] = WAITS_IN(wait_timer, NULL, false),
    [WAIT_TASK] = WAITS_IN(wait_task, "first", false),
    [WAIT_SCOPE] = WAITS_IN(wait_scope, NULL, false),
    [WAIT_YIELD] = WAITS_IN(wait_yield, NULL, true),
    [WAIT_ROOM] = WAITS_IN(wait_room, NULL, false),
    [WAIT_SPAWN] = WAITS_IN(wait_spawn, "look_around", true),
    [WAIT_PROCESS] = WAITS_IN(wait_process, "sleep", false),
    [WAIT_PIPE] = WAITS_IN(wait_pipe, NULL, false),
    [WAIT_LOCAL] = WAITS_IN(wait_local, "make_local", false),
    [WAIT_OFFLOAD] = WAITS_IN(wait_offload, "hold_thread", false),
    [WAIT_THREAD] = WAITS_IN(wait_thread, "hold_thread", false),
    [WAIT_FILE] = WAITS_IN(wait_file, "/dev/null", false),
    [WAIT_DESCRIPTOR] = WAITS_IN(wait_descriptor, NULL, false),
    [WAIT_SOCKET] = WAITS_IN(wait_socket, NULL, false),
    [WAIT_NAME] = WAITS_IN(wait_name, "nowhere.invalid", false),
    [WAIT_SIGNAL] = WAITS_IN(wait_signal, NULL, false),
    [WAIT_SEMAPHORE] = WAITS_IN(wait_semaphore, "permits", false),
    [WAIT_MUTEX] = WAITS_IN(wait_mutex, "table", false),
    [WAIT_EVENT] = WAITS_IN(wait_event, "started", false),
    [WAIT_ONCE] = WAITS_IN(wait_once, "make_once", false),
    [WAIT_PERIODIC] = WAITS_IN(wait_periodic, NULL, false),
    [WAIT_MAILBOX] = WAITS_IN(wait_mailbox, "letters", false),
    [WAIT_PROMISE] = WAITS_IN(wait_promise, "answer", false),
    [WAIT_WHEN_ALL] = WAITS_IN(wait_when_all, NULL, false),
    [WAIT_WHEN_ANY] = WAITS_IN(wait_when_any, NULL, false),
    [WAIT_RACE] = WAITS_IN(wait_race, NULL, false),
    [WAIT_HEDGE] = WAITS_IN(wait_hedge, NULL, false),
    [WAIT_FOR_EACH] = WAITS_IN(wait_for_each, "orders", false),
};
_Static_assert(sizeof waits / sizeof waits[0] == WAIT_KIND_COUNT,
               "a kind of wait without a task that waits so");

/* By kind: for how long it was seen to wait; not at all: UINT64_MAX. */
struct looks {
    uint64_t since_ns[WAIT_KIND_COUNT];
};

static void look_nowhere_yet(struct looks *looks)
{
    for (size_t i = 0; i < WAIT_KIND_COUNT; i++)
        looks->since_ns[i] = UINT64_MAX;
}

/* What is on its way there waits for something else, or not at all. */
static void look_at_task(const struct ackd_task_info *task, void *arg)
{
    struct looks *looks = arg;
    ck_assert_str_eq(task->loop, "loop 0");
    ck_assert_uint_eq(task->busy_ns + task->ready_ns + task->awaiting_ns, task->age_ns);
    for (size_t i = 0; i < WAIT_KIND_COUNT; i++) {
        if (!waits[i].passing && task->state != ACKD_TASK_AWAITING)
            continue; /* it was woken, and goes on */
        if (task->depth != 1 || waits[i].fn == NULL || strcmp(task->name, waits[i].function) != 0 ||
            task->await_kind == NULL ||
            strcmp(task->await_kind, wait_kind_name((enum wait_kind)i)) != 0)
            continue;
        if (waits[i].what != NULL) {
            ck_assert_ptr_nonnull(task->await_what);
            ck_assert_str_eq(task->await_what, waits[i].what);
        }
        ck_assert_str_eq(task->await_function, waits[i].function);
        ck_assert_ptr_nonnull(strstr(task->await_file, "test_inspect_kinds.c"));
        ck_assert_int_gt(task->await_line, 0);
        ck_assert_uint_le(task->state_ns, task->age_ns);
        ck_assert_uint_gt(task->parent_id, 0);
        looks->since_ns[i] = task->state_ns;
    }
}

static int open_all(void)
{
    const struct ackd_mailbox_options options = {.name = "letters", .capacity = 1};
    ACKD_TRY(ackd_semaphore_init(&semaphore, "permits", 0, 1));
    ackd_mutex_init(&mutex, "table");
    ackd_event_init(&event, "started", false);
    ACKD_TRY(ackd_mailbox_new(&options, &mailbox));
    ACKD_TRY(ackd_promise_new("answer", &promise));
    return ackd_mutex_lock(&mutex);
}

static int close_all(void)
{
    ACKD_TRY(ackd_mutex_unlock(&mutex));
    ackd_mutex_fini(&mutex);
    ackd_semaphore_fini(&semaphore);
    ackd_event_fini(&event);
    ackd_mailbox_free(&mailbox);
    ackd_promise_unref(promise);
    return ACKD_OK;
}

static int wait_in_all_ways(void *arg)
{
    (void)arg;
    ACKD_TRY(open_all());
    ACKD_SCOPE(scope);
    struct ackd_task *first;
    const struct ackd_task_options of_first = {.name = "first"};
    ACKD_TRY(ackd_spawn_task(&scope, wait_timer, NULL, &of_first, &first));
    for (size_t i = 0; i < WAIT_KIND_COUNT; i++) {
        const struct ackd_task_options named = {.name = waits[i].function};
        if (waits[i].fn == NULL)
            continue;
        ACKD_TRY(ackd_spawn_task(&scope, waits[i].fn, first, &named, NULL));
    }
    while (!atomic_load(&done))
        ACKD_TRY(ackd_delay(2));
    ackd_scope_cancel(&scope, ACKD_CANCEL_REQUESTED);
    error_ignore(ackd_scope_join(&scope)); /* all were cancelled */
    atomic_store(&cancelled, true);
    ackd_task_unref(first);
    return close_all();
}

static void *run_loop(void *arg)
{
    (void)arg;
    ck_assert_int_eq(ackd_block_on(runtime, wait_in_all_ways, NULL), ACKD_OK);
    return NULL;
}

/* The first that was not seen; NULL: all were. */
static const char *unseen(const struct looks *looks)
{
    for (size_t i = 0; i < WAIT_KIND_COUNT; i++) {
        if (waits[i].fn != NULL && i != WAIT_SPAWN && looks->since_ns[i] == UINT64_MAX)
            return waits[i].function;
    }
    return atomic_load(&looked) ? NULL : "wait_spawn";
}

static void look(struct looks *looks)
{
    look_nowhere_yet(looks);
    ck_assert_int_eq(ackd_tasks_visit(runtime, 0, look_at_task, looks), ACKD_OK);
}

/* The dump, as text to be freed. */
static char *dumped(unsigned flags)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(ackd_tasks_dump(runtime, fileno(file), flags), ACKD_OK);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(size + 1, 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(fread(text, 1, size, file), size);
    fclose(file);
    return text;
}

static void check_dumps(void)
{
    char *text = dumped(ACKD_DUMP_TEXT), *json = dumped(ACKD_DUMP_JSON);
    for (size_t i = 0; i < WAIT_KIND_COUNT; i++) {
        char expected[128];
        const char *kind = wait_kind_name((enum wait_kind)i), *what = waits[i].what;
        if (waits[i].fn == NULL)
            continue;
        if (i == WAIT_SPAWN)
            continue;
        snprintf(expected, sizeof expected, "%s: awaiting %s%s%s", waits[i].function, kind,
                 what == NULL ? "" : " ", what == NULL ? "" : what);
        ck_assert_msg(strstr(text, expected) != NULL, "%s: %s", expected, text);
        snprintf(expected, sizeof expected, "\"kind\":\"%s\",\"what\":", kind);
        ck_assert_msg(strstr(json, expected) != NULL, "%s: %s", expected, json);
    }
    ck_assert_msg(strstr(text, "\n +-#") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "\n   +-#") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "idle ") != NULL, "%s", text);
    free(text);
    free(json);
}

START_TEST(rule_i1_each_kind_of_wait_is_shown_with_what_where_and_since_when)
{
    enum { TRIES = 10000, PAUSE_MS = 20 };
    const struct ackd_runtime_options options = {.loops = 1, .tasks_max = TASKS_MAX};
    struct looks before, after;
    pthread_t thread;
    for (size_t i = 0; i < WAIT_KIND_COUNT; i++)
        ck_assert_msg(waits[i].fn != NULL || i == WAIT_PUBLISH, "%s",
                      wait_kind_name((enum wait_kind)i));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(ackd_runtime_new(&options, &runtime), ACKD_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, NULL), 0);
    while (!atomic_load(&syncing)) /* what comes before is a file, too */
        sleep_ms(1);
    look(&before);
    for (int i = 0; i < TRIES && unseen(&before) != NULL; i++) {
        sleep_ms(1);
        look(&before);
    }
    ck_assert_msg(unseen(&before) == NULL, "%s", unseen(&before));
    sleep_ms(PAUSE_MS);
    look(&after);
    ck_assert_ptr_null(unseen(&after));
    for (size_t i = 0; i < WAIT_KIND_COUNT; i++) {
        if (waits[i].fn != NULL && !waits[i].passing)
            ck_assert_msg(after.since_ns[i] >= before.since_ns[i] + PAUSE_MS / 2 * NS_PER_MS, "%s",
                          waits[i].function);
    }
    check_dumps();
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    ackd_runtime_free(&runtime);
    close(sockets[1]);
    close(pipes[0]);
    close(pipes[1]);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("host/inspect_kinds");
    TCase *tc = tcase_create("kinds");
    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, rule_i1_each_kind_of_wait_is_shown_with_what_where_and_since_when);
    suite_add_tcase(suite, tc);
    return suite;
}
