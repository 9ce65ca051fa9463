/* SPDX-License-Identifier: MIT */
/*
 * descriptor - what a plugin exports, made to the size that we know.
 *
 * A plugin may be older or newer than ackd. What an older one does not have reads as zeros. What a
 * newer one has beyond our size must be zero: it would be ignored otherwise, without a word.
 */
#ifndef ACKD_PLUGIN_DESCRIPTOR_H
#define ACKD_PLUGIN_DESCRIPTOR_H

#include <ackd/consumer.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Copy @theirs of @their_size bytes to @ret_ours of @our_size bytes. False, having copied all the
 * same, if a byte beyond our size is not zero.
 */
bool descriptor_complete(const void *theirs, size_t their_size, void *ret_ours, size_t our_size);

/*
 * Check what the symbol ackd_consumer points at, and complete it. ACKD_E_PLUGIN, with a text that
 * starts with @who, for another major version (both are named), for members we do not know, for
 * one without a name or any handle function, or whose run() fails in no known way.
 */
ACKD_MUST_CHECK int descriptor_read(const struct ackd_consumer *theirs, const char *who,
                                    struct ackd_consumer *ret_ours);

#endif
