/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <ackd/ackd.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/loop.h"
#include "main.h"
#include "peer.h"
#include "stage.h"

/* Two ends of a connection by TCP, of this loop. */
struct ends {
    struct ackd_tcp *near, *far;
};

static int open_ends(struct ends *ends)
{
    ACKD_TCP_LISTENER(listener);
    ACKD_TRY(ackd_tcp_listen("127.0.0.1", 0, &listener));
    ACKD_TRY(ackd_tcp_connect("127.0.0.1", ackd_tcp_listener_port(listener), &ends->near));
    ACKD_TRY(ackd_tcp_accept(listener, &ends->far));
    return ACKD_OK;
}

static void close_ends(struct ends *ends)
{
    ackd_tcp_close(&ends->near);
    ackd_tcp_close(&ends->far);
}

#define ENDS(name) __attribute__((cleanup(close_ends))) struct ends name = {NULL, NULL}

static uint8_t byte_of(size_t place)
{
    return (uint8_t)(place * 31 + place / 509);
}

/* How many bytes came to @tcp that nobody read. */
static int pending(const struct ackd_tcp *tcp)
{
    int count = -1;
    return ioctl(ackd_tcp_fd(tcp), FIONREAD, &count) == 0 ? count : -1;
}

enum { MUCH = 4 << 20 };

static int write_much(void *arg)
{
    struct ackd_tcp *tcp = arg;
    uint8_t *bytes = malloc(MUCH);
    for (size_t i = 0; i < MUCH; i++)
        bytes[i] = byte_of(i);
    int code = ackd_tcp_write(tcp, bytes, MUCH);
    memset(bytes, 0xee, MUCH); /* it is the caller's again */
    free(bytes);
    return code == ACKD_OK ? ackd_tcp_shutdown(tcp) : code;
}

static int read_much(void *arg)
{
    struct ackd_tcp *tcp = arg;
    uint8_t bytes[3001];
    size_t place = 0, got = 0;
    do {
        ACKD_TRY(ackd_tcp_read(tcp, bytes, sizeof bytes, &got));
        for (size_t i = 0; i < got; i++)
            TASK_CHECK(bytes[i] == byte_of(place + i));
        place += got;
    } while (got > 0);
    TASK_CHECK(place == MUCH);
    return ACKD_OK;
}

/* Two tasks on each handle, one for each direction. */
static int carry_much(void *arg)
{
    (void)arg;
    ENDS(ends);
    ACKD_TRY(open_ends(&ends));
    TASK_CHECK(strncmp(ackd_tcp_peer(ends.near), "127.0.0.1:", 10) == 0);
    TASK_CHECK(strncmp(ackd_tcp_peer(ends.far), "127.0.0.1:", 10) == 0);
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, write_much, ends.near));
    ACKD_TRY(ackd_spawn(&scope, write_much, ends.far));
    ACKD_TRY(ackd_spawn(&scope, read_much, ends.near));
    ACKD_TRY(ackd_spawn(&scope, read_much, ends.far));
    return ackd_scope_join(&scope);
}

START_TEST(test_carries_megabytes_both_ways_at_once)
{
    stage_expect(carry_much, NULL);
}
END_TEST

static int half_close(void *arg)
{
    (void)arg;
    ENDS(ends);
    char text[8];
    size_t got;
    ACKD_TRY(open_ends(&ends));
    ACKD_TRY(ackd_tcp_write(ends.near, "ask", 3));
    ACKD_TRY(ackd_tcp_shutdown(ends.near));
    ACKD_TRY(ackd_tcp_shutdown(ends.near));
    TASK_CHECK_CODE(ackd_tcp_write(ends.near, "more", 4), ACKD_E_CLOSED);
    ACKD_TRY(ackd_tcp_read_exactly(ends.far, text, 3, NULL));
    ACKD_TRY(ackd_tcp_read(ends.far, text, sizeof text, &got));
    TASK_CHECK(got == 0);
    ACKD_TRY(ackd_tcp_write(ends.far, "told", 4));
    ACKD_TRY(ackd_tcp_read_exactly(ends.near, text, 4, &got));
    TASK_CHECK(got == 4 && memcmp(text, "told", 4) == 0);
    ackd_tcp_close(&ends.far);
    got = 17;
    TASK_CHECK_CODE(ackd_tcp_read_exactly(ends.near, text, 4, &got), ACKD_E_DISCONNECTED);
    TASK_CHECK(got == 0);
    TASK_CHECK_TEXT("ended after 0 of 4 bytes");
    return ACKD_OK;
}

START_TEST(test_one_direction_can_end_before_the_other)
{
    stage_expect(half_close, NULL);
}
END_TEST

static int refused(void *arg)
{
    const uint16_t *port = arg;
    ACKD_TCP(tcp);
    TASK_CHECK_CODE(ackd_tcp_connect("127.0.0.1", *port, &tcp), ACKD_E_REFUSED);
    TASK_CHECK_TEXT("cannot connect to 127.0.0.1:");
    TASK_CHECK_TEXT("nothing listens there");
    TASK_CHECK(tcp == NULL);
    TASK_CHECK_CODE(ackd_tcp_connect("255.255.255.255", *port, &tcp), ACKD_E_OS);
    TASK_CHECK(ackd_error_errno(ackd_error_current()) != 0);
    TASK_CHECK_CODE(ackd_tcp_connect("", *port, &tcp), ACKD_E_INVAL);
    TASK_CHECK_CODE(ackd_tcp_connect(NULL, *port, &tcp), ACKD_E_INVAL);
    return ACKD_OK;
}

START_TEST(test_a_port_where_nobody_listens_refuses)
{
    uint16_t port = peer_free_port();
    stage_expect(refused, &port);
}
END_TEST

static void reset_after_a_byte(int fd, void *arg)
{
    char byte;
    (void)arg;
    if (peer_read(fd, &byte, 1) == 1)
        peer_reset(fd);
}

static int reset(void *arg)
{
    const uint16_t *port = arg;
    char bytes[2048] = {0};
    size_t got;
    ACKD_TCP(tcp);
    signal(SIGPIPE, SIG_DFL);
    ACKD_TRY(ackd_tcp_connect("127.0.0.1", *port, &tcp));
    ACKD_TRY(ackd_tcp_write(tcp, "x", 1));
    TASK_CHECK_CODE(ackd_tcp_read(tcp, bytes, sizeof bytes, &got), ACKD_E_DISCONNECTED);
    TASK_CHECK_TEXT(ackd_tcp_peer(tcp));
    int code = ACKD_OK;
    for (int i = 0; i < 100 && code == ACKD_OK; i++)
        code = ackd_tcp_write(tcp, bytes, sizeof bytes); /* and no SIGPIPE */
    TASK_CHECK_CODE(code, ACKD_E_DISCONNECTED);
    return ACKD_OK;
}

START_TEST(test_a_reset_is_an_error_and_not_a_signal)
{
    struct peer peer;
    peer_start(&peer, reset_after_a_byte, NULL);
    stage_expect(reset, &peer.port);
    peer_stop(&peer);
}
END_TEST

static int wait_then_write(void *arg)
{
    ACKD_TRY(ackd_delay(5));
    return ackd_tcp_write(arg, "late", 4);
}

/* A deadline passes while nothing comes; what comes then is there for the next. */
static int cancelled_read(void *arg)
{
    (void)arg;
    ENDS(ends);
    ACKD_TRY(open_ends(&ends));
    for (unsigned i = 0; i < test_scale(300); i++) {
        char *buffer = malloc(64), text[8];
        size_t got = 99, before = 0;
        struct ackd_deadline limit;
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_spawn(&scope, wait_then_write, ends.far));
        ackd_deadline_push(&limit, i % 7 == 6 ? 4 + i % 3 : 1);
        int code = ackd_deadline_pop(&limit, ackd_tcp_read(ends.near, buffer, 64, &got));
        TASK_CHECK(code == ACKD_OK || code == ACKD_E_TIMEOUT);
        if (code == ACKD_OK)
            before = got;
        else
            TASK_CHECK(got == 99);
        free(buffer); /* nobody may touch it: the sanitizer sees */
        ACKD_TRY(ackd_tcp_read_exactly(ends.near, text, 4 - before, NULL));
        TASK_CHECK(before > 0 || memcmp(text, "late", 4) == 0);
        ACKD_TRY(ackd_scope_join(&scope));
    }
    return ACKD_OK;
}

START_TEST(rule_c17_a_cancelled_read_has_lost_no_bytes)
{
    stage_expect(cancelled_read, NULL);
}
END_TEST

static int read_eight(void *arg)
{
    struct ends *ends = arg;
    char text[9] = "", *at = text;
    size_t got = 0;
    struct ackd_deadline limit;
    ackd_deadline_push(&limit, 5);
    int code = ackd_deadline_pop(&limit, ackd_tcp_read_exactly(ends->near, at, 8, &got));
    TASK_CHECK_CODE(code, ACKD_E_TIMEOUT);
    TASK_CHECK_TEXT("awaiting socket 127.0.0.1:");
    TASK_CHECK(got == 3);
    ACKD_TRY(ackd_tcp_write(ends->far, "defgh", 5));
    ACKD_TRY(ackd_tcp_read_exactly(ends->near, at + got, 8 - got, &got));
    TASK_CHECK(strcmp(text, "abcdefgh") == 0);
    return ACKD_OK;
}

static int cancelled_in_the_middle(void *arg)
{
    (void)arg;
    ENDS(ends);
    ACKD_TRY(open_ends(&ends));
    ACKD_TRY(ackd_tcp_write(ends.far, "abc", 3));
    return read_eight(&ends);
}

START_TEST(rule_c17_who_is_cancelled_in_the_middle_knows_what_came)
{
    stage_expect(cancelled_in_the_middle, NULL);
}
END_TEST

static int use_while_cancelled(void *arg)
{
    struct ends *ends = arg;
    char bytes[4];
    size_t got;
    struct ackd_address address;
    ACKD_TCP(tcp);
    ACKD_TCP_LISTENER(listener);
    int before = stage_descriptors();
    while (ackd_delay(1000) == ACKD_OK)
        ;
    for (int i = 0; i < 3; i++) {
        TASK_CHECK_CODE(ackd_tcp_write(ends->near, "never", 5), ACKD_CANCELED);
        TASK_CHECK_CODE(ackd_tcp_read(ends->near, bytes, 4, &got), ACKD_CANCELED);
        TASK_CHECK_CODE(ackd_tcp_read_exactly(ends->near, bytes, 4, &got), ACKD_CANCELED);
        TASK_CHECK(got == 0);
        TASK_CHECK_CODE(ackd_tcp_connect("127.0.0.1", 1, &tcp), ACKD_CANCELED);
        TASK_CHECK_CODE(ackd_tcp_listen("127.0.0.1", 0, &listener), ACKD_CANCELED);
        TASK_CHECK_CODE(ackd_resolve("127.0.0.1", 1, &address, 1, &got), ACKD_CANCELED);
    }
    TASK_CHECK(stage_descriptors() == before);
    return ACKD_CANCELED;
}

static int cancelled_scope(void *arg)
{
    (void)arg;
    ENDS(ends);
    ACKD_TRY(open_ends(&ends));
    ACKD_TRY(ackd_tcp_write(ends.far, "data", 4));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, use_while_cancelled, &ends));
    ACKD_TRY(ackd_yield());
    ackd_scope_cancel(&scope, ACKD_CANCEL_REQUESTED);
    TASK_CHECK_CODE(ackd_scope_join(&scope), ACKD_CANCELED);
    TASK_CHECK(pending(ends.far) == 0);  /* no byte was sent */
    TASK_CHECK(pending(ends.near) == 4); /* and none was taken */
    return ACKD_OK;
}

START_TEST(rule_c16_in_a_cancelled_scope_the_socket_sees_no_bytes)
{
    stage_expect(cancelled_scope, NULL);
}
END_TEST

static int accept_one(void *arg)
{
    ACKD_TCP(tcp);
    return ackd_tcp_accept(arg, &tcp);
}

/* Without a task: the kernel answers for the listener. */
static int connect_plainly(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int cancelled_accept(void *arg)
{
    (void)arg;
    ACKD_TCP_LISTENER(listener);
    ACKD_TCP(near);
    ACKD_TCP(far);
    ACKD_TRY(ackd_tcp_listen("127.0.0.1", 0, &listener));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, accept_one, listener));
    ACKD_TRY(ackd_yield());
    int fd = connect_plainly(ackd_tcp_listener_port(listener));
    TASK_CHECK(fd >= 0);
    ackd_scope_cancel(&scope, ACKD_CANCEL_REQUESTED);
    TASK_CHECK_CODE(ackd_scope_join(&scope), ACKD_CANCELED);
    ACKD_TRY(ackd_tcp_open(fd, &near));
    ACKD_TRY(ackd_tcp_accept(listener, &far));
    ACKD_TRY(ackd_tcp_write(far, "x", 1));
    char byte;
    return ackd_tcp_read_exactly(near, &byte, 1, NULL);
}

START_TEST(rule_c17_a_cancelled_accept_has_taken_no_connection)
{
    stage_expect(cancelled_accept, NULL);
}
END_TEST

static int read_once(void *arg)
{
    char bytes[16];
    size_t got;
    return ackd_tcp_read(arg, bytes, sizeof bytes, &got);
}

static int write_until_full(void *arg)
{
    static char bytes[1 << 16];
    int code = ACKD_OK;
    while (code == ACKD_OK)
        code = ackd_tcp_write(arg, bytes, sizeof bytes);
    return code;
}

static int close_under(void *arg)
{
    (void)arg;
    ENDS(ends);
    struct ackd_task *tasks[3];
    static const struct ackd_task_options options = {.name = "user"};
    ACKD_TCP_LISTENER(listener);
    ACKD_TRY(ackd_tcp_listen(NULL, 0, &listener));
    ACKD_TRY(open_ends(&ends));
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, read_once, ends.near, &options, &tasks[0]));
    ACKD_TRY(ackd_spawn_task(&scope, write_until_full, ends.near, &options, &tasks[1]));
    ACKD_TRY(ackd_spawn_task(&scope, accept_one, listener, &options, &tasks[2]));
    ACKD_TRY(ackd_delay(20));
    TASK_CHECK_CODE(read_once(ends.near), ACKD_E_INVAL);
    TASK_CHECK_TEXT("another task reads from '127.0.0.1:");
    TASK_CHECK_CODE(ackd_tcp_write(ends.near, "x", 1), ACKD_E_INVAL);
    TASK_CHECK_CODE(ackd_tcp_shutdown(ends.near), ACKD_E_INVAL);
    TASK_CHECK_CODE(accept_one(listener), ACKD_E_INVAL);
    ackd_tcp_close(&ends.near);
    ackd_tcp_listener_close(&listener);
    for (int i = 0; i < 3; i++) {
        TASK_CHECK_CODE(ackd_await(tasks[i]), ACKD_E_CLOSED);
        ackd_task_unref(tasks[i]);
    }
    TASK_CHECK_CODE(read_once(ends.near), ACKD_E_INVAL);
    TASK_CHECK_CODE(accept_one(listener), ACKD_E_INVAL);
    return ackd_scope_join(&scope);
}

START_TEST(test_who_closes_wakes_those_who_wait)
{
    stage_expect(close_under, NULL);
}
END_TEST

static int fill_descriptors(int *fds, int max)
{
    int count = 0;
    while (count < max && (fds[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    return count;
}

static int exhausted(void *arg)
{
    (void)arg;
    static int fds[256];
    ACKD_TCP_LISTENER(listener);
    ACKD_TCP(near);
    ACKD_TCP(far);
    ACKD_TRY(ackd_tcp_listen("127.0.0.1", 0, &listener));
    ACKD_TRY(ackd_tcp_connect("127.0.0.1", ackd_tcp_listener_port(listener), &near));
    struct rlimit before, few = {.rlim_cur = (rlim_t)stage_descriptors() + 20};
    TASK_CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few.rlim_max = before.rlim_max;
    TASK_CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    int count = fill_descriptors(fds, 256);
    ACKD_TCP(another);
    int connected = ackd_tcp_connect("127.0.0.1", ackd_tcp_listener_port(listener), &another);
    int accepted = ackd_tcp_accept(listener, &far);
    int again = ackd_tcp_accept(listener, &far);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    TASK_CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    TASK_CHECK(connected == ACKD_E_FULL);
    TASK_CHECK(accepted == ACKD_E_FULL && again == ACKD_E_FULL);
    TASK_CHECK_TEXT("no descriptor is left");
    ACKD_TRY(ackd_tcp_accept(listener, &far)); /* it waited */
    ACKD_TRY(ackd_tcp_write(near, "x", 1));
    char byte;
    return ackd_tcp_read_exactly(far, &byte, 1, NULL);
}

START_TEST(test_without_descriptors_left_nothing_is_lost)
{
    stage_expect(exhausted, NULL);
}
END_TEST

static int echo(void *arg)
{
    struct ackd_tcp *owned = arg;
    char bytes[256];
    size_t got = 0;
    ACKD_TCP(tcp);
    tcp = owned;
    for (;;) {
        ACKD_TRY(ackd_tcp_read(tcp, bytes, sizeof bytes, &got));
        if (got == 0)
            return ACKD_OK;
        ACKD_TRY(ackd_tcp_write(tcp, bytes, got));
    }
}

struct crowd {
    struct ackd_tcp_listener *listener;
    unsigned count;
};

static int serve_all(void *arg)
{
    const struct crowd *crowd = arg;
    ACKD_SCOPE(scope);
    for (unsigned i = 0; i < crowd->count; i++) {
        struct ackd_tcp *tcp;
        ACKD_TRY(ackd_tcp_accept(crowd->listener, &tcp));
        int code = ackd_spawn(&scope, echo, tcp);
        if (code != ACKD_OK)
            ackd_tcp_close(&tcp);
        ACKD_TRY(code);
    }
    return ackd_scope_join(&scope);
}

static int ask(void *arg)
{
    const struct crowd *crowd = arg;
    ACKD_TCP(tcp);
    ACKD_TRY(ackd_tcp_connect("127.0.0.1", ackd_tcp_listener_port(crowd->listener), &tcp));
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t sent[8] = {i, i * 7, i * 11}, back[8];
        ACKD_TRY(ackd_tcp_write(tcp, sent, sizeof sent));
        ACKD_TRY(ackd_tcp_read_exactly(tcp, back, sizeof back, NULL));
        TASK_CHECK(memcmp(sent, back, sizeof sent) == 0);
    }
    return ACKD_OK;
}

static int many(void *arg)
{
    (void)arg;
    struct crowd crowd = {.count = (unsigned)test_scale(400)};
    ACKD_TCP_LISTENER(listener);
    ACKD_TRY(ackd_tcp_listen("localhost", 0, &listener));
    crowd.listener = listener;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, serve_all, &crowd));
    for (unsigned i = 0; i < crowd.count; i++)
        ACKD_TRY(ackd_spawn(&scope, ask, &crowd));
    return ackd_scope_join(&scope);
}

START_TEST(test_serves_many_connections)
{
    stage_expect(many, NULL);
}
END_TEST

static int by_path(void *arg)
{
    const char *path = arg;
    char text[8];
    ACKD_TCP_LISTENER(listener);
    ACKD_TCP(near);
    ACKD_TCP(far);
    TASK_CHECK_CODE(ackd_tcp_connect(path, 0, &near), ACKD_E_REFUSED);
    ACKD_TRY(ackd_tcp_listen(path, 0, &listener));
    TASK_CHECK(ackd_tcp_listener_port(listener) == 0);
    ACKD_TRY(ackd_tcp_connect(path, 0, &near));
    ACKD_TRY(ackd_tcp_accept(listener, &far));
    TASK_CHECK(strcmp(ackd_tcp_peer(near), path) == 0);
    TASK_CHECK(strcmp(ackd_tcp_peer(far), path) == 0);
    ACKD_TRY(ackd_tcp_write(near, "path", 4));
    ACKD_TRY(ackd_tcp_read_exactly(far, text, 4, NULL));
    ACKD_TCP_LISTENER(second);
    TASK_CHECK_CODE(ackd_tcp_listen(path, 0, &second), ACKD_E_OS);
    ackd_tcp_listener_close(&listener);
    TASK_CHECK(access(path, F_OK) != 0);
    char long_path[200];
    memset(long_path, 'x', sizeof long_path);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    TASK_CHECK_CODE(ackd_tcp_connect(long_path, 0, &near), ACKD_E_INVAL);
    TASK_CHECK_CODE(ackd_tcp_listen(long_path, 0, &second), ACKD_E_INVAL);
    return ACKD_OK;
}

START_TEST(test_connects_by_a_path_too)
{
    char folder[] = "/tmp/ackd-tcp.XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    stage_expect(by_path, path);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* A handle that another thread, with a loop of its own, gets hold of. */
static struct {
    struct ackd_tcp *tcp;
    struct ackd_tcp_listener *listener;
    struct loop *loop;
    struct scheduler *scheduler;
    int read, written, shut, accepted;
} foreign;

static int use_foreign(void *arg)
{
    char byte;
    size_t got;
    ACKD_TCP(tcp);
    (void)arg;
    foreign.read = ackd_tcp_read(foreign.tcp, &byte, 1, &got);
    foreign.written = ackd_tcp_write(foreign.tcp, "x", 1);
    foreign.shut = ackd_tcp_shutdown(foreign.tcp);
    foreign.accepted = ackd_tcp_accept(foreign.listener, &tcp);
    return ACKD_OK;
}

static uint64_t foreign_now(void *arg)
{
    return loop_now_ns(arg);
}

static uint64_t foreign_turn(void *arg)
{
    return scheduler_turn(arg);
}

static void foreign_done(struct ackd_task *task, int code, const struct ackd_error *error,
                         enum ackd_cancel_reason reason, void *arg)
{
    (void)task;
    (void)code;
    (void)error;
    (void)reason;
    (void)arg;
    loop_stop(foreign.loop);
}

static int give_away(void *arg)
{
    (void)arg;
    ENDS(ends);
    char byte;
    size_t got;
    ACKD_TCP_LISTENER(listener);
    ACKD_TRY(ackd_tcp_listen("127.0.0.1", 0, &listener));
    ACKD_TRY(open_ends(&ends));
    foreign.tcp = ends.near;
    foreign.listener = listener;
    const struct scheduler_root root = {.fn = use_foreign, .name = "foreign", .done = foreign_done};
    TASK_CHECK(loop_new("foreign", &foreign.loop) == 0);
    const struct scheduler_options options = {
        .name = "foreign", .now_ns = foreign_now, .arg = foreign.loop};
    TASK_CHECK(scheduler_new(&options, &foreign.scheduler) == 0);
    loop_set_turn(foreign.loop, foreign_turn, foreign.scheduler);
    TASK_CHECK(scheduler_spawn(foreign.scheduler, &root, NULL) == 0);
    TASK_CHECK(loop_start(foreign.loop) == 0);
    loop_join(foreign.loop);
    TASK_CHECK(foreign.read == ACKD_E_WRONG_LOOP);
    TASK_CHECK(foreign.written == ACKD_E_WRONG_LOOP);
    TASK_CHECK(foreign.shut == ACKD_E_WRONG_LOOP);
    TASK_CHECK(foreign.accepted == ACKD_E_WRONG_LOOP);
    TASK_CHECK(pending(ends.far) == 0);
    ACKD_TRY(ackd_tcp_write(ends.far, "y", 1));
    return ackd_tcp_read(ends.near, &byte, 1, &got);
}

START_TEST(rule_a4_a_connection_of_another_loop_is_refused)
{
    int before = stage_descriptors();
    struct stage stage;
    stage_open(&stage, "stage");
    stage_play(&stage, give_away, NULL);
    ck_assert_msg(stage.code == ACKD_OK, "%s", stage.text);
    stage_close(&stage);
    scheduler_free(&foreign.scheduler);
    loop_free(&foreign.loop);
    ck_assert_int_ge(before + 2, stage_descriptors()); /* two of libuv's own, for signals */
}
END_TEST

START_TEST(rule_a1_outside_of_tasks_nothing_is_started)
{
    struct ackd_tcp *tcp = NULL;
    struct ackd_tcp_listener *listener = NULL;
    struct ackd_address address;
    size_t count;
    int before = stage_descriptors();
    ck_assert_int_eq(ackd_tcp_connect("127.0.0.1", 1, &tcp), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_tcp_listen("127.0.0.1", 0, &listener), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_tcp_open(0, &tcp), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_resolve("127.0.0.1", 1, &address, 1, &count), ACKD_E_NOT_IN_TASK);
    ck_assert_ptr_null(tcp);
    ck_assert_ptr_null(listener);
    ck_assert_int_eq(stage_descriptors(), before);
    ackd_tcp_close(&tcp);
    ackd_tcp_listener_close(&listener);
}
END_TEST

static int take_over(void *arg)
{
    (void)arg;
    int pair[2];
    char text[4];
    ACKD_TCP(near);
    ACKD_TCP(far);
    TASK_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    ACKD_TRY(ackd_tcp_open(pair[0], &near));
    TASK_CHECK(strcmp(ackd_tcp_peer(near), "a socket without a name") == 0);
    struct ackd_tcp *again = NULL;
    TASK_CHECK_CODE(ackd_tcp_open(pair[0], &again), ACKD_E_OS);
    TASK_CHECK_TEXT("watches the descriptor");
    ACKD_TRY(ackd_tcp_open(pair[1], &far));
    ACKD_TRY(ackd_tcp_write(near, "pair", 4));
    ACKD_TRY(ackd_tcp_read_exactly(far, text, 4, NULL));
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    TASK_CHECK_CODE(ackd_tcp_open(file, &again), ACKD_E_OS);
    TASK_CHECK(fcntl(file, F_GETFD) >= 0); /* it stays the caller's */
    close(file);
    return ACKD_OK;
}

START_TEST(test_takes_over_a_socket_of_somebody_else)
{
    stage_expect(take_over, NULL);
}
END_TEST

enum { FILLERS = 64 };

static int hang(void *arg)
{
    const uint16_t *port = arg;
    ACKD_TCP(tcp);
    struct ackd_deadline limit;
    uint64_t from_ns = stage_now_ns();
    ackd_deadline_push(&limit, 30);
    int code = ackd_deadline_pop(&limit, ackd_tcp_connect("127.0.0.1", *port, &tcp));
    TASK_CHECK_CODE(code, ACKD_E_TIMEOUT);
    TASK_CHECK_TEXT("awaiting socket 127.0.0.1:");
    uint64_t took_ns = stage_now_ns() - from_ns;
    TASK_CHECK(took_ns >= 30 * NS_PER_MS);
    TASK_CHECK(took_ns < 5 * NS_PER_S);
    return ACKD_OK;
}

START_TEST(test_a_silent_address_is_given_up_at_the_deadline)
{
    uint16_t port;
    int fillers[FILLERS];
    int fd = peer_hanging_listener(&port, fillers, FILLERS);
    stage_expect(hang, &port);
    for (int i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(fd);
}
END_TEST

static int drink(void *arg)
{
    bool *stop = arg;
    ENDS(ends);
    static char bytes[1024];
    size_t got;
    ACKD_TRY(open_ends(&ends));
    while (!*stop) { /* what is there at once does not suspend */
        ACKD_TRY(ackd_tcp_write(ends.near, bytes, sizeof bytes));
        ACKD_TRY(ackd_tcp_read(ends.far, bytes, sizeof bytes, &got));
    }
    return ACKD_OK;
}

static int stop_after_a_ms(void *arg)
{
    ACKD_TRY(ackd_delay(1));
    *(bool *)arg = true;
    return ACKD_OK;
}

static int fair(void *arg)
{
    (void)arg;
    bool stop = false;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, drink, &stop));
    ACKD_TRY(ackd_spawn(&scope, stop_after_a_ms, &stop));
    return ackd_scope_join(&scope);
}

START_TEST(rule_y2_a_socket_that_is_always_ready_holds_up_no_timer)
{
    stage_expect(fair, NULL); /* or it never ends */
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/tcp");
    TCase *tc = tcase_create("tcp");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_carries_megabytes_both_ways_at_once);
    tcase_add_test(tc, test_one_direction_can_end_before_the_other);
    tcase_add_test(tc, test_a_port_where_nobody_listens_refuses);
    tcase_add_test(tc, test_a_reset_is_an_error_and_not_a_signal);
    tcase_add_test(tc, rule_c17_a_cancelled_read_has_lost_no_bytes);
    tcase_add_test(tc, rule_c17_who_is_cancelled_in_the_middle_knows_what_came);
    tcase_add_test(tc, rule_c16_in_a_cancelled_scope_the_socket_sees_no_bytes);
    tcase_add_test(tc, rule_c17_a_cancelled_accept_has_taken_no_connection);
    tcase_add_test(tc, test_who_closes_wakes_those_who_wait);
    tcase_add_test(tc, test_without_descriptors_left_nothing_is_lost);
    tcase_add_test(tc, test_serves_many_connections);
    tcase_add_test(tc, test_connects_by_a_path_too);
    tcase_add_test(tc, rule_a4_a_connection_of_another_loop_is_refused);
    tcase_add_test(tc, rule_a1_outside_of_tasks_nothing_is_started);
    tcase_add_test(tc, test_takes_over_a_socket_of_somebody_else);
    tcase_add_test(tc, test_a_silent_address_is_given_up_at_the_deadline);
    tcase_add_test(tc, rule_y2_a_socket_that_is_always_ready_holds_up_no_timer);
    suite_add_tcase(suite, tc);
    return suite;
}
