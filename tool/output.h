/* SPDX-License-Identifier: MIT */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include "outcome.h"

/* Writes to standard output, through a buffer. */
enum outcome output_text(const char *text, size_t size);

/* Writes a JSON value as one line: as it is when it has no line breaks, else with the white space around its tokens
 * brought to what QEMU writes when it does not indent. */
enum outcome output_line(qmp_value v);

/* Writes out what is buffered. */
enum outcome output_flush(void);

/* Ends the process as a write to a pipe without a reader does: quietly, by SIGPIPE. */
_Noreturn void output_abandon(void);

#endif
