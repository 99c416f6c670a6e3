/* SPDX-License-Identifier: MIT */
#ifndef TOOL_HELP_H
#define TOOL_HELP_H

#include "verb.h"

enum outcome help_tool(void);
/* `name` is the verb's in full, with that of its family. */
enum outcome help_verb(const struct verb *verb, const char *name);
enum outcome help_version(void);

/* Says which help explains what went wrong. */
void help_hint(const struct options *o);

#endif
