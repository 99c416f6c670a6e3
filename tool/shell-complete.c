/* SPDX-License-Identifier: MIT */

/* Tab.
 *
 * What may stand at the cursor comes from the schema (complete.c), from the server as it is now (live.c), and from the
 * shell's own commands; here it is put together. One Tab adds what all of it has in common, the next one lists it. Text
 * of the server is escaped in the list, and what the shell would take apart is quoted in the line.
 *
 * A word that is an action of a transaction is completed as what it is there: an argument of `transaction`. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complete.h"
#include "escape.h"
#include "live.h"
#include "output.h"
#include "shell-builtin.h"
#include "shell-line.h"
#include "shell.h"
#include "style.h"
#include "terminal.h"

/* More than this are not kept. */
#define CANDIDATES_MAX 4096
/* More than this are listed only after a question; less than that with their meanings. */
#define LIST_MAX 100
#define MEANINGS_MAX 20
/* Columns between two words of a list. */
#define GAP 2
/* Room for a word as one of `transaction`. */
#define WORD_MAX 512

#define ACTION_TYPE "actions.0.type="
#define ACTION_DATA "actions.0.data."

struct candidate {
    char *word, *meaning;
    bool finished;
};

struct candidates {
    struct candidate items[CANDIDATES_MAX];
    size_t n;
    const char *written; /* the word as it is now */
    const char *prefix;  /* that is not part of the user's words */
};

static void candidates_free(struct candidates *all)
{
    for (size_t i = 0; all != NULL && i < all->n; i++) {
        free(all->items[i].word);
        free(all->items[i].meaning);
    }
    free(all);
}

static void candidates_freep(struct candidates **all)
{
    candidates_free(*all);
}

/* Keeps one, if it starts with what is written. */
static void candidate_add(const char *word, const char *meaning, bool finished, void *userdata)
{
    struct candidates *all = userdata;
    struct candidate *c = &all->items[all->n];
    size_t prefix = strlen(all->prefix);

    if (strncmp(word, all->prefix, prefix) != 0 || strncmp(word + prefix, all->written, strlen(all->written)) != 0)
        return;
    if (all->n == CANDIDATES_MAX)
        return;
    *c = (struct candidate){strdup(word + prefix), strdup(meaning), finished};
    if (c->word != NULL && c->meaning != NULL) {
        all->n++;
        return;
    }
    free(c->word);
    free(c->meaning);
}

static int candidate_compare(const void *a, const void *b)
{
    return strcmp(((const struct candidate *)a)->word, ((const struct candidate *)b)->word);
}

/* In the order of the alphabet, each once. */
static void candidates_sort(struct candidates *all)
{
    size_t kept = 0;

    qsort(all->items, all->n, sizeof(all->items[0]), candidate_compare);
    for (size_t i = 0; i < all->n; i++) {
        if (kept > 0 && strcmp(all->items[kept - 1].word, all->items[i].word) == 0) {
            free(all->items[i].word);
            free(all->items[i].meaning);
        } else {
            all->items[kept++] = all->items[i];
        }
    }
    all->n = kept;
}

static void call_find(struct shell *s, const char *const *words, size_t n, struct candidates *all)
{
    if (s->schema != NULL)
        complete_call(s->schema, words, n, candidate_add, all);
    if (s->link.up)
        live_complete(s->link.client, words, n, candidate_add, all);
}

/* An action of a transaction: its words as those of the command `transaction`. */
static void action_find(struct shell *s, const char *const *words, size_t n, struct candidates *all)
{
    __attribute__((cleanup(qmp_freep))) char(*texts)[WORD_MAX] = calloc(n, sizeof(*texts));
    __attribute__((cleanup(qmp_freep))) const char **made = calloc(n + 1, sizeof(*made));

    if (texts == NULL || made == NULL)
        return;
    made[0] = "transaction";
    for (size_t i = 0; i < n; i++) {
        if (snprintf(texts[i], WORD_MAX, "%s%s", i == 0 ? ACTION_TYPE : ACTION_DATA, words[i]) >= WORD_MAX)
            return;
        made[i + 1] = texts[i];
    }
    all->prefix = n == 1 ? ACTION_TYPE : ACTION_DATA;
    if (s->schema != NULL)
        complete_call(s->schema, made, n + 1, candidate_add, all);
    all->prefix = "";
    if (s->link.up)
        live_complete(s->link.client, words, n, candidate_add, all);
}

static void builtins_find(struct candidates *all)
{
    for (const struct builtin *b = builtins; b->name != NULL; b++)
        if (all->written[0] != '\0' || b->name[0] != '.')
            candidate_add(b->name, b->summary, b->words_max > 0, all);
}

/* The arguments of a command of the shell's own. */
static void builtin_find_words(
    struct shell *s, const struct builtin *b, const char *const *words, size_t n, struct candidates *all)
{
    if (strcmp(b->name, ".oob") == 0)
        call_find(s, words, n, all);
    else if (strcmp(b->name, "transaction(") == 0)
        action_find(s, words, n, all);
    else if (s->schema != NULL && strcmp(b->name, "help") == 0)
        complete_name(s->schema, /* commands= */ true, /* events= */ true, all->written, candidate_add, all);
    else if (s->schema != NULL && strcmp(b->name, ".events") == 0)
        complete_name(s->schema, /* commands= */ false, /* events= */ true, all->written, candidate_add, all);
    if (strcmp(b->name, ".events") == 0) {
        candidate_add("on", "all of them", true, all);
        candidate_add("off", "none", true, all);
    } else if (strcmp(b->name, ".errors") == 0) {
        candidate_add("stop", "", true, all);
        candidate_add("continue", "", true, all);
    }
}

static const struct builtin *builtin_look(const char *name)
{
    for (const struct builtin *b = builtins; b->name != NULL; b++)
        if (strcmp(b->name, name) == 0)
            return b;
    return NULL;
}

static void words_find(struct shell *s, const struct line *l, struct candidates *all)
{
    const char *const *words = (const char *const *)l->words;
    const struct builtin *b = l->n_words > 1 ? builtin_look(words[0]) : NULL;

    if (b != NULL) {
        builtin_find_words(s, b, words + 1, l->n_words - 1, all);
        return;
    }
    if (s->transaction != NULL)
        action_find(s, words, l->n_words, all);
    else
        call_find(s, words, l->n_words, all);
    if (l->n_words == 1)
        builtins_find(all);
}

/* How many bytes all candidates have in common. */
static size_t common_size(const struct candidates *all)
{
    const char *first = all->items[0].word;
    size_t size = strlen(first);

    for (size_t i = 1; i < all->n; i++)
        for (size_t k = 0; k < size; k++)
            if (all->items[i].word[k] != first[k])
                size = k;
    return size;
}

/* Puts text into the line, quoted where the shell would take it apart. */
static void text_insert(struct editor *e, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char piece[3] = {text[i], '\0', '\0'};
        if (strchr(" \t'\"\\|#{}", text[i]) != NULL && !(text[i] == '#' && i > 0)) {
            piece[0] = '\\';
            piece[1] = text[i];
        } else if ((unsigned char)text[i] >= 0x80 || text[i] < ' ') {
            return; /* what is not easily typed is not easily completed */
        }
        editor_insert(e, piece);
    }
}

/* What a list shows of a word: the value alone, where that is what there is to choose. */
static const char *word_shown(const struct candidates *all, size_t i)
{
    const char *equals = strchr(all->written, '=');

    return all->items[i].word + (equals != NULL ? equals + 1 - all->written : 0);
}

/* Writes an escaped text, and spaces up to a width. */
static void cell_write(const char *text, size_t width)
{
    output_escaped(text, strlen(text));
    for (size_t i = escape_width(text, strlen(text)); i < width; i++)
        output_text(" ", 1);
}

/* One a row, with what it means. */
static void meanings_write(const struct candidates *all, size_t width)
{
    for (size_t i = 0; i < all->n; i++) {
        const char *meaning = all->items[i].meaning;
        cell_write(word_shown(all, i), *meaning != '\0' ? width + GAP : 0);
        output_print("%s", style_start(STDOUT_FILENO, STYLE_FAINT));
        cell_write(meaning, 0);
        output_print("%s\n", style_end(STDOUT_FILENO));
    }
}

/* In columns, downwards. */
static void columns_write(const struct candidates *all, size_t columns, size_t width)
{
    size_t across = columns / (width + GAP), rows;

    across = across > 0 ? across : 1;
    rows = (all->n + across - 1) / across;
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row; i < all->n; i += rows)
            cell_write(word_shown(all, i), i + rows < all->n ? width + GAP : 0);
        output_text("\n", 1);
    }
}

static void list_write(const struct candidates *all)
{
    size_t width = 0, meaning_width = 0, columns = terminal_columns(STDOUT_FILENO);

    for (size_t i = 0; i < all->n; i++) {
        const char *shown = word_shown(all, i), *meaning = all->items[i].meaning;
        size_t w = escape_width(shown, strlen(shown)), m = escape_width(meaning, strlen(meaning));
        width = w > width ? w : width;
        meaning_width = m > meaning_width ? m : meaning_width;
    }
    columns = columns != 0 ? columns : TERMINAL_COLUMNS_USUAL;
    if (meaning_width > 0 && all->n <= MEANINGS_MAX && width + GAP + meaning_width < columns)
        meanings_write(all, width);
    else
        columns_write(all, columns, width);
}

/* Lists all candidates below the line. */
static void list_show(struct shell *s, struct editor *e, const struct candidates *all)
{
    bool wanted = true;

    editor_leave(e);
    s->held = true; /* the line is not where it was */
    if (all->n > LIST_MAX) {
        char key;
        output_print("show all %zu? [y/N] ", all->n);
        output_flush();
        key = editor_key(e);
        wanted = key == 'y' || key == 'Y' || key == ' ';
        output_print("\n");
    }
    if (wanted)
        list_write(all);
    output_flush();
    s->held = false;
    editor_show(e);
}

void shell_complete(struct editor *e, void *userdata)
{
    __attribute__((cleanup(candidates_freep))) struct candidates *all = calloc(1, sizeof(*all));
    __attribute__((cleanup(qmp_freep))) char *before = editor_before(e);
    __attribute__((cleanup(line_done))) struct line l = {0};
    struct shell *s = userdata;
    bool again = before != NULL && s->completed != NULL && strcmp(before, s->completed) == 0;
    size_t written, size;

    if (all == NULL || before == NULL || s->question != NULL || !line_parse_beginning(&l, before)) {
        editor_beep(e);
        return;
    }
    all->written = l.words[l.n_words - 1];
    all->prefix = "";
    words_find(s, &l, all);
    candidates_sort(all);
    written = strlen(all->written);
    size = all->n > 0 ? common_size(all) : 0;
    if (size > written)
        text_insert(e, all->items[0].word + written, size - written);
    if (all->n == 1 && all->items[0].finished)
        editor_insert(e, " ");
    else if (all->n == 0 || (size <= written && !again))
        editor_beep(e);
    else if (size <= written)
        list_show(s, e, all);
    free(s->completed);
    s->completed = editor_before(e);
}
