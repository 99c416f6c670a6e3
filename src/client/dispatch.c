/* SPDX-License-Identifier: MIT */
/* Events: from the connection to the listeners.
 *
 * The index says who hears an event. Listeners that need no callback get it at once; filters, accept functions and
 * handlers are noted and called afterwards, one by one, with the lock let go. Before each call the listener is looked
 * at again: an earlier callback, or another thread, may have removed it. So once qmp_client_remove_listener() has
 * returned, no callback of that listener is running or will run.
 *
 * This is also the host that listeners see: how they wait, pump, change their rule and leave. */

#include "client/client.h"

#include <errno.h>

#include "util/util.h"

/* ---- one event ---- */

struct dispatch {
    qmp_client *c;
    qmp_message *event;
};

static void note_call(qmp_client *c, qmp_listener *l, bool ask)
{
    if (c->n_calls == c->calls_allocated) {
        size_t n = c->calls_allocated == 0 ? 4 : c->calls_allocated * 2;
        struct call *calls = realloc(c->calls, n * sizeof(*calls));

        if (!calls) {
            /* Without memory to ask, the event is lost; a handler finds it in its queue with the next step. */
            if (ask)
                listener_lose(l);
            c->handlers_wanted |= !ask;
            return;
        }
        c->calls = calls;
        c->calls_allocated = n;
    }
    c->calls[c->n_calls++] = (struct call){qmp_listener_ref(l), listener_registration(l), ask};
}

static void on_found(void *userdata, qmp_listener *l, struct rule *rule)
{
    struct dispatch *d = userdata;

    if (rule->filter || rule->accept)
        note_call(d->c, l, /* ask= */ true);
    else if (listener_push(l, d->event))
        note_call(d->c, l, /* ask= */ false);
}

/* Still under this registration: who was removed and is back hears what comes from then on. */
static bool is_here(qmp_client *c, qmp_listener *l, uint64_t registration)
{
    return !c->dying && !l->remove_wanted && listener_is_attached(l, &c->host) &&
           listener_registration(l) == registration;
}

/* The rule may be another one by now: a callback, or another thread, has changed it. Then the new one decides. */
static bool ask(qmp_client *c, const struct call *call, qmp_message *event)
{
    qmp_listener *l = call->listener;
    CLEANUP(rule_unrefp) struct rule *rule = listener_rule(l);
    bool accepted = true;

    if (!rule->accept && (!rule_hears_name(rule, qmp_event_name(event)) || !rule_matches(rule, 0, event)))
        return false;
    if (rule->accept || rule->filter) {
        client_call_begin(c, CALLING_FILTER, l);
        accepted =
            rule->accept ? rule->accept(l, event, rule->accept_userdata) : rule->filter(event, rule->filter_userdata);
        client_call_end(c);
    }
    return accepted && is_here(c, l, call->registration);
}

static void call_handler(qmp_client *c, qmp_listener *l, uint64_t registration)
{
    bool called = true;

    while (called && is_here(c, l, registration)) {
        client_call_begin(c, CALLING_OTHER, l);
        called = listener_call_handler(l);
        client_call_end(c);
    }
}

static void run_call(qmp_client *c, const struct call *call, qmp_message *event)
{
    qmp_listener *l = call->listener;
    bool handler = !call->ask;

    if (!is_here(c, l, call->registration))
        return;
    if (call->ask && ask(c, call, event))
        handler = listener_push(l, event);
    if (handler)
        call_handler(c, l, call->registration);
}

bool dispatch_event(qmp_client *c, qmp_message *event)
{
    struct dispatch d = {c, event};

    c->n_calls = 0;
    index_find(&c->index, event, on_found, &d);
    return c->n_calls > 0;
}

void dispatch_calls(qmp_client *c, qmp_message *event)
{
    for (size_t i = 0; i < c->n_calls; i++) {
        run_call(c, &c->calls[i], event);
        qmp_listener_unref(c->calls[i].listener);
    }
    c->n_calls = 0;
}

int dispatch_wanted(qmp_client *c)
{
    struct list *i, *n;
    int did = 0;

again:
    if (!c->handlers_wanted)
        return did;
    LIST_FOREACH (i, n, &c->listeners) {
        qmp_listener *l = LIST_ENTRY(i, qmp_listener, of_host);

        if (!c->dying && listener_wants_call(l)) {
            qmp_listener_ref(l);
            call_handler(c, l, listener_registration(l));
            qmp_listener_unref(l);
            did = 1;
            goto again; /* the list may have changed */
        }
    }
    c->handlers_wanted = false;
    return did;
}

/* ---- the connection begins and ends ---- */

void dispatch_open(qmp_client *c)
{
    struct list *i, *n;

    LIST_FOREACH (i, n, &c->listeners)
        listener_open(LIST_ENTRY(i, qmp_listener, of_host));
}

void dispatch_close(qmp_client *c)
{
    struct list *i, *n;

    LIST_FOREACH (i, n, &c->listeners)
        listener_close(LIST_ENTRY(i, qmp_listener, of_host));
}

void dispatch_gap(qmp_client *c, bool was_running)
{
    struct list *i, *n;

    LIST_FOREACH (i, n, &c->listeners)
        listener_gap(LIST_ENTRY(i, qmp_listener, of_host), was_running);
}

static void let_go(qmp_client *c, qmp_listener *l)
{
    index_remove(&c->index, &l->entries);
    list_remove(&l->of_host);
    l->remove_wanted = false;
}

void dispatch_orphan_all(qmp_client *c)
{
    while (!list_empty(&c->listeners)) {
        qmp_listener *l = LIST_ENTRY(c->listeners.next, qmp_listener, of_host);

        let_go(c, l);
        listener_orphan(l);
        qmp_listener_unref(l);
    }
}

/* ---- registering ---- */

static int check_callback(const qmp_client *c)
{
    return c->calling == CALLING_FILTER && client_is_driving(c) ? -EBUSY : 0;
}

/* With the lock held. */
static int attach(qmp_client *c, qmp_listener *l)
{
    CLEANUP(rule_unrefp) struct rule *rule = NULL;
    int r = listener_attach(l, &c->host, &rule);

    if (r < 0)
        return r;
    r = index_add(&c->index, &l->entries, l, rule);
    if (r < 0) {
        listener_remove(l, &c->host);
        return r;
    }
    list_append(&c->listeners, &l->of_host);
    qmp_listener_ref(l);
    if (c->state == QMP_CONNECTING || c->state == QMP_RUNNING || c->again)
        listener_open(l);
    if (listener_wants_call(l)) {
        c->handlers_wanted = true; /* for what was queued before */
        drive_wake(c);
    }
    return 0;
}

int qmp_client_register_listener(qmp_client *c, qmp_listener *l)
{
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    client_lock(c);
    r = check_callback(c);
    if (r >= 0)
        r = attach(c, l);
    pthread_mutex_unlock(&c->lock);
    return r;
}

/* With the lock held; it is let go while one of the listener's callbacks is running. */
static int detach(qmp_client *c, qmp_listener *l)
{
    bool here = listener_is_attached(l, &c->host);

    if (here) {
        let_go(c, l);
        listener_remove(l, &c->host);
    }
    client_settle(c, l);
    if (here)
        qmp_listener_unref(l);
    return here ? 0 : -ENOENT;
}

int qmp_client_remove_listener(qmp_client *c, qmp_listener *l)
{
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    client_lock(c);
    r = check_callback(c);
    if (r >= 0)
        r = l == c->events ? -EPERM : detach(c, l);
    pthread_mutex_unlock(&c->lock);
    return r;
}

void dispatch_remove_wanted(qmp_client *c)
{
    struct list *i, *n;

    c->removals_wanted = false;
    LIST_FOREACH (i, n, &c->listeners) {
        qmp_listener *l = LIST_ENTRY(i, qmp_listener, of_host);

        if (l->remove_wanted)
            detach(c, l);
    }
}

/* ---- what listeners see ---- */

static qmp_client *client_of(struct listener_host *h)
{
    return CONTAINER_OF(h, qmp_client, host);
}

static int host_waiting(struct listener_host *h)
{
    return drive_waiting(client_of(h));
}

static int host_pump(struct listener_host *h, uint64_t deadline)
{
    int r = drive_pump(client_of(h), deadline);

    return r == -ESHUTDOWN ? -ENOTCONN : r; /* the client is gone */
}

static int host_step(struct listener_host *h)
{
    int r = drive_step(client_of(h));

    return r == -ESHUTDOWN ? -ENOTCONN : r;
}

static void host_poll(struct listener_host *h, struct pollfd *ret, uint64_t *ret_deadline)
{
    qmp_client *c = client_of(h);

    client_lock(c);
    *ret = (struct pollfd){.fd = c->link.fd};
    if (c->link.fd >= 0)
        ret->events = connection_poll_events(c);
    *ret_deadline = connection_deadline(c);
    pthread_mutex_unlock(&c->lock);
}

/* Filed under the new rule before it is taken from under the old one, so that a failure changes nothing. */
static int refile(qmp_client *c, qmp_listener *l, struct rule *rule)
{
    struct list entries;
    int r;

    list_init(&entries);
    r = index_add(&c->index, &entries, l, rule);
    if (r < 0)
        return r;
    index_remove(&c->index, &l->entries);
    while (!list_empty(&entries)) {
        struct list *entry = entries.next;

        list_remove(entry);
        list_append(&l->entries, entry);
    }
    listener_store_rule(l, rule);
    return 0;
}

static int host_set_rule(struct listener_host *h, qmp_listener *l, struct rule *rule)
{
    qmp_client *c = client_of(h);
    int r = -ENOENT;

    client_lock(c);
    if (listener_is_attached(l, h))
        r = refile(c, l, rule);
    pthread_mutex_unlock(&c->lock);
    return r;
}

static void host_settle(struct listener_host *h, qmp_listener *l)
{
    qmp_client *c = client_of(h);

    client_lock(c);
    c->handlers_wanted |= listener_wants_call(l);
    client_settle(c, l);
    pthread_mutex_unlock(&c->lock);
    drive_wake(c);
}

static void host_remove(struct listener_host *h, qmp_listener *l)
{
    qmp_client *c = client_of(h);

    client_lock(c);
    if (check_callback(c) < 0) {
        if (listener_is_attached(l, h))
            l->remove_wanted = c->removals_wanted = true;
    } else {
        detach(c, l);
    }
    pthread_mutex_unlock(&c->lock);
}

const struct listener_host_ops client_host_ops = {
    .waiting = host_waiting,
    .pump = host_pump,
    .poll = host_poll,
    .step = host_step,
    .set_rule = host_set_rule,
    .settle = host_settle,
    .remove = host_remove,
};
