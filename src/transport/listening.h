/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_LISTENING_H
#define SRC_TRANSPORT_LISTENING_H

#include <sys/types.h>
#include <sys/un.h>

#include "transport/address.h"
#include "transport/link.h"

/* The longest text of an address that is listened on. */
#define LISTENING_TEXT_MAX 160u
/* Peers that have dialled and wait to be accepted. */
#define LISTENING_BACKLOG 128

/* A listening socket, and the file that goes with it. */
struct listening {
    int fd;
    struct sockaddr_un file; /* sun_path[0] == 0: none */
    dev_t device;
    ino_t inode;
    char text[LISTENING_TEXT_MAX]; /* its address, with the port that the system chose */
};

/* Listens, without blocking. A socket file gets mode 0600 before anybody can see it. A stale one (a socket that
 * refuses connections) is replaced, atomically, and only if it still is the one that was found stale.
 *
 * Returns 0; -EADDRINUSE when somebody listens there; -EEXIST when the path is no socket; -EINVAL for an address that
 * cannot be listened on; other errnos; with *reterr. */
int listening_open(struct listening *s, const struct address *a, struct link_flaw *reterr);
/* Returns a connected socket (close-on-exec), -EAGAIN, other errnos. A peer that has gone again is skipped. */
int listening_accept(const struct listening *s);
/* Removes the file only if it still is ours. May be called again. */
void listening_close(struct listening *s);

#endif
