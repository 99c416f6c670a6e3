/* SPDX-License-Identifier: MIT */
#ifndef TOOL_TREE_H
#define TOOL_TREE_H

#include "outcome.h"

enum tree_kind { TREE_NEW, TREE_LEAF, TREE_OBJECT, TREE_ARRAY };

/* A node: an object with children by name, an array with children in the order of their indexes, none missing, or a
 * leaf. */
struct tree {
    enum tree_kind kind;
    char *name;   /* in an object, else NULL */
    size_t index; /* in an array */
    char *word;   /* that made it */
    char *path;   /* the start of `word` that leads here; NULL: the root */
    char *text;   /* of a leaf */
    bool exact;   /* it is JSON, to be taken as it is */
    struct tree *first, *last, *next;
};

/* An object without members; NULL when there is no memory. */
struct tree *tree_new(void);
struct tree *tree_free(struct tree *tree);

/* Puts a text, which it takes over (free()) whatever the outcome, at the end of a dotted key. `word` is what the user
 * wrote for it, and starts with the key. */
enum outcome tree_add(struct tree *tree, const char *word, const char *key, char *text, bool exact);

/* Refuses arrays that have gaps. */
enum outcome tree_check(const struct tree *tree);

/* The child of a name; NULL when there is none. */
const struct tree *tree_find(const struct tree *tree, const char *name);

static inline void tree_freep(struct tree **tree)
{
    tree_free(*tree);
}

#endif
