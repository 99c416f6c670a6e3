/* SPDX-License-Identifier: MIT */

/* The verb job wait: the end of a job that somebody has started. */

#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "jobs.h"
#include "label.h"

static enum outcome wait_timed_out(const struct options *o, const char *id)
{
    char text[DURATION_TEXT_MAX];

    complain("job '%s' is not over after %s; it goes on", id, duration_text(o->timeout, text));
    return OUTCOME_TIMEOUT;
}

static enum outcome job_wait_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *l = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    __attribute__((cleanup(job_end_done))) struct job_end end = {.over = false};
    const char *id = words[0];
    enum outcome outcome = job_words_check(words, n, /* max= */ 1);

    if (outcome == OUTCOME_DONE)
        outcome = connect_open(o, /* l= */ NULL, &c);
    if (outcome == OUTCOME_DONE)
        outcome = job_listen(c, &l);
    if (outcome == OUTCOME_DONE)
        outcome = job_follow(o, c, l, id, &end);
    if (outcome != OUTCOME_DONE)
        return outcome;
    return end.over ? job_report(id, &end) : wait_timed_out(o, id);
}

const struct verb verb_job_wait = {
    .name = "wait",
    .synopsis = "ID",
    .summary = "wait for the end of a job",
    .description = "Waits until a job is over, and prints what QEMU says of it then, as JSON. When it\n"
                   "failed or was cancelled, the exit status is 1, and its error is on standard\n"
                   "error. A job that is over already is reported at once. One that waits for\n"
                   "something (job-finalize, job-complete, job-resume) is said to.\n",
    .examples = "  qmp job wait job1\n"
                "  qmp job wait job1 --timeout 1h --progress=json\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_PROGRESS,
    .words_min = 1,
    .several = true,
    .run = job_wait_run,
};
