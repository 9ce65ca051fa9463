/* SPDX-License-Identifier: MIT */
/* queue - joining, granting, leaving. It must not know what is waited for. */
#include <config.h>

#include "task/queue.h"

#include <ackd/log.h>

#include "base/assert.h"
#include "task/engine.h"
#include "task/task.h"

void queue_entry_init(struct queue_entry *entry, void *object, void *item)
{
    *entry = (struct queue_entry){.task = engine_task(), .object = object, .item = item};
    list_init(&entry->link);
}

void queue_append(struct queue *queue, struct queue_entry *entry)
{
    if (queue->entries.next == NULL)
        list_init(&queue->entries);
    list_append(&queue->entries, &entry->link);
}

void queue_grant(struct queue_entry *entry, int code)
{
    ackd_assert(!entry->granted);
    list_remove(&entry->link);
    entry->granted = true;
    entry->code = code;
    if (entry->wait != NULL)
        wait_finish(entry->wait, ACKD_OK);
}

bool queue_close(struct queue *queue, const char *what, const char *name)
{
    size_t count = 0;
    for (struct queue_entry *entry; (entry = queue_first(queue)) != NULL; count++) {
        entry->gone = true;
        if (entry->granted)
            queue_remove(entry);
        else
            queue_grant(entry, ACKD_E_CLOSED);
        entry->code = ACKD_E_CLOSED;
    }
    if (count == 0)
        return false;
    ackd_log_event(ACKD_LOG_ERROR, "ended-in-use",
                   ACKD_FIELDS(ACKD_FIELD("name", name == NULL ? "" : name),
                               ACKD_FIELD_INT("waiting", (long long)count)),
                   "%s '%s' was ended while %zu waited for it: they get ACKD_E_CLOSED", what,
                   name == NULL ? "" : name, count);
    return true;
}

int queue_park(struct queue_entry *entry, enum wait_kind kind, const char *what, const char *file,
               int line, const char *function)
{
    struct wait wait;
    wait_init(&wait, kind, what, file, line, function);
    entry->wait = &wait;
    int code = wait_park(&wait);
    entry->wait = NULL;
    if (wait_finished(&wait)) /* Q2 */
        return entry->code;
    list_remove(&entry->link);
    return code;
}

int queue_fail_gone(enum wait_kind kind, const char *what, const char *file, int line,
                    const char *function)
{
    return ackd_fail_at(ACKD_E_CLOSED, file, line, function,
                        "the %s '%s' was ended while it was awaited", wait_kind_name(kind),
                        what == NULL ? "" : what);
}

int queue_wait(struct queue *queue, enum wait_kind kind, const char *what, const char *file,
               int line, const char *function)
{
    struct queue_entry entry;
    queue_entry_init(&entry, NULL, NULL);
    queue_append(queue, &entry);
    int code = queue_park(&entry, kind, what, file, line, function);
    return code == ACKD_E_CLOSED ? queue_fail_gone(kind, what, file, line, function) : code;
}
