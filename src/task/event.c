/* SPDX-License-Identifier: MIT */
/* event - a flag that can be awaited. It must not know what it stands for. */
#include <config.h>

#include <ackd/sync.h>

#include "task/belonging.h"
#include "task/engine.h"
#include "task/queue.h"
#include "task/task.h"

struct event {
    belonging_loop loop;
    const char *name;
    struct queue waiting;
    bool set, resets;
};

_Static_assert(sizeof(struct event) <= sizeof(struct ackd_event), "it must fit");

static struct event *event_of(struct ackd_event *opaque)
{
    return (struct event *)opaque;
}

void ackd_event_init(struct ackd_event *opaque, const char *name, bool resets)
{
    struct event *event = event_of(opaque);
    *event = (struct event){.name = name, .resets = resets};
    queue_init(&event->waiting);
}

void ackd_event_fini(struct ackd_event *opaque)
{
    struct event *event = event_of(opaque);
    queue_close(&event->waiting, "event", event->name);
}

int ackd_event_set(struct ackd_event *opaque)
{
    struct event *event = event_of(opaque);
    ACKD_TRY(belonging_check(&event->loop, "event", event->name, ACKD_HERE));
    struct queue_entry *first = queue_first(&event->waiting);
    if (event->resets && first != NULL) {
        queue_grant(first, ACKD_OK);
        return ACKD_OK;
    }
    event->set = true;
    for (; first != NULL; first = queue_first(&event->waiting))
        queue_grant(first, ACKD_OK);
    return ACKD_OK;
}

int ackd_event_reset(struct ackd_event *opaque)
{
    struct event *event = event_of(opaque);
    ACKD_TRY(belonging_check(&event->loop, "event", event->name, ACKD_HERE));
    event->set = false;
    return ACKD_OK;
}

bool ackd_event_is_set(const struct ackd_event *opaque)
{
    return ((const struct event *)opaque)->set;
}

__attribute__((noinline)) int ackd_event_await_at(struct ackd_event *opaque, const char *file,
                                                  int line, const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK)
        return code;
    struct event *event = event_of(opaque);
    code = belonging_check(&event->loop, "event", event->name, file, line, function);
    if (code != ACKD_OK)
        return code;
    if (!event->set)
        return queue_wait(&event->waiting, WAIT_EVENT, event->name, file, line, function);
    event->set = !event->resets;
    return ACKD_OK;
}
