/* SPDX-License-Identifier: MIT */
/* derive - what follows from more than one option. It must not know what a file looks like. */
#include <config.h>

#include "config/derive.h"

#include <ackd/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/nearest.h"
#include "config/derive_queue.h"
#include "config/uri.h"

enum {
    DERIVE_PREFETCH_MAX = 65535,
    DERIVE_KEY_AHEAD = 8, /* times concurrency, for a prefetch that finds other keys */
    DERIVE_KEY_PREFETCH_MIN = 512,
    DERIVE_RATE_MS = 60000, /* of messages at the rate that are fetched ahead at most */
    DERIVE_NAME_MAX = 255,
    DERIVE_DELAY_MAX = 11 /* bytes of a delay in a name, as 86399999ms */
};

/* Add "'KEY' in WHERE: " and the text to @findings, at the place of the option. */
static void derive_say(struct findings *findings, const struct section *section,
                       enum options_section part, const char *key, const char *format, ...)
    ACKD_PRINTF(5, 6);
static void derive_say(struct findings *findings, const struct section *section,
                       enum options_section part, const char *key, const char *format, ...)
{
    char where[SECTION_TEXT_SIZE];
    char text[FINDINGS_TEXT_SIZE / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    findings_add(findings, section_place(section, part, key), "'%s' in %s: %s", key,
                 section_describe(section, part, where), text);
}

/* @text, which comes from the option, for an error: what is secret is not shown. */
static const char *derive_quote(const struct section *section, enum options_section part,
                                const char *key, const char *text, char *quote)
{
    const struct node *node = section_node(section, part, key);
    return findings_quote(node != NULL && node->secret ? "(secret)" : text, quote);
}

static char *derive_printf(const struct derive *derive, const char *format, ...) ACKD_PRINTF(2, 3);
static char *derive_printf(const struct derive *derive, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(&derive->config->arena, format, args);
    va_end(args);
    return text;
}

static int derive_no_memory(void)
{
    return ackd_fail(ACKD_E_NOMEM, "the configuration");
}

/* The first of the directories that systemd gives, which separates them by ':'. */
static int derive_directory(const struct derive *derive, const char *given, const char **directory)
{
    if (*directory != NULL || given == NULL || given[0] != '/')
        return ACKD_OK;
    *directory = arena_strndup(&derive->config->arena, given, strcspn(given, ":"));
    return *directory == NULL ? derive_no_memory() : ACKD_OK;
}

int derive_process(const struct derive *derive)
{
    static const char *const installed[] = {ACKD_PLUGIN_DIRECTORY, NULL};
    struct options_process *process = &derive->config->process;
    if (process->plugin_path == NULL)
        process->plugin_path = installed;
    ACKD_TRY(derive_directory(derive, derive->state_directory, &process->state_directory));
    return derive_directory(derive, derive->cache_directory, &process->plugin_cache);
}

/* Who logs in: as the options say, or the uri, or else guest. */
static void derive_user(const struct derive *derive, struct section *section, const struct uri *uri,
                        struct config_broker *broker)
{
    const struct node *user = section_node(section, OPTIONS_BROKER, "user");
    const struct node *password = section_node(section, OPTIONS_BROKER, "password");
    if (uri->user != NULL && (user != NULL || password != NULL)) {
        derive_say(derive->findings, section, OPTIONS_BROKER, user != NULL ? "user" : "password",
                   "the uri at %s:%d holds a user too: write one of the two",
                   section_place(section, OPTIONS_BROKER, "uri")->file,
                   section_place(section, OPTIONS_BROKER, "uri")->line);
        return;
    }
    if (uri->user != NULL && uri->password == NULL) {
        derive_say(derive->findings, section, OPTIONS_BROKER, "uri",
                   "it holds a user without a password: write 'user' and 'password' instead");
        return;
    }
    if (user != NULL && password == NULL)
        derive_say(derive->findings, section, OPTIONS_BROKER, "user",
                   "there is no 'password' for it");
    if (user == NULL && password != NULL)
        derive_say(derive->findings, section, OPTIONS_BROKER, "password",
                   "there is no 'user' for it");
    if (uri->user != NULL) {
        const struct node *node = section_node(section, OPTIONS_BROKER, "uri");
        section_set_node(section, OPTIONS_BROKER, "user", node);
        section_set_node(section, OPTIONS_BROKER, "password", node);
        broker->user = uri->user;
        broker->password = uri->password;
    } else if (user == NULL && password == NULL) {
        broker->user = "guest";
        broker->password = "guest";
    }
}

/* The host that the password would reach unencrypted; NULL: none. */
static const char *derive_exposed(const struct config_broker *broker)
{
    for (size_t i = 0; i < broker->host_count && !broker->tls; i++) {
        if (!uri_is_loopback(broker->hosts[i].name))
            return broker->hosts[i].name;
    }
    return NULL;
}

static void derive_plaintext(const struct derive *derive, const struct section *section,
                             const struct config_broker *broker)
{
    char quote[FINDINGS_QUOTE_SIZE];
    const char *host = derive_exposed(broker);
    if (host != NULL && !broker->allow_plaintext)
        derive_say(derive->findings, section, OPTIONS_BROKER, "uri",
                   "the password would go unencrypted to '%s': write amqps://, or "
                   "'allow-plaintext: true' if nobody can listen on the way",
                   derive_quote(section, OPTIONS_BROKER, "uri", host, quote));
    else if (host != NULL)
        derive_say(derive->warnings, section, OPTIONS_BROKER, "allow-plaintext",
                   "the password goes unencrypted to '%s'",
                   derive_quote(section, OPTIONS_BROKER, "uri", host, quote));
}

static void derive_auth(const struct derive *derive, struct section *section, const struct uri *uri,
                        struct config_broker *broker)
{
    if (!broker->external) {
        derive_user(derive, section, uri, broker);
        derive_plaintext(derive, section, broker);
        return;
    }
    if (section_node(section, OPTIONS_BROKER, "user") != NULL ||
        section_node(section, OPTIONS_BROKER, "password") != NULL || uri->user != NULL)
        derive_say(derive->findings, section, OPTIONS_BROKER, "auth",
                   "external takes the user from the certificate: leave out user and password");
    if (!broker->tls || broker->tls_cert == NULL)
        derive_say(derive->findings, section, OPTIONS_BROKER, "auth",
                   "external needs a uri with amqps:// and a certificate, 'cert' of 'tls'");
    broker->user = NULL;
    broker->password = NULL;
}

static void derive_tls(const struct derive *derive, const struct section *section,
                       struct config_broker *broker)
{
    static const char *const keys[] = {"ca", "cert", "key", "verify"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !broker->tls; i++) {
        if (section_node(section, OPTIONS_TLS, keys[i]) != NULL)
            derive_say(derive->findings, section, OPTIONS_TLS, keys[i],
                       "it has no effect, the uri has no TLS: write amqps://");
    }
    if (broker->tls_cert != NULL && broker->tls_key == NULL)
        derive_say(derive->findings, section, OPTIONS_TLS, "cert", "it needs 'key'");
    if (broker->tls_key != NULL && broker->tls_cert == NULL)
        derive_say(derive->findings, section, OPTIONS_TLS, "key", "it needs 'cert'");
    if (broker->tls && !broker->tls_verify)
        derive_say(derive->warnings, section, OPTIONS_TLS, "verify",
                   "the broker is not checked: anybody on the way can be the broker");
}

static void derive_times(const struct derive *derive, const struct section *section,
                         const struct config_broker *broker)
{
    if (broker->heartbeat_ms % 1000 != 0)
        derive_say(derive->findings, section, OPTIONS_BROKER, "heartbeat",
                   "it counts whole seconds: AMQP knows no others");
    if (broker->reconnect_first_ms > broker->reconnect_max_ms)
        derive_say(derive->findings, section, OPTIONS_RECONNECT,
                   section_node(section, OPTIONS_RECONNECT, "first") != NULL ? "first" : "max",
                   "'first' is larger than 'max'");
}

/* A password in a file that everybody may read is no secret. */
static void derive_exposure(const struct derive *derive, const struct section *section)
{
    const struct node *node = section_node(section, OPTIONS_BROKER, "password");
    if (node != NULL && node->sources == NULL &&
        derive->config->files[node->place.order].open_to_all)
        derive_say(derive->warnings, section, OPTIONS_BROKER, "password",
                   "everybody may read it in this file: chmod o= the file, or write "
                   "${file:/path}");
}

int derive_broker(const struct derive *derive, struct section *section,
                  struct config_broker *ret_broker)
{
    struct options_broker *values = section->values;
    struct config_broker *broker = &values->out;
    struct uri uri = {.tls = false};
    broker->name = section->name == NULL ? "default" : section->name;
    broker->external = values->auth == 1;
    broker->tls_verify = values->verify == 0;
    broker->origin = derive_printf(derive, "%s:%d", section->place.file, section->place.line);
    if (broker->origin == NULL)
        return derive_no_memory();
    derive_times(derive, section, broker);
    int code = uri_parse(&derive->config->arena, values->uri, &uri);
    if (code == ACKD_OK) {
        broker->tls = uri.tls;
        broker->hosts = uri.hosts;
        broker->host_count = uri.host_count;
        broker->vhost = uri.vhost;
        derive_auth(derive, section, &uri, broker);
        derive_tls(derive, section, broker);
        derive_exposure(derive, section);
    } else if (code == ACKD_E_SYNTAX) {
        derive_say(derive->findings, section, OPTIONS_BROKER, "uri", "it %s",
                   ackd_error_text(ackd_error_current()));
    } else {
        return code;
    }
    *ret_broker = *broker;
    return ACKD_OK;
}

static const struct config_broker *derive_find_broker(const struct derive *derive, const char *name)
{
    const struct config *config = derive->config;
    for (size_t i = 0; i < config->broker_count; i++) {
        if (strcmp(config->brokers[i].name, name) == 0)
            return &config->brokers[i];
    }
    return NULL;
}

static void derive_choose_broker(const struct derive *derive, struct section *section)
{
    struct options_consumer *values = section->values;
    const struct config *config = derive->config;
    if (values->broker == NULL) {
        values->out.broker =
            config->broker_count == 1 ? &config->brokers[0] : derive_find_broker(derive, "default");
        if (values->out.broker == NULL && section_node(section, OPTIONS_CONSUMER, "broker") == NULL)
            derive_say(derive->findings, section, OPTIONS_CONSUMER, "broker",
                       "there are %zu brokers, and none is called 'default': name one",
                       config->broker_count);
        return;
    }
    values->out.broker = derive_find_broker(derive, values->broker);
    if (values->out.broker != NULL)
        return;
    char quote[FINDINGS_QUOTE_SIZE];
    struct nearest nearest;
    nearest_init(&nearest, values->broker);
    for (size_t i = 0; i < config->broker_count; i++)
        nearest_offer(&nearest, config->brokers[i].name);
    if (nearest_name(&nearest) != NULL)
        derive_say(derive->findings, section, OPTIONS_CONSUMER, "broker",
                   "there is no broker '%s' (did you mean '%s'?)",
                   derive_quote(section, OPTIONS_CONSUMER, "broker", values->broker, quote),
                   nearest_name(&nearest));
    else
        derive_say(derive->findings, section, OPTIONS_CONSUMER, "broker", "there is no broker '%s'",
                   derive_quote(section, OPTIONS_CONSUMER, "broker", values->broker, quote));
}

/* A path as it is, or from the directory of its file; a name without surprises. */
static int derive_handler(const struct derive *derive, const struct section *section,
                          struct config_consumer *consumer)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    const char *handler = consumer->handler;
    if (strchr(handler, '/') == NULL) {
        if (handler[0] == '.' || handler[strspn(handler, letters)] != '\0')
            derive_say(derive->findings, section, OPTIONS_CONSUMER, "handler",
                       "a name is letters, digits, '.', '_' and '-'; for a file write a path with "
                       "a '/' in it");
        return ACKD_OK;
    }
    const char *file = section_place(section, OPTIONS_CONSUMER, "handler")->file;
    const char *slash = strrchr(file, '/');
    if (handler[0] == '/' || slash == NULL)
        return ACKD_OK;
    consumer->handler = derive_printf(derive, "%.*s/%s", (int)(slash - file), file, handler);
    return consumer->handler == NULL ? derive_no_memory() : ACKD_OK;
}

static int derive_dead_letter(const struct derive *derive, struct section *section,
                              struct config_consumer *consumer)
{
    if (consumer->dead_letter == NULL) {
        consumer->dead_letter = derive_printf(derive, "%s.dead", consumer->queue);
        if (consumer->dead_letter == NULL)
            return derive_no_memory();
        /* A name made of a secret is one too. */
        const struct node *queue = section_node(section, OPTIONS_CONSUMER, "queue");
        if (queue != NULL && queue->secret)
            section_set_node(section, OPTIONS_CONSUMER, "dead-letter", queue);
        if (strlen(consumer->dead_letter) > DERIVE_NAME_MAX)
            derive_say(derive->findings, section, OPTIONS_CONSUMER, "queue",
                       "with '.dead' behind it, it is longer than %d bytes: write 'dead-letter'",
                       DERIVE_NAME_MAX);
    } else if (strcmp(consumer->dead_letter, consumer->queue) == 0) {
        derive_say(derive->findings, section, OPTIONS_CONSUMER, "dead-letter",
                   "it is the queue that is consumed: messages would go round for ever");
    }
    return ACKD_OK;
}

/*
 * A quarter more than run at once, so that the next are there when those end. With a key far more:
 * messages of a busy key wait here, and those of others are found only behind them. With a rate no
 * more than start in a minute: what waits here is missing elsewhere.
 */
uint32_t derive_prefetch(const struct config_consumer *consumer)
{
    uint64_t slots = config_slots(consumer);
    uint64_t prefetch = slots * 5 / 4 + 1;
    if (consumer->key != NULL && prefetch < slots * DERIVE_KEY_AHEAD)
        prefetch = slots * DERIVE_KEY_AHEAD;
    if (consumer->key != NULL && prefetch < DERIVE_KEY_PREFETCH_MIN)
        prefetch = DERIVE_KEY_PREFETCH_MIN;
    if (consumer->rate.count > 0 &&
        prefetch > consumer->rate.count * DERIVE_RATE_MS / consumer->rate.per_ms)
        prefetch = consumer->rate.count * DERIVE_RATE_MS / consumer->rate.per_ms;
    if (prefetch > DERIVE_PREFETCH_MAX)
        prefetch = DERIVE_PREFETCH_MAX;
    return prefetch == 0 ? 1 : (uint32_t)prefetch;
}

/* The delay queues are named after the queue, and must be nothing else. */
static void derive_retry(const struct derive *derive, const struct section *section,
                         const struct config_consumer *consumer)
{
    static const char middle[] = ".retry.";
    size_t length = strlen(consumer->queue);
    if (consumer->retry_first_ms > consumer->retry_max_ms)
        derive_say(derive->findings, section, OPTIONS_RETRY,
                   section_node(section, OPTIONS_RETRY, "first") != NULL ? "first" : "max",
                   "'first' is larger than 'max'");
    if (length + strlen(middle) + DERIVE_DELAY_MAX > DERIVE_NAME_MAX)
        derive_say(derive->findings, section, OPTIONS_CONSUMER, "queue",
                   "with '%sDELAY' behind it, it is longer than %d bytes", middle, DERIVE_NAME_MAX);
    if (strncmp(consumer->dead_letter, consumer->queue, length) == 0 &&
        strncmp(consumer->dead_letter + length, middle, strlen(middle)) == 0)
        derive_say(derive->findings, section, OPTIONS_CONSUMER, "dead-letter",
                   "queues of this name are for messages that are tried again");
}

static void derive_numbers(const struct derive *derive, const struct section *section,
                           struct config_consumer *consumer)
{
    struct findings *findings = derive->findings;
    uint32_t loops = derive->config->process.loops;
    if (consumer->loops > loops)
        derive_say(findings, section, OPTIONS_CONSUMER, "loops",
                   "there %s %u: raise 'loops' of 'runtime'", loops == 1 ? "is only" : "are only",
                   loops);
    if (consumer->loops > consumer->concurrency)
        derive_say(findings, section, OPTIONS_CONSUMER, "loops",
                   "'concurrency' is %u: some loops would have nothing to do",
                   consumer->concurrency);
    consumer->prefetch_given = section_node(section, OPTIONS_CONSUMER, "prefetch") != NULL;
    if (!consumer->prefetch_given) {
        consumer->prefetch = derive_prefetch(consumer);
    } else if (consumer->prefetch > 0 && consumer->prefetch < config_slots(consumer)) {
        derive_say(findings, section, OPTIONS_CONSUMER, "prefetch",
                   "it is less than 'concurrency'%s, which is %llu: the broker would never send as "
                   "many",
                   consumer->batch_size == 0 ? "" : " times 'size' of 'batch'",
                   (unsigned long long)config_slots(consumer));
    }
}

/* What one message may take, within what all may hold. */
static void derive_sizes(const struct derive *derive, const struct section *section,
                         struct config_consumer *consumer)
{
    uint64_t buffer = consumer->buffer == 0 ? config_buffer(derive->config) : consumer->buffer;
    if (consumer->message_size_max <= buffer)
        return;
    if (section_node(section, OPTIONS_CONSUMER, "message-size") == NULL)
        consumer->message_size_max = buffer;
    else
        derive_say(derive->findings, section, OPTIONS_CONSUMER, "message-size",
                   "it is larger than 'buffer'%s: one such message would never fit",
                   consumer->buffer == 0 ? " of 'runtime'" : "");
}

static void derive_batch(const struct derive *derive, const struct section *section,
                         const struct config_consumer *consumer)
{
    if (consumer->batch_size > 0 && config_slots(consumer) > DERIVE_PREFETCH_MAX)
        derive_say(
            derive->findings, section, OPTIONS_BATCH, "size",
            "times 'concurrency', which is %u, it is %llu messages: a broker sends %d at most",
            consumer->concurrency, (unsigned long long)config_slots(consumer), DERIVE_PREFETCH_MAX);
}

/* A message may wait for its start and then take its whole timeout: the broker waits no longer. */
static void derive_timeouts(const struct derive *derive, const struct section *section,
                            const struct config_consumer *consumer)
{
    uint64_t handling_ms = consumer->consumer_timeout_ms - consumer->consumer_timeout_ms / 4;
    if (consumer->consumer_timeout_ms == 0 || consumer->timeout_ms <= handling_ms)
        return;
    derive_say(derive->warnings, section, OPTIONS_CONSUMER, "timeout",
               "the broker takes the channel away after 'consumer-timeout', %llu s, of which a "
               "message may wait a quarter for its start: keep it at %llu s at most, or raise "
               "consumer_timeout of the broker and tell it here",
               (unsigned long long)(consumer->consumer_timeout_ms / 1000),
               (unsigned long long)(handling_ms / 1000));
}

/* What is written and has no effect is a mistake more often than not. */
static void derive_idle(const struct derive *derive, const struct section *section)
{
    static const struct {
        enum options_section part;
        const char *key;
        enum options_section needed_part;
        const char *needed, *text;
    } idle[] = {
        {OPTIONS_CONSUMER, "key-order", OPTIONS_CONSUMER, "key", "it has no effect without 'key'"},
        {OPTIONS_CONSUMER, "key-hold", OPTIONS_CONSUMER, "key", "it has no effect without 'key'"},
        {OPTIONS_BATCH, "wait", OPTIONS_BATCH, "size", "it has no effect without 'size'"},
        {OPTIONS_KILL_SWITCH, "of", OPTIONS_KILL_SWITCH, "failures",
         "it has no effect without 'failures', as 50%"},
        {OPTIONS_KILL_SWITCH, "pause", OPTIONS_KILL_SWITCH, "failures",
         "it has no effect without 'failures', as 50%"},
    };
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++) {
        if (section_node(section, idle[i].part, idle[i].key) != NULL &&
            section_node(section, idle[i].needed_part, idle[i].needed) == NULL)
            derive_say(derive->warnings, section, idle[i].part, idle[i].key, "%s", idle[i].text);
    }
}

void derive_limit(const struct derive *derive, struct section *section, struct config_limit *limit)
{
    limit->name = section->name;
    if (section_node(section, OPTIONS_LIMIT, "concurrency") == NULL &&
        section_node(section, OPTIONS_LIMIT, "rate") == NULL)
        findings_add(derive->findings, &section->place,
                     "limit '%s' bounds nothing: give it 'concurrency' or 'rate'", section->name);
}

/* "KIND" or "KIND:NAME" into its parts. */
static void derive_key(const struct derive *derive, const struct section *section,
                       struct config_consumer *consumer)
{
    static const char *const properties[] = {
        "message-id", "correlation-id", "type", "reply-to", "app-id", "user-id", "content-type"};
    const char *colon = strchr(consumer->key, ':');
    consumer->key_name = colon == NULL ? NULL : colon + 1;
    if (strcmp(consumer->key, "routing-key") == 0) {
        consumer->key_kind = CONFIG_KEY_ROUTING_KEY;
        return;
    }
    if (strncmp(consumer->key, "header:", strlen("header:")) == 0 && *consumer->key_name != '\0') {
        consumer->key_kind = CONFIG_KEY_HEADER;
        return;
    }
    if (strncmp(consumer->key, "property:", strlen("property:")) == 0) {
        consumer->key_kind = CONFIG_KEY_PROPERTY;
        for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
            if (strcmp(consumer->key_name, properties[i]) == 0)
                return;
        }
        derive_say(derive->findings, section, OPTIONS_CONSUMER, "key",
                   "there is no such property: write message-id, correlation-id, type, reply-to, "
                   "app-id, user-id or content-type");
        return;
    }
    derive_say(derive->findings, section, OPTIONS_CONSUMER, "key",
               "write header:NAME, routing-key, or property:NAME");
}

static const struct config_limit *derive_find_limit(const struct derive *derive, const char *name)
{
    const struct config *config = derive->config;
    for (size_t i = 0; i < config->limit_count; i++) {
        if (strcmp(config->limits[i].name, name) == 0)
            return &config->limits[i];
    }
    return NULL;
}

/* The groups that it names, each once. */
static int derive_limits(const struct derive *derive, const struct section *section,
                         const char *const *names, struct config_consumer *consumer)
{
    size_t count = 0;
    while (names[count] != NULL)
        count++;
    const struct config_limit **limits =
        arena_alloc(&derive->config->arena, (count + 1) * sizeof *limits);
    if (limits == NULL)
        return derive_no_memory();
    consumer->limits = limits;
    for (size_t i = 0; i < count; i++) {
        char quote[FINDINGS_QUOTE_SIZE];
        const struct config_limit *limit = derive_find_limit(derive, names[i]);
        derive_quote(section, OPTIONS_CONSUMER, "limits", names[i], quote);
        if (limit == NULL)
            derive_say(derive->findings, section, OPTIONS_CONSUMER, "limits",
                       "there is no '%s' in the top-level 'limits'", quote);
        for (size_t j = 0; j < consumer->limit_count && limit != NULL; j++) {
            if (limits[j] != limit)
                continue;
            derive_say(derive->findings, section, OPTIONS_CONSUMER, "limits", "'%s' is there twice",
                       quote);
            limit = NULL;
        }
        if (limit != NULL)
            limits[consumer->limit_count++] = limit;
    }
    return ACKD_OK;
}

/* What the section and the items of its lists must have. */
static void derive_required(const struct derive *derive, const struct section *section)
{
    size_t count = 0;
    const struct options_row *rows = options_rows(&count);
    for (size_t i = 0; i < count && !derive->findings->incomplete; i++) {
        char where[SECTION_TEXT_SIZE];
        if (rows[i].section == section->kind && options_required(&rows[i]) &&
            section->nodes[i] == NULL)
            findings_add(derive->findings, &section->place, "%s has no '%s'",
                         section_describe(section, section->kind, where), rows[i].key);
    }
    for (const struct section_list *list = section->lists; list != NULL; list = list->next) {
        for (size_t i = 0; i < list->count; i++)
            derive_required(derive, &list->items[i]);
    }
}

int derive_consumer(const struct derive *derive, struct section *section,
                    struct config_consumer *ret_consumer)
{
    struct options_consumer *values = section->values;
    struct config_consumer *consumer = &values->out;
    consumer->name = section->name;
    consumer->file = section->place.file;
    consumer->line = section->place.line;
    consumer->column = section->place.column;
    derive_required(derive, section);
    derive_choose_broker(derive, section);
    if (values->out.broker != NULL)
        values->broker = values->out.broker->name;
    if (consumer->key != NULL)
        derive_key(derive, section, consumer);
    if (values->limits != NULL)
        ACKD_TRY(derive_limits(derive, section, values->limits, consumer));
    derive_numbers(derive, section, consumer);
    derive_sizes(derive, section, consumer);
    derive_batch(derive, section, consumer);
    derive_timeouts(derive, section, consumer);
    derive_idle(derive, section);
    derive_queue(derive, section);
    if (consumer->handler != NULL)
        ACKD_TRY(derive_handler(derive, section, consumer));
    if (consumer->queue != NULL)
        ACKD_TRY(derive_dead_letter(derive, section, consumer));
    if (consumer->queue != NULL)
        derive_retry(derive, section, consumer);
    *ret_consumer = *consumer;
    return ACKD_OK;
}
