/* SPDX-License-Identifier: MIT */
#ifndef TOOL_COMPARE_H
#define TOOL_COMPARE_H

#include "outcome.h"
#include "schema.h"

/* Prints what is different between two schemas. Returns OUTCOME_DONE when nothing is, OUTCOME_REFUSED when something
 * is, as diff(1) does. */
enum outcome compare_print(const struct schema *a, const struct schema *b);

#endif
