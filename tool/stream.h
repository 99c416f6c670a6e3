/* SPDX-License-Identifier: MIT */
#ifndef TOOL_STREAM_H
#define TOOL_STREAM_H

#include "filter.h"

/* Prints events as they come, one a line, until --count of them were printed, or --timeout has passed. */
enum outcome stream_run(const struct options *o, const struct filter *f);

#endif
