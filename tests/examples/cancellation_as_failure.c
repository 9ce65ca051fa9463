/* SPDX-License-Identifier: MIT */
/*
 * cancellation_as_failure - catch (Exception e) { logger.LogError(e) } also catches the
 * OperationCanceledException of an orderly shutdown, and the log is full of "errors"; and a timeout
 * arrives as a TaskCanceledException that nobody understands.
 *
 * Here cancelled is not failed: it has no error, a state and a reason of its own, and it is not
 * logged. A limit of your own that passes is a failure, and says what was awaited. Code that makes a
 * failure of a cancellation has to do so in so many words.
 *
 * says: the mistake: E_INTERNAL: query failed
 * says: cancelled, reason requested, no error
 * says: own limit: E_TIMEOUT: a limit of 10 ms passed .* awaiting timer
 * says: instead: OK
 */
#include "example.h"

static int query(void *arg)
{
    (void)arg;
    return ackd_delay(10000);
}

static int log_everything(void *arg)
{
    if (query(arg) != ACKD_OK) /* also when it was cancelled */
        return ackd_fail(ACKD_E_INTERNAL, "query failed");
    return ACKD_OK;
}

static int run_and_cancel(ackd_task_fn *fn, struct ackd_task **ret_task)
{
    ACKD_SCOPE(work);
    ACKD_TRY(
        ackd_spawn_task(&work, fn, NULL, &(struct ackd_task_options){.name = "query"}, ret_task));
    ACKD_TRY(ackd_delay(5));
    ackd_scope_cancel(&work, ACKD_CANCEL_REQUESTED);
    return ackd_scope_join(&work);
}

static int mistake(void *arg)
{
    (void)arg;
    struct ackd_task *task = NULL;
    int code = run_and_cancel(log_everything, &task);
    ackd_task_unref(task);
    return code;
}

static int instead(void *arg)
{
    (void)arg;
    struct ackd_task *task = NULL;
    EXPECT(run_and_cancel(query, &task) == ACKD_CANCELED);
    EXPECT(ackd_task_state(task) == ACKD_TASK_CANCELED);
    EXPECT(ackd_task_error(task) == NULL);
    ackd_task_unref(task);
    printf("cancelled, reason requested, no error\n");

    struct ackd_deadline limit;
    ackd_deadline_push(&limit, 10);
    int code = ackd_deadline_pop(&limit, query(NULL));
    printf("own limit: %s: %s\n", ackd_code_name(code), ackd_error_text(ackd_error_current()));
    return ACKD_OK;
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}
