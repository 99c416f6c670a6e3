/* SPDX-License-Identifier: MIT */
#ifndef TOOL_BAR_H
#define TOOL_BAR_H

#include <stdbool.h>
#include <stdint.h>

/* The room that a line needs, and the most columns that one has. */
#define BAR_COLUMNS_MAX 200
#define BAR_MAX (BAR_COLUMNS_MAX * 4 + 1)

/* What a progress bar shows; texts may be NULL, and are escaped here. */
struct bar {
    const char *label; /* what makes progress */
    uint64_t current, total;
    const char *amount; /* "1.2 GiB of 4.0 GiB" */
    const char *rate;   /* "110 MiB/s" */
    const char *left;   /* "12 s left" */
};

/* The line that shows it in at most so many columns: what matters least is left out first, until a percentage is all
 * that remains, and then nothing. */
void bar_draw(const struct bar *bar, unsigned columns, bool utf8, char out[BAR_MAX]);

/* How much of it is done, in thousandths: never above 1000, and 1000 only for all of it. */
unsigned bar_permille(uint64_t current, uint64_t total);

#endif
