/* SPDX-License-Identifier: MIT */
/*
 * embed - tasks and services in a program of one's own, without the daemon and without a broker.
 *
 * It checks a few orders side by side and waits for that like any call; then it runs two services:
 * a shop that gives work to a packer, until everything is packed. A signal would stop it as well.
 *
 *     cc embed.c $(pkg-config --cflags --libs ackd)
 */
#include <ackd/ackd.h>
#include <ackd/runtime.h>
#include <stdio.h>
#include <stdlib.h>

enum { ORDERS = 5 };

struct order {
    int number;
    int price;
};

/* It would ask a database or another host, and wait for the answer as it does here. */
static int price_order(void *arg)
{
    struct order *order = arg;
    ACKD_TRY(ackd_delay(20));
    order->price = order->number * 10;
    return ACKD_OK;
}

/* All at once: they take as long as one. */
static int price_all(void *arg)
{
    struct order *orders = arg;
    ACKD_SCOPE(calls);
    for (int i = 0; i < ORDERS; i++)
        ACKD_TRY(ackd_spawn(&calls, price_order, &orders[i]));
    return ackd_scope_join(&calls);
}

/* What both services have: each is told of it as its state. */
struct shop {
    struct ackd_runtime *runtime;
    struct ackd_mailbox *orders; /* from the shop to the packer */
    struct order *all;
    int packed;
};

static int shop_run(void *state)
{
    struct shop *shop = state;
    for (int i = 0; i < ORDERS; i++) {
        ACKD_TRY(ackd_mailbox_send(shop->orders, &shop->all[i])); /* waits while it is full */
        ACKD_TRY(ackd_delay(1));
    }
    ackd_mailbox_complete(shop->orders, ACKD_OK);
    return ACKD_OK; /* to return early is no failure */
}

static int packer_start(void *state)
{
    struct shop *shop = state;
    return ackd_mailbox_new(
        &(struct ackd_mailbox_options){.name = "orders to be packed", .capacity = 2},
        &shop->orders);
}

static int packer_run(void *state)
{
    struct shop *shop = state;
    void *item;
    int code;
    while ((code = ackd_mailbox_receive(shop->orders, &item)) == ACKD_OK) {
        const struct order *order = item;
        printf("order %d: packed for %d\n", order->number, order->price);
        shop->packed++;
    }
    if (code != ACKD_E_CLOSED)
        return code; /* the program stops: that is no failure either */
    ackd_runtime_stop(shop->runtime);
    return ACKD_OK;
}

static int packer_stop(void *state)
{
    struct shop *shop = state;
    printf("packed %d of %d orders\n", shop->packed, ORDERS);
    ackd_mailbox_free(&shop->orders);
    return ACKD_OK;
}

static int shop_and_packer(struct shop *shop)
{
    const struct ackd_service packer = {.name = "packer",
                                        .state = shop,
                                        .start = packer_start,
                                        .run = packer_run,
                                        .stop = packer_stop,
                                        .on_failure = ACKD_SERVICE_STOP_HOST};
    const struct ackd_service orders = {
        .name = "shop", .state = shop, .run = shop_run, .on_failure = ACKD_SERVICE_RESTART};
    ACKD_TRY(ackd_runtime_add_service(shop->runtime, &packer)); /* the first to start */
    ACKD_TRY(ackd_runtime_add_service(shop->runtime, &orders));
    return ackd_runtime_run(shop->runtime);
}

int main(void)
{
    struct order orders[ORDERS];
    struct shop shop = {.all = orders};
    for (int i = 0; i < ORDERS; i++)
        orders[i] = (struct order){.number = i + 1};
    int code = ackd_runtime_new(&(struct ackd_runtime_options){.loops = 1, .signals = true},
                                &shop.runtime);
    if (code == ACKD_OK)
        code = ackd_block_on(shop.runtime, price_all, orders);
    if (code == ACKD_OK)
        code = shop_and_packer(&shop);
    if (code != ACKD_OK) {
        char text[1024];
        ackd_error_format(ackd_error_current(), text, sizeof text);
        fprintf(stderr, "embed: %s\n", text);
    }
    ackd_runtime_free(&shop.runtime);
    return code == ACKD_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
