/* SPDX-License-Identifier: MIT */
/*
 * async_without_await - a method that is async in name only: it calls something synchronous, and the
 * thread is held all the same.
 *
 * Here nothing is declared asynchronous, so nothing can be so in name only. What holds the loop is
 * seen by the watchdog, which names the task, the system call and the place. What awaits does not
 * hold it: the other task goes on meanwhile.
 *
 * says: task #[0-9]+ 'read_config'
 * says: blocked in read
 * says: the mistake: OK
 * says: beats of the other task meanwhile: many
 * says: instead: OK
 */
#define ACKD_ALLOW_BLOCKING /* the other thread may pause */
#include "example.h"

#include <pthread.h>
#include <unistd.h>

static int ends[2];
static int beats;

static void *write_late(void *arg)
{
    (void)arg;
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    EXPECT(write(ends[1], "x", 1) == 1);
    return NULL;
}

/* Something is in the pipe 200 ms from now. */
static void make_pipe(pthread_t *thread)
{
    EXPECT(pipe(ends) == 0);
    EXPECT(pthread_create(thread, NULL, write_late, NULL) == 0);
}

static int beat(void *arg)
{
    (void)arg;
    for (;; beats++)
        ACKD_TRY(ackd_delay(5));
}

static int read_config(void *arg)
{
    char byte;
    (void)arg;
    EXPECT(read(ends[0], &byte, 1) == 1); /* holds the loop, and everybody on it */
    return ACKD_OK;
}

static int with_a_beat(ackd_task_fn *fn)
{
    pthread_t thread;
    make_pipe(&thread);
    beats = 0;
    ACKD_SCOPE(both);
    ACKD_TRY(ackd_spawn(&both, beat, NULL));
    struct ackd_task *task;
    ACKD_TRY(ackd_spawn_task(&both, fn, NULL, &(struct ackd_task_options){.name = "read_config"},
                             &task));
    int code = ackd_await(task);
    ackd_task_unref(task);
    EXPECT(pthread_join(thread, NULL) == 0);
    close(ends[0]);
    close(ends[1]);
    return code;
}

static int mistake(void *arg)
{
    (void)arg;
    ACKD_TRY(with_a_beat(read_config));
    EXPECT(beats <= 2);
    return ACKD_OK;
}

static int read_on_the_pool(void *arg, struct ackd_token token)
{
    (void)token;
    return read_config(arg);
}

static int read_awaiting(void *arg)
{
    return ackd_offload(read_on_the_pool, arg);
}

static int instead(void *arg)
{
    (void)arg;
    ACKD_TRY(with_a_beat(read_awaiting));
    printf("beats of the other task meanwhile: %s\n", beats > 5 ? "many" : "none");
    return ACKD_OK;
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}
