/* SPDX-License-Identifier: MIT */
/* path - what is done to the names of files and directories. It must not open what they name. */
#include <config.h>

#include <ackd/error.h>
#include <ackd/file.h>
#include <ackd/memory.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/timer.h"
#include "io/file.h"

enum { PATH_ENTRIES = 64, PATH_NAMES_FIRST = 16 };

int ackd_file_stat_at(const char *path, struct ackd_file_info *ret_info, const char *file, int line,
                      const char *function)
{
    struct file_caller caller;
    struct file_request request;
    ACKD_TRY(file_caller_init(&caller, path, file, line, function));
    file_request_init(&request, &caller);
    int status = uv_fs_stat(caller.uv, &request.fs, path, file_request_done);
    ssize_t result = file_request_await(&request, status);
    if (result >= 0) {
        const uv_stat_t *found = &request.fs.statbuf;
        *ret_info = (struct ackd_file_info){.kind = S_ISREG(found->st_mode)   ? ACKD_FILE_REGULAR
                                                    : S_ISDIR(found->st_mode) ? ACKD_FILE_DIRECTORY
                                                                              : ACKD_FILE_OTHER,
                                            .mode = (unsigned)found->st_mode & 07777,
                                            .size = found->st_size,
                                            .modified_ns =
                                                (int64_t)found->st_mtim.tv_sec * (int64_t)NS_PER_S +
                                                found->st_mtim.tv_nsec};
    }
    file_request_fini(&request);
    return file_judge(&caller, result, "look at");
}

int ackd_file_remove_at(const char *path, const char *file, int line, const char *function)
{
    struct file_caller caller;
    struct file_request request;
    ACKD_TRY(file_caller_init(&caller, path, file, line, function));
    file_request_init(&request, &caller);
    int status = uv_fs_unlink(caller.uv, &request.fs, path, file_request_done);
    ssize_t result = file_request_await(&request, status);
    file_request_fini(&request);
    return file_judge(&caller, result, "remove");
}

int ackd_directory_remove_at(const char *path, const char *file, int line, const char *function)
{
    struct file_caller caller;
    struct file_request request;
    ACKD_TRY(file_caller_init(&caller, path, file, line, function));
    file_request_init(&request, &caller);
    int status = uv_fs_rmdir(caller.uv, &request.fs, path, file_request_done);
    ssize_t result = file_request_await(&request, status);
    file_request_fini(&request);
    return file_judge(&caller, result, "remove the directory");
}

int ackd_directory_make_at(const char *path, unsigned mode, const char *file, int line,
                           const char *function)
{
    struct file_caller caller;
    struct file_request request;
    ACKD_TRY(file_caller_init(&caller, path, file, line, function));
    file_request_init(&request, &caller);
    int status = uv_fs_mkdir(caller.uv, &request.fs, path, (int)mode, file_request_done);
    ssize_t result = file_request_await(&request, status);
    file_request_fini(&request);
    return file_judge(&caller, result, "make the directory");
}

int ackd_file_rename_at(const char *from, const char *to, const char *file, int line,
                        const char *function)
{
    struct file_caller caller;
    struct file_request request;
    ACKD_TRY(file_caller_init(&caller, from, file, line, function));
    if (to == NULL || to[0] == '\0')
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "no new name for '%s'", from);
    file_request_init(&request, &caller);
    int status = uv_fs_rename(caller.uv, &request.fs, from, to, file_request_done);
    ssize_t result = file_request_await(&request, status);
    file_request_fini(&request);
    int code = file_judge(&caller, result, "rename");
    return code == ACKD_OK || code == ACKD_CANCELED
               ? code
               : ackd_wrap_at(code, file, line, function, "'%s' did not become '%s'", from, to);
}

/* Names that gather in the task's memory. */
struct path_names {
    const char **items; /* with room for a NULL */
    size_t count, room, count_max;
};

static int path_add(struct path_names *names, const struct file_caller *caller, const char *name)
{
    if (names->count == names->count_max)
        return ackd_fail_at(ACKD_E_TOO_LARGE, caller->file, caller->line, caller->function,
                            "'%s' has more than %zu names", caller->path, names->count_max);
    if (names->count + 1 >= names->room) {
        size_t room = names->room == 0 ? PATH_NAMES_FIRST : names->room * 2;
        const char **items = ackd_alloc(room * sizeof(char *));
        if (items == NULL)
            return ackd_error_code(ackd_error_current());
        if (names->count > 0)
            memcpy(items, names->items, names->count * sizeof(char *));
        names->items = items;
        names->room = room;
    }
    const char *copy = ackd_strdup(name);
    if (copy == NULL)
        return ackd_error_code(ackd_error_current());
    names->items[names->count++] = copy;
    names->items[names->count] = NULL;
    return ACKD_OK;
}

static int path_open_directory(const struct file_caller *caller, uv_dir_t **ret_directory)
{
    struct file_request request;
    file_request_init(&request, caller);
    int status = uv_fs_opendir(caller->uv, &request.fs, caller->path, file_request_done);
    ssize_t result = file_request_await(&request, status);
    *ret_directory = result < 0 ? NULL : request.fs.ptr;
    file_request_fini(&request);
    return file_judge(caller, result, "list");
}

static void path_close_directory(const struct file_caller *caller, uv_dir_t *directory)
{
    struct file_caller to_end = file_caller_to_end(caller);
    struct file_request request;
    file_request_init(&request, &to_end);
    int status = uv_fs_closedir(caller->uv, &request.fs, directory, file_request_done);
    ssize_t result = file_request_await(&request, status);
    ackd_assert(result == 0);
    file_request_fini(&request);
}

/* Some of its entries; @ret_more is false at the end. */
static int path_read_directory(const struct file_caller *caller, uv_dir_t *directory,
                               struct path_names *names, bool *ret_more)
{
    struct file_request request;
    ACKD_TRY(wait_check(caller->file, caller->line, caller->function));
    file_request_init(&request, caller);
    int status = uv_fs_readdir(caller->uv, &request.fs, directory, file_request_done);
    ssize_t result = file_request_await(&request, status);
    int code = file_judge(caller, result, "list");
    for (ssize_t i = 0; code == ACKD_OK && i < result; i++)
        code = path_add(names, caller, directory->dirents[i].name);
    file_request_fini(&request);
    *ret_more = result > 0;
    return code;
}

int ackd_directory_list_at(const char *path, size_t count_max, const char *const **ret_names,
                           size_t *ret_count, const char *file, int line, const char *function)
{
    static const char *const none[] = {NULL};
    struct file_caller caller;
    uv_dir_t *directory;
    uv_dirent_t entries[PATH_ENTRIES];
    struct path_names names = {.count_max = count_max};
    bool more = true;
    ACKD_TRY(file_caller_init(&caller, path, file, line, function));
    ACKD_TRY(path_open_directory(&caller, &directory));
    directory->dirents = entries;
    directory->nentries = PATH_ENTRIES;
    int code = ACKD_OK;
    while (code == ACKD_OK && more)
        code = path_read_directory(&caller, directory, &names, &more);
    path_close_directory(&caller, directory);
    ACKD_TRY(code);
    *ret_names = names.count == 0 ? none : names.items;
    *ret_count = names.count;
    return ACKD_OK;
}
