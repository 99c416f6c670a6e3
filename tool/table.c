/* SPDX-License-Identifier: MIT */

/* Tables for terminals.
 *
 * The invariant: no line is wider than the terminal, because one that wraps is no table. Columns are first made
 * narrower, then left out, in the order that the table says. Texts may be a guest's: they are escaped before they are
 * measured.
 *
 * It knows nothing of what is in them. */

#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "charset.h"
#include "escape.h"
#include "output.h"
#include "terminal.h"

#define COLUMNS_MAX 16
/* Between two columns. */
#define GAP 2

struct layout {
    size_t widths[COLUMNS_MAX]; /* 0: left out */
    size_t n;
};

static size_t width_find(void)
{
    const char *columns = getenv("COLUMNS");
    size_t told = terminal_columns(STDOUT_FILENO);
    long n;

    if (told != 0)
        return told;
    n = columns != NULL ? strtol(columns, NULL, 10) : 0;
    return n > 0 ? (size_t)n : TERMINAL_COLUMNS_USUAL;
}

static char *text_escape(const char *text)
{
    size_t size = strlen(text);
    char *escaped = malloc(size * ESCAPE_MAX + 1);

    if (escaped != NULL)
        *escape_text(escaped, text, size) = '\0';
    return escaped;
}

static size_t layout_width(const struct layout *l)
{
    size_t width = 0;

    for (size_t i = 0; i < l->n; i++)
        width += l->widths[i] != 0 ? l->widths[i] + GAP : 0;
    return width > 0 ? width - GAP : 0;
}

/* The column to leave out next; SIZE_MAX: none may be. */
static size_t least_wanted(const struct layout *l, const struct column *columns)
{
    size_t found = SIZE_MAX;

    for (size_t i = 0; i < l->n; i++) {
        if (l->widths[i] == 0 || columns[i].leave == 0)
            continue;
        if (found == SIZE_MAX || columns[i].leave < columns[found].leave)
            found = i;
    }
    return found;
}

static void layout_fit(struct layout *l, const struct column *columns, size_t width)
{
    for (;;) {
        size_t natural = layout_width(l), i;
        for (i = l->n; i-- > 0 && natural > width;) {
            size_t least = columns[i].narrowest != 0 && l->widths[i] != 0 ? columns[i].narrowest : l->widths[i];
            size_t spare = l->widths[i] > least ? l->widths[i] - least : 0, excess = natural - width;
            /* Only if that is enough is a column made narrower at once; else one is left out, and they get it back. */
            if (spare == 0)
                continue;
            if (spare >= excess) {
                l->widths[i] -= excess;
                return;
            }
        }
        if (natural <= width)
            return;
        i = least_wanted(l, columns);
        if (i == SIZE_MAX)
            break;
        l->widths[i] = 0;
    }
    /* Nothing is left to leave out: the last ones get what there is. */
    for (size_t i = l->n; i-- > 0 && layout_width(l) > width;) {
        size_t excess = layout_width(l) - width;
        if (l->widths[i] > 0)
            l->widths[i] = l->widths[i] > excess ? l->widths[i] - excess : 1;
    }
}

/* Where `width` columns of a text end. */
static size_t text_cut(const char *text, size_t size, size_t width)
{
    size_t end = 0;

    while (end < size) {
        uint32_t c;
        size_t n = escape_decode(text + end, size - end, &c), columns = escape_width(text + end, n);
        if (columns > width)
            break;
        width -= columns;
        end += n;
    }
    return end;
}

/* Where a text goes on after `width` columns, or one more. */
static size_t text_skip(const char *text, size_t size, size_t width)
{
    size_t start = 0;

    while (start < size && width > 0) {
        uint32_t c;
        size_t n = escape_decode(text + start, size - start, &c), columns = escape_width(text + start, n);
        width -= columns < width ? columns : width;
        start += n;
    }
    return start;
}

static enum outcome spaces_write(size_t n)
{
    return output_print("%*s", (int)n, "");
}

/* A text in a column that may be too narrow for it. */
static enum outcome text_write(const char *text, const struct column *column, size_t width, bool last)
{
    const char *mark = charset_is_utf8() ? "…" : "~";
    size_t size = strlen(text), needed = escape_width(text, size), start = 0, end = size;
    enum outcome outcome = OUTCOME_DONE;

    if (needed > width && column->tail)
        start = text_skip(text, size, needed + 1 - width);
    else if (needed > width)
        end = text_cut(text, size, width - 1);
    needed = escape_width(text + start, end - start) + (needed > width);
    if (column->right && needed < width)
        outcome = spaces_write(width - needed);
    if (outcome == OUTCOME_DONE && start > 0)
        outcome = output_print("%s", mark);
    if (outcome == OUTCOME_DONE)
        outcome = output_text(text + start, end - start);
    if (outcome == OUTCOME_DONE && end < size)
        outcome = output_print("%s", mark);
    if (outcome == OUTCOME_DONE && !column->right && needed < width && !last)
        outcome = spaces_write(width - needed);
    return outcome;
}

static enum outcome row_write(
    const struct layout *l, const struct column *columns, const struct cell *cells, enum style style)
{
    enum outcome outcome = OUTCOME_DONE;
    size_t last = l->n;
    bool first = true;

    while (last > 0 && l->widths[last - 1] == 0)
        last--;
    for (size_t i = 0; outcome == OUTCOME_DONE && i < last; i++) {
        const char *on = style_start(STDOUT_FILENO, cells != NULL ? cells[i].style : style);
        if (l->widths[i] == 0)
            continue;
        if (!first)
            outcome = spaces_write(GAP);
        first = false;
        if (outcome == OUTCOME_DONE)
            outcome = output_print("%s", on);
        if (outcome == OUTCOME_DONE)
            outcome =
                text_write(cells != NULL ? cells[i].text : columns[i].title, &columns[i], l->widths[i], i + 1 == last);
        if (outcome == OUTCOME_DONE && *on != '\0')
            outcome = output_print("%s", style_end(STDOUT_FILENO));
    }
    return outcome == OUTCOME_DONE ? output_text("\n", 1) : outcome;
}

static enum outcome rows_write(const struct column *columns, size_t n_columns, const struct cell *cells, size_t n_rows)
{
    struct layout l = {.n = n_columns};
    enum outcome outcome;

    for (size_t i = 0; i < n_columns; i++) {
        l.widths[i] = strlen(columns[i].title);
        for (size_t k = 0; k < n_rows; k++) {
            const char *text = cells[k * n_columns + i].text;
            /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): table_print() has filled every cell */
            size_t width = escape_width(text, strlen(text));
            l.widths[i] = width > l.widths[i] ? width : l.widths[i];
        }
    }
    layout_fit(&l, columns, width_find());
    outcome = row_write(&l, columns, /* cells= */ NULL, STYLE_BOLD);
    for (size_t k = 0; outcome == OUTCOME_DONE && k < n_rows; k++)
        outcome = row_write(&l, columns, cells + k * n_columns, STYLE_PLAIN);
    return outcome;
}

enum outcome table_print(const struct column *columns, size_t n_columns, const struct cell *cells, size_t n_rows)
{
    size_t n = n_columns * n_rows, made = 0;
    struct cell *escaped = calloc(n + 1, sizeof(*escaped));
    enum outcome outcome;

    for (; escaped != NULL && made < n; made++) {
        escaped[made] =
            (struct cell){text_escape(cells[made].text != NULL ? cells[made].text : "-"), cells[made].style};
        if (escaped[made].text == NULL)
            break;
    }
    if (escaped == NULL || made < n || n_columns > COLUMNS_MAX)
        outcome = outcome_of_error("a table", -ENOMEM);
    else
        outcome = rows_write(columns, n_columns, escaped, n_rows);
    for (size_t i = 0; i < made; i++)
        free(escaped[i].text);
    free(escaped);
    return outcome;
}
