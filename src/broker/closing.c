/* SPDX-License-Identifier: MIT */
/* closing - see the header. It must not know who was closed, nor when he comes back. */
#include <config.h>

#include "broker/closing.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"

static const struct closing closing_rows[] = {
#define CLOSING(scope, code, text, act, error, hint) \
    {CLOSING_##scope, code, text, CLOSING_##act, ACKD_##error, hint},
#include "broker/closing.def"
#undef CLOSING
};

const struct closing *closing_find(enum closing_scope scope, uint16_t code, const char *text)
{
    const struct closing *row = closing_rows;
    while (row->scope != scope || (row->code != 0 && row->code != code) ||
           strstr(text, row->text) == NULL) {
        row++;
        ackd_assert((size_t)(row - closing_rows) < sizeof closing_rows / sizeof closing_rows[0]);
    }
    return row; /* O1 */
}

int closing_fail(const struct closing *closing, const char *who, uint16_t code, const char *text)
{
    return ackd_fail(closing->error, "%s: %u %s%s%s", who, code, text,
                     closing->hint[0] == '\0' ? "" : ": ", closing->hint);
}
