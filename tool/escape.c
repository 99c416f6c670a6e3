/* SPDX-License-Identifier: MIT */

/* Text of others, made harmless.
 *
 * A server may be hostile and a file name may hold anything. The invariant: no byte that comes out makes a terminal do
 * anything but show a character. Escaped are control characters of both sets, what is not UTF-8, and the characters
 * that end a line or reorder the text around them.
 *
 * It knows nothing of where the text goes. */

#include <stdio.h>
#include <string.h>

#include "escape.h"

size_t escape_decode(const char *text, size_t size, uint32_t *ret)
{
    const unsigned char *s = (const unsigned char *)text;
    static const struct {
        unsigned char mask, lead;
        uint32_t first;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t n = 1; n <= sizeof(forms) / sizeof(forms[0]) && n <= size; n++) {
        uint32_t c = s[0] & (unsigned char)~forms[n - 1].mask;
        if ((s[0] & forms[n - 1].mask) != forms[n - 1].lead)
            continue;
        for (size_t i = 1; i < n; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            c = c << 6 | (s[i] & 0x3f);
        }
        if (c < forms[n - 1].first || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return 0;
        *ret = c;
        return n;
    }
    return 0;
}

bool escape_is_harmless(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } obeyed[] = {{0, 0x1f}, {0x7f, 0x9f}, {0x61c, 0x61c}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}};

    for (size_t i = 0; i < sizeof(obeyed) / sizeof(obeyed[0]); i++)
        if (c >= obeyed[i].first && c <= obeyed[i].last)
            return false;
    return true;
}

char *escape_text(char *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t c = 0;
        size_t n = escape_decode(text + i, size - i, &c);
        if (n != 0 && escape_is_harmless(c)) {
            memcpy(out, text + i, n);
            out += n;
        } else if (n > 1) {
            out += sprintf(out, "\\u%04x", c);
        } else if (text[i] == '\n') {
            out += sprintf(out, "\\n");
        } else {
            out += sprintf(out, "\\x%02x", (unsigned)(unsigned char)text[i]);
        }
        i += n == 0 ? 1 : n;
    }
    return out;
}

size_t escape_width(const char *text, size_t size)
{
    static const struct {
        uint32_t first, last;
    } wide[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f},
        {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    size_t width = 0;

    for (size_t i = 0; i < size;) {
        uint32_t c = 0;
        size_t n = escape_decode(text + i, size - i, &c);
        width++;
        for (size_t k = 0; n > 0 && k < sizeof(wide) / sizeof(wide[0]); k++)
            width += c >= wide[k].first && c <= wide[k].last;
        i += n == 0 ? 1 : n;
    }
    return width;
}
