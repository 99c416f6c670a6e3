/* SPDX-License-Identifier: MIT */
#ifndef TOOL_FRAMES_H
#define TOOL_FRAMES_H

#include "buffer.h"
#include "record.h"

/* The longest message that is kept in one piece: what QEMU takes. */
#define FRAMES_MESSAGE_MAX ((size_t)64 << 20)

/* One direction of a connection, on its way from bytes to messages. All zero is the beginning. */
struct frames {
    struct buffer held; /* what has come of the piece */
    enum { FRAMES_BETWEEN, FRAMES_MESSAGE, FRAMES_OTHER } state;
    size_t depth;
    char quote; /* of the string that we are in; 0: in none */
    bool escaped;
    bool cut;   /* it is too long: parts of it were handed out */
    bool given; /* `held` was handed out */
};

/* A piece that has come in full: a message, or bytes that are none. */
struct piece {
    enum record_kind kind;
    const char *text;
    size_t size;
};

/* Goes on with [*data, *data + *size), and takes what it used off its front. Returns 1 and a piece, which is valid up
 * to the next call; 0 when all is used; -ENOMEM. */
int frames_next(struct frames *f, const char **data, size_t *size, struct piece *ret);
/* The stream has ended: whether something was left, as a piece of bytes. */
bool frames_end(struct frames *f, struct piece *ret);
void frames_done(struct frames *f);

#endif
