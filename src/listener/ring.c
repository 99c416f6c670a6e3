/* SPDX-License-Identifier: MIT */
/* The queue under every listener: eight bytes a message beside the message itself.
 *
 * The slots are a power of two and double when they are full, so a push is amortised constant; how many there may be is
 * the listener's decision. It refuses to know threads. */

#include "listener/ring.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define RING_MIN ((size_t)16)

int ring_grow(struct ring *r)
{
    size_t n_slots = r->n_slots == 0 ? RING_MIN : r->n_slots * 2;
    qmp_message **slots;

    if (n_slots > SIZE_MAX / sizeof(*slots))
        return -ENOMEM;
    slots = malloc(n_slots * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < r->n; i++)
        slots[i] = r->slots[ring_slot(r, i)];
    free(r->slots);
    r->slots = slots;
    r->n_slots = n_slots;
    r->head = 0;
    return 0;
}

void ring_done(struct ring *r)
{
    while (r->n > 0) {
        qmp_message *m = ring_pop(r);

        if (!ring_is_mark(m))
            qmp_message_unref(m);
    }
    free(r->slots);
    *r = (struct ring){0};
}
