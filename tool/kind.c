/* SPDX-License-Identifier: MIT */

/* The kinds of types in a schema.
 *
 * A table of what the schema calls them. What is not in it, of a QEMU to come, is anything: nothing is refused because
 * it is not understood. It knows nothing of values. */

#include <stdio.h>

#include "kind.h"

static const struct {
    const char *meta, *json; /* NULL: whatever there is */
    enum kind kind;
    const char *text;
} kinds[] = {
    {"builtin", "string", KIND_STRING, "a string"},
    {"builtin", "int", KIND_INT, "an integer"},
    {"builtin", "number", KIND_NUMBER, "a number"},
    {"builtin", "boolean", KIND_BOOL, "a bool, on or off"},
    {"builtin", "null", KIND_NULL, "null"},
    {"enum", NULL, KIND_ENUM, "a word of a list"},
    {"array", NULL, KIND_ARRAY, "a list"},
    {"object", NULL, KIND_OBJECT, "an object"},
    {"alternate", NULL, KIND_ALTERNATE, NULL},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static size_t row_find(qmp_value type)
{
    qmp_value meta = qmp_value_member(type, "meta-type"), json = qmp_value_member(type, "json-type");
    size_t i = 0;

    while (i < KINDS && (!qmp_value_equals(meta, kinds[i].meta) ||
                            (kinds[i].json != NULL && !qmp_value_equals(json, kinds[i].json))))
        i++;
    return i;
}

enum kind kind_of(qmp_value type)
{
    size_t i = row_find(type);

    return i < KINDS ? kinds[i].kind : KIND_ANY;
}

const char *kind_text(const struct schema *s, qmp_value type, char text[KIND_TEXT_MAX])
{
    size_t i = row_find(type), used = 0;
    qmp_value member = {NULL, 0};

    if (i == KINDS || kinds[i].text != NULL) {
        snprintf(text, KIND_TEXT_MAX, "%s", i == KINDS ? "anything" : kinds[i].text);
        return text;
    }
    text[0] = '\0';
    while (used < KIND_TEXT_MAX && qmp_value_next(qmp_value_member(type, "members"), /* key= */ NULL, &member)) {
        i = row_find(schema_named(s, qmp_value_member(member, "type")));
        used += (size_t)snprintf(text + used, KIND_TEXT_MAX - used, "%s%s", used > 0 ? " or " : "",
            i < KINDS && kinds[i].text != NULL ? kinds[i].text : "anything");
    }
    return text;
}

bool kind_next_value(qmp_value type, qmp_value *member, qmp_value *ret)
{
    qmp_value members = qmp_value_member(type, "members");
    bool bare = qmp_value_type(members) != QMP_ARRAY; /* before QEMU 6.2 */

    if (!qmp_value_next(bare ? qmp_value_member(type, "values") : members, /* key= */ NULL, member))
        return false;
    *ret = bare ? *member : qmp_value_member(*member, "name");
    return true;
}

bool kind_has_value(qmp_value type, const char *value)
{
    qmp_value member = {NULL, 0}, name;

    while (kind_next_value(type, &member, &name))
        if (qmp_value_equals(name, value))
            return true;
    return false;
}
