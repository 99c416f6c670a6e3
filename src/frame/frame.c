/* SPDX-License-Identifier: MIT */
/* From bytes that are cut anywhere to complete messages.
 *
 * A message starts at a { or [ between messages and ends where as many brackets have closed as opened, strings left
 * aside: QEMU's line ends mean nothing (pretty output has fifteen in the greeting alone), and guest agents, proxies and
 * older versions differ in them. Each byte is looked at once, 64 at a time: four bit masks say where quotes,
 * backslashes, opening and closing brackets are, and the strings are taken out of the latter two with a prefix sum (the
 * idea is Langdale's and Lemire's, "Parsing gigabytes of JSON per second"). What is left of a block is a handful
 * of brackets.
 *
 * Messages that arrive whole are handed out where they lie; only the start of an unfinished one is kept. A message is
 * never larger or deeper than the limits, nor is the memory here.
 *
 * It refuses to know values: `{]` is a frame; whether it is JSON is the validator's question. */

#include "frame/frame.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "util/util.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK ((size_t)64)

/* What a receiver asks for at a time once a message is larger than its scratch space. */
#define FRAME_RECEIVE_MIN ((size_t)32768)

struct masks {
    uint64_t quote, backslash, open, close;
};

#ifdef __SSE2__
static inline uint64_t movemask(__m128i x)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(x);
}

static inline void masks_of(const char *p, struct masks *m)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), bit = _mm_set1_epi8(0x20);
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');

    m->quote = m->backslash = m->open = m->close = 0;
    for (unsigned i = 0; i < 4; i++) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + (size_t)16 * i));
        __m128i y = _mm_or_si128(x, bit); /* [ becomes {, ] becomes } */

        m->quote |= movemask(_mm_cmpeq_epi8(x, quote)) << (16 * i);
        m->backslash |= movemask(_mm_cmpeq_epi8(x, backslash)) << (16 * i);
        m->open |= movemask(_mm_cmpeq_epi8(y, open)) << (16 * i);
        m->close |= movemask(_mm_cmpeq_epi8(y, close)) << (16 * i);
    }
}
#else
static inline void masks_of(const char *p, struct masks *m)
{
    m->quote = m->backslash = m->open = m->close = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        m->quote |= (uint64_t)(p[i] == '"') << i;
        m->backslash |= (uint64_t)(p[i] == '\\') << i;
        m->open |= (uint64_t)((p[i] | 0x20) == '{') << i;
        m->close |= (uint64_t)((p[i] | 0x20) == '}') << i;
    }
}
#endif

/* Each bit: the parity of the bits up to it. */
static inline uint64_t prefix_parity(uint64_t x)
{
    for (unsigned shift = 1; shift < 64; shift *= 2)
        x ^= x << shift;
    return x;
}

/* The bytes that a backslash before them escapes, and in *carry whether that is so for byte n, the first of the next
 * block. */
static inline uint64_t escaped_of(uint64_t backslash, size_t n, bool *carry)
{
    uint64_t escaped = *carry;

    *carry = false;
    backslash &= ~escaped;
    while (backslash != 0) {
        unsigned i = (unsigned)__builtin_ctzll(backslash);

        if (i + 1 == n) {
            *carry = true;
            break;
        }
        escaped |= UINT64_C(2) << i;
        backslash &= ~(UINT64_C(3) << i);
    }
    return escaped;
}

/* One block of n bytes (the rest of the 64 is padding that means nothing). Returns how many of them belong to the
 * message, with *ended when it ends there; -ELOOP. */
static inline int scan_block(struct frame *f, const char *p, size_t n, bool *ended)
{
    struct masks m;
    uint64_t in_string, brackets;
    bool was_escaped = f->escaped;

    masks_of(p, &m);
    if (m.backslash != 0 || was_escaped)
        m.quote &= ~escaped_of(m.backslash, n, &f->escaped);
    in_string = prefix_parity(m.quote) ^ (f->in_string ? UINT64_MAX : 0);
    f->in_string = in_string >> (n - 1) & 1;
    m.open &= ~in_string;
    m.close &= ~in_string;

    for (brackets = m.open | m.close; brackets != 0; brackets &= brackets - 1) {
        unsigned i = (unsigned)__builtin_ctzll(brackets);

        if (m.open >> i & 1) {
            if (f->depth == f->depth_max)
                return -ELOOP;
            f->depth++;
        } else if (--f->depth == 0) {
            *ended = true;
            return (int)i + 1;
        }
    }
    return (int)n;
}

/* Goes on with a message over [p, p + size). Returns 1 when it ends there, 0 when it does not, -ELOOP; *used bytes
 * belong to it. */
static int scan(struct frame *f, const char *p, size_t size, size_t *used)
{
    bool ended = false;
    size_t done = 0;
    int r;

    while (done < size && !ended) {
        size_t n = MIN(size - done, BLOCK);

        if (n == BLOCK) {
            r = scan_block(f, p + done, n, &ended);
        } else {
            char block[BLOCK];

            memset(block, ' ', sizeof(block));
            memcpy(block, p + done, n);
            r = scan_block(f, block, n, &ended);
        }
        if (r < 0)
            return r;
        done += (size_t)r;
    }
    *used = done;
    return ended;
}

void frame_init(struct frame *f, size_t size_max, unsigned depth_max)
{
    *f = (struct frame){.size_max = size_max, .depth_max = depth_max};
}

void frame_done(struct frame *f)
{
    buffer_done(&f->pending);
}

void frame_reset(struct frame *f)
{
    buffer_done(&f->pending);
    f->handed_out = false;
}

int frame_space(struct frame *f, char *scratch, size_t scratch_size, char **ret, size_t *ret_size)
{
    size_t room;
    int r;

    if (f->pending.size == 0) {
        *ret = scratch;
        *ret_size = scratch_size;
        return 0;
    }
    /* One byte above the limit, so that frame_next() sees that the message is too large. */
    room = MIN(FRAME_RECEIVE_MIN, f->size_max + 1 - f->pending.size);
    if (f->pending.allocated - f->pending.size < room) {
        r = buffer_reserve(&f->pending, room, f->size_max + 1);
        if (r < 0)
            return r;
    }
    *ret = f->pending.data + f->pending.size;
    *ret_size = MIN(f->pending.allocated, f->size_max + 1) - f->pending.size;
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int too_large(const char *text, size_t size, const char **ret, size_t *ret_size)
{
    *ret = text;
    *ret_size = size;
    return -EMSGSIZE;
}

/* A message that starts in the input. */
static int start(struct frame *f, const char **data, size_t *size, const char **ret, size_t *ret_size)
{
    const char *p;
    size_t used = 0;
    int r;

    if (!frame_skip_space(f, data, size))
        return 0;
    p = *ret = *data;
    *ret_size = *size;
    if (*p != '{' && *p != '[')
        return -EBADMSG;
    f->depth = 0;
    f->in_string = f->escaped = false;
    r = scan(f, p, *size, &used);
    if (r < 0)
        return r;
    if (used > f->size_max)
        return too_large(p, used, ret, ret_size);
    if (r == 0) {
        r = buffer_append(&f->pending, p, used, f->size_max);
        if (r < 0)
            return r;
    } else {
        *ret_size = used;
        r = 1;
    }
    *data += used;
    *size -= used;
    return r;
}

/* A message whose start is pending. */
static int resume(struct frame *f, const char **data, size_t *size, const char **ret, size_t *ret_size)
{
    bool in_place = *data == f->pending.data + f->pending.size;
    size_t used = 0;
    int r, ended;

    ended = scan(f, *data, *size, &used);
    *ret = f->pending.data;
    *ret_size = f->pending.size;
    if (ended < 0)
        return ended;
    if (used > f->size_max - f->pending.size)
        return too_large(f->pending.data, f->pending.size, ret, ret_size);
    if (in_place) {
        f->pending.size += used;
    } else {
        r = buffer_append(&f->pending, *data, used, f->size_max);
        if (r < 0)
            return r;
    }
    *data += used;
    *size -= used;
    if (ended == 0)
        return 0;
    *ret = f->pending.data;
    *ret_size = f->pending.size;
    f->handed_out = true;
    return 1;
}

/* The memory of a message that was handed out stays: the rest of the input may lie in it. */
static void take_back(struct frame *f)
{
    if (f->handed_out) {
        f->handed_out = false;
        f->pending.size = 0;
    }
}

bool frame_skip_space(struct frame *f, const char **data, size_t *size)
{
    take_back(f);
    if (f->pending.size > 0)
        return false;
    while (*size > 0 && is_space(**data)) {
        (*data)++;
        (*size)--;
    }
    return *size > 0;
}

int frame_next(struct frame *f, const char **data, size_t *size, const char **ret, size_t *ret_size)
{
    int r;

    take_back(f);
    r = f->pending.size > 0 ? resume(f, data, size, ret, ret_size) : start(f, data, size, ret, ret_size);
    if (r == 0 && f->pending.size == 0)
        buffer_done(&f->pending);
    return r;
}
