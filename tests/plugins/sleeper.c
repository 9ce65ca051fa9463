/* SPDX-License-Identifier: MIT */
/*
 * sleeper - a handler that blocks its loop in the way that the message names, and tells what came of
 * it: "CALL RESULT ERRNO TOOK-MS", a line each.
 */
#define ACKD_ALLOW_BLOCKING
#include <ackd/ackd.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long sleeper_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static volatile unsigned naps;

static __attribute__((noinline)) int take_a_nap(unsigned ms)
{
    int code = usleep(ms * 1000);
    naps = naps + 1; /* so that the call is not the last thing done: it has a frame of its own */
    return code;
}

static int sleeper_lookup(void)
{
    struct addrinfo *first = NULL;
    int code = getaddrinfo("127.0.0.1", NULL, NULL, &first);
    if (code == 0)
        freeaddrinfo(first);
    return code;
}

static int sleeper_lock(void)
{
    FILE *file = tmpfile();
    if (file == NULL)
        return 99;
    int code = flock(fileno(file), LOCK_EX | LOCK_NB) == 0 ? flock(fileno(file), LOCK_EX) : 98;
    int kept = errno;
    fclose(file);
    errno = kept;
    return code;
}

static int sleeper_wait_until(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    pthread_mutex_lock(&mutex);
    int code = pthread_cond_timedwait(&condition, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    return code == ETIMEDOUT ? 0 : code;
}

static int sleeper_take(int count)
{
    sem_t semaphore;
    sem_init(&semaphore, 0, (unsigned)count);
    int code = sem_wait(&semaphore);
    sem_destroy(&semaphore);
    return code;
}

static int sleeper_do(const char *call)
{
    const struct timespec moment = {0, 1000000};
    struct timeval brief = {0, 1000};
    if (strcmp(call, "usleep") == 0)
        return take_a_nap(2);
    if (strcmp(call, "usleep-long") == 0)
        return take_a_nap(2000);
    if (strcmp(call, "permitted") == 0)
        return ACKD_BLOCKING(usleep(1000));
    if (strcmp(call, "sleep") == 0)
        return (int)sleep(1);
    if (strcmp(call, "nanosleep") == 0)
        return nanosleep(&moment, NULL);
    if (strcmp(call, "clock_nanosleep") == 0)
        return clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
    if (strcmp(call, "poll") == 0)
        return poll(NULL, 0, 1);
    if (strcmp(call, "poll-zero") == 0)
        return poll(NULL, 0, 0);
    if (strcmp(call, "select") == 0)
        return select(0, NULL, NULL, NULL, &brief);
    if (strcmp(call, "getaddrinfo") == 0)
        return sleeper_lookup();
    if (strcmp(call, "system") == 0)
        return system("true");
    if (strcmp(call, "waitpid") == 0)
        return waitpid(-1, NULL, 0);
    if (strcmp(call, "waitpid-nohang") == 0)
        return waitpid(-1, NULL, WNOHANG);
    if (strcmp(call, "fsync") == 0)
        return fsync(STDIN_FILENO);
    if (strcmp(call, "flock") == 0)
        return sleeper_lock();
    if (strcmp(call, "cond") == 0)
        return sleeper_wait_until();
    if (strcmp(call, "sem") == 0)
        return sleeper_take(0);
    if (strcmp(call, "file") == 0)
        return ackd_file_stat("/", &(struct ackd_file_info){.size = 0});
    return strcmp(call, "sem-free") == 0 ? sleeper_take(1) : 97;
}

static int handle(const struct ackd_message *message, void *state)
{
    char call[64];
    struct ackd_bytes body = ackd_message_body(message);
    (void)state;
    snprintf(call, sizeof call, "%.*s", (int)body.size, (const char *)body.data);
    long begin_ms = sleeper_now_ms();
    errno = 0;
    int code = sleeper_do(call);
    int os_code = errno;
    printf("%s %d %s %ld\n", call, code, os_code == EDEADLK ? "EDEADLK" : "-",
           sleeper_now_ms() - begin_ms);
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "sleeper", .handle = handle);
