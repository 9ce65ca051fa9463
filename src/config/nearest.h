/* SPDX-License-Identifier: MIT */
/* nearest - which known word was probably meant. */
#ifndef ACKD_CONFIG_NEAREST_H
#define ACKD_CONFIG_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word; /* what was written */
    const char *best; /* so far; NULL: none is near */
    unsigned distance;
};

void nearest_init(struct nearest *nearest, const char *word);
/* @candidate is borrowed. */
void nearest_offer(struct nearest *nearest, const char *candidate);

#endif
