/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_HISTORY_H
#define TOOL_SHELL_HISTORY_H

#include "editline.h"

/* Gives an editor the lines of earlier shells. */
void history_load(struct editor *e);

/* Adds a line to an editor's history, and to the file that later shells read, unless it may hold a secret. Line breaks
 * become spaces. */
void history_add(struct editor *e, const char *line);

#endif
