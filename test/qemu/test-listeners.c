/* SPDX-License-Identifier: MIT */
/* Listeners on a real QEMU beyond the reference's stories: the scenarios B1, B2, B3, B6, B7 and B8, and the defects of
 * the reference that are kin to them. The others of the B series are about the end of a connection: test-endings.c.
 *
 * Invariant: a listener that misbehaves, or is misused, is alone with it. So every test here has bystanders, registered
 * before and after the culprit, that must hear everything.
 *
 * Callbacks record and never assert; what they recorded is read after a command has returned, which is after all the
 * events before its reply were dispatched. */

#include <poll.h>

#include "fixture.h"

struct bystanders {
    qmp_listener *before, *after;
};

static qmp_listener *register_new(struct fixture *f)
{
    qmp_listener *l = NULL;

    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_client_register_listener(f->client, l));
    return l;
}

static void stop_and_cont(struct fixture *f)
{
    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
}

static void assert_undisturbed(struct fixture *f, struct bystanders *b)
{
    assert_queued(b->before, "STOP", "RESUME");
    assert_queued(b->after, "STOP", "RESUME");
    assert_queued(qmp_client_events(f->client), "STOP", "RESUME");
    assert_no_event(b->before);
    assert_no_event(b->after);
    qmp_listener_unref(b->before);
    qmp_listener_unref(b->after);
}

/* B1 */
static void built_in_stays(struct fixture *f)
{
    begin(f);
    qmp_listener *events = qmp_client_events(f->client);
    tell(f->client, "stop", NULL);
    assert_error(qmp_client_remove_listener(f->client, events), -EPERM);
    assert_error(qmp_client_register_listener(f->client, events), -EEXIST);
    tell(f->client, "cont", NULL);
    assert_queued(events, "STOP", "RESUME");
    assert_no_event(events);
}

/* B2 */
static void double_registration(struct fixture *f)
{
    begin(f);
    qmp_client *other = connect_client(f, 1);
    qmp_listener *l = register_new(f);
    tell(f->client, "stop", NULL);
    assert_error(qmp_client_register_listener(f->client, l), -EEXIST);
    assert_error(qmp_client_register_listener(other, l), -EEXIST);
    tell(f->client, "cont", NULL);
    synchronize(other);
    assert_queued(l, "STOP", "RESUME");
    assert_no_event(l);
    assert_ok(qmp_client_remove_listener(f->client, l));
    assert_error(qmp_client_remove_listener(f->client, l), -ENOENT);
    qmp_listener_unref(l);
    qmp_client_unref(other);
}

/* B3 */
static void removing_what_is_not_registered(struct fixture *f)
{
    qmp_listener *never = NULL;

    begin(f);
    qmp_client *other = connect_client(f, 1);
    qmp_listener *l = register_new(f);
    assert_ok(qmp_listener_new(&never, NULL));
    assert_error(qmp_client_remove_listener(f->client, never), -ENOENT);
    tell(f->client, "stop", NULL);
    assert_error(qmp_client_remove_listener(other, l), -ENOENT);
    tell(f->client, "cont", NULL);
    assert_queued(l, "STOP", "RESUME");
    assert_no_event(l);
    assert_past(l, "STOP", "RESUME");
    qmp_listener_unref(l);
    qmp_listener_unref(never);
    qmp_client_unref(other);
}

/* A scope takes all of its listeners or none. */
static void scope_rolls_back(struct fixture *f)
{
    qmp_listener *first = NULL, *last = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_listener_new(&first, NULL));
    assert_ok(qmp_listener_new(&last, NULL));
    qmp_listener *registered = register_new(f);
    qmp_listener *all[] = {first, registered, last};
    assert_error(qmp_client_listen(f->client, all, ELEMENTS(all), &scope), -EEXIST);
    assert_null(scope);
    tell(f->client, "stop", NULL);
    assert_error(qmp_client_remove_listener(f->client, first), -ENOENT);
    assert_error(qmp_client_remove_listener(f->client, last), -ENOENT);
    assert_int_equal(history_length(first), 0);
    assert_queued(registered, "STOP");
    qmp_listener_unref(first);
    qmp_listener_unref(registered);
    qmp_listener_unref(last);
}

/* One of a scope's listeners is removed by hand; the end of the scope removes the rest. */
static void removed_by_hand_in_a_scope(struct fixture *f)
{
    qmp_listener *l[3] = {NULL};
    qmp_scope *scope = NULL;

    begin(f);
    for (size_t i = 0; i < ELEMENTS(l); i++)
        assert_ok(qmp_listener_new(&l[i], NULL));
    assert_ok(qmp_client_listen(f->client, l, ELEMENTS(l), &scope));
    assert_ok(qmp_client_remove_listener(f->client, l[0]));
    tell(f->client, "stop", NULL);
    assert_int_equal(history_length(l[0]), 0);
    assert_past(l[1], "STOP");
    assert_past(l[2], "STOP");
    assert_null(qmp_scope_end(scope));
    tell(f->client, "cont", NULL);
    for (size_t i = 0; i < ELEMENTS(l); i++) {
        assert_true(qmp_listener_empty(l[i]));
        assert_error(qmp_client_remove_listener(f->client, l[i]), -ENOENT);
        assert_int_equal(history_length(l[i]), i > 0);
        qmp_listener_unref(l[i]);
    }
}

static bool refuse(const qmp_message *event, void *userdata)
{
    (void)event;
    (void)userdata;
    return false;
}

/* B6: a filter that refuses everything. */
static void filter_refuses(struct fixture *f)
{
    struct bystanders b;

    begin(f);
    b.before = register_new(f);
    qmp_listener *l = register_new(f);
    b.after = register_new(f);
    assert_ok(qmp_listener_set_filter(l, refuse, NULL));
    stop_and_cont(f);
    assert_no_event(l);
    assert_int_equal(history_length(l), 0);
    assert_undisturbed(f, &b);
    qmp_listener_unref(l);
}

/* A listener that a callback of its own takes away: out of its scope, and out of memory. */
struct suicide {
    qmp_listener *listener;
    qmp_scope *scope;
    unsigned calls;
};

static void commit(struct suicide *s)
{
    s->calls++;
    s->scope = qmp_scope_end(s->scope);
    s->listener = qmp_listener_unref(s->listener);
}

static bool free_in_filter(const qmp_message *event, void *userdata)
{
    (void)event;
    commit(userdata);
    return true;
}

static bool free_in_accept(qmp_listener *l, const qmp_message *event, void *userdata)
{
    (void)l;
    (void)event;
    commit(userdata);
    return true;
}

static void free_in_handler(qmp_listener *l, qmp_message *event, void *userdata)
{
    (void)l;
    (void)event;
    commit(userdata);
}

static void set_suicidal_filter(struct suicide *s)
{
    assert_ok(qmp_listener_set_filter(s->listener, free_in_filter, s));
}

static void set_suicidal_accept(struct suicide *s)
{
    assert_ok(qmp_listener_set_accept(s->listener, free_in_accept, s));
}

static void set_suicidal_handler(struct suicide *s)
{
    assert_ok(qmp_listener_set_handler(s->listener, free_in_handler, s));
}

static void free_in_callback(struct fixture *f, void (*set)(struct suicide *s))
{
    struct suicide s = {.calls = 0};
    struct bystanders b;

    begin(f);
    b.before = register_new(f);
    assert_ok(qmp_client_listener(f->client, NULL, &s.listener, &s.scope));
    b.after = register_new(f);
    set(&s);
    stop_and_cont(f);
    assert_int_equal(s.calls, 1);
    assert_undisturbed(f, &b);
}

/* B6: a filter, an accept function or a handler that frees its own listener. */
static void filter_frees_its_listener(struct fixture *f)
{
    free_in_callback(f, set_suicidal_filter);
}

static void accept_frees_its_listener(struct fixture *f)
{
    free_in_callback(f, set_suicidal_accept);
}

static void handler_frees_its_listener(struct fixture *f)
{
    free_in_callback(f, set_suicidal_handler);
}

/* What a callback may not do, and what it is told. */
struct attempts {
    qmp_client *client;
    qmp_listener *self, *other;
    int register_other, remove_self, remove_other, process, execute, get;
    unsigned calls;
};

static bool attempt_everything(const qmp_message *event, void *userdata)
{
    struct attempts *a = userdata;
    qmp_message *taken = NULL;

    (void)event;
    a->calls++;
    a->register_other = qmp_client_register_listener(a->client, a->other);
    a->remove_self = qmp_client_remove_listener(a->client, a->self);
    a->remove_other = qmp_client_remove_listener(a->client, qmp_client_events(a->client));
    a->process = qmp_client_process(a->client);
    a->execute = qmp_client_execute(a->client, "query-jobs", NULL, QMP_FOREVER, NULL, NULL);
    a->get = qmp_listener_get(a->self, QMP_FOREVER, &taken);
    qmp_message_unref(taken);
    return true;
}

/* B7: registering and removing inside a filter is refused, and disturbs nothing. */
static void no_registering_in_a_filter(struct fixture *f)
{
    struct attempts a = {.calls = 0};
    struct bystanders b;

    begin(f);
    b.before = register_new(f);
    a.client = f->client;
    a.self = register_new(f);
    assert_ok(qmp_listener_new(&a.other, NULL));
    b.after = register_new(f);
    assert_ok(qmp_listener_set_names(a.self, NAMES("STOP")));
    assert_ok(qmp_listener_set_filter(a.self, attempt_everything, &a));
    stop_and_cont(f);
    assert_int_equal(a.calls, 1);
    assert_error(a.register_other, -EBUSY);
    assert_error(a.remove_self, -EBUSY);
    assert_true(a.remove_other == -EBUSY || a.remove_other == -EPERM);
    assert_error(a.process, -EBUSY);
    assert_error(a.execute, -EBUSY);
    assert_error(a.get, -EBUSY);
    assert_queued(a.self, "STOP");
    assert_undisturbed(f, &b);
    qmp_listener_unref(a.self);
    qmp_listener_unref(a.other);
}

struct replacement {
    qmp_client *client;
    qmp_listener *removed, *added;
    int remove_result, remove_self_result, add_result;
    unsigned calls;
};

static void replace(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct replacement *r = userdata;

    (void)event;
    r->calls++;
    r->remove_result = qmp_client_remove_listener(r->client, r->removed);
    r->add_result = qmp_client_register_listener(r->client, r->added);
    r->remove_self_result = qmp_client_remove_listener(r->client, l);
}

/* B7: a handler removes another listener and its own, and registers a new one; nobody else misses anything. */
static void registering_in_a_handler(struct fixture *f)
{
    struct replacement r = {.calls = 0};
    struct bystanders b;

    begin(f);
    b.before = register_new(f);
    qmp_listener *l = register_new(f);
    r.client = f->client;
    r.removed = register_new(f);
    b.after = register_new(f);
    assert_ok(qmp_listener_new(&r.added, NAMES("RESUME")));
    assert_ok(qmp_listener_set_handler(l, replace, &r));
    stop_and_cont(f);
    assert_int_equal(r.calls, 1);
    assert_ok(r.remove_result);
    assert_ok(r.add_result);
    assert_ok(r.remove_self_result);
    assert_get_error(r.removed, 0, -ENOTCONN);
    assert_queued(r.added, "RESUME");
    assert_undisturbed(f, &b);
    qmp_listener_unref(l);
    qmp_listener_unref(r.removed);
    qmp_listener_unref(r.added);
}

static bool rename_in_filter(const qmp_message *event, void *userdata)
{
    qmp_listener *l = userdata;

    (void)event;
    qmp_listener_set_filter(l, NULL, NULL);
    qmp_listener_set_names(l, NAMES("RESUME"));
    return true;
}

/* Names and filter can be changed while they are in use, from the next event on. */
static void rule_changes_in_a_filter(struct fixture *f)
{
    begin(f);
    qmp_listener *l = register_new(f);
    assert_ok(qmp_listener_set_names(l, NAMES("STOP")));
    assert_ok(qmp_listener_set_filter(l, rename_in_filter, l));
    stop_and_cont(f);
    stop_and_cont(f);
    assert_queued(l, "STOP", "RESUME", "RESUME");
    assert_no_event(l);
    qmp_listener_unref(l);
}

/* One wait for several listeners, of two clients. */
static void waiting_on_several(struct fixture *f)
{
    qmp_listener *l[3] = {NULL};

    begin(f);
    qmp_client *other = connect_client(f, 1);
    assert_ok(qmp_listener_new(&l[0], NAMES("NEVER_HEARD_OF")));
    assert_ok(qmp_listener_new(&l[1], NAMES("RESUME")));
    assert_ok(qmp_listener_new(&l[2], NAMES("STOP")));
    assert_ok(qmp_client_register_listener(f->client, l[0]));
    assert_ok(qmp_client_register_listener(other, l[1]));
    assert_ok(qmp_client_register_listener(f->client, l[2]));
    assert_error(qmp_listeners_wait(l, ELEMENTS(l), 0), -ETIMEDOUT);
    assert_ok(qmp_client_execute_async(f->client, "stop", NULL, NULL, NULL, NULL));
    assert_int_equal(qmp_listeners_wait(l, ELEMENTS(l), CHECK_WAIT), 2);
    assert_queued(l[2], "STOP");
    assert_ok(qmp_client_execute_async(f->client, "cont", NULL, NULL, NULL, NULL));
    assert_int_equal(qmp_listeners_wait(l, ELEMENTS(l), CHECK_WAIT), 1);
    assert_queued(l[1], "RESUME");
    assert_error(qmp_listeners_wait(l, ELEMENTS(l), MOMENT), -ETIMEDOUT);
    assert_ok(qmp_client_remove_listener(f->client, l[0]));
    assert_int_equal(qmp_listeners_wait(l, ELEMENTS(l), CHECK_WAIT), 0);
    assert_get_error(l[0], 0, -ENOTCONN);
    for (size_t i = 0; i < ELEMENTS(l); i++)
        qmp_listener_unref(l[i]);
    qmp_client_unref(other);
}

/* Polls as an event loop does, and drives the client when the poll says so. Returns process()'s result. */
static int turn_loop(qmp_client *c)
{
    uint64_t deadline = QMP_FOREVER;
    int fd = qmp_client_get_fd(c), events = qmp_client_get_events(c);

    assert_ok(qmp_client_get_deadline(c, &deadline));
    struct pollfd p = {.fd = fd, .events = (short)events};
    assert_true(poll(&p, fd >= 0, check_poll_timeout(deadline)) >= 0);
    return qmp_client_process(c);
}

/* A whole session in a loop of the program's own: connect, a command, its event, and the end, nothing of it blocking.
 */
static void in_an_event_loop(struct fixture *f)
{
    qmp_pending *pending = NULL;
    int r = 0;

    begin(f);
    qmp_client *c = new_client(f);
    qmp_listener *events = qmp_client_events(c);
    assert_ok(qmp_client_connect(c, machine_address(f->machine, 1)));
    while (qmp_client_runstate(c) == QMP_CONNECTING)
        assert_ok(turn_loop(c));
    assert_ok(qmp_client_execute_async(c, "stop", NULL, NULL, NULL, &pending));
    while (!(check_poll(qmp_listener_get_fd(events), POLLIN, 0) & POLLIN))
        assert_ok(turn_loop(c));
    assert_queued(events, "STOP");
    while (qmp_pending_wait(pending, 0, NULL, NULL) == -ETIMEDOUT)
        assert_ok(turn_loop(c));
    assert_ok(qmp_pending_wait(pending, 0, NULL, NULL));
    machine_kill(f->machine);
    while (r >= 0)
        r = turn_loop(c);
    assert_error(r, -ECONNRESET);
    assert_error(qmp_client_process(c), -ENOTCONN);
    assert_get_error(events, 0, -ENOTCONN);
    qmp_pending_unref(pending);
    qmp_client_unref(c);
}

static void assert_bounded(struct fixture *f, qmp_listener *l)
{
    assert_ok(qmp_listener_set_limits(l, 3, 4));
    for (unsigned i = 0; i < 5; i++)
        stop_and_cont(f);
    assert_int_equal(qmp_listener_dropped(l), 7);
    assert_true(check_poll(qmp_listener_get_fd(l), POLLIN, 0) & POLLIN);
    assert_get_error(l, 0, -ENOBUFS);
    assert_queued(l, "RESUME", "STOP", "RESUME");
    assert_no_event(l);
    assert_past(l, "STOP", "RESUME", "STOP", "RESUME");
    tell(f->client, "stop", NULL);
    assert_queued(l, "STOP");
    assert_int_equal(qmp_listener_dropped(l), 7);
}

/* B8 */
static void bounded_queue(struct fixture *f)
{
    begin(f);
    qmp_listener *l = register_new(f);
    assert_bounded(f, l);
    qmp_listener_unref(l);
}

/* B8, for the listener that nobody asked for. */
static void bounded_built_in(struct fixture *f)
{
    begin(f);
    assert_bounded(f, qmp_client_events(f->client));
    tell(f->client, "cont", NULL);
    qmp_listener_set_limits(qmp_client_events(f->client), 0, 0);
    stop_and_cont(f);
    assert_no_event(qmp_client_events(f->client));
    assert_int_equal(history_length(qmp_client_events(f->client)), 0);
}

/* B8: clear takes the report of a loss with it; the count stays. */
static void clearing_takes_the_loss(struct fixture *f)
{
    qmp_message **events = NULL;
    size_t n = 0;

    begin(f);
    qmp_listener *l = register_new(f);
    assert_ok(qmp_listener_set_limits(l, 1, SIZE_MAX));
    stop_and_cont(f);
    assert_ok(qmp_listener_clear(l, &events, &n));
    assert_messages(events, n, "RESUME");
    qmp_message_unref_many(events, n);
    assert_no_event(l);
    assert_int_equal(qmp_listener_dropped(l), 1);
    assert_past(l, "STOP", "RESUME");
    qmp_listener_unref(l);
}

static const struct scenario scenarios[] = {
    {"B1 built-in listener stays", built_in_stays, EVERY_WAY},
    {"B2 double registration", double_registration, EVERY_WAY},
    {"B3 removing what is not registered", removing_what_is_not_registered, EVERY_WAY},
    {"scope rolls back", scope_rolls_back, EVERY_WAY},
    {"removed by hand in a scope", removed_by_hand_in_a_scope, EVERY_WAY},
    {"B6 filter refuses", filter_refuses, EVERY_WAY},
    {"B6 filter frees its listener", filter_frees_its_listener, EVERY_WAY},
    {"B6 accept function frees its listener", accept_frees_its_listener, EVERY_WAY},
    {"B6 handler frees its listener", handler_frees_its_listener, EVERY_WAY},
    {"B7 no registering in a filter", no_registering_in_a_filter, EVERY_WAY},
    {"B7 registering in a handler", registering_in_a_handler, EVERY_WAY},
    {"rule changes in a filter", rule_changes_in_a_filter, EVERY_WAY},
    {"waiting on several", waiting_on_several, EVERY_WAY},
    {"in an event loop", in_an_event_loop, CALLER_DRIVEN_ONLY},
    {"B8 bounded queue", bounded_queue, EVERY_WAY},
    {"B8 bounded built-in listener", bounded_built_in, EVERY_WAY},
    {"B8 clearing takes the loss", clearing_takes_the_loss, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
