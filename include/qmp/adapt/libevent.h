/* SPDX-License-Identifier: MIT */
#ifndef QMP_ADAPT_LIBEVENT_H
#define QMP_ADAPT_LIBEVENT_H

/* A client in libevent's loop. Needs libevent 2.0 or newer (its core), and nothing of libqmpclient but its public
 * functions. */

#include <errno.h>
#include <poll.h>
#include <sys/time.h>

#include <event2/event.h>

#include <qmp/adapt/adapter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct qmp_adapt_libevent_state {
    struct qmp_adapter adapter;
    struct event_base *base;
    struct event *io, *timer;
};

static inline void qmp_adapt_libevent_on_io(evutil_socket_t fd, short what, void *userdata)
{
    (void)fd;
    (void)what;
    qmp_adapter_ready((struct qmp_adapter *)userdata);
}

static inline void qmp_adapt_libevent_on_timer(evutil_socket_t fd, short what, void *userdata)
{
    (void)fd;
    (void)what;
    qmp_adapter_due((struct qmp_adapter *)userdata);
}

/* libevent has no way to change an event that is added. It hardly ever says why it fails. */
static inline int qmp_adapt_libevent_watch(struct qmp_adapter *a, int fd, short events)
{
    struct qmp_adapt_libevent_state *s = (struct qmp_adapt_libevent_state *)a;
    short what = (short)((events & POLLIN ? EV_READ : 0) | (events & POLLOUT ? EV_WRITE : 0));

    event_del(s->io);
    if (fd < 0 || what == 0)
        return 0;
    if (event_assign(s->io, s->base, fd, (short)(what | EV_PERSIST), qmp_adapt_libevent_on_io, s) < 0)
        return -EINVAL;
    errno = 0;
    return event_add(s->io, /* timeout= */ NULL) < 0 ? -(errno > 0 ? errno : ENOMEM) : 0;
}

/* Inside its callbacks libevent counts from when they began, so that a timer can go off a little early. Setting one can
 * fail for want of memory only, the first time that there are so many: then it stays as it was, and the descriptor is
 * still watched. */
static inline void qmp_adapt_libevent_set_timer(struct qmp_adapter *a, uint64_t deadline)
{
    struct qmp_adapt_libevent_state *s = (struct qmp_adapt_libevent_state *)a;
    uint64_t left = qmp_adapter_left(deadline);
    struct timeval timeout;

    timeout.tv_sec = (time_t)(left / QMP_SECOND);
    timeout.tv_usec = (suseconds_t)(left % QMP_SECOND);
    if (deadline == QMP_FOREVER)
        event_del(s->timer);
    else
        event_add(s->timer, &timeout);
}

static inline void qmp_adapt_libevent_free(struct qmp_adapter *a)
{
    struct qmp_adapt_libevent_state *s = (struct qmp_adapt_libevent_state *)a;

    if (s->io)
        event_free(s->io);
    if (s->timer)
        event_free(s->timer);
    free(s);
}

/* Lets a loop drive a client. The client's callbacks run in that loop, on the thread that runs it, which is the only
 * one to use the client; a callback must not run the loop itself. event_base_dispatch() does not end while the client
 * has a connection or is waiting for something.
 *
 * It ends with qmp_client_set_watch(c, NULL, NULL, NULL), with another adapter, and with the client; each of them is
 * fine inside a callback. Reconnecting needs nothing. End it before event_base_free().
 *
 * Returns: 0; -ENOMEM; the errors of the system call that the loop waits with, and of qmp_client_set_watch().
 * Blocks: never.
 * From: event_add(). */
static inline int qmp_adapt_libevent(qmp_client *c, struct event_base *base)
{
    struct qmp_adapt_libevent_state *s = (struct qmp_adapt_libevent_state *)calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->adapter.watch = qmp_adapt_libevent_watch;
    s->adapter.set_timer = qmp_adapt_libevent_set_timer;
    s->adapter.free = qmp_adapt_libevent_free;
    s->base = base;
    s->io = event_new(base, /* fd= */ -1, EV_PERSIST, qmp_adapt_libevent_on_io, s);
    s->timer = event_new(base, /* fd= */ -1, /* what= */ 0, qmp_adapt_libevent_on_timer, s);
    if (!s->io || !s->timer) {
        qmp_adapt_libevent_free(&s->adapter);
        return -ENOMEM;
    }
    return qmp_adapter_start(&s->adapter, c);
}

#ifdef __cplusplus
}
#endif

#endif
