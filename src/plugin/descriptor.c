/* SPDX-License-Identifier: MIT */
/* descriptor - the agreement of two versions, before anything of the plugin is called. */
#include <config.h>

#include "plugin/descriptor.h"

#include <ackd/error.h>
#include <stdint.h>
#include <string.h>

bool descriptor_complete(const void *theirs, size_t their_size, void *ret_ours, size_t our_size)
{
    const uint8_t *bytes = theirs;
    size_t common = their_size < our_size ? their_size : our_size;
    memset(ret_ours, 0, our_size);
    memcpy(ret_ours, theirs, common);
    for (size_t i = common; i < their_size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

int descriptor_read(const struct ackd_consumer *theirs, const char *who,
                    struct ackd_consumer *ret_ours)
{
    struct ackd_consumer ours;
    if (theirs->size < offsetof(struct ackd_consumer, name))
        return ackd_fail(
            ACKD_E_PLUGIN,
            "%s has an ackd_consumer that is not made by ACKD_CONSUMER: its size is %u", who,
            theirs->size);
    if (theirs->abi_major != ACKD_ABI_MAJOR)
        return ackd_fail(ACKD_E_PLUGIN,
                         "%s was built for ackd ABI %u.%u, this is %d.%d: rebuild it against this "
                         "version's headers",
                         who, theirs->abi_major, theirs->abi_minor, ACKD_ABI_MAJOR, ACKD_ABI_MINOR);
    if (!descriptor_complete(theirs, theirs->size, &ours, sizeof ours))
        return ackd_fail(
            ACKD_E_PLUGIN,
            "%s was built for ackd ABI %u.%u and uses what %d.%d does not have: update "
            "ackd, or rebuild it against this version's headers",
            who, theirs->abi_major, theirs->abi_minor, ACKD_ABI_MAJOR, ACKD_ABI_MINOR);
    if (ours.name == NULL || ours.name[0] == '\0')
        return ackd_fail(ACKD_E_PLUGIN, "%s has no name: ACKD_CONSUMER(.name = ...)", who);
    if (ours.handle == NULL && ours.handle_batch == NULL)
        return ackd_fail(
            ACKD_E_PLUGIN,
            "%s has no handle function: ACKD_CONSUMER(.handle = ...), or .handle_batch", who);
    if ((unsigned)ours.run_failure > ACKD_SERVICE_IGNORE)
        return ackd_fail(ACKD_E_PLUGIN,
                         "%s has run_failure %d: it is one of enum ackd_service_failure", who,
                         (int)ours.run_failure);
    *ret_ours = ours;
    return ACKD_OK;
}
