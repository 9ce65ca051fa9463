/* SPDX-License-Identifier: MIT */
/* test_uv - libraries that are made for libuv, beside tasks. */
#include <config.h>

#include <ackd/ackd.h>
#include <ackd/uv.h>
#include <string.h>
#include <uv.h>

#include "main.h"
#include "stage.h"

/* What a callback was refused, outside of tasks. */
static struct {
    int codes[6];
    bool called;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct ackd_promise *promise;
} rung;

static void handle_closed(uv_handle_t *handle)
{
    (void)handle;
}

static void ring(uv_timer_t *timer)
{
    struct ackd_tcp *tcp = NULL;
    struct ackd_signal *signal = NULL;
    struct ackd_address address;
    struct ackd_promise *promise = timer->data;
    size_t count;
    rung.called = true;
    rung.loop = ackd_uv_loop();
    rung.codes[0] = ackd_delay(1);
    rung.codes[1] = ackd_yield();
    rung.codes[2] = ackd_tcp_connect("127.0.0.1", 1, &tcp);
    rung.codes[3] = ackd_resolve("127.0.0.1", 1, &address, 1, &count);
    rung.codes[4] = ackd_signal_open(10, &signal);
    rung.codes[5] = ackd_promise_await(promise, NULL);
    ackd_promise_resolve(promise, &rung);
    ackd_promise_unref(promise);
    uv_close((uv_handle_t *)timer, handle_closed);
}

static int await_timer(void *arg)
{
    (void)arg;
    struct ackd_promise *promise;
    void *value = NULL;
    ACKD_TRY(ackd_promise_new("a timer of libuv", &promise));
    TASK_CHECK(uv_timer_init(ackd_uv_loop(), &rung.timer) == 0);
    rung.timer.data = ackd_promise_ref(promise);
    TASK_CHECK(uv_timer_start(&rung.timer, ring, 5, 0) == 0);
    int code = ackd_promise_await(promise, &value);
    ackd_promise_unref(promise);
    TASK_CHECK_CODE(code, ACKD_OK);
    TASK_CHECK(value == &rung);
    return ACKD_OK;
}

START_TEST(rule_a2_a_callback_of_libuv_cannot_await)
{
    ck_assert_ptr_null(ackd_uv_loop());
    stage_expect(await_timer, NULL);
    ck_assert(rung.called);
    ck_assert_ptr_nonnull(rung.loop);
    for (size_t i = 0; i < sizeof rung.codes / sizeof rung.codes[0]; i++)
        ck_assert_int_eq(rung.codes[i], ACKD_E_NOT_IN_TASK);
    ck_assert_ptr_null(ackd_uv_loop());
}
END_TEST

/* As the header shows it: a request to the file system as a call that waits. */
struct question {
    uv_fs_t request;
    struct ackd_promise *promise;
    uint64_t size;
};

static void question_answered(uv_fs_t *request)
{
    struct question *question = request->data;
    if (request->result < 0) {
        ackd_promise_fail(question->promise, ackd_fail(ACKD_E_NOT_FOUND, "%s: %s", request->path,
                                                       uv_strerror((int)request->result)));
    } else {
        question->size = request->statbuf.st_size;
        ackd_promise_resolve(question->promise, &question->size);
    }
    ackd_promise_unref(question->promise);
    uv_fs_req_cleanup(request);
}

static int ask_for_size(struct question *question, const char *path, uint64_t *ret_size)
{
    struct ackd_promise *promise;
    void *size;
    ACKD_TRY(ackd_promise_new(path, &promise));
    question->promise = ackd_promise_ref(promise);
    question->request.data = question;
    TASK_CHECK(uv_fs_stat(ackd_uv_loop(), &question->request, path, question_answered) == 0);
    int code = ackd_promise_await(promise, &size);
    ackd_promise_unref(promise);
    if (code == ACKD_OK)
        *ret_size = *(const uint64_t *)size;
    return code;
}

static int ask(void *arg)
{
    (void)arg;
    static struct question there, missing;
    uint64_t size = 0;
    ACKD_TRY(ask_for_size(&there, "/proc/self/exe", &size));
    TASK_CHECK(size > 1000);
    TASK_CHECK_CODE(ask_for_size(&missing, "/nowhere/at/all", &size), ACKD_E_NOT_FOUND);
    TASK_CHECK_TEXT("/nowhere/at/all: no such file");
    return ACKD_OK;
}

START_TEST(test_a_callback_becomes_a_call_that_waits)
{
    stage_expect(ask, NULL);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/uv");
    TCase *tc = tcase_create("uv");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, rule_a2_a_callback_of_libuv_cannot_await);
    tcase_add_test(tc, test_a_callback_becomes_a_call_that_waits);
    suite_add_tcase(suite, tc);
    return suite;
}
