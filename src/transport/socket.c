/* SPDX-License-Identifier: MIT */
/* Stream sockets that never block, with one exception that is asked for by name.
 *
 * The descriptor itself stays in blocking mode and each call says MSG_DONTWAIT, so that a caller with nothing else to
 * do may wait inside recv(): a receive timeout, set once, bounds that. It refuses to know what the bytes are. */

#include "transport/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

/* macOS has a socket option instead, which socket_adopt() sets. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

int socket_adopt(int fd)
{
    const struct timeval patience = {0, (suseconds_t)SOCKET_PATIENCE};
    int type, flags;
    socklen_t size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    if (type != SOCK_STREAM)
        return -EPROTOTYPE;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        return -errno;
#ifdef SO_NOSIGPIPE
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)) < 0)
        return -errno;
#endif
    return 0;
}

static int open_and_connect(int fd, const struct address *a)
{
    /* Close-on-exec first: another thread may fork. A connect on a UNIX socket blocks while the backlog is full. */
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)(const void *)&a->un, a->size) < 0)
        return -errno;
    return socket_adopt(fd);
}

int socket_connect(const struct address *a)
{
#ifdef SOCK_CLOEXEC
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
#else
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
#endif
    int r;

    if (fd < 0)
        return -errno;
    r = open_and_connect(fd, a);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static ssize_t receive(int fd, void *data, size_t size, int flags)
{
    ssize_t n;

    do
        n = recv(fd, data, size, flags);
    while (n < 0 && errno == EINTR && (flags & MSG_DONTWAIT));
    if (n >= 0)
        return n;
    /* An interrupted wait found nothing. */
    return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
}

ssize_t socket_receive(int fd, void *data, size_t size)
{
    return receive(fd, data, size, MSG_DONTWAIT);
}

ssize_t socket_receive_patiently(int fd, void *data, size_t size)
{
    return receive(fd, data, size, 0);
}

ssize_t socket_send(int fd, const struct iovec *iov, size_t n)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
    ssize_t sent;

    /* One buffer, the usual case, is cheaper to hand over without a list of them. */
    do
        sent = n == 1 ? send(fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    return errno == EWOULDBLOCK || errno == ENOBUFS ? -EAGAIN : -errno;
}
