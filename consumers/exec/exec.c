/* SPDX-License-Identifier: MIT */
/*
 * exec - a program for each message: the body on its standard input, the rest in its environment,
 * the verdict in its exit status.
 *
 *   X1  The message is done when the program ended with 0, and was not asked to stop before.
 *   X2  What the program writes is always read, so that it never waits for us; how much of it is
 *       logged is bounded.
 *   X3  No program outlives its message: it is asked to end, and killed where it does not. What it
 *       left running in the background is not waited for. Where the host itself is killed, nobody
 *       is left to ask: then the service manager ends what is in the unit's control group.
 */
#include <ackd/ackd.h>
#include <ackd/io.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "environment.h"
#include "lines.h"

extern char **environ;

enum {
    EXEC_REST_MS = 1000, /* for output that is still in the pipes when the program has ended */
    EXEC_KILL_MS = 2000, /* for the system to end what was killed */
    EXEC_READ_SIZE = 4096
};

struct exec {
    const char *const *command;
    const char *const *environment;
    const char *directory;
    uint64_t grace;
    uint64_t output_max;
};

static const struct ackd_option options[] = {
    ACKD_OPTION(struct exec, command, LIST, .required = true,
                .help = "the program and its arguments, as a list"),
    ACKD_OPTION(struct exec, environment, LIST,
                .help = "NAME=VALUE for the program, besides ackd's own environment"),
    ACKD_OPTION(struct exec, directory, PATH, .help = "where it runs; default: where ackd does"),
    ACKD_OPTION(struct exec, grace, DURATION, .fallback = "5s", .min = 1, .max = 300000,
                .help = "between SIGTERM and SIGKILL when the message is cancelled"),
    ACKD_OPTION(struct exec, output_max, SIZE, .fallback = "16KiB", .max = 16 << 20,
                .help = "bytes of output that are logged for each message and stream"),
    ACKD_OPTIONS_END};

/* One of the two streams that come from the program. */
struct exec_stream {
    struct exec_run *run;
    enum ackd_process_pipe pipe;
    struct lines lines;
    char buffer[EXEC_READ_SIZE];
};

/* One message; in the memory of its task. */
struct exec_run {
    const struct exec *exec;
    const struct ackd_message *message;
    struct ackd_process *process; /* borrowed from the handler's frame */
    struct exec_stream output;
    struct exec_stream errors;
    bool feeding; /* the body goes to its input */
    int status;
    int signal;
};

static void exec_log(const char *line, void *arg)
{
    const struct exec_stream *stream = arg;
    bool errors = stream->pipe == ACKD_PROCESS_ERRORS;
    ackd_log_event(errors ? ACKD_LOG_NOTICE : ACKD_LOG_INFO, "program_output",
                   ACKD_FIELDS(ACKD_FIELD("stream", errors ? "stderr" : "stdout"),
                               ACKD_FIELD_INT("pid", ackd_process_id(stream->run->process))),
                   "%s", line);
}

/* A program need not read its input: that it closed it is no failure. */
static int exec_feed(void *arg)
{
    struct exec_run *run = arg;
    struct ackd_bytes body = ackd_message_body(run->message);
    int code = ackd_process_write(run->process, body.data, body.size);
    ackd_process_close_input(run->process);
    return code == ACKD_E_CLOSED ? ACKD_OK : code;
}

static int exec_drain(void *arg)
{
    struct exec_stream *stream = arg;
    size_t size = 0;
    do {
        ACKD_TRY(ackd_process_read(stream->run->process, stream->pipe, stream->buffer,
                                   sizeof stream->buffer, &size));
        lines_add(&stream->lines, stream->buffer, size);
    } while (size > 0);
    return ACKD_OK;
}

/*
 * The program has ended. Its pipes end with it, unless something it started holds them: then what
 * was read by now is all there is (X3). How it ended is known, so nothing here can fail.
 */
static void exec_rest(struct ackd_scope *pumps)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, EXEC_REST_MS);
    int code = ackd_deadline_pop(&deadline, ackd_scope_join(pumps));
    if (code == ACKD_E_TIMEOUT)
        ackd_log_debug("program_left", "the program ended, but something holds its output open");
}

/* See the program to its end, with its pipes in motion: ACKD_CANCELED leaves it running. */
static int exec_attend(struct exec_run *run)
{
    ACKD_SCOPE_SUPERVISED(pumps);
    ACKD_TRY(ackd_spawn(&pumps, exec_drain, &run->output));
    ACKD_TRY(ackd_spawn(&pumps, exec_drain, &run->errors));
    if (run->feeding)
        ACKD_TRY(ackd_spawn(&pumps, exec_feed, run));
    ACKD_TRY(ackd_process_wait(run->process, &run->status, &run->signal));
    exec_rest(&pumps);
    return ACKD_OK;
}

/* Whether it ended within @ms of this signal. */
static bool exec_ended(struct exec_run *run, int signal, uint64_t ms)
{
    struct ackd_deadline deadline;
    if (ackd_process_kill(run->process, signal) == ACKD_E_CLOSED)
        return true;
    ackd_deadline_push(&deadline, ms);
    return ackd_deadline_pop(&deadline, exec_attend(run)) == ACKD_OK;
}

/* X3: with time of its own, for the task is cancelled already. */
static void exec_stop(struct exec_run *run)
{
    struct ackd_shield shield;
    uint64_t grace = run->exec->grace;
    run->feeding = false; /* a part of the body is gone, and cannot be asked back */
    if (ackd_shield_push(&shield, grace + EXEC_KILL_MS + 2 * EXEC_REST_MS) != ACKD_OK)
        return;
    ackd_process_close_input(run->process);
    if (!exec_ended(run, SIGTERM, grace)) {
        ackd_log_warning("program_killed", "%s did not end within %" PRIu64 " ms of SIGTERM",
                         run->exec->command[0], grace);
        if (!exec_ended(run, SIGKILL, EXEC_KILL_MS))
            ackd_log_error("program_stuck", "process %d does not end, though it was killed",
                           ackd_process_id(run->process));
    }
    ackd_shield_pop(&shield);
}

/* sysexits.h: data that is wrong and a wrong configuration stay wrong, all else may pass. */
static int exec_verdict(const struct exec_run *run)
{
    const char *program = run->exec->command[0];
    const char *last = run->errors.lines.last;
    const char *colon = last[0] == '\0' ? "" : ": ";
    if (run->signal != 0)
        return ackd_fail(ACKD_E_EXIT, "%s was killed by signal %d (%s)%s%s", program, run->signal,
                         strsignal(run->signal), colon, last);
    if (run->status == EX_OK)
        return ACKD_OK; /* X1 */
    if (run->status == EX_DATAERR || run->status == EX_CONFIG)
        return ackd_dead("%s exited with %d (%s)%s%s", program, run->status,
                         run->status == EX_DATAERR ? "wrong data" : "wrong configuration", colon,
                         last);
    return ackd_fail(ACKD_E_EXIT, "%s exited with %d%s%s%s", program, run->status,
                     run->status == EX_TEMPFAIL ? " (try again later)" : "", colon, last);
}

static int exec_open(struct exec_run *run, struct ackd_process **ret_process)
{
    const struct exec *exec = run->exec;
    struct ackd_process_options how = {.file = exec->command[0],
                                       .argv = exec->command,
                                       .directory = exec->directory,
                                       .input = ACKD_STDIO_PIPE,
                                       .output = ACKD_STDIO_PIPE,
                                       .errors = ACKD_STDIO_PIPE,
                                       .group = true};
    ACKD_TRY(environment_make(run->message, environ, exec->environment, &how.environment));
    return ackd_process_open(&how, ret_process);
}

static void exec_stream_init(struct exec_stream *stream, struct exec_run *run,
                             enum ackd_process_pipe pipe)
{
    stream->run = run;
    stream->pipe = pipe;
    lines_init(&stream->lines, run->exec->output_max, exec_log, stream);
}

static int handle(const struct ackd_message *message, void *state)
{
    ACKD_PROCESS(process);
    struct exec_run *run = ackd_alloc(sizeof *run);
    if (run == NULL)
        return ACKD_E_NOMEM;
    run->exec = state;
    run->message = message;
    run->feeding = true;
    exec_stream_init(&run->output, run, ACKD_PROCESS_OUTPUT);
    exec_stream_init(&run->errors, run, ACKD_PROCESS_ERRORS);
    ACKD_TRY(exec_open(run, &process));
    run->process = process;
    int code = exec_attend(run);
    if (code == ACKD_CANCELED)
        exec_stop(run);
    lines_end(&run->output.lines);
    lines_end(&run->errors.lines);
    return code == ACKD_OK ? exec_verdict(run) : code;
}

/* What can be known before the first message, so that it is not the messages that fail. */
static int start(void *state)
{
    const struct exec *exec = state;
    const char *program = exec->command[0];
    if (program[0] == '\0')
        return ackd_fail(ACKD_E_CONFIG, "command: the program's name is empty");
    if (strchr(program, '/') != NULL && access(program, X_OK) != 0)
        return ackd_fail(ACKD_E_CONFIG, "command: %s cannot be executed: %s", program,
                         strerror(errno));
    for (size_t i = 0; exec->environment != NULL && exec->environment[i] != NULL; i++) {
        if (strchr(exec->environment[i], '=') == NULL || exec->environment[i][0] == '=')
            return ackd_fail(ACKD_E_CONFIG, "environment: item %zu is not NAME=VALUE", i + 1);
    }
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "exec", .version = "1", .help = "runs a program for each message",
              .start = start, .handle = handle, .options = options,
              .state_size = sizeof(struct exec));
