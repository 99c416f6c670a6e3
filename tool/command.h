/* SPDX-License-Identifier: MIT */
#ifndef TOOL_COMMAND_H
#define TOOL_COMMAND_H

#include <qmp/types.h>
#include <qmp/value.h>

/* Reads what a client sent, as QEMU does: strings may be in single quotes, too. Returns 0, and the value, which lies in
 * `text` or in *ret_memory, the caller's to free(); the errors of qmp_json_check(). */
int command_parse(const char *text, size_t size, qmp_value *ret, char **ret_memory);

/* Its name, in band or out of band; absent when it has none. */
qmp_value command_name(qmp_value command);

/* Whether it is the negotiation, which is the same whatever its arguments. */
bool command_is_negotiation(qmp_value command);

/* An order of commands, as of values: by their names, then by their arguments, where none is as good as an empty
 * object. */
int command_order(qmp_value a, qmp_value b, bool *ret_failed);

#endif
