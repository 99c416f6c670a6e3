/* SPDX-License-Identifier: MIT */
/* A thread that waits for its reply receives for everybody, while the library's own thread sleeps.
 *
 * Nobody may notice: callbacks run on the library's thread, one at a time, in the order of the wire; whatever ends a
 * wait ends that of the one who receives, too; and whoever waits for something else gets it as soon as ever. What can
 * be noticed is that a round trip wakes no other thread. */

#include "duo.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

#define MOMENT (20 * QMP_MILLISECOND)
#define BOTH_RETURN "{\"return\": {}, \"id\": @1}\r\n{\"return\": {}, \"id\": @2}\r\n"

/* A thread that executes a command, or waits for one. */
struct waiter {
    pthread_t thread;
    qmp_client *client;
    const char *command;
    qmp_pending *pending;
    int result;
};

static void *wait_for(void *waiter)
{
    struct waiter *w = waiter;

    w->result = w->pending ? qmp_pending_wait(w->pending, CHECK_WAIT, NULL, NULL)
                           : qmp_client_execute(w->client, w->command, NULL, CHECK_WAIT, NULL, NULL);
    return NULL;
}

static void waiter_start(struct waiter *w)
{
    assert_int_equal(pthread_create(&w->thread, NULL, wait_for, w), 0);
}

static int waiter_join(struct waiter *w)
{
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    return w->result;
}

static int execute(struct duo *d, const char *command)
{
    return qmp_client_execute(d->client, command, NULL, CHECK_WAIT, NULL, NULL);
}

/* What callbacks saw; read once they must have run. */
struct seen {
    int thread;
    unsigned events, replies;
    char order[16];
};

static void note(struct seen *s, char what)
{
    size_t n = strlen(s->order);

    s->thread = (int)syscall(SYS_gettid);
    if (n + 1 < sizeof(s->order))
        s->order[n] = what;
}

static void on_event(qmp_listener *l, qmp_message *event, void *seen)
{
    (void)l;
    note(seen, qmp_event_name(event)[0]);
}

static bool on_filter(const qmp_message *event, void *seen)
{
    (void)event;
    note(seen, 'f');
    return true;
}

static void on_reply(qmp_pending *p, int error, qmp_message *reply, void *seen)
{
    (void)p;
    (void)reply;
    note(seen, error == 0 ? 'r' : '!');
}

/* A round trip leaves the library's thread alone: what it slept for is looked after. */
static void test_a_round_trip_wakes_nobody(void)
{
    struct duo d = duo_open_threaded();
    struct seen seen = {0};
    char path[64], line[128];
    unsigned long switches[2] = {0};

    peer_start(d.peer, PEER_SERVE);
    assert_ok(qmp_client_execute_async(d.client, "query-status", NULL, on_reply, &seen, NULL));
    assert_ok(execute(&d, "query-status")); /* behind it, so the callback has run */
    snprintf(path, sizeof(path), "/proc/self/task/%d/status", seen.thread);
    for (unsigned i = 0; i < 2; i++) {
        FILE *f = fopen(path, "r");

        if (!f) {
            duo_close(&d);
            skip();
        }
        while (fgets(line, sizeof(line), f))
            sscanf(line, "voluntary_ctxt_switches: %lu", &switches[i]);
        fclose(f);
        for (unsigned n = 0; n < 200 && i == 0; n++)
            assert_ok(execute(&d, "query-status"));
    }
    assert_true(switches[1] - switches[0] < 50);
    duo_close(&d);
}

/* An event and a reply for callbacks, then the own reply, all in one piece. */
static void test_callbacks_stay_where_they_are(void)
{
    for (unsigned filtered = 0; filtered < 2; filtered++) {
        struct duo d = duo_open_threaded();
        struct seen seen = {0};
        qmp_listener *l = NULL;
        qmp_scope *scope = NULL;

        assert_ok(qmp_listener_new(&l, NULL));
        if (filtered)
            assert_ok(qmp_listener_set_filter(l, on_filter, &seen));
        assert_ok(qmp_listener_set_handler(l, on_event, &seen));
        assert_ok(qmp_client_listen(d.client, &l, 1, &scope));
        peer_start(d.peer, PEER_EXPECT("c1"), PEER_EXPECT("c2"),
            PEER_REPLY(PEER_EVENT_TEXT("A") PEER_EVENT_TEXT("B") BOTH_RETURN PEER_EVENT_TEXT("C")), PEER_EXPECT("c3"),
            PEER_RETURN);
        assert_ok(qmp_client_execute_async(d.client, "c1", NULL, on_reply, &seen, NULL));
        assert_ok(execute(&d, "c2"));
        assert_ok(execute(&d, "c3"));
        assert_string_equal(seen.order, filtered ? "fAfBrfC" : "ABrC");
        assert_int_not_equal(seen.thread, (int)syscall(SYS_gettid));
        assert_events(qmp_client_events(d.client), "A", "B", "C");
        peer_join(d.peer);
        qmp_scope_end(scope);
        qmp_listener_unref(l);
        duo_close(&d);
    }
}

/* Two wait; whichever is answered first, both get what is theirs, and what comes afterwards is heard. */
static void test_two_wait(void)
{
    for (unsigned first = 0; first < 2; first++) {
        struct duo d = duo_open_threaded();
        struct waiter w = {.client = d.client, .command = "c1"};

        peer_start(d.peer, PEER_EXPECT("c1"), PEER_NOTE, PEER_EXPECT("c2"),
            first == 0 ? PEER_REPLY("{\"return\": {}, \"id\": @1}") : PEER_REPLY("{\"return\": {}, \"id\": @2}"),
            PEER_WAIT,
            first == 1 ? PEER_REPLY("{\"return\": {}, \"id\": @1}") : PEER_REPLY("{\"return\": {}, \"id\": @2}"),
            PEER_EVENT("LATER"));
        waiter_start(&w);
        peer_await(d.peer);
        if (first == 0) {
            qmp_pending *p = NULL;

            submit(d.client, "c2", NULL, &p);
            assert_ok(waiter_join(&w));
            peer_go(d.peer);
            assert_ok(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL));
            qmp_pending_unref(p);
        } else {
            assert_ok(execute(&d, "c2"));
            peer_go(d.peer);
            assert_ok(waiter_join(&w));
        }
        assert_event(qmp_client_events(d.client), "LATER");
        peer_join(d.peer);
        duo_close(&d);
    }
}

/* The library's thread takes over from one who has what it waited for: nothing else wakes it. */
static void test_the_leader_is_through(void)
{
    struct duo d = duo_open_threaded();

    for (unsigned i = 0; i < 20; i++) {
        peer_start(d.peer, PEER_EXPECT("c1"), PEER_RETURN, PEER_WAIT, PEER_EVENT("LATER"));
        assert_ok(execute(&d, "c1"));
        peer_go(d.peer);
        assert_event(qmp_client_events(d.client), "LATER");
        peer_join(d.peer);
    }
    duo_close(&d);
}

/* The library's thread takes over from one who stops waiting. */
static void test_the_leader_gives_up(void)
{
    struct duo d = duo_open_threaded();

    assert_error(qmp_client_execute(d.client, "c1", NULL, MOMENT, NULL, NULL), -ETIMEDOUT);
    peer_do(d.peer, PEER_EXPECT("c1"), PEER_RETURN, PEER_EVENT("LATER"));
    assert_event(qmp_client_events(d.client), "LATER");
    assert_int_equal(qmp_client_stray_replies(d.client), 1);
    duo_close(&d);
}

static void test_a_timeout_of_its_own(void)
{
    struct duo d = duo_open_threaded();
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_pending *p = NULL;

    request.command = "c1";
    request.timeout = MOMENT;
    assert_ok(qmp_client_send_full(d.client, &request, NULL, NULL, &p));
    assert_error(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL), -ETIMEDOUT);
    qmp_pending_unref(p);
    duo_close(&d);
}

enum interruption { CANCEL, DISCONNECT, UNREF, CLOSE, BROKEN, INTERRUPTIONS };

/* Whatever ends a wait. */
static void test_interrupted(void)
{
    static const int results[] = {-ECANCELED, -ECONNRESET, -ECONNRESET, -ECONNRESET, -ECONNRESET};

    for (unsigned i = 0; i < 10 * INTERRUPTIONS; i++) {
        struct duo d = duo_open_threaded();
        qmp_listener *events = qmp_listener_ref(qmp_client_events(d.client));
        struct waiter w = {0};

        submit(d.client, "c1", NULL, &w.pending);
        peer_do(d.peer, PEER_EXPECT("c1"));
        waiter_start(&w);
        switch (i % INTERRUPTIONS) {
        case CANCEL:
            assert_ok(qmp_pending_cancel(w.pending));
            break;
        case DISCONNECT:
            assert_ok(qmp_client_disconnect(d.client));
            break;
        case UNREF:
            d.client = qmp_client_unref(d.client);
            break;
        case CLOSE:
            peer_do(d.peer, PEER_EVENT("LAST"), PEER_CLOSE);
            break;
        case BROKEN:
            peer_do(d.peer, PEER_EVENT("LAST"), PEER_SEND("{\"return\": oops}"));
            break;
        default:
            break;
        }
        assert_error(waiter_join(&w), results[i % INTERRUPTIONS]);
        if (i % INTERRUPTIONS >= CLOSE)
            assert_event(events, "LAST");
        if (i % INTERRUPTIONS != CANCEL)
            assert_error(qmp_listener_get(events, CHECK_WAIT, &(qmp_message *){NULL}), -ENOTCONN);
        qmp_pending_unref(w.pending);
        qmp_listener_unref(events);
        duo_close(&d);
    }
}

/* What was read, but is for callbacks, is not lost when the connection ends just then. */
static void test_the_end_behind_callbacks(void)
{
    for (unsigned i = 0; i < 20; i++) {
        struct duo d = duo_open_threaded();
        struct seen seen = {0};
        qmp_listener *events = qmp_client_events(d.client);

        assert_ok(qmp_listener_set_handler(events, on_event, &seen));
        peer_start(d.peer, PEER_EXPECT("c1"), PEER_EXPECT("c2"),
            PEER_REPLY(PEER_EVENT_TEXT("A") "{\"return\": {}, \"id\": @1}" PEER_EVENT_TEXT("B")), PEER_CLOSE);
        assert_ok(qmp_client_execute_async(d.client, "c1", NULL, on_reply, &seen, NULL));
        assert_error(execute(&d, "c2"), -ECONNRESET);
        peer_join(d.peer);
        assert_string_equal(seen.order, "ArB");
        duo_wait_state(&d, QMP_IDLE);
        assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_CLOSED);
        duo_close(&d);
    }
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_a_round_trip_wakes_nobody),
        CHECK_TEST(test_callbacks_stay_where_they_are),
        CHECK_TEST(test_two_wait),
        CHECK_TEST(test_the_leader_is_through),
        CHECK_TEST(test_the_leader_gives_up),
        CHECK_TEST(test_a_timeout_of_its_own),
        CHECK_TEST(test_interrupted),
        CHECK_TEST(test_the_end_behind_callbacks),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
