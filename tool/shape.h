/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHAPE_H
#define TOOL_SHAPE_H

#include "schema.h"

/* How deep unions may be nested, each the branch of another. */
#define SHAPE_PARTS_MAX 8

/* Which members an object of some type has: those of the type, and those of the branch that the value of a member of
 * it, the tag, decides on. */
struct shape {
    const struct schema *schema;
    qmp_value parts[SHAPE_PARTS_MAX]; /* object types */
    size_t n;
};

struct shape shape_start(const struct schema *s, qmp_value type);

/* The name of the tag that decides what comes in addition; absent when nothing does. Its value is then chosen: false
 * when there is no such branch. */
qmp_value shape_tag(const struct shape *shape);
bool shape_choose(struct shape *shape, const char *value);

/* A member by name, absent when there is none; and all of them, from 0 on, until it returns false. */
qmp_value shape_member(const struct shape *shape, const char *name);
bool shape_next(const struct shape *shape, size_t *part, qmp_value *member);

#endif
