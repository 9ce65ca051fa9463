/* SPDX-License-Identifier: MIT */
/*
 * copy - a plugin's file as we alone have it.
 *
 * To overwrite a file that is mapped kills the process that maps it, so the daemon loads a copy: a
 * real file, because debuggers, profilers and cores find it by its name.
 *
 *   C1  A copy is never changed once it has its name: it comes there by rename, and goes by unlink.
 *   C2  Every process that loaded a copy holds a shared lock (flock) on it until it ends. Whoever
 *       gets the exclusive lock may remove it; the lock ends with the process, however that ends.
 *   C3  Copies come and go under the exclusive lock of their directory.
 */
#ifndef ACKD_PLUGIN_COPY_H
#define ACKD_PLUGIN_COPY_H

#include <ackd/abi.h>

#include "plugin/image.h"

/*
 * Put @image into the directory @cache, which is made if it is missing (mode 0700), as
 * <name>-<key>.so. @ret_path, to be freed, is what to load. It stays loadable until the process
 * ends: a descriptor is kept open. ACKD_E_OS where that cannot be; the caller goes on with
 * copy_memory.
 */
ACKD_MUST_CHECK int copy_file(const char *cache, const char *name, const struct image *image,
                              char **ret_path);
/* The same in memory, as a path below /proc. ACKD_E_OS, ACKD_E_NOMEM. */
ACKD_MUST_CHECK int copy_memory(const char *name, const struct image *image, char **ret_path);

/* Remove the copies in @cache that no process has locked. Other files are left alone. */
void copy_sweep(const char *cache);

#endif
