/* SPDX-License-Identifier: MIT */
/*
 * acknowledgement - one queue, one channel after the other, and handlers that outlive theirs.
 *
 * The broker numbers deliveries from 1 on each channel. A connection may be cut at any moment: what
 * was on the wire is gone, what was not answered goes back to the queue. An answer belongs to the
 * epoch in which its delivery came.
 *
 *   M1  Nothing leaves the broker but what a handler has completed.
 *   M2  The broker is told of no tag that it does not wait for, `multiple` ones included.
 *   M3  When nothing can happen any more, every message has been acknowledged.
 *   M4  At most SLOTS handlers run, whatever was cut.
 *
 * Each of these mistakes breaks one of them, and is here as a switch: EARLY (acknowledged when the
 * handler starts), NO_EPOCH (the answer for a former channel's delivery is sent on the present one),
 * WIDE (`multiple` although a tag before it is open), TWICE (`multiple` for a tag that was answered),
 * FORGET (a handler of a former channel keeps its slot).
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef CUTS
#define CUTS 2
#endif
#define SLOTS 2
#define PREFETCH 3
#define JOBS (MESSAGES + CUTS * PREFETCH) /* deliveries ever */
#define TAGS (MESSAGES + PREFETCH + 1)

mtype = { QUEUED, RUNNING, FINISHED, SENT };

bool ready[MESSAGES]; /* in the queue */
byte ready_count;
bool gone[MESSAGES];      /* acknowledged: out of the broker */
bool completed[MESSAGES]; /* its handler returned success, at least once */
byte tag_of[TAGS];        /* on the present channel: message + 1; 0: no such tag, or answered */
byte last_tag, unacked;

mtype state[JOBS]; /* what the client has read */
byte message[JOBS], tag[JOBS], epoch[JOBS];
byte jobs, queued, running, finished;
byte now = 1; /* the present epoch */
byte cuts;

chan wire = [2] of { byte, bool }; /* answers: tag, multiple */

inline settle(t)
{
    assert(t != 0 && tag_of[t] != 0); /* M2 */
    assert(completed[tag_of[t] - 1]); /* M1 */
    gone[tag_of[t] - 1] = true;
    tag_of[t] = 0;
    unacked--
}

active proctype broker()
{
    byte i, t;
    bool multiple;
end:
    do
    :: atomic { ready_count > 0 && unacked < PREFETCH ->
           do
           :: i < MESSAGES && !ready[i] -> i++
           :: else -> break
           od;
           ready[i] = false;
           ready_count--;
           last_tag++;
           unacked++;
           tag_of[last_tag] = i + 1;
           state[jobs] = QUEUED;
           message[jobs] = i;
           tag[jobs] = last_tag;
           epoch[jobs] = now;
           jobs++;
           queued++;
           i = 0
       }
    :: atomic { wire?t, multiple ->
           i = 1;
           do
           :: multiple && i < t ->
              if
              :: tag_of[i] != 0 -> settle(i)
              :: else
              fi;
              i++
           :: else -> break
           od;
           settle(t);
           i = 0; t = 0; multiple = false
       }
    :: atomic { cuts < CUTS -> /* and the client knows it at once: later is as if it came later */
           cuts++;
           do
           :: wire?_, _
           :: empty(wire) -> break
           od;
           i = 1;
           do
           :: i < TAGS ->
              if
              :: tag_of[i] != 0 -> ready[tag_of[i] - 1] = true; ready_count++; tag_of[i] = 0
              :: else
              fi;
              i++
           :: else -> break
           od;
           unacked = 0; last_tag = 0; now++;
           i = 0;
           do
           :: i < jobs ->
              if
              :: state[i] == QUEUED -> state[i] = SENT; queued--
#ifndef NO_EPOCH
              :: state[i] == FINISHED -> state[i] = SENT; finished--
#endif
              :: else
              fi;
              i++
           :: else -> break
           od;
           i = 0
       }
    od
}

/* Runs to its return, whatever becomes of the channel. */
proctype handler(byte me)
{
    atomic {
        completed[message[me]] = true;
#ifdef FORGET
        if
        :: epoch[me] == now -> running--
        :: else
        fi;
#else
        running--;
#endif
        if
#ifdef EARLY
        :: true -> state[me] = SENT
#else
#ifndef NO_EPOCH
        :: epoch[me] != now -> state[me] = SENT /* dropped, and counted */
#endif
        :: else -> state[me] = FINISHED; finished++
#endif
        fi
    }
}

active proctype host()
{
    byte i, j;
    bool whole;
end:
    do
#ifdef EARLY
    :: atomic { queued > 0 && running < SLOTS && nfull(wire) ->
#else
    :: atomic { queued > 0 && running < SLOTS -> /* the oldest that has not started */
#endif
           do
           :: state[i] != QUEUED -> i++
           :: else -> break
           od;
           state[i] = RUNNING;
           queued--;
           running++;
           assert(running <= SLOTS); /* M4 */
           run handler(i);
#ifdef EARLY
           wire!tag[i], false;
#endif
           i = 0
       }
    :: atomic { finished > 0 && nfull(wire) -> /* any that has finished */
           do
           :: state[i] != FINISHED -> i++
           :: state[i] == FINISHED -> break
           :: i + 1 < jobs && finished > 1 && state[i] == FINISHED -> i++; /* or one behind it */
              do
              :: state[i] != FINISHED && i + 1 < jobs -> i++
              :: else -> break
              od;
              if
              :: state[i] == FINISHED -> break
              :: else -> i = 0
              fi
           od;
           whole = true;
           j = 0;
           do
           :: j < jobs ->
              if
              :: epoch[j] == epoch[i] && tag[j] < tag[i] &&
                 (state[j] == QUEUED || state[j] == RUNNING) -> whole = false
              :: else
              fi;
              j++
           :: else -> break
           od;
           if
#ifdef WIDE
           :: true ->
#else
           :: whole ->
#endif
              wire!tag[i], true;
              j = 0;
              do
              :: j < jobs ->
                 if
                 :: epoch[j] == epoch[i] && tag[j] <= tag[i] && state[j] == FINISHED ->
                    state[j] = SENT; finished--
                 :: else
                 fi;
                 j++
              :: else -> break
              od
           :: wire!tag[i], false; state[i] = SENT; finished--
#ifdef TWICE
           :: i > 0 && state[i - 1] == SENT && epoch[i - 1] == now -> wire!tag[i - 1], true
#endif
           fi;
           i = 0; j = 0; whole = false
       }
    od
}

init
{
    byte i;
    atomic {
        do
        :: i < MESSAGES -> ready[i] = true; ready_count++; i++
        :: else -> break
        od;
        i = 0
    }
    timeout -> /* nothing else can happen */
    do
    :: i < MESSAGES -> assert(gone[i]); i++ /* M3 */
    :: else -> break
    od
}
