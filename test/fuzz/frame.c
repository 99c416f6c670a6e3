/* SPDX-License-Identifier: MIT */
/* Frames: bytes that are cut anywhere come out as if they had never been cut, and as the rules say.
 *
 * The rules are written down here a second time, a byte at a time and as plainly as can be. The same bytes then go
 * through the frame in one piece, in the pieces that the input asks for, and in those pieces but received where
 * frame_space() says; each time the same messages must come out, and the same end.
 *
 * Where a message exceeds both limits, which of the two is said depends on the pieces; nothing else does.
 *
 * The input: the limits (2 bytes), the cuts, the stream. */

#include "fuzz.h"

#include <errno.h>

#include "frame/frame.h"

#define SCRATCH_SIZE ((size_t)48)

/* What is known of the messages: an entry for each, and how it ended. */
struct outcome {
    char *texts; /* all messages, each with its size in front */
    size_t size;
    int end, other_end; /* 0, or the error, or either of two */
    size_t pending;
};

static void note(struct outcome *o, const char *text, size_t size)
{
    o->texts = realloc(o->texts, o->size + sizeof(size) + size);
    REQUIRE(o->texts);
    memcpy(o->texts + o->size, &size, sizeof(size));
    memcpy(o->texts + o->size + sizeof(size), text, size);
    o->size += sizeof(size) + size;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* How the message that starts at `text` ends: the bytes of it in *ret_used. */
static int reference_one(
    const char *text, size_t size, size_t size_max, unsigned depth_max, size_t *ret_used, int *ret_other)
{
    bool in_string = false, escaped = false;
    unsigned depth = 0;
    size_t i;
    int r = 0;

    *ret_other = 0;
    for (i = 0; i < size; i++) {
        bool is_quote = text[i] == '"' && !escaped, opens = text[i] == '{' || text[i] == '[';

        escaped = text[i] == '\\' && !escaped;
        in_string ^= is_quote;
        if (in_string)
            continue;
        if (opens && depth == depth_max) {
            *ret_other = i >= size_max ? -EMSGSIZE : 0;
            return -ELOOP;
        }
        depth += opens;
        if ((text[i] == '}' || text[i] == ']') && --depth == 0) {
            i++;
            r = 1;
            break;
        }
    }
    *ret_used = i;
    return i > size_max ? -EMSGSIZE : r;
}

static void reference(struct outcome *o, const char *text, size_t size, size_t size_max, unsigned depth_max)
{
    for (;;) {
        size_t used = 0;
        int r;

        while (size > 0 && is_space(*text))
            text++, size--;
        if (size == 0)
            return;
        if (*text != '{' && *text != '[') {
            o->end = -EBADMSG;
            return;
        }
        r = reference_one(text, size, size_max, depth_max, &used, &o->other_end);
        if (r <= 0) {
            o->end = r;
            o->pending = r == 0 ? used : 0;
            return;
        }
        note(o, text, used);
        text += used;
        size -= used;
    }
}

/* Takes all messages of a piece; negative when the stream has ended. */
static int take(struct outcome *o, struct frame *f, const char *data, size_t size)
{
    const char *end = data + size, *text = NULL;
    size_t text_size = 0;
    int r;

    while ((r = frame_next(f, &data, &size, &text, &text_size)) > 0) {
        note(o, text, text_size);
        REQUIRE(data + size == end);
    }
    REQUIRE(data + size == end);
    REQUIRE(r < 0 || size == 0);
    o->end = r;
    return r;
}

static void feed(struct outcome *o, struct frame *f, struct cuts cuts, const char *text, size_t size)
{
    for (int r = 0; r >= 0 && size > 0;) {
        size_t piece = cuts_next(&cuts, size);
        char *copy = input_copy(text, piece);

        r = take(o, f, copy, piece);
        free(copy);
        text += piece;
        size -= piece;
    }
}

static void feed_in_place(struct outcome *o, struct frame *f, struct cuts cuts, const char *text, size_t size)
{
    char scratch[SCRATCH_SIZE], *space = NULL;

    for (int r = 0; r >= 0 && size > 0;) {
        size_t room = 0, piece;

        REQUIRE(frame_space(f, scratch, sizeof(scratch), &space, &room) == 0);
        REQUIRE(room > 0);
        piece = cuts_next(&cuts, size < room ? size : room);
        memcpy(space, text, piece);
        r = take(o, f, space, piece);
        memset(scratch, '"', sizeof(scratch));
        text += piece;
        size -= piece;
    }
}

static void check(struct outcome *o, const struct frame *f, const struct outcome *expected)
{
    REQUIRE(o->end == expected->end || (expected->other_end < 0 && o->end == expected->other_end));
    REQUIRE(o->end < 0 || frame_pending(f) == expected->pending);
    REQUIRE(o->size == expected->size);
    REQUIRE(o->size == 0 || memcmp(o->texts, expected->texts, o->size) == 0);
    free(o->texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const ways[])(struct outcome *, struct frame *, struct cuts, const char *, size_t) = {
        feed, feed_in_place};
    struct input in = {data, size};
    size_t size_max = 4 * (size_t)input_byte(&in) + 1;
    unsigned depth_max = input_byte(&in) + 1;
    struct cuts cuts = cuts_take(&in);
    struct outcome expected = {0}, o;
    struct frame f;
    char *text = input_copy(in.data, in.size);

    reference(&expected, text, in.size, size_max, depth_max);
    for (unsigned i = 0; i < 4; i++) {
        o = (struct outcome){0};
        frame_init(&f, size_max, depth_max);
        ways[i % 2](&o, &f, i < 2 ? (struct cuts){{NULL, 0}, 0} : cuts, text, in.size);
        check(&o, &f, &expected);
        frame_done(&f);
    }
    free(expected.texts);
    free(text);
    return 0;
}
