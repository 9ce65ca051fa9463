/* SPDX-License-Identifier: MIT */
/*
 * impostor - a peer that is not RabbitMQ: it takes every connection on a loopback port, says one
 * thing, and closes, or with an empty text says nothing and holds on.
 *
 *     impostor PORT [-r] TEXT   \n, \r and \xHH in TEXT are what they are in C; -r: over and over
 */
#include <config.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
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
        unsigned byte;
        if (from[0] == '\\' && (from[1] == 'n' || from[1] == 'r')) {
            *to++ = *++from == 'n' ? '\n' : '\r';
        } else if (sscanf(from, "\\x%2x", &byte) == 1) {
            *to++ = (char)byte;
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    return (size_t)(to - text);
}

int main(int argc, char **argv)
{
    bool endless = argc == 4 && strcmp(argv[2], "-r") == 0;
    if (argc != 3 && !endless)
        return fputs("usage: impostor PORT [-r] TEXT\n", stderr), 64;
    char *text = argv[argc - 1];
    size_t size = unescape(text);
    int listener = listen_on((uint16_t)atoi(argv[1]));
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        if (peer < 0 || size == 0)
            continue;
        char greeting[8];
        ssize_t got = read(peer, greeting, sizeof greeting);
        do {
            if (got < 0 || send(peer, text, size, MSG_NOSIGNAL) < 0)
                break;
        } while (endless);
        close(peer);
    }
}
