/* SPDX-License-Identifier: MIT */

/* The verb schema diff: what is different about two servers, one difference a line. */

#include "compare.h"
#include "complain.h"
#include "source.h"
#include "verb.h"

static enum outcome diff_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(schema_freep))) struct schema *a = NULL, *b = NULL;
    enum outcome outcome;

    if (n > 2) {
        complain("'%s' is one too many: two are compared", words[2]);
        return OUTCOME_USAGE;
    }
    outcome = source_open(o, words[0], &a);
    if (outcome == OUTCOME_DONE)
        outcome = source_open(o, words[1], &b);
    return outcome == OUTCOME_DONE ? compare_print(a, b) : outcome;
}

const struct verb verb_schema_diff = {
    .name = "diff",
    .synopsis = "A B",
    .summary = "what server B has that A has not, and the other way round",
    .description = "Compares two servers, each an address, the name of a VM, or a file with what\n"
                   "'qmp call query-qmp-schema' printed, standard input being '-'. One line for\n"
                   "each difference:\n"
                   "  +   B has it, and A has not\n"
                   "  -   A has it, and B has not\n"
                   "  ~   both have it, but not the same\n"
                   "A type that several commands use is compared once; the others say so. The exit\n"
                   "status is 0 when there is no difference, 1 when there are some.\n\n"
                   "It connects: --timeout DUR and the like are in 'qmp --help'.\n",
    .examples = "  qmp schema diff /tmp/old.qmp /tmp/new.qmp\n"
                "  qmp call query-qmp-schema >before.json\n"
                "  qmp schema diff before.json /tmp/vm.qmp | grep block-commit\n",
    .options = OPTIONS_CONNECT & ~OPTION_SOCKET,
    .words_min = 2,
    .run = diff_run,
};
