/* SPDX-License-Identifier: MIT */
/* survey - see the header. It must not know how tasks are shown. */
#include <config.h>

#include "host/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "host/executor.h"
#include "host/message.h"
#include "task/refusal.h"
#include "task/view.h"

struct survey *survey_new(struct scheduler *scheduler, bool frames)
{
    struct survey *survey = calloc(1, sizeof *survey);
    if (survey == NULL)
        return NULL;
    survey->scheduler = scheduler;
    survey->frames = frames;
    survey->idle_percent = -1;
    snprintf(survey->loop, sizeof survey->loop, "%s", scheduler_name(scheduler));
    return survey;
}

void survey_free(struct survey **survey)
{
    struct survey *freed = *survey;
    if (freed == NULL)
        return;
    *survey = NULL;
    for (struct survey_chunk *chunk = freed->chunks; chunk != NULL;) {
        struct survey_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(freed->sorted);
    free(freed);
}

static struct survey_task *survey_add(struct survey *survey)
{
    struct survey_chunk *chunk = survey->last;
    if (chunk == NULL || chunk->count == SURVEY_SLICE) {
        chunk = malloc(sizeof *chunk);
        if (chunk == NULL) {
            survey->no_memory = true;
            return NULL;
        }
        chunk->next = NULL;
        chunk->count = 0;
        if (survey->last == NULL)
            survey->chunks = chunk;
        else
            survey->last->next = chunk;
        survey->last = chunk;
    }
    survey->count++;
    return &chunk->tasks[chunk->count++];
}

/* What may be gone by the time it is shown. */
static const char *survey_copy(char *copy, size_t size, const char *text)
{
    if (text == NULL)
        return NULL;
    size_t length = strnlen(text, size - 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

static void survey_copy_task(struct survey *survey, struct survey_task *task,
                             const struct scheduler_view *view)
{
    const struct ackd_message *message = view->message;
    task->child = task->last_child = task->sibling = task->parent = NULL;
    task->info = (struct ackd_task_info){
        .loop = survey->loop,
        .id = view->id,
        .parent_id = view->parent_id,
        .name = survey_copy(task->name, sizeof task->name, view->name),
        .state = view->state,
        .unobserved = view->unobserved,
        .state_ns = view->state_ns,
        .age_ns = view->age_ns,
        .busy_ns = view->busy_ns,
        .ready_ns = view->ready_ns,
        .awaiting_ns = view->awaiting_ns,
        .longest_ns = view->longest_ns,
        .dispatches = view->dispatches,
        .yields = view->yields,
        .deadline_left_ns = view->deadline_left_ns,
        .await_kind = view->await_kind,
        .await_what = survey_copy(task->what, sizeof task->what, view->await_what),
        .await_state = view->await_state,
        .await_file = view->await_file,
        .await_function = view->await_function,
        .await_line = view->await_line,
        .spawn_file = view->spawn_file,
        .spawn_line = view->spawn_line,
        .cancel_reason = view->cancel_reason,
        .cancel_who = survey_copy(task->who, sizeof task->who, view->cancel_who),
        .cancel_asked = view->cancel_asked,
        .stack_size = view->stack_size,
        .stack_used = view->stack_used,
        .stack_depth = view->stack_depth,
        .owner = survey_copy(task->owner, sizeof task->owner, view->owner),
        .delivery =
            message == NULL || view->state >= ACKD_TASK_SUCCEEDED ? 0 : message->delivery->tag};
    if (survey->frames && view->state < ACKD_TASK_SUCCEEDED)
        task->info.frame_count =
            (unsigned)view_frames(view->task, task->info.frames, ACKD_TASK_FRAMES);
}

static void survey_visit(const struct scheduler_view *view, void *arg)
{
    struct survey *survey = arg;
    lint_task(&survey->lint, view);
    survey->parked += view->state == ACKD_TASK_AWAITING || view->state == ACKD_TASK_JOINING;
    if (view->state == ACKD_TASK_READY && view->state_ns > survey->oldest_ready_ns)
        survey->oldest_ready_ns = view->state_ns;
    struct survey_task *task = survey_add(survey);
    if (task != NULL)
        survey_copy_task(survey, task, view);
}

static void survey_note_finding(const struct lint_finding *finding, void *arg)
{
    struct survey *survey = arg;
    if (survey->finding_count < SURVEY_FINDINGS)
        survey->findings[survey->finding_count++] = *finding;
}

/* False: that was the last slice. */
static bool survey_take_slice(struct survey *survey)
{
    if (survey->slices++ == 0)
        lint_begin(&survey->lint, survey_note_finding, survey);
    survey->after =
        scheduler_visit_slice(survey->scheduler, survey->after, SURVEY_SLICE, survey_visit, survey);
    if (survey->after != 0)
        return true;
    lint_end(&survey->lint, survey->scheduler);
    scheduler_counts(survey->scheduler, &survey->counts);
    survey->refused = refusal_count();
    struct executor *executor = executor_current();
    if (executor != NULL && executor_scheduler(executor) == survey->scheduler)
        survey->idle_percent = executor_idle_percent(executor);
    survey->tally_count = tally_copy(survey->scheduler, survey->tallies);
    return false;
}

static void survey_go_on(struct scheduler_post *post)
{
    struct survey *survey = LIST_ITEM(post, survey, post);
    bool more = survey_take_slice(survey);
    if (more && scheduler_post(survey->scheduler, post))
        return;
    survey->done(survey);
}

bool survey_start(struct survey *survey, void (*done)(struct survey *survey))
{
    survey->done = done;
    survey->post.run = survey_go_on;
    return scheduler_post(survey->scheduler, &survey->post);
}

void survey_take(struct survey *survey)
{
    while (survey_take_slice(survey))
        ;
}

static int survey_compare(const void *a, const void *b)
{
    const struct survey_task *const *left = a, *const *right = b;
    uint64_t left_id = (*left)->info.id, right_id = (*right)->info.id;
    return left_id < right_id ? -1 : left_id > right_id;
}

static struct survey_task *survey_find(const struct survey *survey, uint64_t id)
{
    size_t low = 0, high = survey->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (survey->sorted[middle]->info.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < survey->count && survey->sorted[low]->info.id == id ? survey->sorted[low] : NULL;
}

static void survey_link(struct survey_task *parent, struct survey_task *task)
{
    task->parent = parent;
    if (parent->child == NULL)
        parent->child = task;
    else
        parent->last_child->sibling = task;
    parent->last_child = task;
}

/* The next in the order of the tree: no recursion, a chain of tasks may be long. */
static struct survey_task *survey_next(struct survey_task *task)
{
    if (task->child != NULL)
        return task->child;
    while (task != NULL && task->sibling == NULL)
        task = task->parent;
    return task == NULL ? NULL : task->sibling;
}

bool survey_sort(struct survey *survey)
{
    struct survey_task root = {.child = NULL};
    size_t at = 0;
    if (survey->sorted != NULL)
        return true;
    survey->sorted = calloc(survey->count + 1, sizeof(struct survey_task *));
    if (survey->sorted == NULL)
        return false;
    for (struct survey_chunk *chunk = survey->chunks; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < chunk->count; i++)
            survey->sorted[at++] = &chunk->tasks[i];
    }
    qsort(survey->sorted, survey->count, sizeof(struct survey_task *), survey_compare);
    for (size_t i = 0; i < survey->count; i++) {
        struct survey_task *task = survey->sorted[i];
        struct survey_task *parent =
            task->info.parent_id == 0 ? NULL : survey_find(survey, task->info.parent_id);
        survey_link(parent == NULL || parent == task ? &root : parent, task);
    }
    at = 0;
    for (struct survey_task *task = root.child; task != NULL; task = survey_next(task)) {
        task->info.depth = task->parent == &root ? 0 : task->parent->info.depth + 1;
        survey->sorted[at++] = task;
        if (at == survey->count)
            break;
    }
    return true;
}
