/* SPDX-License-Identifier: MIT */
#ifndef TOOL_TERMINAL_H
#define TOOL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* The columns of a terminal that does not tell. */
#define TERMINAL_COLUMNS_USUAL 80

/* The columns of the terminal at a descriptor; 0 when there is none, or it does not tell. */
size_t terminal_columns(int fd);

/* Whether the user's terminal, as TERM names it, does more than to write one character after another. */
bool terminal_draws(void);

#endif
