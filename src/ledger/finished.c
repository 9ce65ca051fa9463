/* SPDX-License-Identifier: MIT */
/* finished - see the header. Places in sets of eight; an identity belongs to one set. */
#include <config.h>

#include "ledger/finished.h"

#include <ackd/error.h>
#include <stdlib.h>

#include "base/assert.h"

enum { FINISHED_SET = 8 };

void finished_init(struct finished *finished, size_t room)
{
    size_t sets = 1;
    while (sets * FINISHED_SET < room)
        sets *= 2;
    *finished = (struct finished){.room = sets * FINISHED_SET};
}

void finished_fini(struct finished *finished)
{
    free(finished->places);
    *finished = (struct finished){.room = finished->room};
}

static struct finished_place *finished_set(const struct finished *finished,
                                           struct identity identity)
{
    size_t sets = finished->room / FINISHED_SET;
    return finished->places + (size_t)(identity.low & (sets - 1)) * FINISHED_SET;
}

int finished_add(struct finished *finished, struct identity identity, uint64_t until_ns)
{
    ackd_assert(until_ns > 0);
    if (finished->places == NULL) {
        finished->places = calloc(finished->room, sizeof *finished->places);
        if (finished->places == NULL)
            return ackd_fail(ACKD_E_NOMEM, "a memory of %zu messages", finished->room);
    }
    struct finished_place *set = finished_set(finished, identity);
    struct finished_place *place = set;
    for (int i = 0; i < FINISHED_SET; i++) {
        if (set[i].until_ns == 0) {
            place = &set[i];
            break;
        }
        if (set[i].number < place->number)
            place = &set[i]; /* F2 */
    }
    finished->count += place->until_ns == 0;
    *place = (struct finished_place){
        .identity = identity, .until_ns = until_ns, .number = ++finished->next_number};
    return ACKD_OK;
}

bool finished_take(struct finished *finished, struct identity identity, uint64_t now_ns)
{
    if (finished->count == 0)
        return false;
    struct finished_place *set = finished_set(finished, identity);
    for (int i = 0; i < FINISHED_SET; i++) {
        if (set[i].until_ns == 0 || !identity_equal(set[i].identity, identity))
            continue;
        bool late = set[i].until_ns < now_ns; /* F3 */
        set[i] = (struct finished_place){.until_ns = 0};
        finished->count--;
        if (!late)
            return true; /* F1 */
    }
    return false;
}

void finished_keep_last(struct finished *finished, uint64_t count)
{
    for (size_t i = 0; finished->count > 0 && i < finished->room; i++) {
        struct finished_place *place = &finished->places[i];
        if (place->until_ns == 0 || place->number + count > finished->next_number)
            continue;
        *place = (struct finished_place){.until_ns = 0};
        finished->count--;
    }
}

void finished_limit(struct finished *finished, uint64_t until_ns)
{
    for (size_t i = 0; finished->count > 0 && i < finished->room; i++) {
        if (finished->places[i].until_ns == FINISHED_NO_LIMIT)
            finished->places[i].until_ns = until_ns;
    }
}
