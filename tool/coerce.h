/* SPDX-License-Identifier: MIT */
#ifndef TOOL_COERCE_H
#define TOOL_COERCE_H

#include "judge.h"
#include "tree.h"

/* The arguments of a command as JSON text, the caller's to free(): the leaves of the tree become what the schema says,
 * or what they look like. OUTCOME_USAGE when one cannot. */
enum outcome coerce(struct judge *j, const struct tree *tree, char **ret);

#endif
