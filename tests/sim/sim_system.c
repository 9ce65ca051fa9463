/* SPDX-License-Identifier: MIT */
/* sim_system - io/system.h and io/logsink.h: what the daemon says is kept and counted. */
#include <config.h>

#include "io/system.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/logsink.h"
#include "sim.h"

enum { SIM_EVENTS_MAX = 64, SIM_NAME_SIZE = 48 };

struct signals {
    struct loop *loop;
    void (*received)(int number, void *arg);
    void *arg;
    int number;
};

static struct {
    struct signals *signals;
    struct {
        char name[SIM_NAME_SIZE];
        unsigned count;
    } said[SIM_EVENTS_MAX], logged[SIM_EVENTS_MAX];
    bool trace;
} surroundings;

/* The table is an array of pairs of name and count. */
#define SIM_COUNT(table, text)                                                 \
    do {                                                                       \
        size_t at = 0;                                                         \
        while ((table)[at].count > 0 && strcmp((table)[at].name, (text)) != 0) \
            at++;                                                              \
        sim_that(at + 1 < SIM_EVENTS_MAX);                                     \
        snprintf((table)[at].name, SIM_NAME_SIZE, "%s", (text));               \
        (table)[at].count++;                                                   \
    } while (0)

static void sim_trace(const char *line)
{
    fprintf(stderr, "# %10.3f ms  %s\n",
            (double)(sim_now_ms()) + (double)(sim_now_ns() % NS_PER_MS) / (double)NS_PER_MS, line);
}

static void sim_log(const struct log_record *record, void *arg)
{
    (void)arg;
    SIM_COUNT(surroundings.logged, record->event);
    if (!surroundings.trace)
        return;
    char line[1024];
    log_format_logfmt(record, line, sizeof line);
    sim_trace(line);
}

void sim_system_begin(void)
{
    memset(&surroundings, 0, sizeof surroundings);
    surroundings.trace = getenv("SIM_TRACE") != NULL;
    log_use(sim_log, NULL);
    log_set_level(surroundings.trace ? ACKD_LOG_DEBUG : ACKD_LOG_INFO);
}

void sim_system_end(void)
{
    sim_that(surroundings.signals == NULL);
    log_use(NULL, NULL);
}

unsigned sim_logged(const char *event)
{
    for (size_t i = 0; i < SIM_EVENTS_MAX && surroundings.logged[i].count > 0; i++) {
        if (strcmp(surroundings.logged[i].name, event) == 0)
            return surroundings.logged[i].count;
    }
    return 0;
}

unsigned sim_notified(const char *assignment)
{
    for (size_t i = 0; i < SIM_EVENTS_MAX && surroundings.said[i].count > 0; i++) {
        if (strcmp(surroundings.said[i].name, assignment) == 0)
            return surroundings.said[i].count;
    }
    return 0;
}

static void sim_signal_call(void *arg)
{
    const struct signals *signals = arg;
    signals->received(signals->number, signals->arg);
}

void sim_signal(int number)
{
    struct signals *signals = surroundings.signals;
    sim_that(signals != NULL);
    signals->number = number;
    sim_on_loop(signals->loop, sim_signal_call, signals);
}

void system_prepare(void)
{
}

unsigned system_processors(void)
{
    return 2;
}

uint64_t system_seed(void)
{
    return random_next(sim_random());
}

void system_hostname(char *name, size_t size)
{
    snprintf(name, size, "sim");
}

int signals_open(struct loop *loop, void (*received)(int number, void *arg), void *arg,
                 struct signals **ret_signals)
{
    bool aside = sim_memory_aside(true);
    struct signals *signals = calloc(1, sizeof *signals);
    sim_that(signals != NULL);
    (void)sim_memory_aside(aside);
    *signals = (struct signals){.loop = loop, .received = received, .arg = arg};
    surroundings.signals = *ret_signals = signals;
    return ACKD_OK;
}

void signals_close(struct signals **signals)
{
    free(*signals);
    *signals = surroundings.signals = NULL;
}

/* Each line of @state is one assignment; the text of a STATUS is not counted. */
void notify_send(const char *state)
{
    char lines[512];
    snprintf(lines, sizeof lines, "%s", state);
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (surroundings.trace)
            sim_trace(line);
        if (strncmp(line, "STATUS=", strlen("STATUS=")) != 0)
            SIM_COUNT(surroundings.said, line);
    }
}

bool notify_wanted(void)
{
    return true;
}

uint64_t notify_watchdog_ns(void)
{
    return 0;
}

int logsink_open(enum logsink_format format)
{
    (void)format;
    return ACKD_OK;
}

void logsink_close(void)
{
}
