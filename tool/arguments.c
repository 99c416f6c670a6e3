/* SPDX-License-Identifier: MIT */

/* Arguments of a command, from words to a tree or to JSON text.
 *
 * Everything is found here that is wrong with them whatever the command is, so that it is said before anybody is
 * connected to. The invariant: what comes out is UTF-8, JSON where it claims to be, and complete. A JSON object, from
 * the command line or from standard input, is checked and passed on unchanged.
 *
 * It knows nothing of which arguments a command has: what they become is found out in typing.c. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "complain.h"
#include "input.h"

#define SPACES " \t\r\n"

static enum outcome json_complain(const char *where, int error, const char *description)
{
    if (error == -ENOMEM)
        return outcome_of_error(where, error);
    complain("%s: %s", where, description != NULL ? description : qmp_strerror(error));
    return OUTCOME_USAGE;
}

/* Refuses what cannot be a string of JSON's. */
static enum outcome text_check(const char *where, const char *text)
{
    __attribute__((cleanup(qmp_freep))) char *json = qmp_json("%s", text);

    if (json != NULL)
        return OUTCOME_DONE;
    if (errno == ENOMEM)
        return outcome_of_error("arguments", -ENOMEM);
    complain("%s: not UTF-8, or with a character that QEMU refuses (U+FFFE, U+FFFF and the like)", where);
    return OUTCOME_USAGE;
}

/* Refuses what is not JSON. */
static enum outcome json_check(const char *where, const char *text, size_t size, qmp_value *ret)
{
    __attribute__((cleanup(qmp_freep))) char *description = NULL;
    int r;

    if (strspn(text, SPACES) == size) {
        complain("%s: empty, where JSON is wanted", where);
        return OUTCOME_USAGE;
    }
    r = qmp_json_check(text, size, ret, &description);
    return r < 0 ? json_complain(where, r, description) : OUTCOME_DONE;
}

/* The text of the file behind an '@'. */
static enum outcome file_take(const char *key, const char *path, char **ret)
{
    size_t size = 0;
    enum outcome outcome;

    if (*path == '\0') {
        complain("%s: '@' wants the name of a file after it; a value that starts with '@' is written '@@'", key);
        return OUTCOME_USAGE;
    }
    outcome = input_read(path, QMP_MESSAGE_MAX, ret, &size);
    if (outcome != OUTCOME_DONE || strlen(*ret) == size)
        return outcome;
    complain("%s: %s: a NUL byte: that is not text", key, input_name(path));
    return OUTCOME_USAGE;
}

/* What stands behind KEY= or KEY:=, or is in the file that it names, checked. */
static enum outcome value_take(const char *key, const char *value, bool exact, char **ret)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    enum outcome outcome = OUTCOME_DONE;
    qmp_value v;

    if (value[0] == '@' && value[1] != '@')
        outcome = file_take(key, value + 1, &text);
    else if ((text = strdup(value[0] == '@' ? value + 1 : value)) == NULL)
        outcome = outcome_of_error("arguments", -ENOMEM);
    if (outcome == OUTCOME_DONE)
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): what is done has a text */
        outcome = exact ? json_check(key, text, strlen(text), &v) : text_check(key, text);
    if (outcome == OUTCOME_DONE) {
        *ret = text;
        text = NULL;
    }
    return outcome;
}

/* Puts one word with an equals sign in it into the tree. */
static enum outcome word_add(struct tree *tree, const char *word)
{
    __attribute__((cleanup(qmp_freep))) char *key = NULL;
    const char *equals = strchr(word, '=');
    bool exact = equals != NULL && equals > word && equals[-1] == ':';
    enum outcome outcome;
    char *text = NULL;

    if (equals == NULL) {
        complain("'%s' is neither KEY=VALUE nor a JSON object in { }", word);
        return OUTCOME_USAGE;
    }
    key = strndup(word, (size_t)(equals - word) - exact);
    if (key == NULL)
        return outcome_of_error("arguments", -ENOMEM);
    outcome = text_check(key, key);
    if (outcome == OUTCOME_DONE)
        outcome = value_take(key, equals + 1, exact, &text);
    return outcome == OUTCOME_DONE ? tree_add(tree, word, key, text, exact) : outcome;
}

static enum outcome words_parse(struct arguments *a, const char *const *words, size_t n)
{
    enum outcome outcome = OUTCOME_DONE;

    a->tree = tree_new();
    if (a->tree == NULL)
        return outcome_of_error("arguments", -ENOMEM);
    for (size_t i = 0; outcome == OUTCOME_DONE && i < n; i++)
        outcome = word_add(a->tree, words[i]);
    return outcome == OUTCOME_DONE ? tree_check(a->tree) : outcome;
}

/* Checks that a text is a JSON object. */
static enum outcome object_check(const char *where, const char *text, size_t size)
{
    qmp_value v = {NULL, 0};
    enum outcome outcome = json_check(where, text, size, &v);

    if (outcome != OUTCOME_DONE || qmp_value_type(v) == QMP_OBJECT)
        return outcome;
    complain("%s: JSON, but not an object; arguments are written as {\"name\": value}", where);
    return OUTCOME_USAGE;
}

static enum outcome input_parse(struct arguments *a)
{
    size_t size = 0;
    enum outcome outcome = input_read("-", QMP_MESSAGE_MAX, &a->json, &size);

    return outcome == OUTCOME_DONE ? object_check("standard input", a->json, size) : outcome;
}

static enum outcome object_parse(struct arguments *a, const char *word)
{
    a->json = strdup(word);
    return a->json != NULL ? object_check("arguments", word, strlen(word)) : outcome_of_error("arguments", -ENOMEM);
}

enum outcome arguments_parse(const char *const *words, size_t n, struct arguments *ret)
{
    bool input = n > 0 && strcmp(words[0], "-") == 0;
    bool object = n > 0 && words[0][strspn(words[0], SPACES)] == '{';

    *ret = (struct arguments){NULL, NULL};
    if ((input || object) && n > 1) {
        complain("'%s' after %s: that is all the arguments there can be", words[1], input ? "'-'" : "a JSON object");
        return OUTCOME_USAGE;
    }
    if (input)
        return input_parse(ret);
    if (object)
        return object_parse(ret, words[0]);
    return n > 0 ? words_parse(ret, words, n) : OUTCOME_DONE;
}

void arguments_done(struct arguments *a)
{
    tree_free(a->tree);
    free(a->json);
}
