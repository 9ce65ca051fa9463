/* SPDX-License-Identifier: MIT */
/*
 * bench_ledger - what one delivery costs the ledger: to open its tag, settle it, and take its part
 * of a frame. With --json one object for each line of the table.
 *
 * In order, a turn settles 64 deliveries and one frame answers them. In random order, 64 of 1024
 * open ones are settled in each turn, and most need a frame of their own.
 */
#include <config.h>

#include <ackd/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "base/timer.h"
#include "ledger/ledger.h"

enum { TURN = 64, OPEN = 1024, TURNS = 50000, ROUNDS = 7 };

struct bench {
    struct ledger ledger;
    struct random random;
    struct ledger_entry entries[OPEN];
    struct ledger_entry *spare[OPEN]; /* not in the ledger */
    size_t spare_count;
    struct ledger_entry *open[OPEN];
    size_t open_count;
    uint64_t tag;
    uint64_t frames;
};

static uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void bench_must(int code)
{
    if (code != ACKD_OK)
        abort();
}

static void bench_open(struct bench *bench, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ledger_entry *entry = bench->spare[--bench->spare_count];
        bench_must(ledger_open(&bench->ledger, entry, ++bench->tag));
        bench->open[bench->open_count++] = entry;
    }
}

static void bench_flush(struct bench *bench)
{
    struct ledger_frame frame;
    struct list sent;
    list_init(&sent);
    while (ledger_next(&bench->ledger, &frame, &sent))
        bench->frames++;
    struct list *node;
    while ((node = list_take(&sent)) != NULL)
        bench->spare[bench->spare_count++] = LIST_ITEM(node, ledger_entry, node);
}

static void bench_turn_in_order(struct bench *bench)
{
    bench_open(bench, TURN);
    for (size_t i = 0; i < TURN; i++)
        bench_must(ledger_settle(&bench->ledger, bench->open[i], LEDGER_ACK));
    bench->open_count = 0;
    bench_flush(bench);
}

static void bench_turn_random(struct bench *bench)
{
    bench_open(bench, bench->spare_count);
    for (size_t i = 0; i < TURN; i++) {
        size_t at = random_below(&bench->random, bench->open_count);
        bench_must(ledger_settle(&bench->ledger, bench->open[at], LEDGER_ACK));
        bench->open[at] = bench->open[--bench->open_count];
    }
    bench_flush(bench);
}

/* The best of a few rounds: the others were disturbed. */
static void bench_run(const char *name, void (*turn)(struct bench *), bool json)
{
    double best = 0;
    double per_frame = 0;
    for (int round = 0; round < ROUNDS; round++) {
        static struct bench bench;
        bench = (struct bench){.random.state = 1};
        ledger_init(&bench.ledger);
        ledger_renew(&bench.ledger, 1);
        for (size_t i = 0; i < OPEN; i++)
            bench.spare[bench.spare_count++] = &bench.entries[i];
        uint64_t start = bench_now_ns();
        for (int i = 0; i < TURNS; i++)
            turn(&bench);
        double ns = (double)(bench_now_ns() - start) / ((double)TURNS * TURN);
        best = round == 0 || ns < best ? ns : best;
        per_frame = (double)TURNS * TURN / (double)bench.frames;
    }
    printf(
        json ? "{\"bench\":\"ledger\",\"case\":\"%s\",\"ns\":%.1f,\"deliveries_per_frame\":%.2f}\n"
             : "%-12s %8.1f ns/delivery %8.2f deliveries/frame\n",
        name, best, per_frame);
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    bench_run("in order", bench_turn_in_order, json);
    bench_run("random", bench_turn_random, json);
    return EXIT_SUCCESS;
}
