/* SPDX-License-Identifier: MIT */
/* JSON strings and the bytes they stand for.
 *
 * A string stays escaped in its message's text; it is decoded where it is compared, hashed or copied, one escape at a
 * time, and most often not at all: a string without a backslash is its own decoding.
 *
 * Equality and hashing see decoded bytes only, so that two spellings of one string are one string: QEMU escapes what
 * others write as it is. Decoding never lengthens: each escape is at least as long as what it stands for, which is what
 * lets a string be decoded into its own place. Escapes that a validator would have refused decode to something no
 * longer than they are.
 *
 * It refuses to know where strings come from: text from a server reaches a terminal through json_excerpt() only. */

#include "json/value.h"

#include <string.h>

#define REPLACEMENT 0xFFFDu

/* How a byte looks in a JSON string: 0 as itself, otherwise a letter after a backslash, 'u' for \u00XX. */
static char escape_letter(unsigned char byte)
{
    static const char controls[] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";

    if (byte < 0x20)
        return controls[byte];
    return byte == '"' || byte == '\\' ? (char)byte : '\0';
}

static const char hex_digits[] = "0123456789abcdef";

qmp_value json_string_body(qmp_value v)
{
    if (!v.text || v.size == 0 || v.text[0] != '"')
        return (qmp_value){NULL, 0};
    size_t closing = v.size > 1 && v.text[v.size - 1] == '"';
    return (qmp_value){v.text + 1, v.size - 1 - closing};
}

static size_t encode_utf8(unsigned code, char out[4])
{
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = size; i > 1; i--, code >>= 6)
        out[i - 1] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(lead[size] | code);
    return size;
}

/* The four hexadecimal digits of a \u at `p`; false when there are none. */
static bool take_hex(const char *p, const char *end, unsigned *ret)
{
    unsigned code = 0;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return false;
    for (int i = 2; i < 6; i++) {
        unsigned digit = (unsigned char)p[i], letter = (digit | 0x20) - 'a';
        digit -= '0';
        if (digit > 9 && letter > 5)
            return false;
        code = code << 4 | (digit <= 9 ? digit : letter + 10);
    }
    *ret = code;
    return true;
}

/* Decodes the escape at *p and moves over it. Writes 1 to 4 bytes, no more than it moved. */
static size_t take_escape(const char **p, const char *end, char out[4])
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    unsigned code, low;

    if (take_hex(*p, end, &code)) {
        *p += 6;
        if (code < 0xD800 || code > 0xDFFF)
            return encode_utf8(code, out);
        if (code > 0xDBFF || !take_hex(*p, end, &low) || low < 0xDC00 || low > 0xDFFF)
            return encode_utf8(REPLACEMENT, out);
        *p += 6;
        return encode_utf8(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), out);
    }
    const char *letter = end - *p > 1 ? memchr(letters, (*p)[1], sizeof(letters) - 1) : NULL;
    out[0] = letter ? meanings[letter - letters] : '?';
    *p += end - *p > 1 ? 2 : 1;
    return 1;
}

size_t json_decode(qmp_value string, char *out)
{
    qmp_value body = json_string_body(string);
    const char *p = body.text, *end;
    size_t n = 0;

    if (!p)
        return 0;
    end = p + body.size;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((escape ? escape : end) - p);
        memmove(out + n, p, plain);
        n += plain;
        p += plain;
        if (p < end) {
            char unit[4];
            size_t size = take_escape(&p, end, unit);
            memcpy(out + n, unit, size);
            n += size;
        }
    }
    return n;
}

/* Reads decoded bytes one by one: the slow way, for strings that do hold escapes. */
struct cursor {
    enum { PLAIN, STEP, ESCAPED } spelling;
    const char *p, *end;
    size_t n_unit, at; /* what is left of the last escape */
    char unit[4];
};

/* The next byte, 0 to 255; -1 at the end. */
static int next_byte(struct cursor *c)
{
    if (c->at < c->n_unit)
        return (unsigned char)c->unit[c->at++];
    if (c->p == c->end)
        return -1;
    if (c->spelling == ESCAPED && *c->p == '\\') {
        c->n_unit = take_escape(&c->p, c->end, c->unit);
        c->at = 1;
        return (unsigned char)c->unit[0];
    }
    if (c->spelling == STEP && *c->p == '\\' && c->end - c->p > 1)
        c->p++;
    return (unsigned char)*c->p++;
}

static bool same_bytes(struct cursor a, struct cursor b)
{
    int byte;

    while ((byte = next_byte(&a)) == next_byte(&b))
        if (byte < 0)
            return true;
    return false;
}

static struct cursor escaped(qmp_value body)
{
    return (struct cursor){.spelling = ESCAPED, .p = body.text, .end = body.text + body.size};
}

static bool has_backslash(const char *text, size_t size)
{
    return size > 0 && memchr(text, '\\', size);
}

bool json_string_equals(qmp_value v, const char *text, size_t size)
{
    qmp_value body = json_string_body(v);

    if (!body.text || body.size < size)
        return false;
    if (size == 0)
        return body.size == 0;
    if (body.text[0] != text[0] && body.text[0] != '\\')
        return false;
    if (body.size == size)
        return memcmp(body.text, text, size) == 0 && !has_backslash(text, size);
    return has_backslash(body.text, body.size) &&
           same_bytes(escaped(body), (struct cursor){.spelling = PLAIN, .p = text, .end = text + size});
}

bool json_string_equals_step(qmp_value v, const char *step, size_t size)
{
    qmp_value body = json_string_body(v);

    if (!has_backslash(step, size))
        return json_string_equals(v, step, size);
    return body.text && same_bytes(escaped(body), (struct cursor){.spelling = STEP, .p = step, .end = step + size});
}

bool json_strings_equal(qmp_value a, qmp_value b)
{
    qmp_value body_a = json_string_body(a), body_b = json_string_body(b);

    if (!body_a.text || !body_b.text)
        return false;
    if (!has_backslash(body_b.text, body_b.size))
        return json_string_equals(a, body_b.text, body_b.size);
    return same_bytes(escaped(body_a), escaped(body_b));
}

bool json_text_equals(qmp_value v, const char *text, size_t size)
{
    switch (qmp_value_type(v)) {
    case QMP_STRING:
        return json_string_equals(v, text, size);
    case QMP_NULL:
    case QMP_BOOL:
    case QMP_NUMBER:
        return v.size == size && memcmp(v.text, text, size) == 0;
    default:
        return false;
    }
}

static uint64_t mix(uint64_t state, uint64_t word)
{
    state = (state ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return state ^ state >> 32;
}

/* Eight bytes at a time, then the rest and the size. */
uint64_t json_hash_bytes(const char *text, size_t size)
{
    uint64_t state = 0, word;
    size_t left = size;

    for (; left >= sizeof(word); text += sizeof(word), left -= sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        state = mix(state, word);
    }
    word = 0;
    if (left > 0)
        memcpy(&word, text, left);
    return mix(mix(state, word), size);
}

/* The same of a string that has to be decoded on the way. */
static uint64_t hash_escaped(qmp_value body)
{
    struct cursor c = escaped(body);
    uint64_t state = 0, word;
    char block[sizeof(word)] = {0};
    size_t size = 0;

    for (int byte; (byte = next_byte(&c)) >= 0;) {
        block[size++ % sizeof(block)] = (char)byte;
        if (size % sizeof(block) == 0) {
            memcpy(&word, block, sizeof(word));
            state = mix(state, word);
            memset(block, 0, sizeof(block));
        }
    }
    memcpy(&word, block, sizeof(word));
    return mix(mix(state, word), size);
}

uint64_t json_text_hash(qmp_value v)
{
    qmp_value body = json_string_body(v);

    switch (qmp_value_type(v)) {
    case QMP_STRING:
        return has_backslash(body.text, body.size) ? hash_escaped(body) : json_hash_bytes(body.text, body.size);
    case QMP_NULL:
    case QMP_BOOL:
    case QMP_NUMBER:
        return json_hash_bytes(v.text, v.size);
    default:
        return 0;
    }
}

size_t json_quoted_size(const char *text, size_t size)
{
    size_t n = size + 2;

    for (size_t i = 0; i < size; i++) {
        char escape = escape_letter((unsigned char)text[i]);
        n += escape == 0 ? 0 : escape == 'u' ? 5 : 1;
    }
    return n;
}

/* Eight bytes at once: their high bits; and whether one of them is below 0x20, a quote or a backslash (or a byte next
 * to such a one is taken for it: then each is looked at by itself). */
#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS EACH_BYTE(0x80)

static uint64_t load_eight(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

static bool needs_escapes(uint64_t word)
{
    uint64_t quote = word ^ EACH_BYTE('"'), backslash = word ^ EACH_BYTE('\\');

    return ((word - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) | (backslash - EACH_BYTE(1))) & ~word & HIGH_BITS;
}

size_t json_quote(char *out, const char *text, size_t size)
{
    char *start = out;
    size_t plain = 0;

    *out++ = '"';
    while (size - plain >= 8 && !needs_escapes(load_eight(text + plain)))
        plain += 8;
    memcpy(out, text, plain);
    out += plain;
    for (size_t i = plain; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        char escape = escape_letter(byte);
        if (escape == 0) {
            *out++ = text[i];
            continue;
        }
        *out++ = '\\';
        *out++ = escape;
        if (escape == 'u') {
            *out++ = '0';
            *out++ = '0';
            *out++ = hex_digits[byte >> 4];
            *out++ = hex_digits[byte & 15];
        }
    }
    *out++ = '"';
    return (size_t)(out - start);
}

/* The number of bytes of the UTF-8 sequence at `p`, its code point in *ret; 0 when it is none. */
static size_t take_utf8(const unsigned char *p, size_t left, unsigned *ret)
{
    static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = p[0] < 0x80 ? 1 : p[0] < 0xC0 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF8 ? 4 : 0;
    unsigned code = size == 1 ? p[0] : p[0] & (0x7Fu >> size);

    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    *ret = code;
    return code < smallest[size] || (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF ? 0 : size;
}

static bool is_noncharacter(unsigned code)
{
    return (code & 0xFFFE) == 0xFFFE || (code >= 0xFDD0 && code <= 0xFDEF);
}

bool json_utf8_valid(const char *text, size_t size, bool refuse_noncharacters)
{
    const unsigned char *p = (const unsigned char *)text;

    for (size_t i = 0, n; i < size; i += n) {
        unsigned code;
        n = 8;
        if (size - i >= 8 && (load_eight(text + i) & HIGH_BITS) == 0)
            continue;
        n = 1;
        if (p[i] < 0x80)
            continue;
        n = take_utf8(p + i, size - i, &code);
        if (n == 0 || (refuse_noncharacters && is_noncharacter(code)))
            return false;
    }
    return true;
}

/* One byte of an excerpt, 1 to 4 characters. */
static size_t picture(unsigned char byte, char out[4])
{
    char escape = escape_letter(byte);

    if (byte >= 0x20 && byte < 0x7F && !escape) {
        out[0] = (char)byte;
        return 1;
    }
    out[0] = '\\';
    out[1] = escape && escape != 'u' ? escape : 'x';
    if (out[1] != 'x')
        return 2;
    out[2] = hex_digits[byte >> 4];
    out[3] = hex_digits[byte & 15];
    return 4;
}

void json_excerpt(char *out, size_t out_size, const char *bytes, size_t size)
{
    static const char more[] = "…";
    size_t n = 0, cut = 0;

    if (out_size == 0)
        return;
    for (size_t i = 0; i < size; i++) {
        char unit[4];
        size_t width = picture((unsigned char)bytes[i], unit);
        if (n + width >= out_size) {
            n = cut;
            if (out_size >= sizeof(more)) {
                memcpy(out + cut, more, sizeof(more) - 1);
                n += sizeof(more) - 1;
            }
            break;
        }
        memcpy(out + n, unit, width);
        n += width;
        if (n + sizeof(more) <= out_size)
            cut = n;
    }
    out[n] = '\0';
}
