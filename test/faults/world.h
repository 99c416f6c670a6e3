/* SPDX-License-Identifier: MIT */
#ifndef TEST_FAULTS_WORLD_H
#define TEST_FAULTS_WORLD_H

/* What the scenarios of faults have, and what is asked of each of them afterwards. */

#include "check.h"
#include "faults.h"
#include "server.h"

#define WORLD_OUTCOMES 8u

/* How a command with a callback ended. */
struct outcome {
    int submitted; /* what submitting it said; 1: it was not */
    unsigned calls;
    int error;
};

struct world {
    struct server *server, *agent;
    const char *path, *agent_path; /* where they listen */
    const char *free_path;         /* where nobody does */
    const char *folder;            /* of credentials */
    const char *address;           /* to connect to when it is shown that the client works */

    qmp_client *client;
    qmp_listener *listener; /* hears EMITTED of the client, if it is registered there */
    struct outcome outcomes[WORLD_OUTCOMES];
    char wrong[256]; /* the first thing that was */
};

/* A way through the public API while calls fail: goes as far as it can, and gives back what it took but for the
 * client, the listener and the outcomes. */
struct scenario {
    const char *name;
    void (*run)(struct world *w);
    bool agent; /* the client speaks to one: no events */
};

/* Calls a function that returns 0, a positive number, or one of the errors that its header lists; what it returned. */
#define DID(w, function, ...) did((w), #function, function(__VA_ARGS__))
int did(struct world *w, const char *function, int r);
/* Something is as it must not be. */
__attribute__((format(printf, 2, 3))) void wrong(struct world *w, const char *format, ...);
/* The callback of a command, with the outcome as userdata. */
void world_record(qmp_pending *p, int error, qmp_message *reply, void *outcome);
/* Submits a command with an outcome. */
int world_submit(struct world *w, unsigned i, const char *command, qmp_pending **ret);
/* New, and connected to the server, up to RUNNING. */
int world_connect(struct world *w);

/* Plays each scenario with each fault that makes sense for each call. The program's exit status. */
int world_main(int argc, char **argv, const struct scenario *scenarios, size_t n);

#endif
