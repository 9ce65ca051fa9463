/* SPDX-License-Identifier: MIT */
/* document - a YAML file as a tree of nodes. It must not know which keys there are. */
#include <config.h>

#include "config/document.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/assert.h"
#include "config/node.h"
#include "config/value.h"

struct document {
    yaml_parser_t parser;
    struct arena *arena;
    struct findings *findings;
    const char *text; /* of the file */
    size_t size;
    struct place start; /* file and order, for all places */
    struct node *root;
    struct node *open[DOCUMENT_DEPTH_MAX]; /* maps and lists from the root to the current one */
    size_t depth;
    const char *key; /* read, its value is next; NULL: a key is next */
    struct place key_place;
    size_t nodes;
    bool root_seen;
    bool stop; /* what follows can not be understood */
};

static struct place document_place(const struct document *document, const yaml_mark_t *mark)
{
    struct place place = document->start;
    place.line = (int)mark->line + 1;
    place.column = (int)mark->column + 1;
    return place;
}

static void document_stop(struct document *document)
{
    document->stop = true;
    document->findings->incomplete = true;
}

/* The place of the byte at @at. */
static struct place document_place_of(const struct document *document, size_t at)
{
    struct place place = document->start;
    place.line = 1;
    place.column = 1;
    for (size_t i = 0; i < at; i++) {
        if (document->text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)document->text[i] & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

/* D3 */
static bool document_is_text(struct document *document)
{
    size_t at = 0;
    if (value_is_utf8(document->text, document->size, &at))
        return true;
    struct place place = document_place_of(document, at);
    findings_add(document->findings, &place, "%s",
                 document->text[at] == '\0' ? "a NUL byte: the file must be text in UTF-8"
                                            : "not UTF-8: the file must be text in UTF-8");
    document_stop(document);
    return false;
}

/* Whether line @line (from 0) of the text holds "${". */
static bool document_line_interpolates(const struct document *document, size_t line)
{
    const char *at = document->text;
    const char *end = at + document->size;
    for (; line > 0; line--) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            return false;
        at = newline + 1;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    end = newline == NULL ? end : newline;
    return memmem(at, (size_t)(end - at), "${", 2) != NULL;
}

static int document_syntax_error(struct document *document)
{
    const yaml_parser_t *parser = &document->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return ackd_fail(ACKD_E_NOMEM, "a configuration file");
    struct place place = document_place(document, &parser->problem_mark);
    char context[128] = "";
    if (parser->context != NULL && parser->context_mark.line + 1 != (size_t)place.line)
        snprintf(context, sizeof context, ", %s that starts in line %zu", parser->context,
                 parser->context_mark.line + 1);
    else if (parser->context != NULL)
        snprintf(context, sizeof context, ", %s", parser->context);
    bool quote = document_line_interpolates(document, parser->problem_mark.line);
    findings_add(document->findings, &place, "not YAML: %s%s%s",
                 parser->problem == NULL ? "it cannot be read" : parser->problem, context,
                 quote ? " (inside { } and [ ] a value with ${...} needs quotes: \"${NAME}\")"
                       : "");
    document_stop(document);
    return ACKD_OK;
}

static int document_node(struct document *document, enum node_kind kind, const yaml_mark_t *mark,
                         struct node **ret_node)
{
    struct node *node = arena_alloc(document->arena, sizeof *node);
    if (node == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a configuration file");
    *node = (struct node){.kind = kind, .place = document_place(document, mark)};
    node->key = document->key;
    node->key_place = document->key == NULL ? node->place : document->key_place;
    *ret_node = node;
    return ACKD_OK;
}

/* Put @node where the text is. */
static void document_attach(struct document *document, struct node *node)
{
    document->key = NULL;
    if (document->depth == 0) {
        document->root = node;
        return;
    }
    struct node *parent = document->open[document->depth - 1];
    struct node *first = parent->kind == NODE_MAP ? node_child(parent, node->key) : NULL;
    if (first != NULL) { /* D2 */
        char quote[FINDINGS_QUOTE_SIZE];
        findings_add(document->findings, &node->key_place,
                     "'%s' is set twice: it is already at %s:%d", findings_quote(node->key, quote),
                     first->key_place.file, first->key_place.line);
        return;
    }
    bool many = ++document->nodes > DOCUMENT_NODES_MAX;
    if (many || parent->count == DOCUMENT_ENTRIES_MAX) { /* D1 */
        findings_add(document->findings, &node->key_place, "more than %d %s",
                     many ? DOCUMENT_NODES_MAX : DOCUMENT_ENTRIES_MAX, many ? "values" : "entries");
        document_stop(document);
        return;
    }
    node_append(parent, node);
}

static void document_refuse(struct document *document, const yaml_mark_t *mark, const char *what)
{
    struct place place = document_place(document, mark);
    findings_add(document->findings, &place, "%s", what);
}

static bool document_wants_key(const struct document *document)
{
    return document->depth > 0 && document->key == NULL &&
           document->open[document->depth - 1]->kind == NODE_MAP;
}

static bool document_is_null(const yaml_event_t *event)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++) {
        if (strcmp((const char *)event->data.scalar.value, nulls[i]) == 0)
            return true;
    }
    return false;
}

static int document_scalar(struct document *document, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (strlen(value) != length) {
        /* "\0" in double quotes. */
        document_refuse(document, &event->start_mark, "a NUL byte in a value");
        length = strlen(value);
    }
    char *text = arena_strndup(document->arena, value, length);
    if (text == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a configuration file");
    if (document_wants_key(document)) {
        document->key = text;
        document->key_place = document_place(document, &event->start_mark);
        return ACKD_OK;
    }
    struct node *node = NULL;
    ACKD_TRY(document_node(document, document_is_null(event) ? NODE_EMPTY : NODE_SCALAR,
                           &event->start_mark, &node));
    node->text = text;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    document_attach(document, node);
    return ACKD_OK;
}

static int document_open(struct document *document, const yaml_event_t *event, enum node_kind kind)
{
    if (document_wants_key(document)) {
        document_refuse(document, &event->start_mark, "a key must be a plain word");
        document_stop(document);
        return ACKD_OK;
    }
    if (document->depth == DOCUMENT_DEPTH_MAX) { /* D1 */
        struct place place = document_place(document, &event->start_mark);
        findings_add(document->findings, &place, "nested more than %d levels deep",
                     DOCUMENT_DEPTH_MAX);
        document_stop(document);
        return ACKD_OK;
    }
    struct node *node = NULL;
    ACKD_TRY(document_node(document, kind, &event->start_mark, &node));
    document_attach(document, node);
    document->open[document->depth++] = node;
    return ACKD_OK;
}

static int document_alias(struct document *document, const yaml_event_t *event)
{
    static const char text[] = "aliases (*name) are not supported: write the value out";
    document_refuse(document, &event->start_mark, text);
    if (document_wants_key(document)) {
        document_stop(document);
        return ACKD_OK;
    }
    struct node *node = NULL;
    ACKD_TRY(document_node(document, NODE_EMPTY, &event->start_mark, &node));
    document_attach(document, node);
    return ACKD_OK;
}

/* Anchors and tags change what a node means, so they are not passed over in silence. */
static void document_check_properties(struct document *document, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    }
    if (anchor != NULL)
        document_refuse(document, &event->start_mark,
                        "anchors (&name) are not supported: write the value out where it is used");
    if (tag != NULL)
        document_refuse(document, &event->start_mark,
                        "tags (!name) are not supported: a value's type comes from its option");
}

static int document_event(struct document *document, const yaml_event_t *event)
{
    document_check_properties(document, event);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return document_scalar(document, event);
    case YAML_MAPPING_START_EVENT:
        return document_open(document, event, NODE_MAP);
    case YAML_SEQUENCE_START_EVENT:
        return document_open(document, event, NODE_LIST);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        ackd_assert(document->depth > 0);
        document->depth--;
        return ACKD_OK;
    case YAML_ALIAS_EVENT:
        return document_alias(document, event);
    case YAML_DOCUMENT_START_EVENT:
        if (document->root_seen) {
            document_refuse(document, &event->start_mark,
                            "a second document: a file holds one, without '---' in it");
            document_stop(document);
        }
        document->root_seen = true;
        return ACKD_OK;
    case YAML_STREAM_END_EVENT:
        document->stop = true;
        return ACKD_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return ACKD_OK;
    }
    return ACKD_OK;
}

static void document_wipe_event(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        explicit_bzero(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

static int document_read(struct document *document)
{
    while (!document->stop) {
        yaml_event_t event;
        if (!yaml_parser_parse(&document->parser, &event))
            return document_syntax_error(document);
        int code = document_event(document, &event);
        document_wipe_event(&event);
        if (code != ACKD_OK)
            return code;
    }
    return ACKD_OK;
}

/* The parser's own buffers held the file, passwords included. */
static void document_wipe_parser(yaml_parser_t *parser)
{
    explicit_bzero(parser->raw_buffer.start,
                   (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
    explicit_bzero(parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
    yaml_parser_delete(parser);
}

int document_parse(struct arena *arena, const char *text, size_t size, const char *file,
                   uint32_t order, struct findings *findings, struct node **ret_root)
{
    struct document document = {.arena = arena, .findings = findings, .text = text, .size = size};
    document.start = (struct place){.file = file, .order = order};
    const yaml_mark_t origin = {0};
    struct node *empty = NULL;
    ACKD_TRY(document_node(&document, NODE_EMPTY, &origin, &empty));
    if (document_is_text(&document)) {
        if (!yaml_parser_initialize(&document.parser))
            return ackd_fail(ACKD_E_NOMEM, "a configuration file");
        yaml_parser_set_input_string(&document.parser, (const unsigned char *)text, size);
        yaml_parser_set_encoding(&document.parser, YAML_UTF8_ENCODING);
        int code = document_read(&document);
        document_wipe_parser(&document.parser);
        if (code != ACKD_OK)
            return code;
    }
    struct node *root = document.root == NULL ? empty : document.root;
    if (root->kind != NODE_MAP && root->kind != NODE_EMPTY) {
        findings_add(findings, &root->place,
                     "the file is %s, not a map of options: write 'key: value'",
                     node_kind_name(root->kind));
        root = empty;
    }
    *ret_root = root;
    return ACKD_OK;
}
