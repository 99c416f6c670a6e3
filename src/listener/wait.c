/* SPDX-License-Identifier: MIT */
/* Waiting for several listeners, of one host or of many, caller-driven or driven by a thread.
 *
 * The listeners of hosts that others drive are polled by their own descriptors; the hosts that wait for the caller are
 * polled and stepped. A step may run callbacks, which may free any of the hosts, so no host is remembered across one:
 * each is looked up again from its listener, which the caller keeps alive. */

#include <errno.h>
#include <stdlib.h>

#include "listener/listener.h"
#include "util/util.h"

/* Adds what to poll for one listener, unless the one before it wanted the same; the deadline comes down to its host's.
 * Returns 0 or negative. */
static int prepare(qmp_listener *l, struct pollfd *pollfds, size_t *n, uint64_t *deadline)
{
    struct pollfd pollfd = {.fd = -1, .events = POLLIN};
    uint64_t host_deadline;
    struct listener_host *h;
    int waiting = listener_waiting(l, &h);

    if (waiting < 0)
        return waiting == -ENOTCONN ? 0 : waiting; /* it has just been removed: it is ready */
    if (waiting > 0) {
        h->ops->poll(h, &pollfd, &host_deadline);
        *deadline = MIN(*deadline, host_deadline);
    } else {
        pollfd.fd = qmp_listener_get_fd(l);
        if (pollfd.fd < 0)
            return pollfd.fd;
    }
    if (pollfd.fd >= 0 && (*n == 0 || pollfds[*n - 1].fd != pollfd.fd))
        pollfds[(*n)++] = pollfd;
    return 0;
}

/* A step of each host that waits for the caller; listeners of one host that stand together are one step. */
static void step_hosts(qmp_listener *const *listeners, size_t n)
{
    struct listener_host *h, *last = NULL;

    for (size_t i = 0; i < n; i++) {
        if (listener_waiting(listeners[i], &h) > 0 && h != last) {
            h->ops->step(h);
            last = h;
        }
    }
}

static int first_ready(qmp_listener *const *listeners, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (listener_is_ready(listeners[i]))
            return (int)i;
    }
    return -EAGAIN;
}

int qmp_listeners_wait(qmp_listener *const *listeners, size_t n, uint64_t timeout)
{
    CLEANUP(qmp_freep) struct pollfd *pollfds = NULL;
    uint64_t deadline;
    int r;

    if (n == 0 || n > INT32_MAX)
        return -EINVAL;
    r = first_ready(listeners, n);
    if (r != -EAGAIN)
        return r;
    if (timeout == 0)
        return -ETIMEDOUT;
    deadline = time_deadline(timeout);
    pollfds = calloc(n, sizeof(*pollfds));
    if (!pollfds)
        return -ENOMEM;
    for (;;) {
        uint64_t until = deadline;
        size_t n_pollfds = 0;

        for (size_t i = 0; i < n; i++) {
            r = prepare(listeners[i], pollfds, &n_pollfds, &until);
            if (r < 0)
                return r;
        }
        r = first_ready(listeners, n); /* one may have been removed meanwhile */
        if (r != -EAGAIN)
            return r;
        if (poll(pollfds, (nfds_t)n_pollfds, time_poll_timeout(until)) < 0 && errno != EINTR)
            return -errno;
        step_hosts(listeners, n);
        r = first_ready(listeners, n);
        if (r != -EAGAIN)
            return r;
        if (deadline != QMP_FOREVER && time_now() >= deadline)
            return -ETIMEDOUT;
    }
}
