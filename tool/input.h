/* SPDX-License-Identifier: MIT */
#ifndef TOOL_INPUT_H
#define TOOL_INPUT_H

#include "outcome.h"

/* Everything that a file holds, NUL-terminated, the caller's to free(). The file "-" is standard input, which is read
 * once, however often and by however many threads it is asked for, and whose limit is that of the first. OUTCOME_LOCAL
 * when it cannot be read, OUTCOME_USAGE when it holds more than `max` bytes, which are whole MiB. */
enum outcome input_read(const char *path, size_t max, char **ret, size_t *ret_size);

/* What to call that file in a complaint. */
const char *input_name(const char *path);

#endif
