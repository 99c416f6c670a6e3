/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_SOCKET_H
#define SRC_TRANSPORT_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* How long socket_receive_patiently() blocks at most, in µs, after socket_bound_patience(). */
#define SOCKET_PATIENCE UINT64_C(50000)
/* Descriptors that go with one message, as Linux has it. */
#define SOCKET_FDS_MAX ((size_t)253)

/* A new stream socket that does not block, close-on-exec; a pair of UNIX sockets, close-on-exec. Return the descriptor
 * or 0, or the errno. */
int socket_new(int family);
int socket_pair(int fds[2]);

/* Starts to connect, without blocking. Returns the descriptor: *ret_connected, or socket_finish() tells; -EAGAIN when
 * the server's backlog is full; the errno of the failed step. */
int socket_connect(const struct sockaddr *a, socklen_t size, bool *ret_connected);
/* Whether a connect that was under way has ended: 1 when there is a connection, 0 when not yet, the errno. */
int socket_finish(int fd);

/* Makes a connected socket ready for the functions below, a TCP one quick too. Returns 0, -EBADF, -ENOTSOCK,
 * -EPROTOTYPE (not a stream). */
int socket_adopt(int fd);
/* AF_UNIX and so on; the errno. */
int socket_family(int fd);

/* Returns the bytes received; 0 at the end; -EAGAIN when there is nothing; other errnos. */
ssize_t socket_receive(int fd, void *data, size_t size);
/* As above, but waits for something, as long as it takes; or, once the patience of the socket is bounded, up to
 * SOCKET_PATIENCE. Saves the poll() of an answer that is about to come. Bounding returns 0, or the errno; it makes
 * every wait set a timer, for which a twentieth of a round trip goes. */
int socket_bound_patience(int fd);
ssize_t socket_receive_patiently(int fd, void *data, size_t size);

/* Returns the bytes sent, -EAGAIN, other errnos. Raises no SIGPIPE. */
ssize_t socket_send(int fd, const struct iovec *iov, size_t n);
/* The same with descriptors, on a UNIX socket: they go with the first byte, and have gone unless it fails. -EINVAL for
 * more than SOCKET_FDS_MAX, and for no byte to go with. */
ssize_t socket_send_fds(int fd, const struct iovec *iov, size_t n, const int *fds, size_t n_fds);

#endif
