/* SPDX-License-Identifier: MIT */
#ifndef TOOL_TREE_H
#define TOOL_TREE_H

#include "outcome.h"

struct tree;

/* An object without members; NULL when there is no memory. */
struct tree *tree_new(void);
struct tree *tree_free(struct tree *tree);

/* Puts JSON text at the end of a dotted key. `word` is what the user wrote for it; it starts with the key, is kept, and
 * named in complaints. */
enum outcome tree_add(struct tree *tree, const char *word, const char *key, const char *json);

/* The JSON text of it all, the caller's to free(). */
enum outcome tree_write(const struct tree *tree, char **ret);

static inline void tree_freep(struct tree **tree)
{
    tree_free(*tree);
}

#endif
