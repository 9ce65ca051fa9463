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
#include "host/batch.h"
#include "host/host.h"
#include "host/publication.h"
#include "host/report.h"
#include "host/runner.h"
#include "io/blocking.h"
#include "io/system.h"
#include "io/watchdog.h"

enum {
    TRY_SETTINGS_MAX = 64,
    TRY_ITEMS_MAX = 64,
    TRY_FLIGHT_MAX = 4096,
    TRY_BODY_MAX = 200,
    TRY_BATCH = 100
};

struct trial {
    /* What was asked for. */
    const char *handler;
    const char *path[2];
    const char *values[TRY_SETTINGS_MAX][TRY_ITEMS_MAX + 1];
    struct config_setting settings[TRY_SETTINGS_MAX];
    size_t setting_count;
    uint32_t attempts;
    uint32_t concurrency;
    uint32_t batch; /* messages of one at most; 0: each is handled alone */
    uint64_t timeout_ms;
    bool json;
    enum ackd_blocking_policy blocking;
    FILE *input;
    const char *input_name;
    /* What runs. */
    struct loop *loop;
    struct runner *runner;
    struct watchdog *watchdog;
    struct plugin *plugin;
    struct station station;
    struct order cancel, quit;
    struct delivery_pool *pool;
    struct signals *signals;
    struct list waiting; /* jobs between two attempts */
    struct list due;     /* jobs whose pause is over; with batches, also what was read */
    uint32_t due_count;
    struct list idle; /* batches */
    uint32_t running; /* jobs or batches */
    uint32_t held;    /* jobs of any state */
    uint64_t read;    /* lines, also the tags */
    bool ended;       /* of the input */
    bool ending;      /* everything is done: stop() and quit are under way */
    bool canceled;
    int status;
    uint64_t done, retried, dead, dropped, released, published;
};

static void try_print(const struct job *job, const char *verdict, const char *more)
{
    char text[1024] = "";
    if (job->error != NULL)
        report_failure_line(job->error, text, sizeof text);
    printf("%" PRIu64 ": %s%s%s%s\n", job->delivery->tag, verdict, more,
           text[0] == '\0' ? "" : ": ", text);
}

static void try_start(struct trial *trial, struct crossing *crossing)
{
    trial->running++;
    runner_send(trial->runner, crossing);
    runner_flush(trial->runner);
}

static void try_put_due(struct trial *trial, struct job *job)
{
    list_append(&trial->due, &job->node);
    trial->due_count++;
}

static struct job *try_take_due(struct trial *trial)
{
    trial->due_count--;
    return LIST_ITEM(list_take(&trial->due), job, node);
}

static void try_again(struct timer *timer)
{
    struct job *job = LIST_ITEM(timer, job, pause);
    struct trial *trial = LIST_ITEM(job->station, trial, station);
    ackd_error_unref(job->error);
    job->error = NULL;
    job->message.attempt++;
    job->delivery->redelivered = true;
    list_remove(&job->node);
    try_put_due(trial, job);
}

/* Of what is due, as much as it takes. False: no memory. */
static bool try_start_batch(struct trial *trial)
{
    struct batch *batch = NULL;
    if (!list_empty(&trial->idle))
        batch = LIST_ITEM(list_take(&trial->idle), batch, node);
    else if (batch_new(trial->batch, &batch) != ACKD_OK)
        return false;
    while (batch->count < batch->room && trial->due_count > 0)
        batch_add(batch, try_take_due(trial));
    batch_begin(batch, &trial->station);
    try_start(trial, &batch->crossing);
    return true;
}

/* Whose pause is over goes before what has not been read yet. A batch waits until it is full, or
 * nothing more can be read. */
static void try_start_due(struct trial *trial)
{
    while (trial->running < trial->concurrency && trial->due_count > 0) {
        if (trial->batch == 0)
            try_start(trial, &try_take_due(trial)->crossing);
        else if (trial->due_count < trial->batch && !trial->ended)
            break;
        else if (!try_start_batch(trial))
            break;
    }
}

static void try_end_job(struct trial *trial, struct job *job, uint64_t *count, const char *verdict)
{
    try_print(job, verdict, "");
    (*count)++;
    if (job->verdict != ACKD_VERDICT_DONE && job->verdict != ACKD_VERDICT_DROP)
        trial->status = COMMAND_FAILED;
    trial->held--;
    job_free(&job);
}

static void try_end_list(struct trial *trial, struct list *jobs)
{
    while (!list_empty(jobs)) {
        struct job *job = LIST_ITEM(jobs->next, job, node);
        timer_stop(&job->pause);
        try_end_job(trial, job, &trial->released, "given back");
    }
}

static void try_retry(struct trial *trial, struct job *job)
{
    if (trial->canceled) {
        try_end_job(trial, job, &trial->released, "given back");
        return;
    }
    if (job->message.attempt >= trial->attempts) {
        try_end_job(trial, job, &trial->dead, "dead after its last attempt");
        return;
    }
    uint64_t pause_ms = job->delay_ms != 0 ? job->delay_ms : retry_pause_ms(job->message.attempt);
    char more[64];
    snprintf(more, sizeof more, ", attempt %" PRIu32 " of %" PRIu32 ", again in %" PRIu64 " ms",
             job->message.attempt, trial->attempts, pause_ms);
    try_print(job, "failed", more);
    trial->retried++;
    list_append(&trial->waiting, &job->node);
    timer_init(&job->pause, try_again);
    timer_start(loop_timers(trial->loop), &job->pause,
                timer_after_ms(loop_now_ns(trial->loop), pause_ms));
}

static void try_verdict(struct trial *trial, struct job *job)
{
    switch (job->verdict) {
    case ACKD_VERDICT_DONE:
        try_end_job(trial, job, &trial->done, "done");
        break;
    case ACKD_VERDICT_RETRY:
        try_retry(trial, job);
        break;
    case ACKD_VERDICT_DEAD:
        try_end_job(trial, job, &trial->dead, "dead");
        break;
    case ACKD_VERDICT_DROP:
        try_end_job(trial, job, &trial->dropped, "dropped");
        break;
    case ACKD_VERDICT_RELEASE:
    case ACKD_VERDICT_ORPHAN:
        try_end_job(trial, job, &trial->released, "given back");
        break;
    }
}

/* Read lines while there is room. Reading blocks: input is a file, and messages run meanwhile
 * elsewhere. */
static void try_read(struct trial *trial)
{
    char *line = NULL;
    size_t capacity = 0;
    while (!trial->ended && trial->running < trial->concurrency && trial->held < TRY_FLIGHT_MAX) {
        if (trial->batch > 0 && trial->due_count >= trial->batch) {
            try_start_due(trial);
            if (trial->due_count >= trial->batch)
                break;
            continue;
        }
        ssize_t length = getline(&line, &capacity, trial->input);
        if (length < 0) {
            trial->ended = true;
            break;
        }
        if (length > 0 && line[length - 1] == '\n')
            length--;
        trial->read++;
        struct delivery *delivery = NULL;
        if (sample_make(trial->pool, line, (size_t)length, trial->json, &delivery) != ACKD_OK) {
            fprintf(stderr, "%s:%" PRIu64 ": %s\n", trial->input_name, trial->read,
                    ackd_error_text(ackd_error_current()));
            trial->status = COMMAND_FAILED;
            continue;
        }
        delivery->tag = trial->read;
        struct job *job = job_init(delivery, NULL, "try", "try");
        job->state = JOB_RUNNING;
        job->station = &trial->station;
        trial->held++;
        if (trial->batch > 0)
            try_put_due(trial, job);
        else
            try_start(trial, &job->crossing);
    }
    free(line);
}

/* What runs is asked to stop, and nothing more is read. */
static void try_cancel(struct trial *trial)
{
    trial->canceled = true;
    trial->ended = true;
    try_end_list(trial, &trial->waiting);
    try_end_list(trial, &trial->due);
    trial->due_count = 0;
    trial->cancel = (struct order){.crossing = {CROSSING_CANCEL}, .reason = ACKD_CANCEL_SHUTDOWN};
    runner_send(trial->runner, &trial->cancel.crossing);
    runner_flush(trial->runner);
}

static void try_send(struct trial *trial, enum crossing_kind kind)
{
    trial->station.crossing.kind = kind;
    runner_send(trial->runner, &trial->station.crossing);
    runner_flush(trial->runner);
}

/* What the daemon would stop for ends the trial too. */
static void try_run_back(struct trial *trial)
{
    if (trial->station.run_code == ACKD_OK)
        return;
    char text[1024];
    report_failure_line(trial->station.run_error, text, sizeof text);
    fprintf(stderr, "ackd try: run() of handler '%s' failed: %s\n", trial->handler, text);
    trial->status = COMMAND_FAILED;
    if (!trial->canceled)
        try_cancel(trial);
}

static void try_hook_back(struct trial *trial)
{
    struct station *station = &trial->station;
    if (station->crossing.kind == CROSSING_END) {
        try_send(trial, CROSSING_STOP);
        return;
    }
    if (station->code != ACKD_OK) {
        char text[1024];
        report_failure_line(station->error, text, sizeof text);
        fprintf(stderr, "ackd try: %s of handler '%s' failed: %s\n",
                station->crossing.kind == CROSSING_START ? "start()" : "stop()", trial->handler,
                text);
        trial->status = COMMAND_FAILED;
    }
    if (station->crossing.kind == CROSSING_START && station->code == ACKD_OK) {
        station->started = true;
        if (station->handler->run != NULL)
            runner_send(trial->runner, &station->run_crossing);
        runner_flush(trial->runner);
        return;
    }
    loop_stop(trial->loop);
}

/* As much of a body as is text, on one line. */
static void try_print_body(struct ackd_bytes body)
{
    const unsigned char *at = body.data;
    size_t size = body.size < TRY_BODY_MAX ? body.size : TRY_BODY_MAX;
    for (size_t i = 0; i < size; i++)
        putchar(at[i] < ' ' || at[i] == 0x7f ? '.' : at[i]);
    printf("%s\n", size < body.size ? "..." : "");
}

/* What a handler publishes is shown, and counts as confirmed. Nobody is there who would reply. */
static void try_publish(struct trial *trial, struct crossing *crossing)
{
    struct publication *publication = publication_of(crossing);
    if (crossing->kind == CROSSING_WITHDRAW) {
        runner_send(trial->runner, crossing);
        runner_flush(trial->runner);
        return;
    }
    const struct publisher_request *request = &publication->request;
    if (publication->message != NULL)
        printf("%" PRIu64 ": ", ackd_message_tag(publication->message));
    printf("%s exchange '%s', routing key '%s', %zu bytes: ",
           request->wants_reply ? "asks" : "publishes to", request->exchange, request->routing_key,
           request->body.size);
    try_print_body(request->body);
    trial->published++;
    int code = ACKD_OK;
    if (request->wants_reply)
        code = ackd_fail(ACKD_E_TIMEOUT, "no reply: 'ackd try' has no broker");
    publication_answer(publication, code);
    runner_flush(trial->runner);
}

static void try_batch_back(struct trial *trial, struct batch *batch)
{
    for (struct job *job; (job = batch_take(batch)) != NULL;)
        try_verdict(trial, job);
    list_append(&trial->idle, &batch->node);
}

static uint64_t try_turn(void *arg)
{
    struct trial *trial = arg;
    struct crossing *crossing;
    while ((crossing = runner_receive(trial->runner)) != NULL) {
        if (crossing->kind <= CROSSING_BATCH)
            trial->running--;
        if (crossing->kind == CROSSING_PUBLISH || crossing->kind == CROSSING_WITHDRAW)
            try_publish(trial, crossing);
        else if (crossing->kind == CROSSING_JOB)
            try_verdict(trial, LIST_ITEM(crossing, job, crossing));
        else if (crossing->kind == CROSSING_BATCH)
            try_batch_back(trial, LIST_ITEM(crossing, batch, crossing));
        else if (crossing->kind == CROSSING_RUN)
            try_run_back(trial);
        else if (crossing->kind != CROSSING_CANCEL)
            try_hook_back(trial);
    }
    if (!trial->station.started)
        return TIMER_NEVER;
    try_start_due(trial);
    try_read(trial);
    try_start_due(trial); /* what was read last */
    if (trial->ended && !trial->ending && trial->held == 0) {
        trial->ending = true;
        try_send(trial, CROSSING_END);
    }
    return TIMER_NEVER;
}

/* The first signal cancels what runs, and ends the reading. */
static void try_signal(int number, void *arg)
{
    struct trial *trial = arg;
    if (number != SIGINT && number != SIGTERM)
        return;
    if (trial->canceled)
        _Exit(128 + number);
    try_cancel(trial);
}

/* Whether the handler has what is to be called. */
static int try_choose(struct trial *trial)
{
    const struct ackd_consumer *handler = plugin_consumer(trial->plugin);
    if (trial->batch > 0 && handler->handle_batch == NULL)
        return ackd_fail(ACKD_E_CONFIG, "handler '%s' has no handle_batch(): leave out --batch",
                         trial->handler);
    if (handler->handle == NULL && trial->batch == 0)
        trial->batch = TRY_BATCH;
    return ACKD_OK;
}

static int try_set_up(struct trial *trial)
{
    ACKD_TRY(plugin_load(trial->handler, trial->path, NULL, &trial->plugin));
    ACKD_TRY(try_choose(trial));
    ACKD_TRY(loop_new("ackd try", &trial->loop));
    blocking_set_policy(trial->blocking);
    struct watchdog_options watchdog = {.warn_ms = WATCHDOG_WARN_MS, .error_ms = WATCHDOG_ERROR_MS};
    ACKD_TRY(watchdog_new(&watchdog, &trial->watchdog));
    struct runner_options options = {.name = "loop 0",
                                     .owner = trial->loop,
                                     .capacity = trial->concurrency + 8,
                                     .watchdog = trial->watchdog};
    ACKD_TRY(runner_new(&options, &trial->runner));
    ACKD_TRY(delivery_pool_new(sizeof(struct job), TRY_FLIGHT_MAX, &trial->pool));
    ACKD_TRY(signals_open(trial->loop, try_signal, trial, &trial->signals));
    loop_set_turn(trial->loop, try_turn, trial);
    trial->station = (struct station){.crossing = {CROSSING_START},
                                      .handler = plugin_consumer(trial->plugin),
                                      .consumer = "try",
                                      .publishes = true,
                                      .timeout_ms = trial->timeout_ms};
    ACKD_TRY(plugin_state_new(trial->plugin, trial->settings, trial->setting_count, "-s",
                              &trial->station.state));
    runner_place(trial->runner, &trial->station);
    return ACKD_OK;
}

static void try_tear_down(struct trial *trial)
{
    runner_clear(&trial->station);
    if (trial->plugin != NULL)
        plugin_state_free(trial->plugin, &trial->station.state);
    signals_close(&trial->signals);
    for (struct list *node; (node = list_take(&trial->idle)) != NULL;) {
        struct batch *batch = LIST_ITEM(node, batch, node);
        batch_free(&batch);
    }
    runner_free(&trial->runner);
    watchdog_free(&trial->watchdog);
    if (trial->pool != NULL)
        delivery_pool_free(&trial->pool);
    if (trial->loop != NULL)
        loop_free(&trial->loop);
}

static void try_run(struct trial *trial)
{
    if (runner_start(trial->runner) != ACKD_OK) {
        command_complain("try");
        trial->status = COMMAND_INTERNAL;
        return;
    }
    runner_send(trial->runner, &trial->station.crossing);
    runner_flush(trial->runner);
    loop_run(trial->loop);
    trial->quit = (struct order){.crossing = {CROSSING_QUIT}};
    runner_send(trial->runner, &trial->quit.crossing);
    runner_flush(trial->runner);
    runner_join(trial->runner);
    printf("%" PRIu64 " messages: %" PRIu64 " done, %" PRIu64 " dead, %" PRIu64 " dropped, %" PRIu64
           " given back; %" PRIu64 " retries; %" PRIu64 " published\n",
           trial->read, trial->done, trial->dead, trial->dropped, trial->released, trial->retried,
           trial->published);
}

/* One more value makes a list of it. */
static int try_setting_again(struct trial *trial, size_t index, const char *value)
{
    size_t count = 0;
    while (trial->values[index][count] != NULL)
        count++;
    if (count == TRY_ITEMS_MAX)
        return command_usage("try", "at most %d values of one setting", TRY_ITEMS_MAX);
    trial->values[index][count] = value;
    trial->settings[index].list = true;
    return COMMAND_OK;
}

static int try_setting(struct trial *trial, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL)
        return command_usage("try", "'-s %s' is not KEY=VALUE", text);
    *equals = '\0';
    for (size_t i = 0; i < trial->setting_count; i++) {
        if (strcmp(trial->settings[i].key, text) == 0)
            return try_setting_again(trial, i, equals + 1);
    }
    if (trial->setting_count == TRY_SETTINGS_MAX)
        return command_usage("try", "at most %d settings", TRY_SETTINGS_MAX);
    size_t index = trial->setting_count++;
    trial->values[index][0] = equals + 1;
    trial->settings[index] = (struct config_setting){.key = text,
                                                     .values = trial->values[index],
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

static int try_blocking(struct trial *trial, const char *text)
{
    static const char *const words[] = {"warn", "refuse", "allow"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            trial->blocking = (enum ackd_blocking_policy)i;
            return COMMAND_OK;
        }
    }
    return command_usage("try", "'%s' is not one of warn, refuse, allow", text);
}

static int try_option(struct trial *trial, int option, char **argv)
{
    uint32_t number = 0;
    int status = COMMAND_OK;
    switch (option) {
    case 's':
        return try_setting(trial, optarg);
    case 'a':
        return try_number(optarg, 1000, &trial->attempts);
    case 'B':
        return try_number(optarg, TRY_FLIGHT_MAX, &trial->batch);
    case 'n':
        return try_number(optarg, TRY_FLIGHT_MAX, &trial->concurrency);
    case 't':
        status = try_number(optarg, 86400000, &number);
        trial->timeout_ms = number;
        return status;
    case 'p':
        trial->path[0] = optarg;
        return COMMAND_OK;
    case 'j':
        trial->json = true;
        return COMMAND_OK;
    case 'b':
        return try_blocking(trial, optarg);
    default:
        return command_bad_option(argv);
    }
}

static int try_parse(struct trial *trial, int argc, char **argv)
{
    static const struct option options[] = {{"set", required_argument, NULL, 's'},
                                            {"attempts", required_argument, NULL, 'a'},
                                            {"concurrency", required_argument, NULL, 'n'},
                                            {"batch", required_argument, NULL, 'B'},
                                            {"timeout-ms", required_argument, NULL, 't'},
                                            {"path", required_argument, NULL, 'p'},
                                            {"blocking", required_argument, NULL, 'b'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "s:a:n:B:t:p:b:j", options, NULL)) != -1) {
        int status = try_option(trial, option, argv);
        if (status != COMMAND_OK)
            return status;
    }
    if (optind == argc)
        return command_usage("try", "it needs the name of a handler, or a path to one");
    trial->handler = argv[optind++];
    trial->input_name = optind < argc ? argv[optind++] : "-";
    if (optind < argc)
        return command_usage("try", "'%s' is one argument too many", argv[optind]);
    return COMMAND_OK;
}

int command_try(int argc, char **argv)
{
    struct trial *trial = calloc(1, sizeof *trial);
    if (trial == NULL)
        return COMMAND_INTERNAL;
    trial->path[0] = ACKD_PLUGINDIR;
    trial->attempts = 5;
    trial->concurrency = 1;
    list_init(&trial->waiting);
    list_init(&trial->due);
    list_init(&trial->idle);
    int status = try_parse(trial, argc, argv);
    if (status == COMMAND_OK) {
        bool piped = strcmp(trial->input_name, "-") == 0;
        trial->input = piped ? stdin : fopen(trial->input_name, "re");
        if (trial->input == NULL) {
            fprintf(stderr, "ackd try: %s cannot be read: %s\n", trial->input_name,
                    strerror(errno));
            status = COMMAND_NO_INPUT;
        }
    }
    system_prepare();
    if (status == COMMAND_OK) {
        if (try_set_up(trial) == ACKD_OK) {
            try_run(trial);
            status = trial->status;
        } else {
            command_complain("try");
            status = COMMAND_CONFIG;
        }
        try_tear_down(trial);
    }
    if (trial->input != NULL && trial->input != stdin)
        fclose(trial->input);
    free(trial);
    return status;
}
