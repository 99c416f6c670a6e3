/* SPDX-License-Identifier: MIT */
#ifndef TOOL_ESCAPE_H
#define TOOL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest escape of one byte of input: "\xNN". A longer character's escape, "\uNNNN", has two bytes at least. */
#define ESCAPE_MAX 4

/* The character at `text`, with its length in bytes; 0 when it is not UTF-8. */
size_t escape_decode(const char *text, size_t size, uint32_t *ret);

/* Whether a terminal does nothing with a character but show it. */
bool escape_is_harmless(uint32_t c);

/* Appends the escaped text to `out`, which has room for ESCAPE_MAX bytes for each of its bytes, and a NUL. Returns its
 * end. */
char *escape_text(char *out, const char *text, size_t size);

/* How many columns of a terminal a text takes, roughly: its characters, wide ones twice. It has been escaped. */
size_t escape_width(const char *text, size_t size);

#endif
