/* SPDX-License-Identifier: MIT */
#ifndef QMP_ADAPT_LIBUV_H
#define QMP_ADAPT_LIBUV_H

/* A client in libuv's loop. Needs libuv 1.0 or newer, and nothing of libqmpclient but its public functions. */

#include <errno.h>
#include <poll.h>

#include <uv.h>

#include <qmp/adapt/adapter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct qmp_adapt_libuv_state {
    struct qmp_adapter adapter;
    uv_loop_t *loop;
    uv_timer_t timer; /* the last handle to be closed, and the state with it */
    uv_poll_t *poll;  /* one for each descriptor, since closing takes its time; NULL: none */
    int fd;           /* poll's */
};

static inline void qmp_adapt_libuv_on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static inline void qmp_adapt_libuv_on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static inline int qmp_adapt_libuv_events(short events)
{
    return (events & POLLIN ? (int)UV_READABLE : 0) | (events & POLLOUT ? (int)UV_WRITABLE : 0);
}

/* After an error libuv has stopped watching, but there may still be something to read. */
static inline void qmp_adapt_libuv_on_poll(uv_poll_t *handle, int status, int events)
{
    struct qmp_adapt_libuv_state *s = (struct qmp_adapt_libuv_state *)handle->data;

    (void)events;
    if (status < 0)
        s->adapter.error = uv_poll_start(handle, qmp_adapt_libuv_events(s->adapter.events), qmp_adapt_libuv_on_poll);
    qmp_adapter_ready(&s->adapter);
}

static inline void qmp_adapt_libuv_on_timer(uv_timer_t *handle)
{
    qmp_adapter_due((struct qmp_adapter *)handle->data);
}

/* Closing a handle stops it at once, before the client closes the descriptor. */
static inline int qmp_adapt_libuv_watch(struct qmp_adapter *a, int fd, short events)
{
    struct qmp_adapt_libuv_state *s = (struct qmp_adapt_libuv_state *)a;
    int r;

    if (s->poll && fd != s->fd) {
        uv_close((uv_handle_t *)s->poll, qmp_adapt_libuv_on_poll_closed);
        s->poll = NULL;
    }
    if (fd < 0)
        return 0;
    if (!s->poll) {
        uv_poll_t *poll = (uv_poll_t *)malloc(sizeof(*poll));

        if (!poll)
            return -ENOMEM;
        r = uv_poll_init(s->loop, poll, fd);
        if (r < 0) {
            free(poll);
            return r;
        }
        poll->data = s;
        s->poll = poll;
        s->fd = fd;
    }
    return uv_poll_start(s->poll, qmp_adapt_libuv_events(events), qmp_adapt_libuv_on_poll);
}

/* The loop counts in milliseconds from a time that it looked up a while ago: from there to the deadline, rounded up. */
static inline void qmp_adapt_libuv_set_timer(struct qmp_adapter *a, uint64_t deadline)
{
    struct qmp_adapt_libuv_state *s = (struct qmp_adapt_libuv_state *)a;
    uint64_t left = qmp_adapter_left(deadline), then = (uv_hrtime() / 1000 + left + 999) / 1000, now = uv_now(s->loop);

    if (deadline == QMP_FOREVER)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, qmp_adapt_libuv_on_timer, left > 0 && then > now ? then - now : 0, /* repeat= */ 0);
}

static inline void qmp_adapt_libuv_free(struct qmp_adapter *a)
{
    struct qmp_adapt_libuv_state *s = (struct qmp_adapt_libuv_state *)a;

    uv_close((uv_handle_t *)&s->timer, qmp_adapt_libuv_on_timer_closed);
}

/* Lets a loop drive a client. The client's callbacks run in that loop, on the thread that runs it, which is the only
 * one to use the client; a callback must not run the loop itself. uv_run() does not end while the client has a
 * connection or is waiting for something.
 *
 * It ends with qmp_client_set_watch(c, NULL, NULL, NULL), with another adapter, and with the client; each of them is
 * fine inside a callback. Reconnecting needs nothing. libuv closes its handles later: run the loop once more before
 * uv_loop_close(), as after each uv_close().
 *
 * Returns: 0; -ENOMEM; the errors of uv_poll_init(), uv_poll_start() and qmp_client_set_watch().
 * Blocks: never.
 * From: uv_poll_init(). */
static inline int qmp_adapt_libuv(qmp_client *c, uv_loop_t *loop)
{
    struct qmp_adapt_libuv_state *s = (struct qmp_adapt_libuv_state *)calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    r = uv_timer_init(loop, &s->timer);
    if (r < 0) {
        free(s);
        return r;
    }
    s->adapter.watch = qmp_adapt_libuv_watch;
    s->adapter.set_timer = qmp_adapt_libuv_set_timer;
    s->adapter.free = qmp_adapt_libuv_free;
    s->loop = loop;
    s->timer.data = s;
    return qmp_adapter_start(&s->adapter, c);
}

#ifdef __cplusplus
}
#endif

#endif
