/* SPDX-License-Identifier: MIT */
#ifndef TOOL_CHARSET_H
#define TOOL_CHARSET_H

#include <stdbool.h>

/* Whether the user's terminal shows UTF-8, as the environment says (locale(7)). */
bool charset_is_utf8(void);

#endif
