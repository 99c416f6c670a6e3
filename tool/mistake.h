/* SPDX-License-Identifier: MIT */
#ifndef TOOL_MISTAKE_H
#define TOOL_MISTAKE_H

#include "outcome.h"

/* Refuses an address that is one of the mistakes that people make, and says what to write instead; OUTCOME_DONE for
 * any other, right or wrong: what it means is the library's to say. */
enum outcome mistake_check(const char *address);

#endif
