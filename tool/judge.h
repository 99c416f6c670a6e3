/* SPDX-License-Identifier: MIT */
#ifndef TOOL_JUDGE_H
#define TOOL_JUDGE_H

#include "kind.h"
#include "properties.h"
#include "shape.h"

/* What arguments are judged by, and how what is wrong with them is said. */
struct judge {
    const struct schema *schema;         /* NULL: none is known */
    const struct properties *properties; /* of the device that is added; NULL: not known */
    const char *command;
    bool quiet;    /* count what is wrong, and say nothing: it will be judged again */
    bool checking; /* everything is checked afterwards, which says which members are unknown */
    size_t faults;
    size_t remarks; /* what is no fault */
};

/* Says what is wrong, in a line that starts with the command. */
void judge_fault(struct judge *j, const char *format, ...) QMP_PRINTF(2, 3);

/* Says what is worth knowing. */
void judge_remark(struct judge *j, const char *format, ...) QMP_PRINTF(2, 3);

/* Says that an object has no such member, and which was perhaps meant, or which there are. `path` is where it is, and
 * ends with its name. */
void judge_unknown(struct judge *j, const char *path, const char *name, const struct shape *shape);

/* Says that a value is none of an enumeration's, and which was perhaps meant, or which there are. */
void judge_no_value(struct judge *j, const char *path, const char *value, qmp_value type);

/* What the schema says about the command, absent when there is no such; and the type of its arguments. */
qmp_value judge_command(const struct judge *j);
qmp_value judge_arguments(const struct judge *j);

/* Whether an object may have members that its type does not: the arguments of a command that passes them on. */
bool judge_is_open(const struct judge *j, const struct shape *shape);

#endif
