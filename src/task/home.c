/* SPDX-License-Identifier: MIT */
/* home - the queue between threads that cancel and a loop. It must not know what is called. */
#include <config.h>

#include "task/home.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "task/after.h"
#include "task/engine.h"
#include "task/registration.h"

static void home_posted(struct scheduler_post *post)
{
    struct home *home = LIST_ITEM(post, home, post);
    spin_lock(&home->spin);
    home->posted = false;
    spin_unlock(&home->spin);
    home_serve(home);
}

struct home *home_new(struct scheduler *scheduler)
{
    struct home *home = calloc(1, sizeof *home);
    if (home == NULL)
        return NULL;
    atomic_init(&home->references, 1);
    home->scheduler = scheduler;
    list_init(&home->calls);
    list_init(&home->armed);
    home->post.run = home_posted;
    return home;
}

struct home *home_ref(struct home *home)
{
    if (home != NULL)
        atomic_fetch_add_explicit(&home->references, 1, memory_order_relaxed);
    return home;
}

void home_unref(struct home *home)
{
    if (home != NULL && atomic_fetch_sub_explicit(&home->references, 1, memory_order_acq_rel) == 1)
        free(home);
}

/* What is queued meanwhile waits for the next time. */
void home_serve(struct home *home)
{
    struct list calls;
    list_init(&calls);
    spin_lock(&home->spin);
    list_append_all(&calls, &home->calls);
    atomic_store_explicit(&home->pending, false, memory_order_relaxed);
    while (!list_empty(&calls)) {
        struct registration *registration = LIST_ITEM(calls.next, registration, link);
        bool locked = registration_try_lock(registration);
        if (locked)
            list_remove(&registration->link);
        spin_unlock(&home->spin);
        if (locked)
            registration_call_queued(registration);
        else
            sched_yield();
        spin_lock(&home->spin);
    }
    spin_unlock(&home->spin);
}

void home_close(struct home **home)
{
    struct home *going = *home;
    if (going == NULL)
        return;
    *home = NULL;
    spin_lock(&going->spin);
    going->scheduler = NULL;
    for (struct list *link; (link = list_take(&going->armed)) != NULL;)
        after_forget(link); /* H2 */
    spin_unlock(&going->spin);
    home_serve(going);
    home_unref(going);
}

/* With the lock, so that the scheduler cannot go meanwhile. False: it takes no more posts. */
static bool home_have_looked(struct home *home)
{
    home->posted = home->posted || scheduler_post(home->scheduler, &home->post);
    return home->posted;
}

bool home_is_here(struct home *home)
{
    spin_lock(&home->spin);
    bool here = home->scheduler != NULL && engine_is_here(home->scheduler);
    spin_unlock(&home->spin);
    return here;
}

/* With the lock, as above. */
bool home_post(struct home *home, struct scheduler_post *post)
{
    spin_lock(&home->spin);
    bool posted = home->scheduler != NULL && scheduler_post(home->scheduler, post);
    spin_unlock(&home->spin);
    return posted;
}

void home_name(struct home *home, char *name, size_t size)
{
    spin_lock(&home->spin);
    snprintf(name, size, "%s",
             home->scheduler == NULL ? "a loop that has ended" : home->scheduler->name);
    spin_unlock(&home->spin);
}

enum home_verdict home_offer(struct home *home, struct registration *registration)
{
    enum home_verdict verdict = HOME_GONE;
    spin_lock(&home->spin);
    if (home->scheduler != NULL && engine_is_here(home->scheduler)) {
        verdict = HOME_HERE;
    } else if (home->scheduler != NULL && home_have_looked(home)) {
        list_append(&home->calls, &registration->link);
        atomic_store_explicit(&home->pending, true, memory_order_relaxed);
        verdict = HOME_QUEUED;
    }
    spin_unlock(&home->spin);
    return verdict;
}

void home_withdraw(struct home *home, struct registration *registration)
{
    spin_lock(&home->spin);
    list_remove(&registration->link);
    spin_unlock(&home->spin);
}

void home_note_armed(struct home *home, struct list *link)
{
    spin_lock(&home->spin);
    ackd_assert(home->scheduler != NULL);
    list_remove(link);
    list_append(&home->armed, link);
    spin_unlock(&home->spin);
}

void home_note_stopped(struct home *home, struct list *link)
{
    spin_lock(&home->spin);
    list_remove(link);
    spin_unlock(&home->spin);
}
