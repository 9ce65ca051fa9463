/* SPDX-License-Identifier: MIT */
/*
 * blocking_on_a_result - F().Result and F().Wait() hold the thread that F needs to go on: the classic
 * deadlock, and under load a pool without threads.
 *
 * Here there is no blocking wait that a task could call: ackd_block_on, which is for threads outside,
 * refuses at once. And none is needed: a plain call waits without holding a thread.
 *
 * says: the mistake: E_ON_LOOP
 * says: got 42
 * says: instead: OK
 */
#include "example.h"

static int answer;

static int fetch(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_delay(5));
    answer = 42;
    return ACKD_OK;
}

static int mistake(void *arg)
{
    return ackd_block_on(arg, fetch, NULL); /* fetch().Result */
}

static int instead(void *arg)
{
    ACKD_TRY(fetch(arg)); /* await fetch() */
    printf("got %d\n", answer);
    return ACKD_OK;
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}
