/* SPDX-License-Identifier: MIT */
/*
 * lines - what a program writes, line by line, within bounds.
 *
 * Each line goes to a function as it is complete; one that is too long goes in pieces. Of a stream
 * at most `max` bytes are given out; the rest is counted. It must not know where lines go.
 */
#ifndef ACKD_EXEC_LINES_H
#define ACKD_EXEC_LINES_H

#include <stddef.h>
#include <stdint.h>

enum { LINES_LENGTH_MAX = 900, LINES_LAST_SIZE = 256 };

struct lines {
    void (*put)(const char *line, void *arg);
    void *arg;
    uint64_t left;                   /* bytes that may still be given out */
    uint64_t dropped;                /* bytes that were not */
    size_t length;                   /* of line */
    char line[LINES_LENGTH_MAX + 1]; /* not yet complete */
    char last[LINES_LAST_SIZE]; /* the last line that was not empty, cut; also of what is dropped */
    size_t last_length;         /* of the line that goes into it now */
    char next[LINES_LAST_SIZE]; /* the one that goes into it when it is complete */
};

void lines_init(struct lines *lines, uint64_t max, void (*put)(const char *line, void *arg),
                void *arg);
/* More of the stream. Zero bytes become spaces. */
void lines_add(struct lines *lines, const char *bytes, size_t size);
/* The stream ended: what is left is a line, and what was dropped is told in one. */
void lines_end(struct lines *lines);

#endif
