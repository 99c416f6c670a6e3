/* SPDX-License-Identifier: MIT */

/* Jobs of a server: which there are, and what may be asked of one.
 *
 * It knows nothing of how a job ends. */

#include <errno.h>

#include "ask.h"
#include "complain.h"
#include "duration.h"
#include "guess.h"
#include "jobs.h"

enum outcome job_query(
    const struct options *o, qmp_client *c, const char *id, qmp_message **ret_jobs, qmp_value *ret_job)
{
    enum outcome outcome = ask(o, c, "query-jobs", /* arguments= */ NULL, ret_jobs);

    *ret_job = (qmp_value){NULL, 0};
    if (outcome != OUTCOME_DONE)
        return outcome;
    while (qmp_value_next(qmp_reply_value(*ret_jobs), /* key= */ NULL, ret_job))
        if (qmp_value_equals(qmp_value_member(*ret_job, "id"), id))
            break;
    return OUTCOME_DONE;
}

enum outcome job_unknown(const qmp_message *jobs, const char *id)
{
    struct guess guess = guess_start(id);
    qmp_value job = {NULL, 0};
    size_t n = 0;

    for (; qmp_value_next(qmp_reply_value(jobs), /* key= */ NULL, &job); n++) {
        __attribute__((cleanup(qmp_freep))) char *name = NULL;
        if (qmp_value_string(qmp_value_member(job, "id"), &name, /* ret_size= */ NULL) >= 0)
            guess_add(&guess, name);
    }
    if (guess.best[0] != '\0')
        complain("there is no job '%s'; did you mean '%s'?", id, guess.best);
    else if (n == 0)
        complain("there is no job '%s', nor any other", id);
    else
        complain("there is no job '%s'; 'qmp job ls' shows those there are", id);
    return OUTCOME_UNKNOWN;
}

/* A command was refused: because there is no such job, or because of the state it is in. */
static enum outcome command_refused(
    const struct options *o, qmp_client *c, const char *command, const char *id, const qmp_message *refusal)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *jobs = NULL;
    qmp_value job;
    enum outcome outcome = job_query(o, c, id, &jobs, &job);

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (qmp_value_type(job) == QMP_ABSENT)
        return job_unknown(jobs, id);
    outcome = ask_refused(command, refusal);
    if (qmp_value_equals(qmp_value_member(job, "status"), "concluded"))
        complain("it is over: 'qmp job wait %s' says how it ended, 'qmp job dismiss %s' forgets it", id, id);
    return outcome;
}

enum outcome job_command(const struct options *o, qmp_client *c, const char *command, const char *id)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *refusal = NULL;
    __attribute__((cleanup(qmp_freep))) char *arguments = qmp_json("{'id': %s}", id);
    int r;

    if (arguments == NULL)
        return outcome_of_error("the id of a job", -errno);
    r = qmp_client_execute(c, command, arguments, duration_until(o->deadline), /* ret_reply= */ NULL, &refusal);
    if (r >= 0)
        return OUTCOME_DONE;
    return r == -EREMOTEIO ? command_refused(o, c, command, id, refusal) : ask_failed(o, c, command, r);
}

enum outcome job_words_check(const char *const *words, size_t n, size_t max)
{
    for (size_t i = 0; i < n; i++) {
        __attribute__((cleanup(qmp_freep))) char *json = qmp_json("%s", words[i]);
        if (i < max && json != NULL)
            continue;
        complain(i < max ? "'%s' is not the id of a job" : "'%s' is one word too many", words[i]);
        return OUTCOME_USAGE;
    }
    return OUTCOME_DONE;
}
