/* SPDX-License-Identifier: MIT */
/* schema - the table of options as JSON Schema, draft 2020-12, for editors and generators. */
#ifndef ACKD_CONFIG_SCHEMA_H
#define ACKD_CONFIG_SCHEMA_H

#include <ackd/abi.h>
#include <stdio.h>

/* ACKD_E_OS where @out fails. */
ACKD_MUST_CHECK int schema_write(FILE *out);

#endif
