/* SPDX-License-Identifier: MIT */
#ifndef SRC_UTIL_VIGIL_H
#define SRC_UTIL_VIGIL_H

#include <stdbool.h>
#include <stdint.h>

#include "util/wake.h"

/* One thread's sleep: until a descriptor is ready, somebody wakes it, or a time has come. What it watches can be
 * changed while it sleeps. */
struct vigil {
    struct wake wake;
    int epoll_fd; /* -1: there is none */
    int fd;       /* atomic: watched, -1 for none */
    short events; /* atomic: for what; 0 for nothing */
    bool polls;   /* atomic: with poll(2) */
};

void vigil_init(struct vigil *v);
/* Returns 0, -EMFILE, -ENFILE, -ENOMEM. */
int vigil_open(struct vigil *v);
void vigil_close(struct vigil *v);
/* Watches a descriptor (-1: none) for POLLIN, POLLOUT, both, or 0, and no other any more: to be called before one is
 * closed. Does not fail. Its callers exclude each other, but need not exclude the sleeper. */
void vigil_watch(struct vigil *v, int fd, short events);
/* Wakes the sleeper, or spares it the next sleep. From any thread. */
void vigil_wake(const struct vigil *v);
/* May return for nothing. Returns 0, -EINTR, other errnos of poll(2) and epoll_wait(2): it did not sleep. */
int vigil_sleep(struct vigil *v, uint64_t deadline);

#endif
