/* SPDX-License-Identifier: MIT */
#ifndef TEST_FLEET_LOOP_H
#define TEST_FLEET_LOOP_H

#include <stdint.h>

#include <qmp/qmp.h>

struct loop;

/* A client's connection has ended: `error` is what process() said. The client is still there. */
typedef void (*loop_ended_fn)(qmp_client *c, int error, void *userdata);

/* Negative without memory or descriptors. Freed after its clients have gone, or have another watch function. */
int loop_new(struct loop **ret, loop_ended_fn ended);
struct loop *loop_free(struct loop *l);

/* Drives a client from now on, until it is freed or gets another watch function. `userdata` is for loop_ended_fn. */
int loop_add(struct loop *l, qmp_client *c, void *userdata);

/* One turn: waits until there is something to do, but not beyond `until` (µs of CLOCK_MONOTONIC), and lets each client
 * that has something to do, or some of them, take one step. Returns how many did; negative when epoll fails. */
int loop_turn(struct loop *l, uint64_t until);

uint64_t loop_now(void);

#endif
