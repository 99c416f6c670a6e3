/* SPDX-License-Identifier: MIT */
#ifndef TOOL_VERB_H
#define TOOL_VERB_H

#include "options.h"

/* A verb: one file, one static entry, one line in the table of verbs.c. */
struct verb {
    const char *name;
    const char *synopsis;    /* the words after it: "COMMAND [KEY=VALUE...]" */
    const char *summary;     /* for the list of verbs */
    const char *description; /* for its own help: what it does and how to say it */
    const char *examples;    /* lines, indented by two */
    unsigned options;        /* OPTION_ bits that it takes */
    size_t words_min;        /* words after it that it needs */
    enum outcome (*run)(const struct options *o, const char *const *words, size_t n_words);
};

extern const struct verb verb_call, verb_events, verb_wait;

/* The verb of a name; NULL, with a complaint that lists the verbs, when there is none. */
const struct verb *verb_find(const char *name);

/* The verb at a position, NULL after the last one. */
const struct verb *verb_at(size_t position);

#endif
