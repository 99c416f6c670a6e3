/* SPDX-License-Identifier: MIT */
#ifndef TOOL_TAB_H
#define TOOL_TAB_H

#include "options.h"
#include "schema.h"
#include "verb.h"

/* A command line whose end is to be completed. */
struct tab {
    const char **words; /* that are no options, before the one that is completed */
    size_t n_words;
    size_t words_after;  /* how many of them there were before "--"; SIZE_MAX: there was none */
    const char *address; /* that was given; NULL: none was */
    const char *option;  /* the long name of the one whose value is completed; NULL: it is a word or an option */
    const char *current; /* what is written of the value or the word */
    int prefix_size;     /* of what stands before it in the same word, as "--output=" */
    const char *prefix;
    const struct verb *verb; /* NULL: there is none yet, or no such */
    size_t n_name;           /* how many words its name has */
    struct schema *schema;   /* once it was asked for */
    bool looked;
    char **printed; /* candidates */
    size_t n_printed, capacity;
};

/* Sorts the words of a command line, the last of which is incomplete. Then tab_done(). */
enum outcome tab_parse(struct tab *t, const char *const *words, size_t n);
void tab_done(struct tab *t);

/* The schema of the server that the line is for, as it was last seen; NULL when none was. */
const struct schema *tab_schema(struct tab *t);

/* Prints a candidate for the word or value, if it starts with what is written and was not printed yet. A complete_fn,
 * `userdata` is the tab. */
void tab_candidate(const char *candidate, const char *meaning, bool finished, void *userdata);

/* Says that files may stand here, behind the first `size` bytes of what is written. */
void tab_files(struct tab *t, size_t size);

/* Print what may stand for the word, or for the value of the option. */
void tab_word(struct tab *t);
void tab_value(struct tab *t);

#endif
