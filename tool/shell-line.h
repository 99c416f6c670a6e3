/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_LINE_H
#define TOOL_SHELL_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* A line, taken apart. All texts are the line's own. */
struct line {
    char **words; /* NULL-terminated; none for a line of another kind */
    size_t n_words;
    char *json;    /* a JSON object instead of words; NULL: none */
    char *monitor; /* what follows "!"; NULL: none */
    char *program; /* what follows "|"; NULL: none */
    char *memory;
};

enum line_end {
    LINE_WHOLE,
    LINE_OPEN,  /* it goes on: a brace is open, or it ends with a backslash */
    LINE_WRONG, /* `why` says what is */
    LINE_MEMORY
};

/* Takes a line apart. It may have several rows, with line breaks between them. Then line_done(), whatever the end. */
enum line_end line_parse(struct line *l, const char *text, const char **ret_why);
void line_done(struct line *l);

/* Takes the beginning of a line apart, up to where somebody is typing: the last word is the one being typed, "" after
 * a space. False where there are no words to complete: in a JSON object, behind "!" and "|", without memory. */
bool line_parse_beginning(struct line *l, const char *text);

#endif
