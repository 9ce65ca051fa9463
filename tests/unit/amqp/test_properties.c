/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "amqp/properties.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/channel.h"
#include "amqp/librabbitmq.h"
#include "base/random.h"
#include "main.h"

static bool same(const char *text, amqp_bytes_t bytes, amqp_flags_t flags, amqp_flags_t flag)
{
    if ((flags & flag) == 0 || text == NULL)
        return (flags & flag) == 0 && text == NULL;
    return strlen(text) == bytes.len && memcmp(text, bytes.bytes, bytes.len) == 0;
}

/* That the library reads the same in @bytes. */
static void compare(const struct properties *ours, const uint8_t *bytes, size_t size)
{
    amqp_pool_t pool;
    init_amqp_pool(&pool, 4096);
    uint8_t *copy = malloc(size);
    memcpy(copy, bytes, size);
    void *decoded = NULL;
    test_that(amqp_decode_properties(60, &pool, (amqp_bytes_t){.len = size, .bytes = copy},
                                     &decoded) == AMQP_STATUS_OK);
    const amqp_basic_properties_t *theirs = decoded;
    amqp_flags_t flags = theirs->_flags;
#define SAME(member, flag) \
    test_that(same(ours->member, theirs->member, flags, AMQP_BASIC_##flag##_FLAG))
    SAME(content_type, CONTENT_TYPE);
    SAME(content_encoding, CONTENT_ENCODING);
    SAME(correlation_id, CORRELATION_ID);
    SAME(reply_to, REPLY_TO);
    SAME(expiration, EXPIRATION);
    SAME(message_id, MESSAGE_ID);
    SAME(type, TYPE);
    SAME(user_id, USER_ID);
    SAME(app_id, APP_ID);
#undef SAME
    test_that(ours->delivery_mode ==
              ((flags & AMQP_BASIC_DELIVERY_MODE_FLAG) != 0 ? theirs->delivery_mode : -1));
    test_that(ours->priority == ((flags & AMQP_BASIC_PRIORITY_FLAG) != 0 ? theirs->priority : -1));
    test_that(ours->timestamp_s ==
              ((flags & AMQP_BASIC_TIMESTAMP_FLAG) != 0 ? theirs->timestamp : 0));
    int count = 0;
    struct ackd_headers walk = {.rest = ours->headers};
    struct ackd_header header;
    while (ackd_headers_next(&walk, &header)) {
        const amqp_table_entry_t *entry = &theirs->headers.entries[count++];
        test_that(entry->key.len == header.name_size);
        test_that(memcmp(entry->key.bytes, header.name, header.name_size) == 0);
    }
    test_that(count == ((flags & AMQP_BASIC_HEADERS_FLAG) != 0 ? theirs->headers.num_entries : 0));
    free(copy);
    empty_amqp_pool(&pool);
}

static const char *some_text(struct random *random, char *room)
{
    static const size_t sizes[] = {0, 1, 7, 36, 254, 255};
    size_t size = sizes[random_below(random, 6)];
    if (random_below(random, 2) == 0)
        return NULL;
    for (size_t i = 0; i < size; i++)
        room[i] = (char)('a' + random_below(random, 26));
    room[size] = '\0';
    return room;
}

START_TEST(test_what_is_written_is_read_by_us_and_by_the_library)
{
    struct random random;
    random_init(&random, 1);
    unsigned long rounds = test_scale(20000);
    for (unsigned long i = 0; i < rounds; i++) {
        static char texts[9][256];
        struct properties written = {
            .content_type = some_text(&random, texts[0]),
            .content_encoding = some_text(&random, texts[1]),
            .correlation_id = some_text(&random, texts[2]),
            .reply_to = some_text(&random, texts[3]),
            .expiration = some_text(&random, texts[4]),
            .message_id = some_text(&random, texts[5]),
            .type = some_text(&random, texts[6]),
            .user_id = some_text(&random, texts[7]),
            .app_id = some_text(&random, texts[8]),
            .timestamp_s = random_below(&random, 2) == 0 ? 0 : random_next(&random),
            .delivery_mode = (int)random_below(&random, 4) - 1,
            .priority = (int)random_below(&random, 257) - 1,
        };
        if (random_below(&random, 2) == 0)
            written.headers = (struct ackd_bytes){.data = "\x01kV\x01jI\0\0\0\x05", .size = 10};
        struct channel_argument more[] = {{"x-a", "one"}, {"x-b", ""}};
        size_t count = random_below(&random, 3);
        size_t size = 0;
        test_that(properties_measure(&written, more, count, &size) == ACKD_OK);
        static uint8_t bytes[4096];
        test_that(properties_write(bytes, &written, more, count) == bytes + size);
        struct arena arena;
        struct properties read;
        arena_init(&arena, NULL, 0);
        test_that(properties_read(bytes, size, &arena, &read) == ACKD_OK);
        compare(&read, bytes, size);
        test_that((read.type == NULL) == (written.type == NULL));
        test_that(read.type == NULL || strcmp(read.type, written.type) == 0);
        test_that(read.app_id == NULL || strcmp(read.app_id, written.app_id) == 0);
        test_that(read.priority == written.priority);
        test_that(read.headers.size ==
                  written.headers.size + (count > 0 ? 12 : 0) + (count > 1 ? 9 : 0));
        arena_fini(&arena);
    }
}
END_TEST

START_TEST(test_every_cut_and_what_is_too_much_is_poison)
{
    static const uint8_t bytes[] = "\xff\xfc" /* all there are */
                                   "\x01t\x01"
                                   "e"
                                   "\0\0\0\x03\x01kV"
                                   "\x02\x05"
                                   "\x01"
                                   "c\x01r\x01x\x01m"
                                   "\0\0\0\0\0\0\0\x07"
                                   "\x01y\x01u\x01"
                                   "a\x01l";
    size_t whole = sizeof bytes - 1;
    for (size_t size = 0; size <= whole + 1; size++) {
        uint8_t *copy = malloc(size == 0 ? 1 : size);
        memcpy(copy, bytes, size);
        struct arena arena;
        struct properties read;
        arena_init(&arena, NULL, 0);
        int code = properties_read(copy, size, &arena, &read);
        test_that(code == (size == whole ? ACKD_OK : ACKD_E_POISON));
        if (size == whole) {
            ck_assert_str_eq(read.content_type, "t");
            ck_assert_str_eq(read.app_id, "a");
            ck_assert_str_eq(read.message_id, "m");
            ck_assert_uint_eq(read.timestamp_s, 7);
            ck_assert_int_eq(read.delivery_mode, 2);
            ck_assert_int_eq(read.priority, 5);
            compare(&read, bytes, size);
        } else {
            test_that(read.content_type == NULL); /* D3: no properties */
        }
        arena_fini(&arena);
        free(copy);
    }
}
END_TEST

START_TEST(test_flags_that_do_not_exist_are_poison)
{
    static const char *const rows[] = {"\0\x01", "\0\x02", "\0\x03", "\x10\x01\x02"};
    for (size_t i = 0; i < 4; i++) {
        struct arena arena;
        struct properties read;
        arena_init(&arena, NULL, 0);
        ck_assert_int_eq(properties_read((const uint8_t *)rows[i], i == 3 ? 3 : 2, &arena, &read),
                         ACKD_E_POISON);
        arena_fini(&arena);
    }
}
END_TEST

START_TEST(test_strings_over_255_bytes_are_not_written)
{
    char text[257];
    memset(text, 'x', 256);
    text[256] = '\0';
    struct properties properties = {.delivery_mode = -1, .priority = -1, .type = text};
    size_t size = 0;
    ck_assert_int_eq(properties_measure(&properties, NULL, 0, &size), ACKD_E_INVAL);
    properties.type = NULL;
    struct channel_argument more = {text, "v"};
    ck_assert_int_eq(properties_measure(&properties, &more, 1, &size), ACKD_E_INVAL);
    text[255] = '\0';
    ck_assert_int_eq(properties_measure(&properties, &more, 1, &size), ACKD_OK);
    ck_assert_uint_eq(size, 2 + 4 + 256 + 1 + 4 + 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/properties");
    TCase *tc = tcase_create("properties");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_what_is_written_is_read_by_us_and_by_the_library);
    tcase_add_test(tc, test_every_cut_and_what_is_too_much_is_poison);
    tcase_add_test(tc, test_flags_that_do_not_exist_are_poison);
    tcase_add_test(tc, test_strings_over_255_bytes_are_not_written);
    suite_add_tcase(suite, tc);
    return suite;
}
