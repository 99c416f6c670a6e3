/* SPDX-License-Identifier: MIT */

/* Two schemas compared, by what is in them.
 *
 * Commands and events are the same when their names are, members when they stand in the same place, and types when they
 * have the same structure: the numbers that mask the names of types mean nothing, and differ between builds that are
 * otherwise alike. So both schemas are walked together, from every command and event down.
 *
 * The invariant: a pair of types is compared once, where it is first met. That ends recursion, keeps a change of a type
 * that fifty commands use from being told fifty times, and bounds the work. Where a pair that differs is met again, one
 * line says where it was told. A hostile schema is refused when it is larger or deeper than any of QEMU's could be. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "complain.h"
#include "kind.h"
#include "meta.h"
#include "output.h"
#include "style.h"

/* The longest path to a place; one that is longer is cut. */
#define PLACE_MAX 256
/* Many times what QEMU's schema has. */
#define PAIRS_MAX 16384
#define DEPTH_MAX 128

/* A type of each schema, and where they were compared: NULL for where they are the same, or compared still. */
struct pair {
    const char *a, *b;
    char *place;
};

struct comparison {
    const struct schema *a, *b;
    enum outcome outcome;
    size_t differences, depth;
    size_t root;           /* of `place`: where the path inside of an argument or an answer starts */
    char place[PLACE_MAX]; /* "command block-commit: argument speed" */
    struct pair *pairs;
    size_t n_pairs, capacity;
};

static void place_print(struct comparison *c, const char *text)
{
    if (c->outcome == OUTCOME_DONE)
        c->outcome = output_escaped(text, strlen(text));
}

/* Prints a difference of the present place: "+ PLACE" and what is formatted. */
static void differ(struct comparison *c, char mark, const char *format, ...) QMP_PRINTF(3, 4);
static void differ(struct comparison *c, char mark, const char *format, ...)
{
    enum style style = mark == '+' ? STYLE_GOOD : mark == '-' ? STYLE_BAD : STYLE_WARNING;
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        text = NULL;
        c->outcome = outcome_of_error("a difference", -ENOMEM);
    }
    va_end(arguments);
    c->differences++;
    if (c->outcome == OUTCOME_DONE)
        c->outcome = output_print("%s%c%s ", style_start(STDOUT_FILENO, style), mark, style_end(STDOUT_FILENO));
    place_print(c, c->place);
    if (text != NULL)
        place_print(c, text);
    if (c->outcome == OUTCOME_DONE)
        c->outcome = output_text("\n", 1);
}

/* Appends to the place; the caller takes it off again by its length before. */
static size_t place_add(struct comparison *c, const char *before, qmp_value step, const char *after)
{
    size_t length = strlen(c->place);

    snprintf(c->place + length, sizeof(c->place) - length, "%s%.*s%s", before, (int)step.size, step.text, after);
    return length;
}

static void compare_types(struct comparison *c, qmp_value a, qmp_value b);

static bool array_has(qmp_value array, qmp_value string)
{
    qmp_value item = {NULL, 0};

    while (qmp_value_next(array, /* key= */ NULL, &item))
        if (meta_same(item, string))
            return true;
    return false;
}

/* One that is no string has no name. */
static void feature_differ(struct comparison *c, char mark, qmp_value feature)
{
    qmp_value name = meta_bare(feature);

    differ(c, mark, ": %.*s", (int)name.size, name.text);
}

/* Features of a command, event, type, member or value. */
static void compare_features(struct comparison *c, qmp_value a, qmp_value b)
{
    qmp_value of_a = qmp_value_member(a, "features"), of_b = qmp_value_member(b, "features"), item = {NULL, 0};

    while (qmp_value_next(of_a, /* key= */ NULL, &item))
        if (!array_has(of_b, item))
            feature_differ(c, '-', item);
    while (qmp_value_next(of_b, /* key= */ NULL, &item))
        if (!array_has(of_a, item))
            feature_differ(c, '+', item);
}

/* The item of an enum that has this value, absent when there is none. */
static qmp_value value_find(qmp_value enumeration, qmp_value wanted)
{
    qmp_value item = {NULL, 0}, value;

    while (kind_next_value(enumeration, &item, &value) && !meta_same(value, wanted))
        ;
    return item;
}

static void compare_enums(struct comparison *c, qmp_value a, qmp_value b)
{
    qmp_value item = {NULL, 0}, value;

    while (kind_next_value(a, &item, &value)) {
        qmp_value other = value_find(b, value);
        size_t length = place_add(c, " = ", meta_bare(value), "");
        if (qmp_value_type(other) == QMP_ABSENT)
            differ(c, '-', "%s", "");
        else
            compare_features(c, item, other);
        c->place[length] = '\0';
    }
    while (kind_next_value(b, &item, &value)) {
        if (qmp_value_type(value_find(a, value)) == QMP_ABSENT)
            differ(c, '+', " = %.*s", (int)meta_bare(value).size, meta_bare(value).text);
    }
}

static bool is_optional(qmp_value member)
{
    return qmp_value_type(qmp_value_member(member, "default")) != QMP_ABSENT;
}

/* A member that one side has alone. */
static void member_differ(struct comparison *c, char mark, const struct schema *s, qmp_value member)
{
    char brief[META_BRIEF_MAX];

    differ(c, mark, "%s: %s", is_optional(member) ? "?" : "", meta_brief(s, qmp_value_member(member, "type"), brief));
}

static size_t member_enter(struct comparison *c, qmp_value member)
{
    const char *before = strlen(c->place) == c->root ? " " : ".";

    return place_add(c, before, meta_bare(qmp_value_member(member, "name")), "");
}

static void compare_members(struct comparison *c, qmp_value a, qmp_value b)
{
    qmp_value item = {NULL, 0};

    while (qmp_value_next(qmp_value_member(a, "members"), /* key= */ NULL, &item)) {
        qmp_value other = meta_member(b, meta_bare(qmp_value_member(item, "name")));
        size_t length = member_enter(c, item);
        if (qmp_value_type(other) == QMP_ABSENT) {
            member_differ(c, '-', c->a, item);
        } else {
            if (is_optional(item) != is_optional(other))
                differ(c, '~', is_optional(other) ? ": optional, was mandatory" : ": mandatory, was optional");
            compare_features(c, item, other);
            compare_types(c, qmp_value_member(item, "type"), qmp_value_member(other, "type"));
        }
        c->place[length] = '\0';
    }
    while (qmp_value_next(qmp_value_member(b, "members"), /* key= */ NULL, &item)) {
        size_t length = member_enter(c, item);
        if (qmp_value_type(meta_member(a, meta_bare(qmp_value_member(item, "name")))) == QMP_ABSENT)
            member_differ(c, '+', c->b, item);
        c->place[length] = '\0';
    }
}

/* A value of the tag that one side does not know was told with the tag's type. */
static void compare_variants(struct comparison *c, qmp_value a, qmp_value b)
{
    qmp_value item = {NULL, 0}, tag = qmp_value_member(a, "tag");

    if (!meta_same(meta_bare(tag), meta_bare(qmp_value_member(b, "tag")))) {
        differ(c, '~', ": another member says what is in it");
        return;
    }
    while (qmp_value_next(qmp_value_member(a, "variants"), /* key= */ NULL, &item)) {
        qmp_value name = meta_bare(qmp_value_member(item, "case")), other = meta_variant(b, name);
        size_t length = place_add(c, "[", name, "]");
        if (qmp_value_type(other) != QMP_ABSENT)
            compare_types(c, qmp_value_member(item, "type"), other);
        c->place[length] = '\0';
    }
}

/* What a type is in JSON, which is what tells the members of an alternate apart. */
static enum kind form_of(const struct schema *s, qmp_value type_name)
{
    enum kind kind = kind_of(schema_named(s, type_name));

    return kind == KIND_ENUM ? KIND_STRING : kind;
}

/* The member of an alternate that has a form; absent when none has. */
static qmp_value alternative_find(const struct schema *s, qmp_value alternate, enum kind form)
{
    qmp_value members = qmp_value_member(alternate, "members"), item = {NULL, 0};

    while (qmp_value_next(members, /* key= */ NULL, &item) && form_of(s, qmp_value_member(item, "type")) != form)
        ;
    return qmp_value_member(item, "type");
}

static void compare_alternates(struct comparison *c, qmp_value a, qmp_value b)
{
    qmp_value item = {NULL, 0};
    char brief[META_BRIEF_MAX];

    while (qmp_value_next(qmp_value_member(a, "members"), /* key= */ NULL, &item)) {
        qmp_value type = qmp_value_member(item, "type");
        qmp_value other = alternative_find(c->b, b, form_of(c->a, type));
        if (qmp_value_type(other) == QMP_ABSENT)
            differ(c, '-', ": %s", meta_brief(c->a, type, brief));
        else
            compare_types(c, type, other);
    }
    while (qmp_value_next(qmp_value_member(b, "members"), /* key= */ NULL, &item)) {
        qmp_value type = qmp_value_member(item, "type");
        if (qmp_value_type(alternative_find(c->a, a, form_of(c->b, type))) == QMP_ABSENT)
            differ(c, '+', ": %s", meta_brief(c->b, type, brief));
    }
}

static void compare_entities(struct comparison *c, qmp_value a, qmp_value b, enum meta meta)
{
    if (meta == META_ENUM) {
        compare_enums(c, a, b);
    } else if (meta == META_ARRAY) {
        compare_types(c, qmp_value_member(a, "element-type"), qmp_value_member(b, "element-type"));
    } else if (meta == META_ALTERNATE) {
        compare_alternates(c, a, b);
    } else {
        compare_features(c, a, b);
        compare_members(c, a, b);
        compare_variants(c, a, b);
    }
}

/* The index of a pair, which is added when it is new: then it is the last. Failure has been said. */
static size_t pair_find(struct comparison *c, qmp_value a, qmp_value b)
{
    size_t i = 0;

    while (i < c->n_pairs && (c->pairs[i].a != a.text || c->pairs[i].b != b.text))
        i++;
    if (i < c->n_pairs)
        return i;
    if (i == PAIRS_MAX) {
        complain("the schemas are larger than any of QEMU's");
        c->outcome = OUTCOME_PROTOCOL;
        return i;
    }
    if (i == c->capacity) {
        size_t capacity = c->capacity == 0 ? 256 : c->capacity * 2;
        struct pair *pairs = realloc(c->pairs, capacity * sizeof(*pairs));
        if (pairs == NULL) {
            c->outcome = outcome_of_error("the comparison", -ENOMEM);
            return i;
        }
        c->pairs = pairs;
        c->capacity = capacity;
    }
    c->pairs[i] = (struct pair){a.text, b.text, NULL};
    return c->n_pairs++;
}

/* A pair of types that may have been compared already. */
static void compare_once(struct comparison *c, qmp_value a, qmp_value b, enum meta meta)
{
    size_t known = c->n_pairs, differences = c->differences, i = pair_find(c, a, b);

    if (c->outcome != OUTCOME_DONE)
        return;
    if (i < known) {
        if (c->pairs[i].place != NULL)
            differ(c, '~', ": as %s", c->pairs[i].place);
        return;
    }
    if (++c->depth > DEPTH_MAX) {
        complain("the schemas are nested deeper than any of QEMU's");
        c->outcome = OUTCOME_PROTOCOL;
    } else {
        compare_entities(c, a, b, meta);
    }
    c->depth--;
    if (c->differences > differences && c->outcome == OUTCOME_DONE) {
        c->pairs[i].place = strdup(c->place);
        if (c->pairs[i].place == NULL)
            c->outcome = outcome_of_error("the comparison", -ENOMEM);
    }
}

static void compare_types(struct comparison *c, qmp_value a, qmp_value b)
{
    qmp_value type_a = schema_named(c->a, a), type_b = schema_named(c->b, b);
    enum meta meta = meta_of(type_a);
    char brief_a[META_BRIEF_MAX], brief_b[META_BRIEF_MAX];

    if (c->outcome != OUTCOME_DONE)
        return;
    if (meta != meta_of(type_b) || (meta == META_BUILTIN && !meta_same(a, b)))
        differ(c, '~', ": %s, was %s", meta_brief(c->b, b, brief_b), meta_brief(c->a, a, brief_a));
    else if (meta > META_BUILTIN)
        compare_once(c, type_a, type_b, meta);
}

/* What a command or event takes or gives, under a word that says which. */
static void compare_part(struct comparison *c, const char *word, qmp_value a, qmp_value b, const char *key)
{
    size_t length = strlen(c->place);

    snprintf(c->place + length, sizeof(c->place) - length, ": %s", word);
    c->root = strlen(c->place);
    compare_types(c, qmp_value_member(a, key), qmp_value_member(b, key));
    c->place[length] = '\0';
}

static void compare_calls(struct comparison *c, qmp_value a, qmp_value b, enum meta meta)
{
    bool oob_a = false, oob_b = false;

    compare_features(c, a, b);
    qmp_value_bool(qmp_value_member(a, "allow-oob"), &oob_a);
    qmp_value_bool(qmp_value_member(b, "allow-oob"), &oob_b);
    if (oob_a != oob_b)
        differ(c, oob_b ? '+' : '-', ": out-of-band");
    compare_part(c, meta == META_EVENT ? "data" : "argument", a, b, "arg-type");
    if (meta == META_COMMAND)
        compare_part(c, "return", a, b, "ret-type");
}

static qmp_value named_same(const struct schema *s, qmp_value entity)
{
    qmp_value other = schema_named(s, qmp_value_member(entity, "name"));

    return meta_of(other) == meta_of(entity) ? other : (qmp_value){NULL, 0};
}

/* All commands and events of one schema: those that the other has not are told with `mark`, the others compared. */
static void compare_all(struct comparison *c, const struct schema *s, const struct schema *other, char mark)
{
    size_t position = 0;
    qmp_value entity;

    while (c->outcome == OUTCOME_DONE && schema_next(s, &position, &entity)) {
        enum meta meta = meta_of(entity);
        qmp_value same = named_same(other, entity);
        if (meta != META_COMMAND && meta != META_EVENT)
            continue;
        snprintf(c->place, sizeof(c->place), "%s ", meta_word(meta));
        place_add(c, "", meta_bare(qmp_value_member(entity, "name")), "");
        if (qmp_value_type(same) == QMP_ABSENT)
            differ(c, mark, "%s", "");
        else if (mark == '-')
            compare_calls(c, entity, same, meta);
    }
}

enum outcome compare_print(const struct schema *a, const struct schema *b)
{
    struct comparison c = {.a = a, .b = b};

    compare_all(&c, a, b, '-');
    compare_all(&c, b, a, '+');
    for (size_t i = 0; i < c.n_pairs; i++)
        free(c.pairs[i].place);
    free(c.pairs);
    return c.outcome == OUTCOME_DONE && c.differences > 0 ? OUTCOME_REFUSED : c.outcome;
}
