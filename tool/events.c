/* SPDX-License-Identifier: MIT */

/* The verb events: prints events as they come. Without --count the end of --timeout is the end that was asked for; with
 * it, events are missing then. */

#include "stream.h"
#include "verb.h"

static enum outcome events_run(const struct options *o, const char *const *words, size_t n)
{
    return stream_run(o, words, n, o->count);
}

const struct verb verb_events = {
    .name = "events",
    .synopsis = "[NAME...]",
    .summary = "print events as they come",
    .description = "Prints events as they come, one a line, as JSON: those of the given names, or\n"
                   "all. Ends after --count events or after --timeout (exit status 0; 3 when\n"
                   "--count was not reached by then), else when the connection does.\n",
    .examples = "  qmp events\n"
                "  qmp events STOP RESUME --count 2\n"
                "  qmp events JOB_STATUS_CHANGE --where data.id=job1 --timeout 1m\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_WHERE | OPTION_COUNT,
    .words_min = 0,
    .several = true,
    .run = events_run,
};
