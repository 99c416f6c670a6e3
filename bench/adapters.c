/* SPDX-License-Identifier: MIT */
/* A round trip through each adapter, in its loop.
 *
 * The floor is the same loop with the same descriptor: when it is readable the answer is read, and once it is whole the
 * same bytes are written as the client would write. So what is measured is the client and its adapter, and not what the
 * loop costs. A command is sent from the reply's callback (as programs do that have more to say), or from outside, when
 * the loop has returned (as from a timer or another descriptor's callback): then the loop itself has to notice that
 * there is something to write.
 *
 * It refuses to compare loops with each other: the ratio is the adapter's, the times are the loop's. */

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../test/adapt/loop.h"
#include "measure.h"
#include "wire.h"

#define STATUS "{\"status\": \"running\", \"singlestep\": false, \"running\": true}"
#define TRIPS 100u

enum { FLOOR, OURS };

struct side {
    const struct server *server;
    const struct loop_ops *ops;
    struct loop *loop;
    bool from_outside;
    unsigned left; /* trips of this round */
    bool waiting;  /* for an answer */

    qmp_client *c; /* NULL: the floor */
    int fd;
    char request[512];
    size_t request_size, reply_size, unread;
};

static void send_one(struct side *s);

/* The answer is there. */
static void on_answer(struct side *s)
{
    s->waiting = false;
    if (--s->left > 0 && !s->from_outside)
        send_one(s);
}

static void on_reply(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    (void)p;
    (void)reply;
    if (error < 0)
        die("query-status", error);
    on_answer(userdata);
}

static void on_readable(void *userdata)
{
    struct side *s = userdata;
    char buffer[8192];
    ssize_t n = recvfrom(s->fd, buffer, sizeof(buffer), MSG_DONTWAIT, NULL, NULL);

    if (n <= 0)
        die("recv", n < 0 ? -errno : -ECONNRESET);
    s->unread -= (size_t)n;
    if (s->unread == 0)
        on_answer(s);
}

static void send_one(struct side *s)
{
    int r;

    s->waiting = true;
    if (s->c) {
        r = qmp_client_execute_async(s->c, "query-status", NULL, on_reply, s, NULL);
        if (r < 0)
            die("qmp_client_execute_async", r);
    } else {
        s->unread = s->reply_size;
        wire_write(s->fd, s->request, s->request_size);
    }
}

static double round_trips(void *userdata)
{
    struct side *s = userdata;
    uint64_t start;

    server_turn(s->server, s->c ? OURS : FLOOR, TRIPS);
    s->left = TRIPS;
    start = wall_ns();
    while (s->left > 0) {
        if (!s->waiting)
            send_one(s);
        s->ops->turn(s->loop);
    }
    return (double)(wall_ns() - start) / TRIPS;
}

/* The bytes that a client sends, and those of the answer. */
static void capture(struct side *s)
{
    char answer[sizeof(STATUS) + WIRE_ANSWER_EXTRA];
    qmp_client *c = NULL;
    int fds[2], r = qmp_client_new(&c);

    if (r < 0)
        die("qmp_client_new", r);
    wire_connect(c, fds);
    qmp_client_execute_async(c, "query-status", NULL, NULL, NULL, NULL);
    while (qmp_client_process(c) > 0)
        ;
    s->request_size = wire_requests(fds[1], s->request, sizeof(s->request));
    s->reply_size = wire_answer(s->request, s->request_size, STATUS, strlen(STATUS), answer);
    qmp_client_unref(c);
    close(fds[1]);
}

static void floor_start(struct side *s)
{
    char greeting[1024];

    capture(s);
    s->fd = s->server->fds[FLOOR];
    if (recvfrom(s->fd, greeting, sizeof(greeting), 0, NULL, NULL) <= 0)
        die("greeting", -ECONNRESET);
    s->ops->watch(s->loop, s->fd, on_readable, s);
}

static void client_start(struct side *s)
{
    int r = qmp_client_new(&s->c);

    server_turn(s->server, OURS, 1);
    if (r >= 0)
        r = qmp_client_connect_fd(s->c, s->server->fds[OURS]);
    if (r >= 0)
        r = qmp_client_wait_running(s->c, 10 * QMP_SECOND);
    if (r >= 0)
        r = s->ops->attach(s->loop, s->c);
    if (r < 0)
        die("attach", r);
}

static void measure(const struct options *o, const struct loop_ops *ops, bool from_outside)
{
    struct side ours = {0}, floor = {0};
    struct server server;
    char name[80];

    server_start(&server, STATUS, strlen(STATUS));
    ours.server = floor.server = &server;
    ours.ops = floor.ops = ops;
    ours.from_outside = floor.from_outside = from_outside;
    ours.loop = ops->create();
    floor.loop = ops->create();
    client_start(&ours);
    floor_start(&floor);

    snprintf(name, sizeof(name), "%s, sent %s", ops->name, from_outside ? "from outside" : "from the reply's callback");
    table_duel(name,
        duel(o->quick ? 50 : 300, (struct contestant){round_trips, &ours}, (struct contestant){round_trips, &floor}),
        goal_none());

    qmp_client_unref(ours.c);
    ops->destroy(ours.loop);
    ops->destroy(floor.loop);
    close(floor.fd);
    server_stop(&server);
}

void bench_adapters(const struct options *o)
{
    static const struct loop_ops *const loops[] = {
#ifdef HAVE_GLIB
        &loop_glib,
#endif
#ifdef HAVE_SD_EVENT
        &loop_sd_event,
#endif
#ifdef HAVE_LIBUV
        &loop_libuv,
#endif
#ifdef HAVE_LIBEVENT
        &loop_libevent,
#endif
#ifdef HAVE_LIBEV
        &loop_libev,
#endif
        NULL,
    };

    table_title(
        "a round trip in an event loop (floor: the same loop, descriptor and bytes, without client and adapter)");
    if (!loops[0])
        table_skipped("adapters", "no event loop is installed");
    for (size_t i = 0; loops[i]; i++) {
        measure(o, loops[i], /* from_outside= */ false);
        measure(o, loops[i], /* from_outside= */ true);
    }
}
