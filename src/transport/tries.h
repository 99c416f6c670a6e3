/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_TRIES_H
#define SRC_TRANSPORT_TRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "transport/link.h"

/* As many addresses of a name are tried. */
#define TRIES_MAX ((size_t)16)
/* How long one address may keep the next one waiting at most, in µs, however far the deadline is. */
#define TRIES_SLICE_MAX UINT64_C(20000000)

/* Addresses that are tried one after the other. All zero with fd -1 is none yet. */
struct tries {
    struct {
        struct sockaddr_storage address;
        socklen_t size;
    } addresses[TRIES_MAX];
    size_t n, current;
    int fd;            /* a connect that is under way; -1 */
    uint64_t deadline; /* for all of them */
    uint64_t until;    /* for the current one; 0: not begun */
    uint64_t next;     /* when to step at the latest */
    bool named;        /* there is more than what the user wrote: name the address that failed */
    int error;         /* of the last one that failed */
    char why[LINK_WHY_MAX];
};

/* What is beyond TRIES_MAX is left out. */
void tries_add(struct tries *t, const struct sockaddr *address, socklen_t size);
/* Returns 1 with a connected socket, the caller's; 0 when it has to be called again: when `fd` is writable, or at
 * `next`; the errno of the last address when all have failed, with `why` in words ("" when there is nothing to add). */
int tries_step(struct tries *t, int *ret_fd);
/* "10.0.0.7 did not answer; 10.0.0.6: nobody listens there" */
void tries_explain_wait(const struct tries *t, char *out, size_t size);
void tries_done(struct tries *t);

#endif
