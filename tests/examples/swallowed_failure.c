/* SPDX-License-Identifier: MIT */
/*
 * swallowed_failure - a task that fails and is never awaited tells nobody.
 *
 * Here the last handle of a failed task that nobody looked at reports it, with the place that spawned
 * it. Nothing has to be remembered for that.
 *
 * says: nobody looked at a failure
 * says: disk is full
 * says: spawned_at=.*swallowed_failure.c:[0-9]+
 * says: the mistake: OK
 * says: heard of: disk is full
 * says: instead: OK
 */
#include "example.h"

static int save(void *arg)
{
    (void)arg;
    return ackd_fail(ACKD_E_OS, "disk is full");
}

static int mistake(void *arg)
{
    (void)arg;
    ACKD_SCOPE_SUPERVISED(background);
    ACKD_TRY(ackd_spawn(&background, save, NULL));
    return ACKD_OK; /* and never a look at what became of it */
}

static int instead(void *arg)
{
    (void)arg;
    ACKD_SCOPE(background);
    ACKD_TRY(ackd_spawn(&background, save, NULL));
    if (ackd_scope_join(&background) != ACKD_OK)
        printf("heard of: %s\n", ackd_error_text(ackd_error_current()));
    return ACKD_OK;
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}
