/* SPDX-License-Identifier: MIT */
/*
 * stolen_thread - Thread.Sleep after an await: the continuation runs on a thread of the pool, and keeps
 * it.
 *
 * Here sleep() in a handler does not compile:
 *
 *     error: call to 'sleep' declared with attribute error: ackd: sleep() blocks the whole loop; use
 *     ackd_delay()
 *
 * (tests/static/blocking.sh holds that.) ACKD_ALLOW_BLOCKING, below, takes the refusal away, as code
 * does that never heard of it, such as a library: then the watchdog names the task and the call.
 *
 * says: task #[0-9]+ 'mistake'
 * says: blocked in
 * says: the mistake: OK
 * says: instead: OK
 */
#define ACKD_ALLOW_BLOCKING
#include "example.h"

#include <unistd.h>

static int mistake(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_delay(1));
    usleep(200000);
    return ACKD_OK;
}

static int instead(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_delay(1));
    return ackd_delay(200);
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}
