/* SPDX-License-Identifier: MIT */

/* From bytes that are cut anywhere to messages, for a stream that is nobody's in particular.
 *
 * A message starts at a { or [ and ends where as many brackets have closed as opened, strings left aside; both kinds of
 * quotes make one, as in QEMU's parser. A control character or a byte that is never UTF-8 resets QEMU's parser, and so
 * it ends what was begun here. The invariant: pieces in a row are the stream, but for white space between them; no byte
 * is ever refused, because this looks on and is not spoken to. A message above the limit comes in several pieces of
 * bytes.
 *
 * It knows nothing of what a message means, nor whether it is JSON. */

#include <errno.h>
#include <string.h>

#include "frames.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_opening(char c)
{
    return c == '{' || c == '[';
}

static bool is_reset(char c)
{
    return ((unsigned char)c < ' ' && !is_space(c)) || (unsigned char)c >= 0xfe;
}

/* One more byte of a message. Returns whether it is the last. */
static bool message_step(struct frames *f, char c)
{
    if (f->escaped)
        f->escaped = false;
    else if (f->quote != 0 && c == '\\')
        f->escaped = true;
    else if (c == f->quote)
        f->quote = 0;
    else if (f->quote != 0)
        return false;
    else if (c == '"' || c == '\'')
        f->quote = c;
    else if (is_opening(c))
        f->depth++;
    else if ((c == '}' || c == ']') && --f->depth == 0)
        return true;
    return false;
}

/* Why scanning stopped: no more bytes; the message is whole; the piece is over, and no whole message; there is no room
 * for more of it. */
enum scanned { SCANNED_ALL, SCANNED_WHOLE, SCANNED_BROKEN, SCANNED_FULL };

/* Goes on with the piece that was begun. *used bytes belong to it. */
static enum scanned piece_scan(struct frames *f, const char *data, size_t size, size_t *used)
{
    size_t room = FRAMES_MESSAGE_MAX - f->held.size;

    for (*used = 0; *used < size; ++*used) {
        char c = data[*used];
        if (*used == room)
            return SCANNED_FULL;
        if (f->state == FRAMES_OTHER && (is_space(c) || is_opening(c)))
            return SCANNED_BROKEN;
        if (!is_reset(c) && (f->state == FRAMES_OTHER || !message_step(f, c)))
            continue;
        ++*used;
        return is_reset(c) ? SCANNED_BROKEN : SCANNED_WHOLE;
    }
    return SCANNED_ALL;
}

/* What was handed out is over. A message that is cut goes on. */
static void piece_forget(struct frames *f)
{
    if (!f->given)
        return;
    buffer_clear(&f->held);
    f->given = false;
}

static void piece_begin(struct frames *f, char c)
{
    f->state = is_opening(c) ? FRAMES_MESSAGE : FRAMES_OTHER;
    f->depth = 0;
    f->quote = 0;
    f->escaped = false;
}

static void piece_give(struct frames *f, enum scanned scanned, struct piece *ret)
{
    bool whole = scanned == SCANNED_WHOLE && !f->cut;

    *ret = (struct piece){whole ? RECORD_MESSAGE : RECORD_BYTES, buffer_data(&f->held), f->held.size};
    f->given = true;
    f->cut = scanned == SCANNED_FULL;
    if (!f->cut)
        f->state = FRAMES_BETWEEN;
}

int frames_next(struct frames *f, const char **data, size_t *size, struct piece *ret)
{
    enum scanned scanned;
    size_t used;

    piece_forget(f);
    while (f->state == FRAMES_BETWEEN && *size > 0 && is_space(**data)) {
        ++*data;
        --*size;
    }
    if (*size == 0)
        return 0;
    if (f->state == FRAMES_BETWEEN)
        piece_begin(f, **data);
    scanned = piece_scan(f, *data, *size, &used);
    if (!buffer_append(&f->held, *data, used))
        return -ENOMEM;
    *data += used;
    *size -= used;
    if (scanned == SCANNED_ALL)
        return 0;
    piece_give(f, scanned, ret);
    return 1;
}

bool frames_end(struct frames *f, struct piece *ret)
{
    piece_forget(f);
    f->state = FRAMES_BETWEEN;
    *ret = (struct piece){RECORD_BYTES, buffer_data(&f->held), f->held.size};
    f->given = true;
    return ret->size > 0;
}

void frames_done(struct frames *f)
{
    buffer_done(&f->held);
}
