/* SPDX-License-Identifier: MIT */
/* contestant - see the header. */
#include <config.h>

#include "contestant.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

uint64_t contestant_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void contestant_exec(char **command, int core, uint16_t port)
{
    char text[8];
    snprintf(text, sizeof text, "%u", port);
    setenv("ACKD_BENCH_PORT", text, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* what it starts in turn ends with it */
    if (core >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET(core, &cores);
        sched_setaffinity(0, sizeof cores, &cores);
    }
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

bool contestant_start(struct contestant *contestant, char **command, int core, uint16_t port)
{
    *contestant = (struct contestant){.started_ns = contestant_now_ns()};
    contestant->pid = fork();
    if (contestant->pid == 0)
        contestant_exec(command, core, port);
    if (contestant->pid > 0)
        setpgid(contestant->pid, contestant->pid); /* both sides: whoever comes first */
    return contestant->pid > 0 && clock_getcpuclockid(contestant->pid, &contestant->cpu) == 0;
}

uint64_t contestant_cpu_ns(const struct contestant *contestant)
{
    struct timespec used = {0};
    clock_gettime(contestant->cpu, &used);
    return (uint64_t)used.tv_sec * 1000000000U + (uint64_t)used.tv_nsec;
}

/* The number behind @key in a status file of /proc; 0 if it is not there. */
static uint64_t contestant_status(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    char line[256];
    uint64_t value = 0;
    size_t size = strlen(key);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, size) == 0)
            value = strtoull(line + size, NULL, 10);
    }
    fclose(file);
    return value;
}

uint64_t contestant_resident_kib(const struct contestant *contestant)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)contestant->pid);
    return contestant_status(path, "VmRSS:");
}

uint64_t contestant_sleeps(const struct contestant *contestant)
{
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", (int)contestant->pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return 0;
    uint64_t sleeps = 0;
    const struct dirent *task;
    while ((task = readdir(tasks)) != NULL) {
        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)contestant->pid, task->d_name);
        sleeps += contestant_status(path, "voluntary_ctxt_switches:");
    }
    closedir(tasks);
    return sleeps;
}

void contestant_signal(const struct contestant *contestant, int number)
{
    if (!contestant->ended)
        kill(-contestant->pid, number);
}

bool contestant_has_ended(struct contestant *contestant)
{
    if (!contestant->ended)
        contestant->ended =
            waitpid(contestant->pid, &contestant->status, WNOHANG) == contestant->pid;
    return contestant->ended;
}

void contestant_end(struct contestant *contestant)
{
    if (contestant->ended)
        return;
    kill(-contestant->pid, SIGKILL);
    contestant->ended = waitpid(contestant->pid, &contestant->status, 0) == contestant->pid;
}
