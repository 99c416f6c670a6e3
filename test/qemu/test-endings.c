/* SPDX-License-Identifier: MIT */
/* How connections end, on a real QEMU: the scenarios B4, B5 and B9, and the reference's defects around the end of a
 * connection. It ends because the client says so, because QEMU quits, is killed or hangs, and because somebody is
 * removed.
 *
 * Invariant: whoever waits is told, with the error that says why; what was received can still be read; and the client
 * is IDLE afterwards, whichever way it went.
 *
 * It refuses to know in which order QEMU sends SHUTDOWN and the reply to `quit`: versions differ. */

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "worker.h"

/* Waits for the state; nothing but its handler announces it in thread-driven mode. */
static void await_state(qmp_client *c, enum qmp_runstate state)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (qmp_client_runstate(c) != state) {
        assert_true(check_now() < deadline);
        poll(NULL, 0, 1);
    }
}

/* Waits until the connection has ended, on a listener that never hears anything. */
static void await_end(struct fixture *f)
{
    qmp_listener *l = NULL;

    assert_ok(qmp_listener_new(&l, NAMES("NEVER_HEARD_OF")));
    assert_ok(qmp_client_register_listener(f->client, l));
    assert_get_error(l, CHECK_WAIT, -ENOTCONN);
    assert_ok(qmp_client_remove_listener(f->client, l));
    qmp_listener_unref(l);
    await_state(f->client, QMP_IDLE);
}

/* B4 */
struct ending {
    struct fixture *f;
    qmp_listener *listener;
    qmp_scope *scope;
};

static int wait_for_one(void *argument)
{
    struct ending *e = argument;

    return qmp_listeners_wait(&e->listener, 1, QMP_FOREVER);
}

/* Two threads wait, one in get() and one on several listeners; then it ends. */
static void waiters_wake(struct fixture *f, void (*end)(struct ending *e), int expected)
{
    struct ending e = {.f = f};

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP"), &e.listener, &e.scope));
    assert_int_equal(check_poll(qmp_listener_get_fd(e.listener), POLLIN, 0), 0);
    struct consumer *consumer = consumer_start(e.listener);
    struct worker *waiter = worker_start(wait_for_one, &e);
    consumer_await_waiting(consumer, 0);
    worker_await_asleep(waiter);
    end(&e);
    assert_error(consumer_join(consumer), expected);
    assert_int_equal(worker_join(waiter), 0);
    assert_true(check_poll(qmp_listener_get_fd(e.listener), POLLIN, CHECK_WAIT) & POLLIN);
    assert_get_error(e.listener, CHECK_WAIT, -ENOTCONN);
    consumer_free(consumer);
    qmp_scope_end(e.scope);
    qmp_listener_unref(e.listener);
}

static void end_by_disconnect(struct ending *e)
{
    assert_ok(qmp_client_disconnect(e->f->client));
}

static void end_by_quit(struct ending *e)
{
    qmp_client *other = connect_client(e->f, 1);

    tell(other, "quit", NULL);
    qmp_client_unref(other);
}

static void end_by_kill(struct ending *e)
{
    machine_kill(e->f->machine);
}

static void end_by_removal(struct ending *e)
{
    assert_ok(qmp_client_remove_listener(e->f->client, e->listener));
}

static void end_by_scope(struct ending *e)
{
    e->scope = qmp_scope_end(e->scope);
}

static void end_by_freeing(struct ending *e)
{
    e->f->client = qmp_client_unref(e->f->client);
}

static void disconnect_wakes(struct fixture *f)
{
    waiters_wake(f, end_by_disconnect, -ENOTCONN);
}

static void quit_wakes(struct fixture *f)
{
    waiters_wake(f, end_by_quit, -ENOTCONN);
}

static void kill_wakes(struct fixture *f)
{
    waiters_wake(f, end_by_kill, -ENOTCONN);
}

static void removal_wakes(struct fixture *f)
{
    waiters_wake(f, end_by_removal, -ECANCELED);
}

static void scope_end_wakes(struct fixture *f)
{
    waiters_wake(f, end_by_scope, -ECANCELED);
}

static void freeing_wakes(struct fixture *f)
{
    waiters_wake(f, end_by_freeing, -ENOTCONN);
}

/* B4, caller-driven: another thread acts on QEMU as soon as this one waits. */
struct accomplice {
    struct fixture *f;
    int tid;
};

static int kill_when_waiting(void *argument)
{
    struct accomplice *a = argument;

    await_asleep(a->tid);
    return kill(machine_pid(a->f->machine), SIGKILL);
}

static void kill_wakes_the_caller(struct fixture *f)
{
    struct accomplice a = {.f = f, .tid = gettid()};

    begin(f);
    struct worker *w = worker_start(kill_when_waiting, &a);
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ENOTCONN);
    assert_int_equal(worker_join(w), 0);
    assert_int_equal(qmp_client_runstate(f->client), QMP_IDLE);
    assert_int_equal(qmp_client_failure_kind(f->client), QMP_FAILURE_CLOSED);
}

static int quit_when_waiting(void *argument)
{
    struct accomplice *a = argument;
    qmp_client *other = NULL;

    int r = qmp_connect(&other, machine_address(a->f->machine, 1), CHECK_WAIT);
    await_asleep(a->tid);
    if (r >= 0)
        r = qmp_client_execute(other, "quit", NULL, CHECK_WAIT, NULL, NULL);
    qmp_client_unref(other);
    return r;
}

static void quit_wakes_the_caller(struct fixture *f)
{
    struct accomplice a = {.f = f, .tid = gettid()};

    begin(f);
    struct worker *w = worker_start(quit_when_waiting, &a);
    assert_sequence(qmp_client_events(f->client), "SHUTDOWN");
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ENOTCONN);
    assert_ok(worker_join(w));
}

static void remove_in_handler(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct ending *e = userdata;

    (void)l;
    (void)event;
    qmp_client_remove_listener(e->f->client, e->listener);
}

static void disconnect_in_handler(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct ending *e = userdata;

    (void)l;
    (void)event;
    qmp_client_disconnect(e->f->client);
}

static void handler_wakes(struct fixture *f, qmp_event_fn handler, int expected)
{
    struct ending e = {.f = f};
    qmp_listener *handled = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("NEVER_HEARD_OF"), &e.listener, &e.scope));
    assert_ok(qmp_client_listener(f->client, NAMES("STOP"), &handled, &scope));
    assert_ok(qmp_listener_set_handler(handled, handler, &e));
    assert_ok(qmp_client_execute_async(f->client, "stop", NULL, NULL, NULL, NULL));
    assert_get_error(e.listener, CHECK_WAIT, expected);
    qmp_scope_end(scope);
    qmp_scope_end(e.scope);
    qmp_listener_unref(handled);
    qmp_listener_unref(e.listener);
}

static void removal_wakes_the_caller(struct fixture *f)
{
    handler_wakes(f, remove_in_handler, -ECANCELED);
}

static void disconnect_wakes_the_caller(struct fixture *f)
{
    handler_wakes(f, disconnect_in_handler, -ENOTCONN);
    assert_int_equal(qmp_client_runstate(f->client), QMP_IDLE);
}

/* B5 */
static void assert_readable_after(struct fixture *f, void (*end)(struct ending *e))
{
    struct ending e = {.f = f};

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP", "RESUME"), &e.listener, &e.scope));
    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
    end(&e);
    await_end(f);
    assert_false(qmp_listener_empty(e.listener));
    assert_sequence(e.listener, "STOP", "RESUME");
    assert_get_error(e.listener, QMP_FOREVER, -ENOTCONN);
    assert_get_error(e.listener, 0, -ENOTCONN);
    assert_true(check_poll(qmp_listener_get_fd(e.listener), POLLIN, 0) & POLLIN);
    assert_past(e.listener, "STOP", "RESUME");
    qmp_scope_end(e.scope);
    qmp_listener_unref(e.listener);
}

static void readable_after_disconnect(struct fixture *f)
{
    assert_readable_after(f, end_by_disconnect);
    assert_int_equal(qmp_client_failure_kind(f->client), QMP_FAILURE_DISCONNECT);
}

static void readable_after_kill(struct fixture *f)
{
    assert_readable_after(f, end_by_kill);
    assert_int_equal(qmp_client_failure_kind(f->client), QMP_FAILURE_CLOSED);
}

static void reconnect(struct fixture *f)
{
    assert_ok(qmp_client_connect(f->client, machine_address(f->machine, 0)));
    assert_ok(qmp_client_wait_running(f->client, CHECK_WAIT));
}

/* B9 */
static void session_boundary(struct fixture *f)
{
    qmp_listener *own = NULL;

    begin(f);
    qmp_listener *listeners[] = {NULL, qmp_client_events(f->client)};
    assert_ok(qmp_listener_new(&own, NULL));
    assert_ok(qmp_client_register_listener(f->client, own));
    listeners[0] = own;
    tell(f->client, "stop", NULL);
    assert_ok(qmp_client_disconnect(f->client));
    reconnect(f);
    tell(f->client, "cont", NULL);
    for (size_t i = 0; i < ELEMENTS(listeners); i++) {
        assert_queued(listeners[i], "STOP");
        assert_get_error(listeners[i], 0, -ENOTCONN);
        qmp_message *event = check_event(listeners[i], "RESUME");
        assert_int_equal(qmp_message_sequence(event), 1);
        qmp_message_unref(event);
        assert_no_event(listeners[i]);
        assert_past(listeners[i], "STOP", "RESUME");
    }
    qmp_listener_unref(own);
}

struct notes {
    size_t n;
    qmp_message *events[8];
};

static void note_event(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct notes *notes = userdata;

    (void)l;
    if (notes->n < ELEMENTS(notes->events))
        notes->events[notes->n++] = qmp_message_ref(event);
}

/* B9: a handler hears the events of each connection as they come; the boundary holds none of them up. */
static void handler_across_connections(struct fixture *f)
{
    struct notes notes = {.n = 0};

    begin(f);
    assert_ok(qmp_listener_set_handler(qmp_client_events(f->client), note_event, &notes));
    tell(f->client, "stop", NULL);
    assert_int_equal(notes.n, 1);
    assert_ok(qmp_client_disconnect(f->client));
    reconnect(f);
    tell(f->client, "cont", NULL);
    assert_messages(notes.events, notes.n, "STOP", "RESUME");
    assert_ok(qmp_listener_set_handler(qmp_client_events(f->client), NULL, NULL));
    for (size_t i = 0; i < notes.n; i++)
        qmp_message_unref(notes.events[i]);
}

struct outcome {
    unsigned calls;
    int error;
};

static void note_outcome(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct outcome *o = userdata;

    (void)p;
    (void)reply;
    o->calls++;
    o->error = error;
}

/* What is pending when QEMU dies completes, once, with the reason. */
static void kill_completes_pending(struct fixture *f)
{
    struct outcome outcome = {0, 0};
    qmp_pending *pending = NULL;

    begin(f);
    char *gate = machine_gate_arguments(f->machine);
    assert_ok(qmp_client_execute_async(f->client, "blockdev-add", gate, NULL, NULL, &pending));
    assert_ok(qmp_client_execute_async(f->client, "query-status", NULL, note_outcome, &outcome, NULL));
    free(gate);
    assert_error(qmp_pending_wait(pending, MOMENT, NULL, NULL), -ETIMEDOUT);
    machine_kill(f->machine);
    assert_error(qmp_pending_wait(pending, CHECK_WAIT, NULL, NULL), -ECONNRESET);
    assert_error(qmp_pending_wait(pending, 0, NULL, NULL), -ECONNRESET);
    await_end(f);
    assert_int_equal(outcome.calls, 1);
    assert_error(outcome.error, -ECONNRESET);
    assert_error(qmp_client_execute(f->client, "query-status", NULL, CHECK_WAIT, NULL, NULL), -ENOTCONN);
    assert_true(strlen(qmp_client_failure(f->client)) > 0);
    qmp_pending_unref(pending);
}

/* QEMU sends pretty output line by line: the last message is whole when its own brace is there. */
static bool ends_whole(const char *text, size_t size)
{
    const char *end = strstr(text, "\n ") ? "\n}\r\n" : "}\r\n";

    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

/* Waits until the kernel holds `n` replies for the client, without taking them. */
static void await_replies(int fd, unsigned n)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);
    char buffer[4096];
    bool whole;
    unsigned found;

    do {
        assert_true(check_now() < deadline);
        assert_true(check_poll(fd, POLLIN, CHECK_WAIT) & POLLIN);
        ssize_t size = recv(fd, buffer, sizeof(buffer) - 1, MSG_PEEK | MSG_DONTWAIT);
        assert_true(size > 0);
        buffer[size] = '\0';
        whole = ends_whole(buffer, (size_t)size);
        found = 0;
        for (const char *s = buffer; (s = strstr(s, "\"return\"")); s++)
            found++;
    } while (found < n || !whole);
}

/* A handler disconnects at the first of several messages that were read at once: the others are delivered first. */
static void disconnect_delivers_what_was_read(struct fixture *f)
{
    struct ending e = {.f = f};
    struct outcome stop = {0, 0}, cont = {0, 0};
    qmp_listener *l = NULL, *handled = NULL;
    int r;

    begin(f);
    assert_ok(qmp_listener_new(&handled, NAMES("STOP")));
    assert_ok(qmp_listener_set_handler(handled, disconnect_in_handler, &e));
    assert_ok(qmp_client_register_listener(f->client, handled));
    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_client_register_listener(f->client, l));
    machine_freeze(f->machine);
    assert_ok(qmp_client_execute_async(f->client, "stop", NULL, note_outcome, &stop, NULL));
    assert_ok(qmp_client_execute_async(f->client, "cont", NULL, note_outcome, &cont, NULL));
    while ((r = qmp_client_process(f->client)) > 0)
        continue;
    assert_error(r, 0);
    machine_thaw(f->machine);
    await_replies(qmp_client_get_fd(f->client), 2);
    while (qmp_client_process(f->client) >= 0)
        continue;
    assert_queued(l, "STOP", "RESUME");
    assert_get_error(l, 0, -ENOTCONN);
    assert_true(stop.calls == 1 && stop.error == 0);
    assert_true(cont.calls == 1 && cont.error == 0);
    qmp_listener_unref(handled);
    qmp_listener_unref(l);
}

struct states {
    size_t n;
    enum qmp_runstate seen[16];
};

static void note_state(qmp_client *c, enum qmp_runstate state, void *userdata)
{
    struct states *s = userdata;

    (void)c;
    if (s->n < ELEMENTS(s->seen))
        s->seen[s->n++] = state;
}

static void connect_and_kill(struct fixture *f, struct states *states)
{
    begin(f);
    qmp_client_unref(f->client);
    f->client = new_client(f);
    assert_ok(qmp_client_set_runstate_handler(f->client, note_state, states));
    reconnect(f);
    machine_kill(f->machine);
    await_end(f);
}

/* QEMU dies just after the negotiation: no state is missed, none lasts for ever. */
static void killed_after_negotiation(struct fixture *f)
{
    static const enum qmp_runstate expected[] = {QMP_CONNECTING, QMP_RUNNING, QMP_DISCONNECTING, QMP_IDLE};
    struct states states = {.n = 0};

    connect_and_kill(f, &states);
    assert_int_equal(qmp_client_failure_kind(f->client), QMP_FAILURE_CLOSED);
    assert_ok(qmp_client_disconnect(f->client));
    f->client = qmp_client_unref(f->client);
    assert_int_equal(states.n, ELEMENTS(expected));
    for (size_t i = 0; i < ELEMENTS(expected); i++)
        assert_int_equal(states.seen[i], expected[i]);
}

/* A server that does not read delays neither disconnect() nor the completion of what waits. */
static void disconnect_from_a_hung_server(struct fixture *f)
{
    size_t size = (size_t)1 << 20;
    qmp_pending *pending[4] = {NULL};

    begin(f);
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    char *arguments = qmp_json("{'command-line': %s}", text);
    assert_non_null(arguments);
    machine_freeze(f->machine);
    for (size_t i = 0; i < ELEMENTS(pending); i++)
        assert_ok(qmp_client_execute_async(f->client, "human-monitor-command", arguments, NULL, NULL, &pending[i]));
    assert_error(qmp_pending_wait(pending[0], MOMENT, NULL, NULL), -ETIMEDOUT);
    uint64_t before = check_now();
    assert_ok(qmp_client_disconnect(f->client));
    assert_true(check_now() - before < CHECK_WAIT / 2);
    for (size_t i = 0; i < ELEMENTS(pending); i++) {
        assert_error(qmp_pending_wait(pending[i], 0, NULL, NULL), -ECONNRESET);
        qmp_pending_unref(pending[i]);
    }
    assert_int_equal(qmp_client_runstate(f->client), QMP_IDLE);
    free(arguments);
    free(text);
}

static int disconnect(void *client)
{
    return qmp_client_disconnect(client);
}

/* Several threads disconnect at the same time. */
static void disconnect_together(struct fixture *f)
{
    struct worker *workers[4];

    begin(f);
    for (unsigned round = 0; round < 10; round++) {
        for (size_t i = 0; i < ELEMENTS(workers); i++)
            workers[i] = worker_start(disconnect, f->client);
        for (size_t i = 0; i < ELEMENTS(workers); i++) {
            int r = worker_join(workers[i]);
            assert_true(r == 0 || r == -EALREADY);
        }
        assert_int_equal(qmp_client_runstate(f->client), QMP_IDLE);
        reconnect(f);
    }
}

/* `quit`: its reply, SHUTDOWN and the end, in whatever order; then disconnect() has nothing to complain about. */
static void quit(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("SHUTDOWN"), &l, &scope));
    tell(f->client, "quit", NULL);
    qmp_message *event = check_event(l, "SHUTDOWN");
    assert_true(qmp_value_equals(qmp_value_path(qmp_event_data(event), "reason"), "host-qmp-quit"));
    qmp_message_unref(event);
    assert_get_error(l, CHECK_WAIT, -ENOTCONN);
    assert_int_equal(machine_wait_exit(f->machine), 0);
    assert_ok(qmp_client_disconnect(f->client));
    await_state(f->client, QMP_IDLE);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* The same, disconnecting as soon as the reply is there: a race with the end of file that must not matter. */
static void quit_and_disconnect(struct fixture *f)
{
    begin(f);
    tell(f->client, "quit", NULL);
    assert_ok(qmp_client_disconnect(f->client));
    assert_int_equal(qmp_client_runstate(f->client), QMP_IDLE);
    assert_int_equal(machine_wait_exit(f->machine), 0);
}

/* SIGTERM: SHUTDOWN, then the end, and no reply to anything. */
static void terminated(struct fixture *f)
{
    begin(f);
    assert_int_equal(kill(machine_pid(f->machine), SIGTERM), 0);
    qmp_message *event = check_event(qmp_client_events(f->client), "SHUTDOWN");
    assert_true(qmp_value_equals(qmp_value_path(qmp_event_data(event), "reason"), "host-signal"));
    qmp_message_unref(event);
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ENOTCONN);
}

static const struct scenario scenarios[] = {
    {"B4 disconnect wakes", disconnect_wakes, THREAD_DRIVEN_ONLY},
    {"B4 quit wakes", quit_wakes, THREAD_DRIVEN_ONLY},
    {"B4 SIGKILL wakes", kill_wakes, THREAD_DRIVEN_ONLY},
    {"B4 removal wakes", removal_wakes, THREAD_DRIVEN_ONLY},
    {"B4 the end of the scope wakes", scope_end_wakes, THREAD_DRIVEN_ONLY},
    {"B4 freeing the client wakes", freeing_wakes, THREAD_DRIVEN_ONLY},
    {"B4 SIGKILL wakes the caller", kill_wakes_the_caller, CALLER_DRIVEN_ONLY},
    {"B4 quit wakes the caller", quit_wakes_the_caller, CALLER_DRIVEN_ONLY},
    {"B4 removal wakes the caller", removal_wakes_the_caller, CALLER_DRIVEN_ONLY},
    {"B4 disconnect wakes the caller", disconnect_wakes_the_caller, CALLER_DRIVEN_ONLY},
    {"B5 readable after disconnect", readable_after_disconnect, EVERY_WAY},
    {"B5 readable after SIGKILL", readable_after_kill, EVERY_WAY},
    {"B9 session boundary", session_boundary, EVERY_WAY},
    {"B9 handler across connections", handler_across_connections, EVERY_WAY},
    {"SIGKILL completes what is pending", kill_completes_pending, EVERY_WAY},
    {"disconnect delivers what was read", disconnect_delivers_what_was_read, CALLER_DRIVEN_ONLY},
    {"killed after the negotiation", killed_after_negotiation, EVERY_WAY},
    {"disconnect from a hung server", disconnect_from_a_hung_server, EVERY_WAY},
    {"disconnect together", disconnect_together, THREAD_DRIVEN_ONLY},
    {"quit", quit, EVERY_WAY},
    {"quit and disconnect", quit_and_disconnect, EVERY_WAY},
    {"terminated", terminated, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
