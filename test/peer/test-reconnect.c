/* SPDX-License-Identifier: MIT */

/* A client that connects again by itself: when it does and when it gives up, what becomes of commands, and how
 * listeners learn of the gap.
 *
 * The invariant: a command completes exactly once and is sent at most once; a listener is told of each gap exactly
 * once, between what was heard before it and what is heard after. */

#include "duo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOON                                                                                                           \
    {                                                                                                                  \
        sizeof(struct qmp_reconnect), QMP_MILLISECOND, 20 * QMP_MILLISECOND, 0, false                                  \
    }

/* The states that were announced, as letters: c r d i. */
struct states {
    char letters[64];
    qmp_client *client;
    char stop_at; /* disconnects when this one comes */
    char free_at;
};

static void note_state(qmp_client *c, enum qmp_runstate state, void *states)
{
    struct states *s = states;
    size_t n = strlen(s->letters);
    char letter = "icrd"[state];

    if (n + 1 < sizeof(s->letters)) {
        s->letters[n] = letter;
    }
    if (letter == s->stop_at) {
        s->stop_at = 0;
        (void)qmp_client_disconnect(c);
    }
    if (letter == s->free_at) {
        s->free_at = 0;
        s->client = qmp_client_unref(c);
    }
}

static qmp_client *client_with(const struct qmp_reconnect *policy, bool threaded)
{
    qmp_client *c = NULL;

    assert_ok(qmp_client_new(&c));
    assert_ok(qmp_client_set_connect_timeout(c, CHECK_WAIT));
    assert_ok(qmp_client_set_reconnect(c, policy));
    if (threaded) {
        assert_ok(qmp_client_start_thread(c));
    }
    return c;
}

/* ---- a server that comes back ---- */

static void come_back(bool threaded)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, threaded);
    struct states states = {.client = c};
    struct outcome o = {0};
    qmp_message *reply = NULL, *event = NULL;
    qmp_pending *pending = NULL;
    qmp_listener *deaf = NULL;
    qmp_scope *scope = NULL;

    /* The second connection hears exactly one command: the first one's is not sent again. */
    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_EVENT("BEFORE"), PEER_EXPECT("stop"), PEER_CLOSE, PEER_ACCEPT,
        PEER_NEGOTIATE, PEER_EXPECT("query-name"), PEER_EVENT("AFTER"), PEER_RETURN, PEER_END);
    assert_ok(qmp_client_set_runstate_handler(c, note_state, &states));
    assert_ok(qmp_client_listener(c, (const char *const[]){"NEVER", NULL}, &deaf, &scope));
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_int_equal(qmp_client_same_server(c), QMP_SERVER_UNKNOWN);
    submit(c, "stop", &o, &pending);
    assert_error(qmp_pending_wait(pending, CHECK_WAIT, NULL, NULL), -ECONNRESET);
    qmp_pending_unref(pending);
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_outcome(&o, -ECONNRESET);

    assert_ok(qmp_client_execute(c, "query-name", NULL, CHECK_WAIT, &reply, NULL));
    qmp_message_unref(reply);
    assert_event(qmp_client_events(c), "BEFORE");
    assert_error(qmp_listener_get(qmp_client_events(c), 0, &event), -ESTALE);
    assert_event(qmp_client_events(c), "AFTER");
    assert_no_event(qmp_client_events(c));
    /* The gap is told to those who heard nothing, too. */
    assert_error(qmp_listener_get(deaf, 0, &event), -ESTALE);
    assert_no_event(deaf);
#ifdef __linux__
    assert_int_equal(qmp_client_same_server(c), QMP_SERVER_SAME);
#endif
    assert_ok(qmp_client_set_runstate_handler(c, NULL, NULL));
    assert_string_equal(states.letters, "crdcr");
    assert_ok(qmp_client_disconnect(c));
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    assert_error(qmp_listener_get(deaf, 0, &event), -ENOTCONN);
    qmp_scope_end(scope);
    qmp_listener_unref(deaf);
    qmp_client_unref(c);
    peer_join(p);
    peer_free(p);
}

static void test_comes_back(void)
{
    come_back(false);
}

static void test_comes_back_threaded(void)
{
    come_back(true);
}

/* ---- events before the negotiation ---- */

/* QEMU withholds what follows them, so a client that connects again says so; where a connection is the program's own,
 * it knows itself. */
static void early(bool policy)
{
    const struct qmp_reconnect soon = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(policy ? &soon : NULL, false);
    qmp_listener *deaf = NULL, *l = qmp_client_events(c);
    qmp_scope *scope = NULL;
    qmp_message *event = NULL;

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_EVENT("LAST"), PEER_WAIT, PEER_CLOSE, PEER_ACCEPT,
        PEER_EVENT("LEFT"), PEER_SEND(PEER_GREETING_TEXT), PEER_EVENT("LATE"), PEER_EXPECT("qmp_capabilities"),
        PEER_EVENT("SOONER"), PEER_RETURN, PEER_EVENT("NEXT"), PEER_END);
    assert_ok(qmp_client_listener(c, (const char *const[]){"NEVER", NULL}, &deaf, &scope));
    assert_ok(qmp_client_connect(c, path));
    assert_event(l, "LAST");
    if (!policy)
        assert_ok(qmp_client_disconnect(c));
    peer_go(p);
    assert_error(qmp_listener_get(l, CHECK_WAIT, &event), policy ? -ESTALE : -ENOTCONN);
    if (!policy)
        assert_ok(qmp_client_connect(c, path));
    for (size_t i = 0; i < 3; i++) {
        assert_event(l, ((const char *const[]){"LEFT", "LATE", "SOONER"})[i]);
        if (policy)
            assert_error(qmp_listener_get(l, 0, &event), -ESTALE);
    }
    assert_event(l, "NEXT");
    assert_no_event(l);
    /* Whoever did not hear them has one gap, ahead of this connection. */
    if (policy)
        assert_error(qmp_listener_get(deaf, 0, &event), -ESTALE);
    assert_no_event(deaf);
    qmp_scope_end(scope);
    qmp_listener_unref(deaf);
    qmp_client_unref(c);
    peer_join(p);
    peer_free(p);
}

static void test_early_events(void)
{
    early(true);
}

static void test_early_events_without_a_policy(void)
{
    early(false);
}

static void count(qmp_listener *l, qmp_message *event, void *counter)
{
    unsigned *n = counter;

    (void)l;
    (void)event;
    ++*n;
}

/* On the first connection, too, and whoever else is called for them; but who heard nothing then has missed nothing. */
static void early_at_first(bool threaded)
{
    static const char *const names[] = {"LEFT", "LATE", "SOONER"};
    const struct qmp_reconnect soon = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&soon, threaded);
    qmp_listener *deaf = NULL, *handled = NULL, *l = qmp_client_events(c);
    qmp_message *event = NULL;
    unsigned n_handled = 0;

    peer_start(p, PEER_ACCEPT, PEER_EVENT("LEFT"), PEER_SEND(PEER_GREETING_TEXT), PEER_EVENT("LATE"),
        PEER_EXPECT("qmp_capabilities"), PEER_EVENT("SOONER"), PEER_RETURN, PEER_EVENT("NEXT"), PEER_END);
    assert_ok(qmp_listener_new(&deaf, (const char *const[]){"NEVER", NULL}));
    assert_ok(qmp_listener_new(&handled, NULL));
    assert_ok(qmp_listener_set_handler(handled, count, &n_handled));
    assert_ok(qmp_client_register_listener(c, deaf));
    assert_ok(qmp_client_register_listener(c, handled));
    assert_ok(qmp_client_connect(c, path));
    for (size_t i = 0; i < 3; i++) {
        assert_event(l, names[i]);
        assert_error(qmp_listener_get(l, CHECK_WAIT, &event), -ESTALE);
    }
    assert_event(l, "NEXT");
    assert_no_event(l);
    assert_no_event(deaf);
    qmp_client_unref(c);
    assert_true(n_handled >= 3); /* its thread may not have come to the last one */
    qmp_listener_unref(handled);
    qmp_listener_unref(deaf);
    peer_join(p);
    peer_free(p);
}

static void test_early_events_at_first(void)
{
    early_at_first(false);
}

static void test_early_events_at_first_threaded(void)
{
    early_at_first(true);
}

/* Whoever waits is told of the gap at once, and may wait on. */
static void wait_across(bool threaded)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, threaded);
    qmp_message *event = NULL;

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_WAIT, PEER_CLOSE, PEER_ACCEPT, PEER_NEGOTIATE, PEER_EVENT("NEXT"),
        PEER_END);
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    peer_go(p);
    assert_error(qmp_listener_get(qmp_client_events(c), CHECK_WAIT, &event), -ESTALE);
    assert_event(qmp_client_events(c), "NEXT");
    qmp_client_unref(c);
    peer_join(p);
    peer_free(p);
}

static void test_waiting_across_a_gap(void)
{
    wait_across(false);
}

static void test_waiting_across_a_gap_threaded(void)
{
    wait_across(true);
}

/* ---- a server that does not come back ---- */

static void test_gives_up(void)
{
    struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    struct states states = {{0}, NULL, 0, 0};
    qmp_message *event = NULL;
    qmp_client *c;

    policy.attempts_max = 3;
    c = client_with(&policy, false);
    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_EVENT("LAST"), PEER_CLOSE);
    assert_ok(qmp_client_set_runstate_handler(c, note_state, &states));
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    peer_join(p);
    peer_free(p);
    unlink(path);
    assert_error(drive_to_end(c), -ENOENT);
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_CONNECT);
    assert_string_equal(states.letters, "crdcdcdcdi");
    /* One gap, however often it was tried; then the end. */
    assert_event(qmp_client_events(c), "LAST");
    assert_error(qmp_listener_get(qmp_client_events(c), 0, &event), -ESTALE);
    assert_error(qmp_listener_get(qmp_client_events(c), 0, &event), -ENOTCONN);
    assert_error(qmp_client_process(c), -ENOTCONN);
    qmp_client_unref(c);
}

/* Only attempts that fail in a row count, and a server of another version is another one. */
static void test_gives_up_not_too_early(void)
{
    struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct states states = {{0}, NULL, 0, 0};
    qmp_client *c;

    policy.attempts_max = 2;
    c = client_with(&policy, false);
    assert_ok(qmp_client_set_runstate_handler(c, note_state, &states));
    for (unsigned i = 0; i < 3; i++) {
        struct peer *p = peer_new_listening(path);

        if (i == 1) {
            peer_start(p, PEER_ACCEPT,
                PEER_SEND("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 8}, "
                          "\"package\": \"\"}, \"capabilities\": []}}"),
                PEER_EXPECT("qmp_capabilities"), PEER_RETURN, PEER_CLOSE);
        } else {
            peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_CLOSE);
        }
        if (i == 0) {
            assert_ok(qmp_client_connect(c, path));
        }
        assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
        assert_int_equal(qmp_client_same_server(c), i == 0 ? QMP_SERVER_UNKNOWN : QMP_SERVER_OTHER);
        peer_join(p);
        peer_free(p);
        unlink(path);
        memset(states.letters, 0, sizeof(states.letters));
        while (i < 2 && !strstr(states.letters, "dcdc")) {
            assert_true(qmp_client_process(c) >= 0);
        }
    }
    assert_error(drive_to_end(c), -ENOENT);
    qmp_client_unref(c);
}

/* Attempts while there has been no connection yet are wanted or not. */
static void test_initially(void)
{
    struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    qmp_client *c = client_with(&policy, false);
    struct states states = {{0}, NULL, 0, 0};
    struct peer *p;

    assert_ok(qmp_client_connect(c, path));
    assert_error(qmp_client_wait_running(c, CHECK_WAIT), -ENOENT);
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);

    policy.initially = true;
    assert_ok(qmp_client_set_reconnect(c, &policy));
    assert_ok(qmp_client_set_runstate_handler(c, note_state, &states));
    assert_ok(qmp_client_connect(c, path));
    while (!strstr(states.letters, "dcdc")) {
        assert_ok(qmp_client_process(c));
        assert_ok(qmp_client_wait(c, CHECK_WAIT));
    }
    assert_contains(qmp_client_failure(c), "is QEMU running");
    p = peer_new_listening(path);
    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_END);
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_no_event(qmp_client_events(c)); /* nor a gap */
    qmp_client_unref(c);
    peer_join(p);
    peer_free(p);
}

/* A wrong address stays wrong, and nobody can dial a descriptor again. */
static void test_final_ends(void)
{
    struct qmp_reconnect policy = SOON;
    struct duo d = duo_new();

    policy.initially = true;
    assert_ok(qmp_client_set_reconnect(d.client, &policy));
    assert_error(qmp_client_connect(d.client, "tcp:vm"), -EINVAL);
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    assert_ok(qmp_client_connect(d.client, "tcp:127.0.0.1:0"));
    assert_error(drive_to_end(d.client), -EINVAL);
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    duo_connect(&d);
    duo_negotiate(&d);
    peer_do(d.peer, PEER_CLOSE);
    assert_error(drive_to_end(d.client), -ECONNRESET);
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    duo_close(&d);
}

static void test_policies(void)
{
    struct qmp_reconnect policy = SOON;
    qmp_client *c = NULL;

    assert_ok(qmp_client_new(&c));
    assert_ok(qmp_client_set_reconnect(c, &policy));
    assert_ok(qmp_client_set_reconnect(c, NULL));
    policy.size--;
    assert_error(qmp_client_set_reconnect(c, &policy), -EINVAL);
    policy = (struct qmp_reconnect)SOON;
    policy.delay_min = policy.delay_max + 1;
    assert_error(qmp_client_set_reconnect(c, &policy), -EINVAL);
    policy.delay_min = 0;
    assert_error(qmp_client_set_reconnect(c, &policy), -EINVAL);
    policy.delay_min = policy.delay_max = QMP_FOREVER;
    assert_error(qmp_client_set_reconnect(c, &policy), -EINVAL);
    qmp_client_unref(c);
}

/* ---- delays ---- */

/* Drives one failing attempt, and returns how long it is until the next one. */
static uint64_t next_delay(qmp_client *c, struct states *states)
{
    size_t n = strlen(states->letters);
    uint64_t deadline = 0, before = 0;

    while (strlen(states->letters) < n + 2) {
        before = check_now();
        assert_true(qmp_client_process(c) >= 0);
        if (strlen(states->letters) < n + 2) {
            assert_ok(qmp_client_wait(c, CHECK_WAIT));
        }
    }
    assert_error(qmp_client_get_fd(c), -ENOTCONN);
    assert_error(qmp_client_get_events(c), -ENOTCONN);
    assert_ok(qmp_client_get_deadline(c, &deadline));
    assert_true(deadline >= before);
    return deadline - before;
}

static void test_delays(void)
{
    static const uint64_t delays[] = {40, 80, 160, 200, 200};
    struct qmp_reconnect policy = {sizeof(policy), 40 * QMP_MILLISECOND, 200 * QMP_MILLISECOND, 0, true};
    qmp_client *c = client_with(&policy, false);
    struct states states = {{0}, NULL, 0, 0};

    assert_ok(qmp_client_set_runstate_handler(c, note_state, &states));
    assert_ok(qmp_client_connect(c, check_path("socket")));
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        uint64_t delay = next_delay(c, &states);

        /* Up to one half is taken off; how long the step itself took comes on top. */
        assert_true(delay >= delays[i] * QMP_MILLISECOND / 2);
        assert_true(delay <= delays[i] * QMP_MILLISECOND + 10 * QMP_SECOND);
    }
    qmp_client_unref(c);
}

/* Drives until the connection has ended, and returns how long it is until the next attempt: not more than `*ret_max`,
 * not less than what is returned. */
static uint64_t delay_after_end(qmp_client *c, uint64_t *ret_max)
{
    uint64_t before = 0, after, deadline = 0;

    while (qmp_client_runstate(c) == QMP_RUNNING) {
        before = check_now();
        assert_true(qmp_client_process(c) >= 0);
    }
    after = check_now();
    assert_int_equal(qmp_client_runstate(c), QMP_CONNECTING);
    assert_ok(qmp_client_get_deadline(c, &deadline));
    *ret_max = deadline - before;
    return deadline > after ? deadline - after : 0;
}

/* Delays grow with a server that takes connections only to drop them, and start again after one that held. */
static void test_delays_start_again(void)
{
    const struct qmp_reconnect policy = {sizeof(policy), 100 * QMP_MILLISECOND, 200 * QMP_MILLISECOND, 1, false};
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, false);
    uint64_t max = 0;

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_CLOSE, PEER_ACCEPT, PEER_NEGOTIATE, PEER_CLOSE, PEER_ACCEPT,
        PEER_NEGOTIATE, PEER_WAIT, PEER_CLOSE);
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_true(delay_after_end(c, &max) <= 100 * QMP_MILLISECOND);
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    (void)delay_after_end(c, &max);
    assert_true(max >= 100 * QMP_MILLISECOND);
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    usleep(220000);
    peer_go(p);
    assert_true(delay_after_end(c, &max) <= 100 * QMP_MILLISECOND);
    qmp_client_unref(c);
    peer_join(p);
    peer_free(p);
}

/* ---- changes on the way ---- */

/* A policy that is set again while connected: the end of that connection is not a failed attempt. */
static void test_policy_while_connected(void)
{
    struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c;

    policy.attempts_max = 1;
    c = client_with(NULL, false);
    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_WAIT, PEER_CLOSE, PEER_ACCEPT, PEER_NEGOTIATE, PEER_END);
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_ok(qmp_client_set_reconnect(c, &policy));
    assert_ok(qmp_client_set_reconnect(c, &policy));
    peer_go(p);
    while (qmp_client_runstate(c) == QMP_RUNNING) {
        assert_true(qmp_client_process(c) >= 0);
    }
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));

    /* The caller's own connect is the first one again. */
    assert_ok(qmp_client_disconnect(c));
    peer_join(p);
    peer_free(p);
    unlink(path);
    policy.attempts_max = 0;
    assert_ok(qmp_client_set_reconnect(c, &policy));
    assert_ok(qmp_client_connect(c, path));
    assert_error(drive_to_end(c), -ENOENT);
    qmp_client_unref(c);
}

/* A new policy for a client that is about to try again: it has been connected before, whoever set the policy. */
static void test_policy_between_attempts(void)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, false);
    struct states states = {{0}, NULL, 0, 0};

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_CLOSE);
    assert_ok(qmp_client_set_runstate_handler(c, note_state, &states));
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    peer_join(p);
    peer_free(p);
    unlink(path);
    while (!strstr(states.letters, "rdc")) {
        assert_true(qmp_client_process(c) >= 0);
    }
    assert_ok(qmp_client_set_reconnect(c, &policy));
    while (!strstr(states.letters, "rdcdcdc")) {
        assert_true(qmp_client_process(c) >= 0);
        assert_ok(qmp_client_wait(c, CHECK_WAIT));
    }
    qmp_client_unref(c);
}

/* One gap is told once, however often it is tried while somebody listens. */
static void test_one_gap_for_many_attempts(void)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, false);
    qmp_message *event = NULL;

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_CLOSE);
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    peer_join(p);
    peer_free(p);
    unlink(path);
    assert_error(qmp_listener_get(qmp_client_events(c), CHECK_WAIT, &event), -ESTALE);
    assert_error(qmp_listener_get(qmp_client_events(c), 100 * QMP_MILLISECOND, &event), -ETIMEDOUT);

    /* An attempt that comes as far as an event has another one behind it. */
    p = peer_new_listening(path);
    peer_start(
        p, PEER_ACCEPT, PEER_EVENT("EARLY"), PEER_CLOSE, PEER_ACCEPT, PEER_NEGOTIATE, PEER_EVENT("NEXT"), PEER_END);
    assert_ok(qmp_listener_get(qmp_client_events(c), CHECK_WAIT, &event));
    assert_string_equal(qmp_event_name(event), "EARLY");
    event = qmp_message_unref(event);
    assert_error(qmp_listener_get(qmp_client_events(c), CHECK_WAIT, &event), -ESTALE);
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_event(qmp_client_events(c), "NEXT");
    qmp_client_unref(c);
    peer_join(p);
    peer_free(p);
}

/* Registers a listener while the connection ends. */
struct newcomer {
    qmp_listener *listener;
    int result;
};

static void register_at_the_end(qmp_client *c, enum qmp_runstate state, void *newcomer)
{
    struct newcomer *n = newcomer;

    if (state == QMP_DISCONNECTING) {
        n->result = qmp_client_register_listener(c, n->listener);
    }
}

static void test_registered_while_it_ends(void)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, false);
    struct newcomer newcomer = {NULL, -1};
    qmp_message *event = NULL;
    int r;

    assert_ok(qmp_listener_new(&newcomer.listener, NULL));
    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_CLOSE, PEER_ACCEPT, PEER_NEGOTIATE, PEER_WAIT, PEER_EVENT("NEXT"),
        PEER_END);
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_ok(qmp_client_set_runstate_handler(c, register_at_the_end, &newcomer));
    while (qmp_client_runstate(c) == QMP_RUNNING) {
        assert_true(qmp_client_process(c) >= 0);
    }
    assert_ok(newcomer.result);
    assert_ok(qmp_client_set_runstate_handler(c, NULL, NULL));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    r = qmp_listener_get(newcomer.listener, 0, &event);
    if (r == -ESTALE) {
        r = qmp_listener_get(newcomer.listener, 0, &event);
    }
    assert_error(r, -EAGAIN);
    peer_go(p);
    assert_event(newcomer.listener, "NEXT");
    qmp_client_unref(c);
    qmp_listener_unref(newcomer.listener);
    peer_join(p);
    peer_free(p);
}

/* ---- stopping it ---- */

static void disconnect_now(qmp_listener *l, qmp_message *event, void *client)
{
    (void)l;
    (void)event;
    assert_ok(qmp_client_disconnect(client));
}

/* The connection breaks in the same step in which a callback has asked for its end. */
static void test_disconnect_and_break(void)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, false);

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_WAIT, PEER_SEND(PEER_EVENT_TEXT("SHUTDOWN") "rubbish"), PEER_END);
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_ok(qmp_listener_set_handler(qmp_client_events(c), disconnect_now, c));
    peer_go(p);
    while (qmp_client_runstate(c) == QMP_RUNNING) {
        (void)qmp_client_process(c);
    }
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    qmp_client_unref(c);
    peer_join(p);
    peer_free(p);
}

static void linger(qmp_client *c, enum qmp_runstate state, void *peer)
{
    (void)c;
    if (state == QMP_DISCONNECTING) {
        peer_go(peer);
        usleep(50000);
    }
}

/* From another thread, while a connection ends that would be made again: it has ended when that returns. */
static void test_disconnect_from_another_thread_while_it_ends(void)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, true);

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_CLOSE, PEER_WAIT, PEER_NOTE);
    assert_ok(qmp_client_set_runstate_handler(c, linger, p));
    assert_ok(qmp_client_connect(c, path));
    peer_await(p);
    assert_ok(qmp_client_disconnect(c));
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    qmp_client_unref(c);
    peer_join(p);
    peer_free(p);
}

static void test_disconnect_between_attempts(void)
{
    struct qmp_reconnect policy = {sizeof(policy), 3600 * QMP_SECOND, 3600 * QMP_SECOND, 0, true};
    qmp_client *c = client_with(&policy, false);
    struct states states = {{0}, NULL, 0, 0};
    qmp_message *event = NULL;

    assert_ok(qmp_client_set_runstate_handler(c, note_state, &states));
    assert_ok(qmp_client_set_connect_timeout(c, QMP_MILLISECOND));
    assert_ok(qmp_client_connect(c, check_path("socket")));
    (void)next_delay(c, &states);
    assert_int_equal(qmp_client_runstate(c), QMP_CONNECTING);
    /* Nothing is tried before it is due, and the last attempt's time limit is not this pause's. */
    usleep(2000);
    assert_ok(qmp_client_process(c));
    assert_string_equal(states.letters, "cdc");
    assert_error(qmp_client_execute(c, "stop", NULL, CHECK_WAIT, NULL, NULL), -ENOTCONN);
    assert_error(qmp_client_connect(c, "elsewhere"), -EALREADY);
    assert_ok(qmp_client_disconnect(c));
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    assert_error(qmp_client_process(c), -ENOTCONN);
    /* There was no connection yet, so there is no gap. */
    assert_error(qmp_listener_get(qmp_client_events(c), 0, &event), -ENOTCONN);
    qmp_client_unref(c);
}

/* In the handler of each state on the way. */
static void stop_at(char letter, const char *letters, bool threaded)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, threaded);
    struct states states = {{0}, NULL, letter, 0};
    struct duo d = {c, NULL, threaded};

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_WAIT, PEER_CLOSE);
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_ok(qmp_client_set_runstate_handler(c, note_state, &states));
    peer_go(p);
    peer_join(p);
    duo_wait_state(&d, QMP_IDLE);
    assert_ok(qmp_client_set_runstate_handler(c, NULL, NULL));
    if (!threaded) {
        assert_string_equal(states.letters, letters);
    }
    qmp_client_unref(c);
    peer_free(p);
}

static void test_disconnect_while_it_ends(void)
{
    stop_at('d', "di", false);
}

static void test_disconnect_when_it_begins_again(void)
{
    stop_at('c', "dcdi", false);
}

static void test_disconnect_while_it_ends_threaded(void)
{
    stop_at('d', "di", true);
}

static void test_free_at(void *letter)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    qmp_client *c = client_with(&policy, false);
    struct states states = {{0}, c, 0, *(const char *)letter};
    int r;

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_WAIT, PEER_CLOSE);
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_ok(qmp_client_set_runstate_handler(c, note_state, &states));
    peer_go(p);
    peer_join(p);
    do {
        r = qmp_client_process(c);
        if (states.client && r == 0) {
            qmp_client_wait(c, CHECK_WAIT);
        }
    } while (states.client);
    assert_error(r, -ENOTCONN);
    peer_free(p);
}

/* ---- listening again ---- */

/* The hints for who dials would be wrong here. */
static void test_listening_nowhere(void)
{
    qmp_client *c = client_with(NULL, false);

    assert_error(qmp_client_listen_on(c, check_path("no-folder/socket")), -ENOENT);
    assert_contains(qmp_client_failure(c), "cannot listen on ");
    assert_null(strstr(qmp_client_failure(c), "is QEMU running"));
    qmp_client_unref(c);
}

/* On a descriptor of somebody else's it cannot: that is closed. */
static void test_listens_on_a_descriptor_once(void)
{
    struct qmp_reconnect policy = SOON;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const char *path = check_path("socket");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct duo d = {client_with(&policy, false), NULL, false};
    char address[32];

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(fd, 1), 0);
    snprintf(address, sizeof(address), "fd:%d", fd);
    assert_ok(qmp_client_listen_on(d.client, address));
    d.peer = peer_new(peer_dial(path));
    duo_negotiate(&d);
    peer_do(d.peer, PEER_CLOSE);
    assert_error(drive_to_end(d.client), -ECONNRESET);
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    duo_close(&d);
}

/* It cannot while there is a connection, which goes on. */
static void test_listening_while_connected(void)
{
    struct duo d = duo_open();

    assert_error(qmp_client_listen_on(d.client, check_path("other")), -EISCONN);
    duo_works(&d, NULL);
    assert_error(qmp_client_listen_on(d.client, "fd:-1"), -EISCONN);
    duo_works(&d, NULL);
    duo_close(&d);

    d = duo_new();
    duo_connect(&d);
    assert_error(qmp_client_listen_on(d.client, check_path("other")), -EALREADY);
    duo_negotiate(&d);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void test_listens_again(void)
{
    const struct qmp_reconnect policy = SOON;
    const char *path = check_path("socket");
    qmp_client *c = client_with(&policy, false);

    for (unsigned i = 0; i < 2; i++) {
        struct peer *p;
        int fd;

        if (i == 0) {
            assert_ok(qmp_client_listen_on(c, path));
        }
        /* Dialled as soon as the file is there again. */
        while ((fd = peer_dial(path)) < 0) {
            assert_true(qmp_client_process(c) >= 0);
        }
        p = peer_new(fd);
        peer_start(p, PEER_NEGOTIATE, PEER_CLOSE);
        assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
        peer_join(p);
        peer_free(p);
        while (qmp_client_runstate(c) == QMP_RUNNING) {
            assert_true(qmp_client_process(c) >= 0);
        }
    }
    qmp_client_unref(c);
    assert_int_equal(access(path, F_OK), -1);
}

int main(int argc, char **argv)
{
    static char d = 'd', c = 'c';
    static const struct check_test tests[] = {
        CHECK_TEST(test_comes_back),
        CHECK_TEST(test_comes_back_threaded),
        CHECK_TEST(test_early_events),
        CHECK_TEST(test_early_events_without_a_policy),
        CHECK_TEST(test_early_events_at_first),
        CHECK_TEST(test_early_events_at_first_threaded),
        CHECK_TEST(test_waiting_across_a_gap),
        CHECK_TEST(test_waiting_across_a_gap_threaded),
        CHECK_TEST(test_gives_up),
        CHECK_TEST(test_gives_up_not_too_early),
        CHECK_TEST(test_initially),
        CHECK_TEST(test_final_ends),
        CHECK_TEST(test_policies),
        CHECK_TEST(test_delays),
        CHECK_TEST(test_delays_start_again),
        CHECK_TEST(test_policy_while_connected),
        CHECK_TEST(test_policy_between_attempts),
        CHECK_TEST(test_one_gap_for_many_attempts),
        CHECK_TEST(test_registered_while_it_ends),
        CHECK_TEST(test_disconnect_and_break),
        CHECK_TEST(test_disconnect_from_another_thread_while_it_ends),
        CHECK_TEST(test_disconnect_between_attempts),
        CHECK_TEST(test_disconnect_while_it_ends),
        CHECK_TEST(test_disconnect_when_it_begins_again),
        CHECK_TEST(test_disconnect_while_it_ends_threaded),
        CHECK_CASE("test_free_while_it_ends", test_free_at, &d),
        CHECK_CASE("test_free_when_it_begins_again", test_free_at, &c),
        CHECK_TEST(test_listening_while_connected),
        CHECK_TEST(test_listening_nowhere),
        CHECK_TEST(test_listens_on_a_descriptor_once),
        CHECK_TEST(test_listens_again),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
