/* SPDX-License-Identifier: MIT */
/* An epoll(7) loop over several QEMUs: what an adapter for a loop of your own looks like.
 *
 * Each client tells what it wants to have watched, and the loop does that, and calls process(). The status of each QEMU
 * is printed as soon as it is known.
 *
 *     cc epoll-loop.c -o epoll-loop $(pkg-config --cflags --libs libqmpclient)
 *     ./epoll-loop /tmp/vm1.qmp /tmp/vm2.qmp ... */

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <qmp/qmp.h>

/* [epoll-state] */
struct watched {
    int epoll;
    qmp_client *client; /* NULL: it is gone */
    int fd;             /* -1: none */
    uint64_t deadline;
};
/* [epoll-state] end */

/* [epoll-adapter] */
static void on_change(qmp_client *client, int fd, short events, uint64_t deadline, void *userdata)
{
    struct watched *w = userdata;
    struct epoll_event event = {.data.ptr = w};
    (void)client;

    event.events = (events & POLLIN ? EPOLLIN : 0) | (events & POLLOUT ? EPOLLOUT : 0);
    if (w->fd >= 0 && fd != w->fd)
        epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->fd, NULL); /* it is about to be closed */
    if (fd >= 0 && epoll_ctl(w->epoll, fd == w->fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
        abort(); /* out of memory, or of the user's watches */
    w->fd = fd;
    w->deadline = deadline;
}

static void on_destroy(void *userdata)
{
    ((struct watched *)userdata)->client = NULL;
}

static int attach(struct watched *w, int epoll, qmp_client *client)
{
    *w = (struct watched){.epoll = epoll, .client = client, .fd = -1, .deadline = QMP_FOREVER};
    return qmp_client_set_watch(client, on_change, on_destroy, w);
}
/* [epoll-adapter] end */

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * QMP_SECOND + (uint64_t)t.tv_nsec / 1000;
}

/* As epoll_wait(2) wants it: milliseconds from now, rounded up, -1 for ever. */
static int milliseconds_until(uint64_t deadline)
{
    uint64_t usec = now();
    if (deadline == QMP_FOREVER)
        return -1;
    if (deadline <= usec)
        return 0;
    uint64_t msec = (deadline - usec + QMP_MILLISECOND - 1) / QMP_MILLISECOND;
    return msec < INT_MAX ? (int)msec : INT_MAX;
}

/* [epoll-turn] */
/* One turn of the loop. What `watched` points at stays where it is; that a client is gone is written there. */
static void turn(int epoll, struct watched *watched, size_t n)
{
    struct epoll_event ready[64];
    uint64_t deadline = QMP_FOREVER;
    for (size_t i = 0; i < n; i++) {
        if (watched[i].client && watched[i].deadline < deadline)
            deadline = watched[i].deadline;
    }

    int n_ready = epoll_wait(epoll, ready, 64, milliseconds_until(deadline));
    for (int i = 0; i < n_ready; i++) {
        struct watched *w = ready[i].data.ptr;
        if (w->client)
            qmp_client_process(w->client); /* its callbacks run here */
    }
    for (size_t i = 0; i < n; i++) {
        if (watched[i].client && watched[i].deadline <= now())
            qmp_client_process(watched[i].client);
    }
}
/* [epoll-turn] end */

struct query {
    qmp_client *client;
    const char *address;
    unsigned *n_left; /* of all queries */
    bool failed;
};

/* Safe in a callback, and the end of the client in the loop too. */
static void finish(struct query *query)
{
    --*query->n_left;
    query->client = qmp_client_unref(query->client);
}

static void on_reply(qmp_pending *pending, int error, qmp_message *reply, void *userdata)
{
    struct query *query = userdata;
    (void)pending;

    qmp_value status = error == 0 ? qmp_value_member(qmp_reply_value(reply), "status") : (qmp_value){NULL, 0};
    printf("%s: %.*s\n", query->address, (int)status.size, status.text ? status.text : "");
    query->failed = error < 0;
    finish(query);
}

static void on_state(qmp_client *client, enum qmp_runstate state, void *userdata)
{
    struct query *query = userdata;

    if (state == QMP_RUNNING) {
        qmp_client_execute_async(client, "query-status", /* arguments= */ NULL, on_reply, query, /* ret= */ NULL);
    } else if (state == QMP_IDLE) {
        query->failed = true;
        fprintf(stderr, "epoll-loop: %s\n", qmp_client_failure(client));
        finish(query);
    }
}

static int begin(struct query *query, int epoll, struct watched *watched)
{
    int r = qmp_client_new(&query->client);
    if (r >= 0)
        r = attach(watched, epoll, query->client);
    if (r >= 0)
        r = qmp_client_connect(query->client, query->address);
    if (r >= 0)
        r = qmp_client_set_runstate_handler(query->client, on_state, query);
    return r;
}

int main(int argc, char **argv)
{
    unsigned n = argc > 1 ? (unsigned)argc - 1 : 0, n_left = n;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct watched *watched = calloc(n + 1, sizeof *watched);
    struct query *queries = calloc(n + 1, sizeof *queries);
    int r = epoll >= 0 && watched && queries ? 0 : -ENOMEM;

    for (unsigned i = 0; i < n && r >= 0; i++) {
        queries[i] = (struct query){.address = argv[i + 1], .n_left = &n_left};
        r = begin(&queries[i], epoll, &watched[i]);
        if (r < 0) {
            const char *why = queries[i].client ? qmp_client_failure(queries[i].client) : "";
            fprintf(stderr, "epoll-loop: %s\n", *why ? why : qmp_strerror(r));
        }
    }
    while (r >= 0 && n_left > 0)
        turn(epoll, watched, n);

    bool failed = r < 0;
    for (unsigned i = 0; queries && i < n; i++) {
        failed |= queries[i].failed;
        qmp_client_unref(queries[i].client); /* those that are left after a failure */
    }
    if (epoll >= 0)
        close(epoll);
    free(queries);
    free(watched);
    return failed ? 1 : 0;
}
