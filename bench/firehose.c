/* SPDX-License-Identifier: MIT */
/*
 * firehose - a broker that is never the bottleneck, and a stop-watch for the consumer it feeds.
 *
 *     firehose [--body N] [--window N] [--messages N] [--measure-ms N] [--warmup-ms N]
 *              [--round-us N] [--deliver N] [--cores B,C] COMMAND [ARGUMENT]...
 *
 * It listens on the loopback, starts COMMAND with ACKD_BENCH_PORT in its environment, and feeds
 * what connects. After the first acknowledgement and --warmup-ms it measures until --messages have
 * been acknowledged or --measure-ms have passed; then it sends SIGTERM and serves on until the
 * consumer is gone. --round-us is how long it waits between two sendings: as far away as that is
 * the broker; with 0 it answers at once. --deliver bounds the deliveries in all, to measure a
 * consumer that is idle. --cores pins the broker and the consumer.
 *
 * One line of KEY=VALUE on standard output; exit status 1 if the consumer answered wrongly, did not
 * consume, or did not end. Nothing lasts longer than FIREHOSE_LIMIT_S beside the measured time.
 */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contestant.h"
#include "peer.h"

enum { FIREHOSE_PEERS = 8, FIREHOSE_LIMIT_S = 20, FIREHOSE_TICK_MS = 20, US = 1000, MS = 1000000 };

enum firehose_stage { STARTING, WARMING, MEASURING, STOPPING, ENDED };

/* What is read at one moment. */
struct firehose_reading {
    uint64_t at_ns, cpu_ns, sleeps, resident_kib;
    struct peer_counts counts;
};

struct firehose {
    struct peer_offer offer;
    uint64_t messages, measure_ms, warmup_ms, round_us;
    int broker_core, consumer_core;

    int listener;
    struct peer *peers[FIREHOSE_PEERS];
    struct peer_counts counts;
    struct contestant contestant;
    enum firehose_stage stage;
    uint64_t begun_ns; /* this stage */
    uint64_t sent_ns;  /* the last sending */
    uint64_t first_ack_ns;
    struct firehose_reading from, to;
    uint64_t in_flight_at_stop, ended_ns;
};

static void firehose_die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static uint16_t firehose_listen(struct firehose *firehose)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    firehose->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (firehose->listener < 0 ||
        bind(firehose->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(firehose->listener, FIREHOSE_PEERS) != 0 ||
        getsockname(firehose->listener, (struct sockaddr *)&address, &size) != 0)
        firehose_die("firehose: listen");
    return ntohs(address.sin_port);
}

static void firehose_accept(struct firehose *firehose)
{
    int fd = accept4(firehose->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    for (size_t i = 0; i < FIREHOSE_PEERS; i++) {
        if (firehose->peers[i] == NULL) {
            firehose->peers[i] = peer_new(fd, &firehose->offer, &firehose->counts);
            if (firehose->peers[i] == NULL)
                firehose_die("firehose");
            return;
        }
    }
    close(fd);
}

static void firehose_read_all(struct firehose *firehose, int timeout_ms)
{
    struct pollfd fds[FIREHOSE_PEERS + 1] = {{.fd = firehose->listener, .events = POLLIN}};
    struct peer **owners[FIREHOSE_PEERS];
    nfds_t count = 1;
    for (size_t i = 0; i < FIREHOSE_PEERS; i++) {
        struct peer *peer = firehose->peers[i];
        if (peer == NULL)
            continue;
        owners[count - 1] = &firehose->peers[i];
        short events = (short)(POLLIN | (timeout_ms > 0 && peer_is_full(peer) ? POLLOUT : 0));
        fds[count++] = (struct pollfd){.fd = peer->fd, .events = events};
    }
    if (poll(fds, count, timeout_ms) <= 0)
        return;
    if (fds[0].revents != 0)
        firehose_accept(firehose);
    for (nfds_t i = 1; i < count; i++) {
        if (fds[i].revents & (POLLIN | POLLHUP | POLLERR))
            peer_read(*owners[i - 1]);
        if ((*owners[i - 1])->closed)
            peer_free(owners[i - 1]);
    }
}

static void firehose_write_all(struct firehose *firehose)
{
    for (size_t i = 0; i < FIREHOSE_PEERS; i++) {
        if (firehose->peers[i] != NULL)
            peer_write(firehose->peers[i]);
    }
}

/* Read what came, and send if it is time to. */
static uint64_t firehose_turn(struct firehose *firehose)
{
    bool paced = firehose->round_us > 0 && firehose->counts.delivered > 0 &&
                 firehose->counts.delivered < firehose->offer.deliver_max;
    firehose_read_all(firehose, paced ? 0 : FIREHOSE_TICK_MS);
    uint64_t now_ns = contestant_now_ns();
    if (now_ns - firehose->sent_ns >= firehose->round_us * US) {
        firehose_write_all(firehose);
        firehose->sent_ns = now_ns;
    }
    return now_ns;
}

static struct firehose_reading firehose_look(const struct firehose *firehose, uint64_t now_ns)
{
    return (struct firehose_reading){.at_ns = now_ns,
                                     .cpu_ns = contestant_cpu_ns(&firehose->contestant),
                                     .sleeps = contestant_sleeps(&firehose->contestant),
                                     .resident_kib = contestant_resident_kib(&firehose->contestant),
                                     .counts = firehose->counts};
}

static void firehose_enter(struct firehose *firehose, enum firehose_stage stage, uint64_t now_ns)
{
    firehose->stage = stage;
    firehose->begun_ns = now_ns;
    if (stage == WARMING) {
        firehose->first_ack_ns = now_ns;
    } else if (stage == MEASURING) {
        firehose->from = firehose_look(firehose, now_ns);
    } else if (stage == STOPPING) {
        const struct peer_counts *counts = &firehose->counts;
        firehose->to = firehose_look(firehose, now_ns);
        firehose->in_flight_at_stop = counts->delivered - counts->acked - counts->returned;
        contestant_signal(&firehose->contestant, SIGTERM);
    } else if (stage == ENDED) {
        firehose->ended_ns = now_ns;
    }
}

static void firehose_progress(struct firehose *firehose, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - firehose->begun_ns;
    uint64_t measured = firehose->counts.acked - firehose->from.counts.acked;
    bool late = passed_ns > (uint64_t)FIREHOSE_LIMIT_S * 1000 * MS;
    bool ended = firehose->stage != MEASURING && contestant_has_ended(&firehose->contestant);
    switch (firehose->stage) {
    case STARTING:
        if (firehose->counts.acked > 0)
            firehose_enter(firehose, WARMING, now_ns);
        else if (late || ended)
            firehose_enter(firehose, STOPPING, now_ns);
        break;
    case WARMING:
        if (passed_ns >= firehose->warmup_ms * MS || ended)
            firehose_enter(firehose, MEASURING, now_ns);
        break;
    case MEASURING:
        if (measured >= firehose->messages || passed_ns >= firehose->measure_ms * MS)
            firehose_enter(firehose, STOPPING, now_ns);
        break;
    case STOPPING:
        if (ended || late)
            firehose_enter(firehose, ENDED, now_ns);
        break;
    case ENDED:
        break;
    }
}

/* What the consumer wrote before it ended may not have been read. */
static void firehose_drain(struct firehose *firehose)
{
    for (int i = 0; i < FIREHOSE_PEERS; i++)
        firehose_read_all(firehose, 0);
    for (size_t i = 0; i < FIREHOSE_PEERS; i++)
        peer_free(&firehose->peers[i]);
}

static void firehose_report(const struct firehose *firehose)
{
    const struct firehose_reading *from = &firehose->from;
    const struct firehose_reading *to = &firehose->to;
    double seconds = (double)(to->at_ns - from->at_ns) / 1e9;
    double messages = (double)(to->counts.acked - from->counts.acked);
    double answers = (double)(to->counts.answers - from->counts.answers);
    double cpu_us = (double)(to->cpu_ns - from->cpu_ns) / 1e3;
    const struct peer_counts *counts = &firehose->counts;
    printf("messages=%.0f seconds=%.3f rate=%.0f cpu_us=%.4f cpu_percent=%.1f per_answer=%.1f ",
           messages, seconds, messages / seconds, messages > 0 ? cpu_us / messages : 0,
           cpu_us / seconds / 1e4, answers > 0 ? messages / answers : 0);
    printf("first_ack_ms=%.1f sleeps_per_s=%.1f sleeps_per_message=%.3f resident_kib=%" PRIu64 " ",
           (double)(firehose->first_ack_ns - firehose->contestant.started_ns) / 1e6,
           (double)(to->sleeps - from->sleeps) / seconds,
           messages > 0 ? (double)(to->sleeps - from->sleeps) / messages : 0, to->resident_kib);
    printf("in_flight_at_stop=%" PRIu64 " stop_ms=%.1f ", firehose->in_flight_at_stop,
           (double)(firehose->ended_ns - to->at_ns) / 1e6);
    int status = firehose->contestant.status;
    printf("exit=%d delivered=%" PRIu64 " acked=%" PRIu64 " returned=%" PRIu64 " abandoned=%" PRIu64
           " published=%" PRIu64 " wrong=%" PRIu64 "\n",
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), counts->delivered,
           counts->acked, counts->returned, counts->abandoned, counts->published, counts->wrong);
}

static void firehose_pin(int core)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (sched_setaffinity(0, sizeof cores, &cores) != 0)
        firehose_die("firehose: --cores");
}

static uint64_t firehose_number(const char *text, uint64_t max)
{
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number > max) {
        fprintf(stderr, "firehose: not a number up to %" PRIu64 ": %s\n", max, text);
        exit(EXIT_FAILURE);
    }
    return number;
}

static void firehose_option(struct firehose *firehose, int option)
{
    switch (option) {
    case 'b':
        firehose->offer.body_size = firehose_number(optarg, 64U << 20);
        break;
    case 'w':
        firehose->offer.window = (uint32_t)firehose_number(optarg, WINDOW_MAX);
        break;
    case 'm':
        firehose->messages = firehose_number(optarg, UINT64_MAX);
        break;
    case 's':
        firehose->measure_ms = firehose_number(optarg, 600000);
        break;
    case 'u':
        firehose->warmup_ms = firehose_number(optarg, 60000);
        break;
    case 'r':
        firehose->round_us = firehose_number(optarg, 1000000);
        break;
    case 'd':
        firehose->offer.deliver_max = firehose_number(optarg, UINT64_MAX);
        break;
    case 'c':
        if (sscanf(optarg, "%d,%d", &firehose->broker_core, &firehose->consumer_core) == 2)
            break;
        /* fall through */
    default:
        fprintf(stderr, "usage: firehose [OPTION]... COMMAND [ARGUMENT]...\n");
        exit(EXIT_FAILURE);
    }
}

static void firehose_options(struct firehose *firehose, int argc, char **argv)
{
    static const struct option options[] = {{"body", required_argument, NULL, 'b'},
                                            {"window", required_argument, NULL, 'w'},
                                            {"messages", required_argument, NULL, 'm'},
                                            {"measure-ms", required_argument, NULL, 's'},
                                            {"warmup-ms", required_argument, NULL, 'u'},
                                            {"round-us", required_argument, NULL, 'r'},
                                            {"deliver", required_argument, NULL, 'd'},
                                            {"cores", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1)
        firehose_option(firehose, option);
    if (optind == argc)
        firehose_option(firehose, '?');
}

int main(int argc, char **argv)
{
    static struct firehose firehose = {
        .offer = {.body_size = 100, .window = 1000, .deliver_max = UINT64_MAX},
        .messages = UINT64_MAX,
        .measure_ms = 1000,
        .warmup_ms = 100,
        .round_us = 50,
        .broker_core = -1,
        .consumer_core = -1};
    firehose_options(&firehose, argc, argv);
    uint16_t port = firehose_listen(&firehose);
    if (!contestant_start(&firehose.contestant, argv + optind, firehose.consumer_core, port))
        firehose_die("firehose: start");
    if (firehose.broker_core >= 0)
        firehose_pin(firehose.broker_core);
    firehose.begun_ns = contestant_now_ns();
    while (firehose.stage != ENDED)
        firehose_progress(&firehose, firehose_turn(&firehose));
    firehose_drain(&firehose);
    bool ended = firehose.contestant.ended;
    contestant_end(&firehose.contestant);
    firehose_report(&firehose);
    return ended && firehose.counts.wrong == 0 && firehose.counts.acked > 0 ? EXIT_SUCCESS
                                                                            : EXIT_FAILURE;
}
