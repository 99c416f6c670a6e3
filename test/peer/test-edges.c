/* SPDX-License-Identifier: MIT */

/* The edges of the contract: what is promised for the moments in between. The end of a connection that a blocking call
 * saw first, a callback that begins the next connection, a storm of events while another thread wants something, a
 * child after fork(), commands that are given up.
 *
 * The invariant: nothing here depends on who gets there first. Where threads race, the test counts the best of several
 * rounds, or waits for what must happen. */

#include "duo.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_until_above(atomic_uint *counter, unsigned limit)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (atomic_load(counter) <= limit) {
        assert_true(check_now() < deadline);
        sched_yield();
    }
}

static void wait_for_child(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("the child ended with status %#x", (unsigned)status);
    }
}

/* ---- the end of a connection ---- */

/* Counts go on and reasons do not, from one connection to the next. */
static void test_what_the_next_connection_inherits(void)
{
    struct duo d = duo_open_oob();
    uint64_t deadline = 1;
    qmp_pending *p = NULL;

    assert_true(qmp_client_has_oob(d.client));
    peer_do(d.peer, PEER_SEND("{\"return\": {}, \"id\": \"nobody's\"}"));
    drive(d.client);
    submit(d.client, "query-status", NULL, &p);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("query-status"), PEER_CLOSE);
    assert_error(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL), -ECONNRESET);
    qmp_pending_unref(p);
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    assert_false(qmp_client_has_oob(d.client));
    duo_reconnect(&d);
    assert_int_equal(qmp_client_stray_replies(d.client), 1);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_NONE);
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true(deadline == QMP_FOREVER);
    duo_close(&d);
}

/* A blocking call saw the end: an event loop still hears of the reason at once, and just once. */
static void test_reason_after_blocking_call(void)
{
    struct duo d = duo_open();
    qmp_pending *p = NULL;
    uint64_t deadline = 1;

    submit(d.client, "query-status", NULL, &p);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("query-status"), PEER_CLOSE);
    assert_error(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL), -ECONNRESET);
    qmp_pending_unref(p);

    for (unsigned i = 0; i < 2; i++) {
        assert_ok(qmp_client_get_deadline(d.client, &deadline));
        assert_true(deadline == 0);
        assert_int_equal(qmp_client_wait(d.client, CHECK_WAIT), 1);
    }
    assert_error(drive(d.client), -ECONNRESET);
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true(deadline == QMP_FOREVER);
    assert_error(qmp_client_wait(d.client, CHECK_WAIT), -ENOTCONN);
    assert_error(qmp_client_process(d.client), -ENOTCONN);
    duo_close(&d);
}

/* The server reads no more but keeps its sending side open: there is no end of file, only writing fails. */
static void unread_with(struct duo d)
{
    struct outcome o = {0};
    qmp_pending *p = NULL;

    peer_do(d.peer, PEER_DEAF);
    submit(d.client, "c0", &o, &p);
    assert_error(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL), -ECONNRESET);
    qmp_pending_unref(p);
    if (!d.threaded) {
        assert_error(drive_to_end(d.client), -ECONNRESET);
    }
    duo_wait_state(&d, QMP_IDLE);
    assert_outcome(&o, -ECONNRESET);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_CLOSED);
    assert_error(qmp_client_execute_async(d.client, "c1", NULL, NULL, NULL, NULL), -ENOTCONN);
    duo_reconnect(&d);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void test_server_reads_no_more(void)
{
    unread_with(duo_open());
}

static void test_server_reads_no_more_threaded(void)
{
    unread_with(duo_open_threaded());
}

/* ---- reconnecting from the runstate handler ---- */

struct again {
    const char *address;
    unsigned left;
};

static void connect_again(qmp_client *c, enum qmp_runstate state, void *again)
{
    struct again *a = again;

    if (state == QMP_IDLE && a->left > 0) {
        a->left--;
        (void)qmp_client_connect(c, a->address);
    }
}

static void test_wait_running_while_reconnecting(void)
{
    struct again again = {check_path("not-there"), 3};
    qmp_client *c = NULL;

    assert_ok(qmp_client_new(&c));
    assert_ok(qmp_client_set_runstate_handler(c, connect_again, &again));
    assert_ok(qmp_client_connect(c, again.address));
    assert_error(qmp_client_wait_running(c, QMP_FOREVER), -ENOENT);
    assert_ok(qmp_client_set_runstate_handler(c, NULL, NULL));
    qmp_client_unref(c);
}

/* The end of a connection ends a wait, also when nothing was heard on it; and the wait after it hears the next one. */
static void get_across(bool threaded)
{
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    struct again again = {path, 1};
    uint64_t deadline = check_deadline(CHECK_WAIT);
    qmp_message *event = NULL;
    qmp_client *c = NULL;
    int r;

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_WAIT, PEER_CLOSE, PEER_ACCEPT, PEER_NEGOTIATE, PEER_EVENT("NEXT"),
        PEER_END);
    assert_ok(qmp_connect(&c, path, CHECK_WAIT));
    assert_ok(qmp_client_set_runstate_handler(c, connect_again, &again));
    if (threaded) {
        assert_ok(qmp_client_start_thread(c));
    }
    peer_go(p);
    if (!threaded) {
        assert_error(qmp_listener_get(qmp_client_events(c), CHECK_WAIT, &event), -ENOTCONN);
    }
    /* The library's thread may be before the end, between it and the handler, or past both already. */
    do {
        r = qmp_listener_get(qmp_client_events(c), CHECK_WAIT, &event);
        assert_true(check_now() < deadline);
    } while (threaded && r == -ENOTCONN);
    assert_ok(r);
    assert_string_equal(qmp_event_name(event), "NEXT");
    qmp_message_unref(event);
    qmp_client_unref(c);
    peer_join(p);
    peer_free(p);
}

static void test_get_across_connections(void)
{
    get_across(false);
}

static void test_get_across_connections_threaded(void)
{
    get_across(true);
}

/* ---- fork() ---- */

static bool readable(qmp_listener *l)
{
    return check_poll(qmp_listener_get_fd(l), POLLIN, 0) != 0;
}

static pid_t fork_child(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(20); /* a child that hangs must not outlive the test */
    }
    return pid;
}

/* The descriptor of a listener is shared with the child: what the child does must not reach the parent through it. */
static void test_child_leaves_readiness_alone(void)
{
    struct duo d = duo_open();
    qmp_message *event = NULL;
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;
    pid_t pid;

    assert_ok(qmp_client_listener(d.client, NULL, &l, &scope));
    assert_false(readable(l));
    peer_do(d.peer, PEER_EVENT("A"));
    drive(d.client);
    assert_true(readable(l));

    pid = fork_child();
    if (pid == 0) {
        while (qmp_listener_get(l, 0, &event) == 0) {
            qmp_message_unref(event);
        }
        (void)qmp_listener_clear(l, NULL, NULL);
        _exit(0);
    }
    wait_for_child(pid);
    assert_true(readable(l));
    assert_event(l, "A");
    assert_false(readable(l));

    pid = fork_child();
    if (pid == 0) {
        qmp_scope_end(scope);
        _exit(0);
    }
    wait_for_child(pid);
    assert_false(readable(l));
    assert_no_event(l);
    duo_works(&d, l);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
    duo_close(&d);
}

/* At the moment of fork() the library's thread may hold any lock: what says -ECHILD does not wait for it. */
static void test_child_of_busy_thread(void)
{
    struct duo d = duo_open_threaded();
    qmp_listener *l = NULL;

    assert_ok(qmp_listener_set_limits(qmp_client_events(d.client), 0, 0));
    assert_ok(qmp_listener_new(&l, NULL));
    peer_start(d.peer, PEER_STORM(PEER_EVENT_TEXT("STORM")));
    for (unsigned i = 0; i < 24; i++) {
        pid_t pid = fork_child();

        if (pid == 0) {
            bool refused = qmp_client_execute(d.client, "c0", NULL, 0, NULL, NULL) == -ECHILD &&
                           qmp_client_connect(d.client, "/") == -ECHILD && qmp_client_disconnect(d.client) == -ECHILD &&
                           qmp_client_register_listener(d.client, l) == -ECHILD;

            qmp_client_unref(d.client);
            _exit(refused ? 0 : 1);
        }
        wait_for_child(pid);
    }
    peer_go(d.peer);
    peer_join(d.peer);
    qmp_listener_unref(l);
    duo_close(&d);
}

/* ---- in a storm of events ---- */

/* Enough work that the thread which drives is inside a callback nearly always. */
static void work(void)
{
    uint64_t until = check_now() + 200;

    while (check_now() < until) {
    }
}

static void count_event(qmp_listener *l, qmp_message *event, void *counter)
{
    (void)l;
    (void)event;
    atomic_fetch_add((atomic_uint *)counter, 1);
    work();
}

static bool count_refused(const qmp_message *event, void *counter)
{
    (void)event;
    atomic_fetch_add((atomic_uint *)counter, 1);
    work();
    return false;
}

enum { STORM_ROUNDS = 10, STORM_PATIENCE = 3 };

/* A client whose own queue is off, in a storm that storm_end() ends. */
static struct duo storm_begin(void)
{
    struct duo d = duo_open_threaded();

    assert_ok(qmp_listener_set_limits(qmp_client_events(d.client), 0, 0));
    peer_start(d.peer, PEER_STORM(PEER_EVENT_TEXT("STORM")));
    return d;
}

static void storm_end(struct duo *d)
{
    peer_go(d->peer);
    peer_join(d->peer);
    duo_close(d);
}

static void remove_in_storm(struct duo *d, qmp_listener *l, atomic_uint *calls, atomic_uint *others)
{
    unsigned best = UINT32_MAX;

    for (unsigned i = 0; i < STORM_ROUNDS; i++) {
        unsigned before, after;

        assert_ok(qmp_client_register_listener(d->client, l));
        wait_until_above(calls, atomic_load(calls) + 5);
        before = atomic_load(calls);
        assert_ok(qmp_client_remove_listener(d->client, l));
        after = atomic_load(calls);
        best = after - before < best ? after - before : best;
        wait_until_above(others, atomic_load(others) + 5);
        assert_int_equal(atomic_load(calls), after);
    }
    assert_true(best <= STORM_PATIENCE);
}

static void remove_in_storm_with(bool with_filter)
{
    struct duo d = storm_begin();
    atomic_uint calls = 0, others = 0;
    qmp_listener *l = NULL, *other = NULL;

    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_listener_new(&other, NULL));
    assert_ok(qmp_listener_set_handler(other, count_event, &others));
    assert_ok(with_filter ? qmp_listener_set_filter(l, count_refused, &calls)
                          : qmp_listener_set_handler(l, count_event, &calls));
    assert_ok(qmp_client_register_listener(d.client, other));
    remove_in_storm(&d, l, &calls, &others);
    assert_ok(qmp_client_remove_listener(d.client, other));
    qmp_listener_unref(l);
    qmp_listener_unref(other);
    storm_end(&d);
}

static void test_remove_in_storm_of_handlers(void)
{
    remove_in_storm_with(false);
}

static void test_remove_in_storm_of_filters(void)
{
    remove_in_storm_with(true);
}

static void test_set_filter_in_storm(void)
{
    struct duo d = storm_begin();
    atomic_uint calls[2] = {0, 0};
    qmp_listener *l = NULL;
    unsigned best = UINT32_MAX;

    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_listener_set_filter(l, count_refused, &calls[0]));
    assert_ok(qmp_client_register_listener(d.client, l));
    for (unsigned i = 0; i < STORM_ROUNDS; i++) {
        atomic_uint *now = &calls[i % 2], *next = &calls[(i + 1) % 2];
        unsigned before, after;

        wait_until_above(now, atomic_load(now) + 5);
        before = atomic_load(now);
        assert_ok(qmp_listener_set_filter(l, count_refused, next));
        after = atomic_load(now);
        best = after - before < best ? after - before : best;
        wait_until_above(next, atomic_load(next) + 5);
        /* The event that was being looked at may still see the old one, no other does. */
        assert_in_range(atomic_load(now), after, after + 1);
    }
    assert_true(best <= STORM_PATIENCE);
    assert_ok(qmp_client_remove_listener(d.client, l));
    qmp_listener_unref(l);
    storm_end(&d);
}

/* ---- listeners ---- */

/* Waiting for many listeners of one client needs no descriptor for each of them. */
static void test_wait_for_more_listeners_than_descriptors(void)
{
    enum { N = 2000 };
    static qmp_listener *l[N];
    static const char *const names[] = {"LAST", NULL};
    struct duo d = duo_open();
    struct rlimit before, low;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = before.rlim_cur < 1024 ? before.rlim_cur : 1024;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (unsigned i = 0; i < N; i++) {
        assert_ok(qmp_listener_new(&l[i], i == N - 1 ? names : (const char *const[]){"OTHER", NULL}));
        assert_ok(qmp_client_register_listener(d.client, l[i]));
    }
    assert_error(qmp_listeners_wait(l, N, 0), -ETIMEDOUT);
    peer_do(d.peer, PEER_EVENT("LAST"));
    assert_int_equal(qmp_listeners_wait(l, N, CHECK_WAIT), N - 1);
    assert_event(l[N - 1], "LAST");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (unsigned i = 0; i < N; i++) {
        qmp_listener_unref(l[i]);
    }
    duo_close(&d);
}

/* A listener that comes with a handler and with events of an earlier client: they are handed over by the next step. */
static void test_queued_events_meet_a_handler(void)
{
    struct duo d = duo_open();
    atomic_uint calls = 0;
    qmp_listener *l = NULL;
    uint64_t deadline = 1;

    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_client_register_listener(d.client, l));
    peer_do(d.peer, PEER_EVENT("A"), PEER_EVENT("B"));
    drive(d.client);
    duo_close(&d);
    assert_false(qmp_listener_empty(l));

    assert_ok(qmp_listener_set_handler(l, count_event, &calls));
    d = duo_open();
    assert_ok(qmp_client_register_listener(d.client, l));
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true(deadline == 0);
    assert_int_equal(qmp_client_wait(d.client, CHECK_WAIT), 1);
    assert_ok(drive(d.client));
    assert_int_equal(atomic_load(&calls), 2);
    assert_true(qmp_listener_empty(l));
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true(deadline == QMP_FOREVER);
    qmp_listener_unref(l);
    duo_close(&d);
}

/* ---- descriptors ---- */

/* It is refused, nothing begins, and the descriptor is still open. */
static void assert_refused(int fd, int error)
{
    qmp_client *c = NULL;

    assert_ok(qmp_client_new(&c));
    assert_error(qmp_client_connect_fd(c, fd), error);
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    assert_error(qmp_client_process(c), -ENOTCONN);
    qmp_client_unref(c);
    if (fd >= 0) {
        assert_int_equal(close(fd), 0);
    }
}

static void test_descriptors_that_are_refused(void)
{
    int fds[2];

    assert_refused(-1, -EBADF);
    assert_refused(open(check_path("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), -ENOTSOCK);
    assert_refused(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), -ENOTCONN);
    assert_refused(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -ENOTCONN);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_refused(fds[0], -EPROTOTYPE);
    assert_refused(fds[1], -EPROTOTYPE);
}

/* ---- commands ---- */

static void test_cancel_twice(void)
{
    struct duo d = duo_open();
    struct outcome o = {0};
    qmp_pending *p = NULL;

    submit(d.client, "c0", &o, &p);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("c0"));
    assert_ok(qmp_pending_cancel(p));
    assert_error(qmp_pending_cancel(p), -EALREADY);
    assert_error(qmp_pending_wait(p, 0, NULL, NULL), -ECANCELED);
    assert_error(qmp_pending_cancel(p), -EALREADY);
    peer_do(d.peer, PEER_RETURN);
    assert_ok(drive(d.client));
    assert_error(qmp_pending_wait(p, 0, NULL, NULL), -ECANCELED);
    assert_outcome(&o, -ECANCELED);
    qmp_pending_unref(p);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void count_canceled(qmp_pending *p, int error, qmp_message *reply, void *counter)
{
    (void)p;
    (void)reply;
    *(size_t *)counter += error == -ECANCELED;
}

static void test_cancel_half_of_many(void)
{
    static qmp_pending *p[QMP_COMMANDS_MAX];
    struct duo d = duo_open();
    size_t canceled = 0;
    uint64_t begin;

    for (size_t i = 0; i < QMP_COMMANDS_MAX; i++) {
        assert_ok(qmp_client_execute_async(d.client, "c0", NULL, count_canceled, &canceled, &p[i]));
    }
    begin = check_now();
    for (size_t i = QMP_COMMANDS_MAX; i > 0; i -= 2) {
        assert_ok(qmp_pending_cancel(p[i - 1]));
    }
    assert_ok(drive(d.client));
    assert_true(check_now() - begin < 10 * QMP_SECOND);
    assert_int_equal(canceled, QMP_COMMANDS_MAX / 2);
    assert_ok(qmp_client_disconnect(d.client));
    for (size_t i = 0; i < QMP_COMMANDS_MAX; i++) {
        qmp_pending_unref(p[i]);
    }
    duo_close(&d);
}

static void send_all(qmp_client *c)
{
    assert_ok(drive(c));
    while (qmp_client_get_events(c) & POLLOUT) {
        assert_int_equal(qmp_client_wait(c, CHECK_WAIT), 1);
        assert_ok(drive(c));
    }
}

/* What was sent, given up and never answered still takes a place: a silent server cannot make the client grow for ever.
 */
static void test_abandoned_out_of_band(void)
{
    static qmp_pending *p[QMP_COMMANDS_MAX];
    struct duo d = duo_open_oob();
    struct qmp_request request = QMP_REQUEST_INIT;

    request.command = "c0";
    request.oob = true;
    peer_start(d.peer, PEER_END);
    for (size_t i = 0; i < QMP_COMMANDS_MAX; i++) {
        assert_ok(qmp_client_send_full(d.client, &request, NULL, NULL, &p[i]));
        if (i % 256 == 255) {
            send_all(d.client);
        }
    }
    for (size_t i = 0; i < QMP_COMMANDS_MAX; i++) {
        qmp_pending_unref(p[i]);
    }
    assert_ok(drive(d.client));
    assert_error(qmp_client_send_full(d.client, &request, NULL, NULL, NULL), -ENOBUFS);
    assert_ok(qmp_client_disconnect(d.client));
    peer_join(d.peer);
    duo_reconnect(&d);
    duo_works(&d, NULL);
    duo_close(&d);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_what_the_next_connection_inherits),
        CHECK_TEST(test_reason_after_blocking_call),
        CHECK_TEST(test_server_reads_no_more),
        CHECK_TEST(test_server_reads_no_more_threaded),
        CHECK_TEST(test_wait_running_while_reconnecting),
        CHECK_TEST(test_get_across_connections),
        CHECK_TEST(test_get_across_connections_threaded),
        CHECK_TEST(test_child_leaves_readiness_alone),
        CHECK_TEST(test_child_of_busy_thread),
        CHECK_TEST(test_remove_in_storm_of_handlers),
        CHECK_TEST(test_remove_in_storm_of_filters),
        CHECK_TEST(test_set_filter_in_storm),
        CHECK_TEST(test_wait_for_more_listeners_than_descriptors),
        CHECK_TEST(test_queued_events_meet_a_handler),
        CHECK_TEST(test_descriptors_that_are_refused),
        CHECK_TEST(test_cancel_twice),
        CHECK_TEST(test_cancel_half_of_many),
        CHECK_TEST(test_abandoned_out_of_band),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
