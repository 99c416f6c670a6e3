/* SPDX-License-Identifier: MIT */
/* An io_uring(7) loop around one client: prints the status of a QEMU and its events, until it shuts down.
 *
 * A poll request in the ring takes the place of a descriptor in an epoll set. It is good for one readiness, and holds
 * the socket open: so it is taken out of the ring as soon as the client says so, and what it may still have to say is
 * told from what counts by a number.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off \
 *         -pidfile /tmp/vm.pid &
 *     cc uring-loop.c -o uring-loop $(pkg-config --cflags --libs libqmpclient liburing)
 *     ./uring-loop /tmp/vm.qmp
 *
 * From another terminal, `kill $(cat /tmp/vm.pid)` ends the QEMU, and with it this program. */

#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <qmp/qmp.h>

#define STATUS_SKIPPED 77

static bool connected; /* ever */

/* [uring-adapter] */
struct watched {
    struct io_uring ring;
    bool ended;
    int fd; /* -1: none */
    short events;
    uint64_t deadline, request; /* the poll request that counts */
    bool armed;                 /* it is in the ring */
};

static struct io_uring_sqe *next_entry(struct watched *w)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&w->ring);
    if (!entry)
        abort(); /* each entry is submitted before the next one is made */
    return entry;
}

static void on_change(qmp_client *client, int fd, short events, uint64_t deadline, void *userdata)
{
    struct watched *w = userdata;
    (void)client;

    if (w->armed && (fd != w->fd || events != w->events)) {
        struct io_uring_sqe *entry = next_entry(w);
        io_uring_prep_poll_remove(entry, w->request);
        io_uring_sqe_set_data64(entry, 0);
        io_uring_submit(&w->ring);
        w->armed = false;
    }
    w->fd = fd;
    w->events = events;
    w->deadline = deadline;
}

static void arm(struct watched *w)
{
    struct io_uring_sqe *entry = next_entry(w);
    io_uring_prep_poll_add(entry, w->fd, (unsigned)w->events);
    io_uring_sqe_set_data64(entry, ++w->request);
    io_uring_submit(&w->ring);
    w->armed = true;
}
/* [uring-adapter] end */

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * QMP_SECOND + (uint64_t)t.tv_nsec / 1000;
}

/* [uring-turn] */
static void turn(struct watched *w, qmp_client *client)
{
    uint64_t left = w->deadline == QMP_FOREVER ? 3600 * QMP_SECOND : w->deadline > now() ? w->deadline - now() : 0;
    struct __kernel_timespec timeout = {
        .tv_sec = (long long)(left / QMP_SECOND), .tv_nsec = (long long)(left % QMP_SECOND) * 1000};
    struct io_uring_cqe *completion = NULL;

    if (w->fd >= 0 && !w->armed)
        arm(w);
    bool ready = io_uring_wait_cqe_timeout(&w->ring, &completion, &timeout) == 0 && completion;
    if (ready) {
        ready = w->armed && io_uring_cqe_get_data64(completion) == w->request;
        io_uring_cqe_seen(&w->ring, completion);
        w->armed &= !ready;
    }
    if (ready || w->deadline <= now())
        qmp_client_process(client); /* callbacks run here */
}
/* [uring-turn] end */

static void on_reply(qmp_pending *pending, int error, qmp_message *reply, void *userdata)
{
    (void)pending, (void)userdata;

    qmp_value status = error == 0 ? qmp_value_member(qmp_reply_value(reply), "status") : (qmp_value){NULL, 0};
    printf("status: %.*s\n", (int)status.size, status.text ? status.text : "");
    fflush(stdout);
}

static void on_event(qmp_listener *listener, qmp_message *event, void *userdata)
{
    struct watched *w = userdata;
    (void)listener;

    printf("event: %s\n", qmp_event_name(event));
    fflush(stdout);
    w->ended |= strcmp(qmp_event_name(event), "SHUTDOWN") == 0;
}

static void on_state(qmp_client *client, enum qmp_runstate state, void *userdata)
{
    struct watched *w = userdata;

    if (state == QMP_RUNNING) {
        connected = true;
        qmp_client_execute_async(client, "query-status", /* arguments= */ NULL, on_reply, NULL, /* ret= */ NULL);
    } else if (state == QMP_IDLE) { /* the end of the connection, or of the attempt */
        fprintf(stderr, "uring-loop: %s\n", qmp_client_failure(client));
        w->ended = true;
    }
}

int main(int argc, char **argv)
{
    struct watched w = {.fd = -1, .deadline = QMP_FOREVER};
    qmp_client *client = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: uring-loop SOCKET\n");
        return 2;
    }
    int r = io_uring_queue_init(8, &w.ring, /* flags= */ 0);
    if (r < 0) {
        fprintf(stderr, "uring-loop: no io_uring here: %s\n", strerror(-r));
        return STATUS_SKIPPED;
    }
    r = qmp_client_new(&client);
    if (r >= 0)
        r = qmp_client_set_watch(client, on_change, /* destroy= */ NULL, &w);
    if (r >= 0) {
        qmp_client_set_runstate_handler(client, on_state, &w);
        qmp_listener_set_handler(qmp_client_events(client), on_event, &w);
        r = qmp_client_connect(client, argv[1]);
    }
    while (r >= 0 && !w.ended)
        turn(&w, client);
    if (r < 0) {
        const char *why = client ? qmp_client_failure(client) : "";
        fprintf(stderr, "uring-loop: %s\n", *why ? why : qmp_strerror(r));
    }
    qmp_client_set_runstate_handler(client, /* handler= */ NULL, /* userdata= */ NULL);
    qmp_client_unref(client);
    io_uring_queue_exit(&w.ring);
    return connected ? 0 : 1;
}
