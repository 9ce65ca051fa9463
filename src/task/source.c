/* SPDX-License-Identifier: MIT */
/* source - cancelling from any thread, and links. It must not know what its calls do. */
#include <config.h>

#include "task/source.h"

#include <ackd/log.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/engine.h"

/* From a source to one of its parents. */
struct source_link {
    struct registration registration; /* on the parent */
    struct ackd_cancel_source *child;
    struct ackd_cancel_source *parent;
    bool held; /* with a reference on the parent: it is not lent */
};

/* Children, marked and referred to, whose calls are still to be made (B4). */
struct source_line {
    struct ackd_cancel_source *first;
    struct ackd_cancel_source **end;
};

static _Thread_local struct source_line *source_line_now; /* of the innermost call; or NULL */

void source_init(struct ackd_cancel_source *source)
{
    *source = (struct ackd_cancel_source){.magic = SOURCE_MAGIC, .lent = true};
    registrations_init(&source->registrations);
    after_init(&source->after);
}

static void source_check(const struct ackd_cancel_source *source)
{
    ackd_assert(source->magic == SOURCE_MAGIC);
}

bool source_try_ref(struct ackd_cancel_source *source)
{
    source_check(source);
    uint32_t references = atomic_load_explicit(&source->references, memory_order_relaxed);
    while (references > 0 &&
           !atomic_compare_exchange_weak_explicit(&source->references, &references, references + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    return references > 0;
}

struct ackd_cancel_source *ackd_cancel_source_ref(struct ackd_cancel_source *source)
{
    if (source == NULL || source->lent)
        return NULL;
    ackd_assert(source_try_ref(source));
    return source;
}

struct ackd_token ackd_cancel_source_token(struct ackd_cancel_source *source)
{
    return (struct ackd_token){source};
}

static void source_drop(struct ackd_cancel_source *source)
{
    registrations_lock(&source->registrations);
    size_t dropped = registrations_drop(&source->registrations);
    registrations_unlock(&source->registrations);
    if (dropped > 0)
        ackd_log_event(ACKD_LOG_WARNING, "source-released",
                       ACKD_FIELDS(ACKD_FIELD_INT("registrations", dropped)),
                       "a cancel source was let go with %zu calls registered: they will never be "
                       "made; unregister them before",
                       dropped);
}

/* Nobody refers to it. Where its timer runs on another thread's loop, it is freed there. */
static void source_bury(struct ackd_cancel_source *source, struct ackd_cancel_source **graves)
{
    source_drop(source);
    registrations_lock(&source->registrations);
    bool elsewhere = after_void(source);
    if (elsewhere)
        atomic_store_explicit(&source->references, 1, memory_order_relaxed);
    registrations_unlock(&source->registrations);
    if (!elsewhere) {
        source->next = *graves;
        *graves = source;
    }
}

static bool source_let_go(struct ackd_cancel_source *source)
{
    source_check(source);
    ackd_assert(!source->lent);
    return atomic_fetch_sub_explicit(&source->references, 1, memory_order_acq_rel) == 1;
}

static void source_free(struct ackd_cancel_source *source, struct ackd_cancel_source **graves)
{
    for (size_t i = 0; i < source->link_count; i++) {
        struct source_link *link = &source->links[i];
        registration_remove(&link->registration);
        if (link->held && source_let_go(link->parent))
            source_bury(link->parent, graves);
    }
    after_fini(&source->after);
    source->magic = 0;
    free(source);
}

/* B4 */
void ackd_cancel_source_unref(struct ackd_cancel_source *source)
{
    if (source == NULL || !source_let_go(source))
        return;
    struct ackd_cancel_source *graves = NULL;
    source_bury(source, &graves);
    while (graves != NULL) {
        struct ackd_cancel_source *next = graves;
        graves = next->next;
        source_free(next, &graves);
    }
}

void source_fini(struct ackd_cancel_source *source)
{
    source_check(source);
    ackd_assert(source->lent);
    registrations_lock(&source->registrations);
    while (source->cancelling > 0) {
        registrations_unlock(&source->registrations);
        sched_yield();
        registrations_lock(&source->registrations);
    }
    registrations_unlock(&source->registrations);
    source_drop(source);
    after_fini(&source->after);
    source->magic = 0;
}

void source_register(struct ackd_cancel_source *source, struct registration *registration,
                     struct home *home, void (*fn)(void *arg), void *arg)
{
    registration_init(registration, home, fn, arg);
    if (source == NULL)
        return;
    source_check(source);
    registrations_lock(&source->registrations);
    bool late = source_reason(source) != ACKD_CANCEL_NONE;
    if (!late)
        registrations_keep(&source->registrations, registration);
    registrations_unlock(&source->registrations);
    if (late)
        registration_call(registration);
}

/* With the lock. */
static bool source_set(struct ackd_cancel_source *source, enum ackd_cancel_reason reason,
                       const char *who)
{
    if (source_reason(source) != ACKD_CANCEL_NONE)
        return false;
    if (who != NULL && memccpy(source->who, who, '\0', SOURCE_WHO_SIZE - 1) == NULL)
        source->who[SOURCE_WHO_SIZE - 1] = '\0';
    atomic_store_explicit(&source->reason, reason, memory_order_release); /* B1 */
    if (after_void(source))
        ackd_assert(ackd_cancel_source_ref(source) != NULL);
    return true;
}

/* With the lock, which is let go for each call, and in the end. */
static void source_call(struct ackd_cancel_source *source)
{
    source->cancelling++;
    registrations_call(&source->registrations);
    source->cancelling--;
    registrations_unlock(&source->registrations);
}

/* The same, for its children, too. */
static void source_call_all(struct ackd_cancel_source *source)
{
    struct source_line line = {NULL, &line.first};
    struct source_line *before = source_line_now;
    source_line_now = &line;
    source_call(source);
    for (struct ackd_cancel_source *child; (child = line.first) != NULL;) {
        line.first = child->next;
        if (line.first == NULL)
            line.end = &line.first;
        registrations_lock(&child->registrations);
        source_call(child);
        ackd_cancel_source_unref(child);
    }
    source_line_now = before;
}

void source_mark(struct ackd_cancel_source *source, enum ackd_cancel_reason reason, const char *who)
{
    registrations_lock(&source->registrations);
    (void)source_set(source, reason, who);
    registrations_unlock(&source->registrations);
}

void source_make_calls(struct ackd_cancel_source *source)
{
    registrations_lock(&source->registrations);
    source_call_all(source);
}

void ackd_cancel(struct ackd_cancel_source *source, enum ackd_cancel_reason reason, const char *who)
{
    if (source == NULL || reason == ACKD_CANCEL_NONE)
        return;
    /* Held meanwhile: a call may let go of the last reference but this. */
    struct ackd_cancel_source *held = ackd_cancel_source_ref(source);
    registrations_lock(&source->registrations);
    if (source_set(source, reason, who))
        source_call_all(source);
    else
        registrations_unlock(&source->registrations);
    ackd_cancel_source_unref(held);
}

struct ackd_cancel_source *source_new(size_t links)
{
    struct ackd_cancel_source *source;
    size_t size = sizeof *source + links * sizeof *source->links;
    source = malloc(size);
    if (source == NULL)
        return NULL;
    source_init(source);
    source->lent = false;
    atomic_init(&source->references, 1);
    source->links = (struct source_link *)(source + 1);
    return source;
}

int ackd_cancel_source_new(struct ackd_cancel_source **ret_source)
{
    struct ackd_cancel_source *source = source_new(0);
    if (source == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a cancel source");
    *ret_source = source;
    return ACKD_OK;
}

/*
 * A parent was cancelled, on this thread. The last reference on the child may be gone just now.
 * Outside of any call the child is being made, and nothing is registered on it.
 */
static void source_follow(void *arg)
{
    struct source_link *link = arg;
    struct ackd_cancel_source *child = link->child;
    if (!source_try_ref(child))
        return;
    registrations_lock(&child->registrations);
    bool follows = source_set(child, ACKD_CANCEL_PARENT, link->parent->who);
    registrations_unlock(&child->registrations);
    if (!follows || source_line_now == NULL) {
        ackd_cancel_source_unref(child);
        return;
    }
    child->next = NULL;
    *source_line_now->end = child;
    source_line_now->end = &child->next;
}

int ackd_cancel_source_link(const struct ackd_token *parents, size_t count,
                            struct ackd_cancel_source **ret_source)
{
    size_t links = 0;
    for (size_t i = 0; i < count; i++)
        links += parents[i].source != NULL;
    struct ackd_cancel_source *source = source_new(links);
    if (source == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a cancel source");
    for (size_t i = 0; i < count; i++) {
        if (parents[i].source == NULL)
            continue;
        struct source_link *link = &source->links[source->link_count++];
        link->child = source;
        link->parent = parents[i].source;
        link->held = ackd_cancel_source_ref(link->parent) != NULL;
        source_register(link->parent, &link->registration, NULL, source_follow, link);
    }
    *ret_source = source;
    return ACKD_OK;
}

bool ackd_cancel_source_try_reset(struct ackd_cancel_source *source)
{
    if (source == NULL)
        return false;
    source_check(source);
    registrations_lock(&source->registrations);
    bool fresh = source_reason(source) == ACKD_CANCEL_NONE;
    if (fresh) {
        registrations_drop(&source->registrations);
        if (after_void(source))
            ackd_assert(ackd_cancel_source_ref(source) != NULL);
    }
    registrations_unlock(&source->registrations);
    return fresh;
}

bool ackd_token_canceled(struct ackd_token token)
{
    return token.source != NULL && source_reason(token.source) != ACKD_CANCEL_NONE;
}

enum ackd_cancel_reason ackd_token_reason(struct ackd_token token, const char **ret_who)
{
    enum ackd_cancel_reason reason =
        token.source == NULL ? ACKD_CANCEL_NONE : source_reason(token.source);
    if (ret_who != NULL)
        *ret_who = reason == ACKD_CANCEL_NONE ? NULL : token.source->who;
    return reason;
}

void ackd_cancel_register(struct ackd_token token, struct ackd_cancel_registration *registration,
                          void (*fn)(void *arg), void *arg)
{
    struct scheduler *scheduler = engine_this;
    source_register(token.source, (struct registration *)registration,
                    scheduler == NULL ? NULL : scheduler->home, fn, arg);
}

void ackd_cancel_unregister(struct ackd_cancel_registration *registration)
{
    registration_remove((struct registration *)registration);
}
