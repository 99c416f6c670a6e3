/* SPDX-License-Identifier: MIT */

/* The verb ga freeze: makes the guest's file systems hold still, for a snapshot.
 *
 * A guest that stays frozen hangs. The invariant: this process ends with status 0 and the file systems frozen, which is
 * what was asked for, or with them thawed, or having said that they are not; with --run, they never stay frozen. So
 * from before the agent is told to freeze, a guard (guard.c) stands by to thaw should we be killed, and once the agent
 * may have heard the order, whatever happens next leads to thawing: a refusal, no answer, the command's failure, its
 * time, a signal.
 *
 * It knows nothing of what the command does. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "complain.h"
#include "duration.h"
#include "ga-thaw.h"
#include "ga.h"
#include "guard.h"
#include "output.h"
#include "program.h"

/* How long the file systems are left frozen for a command, unless --timeout says otherwise. */
#define FROZEN_MAX (60 * QMP_SECOND)

struct freeze {
    const struct options *options;
    qmp_client *client;
    struct guard guard;
    int64_t n_frozen; /* 0 until the agent has said it */
};

static enum outcome status_check(const struct freeze *f)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    static const char command[] = "guest-fsfreeze-status";
    enum outcome outcome = ga_ask(f->options, f->client, command, /* arguments= */ NULL, &reply);

    if (outcome != OUTCOME_DONE || qmp_value_equals(qmp_reply_value(reply), "thawed"))
        return outcome;
    if (!qmp_value_equals(qmp_reply_value(reply), "frozen"))
        return ga_senseless(command, "it is neither 'frozen' nor 'thawed'");
    complain("the guest's file systems are frozen already; 'qmp ga thaw' thaws them");
    return OUTCOME_REFUSED;
}

/* The guard's work. It makes a client of its own: ours ended with us. */
static void thaw_for_the_dead(const void *userdata)
{
    complain("'qmp ga freeze' was killed: thawing the guest's file systems in its place");
    thaw_surely(userdata, /* c= */ NULL, /* aloud= */ true);
}

/* How the command ended. `overdue`: it was told to. */
static enum outcome command_judge(const char *text, int status, bool overdue, uint64_t limit)
{
    char duration[DURATION_TEXT_MAX];

    if (overdue && program_signal() != 0) {
        complain("'%s' was killed", text);
        return OUTCOME_REFUSED;
    }
    if (overdue) {
        complain("'%s' did not end within %s, and was killed", text, duration_text(limit, duration));
        return OUTCOME_TIMEOUT;
    }
    if (WIFSIGNALED(status))
        complain("'%s' was killed by signal %d", text, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        complain("'%s' exited with %d", text, WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? OUTCOME_DONE : OUTCOME_REFUSED;
}

/* Starts the command of --run behind a gate: it waits for a line from us, which it gets from program_wait(), and when
 * we are killed before, it ends. So it never runs unknown to the guard. */
static int command_start(const struct freeze *f, struct program *p)
{
    char shell[] = "/bin/sh", option[] = "-c", gate[] = "read -r go && exec /bin/sh -c \"$1\"";
    __attribute__((cleanup(qmp_freep))) char *text = strdup(f->options->run);
    char *const arguments[] = {shell, option, gate, shell, text, NULL};

    return text != NULL ? program_start(p, arguments, environ, "\n", 1) : -ENOMEM;
}

static enum outcome command_run(struct freeze *f)
{
    bool limited = f->options->timeout != QMP_FOREVER;
    uint64_t limit = limited ? f->options->timeout : FROZEN_MAX;
    uint64_t deadline = limited ? f->options->deadline : duration_deadline(FROZEN_MAX);
    struct program p;
    int status = 0, r = command_start(f, &p);

    if (r < 0)
        return outcome_of_error(f->options->run, r);
    f->guard.state.group = p.pid;
    guard_tell(&f->guard);
    program_wait(&p, deadline, &status);
    f->guard.state.group = 0;
    guard_tell(&f->guard);
    return command_judge(f->options->run, status, p.overdue, limit);
}

/* Signals that came meanwhile, let in. Returns the one that wants us to end; 0: none. */
static int signal_look(void)
{
    program_sleep(/* fd= */ -1, /* deadline= */ 0);
    return program_signal();
}

/* What is done while the file systems are frozen. */
static enum outcome frozen_use(struct freeze *f, const qmp_message *reply)
{
    enum outcome outcome;

    if (qmp_value_int64(qmp_reply_value(reply), &f->n_frozen) < 0)
        return ga_senseless("guest-fsfreeze-freeze", "it is not the number of file systems");
    if (signal_look() != 0)
        return OUTCOME_REFUSED;
    if (f->options->run != NULL) {
        if (f->n_frozen == 0)
            complain("the guest agent found no file system to freeze");
        return command_run(f);
    }
    outcome = output_json(qmp_reply_value(reply));
    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

/* Signals that end us wait until they are looked for; those of a terminal cannot stop us with the guest frozen. */
static void signals_take(void)
{
    program_setup();
    signal(SIGTSTP, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
}

static enum outcome freeze(struct freeze *f)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    enum outcome outcome;
    enum thawed thawed;

    signals_take();
    f->guard.state.armed = true;
    if (!guard_tell(&f->guard))
        return outcome_of_error("the process that would thaw in our place has gone", -EPIPE);
    outcome = ga_ask(f->options, f->client, "guest-fsfreeze-freeze", /* arguments= */ NULL, &reply);
    if (outcome == OUTCOME_DONE)
        outcome = frozen_use(f, reply);
    if (outcome == OUTCOME_DONE && f->options->run == NULL && signal_look() == 0)
        return OUTCOME_DONE;
    thawed = thaw_surely(f->options, f->client, /* aloud= */ false);
    guard_end(&f->guard);
    if (signal_look() != 0)
        program_die(program_signal());
    if (thawed == THAWED_NOT)
        return OUTCOME_LOST;
    if (thawed == THAWED_ALREADY && f->n_frozen > 0 && outcome == OUTCOME_DONE) {
        complain("the file systems were thawed before '%s' ended: what it saw may not fit together", f->options->run);
        return OUTCOME_REFUSED;
    }
    return outcome;
}

static enum outcome freeze_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    struct freeze f = {.options = o};
    enum outcome outcome = ga_words_check(words, n, 0);
    int r;

    if (outcome != OUTCOME_DONE || ga_address(o) == NULL)
        return OUTCOME_USAGE;
    r = guard_start(&f.guard, thaw_for_the_dead, o);
    if (r < 0)
        return outcome_of_error("starting the process that would thaw in our place", r);
    outcome = ga_open(o, &c);
    f.client = c;
    if (outcome == OUTCOME_DONE)
        outcome = status_check(&f);
    if (outcome == OUTCOME_DONE)
        outcome = freeze(&f);
    guard_end(&f.guard);
    return outcome;
}

const struct verb verb_ga_freeze = {
    .name = "freeze",
    .synopsis = "[--run COMMAND]",
    .summary = "freeze the guest's file systems",
    .description = "Freezes the file systems of the guest, so that a snapshot of its disks is\n"
                   "consistent, and prints how many. Until 'qmp ga thaw', whatever writes in the\n"
                   "guest hangs.\n\n"
                   "With --run, COMMAND runs meanwhile, by the shell, and then the file systems are\n"
                   "thawed whatever happens: when COMMAND fails, or takes longer than --timeout\n"
                   "(default: 60s from the freezing) and is killed; when a signal ends qmp, or kills\n"
                   "it; when the connection is lost. Thawing is tried for a minute, or for as long\n"
                   "as --wait-for-socket says. The exit status is 1 when COMMAND failed, 3 when it\n"
                   "took too long, and 6 when the guest could not be thawed.\n",
    .examples = "  qmp ga freeze --run 'lvcreate -s -n snap -L 1G vg/vm7'\n"
                "  qmp ga freeze --run 'qmp -s /run/vm7.qmp call blockdev-snapshot-sync ...'\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_RUN,
    .run = freeze_run,
};
