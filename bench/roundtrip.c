/* SPDX-License-Identifier: MIT */
/* Commands against a process that answers at once.
 *
 * The floor writes the request that the client writes, byte for byte, and reads until the answer's last byte. Both talk
 * to the same process, in turns. On one processor every round trip is two context switches and nothing overlaps: what
 * the library adds shows most. Where the scheduler places the processes is what a user sees.
 *
 * It refuses to look at replies: the other tests do. */

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"
#include "wire.h"

#define STATUS "{\"status\": \"running\", \"singlestep\": false, \"running\": true}"
#define PIPELINED 8u

/* How to measure. */
struct plan {
    const char *name;
    contestant_fn run;
    unsigned pipelined, trips; /* trips to a round */
    bool oob, thread, tied;    /* negotiated; the library's own thread; all on one processor */
    bool descriptor;           /* each command carries one */
    double at_most;            /* 0: no goal */
};

enum { FLOOR, OURS };

struct side {
    const struct server *server;
    int fd;        /* the floor's */
    qmp_client *c; /* NULL: the floor */
    char request[PIPELINED * 512];
    size_t request_size, reply_size;
    unsigned trips;  /* for each round */
    bool descriptor; /* standard input, which is open everywhere */
};

/* A plain command, or one like those that pass descriptors. */
static void client_send(qmp_client *c, bool descriptor, qmp_pending **ret)
{
    static const int fds[] = {STDIN_FILENO};
    struct qmp_request request = QMP_REQUEST_INIT;
    int r;

    request.command = descriptor ? "getfd" : "query-status";
    request.arguments = descriptor ? "{\"fdname\": \"fd\"}" : NULL;
    request.fds = fds;
    request.n_fds = descriptor;
    r = qmp_client_send_full(c, &request, NULL, NULL, ret);
    if (r < 0)
        die("qmp_client_send_full", r);
}

static void client_trip_with_descriptor(qmp_client *c)
{
    qmp_message *reply = NULL;
    qmp_pending *p = NULL;
    int r;

    client_send(c, /* descriptor= */ true, &p);
    r = qmp_pending_wait(p, QMP_FOREVER, &reply, NULL);
    if (r < 0)
        die("qmp_pending_wait", r);
    qmp_message_unref(reply);
    qmp_pending_unref(p);
}

static void client_trip(qmp_client *c)
{
    qmp_message *reply = NULL;
    int r = qmp_client_execute(c, "query-status", NULL, QMP_FOREVER, &reply, NULL);

    if (r < 0)
        die("qmp_client_execute", r);
    qmp_message_unref(reply);
}

static void client_pipelined(qmp_client *c)
{
    qmp_pending *p[PIPELINED];
    int r;

    for (unsigned i = 0; i < PIPELINED; i++) {
        r = qmp_client_execute_async(c, "query-status", NULL, NULL, NULL, &p[i]);
        if (r < 0)
            die("qmp_client_execute_async", r);
    }
    for (unsigned i = 0; i < PIPELINED; i++) {
        qmp_message *reply = NULL;

        r = qmp_pending_wait(p[i], QMP_FOREVER, &reply, NULL);
        if (r < 0)
            die("qmp_pending_wait", r);
        qmp_message_unref(reply);
        qmp_pending_unref(p[i]);
    }
}

static void write_with_descriptor(struct side *s)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {s->request, s->request_size};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &(int){STDIN_FILENO}, sizeof(int));
    if (sendmsg(s->fd, &m, MSG_NOSIGNAL) != (ssize_t)s->request_size)
        die("sendmsg", -errno);
}

static void bare_trip(struct side *s)
{
    char buffer[8192];
    size_t left = s->reply_size;

    if (s->descriptor)
        write_with_descriptor(s);
    else
        wire_write(s->fd, s->request, s->request_size);
    while (left > 0) {
        ssize_t n = recvfrom(s->fd, buffer, sizeof(buffer), 0, NULL, NULL);

        if (n <= 0)
            die("recv", -ECONNRESET);
        left -= (size_t)n;
    }
}

/* One round: so many trips of one command, or of PIPELINED. Returns the time for each command. */
static double round_of(struct side *s, unsigned pipelined)
{
    uint64_t start;

    server_turn(s->server, s->c ? OURS : FLOOR, s->trips * pipelined);
    start = wall_ns();
    for (unsigned i = 0; i < s->trips; i++)
        if (!s->c)
            bare_trip(s);
        else if (pipelined > 1)
            client_pipelined(s->c);
        else if (s->descriptor)
            client_trip_with_descriptor(s->c);
        else
            client_trip(s->c);
    return (double)(wall_ns() - start) / s->trips / pipelined;
}

static double round_trips(void *userdata)
{
    return round_of(userdata, 1);
}

static double round_pipelined(void *userdata)
{
    return round_of(userdata, PIPELINED);
}

static void new_client(qmp_client **ret, bool oob)
{
    int r = qmp_client_new(ret);

    if (r < 0)
        die("qmp_client_new", r);
    qmp_client_set_oob(*ret, oob);
}

/* What a client sends for n commands: asked of one whose server is this program. However few of them it has in flight
 * at once, the floor sends them all. */
static void capture(struct side *s, unsigned n)
{
    char answers[PIPELINED * (sizeof(STATUS) + WIRE_ANSWER_EXTRA)];
    qmp_client *c = NULL;
    unsigned seen = 0;
    int fds[2];

    new_client(&c, false);
    wire_connect(c, fds);
    for (unsigned i = 0; i < n; i++)
        client_send(c, s->descriptor, NULL);
    while (seen < n) {
        char *batch = s->request + s->request_size;
        size_t size, answers_size = 0, object;

        while (qmp_client_process(c) > 0)
            ;
        size = wire_requests(fds[1], batch, sizeof(s->request) - s->request_size);
        for (size_t at = 0; (object = wire_object(batch + at, size - at)) > 0; at += object, seen++)
            answers_size += wire_answer(batch + at, object, STATUS, strlen(STATUS), answers + answers_size);
        wire_write(fds[1], answers, answers_size);
        s->request_size += size;
        s->reply_size += answers_size;
    }
    qmp_client_unref(c);
    close(fds[1]);
}

static void floor_start(struct side *s, const struct server *server, const struct plan *p)
{
    char greeting[1024];

    *s = (struct side){.server = server, .fd = server->fds[FLOOR], .trips = p->trips, .descriptor = p->descriptor};
    capture(s, p->pipelined);
    if (recvfrom(s->fd, greeting, sizeof(greeting), 0, NULL, NULL) <= 0)
        die("greeting", -ECONNRESET);
}

static void client_start(struct side *s, const struct server *server, const struct plan *p)
{
    int r;

    *s = (struct side){.server = server, .trips = p->trips, .descriptor = p->descriptor};
    new_client(&s->c, p->oob);
    server_turn(server, OURS, 1);
    r = qmp_client_connect_fd(s->c, server->fds[OURS]);
    if (r >= 0)
        r = qmp_client_wait_running(s->c, 10 * QMP_SECOND);
    if (r >= 0 && p->thread)
        r = qmp_client_start_thread(s->c);
    if (r < 0)
        die("connect", r);
}

static void measure(const struct options *o, const struct plan *p)
{
    struct server server;
    struct side ours, floor;
    struct duel d;

    if (p->tied)
        one_processor(true);
    server_start(&server, STATUS, strlen(STATUS));
    floor_start(&floor, &server, p);
    client_start(&ours, &server, p);
    d = duel(o->quick ? 50 : 500, (struct contestant){p->run, &ours}, (struct contestant){p->run, &floor});
    table_duel(p->name, d, p->at_most > 0 ? goal_times_at_most(d.ratio, p->at_most) : goal_none());
    qmp_client_unref(ours.c);
    close(floor.fd);
    server_stop(&server);
    if (p->tied)
        one_processor(false);
}

void bench_round_trips(const struct options *o)
{
    static const struct plan plans[] = {
        {"blocking round trip", round_trips, 1, 100, .oob = true, .at_most = 1.05},
        {"blocking round trip, both on one processor", round_trips, 1, 100, .oob = true, .tied = true, .at_most = 1.05},
        {"8 pipelined, for each command", round_pipelined, PIPELINED, 25, .oob = false},
        {"8 pipelined, both on one processor", round_pipelined, PIPELINED, 25, .oob = false, .tied = true},
        {"8 pipelined, oob negotiated: 7 and then 1 in flight", round_pipelined, PIPELINED, 25, .oob = true},
        {"with a descriptor", round_trips, 1, 100, .oob = true, .descriptor = true},
        {"with a descriptor, both on one processor", round_trips, 1, 100, .oob = true, .tied = true,
            .descriptor = true},
    };

    table_title("commands, to a process that answers at once (floor: write the same bytes, read the answer)");
    for (size_t i = 0; i < ELEMENTS(plans); i++)
        measure(o, &plans[i]);
}

void bench_threads(const struct options *o)
{
    static const struct plan plans[] = {
        {"blocking round trip", round_trips, 1, 100, .oob = true, .thread = true, .at_most = 1.60},
        {"blocking round trip, both on one processor", round_trips, 1, 100, .oob = true, .thread = true, .tied = true,
            .at_most = 1.60},
        {"8 pipelined, for each command", round_pipelined, PIPELINED, 25, .oob = false, .thread = true},
    };

    table_title("the same, driven by the library's own thread");
    for (size_t i = 0; i < ELEMENTS(plans); i++)
        measure(o, &plans[i]);
}
