/* SPDX-License-Identifier: MIT */

/* A queue of bytes.
 *
 * It grows geometrically. What was taken from the front is room again once it is more than what is left, so each byte
 * is moved a bounded number of times. Limits are its users' business: each has a maximum of its own. */

#include <stdlib.h>
#include <string.h>

#include "buffer.h"

#define BUFFER_FIRST ((size_t)4096)
/* The most that an empty one keeps. */
#define BUFFER_KEPT ((size_t)1 << 20)

static bool buffer_grow(struct buffer *b, size_t size)
{
    size_t allocated = b->allocated > 0 ? b->allocated : BUFFER_FIRST;
    char *memory;

    while (allocated < size)
        allocated *= 2;
    memory = realloc(b->memory, allocated);
    if (memory == NULL)
        return false;
    b->memory = memory;
    b->allocated = allocated;
    return true;
}

bool buffer_append(struct buffer *b, const void *data, size_t size)
{
    if (size == 0)
        return true;
    if (b->start > b->size) {
        memcpy(b->memory, buffer_data(b), b->size);
        b->start = 0;
    }
    if (b->allocated - b->start - b->size < size && !buffer_grow(b, b->start + b->size + size))
        return false;
    memcpy(buffer_data(b) + b->size, data, size);
    b->size += size;
    return true;
}

bool buffer_append_text(struct buffer *b, const char *text)
{
    return buffer_append(b, text, strlen(text));
}

void buffer_clear(struct buffer *b)
{
    if (b->allocated > BUFFER_KEPT)
        buffer_done(b);
    b->start = b->size = 0;
}

void buffer_consume(struct buffer *b, size_t size)
{
    b->start += size;
    b->size -= size;
    if (b->size == 0)
        buffer_clear(b);
}

void buffer_done(struct buffer *b)
{
    free(b->memory);
    *b = (struct buffer){0};
}
