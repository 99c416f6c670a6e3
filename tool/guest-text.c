/* SPDX-License-Identifier: MIT */

/* What programs and files of a guest hold, for us to see or to keep.
 *
 * The invariant: what goes to a file or a pipe is the guest's bytes, each of them, in order; what goes to a terminal
 * makes it do nothing but show characters and begin lines, however the bytes were cut on their way. A failure is the
 * caller's to handle, a reader that has gone included, because there may be something in the guest to tidy up first.
 *
 * It knows nothing of where the bytes come from. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "ending.h"
#include "escape.h"
#include "guest-text.h"

/* What is escaped at once. */
#define PIECE_MAX 4096

struct guest_text guest_text_start(int fd)
{
    return (struct guest_text){.fd = fd, .terminal = isatty(fd)};
}

static int bytes_write(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n >= 0) {
            bytes += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd wait = {fd, POLLOUT, 0};
            poll(&wait, 1, /* timeout= */ -1);
        } else if (errno != EINTR) {
            return -errno;
        }
        if (size > 0 && ending_noted() != 0)
            return -EINTR;
    }
    return 0;
}

/* How many bytes at the end may be the beginning of a character, or of a line end. */
static size_t unfinished(const char *bytes, size_t size)
{
    static const unsigned char leads[] = {0xc0, 0xe0, 0xf0}; /* of characters of at least 2, 3 and 4 bytes */

    if (size > 0 && bytes[size - 1] == '\r')
        return 1;
    for (size_t n = 1; n <= sizeof(leads) && n <= size; n++) {
        unsigned char c = (unsigned char)bytes[size - n];
        if (c >= 0xc0)
            return c >= leads[n - 1] ? n : 0;
        if (c < 0x80)
            return 0;
    }
    return 0;
}

/* How many bytes at `bytes` are a line end or a tab. */
static size_t layout(const char *bytes, size_t size)
{
    if (*bytes == '\n' || *bytes == '\t')
        return 1;
    return size > 1 && bytes[0] == '\r' && bytes[1] == '\n' ? 2 : 0;
}

static int piece_write(int fd, const char *piece, size_t size)
{
    char escaped[PIECE_MAX * ESCAPE_MAX + 1], *end = escaped;

    for (size_t i = 0, n; i < size; i += n) {
        uint32_t c;
        n = layout(piece + i, size - i);
        if (n > 0) {
            memcpy(end, piece + i, n);
            end += n;
            continue;
        }
        n = escape_decode(piece + i, size - i, &c);
        n = n == 0 ? 1 : n;
        end = escape_text(end, piece + i, n);
    }
    return bytes_write(fd, escaped, (size_t)(end - escaped));
}

int guest_text_write(struct guest_text *t, const char *bytes, size_t size)
{
    int r = 0;

    if (!t->terminal)
        return bytes_write(t->fd, bytes, size);
    while (r >= 0 && size > 0) {
        char piece[PIECE_MAX];
        size_t n = sizeof(piece) - t->n_held, total;
        n = size < n ? size : n;
        memcpy(piece, t->held, t->n_held);
        memcpy(piece + t->n_held, bytes, n);
        total = t->n_held + n;
        t->n_held = unfinished(piece, total);
        memcpy(t->held, piece + total - t->n_held, t->n_held);
        r = piece_write(t->fd, piece, total - t->n_held);
        bytes += n;
        size -= n;
    }
    return r;
}

int guest_text_end(struct guest_text *t)
{
    size_t n = t->n_held;

    t->n_held = 0;
    return piece_write(t->fd, t->held, n);
}
