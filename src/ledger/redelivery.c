/* SPDX-License-Identifier: MIT */
/* redelivery - see the header. */
#include <config.h>

#include "ledger/redelivery.h"

#include <stdio.h>
#include <string.h>

struct redelivery_version redelivery_version(const char *text)
{
    struct redelivery_version version = {0, 0};
    const char *number = text == NULL ? NULL : strpbrk(text, "0123456789");
    if (number == NULL || sscanf(number, "%4u.%4u", &version.major, &version.minor) != 2)
        return (struct redelivery_version){0, 0};
    return version;
}

int64_t redelivery_limit(struct redelivery_version version, int64_t configured)
{
    bool releases_are_free = version.major > 4 || (version.major == 4 && version.minor >= 3);
    if (releases_are_free)
        return -1;
    if (configured >= 0)
        return configured;
    return version.major == 4 ? REDELIVERY_LIMIT_4 : -1;
}

bool redelivery_would_end(int64_t limit, uint64_t count)
{
    return limit >= 0 && count + 1 >= (uint64_t)limit;
}

uint64_t redelivery_believed(bool redelivered, bool quorum, int64_t count)
{
    return redelivered && quorum && count > 0 ? (uint64_t)count : 0;
}
