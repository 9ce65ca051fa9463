/* SPDX-License-Identifier: MIT */
/*
 * command try - a handler on messages from a file, with the runtime of the daemon and without a
 * broker.
 *
 * Deliveries come from lines, verdicts are printed; a message to be tried again is, after the pause
 * that the daemon would make. Ends with a summary, and with 1 if a message was not done.
 */
#include <config.h>

#include <ackd/error.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/sample.h"
#include "host/host.h"
#include "host/runner.h"
#include "io/system.h"

enum { TRY_SETTINGS_MAX = 64, TRY_ITEMS_MAX = 64, TRY_FLIGHT_MAX = 4096 };

struct
try {
    /* What was asked for. */
    const char *handler;
    const char *path[2];
    const char *values[TRY_SETTINGS_MAX][TRY_ITEMS_MAX + 1];
    struct config_setting settings[TRY_SETTINGS_MAX];
    size_t setting_count;
    uint32_t attempts;
    uint32_t concurrency;
    uint64_t timeout_ms;
    bool json;
    FILE *input;
    const char *input_name;
    /* What runs. */
    struct loop *loop;
    struct runner *runner;
    struct plugin *plugin;
    struct station station;
    struct order cancel, quit;
    struct delivery_pool *pool;
    struct signals *signals;
    struct attempts failures;
    struct list waiting; /* jobs between two attempts */
    uint32_t running;
    uint64_t read; /* lines, also the tags */
    bool ended;    /* of the input */
    bool ending;   /* everything is done: stop() and quit are under way */
    bool canceled;
    int status;
    uint64_t done, retried, dead, dropped, released;
};

static void try_print(struct try *try, const struct job *job, const char *verdict, const char *more)
{
    char text[1024] = "";
    (void)try;
    if (job->error != NULL)
        host_failure_line(job->error, text, sizeof text);
    printf("%" PRIu64 ": %s%s%s%s\n", job->delivery->tag, verdict, more,
           text[0] == '\0' ? "" : ": ", text);
}

static void try_start(struct try *try, struct job *job)
{
    job->station = &try->station;
    try->running++;
    runner_send(try->runner, &job->crossing);
    runner_flush(try->runner);
}

static void try_again(struct timer *timer)
{
    struct job *job = LIST_ITEM(timer, job, pause);
    struct try *try = LIST_ITEM(job->station, try, station);
    list_remove(&job->node);
    ackd_error_unref(job->error);
    job->error = NULL;
    job->message.attempt++;
    job->delivery->redelivered = true;
    try_start(try, job);
}

static void try_end_job(struct try *try, struct job *job, uint64_t *count, const char *verdict)
{
    try_print(try, job, verdict, "");
    (*count)++;
    if (job->verdict != ACKD_VERDICT_DONE && job->verdict != ACKD_VERDICT_DROP)
        try->status = COMMAND_FAILED;
    job_free(&job);
}

static void try_retry(struct try *try, struct job *job)
{
    if (job->message.attempt >= try->attempts || try->canceled) {
        try_end_job(try, job, &try->dead, "dead after its last attempt");
        return;
    }
    uint64_t pause_ms =
        job->delay_ms != 0 ? job->delay_ms : attempts_pause_ms(job->message.attempt);
    char more[64];
    snprintf(more, sizeof more, ", attempt %" PRIu32 " of %" PRIu32 ", again in %" PRIu64 " ms",
             job->message.attempt, try->attempts, pause_ms);
    try_print(try, job, "failed", more);
    try->retried++;
    list_append(&try->waiting, &job->node);
    timer_init(&job->pause, try_again);
    timer_start(loop_timers(try->loop), &job->pause,
                timer_after_ms(loop_now_ns(try->loop), pause_ms));
}

static void try_verdict(struct try *try, struct job *job)
{
    try->running--;
    switch (job->verdict) {
    case ACKD_VERDICT_DONE:
        try_end_job(try, job, &try->done, "done");
        break;
    case ACKD_VERDICT_RETRY:
        try_retry(try, job);
        break;
    case ACKD_VERDICT_DEAD:
        try_end_job(try, job, &try->dead, "dead");
        break;
    case ACKD_VERDICT_DROP:
        try_end_job(try, job, &try->dropped, "dropped");
        break;
    case ACKD_VERDICT_RELEASE:
    case ACKD_VERDICT_ORPHAN:
        try_end_job(try, job, &try->released, "given back");
        break;
    }
}

/* Read lines while there is room. Reading blocks: input is a file, and messages run meanwhile
 * elsewhere. */
static void try_read(struct try *try)
{
    char *line = NULL;
    size_t capacity = 0;
    while (!try->ended && try->running < try->concurrency) {
        ssize_t length = getline(&line, &capacity, try->input);
        if (length < 0) {
            try->ended = true;
            break;
        }
        if (length > 0 && line[length - 1] == '\n')
            length--;
        try->read++;
        struct delivery *delivery = NULL;
        if (sample_make(try->pool, line, (size_t)length, try->json, &delivery) != ACKD_OK) {
            fprintf(stderr, "%s:%" PRIu64 ": %s\n", try->input_name, try->read,
                    ackd_error_text(ackd_error_current()));
            try->status = COMMAND_FAILED;
            continue;
        }
        delivery->tag = try->read;
        struct job *job = job_init(delivery, NULL, "try", "try");
        job->state = JOB_RUNNING;
        try_start(try, job);
    }
    free(line);
}

static void try_hook_back(struct try *try)
{
    struct station *station = &try->station;
    if (station->code != ACKD_OK) {
        char text[1024];
        host_failure_line(station->error, text, sizeof text);
        fprintf(stderr, "ackd try: %s of handler '%s' failed: %s\n",
                station->crossing.kind == CROSSING_START ? "start()" : "stop()", try->handler,
                text);
        try->status = COMMAND_FAILED;
    }
    if (station->crossing.kind == CROSSING_START && station->code == ACKD_OK) {
        station->started = true;
        return;
    }
    loop_stop(try->loop);
}

static uint64_t try_turn(void *arg)
{
    struct try *try = arg;
    struct crossing *crossing;
    while ((crossing = runner_receive(try->runner)) != NULL) {
        if (crossing->kind == CROSSING_JOB)
            try_verdict(try, LIST_ITEM(crossing, job, crossing));
        else if (crossing->kind == CROSSING_START || crossing->kind == CROSSING_STOP)
            try_hook_back(try);
    }
    if (!try->station.started)
        return TIMER_NEVER;
    try_read(try);
    if (try->ended && !try->ending && try->running == 0 && list_empty(&try->waiting)) {
        try->ending = true;
        try->station.crossing.kind = CROSSING_STOP;
        runner_send(try->runner, &try->station.crossing);
        runner_flush(try->runner);
    }
    return TIMER_NEVER;
}

/* The first signal cancels what runs, and ends the reading. */
static void try_signal(int number, void *arg)
{
    struct try *try = arg;
    if (number != SIGINT && number != SIGTERM)
        return;
    if (try->canceled)
        _Exit(128 + number);
    try->canceled = true;
    try->ended = true;
    while (!list_empty(&try->waiting)) {
        struct job *job = LIST_ITEM(try->waiting.next, job, node);
        timer_stop(&job->pause);
        list_remove(&job->node);
        try_end_job(try, job, &try->released, "given back");
    }
    try->cancel = (struct order){.crossing = {CROSSING_CANCEL}, .reason = ACKD_CANCEL_SHUTDOWN};
    runner_send(try->runner, &try->cancel.crossing);
    runner_flush(try->runner);
}

static int try_set_up(struct try *try)
{
    ACKD_TRY(plugin_load(try->handler, try->path, NULL, &try->plugin));
    ACKD_TRY(loop_new("ackd try", &try->loop));
    struct runner_options options = {
        .name = "loop 0", .owner = try->loop, .capacity = try->concurrency + 8};
    ACKD_TRY(runner_new(&options, &try->runner));
    ACKD_TRY(delivery_pool_new(sizeof(struct job), TRY_FLIGHT_MAX, &try->pool));
    ACKD_TRY(signals_open(try->loop, try_signal, try, &try->signals));
    loop_set_turn(try->loop, try_turn, try);
    try->station = (struct station){.crossing = {CROSSING_START},
                                    .runner = try->runner,
                                    .handler = plugin_consumer(try->plugin),
                                    .consumer = "try",
                                    .timeout_ms = try->timeout_ms};
    return plugin_state_new(try->plugin, try->settings, try->setting_count, "-s",
                            &try->station.state);
}

static void try_tear_down(struct try *try)
{
    ackd_error_unref(try->station.error);
    if (try->plugin != NULL)
        plugin_state_free(try->plugin, &try->station.state);
    signals_close(&try->signals);
    runner_free(&try->runner);
    if (try->pool != NULL)
        delivery_pool_free(&try->pool);
    if (try->loop != NULL)
        loop_free(&try->loop);
}

static void try_run(struct try *try)
{
    if (runner_start(try->runner) != ACKD_OK) {
        command_complain("try");
        try->status = COMMAND_INTERNAL;
        return;
    }
    runner_send(try->runner, &try->station.crossing);
    runner_flush(try->runner);
    loop_run(try->loop);
    try->quit = (struct order){.crossing = {CROSSING_QUIT}};
    runner_send(try->runner, &try->quit.crossing);
    runner_flush(try->runner);
    runner_join(try->runner);
    printf("%" PRIu64 " messages: %" PRIu64 " done, %" PRIu64 " dead, %" PRIu64 " dropped, %" PRIu64
           " given back; %" PRIu64 " retries\n",
           try->read, try->done, try->dead, try->dropped, try->released, try->retried);
}

/* One more value makes a list of it. */
static int try_setting_again(struct try *try, size_t index, const char *value)
{
    size_t count = 0;
    while (try->values[index][count] != NULL)
        count++;
    if (count == TRY_ITEMS_MAX)
        return command_usage("try", "at most %d values of one setting", TRY_ITEMS_MAX);
    try->values[index][count] = value;
    try->settings[index].list = true;
    return COMMAND_OK;
}

static int try_setting(struct try *try, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL)
        return command_usage("try", "'-s %s' is not KEY=VALUE", text);
    *equals = '\0';
    for (size_t i = 0; i < try->setting_count; i++) {
        if (strcmp(try->settings[i].key, text) == 0)
            return try_setting_again(try, i, equals + 1);
    }
    if (try->setting_count == TRY_SETTINGS_MAX)
        return command_usage("try", "at most %d settings", TRY_SETTINGS_MAX);
    size_t index = try->setting_count++;
    try->values[index][0] = equals + 1;
    try->settings[index] = (struct config_setting){.key = text,
                                                   .values = try->values[index],
                                                   .file = "-s",
                                                   .line = (int)index + 1,
                                                   .column = 1};
    return COMMAND_OK;
}

static int try_number(const char *text, uint32_t max, uint32_t *ret)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*end != '\0' || number == 0 || number > max)
        return command_usage("try", "'%s' is not a number from 1 to %u", text, max);
    *ret = (uint32_t)number;
    return COMMAND_OK;
}

static int try_option(struct try *try, int option, char **argv)
{
    uint32_t number = 0;
    int status = COMMAND_OK;
    switch (option) {
    case 's':
        return try_setting(try, optarg);
    case 'a':
        return try_number(optarg, 1000, &try->attempts);
    case 'n':
        return try_number(optarg, TRY_FLIGHT_MAX, &try->concurrency);
    case 't':
        status = try_number(optarg, 86400000, &number);
        try->timeout_ms = number;
        return status;
    case 'p':
        try->path[0] = optarg;
        return COMMAND_OK;
    case 'j':
        try->json = true;
        return COMMAND_OK;
    default:
        return command_bad_option(argv);
    }
}

static int try_parse(struct try *try, int argc, char **argv)
{
    static const struct option options[] = {{"set", required_argument, NULL, 's'},
                                            {"attempts", required_argument, NULL, 'a'},
                                            {"concurrency", required_argument, NULL, 'n'},
                                            {"timeout-ms", required_argument, NULL, 't'},
                                            {"path", required_argument, NULL, 'p'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "s:a:n:t:p:j", options, NULL)) != -1) {
        int status = try_option(try, option, argv);
        if (status != COMMAND_OK)
            return status;
    }
    if (optind == argc)
        return command_usage("try", "it needs the name of a handler, or a path to one");
    try->handler = argv[optind++];
    try->input_name = optind < argc ? argv[optind++] : "-";
    if (optind < argc)
        return command_usage("try", "'%s' is one argument too many", argv[optind]);
    return COMMAND_OK;
}

int command_try(int argc, char **argv)
{
    struct try *try = calloc(1, sizeof *try);
    if (try == NULL)
        return COMMAND_INTERNAL;
    try->path[0] = ACKD_PLUGINDIR;
    try->attempts = 5;
    try->concurrency = 1;
    list_init(&try->waiting);
    int status = try_parse(try, argc, argv);
    if (status == COMMAND_OK) {
        bool piped = strcmp(try->input_name, "-") == 0;
        try->input = piped ? stdin : fopen(try->input_name, "re");
        if (try->input == NULL) {
            fprintf(stderr, "ackd try: %s cannot be read: %s\n", try->input_name, strerror(errno));
            status = COMMAND_NO_INPUT;
        }
    }
    system_prepare();
    if (status == COMMAND_OK) {
        if (try_set_up(try) == ACKD_OK) {
            try_run(try);
            status = try->status;
        } else {
            command_complain("try");
            status = COMMAND_CONFIG;
        }
        try_tear_down(try);
    }
    if (try->input != NULL && try->input != stdin)
        fclose(try->input);
    free(try);
    return status;
}
