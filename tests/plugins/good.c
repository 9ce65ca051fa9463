/* SPDX-License-Identifier: MIT */
/* good - a handler with an option of each type, which also calls the API. */
#include <ackd/ackd.h>

#include "good.h"

static const char *const colours[] = {"red", "green", NULL};

static const struct ackd_option options[] = {
    ACKD_OPTION(struct good, stock_url, URL, .required = true, .help = "where stock is reserved"),
    ACKD_OPTION(struct good, title, STRING, .fallback = "none"),
    ACKD_OPTION(struct good, spool, PATH),
    ACKD_OPTION(struct good, token, SECRET),
    ACKD_OPTION(struct good, count, INTEGER, .fallback = "3", .min = -5, .max = 10),
    ACKD_OPTION(struct good, eager, BOOLEAN, .fallback = "true"),
    ACKD_OPTION(struct good, grace, DURATION, .fallback = "5s", .min = 1, .max = 60000),
    ACKD_OPTION(struct good, room, SIZE, .fallback = "64KiB", .max = 1 << 20),
    ACKD_OPTION(struct good, colour, CHOICE, .fallback = "green", .choices = colours),
    ACKD_OPTION(struct good, words, LIST, .fallback = "one"),
    ACKD_OPTIONS_END};

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    const struct good *good = state;
    return ackd_fail(ACKD_E_USER, "%s", good->title);
}

ACKD_CONSUMER(.name = "good", .version = "1.2", .help = "does nothing well", .handle = handle,
              .options = options, .state_size = sizeof(struct good));
