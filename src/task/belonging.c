/* SPDX-License-Identifier: MIT */
/* belonging - finding calls from elsewhere. It must not know what the things are. */
#include <config.h>

#include "task/belonging.h"

#include "task/refusal.h"

int belonging_check_slowly(belonging_loop *loop, const char *what, const char *name,
                           const char *file, int line, const char *function)
{
    struct scheduler *at = NULL;
    /* Two loops may come at the same time: one is first. Nothing else hangs on the order. */
    if (engine_this != NULL &&
        atomic_compare_exchange_strong_explicit(loop, &at, engine_this, memory_order_relaxed,
                                                memory_order_relaxed))
        return ACKD_OK;
    at = atomic_load_explicit(loop, memory_order_relaxed);
    /* What no loop has used yet has nobody waiting for it. */
    if (at == NULL || at == engine_this || engine_is_here(at))
        return ACKD_OK;
    return refusal_at(ACKD_E_WRONG_LOOP, NULL, file, line, function,
                      "%s '%s' belongs to %s, this is %s", what, name == NULL ? "" : name, at->name,
                      engine_this == NULL ? "another thread" : engine_this->name);
}
