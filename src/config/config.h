/* SPDX-License-Identifier: MIT */
/*
 * config - what the operator wrote, checked and immutable.
 *
 * Read from a file and its conf.d, by the one table options.def. A snapshot is reference-counted
 * and never changes; it lives in one arena. All errors are found at once; each is a line
 * FILE:LINE:COLUMN: what is wrong (what to do).
 */
#ifndef ACKD_CONFIG_CONFIG_H
#define ACKD_CONFIG_CONFIG_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct config;

struct config_host {
    const char *name;
    uint16_t port;
};

struct config_broker {
    const char *name; /* "default" for 'broker:' */
    const struct config_host *hosts;
    size_t host_count;
    bool tls;
    const char *tls_ca, *tls_cert, *tls_key; /* NULL: not given */
    bool tls_verify;
    bool external; /* SASL EXTERNAL instead of PLAIN */
    const char *vhost;
    const char *user;      /* NULL with external */
    const char *password;  /* NULL with external */
    bool allow_plaintext;  /* the password may go unencrypted to another host */
    uint64_t heartbeat_ms; /* whole seconds */
    uint64_t reconnect_first_ms, reconnect_max_ms;
    uint64_t reconnect_spread_ms; /* of the first attempt; 0: at once */
    const char *origin;           /* "FILE:LINE", of the section */
};

/* A value under 'settings:', as written and interpolated; checked later against the handler's
 * table. */
struct config_setting {
    const char *key;
    const char *const *values; /* one, or the items of a list; ended by NULL */
    bool list;
    bool secret; /* something in it came from a file: never to be shown */
    const char *file;
    int line, column;
};

/* So many in so long; a count of 0: no bound. */
struct config_rate {
    uint64_t count, per_ms;
};

/* A group that consumers share. */
struct config_limit {
    const char *name;
    uint32_t concurrency; /* 0: no bound */
    struct config_rate rate;
};

/* What orders messages. */
enum config_key { CONFIG_KEY_NONE, CONFIG_KEY_HEADER, CONFIG_KEY_ROUTING_KEY, CONFIG_KEY_PROPERTY };
enum { CONFIG_KEY_STRICT, CONFIG_KEY_RELAXED };

/* One of a map of values, typed by how it is written. */
enum config_argument_kind { CONFIG_TEXT, CONFIG_INTEGER, CONFIG_BOOLEAN, CONFIG_TIMESTAMP };
struct config_argument {
    const char *key;
    enum config_argument_kind kind;
    const char *text; /* of CONFIG_TEXT */
    int64_t number;   /* of the others; of a timestamp the seconds since 1970 */
    bool secret;      /* something in it came from a file: never to be shown */
};
struct config_table {
    const struct config_argument *arguments;
    size_t count;
};

/* What 'declare:' says: how the queue has to be, and what goes to it. */
struct config_binding {
    const char *exchange;
    const char *key;
    struct config_table arguments;
};
struct config_exchange {
    const char *name;
    const char *type;
    bool durable;
    bool internal;
    struct config_table arguments;
    const struct config_binding *bind; /* from other exchanges */
    size_t bind_count;
};
struct config_declare {
    bool given; /* else the queue is only looked for */
    int type;   /* 0 classic, 1 quorum, 2 stream */
    bool durable;
    struct config_table arguments;
    const struct config_binding *bind;
    size_t bind_count;
    const struct config_exchange *exchanges;
    size_t exchange_count;
    const char *dead_exchange; /* NULL: no dead-letter route of the broker's */
    const char *dead_key;      /* NULL: the message's own */
    int dead_strategy;         /* 0 at-most-once, 1 at-least-once */
};

/* What the queue is, as far as the configuration says. */
enum config_queue {
    CONFIG_QUEUE_ANY,
    CONFIG_QUEUE_CLASSIC,
    CONFIG_QUEUE_QUORUM,
    CONFIG_QUEUE_STREAM
};

/* Where reading a stream begins. */
enum config_offset {
    CONFIG_OFFSET_STORED,
    CONFIG_OFFSET_FIRST,
    CONFIG_OFFSET_LAST,
    CONFIG_OFFSET_NEXT,
    CONFIG_OFFSET_TIMESTAMP,
    CONFIG_OFFSET_NUMBER
};

struct config_consumer {
    const char *name;
    const struct config_broker *broker;
    const char *queue;
    const char *handler;
    const char *dead_letter; /* the queue's name; default <queue>.dead */
    uint32_t concurrency;
    bool prefetch_given; /* else it is derived */
    uint32_t prefetch;   /* at least config_slots(); derived: derive_prefetch() */
    uint32_t batch_size; /* 0: no batches */
    uint64_t batch_wait_ms;
    uint32_t loops;               /* at most config_loops() */
    uint64_t message_size_max;    /* bytes */
    uint64_t buffer;              /* bytes of bodies that may be held; 0: that of config_buffer() */
    uint64_t timeout_ms;          /* 0: none */
    uint64_t stack_size;          /* 0: runtime's */
    uint64_t consumer_timeout_ms; /* the broker's; 0: none */
    uint64_t probe_ms;            /* 0: never */
    uint32_t priority;
    bool exclusive;
    struct config_table arguments; /* of the subscription, beside ackd's own */
    int orphans;                   /* 0 finish, 1 cancel */
    int message_ids;               /* 0 any, 1 unique */
    const char *key;               /* as written; NULL: none */
    enum config_key key_kind;
    const char *key_name; /* of the header or property */
    int key_order;        /* CONFIG_KEY_STRICT or CONFIG_KEY_RELAXED */
    uint64_t key_hold_ms;
    struct config_rate rate;
    const struct config_limit *const *limits;
    size_t limit_count;
    uint32_t delivery_limit; /* of the queue; 0: the broker's own */
    uint32_t retry_attempts; /* in all */
    uint32_t retry_factor;
    uint64_t retry_first_ms, retry_max_ms; /* first is at most max */
    uint32_t kill_failures;                /* percent; 0: no kill switch */
    uint32_t kill_of;
    uint64_t kill_pause_ms;
    struct config_declare declare;
    int queue_type;                 /* enum config_queue */
    bool single_active;             /* the queue gives messages to one consumer at a time */
    enum config_offset offset_kind; /* of a stream */
    int64_t offset;                 /* seconds since 1970, or the number */
    enum config_offset offset_else; /* where nothing is stored: FIRST, LAST or NEXT */
    const struct config_setting *settings;
    size_t setting_count;
    const char *file; /* of the section */
    int line, column;
};

/* Messages that may be in handling at once. */
uint64_t config_slots(const struct config_consumer *consumer);

const struct config_broker *config_brokers(const struct config *config, size_t *ret_count);
const struct config_consumer *config_consumers(const struct config *config, size_t *ret_count);
const struct config_limit *config_limits(const struct config *config, size_t *ret_count);
uint32_t config_loops(const struct config *config);
uint64_t config_stack_size(const struct config *config);
int config_stack_guard(const struct config *config); /* 0 auto, 1 mprotect, 2 region */
uint32_t config_tasks_max(const struct config *config);
/* Of a loop, under way: their number, and their bytes. */
uint32_t config_publishes_max(const struct config *config);
uint64_t config_publish_buffer(const struct config *config);
/* Whether failures that nobody looked at make the exit status one of failure. */
bool config_unobserved_fails(const struct config *config);
uint64_t config_buffer(const struct config *config);      /* bytes */
uint32_t config_cpu_threads(const struct config *config); /* 0: twice the processors */
uint32_t config_cpu_queue(const struct config *config);
int config_blocking(const struct config *config); /* enum ackd_blocking_policy */
/* How long a loop may stand still; 0: for ever. */
struct config_stall {
    uint64_t warn_ms, error_ms, abort_ms;
    int signal; /* 0 urg, 1 usr1, 2 usr2, 3 prof */
};
void config_stall(const struct config *config, struct config_stall *ret_stall);
uint64_t config_shutdown_ms(const struct config *config);
uint32_t config_shutdown_soft_percent(const struct config *config);
int config_log_level(const struct config *config);  /* enum ackd_log_level */
int config_log_format(const struct config *config); /* 0 auto, 1 journal, 2 logfmt, 3 json */
/* Directories, ended by NULL. */
const char *const *config_plugin_path(const struct config *config);
/* Where what has to outlive the process is kept; NULL: nowhere. */
const char *config_state_directory(const struct config *config);
/* Where to put private copies of plugins; NULL: load them in place. */
const char *config_cache_directory(const struct config *config);
/* What is allowed but perhaps not meant: lines as those of the errors, ended by NULL. */
const char *const *config_warnings(const struct config *config);

/* All errors of a reading, one line each. */
struct config_errors {
    char **lines; /* owned */
    size_t count;
};
void config_errors_free(struct config_errors *errors);

/*
 * Read @file and the *.yaml of the directory conf.d beside it. @getenv_fn gives the environment
 * (NULL: none). ACKD_E_CONFIG with all that is wrong in @ret_errors, which the caller frees in any
 * case.
 */
ACKD_MUST_CHECK int config_load(const char *file, const char *(*getenv_fn)(const char *name),
                                struct config **ret_config, struct config_errors *ret_errors);
struct config *config_ref(struct config *config);
void config_unref(struct config **config);

/*
 * What counts, with the place each value came from; secrets as "(secret)". @is_secret tells which
 * settings of a consumer's handler are; NULL: those whose names say so. ACKD_E_OS where @out fails.
 */
ACKD_MUST_CHECK int config_dump(const struct config *config, FILE *out);
ACKD_MUST_CHECK int config_dump_with(const struct config *config,
                                     bool (*is_secret)(const struct config_consumer *consumer,
                                                       const char *key, void *arg),
                                     void *arg, FILE *out);
/* JSON Schema of the files. */
ACKD_MUST_CHECK int config_schema(FILE *out);

#endif
