/* SPDX-License-Identifier: MIT */
/*
 * faultproxy - stands between ackd and a broker on the loopback and does what networks do.
 *
 *     faultproxy SOCKET PORT         forwards to PORT; listens where 'port' says
 *     faultproxy -c SOCKET WORD...   one command to the one that runs; its answer on standard output
 *
 * WAY is up (to the broker) or down; END is close, reset or stall; WHICH is a method, 60.40, or
 * any, method, header, body or heartbeat.
 *
 *     port                             the port it listens on
 *     pass                             no faults any more; what was held goes on
 *     latency WAY MS [JITTER_MS]       bandwidth WAY BYTES_PER_S
 *     slice WAY BYTES [PAUSE_US]       so many bytes per segment
 *     hold WAY                         nothing goes on, as if packets were lost
 *     swallow WAY                      what comes is thrown away
 *     limit WAY BYTES END [STEP]       END after so many more bytes; STEP more for each connection
 *     corrupt WAY BYTES [STEP]         one byte is made another, that far from here
 *     frame WAY ACT WHICH [COUNT [SKIP]]   ACT is drop, twice or an END
 *     backlog                          connections are taken by the kernel and left there
 *     refuse, listen                   nobody listens; somebody does again
 *     cut END                          all connections, now
 *     recovered                        ms from the last 'listen' to the first delivery after it, or -
 *     seen WAY WHICH                   frames counted so far
 *     status                           accepted=N open=N up=BYTES down=BYTES
 *
 * It ends with its parent.
 */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "faultpipe.h"

enum { PAIRS_MAX = 256, UP = 0, DOWN = 1, READ_SIZE = 65536, HELD_MAX = 1 << 20, WORDS_MAX = 8 };

/* ends[UP] is the client's side, which is read for the way up; ends[DOWN] the broker's. */
struct pair {
    int ends[2];
    bool connecting;  /* the broker's side */
    bool finished[2]; /* that end has sent its last */
    bool closed[2];   /* and the other was told */
    struct faultpipe pipes[2];
};

static struct {
    struct fault_rules rules[2];
    uint64_t limit[2], limit_step[2], corrupt[2], corrupt_step[2];
    enum fault_act limit_act[2];
    struct pair *pairs[PAIRS_MAX];
    size_t pair_count;
    int control, listener;
    uint16_t port, target;
    bool backlog;
    uint64_t accepted, bytes[2], chance;
    uint64_t listened_us, recovered_us; /* 'listen' was asked for; the first delivery since */
    uint64_t delivered;                 /* before 'listen' */
} proxy;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "faultproxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t next_chance(void)
{
    proxy.chance = proxy.chance * 6364136223846793005ULL + 1442695040888963407ULL;
    return proxy.chance >> 33;
}

/* ---- connections ---- */

static void pair_end(size_t at, bool reset)
{
    struct pair *pair = proxy.pairs[at];
    struct linger abrupt = {1, 0};
    for (int way = 0; way < 2; way++) {
        if (reset)
            (void)setsockopt(pair->ends[way], SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
        close(pair->ends[way]);
        faultpipe_fini(&pair->pipes[way]);
    }
    free(pair);
    proxy.pairs[at] = proxy.pairs[--proxy.pair_count];
}

static void cut_all(bool reset)
{
    while (proxy.pair_count > 0)
        pair_end(proxy.pair_count - 1, reset);
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void start_listening(void)
{
    struct sockaddr_in address = loopback(proxy.port);
    socklen_t size = sizeof address;
    int one = 1;
    if (proxy.listener >= 0)
        return;
    proxy.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (proxy.listener < 0 ||
        setsockopt(proxy.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(proxy.listener, (struct sockaddr *)&address, size) != 0 ||
        listen(proxy.listener, 64) != 0 ||
        getsockname(proxy.listener, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    proxy.port = ntohs(address.sin_port);
}

static uint64_t deliveries(void)
{
    return proxy.rules[DOWN].methods[60][60];
}

static void listen_again(void)
{
    proxy.listened_us = now_us();
    proxy.recovered_us = 0;
    proxy.delivered = deliveries();
    start_listening();
}

static void stop_listening(void)
{
    if (proxy.listener >= 0)
        close(proxy.listener);
    proxy.listener = -1;
}

static void pair_begin(int client)
{
    struct sockaddr_in address = loopback(proxy.target);
    int one = 1, broker = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (broker < 0)
        die("socket");
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(broker, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int status = connect(broker, (struct sockaddr *)&address, sizeof address);
    if ((status != 0 && errno != EINPROGRESS) || proxy.pair_count == PAIRS_MAX) {
        close(broker);
        close(client);
        return;
    }
    struct pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL)
        die("memory");
    pair->ends[UP] = client;
    pair->ends[DOWN] = broker;
    pair->connecting = status != 0;
    for (int way = 0; way < 2; way++) {
        struct faultpipe *pipe = &pair->pipes[way];
        faultpipe_init(pipe, &proxy.rules[way], way == UP ? 8 : 0);
        pipe->limit = proxy.limit[way];
        pipe->limit_act = proxy.limit_act[way];
        pipe->corrupt = proxy.corrupt[way];
        if (proxy.limit[way] != UINT64_MAX)
            proxy.limit[way] += proxy.limit_step[way];
        if (proxy.corrupt[way] != UINT64_MAX)
            proxy.corrupt[way] += proxy.corrupt_step[way];
    }
    proxy.pairs[proxy.pair_count++] = pair;
    proxy.accepted++;
}

static void accept_all(void)
{
    for (;;) {
        int client = accept4(proxy.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0)
            return;
        pair_begin(client);
    }
}

/* Read what one end has; false: the pair is over. */
static bool pair_read(struct pair *pair, int way)
{
    static uint8_t data[READ_SIZE];
    struct faultpipe *pipe = &pair->pipes[way];
    ssize_t count = recv(pair->ends[way], data, sizeof data, 0);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    if (count == 0) {
        pair->finished[way] = true;
        return true;
    }
    if (way == UP && pipe->in == 0 && data[0] != 'A')
        pair->pipes[UP].opaque = pair->pipes[DOWN].opaque = true;
    proxy.bytes[way] += (uint64_t)count;
    faultpipe_feed(pipe, data, (size_t)count, now_us(), next_chance());
    return true;
}

/* Write what is due; false: the pair is over. */
static bool pair_write(struct pair *pair, int way)
{
    struct faultpipe *pipe = &pair->pipes[way];
    int to = pair->ends[1 - way];
    const uint8_t *data;
    size_t size;
    while ((size = faultpipe_ready(pipe, now_us(), &data)) > 0) {
        ssize_t count = send(to, data, size, MSG_NOSIGNAL);
        if (count < 0)
            return errno == EAGAIN || errno == EINTR;
        faultpipe_wrote(pipe, (size_t)count, now_us());
    }
    if (pair->finished[way] && !pair->closed[way] && pipe->waiting == 0) {
        pair->closed[way] = true;
        shutdown(to, SHUT_WR);
    }
    return true;
}

/* One turn of a pair with what poll said; false: it is over, with a reset if @ret_reset. */
static bool pair_turn(struct pair *pair, const struct pollfd *polls, bool *ret_reset)
{
    *ret_reset = true;
    if (pair->connecting && polls[DOWN].revents != 0) {
        int error = 0;
        socklen_t size = sizeof error;
        (void)getsockopt(pair->ends[DOWN], SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0)
            return false;
        pair->connecting = false;
    }
    for (int way = 0; way < 2; way++)
        if ((polls[way].revents & (POLLIN | POLLHUP | POLLERR)) && !pair->finished[way] &&
            !(way == DOWN && pair->connecting) && !pair_read(pair, way))
            return false;
    if (!pair->connecting)
        for (int way = 0; way < 2; way++)
            if (!pair_write(pair, way))
                return false;
    for (int way = 0; way < 2; way++) {
        enum fault_act ending = faultpipe_ending(&pair->pipes[way]);
        *ret_reset = ending == FAULT_RESET;
        if (ending != FAULT_PASS)
            return false;
    }
    return !(pair->closed[UP] && pair->closed[DOWN]);
}

static short poll_events(const struct pair *pair, int way)
{
    const struct faultpipe *in = &pair->pipes[way], *out = &pair->pipes[1 - way];
    bool connecting = way == DOWN && pair->connecting;
    short events = 0;
    if (!pair->finished[way] && in->waiting < HELD_MAX && !connecting)
        events |= POLLIN;
    if (connecting || faultpipe_wake_us(out) <= now_us())
        events |= POLLOUT;
    return events;
}

/* ---- commands ---- */

static void answer(int fd, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));
static void answer(int fd, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vdprintf(fd, format, args);
    va_end(args);
}

static int way_of(const char *word)
{
    return word == NULL ? -1 : strcmp(word, "up") == 0 ? UP : strcmp(word, "down") == 0 ? DOWN : -1;
}

static enum fault_act act_of(const char *word)
{
    static const char *const names[] = {
        [FAULT_DROP] = "drop",   [FAULT_TWICE] = "twice", [FAULT_CLOSE] = "close",
        [FAULT_RESET] = "reset", [FAULT_STALL] = "stall",
    };
    for (size_t i = FAULT_DROP; word != NULL && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(word, names[i]) == 0)
            return (enum fault_act)i;
    return FAULT_PASS;
}

static bool which_of(const char *word, struct fault_frame *ret_frame)
{
    static const char *const types[] = {"any", "method", "header", "body", [8] = "heartbeat"};
    unsigned class_id, method_id;
    *ret_frame = (struct fault_frame){.count = 1};
    if (word == NULL)
        return false;
    if (sscanf(word, "%u.%u", &class_id, &method_id) == 2) {
        ret_frame->class_id = (uint16_t)class_id;
        ret_frame->method_id = (uint16_t)method_id;
        return class_id < FAULT_CLASSES && method_id < FAULT_METHODS;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i] != NULL && strcmp(word, types[i]) == 0) {
            ret_frame->type = (uint8_t)i;
            return true;
        }
    return false;
}

static uint64_t number_of(const char *word, uint64_t fallback)
{
    return word == NULL ? fallback : strtoull(word, NULL, 10);
}

static void pass(void)
{
    for (int way = 0; way < 2; way++) {
        struct fault_rules *rules = &proxy.rules[way];
        rules->latency_us = rules->jitter_us = rules->bandwidth = rules->slice_us = 0;
        rules->slice = rules->frame_count = 0;
        rules->hold = rules->swallow = false;
        proxy.limit[way] = proxy.corrupt[way] = UINT64_MAX;
        for (size_t i = 0; i < proxy.pair_count; i++)
            proxy.pairs[i]->pipes[way].limit = proxy.pairs[i]->pipes[way].corrupt = UINT64_MAX;
    }
    proxy.backlog = false;
    start_listening();
}

static bool set_limit(int way, char **words)
{
    uint64_t bytes = number_of(words[2], 0);
    enum fault_act act = act_of(words[3]);
    if (words[2] == NULL || act < FAULT_CLOSE)
        return false;
    proxy.limit[way] = bytes;
    proxy.limit_act[way] = act;
    proxy.limit_step[way] = number_of(words[4], 0);
    for (size_t i = 0; i < proxy.pair_count; i++) {
        proxy.pairs[i]->pipes[way].limit = proxy.pairs[i]->pipes[way].out + bytes;
        proxy.pairs[i]->pipes[way].limit_act = act;
    }
    return true;
}

static bool set_corrupt(int way, char **words)
{
    if (words[2] == NULL)
        return false;
    proxy.corrupt[way] = number_of(words[2], 0);
    proxy.corrupt_step[way] = number_of(words[3], 0);
    for (size_t i = 0; i < proxy.pair_count; i++)
        proxy.pairs[i]->pipes[way].corrupt = proxy.pairs[i]->pipes[way].in + proxy.corrupt[way];
    return true;
}

static bool set_frame(int way, char **words)
{
    struct fault_rules *rules = &proxy.rules[way];
    struct fault_frame frame;
    enum fault_act act = act_of(words[2]);
    if (act == FAULT_PASS || !which_of(words[3], &frame) ||
        rules->frame_count == FAULT_FRAME_RULES_MAX)
        return false;
    frame.act = act;
    frame.count = number_of(words[4], 1);
    frame.skip = words[4] == NULL ? 0 : number_of(words[5], 0);
    rules->frames[rules->frame_count++] = frame;
    return true;
}

/* A command about one way of the connections. */
static bool way_command(char **words, int fd)
{
    int way = way_of(words[1]);
    if (way < 0)
        return false;
    struct fault_rules *rules = &proxy.rules[way];
    struct fault_frame frame;
    if (strcmp(words[0], "latency") == 0) {
        rules->latency_us = number_of(words[2], 0) * 1000;
        rules->jitter_us = words[2] == NULL ? 0 : number_of(words[3], 0) * 1000;
    } else if (strcmp(words[0], "bandwidth") == 0) {
        rules->bandwidth = number_of(words[2], 0);
    } else if (strcmp(words[0], "slice") == 0) {
        rules->slice = number_of(words[2], 1);
        rules->slice_us = words[2] == NULL ? 0 : number_of(words[3], 0);
    } else if (strcmp(words[0], "hold") == 0) {
        rules->hold = true;
    } else if (strcmp(words[0], "swallow") == 0) {
        rules->swallow = true;
    } else if (strcmp(words[0], "seen") == 0) {
        if (!which_of(words[2], &frame))
            return false;
        answer(fd, "%llu\n",
               (unsigned long long)(frame.class_id != 0
                                        ? rules->methods[frame.class_id][frame.method_id]
                                        : rules->types[frame.type]));
        return true;
    } else if (!(strcmp(words[0], "limit") == 0 && set_limit(way, words)) &&
               !(strcmp(words[0], "corrupt") == 0 && set_corrupt(way, words)) &&
               !(strcmp(words[0], "frame") == 0 && set_frame(way, words))) {
        return false;
    }
    answer(fd, "ok\n");
    return true;
}

static bool command(char **words, int fd)
{
    if (strcmp(words[0], "port") == 0) {
        answer(fd, "%u\n", proxy.port);
        return true;
    }
    if (strcmp(words[0], "recovered") == 0) {
        if (proxy.recovered_us == 0)
            answer(fd, "-\n");
        else
            answer(fd, "%llu\n",
                   (unsigned long long)(proxy.recovered_us - proxy.listened_us) / 1000);
        return true;
    }
    if (strcmp(words[0], "status") == 0) {
        answer(fd, "accepted=%llu open=%zu up=%llu down=%llu\n", (unsigned long long)proxy.accepted,
               proxy.pair_count, (unsigned long long)proxy.bytes[UP],
               (unsigned long long)proxy.bytes[DOWN]);
        return true;
    }
    if (strcmp(words[0], "pass") == 0)
        pass();
    else if (strcmp(words[0], "backlog") == 0)
        proxy.backlog = true;
    else if (strcmp(words[0], "refuse") == 0)
        stop_listening();
    else if (strcmp(words[0], "listen") == 0)
        listen_again();
    else if (strcmp(words[0], "cut") == 0 && words[1] != NULL)
        cut_all(strcmp(words[1], "reset") == 0);
    else
        return way_command(words, fd);
    answer(fd, "ok\n");
    return true;
}

/* One command per connection, in one write. */
static void take_command(void)
{
    char line[256];
    char *words[WORDS_MAX + 1] = {NULL};
    int fd = accept4(proxy.control, NULL, NULL, SOCK_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (size > 0) {
        line[size] = '\0';
        size_t count = 0;
        for (char *word = strtok(line, " \n"); word != NULL && count < WORDS_MAX;
             word = strtok(NULL, " \n"))
            words[count++] = word;
        if (count == 0 || !command(words, fd))
            answer(fd, "error: see faultproxy.c for what can be asked\n");
    }
    if (fd >= 0)
        close(fd);
}

/* ---- the two programs ---- */

static void turn(void)
{
    static struct pollfd polls[2 + 2 * PAIRS_MAX];
    uint64_t now = now_us(), wake = UINT64_MAX;
    size_t count = proxy.pair_count;
    polls[0] = (struct pollfd){proxy.control, POLLIN, 0};
    polls[1] = (struct pollfd){proxy.backlog ? -1 : proxy.listener, POLLIN, 0};
    for (size_t i = 0; i < count; i++)
        for (int way = 0; way < 2; way++) {
            short events = poll_events(proxy.pairs[i], way);
            polls[2 + 2 * i + (size_t)way] =
                (struct pollfd){events == 0 ? -1 : proxy.pairs[i]->ends[way], events, 0};
            uint64_t due = faultpipe_wake_us(&proxy.pairs[i]->pipes[way]);
            if (due > now && due < wake)
                wake = due;
        }
    int timeout_ms = wake == UINT64_MAX ? -1 : (int)((wake - now + 999) / 1000);
    /* A millisecond is long for slices: those are polled for. */
    if (wake != UINT64_MAX && wake - now < 1000)
        timeout_ms = 0;
    if (poll(polls, 2 + 2 * count, timeout_ms) < 0 && errno != EINTR)
        die("poll");
    for (size_t i = count; i-- > 0;) {
        bool reset;
        if (!pair_turn(proxy.pairs[i], &polls[2 + 2 * i], &reset))
            pair_end(i, reset);
    }
    if (proxy.recovered_us == 0 && deliveries() > proxy.delivered)
        proxy.recovered_us = now_us();
    if (polls[1].revents != 0)
        accept_all();
    if (polls[0].revents != 0)
        take_command();
}

static struct sockaddr_un control_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        die(path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

static int client(const char *path, int count, char **words)
{
    struct sockaddr_un address = control_address(path);
    char line[256] = "", reply[256];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die(path);
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += (size_t)snprintf(line + size, sizeof line - size, "%s ", words[i]);
    if (write(fd, line, size) < 0)
        die("write");
    ssize_t got = read(fd, reply, sizeof reply - 1);
    if (got <= 0)
        die("no answer");
    reply[got] = '\0';
    bool refused = strncmp(reply, "error", 5) == 0;
    if (strcmp(reply, "ok\n") != 0)
        fputs(reply, refused ? stderr : stdout);
    return refused;
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "-c") == 0)
        return client(argv[2], argc - 3, argv + 3);
    if (argc != 3)
        return fputs("usage: faultproxy [-c] SOCKET PORT|WORD...\n", stderr), 64;
    struct sockaddr_un address = control_address(argv[1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    proxy.target = (uint16_t)atoi(argv[2]);
    proxy.listener = -1;
    proxy.chance = now_us();
    pass();
    proxy.control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (proxy.control < 0 ||
        bind(proxy.control, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(proxy.control, 16) != 0)
        die(argv[1]);
    for (;;)
        turn();
}
