/* SPDX-License-Identifier: MIT */

/* The verb job: a family. */

#include "jobs.h"

static const struct verb *const family[] = {
    &verb_job_ls, &verb_job_wait, &verb_job_run, &verb_job_cancel, &verb_job_dismiss, NULL};

const struct verb verb_job = {
    .name = "job",
    .synopsis = "ls|wait|run|cancel|dismiss [WORD]...",
    .summary = "list, run, wait for, cancel and dismiss jobs",
    .description = "Jobs are what QEMU does in the background: copying disks, making images, taking\n"
                   "snapshots.\n",
    .examples = "  qmp job ls\n"
                "  qmp job run blockdev-backup device=d0 target=copy sync=full\n"
                "  qmp job wait job1 --timeout 1h\n",
    .family = family,
};
