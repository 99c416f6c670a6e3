/* SPDX-License-Identifier: MIT */
#ifndef TOOL_BUFFER_H
#define TOOL_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that are appended at the end and taken from the front. All zero is an empty one. */
struct buffer {
    char *memory;
    size_t start, size; /* the bytes are memory[start], `size` of them */
    size_t allocated;
};

/* False: no memory; nothing was appended. */
bool buffer_append(struct buffer *b, const void *data, size_t size);
bool buffer_append_text(struct buffer *b, const char *text);

static inline char *buffer_data(const struct buffer *b)
{
    return b->memory + b->start;
}

/* Takes bytes from the front, at most those that there are. */
void buffer_consume(struct buffer *b, size_t size);
/* Empties it. */
void buffer_clear(struct buffer *b);
/* Frees its memory. */
void buffer_done(struct buffer *b);

#endif
