/* SPDX-License-Identifier: MIT */
/*
 * value - one value as an operator writes it: a duration, a size, a number.
 *
 * Used for the options of the configuration and for those of handlers. It must not know which
 * option it reads, nor show what it read: a value may be a secret.
 *
 *   V1  A value is read as a whole: nothing before it, nothing behind it, no surrounding space.
 *   V2  A unit is written out. A number without one is refused where units could be confused.
 *   V3  No function rounds, and none wraps round: what does not fit is refused.
 *   V4  On ACKD_E_SYNTAX the text completes the sentence "VALUE is ...", never holds the value
 *       itself, and says what to write instead: "not a duration: write ..., as in 500ms".
 */
#ifndef ACKD_CONFIG_VALUE_H
#define ACKD_CONFIG_VALUE_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal number with an optional '-'. */
ACKD_MUST_CHECK int value_integer(const char *text, int64_t *ret);

/* true or false; also yes, no, on, off, which YAML knows. */
ACKD_MUST_CHECK int value_boolean(const char *text, bool *ret);

/* Milliseconds: a number and ms, s, m, h or d; 0 needs no unit. */
ACKD_MUST_CHECK int value_duration_ms(const char *text, uint64_t *ret);

/* Bytes: a number alone or with B, KiB, MiB, GiB or TiB. */
ACKD_MUST_CHECK int value_size(const char *text, uint64_t *ret);

/* A number from 0 to 100 and '%'. */
ACKD_MUST_CHECK int value_percent(const char *text, uint32_t *ret);

/* Events in a time: a number, '/', and s, m or h. @ret_count events in @ret_per_ms milliseconds. */
ACKD_MUST_CHECK int value_rate(const char *text, uint64_t *ret_count, uint64_t *ret_per_ms);

/* Seconds since 1970 of a time in UTC, written as 2026-01-31T12:00:00Z. */
ACKD_MUST_CHECK int value_timestamp_s(const char *text, int64_t *ret);

/* The index of @text in @choices, which NULL ends. */
ACKD_MUST_CHECK int value_choice(const char *text, const char *const *choices, int *ret);

/* A scheme, "://" and a host: checked for form alone. */
ACKD_MUST_CHECK int value_url(const char *text);

/* Bytes that are UTF-8 as RFC 3629 has it, without NUL. @ret_at (may be NULL): the first byte that
 * is not. */
bool value_is_utf8(const char *text, size_t size, size_t *ret_at);

/* Write a duration or a size with the largest unit that keeps it whole: "90s", "256KiB". @text has
 * room for VALUE_TEXT_SIZE bytes. Returns @text. */
enum { VALUE_TEXT_SIZE = 32 };
char *value_format_duration(uint64_t ms, char *text);
char *value_format_size(uint64_t bytes, char *text);
/* A time as value_timestamp_s() reads it. */
char *value_format_timestamp(int64_t s, char *text);

#endif
