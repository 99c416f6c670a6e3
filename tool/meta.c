/* SPDX-License-Identifier: MIT */

/* The entities of a schema: what they are made of, for whoever shows, compares or completes them.
 *
 * The invariant: nothing is taken for granted. The server may be anybody, so what is missing or of a wrong type is
 * absent, and a type that holds itself costs no more than the room for a few words. It knows nothing of what its
 * readers do. */

#include <stdio.h>
#include <string.h>

#include "kind.h"
#include "meta.h"

/* A list of lists and so on is told to this depth. */
#define NESTING_MAX 4

static const char *const words[] = {
    [META_NONE] = "entity",
    [META_COMMAND] = "command",
    [META_EVENT] = "event",
    [META_BUILTIN] = "builtin",
    [META_ENUM] = "enum",
    [META_ARRAY] = "array",
    [META_OBJECT] = "object",
    [META_ALTERNATE] = "alternate",
};

enum meta meta_of(qmp_value entity)
{
    qmp_value meta = qmp_value_member(entity, "meta-type");

    for (size_t i = META_NONE + 1; i < sizeof(words) / sizeof(words[0]); i++)
        if (qmp_value_equals(meta, words[i]))
            return (enum meta)i;
    return META_NONE;
}

const char *meta_word(enum meta meta)
{
    return words[meta];
}

qmp_value meta_bare(qmp_value string)
{
    if (qmp_value_type(string) != QMP_STRING)
        return (qmp_value){"", 0};
    return (qmp_value){string.text + 1, string.size - 2};
}

bool meta_same(qmp_value a, qmp_value b)
{
    return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

/* The item of an array whose member `key` is `name` (bare). */
static qmp_value item_find(qmp_value array, const char *key, qmp_value name)
{
    qmp_value item = {NULL, 0};

    while (qmp_value_next(array, /* key= */ NULL, &item))
        if (meta_same(meta_bare(qmp_value_member(item, key)), name))
            return item;
    return (qmp_value){NULL, 0};
}

qmp_value meta_member(qmp_value object, qmp_value name)
{
    return item_find(qmp_value_member(object, "members"), "name", name);
}

qmp_value meta_variant(qmp_value object, qmp_value value)
{
    return qmp_value_member(item_find(qmp_value_member(object, "variants"), "case", value), "type");
}

struct brief {
    const struct schema *schema;
    char *text;
    size_t size;
};

static void brief_add(struct brief *b, const char *text, size_t size)
{
    size_t room = META_BRIEF_MAX - 1 - b->size;

    memcpy(b->text + b->size, text, size < room ? size : room);
    b->size += size < room ? size : room;
}

static void brief_type(struct brief *b, qmp_value type_name, unsigned depth);

static void brief_values(struct brief *b, qmp_value enumeration)
{
    qmp_value item = {NULL, 0}, name;

    for (bool first = true; b->size < META_BRIEF_MAX - 1 && kind_next_value(enumeration, &item, &name); first = false) {
        if (!first)
            brief_add(b, "|", 1);
        brief_add(b, meta_bare(name).text, meta_bare(name).size);
    }
}

static void brief_alternatives(struct brief *b, qmp_value alternate, unsigned depth)
{
    qmp_value members = qmp_value_member(alternate, "members"), item = {NULL, 0};

    for (bool first = true; b->size < META_BRIEF_MAX - 1 && qmp_value_next(members, /* key= */ NULL, &item);
         first = false) {
        if (!first)
            brief_add(b, "|", 1);
        brief_type(b, qmp_value_member(item, "type"), depth + 1);
    }
}

static void brief_type(struct brief *b, qmp_value type_name, unsigned depth)
{
    qmp_value type = schema_named(b->schema, type_name), name = meta_bare(type_name);
    enum meta meta = depth < NESTING_MAX ? meta_of(type) : META_NONE;

    if (meta == META_BUILTIN) {
        brief_add(b, name.text, name.size);
    } else if (meta == META_ENUM) {
        brief_values(b, type);
    } else if (meta == META_ALTERNATE) {
        brief_alternatives(b, type, depth);
    } else if (meta == META_ARRAY) {
        brief_add(b, "[", 1);
        brief_type(b, qmp_value_member(type, "element-type"), depth + 1);
        brief_add(b, "]", 1);
    } else {
        brief_add(b, meta == META_OBJECT ? "object" : "?", meta == META_OBJECT ? 6 : 1);
    }
}

const char *meta_brief(const struct schema *s, qmp_value type_name, char text[META_BRIEF_MAX])
{
    struct brief b = {s, text, 0};

    brief_type(&b, type_name, 0);
    text[b.size] = '\0';
    if (b.size == META_BRIEF_MAX - 1)
        memcpy(text + META_BRIEF_MAX - 4, "...", 3);
    return text;
}
