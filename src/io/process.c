/* SPDX-License-Identifier: MIT */
/*
 * process - child processes of <ackd/process.h>. It must not know what they do.
 *
 *   P1  The memory goes when the handler has let go, no task is inside a call, and libuv has closed
 *       the handles, the child's among them: so a child is always reaped.
 *   P2  The child's number is used only while the child is not reaped, so it is never another's.
 */
#include <config.h>

#include <ackd/blocking.h>
#include <ackd/error.h>
#include <ackd/process.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/list.h"
#include "io/loop_uv.h"
#include "io/pipe.h"
#include "io/system.h"
#include "io/transfer.h"
#include "task/refusal.h"

#define PROCESS_MAGIC UINT32_C(0x70726f63)

enum { PROCESS_PIPES = 3, PROCESS_NAME_SIZE = 64 };

struct ackd_process {
    uint32_t magic;
    struct list node;  /* in process_running, while running */
    struct loop *loop; /* borrowed */
    bool running;      /* not reaped */
    bool group;
    bool released; /* by ackd_process_close */
    int handles;   /* of libuv's, not yet closed */
    int users;     /* tasks inside a call that may suspend */
    int status;
    int signal;
    struct wait *wait; /* of the task that waits for its end */
    struct watch pipes[PROCESS_PIPES];
    uv_process_t child;
    char name[PROCESS_NAME_SIZE]; /* the file's, without its folder */
};

/* All children that are not reaped, of all loops: for process_kill_all. */
static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list process_running = {&process_running, &process_running};

static void process_set_running(struct ackd_process *process, bool running)
{
    ackd_assert(process->running != running);
    pthread_mutex_lock(&process_lock);
    process->running = running;
    if (running)
        list_append(&process_running, &process->node);
    else
        list_remove(&process->node);
    pthread_mutex_unlock(&process_lock);
}

static void process_free_if_done(struct ackd_process *process)
{
    if (!process->released || process->handles > 0 || process->users > 0)
        return; /* P1 */
    process->magic = 0;
    free(process);
}

static void process_handle_closed(void *arg)
{
    struct ackd_process *process = OBJECT_CAST(ackd_process, PROCESS_MAGIC, arg);
    ackd_assert(process->handles > 0);
    process->handles--;
    process_free_if_done(process);
}

static void process_child_closed(uv_handle_t *handle)
{
    process_handle_closed(handle->data);
}

static void process_exited(uv_process_t *child, int64_t status, int signal)
{
    struct ackd_process *process = OBJECT_CAST(ackd_process, PROCESS_MAGIC, child->data);
    process_set_running(process, false); /* P2 */
    process->status = (int)status;
    process->signal = signal;
    uv_close((uv_handle_t *)child, process_child_closed);
    if (process->wait != NULL)
        wait_finish(process->wait, ACKD_OK);
}

static struct ackd_process *process_new(struct loop *loop,
                                        const struct ackd_process_options *options)
{
    struct ackd_process *process = calloc(1, sizeof *process);
    if (process == NULL)
        return NULL;
    process->magic = PROCESS_MAGIC;
    process->loop = loop;
    process->group = options->group;
    for (int i = 0; i < PROCESS_PIPES; i++)
        process->pipes[i].fd = -1;
    const char *slash = strrchr(options->file, '/');
    snprintf(process->name, sizeof process->name, "%s", slash == NULL ? options->file : slash + 1);
    return process;
}

/* The pipes that are wanted, and in @stdio what the child gets; -1 in @others: nothing to close. */
static int process_open_pipes(struct ackd_process *process,
                              const struct ackd_process_options *options, int *others,
                              uv_stdio_container_t *stdio)
{
    const enum ackd_process_stdio kinds[] = {options->input, options->output, options->errors};
    for (int i = 0; i < PROCESS_PIPES; i++) {
        stdio[i].flags = kinds[i] == ACKD_STDIO_NULL ? UV_IGNORE : UV_INHERIT_FD;
        stdio[i].data.fd = i;
        if (kinds[i] != ACKD_STDIO_PIPE)
            continue;
        ACKD_TRY(pipe_open(&process->pipes[i], process->loop, i != ACKD_PROCESS_INPUT,
                           process_handle_closed, process, &others[i]));
        process->handles++;
        stdio[i].data.fd = others[i];
    }
    return ACKD_OK;
}

/* Whatever a library may have opened without O_CLOEXEC is not the child's business. */
static void process_keep_descriptors(void)
{
#ifdef CLOSE_RANGE_CLOEXEC
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
#endif
}

static int process_fail_spawn(const struct ackd_process_options *options, int status)
{
    struct stat found;
    if (options->directory != NULL && stat(options->directory, &found) != 0)
        return ackd_fail(ACKD_E_NOT_FOUND, "cannot run '%s' in the directory '%s': %s",
                         options->file, options->directory, strerror(errno));
    if (status == UV_ENOENT)
        return ackd_fail(ACKD_E_NOT_FOUND, "cannot run '%s': no such program%s", options->file,
                         strchr(options->file, '/') == NULL ? " in PATH" : "");
    return loop_fail_os(status, "cannot run '%s': %s", options->file, uv_strerror(status));
}

static int process_spawn(struct ackd_process *process, const struct ackd_process_options *options,
                         uv_stdio_container_t *stdio)
{
    const char *const plain[] = {options->file, NULL};
    const char *const *argv = options->argv != NULL ? options->argv : plain;
    uv_process_options_t wanted = {.exit_cb = process_exited,
                                   .file = options->file,
                                   .args = (char **)(uintptr_t)argv,
                                   .env = (char **)(uintptr_t)options->environment,
                                   .cwd = options->directory,
                                   .flags = options->group ? UV_PROCESS_DETACHED : 0,
                                   .stdio_count = PROCESS_PIPES,
                                   .stdio = stdio};
    process_keep_descriptors();
    process->child.data = process;
    /* Where the program cannot be started libuv waits for its copy of us, which ends at once. */
    struct ackd_blocking blocking = ackd_blocking_begin();
    int status = uv_spawn(loop_uv(process->loop), &process->child, &wanted);
    ackd_blocking_end(&blocking);
    process->handles++;
    if (status == 0) {
        process_set_running(process, true);
        return ACKD_OK;
    }
    uv_close((uv_handle_t *)&process->child, process_child_closed);
    return process_fail_spawn(options, status);
}

int ackd_process_open_at(const struct ackd_process_options *options,
                         struct ackd_process **ret_process, const char *file, int line,
                         const char *function)
{
    ACKD_TRY(wait_check(file, line, function));
    struct loop *loop = loop_current();
    if (loop == NULL)
        return refusal_at(ACKD_E_NOT_IN_TASK, NULL, file, line, function,
                          "this thread runs no loop");
    if (options->file == NULL || options->file[0] == '\0')
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "a process without a file");
    struct ackd_process *process = process_new(loop, options);
    if (process == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the process '%s'", options->file);
    int others[PROCESS_PIPES] = {-1, -1, -1};
    uv_stdio_container_t stdio[PROCESS_PIPES];
    int code = process_open_pipes(process, options, others, stdio);
    if (code == ACKD_OK)
        code = process_spawn(process, options, stdio);
    for (int i = 0; i < PROCESS_PIPES; i++) {
        if (others[i] >= 0)
            close(others[i]);
    }
    if (code != ACKD_OK)
        ackd_process_close(&process);
    else
        *ret_process = process;
    return code;
}

/* P2 */
static int process_send(const struct ackd_process *process, int signal)
{
    pid_t pid = uv_process_get_pid(&process->child);
    return kill(process->group ? -pid : pid, signal) == 0 ? 0 : -errno;
}

void process_kill_all(void)
{
    pthread_mutex_lock(&process_lock);
    list_for_each (node, &process_running)
        (void)process_send(LIST_ITEM(node, ackd_process, node), SIGKILL);
    pthread_mutex_unlock(&process_lock);
}

void ackd_process_close(struct ackd_process **process)
{
    struct ackd_process *old = *process;
    if (old == NULL)
        return;
    *process = NULL;
    ackd_assert(old->magic == PROCESS_MAGIC);
    ackd_assert(old->loop == loop_current());
    ackd_assert(!old->released);
    for (int i = 0; i < PROCESS_PIPES; i++)
        pipe_close(&old->pipes[i]);
    if (old->running)
        (void)process_send(old, SIGKILL);
    old->released = true;
    process_free_if_done(old);
}

static int process_check(const struct ackd_process *process, const char *file, int line,
                         const char *function)
{
    if (process == NULL || process->magic != PROCESS_MAGIC)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "the process is not open");
    if (process->loop != loop_current())
        return refusal_at(ACKD_E_WRONG_LOOP, NULL, file, line, function,
                          "the process '%s' belongs to another loop", process->name);
    return ACKD_OK;
}

/* A call that may suspend is over. */
static int process_leave(struct ackd_process *process, int code)
{
    process->users--;
    process_free_if_done(process);
    return code;
}

int ackd_process_write_at(struct ackd_process *process, const void *data, size_t size,
                          const char *file, int line, const char *function)
{
    ACKD_TRY(process_check(process, file, line, function));
    struct watch *pipe = &process->pipes[ACKD_PROCESS_INPUT];
    if (pipe->closed == NULL)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function,
                            "the input of '%s' is not a pipe: set .input = ACKD_STDIO_PIPE",
                            process->name);
    const struct watch_caller caller = {process->name, file, function, line, NULL};
    process->users++;
    return process_leave(process, transfer_write(pipe, data, size, &caller));
}

void ackd_process_close_input(struct ackd_process *process)
{
    pipe_close(&process->pipes[ACKD_PROCESS_INPUT]);
}

int ackd_process_read_at(struct ackd_process *process, enum ackd_process_pipe which, void *buffer,
                         size_t size, size_t *ret_size, const char *file, int line,
                         const char *function)
{
    ACKD_TRY(process_check(process, file, line, function));
    if ((which != ACKD_PROCESS_OUTPUT && which != ACKD_PROCESS_ERRORS) ||
        process->pipes[which].closed == NULL)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function,
                            "this output of '%s' is not a pipe: set it to ACKD_STDIO_PIPE",
                            process->name);
    const struct watch_caller caller = {process->name, file, function, line, NULL};
    size_t got;
    process->users++;
    int code = transfer_read(&process->pipes[which], buffer, size, false, &got, &caller);
    if (code == ACKD_OK)
        *ret_size = got;
    return process_leave(process, code);
}

static int process_await_end(struct ackd_process *process, const struct watch_caller *caller)
{
    ACKD_TRY(wait_check(caller->file, caller->line, caller->function));
    if (process->wait != NULL)
        return ackd_fail(ACKD_E_INVAL, "another task waits for the end of '%s'", process->name);
    if (!process->running)
        return ACKD_OK;
    struct wait wait;
    wait_init(&wait, WAIT_PROCESS, caller->what, caller->file, caller->line, caller->function);
    process->wait = &wait;
    int code = wait_park(&wait);
    process->wait = NULL;
    return code;
}

int ackd_process_wait_at(struct ackd_process *process, int *ret_status, int *ret_signal,
                         const char *file, int line, const char *function)
{
    ACKD_TRY(process_check(process, file, line, function));
    const struct watch_caller caller = {process->name, file, function, line, NULL};
    process->users++;
    int code = process_await_end(process, &caller);
    if (code == ACKD_OK && ret_status != NULL)
        *ret_status = process->status;
    if (code == ACKD_OK && ret_signal != NULL)
        *ret_signal = process->signal;
    return process_leave(process, code);
}

int ackd_process_kill(struct ackd_process *process, int signal)
{
    ACKD_TRY(process_check(process, ACKD_HERE));
    if (!process->running)
        return ackd_fail(ACKD_E_CLOSED, "'%s' has ended already", process->name);
    int status = process_send(process, signal);
    if (status != 0)
        return loop_fail_os(status, "cannot send signal %d to '%s': %s", signal, process->name,
                            uv_strerror(status));
    return ACKD_OK;
}

int ackd_process_id(const struct ackd_process *process)
{
    return uv_process_get_pid(&process->child);
}
