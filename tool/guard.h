/* SPDX-License-Identifier: MIT */
#ifndef TOOL_GUARD_H
#define TOOL_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

/* A process that outlives this one to undo what it did. */
struct guard {
    pid_t pid; /* 0: none */
    int fd;    /* closes with this process, however it ends */
    struct guard_state {
        bool armed;
        pid_t group; /* of processes that must not outlive this one; 0: none */
    } state;
};

/* Starts one, before there is a client, and waits until nothing that is sent to our process group reaches it. When this
 * process ends while the guard is armed, the guard kills the group and calls `undo`. Returns 0 or a negative errno. */
int guard_start(struct guard *g, void (*undo)(const void *userdata), const void *userdata);

/* Tells it what has changed in `state`. Returns false when it is not there to hear it. */
bool guard_tell(const struct guard *g);

/* Dismisses it, and waits until it has gone. */
void guard_end(struct guard *g);

#endif
