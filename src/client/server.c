/* SPDX-License-Identifier: MIT */
/* A listening address for a whole fleet: hands each connection that comes to a client of the caller's.
 *
 * It keeps no list of the clients, and never touches one again: where it is freed, they live on. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <qmp/error.h>
#include <qmp/server.h>

#include "client/client.h"
#include "transport/listening.h"
#include "util/process.h"
#include "util/util.h"
#include "json/value.h"

struct qmp_server {
    pid_t pid;
    struct listening listening;
};

/* What is wrong, for the caller; without memory there is nothing to say. */
static int refuse(char **reterr_why, int error, const char *address, const char *why)
{
    char excerpt[200];

    if (!reterr_why)
        return error;
    json_excerpt(excerpt, sizeof(excerpt), address, strlen(address));
    if (asprintf(reterr_why, "cannot listen on %s: %s", excerpt, why[0] != '\0' ? why : qmp_strerror(error)) < 0)
        *reterr_why = NULL;
    return error;
}

int qmp_server_new(qmp_server **ret, const char *address, char **reterr_why)
{
    CLEANUP(qmp_freep) qmp_server *s = NULL;
    struct link_flaw why = {0};
    struct address parsed;
    const char *flaw = NULL;
    int r = address_parse(&parsed, address, &flaw);

    if (r < 0)
        return refuse(reterr_why, r, address, flaw);
    s = malloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->pid = process_id();
    r = listening_open(&s->listening, &parsed, &why);
    if (r < 0)
        return refuse(reterr_why, r, address, why.why);
    *ret = TAKE(s);
    return 0;
}

/* The peer's own address where it has one, else the server's. */
static void name_peer(const qmp_server *s, int fd, char *out, size_t size)
{
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof(peer);

    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): the kernel filled it */
    if (getpeername(fd, (struct sockaddr *)(void *)&peer, &peer_size) == 0 && peer.ss_family != AF_UNIX)
        address_format(out, size, &peer, peer_size);
    else
        *stpncpy(out, s->listening.text, size - 1) = '\0';
}

/* Returns a connection, -EAGAIN, -ETIMEDOUT, other errnos. */
static int take(qmp_server *s, uint64_t timeout)
{
    struct pollfd pollfd = {.fd = s->listening.fd, .events = POLLIN};
    uint64_t deadline = time_deadline(timeout);
    int fd;

    while ((fd = listening_accept(&s->listening)) == -EAGAIN && timeout > 0) {
        int r = poll(&pollfd, 1, time_poll_timeout(deadline));

        if (r < 0)
            return -errno;
        if (r == 0 && time_now() >= deadline)
            return -ETIMEDOUT;
    }
    return fd;
}

int qmp_server_accept(qmp_server *s, uint64_t timeout, qmp_client *c)
{
    char name[LISTENING_TEXT_MAX];
    int r, fd;

    if (s->pid != process_id())
        return -ECHILD;
    r = connection_check_idle(c);
    if (r < 0)
        return r;
    fd = take(s, timeout);
    if (fd < 0)
        return fd;
    name_peer(s, fd, name, sizeof(name));
    r = connection_begin_accepted(c, fd, name);
    if (r < 0)
        close(fd);
    return r;
}

int qmp_server_get_fd(qmp_server *s)
{
    return s->listening.fd;
}

const char *qmp_server_get_address(qmp_server *s)
{
    return s->listening.text;
}

qmp_server *qmp_server_free(qmp_server *s)
{
    if (!s)
        return NULL;
    if (s->pid == process_id())
        listening_close(&s->listening);
    else
        close(s->listening.fd);
    free(s);
    return NULL;
}
