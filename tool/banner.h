/* SPDX-License-Identifier: MIT */
#ifndef TOOL_BANNER_H
#define TOOL_BANNER_H

#include <stddef.h>

/* What a server is that sent something else than QMP, as "a VNC server"; NULL when that does not show. */
struct banner {
    const char *what;
    const char *advice; /* "" when there is none */
};
const struct banner *banner_find(const char *bytes, size_t size);

#endif
