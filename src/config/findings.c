/* SPDX-License-Identifier: MIT */
/* findings - all that is wrong with a configuration. It must not know what an option is. */
#include <config.h>

#include "config/findings.h"

#include <ackd/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct finding {
    char *line; /* owned */
    uint32_t order;
    int at_line;
    int at_column;
    size_t sequence; /* keeps those of one place in the order they were found */
};

void findings_init(struct findings *findings)
{
    *findings = (struct findings){.lines = NULL};
}

void findings_fini(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        free(findings->lines[i].line);
    free(findings->lines);
    findings_init(findings);
}

bool findings_any(const struct findings *findings)
{
    return findings->count > 0 || findings->out_of_memory;
}

/* The largest length of at most @size at which no character of @text is cut. */
static size_t findings_whole(const char *text, size_t size)
{
    while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
        size--;
    return size;
}

const char *findings_quote(const char *text, char *quote)
{
    static const char dots[] = "...";
    size_t length = strlen(text);
    if (length < FINDINGS_QUOTE_SIZE) {
        memcpy(quote, text, length + 1);
        return quote;
    }
    size_t kept = findings_whole(text, FINDINGS_QUOTE_SIZE - sizeof dots);
    memcpy(quote, text, kept);
    memcpy(quote + kept, dots, sizeof dots);
    return quote;
}

/* F1 */
static void findings_clean(char *line)
{
    for (char *at = line; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
}

static bool findings_grow(struct findings *findings)
{
    if (findings->count < findings->capacity)
        return true;
    size_t capacity = findings->capacity == 0 ? 8 : findings->capacity * 2;
    struct finding *lines = realloc(findings->lines, capacity * sizeof *lines);
    if (lines == NULL)
        return false;
    findings->lines = lines;
    findings->capacity = capacity;
    return true;
}

static char *findings_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void findings_add(struct findings *findings, const struct place *place, const char *format, ...)
{
    ackd_assert(place->file != NULL);
    if (findings->count == FINDINGS_MAX) {
        findings->more++; /* F3 */
        return;
    }
    char text[FINDINGS_TEXT_SIZE];
    char where[32] = "";
    if (place->line > 0)
        snprintf(where, sizeof where, ":%d:%d", place->line, place->column);
    int length = snprintf(text, sizeof text / 2, "%s%s: %s", place->file, where,
                          findings->warnings ? "warning: " : "");
    size_t used = length < 0 ? 0 : (size_t)length;
    if (used >= sizeof text / 2)
        used = sizeof text / 2 - 1;
    va_list args;
    va_start(args, format);
    length = vsnprintf(text + used, sizeof text - used, format, args);
    va_end(args);
    if (length > 0 && (size_t)length >= sizeof text - used)
        text[findings_whole(text, sizeof text - 1)] = '\0';
    findings_clean(text);
    char *line = findings_copy(text);
    if (line == NULL || !findings_grow(findings)) {
        free(line);
        findings->out_of_memory = true;
        return;
    }
    size_t sequence = findings->count++;
    findings->lines[sequence] =
        (struct finding){line, place->order, place->line, place->column, sequence};
}

static int findings_compare(const void *one, const void *other)
{
    const struct finding *a = one;
    const struct finding *b = other;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (a->at_line != b->at_line)
        return a->at_line < b->at_line ? -1 : 1;
    if (a->at_column != b->at_column)
        return a->at_column < b->at_column ? -1 : 1;
    return a->sequence < b->sequence ? -1 : 1;
}

int findings_take(struct findings *findings, struct config_errors *ret_errors)
{
    char more[64];
    snprintf(more, sizeof more, "and %zu more", findings->more);
    char *last = findings->more > 0 ? findings_copy(more) : NULL;
    char **lines = calloc(findings->count + 1, sizeof *lines);
    if (lines == NULL || findings->out_of_memory || (findings->more > 0 && last == NULL)) {
        free(last);
        free(lines);
        return ackd_fail(ACKD_E_NOMEM, "the errors of a configuration");
    }
    if (findings->count > 0)
        qsort(findings->lines, findings->count, sizeof *findings->lines, findings_compare);
    for (size_t i = 0; i < findings->count; i++)
        lines[i] = findings->lines[i].line;
    size_t count = findings->count;
    if (last != NULL)
        lines[count++] = last;
    findings->count = 0;
    *ret_errors = (struct config_errors){.lines = lines, .count = count};
    return ACKD_OK;
}
