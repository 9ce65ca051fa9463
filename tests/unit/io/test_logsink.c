/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "io/logsink.h"

#include <ackd/error.h>
#include <ackd/log.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "io/journal.h"
#include "main.h"

/* Standard error, replaced by something that the test reads. */
static int kept = -1;
static int reader = -1;

static void replace(int writer)
{
    kept = dup(STDERR_FILENO);
    dup2(writer, STDERR_FILENO);
    close(writer);
}

static void capture_pipe(void)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    reader = ends[0];
    replace(ends[1]);
}

static void capture_socket(void)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    reader = ends[0];
    replace(ends[1]);
}

static void restore(void)
{
    logsink_close();
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(reader);
}

/* What was written since the last look, all of it. */
static const char *written(void)
{
    static char text[1 << 20];
    size_t length = 0;
    ssize_t size;
    while (length < sizeof text - 1 &&
           (size = read(reader, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)size;
    text[length] = '\0';
    return text;
}

static unsigned count_of(const char *text, const char *what)
{
    unsigned count = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        count++;
    return count;
}

START_TEST(test_logfmt_is_a_line_with_a_time)
{
    capture_pipe();
    ck_assert_int_eq(logsink_open(LOGSINK_LOGFMT), 0);
    ackd_log_event(ACKD_LOG_INFO, "connected", ACKD_FIELDS(ACKD_FIELD_INT("port", 5672)),
                   "to \"%s\"", "a\nb");
    const char *text = written();
    ck_assert_int_eq(strncmp(text, "time=20", 7), 0);
    ck_assert_int_eq(text[5 + 23], 'Z');
    ck_assert_str_eq(text + 29, " level=info event=connected msg=\"to \\\"a\\nb\\\"\" port=5672\n");
    restore();
}
END_TEST

START_TEST(test_json_is_a_whole_object_also_where_the_text_is_too_long)
{
    char *huge = malloc(20000);
    memset(huge, 'x', 19999);
    huge[19999] = '\0';
    capture_socket();
    ck_assert_int_eq(logsink_open(LOGSINK_JSON), 0);
    ackd_log_info("started", "hello");
    const char *text = written();
    ck_assert_int_eq(strncmp(text, "{\"time\":\"20", 11), 0);
    ck_assert_ptr_nonnull(
        strstr(text, "\"level\":\"info\",\"event\":\"started\",\"msg\":\"hello\"}\n"));
    ackd_log_event(ACKD_LOG_INFO, "long", ACKD_FIELDS(ACKD_FIELD("what", huge)), "%s", huge);
    text = written();
    ck_assert_uint_le(strlen(text), 4096);
    ck_assert_ptr_nonnull(strstr(text, "\"event\":\"long\""));
    ck_assert_ptr_nonnull(strstr(text, "\"}\n"));
    restore();
    free(huge);
}
END_TEST

static void flood(void (*capture)(void))
{
    struct logsink_counts before, counts;
    logsink_counts(&before);
    capture();
    ck_assert_int_eq(logsink_open(LOGSINK_LOGFMT), 0);
    for (int i = 0; i < 20000; i++)
        ackd_log_error("flood", "line %d", i);
    logsink_counts(&counts);
    ck_assert_uint_gt(counts.written - before.written, 10);
    ck_assert_uint_gt(counts.dropped - before.dropped, 10);
    ck_assert_uint_eq(counts.written - before.written + counts.dropped - before.dropped, 20000);
    ck_assert_uint_eq(count_of(written(), "event=flood"), counts.written - before.written);
    ackd_log_error("after", "there is room again");
    char expected[64];
    snprintf(expected, sizeof expected, " lines=%llu\n",
             (unsigned long long)(counts.dropped - before.dropped));
    const char *text = written();
    ck_assert_ptr_nonnull(strstr(text, "event=log_dropped"));
    ck_assert_ptr_nonnull(strstr(text, expected));
    ck_assert_ptr_nonnull(strstr(text, "event=after"));
    restore();
}

START_TEST(test_a_reader_that_does_not_read_blocks_nothing_and_losses_are_told)
{
    flood(_i == 0 ? capture_pipe : capture_socket);
}
END_TEST

START_TEST(test_many_lines_of_one_event_are_held_back_but_not_errors)
{
    struct logsink_counts counts;
    capture_pipe();
    ck_assert_int_eq(logsink_open(LOGSINK_LOGFMT), 0);
    for (int i = 0; i < 50; i++) {
        ackd_log_warning("slow", "line %d", i);
        ackd_log_error("broken", "line %d", i);
    }
    const char *text = written();
    /* Twice 20, where a second began meanwhile. */
    ck_assert_uint_le(count_of(text, "event=slow"), 40);
    ck_assert_uint_eq(count_of(text, "event=broken"), 50);
    logsink_counts(&counts);
    ck_assert_uint_ge(counts.limited, 10);
    logsink_close();
    ck_assert_ptr_nonnull(strstr(written(), "event=log_limited"));
    restore();
}
END_TEST

START_TEST(rule_u7_errors_that_come_in_floods_are_held_back_and_told)
{
    capture_pipe();
    ck_assert_int_eq(logsink_open(LOGSINK_LOGFMT), 0);
    for (int i = 0; i < 1000; i++)
        log_limited("unobserved-failure", ACKD_NO_FIELDS, "number %d", i);
    struct logsink_counts counts;
    logsink_counts(&counts);
    const char *text = written();
    ck_assert_uint_le(count_of(text, "event=unobserved-failure"), 60);
    ck_assert_uint_ge(count_of(text, "event=unobserved-failure"), 20);
    ck_assert_uint_eq(counts.limited + count_of(text, "event=unobserved-failure"), 1000);
    logsink_close();
    ck_assert_ptr_nonnull(strstr(written(), "event=log_limited"));
    restore();
}
END_TEST

static void *log_lines(void *arg)
{
    for (int i = 0; i < 2000; i++)
        ackd_log_error("thread", "%s", (const char *)arg);
    return NULL;
}

START_TEST(test_lines_of_several_threads_do_not_mix)
{
    static char words[4][8] = {"aaaaaaa", "bbbbbbb", "ccccccc", "ddddddd"};
    pthread_t threads[4];
    capture_pipe();
    ck_assert_int_eq(logsink_open(LOGSINK_LOGFMT), 0);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, log_lines, words[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    const char *text = written();
    unsigned lines = count_of(text, "\n"), whole = 0;
    for (int i = 0; i < 4; i++) {
        char line[96];
        snprintf(line, sizeof line, "Z level=error event=thread msg=\"%s\"\n", words[i]);
        whole += count_of(text, line);
    }
    ck_assert_uint_gt(lines, 0);
    ck_assert_uint_eq(whole, lines);
    restore();
}
END_TEST

START_TEST(test_a_reader_that_is_gone_blocks_and_kills_nothing)
{
    capture_socket();
    ck_assert_int_eq(logsink_open(LOGSINK_LOGFMT), 0);
    shutdown(reader, SHUT_RDWR);
    for (int i = 0; i < 100; i++)
        ackd_log_error("gone", "line %d", i);
    restore();
}
END_TEST

static int journal_listen(char *path, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(path, size, "/tmp/ackd-journal-%d", (int)getpid());
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

START_TEST(test_the_journal_gets_fields_and_never_blocks)
{
    const struct ackd_log_field fields[] = {ACKD_FIELD("queue", "orders"),
                                            ACKD_FIELD_INT("delivery-tag", 7)};
    const struct ackd_log_field outer[] = {ACKD_FIELD("consumer", "shop")};
    const struct log_context context = {.fields = outer, .count = 1};
    const struct log_record record = {.level = ACKD_LOG_WARNING,
                                      .event = "slow",
                                      .text = "two\nlines",
                                      .fields = fields,
                                      .count = 2,
                                      .context = &context};
    char path[108], datagram[1024], got[1024] = "";
    int listener = journal_listen(path, sizeof path), fd = -1;
    ck_assert_int_eq(journal_open(path, &fd), 0);
    size_t size = journal_format(&record, datagram, sizeof datagram);
    ck_assert(journal_send(fd, path, datagram, size));
    ck_assert_int_eq(recv(listener, got, sizeof got - 1, MSG_DONTWAIT), (ssize_t)size);
    ck_assert_str_eq(got, "PRIORITY=4\nSYSLOG_IDENTIFIER=ackd\nACKD_EVENT=slow\n"
                          "MESSAGE=two\\nlines\nACKD_QUEUE=orders\nACKD_DELIVERY_TAG=7\n"
                          "ACKD_CONSUMER=shop\n");
    unsigned sent = 0;
    for (int i = 0; i < 10000; i++)
        sent += journal_send(fd, path, datagram, size);
    ck_assert_uint_lt(sent, 10000);
    close(listener);
    unlink(path);
    ck_assert(!journal_send(fd, path, datagram, size));
    close(fd);
}
END_TEST

START_TEST(test_the_journals_restart_is_survived_and_its_absence_told)
{
    char path[108];
    int listener = journal_listen(path, sizeof path), fd = -1;
    ck_assert_int_eq(journal_open(path, &fd), 0);
    close(listener);
    unlink(path);
    ck_assert(!journal_send(fd, path, "MESSAGE=x\n", 10));
    listener = journal_listen(path, sizeof path);
    ck_assert(journal_send(fd, path, "MESSAGE=x\n", 10));
    close(listener);
    unlink(path);
    close(fd);
    ck_assert_int_eq(journal_open(path, &fd), ACKD_E_OS);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), path));
}
END_TEST

START_TEST(test_fields_that_do_not_fit_are_left_out_whole)
{
    const struct ackd_log_field fields[] = {ACKD_FIELD("a", "1"), ACKD_FIELD("b", "2")};
    const struct log_record record = {
        .level = ACKD_LOG_ERROR, .event = "e", .text = "t", .fields = fields, .count = 2};
    char whole[256];
    size_t size = journal_format(&record, whole, sizeof whole);
    for (size_t room = 1; room < size; room++) {
        char *part = malloc(room);
        size_t used = journal_format(&record, part, room);
        ck_assert_uint_le(used, room);
        ck_assert(used == 0 || part[used - 1] == '\n');
        free(part);
    }
}
END_TEST

START_TEST(test_standard_error_tells_whether_it_is_the_journals)
{
    struct stat status;
    char announced[64];
    capture_socket();
    unsetenv("JOURNAL_STREAM");
    ck_assert(!journal_is_stream(STDERR_FILENO));
    fstat(STDERR_FILENO, &status);
    snprintf(announced, sizeof announced, "%llu:%llu", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino);
    setenv("JOURNAL_STREAM", announced, 1);
    ck_assert(journal_is_stream(STDERR_FILENO));
    setenv("JOURNAL_STREAM", "1:1", 1);
    ck_assert(!journal_is_stream(STDERR_FILENO));
    ck_assert_int_eq(logsink_open(LOGSINK_AUTO), 0);
    ackd_log_info("here", "not in the journal");
    ck_assert_ptr_nonnull(strstr(written(), "event=here"));
    restore();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/logsink");
    TCase *tc = tcase_create("logsink");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_logfmt_is_a_line_with_a_time);
    tcase_add_test(tc, test_json_is_a_whole_object_also_where_the_text_is_too_long);
    tcase_add_loop_test(tc, test_a_reader_that_does_not_read_blocks_nothing_and_losses_are_told, 0,
                        2);
    tcase_add_test(tc, test_many_lines_of_one_event_are_held_back_but_not_errors);
    tcase_add_test(tc, rule_u7_errors_that_come_in_floods_are_held_back_and_told);
    tcase_add_test(tc, test_lines_of_several_threads_do_not_mix);
    tcase_add_test(tc, test_a_reader_that_is_gone_blocks_and_kills_nothing);
    tcase_add_test(tc, test_the_journal_gets_fields_and_never_blocks);
    tcase_add_test(tc, test_the_journals_restart_is_survived_and_its_absence_told);
    tcase_add_test(tc, test_fields_that_do_not_fit_are_left_out_whole);
    tcase_add_test(tc, test_standard_error_tells_whether_it_is_the_journals);
    suite_add_tcase(suite, tc);
    return suite;
}
