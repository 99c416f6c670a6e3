/* SPDX-License-Identifier: MIT */

/* What a word of a call may become, from the schema alone.
 *
 * A word is a path of members and indexes into the type of the arguments, then "=" and a value. The type at the end of
 * what is written is found by walking that path; what it has is offered: the members that are not there yet, the next
 * item of a list, the values of an enum. Where the members depend on a tag, the words say what its value is; as long as
 * they do not, those members are not offered, but a path through one of them is followed all the same.
 *
 * The invariant: what is offered can stand on the command line of any shell as it is. The schema is that of some
 * server, and a name in it that is not plain is not offered. It knows nothing of
 * shells. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complete.h"
#include "kind.h"
#include "meta.h"

/* The longest word that is offered, and the longest meaning. */
#define WORD_MAX 512
#define MEANING_MAX 128
/* How deep variants and alternates may be nested. */
#define DEPTH_MAX 8
/* How many types one completion looks into: QEMU's largest needs some hundred. Of a schema that is nested to be slow,
 * not everything is offered. */
#define TYPES_MAX 20000
/* The most items of a list that are counted. */
#define ITEMS_MAX 1000

/* Which forms a type's value takes on a command line, or in a path. */
#define FORM_VALUE 1u  /* KEY=VALUE */
#define FORM_OBJECT 2u /* KEY.MEMBER */
#define FORM_LIST 4u   /* KEY.0 */

struct completion {
    const struct schema *schema;
    const char *const *given; /* the words before */
    size_t n_given;
    const char *written;
    bool path; /* a path is wanted, rather than KEY=VALUE */
    complete_fn candidate;
    void *userdata;
    size_t n_types; /* that were looked into */
};

typedef void (*member_fn)(struct completion *c, qmp_value member, const char *path, void *userdata);

bool complete_is_plain(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strchr("-_.@", c) == NULL)
            return false;
    }
    return size > 0;
}

/* Offers "PATH NAME END" when that is what was written, or starts with it. */
static void offer(struct completion *c, const char *path, qmp_value name, const char *end, const char *meaning)
{
    char word[WORD_MAX];
    int n = snprintf(word, sizeof(word), "%s%.*s%s", path, (int)name.size, name.text, end);

    if (n > 0 && (size_t)n < sizeof(word) && complete_is_plain(name.text, name.size) &&
        strncmp(word, c->written, strlen(c->written)) == 0)
        c->candidate(word, meaning, *end == '\0', c->userdata);
}

/* The value of the word that gives "PATH NAME"; NULL when none does. */
static const char *given_value(const struct completion *c, const char *path, qmp_value name)
{
    size_t size = strlen(path);

    for (size_t i = 0; i < c->n_given; i++) {
        const char *word = c->given[i], *rest = word + size + name.size;
        if (strncmp(word, path, size) != 0 || strncmp(word + size, name.text, name.size) != 0)
            continue;
        if (*rest == '=' || (rest[0] == ':' && rest[1] == '='))
            return rest + (*rest == ':') + 1;
    }
    return NULL;
}

/* Whether a word gives a part of "PATH NAME". */
static bool given_below(const struct completion *c, const char *path, qmp_value name)
{
    size_t size = strlen(path);

    for (size_t i = 0; i < c->n_given; i++)
        if (strncmp(c->given[i], path, size) == 0 && strncmp(c->given[i] + size, name.text, name.size) == 0 &&
            c->given[i][size + name.size] == '.')
            return true;
    return false;
}

/* A type to look into; absent when there is none, or it was enough. */
static qmp_value type_find(struct completion *c, qmp_value type_name)
{
    return c->n_types++ < TYPES_MAX ? schema_named(c->schema, type_name) : (qmp_value){NULL, 0};
}

/* Visits the members of an object at a path: its own, and those that the value of its tag brings; when that is not
 * known, those of all values where `any` is. */
static void members_visit(
    struct completion *c, qmp_value object, const char *path, bool any, unsigned depth, member_fn visit, void *userdata)
{
    qmp_value tag = meta_bare(qmp_value_member(object, "tag")), item = {NULL, 0};
    const char *value = tag.size > 0 ? given_value(c, path, tag) : NULL;

    if (depth == DEPTH_MAX)
        return;
    while (qmp_value_next(qmp_value_member(object, "members"), /* key= */ NULL, &item))
        visit(c, item, path, userdata);
    if (value == NULL && !any)
        return;
    while (qmp_value_next(qmp_value_member(object, "variants"), /* key= */ NULL, &item)) {
        qmp_value type = type_find(c, qmp_value_member(item, "type"));
        if (value == NULL || meta_same(meta_bare(qmp_value_member(item, "case")), (qmp_value){value, strlen(value)}))
            members_visit(c, type, path, any, depth + 1, visit, userdata);
    }
}

struct search {
    qmp_value name, type;
};

static void member_match(struct completion *c, qmp_value member, const char *path, void *userdata)
{
    struct search *search = userdata;

    (void)c;
    (void)path;
    if (search->type.text == NULL && meta_same(meta_bare(qmp_value_member(member, "name")), search->name))
        search->type = qmp_value_member(member, "type");
}

/* The name of the type that a step leads to from a type at a path. */
static qmp_value type_step(struct completion *c, qmp_value type_name, qmp_value step, const char *path, unsigned depth)
{
    qmp_value type = type_find(c, type_name), item = {NULL, 0};
    struct search search = {step, {NULL, 0}};

    switch (meta_of(type)) {
    case META_OBJECT:
        members_visit(c, type, path, /* any= */ true, 0, member_match, &search);
        break;
    case META_ARRAY:
        if (step.size > 0 && strspn(step.text, "0123456789") >= step.size)
            search.type = qmp_value_member(type, "element-type");
        break;
    case META_ALTERNATE:
        while (depth < DEPTH_MAX && search.type.text == NULL &&
               qmp_value_next(qmp_value_member(type, "members"), /* key= */ NULL, &item))
            search.type = type_step(c, qmp_value_member(item, "type"), step, path, depth + 1);
        break;
    default:
        break;
    }
    return search.type;
}

/* The name of the type at the end of a path shorter than WORD_MAX, whose steps end with a dot each but for the last,
 * which may. */
static qmp_value type_walk(struct completion *c, qmp_value type_name, const char *path)
{
    const char *step = path;

    while (*step != '\0' && type_name.text != NULL) {
        size_t size = strcspn(step, ".");
        char before[WORD_MAX];
        snprintf(before, sizeof(before), "%.*s", (int)(step - path), path);
        type_name = type_step(c, type_name, (qmp_value){step, size}, before, 0);
        step += size + (step[size] == '.');
    }
    return type_name;
}

static unsigned type_forms(struct completion *c, qmp_value type_name, unsigned depth)
{
    qmp_value type = type_find(c, type_name), item = {NULL, 0};
    unsigned forms = 0;

    switch (meta_of(type)) {
    case META_OBJECT:
        return FORM_OBJECT;
    case META_ARRAY:
        return FORM_LIST;
    case META_ALTERNATE:
        while (depth < DEPTH_MAX && qmp_value_next(qmp_value_member(type, "members"), /* key= */ NULL, &item))
            forms |= type_forms(c, qmp_value_member(item, "type"), depth + 1);
        return forms;
    default:
        return FORM_VALUE;
    }
}

/* Offers something of a type at "PATH NAME", in the forms that it takes there. */
static void typed_offer(
    struct completion *c, const char *path, qmp_value name, qmp_value type_name, const char *meaning)
{
    unsigned forms = type_forms(c, type_name, 0);
    bool given = !c->path && given_value(c, path, name) != NULL;

    if (given)
        return;
    if (c->path)
        offer(c, path, name, "", meaning);
    else if ((forms & FORM_VALUE) && !given_below(c, path, name))
        offer(c, path, name, "=", meaning);
    if (forms & (FORM_OBJECT | FORM_LIST))
        offer(c, path, name, ".", meaning);
}

static void member_offer(struct completion *c, qmp_value member, const char *path, void *userdata)
{
    qmp_value type_name = qmp_value_member(member, "type");
    char meaning[MEANING_MAX], brief[META_BRIEF_MAX];
    bool required = !c->path && qmp_value_type(qmp_value_member(member, "default")) == QMP_ABSENT;

    (void)userdata;
    snprintf(meaning, sizeof(meaning), "%s%s%s%s", meta_brief(c->schema, type_name, brief),
        required ? ", required" : "", schema_has_feature(member, "deprecated") ? ", deprecated" : "",
        schema_has_feature(member, "unstable") ? ", unstable" : "");
    typed_offer(c, path, meta_bare(qmp_value_member(member, "name")), type_name, meaning);
}

/* Offers the items of a list that are there, and the next one. */
static void items_offer(struct completion *c, qmp_value array, const char *path)
{
    qmp_value type_name = qmp_value_member(array, "element-type");
    char brief[META_BRIEF_MAX];

    meta_brief(c->schema, type_name, brief);
    for (unsigned i = 0; i < ITEMS_MAX; i++) {
        char index[sizeof("1000")];
        qmp_value name = {index, (size_t)snprintf(index, sizeof(index), "%u", i)};
        typed_offer(c, path, name, type_name, brief);
        if (given_value(c, path, name) == NULL && !given_below(c, path, name))
            break;
    }
}

static void inside_offer(struct completion *c, qmp_value type_name, const char *path, unsigned depth)
{
    qmp_value type = type_find(c, type_name), item = {NULL, 0};
    enum meta meta = meta_of(type);

    if (meta == META_OBJECT)
        members_visit(c, type, path, /* any= */ c->path, 0, member_offer, /* userdata= */ NULL);
    else if (meta == META_ARRAY)
        items_offer(c, type, path);
    while (meta == META_ALTERNATE && depth < DEPTH_MAX &&
           qmp_value_next(qmp_value_member(type, "members"), /* key= */ NULL, &item))
        inside_offer(c, qmp_value_member(item, "type"), path, depth + 1);
}

/* Offers the values of a type behind "KEY=". */
static void values_offer(struct completion *c, qmp_value type_name, const char *key, unsigned depth)
{
    qmp_value type = type_find(c, type_name), item = {NULL, 0}, value;
    enum kind kind = kind_of(type);

    if (kind == KIND_BOOL) {
        offer(c, key, (qmp_value){"true", 4}, "", "");
        offer(c, key, (qmp_value){"false", 5}, "", "");
    }
    while (kind == KIND_ENUM && kind_next_value(type, &item, &value))
        offer(c, key, meta_bare(value), "",
            schema_has_feature(item, "deprecated") ? "deprecated"
            : schema_has_feature(item, "unstable") ? "unstable"
                                                   : "");
    while (kind == KIND_ALTERNATE && depth < DEPTH_MAX &&
           qmp_value_next(qmp_value_member(type, "members"), /* key= */ NULL, &item))
        values_offer(c, qmp_value_member(item, "type"), key, depth + 1);
}

static void completion_run(struct completion *c, qmp_value type_name)
{
    const char *equals = c->path ? NULL : strchr(c->written, '='), *dot = strrchr(c->written, '.');
    size_t size = equals != NULL ? (size_t)(equals - c->written) : dot != NULL ? (size_t)(dot - c->written) + 1 : 0;
    char key[WORD_MAX];

    if (size + 1 >= sizeof(key))
        return;
    snprintf(key, sizeof(key), "%.*s", (int)size, c->written);
    type_name = type_walk(c, type_name, key);
    if (equals == NULL) {
        inside_offer(c, type_name, key, 0);
        return;
    }
    strcpy(key + size, "=");
    values_offer(c, type_name, key, 0);
}

void complete_members(const struct schema *s, qmp_value type_name, const char *const *words, size_t n_words,
    complete_fn candidate, void *userdata)
{
    struct completion c = {s, words, n_words - 1, words[n_words - 1], /* path= */ false, candidate, userdata, 0};

    completion_run(&c, type_name);
}

void complete_path(
    const struct schema *s, qmp_value type_name, const char *written, complete_fn candidate, void *userdata)
{
    struct completion c = {s, NULL, 0, written, /* path= */ true, candidate, userdata, 0};

    completion_run(&c, type_name);
}

/* What is in a command's arguments or an event's data, in a few words: "device [force]". */
static void entity_meaning(const struct schema *s, qmp_value entity, char meaning[MEANING_MAX])
{
    qmp_value object = schema_named(s, qmp_value_member(entity, "arg-type")), item = {NULL, 0};
    size_t used = 0;
    bool more;

    used +=
        (size_t)snprintf(meaning, MEANING_MAX, "%s%s", schema_has_feature(entity, "deprecated") ? "deprecated " : "",
            schema_has_feature(entity, "unstable") ? "unstable " : "");
    while ((more = qmp_value_next(qmp_value_member(object, "members"), /* key= */ NULL, &item)) &&
           used < MEANING_MAX / 2) {
        qmp_value name = meta_bare(qmp_value_member(item, "name"));
        bool optional = qmp_value_type(qmp_value_member(item, "default")) != QMP_ABSENT;
        int n = snprintf(meaning + used, MEANING_MAX - used, optional ? "[%.*s] " : "%.*s ", (int)name.size, name.text);
        used += n > 0 && (size_t)n < MEANING_MAX - used ? (size_t)n : 0;
    }
    if (more)
        used += (size_t)snprintf(meaning + used, MEANING_MAX - used, "... ");
    meaning[used > 0 ? used - 1 : 0] = '\0';
}

void complete_name(
    const struct schema *s, bool commands, bool events, const char *written, complete_fn candidate, void *userdata)
{
    struct completion c = {s, NULL, 0, written, /* path= */ false, candidate, userdata, 0};
    size_t position = 0;
    qmp_value entity;

    while (schema_next(s, &position, &entity)) {
        qmp_value name = meta_bare(qmp_value_member(entity, "name"));
        char meaning[MEANING_MAX];
        enum meta meta;
        /* The kind is looked for last: most entities are types, whose names are digits. */
        if (strncmp(name.text, written, strlen(written) < name.size ? strlen(written) : name.size) != 0)
            continue;
        meta = meta_of(entity);
        if ((meta != META_COMMAND || !commands) && (meta != META_EVENT || !events))
            continue;
        entity_meaning(s, entity, meaning);
        offer(&c, "", name, "", meaning);
    }
}

void complete_call(
    const struct schema *s, const char *const *words, size_t n_words, complete_fn candidate, void *userdata)
{
    qmp_value command;

    if (n_words == 1) {
        complete_name(s, /* commands= */ true, /* events= */ false, words[0], candidate, userdata);
        return;
    }
    command = schema_find(s, words[0]);
    if (meta_of(command) == META_COMMAND)
        complete_members(s, qmp_value_member(command, "arg-type"), words + 1, n_words - 1, candidate, userdata);
}
