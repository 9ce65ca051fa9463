/* SPDX-License-Identifier: MIT */
/* journal - formatting and sending datagrams. It must not know which records are worth it. */
#include <config.h>

#include "io/journal.h"

#include <ackd/error.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { JOURNAL_KEY_SIZE = 64 }; /* the journal's own bound of a field's name */

bool journal_is_stream(int fd)
{
    const char *announced = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return announced != NULL && sscanf(announced, "%llu:%llu", &device, &inode) == 2 &&
           fstat(fd, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static void journal_address(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
}

int journal_open(const char *path, int *ret_fd)
{
    struct sockaddr_un address;
    journal_address(path, &address);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ackd_fail(ACKD_E_OS, "cannot make a socket for the journal: %s", strerror(errno));
    /* Only to see whether it listens: what is connected does not survive the journal's restart. */
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int code = ackd_fail(ACKD_E_OS, "there is no journal at %s: %s: set log.format to logfmt",
                             path, strerror(errno));
        close(fd);
        return code;
    }
    (void)connect(fd, &(const struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr));
    *ret_fd = fd;
    return ACKD_OK;
}

struct journal_datagram {
    char *at;
    size_t size;
    size_t length;
};

static void journal_put(struct journal_datagram *datagram, const char *key, const char *text)
{
    int length =
        snprintf(datagram->at + datagram->length, datagram->size - datagram->length, "%s=", key);
    size_t end = datagram->length + (size_t)length;
    if (end + 2 >= datagram->size)
        return;
    /* Escaped, a value has no newline and no byte that the journal would show as a blob. */
    end += log_escape(text, datagram->at + end, datagram->size - end - 1);
    datagram->at[end++] = '\n';
    datagram->length = end;
}

/* Only these may be in a name, and it may not begin with an underscore. */
static void journal_put_field(struct journal_datagram *datagram, const struct ackd_log_field *field)
{
    char key[JOURNAL_KEY_SIZE] = "ACKD_", number[24];
    size_t length = 5;
    for (const char *at = field->key; *at != '\0' && length + 1 < sizeof key; at++) {
        char byte = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
        bool plain = (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        key[length++] = (char)(plain ? byte : '_');
    }
    key[length] = '\0';
    snprintf(number, sizeof number, "%lld", (long long)field->number);
    journal_put(datagram, key, field->text == NULL ? number : field->text);
}

size_t journal_format(const struct log_record *record, char *datagram, size_t size)
{
    struct journal_datagram out = {.at = datagram, .size = size};
    const char priority[] = {(char)('0' + (int)record->level % 8), '\0'};
    journal_put(&out, "PRIORITY", priority);
    journal_put(&out, "SYSLOG_IDENTIFIER", "ackd");
    journal_put(&out, "ACKD_EVENT", record->event);
    journal_put(&out, "MESSAGE", record->text);
    for (size_t i = 0; i < record->count; i++)
        journal_put_field(&out, &record->fields[i]);
    for (const struct log_context *context = record->context; context != NULL;
         context = context->outer) {
        for (size_t i = 0; i < context->count; i++)
            journal_put_field(&out, &context->fields[i]);
    }
    return out.length;
}

bool journal_send(int fd, const char *path, const char *datagram, size_t size)
{
    struct sockaddr_un address;
    journal_address(path, &address);
    return sendto(fd, datagram, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                  (const struct sockaddr *)&address, sizeof address) == (ssize_t)size;
}
