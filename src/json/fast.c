/* SPDX-License-Identifier: MIT */
/* Validating JSON as QEMU writes it, and nothing else.
 *
 * The validator proper walks from byte to byte, and each string makes it wait: it cannot know where the next token
 * starts before it has loaded, compared and counted its way to the closing quote. Here the quotes of 64 bytes at a time
 * become the bits of a word first (the idea is Langdale's and Lemire's, "Parsing gigabytes of JSON per second").
 * Without backslashes they open and close strings in turn, so that the next position is two cheap operations away, and
 * what lies between two strings is compared with what should lie there while the processor is already further on.
 *
 * Events, of which there may be very many, all begin alike: that much is compared as it is, and their time read.
 *
 * What is expected: objects and arrays, one space or none after a colon and a comma, no white space elsewhere; strings
 * of printable ASCII without escapes; integers and literals. Anything else is somebody else's business.
 *
 * The invariant: true is only said of what json_validate_first() accepts. Each byte outside strings is looked at; those
 * within are free of control characters, backslashes and non-ASCII as whole blocks are, up to the document's end.
 *
 * It refuses to know what is wrong with a document. */

#include "json/fast.h"

#include <stdint.h>
#include <string.h>

#include "util/util.h"

#ifdef __SSE2__
#include <emmintrin.h>

/* What the quotes are about must stay in registers. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

#define BLOCK ((size_t)64)

/* The nesting is one bit a level in one word, the innermost lowest; 1 is an object. A 1 above the outermost ends it. */
#define DEPTH_MAX 63u
#define TOP_OBJECT 3u

/* One bit for each byte of a block. */
struct marks {
    uint64_t quote, odd; /* odd: backslash, control character, not ASCII */
};

static inline uint64_t movemask(__m128i a, __m128i b, __m128i c, __m128i d)
{
    unsigned low = (unsigned)_mm_movemask_epi8(a) | (unsigned)_mm_movemask_epi8(b) << 16;
    unsigned high = (unsigned)_mm_movemask_epi8(c) | (unsigned)_mm_movemask_epi8(d) << 16;

    return low | (uint64_t)high << 32;
}

static inline __m128i is(__m128i x, char c)
{
    return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

/* Signed: bytes from 0x80 on are below a space too. */
static inline __m128i is_odd(__m128i x)
{
    return _mm_or_si128(is(x, '\\'), _mm_cmplt_epi8(x, _mm_set1_epi8(' ')));
}

static inline struct marks marks_of_block(const char *p)
{
    const __m128i *x = (const __m128i *)(const void *)p;
    __m128i a = _mm_loadu_si128(x), b = _mm_loadu_si128(x + 1), c = _mm_loadu_si128(x + 2), d = _mm_loadu_si128(x + 3);

    return (struct marks){
        movemask(is(a, '"'), is(b, '"'), is(c, '"'), is(d, '"')), movemask(is_odd(a), is_odd(b), is_odd(c), is_odd(d))};
}

/* The block at p. At the end of the text, it is taken from the last 64 bytes of it. */
static ALWAYS_INLINE struct marks marks_at(const char *p, const char *end)
{
    size_t missing;
    struct marks m;

    if (end - p >= (ptrdiff_t)BLOCK)
        return marks_of_block(p);
    missing = BLOCK - (size_t)(end - p);
    m = marks_of_block(end - BLOCK);
    return (struct marks){m.quote >> missing, m.odd >> missing};
}

/* The quotes of a text, one after the other. */
struct quotes {
    const char *block, *end; /* of the text */
    struct marks left;       /* in the block */
};

/* Goes on to the next block with a quote. False when there is none, or an odd byte is before it. */
static ALWAYS_INLINE bool next_block(struct quotes *q)
{
    do {
        if (q->left.odd != 0 || q->end - q->block <= (ptrdiff_t)BLOCK)
            return false;
        q->block += BLOCK;
        q->left = marks_at(q->block, q->end);
    } while (q->left.quote == 0);
    return true;
}

/* The next quote. False when there is none, or an odd byte may be before it. */
static ALWAYS_INLINE bool next_quote(struct quotes *q, const char **ret)
{
    if (q->left.quote == 0 && !next_block(q))
        return false;
    *ret = q->block + __builtin_ctzll(q->left.quote);
    q->left.quote &= q->left.quote - 1;
    return true;
}

/* Whether an odd byte of the current block lies before p. */
static bool is_odd_before(const struct quotes *q, const char *p)
{
    return q->left.odd != 0 && q->block + __builtin_ctzll(q->left.odd) < p;
}

static inline const char *skip_digits(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);

    while (end - p >= 8) {
        uint64_t x, other;

        /* The lowest byte that is no digit: above 9 the sum has its high bit set, below 0 the difference. */
        memcpy(&x, p, sizeof(x));
        other = ((x + (0x80 - ('9' + 1)) * ones) | (x - '0' * ones)) & 0x80 * ones;
        if (other != 0)
            return p + (__builtin_ctzll(other) >> 3);
        p += 8;
    }
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* Where the integer or literal at p ends; NULL when it is none. What follows it is the caller's to look at. */
static inline const char *scalar_end(const char *p, const char *end)
{
    const char *start;

    if (*p > '9') {
        if (end - p < 6)
            return NULL;
        if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)
            return p + 4;
        return memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
    }
    start = p += *p == '-';
    p = skip_digits(p, end);
    return p == start || (*start == '0' && p > start + 1) ? NULL : p;
}

/* Whether a separator, a space and a quote are next. */
static inline bool is_usual(const char *p, const char *end, char separator)
{
    uint32_t x;

    if (end - p < 4)
        return false;
    memcpy(&x, p, sizeof(x));
    return (x & 0xffffff) == ((uint32_t)separator | ' ' << 8 | '"' << 16);
}

/* A string, from its opening quote to behind its closing one. */
static ALWAYS_INLINE bool string(struct quotes *q, const char **start, const char **stop)
{
    if (!next_quote(q, start) || !next_quote(q, stop))
        return false;
    (*stop)++;
    return true;
}

/* Where the token behind a separator starts; NULL when there is no separator, or no token. */
static const char *skip_separator(const char *p, const char *end, char separator)
{
    return end - p >= 3 && *p == separator ? p + 1 + (p[1] == ' ') : NULL;
}

static inline void key_ends(struct json_scan *scan, size_t key, size_t key_end, size_t value)
{
    if (scan->n_members < JSON_MEMBERS_MAX) {
        struct json_member *m = &scan->members[scan->n_members];

        m->key = key;
        m->key_size = key_end - key;
        m->value = value;
    }
}

static inline void value_ends(struct json_scan *scan, size_t at)
{
    if (scan->n_members < JSON_MEMBERS_MAX)
        scan->members[scan->n_members].value_size = at - scan->members[scan->n_members].value;
    scan->n_members++;
}

/* NULL when something else is at p (NULL, too), or nothing behind it. */
static ALWAYS_INLINE const char *skip_literal(const char *p, const char *end, const char *literal, size_t size)
{
    return p && end - p > (ptrdiff_t)size && memcmp(p, literal, size) == 0 ? p + size : NULL;
}

/* How QEMU begins every event, up to the quote that opens its name. NULL when it is something else. */
static const char *event_start(const char *text, const char *start, const char *end, struct json_scan *scan)
{
    static const char seconds[] = "{\"timestamp\": {\"seconds\": ", microseconds[] = ", \"microseconds\": ";
    static const char event[] = "}, \"event\": ";
    const size_t at = (size_t)(start - text), value = at + sizeof("{\"timestamp\": ") - 1;
    const char *p = skip_literal(start, end, seconds, sizeof(seconds) - 1);

    p = skip_literal(p ? scalar_end(p, end) : NULL, end, microseconds, sizeof(microseconds) - 1);
    p = skip_literal(p ? scalar_end(p, end) : NULL, end, event, sizeof(event) - 1);
    if (!p || *p != '"')
        return NULL;
    key_ends(scan, at + 1, value - 2, value);
    value_ends(scan, (size_t)(p - text) - sizeof(event) + 2);
    key_ends(scan, (size_t)(p - text) - 9, (size_t)(p - text) - 2, (size_t)(p - text));
    return p;
}

/* What is left of a document at p, a value at this nesting. Returns where the document ends, or NULL. */
static const char *document(
    const char *text, const char *p, const char *end, uint64_t nesting, uint64_t deepest, struct json_scan *scan)
{
    struct quotes q = {p, end, marks_at(p, end)};
    const char *start, *stop;
    bool usual;

value:
    if (*p == '"') {
    string:
        if (!string(&q, &start, &p))
            return NULL;
    } else if ((*p | 0x20) == '{') {
        if (nesting >= deepest || end - p < 2)
            return NULL;
        nesting = nesting << 1 | (*p++ == '{');
        if (*p != (nesting & 1 ? '}' : ']'))
            goto first;
        p++;
        nesting >>= 1;
    } else {
        p = scalar_end(p, end);
        if (!p)
            return NULL;
    }

    /* After a value: the containers that end here, then perhaps the next one. */
    while (nesting != 1) {
        if (nesting == TOP_OBJECT)
            value_ends(scan, (size_t)(p - text));
        if (is_usual(p, end, ',')) {
            if (nesting & 1)
                goto key;
            goto string;
        }
        if (p == end)
            return NULL;
        if (*p == ',') {
            p = skip_separator(p, end, ',');
            if (!p)
                return NULL;
            goto first;
        }
        if (*p != (nesting & 1 ? '}' : ']'))
            return NULL;
        p++;
        nesting >>= 1;
    }
    return is_odd_before(&q, p) ? NULL : p;

first:
    if (!(nesting & 1))
        goto value;
    if (*p != '"')
        return NULL;
key:
    if (!string(&q, &start, &stop))
        return NULL;
    usual = is_usual(stop, end, ':');
    p = usual ? stop + 2 : skip_separator(stop, end, ':');
    if (!p)
        return NULL;
    if (nesting == TOP_OBJECT)
        key_ends(scan, (size_t)(start - text), (size_t)(stop - text), (size_t)(p - text));
    if (usual)
        goto string;
    goto value;
}

bool json_validate_fast(const char *text, size_t size, unsigned depth_max, struct json_scan *scan)
{
    const uint64_t deepest = UINT64_C(1) << MIN(depth_max, DEPTH_MAX);
    const char *end = text + size, *start = text, *name, *stop;

    while (start < end && (*start == ' ' || *start == '\n' || *start == '\r' || *start == '\t'))
        start++;
    if (size < BLOCK || start == end || (*start | 0x20) != '{')
        return false;
    scan->n_members = 0;
    name = deepest > TOP_OBJECT ? event_start(text, start, end, scan) : NULL;
    stop = name ? document(text, name, end, TOP_OBJECT, deepest, scan) : document(text, start, end, 1, deepest, scan);
    if (!stop)
        return false;
    scan->flaw = JSON_FINE;
    scan->plain = true;
    scan->at = 0;
    scan->value = (size_t)(start - text);
    scan->value_size = (size_t)(stop - start);
    return true;
}
#else
bool json_validate_fast(const char *text, size_t size, unsigned depth_max, struct json_scan *scan)
{
    (void)text, (void)size, (void)depth_max, (void)scan;
    return false;
}
#endif
