/* SPDX-License-Identifier: MIT */

/* Dotted keys, put together to one JSON object: file.driver=file, a.0.b=1.
 *
 * Each step of a key is a node. The root is an object; a step that is a number makes what it is in an array, any other
 * step an object. Two keys may share nodes only while they agree about them: a node keeps the word that made it, so a
 * complaint can name both sides. Items of an array may come in any order, but none may be missing. A backslash before a
 * dot or a backslash makes it part of the key, as in the library's paths.
 *
 * It knows nothing of what the values mean: leaves are texts. */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "tree.h"

/* Far more items than a command line can have. */
#define INDEX_MAX ((size_t)1000000000)

static const char *const kind_names[] = {
    [TREE_LEAF] = "a value", [TREE_OBJECT] = "an object", [TREE_ARRAY] = "an array"};

/* A step of a key. */
struct step {
    char *name; /* decoded */
    bool is_index;
    size_t index;
};

struct tree *tree_new(void)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    if (tree != NULL)
        tree->kind = TREE_OBJECT;
    return tree;
}

struct tree *tree_free(struct tree *tree)
{
    if (tree == NULL)
        return NULL;
    for (struct tree *child = tree->first, *next; child != NULL; child = next) {
        next = child->next;
        tree_free(child);
    }
    free(tree->name);
    free(tree->word);
    free(tree->path);
    free(tree->text);
    free(tree);
    return NULL;
}

/* Whether a name is an index as JSON writes a number: no sign, no leading zero. One that no list can have is as good as
 * INDEX_MAX. */
static bool index_parse(const char *name, size_t *ret)
{
    size_t digits = strspn(name, "0123456789"), index = 0;

    if (digits == 0 || name[digits] != '\0' || (name[0] == '0' && digits > 1))
        return false;
    for (size_t i = 0; i < digits; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): strspn() has read these bytes */
        index = index < INDEX_MAX / 10 ? index * 10 + (size_t)(name[i] - '0') : INDEX_MAX;
    *ret = index;
    return true;
}

/* Takes the next step off a key. Returns where the key goes on: at a dot, or at its end. */
static const char *step_take(const char *key, char *name)
{
    while (*key != '\0' && *key != '.') {
        if (*key == '\\' && (key[1] == '.' || key[1] == '\\'))
            key++;
        *name++ = *key++;
    }
    *name = '\0';
    return key;
}

/* Makes a node what the next key needs it to be. */
static enum outcome node_become(struct tree *node, const char *word, enum tree_kind kind)
{
    if (node->kind == TREE_NEW)
        node->kind = kind;
    if (node->kind == kind && node->text == NULL)
        return OUTCOME_DONE;
    if (node->kind == kind)
        complain("'%s' conflicts with '%s': '%s' is given twice", word, node->word, node->path);
    else
        complain("'%s' conflicts with '%s': '%s' cannot be both %s and %s", word, node->word, node->path,
            kind_names[node->kind], kind_names[kind]);
    return OUTCOME_USAGE;
}

/* Puts a child where it belongs: at the end of an object, in order in an array. */
static void child_insert(struct tree *parent, struct tree *child)
{
    struct tree **link = &parent->first;

    if (parent->last != NULL && (parent->kind == TREE_OBJECT || parent->last->index < child->index))
        link = &parent->last->next;
    while (*link != NULL && (*link)->index < child->index)
        link = &(*link)->next;
    child->next = *link;
    *link = child;
    if (child->next == NULL)
        parent->last = child;
}

static struct tree *child_find(const struct tree *parent, const struct step *step)
{
    for (struct tree *child = parent->first; child != NULL; child = child->next)
        if (parent->kind == TREE_ARRAY ? child->index == step->index : strcmp(child->name, step->name) == 0)
            return child;
    return NULL;
}

/* The child at a step, made when it is not there; NULL when there is no memory. */
static struct tree *child_reach(struct tree *parent, const struct step *step, const char *word, size_t path_size)
{
    struct tree *child = child_find(parent, step);

    if (child != NULL)
        return child;
    child = calloc(1, sizeof(*child));
    if (child == NULL)
        return NULL;
    if (parent->kind == TREE_ARRAY)
        child->index = step->index;
    else if ((child->name = strdup(step->name)) == NULL)
        return tree_free(child);
    child->word = strdup(word);
    child->path = strndup(word, path_size);
    if (child->word == NULL || child->path == NULL)
        return tree_free(child);
    child_insert(parent, child);
    return child;
}

/* The node at the end of a key, made where it is not there yet. */
static enum outcome key_reach(struct tree *node, const char *word, const char *key, char *name, struct tree **ret)
{
    struct step step = {name, false, 0};
    const char *rest = key;
    unsigned depth = 0;

    do {
        enum outcome outcome;
        if (depth > 0)
            rest++;
        rest = step_take(rest, step.name);
        if (step.name[0] == '\0' || ++depth >= QMP_DEPTH_MAX) {
            complain("'%s': %s", word, step.name[0] == '\0' ? "an empty step in the key" : "nested too deep");
            return OUTCOME_USAGE;
        }
        step.is_index = depth > 1 && index_parse(step.name, &step.index);
        outcome = node_become(node, word, step.is_index ? TREE_ARRAY : TREE_OBJECT);
        if (outcome != OUTCOME_DONE)
            return outcome;
        node = child_reach(node, &step, word, (size_t)(rest - key));
        if (node == NULL)
            return outcome_of_error("arguments", -ENOMEM);
    } while (*rest != '\0');
    *ret = node;
    return OUTCOME_DONE;
}

enum outcome tree_add(struct tree *tree, const char *word, const char *key, char *text, bool exact)
{
    __attribute__((cleanup(qmp_freep))) char *name = malloc(strlen(key) + 1), *value = text;
    enum outcome outcome;

    if (name == NULL)
        return outcome_of_error("arguments", -ENOMEM);
    outcome = key_reach(tree, word, key, name, &tree);
    if (outcome == OUTCOME_DONE)
        outcome = node_become(tree, word, TREE_LEAF);
    if (outcome != OUTCOME_DONE)
        return outcome;
    tree->text = value;
    tree->exact = exact;
    value = NULL;
    return OUTCOME_DONE;
}

/* No deeper than QMP_DEPTH_MAX: key_reach() sees to that. */
enum outcome tree_check(const struct tree *tree)
{
    enum outcome outcome = OUTCOME_DONE;
    size_t expected = 0;

    for (const struct tree *child = tree->first; outcome == OUTCOME_DONE && child != NULL; child = child->next) {
        if (tree->kind == TREE_ARRAY && child->index != expected++) {
            complain("'%s': item %zu of '%s' is missing; items count from 0", child->word, expected - 1, tree->path);
            return OUTCOME_USAGE;
        }
        outcome = tree_check(child);
    }
    return outcome;
}

const struct tree *tree_find(const struct tree *tree, const char *name)
{
    for (const struct tree *child = tree->first; tree->kind == TREE_OBJECT && child != NULL; child = child->next)
        if (strcmp(child->name, name) == 0)
            return child;
    return NULL;
}
