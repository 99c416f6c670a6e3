/* SPDX-License-Identifier: MIT */

/* The verb schema ls: what a server has, one a line.
 *
 * For people and for grep alike: the name first, then its kind and its marks, in columns on a terminal and with tabs
 * between them otherwise. Types are left out unless they are asked for, because their names are numbers. */

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "escape.h"
#include "guess.h"
#include "meta.h"
#include "output.h"
#include "source.h"
#include "style.h"
#include "verb.h"

/* Columns of the longest kind, "alternate", and a space. */
#define KIND_COLUMNS 11

#define KIND(meta) (1u << (meta))
#define KINDS_TYPES (KIND(META_BUILTIN) | KIND(META_ENUM) | KIND(META_ARRAY) | KIND(META_OBJECT) | KIND(META_ALTERNATE))

/* The words that choose kinds rather than names. */
static const struct {
    const char *word;
    unsigned kinds;
} choices[] = {{"commands", KIND(META_COMMAND)}, {"events", KIND(META_EVENT)}, {"types", KINDS_TYPES}};

struct row {
    char *name;
    enum meta meta;
    qmp_value entity;
};

struct rows {
    struct row *items;
    size_t n;
};

static void rows_done(struct rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        free(rows->items[i].name);
    free(rows->items);
}

/* Commands before events before types, each by name. */
static int row_compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->meta != y->meta)
        return x->meta < y->meta ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The kinds that a word chooses; 0 when it is a pattern. */
static unsigned kinds_of(const char *word)
{
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
        if (strcmp(word, choices[i].word) == 0)
            return choices[i].kinds;
    return 0;
}

static bool name_is_wanted(const char *name, const char *const *words, size_t n_words)
{
    bool any = false, wanted = false;

    for (size_t i = 0; i < n_words; i++) {
        if (kinds_of(words[i]) != 0)
            continue;
        any = true;
        wanted |= fnmatch(words[i], name, /* flags= */ 0) == 0;
    }
    return wanted || !any;
}

static enum outcome rows_collect(const struct schema *s, const char *const *words, size_t n_words, struct rows *rows)
{
    unsigned kinds = 0;
    size_t position = 0, n = 0;
    qmp_value entity;

    for (size_t i = 0; i < n_words; i++)
        kinds |= kinds_of(words[i]);
    kinds = kinds != 0 ? kinds : KIND(META_COMMAND) | KIND(META_EVENT);
    while (schema_next(s, &position, &entity))
        n++;
    rows->items = calloc(n + 1, sizeof(*rows->items));
    if (rows->items == NULL)
        return outcome_of_error("the names", -ENOMEM);
    for (position = 0; schema_next(s, &position, &entity);) {
        qmp_value bare = meta_bare(qmp_value_member(entity, "name"));
        struct row row = {strndup(bare.text, bare.size), meta_of(entity), entity};
        if (row.name == NULL)
            return outcome_of_error("the names", -ENOMEM);
        if ((KIND(row.meta) & kinds) != 0 && name_is_wanted(row.name, words, n_words))
            rows->items[rows->n++] = row;
        else
            free(row.name);
    }
    qsort(rows->items, rows->n, sizeof(*rows->items), row_compare);
    return OUTCOME_DONE;
}

/* Names nothing: which word is to blame, as far as one can tell. */
static enum outcome nothing_complain(const struct schema *s, const char *const *words, size_t n_words)
{
    for (size_t i = 0; i < n_words; i++) {
        qmp_value ignored;
        if (kinds_of(words[i]) == 0 && strpbrk(words[i], "*?[") == NULL &&
            meta_of(schema_find(s, words[i])) == META_NONE)
            return source_entity(s, words[i], &ignored);
    }
    complain("nothing has such a name");
    return OUTCOME_UNKNOWN;
}

static enum outcome print_styled(enum style style, const char *text, size_t size)
{
    enum outcome outcome = output_print("%s", style_start(STDOUT_FILENO, style));

    if (outcome == OUTCOME_DONE)
        outcome = output_escaped(text, size);
    return outcome == OUTCOME_DONE && style != STYLE_PLAIN ? output_print("%s", style_end(STDOUT_FILENO)) : outcome;
}

static enum outcome marks_print(qmp_value entity)
{
    qmp_value features = qmp_value_member(entity, "features"), item = {NULL, 0};
    enum outcome outcome = OUTCOME_DONE;
    bool out_of_band = false;
    const char *separator = "";

    qmp_value_bool(qmp_value_member(entity, "allow-oob"), &out_of_band);
    if (out_of_band) {
        outcome = output_print("out-of-band");
        separator = ", ";
    }
    while (outcome == OUTCOME_DONE && qmp_value_next(features, /* key= */ NULL, &item)) {
        bool warning = qmp_value_equals(item, "deprecated") || qmp_value_equals(item, "unstable");
        qmp_value bare = meta_bare(item);
        outcome = output_print("%s", separator);
        if (outcome == OUTCOME_DONE)
            outcome = print_styled(warning ? STYLE_WARNING : STYLE_PLAIN, bare.text, bare.size);
        separator = ", ";
    }
    return outcome;
}

static bool is_marked(qmp_value entity)
{
    qmp_value item = {NULL, 0};
    bool out_of_band = false;

    qmp_value_bool(qmp_value_member(entity, "allow-oob"), &out_of_band);
    return out_of_band || qmp_value_next(qmp_value_member(entity, "features"), /* key= */ NULL, &item);
}

static enum outcome row_print(const struct row *row, size_t columns)
{
    const char *kind = meta_word(row->meta);
    size_t width = escape_width(row->name, strlen(row->name)), used = strlen(kind);
    enum outcome outcome = print_styled(STYLE_BOLD, row->name, strlen(row->name));

    if (outcome == OUTCOME_DONE && columns > 0)
        outcome = output_print("%*s%s%*s", (int)(columns - width + 2), "", kind,
            is_marked(row->entity) ? (int)(KIND_COLUMNS - used) : 0, "");
    else if (outcome == OUTCOME_DONE)
        outcome = output_print("\t%s\t", kind);
    if (outcome == OUTCOME_DONE)
        outcome = marks_print(row->entity);
    return outcome == OUTCOME_DONE ? output_text("\n", 1) : outcome;
}

static enum outcome ls_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(schema_freep))) struct schema *s = NULL;
    __attribute__((cleanup(rows_done))) struct rows rows = {NULL, 0};
    enum outcome outcome = source_get(o, &s);
    size_t columns = 0;

    if (outcome == OUTCOME_DONE)
        outcome = rows_collect(s, words, n, &rows);
    if (outcome == OUTCOME_DONE && rows.n == 0)
        outcome = nothing_complain(s, words, n);
    for (size_t i = 0; output_is_terminal() && i < rows.n; i++) {
        size_t width = escape_width(rows.items[i].name, strlen(rows.items[i].name));
        columns = width > columns ? width : columns;
    }
    for (size_t i = 0; outcome == OUTCOME_DONE && i < rows.n; i++)
        outcome = (o->given & OPTIONS_OUTPUT) ? output_json(rows.items[i].entity) : row_print(&rows.items[i], columns);
    return outcome;
}

const struct verb verb_schema_ls = {
    .name = "ls",
    .synopsis = "[commands | events | types]... [GLOB]...",
    .summary = "list the commands and events that a server has",
    .description = "Lists the commands and events of a server, or those that a GLOB such as\n"
                   "'block-*' matches, one a line: the name, what it is, and what marks it\n"
                   "(deprecated, unstable, out-of-band). The words commands, events and types\n"
                   "choose what is listed; types have numbers for names.\n"
                   "With -o or -g, prints what the server says about each, as JSON.\n",
    .examples = "  qmp schema ls\n"
                "  qmp schema ls events 'BLOCK_*'\n"
                "  qmp schema ls | grep deprecated\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT,
    .run = ls_run,
};
