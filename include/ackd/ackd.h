/* SPDX-License-Identifier: MIT */
/* ackd - everything a handler needs. Each header below is one idea and can be included alone. */
#ifndef ACKD_ACKD_H
#define ACKD_ACKD_H

#include <ackd/abi.h>
#include <ackd/cancel.h>
#include <ackd/consumer.h>
#include <ackd/error.h>
#include <ackd/io.h>
#include <ackd/log.h>
#include <ackd/memory.h>
#include <ackd/message.h>
#include <ackd/option.h>
#include <ackd/task.h>

#endif
