/* SPDX-License-Identifier: MIT */
/* name - look-ups of <ackd/name.h>. It must not know what the addresses are for. */
#include <config.h>

#include <ackd/name.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "io/address.h"
#include "io/resolve.h"
#include "io/watch.h"
#include "task/wait.h"

enum { NAME_HOST_MAX = 255, NAME_WHY_SIZE = 128 };

/* One that is waited for; on the stack of its task. */
struct name_lookup {
    struct wait wait;
    struct resolve *resolve;
    struct addrinfo *found;
    char why[NAME_WHY_SIZE];
};

static void name_found(struct addrinfo *found, const char *why, void *arg)
{
    struct name_lookup *lookup = arg;
    lookup->resolve = NULL;
    lookup->found = found;
    snprintf(lookup->why, sizeof lookup->why, "%s", why);
    wait_finish(&lookup->wait, ACKD_OK);
}

static size_t name_copy(const struct addrinfo *found, struct ackd_address *addresses, size_t max)
{
    size_t count = 0;
    for (; found != NULL && count < max; found = found->ai_next)
        count += address_fill(found->ai_addr, found->ai_addrlen, &addresses[count]);
    return count;
}

static int name_look_up(struct loop *loop, const char *host, uint16_t port,
                        struct ackd_address *addresses, size_t max, size_t *ret_count,
                        const struct watch_caller *caller)
{
    struct name_lookup lookup = {.resolve = NULL};
    wait_init(&lookup.wait, WAIT_NAME, host, caller->file, caller->line, caller->function);
    ACKD_TRY(resolve_start(loop, host, port, true, name_found, &lookup, &lookup.resolve));
    int code = wait_park(&lookup.wait);
    if (code != ACKD_OK) {
        resolve_cancel(&lookup.resolve);
        if (lookup.found != NULL)
            freeaddrinfo(lookup.found);
        return code;
    }
    if (lookup.found == NULL)
        return ackd_fail_at(ACKD_E_RESOLVE, caller->file, caller->line, caller->function,
                            "cannot resolve the host '%s': %s", host, lookup.why);
    size_t count = name_copy(lookup.found, addresses, max);
    freeaddrinfo(lookup.found);
    if (count == 0)
        return ackd_fail_at(ACKD_E_RESOLVE, caller->file, caller->line, caller->function,
                            "the host '%s' has no address of the internet", host);
    *ret_count = count;
    return ACKD_OK;
}

int ackd_resolve_at(const char *host, uint16_t port, struct ackd_address *addresses, size_t max,
                    size_t *ret_count, const char *file, int line, const char *function)
{
    const struct watch_caller caller = {host == NULL ? "" : host, file, function, line, NULL};
    struct loop *loop;
    ACKD_TRY(wait_check(file, line, function));
    ACKD_TRY(watch_find_loop(&loop, &caller));
    if (host == NULL || host[0] == '\0' || strlen(host) > NAME_HOST_MAX || max == 0)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function,
                            "to resolve takes a host of 1 to %d bytes, and room for an address",
                            NAME_HOST_MAX);
    if (address_parse(host, port, addresses)) {
        *ret_count = 1;
        return ACKD_OK;
    }
    return name_look_up(loop, host, port, addresses, max, ret_count, &caller);
}
