/* SPDX-License-Identifier: MIT */

/* The life of a client, seen through the public API: connecting, states, driving it by hand, the end of a connection in
 * the order that is promised, connecting again, and every order of destruction.
 *
 * The invariant: a connection that was begun ends exactly once, in whatever way, and nothing is left behind. */

#include "duo.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* What happened, in order, as words: "state:1 event:STOP reply:-104 ". */
struct diary {
    char text[1024];
    qmp_listener *watched; /* looked at in each reply's callback */
};

static void write_down(struct diary *d, const char *what, const char *detail)
{
    size_t n = strlen(d->text);

    snprintf(d->text + n, sizeof(d->text) - n, "%s:%s ", what, detail);
}

static void diary_state(qmp_client *c, enum qmp_runstate state, void *diary)
{
    static const char *const names[] = {"idle", "connecting", "running", "disconnecting"};

    (void)c;
    write_down(diary, "state", names[state]);
}

static void diary_event(qmp_listener *l, qmp_message *event, void *diary)
{
    (void)l;
    write_down(diary, "event", qmp_event_name(event));
}

static void diary_reply(qmp_pending *p, int error, qmp_message *reply, void *diary)
{
    struct diary *d = diary;

    (void)p;
    (void)reply;
    write_down(d, "reply", error == 0 ? "ok" : error == -ECONNRESET ? "reset" : "other");
    /* Listeners close after the commands have completed, not before. */
    if (error < 0 && d->watched && qmp_listener_get(d->watched, 0, &reply) != -EAGAIN) {
        write_down(d, "listener", "closed");
    }
}

static void assert_ends_with(const char *text, const char *end)
{
    if (strlen(text) < strlen(end) || strcmp(text + strlen(text) - strlen(end), end) != 0) {
        fail_msg("\"%s\" does not end with \"%s\"", text, end);
    }
}

/* ---- states ---- */

static void test_idle_client(void)
{
    qmp_client *c = NULL;
    qmp_message *none = NULL;
    uint64_t deadline = 0;
    size_t size = 1;

    assert_ok(qmp_client_new(&c));
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    assert_error(qmp_client_process(c), -ENOTCONN);
    assert_error(qmp_client_wait(c, 0), -ENOTCONN);
    assert_error(qmp_client_wait_running(c, CHECK_WAIT), -ENOTCONN);
    assert_error(qmp_client_get_fd(c), -ENOTCONN);
    assert_error(qmp_client_get_events(c), -ENOTCONN);
    assert_ok(qmp_client_get_deadline(c, &deadline));
    assert_true(deadline == QMP_FOREVER);
    assert_error(qmp_client_greeting(c, &none), -ENOENT);
    assert_false(qmp_client_has_oob(c));
    assert_string_equal(qmp_client_failure(c), "");
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_NONE);
    assert_null(qmp_client_failure_bytes(c, &size));
    assert_int_equal(size, 0);
    assert_int_equal(qmp_client_stray_replies(c), 0);
    assert_ok(qmp_client_disconnect(c));
    assert_ptr_equal(qmp_client_ref(c), c);
    assert_null(qmp_client_unref(c));
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    assert_null(qmp_client_unref(c));
    assert_null(qmp_client_unref(NULL));
    assert_null(qmp_listener_unref(NULL));
    assert_null(qmp_message_unref(NULL));
    qmp_message_unref_many(NULL, 0);
}

static void test_states_in_order(void)
{
    struct duo d = duo_new();
    struct diary diary = {{0}, NULL};

    assert_ok(qmp_client_set_runstate_handler(d.client, diary_state, &diary));
    duo_connect(&d);
    duo_negotiate(&d);
    assert_string_equal(diary.text, "state:connecting state:running ");
    peer_do(d.peer, PEER_CLOSE);
    assert_error(drive_to_end(d.client), -ECONNRESET);
    assert_string_equal(diary.text, "state:connecting state:running state:disconnecting state:idle ");
    diary.text[0] = '\0';

    peer_free(d.peer);
    duo_connect(&d);
    peer_do(d.peer, PEER_SEND("garbage"));
    assert_error(drive_to_end(d.client), -EBADMSG);
    assert_string_equal(diary.text, "state:connecting state:disconnecting state:idle ");
    diary.text[0] = '\0';

    duo_reconnect(&d);
    assert_ok(qmp_client_disconnect(d.client));
    assert_string_equal(diary.text, "state:connecting state:running state:disconnecting state:idle ");
    assert_ok(qmp_client_set_runstate_handler(d.client, NULL, NULL));
    diary.text[0] = '\0';
    duo_reconnect(&d);
    assert_string_equal(diary.text, "");
    duo_close(&d);
}

static void test_state_errors(void)
{
    struct duo d = duo_new();
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    duo_connect(&d);
    assert_int_equal(qmp_client_runstate(d.client), QMP_CONNECTING);
    assert_error(qmp_client_connect_fd(d.client, fds[0]), -EALREADY);
    assert_error(qmp_client_connect(d.client, "/nonexistent"), -EALREADY);
    duo_negotiate(&d);
    assert_error(qmp_client_connect_fd(d.client, fds[0]), -EISCONN);
    assert_error(qmp_client_connect(d.client, "/nonexistent"), -EISCONN);
    duo_works(&d, NULL);
    /* What was refused stays the caller's. */
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(close(fds[1]), 0);
    duo_close(&d);
}

static void test_descriptors_that_are_no_sockets(void)
{
    struct duo d = duo_new();
    int fds[2], file = open("/dev/null", O_RDWR | O_CLOEXEC);

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_error(qmp_client_connect_fd(d.client, -1), -EBADF);
    assert_error(qmp_client_connect_fd(d.client, file), -ENOTSOCK);
    assert_error(qmp_client_connect_fd(d.client, fds[0]), -ENOTSOCK);
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(close(file), 0);
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    duo_connect(&d);
    duo_negotiate(&d);
    duo_close(&d);
}

/* ---- addresses ---- */

static void assert_no_way(const char *address, int error)
{
    qmp_client *c = NULL;
    int r;

    assert_ok(qmp_client_new(&c));
    r = qmp_client_connect(c, address);
    if (r == 0) {
        r = qmp_client_wait_running(c, CHECK_WAIT);
        assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_CONNECT);
    }
    assert_error(r, error);
    assert_string_not_equal(qmp_client_failure(c), "");
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    qmp_client_unref(c);
    c = NULL;
    assert_error(qmp_connect(&c, address, CHECK_WAIT), error);
    assert_null(c);
}

static void test_addresses_that_lead_nowhere(void)
{
    char longest[200];
    const char *path = check_path("not-there");
    qmp_client *c = NULL;

    memset(longest, 'x', sizeof(longest) - 1);
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    assert_no_way(path, -ENOENT);
    assert_no_way(longest, -ENAMETOOLONG);
    assert_no_way("", -EINVAL);
    assert_no_way("unix:", -EINVAL);
    assert_no_way("unix:@qmp-test-nobody-listens-here", -ECONNREFUSED);

    /* A path says where it was, and that it was the connecting that failed. */
    assert_ok(qmp_client_new(&c));
    assert_ok(qmp_client_connect(c, path));
    assert_error(drive_to_end(c), -ENOENT);
    assert_contains(qmp_client_failure(c), path);
    qmp_client_unref(c);
}

static void greet_on(const char *path, const char *prefix)
{
    struct peer *p = peer_new_listening(path);
    qmp_client *c = NULL;
    qmp_message *greeting = NULL;
    char address[200];

    snprintf(address, sizeof(address), "%s%s", prefix, path);
    for (unsigned i = 0; i < 2; i++) {
        peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_EXPECT("query-name"), PEER_RETURN, PEER_END);
        assert_ok(qmp_connect(&c, address, CHECK_WAIT));
        assert_int_equal(qmp_client_runstate(c), QMP_RUNNING);
        assert_ok(qmp_client_greeting(c, &greeting));
        assert_int_equal(qmp_message_kind(greeting), QMP_GREETING);
        assert_value(qmp_value_path(qmp_message_root(greeting), "QMP.version.qemu.major"), "7");
        qmp_message_unref(greeting);
        assert_ok(qmp_client_execute(c, "query-name", NULL, CHECK_WAIT, NULL, NULL));
        c = qmp_client_unref(c);
        peer_join(p);
    }
    peer_free(p);
}

static void test_unix_socket(void)
{
    greet_on(check_path("a.sock"), "");
    greet_on(check_path("b.sock"), "unix:");
}

static void test_abstract_socket(void)
{
    char name[64];

    snprintf(name, sizeof(name), "@qmp-test-%ld", (long)getpid());
    greet_on(name, "unix:");
}

/* A socket that was left behind by a server that is gone. */
static void test_stale_socket(void)
{
    const char *path = check_path("stale.sock");

    peer_free(peer_new_listening(path));
    assert_no_way(path, -ECONNREFUSED);
}

/* The second client of a monitor that serves one: it connects, and hears nothing. */
static void test_monitor_held_by_another(void)
{
    const char *path = check_path("held.sock");
    struct peer *p = peer_new_listening(path);
    qmp_client *holder = NULL, *c = NULL;
    int r;

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_END);
    assert_ok(qmp_connect(&holder, path, CHECK_WAIT));
    assert_ok(qmp_client_new(&c));
    assert_ok(qmp_client_set_connect_timeout(c, 100 * QMP_MILLISECOND));
    assert_ok(qmp_client_connect(c, path));
    r = drive_to_end(c);
    assert_true(r == -EBUSY || r == -ETIMEDOUT);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_GREETING);
    assert_contains(qmp_client_failure(c), path);
    assert_contains(qmp_client_failure(c), "greeting");
    qmp_client_unref(c);
    qmp_client_unref(holder);
    peer_join(p);
    peer_free(p);
}

/* So many wait for the monitor already that the kernel takes no more: tried again until there is room, or no time left.
 */
static void test_backlog_is_full(void)
{
    const char *path = check_path("full.sock");
    struct peer *p = peer_new_listening(path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int waiting[8], n = 0;
    qmp_client *c = NULL;

    memcpy(address.sun_path, path, strlen(path) + 1);
    do {
        assert_in_range(n, 0, 7);
        waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    } while (connect(waiting[n++], (struct sockaddr *)&address, sizeof(address)) == 0);
    assert_int_equal(errno, EAGAIN);

    assert_ok(qmp_client_new(&c));
    assert_ok(qmp_client_set_connect_timeout(c, 100 * QMP_MILLISECOND));
    assert_ok(qmp_client_connect(c, path));
    int r = drive_to_end(c);
    assert_true(r == -EBUSY || r == -ETIMEDOUT);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_GREETING);
    assert_contains(qmp_client_failure(c), path);

    /* Those before it are served, then it is its turn. */
    assert_ok(qmp_client_set_connect_timeout(c, CHECK_WAIT));
    assert_ok(qmp_client_connect(c, path));
    assert_int_equal(drive(c), 0);
    assert_int_equal(qmp_client_runstate(c), QMP_CONNECTING);
    struct peer_step steps[12] = {PEER_ACCEPT, PEER_NEGOTIATE};
    for (int i = 0; i < n - 1; i++) {
        memmove(steps + 1, steps, 11 * sizeof(steps[0]));
        steps[0] = PEER_ACCEPT;
    }
    peer_start_steps(p, steps, (size_t)n + 3);
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    peer_join(p);
    while (n > 0) {
        close(waiting[--n]);
    }
    qmp_client_unref(c);
    peer_free(p);
}

/* qmp_connect() has one deadline for all of it. */
static void test_connect_times_out(void)
{
    const char *path = check_path("silent.sock");
    struct peer *p = peer_new_listening(path);
    uint64_t started = check_now();
    qmp_client *c = NULL;
    int r = qmp_connect(&c, path, 100 * QMP_MILLISECOND);

    assert_true(r == -EBUSY || r == -ETIMEDOUT);
    assert_null(c);
    assert_in_range(check_now() - started, 100 * QMP_MILLISECOND, CHECK_WAIT);
    peer_free(p);
}

/* ---- driving ---- */

/* An event loop as small as can be. Returns what process() said in the end, or 0 once the condition holds. */
static int loop(qmp_client *c, bool (*done)(void *userdata), void *userdata)
{
    uint64_t give_up = check_deadline(CHECK_WAIT);

    for (;;) {
        struct pollfd p = {.fd = -1};
        uint64_t deadline = 0;
        int r = qmp_client_process(c);

        if (r < 0) {
            return r;
        }
        if (done(userdata)) {
            return 0;
        }
        if (r > 0) {
            continue;
        }
        p.fd = qmp_client_get_fd(c);
        p.events = (short)qmp_client_get_events(c);
        assert_ok(qmp_client_get_deadline(c, &deadline));
        assert_true(p.fd >= 0 || deadline != QMP_FOREVER);
        assert_true(p.fd < 0 || (p.events & ~(POLLIN | POLLOUT)) == 0);
        poll(&p, 1, check_poll_timeout(deadline < give_up ? deadline : give_up));
        assert_true(check_now() < give_up);
    }
}

static bool is_called(void *outcome)
{
    return ((struct outcome *)outcome)->calls > 0;
}

static bool is_running(void *client)
{
    return qmp_client_runstate(client) == QMP_RUNNING;
}

static bool never(void *unused)
{
    (void)unused;
    return false;
}

static void test_event_loop(void)
{
    struct duo d = duo_new();
    struct outcome o = {0}, slow = {0};
    struct qmp_request request = QMP_REQUEST_INIT;

    duo_connect(&d);
    peer_start(d.peer, PEER_NEGOTIATE, PEER_EXPECT("c0"), PEER_EVENT("A"), PEER_RETURN, PEER_EXPECT("slow"), PEER_WAIT,
        PEER_CLOSE);
    assert_ok(loop(d.client, is_running, d.client));
    submit(d.client, "c0", &o, NULL);
    assert_ok(loop(d.client, is_called, &o));
    assert_outcome(&o, 0);
    assert_event(qmp_client_events(d.client), "A");
    request.command = "slow";
    request.timeout = 30 * QMP_MILLISECOND;
    assert_ok(qmp_client_send_full(d.client, &request, outcome_record, &slow, NULL));
    assert_ok(loop(d.client, is_called, &slow));
    assert_outcome(&slow, -ETIMEDOUT);
    peer_go(d.peer);
    assert_error(loop(d.client, never, NULL), -ECONNRESET);
    peer_join(d.peer);
    assert_error(qmp_client_process(d.client), -ENOTCONN);
    assert_error(qmp_client_process(d.client), -ENOTCONN);
    assert_error(qmp_client_get_fd(d.client), -ENOTCONN);
    duo_close(&d);
}

/* The attempt to connect has its deadline in the loop too. */
static void test_event_loop_times_out(void)
{
    struct duo d = duo_new();
    uint64_t deadline = 0, started = check_now();

    assert_ok(qmp_client_set_connect_timeout(d.client, 50 * QMP_MILLISECOND));
    duo_connect(&d);
    drive(d.client);
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_in_range(deadline, started + 50 * QMP_MILLISECOND, check_now() + 50 * QMP_MILLISECOND);
    assert_int_equal(qmp_client_get_events(d.client), POLLIN);
    assert_error(loop(d.client, never, NULL), -ETIMEDOUT);
    assert_true(check_now() >= deadline);
    duo_close(&d);
}

/* An idle client wants to read, and nothing else; with something to send it wants to write, or has written. */
static void test_events_to_poll_for(void)
{
    struct duo d = duo_open();
    uint64_t deadline = 0;

    assert_int_equal(drive(d.client), 0);
    assert_int_equal(qmp_client_get_events(d.client), POLLIN);
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true(deadline == QMP_FOREVER);
    submit(d.client, "c0", NULL, NULL);
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true((qmp_client_get_events(d.client) & POLLOUT) || deadline <= check_now() || peer_has_object(d.peer, 0));
    assert_int_equal(drive(d.client), 0);
    assert_int_equal(qmp_client_get_events(d.client), POLLIN);
    assert_true(peer_has_object(d.peer, 0));
    duo_close(&d);
}

static void test_wait(void)
{
    struct duo d = duo_open();
    uint64_t started = check_now();

    drive(d.client);
    assert_error(qmp_client_wait(d.client, 0), 0);
    assert_error(qmp_client_wait(d.client, 20 * QMP_MILLISECOND), 0);
    assert_true(check_now() - started >= 20 * QMP_MILLISECOND);
    peer_start(d.peer, PEER_EVENT("A"));
    assert_error(qmp_client_wait(d.client, CHECK_WAIT), 1);
    peer_join(d.peer);
    assert_error(qmp_client_process(d.client), 1);
    drive(d.client);
    assert_event(qmp_client_events(d.client), "A");
    peer_do(d.peer, PEER_CLOSE);
    assert_error(qmp_client_wait(d.client, CHECK_WAIT), 1);
    assert_error(drive(d.client), -ECONNRESET);
    assert_error(qmp_client_wait(d.client, CHECK_WAIT), -ENOTCONN);
    duo_close(&d);
}

#define STORM 1500u

/* process() takes a bounded share at a time, and says that there is more. */
static void test_process_is_fair(void)
{
    struct duo d = duo_open();
    char *storm = calloc(STORM, sizeof(PEER_EVENT_TEXT("STORM")));
    unsigned steps = 0;

    assert_non_null(storm);
    for (size_t i = 0, n = 0; i < STORM; i++, n += strlen(storm + n)) {
        memcpy(storm + n, PEER_EVENT_TEXT("STORM"), sizeof(PEER_EVENT_TEXT("STORM")));
    }
    peer_do(d.peer, PEER_SEND_SIZED(storm, strlen(storm)));
    free(storm);
    while (qmp_client_process(d.client) > 0) {
        steps++;
    }
    assert_true(steps > 1);
    for (unsigned i = 0; i < STORM; i++) {
        assert_event(qmp_client_events(d.client), "STORM");
    }
    assert_no_event(qmp_client_events(d.client));
    duo_close(&d);
}

static void test_threaded_refuses_driving(void)
{
    struct duo d = duo_open_threaded();
    uint64_t deadline;

    assert_error(qmp_client_start_thread(d.client), -EALREADY);
    assert_error(qmp_client_process(d.client), -EBUSY);
    assert_error(qmp_client_wait(d.client, 0), -EBUSY);
    assert_error(qmp_client_get_fd(d.client), -EBUSY);
    assert_error(qmp_client_get_events(d.client), -EBUSY);
    assert_error(qmp_client_get_deadline(d.client, &deadline), -EBUSY);
    assert_ok(qmp_client_wait_running(d.client, 0));
    duo_works(&d, qmp_client_events(d.client));
    duo_close(&d);
}

/* From caller-driven to thread-driven in the middle of everything. */
static void test_start_thread_later(void)
{
    struct duo d = duo_open();
    qmp_pending *p = NULL;

    submit(d.client, "c0", NULL, &p);
    assert_ok(qmp_client_start_thread(d.client));
    d.threaded = true;
    peer_do(d.peer, PEER_EXPECT("c0"), PEER_EVENT("A"), PEER_RETURN);
    assert_ok(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL));
    assert_event(qmp_client_events(d.client), "A");
    qmp_pending_unref(p);
    duo_works(&d, qmp_client_events(d.client));
    duo_close(&d);
}

/* A thread started on an idle client waits for a connection; it survives the end of one. */
static void test_thread_across_connections(void)
{
    struct duo d = duo_new();

    assert_ok(qmp_client_start_thread(d.client));
    d.threaded = true;
    for (unsigned i = 0; i < 3; i++) {
        duo_connect(&d);
        duo_negotiate(&d);
        duo_works(&d, qmp_client_events(d.client));
        peer_do(d.peer, PEER_CLOSE);
        assert_error(qmp_listener_get(qmp_client_events(d.client), CHECK_WAIT, &(qmp_message *){NULL}), -ENOTCONN);
        duo_wait_state(&d, QMP_IDLE);
        d.peer = peer_free(d.peer);
    }
    duo_close(&d);
}

/* ---- the end ---- */

static void test_order_of_the_end(void)
{
    struct duo d = duo_open();
    struct diary diary = {{0}, NULL};
    qmp_listener *l = NULL;
    qmp_pending *p = NULL;

    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_listener_new(&diary.watched, (const char *const[]){"NEVER", NULL}));
    assert_ok(qmp_listener_set_handler(l, diary_event, &diary));
    assert_ok(qmp_client_register_listener(d.client, l));
    assert_ok(qmp_client_register_listener(d.client, diary.watched));
    assert_ok(qmp_client_set_runstate_handler(d.client, diary_state, &diary));
    for (unsigned i = 0; i < 3; i++) {
        assert_ok(qmp_client_execute_async(d.client, "c0", NULL, diary_reply, &diary, i == 1 ? &p : NULL));
    }
    drive(d.client);
    peer_do(
        d.peer, PEER_EXPECT("c0"), PEER_EVENT("A"), PEER_RETURN, PEER_EVENT("B"), PEER_SEND("{\"event\":"), PEER_SHUT);
    assert_error(drive_to_end(d.client), -ECONNRESET);
    assert_ends_with(diary.text, "event:A reply:ok event:B state:disconnecting reply:reset reply:reset state:idle ");
    assert_error(qmp_client_process(d.client), -ENOTCONN);
    assert_error(qmp_listener_get(diary.watched, 0, &(qmp_message *){NULL}), -ENOTCONN);
    assert_error(qmp_pending_wait(p, 0, NULL, NULL), -ECONNRESET);
    assert_events(qmp_client_events(d.client), "A", "B");
    assert_error(qmp_listener_get(qmp_client_events(d.client), CHECK_WAIT, &(qmp_message *){NULL}), -ENOTCONN);
    qmp_pending_unref(p);
    qmp_listener_unref(l);
    qmp_listener_unref(diary.watched);
    duo_close(&d);
}

static void test_disconnect(void)
{
    struct duo d = duo_open();
    struct outcome o = {0};
    qmp_listener *l = qmp_client_events(d.client);

    peer_do(d.peer, PEER_EVENT("A"));
    drive(d.client);
    submit(d.client, "c0", &o, NULL);
    assert_ok(qmp_client_disconnect(d.client));
    assert_outcome(&o, -ECONNRESET);
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_DISCONNECT);
    assert_event(l, "A");
    assert_error(qmp_listener_get(l, CHECK_WAIT, &(qmp_message *){NULL}), -ENOTCONN);
    assert_ok(qmp_client_disconnect(d.client));
    assert_true(qmp_client_process(d.client) < 0);
    assert_error(qmp_client_process(d.client), -ENOTCONN);
    peer_do(d.peer, PEER_END);
    duo_reconnect(&d);
    duo_works(&d, l);

    /* In the middle of an attempt as well. */
    assert_ok(qmp_client_disconnect(d.client));
    peer_free(d.peer);
    duo_connect(&d);
    drive(d.client);
    assert_ok(qmp_client_disconnect(d.client));
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    duo_reconnect(&d);
    duo_works(&d, l);
    duo_close(&d);
}

static void test_disconnect_threaded(void)
{
    struct duo d = duo_open_threaded();
    struct outcome o = {0};

    submit(d.client, "c0", &o, NULL);
    assert_ok(qmp_client_disconnect(d.client));
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    assert_outcome(&o, -ECONNRESET);
    peer_do(d.peer, PEER_END);
    duo_reconnect(&d);
    duo_works(&d, qmp_client_events(d.client));
    duo_close(&d);
}

/* A server that reads nothing: our output stays where it is, and nobody waits for it. */
static void stop_reading(struct duo d, bool disconnect)
{
    size_t size = (size_t)1 << 20;
    char *arguments = malloc(size + 16);
    struct outcome o[8] = {{0}};

    assert_non_null(arguments);
    memcpy(arguments, "{\"a\":\"", 6);
    memset(arguments + 6, 'y', size);
    memcpy(arguments + 6 + size, "\"}", 3);
    for (unsigned i = 0; i < 8; i++) {
        assert_ok(qmp_client_execute_async(d.client, "big", arguments, outcome_record, &o[i], NULL));
    }
    free(arguments);
    duo_drive(&d);
    if (!d.threaded) {
        assert_int_equal(qmp_client_get_events(d.client), POLLIN | POLLOUT);
        assert_error(qmp_client_wait(d.client, 20 * QMP_MILLISECOND), 0);
    }
    /* Reading goes on meanwhile. */
    peer_do(d.peer, PEER_EVENT("A"));
    assert_event(qmp_client_events(d.client), "A");
    assert_error(qmp_client_execute(d.client, "c0", NULL, 20 * QMP_MILLISECOND, NULL, NULL), -ETIMEDOUT);

    if (disconnect) {
        assert_ok(qmp_client_disconnect(d.client));
        for (unsigned i = 0; i < 8; i++) {
            assert_outcome(&o[i], -ECONNRESET);
        }
    }
    duo_close(&d);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_true(o[i].error == -ECONNRESET || (!disconnect && o[i].error == -ECANCELED));
    }
}

static void test_server_stops_reading(void)
{
    stop_reading(duo_open(), true);
    stop_reading(duo_open(), false);
}

static void test_server_stops_reading_threaded(void)
{
    stop_reading(duo_open_threaded(), true);
    stop_reading(duo_open_threaded(), false);
}

/* What could not be sent at first is sent when there is room, whole and in order. */
static void test_server_reads_again(void)
{
    struct duo d = duo_open();
    size_t size = (size_t)1 << 20;
    char *arguments = malloc(size + 16);
    qmp_pending *p = NULL;

    assert_non_null(arguments);
    memcpy(arguments, "{\"a\":\"", 6);
    memset(arguments + 6, 'y', size);
    memcpy(arguments + 6 + size, "\"}", 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_ok(qmp_client_execute_async(d.client, "big", arguments, NULL, NULL, NULL));
    }
    submit(d.client, "small", NULL, &p);
    drive(d.client);
    peer_start(d.peer, PEER_EXPECT("big"), PEER_RETURN, PEER_EXPECT("big"), PEER_RETURN, PEER_EXPECT("big"),
        PEER_RETURN, PEER_EXPECT("small"), PEER_RETURN);
    assert_ok(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL));
    peer_join(d.peer);
    assert_int_equal(qmp_client_stray_replies(d.client), 0);
    qmp_pending_unref(p);
    free(arguments);
    duo_close(&d);
}

/* The server reads no more, but what it sends is still heard. */
static void test_server_is_deaf(void)
{
    struct duo d = duo_open();
    struct outcome o = {0};

    peer_do(d.peer, PEER_DEAF, PEER_EVENT("A"), PEER_EVENT("B"));
    submit(d.client, "c0", &o, NULL);
    peer_do(d.peer, PEER_SHUT);
    assert_error(drive_to_end(d.client), -ECONNRESET);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_CLOSED);
    assert_outcome(&o, -ECONNRESET);
    assert_events(qmp_client_events(d.client), "A", "B");
    duo_close(&d);
}

static void test_negotiation_refused(void)
{
    struct duo d = duo_new();
    size_t size = 0;

    duo_connect(&d);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_TEXT));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("qmp_capabilities"),
        PEER_REPLY(
            "{\"id\": @id, \"error\": {\"class\": \"GenericError\", \"desc\": \"not\\u001b[2J today\\u0007\"}}"));
    assert_error(qmp_client_wait_running(d.client, CHECK_WAIT), -EPROTO);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_NEGOTIATION);
    assert_contains(qmp_client_failure(d.client), "GenericError");
    assert_contains(qmp_client_failure(d.client), "today");
    /* It may go to a terminal. */
    assert_null(strchr(qmp_client_failure(d.client), '\x1b'));
    assert_null(strchr(qmp_client_failure(d.client), '\a'));
    (void)qmp_client_failure_bytes(d.client, &size);
    duo_reconnect(&d);
    duo_works(&d, NULL);
    duo_close(&d);
}

/* The greeting is that of the current connection, or of the last one. */
static void test_greeting_is_kept(void)
{
    struct duo d = duo_open();
    qmp_message *greeting = NULL;

    peer_do(d.peer, PEER_CLOSE);
    drive_to_end(d.client);
    assert_ok(qmp_client_greeting(d.client, &greeting));
    duo_close(&d);
    assert_value(qmp_value_path(qmp_message_root(greeting), "QMP.capabilities"), "[]");
    qmp_message_unref(greeting);
}

/* ---- destruction in every order ---- */

struct heap {
    qmp_client *c;
    qmp_listener *l;
    qmp_pending *p;
    qmp_message *m;
    qmp_scope *s;
};

static void destroy(struct heap *h, unsigned what)
{
    switch (what) {
    case 0:
        h->c = qmp_client_unref(h->c);
        break;
    case 1:
        h->l = qmp_listener_unref(h->l);
        break;
    case 2:
        h->p = qmp_pending_unref(h->p);
        break;
    case 3:
        h->m = qmp_message_unref(h->m);
        break;
    default:
        h->s = qmp_scope_end(h->s);
        break;
    }
}

/* The n-th of the 120 orders of five things. */
static void order_of(unsigned n, unsigned order[5])
{
    unsigned left[5] = {0, 1, 2, 3, 4};

    for (unsigned i = 0; i < 5; i++) {
        unsigned k = n % (5 - i);

        n /= 5 - i;
        order[i] = left[k];
        memmove(left + k, left + k + 1, (4 - k) * sizeof(left[0]));
    }
}

static void destroy_in_every_order(bool threaded)
{
    for (unsigned n = 0; n < 120; n++) {
        struct duo d = threaded ? duo_open_threaded() : duo_open();
        struct heap h = {.c = d.client};
        struct outcome o = {0};
        unsigned order[5];

        assert_ok(qmp_client_listener(h.c, NULL, &h.l, &h.s));
        submit(h.c, "c0", &o, &h.p);
        duo_drive(&d);
        peer_do(d.peer, PEER_EXPECT("c0"), PEER_EVENT("A"), PEER_EVENT("B"));
        h.m = check_event(h.l, "A");
        order_of(n, order);
        for (unsigned i = 0; i < 5; i++) {
            destroy(&h, order[i]);
            if (h.m) {
                assert_string_equal(qmp_event_name(h.m), "A");
            }
            if (!h.c && h.p) {
                assert_true(qmp_pending_wait(h.p, CHECK_WAIT, NULL, NULL) < 0);
            }
        }
        assert_int_equal(o.calls, 1);
        assert_true(o.error == -ECONNRESET || o.error == -ECANCELED);
        d.client = NULL;
        duo_close(&d);
    }
}

static void test_destruction_in_every_order(void)
{
    destroy_in_every_order(false);
}

static void test_destruction_in_every_order_threaded(void)
{
    destroy_in_every_order(true);
}

/* The last reference in the middle of connecting, negotiating, running, and after the end. */
static void test_free_in_every_state(void)
{
    for (unsigned threaded = 0; threaded < 2; threaded++) {
        for (unsigned state = 0; state < 5; state++) {
            struct duo d = duo_new();

            if (threaded) {
                assert_ok(qmp_client_start_thread(d.client));
                d.threaded = true;
            }
            if (state > 0) {
                duo_connect(&d);
                duo_drive(&d);
            }
            if (state > 1) {
                peer_do(d.peer, PEER_SEND(PEER_GREETING_TEXT));
                duo_drive(&d);
                peer_do(d.peer, PEER_EXPECT("qmp_capabilities"));
            }
            if (state > 2) {
                peer_do(d.peer, PEER_RETURN);
                duo_wait_state(&d, QMP_RUNNING);
            }
            if (state > 3) {
                peer_do(d.peer, PEER_CLOSE);
                duo_wait_state(&d, QMP_IDLE);
            }
            duo_close(&d);
        }
    }
}

/* ---- fork ---- */

/* In the child: everything that could touch the connection says -ECHILD. Returns the number of the first that does not.
 */
static int child_of(qmp_client *c, qmp_listener *l, qmp_listener *unregistered, qmp_pending *p)
{
    qmp_message *none = NULL;
    qmp_scope *scope = NULL;
    const int results[] = {
        qmp_client_process(c),
        qmp_client_wait(c, 0),
        qmp_client_wait_running(c, 0),
        qmp_client_execute(c, "c0", NULL, CHECK_WAIT, &none, &none),
        qmp_client_execute_async(c, "c0", NULL, NULL, NULL, NULL),
        qmp_client_disconnect(c),
        qmp_client_connect(c, "/nonexistent"),
        qmp_client_start_thread(c),
        qmp_client_register_listener(c, unregistered),
        qmp_client_remove_listener(c, l),
        qmp_client_listen(c, &unregistered, 1, &scope),
        qmp_listener_get(l, CHECK_WAIT, &none),
        qmp_listeners_wait(&l, 1, CHECK_WAIT),
        qmp_pending_wait(p, CHECK_WAIT, &none, &none),
    };

    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        if (results[i] != -ECHILD) {
            return (int)i + 1;
        }
    }
    qmp_client_unref(c);
    return 0;
}

static void fork_with(struct duo d)
{
    qmp_listener *l = NULL, *unregistered = NULL;
    qmp_pending *p = NULL;
    int status = -1;
    pid_t pid;

    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_listener_new(&unregistered, NULL));
    assert_ok(qmp_client_register_listener(d.client, l));
    submit(d.client, "c0", NULL, &p);
    duo_drive(&d);
    peer_do(d.peer, PEER_EXPECT("c0"));

    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(20); /* a child that hangs must not outlive the test */
        _exit(child_of(d.client, l, unregistered, p));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("in the child, call %d does not say -ECHILD (status %#x)", WEXITSTATUS(status), (unsigned)status);
    }

    /* The parent goes on. */
    peer_do(d.peer, PEER_RETURN);
    assert_ok(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL));
    duo_works(&d, l);
    qmp_pending_unref(p);
    qmp_listener_unref(l);
    qmp_listener_unref(unregistered);
    duo_close(&d);
}

static void test_fork(void)
{
    fork_with(duo_open());
}

static void test_fork_threaded(void)
{
    fork_with(duo_open_threaded());
}

/* ---- several clients ---- */

/* Hundred clients in one process, each with its own peer, ended in the order they were made. */
static void test_many_clients(void)
{
    struct duo d[100];

    for (unsigned i = 0; i < 100; i++) {
        d[i] = duo_open();
    }
    for (unsigned i = 0; i < 100; i++) {
        duo_works(&d[i], qmp_client_events(d[i].client));
    }
    for (unsigned i = 0; i < 100; i++) {
        duo_close(&d[i]);
    }
}

/* Reconnecting many times leaves nothing behind. */
static void test_many_connections(void)
{
    struct duo d = duo_open();

    for (unsigned i = 0; i < 200; i++) {
        if (i % 2) {
            peer_do(d.peer, PEER_CLOSE);
            drive_to_end(d.client);
        }
        duo_reconnect(&d);
    }
    duo_works(&d, qmp_client_events(d.client));
    duo_close(&d);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_idle_client),
        CHECK_TEST(test_states_in_order),
        CHECK_TEST(test_state_errors),
        CHECK_TEST(test_descriptors_that_are_no_sockets),
        CHECK_TEST(test_addresses_that_lead_nowhere),
        CHECK_TEST(test_unix_socket),
        CHECK_TEST(test_abstract_socket),
        CHECK_TEST(test_stale_socket),
        CHECK_TEST(test_monitor_held_by_another),
        CHECK_TEST(test_backlog_is_full),
        CHECK_TEST(test_connect_times_out),
        CHECK_TEST(test_event_loop),
        CHECK_TEST(test_event_loop_times_out),
        CHECK_TEST(test_events_to_poll_for),
        CHECK_TEST(test_wait),
        CHECK_TEST(test_process_is_fair),
        CHECK_TEST(test_threaded_refuses_driving),
        CHECK_TEST(test_start_thread_later),
        CHECK_TEST(test_thread_across_connections),
        CHECK_TEST(test_order_of_the_end),
        CHECK_TEST(test_disconnect),
        CHECK_TEST(test_disconnect_threaded),
        CHECK_TEST(test_server_stops_reading),
        CHECK_TEST(test_server_stops_reading_threaded),
        CHECK_TEST(test_server_reads_again),
        CHECK_TEST(test_server_is_deaf),
        CHECK_TEST(test_negotiation_refused),
        CHECK_TEST(test_greeting_is_kept),
        CHECK_TEST(test_destruction_in_every_order),
        CHECK_TEST(test_destruction_in_every_order_threaded),
        CHECK_TEST(test_free_in_every_state),
        CHECK_TEST(test_fork),
        CHECK_TEST(test_fork_threaded),
        CHECK_TEST(test_many_clients),
        CHECK_TEST(test_many_connections),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
