/* SPDX-License-Identifier: MIT */

/* The verb job cancel: a job is to end early. */

#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "jobs.h"
#include "output.h"

/* Waits for the end of a job that was cancelled, and prints what is known of it. That it did not reach its end is what
 * was wanted. */
static enum outcome end_await(const struct options *o, qmp_client *c, qmp_listener *l, const char *id)
{
    __attribute__((cleanup(job_end_done))) struct job_end end = {.over = false};
    char text[DURATION_TEXT_MAX];
    enum outcome outcome = job_follow(o, c, l, id, &end);

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (!end.over) {
        complain("job '%s' was cancelled, but is not over after %s", id, duration_text(o->timeout, text));
        return OUTCOME_TIMEOUT;
    }
    if (end.error == NULL)
        complain("job '%s' had reached its end before it could be cancelled", id);
    return job_print(&end);
}

static enum outcome job_cancel_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *l = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = job_words_check(words, n, /* max= */ 1);

    if (outcome == OUTCOME_DONE)
        outcome = connect_open(o, /* l= */ NULL, &c);
    if (outcome == OUTCOME_DONE)
        outcome = job_listen(c, &l);
    if (outcome == OUTCOME_DONE)
        outcome = job_command(o, c, "job-cancel", words[0]);
    if (outcome != OUTCOME_DONE || !(o->given & OPTION_WAIT))
        return outcome;
    return end_await(o, c, l, words[0]);
}

const struct verb verb_job_cancel = {
    .name = "cancel",
    .synopsis = "ID",
    .summary = "cancel a job",
    .description = "Tells a job to end early, whatever it is doing (job-cancel), and prints nothing.\n"
                   "With --wait, waits until it is over, and prints what QEMU says of it then; the\n"
                   "exit status is 0 however it ended.\n",
    .examples = "  qmp job cancel job1 --wait --timeout 10s\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_WAIT | OPTION_PROGRESS,
    .words_min = 1,
    .several = true,
    .run = job_cancel_run,
};
