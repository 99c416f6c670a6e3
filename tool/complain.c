/* SPDX-License-Identifier: MIT */

/* Messages for people, on standard error.
 *
 * The invariant: one call is one line and one write, and no byte of it makes a terminal do anything but show a
 * character. A server may be hostile and a file name may hold anything, so the whole line is escaped after it was put
 * together, and no caller can forget to. Escaped are control characters of both sets, what is not UTF-8, and the
 * characters that end a line or reorder the text around them.
 *
 * It knows nothing of what is said. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"

/* The longest escape of one byte of input: "\xNN". A longer character's escape, "\uNNNN", has two bytes at least. */
#define ESCAPE_MAX 4

/* The character at `s`, with its length in bytes; 0 when it is not UTF-8. */
static size_t character_decode(const unsigned char *s, size_t size, uint32_t *ret)
{
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

static bool character_is_harmless(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } obeyed[] = {{0, 0x1f}, {0x7f, 0x9f}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}};

    for (size_t i = 0; i < sizeof(obeyed) / sizeof(obeyed[0]); i++)
        if (c >= obeyed[i].first && c <= obeyed[i].last)
            return false;
    return true;
}

/* Appends the escaped text to `out`, which has room for ESCAPE_MAX bytes for each of its bytes, and a NUL. */
static char *text_escape(char *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t c = 0;
        size_t n = character_decode((const unsigned char *)text + i, size - i, &c);
        if (n != 0 && character_is_harmless(c)) {
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

void complain(const char *format, ...)
{
    static const char prefix[] = "qmp: ";
    char *text, *line, *end;
    va_list arguments;
    ssize_t n;

    va_start(arguments, format);
    n = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (n < 0)
        return;
    line = malloc(sizeof(prefix) + (size_t)n * ESCAPE_MAX + 1);
    if (line != NULL) {
        memcpy(line, prefix, sizeof(prefix) - 1);
        end = text_escape(line + sizeof(prefix) - 1, text, (size_t)n);
        *end++ = '\n';
        n = write(STDERR_FILENO, line, (size_t)(end - line));
        (void)n; /* when it fails, there is nobody to tell */
    }
    free(line);
    free(text);
}
