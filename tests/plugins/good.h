/* SPDX-License-Identifier: MIT */
/* good - the state of the plugin good, for the tests that look into it. */
#ifndef ACKD_TESTS_PLUGINS_GOOD_H
#define ACKD_TESTS_PLUGINS_GOOD_H

#include <stdbool.h>
#include <stdint.h>

struct good {
    const char *stock_url;
    const char *title;
    const char *spool;
    const char *token;
    int64_t count;
    bool eager;
    uint64_t grace;
    uint64_t room;
    int colour;
    const char *const *words;
};

#endif
