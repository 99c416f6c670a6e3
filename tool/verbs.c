/* SPDX-License-Identifier: MIT */

/* The table of verbs: to add one, write its file and name its entry here.
 *
 * The order is that of the help. It knows nothing of what a verb does. */

#include <stdio.h>
#include <string.h>

#include "complain.h"
#include "verb.h"

const struct verb *const verbs[] = {&verb_call, &verb_run, &verb_events, &verb_wait, &verb_hook, &verb_job,
    &verb_migrate, &verb_shell, &verb_help, &verb_schema, &verb_ping, &verb_ls, &verb_doctor, &verb_ga, &verb_capture,
    &verb_replay, &verb_version, &verb_complete, NULL};

/* Enough for the names of all verbs, in a complaint. */
#define NAMES_MAX 512

static const struct verb *table_find(const struct verb *const *table, const char *name)
{
    for (; *table != NULL; table++)
        if (strcmp((*table)->name, name) == 0)
            return *table;
    return NULL;
}

const struct verb *verb_look(const char *const *words, size_t n_words, size_t *ret_n)
{
    const struct verb *const *table = verbs;
    const struct verb *found = NULL;

    *ret_n = 0;
    while (table != NULL && *ret_n < n_words) {
        const struct verb *verb = table_find(table, words[*ret_n]);
        if (verb == NULL)
            break;
        found = verb;
        table = verb->family;
        (*ret_n)++;
    }
    return found;
}

struct guess verb_guess(const char *name)
{
    struct guess guess = guess_start(name);

    for (const struct verb *const *verb = verbs; *verb != NULL; verb++)
        if (!(*verb)->hidden)
            guess_add(&guess, (*verb)->name);
    return guess;
}

static void unknown_complain(const struct verb *const *table, const char *prefix, const char *name)
{
    char names[NAMES_MAX] = "";
    struct guess guess = guess_start(name);
    size_t used = 0;

    for (; *table != NULL; table++) {
        if ((*table)->hidden)
            continue;
        guess_add(&guess, (*table)->name);
        if (used < sizeof(names))
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used == 0 ? "" : ", ", (*table)->name);
    }
    if (guess.best[0] != '\0')
        complain("unknown verb '%s%s'; did you mean '%s%s'?", prefix, name, prefix, guess.best);
    else
        complain("unknown verb '%s%s'; the verbs are: %s", prefix, name, names);
}

const struct verb *verb_find(const char *const *words, size_t n_words, size_t *ret_n)
{
    const struct verb *verb = verb_look(words, n_words, ret_n);
    char prefix[NAMES_MAX];

    if (verb == NULL) {
        unknown_complain(verbs, "", words[0]);
        return NULL;
    }
    if (verb->family == NULL || *ret_n == n_words)
        return verb;
    snprintf(prefix, sizeof(prefix), "%s ", verb->name);
    unknown_complain(verb->family, prefix, words[*ret_n]);
    return NULL;
}
