/* SPDX-License-Identifier: MIT */
/*
 * impostor - a peer that is not RabbitMQ: it takes every connection on a loopback port, says one
 * thing, and closes, or with an empty text says nothing and holds on.
 *
 *     impostor PORT TEXT        \n and \r in TEXT are what they are in C
 */
#include <config.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0) {
        perror("impostor");
        exit(1);
    }
    return fd;
}

static size_t unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (from[0] == '\\' && (from[1] == 'n' || from[1] == 'r'))
            *to++ = *++from == 'n' ? '\n' : '\r';
        else
            *to++ = *from;
    }
    return (size_t)(to - text);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return fputs("usage: impostor PORT TEXT\n", stderr), 64;
    size_t size = unescape(argv[2]);
    int listener = listen_on((uint16_t)atoi(argv[1]));
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        if (peer < 0 || size == 0)
            continue;
        char greeting[8];
        if (read(peer, greeting, sizeof greeting) < 0 || write(peer, argv[2], size) < 0)
            perror("impostor");
        close(peer);
    }
}
