/* SPDX-License-Identifier: MIT */
/* copy - see the header. */
#include <config.h>

#include "ledger/copy.h"

#include <stdbool.h>
#include <string.h>

#define COPY_PROPERTY(name, fate, why) {COPY_OF_PROPERTY, name, COPY_##fate, why},
#define COPY_HEADER(name, fate, why) {COPY_OF_HEADER, name, COPY_##fate, why},
#define COPY_PREFIX(name, fate, why) {COPY_OF_PREFIX, name, COPY_##fate, why},
static const struct copy_row copy_table[] = {
#include "ledger/copy.def"
};
#undef COPY_PROPERTY
#undef COPY_HEADER
#undef COPY_PREFIX

const struct copy_row *copy_rows(size_t *ret_count)
{
    *ret_count = sizeof copy_table / sizeof copy_table[0];
    return copy_table;
}

static bool copy_row_fits(const struct copy_row *row, const char *name, size_t size)
{
    size_t length = strlen(row->name);
    switch (row->part) {
    case COPY_OF_PROPERTY:
        return false;
    case COPY_OF_HEADER:
        return size == length && memcmp(name, row->name, length) == 0;
    case COPY_OF_PREFIX:
        return size >= length && memcmp(name, row->name, length) == 0;
    }
    return false;
}

enum copy_fate copy_header_fate(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof copy_table / sizeof copy_table[0]; i++) {
        if (copy_row_fits(&copy_table[i], name, size))
            return copy_table[i].fate;
    }
    return COPY_KEEP;
}
