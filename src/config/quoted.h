/* SPDX-License-Identifier: MIT */
/* quoted - a text in double quotes that JSON and YAML read alike. */
#ifndef ACKD_CONFIG_QUOTED_H
#define ACKD_CONFIG_QUOTED_H

#include <stdio.h>

/* @text is UTF-8. Whether it could be written is seen by ferror(). */
void quoted_write(const char *text, FILE *out);

#endif
