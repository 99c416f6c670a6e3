/* SPDX-License-Identifier: MIT */
#ifndef TOOL_STREAM_H
#define TOOL_STREAM_H

#include "options.h"

/* Prints events as they come, one a line, until `count` of them were printed (0: without end). */
enum outcome stream_run(const struct options *o, const char *const *names, size_t n_names, size_t count);

#endif
