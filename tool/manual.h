/* SPDX-License-Identifier: MIT */
#ifndef TOOL_MANUAL_H
#define TOOL_MANUAL_H

#include "outcome.h"

/* Prints what the reference of QEMU's protocol, where it is installed, says about a command or an event,
 * and `before` that. Tells in `*ret_found` whether it says anything: a reference that is not there, or cannot be read,
 * is no failure. */
enum outcome manual_print(const char *before, const char *name, bool *ret_found);

#endif
