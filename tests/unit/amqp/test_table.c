/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "amqp/table.h"

#include <ackd/error.h>
#include <ackd/message.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/wire.h"
#include "main.h"

static int check(const void *entries, size_t size)
{
    /* A copy of its own, so that a sanitizer sees every byte read behind its end. */
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    test_that(copy != NULL);
    memcpy(copy, entries, size);
    int code = table_check(copy, size);
    free(copy);
    return code;
}

static bool says(const char *text)
{
    return strstr(ackd_error_text(ackd_error_current()), text) != NULL;
}

/* Tables, or arrays, inside one another: @depth levels, the outermost included. */
static uint8_t *nested(size_t depth, bool arrays, size_t *ret_size)
{
    size_t each = arrays ? 5 : 7;
    size_t size = depth == 0 ? 0 : 7 + (depth - 1) * each;
    uint8_t *bytes = malloc(size + 1);
    test_that(bytes != NULL);
    uint8_t *at = bytes;
    size_t left = size;
    for (size_t i = 1; i < depth; i++) {
        if (i == 1 || !arrays) {
            at = wire_put_8(wire_put_8(at, 1), 'k');
            left -= 2;
        }
        left -= 5;
        at = wire_put_32(wire_put_8(at, arrays ? 'A' : 'F'), (uint32_t)left);
    }
    *ret_size = (size_t)(at - bytes);
    /* What is left over is nothing: the innermost is empty, so fix the lengths. */
    size_t slack = left;
    at = bytes;
    for (size_t i = 1; i < depth; i++) {
        at += i == 1 || !arrays ? 3 : 1;
        wire_put_32(at, wire_get_32(at) - (uint32_t)slack);
        at += 4;
    }
    return bytes;
}

START_TEST(test_nesting_is_bounded)
{
    static const struct {
        size_t depth;
        int code;
    } rows[] = {{1, ACKD_OK},        {2, ACKD_OK},         {32, ACKD_OK},
                {33, ACKD_E_POISON}, {600, ACKD_E_POISON}, {20000, ACKD_E_POISON}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int arrays = 0; arrays < 2; arrays++) {
            size_t size = 0;
            uint8_t *bytes = nested(rows[i].depth, arrays != 0, &size);
            ck_assert_int_eq(check(bytes, size), rows[i].code);
            if (rows[i].code != ACKD_OK)
                ck_assert(says("headers nested deeper than 32"));
            free(bytes);
        }
}
END_TEST

START_TEST(test_the_number_of_entries_is_bounded)
{
    static const struct {
        size_t count;
        int code;
    } rows[] = {{4096, ACKD_OK}, {4097, ACKD_E_POISON}, {130000, ACKD_E_POISON}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *bytes = calloc(rows[i].count, 2);
        for (size_t j = 0; j < rows[i].count; j++)
            bytes[j * 2 + 1] = 'V';
        ck_assert_int_eq(check(bytes, rows[i].count * 2), rows[i].code);
        if (rows[i].code != ACKD_OK)
            ck_assert(says("more than 4096 headers"));
        free(bytes);
    }
    static uint8_t array[7 + 4096] = "\x01kA\0\0\x10"; /* the values of an array count, too */
    memset(array + 7, 'V', 4096);
    ck_assert_int_eq(check(array, sizeof array), ACKD_E_POISON);
    array[5] = 0x0f;
    array[6] = 0xff;
    ck_assert_int_eq(check(array, sizeof array - 1), ACKD_OK);
}
END_TEST

#define EVERY_KIND                      \
    "\x01t"                             \
    "t\x01"                             \
    "\x01"                              \
    "b"                                 \
    "b\xff"                             \
    "\x01"                              \
    "B"                                 \
    "B\xff"                             \
    "\x01s"                             \
    "s\xff\xfe"                         \
    "\x01u"                             \
    "u\xff\xfe"                         \
    "\x01I"                             \
    "I\xff\xff\xff\xfd"                 \
    "\x01i"                             \
    "i\xff\xff\xff\xfd"                 \
    "\x01l"                             \
    "l\xff\xff\xff\xff\xff\xff\xff\xfc" \
    "\x01L"                             \
    "L\xff\xff\xff\xff\xff\xff\xff\xfc" \
    "\x01"                              \
    "f"                                 \
    "f\x3f\xc0\0\0"                     \
    "\x01"                              \
    "d"                                 \
    "d\x3f\xf8\0\0\0\0\0\0"             \
    "\x01"                              \
    "D"                                 \
    "D\x02\0\0\x01\x3a"                 \
    "\x01T"                             \
    "T\0\0\0\0\x6a\0\0\0"               \
    "\x01V"                             \
    "V"                                 \
    "\x01S"                             \
    "S\0\0\0\x02hi"                     \
    "\x01x"                             \
    "x\0\0\0\x01\0"                     \
    "\x01"                              \
    "A"                                 \
    "A\0\0\0\x03"                       \
    "V"                                 \
    "t\0"                               \
    "\x01"                              \
    "F"                                 \
    "F\0\0\0\x03\x01"                   \
    "kV"

START_TEST(test_every_kind_is_read)
{
    static const struct {
        char name;
        enum ackd_header_kind kind;
        int64_t integer;
        size_t size;
    } rows[] = {
        {'t', ACKD_HEADER_BOOLEAN, 1, 0},
        {'b', ACKD_HEADER_INTEGER, -1, 0},
        {'B', ACKD_HEADER_INTEGER, 255, 0},
        {'s', ACKD_HEADER_INTEGER, -2, 0},
        {'u', ACKD_HEADER_INTEGER, 65534, 0},
        {'I', ACKD_HEADER_INTEGER, -3, 0},
        {'i', ACKD_HEADER_INTEGER, INT64_C(4294967293), 0},
        {'l', ACKD_HEADER_INTEGER, -4, 0},
        {'L', ACKD_HEADER_INTEGER, INT64_MAX, 0},
        {'f', ACKD_HEADER_REAL, 0, 0},
        {'d', ACKD_HEADER_REAL, 0, 0},
        {'D', ACKD_HEADER_DECIMAL, 314, 0},
        {'T', ACKD_HEADER_TIMESTAMP, INT64_C(0x6a000000), 0},
        {'V', ACKD_HEADER_VOID, 0, 0},
        {'S', ACKD_HEADER_TEXT, 0, 2},
        {'x', ACKD_HEADER_BYTES, 0, 1},
        {'A', ACKD_HEADER_ARRAY, 0, 3},
        {'F', ACKD_HEADER_TABLE, 0, 3},
    };
    static const char bytes[] = EVERY_KIND;
    ck_assert_int_eq(check(bytes, sizeof bytes - 1), ACKD_OK);
    struct ackd_headers walk = {.rest = {.data = bytes, .size = sizeof bytes - 1}};
    struct ackd_header header;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert(ackd_headers_next(&walk, &header));
        ck_assert_uint_eq(header.name_size, 1);
        ck_assert_int_eq(header.name[0], rows[i].name);
        ck_assert_int_eq(header.kind, rows[i].kind);
        ck_assert_int_eq(header.integer, rows[i].integer);
        ck_assert_uint_eq(header.bytes.size, rows[i].size);
        if (header.kind == ACKD_HEADER_REAL)
            ck_assert_double_eq(header.real, 1.5);
        if (header.kind == ACKD_HEADER_DECIMAL)
            ck_assert_uint_eq(header.scale, 2);
        struct ackd_headers inside = ackd_header_inside(&header);
        struct ackd_header inner;
        bool nests = header.kind == ACKD_HEADER_ARRAY || header.kind == ACKD_HEADER_TABLE;
        ck_assert_int_eq(ackd_headers_next(&inside, &inner), nests);
        if (nests)
            ck_assert_int_eq(inner.kind, ACKD_HEADER_VOID);
        if (header.kind == ACKD_HEADER_ARRAY)
            ck_assert_ptr_null(inner.name);
        ck_assert_int_eq(ackd_headers_next(&inside, &inner), header.kind == ACKD_HEADER_ARRAY);
    }
    ck_assert(!ackd_headers_next(&walk, &header));
    ck_assert(!ackd_headers_next(&walk, &header));
}
END_TEST

/* Whatever is cut off is noticed, and a walk over it ends without reading behind the end. */
START_TEST(test_a_table_cut_anywhere_is_refused)
{
    static const char bytes[] = EVERY_KIND;
    size_t good = 0;
    for (size_t size = 0; size < sizeof bytes - 1; size++) {
        good += check(bytes, size) == ACKD_OK ? 1 : 0;
        uint8_t *copy = malloc(size == 0 ? 1 : size);
        memcpy(copy, bytes, size);
        struct ackd_headers walk = {.rest = {.data = copy, .size = size}};
        struct ackd_header header;
        size_t count = 0;
        while (ackd_headers_next(&walk, &header))
            count++;
        test_that(count < 18);
        free(copy);
    }
    ck_assert_uint_eq(good, 18); /* between the entries, and the empty one */
}
END_TEST

START_TEST(test_kinds_that_do_not_exist_are_refused)
{
    static const char known[] = "tbBsuIilLfdDTVSxAF";
    for (int kind = 0; kind < 256; kind++) {
        char bytes[16] = "\x01k";
        bytes[2] = (char)kind;
        bool exists = kind != 0 && strchr(known, kind) != NULL;
        /* With twelve octets of zero behind it a value that exists is followed by empty names. */
        int code = check(bytes, sizeof bytes);
        test_that(exists || code == ACKD_E_POISON);
        if (!exists)
            test_that(says("unknown kind"));
    }
}
END_TEST

START_TEST(test_a_child_longer_than_its_parent_is_refused)
{
    /* The inner string would end inside the outer frame, but not inside its table. */
    ck_assert_int_eq(check("\x01kF\0\0\0\x09\x01kS\0\0\0\x03zz\x01jV", 19), ACKD_E_POISON);
    ck_assert(says("longer than the table around it"));
    ck_assert_int_eq(check("\x01kF\0\0\0\x09\x01kS\0\0\0\x02zz\x01jV", 19), ACKD_OK);
    ck_assert_int_eq(check("\x01kA\0\0\0\x02I\0\x01jV", 12), ACKD_E_POISON);
    ck_assert_int_eq(check("\x01kS\xff\xff\xff\xff", 7), ACKD_E_POISON);
    ck_assert_int_eq(check("\x05k", 2), ACKD_E_POISON);
    ck_assert(says("name is longer"));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/table");
    TCase *tc = tcase_create("table");
    tcase_add_test(tc, test_nesting_is_bounded);
    tcase_add_test(tc, test_the_number_of_entries_is_bounded);
    tcase_add_test(tc, test_every_kind_is_read);
    tcase_add_test(tc, test_a_table_cut_anywhere_is_refused);
    tcase_add_test(tc, test_kinds_that_do_not_exist_are_refused);
    tcase_add_test(tc, test_a_child_longer_than_its_parent_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
