/* SPDX-License-Identifier: MIT */
#ifndef TOOL_VERB_H
#define TOOL_VERB_H

#include "guess.h"
#include "options.h"

/* A verb: one file, one static entry, one line in the table of verbs.c. A verb like "job" is a family: the word after
 * it names the member. */
struct verb {
    const char *name;
    const char *synopsis;             /* the words after it: "COMMAND [KEY=VALUE...]" */
    const char *summary;              /* for the list of verbs */
    const char *description;          /* for its own help: what it does and how to say it */
    const char *examples;             /* lines, indented by two */
    uint64_t options;                 /* OPTION_ bits that it takes */
    size_t words_min;                 /* words after it that it needs */
    bool several;                     /* may be run for several servers: at once, each on a thread of its own */
    bool hidden;                      /* not in the list of verbs */
    const struct verb *const *family; /* its members, up to NULL; NULL: it is none. A family has no run() */
    enum outcome (*run)(const struct options *o, const char *const *words, size_t n_words);
};

extern const struct verb verb_call, verb_run, verb_events, verb_wait, verb_hook, verb_job, verb_migrate, verb_shell,
    verb_help, verb_schema, verb_ping, verb_ls, verb_doctor, verb_ga, verb_capture, verb_replay, verb_version,
    verb_complete;

/* All verbs, up to NULL, in the order of the help. */
extern const struct verb *const verbs[];

/* The verb that the words name, and in *ret_n how many words its name has; NULL, with a complaint, when there is none.
 * The name of a family alone gives the family. */
const struct verb *verb_find(const char *const *words, size_t n_words, size_t *ret_n);

/* The same without a complaint: the verb that the words name as far as they name one; NULL when the first does not. */
const struct verb *verb_look(const char *const *words, size_t n_words, size_t *ret_n);

/* The verb that has nearly the name. */
struct guess verb_guess(const char *name);

#endif
