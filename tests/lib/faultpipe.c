/* SPDX-License-Identifier: MIT */
/* faultpipe - see the header. */
#include <config.h>

#include "faultpipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_METHOD = 1, FRAME_HEAD = 7, METHOD_HEAD = 11 };

struct fault_chunk {
    struct fault_chunk *next;
    uint64_t due_us;
    size_t size, sent;
    uint8_t data[];
};

/* A test tool may run out of memory by dying. */
static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("faultproxy: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void faultpipe_init(struct faultpipe *pipe, struct fault_rules *rules, size_t preamble)
{
    *pipe = (struct faultpipe){
        .rules = rules, .corrupt = UINT64_MAX, .limit = UINT64_MAX, .preamble = preamble};
    pipe->last = &pipe->first;
}

void faultpipe_fini(struct faultpipe *pipe)
{
    while (pipe->first != NULL) {
        struct fault_chunk *chunk = pipe->first;
        pipe->first = chunk->next;
        free(chunk);
    }
    free(pipe->copy);
}

static void emit(struct faultpipe *pipe, const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    struct fault_chunk *chunk = must(malloc(sizeof *chunk + size));
    *chunk = (struct fault_chunk){.due_us = pipe->due_us, .size = size};
    memcpy(chunk->data, data, size);
    *pipe->last = chunk;
    pipe->last = &chunk->next;
    pipe->waiting += size;
}

static bool matches(const struct fault_frame *rule, uint8_t type, unsigned class_id,
                    unsigned method_id)
{
    if (rule->type != 0 && rule->type != type)
        return false;
    return rule->class_id == 0 ||
           (type == FRAME_METHOD && rule->class_id == class_id && rule->method_id == method_id);
}

/* The head of a frame is complete: count it, and see what becomes of it. */
static enum fault_act judge(struct faultpipe *pipe)
{
    struct fault_rules *rules = pipe->rules;
    const uint8_t *head = pipe->head;
    unsigned class_id = 0, method_id = 0;
    if (pipe->head_size == METHOD_HEAD) {
        class_id = (unsigned)head[7] << 8 | head[8];
        method_id = (unsigned)head[9] << 8 | head[10];
        if (class_id < FAULT_CLASSES && method_id < FAULT_METHODS)
            rules->methods[class_id][method_id]++;
    }
    if (head[0] < sizeof rules->types / sizeof rules->types[0])
        rules->types[head[0]]++;
    for (size_t i = 0; i < rules->frame_count; i++) {
        struct fault_frame *rule = &rules->frames[i];
        if (rule->count == 0 || !matches(rule, head[0], class_id, method_id))
            continue;
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        rule->count--;
        return rule->act;
    }
    return FAULT_PASS;
}

static void remember(struct faultpipe *pipe, const uint8_t *data, size_t size)
{
    if (pipe->copy_size + size > pipe->copy_capacity) {
        pipe->copy_capacity = (pipe->copy_size + size) * 2;
        pipe->copy = must(realloc(pipe->copy, pipe->copy_capacity));
    }
    memcpy(pipe->copy + pipe->copy_size, data, size);
    pipe->copy_size += size;
}

/* Bytes of the present frame, by its act. */
static void emit_frame(struct faultpipe *pipe, const uint8_t *data, size_t size)
{
    if (pipe->act == FAULT_DROP || pipe->ending != FAULT_PASS)
        return;
    if (pipe->act == FAULT_TWICE)
        remember(pipe, data, size);
    emit(pipe, data, size);
}

static uint64_t payload_size(const struct faultpipe *pipe)
{
    const uint8_t *head = pipe->head;
    return (uint64_t)head[3] << 24 | (uint64_t)head[4] << 16 | (uint64_t)head[5] << 8 | head[6];
}

static size_t head_wanted(const struct faultpipe *pipe)
{
    return pipe->head[0] == FRAME_METHOD && payload_size(pipe) >= 4 ? METHOD_HEAD : FRAME_HEAD;
}

static void head_complete(struct faultpipe *pipe)
{
    pipe->body_left = FRAME_HEAD + payload_size(pipe) + 1 - pipe->head_size;
    pipe->act = judge(pipe);
    pipe->copy_size = 0;
    if (pipe->act == FAULT_CLOSE || pipe->act == FAULT_RESET)
        pipe->ending = pipe->act;
    else if (pipe->act == FAULT_STALL)
        pipe->limit = pipe->out + pipe->waiting, pipe->limit_act = FAULT_STALL;
    emit_frame(pipe, pipe->head, pipe->head_size);
}

/* X2: one step through the stream; says how many bytes it took. */
static size_t frame_step(struct faultpipe *pipe, const uint8_t *data, size_t size)
{
    size_t count = size;
    if (pipe->preamble > 0) {
        count = count < pipe->preamble ? count : pipe->preamble;
        emit(pipe, data, count);
        pipe->preamble -= count;
        return count;
    }
    if (pipe->body_left == 0) {
        pipe->head[pipe->head_size++] = data[0];
        if (pipe->head_size >= FRAME_HEAD && pipe->head_size == head_wanted(pipe))
            head_complete(pipe);
        return 1;
    }
    count = count < pipe->body_left ? count : (size_t)pipe->body_left;
    emit_frame(pipe, data, count);
    pipe->body_left -= count;
    if (pipe->body_left == 0) {
        if (pipe->act == FAULT_TWICE)
            emit(pipe, pipe->copy, pipe->copy_size);
        pipe->head_size = 0;
    }
    return count;
}

void faultpipe_feed(struct faultpipe *pipe, const uint8_t *data, size_t size, uint64_t now_us,
                    uint64_t chance)
{
    struct fault_rules *rules = pipe->rules;
    uint64_t due_us = now_us + rules->latency_us;
    if (rules->jitter_us > 0)
        due_us += chance % rules->jitter_us;
    pipe->due_us = due_us > pipe->due_us ? due_us : pipe->due_us;
    uint64_t before = pipe->in;
    pipe->in += size;
    if (rules->swallow || pipe->ending != FAULT_PASS)
        return;
    uint8_t *changed = NULL;
    if (pipe->corrupt >= before && pipe->corrupt < pipe->in) {
        changed = must(malloc(size));
        memcpy(changed, data, size);
        changed[pipe->corrupt - before] ^= 0x55;
        data = changed;
    }
    if (pipe->opaque)
        emit(pipe, data, size);
    else
        for (size_t at = 0; at < size && pipe->ending == FAULT_PASS;)
            at += frame_step(pipe, data + at, size - at);
    free(changed);
}

size_t faultpipe_ready(struct faultpipe *pipe, uint64_t now_us, const uint8_t **ret_data)
{
    const struct fault_rules *rules = pipe->rules;
    const struct fault_chunk *chunk = pipe->first;
    if (chunk == NULL || rules->hold || pipe->next_us > now_us || chunk->due_us > now_us ||
        pipe->out >= pipe->limit)
        return 0;
    size_t size = chunk->size - chunk->sent;
    if (rules->slice > 0 && size > rules->slice)
        size = rules->slice;
    if (size > pipe->limit - pipe->out)
        size = (size_t)(pipe->limit - pipe->out);
    /* In portions of a hundredth of a second. */
    size_t portion = (size_t)(rules->bandwidth / 100 + 1);
    if (rules->bandwidth > 0 && size > portion)
        size = portion;
    *ret_data = chunk->data + chunk->sent;
    return size;
}

void faultpipe_wrote(struct faultpipe *pipe, size_t size, uint64_t now_us)
{
    const struct fault_rules *rules = pipe->rules;
    struct fault_chunk *chunk = pipe->first;
    chunk->sent += size;
    pipe->out += size;
    pipe->waiting -= size;
    if (chunk->sent == chunk->size) {
        pipe->first = chunk->next;
        if (pipe->first == NULL)
            pipe->last = &pipe->first;
        free(chunk);
    }
    pipe->next_us = now_us;
    if (rules->slice > 0)
        pipe->next_us += rules->slice_us;
    if (rules->bandwidth > 0)
        pipe->next_us += size * 1000000 / rules->bandwidth;
}

uint64_t faultpipe_wake_us(const struct faultpipe *pipe)
{
    if (pipe->first == NULL || pipe->rules->hold || pipe->out >= pipe->limit)
        return UINT64_MAX;
    return pipe->first->due_us > pipe->next_us ? pipe->first->due_us : pipe->next_us;
}

enum fault_act faultpipe_ending(const struct faultpipe *pipe)
{
    if (pipe->ending != FAULT_PASS && pipe->waiting == 0)
        return pipe->ending;
    return pipe->out >= pipe->limit && pipe->limit_act != FAULT_STALL ? pipe->limit_act
                                                                      : FAULT_PASS;
}
