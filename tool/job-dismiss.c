/* SPDX-License-Identifier: MIT */

/* The verb job dismiss: QEMU forgets a job that is over. */

#include "connect.h"
#include "jobs.h"

static enum outcome job_dismiss_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = job_words_check(words, n, /* max= */ 1);

    if (outcome == OUTCOME_DONE)
        outcome = connect_open(o, /* l= */ NULL, &c);
    return outcome == OUTCOME_DONE ? job_command(o, c, "job-dismiss", words[0]) : outcome;
}

const struct verb verb_job_dismiss = {
    .name = "dismiss",
    .synopsis = "ID",
    .summary = "forget a job that is over",
    .description = "Makes QEMU forget a job that is concluded. Jobs of blockdev-create and snapshot-*\n"
                   "always wait for that, others when they were started with auto-dismiss=false.\n"
                   "Prints nothing.\n",
    .examples = "  qmp job dismiss job1\n",
    .options = OPTIONS_CONNECT,
    .words_min = 1,
    .several = true,
    .run = job_dismiss_run,
};
