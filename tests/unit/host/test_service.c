/* SPDX-License-Identifier: MIT */
/* Services of a program: their order, what their failures lead to, and how long a stop takes. */
#include <config.h>
#define ACKD_ALLOW_BLOCKING /* one of them holds its loop */

#include <ackd/ackd.h>
#include <ackd/runtime.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "main.h"

enum { SERVICES = 4 };

/* What one does, and what was seen of it. */
struct act {
    char letter;
    int start_code, run_code, stop_code; /* what the functions return */
    unsigned start_ms, run_ms, stop_ms;  /* after so long */
    bool spins;                          /* run() computes before it awaits */
    bool stubborn;                       /* run() does not look at cancellation */
    bool stops;                          /* run() stops the runtime */
    atomic_uint runs;
    atomic_int reason; /* why run() was asked to stop */
    uint64_t asked_ms, canceled_ms;
};

static struct ackd_runtime *runtime;
static struct act acts[SERVICES];
static char story[256]; /* of one loop: started "a", run "(a", ended "a)", stopped "A" */
static char log_text[16384];
static atomic_uint log_length;
static uint64_t stop_asked_ms;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void sleep_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static void log_keep(const struct log_record *record, void *arg)
{
    char line[2048];
    (void)arg;
    size_t length = log_format_logfmt(record, line, sizeof line - 1);
    line[length++] = '\n';
    unsigned at = atomic_fetch_add(&log_length, (unsigned)length);
    if (at + length < sizeof log_text)
        memcpy(log_text + at, line, length);
}

static void tell(const char *before, char letter, const char *after)
{
    size_t length = strlen(story);
    snprintf(story + length, sizeof story - length, "%s%c%s", before, letter, after);
}

static int act_end(int code, const char *what, char letter)
{
    return code == ACKD_OK ? ACKD_OK : ackd_fail(code, "%s of %c", what, letter);
}

static int act_start(void *state)
{
    struct act *act = state;
    ACKD_TRY(ackd_delay(act->start_ms));
    tell("", act->letter, "");
    return act_end(act->start_code, "the start", act->letter);
}

static void act_stop_runtime(void)
{
    stop_asked_ms = now_ms();
    ackd_runtime_stop(runtime);
}

static int act_run(void *state)
{
    struct act *act = state;
    atomic_fetch_add(&act->runs, 1);
    tell("(", act->letter, "");
    if (act->spins)
        sleep_ms(200);
    if (act->stops)
        act_stop_runtime();
    int code = act->run_ms == 0 ? ackd_delay(3600000) : ackd_delay(act->run_ms);
    act->canceled_ms = now_ms();
    atomic_store(&act->reason, (int)ackd_cancel_reason());
    while (act->stubborn)
        sleep_ms(1);
    tell("", act->letter, ")");
    return act->run_code == ACKD_OK ? code : act_end(act->run_code, "the run", act->letter);
}

static int act_stop(void *state)
{
    struct act *act = state;
    ACKD_TRY(ackd_delay(act->stop_ms));
    tell("", (char)(act->letter - 'a' + 'A'), "");
    return act_end(act->stop_code, "the stop", act->letter);
}

static void begin(const struct ackd_runtime_options *options)
{
    static const struct ackd_runtime_options one = {.loops = 1};
    memset(acts, 0, sizeof acts);
    memset(log_text, 0, sizeof log_text);
    atomic_store(&log_length, 0);
    story[0] = '\0';
    stop_asked_ms = 0;
    for (int i = 0; i < SERVICES; i++)
        acts[i].letter = (char)('a' + i);
    log_use(log_keep, NULL);
    ck_assert_int_eq(ackd_runtime_new(options == NULL ? &one : options, &runtime), ACKD_OK);
}

static void add(int index, enum ackd_service_failure on_failure)
{
    static const char *const names[] = {"first", "second", "third", "fourth"};
    struct ackd_service service = {.name = names[index],
                                   .state = &acts[index],
                                   .start = act_start,
                                   .run = act_run,
                                   .stop = act_stop,
                                   .on_failure = on_failure};
    ck_assert_int_eq(ackd_runtime_add_service(runtime, &service), ACKD_OK);
}

static void add_all(int count)
{
    for (int i = 0; i < count; i++)
        add(i, ACKD_SERVICE_STOP_HOST);
}

static void end(void)
{
    ackd_runtime_free(&runtime);
    log_use(NULL, NULL);
}

static const char *error_text(void)
{
    static char text[4096];
    ackd_error_format(ackd_error_current(), text, sizeof text);
    return text;
}

START_TEST(rule_h1_services_start_in_order_and_stop_in_reverse)
{
    begin(NULL);
    add_all(3);
    acts[0].start_ms = 20; /* the next one waits for it */
    acts[2].stops = true;
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_str_eq(story, "abc(a(b(cc)Cb)Ba)A");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(atomic_load(&acts[i].reason), ACKD_CANCEL_SHUTDOWN);
    end();
}
END_TEST

START_TEST(rule_h1_a_failure_to_start_stops_those_that_had)
{
    begin(NULL);
    add_all(4);
    acts[2].start_code = ACKD_E_USER;
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_E_USER);
    ck_assert_str_eq(story, "abcBA"); /* no run(), and nothing of the fourth */
    ck_assert_msg(strstr(error_text(), "start() of service 'third' failed") != NULL, "%s",
                  error_text());
    ck_assert_msg(strstr(error_text(), "the start of c") != NULL, "%s", error_text());
    ck_assert_ptr_nonnull(strstr(log_text, "the start of c"));
    end();
}
END_TEST

START_TEST(rule_h2_a_run_never_delays_the_next_start)
{
    begin(NULL);
    add_all(2);
    acts[0].spins = true;
    acts[1].stops = true;
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_str_eq(story, "ab(a(bb)Ba)A"); /* b had started before a's run began */
    end();
}
END_TEST

START_TEST(rule_h3_failures_at_the_stop_are_all_told)
{
    begin(NULL);
    add_all(3);
    acts[0].stop_code = ACKD_E_USER - 1;
    acts[1].run_code = ACKD_E_USER - 2;
    acts[2].stop_code = ACKD_E_USER - 3;
    acts[2].stops = true;
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_E_AGGREGATE);
    ck_assert_str_eq(story, "abc(a(b(cc)Cb)Ba)A"); /* none keeps the others from it */
    static const char *const texts[] = {"the stop of c", "the run of b", "the stop of a"};
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(strstr(error_text(), texts[i]) != NULL, "%s", error_text());
        ck_assert_ptr_nonnull(strstr(log_text, texts[i]));
    }
    ck_assert_uint_eq(ackd_error_child_count(ackd_error_current()), 3);
    end();
}
END_TEST

START_TEST(rule_h4_a_failing_run_stops_the_host_and_fails_it)
{
    begin(NULL);
    add_all(3);
    acts[1].run_ms = 10;
    acts[1].run_code = ACKD_E_USER;
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_E_USER);
    ck_assert_str_eq(story, "abc(a(b(cb)c)CBa)A");
    ck_assert_msg(strstr(error_text(), "run() of service 'second' failed") != NULL, "%s",
                  error_text());
    end();
}
END_TEST

static int stop_soon(void *state)
{
    ACKD_TRY(ackd_delay(*(unsigned *)state));
    act_stop_runtime();
    return ACKD_OK;
}

static void add_stopper(unsigned *after_ms)
{
    struct ackd_service service = {.name = "stopper", .state = after_ms, .run = stop_soon};
    ck_assert_int_eq(ackd_runtime_add_service(runtime, &service), ACKD_OK);
}

START_TEST(rule_h4_a_failing_run_is_called_again_after_a_pause)
{
    unsigned after_ms = 3000;
    begin(NULL);
    add(0, ACKD_SERVICE_RESTART);
    acts[0].run_ms = 1;
    acts[0].run_code = ACKD_E_USER;
    add_stopper(&after_ms);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    unsigned runs = atomic_load(&acts[0].runs);
    ck_assert_uint_ge(runs, 2);  /* 500 ms and 1 s have passed at the latest */
    ck_assert_uint_le(runs, 12); /* and 50, 100, 200 ms at least */
    ck_assert_ptr_nonnull(strstr(log_text, "service-restart"));
    end();
}
END_TEST

START_TEST(rule_h4_a_failing_run_may_be_ignored)
{
    unsigned after_ms = 50;
    begin(NULL);
    add(0, ACKD_SERVICE_IGNORE);
    acts[0].run_ms = 1;
    acts[0].run_code = ACKD_E_USER;
    add_stopper(&after_ms);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_uint_eq(atomic_load(&acts[0].runs), 1);
    ck_assert_ptr_nonnull(strstr(log_text, "the run of a"));
    end();
}
END_TEST

START_TEST(rule_h5_returning_early_is_no_failure)
{
    unsigned after_ms = 50;
    begin(NULL);
    add_all(2);
    acts[0].run_ms = acts[1].run_ms = 1;
    add_stopper(&after_ms);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_ptr_nonnull(strstr(story, "BA"));
    end();
}
END_TEST

START_TEST(rule_h5_a_stop_before_the_start_does_nothing)
{
    begin(NULL);
    add_all(2);
    ackd_runtime_stop(runtime);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_str_eq(story, "");
    end();
    begin(NULL);
    add_all(2);
    end(); /* nor is it one to free what never ran */
    ck_assert_str_eq(story, "");
}
END_TEST

static void send_alarm(unsigned ms)
{
    struct itimerval soon = {.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};
    setitimer(ITIMER_REAL, &soon, NULL);
}

static void raise_term(int number)
{
    (void)number;
    stop_asked_ms = now_ms();
    kill(getpid(), SIGTERM);
}

START_TEST(a_stop_during_a_start_cancels_it)
{
    begin(NULL);
    add_all(2);
    acts[1].start_ms = 3600000;
    signal(SIGALRM, raise_term);
    signal(SIGTERM, SIG_IGN);
    ackd_runtime_free(&runtime);
    ck_assert_int_eq(
        ackd_runtime_new(&(struct ackd_runtime_options){.loops = 1, .signals = true}, &runtime),
        ACKD_OK);
    add_all(2);
    send_alarm(30);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_str_eq(story, "aA");
    end();
}
END_TEST

START_TEST(rule_h6_a_signal_cancels_what_services_await_at_once)
{
    begin(&(struct ackd_runtime_options){.loops = 2, .signals = true});
    add_all(2);
    signal(SIGALRM, raise_term);
    send_alarm(50);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_str_eq(story, "ab(a(bb)Ba)A");
    ck_assert_int_eq(atomic_load(&acts[0].reason), ACKD_CANCEL_SHUTDOWN);
    /* 10 ms, and what else this machine does */
    ck_assert_uint_le(acts[0].canceled_ms - stop_asked_ms, 1000);
    end();
}
END_TEST

START_TEST(rule_h8_a_clean_stop_is_quick)
{
    begin(NULL);
    add_all(4);
    acts[3].stops = true;
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_uint_le(now_ms() - stop_asked_ms, 1000); /* measured: a few */
    end();
}
END_TEST

/* In a process of its own: what outlives a stop is left behind there. */
static int in_a_process(void (*run)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        run();
        _exit(99);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "it ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* The exit status tells what was found. */
static void expect_survivor(const char *text)
{
    int code = ackd_runtime_run(runtime);
    if (code != ACKD_E_TIMEOUT || strstr(error_text(), text) == NULL) {
        fprintf(stderr, "%d: %s\n", code, error_text());
        _exit(1);
    }
    uint64_t before_ms = now_ms();
    ackd_runtime_free(&runtime); /* leaves what is left as it is, and does not hang */
    _exit(now_ms() - before_ms < 1000 ? 0 : 2);
}

static int shield_for_a_minute(void *state)
{
    struct ackd_shield shield;
    (void)state;
    ACKD_TRY(ackd_shield_push(&shield, 60000));
    act_stop_runtime();
    int code = ackd_delay(3600000);
    ackd_shield_pop(&shield);
    return code;
}

static void run_too_long(void)
{
    begin(&(struct ackd_runtime_options){.loops = 2, .shutdown_ms = 100});
    struct ackd_service service = {.name = "slow", .run = shield_for_a_minute, .loop = 1};
    add_all(1);
    if (ackd_runtime_add_service(runtime, &service) != ACKD_OK)
        _exit(3);
    expect_survivor("'slow.run' awaiting timer");
}

START_TEST(rule_h7_who_outlives_the_stop_is_named_with_what_it_awaits)
{
    ck_assert_int_eq(in_a_process(run_too_long), 0);
}
END_TEST

/* Each stop() for itself would be in time. */
static void stop_slowly(void)
{
    begin(&(struct ackd_runtime_options){.loops = 1, .shutdown_ms = 400});
    add_all(4);
    for (int i = 0; i < 4; i++)
        acts[i].stop_ms = 200;
    acts[3].stops = true;
    expect_survivor(".stop' awaiting timer");
}

START_TEST(rule_h3_all_stops_share_one_timeout)
{
    ck_assert_int_eq(in_a_process(stop_slowly), 0);
}
END_TEST

static void run_into_a_hog(void)
{
    begin(&(struct ackd_runtime_options){.loops = 2, .shutdown_ms = 100});
    add_all(1);
    acts[0].stubborn = acts[0].stops = true;
    expect_survivor("loop 0: no answer");
}

START_TEST(rule_h7_a_loop_that_is_held_is_named)
{
    ck_assert_int_eq(in_a_process(run_into_a_hog), 0);
}
END_TEST

static unsigned alarms;

static void raise_term_again(int number)
{
    raise_term(number);
    if (++alarms == 1)
        send_alarm(50);
}

static void run_into_two_signals(void)
{
    begin(&(struct ackd_runtime_options){.loops = 1, .shutdown_ms = 3600000, .signals = true});
    struct ackd_service service = {.name = "slow", .run = shield_for_a_minute};
    if (ackd_runtime_add_service(runtime, &service) != ACKD_OK)
        _exit(3);
    signal(SIGALRM, raise_term_again);
    send_alarm(50);
    expect_survivor("by a second signal");
}

START_TEST(rule_h7_a_second_signal_ends_it_at_once)
{
    ck_assert_int_eq(in_a_process(run_into_two_signals), 0);
}
END_TEST

static void raise_quit(int number)
{
    (void)number;
    kill(getpid(), SIGQUIT);
}

START_TEST(rule_i4_sigquit_lists_the_tasks_and_all_goes_on)
{
    unsigned after_ms = 200;
    begin(&(struct ackd_runtime_options){.loops = 2, .signals = true});
    add_all(1);
    add_stopper(&after_ms);
    signal(SIGALRM, raise_quit);
    send_alarm(50);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_msg(strstr(log_text, "first.run: awaiting timer") != NULL, "%s", log_text);
    end();
}
END_TEST

static int fail_detached(void *arg)
{
    ACKD_TRY(ackd_delay(3600000));
    tell("", ((struct act *)arg)->letter, "");
    return ACKD_OK;
}

static int observe(const struct ackd_task *task, int code, const struct ackd_error *error,
                   void *arg)
{
    (void)task;
    (void)error;
    (void)arg;
    tell("", code == ACKD_CANCELED ? '!' : '?', "");
    return ACKD_OK;
}

static int run_and_detach(void *state)
{
    ACKD_TRY(ackd_spawn_detached(ackd_owner_current(), fail_detached, state,
                                 &(struct ackd_task_options){.name = "detached"}, observe, NULL));
    act_stop_runtime();
    return act_run(state);
}

START_TEST(what_a_service_detached_ends_between_its_run_and_its_stop)
{
    begin(NULL);
    struct ackd_service service = {
        .name = "detaching", .state = &acts[0], .run = run_and_detach, .stop = act_stop};
    ck_assert_int_eq(ackd_runtime_add_service(runtime, &service), ACKD_OK);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_str_eq(story, "(aa)!A");
    end();
}
END_TEST

START_TEST(services_that_cannot_be_are_refused)
{
    begin(&(struct ackd_runtime_options){.loops = 2});
    static const struct ackd_service wrong[] = {
        {.run = act_run},
        {.name = "", .run = act_run},
        {.name = "elsewhere", .run = act_run, .loop = 2},
        {.name = "odd", .run = act_run, .on_failure = (enum ackd_service_failure)5},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(ackd_runtime_add_service(runtime, &wrong[i]), ACKD_E_INVAL);
    ackd_runtime_stop(runtime);
    ck_assert_int_eq(ackd_runtime_run(runtime), ACKD_OK);
    ck_assert_int_eq(
        ackd_runtime_add_service(runtime, &(struct ackd_service){.name = "late", .run = act_run}),
        ACKD_E_INVAL);
    end();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("host/service");
    TCase *tc = tcase_create("service");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, rule_h1_services_start_in_order_and_stop_in_reverse);
    tcase_add_test(tc, rule_h1_a_failure_to_start_stops_those_that_had);
    tcase_add_test(tc, rule_h2_a_run_never_delays_the_next_start);
    tcase_add_test(tc, rule_h3_failures_at_the_stop_are_all_told);
    tcase_add_test(tc, rule_h3_all_stops_share_one_timeout);
    tcase_add_test(tc, rule_h4_a_failing_run_stops_the_host_and_fails_it);
    tcase_add_test(tc, rule_h4_a_failing_run_is_called_again_after_a_pause);
    tcase_add_test(tc, rule_h4_a_failing_run_may_be_ignored);
    tcase_add_test(tc, rule_h5_returning_early_is_no_failure);
    tcase_add_test(tc, rule_h5_a_stop_before_the_start_does_nothing);
    tcase_add_test(tc, a_stop_during_a_start_cancels_it);
    tcase_add_test(tc, rule_h6_a_signal_cancels_what_services_await_at_once);
    tcase_add_test(tc, rule_h7_who_outlives_the_stop_is_named_with_what_it_awaits);
    tcase_add_test(tc, rule_h7_a_loop_that_is_held_is_named);
    tcase_add_test(tc, rule_h7_a_second_signal_ends_it_at_once);
    tcase_add_test(tc, rule_h8_a_clean_stop_is_quick);
    tcase_add_test(tc, rule_i4_sigquit_lists_the_tasks_and_all_goes_on);
    tcase_add_test(tc, what_a_service_detached_ends_between_its_run_and_its_stop);
    tcase_add_test(tc, services_that_cannot_be_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
