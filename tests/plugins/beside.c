/* SPDX-License-Identifier: MIT */
/*
 * beside - a handler whose run() writes down what its messages hand to it.
 *
 *     run begin | run failed | run ended      run() itself
 *     message                                 one was handed over, and written by run()
 *     stop                                    stop()
 *
 * With fail-after, run() fails after that time. What becomes of that is the plugin's own policy:
 * BESIDE_FAILURE, given by the compiler.
 */
#include <ackd/ackd.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct beside {
    const char *file;
    uint64_t fail_after;
    int fd;
    struct ackd_mailbox *handed;
};

static const struct ackd_option options[] = {
    ACKD_OPTION(struct beside, file, PATH, .required = true, .help = "what is appended to"),
    ACKD_OPTION(struct beside, fail_after, DURATION, .fallback = "0ms", .help = "0: never"),
    ACKD_OPTIONS_END};

static void beside_line(const struct beside *beside, const char *line)
{
    if (write(beside->fd, line, strlen(line)) < 0)
        ackd_log_error("beside", "the record cannot be written");
}

static void beside_drop(void *item, void *arg)
{
    (void)item;
    (void)arg;
}

static int start(void *state)
{
    struct beside *beside = state;
    beside->fd = open(beside->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (beside->fd < 0)
        return ackd_fail(ACKD_E_OS, "%s cannot be opened", beside->file);
    return ackd_mailbox_new(
        &(struct ackd_mailbox_options){.name = "handed", .capacity = 16, .drop = beside_drop},
        &beside->handed);
}

static int run(void *state)
{
    struct beside *beside = state;
    void *item;
    beside_line(beside, "run begin\n");
    if (beside->fail_after > 0) {
        ACKD_TRY(ackd_delay(beside->fail_after));
        beside_line(beside, "run failed\n");
        return ackd_fail(ACKD_E_USER, "told to fail");
    }
    int code;
    while ((code = ackd_mailbox_receive(beside->handed, &item)) == ACKD_OK)
        beside_line(beside, item);
    while (ackd_mailbox_try_receive(beside->handed, &item))
        beside_line(beside, item);
    beside_line(beside, "run ended\n");
    return code;
}

static int handle(const struct ackd_message *message, void *state)
{
    struct beside *beside = state;
    static char line[] = "message\n";
    (void)message;
    ACKD_TRY(ackd_delay(5));
    return beside->fail_after > 0 ? ACKD_OK : ackd_mailbox_send(beside->handed, line);
}

static int stop(void *state)
{
    struct beside *beside = state;
    beside_line(beside, "stop\n");
    ackd_mailbox_free(&beside->handed);
    close(beside->fd);
    return ACKD_OK;
}

ACKD_CONSUMER(.name = "beside", .version = "test", .help = "hands its messages to its run()",
              .options = options, .state_size = sizeof(struct beside), .start = start,
              .handle = handle, .stop = stop, .run = run, .run_failure = BESIDE_FAILURE);
