/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SEVERAL_H
#define TOOL_SEVERAL_H

#include "verb.h"

/* Whether the options name several servers. */
bool several_given(const struct options *o);

/* Runs a verb for each of them, at once, everything that it writes labelled. Returns what all of them returned;
 * OUTCOME_SOME when they did not all return the same. */
enum outcome several_run(const struct verb *verb, const struct options *o, const char *const *words, size_t n_words);

#endif
