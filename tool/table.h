/* SPDX-License-Identifier: MIT */
#ifndef TOOL_TABLE_H
#define TOOL_TABLE_H

#include <stddef.h>

#include "outcome.h"
#include "style.h"

/* A column of a table on a terminal. */
struct column {
    const char *title;
    size_t narrowest; /* it may be made as narrow as this, before anything is left out; 0: it keeps its width */
    unsigned leave;   /* when the table is still too wide, the column with the smallest is left out first; 0: never */
    bool tail;        /* of a text that does not fit, the end is shown */
    bool right;       /* numbers: aligned at the right */
};

struct cell {
    char *text; /* NULL: "-"; may hold anything, is escaped */
    enum style style;
};

/* Writes a table as wide as the terminal, and no wider. `cells` has one item for each column and row, row by row. */
enum outcome table_print(const struct column *columns, size_t n_columns, const struct cell *cells, size_t n_rows);

#endif
