/* SPDX-License-Identifier: MIT */

/* The verb job run: starts a job and waits for its end, on one connection.
 *
 * What started it also tidies up: a job that waits to be dismissed is dismissed, however it ended, unless the words ask
 * for that waiting themselves (auto-dismiss=false). When this process ends before the job, the job goes on, and how to
 * look after it is said; with --cancel-on-timeout it does not outlive --timeout.
 *
 * It knows no job's meaning: a command that takes a job-id starts one. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "ask.h"
#include "cache.h"
#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "farewell.h"
#include "jobs.h"
#include "output.h"
#include "typing.h"

/* Room for the name of a job that was given none. */
#define ID_MAX 64

struct run {
    const struct options *options;
    qmp_client *client;
    const char *command;
    char *arguments; /* JSON text, with the id */
    char *id;
    bool keep; /* the job is not ours to dismiss */
};

static void run_done(struct run *run)
{
    qmp_client_unref(run->client);
    free(run->arguments);
    free(run->id);
}

/* Whether a command takes a job-id, or is none at all: then QEMU will say so. */
static bool takes_id(const struct schema *schema, const char *name)
{
    qmp_value command = schema_find(schema, name), members, member = {NULL, 0};

    if (!qmp_value_equals(qmp_value_member(command, "meta-type"), "command"))
        return true;
    members = qmp_value_member(schema_named(schema, qmp_value_member(command, "arg-type")), "members");
    while (qmp_value_next(members, /* key= */ NULL, &member))
        if (qmp_value_equals(qmp_value_member(member, "name"), "job-id"))
            return true;
    return false;
}

/* Refuses a command that starts no job, where the server has a schema to tell by; one that was kept may be another
 * server's. */
static enum outcome command_check(const struct run *run)
{
    for (int fresh = 0; fresh < 2; fresh++) {
        __attribute__((cleanup(schema_freep))) struct schema *schema = NULL;
        enum outcome outcome = cache_get(run->options, run->client, fresh, &schema);
        if (outcome != OUTCOME_DONE || schema == NULL || takes_id(schema, run->command))
            return outcome;
    }
    complain("%s starts no job: it takes no job-id; use 'qmp call %s'", run->command, run->command);
    return OUTCOME_USAGE;
}

/* Puts a job-id in front of the other arguments. */
static enum outcome id_add(struct run *run)
{
    const char *rest = run->arguments != NULL ? strchr(run->arguments, '{') + 1 : "}";
    bool more = rest[strspn(rest, " \t\r\n")] != '}';
    char id[ID_MAX], *text;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(id, sizeof(id), "qmp-%ld-%06lx", (long)getpid(), (unsigned long)now.tv_nsec >> 6);
    run->id = strdup(id);
    if (run->id == NULL || asprintf(&text, "{\"job-id\": \"%s\"%s%s", id, more ? ", " : "", rest) < 0)
        return outcome_of_error("arguments", -ENOMEM);
    free(run->arguments);
    run->arguments = text;
    return OUTCOME_DONE;
}

/* Finds in the arguments what the job is called, or gives it a name. */
static enum outcome id_find(struct run *run)
{
    qmp_value arguments = {run->arguments, run->arguments != NULL ? strlen(run->arguments) : 0}, id;
    bool dismiss = true;
    int r;

    if (run->arguments != NULL)
        qmp_json_check(run->arguments, arguments.size, &arguments, /* reterr_description= */ NULL);
    id = qmp_value_member(arguments, "job-id");
    qmp_value_bool(qmp_value_member(arguments, "auto-dismiss"), &dismiss);
    run->keep = !dismiss;
    if (qmp_value_type(id) == QMP_ABSENT)
        return id_add(run);
    r = qmp_value_string(id, &run->id, /* ret_size= */ NULL);
    if (r >= 0)
        return OUTCOME_DONE;
    if (r == -ENOMEM)
        return outcome_of_error("arguments", r);
    complain("job-id: %.*s is no string", (int)id.size, id.text);
    return OUTCOME_USAGE;
}

/* Time of its own for what is to be done after --timeout has passed. */
static struct options more_time(const struct options *o)
{
    struct options more = *o;

    more.timeout = JOB_CANCEL_TIME;
    more.deadline = duration_deadline(more.timeout);
    more.progress = PROGRESS_NONE;
    return more;
}

static enum outcome dismiss(const struct run *run, const struct job_end *end)
{
    struct options more = more_time(run->options);

    return end->listed && !run->keep ? job_command(&more, run->client, "job-dismiss", run->id) : OUTCOME_DONE;
}

static enum outcome timed_out(const struct run *run, qmp_listener *l)
{
    __attribute__((cleanup(job_end_done))) struct job_end end = {.over = false};
    struct options more = more_time(run->options);
    char text[DURATION_TEXT_MAX];
    enum outcome outcome;

    duration_text(run->options->timeout, text);
    if (!(run->options->given & OPTION_CANCEL_ON_TIMEOUT)) {
        complain("job '%s' is not over after %s; it goes on: 'qmp job wait %s' waits for it", run->id, text, run->id);
        return OUTCOME_TIMEOUT;
    }
    complain("job '%s' is not over after %s; it is cancelled", run->id, text);
    outcome = job_command(&more, run->client, "job-cancel", run->id);
    if (outcome == OUTCOME_DONE)
        outcome = job_follow(&more, run->client, l, run->id, &end);
    if (outcome == OUTCOME_DONE && !end.over)
        complain("it is still not over after %s more", duration_text(more.timeout, text));
    if (outcome == OUTCOME_DONE)
        dismiss(run, &end);
    return OUTCOME_TIMEOUT;
}

/* Names the command that was perhaps meant. */
static void unknown_explain(const struct run *run)
{
    __attribute__((cleanup(schema_freep))) struct schema *schema =
        cache_try(run->options, run->client, /* fresh= */ false);

    if (schema != NULL)
        typing_suggest(schema, run->command);
}

static enum outcome job_start_and_wait(struct run *run)
{
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *l = NULL;
    __attribute__((cleanup(job_end_done))) struct job_end end = {.over = false};
    enum outcome outcome = job_listen(run->client, &l), dismissed;

    if (outcome == OUTCOME_DONE)
        outcome = ask(run->options, run->client, run->command, run->arguments, /* ret_reply= */ NULL);
    if (outcome == OUTCOME_UNKNOWN)
        unknown_explain(run);
    if (outcome != OUTCOME_DONE)
        return outcome;
    farewell_say("job '%s' goes on: 'qmp job wait %s' waits for it", run->id, run->id);
    outcome = job_follow(run->options, run->client, l, run->id, &end);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (!end.over)
        return timed_out(run, l);
    dismissed = dismiss(run, &end);
    outcome = job_report(run->id, &end);
    return outcome == OUTCOME_DONE ? dismissed : outcome;
}

static enum outcome job_run_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(run_done))) struct run run = {.options = o, .command = words[0]};
    __attribute__((cleanup(arguments_done))) struct arguments a = {NULL, NULL};
    enum outcome outcome;

    if ((o->given & OPTION_CANCEL_ON_TIMEOUT) && !(o->given & OPTION_TIMEOUT)) {
        complain("--cancel-on-timeout wants --timeout");
        return OUTCOME_USAGE;
    }
    outcome = output_check();
    if (outcome == OUTCOME_DONE)
        outcome = arguments_parse(words + 1, n - 1, &a);
    if (outcome == OUTCOME_DONE)
        outcome = connect_open(o, /* l= */ NULL, &run.client);
    if (outcome == OUTCOME_DONE)
        outcome = command_check(&run);
    if (outcome == OUTCOME_DONE)
        outcome = typing_make(o, run.client, run.command, &a, &run.arguments);
    if (outcome == OUTCOME_DONE)
        outcome = id_find(&run);
    return outcome == OUTCOME_DONE ? job_start_and_wait(&run) : outcome;
}

const struct verb verb_job_run = {
    .name = "run",
    .synopsis = "COMMAND [KEY=VALUE... | JSON | -]",
    .summary = "run a command that starts a job, and wait for its end",
    .description = "Runs a command that starts a job, such as blockdev-backup, blockdev-create,\n"
                   "block-commit or snapshot-save, and waits for the end of it as 'job wait' does.\n"
                   "Arguments are those of 'call'; without a job-id, the job is given one.\n\n"
                   "A job that waits to be dismissed is dismissed in the end, also when it failed,\n"
                   "unless auto-dismiss=false is among the arguments. When --timeout passes, or the\n"
                   "command is interrupted, the job goes on; see --cancel-on-timeout. A mirror that\n"
                   "is ready waits for 'qmp call job-complete id=ID', from another monitor.\n",
    .examples = "  qmp job run blockdev-backup device=d0 target=copy sync=full\n"
                "  qmp job run block-commit device=d0 job-id=c0 --timeout 1h --cancel-on-timeout\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_PROGRESS | OPTION_CANCEL_ON_TIMEOUT,
    .words_min = 1,
    .run = job_run_run,
};
