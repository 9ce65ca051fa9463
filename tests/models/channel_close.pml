/* SPDX-License-Identifier: MIT */
/*
 * channel_close - who may say what when a channel ends, from either side or from both at once.
 *
 * The broker closes a channel when it wants to, and says so again at each tick until the close-ok is
 * there (RabbitMQ 3.10 does that after a consumer timeout). Behind its close it hears only close and
 * close-ok. A said on a number that is not open ends the connection with 504, and so does a second
 * close-ok. The client acknowledges while its channel is open, closes it when it stops, and opens
 * another, on a number of its own, when the broker has closed it.
 *
 *   C1  The broker hears no said on a number that is not open: neither an answer behind a close,
 *       nor a second close-ok.
 *   C2  A channel that the broker has not closed is not taken for closed by its client.
 *   C3  In the end the client has an open channel, or has stopped with an answer to its close.
 *
 * Switches for the mistakes: AGAIN (each close is answered), LATE (answers go on until the close-ok),
 * REUSE (the new channel has the number of the old one at once), NO_OPEN (no new channel).
 */
#define NUMBERS 3
#define CLOSES 2 /* of the broker */
#define TICKS 2  /* at which it repeats them */
#define ACKS 3

mtype = { OPEN, OPEN_OK, ACK, CLOSE, CLOSE_OK };
mtype = { FREE, OPENING, ALIVE, CLOSING, RETIRED, ENDED };

chan up = [8] of { mtype, byte };   /* client to broker: said, number */
chan down = [8] of { mtype, byte }; /* broker to client */

mtype client[NUMBERS] = FREE;
mtype server[NUMBERS] = FREE; /* FREE, ALIVE, CLOSING */
byte current;          /* the client's channel */
bool stopped;
byte closes, ticks, acks;

active proctype broker()
{
    mtype said;
    byte n;
end:
    do
    :: atomic { nfull(down) && nempty(up) -> up?said, n;
           if
           :: said == OPEN -> assert(server[n] == FREE); server[n] = ALIVE; down!OPEN_OK, n
           :: said == ACK -> assert(server[n] != FREE) /* C1 */
           :: said == CLOSE && server[n] == CLOSING -> down!CLOSE_OK, n
           :: said == CLOSE && server[n] != CLOSING ->
              assert(server[n] == ALIVE); /* C1 */
              server[n] = FREE;
              down!CLOSE_OK, n
           :: said == CLOSE_OK -> assert(server[n] == CLOSING); server[n] = FREE /* C1 */
           fi
       }
    :: atomic { closes < CLOSES && nfull(down) && server[current] == ALIVE ->
           closes++;
           server[current] = CLOSING;
           down!CLOSE, current
       }
    :: atomic { ticks < TICKS && nfull(down) && server[current] == CLOSING ->
           ticks++;
           down!CLOSE, current
       }
    od
}

active proctype host()
{
    mtype said;
    byte n;
    client[0] = OPENING;
    up!OPEN, 0;
end:
    do
    :: atomic { nfull(up) && nempty(down) -> down?said, n;
           if
           :: said == OPEN_OK && client[n] == OPENING -> client[n] = ALIVE
           :: said == CLOSE_OK && client[n] == CLOSING -> client[n] = ENDED
           :: said == CLOSE && (client[n] == OPENING || client[n] == ALIVE || client[n] == CLOSING) ->
              assert(server[n] == CLOSING); /* C2 */
              up!CLOSE_OK, n;
              client[n] = RETIRED
#ifdef AGAIN
           :: said == CLOSE && client[n] == RETIRED -> up!CLOSE_OK, n
#endif
           :: else /* a retired number's: the broker had not seen our close-ok */
           fi
       }
    :: atomic { acks < ACKS && nfull(up) &&
#ifdef LATE
           (client[current] == ALIVE || client[current] == CLOSING) ->
#else
           client[current] == ALIVE ->
#endif
           acks++;
           up!ACK, current
       }
    :: atomic { !stopped && nfull(up) && client[current] == ALIVE ->
           stopped = true;
           client[current] = CLOSING;
           up!CLOSE, current
       }
#ifndef NO_OPEN
    :: atomic { !stopped && nfull(up) && client[current] == RETIRED ->
#ifndef REUSE
           current++;
#endif
           client[current] = OPENING;
           up!OPEN, current
       }
#endif
    od
}

init
{
    timeout -> /* nothing else can happen */
    assert(client[current] == ALIVE ||
           (stopped && (client[current] == ENDED || client[current] == RETIRED))) /* C3 */
}
