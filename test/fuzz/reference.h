/* SPDX-License-Identifier: MIT */
#ifndef TEST_FUZZ_REFERENCE_H
#define TEST_FUZZ_REFERENCE_H

/* JSON a second time, as plainly as RFC 8259 says it: one recursive reader that shares nothing with the library. It
 * writes down what it reads in a notation of its own, the dump, so that what the library makes of a text can be
 * compared byte by byte: each value with its type, strings decoded, numbers as they are spelled.
 *
 *     n t f        null, true, false          #12;      a number
 *     "5:hello     a string of 5 bytes        [ ... ]   an array        { "1:k ... }   an object
 */

#include <ctype.h>

#include "fuzz.h"

struct dump {
    char *text;
    size_t size, allocated;
};

static inline void dump_add(struct dump *d, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    if (d->allocated - d->size < size) {
        d->allocated = 2 * (d->allocated + size);
        d->text = realloc(d->text, d->allocated);
        REQUIRE(d->text);
    }
    memcpy(d->text + d->size, bytes, size);
    d->size += size;
}

static inline void dump_string(struct dump *d, const char *bytes, size_t size)
{
    char head[32];

    dump_add(d, head, (size_t)snprintf(head, sizeof(head), "\"%zu:", size));
    dump_add(d, bytes, size);
}

static inline void dump_number(struct dump *d, const char *text, size_t size)
{
    dump_add(d, "#", 1);
    dump_add(d, text, size);
    dump_add(d, ";", 1);
}

static inline bool dump_equal(const struct dump *a, const struct dump *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->text, b->text, a->size) == 0);
}

static inline void dump_done(struct dump *d)
{
    free(d->text);
    *d = (struct dump){0};
}

struct reference {
    const char *p, *end;
    unsigned depth_max;
    bool too_deep, lone_surrogate;
    struct dump *dump;
};

static inline char reference_peek(const struct reference *r)
{
    return r->p < r->end ? *r->p : '\0';
}

static inline void reference_space(struct reference *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static inline bool reference_literal(struct reference *r, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(r->end - r->p) < size || memcmp(r->p, word, size) != 0)
        return false;
    r->p += size;
    dump_add(r->dump, word, 1);
    return true;
}

static inline size_t reference_digits(struct reference *r)
{
    const char *start = r->p;

    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return (size_t)(r->p - start);
}

static inline bool reference_number(struct reference *r)
{
    const char *start = r->p;

    r->p += *r->p == '-';
    if (reference_peek(r) == '0')
        r->p++;
    else if (reference_digits(r) == 0)
        return false;
    if (reference_peek(r) == '.') {
        r->p++;
        if (reference_digits(r) == 0)
            return false;
    }
    if (reference_peek(r) == 'e' || reference_peek(r) == 'E') {
        r->p++;
        if (reference_peek(r) == '+' || reference_peek(r) == '-')
            r->p++;
        if (reference_digits(r) == 0)
            return false;
    }
    dump_number(r->dump, start, (size_t)(r->p - start));
    return true;
}

/* The four digits of a \u; -1. */
static inline long reference_hex(struct reference *r)
{
    char digits[5] = "";

    for (int i = 0; i < 4; i++, r->p++) {
        if (!isxdigit((unsigned char)reference_peek(r)))
            return -1;
        digits[i] = *r->p;
    }
    return strtol(digits, NULL, 16);
}

static inline void reference_encode(struct dump *d, unsigned long code)
{
    unsigned char out[4];
    size_t n = 0;

    if (code < 0x80) {
        out[n++] = (unsigned char)code;
    } else if (code < 0x800) {
        out[n++] = (unsigned char)(0xC0 | code >> 6);
        out[n++] = (unsigned char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        out[n++] = (unsigned char)(0xE0 | code >> 12);
        out[n++] = (unsigned char)(0x80 | (code >> 6 & 63));
        out[n++] = (unsigned char)(0x80 | (code & 63));
    } else {
        out[n++] = (unsigned char)(0xF0 | code >> 18);
        out[n++] = (unsigned char)(0x80 | (code >> 12 & 63));
        out[n++] = (unsigned char)(0x80 | (code >> 6 & 63));
        out[n++] = (unsigned char)(0x80 | (code & 63));
    }
    dump_add(d, out, n);
}

static inline bool reference_escape(struct reference *r, struct dump *out)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter;
    long code, low;

    r->p++;
    if (r->p == r->end)
        return false;
    if (*r->p != 'u') {
        letter = memchr(letters, *r->p++, sizeof(letters) - 1);
        if (letter)
            dump_add(out, &meanings[letter - letters], 1);
        return letter;
    }
    r->p++;
    code = reference_hex(r);
    if (code < 0)
        return false;
    if (code >= 0xD800 && code <= 0xDFFF) {
        low = 0;
        if (code <= 0xDBFF) {
            if (r->end - r->p < 2 && (r->p == r->end || *r->p == '\\'))
                return false; /* the text ends here */
            if (r->p[0] == '\\' && r->p[1] == 'u') {
                r->p += 2;
                low = reference_hex(r);
                if (low < 0)
                    return false;
            }
        }
        if (low < 0xDC00 || low > 0xDFFF) {
            r->lone_surrogate = true;
            return false;
        }
        code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
    }
    reference_encode(out, (unsigned long)code);
    return true;
}

/* The size of the UTF-8 sequence at p, by RFC 3629's table; 0. */
static inline size_t reference_utf8(const char *text, const char *end)
{
    static const struct {
        unsigned char first, last, second_min, second_max;
        size_t size;
    } rows[] = {
        {0x00, 0x7F, 0, 0, 1},
        {0xC2, 0xDF, 0x80, 0xBF, 2},
        {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3},
        {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4},
        {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    const unsigned char *p = (const unsigned char *)text;
    size_t left = (size_t)(end - text);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (*p < rows[i].first || *p > rows[i].last || rows[i].size > left)
            continue;
        for (size_t j = 1; j < rows[i].size; j++)
            if (p[j] < (j == 1 ? rows[i].second_min : 0x80) || p[j] > (j == 1 ? rows[i].second_max : 0xBF))
                return 0;
        return rows[i].size;
    }
    return 0;
}

static inline bool reference_string(struct reference *r)
{
    struct dump decoded = {0};
    bool fine = false;

    for (r->p++; r->p < r->end && (unsigned char)*r->p >= 0x20;) {
        size_t size;

        if (*r->p == '"') {
            fine = true;
            r->p++;
            break;
        }
        if (*r->p == '\\') {
            if (!reference_escape(r, &decoded))
                break;
            continue;
        }
        size = reference_utf8(r->p, r->end);
        if (size == 0)
            break;
        dump_add(&decoded, r->p, size);
        r->p += size;
    }
    if (fine)
        dump_string(r->dump, decoded.text, decoded.size);
    dump_done(&decoded);
    return fine;
}

static inline bool reference_value(struct reference *r, unsigned depth);

static inline bool reference_container(struct reference *r, unsigned depth, bool object)
{
    char closing = object ? '}' : ']';

    if (depth == r->depth_max) {
        r->too_deep = true;
        return false;
    }
    dump_add(r->dump, r->p++, 1);
    reference_space(r);
    for (bool first = true; reference_peek(r) != closing || r->p == r->end; first = false) {
        if (!first) {
            if (reference_peek(r) != ',')
                return false;
            r->p++;
            reference_space(r);
        }
        if (object) {
            if (reference_peek(r) != '"' || !reference_string(r))
                return false;
            reference_space(r);
            if (reference_peek(r) != ':')
                return false;
            r->p++;
            reference_space(r);
        }
        if (!reference_value(r, depth + 1))
            return false;
        reference_space(r);
    }
    dump_add(r->dump, r->p++, 1);
    return true;
}

static inline bool reference_value(struct reference *r, unsigned depth)
{
    switch (reference_peek(r)) {
    case '{':
    case '[':
        return reference_container(r, depth, *r->p == '{');
    case '"':
        return reference_string(r);
    case 'n':
        return reference_literal(r, "null");
    case 't':
        return reference_literal(r, "true");
    case 'f':
        return reference_literal(r, "false");
    default:
        return (reference_peek(r) == '-' || isdigit((unsigned char)reference_peek(r))) && reference_number(r);
    }
}

/* A whole document: the value, white space around it, nothing else. */
static inline bool reference_document(struct reference *r)
{
    reference_space(r);
    if (!reference_value(r, 0))
        return false;
    reference_space(r);
    return r->p == r->end;
}

#endif
