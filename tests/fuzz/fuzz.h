/* SPDX-License-Identifier: MIT */
/* fuzz - what the fuzz targets share: one entry, and one way to say that a promise is broken. */
#ifndef ACKD_TESTS_FUZZ_FUZZ_H
#define ACKD_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_MUST(condition) ackd_assert(condition)

#endif
