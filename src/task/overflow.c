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

#include "task/engine.h"
#include "task/task.h"

enum {
    OVERFLOW_STACK_SIZE = 64 * 1024, /* SIGSTKSZ is too small for today's register files */
    OVERFLOW_FRAMES = 4096,
    OVERFLOW_LINE_SIZE = 512
};

static struct sigaction overflow_previous_segv;
static struct sigaction overflow_previous_bus;

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

static void overflow_print_cause(const struct ackd_task *task, const struct stack *stack,
                                 const void *address)
{
    struct overflow_line line = {.length = 0};
    overflow_put(&line, "ackd: fatal: ");
    if (task != NULL) {
        overflow_put(&line, "task #");
        overflow_put_number(&line, task->id, 10);
        overflow_put(&line, " '");
        overflow_put(&line, task->name);
        overflow_put(&line, "'");
    } else {
        overflow_put(&line, "a task that had ended");
    }
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

/* Back to where it happened, under the handler that was there before. */
static void overflow_pass_on(int number, siginfo_t *info, void *context)
{
    const struct sigaction *previous =
        number == SIGSEGV ? &overflow_previous_segv : &overflow_previous_bus;
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(number, info, context);
        return;
    }
    if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(number);
        return;
    }
    signal(number, SIG_DFL);
}

static void overflow_handle(int number, siginfo_t *info, void *context)
{
    const struct scheduler *scheduler = engine_this;
    if (scheduler == NULL || scheduler->running == NULL ||
        !stack_guards(scheduler->running, info->si_addr)) {
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
    sigaction(SIGSEGV, &action, &overflow_previous_segv);
    sigaction(SIGBUS, &action, &overflow_previous_bus);
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
