/* SPDX-License-Identifier: MIT */
/* descriptor - descriptors of others, of <ackd/descriptor.h>. It must not know what they are. */
#include <config.h>

#include <ackd/descriptor.h>
#include <ackd/error.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "io/watch.h"

#define DESCRIPTOR_MAGIC UINT32_C(0x64657363)

enum { DESCRIPTOR_NAME_SIZE = 24 };

struct ackd_descriptor {
    uint32_t magic;
    struct watch watch;
    char name[DESCRIPTOR_NAME_SIZE]; /* "descriptor 7" */
};

static void descriptor_closed(void *arg)
{
    struct ackd_descriptor *descriptor = OBJECT_CAST(ackd_descriptor, DESCRIPTOR_MAGIC, arg);
    descriptor->magic = 0;
    free(descriptor);
}

int ackd_descriptor_open(int fd, struct ackd_descriptor **ret_descriptor)
{
    char name[DESCRIPTOR_NAME_SIZE];
    const struct watch_caller caller = {name, __FILE__, __func__, __LINE__,
                                        __builtin_return_address(0)};
    struct loop *loop;
    snprintf(name, sizeof name, "descriptor %d", fd);
    ACKD_TRY(watch_find_loop(&loop, &caller));
    struct ackd_descriptor *descriptor = calloc(1, sizeof *descriptor);
    if (descriptor == NULL)
        return ackd_fail(ACKD_E_NOMEM, "watching the %s", name);
    descriptor->magic = DESCRIPTOR_MAGIC;
    snprintf(descriptor->name, sizeof descriptor->name, "%s", name);
    int code =
        watch_open(&descriptor->watch, loop, fd, WAIT_DESCRIPTOR, descriptor_closed, descriptor);
    if (code != ACKD_OK) {
        free(descriptor);
        return code;
    }
    *ret_descriptor = descriptor;
    return ACKD_OK;
}

void ackd_descriptor_close(struct ackd_descriptor **descriptor)
{
    struct ackd_descriptor *old = *descriptor;
    if (old == NULL)
        return;
    *descriptor = NULL;
    ackd_assert(old->magic == DESCRIPTOR_MAGIC);
    (void)watch_close(&old->watch);
}

static int descriptor_await(struct ackd_descriptor *descriptor, enum watch_direction direction,
                            const char *file, int line, const char *function)
{
    if (descriptor == NULL || descriptor->magic != DESCRIPTOR_MAGIC)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "the descriptor is not open");
    const struct watch_caller caller = {descriptor->name, file, function, line, NULL};
    ACKD_TRY(watch_check_loop(descriptor->watch.loop, &caller));
    int code = watch_enter(&descriptor->watch, direction, &caller);
    if (code != ACKD_OK)
        return code;
    return watch_leave(&descriptor->watch, direction,
                       watch_await(&descriptor->watch, direction, &caller));
}

int ackd_await_readable_at(struct ackd_descriptor *descriptor, const char *file, int line,
                           const char *function)
{
    return descriptor_await(descriptor, WATCH_READ, file, line, function);
}

int ackd_await_writable_at(struct ackd_descriptor *descriptor, const char *file, int line,
                           const char *function)
{
    return descriptor_await(descriptor, WATCH_WRITE, file, line, function);
}
