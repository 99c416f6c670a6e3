/* SPDX-License-Identifier: MIT */
#ifndef TOOL_JOBS_H
#define TOOL_JOBS_H

#include "verb.h"

extern const struct verb verb_job_ls, verb_job_wait, verb_job_run, verb_job_cancel, verb_job_dismiss;

/* How long a job that was cancelled may take to end, when the time in all has passed. */
#define JOB_CANCEL_TIME (10 * QMP_SECOND)

/* Runs query-jobs, and finds a job in its answer, which is the caller's; the job is absent when there is none such. */
enum outcome job_query(
    const struct options *o, qmp_client *c, const char *id, qmp_message **ret_jobs, qmp_value *ret_job);

/* Says that there is no such job, with the one that may have been meant out of the answer of query-jobs. */
enum outcome job_unknown(const qmp_message *jobs, const char *id);

/* Runs job-cancel, job-dismiss or another command of this kind on a job. */
enum outcome job_command(const struct options *o, qmp_client *c, const char *command, const char *id);

/* A listener that hears what jobs go through, registered with the client. The caller's. */
enum outcome job_listen(qmp_client *c, qmp_listener **ret);

/* What became of a job. */
struct job_end {
    bool over;   /* false: the deadline came first */
    bool listed; /* it is over, and waits for job-dismiss */
    char *info;  /* its JSON, as query-jobs has it; what is below is the caller's */
    char *error; /* what it failed with; NULL: it did not */
};

void job_end_done(struct job_end *end);

/* Follows a job to its end, or to the deadline, and shows its progress. The listener was made before the job was
 * started or looked at. */
enum outcome job_follow(
    const struct options *o, qmp_client *c, qmp_listener *l, const char *id, struct job_end *ret_end);

/* Prints what is known of a job that is over. */
enum outcome job_print(const struct job_end *end);

/* The same, and says so when it failed: OUTCOME_REFUSED. */
enum outcome job_report(const char *id, const struct job_end *end);

/* Refuses what cannot be the id of a job, and more of them than a verb takes. */
enum outcome job_words_check(const char *const *words, size_t n, size_t max);

#endif
