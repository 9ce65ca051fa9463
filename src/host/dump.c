/* SPDX-License-Identifier: MIT */
/* dump - see the header. It must not know where it goes. */
#include <config.h>

#include "host/dump.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/timer.h"
#include "task/progress.h"

enum {
    DUMP_BUFFERED = 64 * 1024,
    DUMP_BUFFER_MAX = 1024 * 1024,
    DUMP_PIECE = 1024,
    DUMP_DEPTH_MAX = 32 /* deeper in the tree nothing is indented further */
};

static const char *dump_state(enum ackd_task_state state)
{
    static const char *const names[] = {"ready",     "running", "awaiting", "joining",
                                        "succeeded", "failed",  "cancelled"};
    return names[state];
}

void dump_doing(const struct ackd_task_info *task, char *text, size_t size)
{
    if (task->await_kind == NULL)
        snprintf(text, size, "%s%s", dump_state(task->state),
                 task->unobserved ? ", unobserved" : "");
    else
        snprintf(text, size, "awaiting %s%s%s%s%s in %s (%s:%d)", task->await_kind,
                 task->await_what == NULL ? "" : " ",
                 task->await_what == NULL ? "" : task->await_what,
                 task->await_state == NULL ? "" : ", ",
                 task->await_state == NULL ? "" : task->await_state, task->await_function,
                 task->await_file, task->await_line);
}

/* snprintf at the end of what is there. */
__attribute__((format(printf, 3, 4))) static void dump_add(char *text, size_t size,
                                                           const char *format, ...)
{
    size_t length = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + length, size - length, format, args);
    va_end(args);
}

static size_t dump_kib(size_t size)
{
    return (size + 1023) / 1024;
}

void dump_line(const struct ackd_task_info *task, char *text, size_t size)
{
    char doing[256];
    dump_doing(task, doing, sizeof doing);
    snprintf(text, size, "#%" PRIu64 " %s: %s for %" PRIu64 " ms", task->id, task->name, doing,
             task->state_ns / NS_PER_MS);
    if (task->cancel_reason != ACKD_CANCEL_NONE)
        dump_add(text, size, ", asked to stop: %s", ackd_cancel_reason_name(task->cancel_reason));
    else if (task->cancel_asked != ACKD_CANCEL_NONE)
        dump_add(text, size, ", asked to stop behind a shield: %s",
                 ackd_cancel_reason_name(task->cancel_asked));
    if (task->cancel_who != NULL && task->cancel_who[0] != '\0')
        dump_add(text, size, " by %s", task->cancel_who);
    if (task->deadline_left_ns != UINT64_MAX)
        dump_add(text, size, ", deadline in %" PRIu64 " ms", task->deadline_left_ns / NS_PER_MS);
    if (task->delivery != 0)
        dump_add(text, size, ", delivery %" PRIu64, task->delivery);
    if (task->stack_depth > 0)
        dump_add(text, size, ", stack %zu of %zu KiB at most", dump_kib(task->stack_depth),
                 dump_kib(task->stack_size));
}

void dump_loop_line(const struct survey *survey, char *text, size_t size)
{
    const struct scheduler_counts *counts = &survey->counts;
    snprintf(text, size,
             "%" PRIu64 " tasks live, %" PRIu64 " ready, %" PRIu64 " parked, oldest ready %" PRIu64
             " ms",
             counts->live, counts->ready, survey->parked, survey->oldest_ready_ns / NS_PER_MS);
    if (survey->idle_percent >= 0)
        dump_add(text, size, ", idle %d %%", survey->idle_percent);
    dump_add(text, size,
             ", %" PRIu64 " stacks, %" PRIu64 " created, %" PRIu64 " succeeded, %" PRIu64
             " failed, %" PRIu64 " cancelled, %" PRIu64 " unobserved, %" PRIu64
             " refused in the process",
             counts->stacks_live, counts->created, counts->succeeded, counts->failed,
             counts->cancelled, counts->unobserved, survey->refused);
    if (survey->no_memory)
        dump_add(text, size, "; not all are shown: out of memory");
}

/* Those that run count too, so that a deep one is seen before it ends. */
static size_t dump_depth(const struct survey *survey, const struct tally *tally, size_t *ret_size)
{
    size_t depth = tally->stack_depth;
    *ret_size = tally->stack_size;
    for (size_t i = 0; survey->sorted != NULL && i < survey->count; i++) {
        const struct ackd_task_info *task = &survey->sorted[i]->info;
        if (task->stack_depth <= depth || strcmp(task->name, tally->name) != 0)
            continue;
        depth = task->stack_depth;
        *ret_size = task->stack_size;
    }
    return depth;
}

void dump_tally_line(const struct survey *survey, const struct tally *tally, char *text,
                     size_t size)
{
    size_t stack_size;
    size_t depth = dump_depth(survey, tally, &stack_size);
    snprintf(text, size,
             "'%s': %" PRIu64 " ended, %" PRIu64 " failed, %" PRIu64
             " cancelled, longest run %" PRIu64 " ms",
             tally->name, tally->ended, tally->failed, tally->cancelled,
             tally->longest_ns / NS_PER_MS);
    if (tally->ended > 0)
        dump_add(text, size, ", half take less than %" PRIu64 " ms",
                 tally_quantile_ns(tally->runs, 50) / NS_PER_MS + 1);
    if (depth > 0)
        dump_add(text, size, "; stack %zu of %zu KiB at most", dump_kib(depth),
                 dump_kib(stack_size));
}

static void dump_flush(struct dump *dump)
{
    if (dump->code == ACKD_OK && buffer_size(&dump->buffer) > 0)
        dump->code =
            dump->write(buffer_bytes(&dump->buffer), buffer_size(&dump->buffer), dump->arg);
    buffer_clear(&dump->buffer);
}

static void dump_put_bytes(struct dump *dump, const char *text, size_t length)
{
    if (dump->code == ACKD_OK)
        dump->code = buffer_append(&dump->buffer, text, length);
    if (buffer_size(&dump->buffer) >= DUMP_BUFFERED)
        dump_flush(dump);
}

__attribute__((format(printf, 2, 3))) static void dump_put(struct dump *dump, const char *format,
                                                           ...)
{
    char text[DUMP_PIECE];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    dump_put_bytes(dump, text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
}

/* JSON is in UTF-8; names come from configurations, which are too, but also from handlers. */
static void dump_put_string(struct dump *dump, const char *text)
{
    if (text == NULL) {
        dump_put(dump, "null");
        return;
    }
    dump_put(dump, "\"");
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            dump_put(dump, "\\%c", *at);
        else if (*at < 0x20 || *at >= 0x7f)
            dump_put(dump, "\\u%04x", *at); /* bytes of what may not be UTF-8: as in Latin 1 */
        else
            dump_put_bytes(dump, (const char *)at, 1);
    }
    dump_put(dump, "\"");
}

static void dump_put_pair(struct dump *dump, const char *key, const char *text)
{
    dump_put(dump, ",\"%s\":", key);
    dump_put_string(dump, text);
}

static void dump_name(const struct dump *dump, const void *address, char *text, size_t size)
{
    if (dump->name != NULL)
        dump->name(address, text, size);
    else
        snprintf(text, size, "%p", address);
}

static void dump_json_frames(struct dump *dump, const struct ackd_task_info *task)
{
    char name[256];
    dump_put(dump, ",\"frames\":[");
    for (unsigned i = 0; i < task->frame_count; i++) {
        dump_name(dump, task->frames[i], name, sizeof name);
        dump_put(dump, i == 0 ? "" : ",");
        dump_put_string(dump, name);
    }
    dump_put(dump, "]");
}

static void dump_json_task(struct dump *dump, const struct ackd_task_info *task)
{
    dump_put(dump, "{\"id\":%" PRIu64 ",\"parent\":%" PRIu64 ",\"depth\":%u", task->id,
             task->parent_id, task->depth);
    dump_put_pair(dump, "name", task->name);
    dump_put_pair(dump, "state", dump_state(task->state));
    dump_put(dump, ",\"unobserved\":%s,\"state_ns\":%" PRIu64 ",\"age_ns\":%" PRIu64,
             task->unobserved ? "true" : "false", task->state_ns, task->age_ns);
    dump_put(dump,
             ",\"busy_ns\":%" PRIu64 ",\"ready_ns\":%" PRIu64 ",\"awaiting_ns\":%" PRIu64
             ",\"longest_ns\":%" PRIu64 ",\"dispatches\":%" PRIu32 ",\"yields\":%" PRIu32,
             task->busy_ns, task->ready_ns, task->awaiting_ns, task->longest_ns, task->dispatches,
             task->yields);
    if (task->deadline_left_ns != UINT64_MAX)
        dump_put(dump, ",\"deadline_left_ns\":%" PRIu64, task->deadline_left_ns);
    if (task->await_kind != NULL) {
        dump_put(dump, ",\"await\":{\"line\":%d", task->await_line);
        dump_put_pair(dump, "kind", task->await_kind);
        dump_put_pair(dump, "what", task->await_what);
        dump_put_pair(dump, "state", task->await_state);
        dump_put_pair(dump, "file", task->await_file);
        dump_put_pair(dump, "function", task->await_function);
        dump_put(dump, "}");
    }
    dump_put_pair(dump, "spawn_file", task->spawn_file);
    dump_put(dump, ",\"spawn_line\":%d", task->spawn_line);
    dump_put_pair(dump, "cancel", ackd_cancel_reason_name(task->cancel_reason));
    dump_put_pair(dump, "cancel_asked", ackd_cancel_reason_name(task->cancel_asked));
    dump_put_pair(dump, "cancel_who", task->cancel_who);
    dump_put_pair(dump, "owner", task->owner);
    dump_put(dump,
             ",\"stack_size\":%zu,\"stack_used\":%zu,\"stack_depth\":%zu,\"delivery\":%" PRIu64,
             task->stack_size, task->stack_used, task->stack_depth, task->delivery);
    if (task->frame_count > 0)
        dump_json_frames(dump, task);
    dump_put(dump, "}");
}

static void dump_json_tally(struct dump *dump, const struct survey *survey,
                            const struct tally *tally)
{
    size_t stack_size;
    size_t depth = dump_depth(survey, tally, &stack_size);
    dump_put(dump, "{\"ended\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"cancelled\":%" PRIu64,
             tally->ended, tally->failed, tally->cancelled);
    dump_put_pair(dump, "name", tally->name);
    dump_put(dump,
             ",\"median_ns\":%" PRIu64 ",\"longest_ns\":%" PRIu64 ",\"ready_wait_p99_ns\":%" PRIu64
             ",\"stack_depth\":%zu,\"stack_size\":%zu}",
             tally_quantile_ns(tally->runs, 50), tally->longest_ns,
             tally_quantile_ns(tally->waits, 99), depth, stack_size);
}

static void dump_json_head(struct dump *dump, const struct survey *survey)
{
    const struct scheduler_counts *counts = &survey->counts;
    dump_put(dump, "%s{\"stalled\":false", dump->loops++ == 0 ? "" : ",");
    dump_put_pair(dump, "loop", survey->loop);
    dump_put(dump,
             ",\"live\":%" PRIu64 ",\"ready\":%" PRIu64 ",\"parked\":%" PRIu64
             ",\"oldest_ready_ns\":%" PRIu64 ",\"created\":%" PRIu64 ",\"succeeded\":%" PRIu64
             ",\"failed\":%" PRIu64 ",\"cancelled\":%" PRIu64 ",\"unobserved\":%" PRIu64
             ",\"refused\":%" PRIu64 ",\"complete\":%s",
             counts->live, counts->ready, survey->parked, survey->oldest_ready_ns, counts->created,
             counts->succeeded, counts->failed, counts->cancelled, counts->unobserved,
             survey->refused, survey->no_memory ? "false" : "true");
    if (survey->idle_percent >= 0)
        dump_put(dump, ",\"idle_percent\":%d", survey->idle_percent);
}

static void dump_json(struct dump *dump, const struct survey *survey)
{
    dump_json_head(dump, survey);
    dump_put(dump, ",\"tasks\":[");
    for (size_t i = 0; i < survey->count; i++) {
        dump_put(dump, i == 0 ? "" : ",");
        dump_json_task(dump, &survey->sorted[i]->info);
    }
    dump_put(dump, "],\"handlers\":[");
    for (size_t i = 0; i < survey->tally_count; i++) {
        dump_put(dump, i == 0 ? "" : ",");
        dump_json_tally(dump, survey, &survey->tallies[i]);
    }
    dump_put(dump, "],\"lints\":[");
    for (size_t i = 0; i < survey->finding_count; i++) {
        const struct lint_finding *finding = &survey->findings[i];
        dump_put(dump, "%s{\"task\":%" PRIu64, i == 0 ? "" : ",", finding->task_id);
        dump_put_pair(dump, "kind", finding->kind);
        dump_put_pair(dump, "text", finding->text);
        dump_put_pair(dump, "hint", finding->hint);
        dump_put(dump, "}");
    }
    dump_put(dump, "]}");
}

static void dump_text_task(struct dump *dump, const struct ackd_task_info *task)
{
    char line[DUMP_PIECE];
    int indent = (int)(task->depth < DUMP_DEPTH_MAX ? task->depth : DUMP_DEPTH_MAX) * 2;
    dump_line(task, line, sizeof line - 128);
    dump_put(dump, "%*s%s%s\n", task->depth == 0 ? 0 : indent - 1, "", task->depth == 0 ? "" : "+-",
             line);
    for (unsigned i = 0; i < task->frame_count; i++) {
        dump_name(dump, task->frames[i], line, 256);
        dump_put(dump, "%*s%s\n", indent + 6, "", line);
    }
}

static void dump_text(struct dump *dump, const struct survey *survey)
{
    char line[DUMP_PIECE - 128];
    dump_loop_line(survey, line, sizeof line);
    dump_put(dump, "%s: %s\n", survey->loop, line);
    dump->loops++;
    for (size_t i = 0; i < survey->count; i++)
        dump_text_task(dump, &survey->sorted[i]->info);
    for (size_t i = 0; i < survey->tally_count; i++) {
        dump_tally_line(survey, &survey->tallies[i], line, sizeof line);
        dump_put(dump, "handler %s\n", line);
    }
    for (size_t i = 0; i < survey->finding_count; i++)
        dump_put(dump, "%s: %s: %s\n", survey->findings[i].kind, survey->findings[i].text,
                 survey->findings[i].hint);
}

void dump_begin(struct dump *dump)
{
    buffer_init(&dump->buffer, DUMP_BUFFER_MAX);
    dump->loops = 0;
    dump->code = ACKD_OK;
    if (dump->json)
        dump_put(dump, "{\"loops\":[");
}

void dump_survey(struct dump *dump, const struct survey *survey)
{
    if (dump->json)
        dump_json(dump, survey);
    else
        dump_text(dump, survey);
}

void dump_stalled(struct dump *dump, const char *loop, uint64_t task, uint64_t ms)
{
    bool is_task = task != PROGRESS_LOOP && task != PROGRESS_POLLING;
    if (dump->json) {
        dump_put(dump, "%s{\"stalled\":true,\"task\":%" PRIu64, dump->loops++ == 0 ? "" : ",",
                 is_task ? task : 0);
        dump_put_pair(dump, "loop", loop);
        dump_put(dump, "}");
    } else {
        char holder[64] = "a callback of the loop";
        if (is_task)
            snprintf(holder, sizeof holder, "task #%" PRIu64, task);
        dump->loops++;
        dump_put(dump, "%s: stalled: %s holds it, no answer for %" PRIu64 " ms\n", loop, holder,
                 ms);
    }
}

int dump_end(struct dump *dump)
{
    if (dump->json)
        dump_put(dump, "]}\n");
    dump_flush(dump);
    buffer_fini(&dump->buffer);
    return dump->code;
}
