/* SPDX-License-Identifier: MIT */

/* The verb events: prints events as they come. Without --count the end of --timeout is the end that was asked for; with
 * it, events are missing then. */

#include "stream.h"
#include "verb.h"

static enum outcome events_run(const struct options *o, const char *const *words, size_t n)
{
    struct filter f;
    enum outcome outcome = filter_make(o, words, n, &f);

    return outcome == OUTCOME_DONE ? stream_run(o, &f) : outcome;
}

const struct verb verb_events = {
    .name = "events",
    .synopsis = "[GLOB...]",
    .summary = "print events as they come",
    .description = "Prints events as they come, one a line, as JSON: those of the given names, or\n"
                   "all. In a name, * stands for anything, as in 'BLOCK_*'. Ends after --count\n"
                   "events or after --timeout (exit status 0; 3 when --count was not reached by\n"
                   "then), else when the connection does.\n",
    .examples = "  qmp events\n"
                "  qmp events STOP RESUME --count 2\n"
                "  qmp events 'BLOCK_JOB_*' --exclude BLOCK_JOB_READY\n"
                "  qmp events JOB_STATUS_CHANGE --where data.id=job1 --timeout 1m\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_WHERE | OPTION_EXCLUDE | OPTION_COUNT | OPTION_SINCE_START,
    .words_min = 0,
    .several = true,
    .run = events_run,
};
