/* SPDX-License-Identifier: MIT */
/* A thousand clients on one loop, in one thread: what the others cost one of them.
 *
 * A client asks, and the loop goes around until its answer is there; then the next client asks. So each latency is that
 * of one round trip while all others are served as their servers please. "Without" and "with" troublemakers take turns:
 * each troublemaker is a process of its own, and rests by being stopped. What is measured is the client's loop, not how
 * a server divides its own time; but all share the machine's processors, and on a small one that shows, too.
 *
 * It refuses to check what arrives: test/fleet does. */

#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../test/fleet/crowd.h"
#include "../test/fleet/loop.h"
#include "measure.h"
#include "wire.h"

#define FLEET ((size_t)1000)
#define TRIPS 100u /* to a round */
#define ROUNDS_MAX 100u
#define WAIT (20 * QMP_SECOND)
/* The client of the server that is stopped asks again and again, with this timeout. */
#define PATIENCE (2 * QMP_MILLISECOND)
/* The client of the one that dies connects again after this, or less. */
#define RETURN_DELAY QMP_MILLISECOND

enum { FLOODS, DRIBBLES, DIES, STOPPED, N_TROUBLES };

struct fleet {
    struct loop *loop;
    qmp_client *clients[FLEET];
    size_t n, taking_part, next; /* those of the clients that ask, and the one whose turn it is */
    struct crowd crowd;
    struct qemu qemu;
    bool has_qemu; /* then it serves the last client */
    bool answered;
};

/* One server and its client. */
struct trouble {
    qmp_client *client;
    struct crowd crowd;
    struct qemu qemu;
    bool has_qemu; /* instead of the crowd */
    bool on, asked;
};

static void check(const char *what, int r)
{
    if (r < 0)
        die(what, r);
}

/* ---- the healthy ---- */

static qmp_client *new_client(struct loop *l)
{
    qmp_client *c = NULL;

    check("qmp_client_new", qmp_client_new(&c));
    qmp_listener_set_limits(qmp_client_events(c), 0, 0);
    check("loop_add", loop_add(l, c, NULL));
    return c;
}

static void turn(struct loop *l, uint64_t deadline)
{
    check("epoll_wait", loop_turn(l, deadline));
    if (loop_now() >= deadline)
        die("waiting for a server", -ETIMEDOUT);
}

static void wait_running(struct loop *l, qmp_client *c)
{
    uint64_t deadline = loop_now() + WAIT;

    while (qmp_client_runstate(c) != QMP_RUNNING)
        turn(l, deadline);
}

static void fleet_start(struct fleet *f, size_t n, bool with_qemu)
{
    static const enum crowd_habit serving[FLEET] = {CROWD_SERVES};
    int fds[FLEET];

    *f = (struct fleet){.n = n, .taking_part = n};
    check("loop_new", loop_new(&f->loop, NULL));
    f->has_qemu = with_qemu && qemu_start(&f->qemu);
    check("crowd_start", crowd_start(&f->crowd, serving, n, fds));
    for (size_t i = 0; i < n; i++) {
        f->clients[i] = new_client(f->loop);
        if (i + 1 == n && f->has_qemu) {
            close(fds[i]);
            check("qmp_client_connect", qmp_client_connect(f->clients[i], f->qemu.socket));
        } else {
            check("qmp_client_connect_fd", qmp_client_connect_fd(f->clients[i], fds[i]));
        }
    }
    for (size_t i = 0; i < n; i++)
        wait_running(f->loop, f->clients[i]);
}

static void fleet_end(struct fleet *f)
{
    for (size_t i = 0; i < f->n; i++)
        qmp_client_unref(f->clients[i]);
    crowd_end(&f->crowd);
    if (f->has_qemu)
        qemu_stop(&f->qemu);
    loop_free(f->loop);
}

static void on_answer(qmp_pending *p, int error, qmp_message *reply, void *answered)
{
    (void)p;
    (void)reply;
    check("a healthy client's command", error);
    *(bool *)answered = true;
}

static void trip(struct fleet *f)
{
    uint64_t deadline = loop_now() + WAIT;
    qmp_client *c = f->clients[f->next];

    f->next = (f->next + 1) % f->taking_part;
    f->answered = false;
    check("qmp_client_execute_async",
        qmp_client_execute_async(c, "query-status", NULL, on_answer, &f->answered, /* ret= */ NULL));
    while (!f->answered)
        turn(f->loop, deadline);
}

/* ---- the troublemakers ---- */

static void ask(struct trouble *t);

static void on_reply(qmp_pending *p, int error, qmp_message *reply, void *trouble)
{
    struct trouble *t = trouble;

    (void)p;
    (void)error;
    (void)reply;
    t->asked = false;
    ask(t);
}

/* For ever: one after the other, whatever becomes of it. */
static void ask(struct trouble *t)
{
    struct qmp_request request = QMP_REQUEST_INIT;

    request.command = "query-status";
    request.timeout = PATIENCE;
    if (!t->on || t->asked || qmp_client_runstate(t->client) != QMP_RUNNING)
        return;
    check("qmp_client_send_full", qmp_client_send_full(t->client, &request, on_reply, t, /* ret= */ NULL));
    t->asked = true;
}

static void on_state(qmp_client *c, enum qmp_runstate state, void *trouble)
{
    (void)c;
    if (state == QMP_RUNNING)
        ask(trouble);
}

/* The server that is stopped is a real QEMU, where one is installed. */
static void start_stopped(struct trouble *t, struct loop *l)
{
    check("qmp_client_connect", qmp_client_connect(t->client, t->qemu.socket));
    wait_running(l, t->client);
    kill(t->qemu.pid, SIGSTOP);
}

/* Dies at its other address; what it was given is not used. */
static void start_dying(struct trouble *t)
{
    struct qmp_reconnect again = QMP_RECONNECT_INIT;

    again.delay_min = again.delay_max = RETURN_DELAY;
    check("qmp_client_set_reconnect", qmp_client_set_reconnect(t->client, &again));
    qmp_client_set_runstate_handler(t->client, on_state, t);
    check("qmp_client_connect", qmp_client_connect(t->client, t->crowd.address));
}

static void trouble_start(struct trouble *t, struct loop *l, unsigned kind)
{
    static const enum crowd_habit habits[N_TROUBLES] = {
        [FLOODS] = CROWD_FLOODS, [DRIBBLES] = CROWD_DRIBBLES, [DIES] = CROWD_SERVES, [STOPPED] = CROWD_SERVES};
    int fd;

    *t = (struct trouble){.client = new_client(l)};
    t->has_qemu = kind == STOPPED && qemu_start(&t->qemu);
    if (t->has_qemu) {
        start_stopped(t, l);
        return;
    }
    check("crowd_start", crowd_start(&t->crowd, &habits[kind], 1, &fd));
    if (kind == DIES) {
        close(fd);
        start_dying(t);
    } else {
        check("qmp_client_connect_fd", qmp_client_connect_fd(t->client, fd));
    }
    wait_running(l, t->client);
    crowd_freeze(&t->crowd);
}

/* The one that is stopped stays so: what changes is that somebody asks it. */
static void trouble_set(struct trouble *t, unsigned kind, bool on)
{
    t->on = on;
    if (kind == STOPPED || (kind == DIES && on))
        ask(t);
    if (kind == STOPPED)
        return;
    if (on)
        crowd_thaw(&t->crowd);
    else
        crowd_freeze(&t->crowd);
}

static void trouble_end(struct trouble *t)
{
    t->on = false;
    qmp_client_unref(t->client);
    if (t->has_qemu)
        qemu_stop(&t->qemu);
    else
        crowd_end(&t->crowd);
}

/* ---- latencies ---- */

struct latencies {
    double ns[ROUNDS_MAX * TRIPS];
    size_t n;
};

static void sample(struct fleet *f, struct latencies *l)
{
    trip(f);
    for (unsigned i = 0; i < TRIPS; i++) {
        uint64_t start = wall_ns();

        trip(f);
        l->ns[l->n++] = (double)(wall_ns() - start);
    }
}

static void row(const char *measure, double with, double without)
{
    table_row(measure, cell_time(with), cell_time(without), cell_times(with / without), goal_none());
}

/* A set of troublemakers against none. */
static void compare(struct fleet *f, struct trouble *troubles, const char *name, unsigned set, unsigned rounds)
{
    static struct latencies with, without;
    char text[80];

    with.n = without.n = 0;
    for (unsigned i = 0; i < rounds; i++) {
        sample(f, &without);
        for (unsigned k = 0; k < N_TROUBLES; k++)
            if (set & 1u << k)
                trouble_set(&troubles[k], k, true);
        sample(f, &with);
        for (unsigned k = 0; k < N_TROUBLES; k++)
            if (set & 1u << k)
                trouble_set(&troubles[k], k, false);
    }
    snprintf(text, sizeof(text), "%s: median", name);
    row(text, median(with.ns, with.n), median(without.ns, without.n));
    /* In order, now. */
    row("  99 of 100 are faster than", with.ns[with.n * 99 / 100], without.ns[without.n * 99 / 100]);
    row("  the worst", with.ns[with.n - 1], without.ns[without.n - 1]);
}

static void latencies(struct fleet *f, unsigned rounds)
{
    static const struct {
        const char *name;
        unsigned set;
    } plans[] = {
        {"one server floods events", 1u << FLOODS},
        {"one server sends byte by byte", 1u << DRIBBLES},
        {"one server dies again and again", 1u << DIES},
        {"one server is stopped, its commands time out", 1u << STOPPED},
        {"all four of them", (1u << N_TROUBLES) - 1},
    };
    struct trouble troubles[N_TROUBLES];

    for (unsigned k = 0; k < N_TROUBLES; k++)
        trouble_start(&troubles[k], f->loop, k);
    table_title("a round trip of one client of 1000 on a loop, wall time (floor: the same without troublemakers)");
    if (!f->has_qemu)
        table_note("no qemu-system-x86_64: all servers are scripted");
    for (size_t i = 0; i < ELEMENTS(plans); i++)
        compare(f, troubles, plans[i].name, plans[i].set, rounds);
    for (unsigned k = 0; k < N_TROUBLES; k++)
        trouble_end(&troubles[k]);
}

/* ---- processor time ---- */

static double trips(void *fleet)
{
    struct fleet *f = fleet;
    uint64_t start = cpu_ns();

    for (unsigned i = 0; i < TRIPS; i++)
        trip(f);
    return (double)(cpu_ns() - start) / TRIPS;
}

/* All on one processor: where the scheduler puts the servers would change more than the clients do. */
static void costs(struct fleet *f, unsigned rounds)
{
    static struct fleet alone;
    struct duel d;

    one_processor(true);
    fleet_start(f, FLEET, /* with_qemu= */ false);
    fleet_start(&alone, 1, /* with_qemu= */ false);
    table_title("processor time of a round trip on a loop of 1000 clients (floor: one client, alone on its loop)");
    f->taking_part = 1;
    d = duel(rounds, (struct contestant){trips, f}, (struct contestant){trips, &alone});
    table_duel("always the same client, 999 idle", d, goal_none());
    f->taking_part = f->n;
    d = duel(rounds, (struct contestant){trips, f}, (struct contestant){trips, &alone});
    table_duel("one client after the other", d, goal_none());
    fleet_end(&alone);
    fleet_end(f);
    one_processor(false);
}

void bench_fleet(const struct options *o)
{
    static struct fleet f;

    if (!crowd_fits(FLEET + 2 * N_TROUBLES)) {
        table_title("a fleet of 1000 clients on a loop");
        table_skipped("round trips", "this process may not open enough descriptors");
        return;
    }
    costs(&f, o->quick ? 50 : 500);
    fleet_start(&f, FLEET, /* with_qemu= */ true);
    latencies(&f, o->quick ? 10 : ROUNDS_MAX);
    fleet_end(&f);
}
