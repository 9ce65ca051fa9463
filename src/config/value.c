/* SPDX-License-Identifier: MIT */
/* value - one value as an operator writes it. It must not know which option it reads. */
#include <config.h>

#include "config/value.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"

struct value_unit {
    const char *name;
    uint64_t factor;
};

static const struct value_unit value_durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                                    {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct value_unit value_sizes[] = {
    {"TiB", UINT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20},
    {"KiB", 1 << 10},           {"B", 1},         {NULL, 0}};
static const struct value_unit value_periods[] = {
    {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};

static const char value_number_help[] = "not a whole number: write digits, as in 16";
static const char value_duration_help[] =
    "not a duration: write a number and ms, s, m, h or d, as in 500ms";
static const char value_size_help[] =
    "not a size: write a number of bytes, or one with KiB, MiB, GiB or TiB, as in 64KiB";
static const char value_rate_help[] = "not a rate: write a number, '/' and s, m or h, as in 100/s";

/* Take the digits at the front of @text. @help is the error's text; @ret_rest what follows them. */
static int value_digits(const char *text, const char *help, uint64_t *ret, const char **ret_rest)
{
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return ackd_fail(ACKD_E_SYNTAX, "too large a number"); /* V3 */
    }
    if (at == text)
        return ackd_fail(ACKD_E_SYNTAX, "%s", help);
    *ret = number;
    *ret_rest = at;
    return ACKD_OK;
}

static const struct value_unit *value_unit_find(const struct value_unit *units, const char *name)
{
    while (units->name != NULL && strcmp(units->name, name) != 0)
        units++;
    return units->name == NULL ? NULL : units;
}

static int value_with_unit(uint64_t number, const struct value_unit *unit, uint64_t *ret)
{
    uint64_t product = 0;
    if (__builtin_mul_overflow(number, unit->factor, &product))
        return ackd_fail(ACKD_E_SYNTAX, "too large a number");
    *ret = product;
    return ACKD_OK;
}

int value_integer(const char *text, int64_t *ret)
{
    ackd_assert(text != NULL);
    bool negative = *text == '-';
    uint64_t number = 0;
    const char *rest = NULL;
    ACKD_TRY(value_digits(text + negative, value_number_help, &number, &rest));
    if (*rest != '\0')
        return ackd_fail(ACKD_E_SYNTAX, "%s", value_number_help);
    if (number > (uint64_t)INT64_MAX + negative)
        return ackd_fail(ACKD_E_SYNTAX, "too large a number");
    *ret = negative ? (int64_t)(0 - number) : (int64_t)number;
    return ACKD_OK;
}

int value_boolean(const char *text, bool *ret)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", NULL};
    ackd_assert(text != NULL);
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = i % 2 == 0;
            return ACKD_OK;
        }
    }
    return ackd_fail(ACKD_E_SYNTAX, "neither true nor false: write one of the two");
}

int value_duration_ms(const char *text, uint64_t *ret)
{
    ackd_assert(text != NULL);
    uint64_t number = 0;
    const char *rest = NULL;
    ACKD_TRY(value_digits(text, value_duration_help, &number, &rest));
    if (*rest == '\0' && number == 0) {
        *ret = 0;
        return ACKD_OK;
    }
    if (*rest == '\0')
        return ackd_fail(ACKD_E_SYNTAX, "a duration without a unit: write ms, s, m, h or d behind "
                                        "the number, as in 30s");
    const struct value_unit *unit = value_unit_find(value_durations, rest);
    if (unit == NULL)
        return ackd_fail(ACKD_E_SYNTAX, "%s", value_duration_help);
    return value_with_unit(number, unit, ret);
}

int value_size(const char *text, uint64_t *ret)
{
    ackd_assert(text != NULL);
    uint64_t number = 0;
    const char *rest = NULL;
    ACKD_TRY(value_digits(text, value_size_help, &number, &rest));
    if (*rest == '\0') {
        *ret = number;
        return ACKD_OK;
    }
    const struct value_unit *unit = value_unit_find(value_sizes, rest);
    if (unit == NULL)
        return ackd_fail(ACKD_E_SYNTAX, "%s", value_size_help);
    return value_with_unit(number, unit, ret);
}

int value_percent(const char *text, uint32_t *ret)
{
    ackd_assert(text != NULL);
    static const char help[] = "not a share: write a number from 0 to 100 and '%', as in 60%";
    uint64_t number = 0;
    const char *rest = NULL;
    ACKD_TRY(value_digits(text, help, &number, &rest));
    if (strcmp(rest, "%") != 0 || number > 100)
        return ackd_fail(ACKD_E_SYNTAX, "%s", help);
    *ret = (uint32_t)number;
    return ACKD_OK;
}

int value_rate(const char *text, uint64_t *ret_count, uint64_t *ret_per_ms)
{
    ackd_assert(text != NULL);
    uint64_t number = 0;
    const char *rest = NULL;
    ACKD_TRY(value_digits(text, value_rate_help, &number, &rest));
    const struct value_unit *unit = *rest == '/' ? value_unit_find(value_periods, rest + 1) : NULL;
    if (unit == NULL)
        return ackd_fail(ACKD_E_SYNTAX, "%s", value_rate_help);
    *ret_count = number;
    *ret_per_ms = unit->factor;
    return ACKD_OK;
}

int value_timestamp_s(const char *text, int64_t *ret)
{
    ackd_assert(text != NULL);
    struct tm parts = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    int day = parts.tm_mday;
    time_t s = end == NULL ? 0 : timegm(&parts); /* makes March 2nd of February 30th */
    if (end == NULL || *end != '\0' || strlen(text) != strlen("2026-01-31T12:00:00Z") ||
        parts.tm_mday != day || s < 0)
        return ackd_fail(ACKD_E_SYNTAX, "not a time: write one in UTC, as in 2026-01-31T12:00:00Z");
    *ret = s;
    return ACKD_OK;
}

int value_choice(const char *text, const char *const *choices, int *ret)
{
    ackd_assert(text != NULL);
    ackd_assert(choices != NULL && choices[0] != NULL);
    char list[256];
    size_t length = 0;
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *ret = i;
            return ACKD_OK;
        }
        int added =
            snprintf(list + length, sizeof list - length, "%s%s", i == 0 ? "" : ", ", choices[i]);
        length += added < 0 ? 0 : (size_t)added;
        if (length >= sizeof list)
            length = sizeof list - 1;
    }
    return ackd_fail(ACKD_E_SYNTAX, "not one of %s", list);
}

static bool value_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int value_url(const char *text)
{
    ackd_assert(text != NULL);
    static const char help[] = "not a URL: write a scheme, '://' and a host, as in "
                               "http://127.0.0.1:8080/orders";
    const char *at = text;
    if (!value_is_letter(*at))
        return ackd_fail(ACKD_E_SYNTAX, "%s", help);
    while (value_is_letter(*at) || (*at >= '0' && *at <= '9') ||
           (*at != '\0' && strchr("+-.", *at) != NULL))
        at++;
    if (strncmp(at, "://", 3) != 0)
        return ackd_fail(ACKD_E_SYNTAX, "%s", help);
    at += 3;
    if (*at == '\0' || strchr("/?#:", *at) != NULL)
        return ackd_fail(ACKD_E_SYNTAX, "%s", help);
    for (; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return ackd_fail(ACKD_E_SYNTAX, "a URL with a space or a control character in it: "
                                            "write %%20 and the like");
    }
    return ACKD_OK;
}

/* The bytes of the character that starts at @at and ends before @end; 0 if there is none. */
static size_t value_utf8_character(const unsigned char *at, const unsigned char *end)
{
    /* The second byte is bounded more narrowly where overlong forms, surrogates and what is beyond
     * U+10FFFF would start. */
    unsigned char low = 0x80, high = 0xbf;
    size_t size = 0;
    if (*at >= 0x01 && *at <= 0x7f)
        return 1;
    if (*at >= 0xc2 && *at <= 0xdf)
        size = 2;
    else if (*at >= 0xe0 && *at <= 0xef)
        size = 3;
    else if (*at >= 0xf0 && *at <= 0xf4)
        size = 4;
    if (size == 0 || (size_t)(end - at) < size)
        return 0;
    if (*at == 0xe0)
        low = 0xa0;
    else if (*at == 0xed)
        high = 0x9f;
    else if (*at == 0xf0)
        low = 0x90;
    else if (*at == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    }
    return size;
}

bool value_is_utf8(const char *text, size_t size, size_t *ret_at)
{
    ackd_assert(text != NULL || size == 0);
    const unsigned char *start = (const unsigned char *)text;
    for (size_t at = 0; at < size;) {
        size_t taken = value_utf8_character(start + at, start + size);
        if (taken == 0) {
            if (ret_at != NULL)
                *ret_at = at;
            return false;
        }
        at += taken;
    }
    return true;
}

static char *value_format(uint64_t number, const struct value_unit *units, char *text)
{
    while (units[1].name != NULL && (number < units->factor || number % units->factor != 0))
        units++;
    snprintf(text, VALUE_TEXT_SIZE, "%" PRIu64 "%s", number / units->factor, units->name);
    return text;
}

char *value_format_duration(uint64_t ms, char *text)
{
    if (ms == 0) {
        snprintf(text, VALUE_TEXT_SIZE, "0");
        return text;
    }
    return value_format(ms, value_durations, text);
}

char *value_format_size(uint64_t bytes, char *text)
{
    if (bytes % 1024 != 0 || bytes == 0) {
        snprintf(text, VALUE_TEXT_SIZE, "%" PRIu64, bytes);
        return text;
    }
    return value_format(bytes, value_sizes, text);
}

char *value_format_timestamp(int64_t s, char *text)
{
    struct tm parts = {0};
    time_t time = (time_t)s;
    gmtime_r(&time, &parts);
    strftime(text, VALUE_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}
