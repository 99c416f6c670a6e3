/* SPDX-License-Identifier: MIT */

/* The verb __complete: what a shell asks when somebody presses Tab.
 *
 *     qmp __complete -- WORD...
 *
 * The words are those of the command line after "qmp", up to the cursor; the last one is incomplete, and may be empty.
 * Each line of the answer is a candidate for the whole of that word, a tab, and its meaning. A candidate that ends in
 * one of = . : / is not finished: no space belongs behind it. A line ":files<tab>PREFIX" says that the name of a file
 * may stand there, behind PREFIX, which is a start of the word.
 *
 * A person waits for it, so it never connects: the monitor of a QEMU serves one client, and a Tab must not be the one
 * who takes it. Whatever goes wrong, the shell gets fewer candidates and no complaint. */

#include <stdio.h>
#include <string.h>

#include "output.h"
#include "tab.h"

/* Prints the options that the verb takes. */
static void options_print(struct tab *t)
{
    uint64_t taken = OPTIONS_EVERYWHERE;
    struct option_help option;
    size_t position = 0;

    if (t->verb != NULL)
        taken |= t->verb->options | (t->verb->several ? OPTION_ALL : 0);
    else
        taken |= OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_ALL;
    while (options_next(taken, &position, &option)) {
        char name[64], meaning[128];
        snprintf(name, sizeof(name), "--%s", option.long_name);
        snprintf(meaning, sizeof(meaning), "%.*s", (int)strcspn(option.meaning, "\n"), option.meaning);
        tab_candidate(name, meaning, /* finished= */ true, t);
    }
}

static enum outcome complete_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(tab_done))) struct tab t;
    enum outcome outcome = tab_parse(&t, words, n);

    (void)o;
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (t.option != NULL)
        tab_value(&t);
    else if (t.words_after == SIZE_MAX && t.current[0] == '-')
        options_print(&t);
    else
        tab_word(&t);
    return OUTCOME_DONE;
}

const struct verb verb_complete = {
    .name = "__complete",
    .synopsis = "-- WORD...",
    .summary = "what the last word may become",
    .description = "For the completion of shells: prints what the last word of a command line may\n"
                   "become, one candidate a line, a tab and its meaning after it. See qmp-completion(7).\n",
    .examples = "  qmp __complete -- call block-commit dev\n",
    .hidden = true,
    .run = complete_run,
};
