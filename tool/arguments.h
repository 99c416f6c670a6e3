/* SPDX-License-Identifier: MIT */
#ifndef TOOL_ARGUMENTS_H
#define TOOL_ARGUMENTS_H

#include "outcome.h"

/* The arguments of a command, from the words after it: none, KEY=VALUE and KEY:=JSON words, one JSON object, or "-" for
 * a JSON object from standard input. `*ret` is the object's text, the caller's to free(); NULL when there are no words.
 */
enum outcome arguments_make(const char *const *words, size_t n, char **ret);

#endif
