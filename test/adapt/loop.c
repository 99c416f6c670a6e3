/* SPDX-License-Identifier: MIT */
/* What the loops share: the end of a program that a loop has failed. It knows no loop. */

#include "loop.h"

#include <stdio.h>

void loop_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: the loop fails: %s\n", file, line, condition);
    abort();
}
