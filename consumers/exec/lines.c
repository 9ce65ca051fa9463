/* SPDX-License-Identifier: MIT */
/* lines - two cuts of one stream: what is given out, and the last line for the error's text. */
#include "lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void lines_init(struct lines *lines, uint64_t max, void (*put)(const char *line, void *arg),
                void *arg)
{
    lines->put = put;
    lines->arg = arg;
    lines->left = max;
    lines->dropped = 0;
    lines->length = 0;
    lines->last_length = 0;
    lines->last[0] = '\0';
}

static void lines_give(struct lines *lines)
{
    if (lines->length > 0 && lines->line[lines->length - 1] == '\r')
        lines->length--;
    if (lines->length == 0)
        return;
    lines->line[lines->length] = '\0';
    lines->length = 0;
    lines->put(lines->line, lines->arg);
}

static void lines_add_shown(struct lines *lines, char byte)
{
    if (lines->left == 0) {
        lines->dropped++;
        return;
    }
    lines->left--;
    if (byte != '\n')
        lines->line[lines->length++] = byte;
    if (byte == '\n' || lines->length == LINES_LENGTH_MAX)
        lines_give(lines);
}

static void lines_keep_last(struct lines *lines)
{
    if (lines->last_length == 0)
        return;
    memcpy(lines->last, lines->next, lines->last_length);
    lines->last[lines->last_length] = '\0';
    lines->last_length = 0;
}

static void lines_add_last(struct lines *lines, char byte)
{
    if (byte == '\n')
        lines_keep_last(lines);
    else if (lines->last_length < sizeof lines->next - 1 && (byte != '\r'))
        lines->next[lines->last_length++] = byte;
}

void lines_add(struct lines *lines, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = bytes[i] == '\0' ? ' ' : bytes[i];
        lines_add_shown(lines, byte);
        lines_add_last(lines, byte);
    }
}

void lines_end(struct lines *lines)
{
    char text[64];
    lines_give(lines);
    lines_keep_last(lines);
    if (lines->dropped == 0)
        return;
    snprintf(text, sizeof text, "... %" PRIu64 " bytes more", lines->dropped);
    lines->dropped = 0;
    lines->put(text, lines->arg);
}
