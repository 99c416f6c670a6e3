/* SPDX-License-Identifier: MIT */
/* One connection out of several addresses.
 *
 * The addresses of a name are tried in their order, one at a time. Each may take its part of what is left until the
 * deadline, divided by those that are still to come, so a black hole in front takes nothing from the last one but its
 * share; what one does not use, the others have. The last one is left to the deadline, which is the owner's to watch. A
 * full backlog is no failure: the same address is tried again.
 *
 * What failed is remembered in words, bounded, since the errno that remains is only the last one's. It refuses to know
 * where the addresses come from. */

#include "transport/tries.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <qmp/error.h>

#include "transport/address.h"
#include "transport/socket.h"
#include "util/util.h"

#define HOST_MAX 128u

void tries_add(struct tries *t, const struct sockaddr *address, socklen_t size)
{
    if (t->n == TRIES_MAX || size > sizeof(t->addresses[0].address))
        return;
    memcpy(&t->addresses[t->n].address, address, size);
    t->addresses[t->n].size = size;
    t->n++;
}

static void describe(const struct tries *t, size_t i, char out[HOST_MAX])
{
    address_format_host(out, HOST_MAX, &t->addresses[i].address, t->addresses[i].size);
}

/* What does not fit is left out, whole. */
static void remember(struct tries *t, int error, const char *what)
{
    char host[HOST_MAX], line[HOST_MAX + 128];
    size_t used = strlen(t->why);
    int n;

    t->error = error;
    if (!t->named) {
        /* The system's own time limit, which is not that of the attempt. */
        if (error == -ETIMEDOUT)
            snprintf(t->why, sizeof(t->why), "it %s", what);
        return;
    }
    describe(t, t->current, host);
    n = snprintf(line, sizeof(line), "%s%s%s%s", used > 0 ? "; " : "", host, error == -ETIMEDOUT ? " " : ": ", what);
    if (n > 0 && (size_t)n < sizeof(line) && used + (size_t)n < sizeof(t->why))
        memcpy(t->why + used, line, (size_t)n + 1);
}

static void next(struct tries *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    t->until = 0;
    t->current++;
}

/* vsock(7) answers for a port where nobody listens as if a connection broke, and for a machine without any vsock as if
 * a device were missing. */
static int translate(const struct tries *t, int error)
{
#ifdef AF_VSOCK
    if (t->addresses[t->current].address.ss_family == AF_VSOCK) {
        if (error == -ECONNRESET)
            return -ECONNREFUSED;
        if (error == -ENODEV)
            return -EAFNOSUPPORT;
    }
#else
    (void)t;
#endif
    return error;
}

static void fail(struct tries *t, int error)
{
    error = translate(t, error);
    remember(t, error, error == -ETIMEDOUT ? "did not answer" : qmp_strerror(error));
    next(t);
}

/* The end of the current address's time. */
static uint64_t slice(const struct tries *t, uint64_t now)
{
    size_t left = t->n - t->current;
    uint64_t all = t->deadline > now ? t->deadline - now : 0;

    return left == 1 ? UINT64_MAX : now + MIN(all / left, TRIES_SLICE_MAX);
}

/* Returns 1 when connected, 0 when it has to wait, negative. */
static int try_current(struct tries *t)
{
    bool connected = false;
    int r;

    if (t->fd >= 0)
        return socket_finish(t->fd);
    r = socket_connect((const struct sockaddr *)(const void *)&t->addresses[t->current].address,
        t->addresses[t->current].size, &connected);
    if (r == -EAGAIN)
        return 0;
    if (r < 0)
        return r;
    t->fd = r;
    return connected;
}

int tries_step(struct tries *t, int *ret_fd)
{
    while (t->current < t->n) {
        uint64_t now = time_now();
        int r;

        if (t->until == 0)
            t->until = slice(t, now);
        r = try_current(t);
        if (r > 0) {
            *ret_fd = t->fd;
            t->fd = -1;
            return 1;
        }
        if (r == 0 && now < t->until) {
            t->next = t->fd >= 0 ? t->until : MIN(t->until, now + LINK_RETRY_INTERVAL);
            return 0;
        }
        fail(t, r == 0 ? -ETIMEDOUT : r);
    }
    return t->error < 0 ? t->error : -EHOSTUNREACH;
}

void tries_explain_wait(const struct tries *t, char *out, size_t size)
{
    char host[HOST_MAX] = "it";

    if (t->current >= t->n) {
        snprintf(out, size, "%s", t->why);
        return;
    }
    if (t->named)
        describe(t, t->current, host);
    snprintf(out, size, "%s %s%s%s", host, t->fd >= 0 ? "did not answer" : "has no room for one more that waits",
        t->why[0] ? "; " : "", t->why);
}

void tries_done(struct tries *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}
