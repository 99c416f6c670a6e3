/* SPDX-License-Identifier: MIT */
/* A growable, bounded buffer.
 *
 * It grows geometrically, so that appending is amortised constant, but never allocates beyond the maximum; a failure
 * leaves it as it was. It refuses to know what the bytes are. */

#include "util/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/util.h"

#define BUFFER_MIN ((size_t)256)

int buffer_reserve(struct buffer *b, size_t more, size_t max)
{
    size_t want, grown;
    char *data;

    if (b->size > max || more > max - b->size)
        return -EMSGSIZE;
    want = b->size + more;
    if (want <= b->allocated)
        return 0;
    grown = b->allocated < BUFFER_MIN ? BUFFER_MIN : b->allocated > max / 2 ? max : b->allocated * 2;
    grown = MIN(grown, max);
    if (grown < want)
        grown = want;
    data = realloc(b->data, grown);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->allocated = grown;
    return 0;
}

int buffer_append(struct buffer *b, const void *data, size_t size, size_t max)
{
    int r = buffer_reserve(b, size, max);

    if (r < 0)
        return r;
    /* The data may lie in the buffer itself, behind its contents. */
    if (size > 0)
        memmove(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

void buffer_done(struct buffer *b)
{
    free(b->data);
    b->data = NULL;
    b->size = b->allocated = 0;
}
