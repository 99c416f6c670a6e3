/* SPDX-License-Identifier: MIT */
/* libuv's loop. It knows of clients only what the adapter does.
 *
 * uv_run(UV_RUN_ONCE) may run the timers that are due, and then wait for a descriptor all the same. A turn must end
 * there: a timer of our own, which does nothing and keeps no loop alive, sees to it. */

#include "loop.h"

#include <qmp/adapt/libuv.h>

/* In milliseconds. */
#define HEARTBEAT 10u

struct loop {
    uv_loop_t loop;
    uv_timer_t heartbeat;
    uv_poll_t *watch;
    void (*ready)(void *userdata);
    void *userdata;
};

static void on_heartbeat(uv_timer_t *timer)
{
    (void)timer;
}

static struct loop *create(void)
{
    struct loop *l = calloc(1, sizeof(*l));

    LOOP_MUST(l);
    LOOP_MUST(uv_loop_init(&l->loop) == 0);
    LOOP_MUST(uv_timer_init(&l->loop, &l->heartbeat) == 0);
    LOOP_MUST(uv_timer_start(&l->heartbeat, on_heartbeat, HEARTBEAT, HEARTBEAT) == 0);
    uv_unref((uv_handle_t *)&l->heartbeat);
    return l;
}

static int attach(struct loop *l, qmp_client *c)
{
    return qmp_adapt_libuv(c, &l->loop);
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
    struct loop *l = handle->data;

    (void)status;
    (void)events;
    l->ready(l->userdata);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void watch(struct loop *l, int fd, void (*ready)(void *userdata), void *userdata)
{
    if (l->watch)
        uv_close((uv_handle_t *)l->watch, on_closed);
    l->watch = NULL;
    l->ready = ready;
    l->userdata = userdata;
    if (fd < 0)
        return;
    l->watch = calloc(1, sizeof(*l->watch));
    LOOP_MUST(l->watch);
    LOOP_MUST(uv_poll_init(&l->loop, l->watch, fd) == 0);
    l->watch->data = l;
    LOOP_MUST(uv_poll_start(l->watch, UV_READABLE, on_ready) == 0);
}

static void turn(struct loop *l)
{
    uv_run(&l->loop, UV_RUN_ONCE);
}

static void poll_once(struct loop *l)
{
    uv_run(&l->loop, UV_RUN_NOWAIT);
}

static void run_dry(struct loop *l)
{
    uv_run(&l->loop, UV_RUN_DEFAULT);
}

static void destroy(struct loop *l)
{
    watch(l, -1, NULL, NULL);
    uv_close((uv_handle_t *)&l->heartbeat, /* close_cb= */ NULL);
    run_dry(l);
    LOOP_MUST(uv_loop_close(&l->loop) == 0);
    free(l);
}

const struct loop_ops loop_libuv = {"libuv", create, attach, watch, turn, poll_once, run_dry, destroy};
