/* SPDX-License-Identifier: MIT */
#ifndef TOOL_LINES_H
#define TOOL_LINES_H

#include "buffer.h"
#include "record.h"

/* A record as a line of JSON, with its line end. False: no memory. */
bool lines_compose(struct buffer *b, const struct record *record);

/* The record in a line of JSON without its line end. Its text lies in the line, which may be written to. NULL, or what
 * is wrong with the line. */
const char *lines_parse(char *line, size_t size, struct record *ret);

#endif
