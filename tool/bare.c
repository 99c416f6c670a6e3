/* SPDX-License-Identifier: MIT */

/* Sockets without a protocol, for verbs that stand between a client and a server, or play the server.
 *
 * The library knows every kind of address, how to wait for one and what to say when it cannot be reached; but it speaks
 * QMP on what it gets. So a client of it is told to await nothing: then it is RUNNING as soon as the stream is up, and
 * hears that before it reads. There a duplicate of its descriptor is made, and the client disconnects. The invariant:
 * not a byte was read or written.
 *
 * It knows nothing of what the sockets are for. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bare.h"
#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "ending.h"

/* Above the standard descriptors. */
#define FD_MIN 3

/* What becomes of a client's descriptor. */
struct taken {
    int fd; /* or the errno */
};

static void on_runstate(qmp_client *c, enum qmp_runstate state, void *userdata)
{
    struct taken *taken = userdata;

    if (state != QMP_RUNNING)
        return;
    taken->fd = fcntl(qmp_client_get_fd(c), F_DUPFD_CLOEXEC, FD_MIN);
    if (taken->fd < 0)
        taken->fd = -errno;
    qmp_client_disconnect(c);
}

static void client_strip(qmp_client *c, struct taken *taken)
{
    qmp_client_set_await_greeting(c, false);
    qmp_client_set_runstate_handler(c, on_runstate, taken);
    taken->fd = -ENOTCONN;
}

enum outcome bare_dial(const struct options *o, int *ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    struct options now = *o;
    struct taken taken;
    enum outcome outcome;
    int r;

    now.timeout = duration_until(o->deadline);
    now.given &= ~OPTION_VERBOSE;
    outcome = connect_prepare(&now, /* l= */ NULL, &c);
    if (outcome != OUTCOME_DONE)
        return outcome;
    client_strip(c, &taken);
    r = connect_run(&now, c);
    *ret = -1;
    if (taken.fd == -ENOTCONN && ending_noted() != 0)
        return OUTCOME_DONE;
    if (taken.fd == -ENOTCONN)
        return outcome_of_failure(c, r);
    if (taken.fd < 0)
        return outcome_of_error("the connection", taken.fd);
    *ret = taken.fd;
    return OUTCOME_DONE;
}

enum outcome bare_listen(const struct options *o, qmp_server **ret)
{
    __attribute__((cleanup(qmp_freep))) char *why = NULL;
    int r = qmp_server_new(ret, o->listen, &why);

    if (r >= 0)
        return OUTCOME_DONE;
    complain("%s", why != NULL ? why : qmp_strerror(r));
    return r == -EINVAL || r == -ENAMETOOLONG ? OUTCOME_USAGE : OUTCOME_LOCAL;
}

/* Takes one, when one is there. Returns 0, and its socket; -EAGAIN; another errno. */
static int accept_one(qmp_server *s, int *ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    struct taken taken;
    int r = qmp_client_new(&c);

    if (r < 0)
        return r;
    client_strip(c, &taken);
    r = qmp_server_accept(s, /* timeout= */ 0, c);
    if (r < 0)
        return r;
    while (taken.fd == -ENOTCONN && qmp_client_process(c) > 0)
        continue;
    if (taken.fd < 0)
        return taken.fd == -ENOTCONN ? -EAGAIN : taken.fd; /* it has gone again */
    *ret = taken.fd;
    return 0;
}

enum outcome bare_accept(const struct options *o, qmp_server *s, int watched, int *ret)
{
    int r = 0;

    *ret = -1;
    while (r >= 0 && duration_until(o->deadline) > 0) {
        struct pollfd fds[] = {{qmp_server_get_fd(s), POLLIN, 0}, {watched, 0, 0}};
        r = ending_poll(fds, 2, o->deadline);
        if (r > 0 && (fds[1].revents & POLLERR))
            return OUTCOME_DONE;
        if (r > 0)
            r = accept_one(s, ret);
        if (*ret >= 0)
            return OUTCOME_DONE;
        if (r == -EAGAIN)
            r = 0;
    }
    return r >= 0 || r == -EINTR ? OUTCOME_DONE : outcome_of_error("accepting a client", r);
}
