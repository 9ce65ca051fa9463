/* SPDX-License-Identifier: MIT */
/*
 * message - what the broker delivered, as its handler sees it.
 *
 * Lives until the handler and all its children have ended; everything read from it lives as long.
 * Nothing is copied: strings and the body stand in the delivery's own memory. Names and types of
 * the properties are those of AMQP 0-9-1, section 1.8 (class basic).
 */
#ifndef ACKD_MESSAGE_H
#define ACKD_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

struct ackd_message;

/* Bytes that somebody else owns. Not terminated. */
struct ackd_bytes {
    const void *data;
    size_t size;
};

/* The bytes of a string, without its end. */
ACKD_API struct ackd_bytes ackd_bytes(const char *text);

/* Body. A message without one has size 0 and a pointer that is not NULL. */
ACKD_API struct ackd_bytes ackd_message_body(const struct ackd_message *message);

/* Where it came from. Terminated strings, never NULL. */
ACKD_API const char *ackd_message_consumer(const struct ackd_message *message);
ACKD_API const char *ackd_message_queue(const struct ackd_message *message);
ACKD_API const char *ackd_message_exchange(const struct ackd_message *message);
ACKD_API const char *ackd_message_routing_key(const struct ackd_message *message);
ACKD_API bool ackd_message_redelivered(const struct ackd_message *message);

/* The tag on its channel: for logs; handlers cannot acknowledge. */
ACKD_API uint64_t ackd_message_tag(const struct ackd_message *message);

/* 1 for the first try as far as can be known: a publisher cannot forge it. */
ACKD_API uint32_t ackd_message_attempt(const struct ackd_message *message);

/* Properties. Terminated strings; NULL where the message does not carry it. */
ACKD_API const char *ackd_message_content_type(const struct ackd_message *message);
ACKD_API const char *ackd_message_content_encoding(const struct ackd_message *message);
ACKD_API const char *ackd_message_correlation_id(const struct ackd_message *message);
ACKD_API const char *ackd_message_reply_to(const struct ackd_message *message);
ACKD_API const char *ackd_message_expiration(const struct ackd_message *message);
ACKD_API const char *ackd_message_id(const struct ackd_message *message);
ACKD_API const char *ackd_message_type(const struct ackd_message *message);
ACKD_API const char *ackd_message_user_id(const struct ackd_message *message);
ACKD_API const char *ackd_message_app_id(const struct ackd_message *message);
/* -1 where absent. */
ACKD_API int ackd_message_delivery_mode(const struct ackd_message *message);
ACKD_API int ackd_message_priority(const struct ackd_message *message);
/* Seconds since 1970, 0 where absent. */
ACKD_API uint64_t ackd_message_timestamp_s(const struct ackd_message *message);

enum ackd_header_kind {
    ACKD_HEADER_VOID,
    ACKD_HEADER_BOOLEAN, /* integer: 0 or 1 */
    ACKD_HEADER_INTEGER, /* every size, signed; an unsigned one beyond INT64_MAX reads as INT64_MAX
                          */
    ACKD_HEADER_REAL,    /* float and double */
    ACKD_HEADER_DECIMAL, /* integer and scale: the value is integer / 10^scale */
    ACKD_HEADER_TIMESTAMP, /* integer: seconds since 1970 */
    ACKD_HEADER_TEXT,      /* a long string: bytes */
    ACKD_HEADER_BYTES,     /* a byte array: bytes */
    ACKD_HEADER_TABLE,     /* bytes: the encoded entries; walk them with ackd_headers_next */
    ACKD_HEADER_ARRAY      /* bytes: the encoded values; walk them with ackd_headers_next */
};

struct ackd_header {
    const char *name; /* not terminated; NULL inside an array */
    size_t name_size;
    enum ackd_header_kind kind;
    int64_t integer;
    double real;
    uint8_t scale;
    struct ackd_bytes bytes;
};

/* A walk over the headers in the order in which they were sent; start from ackd_message_headers. */
struct ackd_headers {
    struct ackd_bytes rest;
    bool array;
};

ACKD_API struct ackd_headers ackd_message_headers(const struct ackd_message *message);
/* The headers or values inside a TABLE or an ARRAY. */
ACKD_API struct ackd_headers ackd_header_inside(const struct ackd_header *header);
/* The next one into @ret; false at the end. */
ACKD_API bool ackd_headers_next(struct ackd_headers *headers, struct ackd_header *ret);
/* The first header of that name; false, and @ret untouched, if there is none. */
ACKD_API bool ackd_message_header(const struct ackd_message *message, const char *name,
                                  struct ackd_header *ret);

ACKD_END_DECLS

#endif
