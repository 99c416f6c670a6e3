/* SPDX-License-Identifier: MIT */

/* qmp: the monitor protocol of QEMU from a shell.
 *
 * Sorts the command line, finds the verb, lets it run. Start-up is kept bare (no locale, nothing read, nothing set up
 * that the verb does not use), because scripts call it a thousand times. Signals keep their default meaning: there is
 * nothing to clean up that the kernel does not.
 *
 * It knows nothing of what verbs do. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "complain.h"
#include "help.h"
#include "output.h"
#include "verb.h"

/* Where a standard descriptor is closed, the next socket would take its number, and data for the user would go to the
 * server. Each is filled with one that fails when used. */
static void descriptors_guard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            _exit(OUTCOME_LOCAL);
}

static enum outcome verb_run(const struct options *o)
{
    const struct verb *verb = o->n_words > 0 ? verb_find(o->words[0]) : NULL;
    enum outcome outcome;

    if (verb == NULL) {
        if (o->n_words == 0)
            complain("what to do? Say a verb: qmp VERB ...");
        return OUTCOME_USAGE;
    }
    if (o->given & OPTION_HELP)
        return help_verb(verb);
    outcome = options_check(o, verb->options | OPTIONS_EVERYWHERE, verb->name);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (o->n_words - 1 < verb->words_min) {
        complain("'%s' wants more: qmp %s %s", verb->name, verb->name, verb->synopsis);
        return OUTCOME_USAGE;
    }
    return verb->run(o, o->words + 1, o->n_words - 1);
}

static enum outcome command_run(const struct options *o)
{
    if (o->given & OPTION_VERSION)
        return help_version();
    if ((o->given & OPTION_HELP) && o->n_words == 0)
        return help_tool();
    return verb_run(o);
}

int main(int argc, char **argv)
{
    struct options o;
    enum outcome outcome, flushed;

    descriptors_guard();
    outcome = options_parse(&o, argc, argv);
    if (outcome == OUTCOME_DONE)
        outcome = command_run(&o);
    flushed = output_flush();
    if (outcome == OUTCOME_USAGE)
        help_hint(&o);
    options_done(&o);
    return (int)(outcome == OUTCOME_DONE ? flushed : outcome);
}
