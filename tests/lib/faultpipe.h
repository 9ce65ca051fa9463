/* SPDX-License-Identifier: MIT */
/*
 * faultpipe - one way of a connection through the fault proxy: bytes in, fewer, more, later or other
 * bytes out. It knows frames of AMQP, and neither sockets nor the clock.
 *
 *   X1  Without rules, what comes out is what went in, in order.
 *   X2  A rule for frames acts on whole frames, wherever their bytes are split.
 */
#ifndef ACKD_TESTS_LIB_FAULTPIPE_H
#define ACKD_TESTS_LIB_FAULTPIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAULT_FRAME_RULES_MAX = 16, FAULT_CLASSES = 100, FAULT_METHODS = 130 };

/* What becomes of a frame, or of a connection at the end of its limit. */
enum fault_act { FAULT_PASS, FAULT_DROP, FAULT_TWICE, FAULT_CLOSE, FAULT_RESET, FAULT_STALL };

/* Which frames: of a type, or a method; 0: any. */
struct fault_frame {
    uint8_t type;
    uint16_t class_id, method_id;
    uint64_t skip, count; /* let so many pass, then act on so many */
    enum fault_act act;
};

/* What is done to one way of every connection. Owned by the proxy. */
struct fault_rules {
    uint64_t latency_us, jitter_us;
    uint64_t bandwidth; /* bytes per second; 0: no bound */
    size_t slice;       /* bytes per write; 0: whatever there is */
    uint64_t slice_us;  /* pause after each */
    bool hold;          /* nothing goes on, and after a while nothing is read */
    bool swallow;       /* what is read is thrown away */
    struct fault_frame frames[FAULT_FRAME_RULES_MAX];
    size_t frame_count;
    uint64_t types[9];                              /* frames seen, by type */
    uint64_t methods[FAULT_CLASSES][FAULT_METHODS]; /* and methods among them */
};

struct fault_chunk;

struct faultpipe {
    struct fault_rules *rules;
    struct fault_chunk *first, **last;
    size_t waiting;   /* bytes in the chunks */
    uint64_t in, out; /* bytes that came in and went out */
    uint64_t corrupt; /* the byte that is made another; UINT64_MAX: none */
    uint64_t limit;   /* bytes that go out before 'limit_act'; UINT64_MAX: none */
    enum fault_act limit_act;
    enum fault_act ending; /* a frame's rule asks for CLOSE or RESET once what waits is out */
    uint64_t next_us;      /* the next write is not before this: slices, bandwidth */
    uint64_t due_us;       /* of the newest chunk: jitter does not reorder */
    bool opaque;           /* not AMQP: TLS, say */
    size_t preamble;       /* bytes of the protocol header that are still to come */
    uint8_t head[11];      /* of the present frame: 7, or 11 with the method */
    size_t head_size;
    uint64_t body_left; /* bytes of the present frame after its head */
    enum fault_act act; /* of the present frame */
    uint8_t *copy;      /* the present frame, if it goes twice */
    size_t copy_size, copy_capacity;
};

void faultpipe_init(struct faultpipe *pipe, struct fault_rules *rules, size_t preamble);
void faultpipe_fini(struct faultpipe *pipe);

/* @size bytes were read at @now_us; @chance picks the jitter. */
void faultpipe_feed(struct faultpipe *pipe, const uint8_t *data, size_t size, uint64_t now_us,
                    uint64_t chance);
/* What may be written now: points @ret_data at it. 0: nothing now. */
size_t faultpipe_ready(struct faultpipe *pipe, uint64_t now_us, const uint8_t **ret_data);
/* @size bytes of that were written at @now_us. */
void faultpipe_wrote(struct faultpipe *pipe, size_t size, uint64_t now_us);
/* When to ask again: now if something is ready, UINT64_MAX if only more bytes change it. */
uint64_t faultpipe_wake_us(const struct faultpipe *pipe);
/* FAULT_CLOSE or FAULT_RESET: the connection ends now; else FAULT_PASS. */
enum fault_act faultpipe_ending(const struct faultpipe *pipe);

#endif
