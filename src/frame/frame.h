/* SPDX-License-Identifier: MIT */
#ifndef SRC_FRAME_FRAME_H
#define SRC_FRAME_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buffer.h"

struct frame {
    size_t size_max;
    unsigned depth_max;

    struct buffer pending; /* the start of a message whose end has not come yet */
    unsigned depth;
    bool in_string, escaped;
    bool handed_out; /* `pending` is a message that the caller is still reading */
};

void frame_init(struct frame *f, size_t size_max, unsigned depth_max);
void frame_done(struct frame *f);

/* Forgets the message that has begun, or the error, and frees the memory: no input may lie where frame_space() said. */
void frame_reset(struct frame *f);

/* Where to receive the next bytes: behind the pending ones if there are any, else into `scratch`. Either way the bytes
 * go to frame_next() in place. Returns 0 with room for at least one byte, -ENOMEM, -EMSGSIZE. */
int frame_space(struct frame *f, char *scratch, size_t scratch_size, char **ret, size_t *ret_size);

/* Takes bytes from [*data, *data + *size) and cuts off the next top-level object or array by its structure: braces
 * outside of strings. *data and *size advance over what was taken; call until it returns 0.
 *
 * Returns 1 and in *ret, *ret_size the text, without white space around it, valid until the next call and as long as
 * the input is; 0 when everything was taken and more is needed; -EBADMSG when something else than white space is
 * between messages (*ret, *ret_size: from there on); -EMSGSIZE, -ELOOP when the message exceeds the limits (*ret,
 * *ret_size: its start); -ENOMEM. After an error the stream is lost. */
int frame_next(struct frame *f, const char **data, size_t *size, const char **ret, size_t *ret_size);

/* Between two messages: skips white space. Returns true when something else comes, that is, when a message may start at
 * *data; false within a message, and at the end of the input. */
bool frame_skip_space(struct frame *f, const char **data, size_t *size);

/* How many bytes of an unfinished message there are. */
static inline size_t frame_pending(const struct frame *f)
{
    return f->pending.size;
}

#endif
