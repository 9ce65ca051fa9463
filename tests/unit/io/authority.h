/* SPDX-License-Identifier: MIT */
/* authority - certificates for a test, made by the openssl command in a folder of their own. */
#ifndef ACKD_TESTS_UNIT_IO_AUTHORITY_H
#define ACKD_TESTS_UNIT_IO_AUTHORITY_H

#include <stdbool.h>

/*
 * Make the folder with: ca, other (another authority); right (localhost and 127.0.0.1), name (for
 * another host), expired, alone (signed by itself), client; each NAME.pem and NAME.key. locked.key
 * has a passphrase. False where there is no openssl command.
 */
bool authority_make(void);
void authority_remove(void);
/* The path of a file in it; valid until the next 8 calls. */
const char *authority_file(const char *name);

#endif
