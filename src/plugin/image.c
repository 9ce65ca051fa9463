/* SPDX-License-Identifier: MIT */
/* image - who may have written a file, and what its ELF headers say. */
#include <config.h>

#include "plugin/image.h"

#include <ackd/error.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

/*
 * Nobody but root and ourselves may have chosen these bytes. A group may write if it is our own and
 * we are not root: that is how files look where each user has a group to himself. In a directory
 * with the sticky bit others cannot take a file's place.
 */
static int image_trust(const struct stat *status, const char *what, const char *who)
{
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return ackd_fail(
            ACKD_E_PLUGIN,
            "%s is refused: %s belongs to user %ju, neither root nor the one ackd runs "
            "as: chown it",
            who, what, (uintmax_t)status->st_uid);
    bool sticky = S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX) != 0;
    bool own_group = geteuid() != 0 && status->st_uid == geteuid() && status->st_gid == getegid();
    mode_t others = S_IWOTH | (own_group ? 0 : S_IWGRP);
    if (!sticky && (status->st_mode & others) != 0)
        return ackd_fail(ACKD_E_PLUGIN,
                         "%s is refused: others than its owner may write to %s: chmod go-w it", who,
                         what);
    return ACKD_OK;
}

static int image_trust_directory(const char *file, const char *who)
{
    struct stat status;
    size_t length = (size_t)(strrchr(file, '/') - file);
    char *directory = strndup(file, length == 0 ? 1 : length);
    if (directory == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%s: a path", who);
    int code = stat(directory, &status);
    free(directory);
    if (code != 0)
        return ackd_fail(ACKD_E_OS, "%s cannot be read: %s", who, strerror(errno));
    return image_trust(&status, "its directory", who);
}

static int image_trust_file(const struct stat *status, const char *who)
{
    if (!S_ISREG(status->st_mode))
        return ackd_fail(ACKD_E_PLUGIN, "%s is not a file", who);
    if ((status->st_mode & (S_ISUID | S_ISGID)) != 0)
        return ackd_fail(ACKD_E_PLUGIN, "%s is refused: it is set-user-id: chmod ug-s it", who);
    if (status->st_size > IMAGE_SIZE_MAX)
        return ackd_fail(ACKD_E_PLUGIN, "%s is refused: it has %jd bytes", who,
                         (intmax_t)status->st_size);
    return image_trust(status, "the file", who);
}

/* All that is there, up to @size bytes. */
static int image_fill(struct image *image, int fd, size_t size, const char *who)
{
    image->bytes = malloc(size + 1);
    if (image->bytes == NULL)
        return ackd_fail(ACKD_E_NOMEM, "%s: %zu bytes", who, size);
    while (image->size < size) {
        ssize_t count = read(fd, image->bytes + image->size, size - image->size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return ackd_fail(ACKD_E_OS, "%s cannot be read: %s", who, strerror(errno));
        if (count == 0)
            break;
        image->size += (size_t)count;
    }
    return ACKD_OK;
}

/* Copies @size bytes from @offset of the file; false beyond its end. */
static bool image_at(const struct image *image, uint64_t offset, void *ret, size_t size)
{
    if (offset > image->size || image->size - offset < size)
        return false;
    memcpy(ret, image->bytes + offset, size);
    return true;
}

static void image_hexadecimal(const uint8_t *bytes, size_t size, char *ret)
{
    for (size_t i = 0; i < size; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* Look for the build id among the notes of one segment; see elf(5), "Notes". */
static void image_notes(struct image *image, const ElfW(Phdr) * segment)
{
    uint64_t at = segment->p_offset;
    uint64_t end = at + segment->p_filesz;
    ElfW(Nhdr) note;
    while (at < end && image_at(image, at, &note, sizeof note)) {
        uint64_t name = at + sizeof note;
        uint64_t bytes = name + ((note.n_namesz + UINT64_C(3)) & ~UINT64_C(3));
        at = bytes + ((note.n_descsz + UINT64_C(3)) & ~UINT64_C(3));
        char owner[4];
        uint8_t id[(IMAGE_ID_SIZE - 1) / 2];
        if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof owner || note.n_descsz == 0 ||
            note.n_descsz > sizeof id)
            continue;
        if (image_at(image, name, owner, sizeof owner) && memcmp(owner, "GNU", 4) == 0 &&
            image_at(image, bytes, id, note.n_descsz)) {
            image_hexadecimal(id, note.n_descsz, image->build_id);
            return;
        }
    }
}

static int image_dynamic(const struct image *image, const ElfW(Phdr) * segment, const char *who)
{
    ElfW(Dyn) entry;
    for (uint64_t at = 0; at + sizeof entry <= segment->p_filesz; at += sizeof entry) {
        if (!image_at(image, segment->p_offset + at, &entry, sizeof entry) ||
            entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_TEXTREL ||
            (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_TEXTREL) != 0))
            return ackd_fail(ACKD_E_PLUGIN,
                             "%s is refused: its code is not position-independent: compile it with "
                             "-fPIC",
                             who);
        if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_PIE) != 0)
            return ackd_fail(ACKD_E_PLUGIN, "%s is a program: link it with -shared", who);
    }
    return ACKD_OK;
}

static int image_segment(struct image *image, const ElfW(Phdr) * segment, const char *who)
{
    if (segment->p_offset > image->size || segment->p_filesz > image->size - segment->p_offset)
        return ackd_fail(ACKD_E_PLUGIN, "%s is cut short: install it again", who);
    if (segment->p_type == PT_NOTE && image->build_id[0] == '\0')
        image_notes(image, segment);
    if (segment->p_type == PT_GNU_STACK && (segment->p_flags & PF_X) != 0)
        return ackd_fail(ACKD_E_PLUGIN,
                         "%s is refused: it wants an executable stack: link it with "
                         "-z noexecstack",
                         who);
    if (segment->p_type == PT_DYNAMIC)
        return image_dynamic(image, segment, who);
    return ACKD_OK;
}

static int image_judge(struct image *image, const char *who)
{
    ElfW(Ehdr) header;
    if (!image_at(image, 0, &header, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return ackd_fail(ACKD_E_PLUGIN, "%s is not a shared object", who);
    if (header.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return ackd_fail(ACKD_E_PLUGIN, "%s is of another word size than ackd", who);
    if (header.e_type != ET_DYN)
        return ackd_fail(ACKD_E_PLUGIN, "%s is not a shared object: link it with -shared", who);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!image_at(image, header.e_phoff + (uint64_t)i * header.e_phentsize, &segment,
                      sizeof segment))
            return ackd_fail(ACKD_E_PLUGIN, "%s is cut short: install it again", who);
        ACKD_TRY(image_segment(image, &segment, who));
    }
    return ACKD_OK;
}

/* FNV-1a, 64 bits: two files that share it are told apart by their bytes (see copy). */
static void image_key(struct image *image)
{
    if (image->build_id[0] != '\0') {
        memcpy(image->key, image->build_id, sizeof image->key);
        return;
    }
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < image->size; i++)
        hash = (hash ^ image->bytes[i]) * UINT64_C(0x100000001b3);
    snprintf(image->key, sizeof image->key, "%016" PRIx64, hash);
}

static int image_open(struct image *image, int fd, const char *who)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return ackd_fail(ACKD_E_OS, "%s cannot be read: %s", who, strerror(errno));
    ACKD_TRY(image_trust_file(&status, who));
    ACKD_TRY(image_fill(image, fd, (size_t)status.st_size, who));
    return image_judge(image, who);
}

int image_read(const char *file, const char *who, struct image *ret_image)
{
    ackd_assert(file[0] == '/');
    struct image image = {0};
    ACKD_TRY(image_trust_directory(file, who));
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return ackd_fail(ACKD_E_OS, "%s cannot be read: %s", who, strerror(errno));
    int code = image_open(&image, fd, who);
    close(fd);
    if (code != ACKD_OK) {
        image_fini(&image);
        return code;
    }
    image_key(&image);
    *ret_image = image;
    return ACKD_OK;
}

void image_fini(struct image *image)
{
    free(image->bytes);
    *image = (struct image){0};
}
