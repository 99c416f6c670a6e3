/* SPDX-License-Identifier: MIT */
/* A listener: a filtered FIFO of messages with a history.
 *
 * Its state, under its own lock:
 *
 *     not registered ──attach──▸ closed ──open──▸ open ──close──▸ closed ──detach──▸ not registered
 *
 * In all of them queued events can be taken; when there is none, get() says -EAGAIN (or waits) in `open` and -ENOTCONN
 * in the others. Between the events of two connections the queue holds a mark, which get() reports once. A connection
 * that the caller makes anew leaves an end (-ENOTCONN), and only if the listener heard something on the one that ended;
 * one that makes itself anew leaves a gap (-ESTALE), heard or not, and stays open. The poll descriptor is readable
 * exactly when get() would not say -EAGAIN; every change of state ends in update(), which keeps it so and wakes who
 * waits.
 *
 * Filters, accept functions and handlers are never called with the lock held. The listener refuses to know clients: it
 * sees a host, which files it under its rule, pumps events for a waiting caller, and takes itself away before it dies.
 */

#include "listener/listener.h"

#include <errno.h>
#include <string.h>

#include "message/message.h"
#include "util/process.h"
#include "util/util.h"

/* ---- life ---- */

int qmp_listener_new(qmp_listener **ret, const char *const *names)
{
    CLEANUP(rule_unrefp) struct rule *rule = NULL;
    pthread_condattr_t monotonic;
    qmp_listener *l;
    int r;

    if (!names || !names[0])
        rule = rule_every();
    else if ((r = rule_new(&rule, names)) < 0)
        return r;
    l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->refs = 1;
    l->pid = process_id();
    list_init(&l->of_host);
    list_init(&l->entries);
    pthread_mutex_init(&l->changing, NULL);
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->ready, &monotonic);
    pthread_condattr_destroy(&monotonic);
    l->rule = TAKE(rule);
    l->queue_max = QMP_LISTENER_QUEUE_MAX;
    l->history_max = QMP_LISTENER_HISTORY_MAX;
    wake_init(&l->wake);
    *ret = l;
    return 0;
}

qmp_listener *qmp_listener_ref(qmp_listener *l)
{
    refs_take(&l->refs);
    return l;
}

qmp_listener *qmp_listener_unref(qmp_listener *l)
{
    if (!l || !refs_drop(&l->refs))
        return NULL;
    ring_done(&l->queue);
    ring_done(&l->history);
    rule_unref(l->rule);
    wake_close(&l->wake);
    pthread_cond_destroy(&l->ready);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->changing);
    free(l);
    return NULL;
}

/* ---- the poll descriptor ---- */

/* Whether get() would not say -EAGAIN. */
static bool readable(const qmp_listener *l)
{
    return l->lost || l->queue.n > 0 || !l->open;
}

/* After every change, with the lock held. A child after fork() leaves the parent's descriptor
 * alone. */
static void update(qmp_listener *l)
{
    bool now = readable(l);

    if (now && l->n_waiting > 0)
        pthread_cond_signal(&l->ready);
    if (l->wake.fds[0] < 0 || now == l->fd_readable || l->pid != process_id())
        return;
    l->fd_readable = now;
    if (now)
        wake_set(&l->wake);
    else
        wake_clear(&l->wake);
}

int qmp_listener_get_fd(qmp_listener *l)
{
    int r = 0;

    pthread_mutex_lock(&l->lock);
    if (l->wake.fds[0] < 0) {
        r = wake_open(&l->wake);
        update(l);
    }
    if (r >= 0)
        r = l->wake.fds[0];
    pthread_mutex_unlock(&l->lock);
    return r;
}

/* ---- rules ---- */

struct rule *listener_rule(qmp_listener *l)
{
    struct rule *rule;

    pthread_mutex_lock(&l->lock);
    rule = rule_ref(l->rule);
    pthread_mutex_unlock(&l->lock);
    return rule;
}

/* A host that cannot go away until it is unpinned; NULL when not registered. */
static struct listener_host *pin_host(qmp_listener *l)
{
    struct listener_host *h;

    pthread_mutex_lock(&l->lock);
    h = l->host;
    if (h)
        refs_take(&h->pins);
    pthread_mutex_unlock(&l->lock);
    return h;
}

static void unpin_host(struct listener_host *h)
{
    __atomic_fetch_sub(&h->pins, 1, __ATOMIC_RELEASE);
}

int listener_waiting(qmp_listener *l, struct listener_host **ret)
{
    struct listener_host *h = pin_host(l);
    int r;

    if (!h)
        return -ENOTCONN;
    r = h->ops->waiting(h);
    unpin_host(h);
    if (r >= 0)
        *ret = h;
    return r;
}

void listener_store_rule(qmp_listener *l, struct rule *rule)
{
    struct rule *old;

    pthread_mutex_lock(&l->lock);
    old = l->rule;
    l->rule = rule_ref(rule);
    pthread_mutex_unlock(&l->lock);
    rule_unref(old);
}

static bool store_if_not_registered(qmp_listener *l, struct rule *rule)
{
    struct rule *old = NULL;

    pthread_mutex_lock(&l->lock);
    if (!l->host) {
        old = l->rule;
        l->rule = rule_ref(rule);
    }
    pthread_mutex_unlock(&l->lock);
    rule_unref(old);
    return old != NULL;
}

static int set_rule(qmp_listener *l, struct rule *rule)
{
    int r = -ENOENT;

    /* -ENOENT: it was removed, or registered, while we looked. */
    while (r == -ENOENT) {
        struct listener_host *h = pin_host(l);

        if (h) {
            r = h->ops->set_rule(h, l, rule);
            unpin_host(h);
        } else if (store_if_not_registered(l, rule)) {
            r = 0;
        }
    }
    return r;
}

/* Without `changing`: the callback that this waits for may want to change the rule too. */
static void settle(qmp_listener *l)
{
    struct listener_host *h = pin_host(l);

    if (h) {
        h->ops->settle(h, l);
        unpin_host(h);
    }
}

/* A change makes a copy of the rule, and puts it in the place of the old one. */
struct change {
    const char *const *names;
    const char *path, *value;
    qmp_filter_fn filter;
    qmp_accept_fn accept;
    void *userdata;
};

static int change_names(struct rule *rule, const struct change *c)
{
    return rule_set_names(rule, c->names);
}

static int change_match(struct rule *rule, const struct change *c)
{
    return rule_add_match(rule, c->path, c->value);
}

static int change_filter(struct rule *rule, const struct change *c)
{
    rule->filter = c->filter;
    rule->filter_userdata = c->userdata;
    return 0;
}

static int change_accept(struct rule *rule, const struct change *c)
{
    rule->accept = c->accept;
    rule->accept_userdata = c->userdata;
    return 0;
}

static int change(qmp_listener *l, int (*how)(struct rule *rule, const struct change *c), const struct change *c)
{
    CLEANUP(rule_unrefp) struct rule *old = NULL, *rule = NULL;
    int r;

    pthread_mutex_lock(&l->changing);
    old = listener_rule(l);
    r = rule_copy(&rule, old);
    if (r >= 0)
        r = how(rule, c);
    if (r >= 0)
        r = set_rule(l, rule);
    pthread_mutex_unlock(&l->changing);
    if (r >= 0)
        settle(l);
    return r;
}

int qmp_listener_set_names(qmp_listener *l, const char *const *names)
{
    return change(l, change_names, &(struct change){.names = names});
}

int qmp_listener_add_match(qmp_listener *l, const char *path, const char *value)
{
    return change(l, change_match, &(struct change){.path = path, .value = value});
}

int qmp_listener_set_filter(qmp_listener *l, qmp_filter_fn filter, void *userdata)
{
    return change(l, change_filter, &(struct change){.filter = filter, .userdata = userdata});
}

int qmp_listener_set_accept(qmp_listener *l, qmp_accept_fn accept, void *userdata)
{
    return change(l, change_accept, &(struct change){.accept = accept, .userdata = userdata});
}

bool qmp_listener_accepts(qmp_listener *l, const qmp_message *event)
{
    CLEANUP(rule_unrefp) struct rule *rule = listener_rule(l);

    return qmp_message_kind(event) == QMP_EVENT && rule_hears_name(rule, qmp_event_name(event)) &&
           rule_matches(rule, 0, event) && (!rule->filter || rule->filter(event, rule->filter_userdata));
}

/* ---- queue and history ---- */

static size_t n_events(const qmp_listener *l)
{
    return l->queue.n - l->n_marks;
}

static bool is_mark(const qmp_listener *l, size_t i)
{
    return i < l->queue.n && ring_is_mark(ring_peek(&l->queue, i));
}

static void pop_mark(qmp_listener *l)
{
    ring_pop(&l->queue);
    l->n_marks--;
}

static void drop_queue(qmp_listener *l)
{
    ring_done(&l->queue);
    l->n_marks = 0;
    l->mark_told = false;
}

/* The oldest event goes; a mark before it stays, so that the border between two connections is not lost with the
 * events. */
static void drop_oldest(qmp_listener *l)
{
    bool marked = is_mark(l, 0);
    size_t oldest = marked ? 1 : 0;

    qmp_message_unref(ring_peek(&l->queue, oldest));
    if (marked)
        ring_replace(&l->queue, 1, ring_peek(&l->queue, 0));
    ring_pop(&l->queue);
    if (marked && is_mark(l, 1))
        pop_mark(l);
    l->dropped++;
    l->lost = true;
}

static void shrink_queue(qmp_listener *l, size_t events_max)
{
    while (n_events(l) > events_max)
        drop_oldest(l);
}

/* These two return how many references to the event they need. */
static unsigned enqueue(qmp_listener *l, qmp_message *event)
{
    if (l->queue_max == 0 && !l->handler)
        return 0;
    if (n_events(l) >= l->queue_max)
        shrink_queue(l, l->queue_max == 0 ? 0 : l->queue_max - 1);
    if (ring_push(&l->queue, event) >= 0)
        return 1;
    l->dropped++;
    l->lost = true;
    return 0;
}

static unsigned remember(qmp_listener *l, qmp_message *event)
{
    if (l->history_max == 0)
        return 0;
    if (l->history.n >= l->history_max)
        qmp_message_unref(ring_pop(&l->history));
    return ring_push(&l->history, event) >= 0 ? 1 : 0;
}

bool listener_push(qmp_listener *l, qmp_message *event)
{
    bool call;

    pthread_mutex_lock(&l->lock);
    message_ref_many(event, enqueue(l, event) + remember(l, event));
    l->heard = true;
    call = l->handler != NULL;
    update(l);
    pthread_mutex_unlock(&l->lock);
    return call;
}

/* What get() says now, with the lock held. */
static int take(qmp_listener *l, qmp_message **ret)
{
    if (l->lost) {
        l->lost = false;
        return -ENOBUFS;
    }
    if (is_mark(l, 0) && ring_peek(&l->queue, 0) == RING_MARK_GAP) {
        pop_mark(l);
        return -ESTALE;
    }
    if (is_mark(l, 0)) {
        if (l->open || l->queue.n > 1)
            pop_mark(l);
        else
            l->mark_told = true;
        return -ENOTCONN;
    }
    if (l->queue.n > 0) {
        *ret = ring_pop(&l->queue);
        return 0;
    }
    return l->open ? -EAGAIN : -ENOTCONN;
}

static int take_locked(qmp_listener *l, qmp_message **ret)
{
    int r;

    pthread_mutex_lock(&l->lock);
    r = take(l, ret);
    update(l);
    pthread_mutex_unlock(&l->lock);
    return r;
}

/* Waits on the condition while others drive. */
static int take_waiting(qmp_listener *l, uint64_t deadline, qmp_message **ret)
{
    uint64_t removals, closings;
    int r, e = 0;

    pthread_mutex_lock(&l->lock);
    removals = l->removals;
    closings = l->closings;
    while ((r = take(l, ret)) == -EAGAIN && e == 0) {
        struct timespec t = time_timespec(deadline);

        l->n_waiting++;
        e = deadline == QMP_FOREVER ? pthread_cond_wait(&l->ready, &l->lock)
                                    : pthread_cond_timedwait(&l->ready, &l->lock, &t);
        l->n_waiting--;
        if (l->removals != removals) {
            pthread_mutex_unlock(&l->lock);
            return -ECANCELED;
        }
        /* Closed and opened again while nobody looked. */
        if (l->closings != closings && l->open && l->queue.n == 0 && !l->lost) {
            r = -ENOTCONN;
            break;
        }
    }
    update(l);
    pthread_mutex_unlock(&l->lock);
    return r == -EAGAIN ? -ETIMEDOUT : r;
}

static uint64_t removals_of(qmp_listener *l)
{
    uint64_t removals;

    pthread_mutex_lock(&l->lock);
    removals = l->removals;
    pthread_mutex_unlock(&l->lock);
    return removals;
}

/* Drives the host itself: caller-driven, so there is no other thread that could take the host away meanwhile; a
 * callback can, and then pump() says so. */
static int take_pumping(qmp_listener *l, struct listener_host *h, uint64_t deadline, qmp_message **ret)
{
    uint64_t removals = removals_of(l);
    int r, p = 1;

    qmp_listener_ref(l);
    while ((r = take_locked(l, ret)) == -EAGAIN && p > 0) {
        p = h->ops->pump(h, deadline);
        if (removals_of(l) != removals) {
            r = -ECANCELED;
            break;
        }
    }
    qmp_listener_unref(l);
    if (r == -EAGAIN)
        return p == 0 ? -ETIMEDOUT : -ENOTCONN;
    return r;
}

int qmp_listener_get(qmp_listener *l, uint64_t timeout, qmp_message **ret)
{
    struct listener_host *h;
    int r = take_locked(l, ret);

    if (r != -EAGAIN || timeout == 0)
        return r;
    r = listener_waiting(l, &h);
    if (r < 0)
        return r;
    return r > 0 ? take_pumping(l, h, time_deadline(timeout), ret) : take_waiting(l, time_deadline(timeout), ret);
}

bool qmp_listener_empty(qmp_listener *l)
{
    bool empty;

    pthread_mutex_lock(&l->lock);
    empty = n_events(l) == 0;
    pthread_mutex_unlock(&l->lock);
    return empty;
}

/* The events of a ring as an array, in order, with a reference each. */
static int copy_out(const struct ring *r, qmp_message ***ret, size_t *ret_n)
{
    qmp_message **events = NULL;
    size_t n = 0;

    if (r->n > 0) {
        events = malloc(r->n * sizeof(qmp_message *));
        if (!events)
            return -ENOMEM;
    }
    for (size_t i = 0; i < r->n; i++) {
        if (!ring_is_mark(ring_peek(r, i)))
            events[n++] = qmp_message_ref(ring_peek(r, i));
    }
    if (n == 0) {
        free(events);
        events = NULL;
    }
    *ret = events;
    *ret_n = n;
    return 0;
}

static void empty_queue(qmp_listener *l)
{
    drop_queue(l);
    l->lost = l->heard = false;
}

int qmp_listener_clear(qmp_listener *l, qmp_message ***ret, size_t *ret_n)
{
    qmp_message **events = NULL;
    size_t n = 0;
    int r = 0;

    pthread_mutex_lock(&l->lock);
    if (ret) {
        r = copy_out(&l->queue, &events, &n);
    } else {
        n = n_events(l);
    }
    if (r >= 0) {
        empty_queue(l);
        update(l);
    }
    pthread_mutex_unlock(&l->lock);
    if (r < 0)
        return r;
    if (ret)
        *ret = events;
    if (ret_n)
        *ret_n = n;
    return 0;
}

int qmp_listener_history(qmp_listener *l, qmp_message ***ret, size_t *ret_n)
{
    int r;

    pthread_mutex_lock(&l->lock);
    r = copy_out(&l->history, ret, ret_n);
    pthread_mutex_unlock(&l->lock);
    return r;
}

int qmp_listener_set_limits(qmp_listener *l, size_t queue_max, size_t history_max)
{
    pthread_mutex_lock(&l->lock);
    l->queue_max = queue_max;
    l->history_max = history_max;
    if (queue_max == 0)
        drop_queue(l);
    shrink_queue(l, queue_max);
    while (l->history.n > history_max)
        qmp_message_unref(ring_pop(&l->history));
    if (history_max == 0)
        ring_done(&l->history);
    update(l);
    pthread_mutex_unlock(&l->lock);
    return 0;
}

uint64_t qmp_listener_dropped(qmp_listener *l)
{
    uint64_t dropped;

    pthread_mutex_lock(&l->lock);
    dropped = l->dropped;
    pthread_mutex_unlock(&l->lock);
    return dropped;
}

/* ---- handler ---- */

int qmp_listener_set_handler(qmp_listener *l, qmp_event_fn handler, void *userdata)
{
    pthread_mutex_lock(&l->lock);
    l->handler = handler;
    l->handler_userdata = userdata;
    pthread_mutex_unlock(&l->lock);
    settle(l);
    return 0;
}

bool listener_wants_call(qmp_listener *l)
{
    bool wants;

    pthread_mutex_lock(&l->lock);
    wants = l->handler && n_events(l) > 0;
    pthread_mutex_unlock(&l->lock);
    return wants;
}

bool listener_call_handler(qmp_listener *l)
{
    CLEANUP(qmp_message_unrefp) qmp_message *event = NULL;
    qmp_event_fn handler;
    void *userdata;

    pthread_mutex_lock(&l->lock);
    handler = l->handler;
    userdata = l->handler_userdata;
    /* Losses and marks are for those who ask. */
    while (handler && l->host && n_events(l) > 0 && take(l, &event) < 0)
        continue;
    update(l);
    pthread_mutex_unlock(&l->lock);
    if (event)
        handler(l, event, userdata);
    return event != NULL;
}

/* ---- for hosts ---- */

int listener_attach(qmp_listener *l, struct listener_host *h, struct rule **ret_rule)
{
    int r = -EEXIST;

    pthread_mutex_lock(&l->lock);
    if (!l->host) {
        l->host = h;
        l->registrations++;
        *ret_rule = rule_ref(l->rule);
        r = 0;
    }
    pthread_mutex_unlock(&l->lock);
    return r;
}

bool listener_is_attached(qmp_listener *l, const struct listener_host *h)
{
    bool attached;

    pthread_mutex_lock(&l->lock);
    attached = l->host == h;
    pthread_mutex_unlock(&l->lock);
    return attached;
}

int listener_remove(qmp_listener *l, struct listener_host *h)
{
    int r = -ENOENT;

    pthread_mutex_lock(&l->lock);
    if (l->host == h) {
        l->host = NULL;
        l->open = false;
        l->removals++;
        empty_queue(l);
        pthread_cond_broadcast(&l->ready);
        update(l);
        r = 0;
    }
    pthread_mutex_unlock(&l->lock);
    return r;
}

static void push_mark(qmp_listener *l, qmp_message *mark)
{
    if (l->queue.n > 0 && is_mark(l, l->queue.n - 1))
        return;
    /* Without memory for the mark, the two connections are not told apart: that is a loss. */
    if (ring_push(&l->queue, mark) >= 0)
        l->n_marks++;
    else
        l->lost = true;
}

/* With the lock held. */
static void close_locked(qmp_listener *l)
{
    l->open = false;
    l->closings++;
    if (l->heard)
        push_mark(l, RING_MARK_END);
    l->heard = false;
    pthread_cond_broadcast(&l->ready);
    update(l);
}

void listener_gap(qmp_listener *l, bool was_running)
{
    pthread_mutex_lock(&l->lock);
    if (l->queue_max > 0 && (was_running || l->heard))
        push_mark(l, RING_MARK_GAP);
    l->heard = false;
    update(l);
    pthread_mutex_unlock(&l->lock);
}

void listener_orphan(qmp_listener *l)
{
    pthread_mutex_lock(&l->lock);
    l->host = NULL;
    close_locked(l);
    pthread_mutex_unlock(&l->lock);
}

void listener_lose(qmp_listener *l)
{
    pthread_mutex_lock(&l->lock);
    l->dropped++;
    l->lost = true;
    update(l);
    pthread_mutex_unlock(&l->lock);
}

void listener_open(qmp_listener *l)
{
    pthread_mutex_lock(&l->lock);
    l->open = true;
    if (l->mark_told) {
        pop_mark(l); /* it is all there is */
        l->mark_told = false;
    }
    update(l);
    pthread_mutex_unlock(&l->lock);
}

void listener_close(qmp_listener *l)
{
    pthread_mutex_lock(&l->lock);
    close_locked(l);
    pthread_mutex_unlock(&l->lock);
}

uint64_t listener_registration(qmp_listener *l)
{
    uint64_t registration;

    pthread_mutex_lock(&l->lock);
    registration = l->registrations;
    pthread_mutex_unlock(&l->lock);
    return registration;
}

void listener_end_registration(qmp_listener *l, uint64_t registration)
{
    struct listener_host *h = NULL;

    pthread_mutex_lock(&l->lock);
    if (l->host && l->registrations == registration) {
        h = l->host;
        refs_take(&h->pins);
    }
    pthread_mutex_unlock(&l->lock);
    if (h) {
        h->ops->remove(h, l);
        unpin_host(h);
    }
}

bool listener_is_ready(qmp_listener *l)
{
    bool ready;

    pthread_mutex_lock(&l->lock);
    ready = readable(l);
    pthread_mutex_unlock(&l->lock);
    return ready;
}
