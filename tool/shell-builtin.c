/* SPDX-License-Identifier: MIT */

/* The shell's own commands: a table.
 *
 * They have names that no command of QEMU has. It knows nothing of lines. */

#include "shell-builtin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "connect.h"
#include "guess.h"
#include "manual.h"
#include "output.h"
#include "shell-transaction.h"
#include "signature.h"
#include "source.h"

/* The column where meanings start. */
#define COLUMN 31

static enum outcome help_builtins(void)
{
    output_print("COMMAND [KEY=VALUE... | JSON]  run a command of QEMU; 'help COMMAND' explains it\n"
                 "{\"execute\": ...}               the same, as it goes over the wire\n"
                 "!COMMAND                       run a command of the human monitor: !info block\n"
                 "... | PROGRAM                  give the answer to a program\n\n");
    for (const struct builtin *b = builtins; b->name != NULL; b++)
        output_print("%s%s%s%*s%s\n", b->name, *b->synopsis != '\0' ? " " : "", b->synopsis,
            (int)(COLUMN - strlen(b->name) - strlen(b->synopsis) - (*b->synopsis != '\0')), "", b->summary);
    return OUTCOME_DONE;
}

static enum outcome help_run(struct shell *s, const char *const *words, size_t n)
{
    enum outcome outcome;
    bool found = false;
    qmp_value entity;

    if (n == 0)
        return help_builtins();
    for (const struct builtin *b = builtins; b->name != NULL; b++)
        if (strcmp(b->name, words[0]) == 0)
            return output_print("%s %s\n    %s\n", b->name, b->synopsis, b->summary);
    shell_schema(s);
    if (s->schema == NULL) {
        outcome = manual_print(/* before= */ "", words[0], &found);
        if (!found)
            complain("this server has no schema, so nothing is known of '%s'", words[0]);
        return found ? outcome : OUTCOME_UNKNOWN;
    }
    outcome = source_entity(s->schema, words[0], &entity);
    if (outcome == OUTCOME_DONE)
        outcome = signature_print(s->schema, entity);
    return outcome == OUTCOME_DONE ? manual_print(/* before= */ "\n", words[0], &found) : outcome;
}

static enum outcome exit_run(struct shell *s, const char *const *words, size_t n)
{
    (void)words;
    (void)n;
    s->leaving = true;
    return OUTCOME_DONE;
}

static enum outcome events_run(struct shell *s, const char *const *words, size_t n)
{
    return feed_set(&s->feed, &s->options, words, n);
}

static enum outcome connect_run_again(struct shell *s, const char *const *words, size_t n)
{
    qmp_client *c = s->link.client;
    char version[LINK_NAME_MAX];
    int r;

    if (n > 0) {
        char *address = strdup(words[0]);
        if (address == NULL)
            return outcome_of_error("connecting", -ENOMEM);
        free(s->address);
        s->options.address = s->address = address;
    }
    qmp_client_set_reconnect(c, NULL);
    qmp_client_disconnect(c);
    r = connect_run(&s->options, c);
    link_start(&s->link, c, s->interactive);
    s->losses = s->returns = 0;
    s->schema = schema_free(s->schema);
    if (r < 0)
        return outcome_of_failure(c, r);
    link_version(&s->link, version);
    if (s->interactive)
        complain("connected to %s", version);
    return OUTCOME_DONE;
}

static enum outcome errors_run(struct shell *s, const char *const *words, size_t n)
{
    bool stop = n == 1 && strcmp(words[0], "stop") == 0;

    if (s->interactive) {
        complain("'.errors' is for scripts");
        return OUTCOME_USAGE;
    }
    if (n != 1 || (!stop && strcmp(words[0], "continue") != 0)) {
        complain("write '.errors stop' or '.errors continue'");
        return OUTCOME_USAGE;
    }
    s->stops = stop;
    return OUTCOME_DONE;
}

static enum outcome transaction_run(struct shell *s, const char *const *words, size_t n)
{
    enum outcome outcome = transaction_begin(s);

    return outcome == OUTCOME_DONE && n > 0 ? transaction_add(s, words, n) : outcome;
}

const struct builtin builtins[] = {
    {"help", "[COMMAND]", "this, or what a command or an event is", 1, help_run},
    {"transaction(", "", "commands follow, one a line; ')' runs them as one", SIZE_MAX, transaction_run},
    {".events", "[on | off | GLOB...]", "which events are shown", FEED_GLOBS_MAX, events_run},
    {".oob", "COMMAND [KEY=VALUE...]", "run a command out of band, past a busy main loop", SIZE_MAX, NULL},
    {".errors", "stop | continue", "in a script: is a line that fails the last one", 1, errors_run},
    {".connect", "[ADDRESS]", "connect again, or to another server", 1, connect_run_again},
    {".quit", "", "leave the shell, as Ctrl-D does; QEMU goes on", 0, exit_run},
    {"exit", "", "the same", 0, exit_run},
    {0},
};

const struct builtin *builtin_find(const char *name, bool *ret_wrong)
{
    struct guess guess = guess_start(name);

    *ret_wrong = false;
    for (const struct builtin *b = builtins; b->name != NULL; b++) {
        if (strcmp(b->name, name) == 0)
            return b;
        guess_add(&guess, b->name);
    }
    *ret_wrong = name[0] == '.';
    if (*ret_wrong && guess.best[0] != '\0')
        complain("'%s' is no command of the shell; did you mean '%s'?", name, guess.best);
    else if (*ret_wrong)
        complain("'%s' is no command of the shell; 'help' lists them", name);
    return NULL;
}
