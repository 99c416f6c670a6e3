/* SPDX-License-Identifier: MIT */
#ifndef TOOL_CLOSING_H
#define TOOL_CLOSING_H

#include <unistd.h>

/* For __attribute__((cleanup(closep))): closes a descriptor that is open. */
static inline void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#endif
