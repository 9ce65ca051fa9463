/* SPDX-License-Identifier: MIT */
/* room - the queue of those who wait to spawn. It must not know what they spawn. */
#include <config.h>

#include "task/room.h"

#include "base/assert.h"
#include "task/queue.h"

int room_wait(struct scheduler *scheduler, const char *file, int line, const char *function)
{
    return queue_wait(&scheduler->room, WAIT_ROOM, NULL, file, line, function);
}

void room_take_up(struct scheduler *scheduler)
{
    ackd_assert(scheduler->granted > 0);
    scheduler->granted--;
}

void room_offer(struct scheduler *scheduler)
{
    while (!queue_empty(&scheduler->room) && room_is_there(scheduler)) {
        scheduler->granted++;
        queue_grant(queue_first(&scheduler->room), ACKD_OK);
    }
}
