/* SPDX-License-Identifier: MIT */
/*
 * option - what a handler can be told under 'settings:', as a table.
 *
 * Each row names a member of the consumer's state, which the host fills before start() is called:
 * with the value of the configuration, checked, or with the default. Strings belong to the host and
 * live as long as the state. 'ackd handlers', 'ackd check' and the errors about a wrong value all
 * read the same table.
 */
#ifndef ACKD_OPTION_H
#define ACKD_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

enum ackd_option_type {
    ACKD_OPTION_STRING,   /* const char * */
    ACKD_OPTION_URL,      /* const char *, a scheme, "://" and a host */
    ACKD_OPTION_PATH,     /* const char *, absolute */
    ACKD_OPTION_SECRET,   /* const char *, never shown */
    ACKD_OPTION_INTEGER,  /* int64_t within min and max */
    ACKD_OPTION_BOOLEAN,  /* bool: true or false */
    ACKD_OPTION_DURATION, /* uint64_t, milliseconds: 500ms, 30s, 5m, 1h */
    ACKD_OPTION_SIZE,     /* uint64_t, bytes: 64KiB, 1MiB */
    ACKD_OPTION_CHOICE,   /* int, the index in choices */
    ACKD_OPTION_LIST      /* const char *const *, ended by NULL */
};

struct ackd_option {
    uint32_t size;        /* of this structure: set by ACKD_OPTION */
    uint32_t type;        /* enum ackd_option_type */
    const char *name;     /* the key, with '-' where the member has '_' */
    size_t offset;        /* of the member in the state */
    const char *fallback; /* the default, written as in the configuration; NULL: zero of its type */
    const char *help;     /* one line */
    const char *const *choices; /* of a CHOICE, ended by NULL */
    int64_t min, max;           /* of numbers, durations and sizes; both 0: any; max 0 above which
                                   min stands: no upper bound */
    bool required;              /* refused without a value */
};

/* Give each at least its .help: without any, -pedantic complains of the macro. */
#define ACKD_OPTION(structure, member, kind, ...)                                        \
    {                                                                                    \
        .size = sizeof(struct ackd_option), .type = ACKD_OPTION_##kind, .name = #member, \
        .offset = offsetof(structure, member), __VA_ARGS__                               \
    }
#define ACKD_OPTIONS_END \
    {                    \
        .size = 0        \
    }

ACKD_END_DECLS

#endif
