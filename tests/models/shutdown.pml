/* SPDX-License-Identifier: MIT */
/*
 * shutdown - from the signal to the exit: handlers that end by themselves, when they are cancelled,
 * or never; results that are published first; a connection that may be lost; signals that hurry.
 *
 *   S1  No handler starts after the signal.
 *   S2  Nothing is acknowledged before its handler has completed and its copy was confirmed.
 *   S3  The exit is reached, whatever the handlers do.
 *   S4  Exit status 0: nothing runs any more, and the broker has processed every acknowledgement,
 *       unless the connection was lost. Work given back by force: another status.
 *
 * Switches for the mistakes: START (what was prefetched still starts), UNCONFIRMED (acknowledged
 * while its copy is under way), HASTE (exit behind the last write), QUIET (force is not told),
 * PATIENT (no hard limit).
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#define STARTED 2 /* of them run when the signal comes; the others were prefetched */

mtype = { QUEUED, RUNNING, COPYING, DONE, GIVEN, STUCK };
mtype = { NOT, FINISHING, CANCELING, FORCING, FLUSHING, CLOSING, ENDED };
mtype = { ACK, NACK, CLOSE, CLOSE_OK };

mtype state[MESSAGES];
bool completed[MESSAGES], copied[MESSAGES], acknowledged[MESSAGES];
bool gone[MESSAGES]; /* the broker has processed its acknowledgement */
mtype stage = NOT;
byte running, copying, queued;
bool forced, lost, answered;
bool exited;
byte status;
byte signals;

chan up = [MESSAGES + 1] of { mtype, byte };
chan confirms = [MESSAGES] of { byte };

inline answer(m, what)
{
    if
    :: lost /* it is redelivered */
    :: else -> up!what, m
    fi
}

proctype handler(byte me)
{
    bool copies;
    if
    :: copies = true
    :: copies = false
    fi;
    if
    :: true -> skip                                     /* ends by itself */
    :: stage == CANCELING || stage == FORCING -> skip   /* ends when it is asked */
    :: stage >= 0 -> goto sleeps
    fi;
    atomic {
        if
        :: state[me] == RUNNING ->
           running--;
           completed[me] = true;
           if
           :: copies ->
#ifdef UNCONFIRMED
              acknowledged[me] = true;
              answer(me, ACK);
#endif
              state[me] = COPYING; copying++
           :: else -> state[me] = DONE; acknowledged[me] = true; answer(me, ACK)
           fi
        :: else /* given back over its head */
        fi
    };
    goto out;
sleeps:
    atomic { stage == ENDED -> skip };
out:
    skip
}

active proctype broker()
{
    mtype said;
    byte m;
end:
    do
    :: atomic { !lost && nempty(up) -> up?said, m;
           if
           :: said == ACK ->
              gone[m] = true;
              assert(completed[m]);                     /* S2 */
              assert(state[m] != COPYING || copied[m])  /* S2 */
           :: said == NACK
           :: said == CLOSE -> answered = true
           fi
       }
    :: atomic { !lost && copying > 0 -> /* one of the copies is safe now */
           m = 0;
           do
           :: m < MESSAGES && (state[m] != COPYING || copied[m]) -> m++
           :: m < MESSAGES && state[m] == COPYING && !copied[m] -> copied[m] = true; confirms!m; break
           :: m >= MESSAGES -> break
           od;
           m = 0;
           copying--
       }
    :: atomic { !lost && !exited -> lost = true;
           do
           :: up?_, _
           :: empty(up) -> break
           od
       }
    od
}

inline give_back_running()
{
    m = 0;
    do
    :: m < MESSAGES ->
       if
       :: state[m] == RUNNING -> state[m] = GIVEN; running--; forced = true; answer(m, NACK)
       :: else
       fi;
       m++
    :: else -> break
    od;
    m = 0
}

inline give_back_copying()
{
    m = 0;
    do
    :: m < MESSAGES ->
       if
       :: state[m] == COPYING -> state[m] = GIVEN; answer(m, NACK)
       :: else
       fi;
       m++
    :: else -> break
    od;
    m = 0
}

byte under_way; /* copies not yet settled by the host */

active proctype host()
{
    byte m;
    do
    :: m < STARTED -> atomic { state[m] = RUNNING; running++; run handler(m); m++ }
    :: m >= STARTED && m < MESSAGES -> atomic { state[m] = QUEUED; queued++; m++ }
    :: else -> m = 0; break
    od;
    do
    :: atomic { confirms?m -> /* also where it was given back meanwhile: then nothing is answered */
           if
           :: state[m] == COPYING -> state[m] = DONE; acknowledged[m] = true;
#ifndef UNCONFIRMED
              answer(m, ACK)
#endif
           :: else
           fi;
           m = 0
       }
#ifdef START
    :: atomic { queued > 0 ->
#else
    :: atomic { queued > 0 && stage == NOT ->
#endif
           do
           :: state[m] != QUEUED -> m++
           :: else -> break
           od;
           assert(stage == NOT); /* S1 */
           state[m] = RUNNING; queued--; running++;
           run handler(m);
           m = 0
       }
    :: atomic { stage == NOT -> /* the signal */
           signals++;
           stage = FINISHING;
#ifndef START
           do
           :: m < MESSAGES ->
              if
              :: state[m] == QUEUED -> state[m] = GIVEN; queued--; answer(m, NACK)
              :: else
              fi;
              m++
           :: else -> break
           od;
           m = 0
#endif
       }
    :: atomic { stage == FINISHING && running > 0 -> stage = CANCELING } /* time, or a second signal */
#ifndef PATIENT
    :: atomic { stage == CANCELING && running > 0 -> /* the hard limit, or a third signal */
           stage = FORCING;
           give_back_running();
           give_back_copying()
       }
#endif
    :: atomic { (stage == FINISHING || stage == CANCELING || stage == FORCING) && running == 0 &&
           queued == 0 -> stage = FLUSHING }
    :: atomic { stage == FLUSHING && (lost || timeout) -> give_back_copying(); stage = CLOSING;
           answer(0, CLOSE) }
    :: atomic { stage == FLUSHING ->
           do
           :: m < MESSAGES && state[m] != COPYING -> m++
           :: m < MESSAGES && state[m] == COPYING -> break
           :: m >= MESSAGES -> break
           od;
           if
           :: m >= MESSAGES -> stage = CLOSING; answer(0, CLOSE)
           :: else
           fi;
           m = 0
       }
#ifdef HASTE
    :: atomic { stage == CLOSING -> break }
#else
    :: atomic { stage == CLOSING && (lost || answered) -> break }
#endif
    od;
    atomic {
        stage = ENDED;
        exited = true;
#ifndef QUIET
        status = (forced -> 75 : 0);
#endif
        m = 0;
        do
        :: m < MESSAGES ->
           assert(status != 0 || (state[m] != RUNNING && !(state[m] == GIVEN && forced))); /* S4 */
           assert(status != 0 || lost || !acknowledged[m] || gone[m]); /* S4 */
           m++
        :: else -> break
        od
    }
}

init
{
    timeout -> assert(exited) /* S3 */
}
