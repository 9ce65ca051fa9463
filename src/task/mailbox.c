/* SPDX-License-Identifier: MIT */
/* mailbox - a ring of pointers, and who waits at either end. It must not know what they point at. */
#include <config.h>

#include "task/mailbox.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/belonging.h"
#include "task/engine.h"
#include "task/task.h"

enum { MAILBOX_MAGIC = 0x3a11b0c5 };

struct ackd_mailbox {
    uint32_t magic;
    belonging_loop loop;
    const char *name;
    size_t capacity;
    enum ackd_mailbox_full full;
    void (*drop)(void *item, void *arg);
    void *arg;
    bool complete;
    int code;                       /* what receivers get at the end */
    const struct ackd_error *error; /* owned; NULL: an orderly end */
    struct queue senders, receivers;
    struct queue granted; /* operations that have completed, and nobody has awaited */
    size_t reserved;      /* items for some of those */
    size_t first, count;
    void *items[];
};

static int mailbox_refuse(const struct ackd_mailbox_options *options)
{
    if (options->name == NULL || options->name[0] == '\0')
        return ackd_fail(ACKD_E_INVAL, "a mailbox needs a name");
    if (options->capacity == 0)
        return ackd_fail(ACKD_E_INVAL, "mailbox '%s' has a capacity of 0", options->name);
    if (options->full > ACKD_MAILBOX_DROP_WRITE)
        return ackd_fail(ACKD_E_INVAL, "mailbox '%s': %d is no mode", options->name,
                         (int)options->full);
    if (options->full >= ACKD_MAILBOX_DROP_OLDEST && options->drop == NULL)
        return ackd_fail(ACKD_E_INVAL,
                         "mailbox '%s' would drop items in silence: give it a drop callback",
                         options->name);
    return ACKD_OK;
}

int ackd_mailbox_new(const struct ackd_mailbox_options *options, struct ackd_mailbox **ret_mailbox)
{
    ACKD_TRY(mailbox_refuse(options));
    struct ackd_mailbox *mailbox = NULL;
    if (options->capacity <= (SIZE_MAX / 2 - sizeof *mailbox) / sizeof mailbox->items[0])
        mailbox = calloc(1, sizeof *mailbox + options->capacity * sizeof mailbox->items[0]);
    if (mailbox == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a mailbox of %zu", options->capacity);
    mailbox->magic = MAILBOX_MAGIC;
    mailbox->name = options->name;
    mailbox->capacity = options->capacity;
    mailbox->full = options->full;
    mailbox->drop = options->drop;
    mailbox->arg = options->arg;
    mailbox->code = ACKD_E_CLOSED;
    queue_init(&mailbox->senders);
    queue_init(&mailbox->receivers);
    queue_init(&mailbox->granted);
    *ret_mailbox = mailbox;
    return ACKD_OK;
}

static void *mailbox_pop(struct ackd_mailbox *mailbox)
{
    ackd_assert(mailbox->count > mailbox->reserved);
    void *item = mailbox->items[mailbox->first];
    mailbox->first = mailbox->first + 1 == mailbox->capacity ? 0 : mailbox->first + 1;
    mailbox->count--;
    return item;
}

static size_t mailbox_index(const struct ackd_mailbox *mailbox, size_t nth)
{
    size_t to_end = mailbox->capacity - mailbox->first;
    return nth < to_end ? mailbox->first + nth : nth - to_end;
}

static void mailbox_push(struct ackd_mailbox *mailbox, void *item)
{
    ackd_assert(mailbox->count < mailbox->capacity);
    mailbox->items[mailbox_index(mailbox, mailbox->count)] = item;
    mailbox->count++;
}

void ackd_mailbox_free(struct ackd_mailbox **going)
{
    struct ackd_mailbox *mailbox = *going;
    if (mailbox == NULL)
        return;
    ackd_assert(mailbox->magic == MAILBOX_MAGIC);
    *going = NULL;
    mailbox->complete = true; /* also to what drop() may send */
    queue_close(&mailbox->senders, "mailbox", mailbox->name);
    queue_close(&mailbox->receivers, "mailbox", mailbox->name);
    queue_close(&mailbox->granted, "mailbox", mailbox->name);
    mailbox->reserved = 0;
    while (mailbox->count > 0) {
        void *item = mailbox_pop(mailbox);
        if (mailbox->drop != NULL)
            mailbox->drop(item, mailbox->arg);
    }
    ackd_error_unref(mailbox->error);
    mailbox->magic = 0;
    free(mailbox);
}

static void mailbox_grant(struct ackd_mailbox *mailbox, struct queue_entry *entry, int code)
{
    queue_grant(entry, code);
    if (entry->object == NULL) {
        /* It may be gone before the receiver runs. */
        entry->item = code == ACKD_OK ? mailbox_pop(mailbox)
                                      : (void *)(uintptr_t)ackd_error_ref(mailbox->error);
        return;
    }
    queue_append(&mailbox->granted, entry);
    if (code == ACKD_OK)
        mailbox->reserved++; /* M2 */
}

/* Serve who waits, until M1 holds. */
static void mailbox_pump(struct ackd_mailbox *mailbox)
{
    for (;;) {
        struct queue_entry *sender = queue_first(&mailbox->senders);
        struct queue_entry *receiver = queue_first(&mailbox->receivers);
        if (sender != NULL && mailbox->count < mailbox->capacity) {
            mailbox_push(mailbox, sender->item);
            queue_grant(sender, ACKD_OK);
        } else if (receiver != NULL && mailbox->count > mailbox->reserved) {
            mailbox_grant(mailbox, receiver, ACKD_OK);
        } else if (receiver != NULL && mailbox->complete) {
            mailbox_grant(mailbox, receiver, mailbox->code);
        } else {
            return;
        }
    }
}

static int mailbox_fail_closed(const char *name, const char *file, int line, const char *function)
{
    return ackd_fail_at(ACKD_E_CLOSED, file, line, function, "mailbox '%s' is complete", name);
}

static int mailbox_fail_full(const struct ackd_mailbox *mailbox, const char *file, int line,
                             const char *function)
{
    return ackd_fail_at(ACKD_E_FULL, file, line, function, "mailbox '%s' has its %zu items",
                        mailbox->name, mailbox->capacity);
}

/* One item too many: the callback comes last, when all is in order, for it may send again. */
static void mailbox_drop_one(struct ackd_mailbox *mailbox, void *item)
{
    void *dropped = item;
    if (mailbox->full == ACKD_MAILBOX_DROP_OLDEST) {
        dropped = mailbox->items[mailbox->first];
        mailbox->first = mailbox_index(mailbox, 1 % mailbox->capacity);
        mailbox->count--;
        mailbox_push(mailbox, item);
    } else if (mailbox->full == ACKD_MAILBOX_DROP_NEWEST) {
        size_t last = mailbox_index(mailbox, mailbox->count - 1);
        dropped = mailbox->items[last];
        mailbox->items[last] = item;
    }
    mailbox->drop(dropped, mailbox->arg);
}

/* Whether it was dealt with, in @ret_code; else it has to wait. */
static bool mailbox_put(struct ackd_mailbox *mailbox, void *item, bool waits, int *ret_code,
                        const char *file, int line, const char *function)
{
    *ret_code = ACKD_OK;
    if (mailbox->complete) {
        *ret_code = mailbox_fail_closed(mailbox->name, file, line, function);
    } else if (mailbox->count < mailbox->capacity) {
        mailbox_push(mailbox, item);
        if (!queue_empty(&mailbox->receivers))
            mailbox_pump(mailbox);
    } else if (mailbox->full == ACKD_MAILBOX_WAIT && waits) {
        return false;
    } else if (mailbox->full <= ACKD_MAILBOX_REJECT) {
        *ret_code = mailbox_fail_full(mailbox, file, line, function);
    } else {
        mailbox_drop_one(mailbox, item);
    }
    return true;
}

__attribute__((noinline)) int ackd_mailbox_send_at(struct ackd_mailbox *mailbox, void *item,
                                                   const char *file, int line, const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK)
        return code;
    ackd_assert(mailbox->magic == MAILBOX_MAGIC);
    code = belonging_check(&mailbox->loop, "mailbox", mailbox->name, file, line, function);
    if (code != ACKD_OK)
        return code;
    if (mailbox_put(mailbox, item, true, &code, file, line, function))
        return code;
    struct queue_entry entry;
    queue_entry_init(&entry, NULL, item);
    queue_append(&mailbox->senders, &entry);
    const char *name = mailbox->name;
    code = queue_park(&entry, WAIT_MAILBOX, name, file, line, function);
    if (code != ACKD_E_CLOSED)
        return code;
    return entry.gone ? queue_fail_gone(WAIT_MAILBOX, name, file, line, function)
                      : mailbox_fail_closed(name, file, line, function);
}

int ackd_mailbox_try_send(struct ackd_mailbox *mailbox, void *item)
{
    ackd_assert(mailbox->magic == MAILBOX_MAGIC);
    int code = belonging_check(&mailbox->loop, "mailbox", mailbox->name, ACKD_HERE);
    if (code == ACKD_OK)
        mailbox_put(mailbox, item, false, &code, ACKD_HERE);
    return code;
}

static void *mailbox_pop_for_caller(struct ackd_mailbox *mailbox)
{
    void *item = mailbox_pop(mailbox);
    if (!queue_empty(&mailbox->senders))
        mailbox_pump(mailbox);
    return item;
}

/* How it ended; takes the reference on @error, which is NULL where that was orderly. */
static int mailbox_end(const char *name, const struct ackd_error *error, const char *file, int line,
                       const char *function)
{
    if (error == NULL)
        return mailbox_fail_closed(name, file, line, function);
    return error_give(error);
}

__attribute__((noinline)) int ackd_mailbox_receive_at(struct ackd_mailbox *mailbox, void **ret_item,
                                                      const char *file, int line,
                                                      const char *function)
{
    int code = task_check(TASK_STACK_NOW, file, line, function);
    if (code != ACKD_OK)
        return code;
    ackd_assert(mailbox->magic == MAILBOX_MAGIC);
    code = belonging_check(&mailbox->loop, "mailbox", mailbox->name, file, line, function);
    if (code != ACKD_OK)
        return code;
    if (mailbox->count > mailbox->reserved) {
        *ret_item = mailbox_pop_for_caller(mailbox);
        return ACKD_OK;
    }
    if (mailbox->complete)
        return mailbox_end(mailbox->name, ackd_error_ref(mailbox->error), file, line, function);
    struct queue_entry entry;
    queue_entry_init(&entry, NULL, NULL);
    queue_append(&mailbox->receivers, &entry);
    const char *name = mailbox->name;
    code = queue_park(&entry, WAIT_MAILBOX, name, file, line, function);
    if (entry.gone)
        return queue_fail_gone(WAIT_MAILBOX, name, file, line, function);
    if (code == ACKD_OK)
        *ret_item = entry.item;
    else if (entry.granted)
        return mailbox_end(name, entry.item, file, line, function);
    return code;
}

bool ackd_mailbox_try_receive(struct ackd_mailbox *mailbox, void **ret_item)
{
    ackd_assert(mailbox->magic == MAILBOX_MAGIC);
    if (belonging_check(&mailbox->loop, "mailbox", mailbox->name, ACKD_HERE) != ACKD_OK)
        return false;
    if (mailbox->count == mailbox->reserved)
        return false;
    *ret_item = mailbox_pop_for_caller(mailbox);
    return true;
}

bool ackd_mailbox_complete(struct ackd_mailbox *mailbox, int code)
{
    ackd_assert(mailbox->magic == MAILBOX_MAGIC);
    if (belonging_check(&mailbox->loop, "mailbox", mailbox->name, ACKD_HERE) != ACKD_OK)
        return false;
    if (mailbox->complete)
        return false;
    mailbox->complete = true;
    if (code < 0 && code != ACKD_CANCELED) {
        mailbox->error = ackd_error_ref(error_for(code));
        mailbox->code = ackd_error_code(mailbox->error);
    }
    for (struct queue_entry *sender; (sender = queue_first(&mailbox->senders)) != NULL;)
        queue_grant(sender, ACKD_E_CLOSED);
    mailbox_pump(mailbox);
    return true;
}

size_t ackd_mailbox_count(const struct ackd_mailbox *mailbox)
{
    return mailbox->count;
}

int mailbox_join(struct ackd_mailbox *mailbox, struct queue_entry *entry, const char **ret_what,
                 const char *file, int line, const char *function)
{
    ackd_assert(mailbox->magic == MAILBOX_MAGIC);
    int code = belonging_check(&mailbox->loop, "mailbox", mailbox->name, file, line, function);
    if (code != ACKD_OK)
        return code;
    *ret_what = mailbox->name;
    queue_append(&mailbox->receivers, entry);
    mailbox_pump(mailbox);
    return ACKD_OK;
}

int mailbox_take(struct queue_entry *entry, void **ret_item, const char *file, int line,
                 const char *function)
{
    struct ackd_mailbox *mailbox = entry->object;
    queue_remove(entry);
    if (entry->gone)
        return queue_fail_gone(WAIT_MAILBOX, NULL, file, line, function);
    if (entry->code != ACKD_OK)
        return mailbox_end(mailbox->name, ackd_error_ref(mailbox->error), file, line, function);
    mailbox->reserved--;
    void *item = mailbox_pop_for_caller(mailbox);
    if (ret_item != NULL)
        *ret_item = item;
    return ACKD_OK;
}

void mailbox_leave(struct queue_entry *entry)
{
    struct ackd_mailbox *mailbox = entry->object;
    queue_remove(entry);
    if (!entry->granted || entry->gone || entry->code != ACKD_OK)
        return;
    mailbox->reserved--;
    mailbox_pump(mailbox);
}
