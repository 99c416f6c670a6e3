/* SPDX-License-Identifier: MIT */
#ifndef QMP_ADAPT_ADAPTER_H
#define QMP_ADAPT_ADAPTER_H

/* What the adapters in this folder have in common, and what an adapter for another event loop can start from. A program
 * that only uses one of them need not know it.
 *
 * An adapter brings three functions: to watch a descriptor, to set a timer, and to free. It calls qmp_adapter_ready()
 * when the descriptor is ready, and qmp_adapter_due() when the timer goes off. Here is what is easily got wrong:
 *
 *  - The client, and with it the adapter, may be gone when qmp_client_process() returns, and another adapter may have
 *    taken over.
 *  - A deadline is a level: while it is in the past, process() is due, told again or not.
 *  - A timer that goes off too early costs less than one that is set anew with each command. So one that is to go off
 *    later stays as it is, goes off, and is set then. The same takes care of loops with a clock that lags behind.
 *  - Watching may fail, in the middle of nowhere. Then the client is driven by the timer until it works again.
 *
 * A strict dialect of C (-std=c99 …) has the clock only with _POSIX_C_SOURCE as 200809L. */

#include <time.h>

#include <qmp/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How often a client is driven whose descriptor cannot be watched now. */
#define QMP_ADAPTER_RETRY (20 * QMP_MILLISECOND)
/* The longest time that a timer is asked for, a day: all loops can take it. */
#define QMP_ADAPTER_TIMER_MAX (86400 * QMP_SECOND)

/* The first member of the adapter's own struct, which is allocated by the adapter, and zero at first. */
struct qmp_adapter {
    /* Watches `fd` for `events` (POLLIN, POLLOUT), and for its end, instead of what was watched until now; -1: nothing.
     * The same number may be another descriptor when -1 came between. 0, or a negative errno. */
    int (*watch)(struct qmp_adapter *a, int fd, short events);
    /* Lets the timer go off once at `deadline` instead of when it was to; QMP_FOREVER: not at all. */
    void (*set_timer)(struct qmp_adapter *a, uint64_t deadline);
    /* Takes everything out of the loop, and frees. Nothing is watched any more. */
    void (*free)(struct qmp_adapter *a);

    /* The rest belongs to this file. */
    qmp_client *client;
    int fd, error; /* what the client wants; why that is not watched now, or 0 */
    short events;
    uint64_t deadline, timer; /* when process() is due; when the timer goes off, QMP_FOREVER: it does not */
    bool *gone;               /* while process() runs: to be told that the adapter is freed */
};

static inline uint64_t qmp_adapter_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * QMP_SECOND + (uint64_t)now.tv_nsec / 1000;
}

/* For timers that are set to a time from now: µs until a deadline, 0 when it has passed, or QMP_ADAPTER_TIMER_MAX. */
static inline uint64_t qmp_adapter_left(uint64_t deadline)
{
    uint64_t now = qmp_adapter_now(), left = deadline > now ? deadline - now : 0;

    return left < QMP_ADAPTER_TIMER_MAX ? left : QMP_ADAPTER_TIMER_MAX;
}

/* Sets the timer if it would go off too late. A loop that ends when there is nothing left to wait for must not wait for
 * a timer that nobody needs: that one is stopped. */
static inline void qmp_adapter_arm(struct qmp_adapter *a)
{
    uint64_t when = a->deadline;

    if (a->error < 0) {
        uint64_t retry = qmp_adapter_now() + QMP_ADAPTER_RETRY;

        when = retry < when ? retry : when;
    }
    if (when == a->timer || (when > a->timer && (a->fd >= 0 || when != QMP_FOREVER)))
        return;
    a->timer = when;
    a->set_timer(a, when);
}

static inline void qmp_adapter_on_change(qmp_client *c, int fd, short events, uint64_t deadline, void *userdata)
{
    struct qmp_adapter *a = (struct qmp_adapter *)userdata;

    (void)c;
    a->deadline = deadline;
    if (fd != a->fd || events != a->events || a->error < 0) {
        a->fd = fd;
        a->events = events;
        a->error = a->watch(a, fd, events);
    }
    if (!a->gone) /* else this comes from inside process(), after which the timer is looked at anyway */
        qmp_adapter_arm(a);
}

static inline void qmp_adapter_on_destroy(void *userdata)
{
    struct qmp_adapter *a = (struct qmp_adapter *)userdata;

    if (a->gone)
        *a->gone = true;
    a->free(a);
}

/* To be called whenever the descriptor is ready, or has hung up, or is in error. The adapter may be gone afterwards. */
static inline void qmp_adapter_ready(struct qmp_adapter *a)
{
    bool gone = false;

    if (a->gone) /* somebody runs the loop inside a callback */
        return;
    /* cppcheck-suppress autoVariables; it is taken back before the function returns */
    a->gone = &gone;
    (void)qmp_client_process(a->client); /* whatever it says, the client has told what to do next */
    if (gone)
        return;
    a->gone = NULL;
    qmp_adapter_arm(a);
}

/* To be called when the timer has gone off. The adapter may be gone afterwards. */
static inline void qmp_adapter_due(struct qmp_adapter *a)
{
    a->timer = QMP_FOREVER;
    if (a->error < 0)
        a->error = a->watch(a, a->fd, a->events);
    if (a->error < 0 || a->deadline <= qmp_adapter_now())
        qmp_adapter_ready(a);
    else
        qmp_adapter_arm(a);
}

/* Begins to drive a client. On success the adapter is freed by qmp_client_set_watch() or with the client; on failure it
 * has been freed already.
 *
 * Returns: 0; the errors of qmp_client_set_watch() and of the adapter's `watch`.
 * Blocks: never.
 * From: qmp_client_set_watch(). */
static inline int qmp_adapter_start(struct qmp_adapter *a, qmp_client *c)
{
    int r;

    a->client = c;
    a->fd = -1;
    a->deadline = a->timer = QMP_FOREVER;
    r = qmp_client_set_watch(c, qmp_adapter_on_change, qmp_adapter_on_destroy, a);
    if (r < 0) {
        a->free(a);
        return r;
    }
    r = a->error;
    if (r < 0)
        qmp_client_set_watch(c, NULL, NULL, NULL);
    return r;
}

#ifdef __cplusplus
}
#endif

#endif
