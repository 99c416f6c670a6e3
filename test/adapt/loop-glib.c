/* SPDX-License-Identifier: MIT */
/* GLib's main loop, in a context of its own. It knows of clients only what the adapter does. */

#include "loop.h"

#include <glib-unix.h>

#include <qmp/adapt/glib.h>

struct loop {
    GMainContext *context;
    GSource *watch;
    void (*ready)(void *userdata);
    void *userdata;
};

static struct loop *create(void)
{
    struct loop *l = g_new0(struct loop, 1);

    l->context = g_main_context_new();
    return l;
}

static int attach(struct loop *l, qmp_client *c)
{
    return qmp_adapt_glib(c, l->context);
}

static gboolean on_ready(gint fd, GIOCondition condition, gpointer userdata)
{
    struct loop *l = userdata;

    (void)fd;
    (void)condition;
    l->ready(l->userdata);
    return G_SOURCE_CONTINUE;
}

static void watch(struct loop *l, int fd, void (*ready)(void *userdata), void *userdata)
{
    if (l->watch) {
        g_source_destroy(l->watch);
        g_source_unref(l->watch);
        l->watch = NULL;
    }
    l->ready = ready;
    l->userdata = userdata;
    if (fd < 0)
        return;
    l->watch = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(l->watch, G_SOURCE_FUNC(on_ready), l, NULL);
    g_source_attach(l->watch, l->context);
}

static void turn(struct loop *l)
{
    g_main_context_iteration(l->context, /* may_block= */ TRUE);
}

static void poll_once(struct loop *l)
{
    g_main_context_iteration(l->context, /* may_block= */ FALSE);
}

static void destroy(struct loop *l)
{
    watch(l, -1, NULL, NULL);
    g_main_context_unref(l->context);
    g_free(l);
}

const struct loop_ops loop_glib = {"glib", create, attach, watch, turn, poll_once, NULL, destroy};
