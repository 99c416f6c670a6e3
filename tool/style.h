/* SPDX-License-Identifier: MIT */
#ifndef TOOL_STYLE_H
#define TOOL_STYLE_H

#include <stdbool.h>

#include "options.h"

enum style {
    STYLE_PLAIN,
    STYLE_KEY,     /* the name of a member */
    STYLE_STRING,  /* JSON */
    STYLE_NUMBER,  /* JSON */
    STYLE_LITERAL, /* true, false, null */
    STYLE_GOOD,
    STYLE_BAD,
    STYLE_WARNING,
    STYLE_FAINT,
    STYLE_BOLD,
};

/* Decides about colours, once, before anything is written: --color, then NO_COLOR (no-color.org), then whether the
 * descriptor is a terminal that is not dumb. */
void style_setup(enum color color);

/* What switches a style on at a descriptor, standard output or standard error, and what ends it: "" without colours. */
const char *style_start(int fd, enum style style);
const char *style_end(int fd);

#endif
