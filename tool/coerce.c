/* SPDX-License-Identifier: MIT */

/* Arguments as words say them become the JSON that a schema says.
 *
 * The tree of the words and the types of the schema are walked together from the top, and JSON is written on the way.
 * Exact leaves are taken as they are. What the schema does not know is counted as a fault, and becomes what it looks
 * like, as everything does without a schema. What cannot be what the schema says ends it all.
 *
 * It knows nothing of whether arguments are missing: the server says that best. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coerce.h"
#include "complain.h"
#include "leaf.h"

static const qmp_value absent = {NULL, 0};

struct coercion {
    struct judge *judge;
    qmp_writer *writer;
};

static enum outcome node_coerce(const struct coercion *c, const struct tree *node, qmp_value type);

/* Opens what a node is, the members or items of which follow. */
static void node_begin(const struct coercion *c, const struct tree *node)
{
    if (node->kind == TREE_ARRAY)
        qmp_writer_begin_array(c->writer, node->name);
    else
        qmp_writer_begin_object(c->writer, node->name);
}

static enum outcome leaf_coerce(const struct coercion *c, const struct tree *node, enum kind kind, qmp_value type)
{
    const struct place p = {c->judge, c->writer, node->name, node->path};

    if (!node->exact)
        return leaf_write(&p, node->text, kind, type);
    qmp_writer_json(c->writer, node->name, node->text);
    return OUTCOME_DONE;
}

/* All children of the same type, which is absent for what the looks decide. */
static enum outcome children_coerce(const struct coercion *c, const struct tree *node, qmp_value type)
{
    enum outcome outcome = OUTCOME_DONE;

    node_begin(c, node);
    for (const struct tree *child = node->first; outcome == OUTCOME_DONE && child != NULL; child = child->next)
        outcome = node_coerce(c, child, type);
    qmp_writer_end(c->writer);
    return outcome;
}

/* A device's property. Its type is only a hint: the device may take more than it says, as a string. */
static enum outcome property_coerce(const struct coercion *c, const struct tree *node, enum kind kind)
{
    struct judge judge = *c->judge;
    const struct coercion quiet = {&judge, c->writer};

    judge.quiet = true;
    if (node->kind != TREE_LEAF)
        return children_coerce(c, node, absent);
    if (leaf_coerce(&quiet, node, kind, absent) == OUTCOME_DONE)
        return OUTCOME_DONE;
    return leaf_coerce(c, node, KIND_STRING, absent);
}

/* A member that the type of its object does not have. With `decided`, the type is known in full. */
static enum outcome stranger_coerce(
    const struct coercion *c, const struct tree *node, const struct shape *shape, bool decided)
{
    bool open = judge_is_open(c->judge, shape);
    enum kind kind;

    if (open && properties_find(c->judge->properties, node->name, &kind))
        return property_coerce(c, node, kind);
    if (!c->judge->checking && decided && (!open || c->judge->properties != NULL))
        judge_unknown(c->judge, node->path, node->name, shape);
    return node_coerce(c, node, absent);
}

/* The text of a tag, decoded; NULL when there is none that a tag could be. The caller's to free(). */
static char *tag_text(const struct tree *node)
{
    qmp_value v = {NULL, 0};
    char *text = NULL;

    if (node == NULL || node->kind != TREE_LEAF)
        return NULL;
    if (!node->exact)
        return strdup(node->text);
    if (qmp_json_check(node->text, strlen(node->text), &v, /* reterr_description= */ NULL) >= 0)
        (void)qmp_value_string(v, &text, /* ret_size= */ NULL); /* no string is no tag */
    return text;
}

/* Adds the branches that the tags of a union decide on; false when one is missing, or has no such branch. */
static bool tags_choose(struct shape *shape, const struct tree *node)
{
    for (qmp_value tag = shape_tag(shape); qmp_value_type(tag) == QMP_STRING; tag = shape_tag(shape)) {
        __attribute__((cleanup(qmp_freep))) char *name = NULL, *text = NULL;
        if (qmp_value_string(tag, &name, /* ret_size= */ NULL) < 0)
            return false;
        text = tag_text(tree_find(node, name));
        if (text == NULL || !shape_choose(shape, text))
            return false;
    }
    return true;
}

static enum outcome members_coerce(const struct coercion *c, const struct tree *node, qmp_value type)
{
    struct shape shape = shape_start(c->judge->schema, type);
    bool decided = tags_choose(&shape, node);
    enum outcome outcome = OUTCOME_DONE;

    node_begin(c, node);
    for (const struct tree *child = node->first; outcome == OUTCOME_DONE && child != NULL; child = child->next) {
        qmp_value member = shape_member(&shape, child->name);
        if (qmp_value_type(member) == QMP_ABSENT)
            outcome = stranger_coerce(c, child, &shape, decided);
        else
            outcome = node_coerce(c, child, schema_named(c->judge->schema, qmp_value_member(member, "type")));
    }
    qmp_writer_end(c->writer);
    return outcome;
}

/* The branch of an alternate that has members, or items. */
static qmp_value branch_find(const struct schema *s, qmp_value type, enum kind kind)
{
    qmp_value members = qmp_value_member(type, "members"), member = absent;

    while (qmp_value_next(members, /* key= */ NULL, &member)) {
        qmp_value branch = schema_named(s, qmp_value_member(member, "type"));
        if (kind_of(branch) == kind)
            return branch;
    }
    return absent;
}

/* An object or an array, of a type that should be one. */
static enum outcome container_coerce(const struct coercion *c, const struct tree *node, qmp_value type)
{
    enum kind wanted = node->kind == TREE_ARRAY ? KIND_ARRAY : KIND_OBJECT, kind = kind_of(type);
    char text[KIND_TEXT_MAX];

    if (kind == KIND_ALTERNATE) {
        qmp_value branch = branch_find(c->judge->schema, type, wanted);
        if (qmp_value_type(branch) != QMP_ABSENT)
            return container_coerce(c, node, branch);
    }
    if (kind == KIND_ANY)
        return children_coerce(c, node, absent);
    if (kind == KIND_OBJECT && kind == wanted)
        return members_coerce(c, node, type);
    if (kind == KIND_ARRAY && kind == wanted)
        return children_coerce(c, node, schema_named(c->judge->schema, qmp_value_member(type, "element-type")));
    judge_fault(c->judge, "'%s': '%s' is %s, and has no %s", node->first->word, node->path,
        kind_text(c->judge->schema, type, text), wanted == KIND_ARRAY ? "items" : "members");
    return OUTCOME_USAGE;
}

/* No deeper than QMP_DEPTH_MAX: the tree is not. */
static enum outcome node_coerce(const struct coercion *c, const struct tree *node, qmp_value type)
{
    if (node->kind == TREE_LEAF)
        return leaf_coerce(c, node, kind_of(type), type);
    return container_coerce(c, node, type);
}

enum outcome coerce(struct judge *j, const struct tree *tree, char **ret)
{
    __attribute__((cleanup(qmp_writer_freep))) qmp_writer *w = NULL;
    const char *text = NULL;
    enum outcome outcome;
    int r = qmp_writer_new(&w);

    if (r < 0)
        return outcome_of_error("arguments", r);
    outcome = node_coerce(&(struct coercion){j, w}, tree, judge_arguments(j));
    if (outcome != OUTCOME_DONE)
        return outcome;
    r = qmp_writer_finish(w, &text);
    if (r >= 0)
        *ret = strdup(text);
    if (r == -ENOMEM || (r >= 0 && *ret == NULL))
        return outcome_of_error("arguments", -ENOMEM);
    if (r < 0)
        complain("arguments: %s", qmp_strerror(r));
    return r < 0 ? OUTCOME_USAGE : OUTCOME_DONE;
}
