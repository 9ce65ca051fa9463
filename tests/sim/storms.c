/* SPDX-License-Identifier: MIT */
/*
 * storms - runs the storms of many seeds on all processors: so many, or for so long.
 *
 *   storms COUNT [FIRST]    the seeds from FIRST on (1)
 *   storms --find COUNT     until one fails: this is what is wanted
 *   storms --seconds N      from a first seed that time gives
 *   SIM_SEED=N storms       one, in this process; with SIM_TRACE=1 it tells what happens
 *
 * Each seed has a process of its own, so that it gives the same run alone as among others. Prints
 * the first seeds that fail, and counts; exits with 1 if one failed.
 */
#include <config.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"
#include "storm.h"

enum {
    STORMS_WORKERS_MAX = 64,
    STORMS_SHOWN = 5,
    STORMS_PATIENCE_S = 120 /* for a seed, which takes ten milliseconds */
};

/* In memory that all processes share. */
static struct storms {
    _Atomic uint64_t next;
    uint64_t last;
    uint64_t until_ns; /* of the monotonic clock; 0: up to the last */
    _Atomic uint64_t shown;
    bool finding;
    struct storm_counts counts[STORMS_WORKERS_MAX];
    struct storm_counts result[STORMS_WORKERS_MAX]; /* of the present seed */
} * storms;

static unsigned here; /* the worker */

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void tell(const char *text)
{
    if (atomic_fetch_add(&storms->shown, 1) < (storms->finding ? 1 : STORMS_SHOWN))
        fprintf(stderr, "# %s\n#   %s\n", text, storm_about());
}

/* Leaves no work to exit handlers. */
_Noreturn static void leave(int status)
{
    fflush(NULL);
    _exit(status);
}

_Noreturn static void failed(const char *text)
{
    if (strstr(text, "is lost") != NULL)
        storms->result[here].lost++;
    tell(text);
    leave(EXIT_FAILURE);
}

static void add(struct storm_counts *to, const struct storm_counts *counts)
{
    to->seeds += counts->seeds;
    to->messages += counts->messages;
    to->deliveries += counts->deliveries;
    to->faults += counts->faults;
    to->processes += counts->processes;
    to->again += counts->again;
    to->virtual_ms += counts->virtual_ms;
    to->steps += counts->steps;
    to->failed += counts->failed;
    to->lost += counts->lost;
}

static bool run_apart(uint64_t seed, unsigned worker)
{
    here = worker;
    pid_t child = fork();
    if (child == 0) {
        alarm(STORMS_PATIENCE_S);
        storm_run(seed, &storms->result[worker]);
        leave(EXIT_SUCCESS);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (WIFSIGNALED(status)) {
        atomic_fetch_add(&storms->shown, 1);
        fprintf(stderr, "# SIM_SEED=%" PRIu64 ": %s\n", seed, strsignal(WTERMSIG(status)));
    }
    return status == 0;
}

_Noreturn static void work(unsigned worker)
{
    struct storm_counts *counts = &storms->counts[worker];
    for (;;) {
        uint64_t seed = atomic_fetch_add(&storms->next, 1);
        bool over = storms->until_ns != 0 ? clock_ns() >= storms->until_ns : seed > storms->last;
        if (over || storms->shown >= (storms->finding ? 1 : STORMS_SHOWN))
            leave(EXIT_SUCCESS);
        storms->result[worker] = (struct storm_counts){.seeds = 1};
        if (!run_apart(seed, worker))
            counts->failed++;
        add(counts, &storms->result[worker]);
    }
}

static int run_all(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = processors < 1                    ? 1
                       : processors > STORMS_WORKERS_MAX ? STORMS_WORKERS_MAX
                                                         : (unsigned)processors;
    uint64_t from_ns = clock_ns();
    for (unsigned i = 0; i < workers; i++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            work(i);
        if (child < 0)
            return EXIT_FAILURE;
    }
    int status = 0;
    bool whole = true;
    struct storm_counts all = {0};
    for (unsigned i = 0; i < workers; i++)
        whole = wait(&status) > 0 && status == 0 && whole;
    for (unsigned i = 0; i < workers; i++)
        add(&all, &storms->counts[i]);
    if (storms->finding) {
        printf("%" PRIu64 " of %" PRIu64 " seeds found it\n", all.failed, all.seeds);
        return all.failed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    double real_s = (double)(clock_ns() - from_ns) / 1e9;
    printf("%" PRIu64 " seeds, %" PRIu64 " messages, %" PRIu64 " deliveries, %" PRIu64
           " faults, %" PRIu64 " stops and kills in %.1f s, %.0f h of virtual time\n",
           all.seeds, all.messages, all.deliveries, all.faults, all.processes, real_s,
           (double)all.virtual_ms / 3.6e6);
    printf("%.1f seeds, %.0f messages, %.0f faults a second; handled again, as explained: %" PRIu64
           "\n",
           (double)all.seeds / real_s, (double)all.messages / real_s, (double)all.faults / real_s,
           all.again);
    if (all.failed > 0)
        printf("%" PRIu64 " seeds failed\n", all.failed);
    printf("%" PRIu64 " lost\n", all.lost);
    return whole && all.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const char *given = getenv("SIM_SEED");
    storms = mmap(NULL, sizeof *storms, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (storms == MAP_FAILED || (given == NULL && argc < 2)) {
        fprintf(stderr, "usage: storms COUNT [FIRST] | storms --seconds N\n");
        return EXIT_FAILURE;
    }
    sim_set_failed(failed);
    if (given != NULL) {
        struct storm_counts counts;
        storm_run(strtoull(given, NULL, 0), &counts);
        printf("# %s\n%" PRIu64 " steps, %" PRIu64 " deliveries, %" PRIu64 " faults, %" PRIu64
               " ms of virtual time\n",
               storm_about(), counts.steps, counts.deliveries, counts.faults, counts.virtual_ms);
        return EXIT_SUCCESS;
    }
    bool timed = strcmp(argv[1], "--seconds") == 0 && argc > 2;
    storms->finding = strcmp(argv[1], "--find") == 0 && argc > 2;
    storms->next = argc > 2 && !timed && !storms->finding ? strtoull(argv[2], NULL, 0) : 1;
    if (timed) {
        storms->next = (uint64_t)time(NULL) * 1000000;
        storms->until_ns = clock_ns() + strtoull(argv[2], NULL, 0) * NS_PER_S;
    } else {
        storms->last = storms->next + strtoull(argv[storms->finding ? 2 : 1], NULL, 0) - 1;
    }
    return run_all();
}
