/* SPDX-License-Identifier: MIT */
/*
 * sim_offload - io/pool.h and <ackd/offload.h> in virtual time: a job waits for a random while, then
 * runs at once, outside of tasks as on a thread of the pool.
 */
#include <config.h>

#include <ackd/error.h>
#include <ackd/offload.h>

#include "base/error.h"
#include "io/pool.h"
#include "sim.h"
#include "task/wait.h"

enum { SIM_QUEUED_MAX_NS = 2 * 1000 * 1000 };

static unsigned sim_pool_users;
static struct ackd_cpu_pool_counts sim_pool_counts;

struct sim_job {
    struct list node;
    struct wait_stated stated;
    struct timer begin;
    ackd_cpu_fn *fn;
    void *arg;
    struct loop *loop;
};

static struct list sim_jobs = {&sim_jobs, &sim_jobs};

void sim_offload_kill(void)
{
    struct list *node;
    while ((node = list_take(&sim_jobs)) != NULL)
        timer_stop(&LIST_ITEM(node, sim_job, node)->begin);
    sim_offload_begin();
}

void sim_offload_begin(void)
{
    sim_pool_users = 0;
    sim_pool_counts = (struct ackd_cpu_pool_counts){.threads = 0};
}

int pool_open(const struct pool_options *options)
{
    (void)options;
    sim_pool_users++;
    return ACKD_OK;
}

void pool_close(void)
{
    sim_that(sim_pool_users > 0);
    sim_pool_users--;
}

bool pool_is_here(void)
{
    return false;
}

static void sim_job_run(void *arg)
{
    struct sim_job *job = arg;
    sim_pool_counts.queued--;
    sim_pool_counts.completed++;
    wait_finish(&job->stated.wait, job->fn(job->arg, (struct ackd_token){NULL}));
}

static void sim_job_begin(struct timer *timer)
{
    struct sim_job *job = LIST_ITEM(timer, sim_job, begin);
    sim_on_loop(job->loop, sim_job_run, job);
}

int ackd_offload_at(ackd_cpu_fn *fn, void *arg, const struct ackd_offload_options *options,
                    const char *file, int line, const char *function)
{
    struct sim_job job = {.fn = fn, .arg = arg, .loop = loop_current()};
    ACKD_TRY(wait_check(file, line, function));
    wait_init(&job.stated.wait, WAIT_OFFLOAD, options->name, file, line, function);
    atomic_init(&job.stated.state, "queued");
    timer_init(&job.begin, sim_job_begin);
    list_init(&job.node);
    list_append(&sim_jobs, &job.node);
    sim_after_ns(&job.begin, sim_between(0, SIM_QUEUED_MAX_NS));
    sim_pool_counts.queued++;
    int code = wait_park(&job.stated.wait);
    if (code == ACKD_CANCELED && !wait_finished(&job.stated.wait)) {
        sim_pool_counts.queued--;
        sim_pool_counts.cancelled++;
    }
    timer_stop(&job.begin);
    list_remove(&job.node);
    return code;
}

int ackd_thread_at(ackd_cpu_fn *fn, void *arg, const char *name, const char *file, int line,
                   const char *function)
{
    const struct ackd_offload_options options = {.name = name};
    return ackd_offload_at(fn, arg, &options, file, line, function);
}

void ackd_cpu_pool_counts(struct ackd_cpu_pool_counts *ret_counts)
{
    *ret_counts = sim_pool_counts;
}
