/* SPDX-License-Identifier: MIT */
/*
 * options - the table options.def, as rows to look things up in, and the structures that the rows
 * fill.
 *
 *   O1  Each row names a member of its section's structure whose C type fits the row's type: the
 *       compiler checks it.
 *   O2  Keys are unique within a section, and so are the keys of its inner sections.
 */
#ifndef ACKD_CONFIG_OPTIONS_H
#define ACKD_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum options_type {
    OPTIONS_STRING,   /* const char *, min to max bytes */
    OPTIONS_PATH,     /* const char *, a relative one from the directory of its file */
    OPTIONS_PATHS,    /* const char *const *, ended by NULL */
    OPTIONS_SECRET,   /* const char *, never shown */
    OPTIONS_URI,      /* const char *, never shown whole */
    OPTIONS_INTEGER,  /* uint32_t */
    OPTIONS_BOOLEAN,  /* bool */
    OPTIONS_DURATION, /* uint64_t, milliseconds; with a min of 0 also 'off', which is 0 */
    OPTIONS_SIZE,     /* uint64_t, bytes */
    OPTIONS_PERCENT,  /* uint32_t */
    OPTIONS_CHOICE,   /* int, the index of the word */
    OPTIONS_SETTINGS, /* const struct config_setting *, of a handler */
    OPTIONS_RATE,     /* struct config_rate */
    OPTIONS_NAMES,    /* const char *const *, ended by NULL; min to max of them; NULL: none */
    OPTIONS_TABLE     /* struct config_table: a map of texts, numbers and booleans */
};

enum options_section {
    OPTIONS_ROOT,
#define OPTIONS_SECTION(id, ...) OPTIONS_##id,
#define OPTIONS_LIST(id, ...) OPTIONS_##id,
#define OPTIONS_ROW(...)
#include "config/options.def"
#undef OPTIONS_SECTION
#undef OPTIONS_LIST
#undef OPTIONS_ROW
    OPTIONS_SECTION_COUNT
};

struct options_section_row {
    enum options_section section;
    enum options_section parent;
    const char *key;   /* where it stands alone; NULL: only by name */
    const char *names; /* the key of the map from names to such sections; NULL: only alone */
    const char *help;
    /* Of a list of such sections, 0 of others: what the structure of the parent has for it. */
    size_t item_size;
    size_t items_offset; /* of the pointer to the first */
    size_t count_offset;
};

struct options_row {
    enum options_section section;
    const char *key;
    enum options_type type;
    size_t offset;        /* of the member */
    const char *fallback; /* as written; NULL: none */
    int64_t min, max;
    const char *unit; /* of a CHOICE its words: options_choices() */
    bool reloadable;
    const char *since;
    const char *otherwise; /* what holds without a fallback, in words; "", or "REQUIRED" */
    const char *example;
    const char *help;
};

/* What the rows of BROKER, TLS and RECONNECT fill. */
struct options_broker {
    struct config_broker out;
    const char *uri;
    int auth;   /* 0 plain, 1 external */
    int verify; /* 0 true, 1 off-insecure */
};

/* What those of RUNTIME, SHUTDOWN, LOG and PLUGINS fill. */
struct options_process {
    uint32_t loops;
    uint64_t stack_size;
    int stack_guard; /* index of the word */
    uint32_t tasks_max;
    uint32_t publishes_max;
    uint64_t publish_buffer;
    int unobserved;       /* 0 log, 1 fail */
    uint32_t cpu_threads; /* 0: twice the processors */
    uint32_t cpu_queue;
    uint64_t buffer;        /* bytes */
    int blocking;           /* index of the word */
    uint64_t stall_warn_ms; /* 0: off, as for the next two */
    uint64_t stall_error_ms;
    uint64_t stall_abort_ms;
    int stall_signal;
    uint64_t shutdown_ms;
    uint32_t shutdown_soft;
    int log_level; /* index of the word */
    int log_format;
    const char *const *plugin_path;
    const char *plugin_cache;
    const char *state_directory;
};

/* What those of CONSUMER, BATCH and KILL_SWITCH fill; those of LIMIT fill a struct config_limit. */
struct options_consumer {
    struct config_consumer out;
    const char *broker;        /* its name; NULL: not given */
    const char *offset;        /* as written; NULL: not given */
    int offset_else;           /* index of the word */
    const char *const *limits; /* names; NULL: none */
};

/* The words of a CHOICE, cut apart. */
enum { OPTIONS_CHOICES_MAX = 8 };
struct options_choices {
    const char *words[OPTIONS_CHOICES_MAX + 1]; /* ended by NULL */
    char text[64];                              /* what they point into */
};
void options_choices(const struct options_row *row, struct options_choices *ret_choices);

/* All rows; those of a section stand together. */
const struct options_row *options_rows(size_t *ret_count);
/* The index of @row among all. */
size_t options_index(const struct options_row *row);
/* Whether it must be given. */
bool options_required(const struct options_row *row);
/* NULL if there is none. */
const struct options_row *options_find(enum options_section section, const char *key);
/* The rows of sections, in the order of the table; the root has none. */
const struct options_section_row *options_sections(size_t *ret_count);
const struct options_section_row *options_section(enum options_section section);
/* The section that stands alone at @key within @parent; NULL if there is none. */
const struct options_section_row *options_inner(enum options_section parent, const char *key);
/*
 * The key of @section, or of those within it, that is nearest to @key; NULL if none is near.
 * For the root the keys of all sections.
 */
const char *options_nearest(enum options_section section, const char *key);
/* The section that has an option @key of exactly that name, for "it belongs below"; NULL: none. */
const struct options_section_row *options_elsewhere(const char *key);

#endif
