/* SPDX-License-Identifier: MIT */
/*
 * first_exception_only - await Task.WhenAll(...) throws the first exception; the others are in a
 * property that few look at.
 *
 * Here when_all returns all of them, in the order of its tasks, and printing the error prints each
 * once. Looking at one's code alone is possible, and seen to be so.
 *
 * says: the mistake: E_AGGREGATE
 * says: east is down
 * says: north is down
 * says: west is down
 * says: instead: OK
 */
#include "example.h"

#include <string.h>

static int ask(void *arg)
{
    ACKD_TRY(ackd_delay(strlen(arg)));
    return ackd_fail(ACKD_E_DISCONNECTED, "%s is down", (const char *)arg);
}

static int ask_all(void)
{
    static char places[][8] = {"east", "north", "west"};
    struct ackd_task *tasks[3] = {0};
    ACKD_SCOPE_SUPERVISED(calls);
    for (size_t i = 0; i < 3; i++) {
        const struct ackd_task_options options = {.name = places[i]};
        ACKD_TRY(ackd_spawn_task(&calls, ask, places[i], &options, &tasks[i]));
    }
    int code = ackd_when_all(tasks, 3);
    for (size_t i = 0; i < 3; i++)
        ackd_task_unref(tasks[i]);
    return code;
}

static int mistake(void *arg)
{
    (void)arg;
    return ask_all();
}

static int instead(void *arg)
{
    (void)arg;
    EXPECT(ask_all() == ACKD_E_AGGREGATE);
    const struct ackd_error *error = ackd_error_current();
    EXPECT(ackd_error_child_count(error) == 3);
    for (size_t i = 0; i < 3; i++)
        printf("%s\n", ackd_error_text(ackd_error_child(error, i)));
    return ACKD_OK;
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}
