/* SPDX-License-Identifier: MIT */
/*
 * survey - all tasks of a loop, copied in slices, so that the loop goes on in between and the rest,
 * putting in order and writing, can be done elsewhere.
 *
 *   S1  A slice is SURVEY_SLICE tasks; the next is taken in the next turn.
 *   S2  From survey_start to the call of done() the survey is the loop's.
 */
#ifndef ACKD_HOST_SURVEY_H
#define ACKD_HOST_SURVEY_H

#include <ackd/abi.h>
#include <ackd/inspect.h>

#include "task/lint.h"
#include "task/scheduler.h"
#include "task/tally.h"

enum { SURVEY_SLICE = 500, SURVEY_FINDINGS = 32, SURVEY_WHAT_SIZE = 64, SURVEY_FILE_SIZE = 96 };

struct survey_task {
    struct ackd_task_info info;
    struct survey_task *child, *last_child, *sibling, *parent; /* of the tree */
    char name[SCHEDULER_NAME_SIZE], owner[SCHEDULER_NAME_SIZE];
    char what[SURVEY_WHAT_SIZE], who[SURVEY_WHAT_SIZE];
};

struct survey_chunk {
    struct survey_chunk *next;
    size_t count;
    struct survey_task tasks[SURVEY_SLICE];
};

struct survey {
    struct scheduler_post post;
    struct scheduler *scheduler;
    void (*done)(struct survey *survey);
    void *arg; /* of who started it */
    bool frames;
    bool no_memory; /* the tasks are not all there */
    uint64_t after;
    unsigned slices;
    struct survey_chunk *chunks, *last;
    struct survey_task **sorted; /* by survey_sort; in order of the tree */
    size_t count;
    struct scheduler_counts counts;
    uint64_t parked, oldest_ready_ns;
    uint64_t refused; /* in the whole process */
    int idle_percent; /* below 0: not known */
    struct lint lint;
    struct lint_finding findings[SURVEY_FINDINGS];
    size_t finding_count;
    struct tally tallies[TALLY_MAX];
    size_t tally_count;
    char loop[32];
};

/* NULL: out of memory. */
struct survey *survey_new(struct scheduler *scheduler, bool frames);
/* NULL does nothing. */
void survey_free(struct survey **survey);

/*
 * From any thread: have the loop take it, and then call done() on its thread, outside of tasks.
 * False where the loop has ended: it is the caller's again.
 */
bool survey_start(struct survey *survey, void (*done)(struct survey *survey));
/* On the loop's thread: all at once. */
void survey_take(struct survey *survey);

/* When it is done, on any thread: put the tasks in the order of the tree. False: out of memory. */
bool survey_sort(struct survey *survey);

#endif
