/* SPDX-License-Identifier: MIT */
/* sim_each - one process for each seed. Apart from sim.c, which programs without Check's main use. */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main.h"
#include "sim.h"

/* False if it failed, and has said so. */
static bool sim_run_apart(uint64_t seed, void (*run)(uint64_t seed))
{
    fflush(NULL);
    pid_t child = fork();
    ck_assert(child >= 0);
    if (child == 0) {
        run(seed);
        exit(EXIT_SUCCESS);
    }
    int status = 0;
    pid_t ended = waitpid(child, &status, 0);
    ck_assert(ended == child);
    if (WIFSIGNALED(status))
        ck_abort_msg("SIM_SEED=%" PRIu64 ": %s", seed, strsignal(WTERMSIG(status)));
    return WEXITSTATUS(status) == EXIT_SUCCESS;
}

void sim_each(unsigned long count, void (*run)(uint64_t seed))
{
    const char *given = getenv("SIM_SEED");
    const char *forks = getenv("CK_FORK");
    uint64_t first = given == NULL ? 1 : strtoull(given, NULL, 0);
    uint64_t last = given == NULL ? test_scale(count) : first;
    for (uint64_t seed = first; seed <= last; seed++) {
        if (forks != NULL && strcmp(forks, "no") == 0)
            run(seed);
        else if (!sim_run_apart(seed, run))
            _exit(EXIT_FAILURE); /* as Check ends a process whose test has failed */
    }
}
