/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "amqp/entries.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "main.h"

enum { ROOM = 4096 };

static struct entries entries;

/* Exactly as large as @room, so that a sanitizer sees the first byte beyond it. */
static void begin(size_t room)
{
    entries = (struct entries){.bytes = malloc(room == 0 ? 1 : room), .room = room};
    test_that(entries.bytes != NULL);
}

static void end(void)
{
    test_that(entries.size <= entries.room);
    test_that(table_check(entries.bytes, entries.size) == ACKD_OK);
    free(entries.bytes);
}

static struct ackd_header entry_at(size_t index)
{
    struct ackd_headers walk = {.rest = {entries.bytes, entries.size}};
    struct ackd_header header;
    for (size_t i = 0; i <= index; i++)
        test_that(ackd_headers_next(&walk, &header));
    return header;
}

static void is_named(const struct ackd_header *header, const char *name)
{
    ck_assert_uint_eq(header->name_size, strlen(name));
    ck_assert_mem_eq(header->name, name, strlen(name));
}

START_TEST(what_is_written_is_read)
{
    begin(ROOM);
    ck_assert(entries_text(&entries, "text", "hello", 5));
    ck_assert(entries_text(&entries, "", "", 0));
    ck_assert(entries_text(&entries, "none", NULL, 0));
    ck_assert(entries_integer(&entries, "least", INT64_MIN));
    struct ackd_header header = entry_at(0);
    is_named(&header, "text");
    ck_assert_int_eq(header.kind, ACKD_HEADER_TEXT);
    ck_assert_uint_eq(header.bytes.size, 5);
    ck_assert_mem_eq(header.bytes.data, "hello", 5);
    header = entry_at(1);
    is_named(&header, "");
    ck_assert_uint_eq(header.bytes.size, 0);
    header = entry_at(3);
    is_named(&header, "least");
    ck_assert_int_eq(header.kind, ACKD_HEADER_INTEGER);
    ck_assert_int_eq(header.integer, INT64_MIN);
    end();
}
END_TEST

START_TEST(rule_e1_each_entry_is_whole_or_not_there)
{
    const size_t whole = entries_text_overhead("name") + 5;
    for (size_t room = 0; room <= whole; room++) {
        begin(room);
        ck_assert(entries_text(&entries, "name", "hello", 5) == (room == whole));
        ck_assert_uint_eq(entries.size, room == whole ? whole : 0);
        end();
    }
    const size_t integer = 1 + 4 + 1 + 8;
    for (size_t room = 0; room <= integer; room++) {
        begin(room);
        ck_assert(entries_integer(&entries, "name", 7) == (room == integer));
        ck_assert_uint_eq(entries.size, room == integer ? integer : 0);
        end();
    }
}
END_TEST

START_TEST(rule_e1_what_does_not_fit_leaves_what_is_there)
{
    begin(entries_text_overhead("a") + 3);
    ck_assert(entries_text(&entries, "a", "one", 3));
    ck_assert(!entries_integer(&entries, "b", 2));
    ck_assert(!entries_text(&entries, "c", "", 0));
    struct ackd_header header = entry_at(0);
    is_named(&header, "a");
    end();
}
END_TEST

START_TEST(a_name_has_255_bytes_at_most)
{
    char name[257];
    memset(name, 'n', sizeof name);
    begin(ROOM);
    name[256] = '\0';
    ck_assert(!entries_integer(&entries, name, 1));
    name[255] = '\0';
    ck_assert(entries_integer(&entries, name, 1));
    struct ackd_bytes entry = {.data = (const char *)entries.bytes, .size = entries.size};
    ck_assert(!entries_prefixed(&entries, "x", entry));
    ck_assert(entries_same(&entries, entry));
    struct ackd_header header = entry_at(1);
    is_named(&header, name);
    end();
}
END_TEST

/* One entry of each kind there is: name, kind, value. */
static const char *const kinds[] = {
    "\1at\1",
    "\1ab\377",
    "\1aB\377",
    "\1as\0\1",
    "\1au\0\1",
    "\1aI\0\0\0\1",
    "\1ai\0\0\0\1",
    "\1al\0\0\0\0\0\0\0\1",
    "\1af\0\0\0\0",
    "\1ad\0\0\0\0\0\0\0\0",
    "\1aD\2\0\0\0\5",
    "\1aS\0\0\0\2hi",
    "\1ax\0\0\0\2\0\1",
    "\1aA\0\0\0\2t\1",
    "\1aT\0\0\0\0\0\0\0\1",
    "\1aF\0\0\0\4\1bt\1",
    "\1aV",
};
static const size_t kind_sizes[] = {4, 4, 4, 5, 5, 7, 7, 11, 7, 11, 8, 9, 9, 9, 11, 11, 3};

START_TEST(an_entry_of_another_table_is_copied_bit_by_bit)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct ackd_bytes entry = {.data = kinds[i], .size = kind_sizes[i]};
        ck_assert_int_eq(table_check((const uint8_t *)kinds[i], entry.size), ACKD_OK);
        begin(entry.size);
        ck_assert_msg(entries_same(&entries, entry), "%c", kinds[i][2]);
        ck_assert_uint_eq(entries.size, entry.size);
        ck_assert_mem_eq(entries.bytes, kinds[i], entry.size);
        end();
        begin(entry.size + 2);
        ck_assert(entries_prefixed(&entries, "x-", entry));
        struct ackd_header header = entry_at(0);
        is_named(&header, "x-a");
        ck_assert_mem_eq(entries.bytes + 4, kinds[i] + 2, entry.size - 2);
        end();
        begin(entry.size + 1);
        ck_assert(!entries_prefixed(&entries, "x-", entry));
        ck_assert_uint_eq(entries.size, 0);
        end();
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/entries");
    TCase *tc = tcase_create("entries");
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, rule_e1_each_entry_is_whole_or_not_there);
    tcase_add_test(tc, rule_e1_what_does_not_fit_leaves_what_is_there);
    tcase_add_test(tc, a_name_has_255_bytes_at_most);
    tcase_add_test(tc, an_entry_of_another_table_is_copied_bit_by_bit);
    suite_add_tcase(suite, tc);
    return suite;
}
