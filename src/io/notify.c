/* SPDX-License-Identifier: MIT */
/*
 * notify - one datagram to the service manager, as sd_notify(3) describes it.
 *
 * libsystemd's own sender blocks while the manager's queue is full, which would cost heartbeats, so
 * the datagram is sent from here. It must not know what the states mean.
 */
#include <config.h>

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/timer.h"
#include "io/system.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

/* The address that the manager put into the environment; a leading '@' is an abstract name. */
static socklen_t notify_address(struct sockaddr_un *address)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path == NULL ? 0 : strlen(path);
    if (length < 2 || length >= sizeof address->sun_path || (path[0] != '/' && path[0] != '@'))
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, length);
    if (path[0] == '@')
        address->sun_path[0] = '\0';
    else
        length++; /* the terminator belongs to a path */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void notify_send(const char *state)
{
    struct sockaddr_un address;
    socklen_t size = notify_address(&address);
    if (size == 0)
        return;
    int os_code = errno;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)&address, size);
        close(fd);
    }
    errno = os_code;
}

bool notify_wanted(void)
{
    struct sockaddr_un address;
    return notify_address(&address) != 0;
}

uint64_t notify_watchdog_ns(void)
{
    uint64_t interval_us = 0;
    return sd_watchdog_enabled(0, &interval_us) > 0 ? interval_us * NS_PER_US : 0;
}

#else

void notify_send(const char *state)
{
    (void)state;
}

bool notify_wanted(void)
{
    return false;
}

uint64_t notify_watchdog_ns(void)
{
    return 0;
}

#endif
