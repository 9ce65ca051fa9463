/* SPDX-License-Identifier: MIT */
/*
 * error - what went wrong, where, and why.
 *
 * A function that can fail returns 0 or a negative code, and leaves an error with text, place and
 * cause in the current slot. Each task has a slot, and so has each thread outside of tasks. An
 * error never changes once it is made, and is reference-counted; the slot holds one reference.
 * ACKD_CANCELED is not a failure and leaves no error: see cancel.h.
 *
 *     if (row == NULL)
 *         return ackd_fail(ACKD_E_NOT_FOUND, "order %s", id);
 *     ACKD_TRY(save(row));
 */
#ifndef ACKD_ERROR_H
#define ACKD_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

enum ackd_code {
    ACKD_OK = 0,
#define ACKD_ERROR(name, value, text) ACKD_##name = value,
#include <ackd/errors.def>
#undef ACKD_ERROR
    ACKD_E_USER = -1000 /* codes of handlers are this and below */
};

/* What becomes of a message whose handler returned this error. */
enum ackd_verdict {
    ACKD_VERDICT_DONE,    /* acknowledged */
    ACKD_VERDICT_RETRY,   /* tried again later, counted as an attempt */
    ACKD_VERDICT_DEAD,    /* to the dead-letter queue */
    ACKD_VERDICT_DROP,    /* acknowledged, counted and logged */
    ACKD_VERDICT_RELEASE, /* given back to the broker, not counted */
    ACKD_VERDICT_ORPHAN   /* nothing: its channel died and the broker redelivers */
};

struct ackd_error;

/*
 * Names of codes: "E_TIMEOUT"; and their general text. For a code of a handler's own: "E_USER";
 * ackd_error_format adds its number, as in "E_USER-7" for ACKD_E_USER - 7.
 */
ACKD_API const char *ackd_code_name(int code);
ACKD_API const char *ackd_code_text(int code);

/* "done", "retry", "dead", "drop", "release", "orphan". */
ACKD_API const char *ackd_verdict_name(enum ackd_verdict verdict);

/*
 * Make @code the current error, with text and place, and return it. The error that was there before
 * is let go (ackd_fail) or becomes the cause (ackd_wrap), and a cause's verdict is kept. @code is a
 * failure: 0, a positive number or ACKD_CANCELED makes ACKD_E_INVAL of it. errno is kept, and noted
 * where @code is ACKD_E_OS. Out of memory still gives the code, with its general text.
 */
#define ackd_fail(code, ...) ackd_fail_at((code), ACKD_HERE, __VA_ARGS__)
#define ackd_wrap(code, ...) ackd_wrap_at((code), ACKD_HERE, __VA_ARGS__)
ACKD_API int ackd_fail_at(int code, const char *file, int line, const char *function,
                          const char *format, ...) ACKD_PRINTF(5, 6);
ACKD_API int ackd_wrap_at(int code, const char *file, int line, const char *function,
                          const char *format, ...) ACKD_PRINTF(5, 6);

/* Return what @expression returned if that is not ACKD_OK, and note the place in the error's trace.
 */
#define ACKD_TRY(expression)                                \
    do {                                                    \
        int ackd_try_code = (expression);                   \
        if (__builtin_expect(ackd_try_code != ACKD_OK, 0))  \
            return ackd_trace_at(ackd_try_code, ACKD_HERE); \
    } while (0)
ACKD_API int ackd_trace_at(int code, const char *file, int line, const char *function);

/*
 * Verdicts on a message, to be returned by its handler: try it again after @delay_ms milliseconds;
 * never again, to the dead-letter queue; forget it. A cause that is current is kept.
 */
#define ackd_retry_after(delay_ms, ...) ackd_retry_after_at((delay_ms), ACKD_HERE, __VA_ARGS__)
#define ackd_dead(...) ackd_verdict_at(ACKD_VERDICT_DEAD, ACKD_HERE, __VA_ARGS__)
#define ackd_drop(...) ackd_verdict_at(ACKD_VERDICT_DROP, ACKD_HERE, __VA_ARGS__)
ACKD_API int ackd_retry_after_at(uint64_t delay_ms, const char *file, int line,
                                 const char *function, const char *format, ...) ACKD_PRINTF(5, 6);
ACKD_API int ackd_verdict_at(enum ackd_verdict verdict, const char *file, int line,
                             const char *function, const char *format, ...) ACKD_PRINTF(5, 6);

/*
 * Several failures as one: make it the current error and return its code. NULLs, for what did not
 * fail, are left out; ACKD_OK for none at all. One alone is itself; more are the children, in that
 * order and the same one once, of an ACKD_E_AGGREGATE, which is tried again, after the longest of
 * their delays, unless all are dead. References are the caller's still.
 */
#define ackd_aggregate(errors, count) ackd_aggregate_at((errors), (count), ACKD_HERE)
ACKD_API ACKD_MUST_CHECK int ackd_aggregate_at(const struct ackd_error *const *errors, size_t count,
                                               const char *file, int line, const char *function);

/* The current error of this task or thread; NULL if none. Borrowed until the next failure here. */
ACKD_API const struct ackd_error *ackd_error_current(void);

/* Take or drop a reference. A reference keeps the causes and children too. Unref of NULL does
 * nothing. */
ACKD_API const struct ackd_error *ackd_error_ref(const struct ackd_error *error);
ACKD_API void ackd_error_unref(const struct ackd_error *error);

/* What an error says. Strings live as long as the error. A NULL error reads as ACKD_OK, "", and 0.
 */
ACKD_API int ackd_error_code(const struct ackd_error *error);
ACKD_API const char *ackd_error_text(const struct ackd_error *error);
ACKD_API const char *ackd_error_file(const struct ackd_error *error);
ACKD_API int ackd_error_line(const struct ackd_error *error);
ACKD_API const char *ackd_error_function(const struct ackd_error *error);
ACKD_API int ackd_error_errno(const struct ackd_error *error);
ACKD_API uint64_t ackd_error_task_id(const struct ackd_error *error); /* 0: outside of tasks */
ACKD_API const char *
ackd_error_task_name(const struct ackd_error *error); /* "": outside of tasks */
ACKD_API enum ackd_verdict ackd_error_verdict(const struct ackd_error *error);
ACKD_API uint64_t ackd_error_delay_ms(const struct ackd_error *error); /* 0: the policy's own */

/* The error that led to this one; the children of an aggregate, and errors that came after the
 * first. */
ACKD_API const struct ackd_error *ackd_error_cause(const struct ackd_error *error);
ACKD_API size_t ackd_error_child_count(const struct ackd_error *error);
ACKD_API const struct ackd_error *ackd_error_child(const struct ackd_error *error, size_t index);

/* The places that ACKD_TRY passed it through, nearest first: 16 are kept, all are counted. */
ACKD_API size_t ackd_error_trace_count(const struct ackd_error *error);
ACKD_API bool ackd_error_trace(const struct ackd_error *error, size_t index, const char **ret_file,
                               int *ret_line, const char **ret_function);

/*
 * Write the error, its causes and children, a line each, into @text of @size bytes, always
 * terminated. Returns the length of the whole, like snprintf. Every error is printed once.
 */
ACKD_API size_t ackd_error_format(const struct ackd_error *error, char *text, size_t size);

ACKD_END_DECLS

#endif
