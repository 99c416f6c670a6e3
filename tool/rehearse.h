/* SPDX-License-Identifier: MIT */
#ifndef TOOL_REHEARSE_H
#define TOOL_REHEARSE_H

#include "arguments.h"
#include "options.h"

/* What call does with --check and --dry-run: everything but sending the command. */
enum outcome rehearse(const struct options *o, const char *command, const struct arguments *a);

#endif
