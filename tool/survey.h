/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SURVEY_H
#define TOOL_SURVEY_H

#include "locate.h"

/* What is found out about a machine. */
struct survey {
    const struct machine *machine;
    char *version;     /* "7.2.22"; NULL: not known */
    char *state;       /* the guest's, or one of the words below; NULL: it has none */
    bool held;         /* somebody holds a monitor of it … */
    long holder;       /* … this process; 0: not known */
    char *holder_name; /* NULL: not known */
};

/* Instead of a state, where none could be asked for. */
#define SURVEY_HELD "held"       /* all its monitors are */
#define SURVEY_SILENT "silent"   /* no answer in time */
#define SURVEY_STOPPED "stopped" /* the process is, by a signal or a debugger */
#define SURVEY_WAITING "waiting" /* for its first client, before it starts */
#define SURVEY_GONE "gone"       /* nobody listens */
#define SURVEY_SECRET "no permission"
#define SURVEY_TLS "wants TLS"
#define SURVEY_FOREIGN "not QMP"

/* Asks all machines at once for their state, each for at most `patience` µs, and leaves at once. Monitors that are
 * held are not touched. `*ret` has an item for each machine, in order; then survey_free(). */
enum outcome survey_run(const struct machine *machines, size_t n, uint64_t patience, struct survey **ret);
void survey_free(struct survey *survey, size_t n);

#endif
