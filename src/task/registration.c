/* SPDX-License-Identifier: MIT */
/* registration - keeping, calling and taking back. It must not know why a source is cancelled. */
#include <config.h>

#include "task/registration.h"

#include "base/assert.h"
#include "base/error.h"
#include "task/engine.h"
#include "task/home.h"

_Static_assert(sizeof(struct registration) <= sizeof(struct ackd_cancel_registration),
               "it must fit");

enum { REGISTRATION_PLACES = 64, REGISTRATION_LINE = 64 };

/* A call under way, on the stack of who makes it. */
struct registration_running {
    const struct registration *registration; /* to be compared only */
    const void *thread;
    struct registration_running *next;
};

struct registration_place {
    _Alignas(REGISTRATION_LINE) struct spin spin;
    struct registration_running *running;
};

static struct registration_place registration_places[REGISTRATION_PLACES];

void registrations_init(struct registrations *registrations)
{
    size_t number = ((uintptr_t)registrations / REGISTRATION_LINE) % REGISTRATION_PLACES;
    registrations->place = &registration_places[number];
    list_init(&registrations->list);
}

void registrations_lock(struct registrations *registrations)
{
    spin_lock(&registrations->place->spin);
}

void registrations_unlock(struct registrations *registrations)
{
    spin_unlock(&registrations->place->spin);
}

void registration_init(struct registration *registration, struct home *home, void (*fn)(void *arg),
                       void *arg)
{
    *registration = (struct registration){.home = home, .fn = fn, .arg = arg};
    list_init(&registration->link);
}

void registrations_keep(struct registrations *registrations, struct registration *registration)
{
    registration->place = registrations->place;
    registration->state = REGISTRATION_KEPT;
    home_ref(registration->home);
    list_insert(&registrations->list, &registration->link);
}

static void registration_rest(struct registration *registration)
{
    registration->state = REGISTRATION_IDLE;
    home_unref(registration->home);
    registration->home = NULL;
}

/* N3 */
static void registration_make_call(void (*fn)(void *arg), void *arg)
{
    struct scheduler *scheduler = engine_this;
    struct ackd_task *current = engine_task();
    struct error_slot *slot = error_slot_use(NULL);
    if (scheduler != NULL)
        scheduler->current = NULL;
    fn(arg);
    if (scheduler != NULL)
        scheduler->current = current;
    error_slot_use(slot);
}

void registration_call(const struct registration *registration)
{
    registration_make_call(registration->fn, registration->arg);
}

/* With the lock, which is let go for the call. The registration may be gone afterwards. */
static void registration_run(struct registration *registration)
{
    struct registration_place *place = registration->place;
    void (*fn)(void *arg) = registration->fn;
    void *arg = registration->arg;
    struct registration_running running = {registration, &engine_thread, place->running};
    place->running = &running;
    spin_unlock(&place->spin);
    registration_make_call(fn, arg);
    spin_lock(&place->spin);
    struct registration_running **link = &place->running;
    while (*link != &running)
        link = &(*link)->next;
    *link = running.next;
}

void registrations_call(struct registrations *registrations)
{
    for (struct list *link; (link = list_take(&registrations->list)) != NULL;) {
        struct registration *registration = LIST_ITEM(link, registration, link);
        enum home_verdict verdict = HOME_HERE;
        if (registration->home != NULL)
            verdict = home_offer(registration->home, registration);
        if (verdict == HOME_QUEUED) {
            registration->state = REGISTRATION_QUEUED;
            continue;
        }
        registration_rest(registration);
        if (verdict == HOME_HERE)
            registration_run(registration);
    }
}

enum home_verdict registration_queue(struct registrations *registrations,
                                     struct registration *registration)
{
    ackd_assert(registration->state == REGISTRATION_IDLE);
    registration->place = registrations->place;
    enum home_verdict verdict = home_offer(registration->home, registration);
    if (verdict == HOME_QUEUED) {
        registration->state = REGISTRATION_QUEUED;
        home_ref(registration->home);
    }
    return verdict;
}

size_t registrations_drop(struct registrations *registrations)
{
    size_t count = 0;
    for (struct list *link; (link = list_take(&registrations->list)) != NULL; count++)
        registration_rest(LIST_ITEM(link, registration, link));
    return count;
}

bool registration_try_lock(struct registration *registration)
{
    return spin_try(&registration->place->spin);
}

void registration_call_queued(struct registration *registration)
{
    struct registration_place *place = registration->place;
    ackd_assert(registration->state == REGISTRATION_QUEUED);
    registration_rest(registration);
    registration_run(registration);
    spin_unlock(&place->spin);
}

static bool registration_runs_elsewhere(const struct registration *registration)
{
    const struct registration_running *at = registration->place->running;
    for (; at != NULL; at = at->next)
        if (at->registration == registration)
            return at->thread != &engine_thread;
    return false;
}

void registration_remove(struct registration *registration)
{
    struct registration_place *place = registration->place;
    if (place == NULL)
        return;
    spin_lock(&place->spin);
    if (registration->state == REGISTRATION_KEPT)
        list_remove(&registration->link);
    else if (registration->state == REGISTRATION_QUEUED)
        home_withdraw(registration->home, registration);
    if (registration->state != REGISTRATION_IDLE)
        registration_rest(registration);
    while (registration_runs_elsewhere(registration)) { /* N2 */
        spin_unlock(&place->spin);
        sched_yield();
        spin_lock(&place->spin);
    }
    spin_unlock(&place->spin);
}
