/* SPDX-License-Identifier: MIT */

/* An entity of a schema as a declaration that a person reads.
 *
 *     command block-commit {
 *         device: str
 *         base? (deprecated): str
 *         on-error?: report | ignore | enospc | stop | auto
 *     }
 *     returns {}
 *
 * A schema masks the names of types by numbers, which say nothing and change with each build. So types have no names
 * here: each is written out where it is first used, and where it comes again, what stands there is the path to that
 * place, as in <blockdev-add[nbd].server>. That is also what ends recursion. The members that an object has where its
 * tag has some value stand behind "TAG = VALUE:", values that bring the same ones together.
 *
 * The invariant: text of the server goes out escaped, and a hostile schema makes it long at most: an object is written
 * once, and the number of types in all is limited. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kind.h"
#include "meta.h"
#include "output.h"
#include "signature.h"
#include "style.h"
#include "terminal.h"

/* Columns of a step of indentation. */
#define INDENT 4
/* The columns that there are: what a terminal says, not less than the minimum. */
#define WIDTH_MIN 40
/* An enum of more values than this is written once, like an object. */
#define VALUES_REPEATED 8
/* The longest path to a place; one that is longer is cut. */
#define PATH_MAX_BYTES 256
/* How deep types may be nested, and how many one declaration may use: QEMU's blockdev-add uses about 500. */
#define DEPTH_MAX 32
#define USES_MAX 10000
/* The most values of a tag that bring members: each is compared with all before it. */
#define VARIANTS_MAX 1024

/* A type that was written, and where. */
struct place {
    const char *type; /* the text of its entity */
    char *path;
};

struct printer {
    const struct schema *schema;
    enum outcome outcome; /* of all that was written so far */
    size_t width, column, depth, nested, uses;
    char path[PATH_MAX_BYTES];
    struct place *places;
    size_t n_places, capacity;
};

static void put(struct printer *p, enum style style, const char *text, size_t size)
{
    const char *on = style_start(STDOUT_FILENO, style), *off = style == STYLE_PLAIN ? "" : style_end(STDOUT_FILENO);

    if (p->outcome == OUTCOME_DONE)
        p->outcome = output_text(on, strlen(on));
    if (p->outcome == OUTCOME_DONE)
        p->outcome = output_escaped(text, size);
    if (p->outcome == OUTCOME_DONE)
        p->outcome = output_text(off, strlen(off));
    p->column += size;
}

static void put_text(struct printer *p, const char *text)
{
    put(p, STYLE_PLAIN, text, strlen(text));
}

static void put_value(struct printer *p, enum style style, qmp_value v)
{
    put(p, style, v.text, v.size);
}

static void line_break(struct printer *p, size_t depth)
{
    if (p->outcome == OUTCOME_DONE)
        p->outcome = output_print("\n%*s", (int)(depth * INDENT), "");
    p->column = depth * INDENT;
}

/* Appends to the path; the caller takes it off again by its length before. */
static size_t path_add(struct printer *p, const char *before, qmp_value step, const char *after)
{
    size_t length = strlen(p->path);

    snprintf(p->path + length, sizeof(p->path) - length, "%s%.*s%s", before, (int)step.size, step.text, after);
    return length;
}

/* " (deprecated, unstable)", and whatever else a schema marks. */
static void put_marks(struct printer *p, qmp_value v, const char *own)
{
    qmp_value features = qmp_value_member(v, "features"), item = {NULL, 0};
    const char *separator = " (";

    if (own != NULL) {
        put_text(p, separator);
        put(p, STYLE_FAINT, own, strlen(own));
        separator = ", ";
    }
    while (qmp_value_next(features, /* key= */ NULL, &item)) {
        bool warning = qmp_value_equals(item, "deprecated") || qmp_value_equals(item, "unstable");
        put_text(p, separator);
        put_value(p, warning ? STYLE_WARNING : STYLE_FAINT, meta_bare(item));
        separator = ", ";
    }
    if (*separator == ',')
        put_text(p, ")");
}

/* Writes the place where a type was written before; returns false when it was not, and remembers that it is now. */
static bool place_refer(struct printer *p, qmp_value type)
{
    for (size_t i = 0; i < p->n_places; i++) {
        if (p->places[i].type != type.text)
            continue;
        put_text(p, "<");
        put(p, STYLE_FAINT, p->places[i].path, strlen(p->places[i].path));
        put_text(p, ">");
        return true;
    }
    if (p->n_places == p->capacity) {
        size_t capacity = p->capacity == 0 ? 64 : p->capacity * 2;
        struct place *places = realloc(p->places, capacity * sizeof(*places));
        if (places == NULL) {
            p->outcome = outcome_of_error("a signature", -ENOMEM);
            return true;
        }
        p->places = places;
        p->capacity = capacity;
    }
    p->places[p->n_places] = (struct place){type.text, strdup(p->path)};
    if (p->places[p->n_places].path == NULL)
        p->outcome = outcome_of_error("a signature", -ENOMEM);
    else
        p->n_places++;
    return false;
}

static void put_type(struct printer *p, qmp_value type_name);

/* Values joined by " | ", broken before the end of a line. */
static void put_values(struct printer *p, qmp_value enumeration)
{
    qmp_value item = {NULL, 0}, value;

    for (bool first = true; kind_next_value(enumeration, &item, &value); first = false) {
        qmp_value name = meta_bare(value);
        if (!first)
            put_text(p, " |");
        if (!first && p->column + name.size + sizeof(" | ") > p->width)
            line_break(p, p->depth + 1);
        else if (!first)
            put_text(p, " ");
        put_value(p, STYLE_STRING, name);
        put_marks(p, item, /* own= */ NULL);
    }
}

static bool values_are_many(qmp_value enumeration)
{
    qmp_value item = {NULL, 0}, value;
    size_t n = 0;

    while (n <= VALUES_REPEATED && kind_next_value(enumeration, &item, &value))
        n++;
    return n > VALUES_REPEATED;
}

static void put_member(struct printer *p, qmp_value member)
{
    qmp_value name = meta_bare(qmp_value_member(member, "name")), initial = qmp_value_member(member, "default");
    size_t length = path_add(p, *p->path != '\0' ? "." : "", name, "");

    line_break(p, p->depth);
    put_value(p, STYLE_KEY, name);
    if (qmp_value_type(initial) != QMP_ABSENT)
        put_text(p, "?");
    put_marks(p, member, /* own= */ NULL);
    put_text(p, ": ");
    put_type(p, qmp_value_member(member, "type"));
    if (qmp_value_type(initial) != QMP_ABSENT && qmp_value_type(initial) != QMP_NULL) {
        put_text(p, " = ");
        put_value(p, STYLE_PLAIN, initial);
    }
    p->path[length] = '\0';
}

/* Whether an earlier variant brings the same type. */
static bool variant_was_put(qmp_value variants, qmp_value variant)
{
    qmp_value item = {NULL, 0}, type = qmp_value_member(variant, "type");

    while (qmp_value_next(variants, /* key= */ NULL, &item) && item.text != variant.text)
        if (meta_same(qmp_value_member(item, "type"), type))
            return true;
    return false;
}

static bool type_is_empty(const struct schema *s, qmp_value type_name)
{
    qmp_value type = schema_named(s, type_name), item = {NULL, 0};

    return meta_of(type) == META_OBJECT && !qmp_value_next(qmp_value_member(type, "members"), /* key= */ NULL, &item) &&
           qmp_value_type(qmp_value_member(type, "tag")) == QMP_ABSENT;
}

/* What the values of a tag bring, as "driver = dmg, parallels: {". */
static void put_variant(struct printer *p, qmp_value object, qmp_value variant)
{
    qmp_value variants = qmp_value_member(object, "variants"), item = {NULL, 0};
    qmp_value type_name = qmp_value_member(variant, "type");
    size_t length = path_add(p, "[", meta_bare(qmp_value_member(variant, "case")), "]");
    const char *separator = " =";

    line_break(p, p->depth);
    put_value(p, STYLE_KEY, meta_bare(qmp_value_member(object, "tag")));
    while (qmp_value_next(variants, /* key= */ NULL, &item)) {
        qmp_value name = meta_bare(qmp_value_member(item, "case"));
        if (!meta_same(qmp_value_member(item, "type"), type_name))
            continue;
        put_text(p, separator);
        if (*separator == ',' && p->column + name.size + sizeof(" : {") > p->width)
            line_break(p, p->depth + 1);
        else
            put_text(p, " ");
        put_value(p, STYLE_STRING, name);
        separator = ",";
    }
    put_text(p, ": ");
    put_type(p, type_name);
    p->path[length] = '\0';
}

static void put_object(struct printer *p, qmp_value object)
{
    qmp_value members = qmp_value_member(object, "members"), variants = qmp_value_member(object, "variants");
    qmp_value item = {NULL, 0};
    size_t n = 0;

    put_text(p, "{");
    put_marks(p, object, /* own= */ NULL);
    p->depth++;
    while (qmp_value_next(members, /* key= */ NULL, &item))
        put_member(p, item);
    while (n++ < VARIANTS_MAX && qmp_value_next(variants, /* key= */ NULL, &item))
        if (!variant_was_put(variants, item) && !type_is_empty(p->schema, qmp_value_member(item, "type")))
            put_variant(p, object, item);
    p->depth--;
    line_break(p, p->depth);
    put_text(p, "}");
}

static void put_alternatives(struct printer *p, qmp_value alternate)
{
    qmp_value item = {NULL, 0};

    for (bool first = true; qmp_value_next(qmp_value_member(alternate, "members"), /* key= */ NULL, &item);
         first = false) {
        if (!first)
            put_text(p, " | ");
        put_type(p, qmp_value_member(item, "type"));
    }
}

static void put_entity(struct printer *p, qmp_value type, enum meta meta)
{
    bool once = meta == META_OBJECT || (meta == META_ENUM && values_are_many(type));

    if (once && place_refer(p, type))
        return;
    p->nested++;
    if (meta == META_OBJECT) {
        put_object(p, type);
    } else if (meta == META_ENUM) {
        put_values(p, type);
    } else if (meta == META_ALTERNATE) {
        put_alternatives(p, type);
    } else {
        put_text(p, "[");
        put_type(p, qmp_value_member(type, "element-type"));
        put_text(p, "]");
    }
    p->nested--;
}

static void put_type(struct printer *p, qmp_value type_name)
{
    qmp_value type = schema_named(p->schema, type_name);
    enum meta meta = meta_of(type);

    if (p->outcome != OUTCOME_DONE)
        return;
    if (meta == META_BUILTIN)
        put_value(p, STYLE_NUMBER, meta_bare(type_name));
    else if (type_is_empty(p->schema, type_name))
        put_text(p, "{}");
    else if (meta < META_BUILTIN || p->nested >= DEPTH_MAX || p->uses++ >= USES_MAX)
        put_text(p, "...");
    else
        put_entity(p, type, meta);
}

/* "command NAME (marks) ", with what it takes. */
static void put_call(struct printer *p, qmp_value entity, enum meta meta)
{
    bool out_of_band = false;

    qmp_value_bool(qmp_value_member(entity, "allow-oob"), &out_of_band);
    put_marks(p, entity, out_of_band ? "out-of-band" : NULL);
    put_text(p, " ");
    path_add(p, "", meta_bare(qmp_value_member(entity, "name")), "");
    put_type(p, qmp_value_member(entity, "arg-type"));
    if (meta == META_EVENT)
        return;
    strcpy(p->path, "returns");
    line_break(p, 0);
    put_text(p, "returns ");
    put_type(p, qmp_value_member(entity, "ret-type"));
}

/* A type under the name that the schema gives it. */
static void put_named(struct printer *p, qmp_value entity, enum meta meta)
{
    if (meta != META_OBJECT)
        put_text(p, ":");
    put_text(p, " ");
    path_add(p, "", meta_bare(qmp_value_member(entity, "name")), "");
    if (meta == META_BUILTIN)
        put_value(p, STYLE_PLAIN, meta_bare(qmp_value_member(entity, "json-type")));
    else
        put_type(p, qmp_value_member(entity, "name"));
}

static size_t columns(void)
{
    size_t told = terminal_columns(STDOUT_FILENO);

    if (told == 0)
        return TERMINAL_COLUMNS_USUAL;
    return told > WIDTH_MIN ? told : WIDTH_MIN;
}

enum outcome signature_print(const struct schema *s, qmp_value entity)
{
    struct printer p = {.schema = s, .width = columns()};
    enum meta meta = meta_of(entity);

    put_text(&p, meta_word(meta));
    put_text(&p, " ");
    put_value(&p, STYLE_BOLD, meta_bare(qmp_value_member(entity, "name")));
    if (meta == META_COMMAND || meta == META_EVENT)
        put_call(&p, entity, meta);
    else
        put_named(&p, entity, meta);
    if (p.outcome == OUTCOME_DONE)
        p.outcome = output_text("\n", 1);
    for (size_t i = 0; i < p.n_places; i++)
        free(p.places[i].path);
    free(p.places);
    return p.outcome;
}
