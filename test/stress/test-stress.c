/* SPDX-License-Identifier: MIT */
/* Many threads do everything at once on a client that the library's thread drives, while its connection dies and comes
 * back, by the server, by a network that breaks, and by disconnecting.
 *
 * What holds whatever the threads do: each command completes exactly once, with what was asked for or with a reason
 * that can be; no two callbacks run at once; an event that the server wrote before an answer has been heard when that
 * is there; each listener hears each event exactly once, over all who take from it, each of them in order, and what is
 * missing was dropped, and counted, or lay at the end of a connection that the client itself cut; and all of it ends.
 *
 * The work is bounded, not the time; the seed decides what is done, and is printed by a failure. */

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "relay.h"
#include "server.h"
#include "watchdog.h"

#define ASKERS 3u
#define GETTERS 2u
#define COMMANDS 1200u /* of each asker */
#define QUEUE_MAX 8u
#define CUTS 12u
#define CHURNS 300u

static const struct qmp_reconnect soon = {sizeof(struct qmp_reconnect), QMP_MILLISECOND, 10 * QMP_MILLISECOND, 0, true};

struct command {
    unsigned calls; /* of the callback; atomic, as the error */
    int error;
    bool sent;
};

/* Which events one taker has got: `last` tells whether they came in order. */
struct taken {
    uint64_t last, n;
};

/* What all takers of one listener have got. */
struct heard {
    uint64_t n;    /* atomic */
    uint8_t *seen; /* atomic: how often, by number */
};

struct stress {
    qmp_client *client;
    char path[108];
    uint64_t seed;
    struct server *server;
    unsigned complaints; /* atomic */
    bool over;           /* atomic: no more commands will come */
    bool ended;          /* atomic: no more events */
    bool inside;         /* atomic: a callback runs */
    uint64_t filtered;   /* atomic: the latest event that a filter has seen */
    unsigned done;       /* atomic: commands that executed */
    qmp_listener *all, *few, *handled;
    struct taken handler;
    struct heard by_all, by_few, by_handled;
    struct command commands[ASKERS][COMMANDS];
};

struct actor {
    struct stress *s;
    unsigned number;
    uint64_t random;
    pthread_t thread;
    qmp_listener *listener;
    struct heard *heard;
};

/* No thread but the test's may fail it. */
#define EXPECT(s, condition) expect((s), (condition), #condition, __LINE__)
static bool expect(struct stress *s, bool condition, const char *what, int line)
{
    if (!condition && __atomic_fetch_add(&s->complaints, 1, __ATOMIC_RELAXED) < 10)
        fprintf(stderr, "seed %llu, line %d: not so: %s\n", (unsigned long long)s->seed, line, what);
    return condition;
}

static unsigned below(struct actor *a, unsigned n)
{
    a->random ^= a->random << 13;
    a->random ^= a->random >> 7;
    a->random ^= a->random << 17;
    return (unsigned)((a->random >> 16) % n);
}

static bool is_set(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set(bool *flag)
{
    __atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

/* ---- events ---- */

/* The server's own number; from a QEMU, the time. */
static uint64_t number_of(struct stress *s, const qmp_message *event)
{
    int64_t time = 0;
    uint64_t n = 0;

    if (!s->server && qmp_event_timestamp(event, &time) == 0)
        return (uint64_t)time;
    qmp_value_uint64(qmp_value_member(qmp_event_data(event), "n"), &n);
    return n;
}

static void take(struct stress *s, struct taken *t, struct heard *heard, const qmp_message *event)
{
    uint64_t n = number_of(s, event);

    EXPECT(s, s->server ? n > t->last : n >= t->last);
    t->last = n;
    t->n++;
    if (heard)
        __atomic_fetch_add(&heard->n, 1, __ATOMIC_RELAXED);
    if (heard && s->server && EXPECT(s, n < SERVER_EVENTS_MAX))
        EXPECT(s, __atomic_fetch_add(&heard->seen[n], 1, __ATOMIC_RELAXED) == 0);
}

static void enter(struct stress *s)
{
    EXPECT(s, !__atomic_exchange_n(&s->inside, true, __ATOMIC_ACQ_REL));
}

static void leave(struct stress *s)
{
    __atomic_store_n(&s->inside, false, __ATOMIC_RELEASE);
}

static bool on_filter(const qmp_message *event, void *stress)
{
    struct stress *s = stress;

    enter(s);
    __atomic_store_n(&s->filtered, number_of(s, event), __ATOMIC_RELEASE);
    leave(s);
    return true;
}

static void on_event(qmp_listener *l, qmp_message *event, void *stress)
{
    struct stress *s = stress;

    (void)l;
    enter(s);
    take(s, &s->handler, &s->by_handled, event);
    leave(s);
}

static void *get(void *actor)
{
    struct actor *a = actor;
    struct taken taken = {0};
    int r = 0;

    while (r != -ENOTCONN || !is_set(&a->s->ended)) {
        qmp_message *event = NULL;

        watchdog_doing("get");
        r = qmp_listener_get(a->listener, below(a, 4) * QMP_MILLISECOND, &event);
        if (r == 0)
            take(a->s, &taken, a->heard, event);
        else
            EXPECT(a->s, r == -EAGAIN || r == -ETIMEDOUT || r == -ESTALE || r == -ENOBUFS || r == -ENOTCONN);
        if (r == -ENOTCONN)
            sched_yield();
        qmp_message_unref(event);
    }
    watchdog_doing(NULL);
    return NULL;
}

static void rising(struct stress *s, struct taken *t, qmp_message **messages, size_t n)
{
    for (size_t i = 0; i < n; i++)
        take(s, t, NULL, messages[i]);
    qmp_message_unref_many(messages, n);
}

/* Listeners that come and go. */
static void *churn(void *actor)
{
    struct actor *a = actor;
    struct stress *s = a->s;

    for (unsigned i = 0; i < CHURNS; i++) {
        struct taken taken = {0}, past = {0};
        qmp_message **messages = NULL, *event = NULL;
        qmp_listener *l = NULL;
        size_t n = 0;

        watchdog_doing("register, get, clear, history and remove");
        if (!EXPECT(s, qmp_listener_new(&l, NULL) == 0))
            break;
        if (i % 3 == 0)
            qmp_listener_set_filter(l, on_filter, s);
        EXPECT(s, qmp_client_register_listener(s->client, l) == 0);
        for (unsigned j = below(a, 5); j > 0; j--) {
            if (qmp_listener_get(l, QMP_MILLISECOND, &event) == 0) {
                take(s, &taken, NULL, event);
                event = qmp_message_unref(event);
            }
        }
        EXPECT(s, qmp_listener_clear(l, &messages, &n) == 0);
        rising(s, &taken, messages, n);
        sched_yield();
        EXPECT(s, qmp_listener_clear(l, &messages, &n) == 0);
        rising(s, &taken, messages, n);
        EXPECT(s, qmp_listener_history(l, &messages, &n) == 0);
        EXPECT(s, n >= taken.n);
        rising(s, &past, messages, n);
        EXPECT(s, qmp_client_remove_listener(s->client, l) == 0);
        EXPECT(s, qmp_listener_get(l, 0, &event) == -ENOTCONN);
        qmp_listener_unref(l);
    }
    watchdog_doing(NULL);
    return NULL;
}

/* ---- commands ---- */

static void on_reply(qmp_pending *p, int error, qmp_message *reply, void *command)
{
    struct command *c = command;

    (void)p;
    (void)reply;
    __atomic_fetch_add(&c->calls, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&c->error, error, __ATOMIC_RELEASE);
}

static bool may_end_with(int r)
{
    return r == 0 || r == -EREMOTEIO || r == -ETIMEDOUT || r == -ECONNRESET || r == -ECANCELED;
}

/* What a wait came to: the same each time, and the right answer. */
static void check_answer(struct stress *s, int r, const char *name, qmp_message *reply)
{
    uint64_t n = 0;

    EXPECT(s, may_end_with(r) || r == -ENOTCONN);
    if (r != 0 || !s->server)
        return;
    EXPECT(s, qmp_value_equals(qmp_value_member(qmp_reply_value(reply), "name"), name));
    qmp_value_uint64(qmp_value_member(qmp_reply_value(reply), "n"), &n);
    EXPECT(s, n == 0 || __atomic_load_n(&s->filtered, __ATOMIC_ACQUIRE) >= n);
    __atomic_fetch_add(&s->done, 1, __ATOMIC_RELAXED);
}

static int execute(struct actor *a, const char *name, uint64_t timeout)
{
    qmp_message *reply = NULL;
    int r;

    watchdog_doing("execute");
    r = qmp_client_execute(a->s->client, name, NULL, timeout, &reply, NULL);
    check_answer(a->s, r, name, reply);
    qmp_message_unref(reply);
    return r;
}

static int send_async(struct actor *a, struct command *c, const char *name, qmp_pending **ret)
{
    int r;

    watchdog_doing("execute_async");
    r = qmp_client_execute_async(a->s->client, name, NULL, on_reply, c, ret);
    EXPECT(a->s, r == 0 || r == -ENOTCONN || r == -ENOBUFS);
    c->sent = r == 0;
    return r;
}

/* Waits twice, the second time for what is known. */
static void wait_for(struct actor *a, qmp_pending *p, const char *name, uint64_t timeout)
{
    qmp_message *reply = NULL;
    int r, again;

    watchdog_doing("wait");
    r = qmp_pending_wait(p, timeout, &reply, NULL);
    if (r == -ETIMEDOUT)
        return;
    check_answer(a->s, r, name, reply);
    again = qmp_pending_wait(p, 0, NULL, NULL);
    EXPECT(a->s, again == r);
    qmp_message_unref(reply);
}

static int one_command(struct actor *a, struct command *c, const char *echo, const char *any)
{
    qmp_pending *p = NULL;
    int r = 0;

    switch (below(a, 8)) {
    case 0:
    case 1:
        return execute(a, echo, CHECK_WAIT);
    case 2:
        return execute(a, any, QMP_MILLISECOND);
    case 3:
        return send_async(a, c, any, NULL);
    case 4:
        r = send_async(a, c, any, &p);
        if (r == 0)
            wait_for(a, p, any, 100);
        watchdog_doing("cancel");
        if (r == 0)
            qmp_pending_cancel(p);
        break;
    case 5:
        r = send_async(a, c, any, &p);
        break;
    default:
        r = send_async(a, c, echo, &p);
        if (r == 0)
            wait_for(a, p, echo, CHECK_WAIT);
        break;
    }
    qmp_pending_unref(p);
    return r;
}

/* Until there is a connection: it may be between an end and the next connect. */
static void await_running(struct stress *s)
{
    watchdog_doing("wait_running");
    while (qmp_client_wait_running(s->client, QMP_MILLISECOND) == -ENOTCONN)
        usleep(200);
}

static void *ask_often(void *actor)
{
    struct actor *a = actor;

    for (unsigned i = 0; i < COMMANDS; i++) {
        char echo[64], mute[64];

        snprintf(echo, sizeof(echo), "echo-%u-%u", a->number, i);
        snprintf(mute, sizeof(mute), "mute-%u-%u", a->number, i);
        while (one_command(a, &a->s->commands[a->number][i], echo, below(a, 6) == 0 && a->s->server ? mute : echo) ==
               -ENOTCONN)
            await_running(a->s);
    }
    watchdog_doing(NULL);
    return NULL;
}

/* Disconnects, and connects again, when another few connections have ended. */
static void *cut(void *actor)
{
    struct actor *a = actor;
    struct stress *s = a->s;

    for (unsigned i = 0; i < CUTS; i++) {
        unsigned until = server_count(s->server) + 1 + below(a, 3);

        watchdog_doing("waiting to disconnect");
        while (server_count(s->server) < until && !is_set(&s->over))
            usleep(200);
        server_cut_begin(s->server);
        watchdog_doing("disconnect");
        EXPECT(s, qmp_client_disconnect(s->client) == 0);
        EXPECT(s, qmp_client_runstate(s->client) == QMP_IDLE);
        server_cut_end(s->server);
        watchdog_doing("connect");
        EXPECT(s, qmp_client_connect(s->client, s->path) == 0);
    }
    watchdog_doing(NULL);
    return NULL;
}

/* ---- the tests ---- */

static void actor_start(struct actor *a, struct stress *s, unsigned number, void *(*run)(void *actor))
{
    a->s = s;
    a->number = number;
    a->random = s->seed * 1000 + number + 1;
    assert_int_equal(pthread_create(&a->thread, NULL, run, a), 0);
}

static void getter_start(struct actor *a, struct stress *s, unsigned number, qmp_listener *l, struct heard *heard)
{
    a->listener = l;
    a->heard = heard;
    actor_start(a, s, number, get);
}

static struct stress *stress_new(uint64_t seed)
{
    struct stress *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->seed = seed;
    s->by_all.seen = calloc(3, SERVER_EVENTS_MAX);
    assert_non_null(s->by_all.seen);
    s->by_few.seen = s->by_all.seen + SERVER_EVENTS_MAX;
    s->by_handled.seen = s->by_few.seen + SERVER_EVENTS_MAX;
    assert_ok(qmp_client_new(&s->client));
    assert_ok(qmp_client_start_thread(s->client));
    assert_ok(qmp_client_set_reconnect(s->client, &soon));
    assert_ok(qmp_listener_new(&s->all, NULL));
    assert_ok(qmp_listener_new(&s->few, NULL));
    assert_ok(qmp_listener_new(&s->handled, NULL));
    assert_ok(qmp_listener_set_limits(s->few, QUEUE_MAX, 0));
    assert_ok(qmp_listener_set_filter(s->handled, on_filter, s));
    assert_ok(qmp_listener_set_handler(s->handled, on_event, s));
    assert_ok(qmp_client_register_listener(s->client, s->handled));
    assert_ok(qmp_client_register_listener(s->client, s->all));
    assert_ok(qmp_client_register_listener(s->client, s->few));
    watchdog_start();
    return s;
}

static void stress_free(struct stress *s)
{
    qmp_listener_unref(s->all);
    qmp_listener_unref(s->few);
    qmp_listener_unref(s->handled);
    free(s->by_all.seen);
    free(s);
}

/* What must come out, once the client is gone. */
static void check_books(struct stress *s)
{
    for (unsigned i = 0; i < ASKERS; i++) {
        for (unsigned j = 0; j < COMMANDS; j++) {
            struct command *c = &s->commands[i][j];

            EXPECT(s, c->calls == c->sent);
            EXPECT(s, !c->sent || may_end_with(c->error));
        }
    }
    EXPECT(s, memcmp(s->by_all.seen, s->by_handled.seen, SERVER_EVENTS_MAX) == 0);
    EXPECT(s, s->by_all.n == s->by_handled.n);
    EXPECT(s, s->by_few.n + qmp_listener_dropped(s->few) == s->by_handled.n);
    EXPECT(s, s->by_handled.n > 0);
}

static void check_connection(struct stress *s, const struct server_connection *c)
{
    bool missing = false;

    for (uint64_t n = c->first; n < c->end; n++) {
        if (s->by_all.seen[n])
            EXPECT(s, !missing);
        else
            missing = true;
    }
    EXPECT(s, !missing || c->cut);
}

static void play(uint64_t seed)
{
    struct stress *s = stress_new(seed);
    struct actor askers[ASKERS] = {0}, getters[2 * GETTERS] = {0}, churner = {0}, cutter = {0}, last = {.s = s};
    const struct server_connection *connections;
    size_t n;

    snprintf(s->path, sizeof(s->path), "%s", check_path("stress.qmp"));
    s->server = server_start(s->path, seed);
    assert_ok(qmp_client_connect(s->client, s->path));
    for (unsigned i = 0; i < 2 * GETTERS; i++)
        getter_start(&getters[i], s, 10 + i, i % 2 ? s->few : s->all, i % 2 ? &s->by_few : &s->by_all);
    for (unsigned i = 0; i < ASKERS; i++)
        actor_start(&askers[i], s, i, ask_often);
    actor_start(&churner, s, 20, churn);
    actor_start(&cutter, s, 30, cut);
    for (unsigned i = 0; i < ASKERS; i++)
        pthread_join(askers[i].thread, NULL);
    pthread_join(churner.thread, NULL);
    set(&s->over);
    pthread_join(cutter.thread, NULL);
    while (execute(&last, "quit", CHECK_WAIT) != 0)
        await_running(s);
    assert_ok(qmp_client_disconnect(s->client));
    set(&s->ended);
    for (unsigned i = 0; i < 2 * GETTERS; i++)
        pthread_join(getters[i].thread, NULL);
    watchdog_doing("unref");
    qmp_client_unref(s->client);
    watchdog_doing(NULL);
    watchdog_stop();
    check_books(s);
    connections = server_join(s->server, &n);
    for (size_t i = 0; i < n; i++)
        check_connection(s, &connections[i]);
    EXPECT(s, s->done > 0 && n > 1);
    assert_int_equal(s->complaints, 0);
    server_free(s->server);
    stress_free(s);
}

static void test_a_server_that_dies(void)
{
    const char *seed = getenv("STRESS_SEED");

    for (uint64_t i = 1; i <= 2; i++)
        play(seed ? strtoull(seed, NULL, 10) : i);
}

static int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* Makes a QEMU stop and continue, which it tells by events. */
static void *toggle(void *actor)
{
    struct actor *a = actor;

    for (unsigned i = 0; i < COMMANDS / 4; i++) {
        if (execute(a, i % 2 ? "cont" : "stop", CHECK_WAIT) == -ENOTCONN)
            await_running(a->s);
    }
    watchdog_doing(NULL);
    return NULL;
}

static void test_a_network_that_breaks(void)
{
    const struct machine_options options = {.kind = MACHINE_NONE};
    struct machine *m = machine_start(&options);
    struct stress *s = stress_new(1);
    struct actor askers[ASKERS] = {0}, getters[2 * GETTERS] = {0}, churner = {0}, toggler = {0};
    const char *path = check_path("stress.qmp");
    struct relay *relay = relay_start(listen_on(path), machine_address(m, 0));

    assert_ok(qmp_client_connect(s->client, path));
    for (unsigned i = 0; i < 2 * GETTERS; i++)
        getter_start(&getters[i], s, 10 + i, i % 2 ? s->few : s->all, i % 2 ? &s->by_few : &s->by_all);
    for (unsigned i = 0; i < ASKERS; i++)
        actor_start(&askers[i], s, i, ask_often);
    actor_start(&churner, s, 20, churn);
    actor_start(&toggler, s, 30, toggle);
    for (unsigned i = 0; i < CUTS; i++) {
        unsigned connections = relay_count(relay);

        assert_ok(qmp_client_wait_running(s->client, CHECK_WAIT));
        relay_cut(relay);
        for (uint64_t until = check_deadline(CHECK_WAIT); relay_count(relay) == connections && check_now() < until;)
            usleep(500);
    }
    for (unsigned i = 0; i < ASKERS; i++)
        pthread_join(askers[i].thread, NULL);
    pthread_join(churner.thread, NULL);
    pthread_join(toggler.thread, NULL);
    assert_ok(qmp_client_disconnect(s->client));
    set(&s->ended);
    for (unsigned i = 0; i < 2 * GETTERS; i++)
        pthread_join(getters[i].thread, NULL);
    qmp_client_unref(s->client);
    watchdog_stop();
    relay_stop(relay);
    machine_stop(m);
    check_books(s);
    assert_int_equal(s->complaints, 0);
    stress_free(s);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_a_server_that_dies),
        CHECK_TEST(test_a_network_that_breaks),
    };

    return check_main(argc, argv, tests, ELEMENTS(tests));
}
