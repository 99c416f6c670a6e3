/* SPDX-License-Identifier: MIT */
#ifndef TOOL_WATCH_H
#define TOOL_WATCH_H

#include "condition.h"

/* Room for a state or status, and for the error of a job, in words. */
#define WATCH_STATUS_MAX 64
#define WATCH_ERROR_MAX 512

/* What is known about a condition on the server's state or a job's. */
struct watch {
    struct condition condition;
    char seen[WATCH_STATUS_MAX];   /* the last state or status; "" before the first */
    char passed[WATCH_STATUS_MAX]; /* the status of a job that was waited for, and came; "": none yet */
    bool failed;                   /* the job */
    char error[WATCH_ERROR_MAX];   /* that it told; "": none */
};

enum verdict {
    VERDICT_OPEN,
    VERDICT_HOLDS,
    VERDICT_NEVER, /* it cannot hold any more */
};

/* Learns from an event. */
void watch_event(struct watch *w, const qmp_message *event);

/* Learns from an answer of query-status or query-jobs, whichever the condition is about. Returns 0 and the verdict, and
 * when it holds, what does, as JSON text, the caller's to free(); -ENOMEM. */
int watch_answer(struct watch *w, qmp_value answer, enum verdict *ret_verdict, char **ret);

/* The outcome when it holds: a job that failed is said to have. */
enum outcome watch_held(const struct watch *w);

/* The same when it can never hold, which is said. */
enum outcome watch_never(const struct watch *w);

#endif
