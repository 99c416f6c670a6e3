/* SPDX-License-Identifier: MIT */
#ifndef TOOL_ARGUMENTS_H
#define TOOL_ARGUMENTS_H

#include "tree.h"

/* The arguments of a command as its words say them: KEY=VALUE and the like, one JSON object, "-", or none. What they
 * become is found out by typing_make() (typing.h). Zero is none; arguments_done() frees what is in it. */
struct arguments {
    struct tree *tree; /* of KEY=VALUE words; NULL: there are none */
    char *json;        /* an object; NULL: there is none */
};

/* Sorts the words after a command out, as far as that goes without knowing it, and reads the files that they name.
 * Then arguments_done(), whatever the outcome. */
enum outcome arguments_parse(const char *const *words, size_t n, struct arguments *ret);
void arguments_done(struct arguments *a);

#endif
