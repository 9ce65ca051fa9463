/* SPDX-License-Identifier: MIT */
/* folder - an empty directory for each test of files, and what is done in it again and again. */
#ifndef ACKD_TESTS_IO_FOLDER_H
#define ACKD_TESTS_IO_FOLDER_H

#include <ackd/ackd.h>

/* A checked fixture: make one and go there; go away and remove it. */
void folder_enter(void);
void folder_leave(void);

/* How many descriptors are open. */
int folder_descriptors(void);

/* In a task: write @text as the whole of a file; check that it is. */
ACKD_SUSPENDS int folder_put(const char *path, const char *text);
ACKD_SUSPENDS int folder_expect(const char *path, const char *text);

#endif
