/* SPDX-License-Identifier: MIT */
/* The adapters: one set of tests, compiled once against each loop (LOOP says which).
 *
 * The test's thread runs the loop, and nobody else drives the client: whatever a test waits for comes about because the
 * adapter watches the right thing at the right time. A wake-up that is lost leaves the loop waiting for ever, and the
 * watchdog of check.c names the test.
 *
 * Callbacks only take notes, and do what the test is about; what they have noted is asserted when the loop has
 * returned.
 */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../qemu/machine.h"
#include "check.h"
#include "crowd.h"
#include "duo.h"
#include "loop.h"
#include "peer.h"

#define N_CROWD 1000u
#define N_TRIPS 3u
/* How late a deadline may be where nothing disturbs, and how often that is tried. */
#define LATE_MAX (50 * QMP_MILLISECOND)
#define LATE_TRIES_MIN 6u
#define LATE_TRIES_MAX 30u

static const struct loop_ops *const ops = &LOOP;

/* A client, and what its callbacks have noted. */
struct actor {
    qmp_client *client;
    unsigned n_running, n_idle, n_events;
    int running_fd; /* in the last of them */
    bool replied;
    int error;
    uint64_t replied_at;

    /* What a callback does once it has taken its note: all of it, or none. */
    bool free_in_reply, free_in_event, free_in_running, free_in_idle;
    struct actor *free_other;
    const char *connect_in_idle;
    struct loop *move_in_reply; /* to this loop */
    bool detach_in_reply;
};

static void actor_free(struct actor *a)
{
    a->client = qmp_client_unref(a->client);
}

static void on_state(qmp_client *c, enum qmp_runstate state, void *userdata)
{
    struct actor *a = userdata;

    if (state == QMP_RUNNING) {
        a->n_running++;
        a->running_fd = qmp_client_get_fd(c);
        if (a->free_in_running)
            actor_free(a);
    } else if (state == QMP_IDLE) {
        a->n_idle++;
        if (a->connect_in_idle)
            a->error = qmp_client_connect(c, a->connect_in_idle);
        if (a->free_in_idle)
            actor_free(a);
    }
}

static void on_event(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct actor *a = userdata;

    (void)l, (void)event;
    a->n_events++;
    if (a->free_other)
        actor_free(a->free_other);
    if (a->free_in_event)
        actor_free(a);
}

static void on_reply(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct actor *a = userdata;

    (void)p, (void)reply;
    a->replied = true;
    a->error = error;
    a->replied_at = check_now();
    if (a->detach_in_reply)
        qmp_client_set_watch(a->client, NULL, NULL, NULL);
    if (a->move_in_reply)
        ops->attach(a->move_in_reply, a->client);
    if (a->free_in_reply)
        actor_free(a);
}

static void actor_init(struct actor *a)
{
    memset(a, 0, sizeof(*a));
    assert_ok(qmp_client_new(&a->client));
    qmp_client_set_runstate_handler(a->client, on_state, a);
    qmp_listener_set_handler(qmp_client_events(a->client), on_event, a);
}

/* Everything up to RUNNING goes on in the loop. */
static struct peer *actor_connect(struct actor *a, struct loop *l)
{
    unsigned n_running = a->n_running;
    struct peer *peer;
    int fd;

    peer = peer_new_pair(&fd);
    peer_start(peer, PEER_NEGOTIATE);
    assert_ok(qmp_client_connect_fd(a->client, fd));
    while (a->n_running == n_running)
        ops->turn(l);
    peer_join(peer);
    return peer;
}

/* A new client in a loop, RUNNING, and its peer. */
static struct peer *actor_enter(struct actor *a, struct loop *l)
{
    actor_init(a);
    assert_ok(ops->attach(l, a->client));
    return actor_connect(a, l);
}

static void actor_send(struct actor *a, uint64_t timeout)
{
    struct qmp_request request = QMP_REQUEST_INIT;

    a->replied = false;
    request.command = "query-name";
    request.timeout = timeout;
    assert_ok(qmp_client_send_full(a->client, &request, on_reply, a, /* ret= */ NULL));
}

/* A round trip and an event show that a client is driven well. The peer waits for the command before it does anything
 * that could wake the loop. */
static void actor_works(struct actor *a, struct peer *peer, struct loop *l)
{
    unsigned n_events = a->n_events;

    peer_start(peer, PEER_EXPECT("query-name"), PEER_RETURN, PEER_EVENT("WORKS"));
    actor_send(a, /* timeout= */ 0);
    while (!a->replied || a->n_events == n_events)
        ops->turn(l);
    assert_int_equal(a->error, 0);
    peer_join(peer);
}

static void actor_leave(struct actor *a, struct peer *peer)
{
    actor_free(a);
    peer_free(peer);
}

/* Another client of the same loop works, and takes itself away again. */
static void others_work(struct loop *l)
{
    struct actor other;
    struct peer *peer = actor_enter(&other, l);

    actor_works(&other, peer, l);
    actor_leave(&other, peer);
}

/* ---- the plain case ---- */

static void test_round_trip(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    for (unsigned i = 0; i < 10; i++)
        actor_works(&a, peer, l);
    actor_leave(&a, peer);
    ops->destroy(l);
}

static void test_attached_while_running(void)
{
    struct loop *l = ops->create();
    struct duo d = duo_open();
    struct actor a = {.client = d.client};

    qmp_listener_set_handler(qmp_client_events(d.client), on_event, &a);
    assert_ok(ops->attach(l, d.client));
    actor_works(&a, d.peer, l);
    duo_close(&d);
    ops->destroy(l);
}

/* More than the socket takes: the loop has to wait until it can be written. */
static void test_large_command(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);
    size_t size = 3000000;
    char *arguments = malloc(size + 16);

    assert_non_null(arguments);
    snprintf(arguments, size, "{\"a\": \"");
    memset(arguments + 7, 'x', size);
    strcpy(arguments + 7 + size, "\"}");
    assert_ok(qmp_client_execute_async(a.client, "query-name", arguments, on_reply, &a, NULL));
    ops->poll(l);
    peer_start(peer, PEER_EXPECT("query-name"), PEER_RETURN);
    while (!a.replied)
        ops->turn(l);
    peer_join(peer);
    free(arguments);
    actor_works(&a, peer, l);
    actor_leave(&a, peer);
    ops->destroy(l);
}

/* ---- deadlines ---- */

/* Sends a command to a silent peer; returns how late its timeout was. */
static uint64_t time_out(struct actor *a, struct loop *l, uint64_t timeout)
{
    uint64_t start = check_now();

    actor_send(a, timeout);
    while (!a->replied)
        ops->turn(l);
    assert_int_equal(a->error, -ETIMEDOUT);
    assert_true(a->replied_at >= start + timeout);
    return a->replied_at - start - timeout;
}

/* Half of them, at least, come in time: load can spoil some, but not most. */
static void test_timeouts(void)
{
    struct loop *l = ops->create();
    unsigned n_in_time = 0, n = 0;
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    while (n < LATE_TRIES_MIN || (n < LATE_TRIES_MAX && n_in_time < n / 2)) {
        n++;
        if (time_out(&a, l, n * 5 * QMP_MILLISECOND) <= LATE_MAX)
            n_in_time++;
    }
    assert_true(n_in_time >= n / 2);
    actor_leave(&a, peer);
    ops->destroy(l);
}

/* Of several deadlines each is met, and not before its time, whether an earlier one comes after a later one or not. On
 * a busy machine several of them may have passed when the loop gets there. */
static void test_several_timeouts(void)
{
    static const unsigned msec[] = {60, 20, 40, 1};
    struct outcome outcomes[4] = {{0}};
    struct loop *l = ops->create();
    uint64_t start = check_now();
    unsigned n_done = 0;
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    for (unsigned i = 0; i < 4; i++) {
        struct qmp_request request = QMP_REQUEST_INIT;

        request.command = "query-name";
        request.timeout = msec[i] * QMP_MILLISECOND;
        assert_ok(qmp_client_send_full(a.client, &request, outcome_record, &outcomes[i], NULL));
    }
    while (n_done < 4) {
        ops->turn(l);
        n_done = outcomes[0].calls + outcomes[1].calls + outcomes[2].calls + outcomes[3].calls;
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_outcome(&outcomes[i], -ETIMEDOUT);
        assert_true(outcomes[i].at >= start + msec[i] * QMP_MILLISECOND);
    }
    actor_leave(&a, peer);
    ops->destroy(l);
}

static void test_connect_timeout(void)
{
    struct loop *l = ops->create();
    struct peer *peer;
    struct actor a;
    int fd;

    actor_init(&a);
    assert_ok(ops->attach(l, a.client));
    qmp_client_set_connect_timeout(a.client, 20 * QMP_MILLISECOND);
    peer = peer_new_pair(&fd);
    assert_ok(qmp_client_connect_fd(a.client, fd));
    while (a.n_idle == 0)
        ops->turn(l);
    assert_int_equal(qmp_client_failure_kind(a.client), QMP_FAILURE_GREETING);
    actor_leave(&a, peer);
    ops->destroy(l);
}

/* Giving up a command from outside is all that happens, and its callback runs. */
static void test_cancel(void)
{
    struct outcome o = {0};
    struct loop *l = ops->create();
    qmp_pending *p = NULL;
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    submit(a.client, "query-name", &o, &p);
    while (!peer_has_object(peer, /* timeout= */ 0))
        ops->turn(l);
    peer_do(peer, PEER_EXPECT("query-name"));
    ops->poll(l);
    assert_ok(qmp_pending_cancel(p));
    while (o.calls == 0)
        ops->turn(l);
    assert_outcome(&o, -ECANCELED);
    qmp_pending_unref(p);
    actor_works(&a, peer, l);
    actor_leave(&a, peer);
    ops->destroy(l);
}

/* The event is there already, and nothing else happens than that somebody wants to hear it. */
static void test_handler_from_outside(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    qmp_listener_set_handler(qmp_client_events(a.client), NULL, NULL);
    peer_do(peer, PEER_EVENT("EARLY"));
    while (qmp_listener_empty(qmp_client_events(a.client)))
        ops->turn(l);
    qmp_listener_set_handler(qmp_client_events(a.client), on_event, &a);
    while (a.n_events == 0)
        ops->turn(l);
    actor_leave(&a, peer);
    ops->destroy(l);
}

/* ---- freeing inside callbacks ---- */

static void test_free_in_reply(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    a.free_in_reply = true;
    peer_start(peer, PEER_EXPECT("query-name"), PEER_RETURN, PEER_EVENT("UNHEARD"));
    actor_send(&a, 0);
    while (!a.replied)
        ops->turn(l);
    assert_null(a.client);
    peer_free(peer);
    others_work(l);
    ops->destroy(l);
}

static void test_free_in_timeout(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    a.free_in_reply = true;
    actor_send(&a, QMP_MILLISECOND);
    while (!a.replied)
        ops->turn(l);
    assert_null(a.client);
    peer_free(peer);
    others_work(l);
    ops->destroy(l);
}

static void test_free_in_handler(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    a.free_in_event = true;
    peer_do(peer, PEER_EVENT("ONE"), PEER_EVENT("TWO"));
    while (a.client)
        ops->turn(l);
    assert_int_equal(a.n_events, 1);
    peer_free(peer);
    others_work(l);
    ops->destroy(l);
}

static void test_free_in_running(void)
{
    struct loop *l = ops->create();
    struct peer *peer;
    struct actor a;
    int fd;

    actor_init(&a);
    a.free_in_running = true;
    assert_ok(ops->attach(l, a.client));
    peer = peer_new_pair(&fd);
    peer_start(peer, PEER_NEGOTIATE);
    assert_ok(qmp_client_connect_fd(a.client, fd));
    while (a.client)
        ops->turn(l);
    peer_free(peer);
    others_work(l);
    ops->destroy(l);
}

static void test_free_in_idle(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    a.free_in_idle = true;
    peer_do(peer, PEER_CLOSE);
    while (a.client)
        ops->turn(l);
    peer_free(peer);
    others_work(l);
    ops->destroy(l);
}

/* Both are ready in the same turn of the loop: whichever comes first frees the other. */
static void test_free_another(void)
{
    struct loop *l = ops->create();
    struct peer *peers[2];
    struct actor a[2];

    for (unsigned i = 0; i < 2; i++)
        peers[i] = actor_enter(&a[i], l);
    for (unsigned i = 0; i < 2; i++) {
        a[i].free_other = &a[!i];
        peer_do(peers[i], PEER_EVENT("EVENT"));
    }
    while (a[0].n_events + a[1].n_events == 0)
        ops->turn(l);
    ops->poll(l);
    assert_int_equal(a[0].n_events + a[1].n_events, 1);
    assert_true(!a[0].client != !a[1].client);
    others_work(l);
    for (unsigned i = 0; i < 2; i++)
        actor_leave(&a[i], peers[i]);
    ops->destroy(l);
}

/* ---- connecting again ---- */

/* The server ends one connection after the other; the client gets the same number from the system each time. */
static void reconnect(bool by_hand)
{
    const char *path = check_path("monitor");
    struct peer *peer = peer_new_listening(path);
    struct loop *l = ops->create();
    struct actor a;

    actor_init(&a);
    assert_ok(ops->attach(l, a.client));
    if (by_hand) {
        a.connect_in_idle = path;
    } else {
        struct qmp_reconnect reconnect = QMP_RECONNECT_INIT;

        reconnect.delay_min = QMP_MILLISECOND;
        assert_ok(qmp_client_set_reconnect(a.client, &reconnect));
    }
    assert_ok(qmp_client_connect(a.client, path));
    for (unsigned i = 1; i <= 3; i++) {
        int fd = a.running_fd;

        peer_start(peer, PEER_ACCEPT, PEER_NEGOTIATE);
        while (a.n_running < i)
            ops->turn(l);
        peer_join(peer);
        if (i > 1)
            assert_int_equal(a.running_fd, fd);
        actor_works(&a, peer, l);
        peer_do(peer, PEER_CLOSE);
    }
    a.connect_in_idle = NULL;
    actor_leave(&a, peer);
    ops->destroy(l);
}

static void test_reconnect_by_hand(void)
{
    reconnect(/* by_hand= */ true);
}

static void test_reconnect_by_itself(void)
{
    reconnect(/* by_hand= */ false);
}

/* Between two turns of the loop, with nothing of the library on the stack. */
static void test_connect_from_outside(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);
    int fd = a.running_fd;

    for (unsigned i = 1; i <= 3; i++) {
        assert_ok(qmp_client_disconnect(a.client));
        assert_int_equal(a.n_idle, i);
        peer_free(peer);
        ops->poll(l);
        peer = actor_connect(&a, l);
        assert_int_equal(a.running_fd, fd);
        actor_works(&a, peer, l);
    }
    actor_leave(&a, peer);
    ops->destroy(l);
}

/* The same without a turn of the loop between: nothing but the adapter's bookkeeping tells the two descriptors apart.
 */
static void test_connect_at_once(void)
{
    struct loop *l = ops->create();
    struct peer *peer, *next;
    struct actor a;
    int fd;

    peer = actor_enter(&a, l);
    assert_ok(qmp_client_disconnect(a.client));
    peer_free(peer);
    next = actor_connect(&a, l);
    actor_works(&a, next, l);
    fd = a.running_fd;
    peer_do(next, PEER_EVENT("LEFT"));
    assert_ok(qmp_client_disconnect(a.client));
    peer_free(next);
    next = actor_connect(&a, l);
    assert_int_equal(a.running_fd, fd);
    actor_works(&a, next, l);
    actor_leave(&a, next);
    ops->destroy(l);
}

static void test_failing_connect(void)
{
    struct loop *l = ops->create();
    struct actor a;

    actor_init(&a);
    assert_ok(ops->attach(l, a.client));
    assert_ok(qmp_client_connect(a.client, check_path("nobody")));
    while (a.n_idle == 0)
        ops->turn(l);
    assert_int_equal(qmp_client_failure_kind(a.client), QMP_FAILURE_CONNECT);
    actor_free(&a);
    others_work(l);
    ops->destroy(l);
}

/* ---- leaving ---- */

static void test_detach(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);
    struct duo d = {a.client, peer, false};

    assert_ok(qmp_client_set_watch(a.client, NULL, NULL, NULL));
    ops->poll(l);
    duo_works(&d, NULL);
    assert_ok(ops->attach(l, a.client));
    actor_works(&a, peer, l);
    actor_leave(&a, peer);
    ops->destroy(l);
}

/* Blocking calls drive the client themselves, and leave everything as the loop needs it. */
static void test_blocking_calls_between(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    for (unsigned i = 0; i < 3; i++) {
        peer_start(peer, PEER_EXPECT("stop"), PEER_RETURN);
        assert_ok(qmp_client_execute(a.client, "stop", NULL, CHECK_WAIT, NULL, NULL));
        peer_join(peer);
        actor_works(&a, peer, l);
    }
    actor_leave(&a, peer);
    ops->destroy(l);
}

/* The connection ends in a blocking call; what is left to say is said to the loop, which then has nothing to do. */
static void test_end_in_blocking_call(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);

    peer_start(peer, PEER_EXPECT("quit"), PEER_CLOSE);
    assert_error(qmp_client_execute(a.client, "quit", NULL, CHECK_WAIT, NULL, NULL), -ECONNRESET);
    peer_join(peer);
    peer_free(peer);
    if (ops->run_dry)
        ops->run_dry(l);
    else
        ops->poll(l);
    peer = actor_connect(&a, l);
    actor_works(&a, peer, l);
    actor_leave(&a, peer);
    ops->destroy(l);
}

static void test_another_loop(void)
{
    struct loop *one = ops->create(), *two = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, one);

    assert_ok(ops->attach(two, a.client));
    actor_works(&a, peer, two);
    ops->destroy(one);
    actor_leave(&a, peer);
    ops->destroy(two);
}

static void test_another_loop_in_reply(void)
{
    struct loop *one = ops->create(), *two = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, one);

    a.move_in_reply = two;
    peer_start(peer, PEER_EXPECT("query-name"), PEER_RETURN);
    actor_send(&a, 0);
    while (!a.replied)
        ops->turn(one);
    peer_join(peer);
    a.move_in_reply = NULL;
    actor_works(&a, peer, two);
    others_work(one);
    ops->destroy(one);
    actor_leave(&a, peer);
    ops->destroy(two);
}

static void test_detach_in_reply(void)
{
    struct loop *l = ops->create();
    struct actor a;
    struct peer *peer = actor_enter(&a, l);
    struct duo d = {a.client, peer, false};

    a.detach_in_reply = true;
    peer_start(peer, PEER_EXPECT("query-name"), PEER_RETURN);
    actor_send(&a, 0);
    while (!a.replied)
        ops->turn(l);
    peer_join(peer);
    duo_works(&d, NULL);
    others_work(l);
    actor_leave(&a, peer);
    ops->destroy(l);
}

/* A loop that ends when there is nothing to wait for ends when the connection has, whatever timeouts there were. */
static void test_loop_ends(void)
{
    struct loop *l = ops->create();
    struct peer *peer;
    struct actor a;

    if (ops->run_dry) {
        peer = actor_enter(&a, l);
        actor_send(&a, /* timeout= */ 600 * QMP_SECOND);
        peer_start(peer, PEER_EXPECT("query-name"), PEER_CLOSE);
        ops->run_dry(l);
        peer_join(peer);
        assert_true(a.replied);
        assert_int_equal(a.error, -ECONNRESET);
        assert_int_equal(a.n_idle, 1);
        ops->run_dry(l);
        actor_leave(&a, peer);
    }
    ops->destroy(l);
}

/* ---- many ---- */

struct member {
    qmp_client *client;
    unsigned trips;
    unsigned *left; /* members that are not through */
    int error;
};

static void member_on_reply(qmp_pending *p, int error, qmp_message *reply, void *userdata);

static void member_go_on(struct member *m)
{
    if (m->error >= 0 && m->trips < N_TRIPS)
        m->error = qmp_client_execute_async(m->client, "query-name", NULL, member_on_reply, m, NULL);
    else
        --*m->left;
}

static void member_on_reply(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct member *m = userdata;

    (void)p, (void)reply;
    m->error = error;
    m->trips++;
    member_go_on(m);
}

static void member_on_state(qmp_client *c, enum qmp_runstate state, void *userdata)
{
    (void)c;
    if (state == QMP_RUNNING)
        member_go_on(userdata);
}

static void test_crowd(void)
{
    struct member *members = calloc(N_CROWD, sizeof(*members));
    unsigned left = N_CROWD;
    struct loop *l;
    struct crowd *crowd;
    int *fds;

    assert_non_null(members);
    crowd = crowd_new(N_CROWD, &fds);
    l = ops->create();
    for (unsigned i = 0; i < N_CROWD; i++) {
        struct member *m = &members[i];

        m->left = &left;
        assert_ok(qmp_client_new(&m->client));
        assert_ok(ops->attach(l, m->client));
        qmp_client_set_connect_timeout(m->client, CHECK_WAIT);
        qmp_client_set_runstate_handler(m->client, member_on_state, m);
        assert_ok(qmp_client_connect_fd(m->client, fds[i]));
    }
    while (left > 0)
        ops->turn(l);
    for (unsigned i = 0; i < N_CROWD; i++) {
        assert_int_equal(members[i].error, 0);
        assert_int_equal(members[i].trips, N_TRIPS);
        qmp_client_unref(members[i].client);
    }
    ops->destroy(l);
    crowd_free(crowd);
    free(members);
}

/* ---- a real QEMU ---- */

static void test_qemu(void)
{
    struct machine *machine = machine_start(&(struct machine_options){.kind = MACHINE_NONE});
    struct loop *l = ops->create();
    struct actor a;

    actor_init(&a);
    assert_ok(ops->attach(l, a.client));
    assert_ok(qmp_client_connect(a.client, machine_address(machine, 0)));
    while (a.n_running == 0)
        ops->turn(l);
    assert_ok(qmp_client_execute_async(a.client, "query-status", NULL, on_reply, &a, NULL));
    while (!a.replied)
        ops->turn(l);
    assert_int_equal(a.error, 0);
    assert_ok(qmp_client_execute_async(a.client, "cont", NULL, NULL, NULL, NULL));
    assert_ok(qmp_client_execute_async(a.client, "quit", NULL, NULL, NULL, NULL));
    while (a.n_idle == 0)
        ops->turn(l);
    assert_history(qmp_client_events(a.client), "RESUME", "SHUTDOWN");
    assert_int_equal(a.n_events, 2);
    assert_int_equal(machine_wait_exit(machine), 0);
    actor_free(&a);
    ops->destroy(l);
    machine_stop(machine);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_round_trip),
        CHECK_TEST(test_attached_while_running),
        CHECK_TEST(test_large_command),
        CHECK_TEST(test_timeouts),
        CHECK_TEST(test_several_timeouts),
        CHECK_TEST(test_connect_timeout),
        CHECK_TEST(test_cancel),
        CHECK_TEST(test_handler_from_outside),
        CHECK_TEST(test_free_in_reply),
        CHECK_TEST(test_free_in_timeout),
        CHECK_TEST(test_free_in_handler),
        CHECK_TEST(test_free_in_running),
        CHECK_TEST(test_free_in_idle),
        CHECK_TEST(test_free_another),
        CHECK_TEST(test_reconnect_by_hand),
        CHECK_TEST(test_reconnect_by_itself),
        CHECK_TEST(test_connect_from_outside),
        CHECK_TEST(test_connect_at_once),
        CHECK_TEST(test_failing_connect),
        CHECK_TEST(test_detach),
        CHECK_TEST(test_blocking_calls_between),
        CHECK_TEST(test_end_in_blocking_call),
        CHECK_TEST(test_another_loop),
        CHECK_TEST(test_another_loop_in_reply),
        CHECK_TEST(test_detach_in_reply),
        CHECK_TEST(test_loop_ends),
        CHECK_TEST(test_crowd),
        CHECK_TEST(test_qemu),
    };

    /* What a loop's library opens once and keeps (libuv a pipe): before the first census. */
    ops->destroy(ops->create());
    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
