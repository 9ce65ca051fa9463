/* SPDX-License-Identifier: MIT */
/*
 * image - the bytes of a plugin's file, read once and judged before any of them runs.
 *
 * What is checked, hashed and copied are the same bytes, whatever happens to the file meanwhile.
 * It must not know the descriptor, nor load anything.
 */
#ifndef ACKD_PLUGIN_IMAGE_H
#define ACKD_PLUGIN_IMAGE_H

#include <ackd/abi.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IMAGE_SIZE_MAX = 256 << 20, /* bytes of a file: a larger one is not a handler */
    IMAGE_ID_SIZE = 2 * 32 + 1  /* bytes of a build id as text */
};

struct image {
    uint8_t *bytes; /* owned */
    size_t size;
    char build_id[IMAGE_ID_SIZE]; /* hexadecimal, from the note of the linker; "" without one */
    char key[IMAGE_ID_SIZE];      /* the build id, or else a hash of the bytes */
};

/*
 * Read @file. ACKD_E_PLUGIN, with a text that starts with @who, where it is not a shared object of
 * this machine; where somebody else than root and ourselves owns it or its directory, or may write
 * to them; where it is set-user-id, wants an executable stack, or relocates its code
 * (reliability.md, P4). @file is real: no part of it is a link.
 */
ACKD_MUST_CHECK int image_read(const char *file, const char *who, struct image *ret_image);
void image_fini(struct image *image);

#endif
