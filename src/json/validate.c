/* SPDX-License-Identifier: MIT */
/* Validating JSON, once and in full.
 *
 * Everything that the library reads passes here before anybody sees it, so that every later reader may trust the
 * grammar and fail on type, range or absence only. One pass, no recursion, no allocation: the nesting is one bit a
 * level (object or array). Strings, where most bytes are, are skipped sixteen bytes at a time where the processor can.
 *
 * In passing, the members of the top-level object are located: the message layer needs just these.
 *
 * It refuses to know what a member means, and what a QMP message is. */

#include "json/validate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <qmp/value.h>

#include "util/util.h"
#include "json/fast.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What does not change from byte to byte; the position itself is handed from function to function, in a register. Each
 * takes it and returns where it got to, or NULL after fail(). */
struct validator {
    const char *text, *end;
    unsigned flags;
    enum json_flaw flaw;
    const char *flaw_at;
};

static const char *fail(struct validator *v, const char *at, enum json_flaw flaw)
{
    v->flaw_at = at;
    v->flaw = flaw;
    return NULL;
}

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static __attribute__((noinline)) const char *skip_more_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

static inline const char *skip_space(const char *p, const char *end)
{
    /* QEMU writes one space after a colon or a comma, or none. */
    if (p == end || (unsigned char)*p > ' ')
        return p;
    if (*p == ' ' && end - p > 1 && (unsigned char)p[1] > ' ')
        return p + 1;
    return skip_more_space(p, end);
}

/* The first byte from p on that needs a look: a quote, a backslash, a control character, a byte above ASCII. */
static inline const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');

    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed: bytes from 0x80 on are below a space too. */
        __m128i hit = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)), _mm_cmplt_epi8(x, space));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);

        if (mask != 0)
            return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && (signed char)*p >= ' ' && *p != '"' && *p != '\\')
        p++;
    return p;
}

static bool is_noncharacter(uint32_t c)
{
    return (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

static bool is_refused(const struct validator *v, uint32_t c)
{
    return (v->flags & JSON_FOR_QEMU) && is_noncharacter(c);
}

/* One UTF-8 sequence of two to four bytes, RFC 3629's table. */
static const char *utf8(struct validator *v, const char *p)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t left = (size_t)(v->end - p), n;
    unsigned low = 0x80, high = 0xbf;
    uint32_t c;

    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        n = 2;
        c = s[0] & 0x1fu;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        n = 3;
        c = s[0] & 0x0fu;
        low = s[0] == 0xe0 ? 0xa0 : 0x80;
        high = s[0] == 0xed ? 0x9f : 0xbf;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        n = 4;
        c = s[0] & 0x07u;
        low = s[0] == 0xf0 ? 0x90 : 0x80;
        high = s[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return fail(v, p, JSON_UTF8);
    }
    for (size_t i = 1; i < n; i++) {
        if (i == left)
            return fail(v, v->end, JSON_TRUNCATED);
        if (s[i] < low || s[i] > high)
            return fail(v, p, JSON_UTF8);
        low = 0x80;
        high = 0xbf;
        c = c << 6 | (s[i] & 0x3fu);
    }
    return is_refused(v, c) ? fail(v, p, JSON_NONCHARACTER) : p + n;
}

/* The four hexadecimal digits after \u. */
static const char *hex4(struct validator *v, const char *p, const char *escape, uint32_t *ret)
{
    uint32_t c = 0;

    for (unsigned i = 0; i < 4; i++, p++) {
        if (p == v->end)
            return fail(v, v->end, JSON_TRUNCATED);
        if (is_digit(*p))
            c = c << 4 | (uint32_t)(*p - '0');
        else if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
            c = c << 4 | (uint32_t)((*p | 0x20) - 'a' + 10);
        else
            return fail(v, escape, JSON_ESCAPE);
    }
    *ret = c;
    return p;
}

static const char *unicode_escape(struct validator *v, const char *escape)
{
    uint32_t c, low;
    const char *p = hex4(v, escape + 2, escape, &c);

    if (!p)
        return NULL;
    if (c >= 0xdc00 && c <= 0xdfff)
        return fail(v, escape, JSON_SURROGATE);
    if (c >= 0xd800 && c <= 0xdbff) {
        if (v->end - p < 2 && (p == v->end || *p == '\\'))
            return fail(v, v->end, JSON_TRUNCATED);
        if (p[0] != '\\' || p[1] != 'u')
            return fail(v, escape, JSON_SURROGATE);
        p = hex4(v, p + 2, p, &low);
        if (!p)
            return NULL;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(v, escape, JSON_SURROGATE);
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    return is_refused(v, c) ? fail(v, escape, JSON_NONCHARACTER) : p;
}

static const char *escape(struct validator *v, const char *p)
{
    if (v->end - p < 2)
        return fail(v, v->end, JSON_TRUNCATED);
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        return unicode_escape(v, p);
    default:
        return fail(v, p, JSON_ESCAPE);
    }
}

/* The rest of a string that holds more than plain ASCII. */
static __attribute__((noinline)) const char *string_rest(struct validator *v, const char *p)
{
    for (;;) {
        p = skip_plain(p, v->end);
        if (p == v->end)
            return fail(v, v->end, JSON_TRUNCATED);
        if (*p == '"')
            return p + 1;
        if ((unsigned char)*p < ' ')
            return fail(v, p, JSON_STRING);
        p = *p == '\\' ? escape(v, p) : utf8(v, p);
        if (!p)
            return NULL;
    }
}

/* A string, from its opening quote on. */
static inline const char *string(struct validator *v, const char *p)
{
    p = skip_plain(p + 1, v->end);
    return p < v->end && *p == '"' ? p + 1 : string_rest(v, p);
}

/* The first byte from p on that is no digit. */
static inline const char *skip_digits(const char *p, const char *end)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t zeros = UINT64_C(0x3030303030303030), high = UINT64_C(0xf0f0f0f0f0f0f0f0);

    while (end - p >= 8) {
        uint64_t x, other;

        /* A digit is 0x30 to 0x39: its high half is 3, and still is when 6 is added. */
        memcpy(&x, p, sizeof(x));
        other = ((x & high) ^ zeros) | (((x + UINT64_C(0x0606060606060606)) & high) ^ zeros);
        if (other != 0)
            return p + (__builtin_ctzll(other) >> 3);
        p += 8;
    }
#endif
    while (p < end && is_digit(*p))
        p++;
    return p;
}

/* One or more digits. */
static inline const char *digits(struct validator *v, const char *p)
{
    const char *start = p;

    p = skip_digits(p, v->end);
    if (p > start)
        return p;
    return p == v->end ? fail(v, v->end, JSON_TRUNCATED) : fail(v, p, JSON_NUMBER);
}

/* JSON has no limit for numbers; QEMU's parser makes an infinity of what no double holds. And QEMU's lexer ends a
 * number at a zero that neither a point nor the number's own end follows. */
static const char *taken_by_qemu(struct validator *v, const char *start, const char *p)
{
    qmp_value number = {start, (size_t)(p - start)};
    const char *first = start + (*start == '-');
    double d;

    if (*first == '0' && p > first + 1 && first[1] != '.')
        return fail(v, start, JSON_ZERO);
    return qmp_value_double(number, &d) == -ERANGE ? fail(v, start, JSON_RANGE) : p;
}

/* What may follow the whole part of a number. */
static const char *fraction(struct validator *v, const char *p)
{
    if (*p == '.') {
        p = digits(v, p + 1);
        if (!p)
            return NULL;
    }
    if (p < v->end && (*p | 0x20) == 'e') {
        p++;
        if (p < v->end && (*p == '+' || *p == '-'))
            p++;
        p = digits(v, p);
    }
    return p;
}

static inline const char *number(struct validator *v, const char *p)
{
    const char *start = p;

    if (*p == '-')
        p++;
    if (p < v->end && *p == '0') {
        p++;
        if (p < v->end && is_digit(*p))
            return fail(v, p, JSON_NUMBER);
    } else {
        p = digits(v, p);
        if (!p)
            return NULL;
    }
    if (p < v->end && (*p == '.' || (*p | 0x20) == 'e')) {
        p = fraction(v, p);
        if (!p)
            return NULL;
    }
    return v->flags & JSON_FOR_QEMU ? taken_by_qemu(v, start, p) : p;
}

static const char *literal(struct validator *v, const char *p, const char *word, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (p + i == v->end)
            return fail(v, v->end, JSON_TRUNCATED);
        if (p[i] != word[i])
            return fail(v, p, JSON_SYNTAX);
    }
    return p + size;
}

static inline const char *scalar(struct validator *v, const char *p)
{
    if (*p == '"')
        return string(v, p);
    if (is_digit(*p) || *p == '-')
        return number(v, p);
    switch (*p) {
    case 't':
        return literal(v, p, "true", 4);
    case 'f':
        return literal(v, p, "false", 5);
    case 'n':
        return literal(v, p, "null", 4);
    default:
        return fail(v, p, JSON_SYNTAX);
    }
}

/* The open containers around the current one, one bit a level: 1 is an object. */
static inline void push(uint64_t *bits, unsigned depth, bool object)
{
    uint64_t bit = UINT64_C(1) << (depth % 64), *word = &bits[depth / 64];

    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): a bit is pushed before it is read */
    *word = object ? *word | bit : *word & ~bit;
}

static inline bool is_object(const uint64_t *bits, unsigned depth)
{
    return bits[depth / 64] >> (depth % 64) & 1;
}

/* QEMU's own way to write what is between two tokens: `separator` and one space, then something that is no space. */
static inline bool is_usual(const char *p, const char *end, char separator)
{
    return end - p > 2 && p[0] == separator && p[1] == ' ' && (unsigned char)p[2] > ' ';
}

/* The key of a member and its colon, up to where its value starts. */
static inline const char *key(struct validator *v, const char *p, struct json_scan *scan, unsigned depth)
{
    const char *start = p, *end;

    if (p == v->end)
        return fail(v, v->end, JSON_TRUNCATED);
    if (*p != '"')
        return fail(v, p, JSON_SYNTAX);
    end = string(v, p);
    if (!end)
        return NULL;
    if (is_usual(end, v->end, ':')) {
        p = end + 2;
    } else {
        p = skip_space(end, v->end);
        if (p == v->end)
            return fail(v, v->end, JSON_TRUNCATED);
        if (*p != ':')
            return fail(v, p, JSON_SYNTAX);
        p = skip_space(p + 1, v->end);
    }
    if (depth == 1 && scan->n_members < JSON_MEMBERS_MAX) {
        struct json_member *m = &scan->members[scan->n_members];

        m->key = (size_t)(start - v->text);
        m->key_size = (size_t)(end - start);
        m->value = (size_t)(p - v->text);
    }
    return p;
}

static inline void member_ends(const struct validator *v, const char *p, struct json_scan *scan)
{
    if (scan->n_members < JSON_MEMBERS_MAX) {
        struct json_member *m = &scan->members[scan->n_members];

        m->value_size = (size_t)(p - v->text) - m->value;
    }
    scan->n_members++;
}

/* The document, from its first byte on. */
static const char *document(struct validator *v, const char *p, unsigned depth_max, struct json_scan *scan)
{
    uint64_t bits[JSON_DEPTH_MAX / 64];
    unsigned depth = 0;
    bool object = false; /* whether the innermost open container is one */

value:
    if (p == v->end)
        return fail(v, v->end, JSON_TRUNCATED);
    if ((*p | 0x20) == '{') {
        if (depth >= depth_max)
            return fail(v, p, JSON_DEPTH);
        push(bits, depth++, object);
        object = *p == '{';
        p = skip_space(p + 1, v->end);
        if (p == v->end || *p != (object ? '}' : ']'))
            goto first;
        p++;
        object = is_object(bits, --depth);
    } else {
        p = scalar(v, p);
        if (!p)
            return NULL;
    }

    /* After a value: the containers that end here, then perhaps the next one. */
    while (depth > 0) {
        if (depth == 1 && object)
            member_ends(v, p, scan);
        if (is_usual(p, v->end, ',')) {
            p += 2;
            goto first;
        }
        p = skip_space(p, v->end);
        if (p == v->end)
            return fail(v, v->end, JSON_TRUNCATED);
        if (*p == ',') {
            p = skip_space(p + 1, v->end);
            goto first;
        }
        if (*p != (object ? '}' : ']'))
            return fail(v, p, JSON_SYNTAX);
        p++;
        object = is_object(bits, --depth);
    }
    return p;

first:
    if (object) {
        p = key(v, p, scan, depth);
        if (!p)
            return NULL;
    }
    goto value;
}

static int flaw_errno(enum json_flaw flaw, unsigned flags)
{
    switch (flaw) {
    case JSON_FINE:
        return 0;
    case JSON_DEPTH:
        return -ELOOP;
    case JSON_SURROGATE:
        /* The grammar allows it, and no string holds it. */
        return flags & JSON_FOR_QEMU ? -EINVAL : -EBADMSG;
    case JSON_NONCHARACTER:
    case JSON_RANGE:
    case JSON_ZERO:
        return -EINVAL;
    default:
        return -EBADMSG;
    }
}

int json_validate_first(const char *text, size_t size, unsigned depth_max, unsigned flags, struct json_scan *scan)
{
    struct validator v = {text, text + size, flags, JSON_FINE, text};
    const char *start, *stop;

    /* What QEMU writes, nearly always. */
    if (flags == 0 && json_validate_fast(text, size, depth_max, scan))
        return 0;
    scan->plain = false;
    scan->n_members = 0;
    scan->value = scan->value_size = 0;
    start = skip_space(text, v.end);
    stop = start == v.end ? fail(&v, v.end, JSON_EMPTY) : document(&v, start, MIN(depth_max, JSON_DEPTH_MAX), scan);
    if (stop) {
        scan->value = (size_t)(start - text);
        scan->value_size = (size_t)(stop - start);
    }
    scan->flaw = v.flaw;
    scan->at = (size_t)(v.flaw_at - text);
    return flaw_errno(v.flaw, flags);
}

int json_validate(const char *text, size_t size, unsigned depth_max, unsigned flags, struct json_scan *scan)
{
    int r = json_validate_first(text, size, depth_max, flags, scan);
    const char *p, *end = text + size;

    if (r < 0)
        return r;
    p = skip_space(text + scan->value + scan->value_size, end);
    if (p < end) {
        scan->flaw = JSON_TRAILING;
        scan->at = (size_t)(p - text);
        return -EBADMSG;
    }
    return 0;
}

const char *json_flaw_string(enum json_flaw flaw)
{
    static const char *const strings[] = {
        [JSON_FINE] = "no flaw",
        [JSON_EMPTY] = "nothing but white space",
        [JSON_TRUNCATED] = "the text ends too early",
        [JSON_SYNTAX] = "a character that does not belong here",
        [JSON_TRAILING] = "something after the end of the value",
        [JSON_STRING] = "a control character in a string",
        [JSON_ESCAPE] = "an invalid escape in a string",
        [JSON_UTF8] = "invalid UTF-8",
        [JSON_SURROGATE] = "half a surrogate pair",
        [JSON_NUMBER] = "a malformed number",
        [JSON_DEPTH] = "nested too deep",
        [JSON_NONCHARACTER] = "a Unicode noncharacter, which QEMU refuses",
        [JSON_DUPLICATE] = "a key for the second time in one object, which QEMU refuses",
        [JSON_TOKENS] = "more tokens than QEMU takes in one command",
        [JSON_RANGE] = "a number that no double holds, an infinity to QEMU",
        [JSON_ZERO] = "a zero with an exponent but without a point, which QEMU refuses",
    };

    return strings[flaw];
}
