/* SPDX-License-Identifier: MIT */
/* libevent's loop. It knows of clients only what the adapter does. */

#include "loop.h"

#include <qmp/adapt/libevent.h>

struct loop {
    struct event_base *base;
    struct event *watch;
    void (*ready)(void *userdata);
    void *userdata;
};

static struct loop *create(void)
{
    struct loop *l = calloc(1, sizeof(*l));

    LOOP_MUST(l);
    l->base = event_base_new();
    LOOP_MUST(l->base);
    return l;
}

static int attach(struct loop *l, qmp_client *c)
{
    return qmp_adapt_libevent(c, l->base);
}

static void on_ready(evutil_socket_t fd, short what, void *userdata)
{
    struct loop *l = userdata;

    (void)fd;
    (void)what;
    l->ready(l->userdata);
}

static void watch(struct loop *l, int fd, void (*ready)(void *userdata), void *userdata)
{
    if (l->watch)
        event_free(l->watch);
    l->watch = NULL;
    l->ready = ready;
    l->userdata = userdata;
    if (fd < 0)
        return;
    l->watch = event_new(l->base, fd, EV_READ | EV_PERSIST, on_ready, l);
    LOOP_MUST(l->watch);
    LOOP_MUST(event_add(l->watch, NULL) == 0);
}

static void turn(struct loop *l)
{
    LOOP_MUST(event_base_loop(l->base, EVLOOP_ONCE) >= 0);
}

static void poll_once(struct loop *l)
{
    LOOP_MUST(event_base_loop(l->base, EVLOOP_NONBLOCK) >= 0);
}

static void run_dry(struct loop *l)
{
    LOOP_MUST(event_base_dispatch(l->base) >= 0);
}

static void destroy(struct loop *l)
{
    watch(l, -1, NULL, NULL);
    event_base_free(l->base);
    free(l);
}

const struct loop_ops loop_libevent = {"libevent", create, attach, watch, turn, poll_once, run_dry, destroy};
