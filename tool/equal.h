/* SPDX-License-Identifier: MIT */
#ifndef TOOL_EQUAL_H
#define TOOL_EQUAL_H

#include <qmp/value.h>

/* Whether two JSON values mean the same: the order of members, white space, escapes and how a number is written do not
 * count. False, too, without memory. */
bool equal_values(qmp_value a, qmp_value b);

#endif
