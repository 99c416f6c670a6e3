/* SPDX-License-Identifier: MIT */
/* Stream sockets that never block, with one exception that is asked for by name.
 *
 * The descriptor itself stays in blocking mode and each call says MSG_DONTWAIT, so that a caller with nothing else to
 * do may wait inside recv(): a receive timeout, set once, bounds that. It refuses to know what the bytes are. */

#include "transport/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* macOS has a socket option instead, which socket_adopt() sets. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

#ifdef SOCK_CLOEXEC
#define SOCKET_TYPE (SOCK_STREAM | SOCK_CLOEXEC)
#else
#define SOCKET_TYPE SOCK_STREAM
#endif

static int close_on_exec(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

/* ---- making ---- */

int socket_new(int family)
{
    int fd = socket(family, SOCKET_TYPE, 0), r;

    if (fd < 0)
        return -errno;
    r = close_on_exec(fd);
    if (r >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

int socket_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCKET_TYPE, 0, fds) < 0)
        return -errno;
    for (unsigned i = 0; i < 2; i++)
        close_on_exec(fds[i]);
    return 0;
}

int socket_family(int fd)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof(own);

    /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.UndefReturn): the kernel filled it */
    return getsockname(fd, (struct sockaddr *)(void *)&own, &size) < 0 ? -errno : own.ss_family;
}

/* A command is small, and wants to leave at once; a peer whose machine has gone is to be noticed. Neither is worth a
 * failure. */
static void quicken(int fd)
{
    int family = socket_family(fd), on = 1;

    if (family != AF_INET && family != AF_INET6)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int socket_adopt(int fd)
{
    int type, flags, r;
    socklen_t size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    if (type != SOCK_STREAM)
        return -EPROTOTYPE;
    r = close_on_exec(fd);
    if (r < 0)
        return r;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return -errno;
#ifdef SO_NOSIGPIPE
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)) < 0)
        return -errno;
#endif
    quicken(fd);
    return 0;
}

/* ---- connecting ---- */

/* Returns 1 when connected, 0 while under way, negative. */
static int start(int fd, const struct sockaddr *a, socklen_t size)
{
    int r;

    if (connect(fd, a, size) < 0)
        return errno == EINPROGRESS || errno == EINTR ? 0 : -errno;
    r = socket_adopt(fd);
    return r < 0 ? r : 1;
}

int socket_connect(const struct sockaddr *a, socklen_t size, bool *ret_connected)
{
    int fd = socket_new(a->sa_family), r;

    if (fd < 0)
        return fd;
    r = start(fd, a, size);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_connected = r > 0;
    return fd;
}

/* A port of this machine where nobody listens may be the very port that the system chose for our end: then the socket
 * is connected with itself. */
static bool is_own_peer(int fd)
{
    struct sockaddr_storage own, peer;
    socklen_t own_size = sizeof(own), peer_size = sizeof(peer);

    return getsockname(fd, (struct sockaddr *)(void *)&own, &own_size) == 0 &&
           /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): the kernel filled it */
           (own.ss_family == AF_INET || own.ss_family == AF_INET6) &&
           getpeername(fd, (struct sockaddr *)(void *)&peer, &peer_size) == 0 && own_size == peer_size &&
           memcmp(&own, &peer, own_size) == 0;
}

int socket_finish(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0, r;
    socklen_t size = sizeof(error);

    do
        r = poll(&p, 1, 0);
    while (r < 0 && errno == EINTR);
    if (r <= 0)
        return r < 0 ? -errno : 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -errno;
    if (error != 0)
        return -error;
    if (is_own_peer(fd))
        return -ECONNREFUSED;
    r = socket_adopt(fd);
    return r < 0 ? r : 1;
}

/* ---- bytes ---- */

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

int socket_bound_patience(int fd)
{
    const struct timeval patience = {0, (suseconds_t)SOCKET_PATIENCE};

    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ? -errno : 0;
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

static bool is_empty(const struct iovec *iov, size_t n)
{
    while (n > 0 && iov[n - 1].iov_len == 0)
        n--;
    return n == 0;
}

/* The kernel takes the descriptors with the first byte or not at all, so it either fails or they have gone. With no
 * byte it would take them, and lose them. */
ssize_t socket_send_fds(int fd, const struct iovec *iov, size_t n, const int *fds, size_t n_fds)
{
    union {
        struct cmsghdr header; /* aligns */
        char bytes[CMSG_SPACE(SOCKET_FDS_MAX * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
        .msg_iovlen = n,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
    ssize_t sent;

    if (n_fds > SOCKET_FDS_MAX || is_empty(iov, n))
        return -EINVAL;
    memset(&control, 0, sizeof(control));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
    do
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    return errno == EWOULDBLOCK || errno == ENOBUFS ? -EAGAIN : -errno;
}
