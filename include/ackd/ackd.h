/* SPDX-License-Identifier: MIT */
/*
 * ackd - everything a handler needs. Each header below is one idea and can be included alone.
 *
 * In C++17 and later, with g++ and clang++, all of it is the same but for this: members named in
 * ACKD_CONSUMER and ACKD_OPTION stand in the order of their structure; where a function has the name
 * of a structure, the structure is written with 'struct' (struct ackd_bytes); ACKD_FIELDS is an array
 * of yours; and no exception may leave a function that ackd calls: the process ends. Within it they
 * may be thrown and caught, across awaits too.
 */
#ifndef ACKD_ACKD_H
#define ACKD_ACKD_H

#include <ackd/abi.h>
#include <ackd/batch.h>
#include <ackd/blocking.h>
#include <ackd/cancel.h>
#include <ackd/combine.h>
#include <ackd/consumer.h>
#include <ackd/error.h>
#include <ackd/file.h>
#include <ackd/io.h>
#include <ackd/log.h>
#include <ackd/mailbox.h>
#include <ackd/memory.h>
#include <ackd/message.h>
#include <ackd/offload.h>
#include <ackd/option.h>
#include <ackd/promise.h>
#include <ackd/publish.h>
#include <ackd/service.h>
#include <ackd/sync.h>
#include <ackd/task.h>

#endif
