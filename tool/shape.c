/* SPDX-License-Identifier: MIT */

/* The members of an object, where a union has more of them than its type says.
 *
 * The invariant: a tag is looked for in the part that was added last, so each decides once, and a schema that goes
 * round in circles ends at the named depth. It knows nothing of where a tag's value comes from. */

#include <string.h>

#include "shape.h"

struct shape shape_start(const struct schema *s, qmp_value type)
{
    return (struct shape){s, {type}, 1};
}

qmp_value shape_tag(const struct shape *shape)
{
    if (shape->n == SHAPE_PARTS_MAX)
        return (qmp_value){NULL, 0};
    return qmp_value_member(shape->parts[shape->n - 1], "tag");
}

bool shape_choose(struct shape *shape, const char *value)
{
    qmp_value variants = qmp_value_member(shape->parts[shape->n - 1], "variants"), variant = {NULL, 0};

    while (qmp_value_next(variants, /* key= */ NULL, &variant)) {
        if (!qmp_value_equals(qmp_value_member(variant, "case"), value))
            continue;
        shape->parts[shape->n++] = schema_named(shape->schema, qmp_value_member(variant, "type"));
        return true;
    }
    return false;
}

bool shape_next(const struct shape *shape, size_t *part, qmp_value *member)
{
    for (; *part < shape->n; (*part)++)
        if (qmp_value_next(qmp_value_member(shape->parts[*part], "members"), /* key= */ NULL, member))
            return true;
    return false;
}

qmp_value shape_member(const struct shape *shape, const char *name)
{
    qmp_value member = {NULL, 0};
    size_t part = 0;

    while (shape_next(shape, &part, &member))
        if (qmp_value_equals(qmp_value_member(member, "name"), name))
            return member;
    return (qmp_value){NULL, 0};
}
