/* SPDX-License-Identifier: MIT */
/*
 * nearest - which known word was probably meant: the one with the fewest letters to insert, remove,
 * replace or swap with their neighbour, if they are few for its length.
 */
#include <config.h>

#include "config/nearest.h"

#include <stdbool.h>
#include <string.h>

enum { NEAREST_WORD_MAX = 32 };

static unsigned nearest_min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Both words have at most NEAREST_WORD_MAX letters. */
static unsigned nearest_distance(const char *one, const char *other)
{
    /* Three rows of the table of distances between beginnings: this, the one before, and the one
     * before that, which swaps need. */
    unsigned rows[3][NEAREST_WORD_MAX + 1];
    size_t width = strlen(other);
    for (size_t j = 0; j <= width; j++)
        rows[0][j] = (unsigned)j;
    size_t height = strlen(one);
    for (size_t i = 1; i <= height; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *before = rows[(i + 2) % 3];
        const unsigned *earlier = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= width; j++) {
            bool same = one[i - 1] == other[j - 1];
            row[j] = nearest_min(before[j - 1] + !same, nearest_min(before[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                row[j] = nearest_min(row[j], earlier[j - 2] + 1);
        }
    }
    return rows[height % 3][width];
}

void nearest_init(struct nearest *nearest, const char *word)
{
    size_t length = strlen(word);
    unsigned allowed = length < 3 ? 1 : length < 8 ? 2 : 3;
    *nearest = (struct nearest){.word = word, .distance = allowed + 1};
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    if (strlen(candidate) > NEAREST_WORD_MAX || strlen(nearest->word) > NEAREST_WORD_MAX)
        return;
    unsigned distance = nearest_distance(nearest->word, candidate);
    /* Nothing of a short word may be left of it: 'a' is not near to 'b'. */
    if (distance >= nearest->distance || distance >= strlen(candidate) ||
        distance >= strlen(nearest->word))
        return;
    nearest->distance = distance;
    nearest->best = candidate;
}
