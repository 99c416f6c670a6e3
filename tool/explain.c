/* SPDX-License-Identifier: MIT */

/* The verb help: a verb of qmp, or a command or an event of QEMU.
 *
 * Verbs come first, because they are few and known; where a command has the name of a verb, that is said, and how to
 * see the command. The declaration of a command is that of the server that is talked to, so it is never about another
 * version; the text is what the manual on this machine says, if there is one. */

#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "complain.h"
#include "connect.h"
#include "help.h"
#include "manual.h"
#include "meta.h"
#include "output.h"
#include "signature.h"
#include "source.h"
#include "verb.h"

/* Room for the name of a verb, with that of its family. */
#define NAME_MAX_BYTES 64

/* Says so where a command of QEMU has the name of a verb. What was seen last is good enough to know. */
static void command_hint(const struct options *o, const char *name)
{
    __attribute__((cleanup(schema_freep))) struct schema *s = cache_look(o->address);

    if (s != NULL && meta_of(schema_find(s, name)) == META_COMMAND)
        complain("QEMU has a command '%s', too: 'qmp schema show %s' shows it", name, name);
}

static enum outcome verb_explain(const struct options *o, const char *const *words, size_t n)
{
    size_t used = 0;
    const struct verb *verb = verb_find(words, n, &used);
    char name[NAME_MAX_BYTES];
    enum outcome outcome;

    if (verb == NULL)
        return OUTCOME_USAGE;
    if (used < n) {
        complain("'%s' is one too many: 'help' takes a verb, or a command of QEMU", words[used]);
        return OUTCOME_USAGE;
    }
    snprintf(name, sizeof(name), "%s%s%s", words[0], used > 1 ? " " : "", used > 1 ? words[1] : "");
    outcome = help_verb(verb, name);
    if (outcome == OUTCOME_DONE && used == 1)
        command_hint(o, name);
    return outcome;
}

static enum outcome command_explain(const struct options *o, const char *name)
{
    __attribute__((cleanup(schema_freep))) struct schema *s = NULL;
    enum outcome outcome = source_get(o, &s);
    bool found = false;
    qmp_value entity;

    /* A manual is better than nothing, when no server is there and none was ever seen. */
    if (outcome != OUTCOME_DONE) {
        enum outcome printed = manual_print(/* before= */ "", name, &found);
        return found ? printed : outcome;
    }
    outcome = source_entity(s, name, &entity);
    if (outcome == OUTCOME_DONE)
        outcome = signature_print(s, entity);
    return outcome == OUTCOME_DONE ? manual_print(/* before= */ "\n", name, &found) : outcome;
}

/* The same, and when there is no such command, which verb was perhaps meant. */
static enum outcome word_explain(const struct options *o, const char *name)
{
    enum outcome outcome = command_explain(o, name);
    struct guess guess = verb_guess(name);

    if (outcome != OUTCOME_DONE && outcome != OUTCOME_LOCAL && guess.best[0] != '\0')
        complain("the verb with nearly that name is '%s': 'qmp help %s'", guess.best, guess.best);
    return outcome;
}

static enum outcome help_run(const struct options *o, const char *const *words, size_t n)
{
    size_t used = 0;

    if (n == 0)
        return help_tool();
    if (n > 1 || verb_look(words, n, &used) != NULL)
        return verb_explain(o, words, n);
    return word_explain(o, words[0]);
}

const struct verb verb_help = {
    .name = "help",
    .synopsis = "[VERB | COMMAND | EVENT]",
    .summary = "explain a verb, or a command or an event of QEMU",
    .description = "Without a word, prints the help of qmp; with a verb, such as 'call' or 'job wait',\n"
                   "that of the verb.\n"
                   "With a command or an event of QEMU, prints its declaration, as 'schema show' does,\n"
                   "from the server at -s ADDRESS (when it is down, as it was last seen), and after it\n"
                   "what qemu-qmp-ref(7) says, where that is installed.\n",
    .examples = "  qmp help call\n"
                "  qmp help block-commit\n"
                "  qmp help BLOCK_JOB_READY\n",
    .options = OPTIONS_CONNECT,
    .run = help_run,
};
