/* SPDX-License-Identifier: MIT */
/*
 * orders - the handler of the demonstration: it asks a make-believe supplier, which takes its time
 * and is busy now and then.
 *
 *     {"order": 17, "cents": 4200, "supplier_ms": 35, "busy": 0}
 *
 * An order that costs nothing is dead: no later try will mend it. A busy supplier is a failure, to
 * be tried again, and has time at the second try. Everything else is shipped. One line per try goes
 * to the file `record`, for the demonstration to count:
 *
 *     done 17 attempt=1 redelivered=0 flying=498
 */
#include <ackd/ackd.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct orders {
    const char *record;
    int fd;
    int flying; /* tries that have begun and not ended */
};

struct order {
    long id, cents, supplier_ms, busy;
};

static const struct ackd_option options[] = {
    ACKD_OPTION(struct orders, record, PATH, .required = true, .help = "where tries are noted"),
    ACKD_OPTIONS_END};

static int start(void *state)
{
    struct orders *orders = state;
    orders->fd = open(orders->record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (orders->fd < 0)
        return ackd_fail(ACKD_E_OS, "%s: %s", orders->record, strerror(errno));
    return ACKD_OK;
}

static int stop(void *state)
{
    struct orders *orders = state;
    close(orders->fd);
    return ACKD_OK;
}

/* The number behind "KEY": in a flat object, written as our publisher does. */
static int read_number(const char *text, const char *key, long *ret_number)
{
    const char *at = strstr(text, key);
    char *end;
    if (at == NULL)
        return ackd_dead("an order without %s", key);
    at += strlen(key);
    *ret_number = strtol(at, &end, 10);
    if (end == at)
        return ackd_dead("an order whose %s is not a number", key);
    return ACKD_OK;
}

static int read_order(const struct ackd_message *message, struct order *ret_order)
{
    struct ackd_bytes body = ackd_message_body(message);
    const char *text = ackd_printf("%.*s", (int)body.size, (const char *)body.data);
    if (text == NULL)
        return ackd_error_code(ackd_error_current());
    ACKD_TRY(read_number(text, "\"order\":", &ret_order->id));
    ACKD_TRY(read_number(text, "\"cents\":", &ret_order->cents));
    ACKD_TRY(read_number(text, "\"supplier_ms\":", &ret_order->supplier_ms));
    ACKD_TRY(read_number(text, "\"busy\":", &ret_order->busy));
    return ACKD_OK;
}

static int ship(const struct ackd_message *message, const struct order *order)
{
    if (order->cents <= 0)
        return ackd_dead("order %ld costs %ld cents", order->id, order->cents);
    ACKD_TRY(ackd_delay((uint64_t)order->supplier_ms)); /* no thread waits; cancelled at a stop */
    if (order->busy && ackd_message_attempt(message) == 1)
        return ackd_fail(ACKD_E_USER, "the supplier of order %ld is busy", order->id);
    return ACKD_OK;
}

static const char *outcome(int code)
{
    if (code == ACKD_OK)
        return "done";
    if (code == ACKD_CANCELED)
        return "canceled";
    return ackd_error_verdict(ackd_error_current()) == ACKD_VERDICT_DEAD ? "dead" : "failed";
}

/* Some bytes at the end of a local file: not worth a thread. */
static void note(const struct orders *orders, const struct ackd_message *message,
                 const struct order *order, int code)
{
    char line[128];
    int size = snprintf(line, sizeof line, "%s %ld attempt=%u redelivered=%d flying=%d\n",
                        outcome(code), order->id, ackd_message_attempt(message),
                        ackd_message_redelivered(message), orders->flying);
    if (write(orders->fd, line, (size_t)size) != size)
        ackd_log_error("record", "%s: %s", orders->record, strerror(errno));
}

static int handle(const struct ackd_message *message, void *state)
{
    struct orders *orders = state;
    struct order order;
    ACKD_TRY(read_order(message, &order));
    orders->flying++;
    int code = ship(message, &order);
    note(orders, message, &order, code);
    orders->flying--;
    return code; /* what becomes of the message; acknowledged after this and not before */
}

ACKD_CONSUMER(.name = "orders", .version = "1", .help = "ships the orders of the demonstration",
              .start = start, .handle = handle, .stop = stop, .options = options,
              .state_size = sizeof(struct orders));
