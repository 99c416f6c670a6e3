/* SPDX-License-Identifier: MIT */
/* From 1 to 10 000 connections: what an idle one holds, and what the others add to an event and to a round trip.
 *
 * All servers are one process, and all clients hang in one epoll loop of one thread. One connection has something to
 * say, the loop goes around until it was heard, then it is the next one's turn: so every step finds the memory of its
 * connection as cold as so many connections leave it. What is counted is the clients' processor time, with everything
 * on one processor.
 *
 * The floor has an epoll of its own over the same descriptors, and reads behind the clients' backs what was sent for
 * it. So it has the same number of sockets, as cold as theirs. Before each round either side forgets what the other one
 * has read.
 *
 * It refuses to check what arrives. */

#include "bench.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test/fleet/loop.h"
#include "measure.h"
#include "wire.h"

#define MOST ((size_t)10000)
#define RESERVE 64u /* descriptors for everything else */
#define UNITS 100u  /* to a round */
#define BURST 64u   /* events */
#define WAIT (20 * QMP_SECOND)
#define REQUEST "{\"execute\": \"query-status\", \"id\": 1000}\r\n"
#define STATUS "{\"status\": \"running\", \"singlestep\": false, \"running\": true}"

enum work { EVENT_SINGLE, EVENT_BURST, TRIP, N_WORKS };

/* So many events on the connection that came as number `connection`. */
struct order {
    size_t connection, events;
};

struct many {
    size_t n;
    pid_t pid;
    int control;
    char address[64];
    struct loop *loop;
    qmp_client **clients;
    int floor;   /* an epoll */
    double idle; /* bytes of heap for each connection */
    size_t heard;
};

/* What a contestant does, again and again. */
struct task {
    struct many *many;
    enum work work;
    size_t next; /* whose turn it is */
};

static void check(const char *what, int r)
{
    if (r < 0)
        die(what, r);
}

/* ---- the servers ---- */

static void fulfil(int control, const int *fds)
{
    static char burst[BURST * EVENT_SIZE];
    struct order o;

    if (recv(control, &o, sizeof(o), 0) != (ssize_t)sizeof(o))
        _exit(0);
    for (size_t i = 0; i < o.events; i++)
        memcpy(burst + i * EVENT_SIZE, EVENT, EVENT_SIZE);
    wire_write(fds[o.connection], burst, o.events * EVENT_SIZE);
    wire_write(control, "", 1);
}

static void answer(int fd)
{
    char in[1024], out[sizeof(in) + WIRE_ANSWER_EXTRA];
    ssize_t n = recv(fd, in, sizeof(in), 0);

    if (n > 0)
        wire_write(fd, out, wire_answer(in, (size_t)n, STATUS, strlen(STATUS), out));
    else
        close(fd);
}

static void watch(int epoll, int fd, uint64_t what)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = what};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        die("epoll_ctl", -errno);
}

static _Noreturn void serve(int listening, int control, int *fds)
{
    enum { LISTENING = MOST, CONTROL };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e;
    size_t n = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    watch(epoll, listening, LISTENING);
    watch(epoll, control, CONTROL);
    while (epoll_wait(epoll, &e, 1, -1) == 1) {
        if (e.data.u64 == CONTROL) {
            fulfil(control, fds);
        } else if (e.data.u64 == LISTENING && n < MOST) {
            fds[n] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
            wire_write(fds[n], GREETING, strlen(GREETING));
            watch(epoll, fds[n], n);
            n++;
        } else if (e.data.u64 < n) {
            answer(fds[e.data.u64]);
        }
    }
    _exit(0);
}

/* In the abstract namespace, under a name that the kernel finds. */
static int listen_somewhere(char *address, size_t size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t n = sizeof(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name.sun_family)) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &n) < 0)
        die("listen", -errno);
    snprintf(address, size, "unix:@%.*s", (int)(n - offsetof(struct sockaddr_un, sun_path) - 1), name.sun_path + 1);
    return fd;
}

static void servers_start(struct many *m)
{
    int listening = listen_somewhere(m->address, sizeof(m->address)), control[2];
    int *fds = calloc(MOST, sizeof(*fds));

    if (!fds)
        die("calloc", -ENOMEM);
    wire_pair(control);
    m->pid = fork();
    check("fork", m->pid < 0 ? -errno : 0);
    if (m->pid == 0)
        serve(listening, control[1], fds);
    free(fds);
    close(listening);
    close(control[1]);
    m->control = control[0];
}

static void send_events(const struct many *m, size_t connection, size_t events)
{
    struct order o = {connection, events};
    char done;

    if (send(m->control, &o, sizeof(o), MSG_NOSIGNAL) != (ssize_t)sizeof(o) || recv(m->control, &done, 1, 0) != 1)
        die("the servers", -ECONNRESET);
}

/* ---- the clients ---- */

static double heap_used(void)
{
    struct mallinfo2 m = mallinfo2();

    return (double)(m.uordblks + m.hblkhd);
}

static void on_event(qmp_listener *l, qmp_message *event, void *heard)
{
    (void)l;
    qmp_message_unref(event);
    ++*(size_t *)heard;
}

static void many_start(struct many *m, size_t n)
{
    double before;

    *m = (struct many){.n = n, .clients = calloc(n, sizeof(qmp_client *))};
    if (!m->clients)
        die("calloc", -ENOMEM);
    servers_start(m);
    before = heap_used();
    for (size_t i = 0; i < n; i++) {
        check("qmp_client_new", qmp_client_new(&m->clients[i]));
        check("qmp_client_connect", qmp_client_connect(m->clients[i], m->address));
        check("qmp_client_wait_running", qmp_client_wait_running(m->clients[i], WAIT));
    }
    m->idle = (heap_used() - before) / (double)n;
    check("loop_new", loop_new(&m->loop, NULL));
    m->floor = epoll_create1(EPOLL_CLOEXEC);
    check("epoll_create1", m->floor < 0 ? -errno : 0);
    for (size_t i = 0; i < n; i++) {
        qmp_listener_set_handler(qmp_client_events(m->clients[i]), on_event, &m->heard);
        check("loop_add", loop_add(m->loop, m->clients[i], NULL));
        watch(m->floor, qmp_client_get_fd(m->clients[i]), i);
    }
}

static void many_end(struct many *m)
{
    close(m->floor);
    for (size_t i = 0; i < m->n; i++)
        qmp_client_unref(m->clients[i]);
    loop_free(m->loop);
    free(m->clients);
    kill(m->pid, SIGKILL);
    waitpid(m->pid, NULL, 0);
    close(m->control);
}

/* ---- ours ---- */

static void hear(struct many *m, size_t n)
{
    uint64_t deadline = loop_now() + WAIT;

    while (m->heard < n) {
        check("epoll_wait", loop_turn(m->loop, deadline));
        if (loop_now() >= deadline)
            die("waiting for a server", -ETIMEDOUT);
    }
}

static void on_answer(qmp_pending *p, int error, qmp_message *reply, void *heard)
{
    (void)p;
    (void)reply;
    check("query-status", error);
    ++*(size_t *)heard;
}

static double ours(void *task)
{
    struct task *t = task;
    struct many *m = t->many;
    size_t events = t->work == EVENT_BURST ? BURST : 1;
    uint64_t taken = 0, start;

    loop_turn(m->loop, 0);
    for (unsigned i = 0; i < UNITS; i++) {
        m->heard = 0;
        if (t->work != TRIP)
            send_events(m, t->next, events);
        start = cpu_ns();
        if (t->work == TRIP)
            check("qmp_client_execute_async", qmp_client_execute_async(m->clients[t->next], "query-status", NULL,
                                                  on_answer, &m->heard, /* ret= */ NULL));
        hear(m, events);
        taken += cpu_ns() - start;
        t->next = (t->next + 1) % m->n;
    }
    return (double)taken / (double)(UNITS * events);
}

/* ---- the floor ---- */

static void bare_read(const struct many *m, size_t size, bool to_the_end)
{
    static char buffer[65536];
    struct epoll_event e;
    ssize_t n;

    while (size > 0) {
        if (epoll_wait(m->floor, &e, 1, (int)(WAIT / QMP_MILLISECOND)) != 1)
            die("waiting for a server", -ETIMEDOUT);
        n = recv(qmp_client_get_fd(m->clients[e.data.u64]), buffer, sizeof(buffer), MSG_DONTWAIT);
        if (n <= 0)
            die("recv", n < 0 ? -errno : -ECONNRESET);
        size -= (size_t)n < size ? (size_t)n : size;
        if (to_the_end && buffer[n - 1] == '\n')
            break;
    }
}

static double bare(void *task)
{
    struct task *t = task;
    struct many *m = t->many;
    size_t events = t->work == EVENT_BURST ? BURST : 1;
    uint64_t taken = 0, start;
    struct epoll_event e;

    epoll_wait(m->floor, &e, 1, 0);
    for (unsigned i = 0; i < UNITS; i++) {
        if (t->work != TRIP)
            send_events(m, t->next, events);
        start = cpu_ns();
        if (t->work == TRIP)
            wire_write(qmp_client_get_fd(m->clients[t->next]), REQUEST, strlen(REQUEST));
        bare_read(m, t->work == TRIP ? SIZE_MAX : events * EVENT_SIZE, t->work == TRIP);
        taken += cpu_ns() - start;
        t->next = (t->next + 1) % m->n;
    }
    return (double)taken / (double)(UNITS * events);
}

/* ---- rows ---- */

/* Each connection has done everything once: what comes first costs its allocations, too. */
static void warm(struct many *m)
{
    for (enum work w = 0; w < N_WORKS; w++) {
        struct task t = {.many = m, .work = w};

        for (size_t i = 0; i < m->n; i += UNITS)
            ours(&t);
    }
}

/* As many descriptors as this process may have; how many connections that makes. */
static size_t most_connections(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < MOST + RESERVE) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= MOST + RESERVE)
        return MOST;
    return limit.rlim_cur > RESERVE ? (size_t)limit.rlim_cur - RESERVE : 1;
}

static const struct {
    const char *name, *series;
} works[N_WORKS] = {
    [EVENT_SINGLE] = {"an event, alone", "connections-event"},
    [EVENT_BURST] = {"an event, of 64 at once", "connections-burst"},
    [TRIP] = {"a round trip", "connections-trip"},
};

/* So many, against the floor. */
static void against_floor(struct many *m, unsigned rounds)
{
    struct duel memory = {.ours = m->idle};
    char text[80];

    snprintf(text, sizeof(text), "%zu: heap of an idle one", m->n);
    table_row(text, cell_bytes(m->idle), cell_none(), cell_none(), goal_bytes_at_most(m->idle, 2048, ""));
    table_point("connections-heap", (double)m->n, memory);
    warm(m);
    for (enum work w = 0; w < N_WORKS; w++) {
        /* Half a circle apart: neither finds warm what the other one has just used. */
        struct task a = {.many = m, .work = w}, b = {.many = m, .work = w, .next = m->n / 2};
        struct duel d = duel(rounds, (struct contestant){ours, &a}, (struct contestant){bare, &b});

        snprintf(text, sizeof(text), "%zu: %s", m->n, works[w].name);
        table_duel(text, d, goal_none());
        table_point(works[w].series, (double)m->n, d);
    }
}

/* So many against one. */
static void against_one(struct many *m, struct many *one, unsigned rounds)
{
    char text[80];

    for (enum work w = 0; w < N_WORKS; w++) {
        struct task a = {.many = m, .work = w}, b = {.many = one, .work = w};
        struct duel d = duel(rounds, (struct contestant){ours, &a}, (struct contestant){ours, &b});

        snprintf(text, sizeof(text), "%s, %zu connections against 1", works[w].name, m->n);
        table_duel(text, d, w == TRIP ? goal_none() : goal_times_at_most(d.ratio, 1.20));
        a.next = b.next = 0;
        d = duel(rounds, (struct contestant){bare, &a}, (struct contestant){bare, &b});
        table_duel("  the system calls alone", d, goal_none());
    }
}

void bench_many(const struct options *o)
{
    static const size_t counts[] = {1, 10, 100, 1000, MOST};
    unsigned rounds = o->quick ? 10 : 100;
    size_t most = most_connections();
    static struct many m, one;

    one_processor(true);
    /* Before there are many: whoever forks pays for the next write to each of his pages. */
    many_start(&one, 1);
    table_title("connections in one loop, processor time (floor: epoll and reads on as many bare sockets)");
    for (size_t i = 0; i < ELEMENTS(counts); i++) {
        if (counts[i] > most)
            table_note("this process may not open more descriptors");
        many_start(&m, counts[i] < most ? counts[i] : most);
        against_floor(&m, rounds);
        if (i + 1 < ELEMENTS(counts) && counts[i] < most) {
            many_end(&m);
            continue;
        }
        break;
    }
    table_title("the most connections against one");
    against_one(&m, &one, rounds);
    many_end(&one);
    many_end(&m);
    one_processor(false);
}
