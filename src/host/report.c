/* SPDX-License-Identifier: MIT */
/* report - see the header. */
#include <config.h>

#include "host/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/timer.h"
#include "host/dump.h"
#include "host/survey.h"

enum { REPORT_LINE_SIZE = 1024, REPORT_SLICE = 100 }; /* lines to a turn */

/* A report under way, by slices. */
struct report {
    struct scheduler_post post;
    struct survey *survey;
    size_t next; /* task to be written */
    bool survivors;
    void (*done)(void *arg);
    void *arg;
};

static void report_task(const struct ackd_task_info *task, bool survivors)
{
    char line[REPORT_LINE_SIZE];
    enum { INDENT_MAX = 32 };
    int indent = (int)(task->depth < INDENT_MAX ? task->depth : INDENT_MAX) * 2;
    dump_line(task, line, sizeof line);
    struct ackd_log_field fields[] = {
        ACKD_FIELD_INT("task", task->id),
        ACKD_FIELD_INT("parent", task->parent_id),
        ACKD_FIELD_INT("since_ms", task->state_ns / NS_PER_MS),
        ACKD_FIELD_INT("age_ms", task->age_ns / NS_PER_MS),
        ACKD_FIELD_INT("tag", task->delivery),
    };
    ackd_log_event(survivors ? ACKD_LOG_WARNING : ACKD_LOG_NOTICE, survivors ? "survivor" : "task",
                   fields, task->delivery == 0 ? 4 : 5, "%*s%s", indent, "", line);
}

/* Before the tasks. */
static void report_head(const struct survey *survey)
{
    char line[REPORT_LINE_SIZE];
    dump_loop_line(survey, line, sizeof line);
    ackd_log_notice("tasks", "%s", line);
}

/* Behind them. */
static void report_rest(const struct survey *survey)
{
    char line[REPORT_LINE_SIZE];
    for (size_t i = 0; i < survey->tally_count; i++) {
        dump_tally_line(survey, &survey->tallies[i], line, sizeof line);
        ackd_log_notice("handler", "%s", line);
    }
    for (size_t i = 0; i < survey->finding_count; i++) {
        const struct lint_finding *finding = &survey->findings[i];
        ackd_log_event(ACKD_LOG_WARNING, "lint",
                       ACKD_FIELDS(ACKD_FIELD("kind", finding->kind),
                                   ACKD_FIELD_INT("task", finding->task_id)),
                       "%s: %s: %s", finding->kind, finding->text, finding->hint);
    }
}

static void report_without_memory(void)
{
    ackd_log_error("tasks", "there is no memory to list the tasks with");
}

/* Sorted; NULL and a line in the log: out of memory. */
static struct survey *report_survey(struct scheduler *scheduler)
{
    struct survey *survey = survey_new(scheduler, false);
    if (survey != NULL)
        survey_take(survey);
    if (survey == NULL || !survey_sort(survey)) {
        survey_free(&survey);
        report_without_memory();
    }
    return survey;
}

void report_tasks(struct scheduler *scheduler, bool survivors)
{
    struct survey *survey = report_survey(scheduler);
    if (survey == NULL)
        return;
    if (!survivors)
        report_head(survey);
    for (size_t i = 0; i < survey->count; i++) {
        if (!survivors || survey->sorted[i]->info.state < ACKD_TASK_SUCCEEDED)
            report_task(&survey->sorted[i]->info, survivors);
    }
    if (!survivors)
        report_rest(survey);
    survey_free(&survey);
}

static void report_end(struct report *report)
{
    void (*done)(void *arg) = report->done;
    void *arg = report->arg;
    survey_free(&report->survey);
    free(report);
    done(arg);
}

static void report_go_on(struct scheduler_post *post)
{
    struct report *report = LIST_ITEM(post, report, post);
    const struct survey *survey = report->survey;
    while (report->next < survey->count) {
        const struct ackd_task_info *task = &survey->sorted[report->next++]->info;
        if (!report->survivors || task->state < ACKD_TASK_SUCCEEDED)
            report_task(task, report->survivors);
        /* Once the loop takes no more posts, the rest is written at once. */
        if (report->next % REPORT_SLICE == 0 && scheduler_post(survey->scheduler, &report->post))
            return;
    }
    if (!report->survivors)
        report_rest(survey);
    report_end(report);
}

static void report_surveyed(struct survey *survey)
{
    struct report *report = survey->arg;
    if (!survey_sort(survey)) {
        report_without_memory();
        report_end(report);
        return;
    }
    if (!report->survivors)
        report_head(survey);
    report->post.run = report_go_on;
    report_go_on(&report->post);
}

void report_start(struct scheduler *scheduler, bool survivors, void (*done)(void *arg), void *arg)
{
    struct report *report = calloc(1, sizeof *report);
    struct survey *survey = survey_new(scheduler, false);
    if (report == NULL || survey == NULL) {
        free(report);
        survey_free(&survey);
        report_without_memory();
        done(arg);
        return;
    }
    *report = (struct report){.survey = survey, .survivors = survivors, .done = done, .arg = arg};
    survey->arg = report;
    if (!survey_start(survey, report_surveyed))
        report_end(report);
}

void report_waits(struct scheduler *scheduler, char *text, size_t size)
{
    enum { MORE = 32 }; /* room for what is said of those left out */
    size_t length = 0, left_out = 0;
    text[0] = '\0';
    struct survey *survey = report_survey(scheduler);
    for (size_t i = 0; survey != NULL && i < survey->count; i++) {
        const struct ackd_task_info *task = &survey->sorted[i]->info;
        char doing[256], one[384];
        if (task->state >= ACKD_TASK_SUCCEEDED)
            continue;
        dump_doing(task, doing, sizeof doing);
        int added = snprintf(one, sizeof one, "%s#%" PRIu64 " '%s' %s for %" PRIu64 " ms",
                             length == 0 ? "" : "; ", task->id, task->name, doing,
                             task->state_ns / NS_PER_MS);
        if (added >= (int)sizeof one)
            added = sizeof one - 1;
        if (left_out > 0 || length + (size_t)added + MORE > size) {
            left_out++;
            continue;
        }
        memcpy(text + length, one, (size_t)added + 1);
        length += (size_t)added;
    }
    if (left_out > 0)
        snprintf(text + length, size - length, "; and %zu more", left_out);
    survey_free(&survey);
}

void report_error_line(const struct ackd_error *error, char *line, size_t size)
{
    size_t length = 0;
    line[0] = '\0';
    for (; error != NULL && length + 1 < size; error = ackd_error_cause(error)) {
        int os_code = ackd_error_errno(error);
        length += (size_t)snprintf(line + length, size - length, "%s%s%s%s", length > 0 ? ": " : "",
                                   ackd_error_text(error), os_code == 0 ? "" : ": ",
                                   os_code == 0 ? "" : strerror(os_code));
    }
}

void report_failure_line(const struct ackd_error *error, char *line, size_t size)
{
    size_t length = ackd_error_format(error, line, size);
    if (length >= size)
        length = size - 1;
    while (length > 0 && line[length - 1] == '\n')
        line[--length] = '\0';
    /* A line is indented by two spaces or more: one is enough behind a semicolon. */
    size_t to = 0;
    for (size_t i = 0; i < length; i++) {
        bool indent = to > 1 && line[to - 1] == ' ' && line[to - 2] == ';';
        if (!indent || line[i] != ' ')
            line[to++] = line[i] == '\n' ? (char)';' : line[i];
    }
    line[to] = '\0';
}

struct report_text {
    char *text;
    size_t size, length;
};

static int report_keep(const void *bytes, size_t size, void *arg)
{
    struct report_text *report = arg;
    if (report->length + 1 < report->size) {
        size_t room = report->size - report->length - 1;
        size_t kept = size < room ? size : room;
        memcpy(report->text + report->length, bytes, kept);
        report->text[report->length + kept] = '\0';
    }
    report->length += size;
    return ACKD_OK;
}

size_t report_dump(struct scheduler *scheduler, char *text, size_t size)
{
    struct report_text report = {text, size, 0};
    struct dump dump = {.write = report_keep, .arg = &report};
    if (size > 0)
        text[0] = '\0';
    struct survey *survey = report_survey(scheduler);
    if (survey == NULL)
        return 0;
    dump_begin(&dump);
    dump_survey(&dump, survey);
    if (dump_end(&dump) != ACKD_OK)
        report_without_memory();
    survey_free(&survey);
    return report.length;
}
