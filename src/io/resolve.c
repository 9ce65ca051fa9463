/* SPDX-License-Identifier: MIT */
/*
 * resolve - getaddrinfo on a thread. It must not know what the addresses are for.
 *
 * The job belongs to the loop's side and to the thread's side together; the last to let go frees
 * it. The thread rings the loop's bell only under the lock and only while the loop has not
 * cancelled.
 */
#include <config.h>

#include "io/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/list.h"
#include "io/loop_uv.h"
#include "io/thread.h"

#define RESOLVE_MAGIC UINT32_C(0x7265736f)

/* Look-ups that may be under way; one that hangs ends with the resolver's own time limit. */
enum { RESOLVE_THREADS_MAX = 16, RESOLVE_HOST_SIZE = 256, RESOLVE_WHY_SIZE = 128 };

struct resolve {
    uint32_t magic;
    struct list waiting; /* in its pool's; not linked: its thread has it, or none ever will */
    struct resolve_pool *pool;
    uv_async_t bell;
    void (*done)(struct addrinfo *found, const char *why, void *arg);
    void *arg;
    char host[RESOLVE_HOST_SIZE];
    char port[8];
    pthread_mutex_t lock; /* of all below */
    int owners;
    bool cancelled;
    struct addrinfo *found;
    char why[RESOLVE_WHY_SIZE];
};

/* Threads, and who waits for one. */
struct resolve_pool {
    int threads;
    struct list waiting;
};

enum { RESOLVE_REFUSES, RESOLVE_WAITS, RESOLVE_POOLS };

static pthread_mutex_t resolve_lock = PTHREAD_MUTEX_INITIALIZER; /* of both */
static struct resolve_pool resolve_pools[RESOLVE_POOLS] = {
    {.waiting = {&resolve_pools[0].waiting, &resolve_pools[0].waiting}},
    {.waiting = {&resolve_pools[1].waiting, &resolve_pools[1].waiting}},
};

static void resolve_let_go(struct resolve *resolve)
{
    pthread_mutex_lock(&resolve->lock);
    int owners = --resolve->owners;
    pthread_mutex_unlock(&resolve->lock);
    if (owners > 0)
        return;
    if (resolve->found != NULL)
        freeaddrinfo(resolve->found);
    pthread_mutex_destroy(&resolve->lock);
    resolve->magic = 0;
    free(resolve);
}

static void resolve_look_up(struct resolve *resolve, int flags, struct addrinfo **ret_found,
                            char *why)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    int status = getaddrinfo(resolve->host, resolve->port, &hints, ret_found);
    if (status == 0)
        return;
    *ret_found = NULL;
    const char *text = gai_strerror(status);
    char os_text[RESOLVE_WHY_SIZE];
    if (status == EAI_SYSTEM)
        text = strerror_r(errno, os_text, sizeof os_text);
    snprintf(why, RESOLVE_WHY_SIZE, "%s", text);
}

static void resolve_run(struct resolve *resolve)
{
    struct addrinfo *found = NULL;
    char why[RESOLVE_WHY_SIZE] = "";
    resolve_look_up(resolve, 0, &found, why);
    pthread_mutex_lock(&resolve->lock);
    resolve->found = found;
    memcpy(resolve->why, why, sizeof why);
    if (!resolve->cancelled)
        uv_async_send(&resolve->bell);
    pthread_mutex_unlock(&resolve->lock);
    resolve_let_go(resolve);
}

/* The one that has waited longest; NULL: none, and the calling thread is no more counted. */
static struct resolve *resolve_next(struct resolve_pool *pool)
{
    pthread_mutex_lock(&resolve_lock);
    struct list *first = list_take(&pool->waiting);
    if (first == NULL)
        pool->threads--;
    pthread_mutex_unlock(&resolve_lock);
    return first == NULL ? NULL : LIST_ITEM(first, resolve, waiting);
}

static void *resolve_thread(void *arg)
{
    struct resolve *resolve = OBJECT_CAST(resolve, RESOLVE_MAGIC, arg);
    struct resolve_pool *pool = resolve->pool;
    while (resolve != NULL) {
        resolve_run(resolve);
        resolve = resolve_next(pool);
    }
    return NULL;
}

static void resolve_bell_closed(uv_handle_t *bell)
{
    resolve_let_go(OBJECT_CAST(resolve, RESOLVE_MAGIC, bell->data));
}

static void resolve_rung(uv_async_t *bell)
{
    struct resolve *resolve = OBJECT_CAST(resolve, RESOLVE_MAGIC, bell->data);
    pthread_mutex_lock(&resolve->lock);
    resolve->cancelled = true;
    struct addrinfo *found = resolve->found;
    resolve->found = NULL;
    pthread_mutex_unlock(&resolve->lock);
    uv_close((uv_handle_t *)&resolve->bell, resolve_bell_closed);
    resolve->done(found, resolve->why, resolve->arg);
}

/* Whether a thread may be started for it; if not, and it @waits, it is in the queue. */
static bool resolve_count_thread(struct resolve *resolve, bool waits)
{
    struct resolve_pool *pool = resolve->pool;
    pthread_mutex_lock(&resolve_lock);
    bool room = pool->threads < RESOLVE_THREADS_MAX;
    if (room)
        pool->threads++;
    else if (waits)
        list_append(&pool->waiting, &resolve->waiting);
    pthread_mutex_unlock(&resolve_lock);
    return room;
}

/* The thread's side of it. */
static int resolve_spawn(struct resolve *resolve, bool waits)
{
    resolve->owners++;
    if (resolve_count_thread(resolve, waits)) {
        int code = thread_start("resolve", resolve_thread, resolve, NULL);
        if (code == ACKD_OK)
            return code;
        /* Whoever waits finds the next thread, or the next look-up starts one. */
        pthread_mutex_lock(&resolve_lock);
        resolve->pool->threads--;
        pthread_mutex_unlock(&resolve_lock);
        resolve->owners--;
        return code;
    }
    if (waits)
        return ACKD_OK;
    resolve->owners--;
    return ackd_fail(ACKD_E_RESOLVE, "%d look-ups hang already: is the name server there?",
                     RESOLVE_THREADS_MAX);
}

/* Out of the queue, if that is where it is: no thread will have it. */
static void resolve_leave_queue(struct resolve *resolve)
{
    pthread_mutex_lock(&resolve_lock);
    bool queued = !list_empty(&resolve->waiting);
    if (queued)
        list_remove(&resolve->waiting);
    pthread_mutex_unlock(&resolve_lock);
    if (queued)
        resolve_let_go(resolve);
}

int resolve_start(struct loop *loop, const char *host, uint16_t port, bool waits,
                  void (*done)(struct addrinfo *found, const char *why, void *arg), void *arg,
                  struct resolve **ret_resolve)
{
    struct resolve *resolve = calloc(1, sizeof *resolve);
    if (resolve == NULL)
        return ackd_fail(ACKD_E_NOMEM, "looking up %s", host);
    resolve->magic = RESOLVE_MAGIC;
    resolve->done = done;
    resolve->arg = arg;
    resolve->owners = 1;
    resolve->pool = &resolve_pools[waits ? RESOLVE_WAITS : RESOLVE_REFUSES];
    list_init(&resolve->waiting);
    snprintf(resolve->host, sizeof resolve->host, "%s", host);
    snprintf(resolve->port, sizeof resolve->port, "%u", (unsigned)port);
    int status = uv_async_init(loop_uv(loop), &resolve->bell, resolve_rung);
    if (status != 0) {
        free(resolve);
        return loop_fail_os(status, "looking up %s: %s", host, uv_strerror(status));
    }
    resolve->bell.data = resolve;
    pthread_mutex_init(&resolve->lock, NULL);
    /* An address needs nobody to be asked, and no thread. */
    resolve_look_up(resolve, AI_NUMERICHOST, &resolve->found, resolve->why);
    int code = ACKD_OK;
    if (resolve->found != NULL)
        uv_async_send(&resolve->bell);
    else
        code = resolve_spawn(resolve, waits);
    if (code != ACKD_OK) {
        resolve_cancel(&resolve);
        return code;
    }
    *ret_resolve = resolve;
    return ACKD_OK;
}

void resolve_cancel(struct resolve **resolve)
{
    struct resolve *old = *resolve;
    if (old == NULL)
        return;
    *resolve = NULL;
    resolve_leave_queue(old);
    pthread_mutex_lock(&old->lock);
    old->cancelled = true;
    pthread_mutex_unlock(&old->lock);
    uv_close((uv_handle_t *)&old->bell, resolve_bell_closed);
}
