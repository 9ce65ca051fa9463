/* SPDX-License-Identifier: MIT */
/* source - files as bytes. It must not know what they mean. */
#include <config.h>

#include "config/source.h"

#include <ackd/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

enum { SOURCE_STEP = 4096 };

void source_free(struct source *source)
{
    if (source->bytes != NULL)
        explicit_bzero(source->bytes, source->size);
    free(source->bytes);
    *source = (struct source){.bytes = NULL};
}

/* Room for SOURCE_STEP more bytes; the old place is wiped, which realloc would not do. */
static int source_grow(struct source *source, size_t *capacity)
{
    if (*capacity - source->size > SOURCE_STEP)
        return ACKD_OK;
    size_t grown = *capacity == 0 ? (size_t)4 * SOURCE_STEP : *capacity * 2;
    char *bytes = malloc(grown);
    if (bytes == NULL)
        return ackd_fail(ACKD_E_NOMEM, "cannot be read: out of memory");
    if (source->bytes != NULL) {
        memcpy(bytes, source->bytes, source->size);
        explicit_bzero(source->bytes, source->size);
        free(source->bytes);
    }
    source->bytes = bytes;
    *capacity = grown;
    return ACKD_OK;
}

static int source_drain(int fd, size_t limit, struct source *source)
{
    size_t capacity = 0;
    for (;;) {
        ACKD_TRY(source_grow(source, &capacity));
        ssize_t taken = read(fd, source->bytes + source->size, SOURCE_STEP);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken < 0)
            return ackd_fail(ACKD_E_OS, "cannot be read: %s", strerror(errno));
        source->size += (size_t)taken;
        if (source->size > limit)
            return ackd_fail(ACKD_E_TOO_LARGE, "is larger than %zu bytes", limit);
        if (taken == 0) {
            source->bytes[source->size] = '\0';
            return ACKD_OK;
        }
    }
}

static int source_check(int fd, size_t limit, bool secret, struct source *source)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return ackd_fail(ACKD_E_OS, "cannot be read: %s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return ackd_fail(ACKD_E_REFUSED, "is a directory");
    if (secret && !S_ISREG(status.st_mode))
        return ackd_fail(ACKD_E_REFUSED, "is not a regular file");
    if (secret && (status.st_mode & (S_IROTH | S_IWOTH)) != 0)
        return ackd_fail(ACKD_E_REFUSED,
                         "holds a secret, but everybody may %s it (mode %04o): chmod o= it",
                         (status.st_mode & S_IROTH) != 0 ? "read" : "write to",
                         (unsigned)(status.st_mode & 07777));
    if (S_ISREG(status.st_mode) && status.st_size > (off_t)limit)
        return ackd_fail(ACKD_E_TOO_LARGE, "is larger than %zu bytes", limit);
    source->open_to_all = (status.st_mode & S_IROTH) != 0;
    source->writable_by_all = S_ISREG(status.st_mode) && (status.st_mode & S_IWOTH) != 0;
    return ACKD_OK;
}

int source_read(const char *file, size_t limit, bool secret, struct source *ret_source)
{
    ackd_assert(file != NULL);
    /* A secret must not hang the start by being a pipe that nobody writes to. */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | (secret ? O_NONBLOCK : 0));
    if (fd < 0)
        return ackd_fail(ACKD_E_OS, "cannot be read: %s", strerror(errno));
    struct source source = {.bytes = NULL};
    int code = source_check(fd, limit, secret, &source);
    if (code == ACKD_OK)
        code = source_drain(fd, limit, &source);
    (void)close(fd);
    if (code != ACKD_OK) {
        source_free(&source);
        return code;
    }
    *ret_source = source;
    return ACKD_OK;
}
