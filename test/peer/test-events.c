/* SPDX-License-Identifier: MIT */

/* Events and listeners on a connection, seen through the public API: who hears what from when on, what is kept and what
 * is lost, how listeners come and go, and what a reconnect looks like to them.
 *
 * One assertion runs through all of it: a listener's descriptor is readable exactly when qmp_listener_get(l, 0, …)
 * would not say -EAGAIN. take() asserts it with every event it takes. */

#include "duo.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* What get(l, 0) says: 0 and the event's name in `name`, or the errno; and the descriptor knew before. */
static int take(qmp_listener *l, char name[64])
{
    int fd = assert_ok(qmp_listener_get_fd(l));
    bool readable = check_poll(fd, POLLIN, 0) & POLLIN;
    qmp_message *event = NULL;
    int r = qmp_listener_get(l, 0, &event);

    assert_int_equal(readable, r != -EAGAIN);
    assert_int_equal(qmp_listener_get_fd(l), fd);
    snprintf(name, 64, "%s", r == 0 ? qmp_event_name(event) : "");
    qmp_message_unref(event);
    return r;
}

static void assert_takes(qmp_listener *l, const char *expected)
{
    char name[64];

    assert_ok(take(l, name));
    assert_string_equal(name, expected);
}

static void assert_says(qmp_listener *l, int error)
{
    char name[64];

    assert_error(take(l, name), error);
}

static qmp_listener *listener(qmp_client *c, const char *const *names)
{
    qmp_listener *l = NULL;

    assert_ok(qmp_listener_new(&l, names));
    if (c) {
        assert_ok(qmp_client_register_listener(c, l));
    }
    return l;
}

#define LISTENER(client, ...) listener((client), (const char *const[]){__VA_ARGS__, NULL})

static void say(struct duo *d, const char *name)
{
    char text[256];
    int n = snprintf(text, sizeof(text), "{\"event\": \"%s\"}\r\n", name);

    peer_do(d->peer, PEER_SEND_SIZED(text, (size_t)n));
    duo_drive(d);
}

static void say_job(struct duo *d, const char *id, const char *status)
{
    char text[256];
    int n = snprintf(text, sizeof(text),
        "{\"event\": \"JOB_STATUS_CHANGE\", \"data\": {\"id\": \"%s\", \"status\": \"%s\", \"n\": 42, \"ok\": true}}",
        id, status);

    peer_do(d->peer, PEER_SEND_SIZED(text, (size_t)n));
    duo_drive(d);
}

static void hang_up(struct duo *d)
{
    peer_do(d->peer, PEER_CLOSE);
    duo_wait_state(d, QMP_IDLE);
}

/* ---- what is heard ---- */

/* Before the greeting, before the negotiation's reply: delivered, in order, numbered from 1 on each connection. */
static void test_events_before_running(void)
{
    struct duo d = duo_new();
    qmp_listener *l = listener(d.client, NULL);

    for (unsigned round = 0; round < 2; round++) {
        duo_connect(&d);
        say(&d, "EARLY");
        assert_takes(l, "EARLY");
        peer_do(d.peer, PEER_REPLY(PEER_EVENT_TEXT("EARLIER") PEER_GREETING_TEXT PEER_EVENT_TEXT("LATER")));
        drive(d.client);
        assert_int_equal(qmp_client_runstate(d.client), QMP_CONNECTING);
        peer_do(d.peer, PEER_EXPECT("qmp_capabilities"),
            PEER_REPLY(PEER_EVENT_TEXT("LATEST") "{\"return\": {}, \"id\": @id}" PEER_EVENT_TEXT("NOW")));
        drive(d.client);
        assert_int_equal(qmp_client_runstate(d.client), QMP_RUNNING);

        for (unsigned i = 0; i < 4; i++) {
            static const char *const names[] = {"EARLIER", "LATER", "LATEST", "NOW"};
            qmp_message *event = check_event(l, names[i]);

            assert_int_equal(qmp_message_sequence(event), i + 2);
            qmp_message_unref(event);
        }
        assert_says(l, -EAGAIN);
        hang_up(&d);
        assert_says(l, -ENOTCONN);
        peer_free(d.peer);
    }
    d.peer = NULL;
    qmp_listener_unref(l);
    duo_close(&d);
}

static void test_names_at_run_time(void)
{
    struct duo d = duo_open();
    qmp_listener *l = LISTENER(d.client, "STOP", "RESUME");

    say(&d, "STOP");
    say(&d, "RESET");
    say(&d, "RESUME");
    say(&d, "STOPPED");
    say(&d, "STO");
    assert_ok(qmp_listener_set_names(l, (const char *const[]){"RESET", NULL}));
    say(&d, "STOP");
    say(&d, "RESET");
    assert_error(qmp_listener_set_names(l, (const char *const[]){"A", "", NULL}), -EINVAL);
    say(&d, "A");
    say(&d, "RESET");
    assert_ok(qmp_listener_set_names(l, NULL));
    say(&d, "ANY");
    assert_ok(qmp_listener_set_names(l, (const char *const[]){NULL}));
    say(&d, "EVERY");
    assert_ok(qmp_listener_set_names(l, (const char *const[]){"\xc3\x89", NULL}));
    say(&d, "\\u00C9");
    assert_takes(l, "STOP");
    assert_takes(l, "RESUME");
    assert_takes(l, "RESET");
    assert_takes(l, "RESET");
    assert_takes(l, "ANY");
    assert_takes(l, "EVERY");
    assert_takes(l, "\xc3\x89");
    assert_says(l, -EAGAIN);
    qmp_listener_unref(l);
    duo_close(&d);
}

/* Several listeners for one name: each hears it once, also when it names it twice. */
static void test_each_listener_hears_its_own(void)
{
    struct duo d = duo_open();
    qmp_listener *a = LISTENER(d.client, "STOP", "STOP"), *b = LISTENER(d.client, "RESUME", "STOP");
    qmp_message *first, *second;

    say(&d, "STOP");
    first = check_event(a, "STOP");
    second = check_event(b, "STOP");
    assert_value(qmp_message_root(first), "{\"event\": \"STOP\"}");
    assert_value(qmp_message_root(second), "{\"event\": \"STOP\"}");
    assert_says(a, -EAGAIN);
    assert_says(b, -EAGAIN);
    assert_takes(qmp_client_events(d.client), "STOP");
    qmp_listener_unref(a);
    qmp_listener_unref(b);
    duo_close(&d);
    /* A message outlives everybody. */
    assert_string_equal(qmp_event_name(first), "STOP");
    qmp_message_unref(first);
    qmp_message_unref(second);
}

static bool odd_sequence(const qmp_message *event, void *calls)
{
    ++*(unsigned *)calls;
    return qmp_message_sequence(event) % 2 == 1;
}

static void test_filter_at_run_time(void)
{
    struct duo d = duo_open();
    qmp_listener *l = LISTENER(d.client, "A", "B");
    unsigned calls = 0;

    assert_ok(qmp_listener_set_filter(l, odd_sequence, &calls));
    say(&d, "A");
    say(&d, "A");
    say(&d, "C");
    say(&d, "B");
    say(&d, "B");
    assert_int_equal(calls, 4);
    assert_ok(qmp_listener_set_filter(l, NULL, NULL));
    say(&d, "A");
    assert_int_equal(calls, 4);
    assert_takes(l, "A");
    assert_takes(l, "B");
    assert_takes(l, "A");
    assert_says(l, -EAGAIN);
    qmp_listener_unref(l);
    duo_close(&d);
}

static void test_matches_at_run_time(void)
{
    struct duo d = duo_open();
    qmp_listener *l = LISTENER(d.client, "JOB_STATUS_CHANGE", "OTHER");

    assert_ok(qmp_listener_add_match(l, "data.id", "job1"));
    say_job(&d, "job1", "created");
    say_job(&d, "job2", "created");
    say_job(&d, "\\u006aob1", "running");
    say(&d, "OTHER");
    assert_error(qmp_listener_add_match(l, "", "x"), -EINVAL);
    assert_ok(qmp_listener_add_match(l, "data.status", "concluded"));
    assert_ok(qmp_listener_add_match(l, "data.n", "42"));
    assert_ok(qmp_listener_add_match(l, "data.ok", "true"));
    say_job(&d, "job1", "pending");
    say_job(&d, "job2", "concluded");
    say_job(&d, "job1", "concluded");
    for (unsigned i = 0; i < 3; i++) {
        qmp_message *event = check_event(l, "JOB_STATUS_CHANGE");
        static const char *const status[] = {"created", "running", "concluded"};

        assert_true(qmp_value_equals(qmp_value_member(qmp_event_data(event), "status"), status[i]));
        qmp_message_unref(event);
    }
    assert_says(l, -EAGAIN);
    assert_ok(qmp_listener_add_match(l, "data.id", "job2"));
    say_job(&d, "job1", "concluded");
    say_job(&d, "job2", "concluded");
    assert_says(l, -EAGAIN);
    qmp_listener_unref(l);
    duo_close(&d);
}

static bool accept_more(qmp_listener *l, const qmp_message *event, void *userdata)
{
    (void)userdata;
    return qmp_listener_accepts(l, event) || strcmp(qmp_event_name(event), "MORE") == 0;
}

static void test_accept_overrides(void)
{
    struct duo d = duo_open();
    qmp_listener *l = LISTENER(d.client, "STOP");

    assert_ok(qmp_listener_set_accept(l, accept_more, NULL));
    say(&d, "STOP");
    say(&d, "RESUME");
    say(&d, "MORE");
    assert_ok(qmp_listener_set_accept(l, NULL, NULL));
    say(&d, "MORE");
    say(&d, "STOP");
    assert_takes(l, "STOP");
    assert_takes(l, "MORE");
    assert_takes(l, "STOP");
    assert_says(l, -EAGAIN);
    qmp_listener_unref(l);
    duo_close(&d);
}

/* ---- limits ---- */

static void test_queue_limit(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);

    assert_ok(qmp_listener_set_limits(l, 3, 2));
    assert_says(l, -EAGAIN);
    for (unsigned i = 0; i < 5; i++) {
        char name[] = "E0";

        name[1] = (char)('0' + i);
        say(&d, name);
    }
    assert_int_equal(qmp_listener_dropped(l), 2);
    assert_false(qmp_listener_empty(l));
    assert_says(l, -ENOBUFS);
    assert_takes(l, "E2");
    say(&d, "E5");
    assert_takes(l, "E3");
    assert_takes(l, "E4");
    assert_takes(l, "E5");
    assert_says(l, -EAGAIN);
    assert_int_equal(qmp_listener_dropped(l), 2);
    assert_history(l, "E4", "E5");

    /* Smaller at once; the oldest go. */
    say(&d, "F0");
    say(&d, "F1");
    say(&d, "F2");
    assert_ok(qmp_listener_set_limits(l, 1, 1));
    assert_int_equal(qmp_listener_dropped(l), 4);
    assert_says(l, -ENOBUFS);
    assert_takes(l, "F2");
    assert_history(l, "F2");
    qmp_listener_unref(l);
    duo_close(&d);
}

/* A loss is reported to a waiting get() as well, and clear takes the news with the events. */
static void test_losses_and_clear(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);
    qmp_message **events = NULL, *event = NULL;
    size_t n = 0;

    assert_ok(qmp_listener_set_limits(l, 1, 10));
    say(&d, "A");
    say(&d, "B");
    assert_error(qmp_listener_get(l, CHECK_WAIT, &event), -ENOBUFS);
    assert_ok(qmp_listener_get(l, CHECK_WAIT, &event));
    qmp_message_unref(event);
    say(&d, "C");
    say(&d, "D");
    assert_ok(qmp_listener_clear(l, &events, &n));
    assert_int_equal(n, 1);
    assert_string_equal(qmp_event_name(events[0]), "D");
    qmp_message_unref_many(events, n);
    assert_says(l, -EAGAIN);
    assert_ok(qmp_listener_clear(l, &events, &n));
    assert_null(events);
    assert_int_equal(n, 0);
    assert_int_equal(qmp_listener_dropped(l), 2);
    qmp_listener_unref(l);
    duo_close(&d);
}

static void test_no_queue_no_history(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);

    say(&d, "A");
    assert_ok(qmp_listener_set_limits(l, 0, 0));
    assert_no_history(l);
    say(&d, "B");
    assert_true(qmp_listener_empty(l));
    uint64_t dropped = qmp_listener_dropped(l);
    say(&d, "C");
    assert_int_equal(qmp_listener_dropped(l), dropped);
    assert_says(l, -EAGAIN);
    assert_no_history(l);
    assert_ok(qmp_listener_set_limits(l, SIZE_MAX, SIZE_MAX));
    say(&d, "D");
    assert_takes(l, "D");
    assert_history(l, "D");

    /* With a queue of nothing, the end of a connection still is one. */
    assert_ok(qmp_listener_set_limits(l, 0, 0));
    hang_up(&d);
    assert_says(l, -ENOTCONN);
    qmp_listener_unref(l);
    duo_close(&d);
}

/* Limits that change when the end of the connection was told already. */
static void test_limits_between_connections(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);

    say(&d, "A");
    hang_up(&d);
    assert_takes(l, "A");
    assert_says(l, -ENOTCONN);
    assert_ok(qmp_listener_set_limits(l, 0, 0));
    assert_says(l, -ENOTCONN);
    assert_ok(qmp_listener_set_limits(l, 10, 10));
    duo_reconnect(&d);
    assert_says(l, -EAGAIN);
    say(&d, "B");
    assert_takes(l, "B");
    assert_says(l, -EAGAIN);
    hang_up(&d);
    assert_says(l, -ENOTCONN);
    qmp_listener_unref(l);
    duo_close(&d);
}

#define EIGHT                                                                                                          \
    "{\"event\":\"E\"}{\"event\":\"E\"}{\"event\":\"E\"}{\"event\":\"E\"}{\"event\":\"E\"}{\"event\":\"E\"}{"          \
    "\"event\":\"E\"}{"                                                                                                \
    "\"event\":\"E\"}"

static void test_default_limits(void)
{
    struct duo d = duo_open();
    qmp_listener *l = qmp_client_events(d.client);
    qmp_message **events = NULL;
    size_t n = 0;

    for (size_t i = 0; i < QMP_LISTENER_QUEUE_MAX + 10; i += 8) {
        peer_do(d.peer, PEER_SEND(EIGHT));
        drive(d.client);
    }
    assert_true(qmp_listener_dropped(l) > 0);
    assert_ok(qmp_listener_history(l, &events, &n));
    assert_int_equal(n, QMP_LISTENER_HISTORY_MAX);
    qmp_message_unref_many(events, n);
    assert_ok(qmp_listener_clear(l, NULL, &n));
    assert_int_equal(n, QMP_LISTENER_QUEUE_MAX);
    assert_true(qmp_listener_empty(l));
    duo_close(&d);
}

/* ---- coming and going ---- */

static void test_register_and_remove(void)
{
    struct duo d = duo_open(), other = duo_open();
    qmp_listener *l = listener(NULL, NULL);

    assert_says(l, -ENOTCONN);
    assert_error(qmp_client_remove_listener(d.client, l), -ENOENT);
    assert_ok(qmp_client_register_listener(d.client, l));
    assert_says(l, -EAGAIN);
    say(&d, "A");
    assert_error(qmp_client_register_listener(d.client, l), -EEXIST);
    assert_error(qmp_client_register_listener(other.client, l), -EEXIST);
    assert_error(qmp_client_remove_listener(other.client, l), -ENOENT);
    say(&d, "B");
    assert_takes(l, "A");
    assert_ok(qmp_client_remove_listener(d.client, l));
    assert_says(l, -ENOTCONN);
    assert_true(qmp_listener_empty(l));
    assert_history(l, "A", "B");
    say(&d, "C");
    assert_says(l, -ENOTCONN);
    assert_history(l, "A", "B");
    assert_error(qmp_client_remove_listener(d.client, l), -ENOENT);

    assert_ok(qmp_client_register_listener(other.client, l));
    assert_says(l, -EAGAIN);
    say(&other, "D");
    say(&d, "E");
    assert_takes(l, "D");
    assert_says(l, -EAGAIN);
    assert_history(l, "A", "B", "D");
    assert_ok(qmp_client_remove_listener(other.client, l));
    qmp_listener_unref(l);
    duo_close(&d);
    duo_close(&other);
}

/* A failed removal leaves everything as it was. */
static void test_failed_removal_changes_nothing(void)
{
    struct duo d = duo_open(), other = duo_open();
    qmp_listener *l = listener(d.client, NULL);

    say(&d, "A");
    assert_error(qmp_client_remove_listener(other.client, l), -ENOENT);
    say(&d, "B");
    assert_takes(l, "A");
    assert_takes(l, "B");
    qmp_listener_unref(l);
    duo_close(&d);
    duo_close(&other);
}

static void test_default_listener(void)
{
    struct duo d = duo_new();
    qmp_listener *l = qmp_client_events(d.client);

    assert_non_null(l);
    assert_error(qmp_client_remove_listener(d.client, l), -EPERM);
    assert_error(qmp_client_register_listener(d.client, l), -EEXIST);
    duo_connect(&d);
    duo_negotiate(&d);
    assert_ptr_equal(qmp_client_events(d.client), l);
    say(&d, "A");
    assert_error(qmp_client_remove_listener(d.client, l), -EPERM);
    assert_takes(l, "A");
    hang_up(&d);
    duo_reconnect(&d);
    say(&d, "B");
    assert_says(l, -ENOTCONN);
    assert_takes(l, "B");
    assert_history(l, "A", "B");
    qmp_listener_ref(l);
    duo_close(&d);
    assert_says(l, -ENOTCONN);
    assert_history(l, "A", "B");
    qmp_listener_unref(l);
}

static void test_scope(void)
{
    struct duo d = duo_open();
    qmp_listener *l[3] = {listener(NULL, NULL), LISTENER(NULL, "A"), listener(NULL, NULL)};
    qmp_scope *scope = NULL;

    assert_ok(qmp_client_listen(d.client, l, 3, &scope));
    say(&d, "A");
    /* One taken out by hand, and put in again: that registration is not the scope's. */
    assert_ok(qmp_client_remove_listener(d.client, l[0]));
    assert_ok(qmp_client_remove_listener(d.client, l[2]));
    assert_ok(qmp_client_register_listener(d.client, l[2]));
    assert_null(qmp_scope_end(scope));
    assert_says(l[0], -ENOTCONN);
    assert_says(l[1], -ENOTCONN);
    assert_says(l[2], -EAGAIN);
    say(&d, "B");
    assert_takes(l[2], "B");
    assert_history(l[1], "A");
    assert_ok(qmp_client_register_listener(d.client, l[1]));
    assert_null(qmp_scope_end(NULL));
    for (unsigned i = 0; i < 3; i++) {
        qmp_listener_unref(l[i]);
    }
    duo_close(&d);
}

/* All or none. */
static void test_scope_rolls_back(void)
{
    struct duo d = duo_open(), other = duo_open();
    qmp_listener *a = listener(NULL, NULL), *b = listener(NULL, NULL), *taken = listener(other.client, NULL);
    qmp_listener *const three[] = {a, taken, b}, *const twice[] = {a, b, a};
    qmp_scope *scope = NULL;

    assert_error(qmp_client_listen(d.client, three, 3, &scope), -EEXIST);
    assert_null(scope);
    assert_error(qmp_client_listen(d.client, twice, 3, &scope), -EEXIST);
    assert_null(scope);
    say(&d, "A");
    assert_says(a, -ENOTCONN);
    assert_says(b, -ENOTCONN);
    assert_no_history(a);
    assert_no_history(b);
    assert_says(taken, -EAGAIN);
    say(&other, "B");
    assert_takes(taken, "B");
    assert_ok(qmp_client_listen(d.client, &a, 1, &scope));
    say(&d, "C");
    assert_takes(a, "C");
    qmp_scope_end(scope);
    qmp_listener_unref(a);
    qmp_listener_unref(b);
    qmp_listener_unref(taken);
    duo_close(&d);
    duo_close(&other);
}

static void test_scoped_listener(void)
{
    struct duo d = duo_open();
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    assert_error(qmp_client_listener(d.client, (const char *const[]){"", NULL}, &l, &scope), -EINVAL);
    assert_null(l);
    assert_null(scope);
    {
        __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *inner = NULL;
        __attribute__((cleanup(qmp_scope_endp))) qmp_scope *inner_scope = NULL;

        assert_ok(qmp_client_listener(d.client, (const char *const[]){"STOP", NULL}, &inner, &inner_scope));
        say(&d, "STOP");
        say(&d, "RESUME");
        assert_takes(inner, "STOP");
        assert_says(inner, -EAGAIN);
        l = qmp_listener_ref(inner);
    }
    assert_says(l, -ENOTCONN);
    qmp_listener_unref(l);
    assert_ok(qmp_client_listener(d.client, NULL, &l, &scope));
    /* The client goes first. */
    duo_close(&d);
    assert_says(l, -ENOTCONN);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* ---- reconnect ---- */

static void test_reconnect_keeps_listeners(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL), *drained = listener(d.client, NULL),
                 *deaf = LISTENER(d.client, "NEVER");

    say(&d, "A");
    say(&d, "B");
    assert_takes(l, "A");
    assert_takes(drained, "A");
    assert_takes(drained, "B");
    hang_up(&d);
    assert_says(drained, -ENOTCONN);
    assert_says(drained, -ENOTCONN);
    assert_says(deaf, -ENOTCONN);
    duo_reconnect(&d);
    say(&d, "C");

    /* What was left of the old connection, then the border, then the new one. */
    assert_takes(l, "B");
    assert_says(l, -ENOTCONN);
    assert_takes(l, "C");
    assert_says(l, -EAGAIN);
    /* Who has seen the end has seen it. */
    assert_takes(drained, "C");
    assert_says(drained, -EAGAIN);
    /* Who has heard nothing has nothing to tell apart. */
    assert_says(deaf, -EAGAIN);
    assert_history(l, "A", "B", "C");

    qmp_listener_unref(l);
    qmp_listener_unref(drained);
    qmp_listener_unref(deaf);
    duo_close(&d);
}

/* Three connections unread, one border between each two. */
static void test_borders_of_many_connections(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);

    say(&d, "A");
    hang_up(&d);
    duo_reconnect(&d);
    say(&d, "B");
    hang_up(&d);
    duo_reconnect(&d);
    hang_up(&d);
    duo_reconnect(&d);
    say(&d, "C");
    assert_takes(l, "A");
    assert_says(l, -ENOTCONN);
    assert_takes(l, "B");
    assert_says(l, -ENOTCONN);
    assert_takes(l, "C");
    assert_says(l, -EAGAIN);
    hang_up(&d);
    assert_says(l, -ENOTCONN);
    qmp_listener_unref(l);
    duo_close(&d);
}

static void test_border_survives_a_full_queue(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);

    assert_ok(qmp_listener_set_limits(l, 4, 10));
    say(&d, "A");
    say(&d, "B");
    hang_up(&d);
    duo_reconnect(&d);
    for (unsigned i = 0; i < 10; i++) {
        say(&d, "C");
    }
    char name[64];
    unsigned borders = 0, events = 0;
    int r;

    assert_says(l, -ENOBUFS);
    while ((r = take(l, name)) != -EAGAIN) {
        borders += r == -ENOTCONN;
        events += r == 0;
        assert_true(r == 0 || r == -ENOTCONN);
    }
    assert_int_equal(borders, 1);
    assert_in_range(events, 2, 4);
    assert_int_equal(qmp_listener_dropped(l), 12 - events);
    qmp_listener_unref(l);
    duo_close(&d);
}

/* Where all events of a connection were lost, its borders fall into one as more is lost. */
static void test_borders_in_a_tiny_queue(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);
    char name[64];
    unsigned borders = 0;
    int r;

    assert_ok(qmp_listener_set_limits(l, 3, 10));
    say(&d, "A");
    hang_up(&d);
    duo_reconnect(&d);
    say(&d, "B");
    hang_up(&d);
    duo_reconnect(&d);
    say(&d, "C");
    say(&d, "D");
    say(&d, "E");
    assert_says(l, -ENOBUFS);
    while ((r = take(l, name)) == -ENOTCONN) {
        borders++;
    }
    assert_in_range(borders, 1, 2);
    assert_ok(r);
    assert_true(name[0] >= 'C');
    while (take(l, name) == 0) {
        assert_true(name[0] > 'C');
    }
    assert_string_equal(name, "");
    say(&d, "F");
    assert_takes(l, "F");
    qmp_listener_unref(l);
    duo_close(&d);
}

/* ---- waiting ---- */

static void test_get_timeouts(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);
    qmp_message *event = NULL;
    uint64_t started = check_now();

    assert_error(qmp_listener_get(l, 0, &event), -EAGAIN);
    assert_error(qmp_listener_get(l, 30 * QMP_MILLISECOND, &event), -ETIMEDOUT);
    assert_true(check_now() - started >= 30 * QMP_MILLISECOND);
    assert_null(event);
    peer_start(d.peer, PEER_EVENT("STOP"));
    assert_event(l, "STOP");
    peer_join(d.peer);
    peer_start(d.peer, PEER_EVENT("STOP"), PEER_CLOSE);
    assert_ok(qmp_listener_get(l, QMP_FOREVER, &event));
    qmp_message_unref(event);
    assert_error(qmp_listener_get(l, QMP_FOREVER, &event), -ENOTCONN);
    assert_error(qmp_listener_get(l, QMP_FOREVER, &event), -ENOTCONN);
    peer_join(d.peer);
    qmp_listener_unref(l);
    duo_close(&d);
}

/* The idiom of the documentation ends by itself. */
static void test_iteration_ends_with_the_connection(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);
    qmp_message *event;
    unsigned n = 0;
    int r;

    peer_start(d.peer, PEER_EVENT("A"), PEER_EVENT("B"), PEER_EVENT("C"), PEER_CLOSE);
    while ((r = qmp_listener_get(l, QMP_FOREVER, &event)) >= 0) {
        n++;
        qmp_message_unref(event);
    }
    assert_error(r, -ENOTCONN);
    assert_int_equal(n, 3);
    peer_join(d.peer);
    qmp_listener_unref(l);
    duo_close(&d);
}

static void test_listeners_wait(void)
{
    struct duo a = duo_open(), b = duo_open();
    qmp_listener *l[3] = {LISTENER(a.client, "A"), LISTENER(b.client, "B"), LISTENER(b.client, "C")};

    assert_error(qmp_listeners_wait(l, 0, CHECK_WAIT), -EINVAL);
    assert_error(qmp_listeners_wait(l, 3, 0), -ETIMEDOUT);
    assert_error(qmp_listeners_wait(l, 3, 20 * QMP_MILLISECOND), -ETIMEDOUT);
    peer_start(b.peer, PEER_EVENT("C"));
    assert_int_equal(qmp_listeners_wait(l, 3, CHECK_WAIT), 2);
    peer_join(b.peer);
    assert_int_equal(qmp_listeners_wait(l, 3, 0), 2);
    peer_start(a.peer, PEER_EVENT("X"), PEER_EVENT("A"));
    assert_int_equal(qmp_listeners_wait(l, 2, CHECK_WAIT), 0);
    peer_join(a.peer);
    /* The first one that is ready, not the one that was first. */
    assert_int_equal(qmp_listeners_wait(l, 3, CHECK_WAIT), 0);
    assert_takes(l[0], "A");
    assert_takes(l[2], "C");

    /* The end of a connection is something to be ready for. */
    peer_start(b.peer, PEER_CLOSE);
    assert_int_equal(qmp_listeners_wait(l, 3, CHECK_WAIT), 1);
    peer_join(b.peer);
    assert_says(l[1], -ENOTCONN);
    assert_int_equal(qmp_listeners_wait(l, 1, 0), -ETIMEDOUT);
    for (unsigned i = 0; i < 3; i++) {
        qmp_listener_unref(l[i]);
    }
    duo_close(&a);
    duo_close(&b);
}

/* One client driven by the library, one by us. */
static void test_listeners_wait_mixed(void)
{
    struct duo a = duo_open_threaded(), b = duo_open();
    qmp_listener *l[2] = {listener(a.client, NULL), listener(b.client, NULL)};

    peer_start(a.peer, PEER_EVENT("A"));
    assert_int_equal(qmp_listeners_wait(l, 2, CHECK_WAIT), 0);
    assert_event(l[0], "A");
    peer_start(b.peer, PEER_EVENT("B"));
    assert_int_equal(qmp_listeners_wait(l, 2, CHECK_WAIT), 1);
    assert_event(l[1], "B");
    assert_error(qmp_listeners_wait(l, 2, 20 * QMP_MILLISECOND), -ETIMEDOUT);
    peer_join(a.peer);
    peer_join(b.peer);
    peer_start(a.peer, PEER_CLOSE);
    assert_int_equal(qmp_listeners_wait(l, 2, CHECK_WAIT), 0);
    peer_join(a.peer);
    qmp_listener_unref(l[0]);
    qmp_listener_unref(l[1]);
    duo_close(&a);
    duo_close(&b);
}

/* The descriptor through all states, asked for only at the end of some of them. */
static void test_descriptor_asked_for_late(void)
{
    struct duo d = duo_open();
    qmp_listener *queued = listener(d.client, NULL), *lossy = listener(d.client, NULL),
                 *closed = listener(d.client, NULL);

    assert_ok(qmp_listener_set_limits(lossy, 1, 1));
    say(&d, "A");
    say(&d, "B");
    assert_takes(queued, "A");
    assert_takes(queued, "B");
    assert_says(queued, -EAGAIN);
    assert_says(lossy, -ENOBUFS);
    assert_takes(lossy, "B");
    assert_says(lossy, -EAGAIN);
    say(&d, "C");
    assert_ok(qmp_listener_clear(lossy, NULL, NULL));
    assert_says(lossy, -EAGAIN);
    hang_up(&d);
    assert_takes(closed, "A");
    assert_takes(closed, "B");
    assert_takes(closed, "C");
    assert_says(closed, -ENOTCONN);
    assert_ok(qmp_client_remove_listener(d.client, closed));
    assert_says(closed, -ENOTCONN);
    qmp_listener_unref(queued);
    qmp_listener_unref(lossy);
    qmp_listener_unref(closed);
    duo_close(&d);
}

/* ---- handlers ---- */

struct heard {
    unsigned n;
    char names[8][32];
    const qmp_listener *l;
};

static void hear(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct heard *heard = userdata;

    heard->l = l;
    snprintf(heard->names[heard->n % 8], sizeof(heard->names[0]), "%s", qmp_event_name(event));
    heard->n++;
}

static void test_handler(void)
{
    struct duo d = duo_open();
    qmp_listener *l = LISTENER(d.client, "A", "B", "C", "D");
    struct heard heard = {0};

    say(&d, "A");
    assert_ok(qmp_listener_set_handler(l, hear, &heard));
    assert_int_equal(heard.n, 0);
    say(&d, "X");
    assert_int_equal(heard.n, 1);
    assert_string_equal(heard.names[0], "A");
    peer_do(d.peer, PEER_EVENT("B"), PEER_EVENT("C"));
    drive(d.client);
    assert_int_equal(heard.n, 3);
    assert_string_equal(heard.names[1], "B");
    assert_string_equal(heard.names[2], "C");
    assert_ptr_equal(heard.l, l);
    assert_says(l, -EAGAIN);
    assert_history(l, "A", "B", "C");
    assert_ok(qmp_listener_set_handler(l, NULL, NULL));
    say(&d, "D");
    assert_int_equal(heard.n, 3);
    assert_takes(l, "D");
    qmp_listener_unref(l);
    duo_close(&d);
}

/* Queued before the handler is set, they are handed over without waiting for the next one. */
static void test_handler_takes_what_is_queued(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);
    struct heard heard = {0};
    uint64_t deadline = 0;

    say(&d, "A");
    say(&d, "B");
    assert_ok(qmp_listener_set_handler(l, hear, &heard));
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true(deadline <= check_now());
    drive(d.client);
    assert_int_equal(heard.n, 2);
    assert_true(qmp_listener_empty(l));
    qmp_listener_unref(l);
    duo_close(&d);
}

/* What was queued when the connection ended is still the handler's. */
static void test_handler_and_the_end(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);
    struct heard heard = {0};

    assert_ok(qmp_listener_set_handler(l, hear, &heard));
    peer_do(d.peer, PEER_EVENT("A"), PEER_EVENT("B"), PEER_CLOSE);
    assert_error(drive_to_end(d.client), -ECONNRESET);
    assert_int_equal(heard.n, 2);
    assert_says(l, -ENOTCONN);
    duo_reconnect(&d);
    say(&d, "C");
    assert_int_equal(heard.n, 3);
    assert_string_equal(heard.names[2], "C");
    qmp_listener_unref(l);
    duo_close(&d);
}

/* A listener with a queue of nothing and a handler only hands over. */
static void test_handler_without_queue(void)
{
    struct duo d = duo_open();
    qmp_listener *l = listener(d.client, NULL);
    struct heard heard = {0};

    assert_ok(qmp_listener_set_limits(l, 0, 0));
    assert_ok(qmp_listener_set_handler(l, hear, &heard));
    say(&d, "A");
    say(&d, "B");
    assert_int_equal(heard.n, 2);
    assert_int_equal(qmp_listener_dropped(l), 0);
    qmp_listener_unref(l);
    duo_close(&d);
}

/* ---- threads ---- */

#define STORM 20000u

struct consumer {
    pthread_t thread;
    qmp_listener *l;
    unsigned n;
    int error;
    bool in_order;
    uint8_t *seen;
};

static void *consume(void *consumer)
{
    struct consumer *k = consumer;
    uint64_t last = 0;
    qmp_message *event;

    k->in_order = true;
    while ((k->error = qmp_listener_get(k->l, QMP_FOREVER, &event)) == 0) {
        uint64_t sequence = qmp_message_sequence(event);

        k->in_order = k->in_order && sequence > last;
        last = sequence;
        __atomic_fetch_add(&k->seen[sequence], 1, __ATOMIC_RELAXED);
        k->n++;
        qmp_message_unref(event);
    }
    return NULL;
}

/* Four consumers of one listener and one of another: each event once for each listener, in order for each consumer. */
static void test_many_consumers(void)
{
    struct duo d = duo_open_threaded();
    qmp_listener *shared = listener(d.client, NULL), *own = listener(d.client, NULL);
    static uint8_t seen[2][STORM + 1];
    struct consumer k[5];
    unsigned together = 0;

    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 5; i++) {
        k[i] = (struct consumer){.l = i < 4 ? shared : own, .seen = seen[i / 4]};
        assert_int_equal(pthread_create(&k[i].thread, NULL, consume, &k[i]), 0);
    }
    for (unsigned i = 0; i < STORM; i++) {
        peer_do(d.peer, PEER_EVENT("STORM"));
    }
    peer_do(d.peer, PEER_CLOSE);
    for (unsigned i = 0; i < 5; i++) {
        pthread_join(k[i].thread, NULL);
        assert_error(k[i].error, -ENOTCONN);
        assert_true(k[i].in_order);
        together += i < 4 ? k[i].n : 0;
    }
    assert_int_equal(together, STORM);
    assert_int_equal(k[4].n, STORM);
    for (unsigned i = 1; i <= STORM; i++) {
        assert_int_equal(seen[0][i], 1);
        assert_int_equal(seen[1][i], 1);
    }
    qmp_listener_unref(shared);
    qmp_listener_unref(own);
    duo_close(&d);
}

enum wake { WAKE_REMOVE, WAKE_DISCONNECT, WAKE_CLOSE, WAKE_FREE, WAKES };

/* Every waiter is woken, by whatever it is. */
static void test_waiters_are_woken(void)
{
    static const int expected[WAKES] = {-ECANCELED, -ENOTCONN, -ENOTCONN, -ECANCELED};

    for (enum wake wake = WAKE_REMOVE; wake < WAKES; wake++) {
        struct duo d = duo_open_threaded();
        qmp_listener *l = listener(d.client, NULL);
        static uint8_t seen[16];
        struct consumer k[3];
        unsigned n = 0;

        for (unsigned i = 0; i < 3; i++) {
            k[i] = (struct consumer){.l = l, .seen = seen};
            assert_int_equal(pthread_create(&k[i].thread, NULL, consume, &k[i]), 0);
        }
        /* They have all started and are, most likely, waiting by now: a round trip takes longer. */
        peer_start(d.peer, PEER_SERVE);
        assert_ok(qmp_client_execute(d.client, "c0", NULL, CHECK_WAIT, NULL, NULL));
        switch (wake) {
        case WAKE_CLOSE:
            d.peer = peer_free(d.peer);
            break;
        case WAKE_REMOVE:
            assert_ok(qmp_client_remove_listener(d.client, l));
            break;
        case WAKE_DISCONNECT:
            assert_ok(qmp_client_disconnect(d.client));
            break;
        default:
            d.client = qmp_client_unref(d.client);
            break;
        }
        for (unsigned i = 0; i < 3; i++) {
            pthread_join(k[i].thread, NULL);
            /* One that came too late to wait finds the listener closed. */
            assert_true(k[i].error == expected[wake] || k[i].error == -ENOTCONN);
            n += k[i].n;
        }
        assert_int_equal(n, 0);
        qmp_listener_unref(l);
        duo_close(&d);
    }
}

struct looker {
    pthread_t thread;
    qmp_listener *l;
    unsigned looked;
    int error;
};

/* Begins to wait over and over, so that the end comes in every moment of it. */
static void *look(void *looker)
{
    struct looker *k = looker;
    qmp_message *event = NULL;

    do {
        k->error = qmp_listener_get(k->l, 20, &event);
        __atomic_fetch_add(&k->looked, 1, __ATOMIC_RELEASE);
    } while (k->error == -ETIMEDOUT);
    return NULL;
}

/* The last reference to the client goes while others wait at its listener: they are told, and touch nothing that is
 * gone. */
static void test_free_while_others_wait(void)
{
    for (unsigned round = 0; round < 100; round++) {
        struct duo d = duo_open_threaded();
        qmp_listener *l = listener(d.client, NULL);
        struct looker k[2];

        for (unsigned i = 0; i < 2; i++) {
            k[i] = (struct looker){.l = l};
            assert_int_equal(pthread_create(&k[i].thread, NULL, look, &k[i]), 0);
        }
        for (unsigned i = 0; i < 2; i++) {
            while (__atomic_load_n(&k[i].looked, __ATOMIC_ACQUIRE) < 1 + round % 5) {
                sched_yield();
            }
        }
        d.client = qmp_client_unref(d.client);
        for (unsigned i = 0; i < 2; i++) {
            pthread_join(k[i].thread, NULL);
            if (k[i].error != -ENOTCONN && k[i].error != -ECANCELED) {
                fail_msg("round %u: the waiting one is told %d: %s", round, k[i].error, qmp_strerror(k[i].error));
            }
        }
        qmp_listener_unref(l);
        duo_close(&d);
    }
}

struct changer {
    pthread_t thread;
    struct duo *d;
    qmp_listener *l;
    int *stop;
};

static void *change(void *changer)
{
    static const char *const a[] = {"STORM", NULL}, *const b[] = {"OTHER", NULL};
    struct changer *k = changer;

    for (unsigned i = 0; !__atomic_load_n(k->stop, __ATOMIC_ACQUIRE); i++) {
        qmp_scope *scope = NULL;

        qmp_listener_set_names(k->l, i % 2 ? a : b);
        qmp_listener_set_limits(k->l, i % 7, i % 5);
        if (qmp_client_listen(k->d->client, &k->l, 1, &scope) == 0) {
            qmp_listener_clear(k->l, NULL, NULL);
            qmp_scope_end(scope);
        }
        qmp_listener_empty(k->l);
    }
    return NULL;
}

/* Listeners come, go and change while a storm goes on: nobody crashes, and the bystander hears all of it. */
static void test_changes_during_a_storm(void)
{
    struct duo d = duo_open_threaded();
    qmp_listener *all = listener(d.client, NULL);
    struct changer k[2];
    int stop = 0;

    for (unsigned i = 0; i < 2; i++) {
        k[i] = (struct changer){.d = &d, .l = listener(NULL, NULL), .stop = &stop};
        assert_int_equal(pthread_create(&k[i].thread, NULL, change, &k[i]), 0);
    }
    for (unsigned i = 0; i < STORM / 10; i++) {
        peer_do(d.peer, PEER_EVENT("STORM"));
    }
    for (unsigned i = 0; i < STORM / 10; i++) {
        assert_event(all, "STORM");
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(k[i].thread, NULL);
        qmp_listener_unref(k[i].l);
    }
    assert_no_event(all);
    qmp_listener_unref(all);
    duo_close(&d);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_events_before_running),
        CHECK_TEST(test_names_at_run_time),
        CHECK_TEST(test_each_listener_hears_its_own),
        CHECK_TEST(test_filter_at_run_time),
        CHECK_TEST(test_matches_at_run_time),
        CHECK_TEST(test_accept_overrides),
        CHECK_TEST(test_queue_limit),
        CHECK_TEST(test_losses_and_clear),
        CHECK_TEST(test_no_queue_no_history),
        CHECK_TEST(test_limits_between_connections),
        CHECK_TEST(test_default_limits),
        CHECK_TEST(test_register_and_remove),
        CHECK_TEST(test_failed_removal_changes_nothing),
        CHECK_TEST(test_default_listener),
        CHECK_TEST(test_scope),
        CHECK_TEST(test_scope_rolls_back),
        CHECK_TEST(test_scoped_listener),
        CHECK_TEST(test_reconnect_keeps_listeners),
        CHECK_TEST(test_borders_of_many_connections),
        CHECK_TEST(test_border_survives_a_full_queue),
        CHECK_TEST(test_borders_in_a_tiny_queue),
        CHECK_TEST(test_get_timeouts),
        CHECK_TEST(test_iteration_ends_with_the_connection),
        CHECK_TEST(test_listeners_wait),
        CHECK_TEST(test_listeners_wait_mixed),
        CHECK_TEST(test_descriptor_asked_for_late),
        CHECK_TEST(test_handler),
        CHECK_TEST(test_handler_takes_what_is_queued),
        CHECK_TEST(test_handler_and_the_end),
        CHECK_TEST(test_handler_without_queue),
        CHECK_TEST(test_many_consumers),
        CHECK_TEST(test_waiters_are_woken),
        CHECK_TEST(test_free_while_others_wait),
        CHECK_TEST(test_changes_during_a_storm),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
