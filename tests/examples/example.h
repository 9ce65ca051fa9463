/* SPDX-License-Identifier: MIT */
/*
 * example - what the examples of this folder share: a runtime, and the two halves of each, the
 * mistake and what is done instead.
 *
 * Both are run one after the other as tasks of one loop. What they print, and what ackd says about
 * them on standard error, is compared by examples.sh with the "says:" lines at the top of the file.
 */
#ifndef ACKD_TESTS_EXAMPLE_H
#define ACKD_TESTS_EXAMPLE_H

#include <ackd/ackd.h>
#include <ackd/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EXPECT(condition)                                                         \
    do {                                                                          \
        if (!(condition)) {                                                       \
            printf("%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

static inline uint64_t example_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void example_print(const char *what, int code)
{
    const struct ackd_error *error =
        code == ACKD_OK || code == ACKD_CANCELED ? NULL : ackd_error_current();
    printf("%s: %s%s%s\n", what, code == ACKD_OK ? "OK" : ackd_code_name(code),
           error == NULL ? "" : ": ", ackd_error_text(error));
    fflush(stdout);
}

static inline int example_run(ackd_task_fn *mistake, ackd_task_fn *instead, void *arg)
{
    struct ackd_runtime *runtime;
    const struct ackd_runtime_options options = {.name = "example", .loops = 1, .cpu_threads = 2};
    int code = ackd_runtime_new(&options, &runtime);
    if (code != ACKD_OK) {
        example_print("no runtime", code);
        return 1;
    }
    example_print("the mistake", ackd_block_on(runtime, mistake, arg != NULL ? arg : runtime));
    code = ackd_block_on(runtime, instead, arg != NULL ? arg : runtime);
    example_print("instead", code);
    ackd_runtime_free(&runtime);
    return code != ACKD_OK;
}

#endif
