/* SPDX-License-Identifier: MIT */
#ifndef TOOL_INSPECT_H
#define TOOL_INSPECT_H

#include "judge.h"

/* Judges the arguments of a command, an object or absent, against the schema: everything that the server would refuse
 * is a fault, what is deprecated or unstable a remark. */
void inspect(struct judge *j, qmp_value arguments);

#endif
