/* SPDX-License-Identifier: MIT */
/*
 * librabbitmq - the one way to the library, which is our codec for methods and nothing more.
 *
 * Only its pure functions are used: decode and encode of methods and properties, and their pools.
 * Its frame reader, login, sockets and calls block, abort on misuse or can be crashed by a peer.
 */
#ifndef ACKD_AMQP_LIBRABBITMQ_H
#define ACKD_AMQP_LIBRABBITMQ_H

#ifdef HAVE_RABBITMQ_C_AMQP_H
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#endif

#endif
