/* SPDX-License-Identifier: MIT */
#ifndef TOOL_EDITLINE_ROWS_H
#define TOOL_EDITLINE_ROWS_H

#include <stddef.h>
#include <wchar.h>

/* Where on a terminal the end of what was drawn so far is, counted from where drawing began, and where the mark was
 * set. */
struct rows {
    size_t columns, height; /* of the terminal */
    size_t row, column;
    size_t marked; /* the row */
};

/* Begins on the terminal that a descriptor is. */
struct rows rows_start(int fd);

/* Goes on by a text, as libedit draws it. A prompt is UTF-8; what stands between two `invisible` takes no room. */
void rows_prompt(struct rows *rows, const char *prompt, char invisible);
void rows_text(struct rows *rows, const wchar_t *text, size_t n);

/* Sets the mark here, where a character will be drawn. */
void rows_mark(struct rows *rows, wchar_t c);

#endif
