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

/* Takes over the reference on success. Returns 0, -ENOMEM. */
int ring_push(struct ring *r, qmp_message *m);
/* The ring must not be empty. Gives the reference over. */
qmp_message *ring_pop(struct ring *r);
/* The i-th message from the head, borrowed. */
qmp_message *ring_peek(const struct ring *r, size_t i);
/* Replaces the i-th message, references included. */
void ring_replace(struct ring *r, size_t i, qmp_message *m);
/* Drops everything and the memory. */
void ring_done(struct ring *r);

#endif
