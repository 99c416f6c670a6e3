/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_SOCKET_H
#define SRC_TRANSPORT_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "transport/address.h"

/* How long socket_receive_patiently() blocks at most, in µs. */
#define SOCKET_PATIENCE UINT64_C(50000)

/* Connects without blocking. Returns the descriptor; -EAGAIN when the server's backlog is full; the errno of the failed
 * step. */
int socket_connect(const struct address *a);

/* Makes a descriptor of the caller's ready for the functions below. Returns 0, -EBADF, -ENOTSOCK, -EPROTOTYPE (not a
 * stream). */
int socket_adopt(int fd);

/* Returns the bytes received; 0 at the end; -EAGAIN when there is nothing; other errnos. */
ssize_t socket_receive(int fd, void *data, size_t size);
/* As above, but waits up to SOCKET_PATIENCE for something. Saves the poll() of an answer that is about to come. */
ssize_t socket_receive_patiently(int fd, void *data, size_t size);

/* Returns the bytes sent, -EAGAIN, other errnos. Raises no SIGPIPE. */
ssize_t socket_send(int fd, const struct iovec *iov, size_t n);

#endif
