/* SPDX-License-Identifier: MIT */
#ifndef TOOL_ROFF_H
#define TOOL_ROFF_H

#include <stdbool.h>

#include "outcome.h"

/* How deep lists may be nested; deeper ones are not indented further. */
#define ROFF_DEPTH_MAX 16

/* Turns lines of a man page into plain text on standard output, one after the other. Start with one that is all zero,
 * end with roff_end(). */
struct roff {
    unsigned left;   /* columns before the text of the lists that are open */
    unsigned inner;  /* and of the item that is */
    unsigned column; /* of the line that is being filled; 0: there is none */
    unsigned depth;  /* of open lists */
    struct {
        unsigned left, inner;
    } outer[ROFF_DEPTH_MAX]; /* before each was opened */
    bool literal;            /* lines stay as they are */
    bool tag;                /* the next line is what an item explains */
    bool gap;                /* an empty line is due */
    bool headed;             /* a heading was the last that was written */
    bool started;            /* something was written */
};

/* Takes a line, which it changes. */
enum outcome roff_line(struct roff *r, char *line);
enum outcome roff_end(struct roff *r);

/* The text of a line without its escapes, in place. Returns `line`. */
char *roff_plain(char *line);

#endif
