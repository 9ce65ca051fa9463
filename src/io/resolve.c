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
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "io/loop_uv.h"
#include "io/thread.h"

#define RESOLVE_MAGIC UINT32_C(0x7265736f)

/* Look-ups that may be under way; one that hangs ends with the resolver's own time limit. */
enum { RESOLVE_THREADS_MAX = 16, RESOLVE_HOST_SIZE = 256, RESOLVE_WHY_SIZE = 128 };

struct resolve {
    uint32_t magic;
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

static atomic_int resolve_threads;

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

static void *resolve_thread(void *arg)
{
    struct resolve *resolve = OBJECT_CAST(resolve, RESOLVE_MAGIC, arg);
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
    atomic_fetch_sub(&resolve_threads, 1);
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

/* The thread's side of it. */
static int resolve_spawn(struct resolve *resolve)
{
    if (atomic_fetch_add(&resolve_threads, 1) >= RESOLVE_THREADS_MAX) {
        atomic_fetch_sub(&resolve_threads, 1);
        return ackd_fail(ACKD_E_RESOLVE, "%d look-ups hang already: is the name server there?",
                         RESOLVE_THREADS_MAX);
    }
    resolve->owners++;
    int code = thread_start("resolve", resolve_thread, resolve, NULL);
    if (code != ACKD_OK) {
        resolve->owners--;
        atomic_fetch_sub(&resolve_threads, 1);
    }
    return code;
}

int resolve_start(struct loop *loop, const char *host, uint16_t port,
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
        code = resolve_spawn(resolve);
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
    pthread_mutex_lock(&old->lock);
    old->cancelled = true;
    pthread_mutex_unlock(&old->lock);
    uv_close((uv_handle_t *)&old->bell, resolve_bell_closed);
}
