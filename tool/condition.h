/* SPDX-License-Identifier: MIT */
#ifndef TOOL_CONDITION_H
#define TOOL_CONDITION_H

#include "outcome.h"
#include "schema.h"

enum condition_kind {
    CONDITION_EVENT, /* NAME or GLOB */
    CONDITION_STATE, /* state=STATE,... */
    CONDITION_JOB,   /* job:ID=STATUS,... */
    CONDITION_READY, /* ready */
    CONDITION_GONE,  /* gone */
};

struct condition {
    enum condition_kind kind;
    const char *word;   /* as it was written, and for an event its name */
    char *id;           /* of a job */
    const char *wanted; /* states or statuses, separated by commas */
};

/* What a word says. Refuses one that says nothing; it is kept. Then condition_done(), whatever the outcome. */
enum outcome condition_parse(const char *word, struct condition *ret);
void condition_done(struct condition *c);

/* Whether a state or status is among those that are wanted. */
bool condition_wants(const struct condition *c, const char *value);

/* The first of those wanted that a schema does not know, with what is near in `*ret_near`; NULL when it knows them all.
 * `text` holds what is returned. */
#define CONDITION_VALUE_MAX 128
const char *condition_stranger(const struct condition *c, const struct schema *s, char text[CONDITION_VALUE_MAX],
    char ret_near[CONDITION_VALUE_MAX]);

#endif
