/* SPDX-License-Identifier: MIT */

/* What a progress bar looks like, for any width.
 *
 * The parts of the line are taken in the order of what they tell a person who waits: the percentage, the bar, how long
 * it will take, what it is about, how fast and how much. Each is there in full, or it and all that matters less are
 * not, and the bar gets the room that is left. The invariant: the line never takes more columns than it was given.
 *
 * It knows nothing of terminals, nor of what makes progress. */

#include <stdio.h>
#include <string.h>

#include "bar.h"
#include "escape.h"

/* Cells of the bar itself, without its brackets. */
#define CELLS_MIN 10
#define CELLS_MAX 40
#define BRACKETS 2
/* Columns between two parts. */
#define GAP 2

/* In the order of the line. */
enum part { PART_LABEL, PART_BAR, PART_PERCENT, PART_AMOUNT, PART_RATE, PART_LEFT, PARTS };

struct line {
    char text[PARTS][BAR_MAX]; /* "": not there; of the bar, nothing */
    bool taken[PARTS];
    unsigned columns; /* that are still free */
    bool begun;       /* a part was taken */
};

unsigned bar_permille(uint64_t current, uint64_t total)
{
    if (total == 0)
        return 0;
    return current >= total ? 1000 : (unsigned)((double)current / (double)total * 1000) % 1000;
}

static void text_set(struct line *line, enum part part, const char *text)
{
    if (text != NULL && strlen(text) <= BAR_COLUMNS_MAX)
        escape_text(line->text[part], text, strlen(text));
}

/* Whether there was room for a part. */
static bool part_take(struct line *line, enum part part, size_t width)
{
    size_t needed = width == 0 ? 0 : width + (line->begun ? GAP : 0);

    if (needed > line->columns)
        return false;
    line->columns -= (unsigned)needed;
    line->taken[part] = needed > 0;
    line->begun |= needed > 0;
    return true;
}

static char *bar_write(char *out, unsigned cells, unsigned permille, bool utf8)
{
    unsigned full = cells * permille / 1000;

    *out++ = '[';
    for (unsigned i = 0; i < cells; i++) {
        const char *cell = i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : "-");
        out = stpcpy(out, cell);
    }
    *out++ = ']';
    return out;
}

void bar_draw(const struct bar *bar, unsigned columns, bool utf8, char out[BAR_MAX])
{
    static const enum part order[] = {PART_PERCENT, PART_BAR, PART_LEFT, PART_LABEL, PART_RATE, PART_AMOUNT};
    unsigned permille = bar_permille(bar->current, bar->total), more;
    struct line line = {.columns = columns < BAR_COLUMNS_MAX ? columns : BAR_COLUMNS_MAX};
    char *start = out;

    text_set(&line, PART_LABEL, bar->label);
    text_set(&line, PART_AMOUNT, bar->amount);
    text_set(&line, PART_RATE, bar->rate);
    text_set(&line, PART_LEFT, bar->left);
    snprintf(line.text[PART_PERCENT], BAR_MAX, "%3u%%", permille / 10);
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        const char *text = line.text[order[i]];
        size_t width = order[i] == PART_BAR ? CELLS_MIN + BRACKETS : escape_width(text, strlen(text));
        if (!part_take(&line, order[i], width))
            break;
    }
    more = line.columns < CELLS_MAX - CELLS_MIN ? line.columns : CELLS_MAX - CELLS_MIN;
    for (enum part part = 0; part < PARTS; part++) {
        if (!line.taken[part])
            continue;
        if (out > start)
            out += sprintf(out, "%*s", GAP, "");
        out = part == PART_BAR ? bar_write(out, CELLS_MIN + more, permille, utf8) : stpcpy(out, line.text[part]);
    }
    *out = '\0';
}
