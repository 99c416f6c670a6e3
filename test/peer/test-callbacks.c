/* SPDX-License-Identifier: MIT */

/* What callbacks may do: almost everything, and never harm.
 *
 * There are five places where the library calls its user: a reply's callback, a listener's handler, its filter, its
 * accept function, and the handler for states. The tests go through a table of places and deeds: in each place, each
 * deed is done once, while an event, a reply and a change of state are under way; afterwards everything has completed
 * once, nothing leaked, and what could still be alive works.
 *
 * Assertions leave by longjmp, which no callback may do: callbacks record, the tests assert. */

#include "duo.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum place { IN_REPLY, IN_HANDLER, IN_FILTER, IN_ACCEPT, IN_STATE, PLACES };

enum deed {
    DO_NOTHING,
    DO_FREE_CLIENT,
    DO_FREE_LISTENER,
    DO_FREE_PENDING,
    DO_FREE_EVERYTHING,
    DO_CANCEL,
    DO_DISCONNECT,
    DO_EXECUTE_ASYNC,
    DO_NEW_RULES,
    DO_READ_LISTENER,
    DEEDS
};

/* What a test shares with its callbacks. */
struct stage {
    struct duo d;
    qmp_listener *l, *other;
    qmp_pending *p;
    struct outcome o, sent;
    bool armed;
    int place;
    void (*act)(struct stage *s);
    enum deed deed;
    unsigned acts;
    int results[16];
    qmp_scope *scope;
    char log[1024];
};

static void note(struct stage *s, const char *what, int detail)
{
    size_t n = strlen(s->log);

    snprintf(s->log + n, sizeof(s->log) - n, "%s%d ", what, detail);
}

/* Called everywhere; acts in one place, once. */
static void here(struct stage *s, enum place place)
{
    if (s->armed && place == (enum place)s->place) {
        s->armed = false;
        s->acts++;
        s->act(s);
    }
}

static void on_reply(qmp_pending *p, int error, qmp_message *reply, void *stage)
{
    struct stage *s = stage;

    outcome_record(p, error, reply, &s->o);
    note(s, "reply", error);
    here(s, IN_REPLY);
}

static void on_event(qmp_listener *l, qmp_message *event, void *stage)
{
    (void)l;
    (void)event;
    note(stage, "event", 0);
    here(stage, IN_HANDLER);
}

static bool on_filter(const qmp_message *event, void *stage)
{
    (void)event;
    here(stage, IN_FILTER);
    return true;
}

static bool on_accept(qmp_listener *l, const qmp_message *event, void *stage)
{
    here(stage, IN_ACCEPT);
    return qmp_listener_accepts(l, event);
}

static void on_state(qmp_client *c, enum qmp_runstate state, void *stage)
{
    (void)c;
    note(stage, "state", (int)state);
    here(stage, IN_STATE);
}

/* A client with a listener that has all kinds of callbacks, another listener that hears the same, and a command sent.
 */
static void stage_open(struct stage *s, enum place place, void (*act)(struct stage *s))
{
    *s = (struct stage){.place = (int)place, .act = act};
    s->d = duo_new();
    assert_ok(qmp_client_set_runstate_handler(s->d.client, on_state, s));
    assert_ok(qmp_listener_new(&s->l, NULL));
    assert_ok(qmp_listener_new(&s->other, NULL));
    assert_ok(qmp_listener_set_handler(s->l, on_event, s));
    if (place == IN_FILTER || place == IN_ACCEPT) {
        assert_ok(qmp_listener_set_filter(s->l, on_filter, s));
    }
    if (place == IN_ACCEPT) {
        assert_ok(qmp_listener_set_accept(s->l, on_accept, s));
    }
    assert_ok(qmp_client_register_listener(s->d.client, s->l));
    assert_ok(qmp_client_register_listener(s->d.client, s->other));
    duo_connect(&s->d);
    duo_negotiate(&s->d);
    assert_ok(qmp_client_execute_async(s->d.client, "c0", NULL, on_reply, s, &s->p));
    drive(s->d.client);
    peer_do(s->d.peer, PEER_EXPECT("c0"));
    s->armed = true;
}

/* An event, the reply, another event and the end, in one go. The client may be gone on the way. */
static void stage_run(struct stage *s)
{
    qmp_client *c = s->d.client;
    int r = 1;

    peer_do(
        s->d.peer, PEER_REPLY(PEER_EVENT_TEXT("A") "{\"return\": {}, \"id\": @id}" PEER_EVENT_TEXT("B")), PEER_SHUT);
    while (s->d.client && r >= 0) {
        r = qmp_client_process(c);
        if (r == 0 && s->d.client) {
            qmp_client_wait(c, CHECK_WAIT);
        }
    }
    assert_int_equal(s->acts, 1);
}

static void stage_close(struct stage *s)
{
    qmp_scope_end(s->scope);
    qmp_pending_unref(s->p);
    qmp_listener_unref(s->l);
    qmp_listener_unref(s->other);
    duo_close(&s->d);
}

/* ---- every deed in every place ---- */

static void free_client(struct stage *s)
{
    s->d.client = qmp_client_unref(s->d.client);
}

static void free_listener(struct stage *s)
{
    s->results[0] = qmp_client_remove_listener(s->d.client, s->l);
    s->l = qmp_listener_unref(s->l);
}

static void free_pending(struct stage *s)
{
    s->p = qmp_pending_unref(s->p);
}

static void free_everything(struct stage *s)
{
    s->l = qmp_listener_unref(s->l);
    s->other = qmp_listener_unref(s->other);
    free_pending(s);
    free_client(s);
}

static void new_rules(struct stage *s)
{
    static const char *const names[] = {"A", "B", NULL};

    s->results[0] = qmp_listener_set_names(s->l, names);
    s->results[1] = qmp_listener_set_names(s->other, NULL);
    s->results[2] = qmp_listener_add_match(s->other, "event", "A");
    s->results[3] = qmp_listener_set_filter(s->l, NULL, NULL);
    s->results[4] = qmp_listener_set_accept(s->l, NULL, NULL);
    s->results[5] = qmp_listener_set_limits(s->other, 1, 1);
    s->results[6] = qmp_listener_set_handler(s->l, NULL, NULL);
}

static void read_listener(struct stage *s)
{
    qmp_message **events = NULL, *event = NULL;
    size_t n = 0;

    s->results[0] = qmp_listener_history(s->other, &events, &n);
    qmp_message_unref_many(events, n);
    s->results[1] = qmp_listener_clear(s->l, &events, &n);
    qmp_message_unref_many(events, n);
    qmp_listener_empty(s->l);
    qmp_listener_dropped(s->l);
    if (qmp_listener_get(s->other, 0, &event) == 0) {
        qmp_message_unref(event);
    }
    s->results[2] = qmp_listener_get_fd(s->l) < 0 ? -1 : 0;
    qmp_client_failure(s->d.client);
    qmp_client_runstate(s->d.client);
}

static void act_deed(struct stage *s)
{
    switch (s->deed) {
    case DO_FREE_CLIENT:
        free_client(s);
        break;
    case DO_FREE_LISTENER:
        free_listener(s);
        break;
    case DO_FREE_PENDING:
        free_pending(s);
        break;
    case DO_FREE_EVERYTHING:
        free_everything(s);
        break;
    case DO_CANCEL:
        qmp_pending_cancel(s->p);
        break;
    case DO_DISCONNECT:
        s->results[0] = qmp_client_disconnect(s->d.client);
        break;
    case DO_EXECUTE_ASYNC:
        /* While the connection goes down there is none to use. */
        s->results[0] = qmp_client_execute_async(s->d.client, "c1", NULL, outcome_record, &s->sent, NULL);
        break;
    case DO_NEW_RULES:
        new_rules(s);
        break;
    case DO_READ_LISTENER:
        read_listener(s);
        break;
    default:
        break;
    }
}

static void assert_deed(struct stage *s)
{
    bool gave_up = s->deed == DO_CANCEL || s->deed == DO_FREE_PENDING;

    /* Whatever was done: the command completed, once. Events come before its reply here, states after it. */
    assert_int_equal(s->o.calls, 1);
    if (s->place == IN_REPLY || s->place == IN_STATE || !s->d.client || s->deed == DO_DISCONNECT) {
        assert_true(s->o.error == 0 || s->o.error == -ECONNRESET || s->o.error == -ECANCELED);
    } else {
        assert_error(s->o.error, gave_up ? -ECANCELED : 0);
    }
    if (s->deed == DO_EXECUTE_ASYNC && s->results[0] == 0) {
        assert_outcome(&s->sent, -ECONNRESET);
    } else if (s->deed == DO_EXECUTE_ASYNC) {
        assert_error(s->results[0], -ENOTCONN);
    } else if (s->deed == DO_FREE_LISTENER) {
        assert_error(s->results[0], s->place == IN_FILTER || s->place == IN_ACCEPT ? -EBUSY : 0);
    } else if (s->deed == DO_DISCONNECT) {
        assert_true(s->results[0] == 0 || (s->place == IN_STATE && s->results[0] == -EALREADY));
    } else {
        for (unsigned i = 0; i < 8; i++) {
            assert_ok(s->results[i]);
        }
    }
}

static void play(enum place place, enum deed deed)
{
    struct stage s;

    stage_open(&s, place, act_deed);
    s.deed = deed;
    stage_run(&s);
    assert_deed(&s);
    if (s.d.client) {
        assert_int_equal(qmp_client_runstate(s.d.client), QMP_IDLE);
        duo_reconnect(&s.d);
        duo_works(&s.d, qmp_client_events(s.d.client) == NULL ? s.other : NULL);
    }
    stage_close(&s);
}

static void play_place(void *place)
{
    for (enum deed deed = DO_NOTHING; deed < DEEDS; deed++) {
        play(*(enum place *)place, deed);
    }
}

/* ---- what is refused ---- */

static void act_forbidden(struct stage *s)
{
    qmp_message *none = NULL;
    qmp_client *c = s->d.client;

    s->results[0] = qmp_client_process(c);
    s->results[1] = qmp_client_wait(c, 0);
    s->results[2] = qmp_client_start_thread(c);
    s->results[3] = qmp_client_execute(c, "never", NULL, CHECK_WAIT, &none, &none);
    s->results[4] = qmp_client_wait_running(c, CHECK_WAIT);
    s->results[5] = qmp_listeners_wait(&s->other, 1, CHECK_WAIT);
    s->results[6] = none ? -1 : 0;
}

static void test_driving_inside_callbacks_is_refused(void)
{
    for (enum place place = IN_REPLY; place < PLACES; place++) {
        struct stage s;

        stage_open(&s, place, act_forbidden);
        assert_ok(qmp_listener_clear(s.other, NULL, NULL));
        stage_run(&s);
        for (unsigned i = 0; i < 4; i++) {
            /* Where there is no connection any more, that may be said instead. */
            if (place == IN_STATE && s.results[i] == -ENOTCONN) {
                continue;
            }
            assert_error(s.results[i], -EBUSY);
        }
        assert_true(s.results[4] == -EBUSY || s.results[4] == 0 || (place == IN_STATE && s.results[4] == -ENOTCONN));
        assert_true(s.results[5] == -EBUSY || s.results[5] == 0);
        assert_int_equal(s.results[6], 0);
        assert_outcome(&s.o, 0);
        stage_close(&s);
    }
}

static void act_wait(struct stage *s)
{
    qmp_message *event = NULL;
    qmp_pending *p = NULL;

    qmp_listener_clear(s->other, NULL, NULL);
    s->results[0] = qmp_listener_get(s->other, CHECK_WAIT, &event);
    s->results[1] = qmp_listener_get(s->other, 0, &event);
    s->results[2] = qmp_client_execute_async(s->d.client, "c1", NULL, NULL, NULL, &p);
    s->results[3] = qmp_pending_wait(p, CHECK_WAIT, &event, NULL);
    s->results[4] = event ? -1 : 0;
    qmp_pending_unref(p);
}

/* Waiting is refused; looking is not. */
static void test_waiting_inside_callbacks_is_refused(void)
{
    for (enum place place = IN_REPLY; place < IN_STATE; place++) {
        struct stage s;

        stage_open(&s, place, act_wait);
        stage_run(&s);
        assert_error(s.results[0], -EBUSY);
        assert_error(s.results[1], -EAGAIN);
        assert_ok(s.results[2]);
        assert_error(s.results[3], -EBUSY);
        assert_int_equal(s.results[4], 0);
        stage_close(&s);
    }
}

/* ---- registering and removing ---- */

static void act_register(struct stage *s)
{
    qmp_listener *extra = NULL;

    qmp_listener_new(&extra, NULL);
    s->results[0] = qmp_client_register_listener(s->d.client, extra);
    s->results[1] = qmp_client_remove_listener(s->d.client, extra);
    s->results[2] = qmp_client_listen(s->d.client, &extra, 1, &s->scope);
    s->results[3] = qmp_client_remove_listener(s->d.client, s->other);
    s->results[4] = qmp_client_register_listener(s->d.client, s->other);
    qmp_listener_unref(extra);
}

static void test_register_and_remove_in_callbacks(void)
{
    for (enum place place = IN_REPLY; place < PLACES; place++) {
        bool refused = place == IN_FILTER || place == IN_ACCEPT;
        struct stage s;

        stage_open(&s, place, act_register);
        stage_run(&s);
        assert_error(s.results[0], refused ? -EBUSY : 0);
        assert_error(s.results[2], refused ? -EBUSY : 0);
        assert_error(s.results[3], refused ? -EBUSY : 0);
        if (!refused) {
            assert_ok(s.results[1]);
            assert_ok(s.results[4]);
        }
        stage_close(&s);
    }
}

static void act_end_scope(struct stage *s)
{
    s->scope = qmp_scope_end(s->scope);
    s->results[0] = s->scope ? -1 : 0;
}

/* The end of a scope inside a filter waits until the filter has returned: not later. */
static void test_scope_ends_inside_callbacks(void)
{
    for (enum place place = IN_REPLY; place < IN_STATE; place++) {
        qmp_message *none = NULL;
        qmp_listener *scoped[2] = {NULL, NULL};
        struct stage s;

        stage_open(&s, place, act_end_scope);
        for (unsigned i = 0; i < 2; i++) {
            assert_ok(qmp_listener_new(&scoped[i], NULL));
        }
        assert_ok(qmp_client_listen(s.d.client, scoped, 2, &s.scope));
        peer_do(s.d.peer, PEER_REPLY(PEER_EVENT_TEXT("A") "{\"return\": {}, \"id\": @id}" PEER_EVENT_TEXT("B")));
        assert_int_equal(drive(s.d.client), 0);
        assert_int_equal(s.acts, 1);
        assert_null(s.scope);
        for (unsigned i = 0; i < 2; i++) {
            qmp_message **events = NULL;
            size_t n = 0;

            assert_error(qmp_listener_get(scoped[i], 0, &none), -ENOTCONN);
            assert_error(qmp_client_remove_listener(s.d.client, scoped[i]), -ENOENT);
            /* It may have heard the event that was under way, and none after it. */
            assert_ok(qmp_listener_history(scoped[i], &events, &n));
            assert_true(n <= 1);
            qmp_message_unref_many(events, n);
            assert_ok(qmp_client_register_listener(s.d.client, scoped[i]));
            qmp_listener_unref(scoped[i]);
        }
        assert_outcome(&s.o, 0);
        stage_close(&s);
    }
}

/* A handler that removes another listener which hears the same event: that one hears no more, itself goes on. */
static void act_remove_other(struct stage *s)
{
    s->results[0] = qmp_client_remove_listener(s->d.client, s->other);
}

static void test_handler_removes_another(void)
{
    struct stage s;

    stage_open(&s, IN_HANDLER, act_remove_other);
    assert_ok(qmp_listener_set_handler(s.other, on_event, &s));
    s.log[0] = '\0';
    peer_do(s.d.peer, PEER_EVENT("A"), PEER_EVENT("B"));
    assert_int_equal(drive(s.d.client), 0);
    assert_ok(s.results[0]);
    /* A at the first, perhaps at the other (if that was called before), B at the first only. */
    assert_true(strcmp(s.log, "event0 event0 ") == 0 || strcmp(s.log, "event0 event0 event0 ") == 0);
    stage_close(&s);
}

/* Who is removed and registered again in the middle of an event hears what comes from then on, not that event any more.
 * Whatever the order in which listeners are served, one of the two comes after the handler. */
struct return_to {
    qmp_client *c;
    qmp_listener *asked[2];
    bool returned; /* during the event under way */
    unsigned questions, late_questions;
    int results[4];
};

static bool on_question(const qmp_message *event, void *userdata)
{
    struct return_to *r = userdata;

    (void)event;
    r->questions++;
    r->late_questions += r->returned;
    return true;
}

static void on_return(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct return_to *r = userdata;

    (void)event;
    for (unsigned i = 0; i < 2; i++) {
        r->results[2 * i] = qmp_client_remove_listener(r->c, r->asked[i]);
        r->results[2 * i + 1] = qmp_client_register_listener(r->c, r->asked[i]);
    }
    r->returned = true;
    qmp_listener_set_handler(l, NULL, NULL);
}

static void test_removed_and_back_within_an_event(void)
{
    struct duo d = duo_open();
    struct return_to r = {.c = d.client};
    qmp_listener *handled = NULL;

    assert_ok(qmp_listener_new(&handled, NULL));
    assert_ok(qmp_listener_set_handler(handled, on_return, &r));
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(qmp_listener_new(&r.asked[i], NULL));
        assert_ok(qmp_listener_set_filter(r.asked[i], on_question, &r));
    }
    assert_ok(qmp_client_register_listener(d.client, r.asked[0]));
    assert_ok(qmp_client_register_listener(d.client, handled));
    assert_ok(qmp_client_register_listener(d.client, r.asked[1]));
    peer_do(d.peer, PEER_EVENT("A"));
    assert_int_equal(drive(d.client), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_ok(r.results[i]);
    assert_int_equal(r.late_questions, 0);
    assert_no_event(r.asked[0]);
    assert_no_event(r.asked[1]);
    r.questions = 0;
    peer_do(d.peer, PEER_EVENT("B"));
    assert_int_equal(drive(d.client), 0);
    assert_int_equal(r.questions, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_event(r.asked[i], "B");
        qmp_listener_unref(r.asked[i]);
    }
    qmp_listener_unref(handled);
    duo_close(&d);
}

/* ---- chains ---- */

struct chain {
    qmp_client *c;
    unsigned left, done;
    int error;
};

static void next_link(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct chain *chain = userdata;

    (void)p;
    (void)reply;
    chain->done++;
    if (error == 0 && chain->left-- > 0) {
        chain->error = qmp_client_execute_async(chain->c, "next", NULL, next_link, chain, NULL);
    }
}

/* Each reply's callback sends the next command. */
static void test_chain_of_commands(void)
{
    struct duo d = duo_open();
    struct chain chain = {d.client, 20, 0, 0};

    assert_ok(qmp_client_execute_async(d.client, "next", NULL, next_link, &chain, NULL));
    for (unsigned i = 0; i <= 20; i++) {
        drive(d.client);
        peer_do(d.peer, PEER_EXPECT("next"), PEER_RETURN);
    }
    drive(d.client);
    assert_ok(chain.error);
    assert_int_equal(chain.done, 21);
    assert_false(peer_has_object(d.peer, 0));
    duo_close(&d);
}

static void connect_again(qmp_client *c, enum qmp_runstate state, void *userdata)
{
    struct stage *s = userdata;
    int fd;

    (void)c;
    if (state == QMP_IDLE && s->armed) {
        s->armed = false;
        s->d.peer = peer_new_pair(&fd);
        s->results[0] = qmp_client_connect_fd(s->d.client, fd);
        if (s->results[0] < 0) {
            close(fd);
        }
    }
}

/* Reconnecting from the handler for states, as soon as the state is IDLE. */
static void test_connect_inside_the_state_handler(void)
{
    struct stage s = {.armed = true};
    struct peer *first;

    s.d = duo_open();
    first = s.d.peer;
    assert_ok(qmp_client_set_runstate_handler(s.d.client, connect_again, &s));
    peer_do(first, PEER_CLOSE);
    assert_error(drive_to_end(s.d.client), -ECONNRESET);
    assert_ok(s.results[0]);
    assert_false(s.armed);
    assert_int_equal(qmp_client_runstate(s.d.client), QMP_CONNECTING);
    peer_free(first);
    duo_negotiate(&s.d);
    duo_works(&s.d, NULL);
    duo_close(&s.d);
}

/* ---- under a blocking call ---- */

enum call { CALL_EXECUTE, CALL_PENDING_WAIT, CALL_GET, CALL_LISTENERS_WAIT, CALLS };

static int call_and_lose_the_client(struct stage *s, enum call call)
{
    qmp_message *none = NULL;

    switch (call) {
    case CALL_EXECUTE:
        return qmp_client_execute(s->d.client, "never-answered", NULL, CHECK_WAIT, &none, &none);
    case CALL_PENDING_WAIT:
        return qmp_pending_wait(s->p, CHECK_WAIT, &none, &none);
    case CALL_GET:
        return qmp_listener_get(s->other, CHECK_WAIT, &none);
    default:
        return qmp_listeners_wait(&s->other, 1, CHECK_WAIT);
    }
}

/* The client is freed in a callback that runs inside a blocking call: the call says how its own wait has ended. */
static void test_free_client_under_blocking_calls(void)
{
    for (enum call call = CALL_EXECUTE; call < CALLS; call++) {
        for (enum place place = IN_HANDLER; place < IN_STATE; place++) {
            struct stage s;
            int r;

            stage_open(&s, place, free_client);
            assert_ok(qmp_listener_set_names(s.other, (const char *const[]){"NEVER", NULL}));
            peer_start(s.d.peer, PEER_EVENT("A"), PEER_END);
            r = call_and_lose_the_client(&s, call);
            assert_null(s.d.client);
            if (call == CALL_EXECUTE || call == CALL_PENDING_WAIT) {
                assert_error(r, -ECONNRESET);
            } else if (call == CALL_GET) {
                assert_true(r == -ENOTCONN || r == -ECANCELED);
            } else {
                assert_int_equal(r, 0);
                assert_error(qmp_listener_get(s.other, 0, &(qmp_message *){NULL}), -ENOTCONN);
            }
            peer_join(s.d.peer);
            assert_outcome(&s.o, -ECONNRESET);
            stage_close(&s);
        }
    }
}

static void free_when_running(qmp_client *c, enum qmp_runstate state, void *userdata)
{
    struct duo *d = userdata;

    (void)c;
    if (state == QMP_RUNNING) {
        d->client = qmp_client_unref(d->client);
    }
}

static void test_free_client_under_wait_running(void)
{
    struct duo d = duo_new();

    assert_ok(qmp_client_set_runstate_handler(d.client, free_when_running, &d));
    duo_connect(&d);
    peer_start(d.peer, PEER_NEGOTIATE, PEER_END);
    assert_error(qmp_client_wait_running(d.client, CHECK_WAIT), -ENOTCONN);
    assert_null(d.client);
    peer_join(d.peer);
    duo_close(&d);
}

static void act_remove_waiting(struct stage *s)
{
    s->results[0] = qmp_client_remove_listener(s->d.client, s->other);
}

/* The listener that a blocking call waits for is removed by a callback inside that call. */
static void test_remove_the_one_waited_for(void)
{
    struct stage s;

    stage_open(&s, IN_HANDLER, act_remove_waiting);
    assert_ok(qmp_listener_set_names(s.other, (const char *const[]){"NEVER", NULL}));
    peer_do(s.d.peer, PEER_EVENT("A"));
    assert_error(qmp_listener_get(s.other, CHECK_WAIT, &(qmp_message *){NULL}), -ECANCELED);
    assert_ok(s.results[0]);
    stage_close(&s);
}

/* ---- threads ---- */

static void free_in_callback(qmp_pending *p, int error, qmp_message *reply, void *stage)
{
    struct stage *s = stage;

    outcome_record(p, error, reply, &s->o);
    s->p = qmp_pending_unref(s->p);
    s->l = qmp_listener_unref(s->l);
    s->d.client = qmp_client_unref(s->d.client);
    __atomic_store_n(&s->acts, 1, __ATOMIC_RELEASE);
}

/* The library's own thread gives the last reference back, and with it ends itself; the peer sees the connection close.
 */
static void test_free_on_the_librarys_thread(void)
{
    struct stage s = {0};

    s.d = duo_open_threaded();
    assert_ok(qmp_listener_new(&s.l, NULL));
    assert_ok(qmp_client_register_listener(s.d.client, s.l));
    assert_ok(qmp_client_execute_async(s.d.client, "c0", NULL, free_in_callback, &s, NULL));
    peer_do(s.d.peer, PEER_EXPECT("c0"), PEER_RETURN, PEER_END);
    assert_int_equal(__atomic_load_n(&s.acts, __ATOMIC_ACQUIRE), 1);
    assert_null(s.d.client);
    peer_free(s.d.peer);
}

struct removal {
    bool entered, removing, left;
};

/* Stays inside for a while after the removal has begun. */
static void lingering_handler(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct removal *r = userdata;

    (void)l;
    (void)event;
    __atomic_store_n(&r->entered, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&r->removing, __ATOMIC_ACQUIRE)) {
        sched_yield();
    }
    for (unsigned i = 0; i < 2000; i++) {
        sched_yield();
    }
    __atomic_store_n(&r->left, true, __ATOMIC_RELEASE);
}

/* Once the removal has returned, in another thread, no callback of the listener runs or will run; the same for the end
 * of a scope. */
static void test_remove_waits_for_the_handler(void)
{
    for (unsigned scoped = 0; scoped < 2; scoped++) {
        struct duo d = duo_open_threaded();
        struct removal r = {false, false, false};
        qmp_listener *l = NULL;
        qmp_scope *scope = NULL;

        assert_ok(qmp_client_listener(d.client, NULL, &l, &scope));
        assert_ok(qmp_listener_set_handler(l, lingering_handler, &r));
        peer_do(d.peer, PEER_EVENT("A"), PEER_EVENT("B"));
        while (!__atomic_load_n(&r.entered, __ATOMIC_ACQUIRE)) {
            sched_yield();
        }
        __atomic_store_n(&r.removing, true, __ATOMIC_RELEASE);
        if (scoped) {
            scope = qmp_scope_end(scope);
        } else {
            assert_ok(qmp_client_remove_listener(d.client, l));
        }
        assert_true(__atomic_exchange_n(&r.left, false, __ATOMIC_ACQ_REL));
        duo_works(&d, NULL);
        assert_false(__atomic_load_n(&r.left, __ATOMIC_ACQUIRE));
        qmp_scope_end(scope);
        qmp_listener_unref(l);
        duo_close(&d);
    }
}

int main(int argc, char **argv)
{
    static enum place places[] = {IN_REPLY, IN_HANDLER, IN_FILTER, IN_ACCEPT, IN_STATE};
    static const struct check_test tests[] = {
        CHECK_CASE("everything in a reply's callback", play_place, &places[0]),
        CHECK_CASE("everything in a handler", play_place, &places[1]),
        CHECK_CASE("everything in a filter", play_place, &places[2]),
        CHECK_CASE("everything in an accept function", play_place, &places[3]),
        CHECK_CASE("everything in a state handler", play_place, &places[4]),
        CHECK_TEST(test_driving_inside_callbacks_is_refused),
        CHECK_TEST(test_waiting_inside_callbacks_is_refused),
        CHECK_TEST(test_register_and_remove_in_callbacks),
        CHECK_TEST(test_scope_ends_inside_callbacks),
        CHECK_TEST(test_handler_removes_another),
        CHECK_TEST(test_removed_and_back_within_an_event),
        CHECK_TEST(test_chain_of_commands),
        CHECK_TEST(test_connect_inside_the_state_handler),
        CHECK_TEST(test_free_client_under_blocking_calls),
        CHECK_TEST(test_free_client_under_wait_running),
        CHECK_TEST(test_remove_the_one_waited_for),
        CHECK_TEST(test_free_on_the_librarys_thread),
        CHECK_TEST(test_remove_waits_for_the_handler),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
