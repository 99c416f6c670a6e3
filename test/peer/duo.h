/* SPDX-License-Identifier: MIT */
#ifndef TEST_PEER_DUO_H
#define TEST_PEER_DUO_H

/* A client and the peer that it is connected to, and what their tests do over and over. */

#include "check.h"
#include "peer.h"

struct duo {
    qmp_client *client;
    struct peer *peer;
    bool threaded; /* the library drives the client; otherwise the test does, with drive() */
};

/* How a command ended: outcome_record() is the callback, the outcome its userdata. */
struct outcome {
    unsigned calls;
    int error;
    uint64_t order; /* the how-manieth callback of all it was */
    uint64_t at;    /* when it ran */
    char reply[256];
};

void outcome_record(qmp_pending *p, int error, qmp_message *reply, void *outcome);
/* The callback ran exactly once, with this. */
#define assert_outcome(outcome, error) check_outcome((outcome), (error), __FILE__, __LINE__)
void check_outcome(const struct outcome *o, int error, const char *file, int line);

/* A new client and a peer on a socketpair: not connected yet; connected; connected and negotiated. */
struct duo duo_new(void);
void duo_connect(struct duo *d);
void duo_negotiate(struct duo *d);
struct duo duo_open(void);
struct duo duo_open_oob(void);
struct duo duo_open_threaded(void);
/* Ends the connection if there is one, takes the old peer away, and connects to a new one, up to RUNNING. */
void duo_reconnect(struct duo *d);
void duo_close(struct duo *d);
/* A round trip and an event, heard by the listener (if not NULL), show that the connection works. One mark of a
 * reconnect before the event is fine. */
void duo_works(struct duo *d, qmp_listener *l);

/* Drives a client until it has nothing to do now: 0, or the negative result of process(). */
int drive(qmp_client *c);
/* Drives a client until its connection or attempt has ended: what process() said. Fails the test when it does not end.
 */
int drive_to_end(qmp_client *c);
/* Lets the client do what it can: drive(), or nothing when the library drives it. */
void duo_drive(struct duo *d);
/* Waits until the client is in the state (driving it, if it is ours to drive). */
void duo_wait_state(struct duo *d, enum qmp_runstate state);

/* Starts a command without arguments. */
void submit(qmp_client *c, const char *command, struct outcome *o, qmp_pending **ret);

#endif
