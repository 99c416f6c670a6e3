/* SPDX-License-Identifier: MIT */

/* Arguments of a command, from words to JSON text.
 *
 * KEY=VALUE words become a tree of nodes (tree.c); a leaf is JSON text already. The typing rule needs no schema: a
 * VALUE that is JSON, but not a JSON string, is taken as what it is; anything else is a string, as it stands. KEY:=JSON
 * is exact, for strings that look like something else. A JSON object, from the command line or from standard input, is
 * checked and passed on unchanged.
 *
 * The invariant: what comes out is what QEMU's parser accepts, or the word at fault is named. It knows nothing of which
 * arguments a command has. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "complain.h"
#include "tree.h"

/* The longest arguments taken from standard input: what QEMU takes for a message. */
#define INPUT_MAX QMP_MESSAGE_MAX
#define INPUT_FIRST 4096

#define SPACES " \t\r\n"

static enum outcome json_complain(const char *where, int error, const char *description)
{
    if (error == -ENOMEM)
        return outcome_of_error(where, error);
    complain("%s: %s", where, description != NULL ? description : qmp_strerror(error));
    return OUTCOME_USAGE;
}

/* The text of a string as JSON. */
static enum outcome string_make(const char *where, const char *text, char **ret)
{
    *ret = qmp_json("%s", text);
    if (*ret != NULL)
        return OUTCOME_DONE;
    if (errno == ENOMEM)
        return outcome_of_error("arguments", -ENOMEM);
    complain("%s: not UTF-8, or with a character that QEMU refuses (U+FFFE, U+FFFF and the like)", where);
    return OUTCOME_USAGE;
}

/* The JSON text of a value, where `exact` or the text itself says that it is JSON; else that of a string. */
static enum outcome value_make(const char *key, const char *text, bool exact, char **ret)
{
    __attribute__((cleanup(qmp_freep))) char *description = NULL;
    qmp_value v;
    int r = -EBADMSG;

    if (exact || text[strspn(text, SPACES)] != '"')
        r = qmp_json_check(text, strlen(text), &v, &description);
    if (r == -EBADMSG && !exact)
        return string_make(key, text, ret);
    if (r < 0)
        return json_complain(key, r, description);
    *ret = strndup(v.text, v.size);
    return *ret != NULL ? OUTCOME_DONE : outcome_of_error("arguments", -ENOMEM);
}

/* Puts one KEY=VALUE or KEY:=JSON into the tree. */
static enum outcome word_add(struct tree *tree, const char *word)
{
    __attribute__((cleanup(qmp_freep))) char *key = NULL, *json = NULL, *checked = NULL;
    const char *equals = strchr(word, '=');
    bool exact = equals != NULL && equals > word && equals[-1] == ':';
    enum outcome outcome;

    if (equals == NULL) {
        complain("'%s' is neither KEY=VALUE nor a JSON object in { }", word);
        return OUTCOME_USAGE;
    }
    key = strndup(word, (size_t)(equals - word) - exact);
    if (key == NULL)
        return outcome_of_error("arguments", -ENOMEM);
    outcome = string_make(key, key, &checked);
    if (outcome == OUTCOME_DONE)
        outcome = value_make(key, equals + 1, exact, &json);
    return outcome == OUTCOME_DONE ? tree_add(tree, word, key, json) : outcome;
}

static enum outcome words_make(const char *const *words, size_t n, char **ret)
{
    __attribute__((cleanup(tree_freep))) struct tree *tree = tree_new();
    enum outcome outcome = tree != NULL ? OUTCOME_DONE : outcome_of_error("arguments", -ENOMEM);

    for (size_t i = 0; outcome == OUTCOME_DONE && i < n; i++)
        outcome = word_add(tree, words[i]);
    return outcome == OUTCOME_DONE ? tree_write(tree, ret) : outcome;
}

/* Everything that standard input holds, NUL-terminated. */
static enum outcome input_read(char **ret, size_t *ret_size)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    size_t size = 0, capacity = 0;
    ssize_t n;

    do {
        if (capacity - size < 2) {
            capacity = capacity == 0 ? INPUT_FIRST : capacity * 2;
            char *grown = realloc(text, capacity);
            if (grown == NULL)
                return outcome_of_error("standard input", -ENOMEM);
            text = grown;
        }
        n = read(STDIN_FILENO, text + size, capacity - size - 1);
        if (n > 0)
            size += (size_t)n;
        if (size > INPUT_MAX) {
            complain("standard input: more than %zu MiB", INPUT_MAX >> 20);
            return OUTCOME_USAGE;
        }
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0) {
        complain("cannot read standard input: %s", strerror(errno));
        return OUTCOME_LOCAL;
    }
    text[size] = '\0';
    *ret = text;
    *ret_size = size;
    text = NULL;
    return OUTCOME_DONE;
}

/* Checks that a text is a JSON object. */
static enum outcome object_check(const char *where, const char *text, size_t size)
{
    __attribute__((cleanup(qmp_freep))) char *description = NULL;
    qmp_value v;
    int r = qmp_json_check(text, size, &v, &description);

    if (r < 0)
        return json_complain(where, r, description);
    if (qmp_value_type(v) == QMP_OBJECT)
        return OUTCOME_DONE;
    complain("%s: JSON, but not an object; arguments are written as {\"name\": value}", where);
    return OUTCOME_USAGE;
}

static enum outcome input_make(char **ret)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    size_t size = 0;
    enum outcome outcome = input_read(&text, &size);

    if (outcome == OUTCOME_DONE)
        outcome = object_check("standard input", text, size);
    if (outcome == OUTCOME_DONE) {
        *ret = text;
        text = NULL;
    }
    return outcome;
}

static enum outcome object_make(const char *word, char **ret)
{
    enum outcome outcome = object_check("arguments", word, strlen(word));

    if (outcome != OUTCOME_DONE)
        return outcome;
    *ret = strdup(word);
    return *ret != NULL ? OUTCOME_DONE : outcome_of_error("arguments", -ENOMEM);
}

enum outcome arguments_make(const char *const *words, size_t n, char **ret)
{
    bool input = n > 0 && strcmp(words[0], "-") == 0;
    bool object = n > 0 && words[0][strspn(words[0], SPACES)] == '{';

    *ret = NULL;
    if ((input || object) && n > 1) {
        complain("'%s' after %s: that is all the arguments there can be", words[1], input ? "'-'" : "a JSON object");
        return OUTCOME_USAGE;
    }
    if (input)
        return input_make(ret);
    if (object)
        return object_make(words[0], ret);
    return n > 0 ? words_make(words, n, ret) : OUTCOME_DONE;
}
