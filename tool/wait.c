/* SPDX-License-Identifier: MIT */

/* The verb wait: the first of some events. */

#include "stream.h"
#include "verb.h"

static enum outcome wait_run(const struct options *o, const char *const *words, size_t n)
{
    return stream_run(o, words, n, /* count= */ 1);
}

const struct verb verb_wait = {
    .name = "wait",
    .synopsis = "EVENT...",
    .summary = "wait for an event and print it",
    .description = "Waits until the first event of one of the given names comes, and prints it as\n"
                   "one line of JSON. Events from before the connection was made are not seen.\n",
    .examples = "  qmp wait SHUTDOWN\n"
                "  qmp wait STOP RESUME --timeout 30s\n"
                "  qmp wait BLOCK_JOB_COMPLETED BLOCK_JOB_ERROR --where data.device=job1\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_WHERE,
    .words_min = 1,
    .several = true,
    .run = wait_run,
};
