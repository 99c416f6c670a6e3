/* SPDX-License-Identifier: MIT */
/* Telling an event loop what to watch.
 *
 * The loop's adapter is told once for each change, at the end of the call that made it, and always before a descriptor
 * is closed: so it never watches a descriptor that has become somebody else's. Between the two nothing is told, because
 * a step changes its mind often. It refuses to know loops. */

#include "client/client.h"

#include <errno.h>

#include "util/util.h"

struct watch {
    qmp_watch_fn tell;
    void (*destroy)(void *userdata);
    void *userdata;
    int fd; /* as told */
    short events;
    uint64_t deadline;
};

static void tell(qmp_client *c, int fd, short events, uint64_t deadline)
{
    struct watch *w = c->watch;

    if (w->fd == fd && w->events == events && w->deadline == deadline)
        return;
    if (client_check_fork(c) < 0)
        return; /* the loop is the parent's */
    w->fd = fd;
    w->events = events;
    w->deadline = deadline;
    w->tell(c, fd, events, deadline, w->userdata);
}

void watch_update(qmp_client *c)
{
    int fd;

    if (!c->watch || c->processing || c->dying)
        return;
    fd = c->link.fd;
    tell(c, fd, fd >= 0 ? connection_poll_events(c) : 0, c->report < 0 ? 0 : connection_deadline(c));
}

void watch_forget_fd(qmp_client *c)
{
    if (c->watch && c->watch->fd >= 0)
        tell(c, -1, 0, c->watch->deadline);
}

struct watch *watch_take(qmp_client *c)
{
    watch_forget_fd(c);
    return TAKE(c->watch);
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    if (w->destroy)
        w->destroy(w->userdata);
    free(w);
}

int qmp_client_set_watch(qmp_client *c, qmp_watch_fn watch, void (*destroy)(void *userdata), void *userdata)
{
    struct watch *w = NULL;
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    if (client_is_threaded(c))
        return -EBUSY;
    if (watch) {
        w = malloc(sizeof(*w));
        if (!w)
            return -ENOMEM;
        /* Unlike anything that there is to watch, so that the first time is a change. */
        *w = (struct watch){.tell = watch, .destroy = destroy, .userdata = userdata, .fd = -1, .events = -1};
    }
    watch_free(watch_take(c));
    c->watch = w;
    watch_update(c);
    return 0;
}
