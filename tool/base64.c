/* SPDX-License-Identifier: MIT */

/* Bytes as base64 (RFC 4648, section 4), which is how they travel in JSON.
 *
 * The invariant: decoding takes exactly what encoding makes. Line breaks, characters of other alphabets, missing
 * padding and bits that stand for nothing are refused, so a text has one meaning or none. What is decoded may come from
 * a guest that means harm: no character is an index before it was checked.
 *
 * It knows nothing of JSON. */

#include <string.h>

#include "base64.h"

#define PADDING '='
#define BITS 6

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(char *out, const void *bytes, size_t size)
{
    const unsigned char *in = bytes;

    for (size_t i = 0; i < size; i += 3, out += 4) {
        size_t n = size - i < 3 ? size - i : 3;
        unsigned long group = (unsigned long)in[i] << 16;
        group |= n > 1 ? (unsigned long)in[i + 1] << 8 : 0;
        group |= n > 2 ? in[i + 2] : 0;
        for (unsigned k = 0; k < 4; k++)
            out[k] = k <= n ? alphabet[group >> (18 - BITS * k) & 0x3f] : PADDING;
    }
    return BASE64_SIZE(size);
}

/* The bits that a character stands for; -1 when it is not in the alphabet. */
static int bits_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes four characters, of which `n` count. Returns false when they do not stand for whole bytes. */
static bool group_decode(unsigned char *out, const char *text, size_t n)
{
    unsigned long group = 0;

    for (size_t k = 0; k < n; k++) {
        int bits = bits_of(text[k]);
        if (bits < 0)
            return false;
        group |= (unsigned long)bits << (18 - BITS * k);
    }
    for (size_t k = 0; k + 1 < n; k++)
        out[k] = (unsigned char)(group >> (16 - 8 * k));
    return (group & ((1ul << (32 - 8 * n)) - 1)) == 0;
}

bool base64_decode(void *out, const char *text, size_t size, size_t *ret_size)
{
    unsigned char *bytes = out;
    size_t padding = 0;

    if (size % 4 != 0)
        return false;
    while (padding < 2 && padding < size && text[size - 1 - padding] == PADDING)
        padding++;
    for (size_t i = 0; i < size; i += 4)
        if (!group_decode(bytes + i / 4 * 3, text + i, i + 4 == size ? 4 - padding : 4))
            return false;
    *ret_size = size / 4 * 3 - padding;
    return true;
}
