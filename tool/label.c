/* SPDX-License-Identifier: MIT */

/* Which server a thread is about. */

#include <stddef.h>

#include "label.h"

static _Thread_local const char *current;

const char *label_get(void)
{
    return current;
}

void label_set(const char *label)
{
    current = label;
}
