/* SPDX-License-Identifier: MIT */
/* fuzz_frame - whatever is taken as a frame is one, and its bytes are there. */
#include <config.h>

#include "fuzz.h"

#include <ackd/error.h>

#include "amqp/frame.h"
#include "amqp/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct frame_limits limits = {.method_max = 4088,
                                               .header_max = 65536,
                                               .body_max = 4088,
                                               .channel_max = 100,
                                               .least_max = 4088};
    bool known = false;
    if (peer_check(data, size, &known) != ACKD_OK)
        FUZZ_MUST(known);
    while (size > 0) {
        struct frame frame;
        size_t taken = 0;
        if (frame_take(data, size, &limits, &frame, &taken) != ACKD_OK || taken == 0)
            return 0;
        FUZZ_MUST(taken <= size && taken == frame.size + (size_t)FRAME_OVERHEAD);
        FUZZ_MUST(data[taken - 1] == FRAME_END);
        FUZZ_MUST(frame.channel <= 100);
        FUZZ_MUST(frame.size <= (frame.type == FRAME_HEADER ? 65536u : 4088u));
        FUZZ_MUST(frame.type != FRAME_HEARTBEAT || frame.size + frame.channel == 0);
        uint8_t head[FRAME_HEAD_SIZE];
        frame_put_head(head, (enum frame_type)frame.type, frame.channel, frame.size);
        for (size_t i = 0; i < FRAME_HEAD_SIZE; i++)
            FUZZ_MUST(head[i] == data[i]);
        data += taken;
        size -= taken;
    }
    return 0;
}
