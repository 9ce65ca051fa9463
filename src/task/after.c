/* SPDX-License-Identifier: MIT */
/* after - arming, firing and stopping. It must not know what hangs on the source. */
#include <config.h>

#include "task/after.h"

#include "base/assert.h"
#include "base/error.h"
#include "task/engine.h"
#include "task/refusal.h"
#include "task/source.h"

static struct ackd_cancel_source *after_source(struct after *after)
{
    return LIST_ITEM(after, ackd_cancel_source, after);
}

static void after_fire(struct timer *timer)
{
    struct after *after = LIST_ITEM(timer, after, timer);
    struct ackd_cancel_source *source = after_source(after);
    registrations_lock(&source->registrations);
    home_note_stopped(after->home, &after->link);
    /* Not on: cancelled or reset elsewhere. Not to be had: being freed, and that will come here. */
    bool counts = after->on && source_try_ref(source);
    if (counts)
        after->on = false;
    registrations_unlock(&source->registrations);
    if (!counts)
        return;
    ackd_cancel(source, ACKD_CANCEL_DEADLINE, NULL);
    ackd_cancel_source_unref(source);
}

void after_init(struct after *after)
{
    *after = (struct after){0};
    timer_init(&after->timer, after_fire);
    list_init(&after->link);
}

void after_fini(struct after *after)
{
    ackd_assert(!timer_armed(&after->timer));
    ackd_assert(list_empty(&after->link));
    home_unref(after->home);
}

void after_forget(struct list *link)
{
    struct after *after = LIST_ITEM(link, after, link);
    timer_init(&after->timer, after_fire);
}

static void after_stop_here(struct after *after)
{
    timer_stop(&after->timer);
    home_note_stopped(after->home, &after->link);
}

/* On the loop: another thread asked. It may have been armed anew since. */
static void after_stop(void *arg)
{
    struct ackd_cancel_source *source = arg;
    registrations_lock(&source->registrations);
    if (!source->after.on)
        after_stop_here(&source->after);
    registrations_unlock(&source->registrations);
    ackd_cancel_source_unref(source);
}

bool after_void(struct ackd_cancel_source *source)
{
    struct after *after = &source->after;
    if (!after->on)
        return false;
    after->on = false;
    if (after->stop.state == REGISTRATION_QUEUED)
        return false; /* it will find that out */
    registration_init(&after->stop, after->home, after_stop, source);
    switch (registration_queue(&source->registrations, &after->stop)) {
    case HOME_QUEUED:
        return true;
    case HOME_HERE:
        after_stop_here(after);
        return false;
    case HOME_GONE:
        return false;
    }
    return false;
}

int ackd_cancel_after(struct ackd_cancel_source *source, uint64_t ms)
{
    struct scheduler *scheduler = engine_this;
    if (scheduler == NULL)
        return refusal_here(ACKD_E_NOT_IN_TASK, "ackd_cancel_after needs a loop for its timer");
    if (scheduler->home == NULL)
        return refusal_here(ACKD_E_CLOSED, "the loop ends: no timer runs on it any more");
    if (source == NULL || source->lent)
        return ackd_fail(ACKD_E_INVAL, "the token's source is not the caller's to cancel");
    struct after *after = &source->after;
    registrations_lock(&source->registrations);
    if (after->home == NULL)
        after->home = home_ref(scheduler->home);
    bool wrong = after->home != scheduler->home;
    bool counts = !wrong && source_reason(source) == ACKD_CANCEL_NONE;
    if (counts) {
        after->on = ms != 0 && ms != UINT64_MAX;
        after_stop_here(after);
        if (after->on) {
            timer_start(&scheduler->timers, &after->timer,
                        timer_after_ms(engine_now(scheduler), ms));
            home_note_armed(after->home, &after->link);
        }
    }
    registrations_unlock(&source->registrations);
    if (wrong)
        return refusal_here(ACKD_E_WRONG_LOOP, "the source's timer belongs to another loop than %s",
                            scheduler->name);
    if (counts && ms == 0)
        ackd_cancel(source, ACKD_CANCEL_DEADLINE, NULL);
    return ACKD_OK;
}
