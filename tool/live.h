/* SPDX-License-Identifier: MIT */
#ifndef TOOL_LIVE_H
#define TOOL_LIVE_H

#include "complete.h"

/* Names what the value of the last of the words of a call may become, out of what is there on a connected server now:
 * jobs, block nodes, devices and the like. The words are as in complete_call(). Takes a moment at most. */
void live_complete(qmp_client *c, const char *const *words, size_t n_words, complete_fn candidate, void *userdata);

#endif
