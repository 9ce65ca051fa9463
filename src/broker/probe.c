/* SPDX-License-Identifier: MIT */
/* probe - see the header. */
#include <config.h>

#include "broker/probe.h"

void probe_init(struct probe *probe)
{
    *probe = (struct probe){.needed = PROBE_DOUBTS};
}

void probe_fed(struct probe *probe)
{
    probe_init(probe); /* E1 */
}

void probe_renew(struct probe *probe)
{
    probe->doubts = 0;
}

enum probe_finding probe_answer(struct probe *probe, uint32_t messages, uint32_t consumers,
                                bool hungry)
{
    if (consumers > 0 && (messages == 0 || !hungry)) {
        probe->doubts = 0;
        return PROBE_FINE;
    }
    if (++probe->doubts < probe->needed)
        return PROBE_DOUBT;
    probe->doubts = 0;
    if (probe->needed < PROBE_DOUBTS_MAX)
        probe->needed *= 2; /* E2 */
    return consumers == 0 ? PROBE_FORGOTTEN : PROBE_STARVED;
}
