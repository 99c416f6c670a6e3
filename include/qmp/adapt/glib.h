/* SPDX-License-Identifier: MIT */
#ifndef QMP_ADAPT_GLIB_H
#define QMP_ADAPT_GLIB_H

/* A client in GLib's main loop. Needs GLib 2.36 or newer, and nothing of libqmpclient but its public functions. */

#include <glib.h>

#include <qmp/adapt/adapter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct qmp_adapt_glib_state {
    struct qmp_adapter adapter;
    GSource *source;
    GPollFD poll; /* fd -1: none */
};

/* What g_source_new() allocates. */
struct qmp_adapt_glib_source {
    GSource source;
    struct qmp_adapt_glib_state *state;
};

/* A GPollFD of our own is changed where it is: g_source_modify_unix_fd() would wake the loop up each time. */
static inline int qmp_adapt_glib_watch(struct qmp_adapter *a, int fd, short events)
{
    struct qmp_adapt_glib_state *s = (struct qmp_adapt_glib_state *)a;

    s->poll.events = (gushort)events;
    if (fd == s->poll.fd)
        return 0;
    if (s->poll.fd >= 0)
        g_source_remove_poll(s->source, &s->poll);
    s->poll.fd = fd;
    s->poll.revents = 0;
    if (fd >= 0)
        g_source_add_poll(s->source, &s->poll);
    return 0;
}

static inline void qmp_adapt_glib_set_timer(struct qmp_adapter *a, uint64_t deadline)
{
    struct qmp_adapt_glib_state *s = (struct qmp_adapt_glib_state *)a;

    g_source_set_ready_time(s->source, deadline <= (uint64_t)G_MAXINT64 ? (gint64)deadline : -1);
}

static inline void qmp_adapt_glib_free(struct qmp_adapter *a)
{
    struct qmp_adapt_glib_state *s = (struct qmp_adapt_glib_state *)a;

    g_source_destroy(s->source);
    g_source_unref(s->source);
    g_free(s);
}

static inline gboolean qmp_adapt_glib_check(GSource *source)
{
    return ((struct qmp_adapt_glib_source *)source)->state->poll.revents != 0;
}

/* g_get_monotonic_time(), which ready times are measured in, is CLOCK_MONOTONIC. */
static inline gboolean qmp_adapt_glib_dispatch(GSource *source, GSourceFunc callback, gpointer userdata)
{
    struct qmp_adapt_glib_state *s = ((struct qmp_adapt_glib_source *)source)->state;
    gboolean ready = s->poll.revents != 0;

    (void)callback;
    (void)userdata;
    s->poll.revents = 0;
    if (s->adapter.timer <= (uint64_t)g_source_get_time(source)) {
        s->adapter.timer = QMP_FOREVER;
        g_source_set_ready_time(source, -1);
    }
    if (ready)
        qmp_adapter_ready(&s->adapter);
    else
        qmp_adapter_due(&s->adapter);
    return TRUE; /* a source that is destroyed meanwhile stays so */
}

/* Lets a main loop drive a client: NULL is the default context. The client's callbacks run in that loop, on the thread
 * that runs it, which is the only one to use the client; that of a callback must not run the loop itself.
 *
 * It ends with qmp_client_set_watch(c, NULL, NULL, NULL), with another adapter, and with the client; each of them is
 * fine inside a callback. Reconnecting needs nothing. The context must live until then (there is a reference).
 *
 * Returns: 0; the errors of qmp_client_set_watch().
 * Blocks: never.
 * From: g_source_attach(). */
static inline int qmp_adapt_glib(qmp_client *c, GMainContext *context)
{
    static GSourceFuncs functions = {NULL, qmp_adapt_glib_check, qmp_adapt_glib_dispatch, NULL, NULL, NULL};
    struct qmp_adapt_glib_state *s = g_new0(struct qmp_adapt_glib_state, 1);

    s->adapter.watch = qmp_adapt_glib_watch;
    s->adapter.set_timer = qmp_adapt_glib_set_timer;
    s->adapter.free = qmp_adapt_glib_free;
    s->poll.fd = -1;
    s->source = g_source_new(&functions, sizeof(struct qmp_adapt_glib_source));
    ((struct qmp_adapt_glib_source *)s->source)->state = s;
    g_source_set_name(s->source, "qmp");
    g_source_attach(s->source, context);
    return qmp_adapter_start(&s->adapter, c);
}

#ifdef __cplusplus
}
#endif

#endif
