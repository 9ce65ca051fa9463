/* SPDX-License-Identifier: MIT */
/* subject - copying, with nothing that a signal handler must not call. It must not know why. */
#include <config.h>

#include "io/subject.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* snprintf is not for signal handlers. */
static void subject_copy(char *to, const char *from, size_t size)
{
    size_t length = 0;
    while (length + 1 < size && from[length] != '\0') {
        to[length] = from[length];
        length++;
    }
    to[length] = '\0';
}

void subject_take(struct subject *ret_subject)
{
    (void)scheduler_glance(&ret_subject->glance);
    ret_subject->count = 0;
    const struct log_context *context = log_context_current();
    for (; context != NULL; context = context->outer) {
        for (size_t i = 0; i < context->count && ret_subject->count < SUBJECT_FIELDS; i++) {
            const struct ackd_log_field *field = &context->fields[i];
            size_t at = ret_subject->count++;
            subject_copy(ret_subject->fields[at].key, field->key, SUBJECT_KEY_SIZE);
            subject_copy(ret_subject->fields[at].text, field->text == NULL ? "" : field->text,
                         SUBJECT_TEXT_SIZE);
            ret_subject->fields[at].textual = field->text != NULL;
            ret_subject->fields[at].number = field->number;
        }
    }
}

/* The field of that name as text; false without it. */
static bool subject_field(const struct subject *subject, const char *key, char *text, size_t size)
{
    for (size_t i = 0; i < subject->count; i++) {
        if (strcmp(subject->fields[i].key, key) != 0)
            continue;
        if (subject->fields[i].textual)
            snprintf(text, size, "%s", subject->fields[i].text);
        else
            snprintf(text, size, "%" PRIi64, subject->fields[i].number);
        return true;
    }
    return false;
}

size_t subject_format(const struct subject *subject, char *text, size_t size)
{
    int length;
    if (subject->glance.task_id == 0) {
        length = snprintf(text, size, "(loop callback)");
    } else {
        char tag[SUBJECT_TEXT_SIZE], queue[SUBJECT_TEXT_SIZE];
        bool tagged = subject_field(subject, "tag", tag, sizeof tag);
        bool queued = subject_field(subject, "queue", queue, sizeof queue);
        length = snprintf(text, size, "task #%" PRIu64 " '%s'%s%s%s%s%s", subject->glance.task_id,
                          subject->glance.task_name, tagged ? " (delivery " : "", tagged ? tag : "",
                          tagged && queued ? ", queue " : "", tagged && queued ? queue : "",
                          tagged ? ")" : "");
    }
    return (size_t)length < size ? (size_t)length : size - 1;
}

void subject_context(const struct subject *subject, struct subject_context *ret_context)
{
    for (size_t i = 0; i < subject->count; i++)
        ret_context->fields[i] = (struct ackd_log_field){
            .key = subject->fields[i].key,
            .text = subject->fields[i].textual ? subject->fields[i].text : NULL,
            .number = subject->fields[i].number};
    ret_context->context =
        (struct log_context){.fields = ret_context->fields, .count = subject->count};
}
