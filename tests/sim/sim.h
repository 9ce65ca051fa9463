/* SPDX-License-Identifier: MIT */
/*
 * sim - the world that the daemon runs in when the io library is replaced: one thread, virtual
 * time, and a seed that decides everything that chance decides outside.
 *
 * Loops are objects that the world steps. A loop is ready when it was woken or something of it is
 * due; the world picks one of the ready ones by the seed, and lets time jump when there is none.
 * Streams lead over wires to one server, which the test provides; what happens on a wire, and when,
 * is drawn by the seed too.
 *
 *   V1  The same seed and the same program give the same run, to the nanosecond.
 *   V2  A callback of io comes from the world's step, never from inside a call into io.
 *   V3  Each step is followed by the test's check.
 */
#ifndef ACKD_TESTS_SIM_SIM_H
#define ACKD_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/random.h"
#include "base/timer.h"
#include "io/loop.h"
#include "io/stream.h"

/* End the test, naming the seed and the virtual time. */
_Noreturn void sim_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As test_that, from anywhere in the world. */
#define sim_that(condition)                                                    \
    do {                                                                       \
        if (__builtin_expect(!(condition), 0))                                 \
            sim_fail(__FILE__, __LINE__, "Assertion '%s' failed", #condition); \
    } while (0)
#define sim_equal(one, other)                                                                  \
    do {                                                                                       \
        unsigned long long sim_one = (one), sim_other = (other);                               \
        if (sim_one != sim_other)                                                              \
            sim_fail(__FILE__, __LINE__, "%s == %s failed: %llu, %llu", #one, #other, sim_one, \
                     sim_other);                                                               \
    } while (0)

/*
 * Run @run with the seeds 1 to @count, scaled as other long tests are; with SIM_SEED set in the
 * environment only with that one. Each in a process of its own (unless CK_FORK is "no"), so that a
 * seed gives the same run alone as behind others.
 */
void sim_each(unsigned long count, void (*run)(uint64_t seed));

void sim_begin(uint64_t seed);
/* Everything must have been closed and freed... */
void sim_end(void);
/* ... unless the daemon ended by force: its process would be gone now, with all that it held. Its
 * memory is not touched. */
void sim_kill(void);
/* Who hears of a failure instead of Check; it does not return. */
void sim_set_failed(void (*failed)(const char *text));

struct random *sim_random(void);
/* A number from @least to @most. */
uint64_t sim_between(uint64_t least, uint64_t most);
bool sim_chance(unsigned percent);
uint64_t sim_now_ns(void);
uint64_t sim_now_ms(void);
uint64_t sim_steps(void);
/* The world's own events: what the server and the wires do. */
void sim_after_ns(struct timer *timer, uint64_t ns);
/* Called after each step. */
void sim_set_check(void (*check)(void *arg), void *arg);
/* A fault of the test, not of the daemon, if virtual time comes to this. */
void sim_set_limit_ns(uint64_t limit_ns);

/* What the main loop's signals_open asked for is called with @number, now: not from inside a turn.
 */
void sim_signal(int number);
/* READY=1 and the like: whether it was said; how often. */
unsigned sim_notified(const char *assignment);
/* Lines of @event that were logged. */
unsigned sim_logged(const char *event);

/* The other end of a wire. */
struct sim_wire;
struct sim_server {
    void *(*accept)(struct sim_wire *wire, void *arg); /* the server's connection */
    void (*received)(void *connection, const uint8_t *bytes, size_t size);
    struct buffer *(*output)(void *connection); /* what it wants to send; the world takes from it */
    void (*sent)(void *connection);             /* some was taken; may be NULL */
    void (*lost)(void *connection);             /* the wire ended; once */
    void (*ended)(void *arg);                   /* the world does: no timer may be left */
    void *arg;
};
void sim_set_server(const struct sim_server *server);
/* The server has something to send. */
void sim_wire_kick(struct sim_wire *wire);
/* The server closes: what it has written still arrives. */
void sim_wire_shut(struct sim_wire *wire);

/* What becomes of attempts to connect. */
enum sim_connect { SIM_CONNECT, SIM_CONNECT_REFUSED, SIM_CONNECT_SILENT, SIM_CONNECT_UNRESOLVED };
void sim_set_connect(enum sim_connect connect);

/* How the wires that are made from now on are. */
struct sim_weather {
    uint64_t latency_ns; /* at most, one way */
    size_t chunk_max;    /* bytes that arrive at once, at most */
    bool whole;          /* ... and not fewer, if there are as many */
    size_t window;       /* bytes that the kernel takes for sending */
};
/* Drawn by the seed. */
void sim_draw_weather(struct sim_weather *weather);
void sim_set_weather(const struct sim_weather *weather);

/* Live wires, those that only the server still holds included; NULL behind the last. */
struct sim_wire *sim_wire_at(size_t index);
/* Break when @bytes more have been carried to the daemon, or to the server. */
void sim_wire_cut(struct sim_wire *wire, bool to_daemon, uint64_t bytes);
/* Carry nothing any more, without saying so. */
void sim_wire_freeze(struct sim_wire *wire);
bool sim_wire_is_frozen(const struct sim_wire *wire);

/*
 * Memory that there is not: of the daemon's own calls of malloc and its kin, @count fail from the
 * @first from now on (1: the next), the server's and the test's not counted. 0 of them: none. Only in
 * programs that link sim_memory.c.
 */
void sim_memory_fail(uint64_t first, uint64_t count);
/* Calls that were counted since sim_begin, and that failed. */
uint64_t sim_memory_counted(void);
uint64_t sim_memory_failed(void);
/* What is called now is the daemon's, though no turn of a loop. Until the next step of the world. */
void sim_memory_enter(bool daemon);
/* For sim_memory.c. */
bool sim_memory_fails(void);

/* For sim_*.c. */
/* What follows is the world's own, in the midst of the daemon's: until the second call. */
bool sim_memory_aside(bool aside);
void sim_streams_begin(void);
void sim_streams_end(void);
void sim_streams_kill(void);
void sim_system_begin(void);
void sim_offload_begin(void);
void sim_offload_kill(void);
void sim_system_end(void);
/* memcpy on behalf of the kernel: it is not counted as the daemon's work. */
void sim_copy(void *to, const void *from, size_t size);
/* Run @call for @loop as the loop would, in a step of the world. */
void sim_on_loop(struct loop *loop, void (*call)(void *arg), void *arg);

#endif
