/* SPDX-License-Identifier: MIT */
/* Equality of JSON values, for matching the id of a reply: QEMU gives an id back as the same value, not as the same
 * bytes.
 *
 * Both sides are walked in step. Members of objects usually come in the same order; one that does not is looked up by
 * name, so only disorder costs more than linear time. Nothing is allocated, and the recursion is as deep as the values
 * are, bounded by JSON_DEPTH_MAX. With duplicate keys, which QEMU neither writes nor takes, values that are not the
 * same bytes may or may not be equal.
 *
 * It refuses to know what an id is. */

#include "json/value.h"

#include <string.h>

#include "json/validate.h"

static bool equal(qmp_value a, qmp_value b, unsigned depth);

static bool arrays_equal(qmp_value a, qmp_value b, unsigned depth)
{
    qmp_value item_a = {NULL, 0}, item_b = {NULL, 0};

    while (qmp_value_next(a, NULL, &item_a))
        if (!qmp_value_next(b, NULL, &item_b) || !equal(item_a, item_b, depth))
            return false;
    return !qmp_value_next(b, NULL, &item_b);
}

/* The member of an object whose name is this JSON string. */
static qmp_value member(qmp_value object, qmp_value name)
{
    qmp_value key = {NULL, 0}, item = {NULL, 0};

    while (qmp_value_next(object, &key, &item))
        if (json_strings_equal(key, name))
            break;
    return item;
}

/* Whether every member of one object has its equal in the other, which has as many members. */
static bool objects_equal(qmp_value a, qmp_value b, unsigned depth)
{
    qmp_value key_a = {NULL, 0}, key_b = {NULL, 0}, item_a = {NULL, 0}, item_b = {NULL, 0};

    while (qmp_value_next(a, &key_a, &item_a)) {
        if (!qmp_value_next(b, &key_b, &item_b))
            return false;
        qmp_value same = json_strings_equal(key_a, key_b) ? item_b : member(b, key_a);
        if (!same.text || !equal(item_a, same, depth))
            return false;
    }
    return !qmp_value_next(b, &key_b, &item_b);
}

static bool equal(qmp_value a, qmp_value b, unsigned depth)
{
    enum qmp_type type = qmp_value_type(a);

    if (type != qmp_value_type(b) || type == QMP_ABSENT)
        return false;
    if (a.size == b.size && memcmp(a.text, b.text, a.size) == 0)
        return true;
    switch (type) {
    case QMP_NUMBER:
        return json_number_equal(a, b);
    case QMP_STRING:
        return json_strings_equal(a, b);
    case QMP_ARRAY:
        return depth > 0 && arrays_equal(a, b, depth - 1);
    case QMP_OBJECT:
        return depth > 0 && objects_equal(a, b, depth - 1);
    default:
        return false;
    }
}

bool json_equal(qmp_value a, qmp_value b)
{
    return equal(a, b, JSON_DEPTH_MAX);
}
