/* SPDX-License-Identifier: MIT */

/* A command line that is still being written: what of it is an option, a value, a word; and candidates for its end.
 *
 * It is read as options.c reads a finished one, out of the same table, but forgiving: what is wrong with it will be
 * said when it is run. The invariant of what is printed: one candidate a line, once, with its meaning after a tab,
 * escaped. It knows nothing of what may stand where. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "output.h"
#include "tab.h"

/* Finds an option by its long name of a size, or its letter. */
static bool option_find(const char *name, size_t size, char letter, struct option_help *ret)
{
    size_t position = 0;

    while (options_next(UINT64_MAX, &position, ret))
        if (letter != '\0' ? ret->short_name == letter
                           : strlen(ret->long_name) == size && memcmp(ret->long_name, name, size) == 0)
            return true;
    return false;
}

/* Takes an option apart: returns the one that takes a value, if one does, and in `*ret_value` what is attached of it;
 * NULL: nothing is. */
static const char *option_parse(const char *word, const char **ret_value)
{
    struct option_help option;
    size_t size;

    *ret_value = NULL;
    if (word[1] == '-') {
        size = strcspn(word + 2, "=");
        if (!option_find(word + 2, size, '\0', &option) || option.value == NULL)
            return NULL;
        *ret_value = word[size + 2] == '=' ? word + size + 3 : NULL;
        return option.long_name;
    }
    for (const char *letter = word + 1; *letter != '\0' && option_find("", 0, *letter, &option); letter++) {
        if (option.value == NULL)
            continue;
        *ret_value = letter[1] != '\0' ? letter + 1 : NULL;
        return option.long_name;
    }
    return NULL;
}

static void value_take(struct tab *t, const char *option, const char *value)
{
    if (strcmp(option, "socket") == 0)
        t->address = value;
}

/* The word that is being written. */
static void current_take(struct tab *t, const char *word, const char *option)
{
    const char *value;

    t->option = option;
    t->current = t->prefix = word;
    if (option != NULL || t->words_after != SIZE_MAX || word[0] != '-' || word[1] == '\0')
        return;
    option = option_parse(word, &value);
    if (option == NULL || value == NULL)
        return;
    t->option = option;
    t->current = value;
    t->prefix_size = (int)(value - word);
}

enum outcome tab_parse(struct tab *t, const char *const *words, size_t n)
{
    const char *option = NULL;

    *t = (struct tab){.words_after = SIZE_MAX, .words = calloc(n + 1, sizeof(*t->words))};
    if (t->words == NULL)
        return outcome_of_error("the command line", -ENOMEM);
    for (size_t i = 0; i + 1 < n; i++) {
        const char *word = words[i], *value = word;
        if (option != NULL) {
            value_take(t, option, word);
            option = NULL;
        } else if (t->words_after != SIZE_MAX || word[0] != '-' || word[1] == '\0') {
            t->words[t->n_words++] = word;
        } else if (strcmp(word, "--") == 0) {
            t->words_after = t->n_words;
        } else {
            option = option_parse(word, &value);
            if (option != NULL && value != NULL) {
                value_take(t, option, value);
                option = NULL;
            }
        }
    }
    current_take(t, n > 0 ? words[n - 1] : "", option);
    t->verb = verb_look(t->words, t->n_words, &t->n_name);
    return OUTCOME_DONE;
}

void tab_done(struct tab *t)
{
    for (size_t i = 0; i < t->n_printed; i++)
        free(t->printed[i]);
    free(t->printed);
    free(t->words);
    schema_free(t->schema);
}

const struct schema *tab_schema(struct tab *t)
{
    if (!t->looked)
        t->schema = cache_look(t->address != NULL ? t->address : getenv("QMP_SOCKET"));
    t->looked = true;
    return t->schema;
}

/* Whether a candidate is new; it is remembered. Without memory, some come twice. */
static bool candidate_is_new(struct tab *t, const char *candidate)
{
    for (size_t i = 0; i < t->n_printed; i++)
        if (strcmp(t->printed[i], candidate) == 0)
            return false;
    if (t->n_printed == t->capacity) {
        size_t capacity = t->capacity == 0 ? 64 : t->capacity * 2;
        char **printed = realloc(t->printed, capacity * sizeof(*printed));
        if (printed == NULL)
            return true;
        t->printed = printed;
        t->capacity = capacity;
    }
    t->printed[t->n_printed] = strdup(candidate);
    t->n_printed += t->printed[t->n_printed] != NULL;
    return true;
}

void tab_candidate(const char *candidate, const char *meaning, bool finished, void *userdata)
{
    struct tab *t = userdata;

    (void)finished; /* its last character says so */
    if (strncmp(candidate, t->current, strlen(t->current)) != 0 || !candidate_is_new(t, candidate))
        return;
    output_print("%.*s%s\t", t->prefix_size, t->prefix, candidate);
    output_escaped(meaning, strlen(meaning));
    output_text("\n", 1);
}

void tab_files(struct tab *t, size_t size)
{
    output_print(":files\t%.*s%.*s\n", t->prefix_size, t->prefix, (int)size, t->current);
}
