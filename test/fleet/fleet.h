/* SPDX-License-Identifier: MIT */
#ifndef TEST_FLEET_FLEET_H
#define TEST_FLEET_FLEET_H

/* A fleet: many clients on one loop, in the thread of the test. */

#include <sys/types.h>

#include "check.h"
#include "crowd.h"
#include "loop.h"

/* How a command ended. */
struct answer {
    unsigned calls;
    int error;
    uint64_t events; /* of CROWD_STOP's reply */
};

struct ship {
    qmp_client *client;
    unsigned wanted, trips; /* round trips: one after the other, until there are as many as wanted */
    unsigned faults;        /* those that ended with an error; events out of order */
    int ended;              /* what process() said in the end, or the last one before connecting again */
    unsigned ends;
    uint64_t events; /* CROWD_EVENTs heard, without a gap */
};

struct fleet {
    struct loop *loop;
    struct ship *ships;
    size_t n;
};

/* So many ships without connections. */
struct fleet fleet_new(size_t n);
/* Also of a test that has failed half-way. */
void fleet_free(struct fleet *f);

/* Connects ships to what crowd_start() made. */
void fleet_board(struct fleet *f, size_t first, size_t n, const int *fds);
/* Takes the loop around until all of them are RUNNING. */
void fleet_launch(struct fleet *f, size_t first, size_t n);
/* Starts round trips; they go on while the loop does. */
void fleet_sail(struct fleet *f, size_t first, size_t n, unsigned trips);
/* Takes the loop around until all of them have made them, and asserts that all went well. */
void fleet_arrive(struct fleet *f, size_t first, size_t n);

/* One turn of the loop; fails the test after the deadline. */
void fleet_turn(struct fleet *f, uint64_t deadline);

/* Sends a command (timeout 0: none). */
void ship_ask(struct ship *s, const char *command, uint64_t timeout, struct answer *a);
/* Takes the loop around until the answer is there, and asserts what it is. */
void fleet_await(struct fleet *f, const struct answer *a, int error);
/* Takes the loop around until the ship has heard so many events in all. */
void fleet_await_events(struct fleet *f, const struct ship *s, uint64_t n);
/* Ends a server's events when there were some, and asserts that this ship has heard each of them. */
void fleet_calm(struct fleet *f, struct ship *s);
/* Takes the loop around until the ship's connection has ended. */
void fleet_await_end(struct fleet *f, const struct ship *s, int error);

#endif
