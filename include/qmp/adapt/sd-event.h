/* SPDX-License-Identifier: MIT */
#ifndef QMP_ADAPT_SD_EVENT_H
#define QMP_ADAPT_SD_EVENT_H

/* A client in systemd's event loop. Needs libsystemd 243 or newer, and nothing of libqmpclient but its public
 * functions. */

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>

#include <systemd/sd-event.h>

#include <qmp/adapt/adapter.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How late a timer may be, in µs. The loop's own default is 250 ms. */
#define QMP_ADAPT_SD_EVENT_ACCURACY UINT64_C(1000)

struct qmp_adapt_sd_event_state {
    struct qmp_adapter adapter;
    sd_event *event;
    sd_event_source *io, *timer;
    int fd; /* io's */
};

static inline int qmp_adapt_sd_event_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    (void)source;
    (void)fd;
    (void)revents;
    qmp_adapter_ready((struct qmp_adapter *)userdata);
    return 0;
}

static inline int qmp_adapt_sd_event_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    qmp_adapter_due((struct qmp_adapter *)userdata);
    return 0;
}

static inline int qmp_adapt_sd_event_watch(struct qmp_adapter *a, int fd, short events)
{
    struct qmp_adapt_sd_event_state *s = (struct qmp_adapt_sd_event_state *)a;
    uint32_t wanted = (events & POLLIN ? (uint32_t)EPOLLIN : 0) | (events & POLLOUT ? (uint32_t)EPOLLOUT : 0);
    int r;

    if (s->io && fd == s->fd)
        return sd_event_source_set_io_events(s->io, wanted);
    s->io = sd_event_source_disable_unref(s->io);
    if (fd < 0)
        return 0;
    r = sd_event_add_io(s->event, &s->io, fd, wanted, qmp_adapt_sd_event_on_io, s);
    if (r < 0)
        return r;
    s->fd = fd;
    (void)sd_event_source_set_description(s->io, "qmp");
    return 0;
}

static inline void qmp_adapt_sd_event_set_timer(struct qmp_adapter *a, uint64_t deadline)
{
    struct qmp_adapt_sd_event_state *s = (struct qmp_adapt_sd_event_state *)a;

    if (deadline != QMP_FOREVER)
        (void)sd_event_source_set_time(s->timer, deadline);
    (void)sd_event_source_set_enabled(s->timer, deadline != QMP_FOREVER ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static inline void qmp_adapt_sd_event_free(struct qmp_adapter *a)
{
    struct qmp_adapt_sd_event_state *s = (struct qmp_adapt_sd_event_state *)a;

    sd_event_source_disable_unref(s->io);
    sd_event_source_disable_unref(s->timer);
    sd_event_unref(s->event);
    free(s);
}

/* Lets an event loop drive a client. The client's callbacks run in that loop, on the thread that runs it, which is the
 * only one to use the client; a callback must not run the loop itself.
 *
 * It ends with qmp_client_set_watch(c, NULL, NULL, NULL), with another adapter, and with the client; each of them is
 * fine inside a callback. Reconnecting needs nothing. There is a reference to the loop until then.
 *
 * Returns: 0; -ENOMEM; the errors of sd_event_add_io(3), sd_event_add_time(3) and qmp_client_set_watch().
 * Blocks: never.
 * From: sd_bus_attach_event(3). */
static inline int qmp_adapt_sd_event(qmp_client *c, sd_event *event)
{
    struct qmp_adapt_sd_event_state *s = (struct qmp_adapt_sd_event_state *)calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->adapter.watch = qmp_adapt_sd_event_watch;
    s->adapter.set_timer = qmp_adapt_sd_event_set_timer;
    s->adapter.free = qmp_adapt_sd_event_free;
    s->event = sd_event_ref(event);
    r = sd_event_add_time(
        event, &s->timer, CLOCK_MONOTONIC, /* usec= */ 0, QMP_ADAPT_SD_EVENT_ACCURACY, qmp_adapt_sd_event_on_timer, s);
    if (r >= 0)
        r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
    if (r < 0) {
        qmp_adapt_sd_event_free(&s->adapter);
        return r;
    }
    (void)sd_event_source_set_description(s->timer, "qmp-deadline");
    return qmp_adapter_start(&s->adapter, c);
}

#ifdef __cplusplus
}
#endif

#endif
