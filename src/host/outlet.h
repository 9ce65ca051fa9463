/* SPDX-License-Identifier: MIT */
/*
 * outlet - where the publications of handlers leave, on the broker thread.
 *
 *   T1  Whatever comes goes back to its loop exactly once, with its result.
 */
#ifndef ACKD_HOST_OUTLET_H
#define ACKD_HOST_OUTLET_H

#include "host/publication.h"

/* A crossing of kind PUBLISH or WITHDRAW came from a handler loop. */
void outlet_receive(struct crossing *crossing);

#endif
