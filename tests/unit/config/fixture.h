/* SPDX-License-Identifier: MIT */
/*
 * fixture - a folder of configuration files for each test, and the comparison of errors to the
 * letter. The folder is the current one while the test runs, so places read "ackd.yaml:1:1".
 */
#ifndef ACKD_TESTS_CONFIG_FIXTURE_H
#define ACKD_TESTS_CONFIG_FIXTURE_H

#include <stddef.h>
#include <sys/types.h>

#include "config/config.h"

void fixture_setup(void);
void fixture_teardown(void);

/* Write @name, which only the owner may read. */
void fixture_write(const char *name, const char *text);
void fixture_write_bytes(const char *name, const char *bytes, size_t size);
void fixture_folder(const char *name);
void fixture_mode(const char *name, mode_t mode);

/* What the environment holds for loads from here on; forgotten at the end of the test. */
void fixture_setenv(const char *name, const char *value);

/* Load ackd.yaml, which is right. */
struct config *fixture_load(void);
/* The same, with @text written to it first. */
struct config *fixture_good(const char *text);
/* Load ackd.yaml, which has the errors @lines, each ended by a newline. */
void fixture_errors(const char *lines);
/* The same, with @text written to it first. */
void fixture_bad(const char *text, const char *lines);

/* What config_dump() prints; the caller frees it. */
char *fixture_dump(const struct config *config);

#endif
