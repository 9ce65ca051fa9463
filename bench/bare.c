/* SPDX-License-Identifier: MIT */
/* bare - the consumer that everybody writes first: librabbitmq, a loop, an ack per message. What
 * all figures are compared with.
 *
 *     bare PREFETCH, with the port in ACKD_BENCH_PORT
 */
#include <config.h>

#ifdef HAVE_RABBITMQ_C_AMQP_H
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static volatile uint64_t bytes; /* what the handler does: nothing that can be left out */

static int bare_handle(amqp_bytes_t body)
{
    bytes += body.len;
    return 0;
}

static amqp_connection_state_t bare_connect(int port)
{
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    if (socket == NULL || amqp_socket_open(socket, "127.0.0.1", port) != AMQP_STATUS_OK)
        return NULL;
    amqp_rpc_reply_t reply =
        amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
    return reply.reply_type == AMQP_RESPONSE_NORMAL ? connection : NULL;
}

static void bare_consume(amqp_connection_state_t connection)
{
    for (;;) {
        amqp_envelope_t envelope;
        amqp_maybe_release_buffers(connection);
        amqp_rpc_reply_t reply = amqp_consume_message(connection, &envelope, NULL, 0);
        if (reply.reply_type != AMQP_RESPONSE_NORMAL)
            return;
        int failed = bare_handle(envelope.message.body);
        if (!failed && amqp_basic_ack(connection, 1, envelope.delivery_tag, 0) != AMQP_STATUS_OK)
            return;
        amqp_destroy_envelope(&envelope);
    }
}

int main(int argc, char **argv)
{
    const char *port = getenv("ACKD_BENCH_PORT");
    if (argc != 2 || port == NULL)
        return EXIT_FAILURE;
    amqp_connection_state_t connection = bare_connect(atoi(port));
    if (connection == NULL || amqp_channel_open(connection, 1) == NULL ||
        amqp_basic_qos(connection, 1, 0, (uint16_t)atoi(argv[1]), 0) == NULL ||
        amqp_basic_consume(connection, 1, amqp_cstring_bytes("bench"), amqp_empty_bytes, 0, 0, 0,
                           amqp_empty_table) == NULL) {
        fprintf(stderr, "bare: no broker\n");
        return EXIT_FAILURE;
    }
    bare_consume(connection);
    return EXIT_SUCCESS;
}
