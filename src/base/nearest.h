/* SPDX-License-Identifier: MIT */
/*
 * nearest - the known name that a mistyped one was meant to be.
 *
 * Offer every known name; nearest_name tells the one that is the fewest slips away: a letter too
 * many, too few, another one, or two that changed places. Names that are too far away are no help
 * and are not told.
 */
#ifndef ACKD_BASE_NEAREST_H
#define ACKD_BASE_NEAREST_H

struct nearest {
    const char *wanted;
    const char *best; /* borrowed from the offers; NULL: none near enough */
    unsigned slips;   /* between wanted and best; what another must be below */
};

void nearest_init(struct nearest *nearest, const char *wanted);
void nearest_offer(struct nearest *nearest, const char *name);
/* NULL if nothing came near. */
const char *nearest_name(const struct nearest *nearest);

#endif
