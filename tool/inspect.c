/* SPDX-License-Identifier: MIT */

/* Whether JSON is what a schema says.
 *
 * Value and type are walked together. The invariant: what is let through is what the server's own parser of arguments
 * lets through, as far as the schema tells: ranges smaller than 64 bits it does not. All faults are found, not only the
 * first.
 *
 * It knows nothing of where the JSON came from. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect.h"

/* The longest path that is named in full. */
#define PATH_SIZE 512
/* How much of a value is shown. */
#define SHOWN_MAX 80

static const qmp_value absent = {NULL, 0};

/* A value that is looked at, and the path that leads to it. */
struct spot {
    struct judge *judge;
    const char *path;
    qmp_value value;
};

static void value_check(const struct spot *spot, qmp_value type);

static void remark(const struct spot *spot, qmp_value member)
{
    static const char *const features[] = {"deprecated", "unstable"};

    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (schema_has_feature(member, features[i]))
            judge_remark(spot->judge, "'%s' is %s", spot->path, features[i]);
}

/* A path with one more step. */
static void path_extend(char ret[PATH_SIZE], const char *path, const char *step)
{
    if (snprintf(ret, PATH_SIZE, "%s%s%s", path, *path != '\0' ? "." : "", step) >= PATH_SIZE)
        strcpy(ret + PATH_SIZE - sizeof("..."), "...");
}

/* Whether a number is one that an int takes: no fraction, no exponent, 64 bits. */
static bool is_int(qmp_value v)
{
    int64_t i;
    uint64_t u;

    return qmp_value_int64(v, &i) >= 0 || qmp_value_uint64(v, &u) >= 0;
}

/* Whether a value is of a kind, whatever is in it. */
static bool kind_fits(qmp_value v, enum kind kind)
{
    switch (kind) {
    case KIND_STRING:
    case KIND_ENUM:
        return qmp_value_type(v) == QMP_STRING;
    case KIND_INT:
        return is_int(v);
    case KIND_NUMBER:
        return qmp_value_type(v) == QMP_NUMBER;
    case KIND_BOOL:
        return qmp_value_type(v) == QMP_BOOL;
    case KIND_NULL:
        return qmp_value_type(v) == QMP_NULL;
    case KIND_ARRAY:
        return qmp_value_type(v) == QMP_ARRAY;
    case KIND_OBJECT:
        return qmp_value_type(v) == QMP_OBJECT;
    case KIND_ALTERNATE:
    case KIND_ANY:
    default:
        return true;
    }
}

static void enum_check(const struct spot *spot, qmp_value type)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    qmp_value member = absent, name;

    if (qmp_value_string(spot->value, &text, /* ret_size= */ NULL) < 0)
        return;
    while (kind_next_value(type, &member, &name)) {
        if (!qmp_value_equals(name, text))
            continue;
        remark(spot, member);
        return;
    }
    judge_no_value(spot->judge, spot->path, text, type);
}

static void array_check(const struct spot *spot, qmp_value type)
{
    qmp_value element = schema_named(spot->judge->schema, qmp_value_member(type, "element-type")), item = absent;
    char path[PATH_SIZE], step[sizeof("18446744073709551615")];

    for (size_t i = 0; qmp_value_next(spot->value, /* key= */ NULL, &item); i++) {
        snprintf(step, sizeof(step), "%zu", i);
        path_extend(path, spot->path, step);
        value_check(&(struct spot){spot->judge, path, item}, element);
    }
}

/* Adds the branches that the tags of a union decide on; false when one is missing, or has no such branch. */
static bool tags_choose(struct shape *shape, qmp_value object)
{
    for (qmp_value tag = shape_tag(shape); qmp_value_type(tag) == QMP_STRING; tag = shape_tag(shape)) {
        __attribute__((cleanup(qmp_freep))) char *name = NULL, *text = NULL;
        if (qmp_value_string(tag, &name, /* ret_size= */ NULL) < 0 ||
            qmp_value_string(qmp_value_member(object, name), &text, /* ret_size= */ NULL) < 0 ||
            !shape_choose(shape, text))
            return false;
    }
    return true;
}

static void members_missing(const struct spot *spot, const struct shape *shape)
{
    qmp_value member = absent;
    char path[PATH_SIZE];
    size_t part = 0;

    while (shape_next(shape, &part, &member)) {
        __attribute__((cleanup(qmp_freep))) char *name = NULL;
        if (qmp_value_type(qmp_value_member(member, "default")) != QMP_ABSENT ||
            qmp_value_string(qmp_value_member(member, "name"), &name, /* ret_size= */ NULL) < 0 ||
            qmp_value_type(qmp_value_member(spot->value, name)) != QMP_ABSENT)
            continue;
        path_extend(path, spot->path, name);
        judge_fault(spot->judge, "'%s' is missing", path);
    }
}

static void member_check(const struct spot *spot, const char *name, const struct shape *shape, bool decided)
{
    qmp_value member = shape_member(shape, name);
    const struct properties *properties = spot->judge->properties;
    bool open = judge_is_open(spot->judge, shape);
    enum kind kind;

    if (qmp_value_type(member) != QMP_ABSENT) {
        remark(spot, member);
        value_check(spot, schema_named(spot->judge->schema, qmp_value_member(member, "type")));
    } else if (decided && !(open && (properties == NULL || properties_find(properties, name, &kind)))) {
        judge_unknown(spot->judge, spot->path, name, shape);
    }
}

static void object_check(const struct spot *spot, qmp_value type)
{
    struct shape shape = shape_start(spot->judge->schema, type);
    bool decided = tags_choose(&shape, spot->value);
    qmp_value key = absent, item = absent;
    char path[PATH_SIZE];

    while (qmp_value_next(spot->value, &key, &item)) {
        __attribute__((cleanup(qmp_freep))) char *name = NULL;
        if (qmp_value_string(key, &name, /* ret_size= */ NULL) < 0)
            continue;
        path_extend(path, spot->path, name);
        member_check(&(struct spot){spot->judge, path, item}, name, &shape, decided);
    }
    members_missing(spot, &shape);
}

/* The branch of an alternate that a value is of the kind of; else the alternate itself. */
static qmp_value branch_find(const struct spot *spot, qmp_value type)
{
    qmp_value members = qmp_value_member(type, "members"), member = absent;

    while (qmp_value_next(members, /* key= */ NULL, &member)) {
        qmp_value branch = schema_named(spot->judge->schema, qmp_value_member(member, "type"));
        if (kind_of(branch) != KIND_ALTERNATE && kind_fits(spot->value, kind_of(branch)))
            return branch;
    }
    return type;
}

/* No deeper than the value is, which was checked to be no deeper than QMP_DEPTH_MAX. */
static void value_check(const struct spot *spot, qmp_value type)
{
    qmp_value branch = kind_of(type) == KIND_ALTERNATE ? branch_find(spot, type) : type;
    enum kind kind = kind_of(branch);
    char text[KIND_TEXT_MAX];

    if (kind == KIND_ALTERNATE || !kind_fits(spot->value, kind)) {
        judge_fault(spot->judge, "'%s': %.*s is not %s", spot->path,
            (int)(spot->value.size < SHOWN_MAX ? spot->value.size : SHOWN_MAX), spot->value.text,
            kind_text(spot->judge->schema, type, text));
        return;
    }
    if (kind == KIND_ENUM)
        enum_check(spot, branch);
    else if (kind == KIND_ARRAY)
        array_check(spot, branch);
    else if (kind == KIND_OBJECT)
        object_check(spot, branch);
}

void inspect(struct judge *j, qmp_value arguments)
{
    static const char none[] = "{}";
    const struct spot spot = {j, "", qmp_value_type(arguments) == QMP_ABSENT ? (qmp_value){none, 2} : arguments};
    qmp_value command = judge_command(j);

    if (schema_has_feature(command, "deprecated") || schema_has_feature(command, "unstable"))
        judge_remark(j, "it is %s", schema_has_feature(command, "deprecated") ? "deprecated" : "unstable");
    object_check(&spot, judge_arguments(j));
}
