/* SPDX-License-Identifier: MIT */
/*
 * steered - the daemon with an operator at its standard input: a command a line, by control.h.
 *
 *     pause|stop-and-pause CONSUMER, resume CONSUMER, concurrency|prefetch CONSUMER N,
 *     rate CONSUMER COUNT PER_MS, limit GROUP CONCURRENCY COUNT PER_MS, cancel|kill CONSUMER TAG
 *
 * For each command a line on standard output: its first word, and "ok" or the error.
 */
#include <config.h>

#include <ackd/error.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "host/control.h"
#include "host/host.h"
#include "io/logsink.h"
#include "io/system.h"

enum { LOOK_MS = 10, LINE_SIZE = 256 };

struct steered {
    struct host *host;
    struct timer timer;
    char line[LINE_SIZE];
    size_t size;
};

static int obey(struct host *host, const char *line)
{
    char word[32] = "", name[64] = "";
    unsigned long a = 0, b = 0, c = 0;
    size_t count = 0;
    (void)sscanf(line, "%31s %63s %lu %lu %lu", word, name, &a, &b, &c);
    if (strcmp(word, "pause") == 0 || strcmp(word, "stop-and-pause") == 0)
        return control_pause(host, name, word[0] == 's');
    if (strcmp(word, "resume") == 0)
        return control_resume(host, name);
    if (strcmp(word, "concurrency") == 0)
        return control_concurrency(host, name, (uint32_t)a);
    if (strcmp(word, "prefetch") == 0)
        return control_prefetch(host, name, (uint32_t)a);
    if (strcmp(word, "rate") == 0)
        return control_rate(host, name, a, b);
    if (strcmp(word, "limit") == 0)
        return control_limit(host, name, (uint32_t)a, b, c);
    if (strcmp(word, "cancel") == 0 || strcmp(word, "kill") == 0)
        return control_cancel(host, name, a, word[0] == 'k', &count);
    return ackd_fail(ACKD_E_INVAL, "no such command");
}

static void look(struct timer *timer)
{
    struct steered *steered = LIST_ITEM(timer, steered, timer);
    struct loop *loop = host_loop(steered->host);
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    while (poll(&in, 1, 0) == 1 && read(STDIN_FILENO, &byte, 1) == 1) {
        if (byte != '\n' && steered->size < LINE_SIZE - 1) {
            steered->line[steered->size++] = byte;
            continue;
        }
        steered->line[steered->size] = '\0';
        steered->size = 0;
        int code = obey(steered->host, steered->line);
        printf("%s: %s\n", steered->line,
               code == ACKD_OK ? "ok" : ackd_error_text(ackd_error_current()));
        fflush(stdout);
    }
    timer_start(loop_timers(loop), timer, timer_after_ms(loop_now_ns(loop), LOOK_MS));
}

int main(int argc, char **argv)
{
    struct config *config = NULL;
    struct config_errors errors;
    static struct steered steered;
    system_prepare();
    if (argc != 2 || config_load(argv[1], NULL, &config, &errors) != ACKD_OK)
        return HOST_EXIT_CONFIG;
    config_errors_free(&errors);
    if (logsink_open(LOGSINK_LOGFMT) != ACKD_OK || host_new(config, &steered.host) != ACKD_OK) {
        fprintf(stderr, "%s\n", ackd_error_text(ackd_error_current()));
        return HOST_EXIT_CONFIG;
    }
    timer_init(&steered.timer, look);
    struct loop *loop = host_loop(steered.host);
    timer_start(loop_timers(loop), &steered.timer, timer_after_ms(loop_now_ns(loop), LOOK_MS));
    int status = host_run(steered.host);
    _exit(status);
}
