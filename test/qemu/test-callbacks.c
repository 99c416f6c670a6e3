/* SPDX-License-Identifier: MIT */
/* What a program may do inside a callback, on a real QEMU: send commands, disconnect, connect again, and give back the
 * last reference to the client that is calling. What a filter may not do is in test-listeners.c.
 *
 * Invariant: a callback runs once, on the driving thread, with no lock held; whatever it does to the client, whoever
 * waits elsewhere is released.
 *
 * Callbacks record and never assert. What they recorded is read when the driving thread cannot touch it any more: after
 * a call that waited for it, or after the end of the connection. */

#include <poll.h>

#include "fixture.h"

/* The client's last reference, in the hands of a callback. */
struct holder {
    qmp_client *client;
    unsigned calls;
};

static void let_go(struct holder *h)
{
    h->calls++;
    h->client = qmp_client_unref(h->client);
}

static void let_go_in_handler(qmp_listener *l, qmp_message *event, void *userdata)
{
    (void)l;
    (void)event;
    let_go(userdata);
}

static bool let_go_in_filter(const qmp_message *event, void *userdata)
{
    (void)event;
    let_go(userdata);
    return true;
}

static void let_go_in_reply(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    (void)p;
    (void)error;
    (void)reply;
    let_go(userdata);
}

static void let_go_when_idle(qmp_client *c, enum qmp_runstate state, void *userdata)
{
    (void)c;
    if (state == QMP_IDLE)
        let_go(userdata);
}

/* Gives the fixture's client to a callback and waits, holding a listener only, until the client is gone. */
static void client_goes(struct fixture *f, void (*arrange)(struct fixture *f, struct holder *h))
{
    struct holder h = {.calls = 0};
    qmp_listener *l = NULL;

    begin(f);
    assert_ok(qmp_listener_new(&l, NAMES("NEVER_HEARD_OF")));
    assert_ok(qmp_client_register_listener(f->client, l));
    h.client = f->client;
    f->client = NULL;
    arrange(f, &h);
    assert_get_error(l, CHECK_WAIT, -ENOTCONN);
    assert_get_error(l, 0, -ENOTCONN);
    qmp_listener_unref(l);
    assert_int_equal(h.calls, 1);
}

static void arrange_handler(struct fixture *f, struct holder *h)
{
    qmp_client *c = h->client;

    (void)f;
    assert_ok(qmp_listener_set_handler(qmp_client_events(c), let_go_in_handler, h));
    assert_ok(qmp_client_execute_async(c, "stop", NULL, NULL, NULL, NULL));
}

static void arrange_filter(struct fixture *f, struct holder *h)
{
    qmp_client *c = h->client;

    (void)f;
    assert_ok(qmp_listener_set_filter(qmp_client_events(c), let_go_in_filter, h));
    assert_ok(qmp_client_execute_async(c, "stop", NULL, NULL, NULL, NULL));
}

static void arrange_reply(struct fixture *f, struct holder *h)
{
    (void)f;
    assert_ok(qmp_client_execute_async(h->client, "query-status", NULL, let_go_in_reply, h, NULL));
}

static void arrange_idle(struct fixture *f, struct holder *h)
{
    assert_ok(qmp_client_set_runstate_handler(h->client, let_go_when_idle, h));
    machine_kill(f->machine);
}

static void freed_in_a_handler(struct fixture *f)
{
    client_goes(f, arrange_handler);
}

static void freed_in_a_filter(struct fixture *f)
{
    client_goes(f, arrange_filter);
}

static void freed_in_a_reply_callback(struct fixture *f)
{
    client_goes(f, arrange_reply);
}

/* A program that notes each state and connects again whenever the connection has ended, a few times. */
struct persistence {
    const char *address;
    unsigned reconnects;
    int result;
    size_t n;
    enum qmp_runstate states[32];
};

static void connect_again(qmp_client *c, enum qmp_runstate state, void *userdata)
{
    struct persistence *p = userdata;

    if (p->n < ELEMENTS(p->states))
        p->states[p->n++] = state;
    if (state == QMP_IDLE && p->reconnects > 0) {
        p->reconnects--;
        p->result = qmp_client_connect(c, p->address);
    }
}

/* From another thread, the moment between IDLE and the handler can be seen. */
static int await_running(qmp_client *c)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);
    int r;

    while ((r = qmp_client_wait_running(c, CHECK_WAIT)) == -ENOTCONN && check_now() < deadline)
        poll(NULL, 0, 1);
    return r;
}

static void reconnecting_in_the_state_handler(struct fixture *f)
{
    static const enum qmp_runstate cycle[] = {QMP_DISCONNECTING, QMP_IDLE, QMP_CONNECTING, QMP_RUNNING};
    struct persistence p = {.reconnects = 3};

    begin(f);
    p.address = machine_address(f->machine, 0);
    assert_ok(qmp_client_set_runstate_handler(f->client, connect_again, &p));
    for (unsigned i = 0; i < 3; i++) {
        assert_ok(qmp_client_disconnect(f->client));
        assert_ok(await_running(f->client));
        synchronize(f->client);
        assert_ok(p.result);
    }
    assert_ok(qmp_client_disconnect(f->client));
    assert_error(qmp_client_wait_running(f->client, CHECK_WAIT), -ENOTCONN);
    f->client = qmp_client_unref(f->client);
    assert_true(p.n >= 3 * ELEMENTS(cycle));
    for (size_t i = 0; i < p.n; i++)
        assert_int_equal(p.states[i], cycle[i % ELEMENTS(cycle)]);
}

/* Commands that are sent by the callbacks of others: a chain of stop, cont, stop … */
struct chain {
    qmp_client *client;
    unsigned left, refused;
    int blocking;
};

static void send_next(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct chain *chain = userdata;

    (void)p;
    (void)reply;
    chain->blocking = qmp_client_execute(chain->client, "query-status", NULL, QMP_FOREVER, NULL, NULL);
    if (error == 0 && --chain->left > 0 &&
        qmp_client_execute_async(chain->client, chain->left % 2 ? "cont" : "stop", NULL, send_next, chain, NULL) < 0)
        chain->refused++;
}

static void sending_in_a_reply_callback(struct fixture *f)
{
    struct chain chain = {.left = 10, .blocking = 0};
    qmp_message *event = NULL;

    begin(f);
    chain.client = f->client;
    assert_ok(qmp_client_execute_async(f->client, "stop", NULL, send_next, &chain, NULL));
    for (uint64_t i = 1; i <= 10; i++) {
        assert_ok(qmp_listener_get(qmp_client_events(f->client), CHECK_WAIT, &event));
        assert_string_equal(qmp_event_name(event), i % 2 ? "STOP" : "RESUME");
        qmp_message_unref(event);
    }
    synchronize(f->client);
    assert_int_equal(chain.left, 0);
    assert_int_equal(chain.refused, 0);
    assert_error(chain.blocking, -EBUSY);
    assert_no_event(qmp_client_events(f->client));
}

struct disconnector {
    qmp_client *client;
    int results[2];
    unsigned calls;
};

static void disconnect_in_reply(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct disconnector *d = userdata;

    (void)p;
    (void)error;
    (void)reply;
    d->calls++;
    d->results[0] = qmp_client_disconnect(d->client);
    d->results[1] = qmp_client_disconnect(d->client);
}

/* The callback of an out-of-band reply disconnects, twice; the command that blocks completes all the same. */
static void disconnecting_in_a_reply_callback(struct fixture *f)
{
    struct disconnector d = {.calls = 0};
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_pending *blocked = NULL;

    begin(f);
    d.client = f->client;
    char *gate = machine_gate_arguments(f->machine);
    assert_ok(qmp_client_execute_async(f->client, "blockdev-add", gate, NULL, NULL, &blocked));
    free(gate);
    request.command = "query-yank";
    request.oob = true;
    assert_ok(qmp_client_send_full(f->client, &request, disconnect_in_reply, &d, NULL));
    assert_error(qmp_pending_wait(blocked, CHECK_WAIT, NULL, NULL), -ECONNRESET);
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ENOTCONN);
    qmp_pending_unref(blocked);
    assert_int_equal(d.calls, 1);
    assert_ok(d.results[0]);
    assert_true(d.results[1] == 0 || d.results[1] == -EALREADY);
    assert_int_equal(qmp_client_failure_kind(f->client), QMP_FAILURE_DISCONNECT);
}

/* IDLE is announced last: when nobody can be waiting for the client any more. */
static void freed_when_idle(struct fixture *f)
{
    client_goes(f, arrange_idle);
}

static const struct scenario scenarios[] = {
    {"freed in a handler", freed_in_a_handler, EVERY_WAY},
    {"freed in a filter", freed_in_a_filter, EVERY_WAY},
    {"freed in a reply callback", freed_in_a_reply_callback, EVERY_WAY},
    {"freed when idle", freed_when_idle, CALLER_DRIVEN_ONLY},
    {"reconnecting in the state handler", reconnecting_in_the_state_handler, EVERY_WAY},
    {"sending in a reply callback", sending_in_a_reply_callback, EVERY_WAY},
    {"disconnecting in a reply callback", disconnecting_in_a_reply_callback, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
