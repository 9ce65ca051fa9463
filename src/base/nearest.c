/* SPDX-License-Identifier: MIT */
/* nearest - the edit distance with transpositions of neighbours, row by row. */
#include <config.h>

#include "base/nearest.h"

#include <stddef.h>
#include <string.h>

enum { NEAREST_LENGTH_MAX = 63 }; /* bytes of a name; a longer one is near to nothing */

void nearest_init(struct nearest *nearest, const char *wanted)
{
    /* One slip in three letters: fewer would miss "conurency", more would suggest nonsense. */
    size_t length = strnlen(wanted, NEAREST_LENGTH_MAX);
    *nearest = (struct nearest){.wanted = wanted, .slips = 2 + (unsigned)length / 3};
    if (length < 3)
        nearest->slips = 2;
}

static unsigned nearest_least(unsigned one, unsigned other)
{
    return one < other ? one : other;
}

/* rows[0] is the row before the last, rows[1] the last, rows[2] the one that is made. */
static unsigned nearest_slips(const char *one, size_t one_length, const char *other,
                              size_t other_length)
{
    unsigned rows[3][NEAREST_LENGTH_MAX + 1] = {{0}};
    for (size_t j = 0; j <= other_length; j++)
        rows[2][j] = (unsigned)j;
    for (size_t i = 1; i <= one_length; i++) {
        memcpy(rows[0], rows[1], sizeof rows[0]);
        memcpy(rows[1], rows[2], sizeof rows[1]);
        rows[2][0] = (unsigned)i;
        for (size_t j = 1; j <= other_length; j++) {
            unsigned changed = rows[1][j - 1] + (one[i - 1] != other[j - 1]);
            unsigned moved = nearest_least(rows[1][j], rows[2][j - 1]) + 1;
            rows[2][j] = nearest_least(changed, moved);
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                rows[2][j] = nearest_least(rows[2][j], rows[0][j - 2] + 1);
        }
    }
    return rows[2][other_length];
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    size_t wanted_length = strlen(nearest->wanted);
    size_t length = strlen(name);
    if (wanted_length > NEAREST_LENGTH_MAX || length > NEAREST_LENGTH_MAX)
        return;
    unsigned slips = nearest_slips(nearest->wanted, wanted_length, name, length);
    if (slips >= nearest->slips)
        return;
    nearest->slips = slips;
    nearest->best = name;
}

const char *nearest_name(const struct nearest *nearest)
{
    return nearest->best;
}
