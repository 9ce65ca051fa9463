/* SPDX-License-Identifier: MIT */
/*
 * batched - what a handler of batches looks like: bad messages are marked, the others are handled
 * together, and what that returns is for all of them.
 */
#include <ackd/ackd.h>
#include <string.h>

static bool says(const struct ackd_message *message, const char *what)
{
    struct ackd_bytes body = ackd_message_body(message);
    return body.size == strlen(what) && memcmp(body.data, what, body.size) == 0;
}

static int handle_batch(const struct ackd_batch *batch, void *state)
{
    size_t count = ackd_batch_size(batch);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct ackd_message *message = ackd_batch_message(batch, i);
        if (says(message, ""))
            ACKD_TRY(ackd_batch_mark(message, ackd_dead("an order without a body")));
        if (says(message, "later") && ackd_message_attempt(message) == 1)
            ACKD_TRY(ackd_batch_mark(message, ackd_retry_after(100, "not yet")));
    }
    ackd_log_info("batched", "together=%zu", count);
    return ackd_delay(1); /* one insert for all of them */
}

ACKD_CONSUMER(.name = "batched", .version = "test", .help = "handles several messages at once",
              .handle_batch = handle_batch);
