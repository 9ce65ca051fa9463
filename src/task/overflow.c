/* SPDX-License-Identifier: MIT */
/*
 * overflow - the signal handler and its report. Everything here is safe in a signal handler: no
 * allocation, no stdio. Under the address sanitizer nothing is installed: it reports overflows
 * itself.
 */
#include <config.h>

#include "task/overflow.h"

#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "task/engine.h"
#include "task/task.h"

enum {
    OVERFLOW_STACK_SIZE = 64 * 1024, /* SIGSTKSZ is too small for today's register files */
    OVERFLOW_FRAMES = 4096,
    OVERFLOW_LINE_SIZE = 512
};

/* What was there before us. */
static struct {
    int number;
    struct sigaction previous;
} overflow_signals[] = {{.number = SIGSEGV},
                        {.number = SIGBUS},
                        {.number = SIGFPE},
                        {.number = SIGILL},
                        {.number = SIGABRT}};

enum { OVERFLOW_SIGNALS = sizeof overflow_signals / sizeof overflow_signals[0] };

static _Thread_local const struct overflow_job *overflow_job
    __attribute__((tls_model("initial-exec")));

struct overflow_line {
    char text[OVERFLOW_LINE_SIZE];
    size_t length;
};

static void overflow_put(struct overflow_line *line, const char *text)
{
    for (; *text != '\0' && line->length < sizeof line->text; text++)
        line->text[line->length++] = *text;
}

static void overflow_put_number(struct overflow_line *line, uint64_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do
        digits[--at] = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    overflow_put(line, base == 16 ? "0x" : "");
    overflow_put(line, digits + at);
}

static void overflow_write(const struct overflow_line *line)
{
    ssize_t written = write(STDERR_FILENO, line->text, line->length);
    (void)written;
}

static void overflow_put_field(struct overflow_line *line, const struct ackd_log_field *field)
{
    overflow_put(line, field->key);
    overflow_put(line, "=");
    if (field->text != NULL)
        overflow_put(line, field->text);
    else
        overflow_put_number(line, (uint64_t)field->number, 10);
}

/* With what its lines in the log carry: the consumer, the queue, the tag. */
static void overflow_put_task(struct overflow_line *line, const struct ackd_task *task)
{
    overflow_put(line, "task #");
    overflow_put_number(line, task->id, 10);
    overflow_put(line, " '");
    overflow_put(line, task->name);
    overflow_put(line, "'");
    const char *before = " (";
    for (const struct log_context *context = log_context_current(); context != NULL;
         context = context->outer) {
        for (size_t i = 0; i < context->count; i++) {
            overflow_put(line, before);
            overflow_put_field(line, &context->fields[i]);
            before = " ";
        }
    }
    if (before[1] == '\0')
        overflow_put(line, ")");
}

static void overflow_print_cause(const struct ackd_task *task, const struct stack *stack,
                                 const void *address)
{
    struct overflow_line line = {.length = 0};
    overflow_put(&line, "ackd: fatal: ");
    if (task != NULL)
        overflow_put_task(&line, task);
    else
        overflow_put(&line, "a task that had ended");
    overflow_put(&line, " overflowed its stack of ");
    overflow_put_number(&line, stack->size / 1024, 10);
    overflow_put(&line, " KiB: it touched ");
    overflow_put_number(&line, (uintptr_t)address, 16);
    overflow_put(&line, ", ");
    overflow_put_number(&line, (uint64_t)(stack->low - (const char *)address), 10);
    overflow_put(&line, " bytes below the lowest of the stack. Look for endless recursion, raise "
                        "'stack', or move large locals to ackd_alloc.\n");
    overflow_write(&line);
}

static void overflow_put_signal(struct overflow_line *line, int number, const void *address)
{
    overflow_put(line, "ackd: fatal: signal ");
    overflow_put_number(line, (uint64_t)number, 10);
    if (number == SIGSEGV || number == SIGBUS) {
        overflow_put(line, " at address ");
        overflow_put_number(line, (uintptr_t)address, 16);
    }
}

static void overflow_print_fault(const struct scheduler *scheduler, int number, const void *address)
{
    struct overflow_line line = {.length = 0};
    overflow_put_signal(&line, number, address);
    overflow_put(&line, " in ");
    if (scheduler->current != NULL) {
        overflow_put_task(&line, scheduler->current);
    } else {
        overflow_put(&line, "a callback of ");
        overflow_put(&line, scheduler->name);
    }
    overflow_put(&line, "\n");
    overflow_write(&line);
}

static void overflow_print_job(int number, const void *address)
{
    struct overflow_line line = {.length = 0};
    overflow_put_signal(&line, number, address);
    overflow_put(&line, " in the job '");
    overflow_put(&line, overflow_job->name);
    overflow_put(&line, "', which task #");
    overflow_put_number(&line, overflow_job->task_id, 10);
    overflow_put(&line, " '");
    overflow_put(&line, overflow_job->task_name);
    overflow_put(&line, "' awaits\n");
    overflow_write(&line);
}

/* How many frames from @at on are the same run of @period frames again. */
static int overflow_repeats(void *const *frames, int count, int at, int period)
{
    int repeats = 0;
    while (at + (repeats + 2) * period <= count &&
           memcmp(frames + at, frames + at + (repeats + 1) * period,
                  (size_t)period * sizeof *frames) == 0)
        repeats++;
    return repeats;
}

static void overflow_print_folded(void *const *frames, int at, int period, int repeats)
{
    struct overflow_line line = {.length = 0};
    backtrace_symbols_fd(frames + at, period, STDERR_FILENO);
    overflow_put(&line, "    ... and ");
    overflow_put_number(&line, (uint64_t)repeats, 10);
    overflow_put(&line, " times more the same\n");
    overflow_write(&line);
}

static void overflow_print_backtrace(void)
{
    static void *frames[OVERFLOW_FRAMES];
    int count = backtrace(frames, OVERFLOW_FRAMES);
    for (int at = 0; at < count;) {
        int period = 1;
        int repeats = overflow_repeats(frames, count, at, period);
        while (repeats < 2 && period < 4)
            repeats = overflow_repeats(frames, count, at, ++period);
        if (repeats >= 2) {
            overflow_print_folded(frames, at, period, repeats);
            at += (repeats + 1) * period;
        } else {
            backtrace_symbols_fd(frames + at, 1, STDERR_FILENO);
            at++;
        }
    }
}

static const struct sigaction *overflow_previous(int number)
{
    int at = 0;
    while (overflow_signals[at].number != number)
        at++;
    return &overflow_signals[at].previous;
}

/* Whether nobody else was there who would tell. */
static bool overflow_is_ours(int number)
{
    const struct sigaction *previous = overflow_previous(number);
    return (previous->sa_flags & SA_SIGINFO) == 0 && previous->sa_handler == SIG_DFL;
}

/* Back to where it happened, under the handler that was there before. */
static void overflow_pass_on(int number, siginfo_t *info, void *context)
{
    const struct sigaction *previous = overflow_previous(number);
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(number, info, context);
        return;
    }
    if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(number);
        return;
    }
    signal(number, SIG_DFL);
    if (info->si_code <= 0)
        raise(number); /* it was sent: nothing there faults again */
}

static void overflow_handle(int number, siginfo_t *info, void *context)
{
    const struct scheduler *scheduler = engine_this;
    if (scheduler == NULL || scheduler->running == NULL ||
        (number != SIGSEGV && number != SIGBUS) ||
        !stack_guards(scheduler->running, info->si_addr)) {
        if (overflow_job != NULL) {
            overflow_print_job(number, info->si_addr);
            overflow_print_backtrace();
        } else if (scheduler != NULL && overflow_is_ours(number)) {
            overflow_print_fault(scheduler, number, info->si_addr);
            overflow_print_backtrace();
        }
        overflow_pass_on(number, info, context);
        return;
    }
    overflow_print_cause(scheduler->current, scheduler->running, info->si_addr);
    overflow_print_backtrace();
    /* The same instruction faults again, and the process dies of it, with a core of that moment. */
    signal(number, SIG_DFL);
}

static void overflow_install_handler(void)
{
    static atomic_flag installed = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&installed))
        return;
    /* The first call loads a library, which must not happen in a signal handler. */
    void *warm[2];
    backtrace(warm, 2);
    struct sigaction action = {.sa_sigaction = overflow_handle,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    for (int i = 0; i < OVERFLOW_SIGNALS; i++)
        sigaction(overflow_signals[i].number, &action, &overflow_signals[i].previous);
}

void overflow_use_job(const struct overflow_job *job)
{
    overflow_job = job;
}

void overflow_install(struct overflow *overflow)
{
    if (SANITIZER_ADDRESS || overflow->stack != NULL)
        return;
    overflow_install_handler();
    void *stack =
        mmap(NULL, OVERFLOW_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return;
    stack_t alternate = {.ss_sp = stack, .ss_size = OVERFLOW_STACK_SIZE};
    stack_t before;
    bool free_to_set = sigaltstack(NULL, &before) == 0 && (before.ss_flags & SS_DISABLE) != 0;
    if (!free_to_set || sigaltstack(&alternate, NULL) != 0) {
        munmap(stack, OVERFLOW_STACK_SIZE);
        return;
    }
    overflow->stack = stack;
}

void overflow_remove(struct overflow *overflow)
{
    if (overflow->stack == NULL)
        return;
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == overflow->stack) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
    }
    munmap(overflow->stack, OVERFLOW_STACK_SIZE);
    overflow->stack = NULL;
}
