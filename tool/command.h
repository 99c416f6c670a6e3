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

/* Whether two commands are the same: their names, and their arguments, where none is as good as an empty object. */
bool command_equal(qmp_value a, qmp_value b);

#endif
