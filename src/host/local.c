/* SPDX-License-Identifier: MIT */
/* local - see the header. It must not know what the values are. */
#include <config.h>

#include "host/local.h"

#include <ackd/runtime.h>
#include <stdlib.h>

#include "base/assert.h"
#include "host/executor.h"
#include "task/refusal.h"
#include "task/wait.h"

struct local {
    struct list node;
    const void *key;
    void *value;
    void (*destroy)(void *value);
    struct ackd_task *maker; /* while it is made; NULL: it is there */
    struct list waiters;     /* struct local_waiter, while it is made */
};

struct local_waiter {
    struct wait wait;
    struct list link;
};

void local_init(struct locals *locals)
{
    list_init(&locals->all);
    locals->ending = false;
}

static struct local *local_find(const struct locals *locals, const void *key)
{
    list_for_each (node, &locals->all) {
        struct local *local = LIST_ITEM(node, local, node);
        if (local->key == key)
            return local;
    }
    return NULL;
}

/* Until its maker has ended, with whatever result. */
static int local_wait(struct local *local, const char *file, int line, const char *function)
{
    if (local->maker == ackd_task_current())
        return refusal_at(ACKD_E_CYCLE, NULL, file, line, function,
                          "task '%s' asks for the loop-local that it is making",
                          ackd_task_name(local->maker));
    struct local_waiter waiter;
    wait_init(&waiter.wait, WAIT_LOCAL, ackd_task_name(local->maker), file, line, function);
    list_append(&local->waiters, &waiter.link);
    int code = wait_park(&waiter.wait);
    if (!wait_finished(&waiter.wait))
        list_remove(&waiter.link);
    return code;
}

/* Made, at the end of the list (L2), or gone; those who wait look again (L1). */
static void local_end_making(struct locals *locals, struct local *local, int code)
{
    list_remove(&local->node);
    local->maker = NULL;
    for (struct list *link; (link = list_take(&local->waiters)) != NULL;)
        wait_finish(&LIST_ITEM(link, local_waiter, link)->wait, ACKD_OK);
    if (code == ACKD_OK)
        list_append(&locals->all, &local->node);
    else
        free(local);
}

static int local_make(struct locals *locals, const void *key, int (*create)(void **ret_value),
                      void (*destroy)(void *value), void **ret_value)
{
    if (locals->ending)
        return ackd_fail(ACKD_E_CLOSED, "the loop ends: no loop-local is made any more");
    struct local *local = calloc(1, sizeof *local);
    if (local == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a loop-local");
    local->key = key;
    local->destroy = destroy;
    local->maker = ackd_task_current();
    list_init(&local->waiters);
    list_append(&locals->all, &local->node);
    void *value = NULL;
    int code = create(&value);
    if (code > 0)
        code = ackd_fail(ACKD_E_BAD_RETURN, "the maker of a loop-local returned %d", code);
    local->value = value;
    local_end_making(locals, local, code);
    if (code == ACKD_OK)
        *ret_value = value;
    return code;
}

int ackd_loop_local_at(const void *key, int (*create)(void **ret_value),
                       void (*destroy)(void *value), void **ret_value, const char *file, int line,
                       const char *function)
{
    int code = wait_check(file, line, function);
    if (code != ACKD_OK)
        return code;
    struct executor *executor = executor_current();
    if (key == NULL || create == NULL || executor == NULL)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function,
                            executor == NULL ? "this loop has no loop-locals"
                                             : "a loop-local needs a key and a maker");
    struct locals *locals = executor_locals(executor);
    struct local *local;
    while ((local = local_find(locals, key)) != NULL) {
        if (local->maker == NULL) {
            *ret_value = local->value;
            return ACKD_OK;
        }
        code = local_wait(local, file, line, function);
        if (code != ACKD_OK)
            return code;
    }
    return local_make(locals, key, create, destroy, ret_value);
}

static void local_end_all(struct locals *locals, bool destroy)
{
    locals->ending = true;
    while (!list_empty(&locals->all)) {
        struct local *local = LIST_ITEM(locals->all.previous, local, node);
        ackd_assert(local->maker == NULL);
        list_remove(&local->node);
        if (destroy && local->destroy != NULL)
            local->destroy(local->value);
        free(local);
    }
}

void local_destroy_all(struct locals *locals)
{
    local_end_all(locals, true);
}

void local_forget_all(struct locals *locals)
{
    local_end_all(locals, false);
}
