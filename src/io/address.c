/* SPDX-License-Identifier: MIT */
/* address - to text and from it. It must not know who connects. */
#include <config.h>

#include "io/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof(((struct ackd_address *)NULL)->socket),
               "it must fit");

/* Without the port. */
static void address_print(const struct sockaddr *address, socklen_t size, char *text,
                          size_t text_size)
{
    if (getnameinfo(address, size, text, (socklen_t)text_size, NULL, 0, NI_NUMERICHOST) != 0)
        snprintf(text, text_size, "?");
}

uint16_t address_port(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

static void address_describe_path(const struct sockaddr_un *address, socklen_t size, char *text,
                                  size_t text_size)
{
    size_t length = size - offsetof(struct sockaddr_un, sun_path);
    if (size <= offsetof(struct sockaddr_un, sun_path) || address->sun_path[0] == '\0')
        snprintf(text, text_size, "a socket without a name");
    else
        snprintf(text, text_size, "%.*s", (int)length, address->sun_path);
}

void address_describe(const struct sockaddr *address, socklen_t size, char *text, size_t text_size)
{
    if (address->sa_family == AF_UNIX) {
        address_describe_path((const struct sockaddr_un *)(const void *)address, size, text,
                              text_size);
        return;
    }
    char name[ACKD_ADDRESS_TEXT];
    address_print(address, size, name, sizeof name);
    snprintf(text, text_size, address->sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", name,
             (unsigned)address_port(address));
}

bool address_fill(const struct sockaddr *from, socklen_t size, struct ackd_address *ret_address)
{
    if (from->sa_family != AF_INET && from->sa_family != AF_INET6)
        return false;
    *ret_address = (struct ackd_address){.socket_size = size};
    memcpy(ret_address->socket, from, size);
    address_print(from, size, ret_address->text, sizeof ret_address->text);
    return true;
}

bool address_parse(const char *host, uint16_t port, struct ackd_address *ret_address)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &four.sin_addr) == 1)
        return address_fill((const struct sockaddr *)&four, sizeof four, ret_address);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET6, host, &six.sin6_addr) == 1)
        return address_fill((const struct sockaddr *)&six, sizeof six, ret_address);
    return false;
}
