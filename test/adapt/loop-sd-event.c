/* SPDX-License-Identifier: MIT */
/* systemd's event loop. It knows of clients only what the adapter does. */

#include "loop.h"

#include <qmp/adapt/sd-event.h>

struct loop {
    sd_event *event;
    sd_event_source *watch;
    void (*ready)(void *userdata);
    void *userdata;
};

static struct loop *create(void)
{
    struct loop *l = calloc(1, sizeof(*l));

    LOOP_MUST(l);
    LOOP_MUST(sd_event_new(&l->event) >= 0);
    return l;
}

static int attach(struct loop *l, qmp_client *c)
{
    return qmp_adapt_sd_event(c, l->event);
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    struct loop *l = userdata;

    (void)source;
    (void)fd;
    (void)revents;
    l->ready(l->userdata);
    return 0;
}

static void watch(struct loop *l, int fd, void (*ready)(void *userdata), void *userdata)
{
    l->watch = sd_event_source_disable_unref(l->watch);
    l->ready = ready;
    l->userdata = userdata;
    if (fd >= 0)
        LOOP_MUST(sd_event_add_io(l->event, &l->watch, fd, EPOLLIN, on_ready, l) >= 0);
}

static void turn(struct loop *l)
{
    LOOP_MUST(sd_event_run(l->event, /* timeout= */ UINT64_MAX) >= 0);
}

static void poll_once(struct loop *l)
{
    LOOP_MUST(sd_event_run(l->event, /* timeout= */ 0) >= 0);
}

static void destroy(struct loop *l)
{
    watch(l, -1, NULL, NULL);
    sd_event_unref(l->event);
    free(l);
}

const struct loop_ops loop_sd_event = {"sd-event", create, attach, watch, turn, poll_once, NULL, destroy};
