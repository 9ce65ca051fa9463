/* SPDX-License-Identifier: MIT */
/*
 * file - files and directories, awaited.
 *
 * The calls of the system are made on libuv's threads, so a slow disk holds up no loop. A request
 * that is not yet begun when its task is cancelled is taken back, and never happens; one under way
 * is waited for, and what it returned counts. Reads and writes are made in pieces of 1 MiB, and
 * cancellation is seen between them. After a call returned, for whatever reason, the caller's
 * memory is not touched any more. A file belongs to the loop of the task that opened it; calls from
 * elsewhere return ACKD_E_WRONG_LOOP.
 *
 *     ACKD_FILE(log);
 *     ACKD_TRY(ackd_file_open("orders.log", ACKD_FILE_APPEND | ACKD_FILE_CREATE, 0640, &log));
 *     ACKD_TRY(ackd_file_write(log, line, strlen(line)));
 *     ACKD_TRY(ackd_file_sync(log));
 *
 * Where the system refuses: ACKD_E_NOT_FOUND if what is named is not there, else ACKD_E_OS with its
 * errno.
 */
#ifndef ACKD_FILE_H
#define ACKD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/message.h>

ACKD_BEGIN_DECLS

struct ackd_file;

enum ackd_file_flags {
    ACKD_FILE_READ = 1,
    ACKD_FILE_WRITE = 2,
    ACKD_FILE_APPEND = 4,     /* write, and each write goes to the end */
    ACKD_FILE_CREATE = 8,     /* make it if it is not there */
    ACKD_FILE_EXCLUSIVE = 16, /* make it, and fail (EEXIST) if it is there */
    ACKD_FILE_TRUNCATE = 32   /* forget what is in it */
};

/* Declare a file, not yet opened, that is closed at the end of the block. */
#define ACKD_FILE(file) __attribute__((cleanup(ackd_file_close))) struct ackd_file *file = NULL

/*
 * Open @path; a file that is made gets @mode, less the process's umask. ACKD_E_INVAL for a FIFO,
 * whose reads would wait for its other end and hold a thread.
 */
#define ackd_file_open(path, flags, mode, ret_file) \
    ackd_file_open_at((path), (flags), (mode), (ret_file), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_file_open_at(const char *path, unsigned flags, unsigned mode,
                                             struct ackd_file **ret_file, const char *file,
                                             int line, const char *function);
/*
 * Let go of it: its descriptor is closed once no task is inside a call. Does not wait. @file
 * becomes NULL; NULL does nothing. What was written is with the system, but not on the disk before
 * ackd_file_sync.
 */
ACKD_API void ackd_file_close(struct ackd_file **file);

/*
 * Read at most @size bytes from where the last read or write ended. *ret_size is 0 at the end of
 * the file, and there alone; it may be less than @size before it. A cancelled read has lost
 * nothing.
 */
#define ackd_file_read(file, buffer, size, ret_size) \
    ackd_file_read_at((file), ACKD_FILE_ON, (buffer), (size), (ret_size), ACKD_HERE)
/* The same from @offset, which leaves alone where the last one ended. */
#define ackd_file_read_from(file, offset, buffer, size, ret_size) \
    ackd_file_read_at((file), (offset), (buffer), (size), (ret_size), ACKD_HERE)
#define ACKD_FILE_ON UINT64_MAX
ACKD_API ACKD_SUSPENDS int ackd_file_read_at(struct ackd_file *file, uint64_t offset, void *buffer,
                                             size_t size, size_t *ret_size, const char *place_file,
                                             int line, const char *function);

/*
 * Write all @size bytes where the last read or write ended. After ACKD_CANCELED, or a failure, an
 * unknown part is written.
 */
#define ackd_file_write(file, data, size) \
    ackd_file_write_at((file), ACKD_FILE_ON, (data), (size), ACKD_HERE)
/* The same at @offset; with ACKD_FILE_APPEND it goes to the end all the same. */
#define ackd_file_write_to(file, offset, data, size) \
    ackd_file_write_at((file), (offset), (data), (size), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_file_write_at(struct ackd_file *file, uint64_t offset,
                                              const void *data, size_t size, const char *place_file,
                                              int line, const char *function);

/* Wait until all that was written is on the disk: fsync(2). */
#define ackd_file_sync(file) ackd_file_sync_at((file), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_file_sync_at(struct ackd_file *file, const char *place_file,
                                             int line, const char *function);

enum ackd_file_kind { ACKD_FILE_REGULAR, ACKD_FILE_DIRECTORY, ACKD_FILE_OTHER };
struct ackd_file_info {
    enum ackd_file_kind kind;
    unsigned mode; /* permissions alone */
    uint64_t size;
    int64_t modified_ns; /* since 1970 */
};
/* Of what @path names, links followed. */
#define ackd_file_stat(path, ret_info) ackd_file_stat_at((path), (ret_info), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_file_stat_at(const char *path, struct ackd_file_info *ret_info,
                                             const char *file, int line, const char *function);

/*
 * The whole of a file, in the task's memory (memory.h), with a 0 behind it that does not count.
 * ACKD_E_TOO_LARGE where it has more than @size_max bytes.
 */
#define ackd_file_read_whole(path, size_max, ret_bytes) \
    ackd_file_read_whole_at((path), (size_max), (ret_bytes), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_file_read_whole_at(const char *path, size_t size_max,
                                                   struct ackd_bytes *ret_bytes, const char *file,
                                                   int line, const char *function);

/*
 * Put a file with these bytes in the place of @path, at once: whoever opens it, also after a power
 * cut, finds the old one or the new one whole. Written beside it, synced, renamed, and the
 * directory synced. Until the rename a failure or a cancellation leaves the old one, and nothing
 * else; from there on cancellation is not seen. The new file gets @mode, less the umask; a symbolic
 * link is replaced, not followed.
 */
#define ackd_file_replace(path, data, size, mode) \
    ackd_file_replace_at((path), (data), (size), (mode), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_file_replace_at(const char *path, const void *data, size_t size,
                                                unsigned mode, const char *file, int line,
                                                const char *function);

/* The name of a file, of an empty directory: gone. */
#define ackd_file_remove(path) ackd_file_remove_at((path), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_file_remove_at(const char *path, const char *file, int line,
                                               const char *function);
#define ackd_directory_remove(path) ackd_directory_remove_at((path), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_directory_remove_at(const char *path, const char *file, int line,
                                                    const char *function);
/* What is at @to is replaced. */
#define ackd_file_rename(from, to) ackd_file_rename_at((from), (to), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_file_rename_at(const char *from, const char *to, const char *file,
                                               int line, const char *function);
#define ackd_directory_make(path, mode) ackd_directory_make_at((path), (mode), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_directory_make_at(const char *path, unsigned mode, const char *file,
                                                  int line, const char *function);

/*
 * The names in a directory but "." and "..", in no order: @ret_count strings, and a NULL, in the
 * task's memory. ACKD_E_TOO_LARGE where there are more than @count_max.
 */
#define ackd_directory_list(path, count_max, ret_names, ret_count) \
    ackd_directory_list_at((path), (count_max), (ret_names), (ret_count), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_directory_list_at(const char *path, size_t count_max,
                                                  const char *const **ret_names, size_t *ret_count,
                                                  const char *file, int line, const char *function);

ACKD_END_DECLS

#endif
