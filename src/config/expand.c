/* SPDX-License-Identifier: MIT */
/* expand - the ${...} in a value, filled in. It must not know which option the value is for. */
#include <config.h>

#include "config/expand.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "config/source.h"
#include "config/value.h"

enum { EXPAND_PIECES_MAX = 64, EXPAND_NAME_MAX = 255 };

struct piece {
    const char *text;
    size_t size;
    const char *source; /* what was between "${" and "}", without a default; NULL: a literal */
};

struct expansion {
    const struct expand *expand;
    struct node *node;
    struct piece pieces[EXPAND_PIECES_MAX];
    size_t count;
    bool wrong;
};

static int expand_no_memory(void)
{
    return ackd_fail(ACKD_E_NOMEM, "a value of the configuration");
}

/* @what is quoted between the two texts. */
static void expand_wrong(struct expansion *expansion, const char *before, const char *what,
                         const char *after)
{
    char quote[FINDINGS_QUOTE_SIZE];
    findings_add(expansion->expand->findings, &expansion->node->place, "%s%s%s", before,
                 findings_quote(what, quote), after);
    expansion->wrong = true;
}

static void expand_add(struct expansion *expansion, const char *text, size_t size,
                       const char *source)
{
    if (size == 0 && source == NULL)
        return;
    if (expansion->count == EXPAND_PIECES_MAX) {
        if (!expansion->wrong)
            expand_wrong(expansion, "too many ${...} and $$ in one value", "", "");
        return;
    }
    expansion->pieces[expansion->count++] = (struct piece){text, size, source};
}

static int expand_file(struct expansion *expansion, const char *inside)
{
    const char *file = inside + strlen("file:");
    if (file[0] != '/') {
        expand_wrong(expansion, "'${file:", file, "}' holds no absolute path");
        return ACKD_OK;
    }
    struct source source = {.bytes = NULL};
    int code = source_read(file, SOURCE_SECRET_MAX, true, &source);
    if (code == ACKD_E_NOMEM)
        return code;
    if (code != ACKD_OK) {
        char after[256];
        snprintf(after, sizeof after, "' %s", ackd_error_text(ackd_error_current()));
        expand_wrong(expansion, "file '", file, after);
        return ACKD_OK;
    }
    size_t size = source.size;
    if (size > 0 && source.bytes[size - 1] == '\n')
        size--;
    if (size > 0 && size < source.size && source.bytes[size - 1] == '\r')
        size--;
    if (!value_is_utf8(source.bytes, size, NULL)) {
        expand_wrong(expansion, "file '", file, "' is not text in UTF-8");
    } else {
        char *text = arena_strndup(expansion->expand->arena, source.bytes, size);
        if (text == NULL)
            code = expand_no_memory();
        else
            expand_add(expansion, text, size, inside);
    }
    source_free(&source);
    expansion->node->secret = true; /* E3 */
    return code;
}

static bool expand_is_name(const char *name)
{
    if (*name == '\0' || (*name >= '0' && *name <= '9'))
        return false;
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    return name[strspn(name, allowed)] == '\0' && strlen(name) <= EXPAND_NAME_MAX;
}

/* @fallback: NULL if none was written. */
static int expand_variable(struct expansion *expansion, const char *name, const char *fallback)
{
    if (!expand_is_name(name)) {
        expand_wrong(expansion, "'${", name,
                     "}' names no variable: write ${NAME}, ${NAME:-default}, ${file:/path}, or $$ "
                     "for a dollar sign");
        return ACKD_OK;
    }
    const struct expand *expand = expansion->expand;
    const char *value = expand->getenv_fn == NULL ? NULL : expand->getenv_fn(name);
    if (fallback != NULL && (value == NULL || *value == '\0'))
        value = fallback;
    if (value == NULL) {
        expand_wrong(expansion, "variable '", name,
                     "' is not set: set it, or give a default: "
                     "${NAME:-default}");
        return ACKD_OK;
    }
    size_t size = strlen(value);
    if (!value_is_utf8(value, size, NULL)) {
        expand_wrong(expansion, "variable '", name, "' is not text in UTF-8");
        return ACKD_OK;
    }
    char *text = arena_strndup(expand->arena, value, size); /* the environment may change */
    if (text == NULL)
        return expand_no_memory();
    expand_add(expansion, text, size, name);
    return ACKD_OK;
}

/* What is between "${" and "}". */
static int expand_reference(struct expansion *expansion, const char *inside, size_t size)
{
    char *text = arena_strndup(expansion->expand->arena, inside, size);
    if (text == NULL)
        return expand_no_memory();
    if (strncmp(text, "file:", 5) == 0)
        return expand_file(expansion, text);
    char *fallback = strstr(text, ":-");
    if (fallback != NULL) {
        *fallback = '\0';
        fallback += 2;
    }
    return expand_variable(expansion, text, fallback);
}

static int expand_scan(struct expansion *expansion)
{
    const char *at = expansion->node->text;
    for (;;) {
        const char *dollar = strchr(at, '$');
        while (dollar != NULL && dollar[1] != '{' && dollar[1] != '$')
            dollar = strchr(dollar + 1, '$');
        if (dollar == NULL) {
            expand_add(expansion, at, strlen(at), NULL);
            return ACKD_OK;
        }
        if (dollar[1] == '$') {
            expand_add(expansion, at, (size_t)(dollar + 1 - at), NULL);
            at = dollar + 2;
            continue;
        }
        expand_add(expansion, at, (size_t)(dollar - at), NULL);
        const char *end = strchr(dollar, '}');
        if (end == NULL) {
            expand_wrong(expansion, "'${' without '}': write $$ for a dollar sign", "", "");
            return ACKD_OK;
        }
        ACKD_TRY(expand_reference(expansion, dollar + 2, (size_t)(end - dollar - 2)));
        at = end + 1;
    }
}

static bool expand_is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~,", c) != NULL);
}

static char *expand_encode(char *at, const struct piece *piece)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < piece->size; i++) {
        unsigned char byte = (unsigned char)piece->text[i];
        if (expand_is_unreserved((char)byte)) {
            *at++ = (char)byte;
            continue;
        }
        *at++ = '%';
        *at++ = digits[byte >> 4];
        *at++ = digits[byte & 15];
    }
    return at;
}

static int expand_join(struct expansion *expansion, bool uri)
{
    bool encode = uri && expansion->count > 1; /* E2 */
    size_t size = 1;
    for (size_t i = 0; i < expansion->count; i++)
        size += expansion->pieces[i].size * (encode && expansion->pieces[i].source != NULL ? 3 : 1);
    char *value = arena_alloc_bytes(expansion->expand->arena, size);
    if (value == NULL)
        return expand_no_memory();
    char *at = value;
    for (size_t i = 0; i < expansion->count; i++) {
        const struct piece *piece = &expansion->pieces[i];
        if (encode && piece->source != NULL) {
            at = expand_encode(at, piece);
        } else if (piece->size > 0) {
            memcpy(at, piece->text, piece->size);
            at += piece->size;
        }
    }
    *at = '\0';
    expansion->node->value = value;
    return ACKD_OK;
}

/* The names alone: a default in ${NAME:-default} might be a secret. */
static int expand_sources(struct expansion *expansion)
{
    size_t size = 1;
    for (size_t i = 0; i < expansion->count; i++)
        size += expansion->pieces[i].source == NULL ? 0 : strlen(expansion->pieces[i].source) + 4;
    if (size == 1)
        return ACKD_OK;
    char *sources = arena_alloc_bytes(expansion->expand->arena, size);
    if (sources == NULL)
        return expand_no_memory();
    char *to = sources;
    for (size_t i = 0; i < expansion->count; i++) {
        const char *source = expansion->pieces[i].source;
        if (source != NULL)
            to += sprintf(to, "%s${%s}", to == sources ? "" : " ", source);
    }
    ackd_assert(to < sources + size);
    expansion->node->sources = sources;
    return ACKD_OK;
}

int expand_node(const struct expand *expand, struct node *node, bool uri)
{
    ackd_assert(node->kind == NODE_SCALAR);
    if (strchr(node->text, '$') == NULL) {
        node->value = node->text;
        return ACKD_OK;
    }
    struct expansion expansion = {.expand = expand, .node = node};
    ACKD_TRY(expand_scan(&expansion));
    if (expansion.wrong)
        return ACKD_OK;
    ACKD_TRY(expand_sources(&expansion));
    return expand_join(&expansion, uri);
}
