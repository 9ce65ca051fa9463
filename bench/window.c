/* SPDX-License-Identifier: MIT */
/* window - see the header. */
#include <config.h>

#include "window.h"

#include <string.h>

enum { WINDOW_SLOTS = WINDOW_MAX * 2 };

void window_init(struct window *window, uint32_t limit)
{
    memset(window, 0, sizeof *window);
    window->first = window->next = 1;
    window->limit = limit < WINDOW_MAX ? limit : WINDOW_MAX;
}

uint32_t window_room(const struct window *window)
{
    uint64_t span = window->next - window->first;
    uint64_t left = WINDOW_SLOTS - span;
    uint32_t room = window->limit - window->open;
    return room < left ? room : (uint32_t)left;
}

uint64_t window_deliver(struct window *window, uint32_t count)
{
    uint64_t first = window->next;
    for (uint32_t i = 0; i < count; i++)
        window->is_open[(first + i) % WINDOW_SLOTS] = true;
    window->next += count;
    window->open += count;
    return first;
}

static bool window_has(const struct window *window, uint64_t tag)
{
    return tag >= window->first && tag < window->next && window->is_open[tag % WINDOW_SLOTS];
}

int64_t window_answer(struct window *window, uint64_t tag, bool multiple)
{
    int64_t closed = 0;
    if (multiple && tag == 0)
        tag = window->next - 1;
    else if (!window_has(window, tag))
        return -1; /* W2 */
    for (uint64_t i = multiple ? window->first : tag; i <= tag; i++) {
        closed += window->is_open[i % WINDOW_SLOTS];
        window->is_open[i % WINDOW_SLOTS] = false;
    }
    while (window->first < window->next && !window->is_open[window->first % WINDOW_SLOTS])
        window->first++;
    window->open -= (uint32_t)closed;
    return closed;
}
