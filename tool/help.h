/* SPDX-License-Identifier: MIT */
#ifndef TOOL_HELP_H
#define TOOL_HELP_H

#include "verb.h"

enum outcome help_tool(void);
enum outcome help_verb(const struct verb *verb);
enum outcome help_version(void);

/* Says which help explains what went wrong. */
void help_hint(const struct options *o);

#endif
