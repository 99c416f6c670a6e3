/* SPDX-License-Identifier: MIT */
#ifndef SRC_UTIL_BUFFER_H
#define SRC_UTIL_BUFFER_H

#include <stddef.h>

/* Bytes that grow at the end, geometrically, up to a maximum that the owner names. All zero is an empty buffer. */
struct buffer {
    char *data;
    size_t size, allocated;
};

/* Makes room for `more` bytes behind the contents. Returns 0, -EMSGSIZE beyond `max` bytes of contents, -ENOMEM. */
int buffer_reserve(struct buffer *b, size_t more, size_t max);

/* Reserves and copies. */
int buffer_append(struct buffer *b, const void *data, size_t size, size_t max);

/* Frees the contents; the buffer is empty and usable again. */
void buffer_done(struct buffer *b);

#endif
