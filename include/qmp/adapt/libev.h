/* SPDX-License-Identifier: MIT */
#ifndef QMP_ADAPT_LIBEV_H
#define QMP_ADAPT_LIBEV_H

/* A client in libev's loop. Needs libev 4, with its loops as parameters (EV_MULTIPLICITY, the default), and nothing of
 * libqmpclient but its public functions. */

#include <errno.h>
#include <poll.h>

#include <ev.h>

#include <qmp/adapt/adapter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct qmp_adapt_libev_state {
    struct qmp_adapter adapter;
    struct ev_loop *loop;
    ev_io io;
    ev_timer timer;
};

/* After an error libev has stopped watching. */
static inline void qmp_adapt_libev_on_io(struct ev_loop *loop, ev_io *io, int revents)
{
    struct qmp_adapt_libev_state *s = (struct qmp_adapt_libev_state *)io->data;

    (void)loop;
    if (revents & EV_ERROR)
        s->adapter.error = -EIO;
    qmp_adapter_ready(&s->adapter);
}

static inline void qmp_adapt_libev_on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    qmp_adapter_due((struct qmp_adapter *)timer->data);
}

/* No system call follows before the loop waits, and then only one. */
static inline int qmp_adapt_libev_watch(struct qmp_adapter *a, int fd, short events)
{
    struct qmp_adapt_libev_state *s = (struct qmp_adapt_libev_state *)a;

    ev_io_stop(s->loop, &s->io);
    ev_io_set(&s->io, fd, (events & POLLIN ? EV_READ : 0) | (events & POLLOUT ? EV_WRITE : 0));
    if (fd >= 0)
        ev_io_start(s->loop, &s->io);
    return 0;
}

/* libev counts from when it last looked at the clock, so that a timer can go off a little early. */
static inline void qmp_adapt_libev_set_timer(struct qmp_adapter *a, uint64_t deadline)
{
    struct qmp_adapt_libev_state *s = (struct qmp_adapt_libev_state *)a;

    ev_timer_stop(s->loop, &s->timer);
    if (deadline == QMP_FOREVER)
        return;
    ev_timer_set(&s->timer, (ev_tstamp)qmp_adapter_left(deadline) / 1e6, /* repeat= */ 0.);
    ev_timer_start(s->loop, &s->timer);
}

static inline void qmp_adapt_libev_free(struct qmp_adapter *a)
{
    struct qmp_adapt_libev_state *s = (struct qmp_adapt_libev_state *)a;

    ev_io_stop(s->loop, &s->io);
    ev_timer_stop(s->loop, &s->timer);
    free(s);
}

/* Lets a loop drive a client. The client's callbacks run in that loop, on the thread that runs it, which is the only
 * one to use the client; a callback must not run the loop itself. ev_run() does not end while the client has a
 * connection or is waiting for something.
 *
 * It ends with qmp_client_set_watch(c, NULL, NULL, NULL), with another adapter, and with the client; each of them is
 * fine inside a callback. Reconnecting needs nothing. End it before ev_loop_destroy().
 *
 * Returns: 0; -ENOMEM; the errors of qmp_client_set_watch().
 * Blocks: never.
 * From: ev_io_start(). */
static inline int qmp_adapt_libev(qmp_client *c, struct ev_loop *loop)
{
    struct qmp_adapt_libev_state *s = (struct qmp_adapt_libev_state *)calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->adapter.watch = qmp_adapt_libev_watch;
    s->adapter.set_timer = qmp_adapt_libev_set_timer;
    s->adapter.free = qmp_adapt_libev_free;
    s->loop = loop;
    ev_io_init(&s->io, qmp_adapt_libev_on_io, /* fd= */ -1, /* events= */ 0);
    ev_timer_init(&s->timer, qmp_adapt_libev_on_timer, /* after= */ 0., /* repeat= */ 0.);
    s->io.data = s;
    s->timer.data = s;
    return qmp_adapter_start(&s->adapter, c);
}

#ifdef __cplusplus
}
#endif

#endif
