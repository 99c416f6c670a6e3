/* SPDX-License-Identifier: MIT */
#ifndef TOOL_EDITLINE_H
#define TOOL_EDITLINE_H

#include <stdbool.h>
#include <stddef.h>

/* The longest reason why there is no editor. */
#define EDITOR_WHY_MAX 256

/* What is around what a prompt holds for the terminal alone, such as colours: it takes no room there. */
#define EDITOR_INVISIBLE '\001'

/* A line of a terminal that is being edited, with a history. There can be one at a time. */
struct editor;

/* What the editor asks of whoever uses it. */
struct editor_hooks {
    /* The prompt; borrowed until the next call. It ends with something visible. */
    const char *(*prompt)(void *userdata);
    /* Waits until standard input can be read; false: the line is given up. */
    bool (*wait)(void *userdata);
    /* Somebody wants to know what may stand at the cursor. */
    void (*complete)(struct editor *e, void *userdata);
};

enum editor_end {
    EDITOR_LINE,    /* there is a line */
    EDITOR_CLOSED,  /* the end of the input */
    EDITOR_GIVEN_UP /* wait() said so */
};

/* An editor on the terminal that is standard input and output. NULL when there can be none: `why` says why. */
struct editor *editor_new(const struct editor_hooks *hooks, void *userdata, char why[EDITOR_WHY_MAX]);
struct editor *editor_free(struct editor *e);

/* Reads a line, the caller's to free(), without the line's end. */
enum editor_end editor_read(struct editor *e, char **ret);

/* Adds a line to the history, and takes out what is the same. */
void editor_remember(struct editor *e, const char *line);

/* While a line is being read: takes it off the terminal, so that something else can be written where it stood, and
 * puts it back below that. Elsewhere, both do nothing. */
void editor_hide(struct editor *e);
void editor_show(struct editor *e);

/* Goes below the line, which stays where it is; editor_show() draws it again. */
void editor_leave(struct editor *e);

/* The terminal has another size, or was used by others. */
void editor_resized(struct editor *e);

/* Gives the terminal back to its old settings, and takes it again. */
void editor_release(struct editor *e);
void editor_retake(struct editor *e);

/* What stands before the cursor, and what follows it; the caller's to free(). NULL without memory. */
char *editor_before(struct editor *e);

/* Puts a text in at the cursor. */
void editor_insert(struct editor *e, const char *text);

/* The next key that is a character of ASCII, outside of the line; 0 when it is something else. */
char editor_key(struct editor *e);

/* Makes the terminal's noise. */
void editor_beep(struct editor *e);

#endif
