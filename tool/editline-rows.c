/* SPDX-License-Identifier: MIT */

/* How libedit lays out a line: which row and column a character comes to stand in.
 *
 * A character that does not fit into the rest of a row goes to the next one. A row that is full is left at once. What
 * cannot be printed is drawn as an escape ("^A", "\U+2028"), a tab up to the next multiple of eight columns. A line
 * that is higher than the terminal stays in its last row. Should a libedit draw differently, a line is drawn again a
 * row too high or too low; no more depends on it.
 *
 * It knows nothing of libedit itself. */

#include "editline-rows.h"

#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wctype.h>

#include "escape.h"

/* What is assumed of a terminal that does not tell its size. */
#define COLUMNS_USUAL 80
#define HEIGHT_USUAL 24
#define TAB_COLUMNS 8

struct rows rows_start(int fd)
{
    struct winsize size = {0};
    struct rows rows = {.columns = COLUMNS_USUAL, .height = HEIGHT_USUAL};

    if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
        if (size.ws_col > 1)
            rows.columns = size.ws_col;
        if (size.ws_row > 0)
            rows.height = size.ws_row;
    }
    return rows;
}

static void row_next(struct rows *rows)
{
    rows->column = 0;
    if (rows->row + 1 < rows->height)
        rows->row++;
}

static void rows_width(struct rows *rows, size_t width)
{
    if (rows->column + width > rows->columns)
        row_next(rows);
    rows->column += width;
    if (rows->column >= rows->columns)
        row_next(rows);
}

/* How many characters libedit's escape of one that cannot be printed has. */
static size_t visual_size(wchar_t c)
{
    if (c < 0x100 && iswcntrl((wint_t)c))
        return 2;
    return c > 0xffff ? 8 : 7;
}

static void rows_character(struct rows *rows, wchar_t c)
{
    if (c == L'\n') {
        row_next(rows);
    } else if (c == L'\t') {
        do
            rows_width(rows, 1);
        while (rows->column % TAB_COLUMNS != 0);
    } else if (iswprint((wint_t)c)) {
        int width = wcwidth(c);
        rows_width(rows, width > 0 ? (size_t)width : 0);
    } else {
        for (size_t n = visual_size(c); n > 0; n--)
            rows_width(rows, 1);
    }
}

void rows_prompt(struct rows *rows, const char *prompt, char invisible)
{
    size_t size = strlen(prompt);
    bool counts = true;

    for (size_t i = 0; i < size;) {
        uint32_t c = 0;
        size_t n = escape_decode(prompt + i, size - i, &c);
        if (prompt[i] == invisible)
            counts = !counts;
        else if (counts)
            rows_character(rows, (wchar_t)c);
        i += n > 0 ? n : 1;
    }
}

void rows_text(struct rows *rows, const wchar_t *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rows_character(rows, text[i]);
}

void rows_mark(struct rows *rows, wchar_t c)
{
    int width = wcwidth(c);

    rows->marked = rows->row;
    if (width > 1 && rows->column + (size_t)width > rows->columns)
        rows->marked++;
}
