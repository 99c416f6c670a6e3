/* SPDX-License-Identifier: MIT */

/* The verb migrate: starts a migration, and follows it to its end.
 *
 * A migration goes on in QEMU whoever looks on: when --timeout passes or this process is interrupted, how to look after
 * it is said; with --cancel-on-timeout it does not outlive --timeout. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "arguments.h"
#include "ask.h"
#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "farewell.h"
#include "migration.h"
#include "output.h"
#include "typing.h"
#include "verb.h"

/* How long a migration that was cancelled may take to end, when the time in all has passed. */
#define CANCEL_TIME (10 * QMP_SECOND)
/* Events that may wait: each only says that it is time to look. */
#define EVENTS_MAX 16

#define GOES_ON "it goes on: 'qmp migrate --wait' waits for it, 'qmp call migrate_cancel' ends it"

static enum outcome options_refuse(const struct options *o, size_t n)
{
    bool wait = o->given & OPTION_WAIT;

    if (n == 0 && !wait)
        complain(
            "'migrate' wants a URI; only with --wait, which then waits for a migration that goes on, it needs none");
    else if ((o->given & OPTION_CANCEL_ON_TIMEOUT) && !(wait && (o->given & OPTION_TIMEOUT)))
        complain("--cancel-on-timeout wants --wait and --timeout");
    else if ((o->given & (OPTION_PROGRESS | OPTIONS_OUTPUT)) && !wait)
        complain("without --wait there is nothing to show or to print");
    else
        return OUTCOME_DONE;
    return OUTCOME_USAGE;
}

/* The arguments of the command: the URI, and what else was said. */
static enum outcome arguments_of(const char *const *words, size_t n, struct arguments *ret)
{
    __attribute__((cleanup(qmp_freep))) const char **all = calloc(n, sizeof(*all));
    __attribute__((cleanup(qmp_freep))) char *json = qmp_json("%s", words[0]), *uri = NULL;

    if (json == NULL && errno != ENOMEM) {
        complain("the URI is not UTF-8");
        return OUTCOME_USAGE;
    }
    if (all == NULL || json == NULL || asprintf(&uri, "uri:=%s", json) < 0) {
        uri = NULL;
        return outcome_of_error("arguments", -ENOMEM);
    }
    all[0] = uri;
    for (size_t i = 1; i < n; i++)
        all[i] = words[i];
    return arguments_parse(all, n, ret);
}

/* The command was refused: because a migration goes on already, or as QEMU says. */
static enum outcome start_refused(const struct migration *m, const qmp_message *refusal)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *answer = NULL;
    __attribute__((cleanup(qmp_freep))) char *status = NULL;
    enum outcome outcome = ask(m->options, m->client, "query-migrate", /* arguments= */ NULL, &answer);

    if (outcome != OUTCOME_DONE)
        return outcome;
    outcome = ask_refused("migrate", refusal);
    status = migration_status(answer);
    if (migration_phase(answer) == MIGRATION_GOES_ON && status != NULL)
        complain("another migration is %s; %s", status, GOES_ON);
    return outcome;
}

static enum outcome migration_start(const struct migration *m, const char *arguments)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *refusal = NULL;
    int r = qmp_client_execute(m->client, "migrate", arguments, duration_until(m->options->deadline),
        /* ret_reply= */ NULL, &refusal);

    if (r >= 0)
        return OUTCOME_DONE;
    return r == -EREMOTEIO ? start_refused(m, refusal) : ask_failed(m->options, m->client, "migrate", r);
}

static enum outcome migration_report(const struct migration *m)
{
    qmp_value v = qmp_reply_value(m->answer);
    __attribute__((cleanup(qmp_freep))) char *error = NULL;
    enum outcome outcome = OUTCOME_DONE;

    if (m->phase == MIGRATION_NONE) {
        complain("there is no migration, and was none");
        return OUTCOME_UNKNOWN;
    }
    outcome = output_json(v);
    if (outcome == OUTCOME_DONE)
        outcome = output_flush();
    if (m->phase == MIGRATION_COMPLETED)
        return outcome;
    qmp_value_string(qmp_value_member(v, "error-desc"), &error, /* ret_size= */ NULL);
    if (m->phase == MIGRATION_CANCELLED)
        complain("the migration was cancelled");
    else
        complain("the migration failed: %s", error != NULL ? error : "why, QEMU does not say");
    return outcome == OUTCOME_DONE ? OUTCOME_REFUSED : outcome;
}

static enum outcome timed_out(struct migration *m)
{
    const struct options *o = m->options;
    struct options more = *o;
    char text[DURATION_TEXT_MAX];
    enum outcome outcome;

    duration_text(o->timeout, text);
    if (!(o->given & OPTION_CANCEL_ON_TIMEOUT)) {
        complain("the migration is not over after %s; %s", text, GOES_ON);
        return OUTCOME_TIMEOUT;
    }
    complain("the migration is not over after %s; it is cancelled", text);
    more.timeout = CANCEL_TIME;
    more.deadline = duration_deadline(CANCEL_TIME);
    more.progress = PROGRESS_NONE;
    m->options = &more;
    outcome = ask(&more, m->client, "migrate_cancel", /* arguments= */ NULL, /* ret_reply= */ NULL);
    if (outcome == OUTCOME_DONE)
        outcome = migration_watch(m);
    m->options = o;
    if (outcome == OUTCOME_DONE && m->phase == MIGRATION_GOES_ON)
        complain("it is still not over after %s more", duration_text(CANCEL_TIME, text));
    /* it may have been too late to cancel it */
    return outcome == OUTCOME_DONE && m->phase == MIGRATION_COMPLETED ? migration_report(m) : OUTCOME_TIMEOUT;
}

static enum outcome migration_follow(struct migration *m)
{
    enum outcome outcome;

    farewell_say("the migration is not over; %s", GOES_ON);
    outcome = migration_watch(m);
    if (outcome != OUTCOME_DONE)
        return outcome;
    return m->phase == MIGRATION_GOES_ON ? timed_out(m) : migration_report(m);
}

static enum outcome migrate_run(const struct options *o, const char *const *words, size_t n)
{
    static const char *const names[] = {"MIGRATION", "MIGRATION_PASS", NULL};
    __attribute__((cleanup(migration_done))) struct migration m = {.options = o};
    __attribute__((cleanup(arguments_done))) struct arguments a = {NULL, NULL};
    __attribute__((cleanup(qmp_freep))) char *json = NULL;
    enum outcome outcome = options_refuse(o, n);
    int r;

    if (outcome == OUTCOME_DONE && (o->given & OPTION_WAIT))
        outcome = output_check();
    if (outcome == OUTCOME_DONE && n > 0)
        outcome = arguments_of(words, n, &a);
    if (outcome != OUTCOME_DONE)
        return outcome;
    r = qmp_listener_new(&m.listener, names);
    if (r < 0)
        return outcome_of_error("making a listener", r);
    qmp_listener_set_limits(m.listener, EVENTS_MAX, /* history_max= */ 0);
    outcome = connect_open(o, m.listener, &m.client);
    if (outcome == OUTCOME_DONE && n > 0)
        outcome = typing_make(o, m.client, "migrate", &a, &json);
    if (outcome == OUTCOME_DONE && n > 0)
        outcome = migration_start(&m, json);
    return outcome == OUTCOME_DONE && (o->given & OPTION_WAIT) ? migration_follow(&m) : outcome;
}

const struct verb verb_migrate = {
    .name = "migrate",
    .synopsis = "[URI [KEY=VALUE...]]",
    .summary = "migrate the VM, and say whether that will end",
    .description = "Starts a migration to URI: tcp:HOST:PORT, unix:PATH, exec:COMMAND, fd:NAME and\n"
                   "what else QEMU knows; KEY=VALUE are further arguments of QEMU's 'migrate'.\n\n"
                   "With --wait, waits for the end of it, and prints what query-migrate says then;\n"
                   "when it failed or was cancelled, the exit status is 1. Meanwhile it shows how far\n"
                   "it is and whether it converges: whether memory moves faster than the guest\n"
                   "changes it; where it does not, it says what helps. Without URI, waits for the\n"
                   "migration that goes on, or tells the end of the last one.\n",
    .examples = "  qmp migrate tcp:host2:4444 --wait --timeout 10m --cancel-on-timeout\n"
                "  qmp migrate --wait --progress=json\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_WAIT | OPTION_PROGRESS | OPTION_CANCEL_ON_TIMEOUT,
    .run = migrate_run,
};
