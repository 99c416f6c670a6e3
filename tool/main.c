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
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "complain.h"
#include "help.h"
#include "output.h"
#include "several.h"
#include "style.h"
#include "verb.h"

/* Room for the name of a verb, with that of its family. */
#define NAME_MAX_BYTES 64

/* Where a standard descriptor is closed, the next socket would take its number, and data for the user would go to the
 * server. Each is filled with one that fails when used. */
static void descriptors_guard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            _exit(OUTCOME_LOCAL);
}

/* Refuses a command line that the verb cannot be run with. */
static enum outcome verb_check(const struct verb *verb, const struct options *o, const char *name, size_t n_words)
{
    enum outcome outcome = OUTCOME_USAGE;

    if (verb->family != NULL) {
        complain("'%s' wants one more word; it is one of:", name);
        for (size_t i = 0; verb->family[i] != NULL; i++)
            complain("  %s %s%s%s", name, verb->family[i]->name, *verb->family[i]->synopsis != '\0' ? " " : "",
                verb->family[i]->synopsis);
        return OUTCOME_USAGE;
    }
    if (several_given(o) && (verb->options & OPTION_SOCKET) && !verb->several)
        complain("'%s' takes one address", name);
    else
        outcome = options_check(o, verb->options | OPTIONS_EVERYWHERE | (verb->several ? OPTION_ALL : 0), name);
    if (outcome == OUTCOME_DONE && n_words < verb->words_min) {
        complain("'%s' wants more: qmp %s %s", name, name, verb->synopsis);
        outcome = OUTCOME_USAGE;
    }
    return outcome;
}

static enum outcome words_run(const struct options *o)
{
    size_t used = 0;
    const struct verb *verb = o->n_words > 0 ? verb_find(o->words, o->n_words, &used) : NULL;
    char name[NAME_MAX_BYTES];
    enum outcome outcome;

    if (verb == NULL) {
        if (o->n_words == 0)
            complain("what to do? Say a verb: qmp VERB ...");
        return OUTCOME_USAGE;
    }
    snprintf(name, sizeof(name), "%s%s%s", o->words[0], used > 1 ? " " : "", used > 1 ? o->words[1] : "");
    if (o->given & OPTION_HELP)
        return help_verb(verb, name);
    outcome = verb_check(verb, o, name, o->n_words - used);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (several_given(o))
        return several_run(verb, o, o->words + used, o->n_words - used);
    return verb->run(o, o->words + used, o->n_words - used);
}

static enum outcome command_run(const struct options *o)
{
    if (o->given & OPTION_VERSION)
        return help_version();
    if ((o->given & OPTION_HELP) && o->n_words == 0)
        return help_tool();
    return words_run(o);
}

int main(int argc, char **argv)
{
    struct options o;
    enum outcome outcome, flushed;

    descriptors_guard();
    outcome = options_parse(&o, argc, argv);
    style_setup(o.color);
    output_setup(&o);
    if (outcome == OUTCOME_DONE)
        outcome = command_run(&o);
    flushed = output_flush();
    if (outcome == OUTCOME_USAGE)
        help_hint(&o);
    options_done(&o);
    if (outcome == OUTCOME_DONE)
        outcome = flushed;
    return (int)(outcome == OUTCOME_DONE && output_missed() ? OUTCOME_REFUSED : outcome);
}
