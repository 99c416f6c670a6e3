/* SPDX-License-Identifier: MIT */
#ifndef TEST_FLEET_CROWD_H
#define TEST_FLEET_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Many QMP servers in one process. Each greets, negotiates, and answers every command with an empty object. */
enum crowd_habit {
    CROWD_SERVES,
    CROWD_FLOODS,   /* and sends events from then on, as fast as they are read */
    CROWD_DRIBBLES, /* the same, but all it sends comes one byte at a time */
    CROWD_DIES      /* closes the connection instead of answering */
};

/* The events of those that send some; "data" holds "n", which counts from 0. The command CROWD_STOP ends them; its
 * reply holds how many there were, as "events", and comes behind the last one. */
#define CROWD_EVENT "FLOOD"
#define CROWD_STOP "stop-flood"

struct crowd {
    pid_t pid;
    char address[64]; /* where one that CROWD_DIES listens, again and again */
};

/* Starts the process; `fds` gets the clients' ends. Returns 0, or a negative errno. */
int crowd_start(struct crowd *c, const enum crowd_habit *habits, size_t n, int *fds);
/* Ends it at once, whatever it is doing. */
void crowd_end(struct crowd *c);
/* SIGSTOP, until it has stopped; and SIGCONT. */
void crowd_freeze(struct crowd *c);
void crowd_thaw(struct crowd *c);

/* Allows this process as many descriptors as it may have. Whether that is enough to start so many at once. */
bool crowd_fits(size_t n);

#endif
