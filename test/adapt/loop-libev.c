/* SPDX-License-Identifier: MIT */
/* libev's loop. It knows of clients only what the adapter does. */

#include "loop.h"

#include <qmp/adapt/libev.h>

struct loop {
    struct ev_loop *loop;
    ev_io watch;
    void (*ready)(void *userdata);
    void *userdata;
};

static void on_ready(struct ev_loop *loop, ev_io *io, int revents)
{
    struct loop *l = io->data;

    (void)loop;
    (void)revents;
    l->ready(l->userdata);
}

static struct loop *create(void)
{
    struct loop *l = calloc(1, sizeof(*l));

    LOOP_MUST(l);
    l->loop = ev_loop_new(EVFLAG_AUTO);
    LOOP_MUST(l->loop);
    ev_io_init(&l->watch, on_ready, -1, 0);
    l->watch.data = l;
    return l;
}

static int attach(struct loop *l, qmp_client *c)
{
    return qmp_adapt_libev(c, l->loop);
}

static void watch(struct loop *l, int fd, void (*ready)(void *userdata), void *userdata)
{
    ev_io_stop(l->loop, &l->watch);
    l->ready = ready;
    l->userdata = userdata;
    if (fd < 0)
        return;
    ev_io_set(&l->watch, fd, EV_READ);
    ev_io_start(l->loop, &l->watch);
}

static void turn(struct loop *l)
{
    ev_run(l->loop, EVRUN_ONCE);
}

static void poll_once(struct loop *l)
{
    ev_run(l->loop, EVRUN_NOWAIT);
}

static void run_dry(struct loop *l)
{
    ev_run(l->loop, 0);
}

static void destroy(struct loop *l)
{
    watch(l, -1, NULL, NULL);
    ev_loop_destroy(l->loop);
    free(l);
}

const struct loop_ops loop_libev = {"libev", create, attach, watch, turn, poll_once, run_dry, destroy};
