/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_READER_H
#define TOOL_SHELL_READER_H

#include "editline.h"

/* Where lines come from: a line editor, a terminal without one, or a script. */
struct reader;

enum reader_kind {
    READER_EDITED, /* a terminal, with a line editor; without one where that is not to be had, which is said */
    READER_PLAIN,  /* a terminal that can do nothing but print */
    READER_SCRIPT  /* no prompt */
};

enum reader_end {
    READER_LINE,
    READER_CLOSED,
    READER_GIVEN_UP, /* the hook said so */
    READER_WRONG,    /* what was read is no line; that has been said */
    READER_BROKEN    /* no more can be read, and that is not the end; that has been said */
};

/* NULL without memory. */
struct reader *reader_new(enum reader_kind kind, const struct editor_hooks *hooks, void *userdata);
struct reader *reader_free(struct reader *r);

/* Reads a line, the caller's to free(), without its end. */
enum reader_end reader_read(struct reader *r, char **ret);

/* The editor; NULL: there is none. */
struct editor *reader_editor(const struct reader *r);

/* While a line is being read: makes room for something to be written above it, and shows it again. */
void reader_hide(struct reader *r);
void reader_show(struct reader *r);

#endif
