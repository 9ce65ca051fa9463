/* SPDX-License-Identifier: MIT */
/*
 * periodic - ticks on a grid that starts at start: a late one does not delay those after it.
 *
 * The timer stands still while a tick waits to be taken: a loop with nothing else to do sleeps.
 */
#include <config.h>

#include <ackd/log.h>
#include <ackd/sync.h>

#include "task/engine.h"
#include "task/holding.h"
#include "task/queue.h"
#include "task/refusal.h"
#include "task/task.h"

enum { PERIODIC_YEARS_MAX = 100 };
#define PERIODIC_MS_MAX (UINT64_C(1000) * 3600 * 24 * 365 * PERIODIC_YEARS_MAX)

/* What struct ackd_periodic holds. */
struct periodic_place {
    const struct scheduler *loop;
    struct holding *holding;
    uint32_t version;
};

struct periodic {
    struct timer timer;
    struct queue waiting; /* at most one */
    uint64_t due_ns, period_ns;
    bool ticked; /* and nobody has taken it; then the timer is not armed */
};

_Static_assert(sizeof(struct periodic_place) <= sizeof(struct ackd_periodic), "it must fit");
_Static_assert(sizeof(struct periodic) <= HOLDING_BYTES, "it must fit");

static struct periodic *periodic_of(struct holding *holding)
{
    return (struct periodic *)holding->bytes;
}

/* For the first point of the grid that is still to come. */
static void periodic_arm(struct periodic *periodic)
{
    uint64_t now_ns = engine_now(engine_this);
    if (periodic->due_ns <= now_ns)
        periodic->due_ns +=
            ((now_ns - periodic->due_ns) / periodic->period_ns + 1) * periodic->period_ns;
    timer_start(&engine_this->timers, &periodic->timer, periodic->due_ns);
}

static void periodic_tick(struct timer *timer)
{
    struct periodic *periodic = LIST_ITEM(timer, periodic, timer);
    struct queue_entry *waiter = queue_first(&periodic->waiting);
    if (waiter == NULL) {
        periodic->ticked = true;
        return;
    }
    queue_grant(waiter, ACKD_OK);
    periodic_arm(periodic);
}

static void periodic_end(struct holding *holding, bool gone, const void *limit)
{
    (void)gone;
    (void)limit;
    struct periodic *periodic = periodic_of(holding);
    timer_stop(&periodic->timer);
    struct queue_entry *waiter = queue_first(&periodic->waiting);
    if (waiter != NULL)
        queue_grant(waiter, ACKD_E_CLOSED);
    holding_drop(holding);
}

static const struct holding_kind periodic_holding = {" ticking timer", periodic_end};

/* NULL: it was stopped, or never started. */
static struct holding *periodic_find(const struct periodic_place *place)
{
    struct holding *holding = place->holding;
    if (place->loop == NULL || holding->block != place || holding->version != place->version)
        return NULL;
    return holding;
}

__attribute__((noinline)) int ackd_periodic_start_at(struct ackd_periodic *opaque,
                                                     uint64_t period_ms, const char *file, int line,
                                                     const char *function)
{
    struct periodic_place *place = (struct periodic_place *)opaque;
    *place = (struct periodic_place){0};
    struct ackd_task *task = engine_task();
    if (task == NULL)
        return refusal_at(ACKD_E_NOT_IN_TASK, NULL, file, line, function,
                          "only a task starts a periodic timer");
    if (period_ms == 0)
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function, "a period of 0");
    holding_end_block(task, place);
    struct holding *holding = holding_take(task, &periodic_holding, place, file, line, function);
    if (holding == NULL)
        return ackd_fail_at(ACKD_E_NOMEM, file, line, function, "a periodic timer");
    struct periodic *periodic = periodic_of(holding);
    period_ms = period_ms < PERIODIC_MS_MAX ? period_ms : PERIODIC_MS_MAX;
    *periodic =
        (struct periodic){.period_ns = period_ms * NS_PER_MS, .due_ns = engine_now(engine_this)};
    queue_init(&periodic->waiting);
    timer_init(&periodic->timer, periodic_tick);
    *place = (struct periodic_place){
        .loop = engine_this, .holding = holding, .version = holding->version};
    periodic_arm(periodic);
    return ACKD_OK;
}

static int periodic_fail_closed(const char *file, int line, const char *function)
{
    return ackd_fail_at(ACKD_E_CLOSED, file, line, function, "the periodic timer was stopped");
}

__attribute__((noinline)) int ackd_periodic_next_at(struct ackd_periodic *opaque, const char *file,
                                                    int line, const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK)
        return code;
    const struct periodic_place *place = (const struct periodic_place *)opaque;
    if (place->loop != NULL && place->loop != engine_this)
        return refusal_at(ACKD_E_WRONG_LOOP, NULL, file, line, function,
                          "the periodic timer belongs to another loop than %s", engine_this->name);
    struct holding *holding = periodic_find(place);
    if (holding == NULL)
        return periodic_fail_closed(file, line, function);
    struct periodic *periodic = periodic_of(holding);
    if (!queue_empty(&periodic->waiting))
        return refusal_at(ACKD_E_INVAL, NULL, file, line, function,
                          "another task waits for this periodic timer");
    if (periodic->ticked) {
        periodic->ticked = false;
        periodic_arm(periodic);
        return ACKD_OK;
    }
    struct queue_entry entry;
    queue_entry_init(&entry, NULL, NULL);
    queue_append(&periodic->waiting, &entry);
    code = queue_park(&entry, WAIT_PERIODIC, NULL, file, line, function);
    return code == ACKD_E_CLOSED ? periodic_fail_closed(file, line, function) : code;
}

void ackd_periodic_stop(struct ackd_periodic *opaque)
{
    struct periodic_place *place = (struct periodic_place *)opaque;
    if (place->loop == NULL)
        return;
    if (place->loop != engine_this) {
        /* The loop may have ended, and all its timers with it. */
        ackd_log_error("wrong-loop",
                       "ackd_periodic_stop did nothing: the timer belongs to another loop, or to "
                       "one that has ended");
        return;
    }
    struct holding *holding = periodic_find(place);
    if (holding != NULL)
        periodic_end(holding, false, NULL);
    place->loop = NULL;
}
