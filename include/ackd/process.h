/* SPDX-License-Identifier: MIT */
/*
 * process - programs, and the pipes to and from them. What holds for all of <ackd/io.h> holds here.
 *
 *     const char *const argv[] = {"gzip", "-c", NULL};
 *     const struct ackd_process_options options = {
 *         .file = "gzip", .argv = argv, .input = ACKD_STDIO_PIPE, .output = ACKD_STDIO_PIPE};
 *     ACKD_PROCESS(gzip);
 *     ACKD_TRY(ackd_process_open(&options, &gzip));
 *     ACKD_TRY(ackd_process_write(gzip, body.data, body.size));
 *     ackd_process_close_input(gzip);
 *
 * A program that writes while it reads stops when the pipe of its output is full: write from one
 * task and read from another, unless what it writes is little.
 */
#ifndef ACKD_PROCESS_H
#define ACKD_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

struct ackd_process;

/* The three descriptors of a program. */
enum ackd_process_pipe { ACKD_PROCESS_INPUT, ACKD_PROCESS_OUTPUT, ACKD_PROCESS_ERRORS };

enum ackd_process_stdio {
    ACKD_STDIO_NULL,   /* /dev/null */
    ACKD_STDIO_PIPE,   /* a pipe to or from us */
    ACKD_STDIO_INHERIT /* the host's own */
};

/* Borrowed for the call. */
struct ackd_process_options {
    const char *file;               /* a path, or a name to be looked for in PATH */
    const char *const *argv;        /* ends with NULL; NULL: the file alone */
    const char *const *environment; /* "NAME=value", ends with NULL; NULL: the host's */
    const char *directory;          /* to run in; NULL: the host's */
    enum ackd_process_stdio input;
    enum ackd_process_stdio output;
    enum ackd_process_stdio errors;
    bool group; /* in a process group of its own, so that a signal reaches its children too */
};

/* Declare a process, not yet opened, that is closed at the end of the block. */
#define ACKD_PROCESS(process) \
    __attribute__((cleanup(ackd_process_close))) struct ackd_process *process = NULL

/*
 * Start a program. It gets default signal dispositions, no blocked signals, and no descriptor but
 * the three. ACKD_E_NOT_FOUND where there is no such program or directory; ACKD_E_OS; ACKD_E_NOMEM;
 * ACKD_E_INVAL; ACKD_CANCELED.
 */
#define ackd_process_open(options, ret_process) \
    ackd_process_open_at((options), (ret_process), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_process_open_at(const struct ackd_process_options *options,
                                                struct ackd_process **ret_process, const char *file,
                                                int line, const char *function);

/*
 * Forget it: its pipes are closed, and it is killed with SIGKILL if it still runs; the loop reaps
 * it. Does not wait. @process becomes NULL; NULL does nothing.
 */
ACKD_API void ackd_process_close(struct ackd_process **process);

/*
 * Write all @size bytes to its input. ACKD_E_CLOSED where it, or ackd_process_close_input, closed
 * that; ACKD_CANCELED with an unknown part written; ACKD_E_INVAL where input is not a pipe, or
 * another task writes.
 */
#define ackd_process_write(process, data, size) \
    ackd_process_write_at((process), (data), (size), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_process_write_at(struct ackd_process *process, const void *data,
                                                 size_t size, const char *file, int line,
                                                 const char *function);
/* It reads the end. Again does nothing. */
ACKD_API void ackd_process_close_input(struct ackd_process *process);

/*
 * Wait for output and read at most @size bytes of it: *ret_size is 0 at its end. Output is there
 * to read also after the program ended. A cancelled read has lost nothing. ACKD_E_INVAL where
 * @which is not a pipe from it, or another task reads it; ACKD_E_OS.
 */
#define ackd_process_read(process, which, buffer, size, ret_size) \
    ackd_process_read_at((process), (which), (buffer), (size), (ret_size), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_process_read_at(struct ackd_process *process,
                                                enum ackd_process_pipe which, void *buffer,
                                                size_t size, size_t *ret_size, const char *file,
                                                int line, const char *function);

/*
 * Wait until it ended; any number of times, by one task at a time. *ret_status is its exit status,
 * and *ret_signal is 0; or the number of the signal that killed it. Either may be NULL. How it
 * ended is not looked at: a failure of the program is for the caller to judge.
 */
#define ackd_process_wait(process, ret_status, ret_signal) \
    ackd_process_wait_at((process), (ret_status), (ret_signal), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_process_wait_at(struct ackd_process *process, int *ret_status,
                                                int *ret_signal, const char *file, int line,
                                                const char *function);

/* Send a signal, to its whole group where it has one. ACKD_E_CLOSED where it ended; ACKD_E_OS. */
ACKD_API ACKD_MUST_CHECK int ackd_process_kill(struct ackd_process *process, int signal);

/* Its number in the system. */
ACKD_API int ackd_process_id(const struct ackd_process *process);

ACKD_END_DECLS

#endif
