/* SPDX-License-Identifier: MIT */
#ifndef TOOL_ORDER_H
#define TOOL_ORDER_H

#include <qmp/value.h>

/* An order of JSON values: negative, 0 or positive. It is 0 when they mean the same: the order of members, white space,
 * escapes and how a number is written do not count. Without memory *ret_failed becomes true, else it stays as it is. */
int order_values(qmp_value a, qmp_value b, bool *ret_failed);

/* Whether they mean the same. False, too, without memory. */
bool order_equal(qmp_value a, qmp_value b);

#endif
