/* SPDX-License-Identifier: MIT */
/* address - socket addresses as people read them. Private to io. */
#ifndef ACKD_IO_ADDRESS_H
#define ACKD_IO_ADDRESS_H

#include <ackd/name.h>
#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { ADDRESS_NAME_SIZE = 128 }; /* the longest path of a socket, and more than an address needs */

/* "192.0.2.1:7000", "[2001:db8::1]:7000", "/run/stock.socket", "a socket without a name". */
void address_describe(const struct sockaddr *address, socklen_t size, char *text, size_t text_size);

/* The port; 0 for what has none. */
uint16_t address_port(const struct sockaddr *address);

/* False for one of another family than IPv4 and IPv6. */
bool address_fill(const struct sockaddr *from, socklen_t size, struct ackd_address *ret_address);

/* @host as it is, if it is an address in figures without a scope. Does not allocate. */
bool address_parse(const char *host, uint16_t port, struct ackd_address *ret_address);

#endif
