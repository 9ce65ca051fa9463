/* SPDX-License-Identifier: MIT */
/*
 * descriptor - waiting until a descriptor of somebody else's can be read or written: a database
 * client's socket, a device, an eventfd. What holds for all of <ackd/io.h> holds here.
 *
 *     ACKD_DESCRIPTOR(socket);
 *     ACKD_TRY(ackd_descriptor_open(PQsocket(database), &socket));
 *     while (PQisBusy(database)) {
 *         ACKD_TRY(ackd_await_readable(socket));
 *         if (!PQconsumeInput(database))
 *             return ackd_fail(ACKD_E_USER, "%s", PQerrorMessage(database));
 *     }
 */
#ifndef ACKD_DESCRIPTOR_H
#define ACKD_DESCRIPTOR_H

#include <ackd/abi.h>
#include <ackd/error.h>

ACKD_BEGIN_DECLS

struct ackd_descriptor;

/* Declare one, not yet opened, that is closed at the end of the block. */
#define ACKD_DESCRIPTOR(descriptor) \
    __attribute__((cleanup(ackd_descriptor_close))) struct ackd_descriptor *descriptor = NULL

/*
 * Watch @fd, which stays the caller's and is made non-blocking. It must stay open until
 * ackd_descriptor_close. Does not suspend. ACKD_E_OS where it cannot be watched: a plain file, which
 * is always ready, or one that this loop watches already; ACKD_E_NOMEM; ACKD_E_NOT_IN_TASK.
 */
ACKD_API ACKD_MUST_CHECK int ackd_descriptor_open(int fd, struct ackd_descriptor **ret_descriptor);
/* Watch it no more; it is not closed itself. @descriptor becomes NULL; NULL does nothing. */
ACKD_API void ackd_descriptor_close(struct ackd_descriptor **descriptor);

/*
 * Wait until it looks as if a read, or a write, would not block: that includes its end and errors,
 * which the call itself tells. What is ready already does not suspend for long: one round of the
 * loop. Cancelled, it has changed nothing. ACKD_CANCELED; ACKD_E_CLOSED; ACKD_E_INVAL where another
 * task waits for the same; ACKD_E_WRONG_LOOP; ACKD_E_OS.
 */
#define ackd_await_readable(descriptor) ackd_await_readable_at((descriptor), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_await_readable_at(struct ackd_descriptor *descriptor,
                                                  const char *file, int line, const char *function);
#define ackd_await_writable(descriptor) ackd_await_writable_at((descriptor), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_await_writable_at(struct ackd_descriptor *descriptor,
                                                  const char *file, int line, const char *function);

ACKD_END_DECLS

#endif
