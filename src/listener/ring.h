/* SPDX-License-Identifier: MIT */
#ifndef SRC_LISTENER_RING_H
#define SRC_LISTENER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qmp/message.h>

/* A FIFO of messages, one reference each, and of marks between them, which the owner gives a meaning to. All zero is
 * empty. */
struct ring {
    qmp_message **slots;
    size_t n_slots, head, n;
};

#define RING_MARK_END ((qmp_message *)NULL)
#define RING_MARK_GAP ((qmp_message *)(uintptr_t)1)

static inline bool ring_is_mark(const qmp_message *m)
{
    return (uintptr_t)m <= (uintptr_t)RING_MARK_GAP;
}

static inline size_t ring_slot(const struct ring *r, size_t i)
{
    return (r->head + i) & (r->n_slots - 1);
}

/* Makes room for one more. Returns 0, -ENOMEM. */
int ring_grow(struct ring *r);

/* Takes over the reference on success. Returns 0, -ENOMEM. */
static inline int ring_push(struct ring *r, qmp_message *m)
{
    if (r->n == r->n_slots) {
        int e = ring_grow(r);

        if (e < 0)
            return e;
    }
    r->slots[ring_slot(r, r->n++)] = m;
    return 0;
}

/* The ring must not be empty. Gives the reference over. */
static inline qmp_message *ring_pop(struct ring *r)
{
    qmp_message *m = r->slots[r->head];

    r->head = ring_slot(r, 1);
    r->n--;
    return m;
}

/* The i-th message from the head, borrowed. */
static inline qmp_message *ring_peek(const struct ring *r, size_t i)
{
    return r->slots[ring_slot(r, i)];
}

/* Replaces the i-th message, references included. */
static inline void ring_replace(struct ring *r, size_t i, qmp_message *m)
{
    r->slots[ring_slot(r, i)] = m;
}

/* Drops everything and the memory. */
void ring_done(struct ring *r);

#endif
