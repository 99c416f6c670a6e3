/* SPDX-License-Identifier: MIT */

/* The verb version: which qmp this is, with which library. */

#include "complain.h"
#include "help.h"

static enum outcome version_run(const struct options *o, const char *const *words, size_t n)
{
    (void)o;
    if (n == 0)
        return help_version();
    complain("'%s': 'version' takes no words", words[0]);
    return OUTCOME_USAGE;
}

const struct verb verb_version = {
    .name = "version",
    .synopsis = "",
    .summary = "print the version",
    .description = "Prints the versions of qmp and of the library that it runs with. For that of a\n"
                   "QEMU: qmp call query-version.\n",
    .examples = "  qmp version\n",
    .run = version_run,
};
