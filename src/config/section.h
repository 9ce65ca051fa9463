/* SPDX-License-Identifier: MIT */
/*
 * section - one broker, one consumer, or the process: its values, and where each came from. The
 * process is the root: what stands below runtime, shutdown, log and plugins.
 *
 *   S1  Every member is set: from the files, or from the fallback of its row.
 *   S2  A value within a section is checked by its own row alone. What depends on more than one
 *       option is derive's.
 */
#ifndef ACKD_CONFIG_SECTION_H
#define ACKD_CONFIG_SECTION_H

#include <ackd/abi.h>

#include "config/expand.h"
#include "config/node.h"
#include "config/options.h"

/* The items of a list of sections, in their order. */
struct section_list {
    enum options_section part;
    const struct node *node;
    struct section *items;
    size_t count;
    struct section_list *next;
};

struct section {
    enum options_section kind; /* ROOT, BROKER or CONSUMER */
    const char *name;          /* NULL: it stands alone */
    void *values;              /* the structure of options.h */
    const struct node **nodes; /* by options_index(): what set it; NULL: the fallback */
    const struct node *node;   /* the map it was read from; NULL: there is none */
    struct place place;        /* of its key; of the file where there is none */
    uint64_t given;            /* a bit for each part that was written as a map */
    struct section_list *lists;
    const struct section *owner; /* of an item: whose list it is in; NULL: it is none */
    size_t index;                /* of an item, from 0 */
};

/*
 * Make a section of @kind with nothing but fallbacks in @values, which is zeroed. ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int section_init(struct section *section, struct arena *arena,
                                 enum options_section kind, const char *name, void *values);

/*
 * Read @node, a map, as the section @part, which is the section's kind or within it. What is wrong
 * is added to the findings. ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int section_read(struct section *section, const struct expand *expand,
                                 enum options_section part, struct node *node);

/* Whether @part, the section or one within it, was written, and not left empty. */
bool section_given(const struct section *section, enum options_section part);
/* The items of the list @part; NULL: there are none. */
const struct section_list *section_list(const struct section *section, enum options_section part);

/* What set the option @key of @part; NULL: nothing did. */
const struct node *section_node(const struct section *section, enum options_section part,
                                const char *key);
/* Note @node as what set the option. */
void section_set_node(struct section *section, enum options_section part, const char *key,
                      const struct node *node);
/* Where to point at for the option: what set it, or else the section. */
const struct place *section_place(const struct section *section, enum options_section part,
                                  const char *key);

/* "consumer 'orders'", "'tls' of broker 'main'", "'runtime'", "item 2 of 'bind' of ...". Returns
 * @text. */
enum { SECTION_TEXT_SIZE = 256 };
const char *section_describe(const struct section *section, enum options_section part, char *text);

#endif
