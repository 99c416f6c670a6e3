/* SPDX-License-Identifier: MIT */

/* Conditions, as words of a command line.
 *
 * Events are in capitals and conditions in small letters, so a word is one or the other by its looks, and words in
 * small letters can become conditions later. Which states there are is not built in: QEMU's schema knows.
 *
 * It knows nothing of what is the case. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "condition.h"
#include "guess.h"

#define STATE "state="
#define JOB "job:"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* The same in capitals, as far as there is room. */
static void capitals(char ret[CONDITION_VALUE_MAX], const char *word)
{
    size_t i = 0;

    for (; word[i] != '\0' && i < CONDITION_VALUE_MAX - 1; i++) {
        const char *lower = strchr(LOWER, word[i]);
        ret[i] = lower != NULL ? UPPER[lower - LOWER] : word[i] == '-' ? '_' : word[i];
    }
    ret[i] = '\0';
}

static enum outcome word_refuse(const char *word)
{
    static const struct {
        const char *name, *example;
    } known[] = {{"ready", "ready"}, {"gone", "gone"}, {"state", "state=running"}, {"job", "job:ID=concluded"}};
    size_t size = strcspn(word, "=:");
    char name[CONDITION_VALUE_MAX];
    const char *example = NULL;
    struct guess guess;

    snprintf(name, sizeof(name), "%.*s", (int)(size < sizeof(name) ? size : sizeof(name) - 1), word);
    guess = guess_start(name);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        guess_add(&guess, known[i].name);
        if (strcmp(guess.best, known[i].name) == 0)
            example = known[i].example;
    }
    capitals(name, word);
    if (*word == '\0')
        complain("'' is no condition");
    else if (example != NULL)
        complain("'%s' is no condition; did you mean '%s'?", word, example);
    else if (word[size] == '=')
        complain("'%s' is no condition; did you mean '--where %s'?", word, word);
    else
        complain("'%s' is no condition; did you mean the event '%s'?", word, name);
    return OUTCOME_USAGE;
}

/* No empty item, and so no empty list. */
static bool list_is_good(const char *list)
{
    size_t size = strlen(list);

    return size > 0 && list[0] != ',' && list[size - 1] != ',' && strstr(list, ",,") == NULL;
}

static bool is_event(const char *word)
{
    return *word != '\0' && strchr(word, '=') == NULL &&
           (strpbrk(word, LOWER) == NULL || strpbrk(word, UPPER "*?[") != NULL);
}

enum outcome condition_parse(const char *word, struct condition *ret)
{
    const char *equals = strrchr(word, '=');

    *ret = (struct condition){CONDITION_EVENT, word, NULL, equals != NULL ? equals + 1 : ""};
    if (strcmp(word, "ready") == 0)
        ret->kind = CONDITION_READY;
    else if (strcmp(word, "gone") == 0)
        ret->kind = CONDITION_GONE;
    else if (strncmp(word, STATE, strlen(STATE)) == 0)
        ret->kind = CONDITION_STATE;
    else if (strncmp(word, JOB, strlen(JOB)) == 0 && equals > word + strlen(JOB))
        ret->kind = CONDITION_JOB;
    else if (!is_event(word))
        return word_refuse(word);
    if ((ret->kind == CONDITION_STATE || ret->kind == CONDITION_JOB) && !list_is_good(ret->wanted))
        return word_refuse(word);
    if (ret->kind != CONDITION_JOB)
        return OUTCOME_DONE;
    ret->id = strndup(word + strlen(JOB), (size_t)(equals - word) - strlen(JOB));
    return ret->id != NULL ? OUTCOME_DONE : outcome_of_error("the conditions", -ENOMEM);
}

void condition_done(struct condition *c)
{
    free(c->id);
}

/* The next item of a list with commas: false at its end. */
static bool list_next(const char **list, const char **ret, size_t *ret_size)
{
    if (**list == '\0')
        return false;
    *ret = *list;
    *ret_size = strcspn(*list, ",");
    *list += *ret_size + ((*list)[*ret_size] == ',');
    return true;
}

bool condition_wants(const struct condition *c, const char *value)
{
    const char *list = c->wanted, *item;
    size_t size;

    while (list_next(&list, &item, &size))
        if (strlen(value) == size && strncmp(item, value, size) == 0)
            return true;
    return false;
}

/* The values that "status" can have in what a command returns, or in the items of it. */
static qmp_value statuses(const struct schema *s, const char *command)
{
    qmp_value type = schema_named(s, qmp_value_member(schema_find(s, command), "ret-type")), member = {NULL, 0};

    if (qmp_value_equals(qmp_value_member(type, "meta-type"), "array"))
        type = schema_named(s, qmp_value_member(type, "element-type"));
    while (qmp_value_next(qmp_value_member(type, "members"), /* key= */ NULL, &member))
        if (qmp_value_equals(qmp_value_member(member, "name"), "status"))
            break;
    return qmp_value_member(schema_named(s, qmp_value_member(member, "type")), "values");
}

/* Whether a value is in an array of strings; the nearest of them is guessed. */
static bool is_among(qmp_value values, struct guess *guess)
{
    qmp_value v = {NULL, 0};

    while (qmp_value_next(values, /* key= */ NULL, &v)) {
        if (qmp_value_equals(v, guess->written))
            return true;
        if (qmp_value_type(v) == QMP_STRING)
            guess_add_sized(guess, v.text + 1, v.size - 2);
    }
    return false;
}

const char *condition_stranger(const struct condition *c, const struct schema *s, char text[CONDITION_VALUE_MAX],
    char ret_near[CONDITION_VALUE_MAX])
{
    qmp_value values = {NULL, 0};
    const char *list = c->wanted, *item;
    size_t size;

    if (c->kind == CONDITION_STATE || c->kind == CONDITION_JOB)
        values = statuses(s, c->kind == CONDITION_STATE ? "query-status" : "query-jobs");
    while (qmp_value_type(values) == QMP_ARRAY && list_next(&list, &item, &size)) {
        struct guess guess;
        snprintf(text, CONDITION_VALUE_MAX, "%.*s", (int)size, item);
        guess = guess_start(text);
        if (is_among(values, &guess))
            continue;
        snprintf(ret_near, CONDITION_VALUE_MAX, "%s", guess.best);
        return text;
    }
    return NULL;
}
