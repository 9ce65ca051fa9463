/* SPDX-License-Identifier: MIT */
/* Nothing of its own: libackd is the floors below, and libtool wants one source to tell the linker.
 */
#include <config.h>

#include <ackd/abi.h>

extern const char *const ackd_library_version;
ACKD_API const char *const ackd_library_version = PACKAGE_VERSION;
