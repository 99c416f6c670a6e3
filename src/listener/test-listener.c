/* SPDX-License-Identifier: MIT */
/* The listener against a host that the test plays: its states and marks, limits and losses, history, descriptor,
 * changes of its rule, registrations, waiting of every kind, and handlers.
 *
 * The invariant under everything: the descriptor is readable exactly when get(0) would not say -EAGAIN. The last test
 * runs random operations against a model that is a plain array, and looks after each one. $TEST_SEED repeats a run.
 *
 * It refuses to know clients: what they do with a listener is what the host here can do. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener/listener.h"
#include "util/util.h"

/* How long a test waits for what must happen. */
#define WAIT (30 * USEC_PER_SEC)
/* A whole run that takes longer hangs. */
#define RUN_SECONDS 110

#define MODEL_STEPS 200000u
#define MODEL_STEPS_A_LISTENER 400u
#define MODEL_TIME (4 * USEC_PER_SEC)

/* ---- a host ---- */

struct host {
    struct listener_host base;
    int waiting;                                                /* what waiting() says */
    int waiting_calls, set_rules, wakes, removes, pumps, steps; /* atomic where threads are about */
    int set_rule_error;                                         /* what set_rule() says once, without storing */
    unsigned least_pins;                                        /* seen inside what other threads may call */
    qmp_listener *listener;                                     /* for the hooks */
    qmp_listener *other;
    struct host *next;
    qmp_message *event;
    int (*on_pump)(struct host *h, uint64_t deadline);
    void (*on_waiting)(struct host *h);
    int fd;
    uint64_t deadline;
};

static struct host *host_of(struct listener_host *h)
{
    return CONTAINER_OF(h, struct host, base);
}

static void note_pins(struct host *h)
{
    h->least_pins = MIN(h->least_pins, __atomic_load_n(&h->base.pins, __ATOMIC_ACQUIRE));
}

static int op_waiting(struct listener_host *base)
{
    struct host *h = host_of(base);
    int waiting = h->waiting;

    __atomic_fetch_add(&h->waiting_calls, 1, __ATOMIC_ACQ_REL);
    if (h->on_waiting)
        h->on_waiting(h);
    return waiting;
}

static int op_pump(struct listener_host *base, uint64_t deadline)
{
    struct host *h = host_of(base);

    h->pumps++;
    return h->on_pump(h, deadline);
}

static void op_poll(struct listener_host *base, struct pollfd *ret, uint64_t *ret_deadline)
{
    *ret = (struct pollfd){.fd = host_of(base)->fd, .events = POLLIN};
    *ret_deadline = host_of(base)->deadline;
}

static int op_step(struct listener_host *base)
{
    struct host *h = host_of(base);

    h->steps++;
    return h->on_pump ? h->on_pump(h, /* deadline= */ 0) : 0;
}

static int op_set_rule(struct listener_host *base, qmp_listener *l, struct rule *rule)
{
    struct host *h = host_of(base);
    int r = h->set_rule_error;

    h->set_rules++;
    note_pins(h);
    h->set_rule_error = 0;
    if (r == -ENOENT)
        listener_remove(l, base);
    if (r >= 0)
        listener_store_rule(l, rule);
    return r;
}

static void op_settle(struct listener_host *base, qmp_listener *l)
{
    host_of(base)->wakes += listener_wants_call(l);
    note_pins(host_of(base));
}

static void op_remove(struct listener_host *base, qmp_listener *l)
{
    host_of(base)->removes++;
    note_pins(host_of(base));
    listener_remove(l, base);
}

static const struct listener_host_ops ops = {
    .waiting = op_waiting,
    .pump = op_pump,
    .poll = op_poll,
    .step = op_step,
    .set_rule = op_set_rule,
    .settle = op_settle,
    .remove = op_remove,
};

/* A host that others drive. */
static void host_init(struct host *h)
{
    *h = (struct host){.base = {.ops = &ops}, .least_pins = UINT32_MAX, .fd = -1, .deadline = QMP_FOREVER};
}

static void attach(qmp_listener *l, struct host *h)
{
    CLEANUP(rule_unrefp) struct rule *rule = NULL;

    assert_int_equal(listener_attach(l, &h->base, &rule), 0);
    assert_non_null(rule);
}

/* ---- events ---- */

/* A fixed stock of events with the numbers 0, 1, 2 … as their data. */
#define N_EVENTS 1009u

static qmp_message *stock[N_EVENTS];

static int fill_stock(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_EVENTS; i++) {
        char text[64];
        int n = snprintf(text, sizeof(text), "{\"event\": \"E%u\", \"data\": {\"id\": \"job%u\"}}", i % 3, i);

        if (qmp_message_parse(&stock[i], text, (size_t)n) < 0)
            return -1;
    }
    return 0;
}

static int empty_stock(void **state)
{
    (void)state;
    /* What somebody else still holds leaks now: nothing here points at it any more. */
    for (unsigned i = 0; i < N_EVENTS; i++)
        stock[i] = qmp_message_unref(stock[i]);
    return 0;
}

static void push(qmp_listener *l, unsigned i)
{
    listener_push(l, stock[i]);
}

static short poll_now(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    assert_in_range(poll(&p, 1, 0), 0, 1);
    return p.revents;
}

/* The result of get(0), or the number of the event; the descriptor must have known before. */
static int next(qmp_listener *l)
{
    int fd = qmp_listener_get_fd(l), r;
    bool readable = poll_now(fd) == POLLIN, ready = listener_is_ready(l);
    qmp_message *event = NULL;

    assert_true(fd >= 0);
    r = qmp_listener_get(l, 0, &event);
    assert_int_equal(readable, r != -EAGAIN);
    assert_int_equal(ready, r != -EAGAIN);
    if (r < 0) {
        assert_null(event);
        return r;
    }
    assert_int_equal(r, 0);
    for (unsigned i = 0; i < N_EVENTS; i++) {
        if (stock[i] == event) {
            qmp_message_unref(event);
            return (int)i;
        }
    }
    fail_msg("an event from nowhere");
    return 0;
}

#define assert_next(l, expected) assert_int_equal(next(l), (expected))

static void assert_numbers(qmp_message **events, size_t n, const int *numbers)
{
    size_t i = 0;

    while (i < n && numbers[i] >= 0) {
        assert_ptr_equal(events[i], stock[numbers[i]]);
        i++;
    }
    assert_int_equal(i, n);
    assert_int_equal(numbers[i], -1);
    if (n == 0)
        assert_null(events);
    qmp_message_unref_many(events, n);
}

static void check_history(qmp_listener *l, const int *numbers)
{
    qmp_message **events = (void *)1;
    size_t n = 99;

    assert_int_equal(qmp_listener_history(l, &events, &n), 0);
    assert_numbers(events, n, numbers);
}

static void check_clear(qmp_listener *l, const int *numbers)
{
    qmp_message **events = (void *)1;
    size_t n = 99;

    assert_int_equal(qmp_listener_clear(l, &events, &n), 0);
    assert_numbers(events, n, numbers);
}

#define assert_history(l, ...) check_history((l), (const int[]){__VA_ARGS__, -1})
#define assert_no_history(l) check_history((l), (const int[]){-1})
#define assert_clear(l, ...) check_clear((l), (const int[]){__VA_ARGS__, -1})
#define assert_clear_none(l) check_clear((l), (const int[]){-1})

/* ---- a listener with its host ---- */

static struct host host;

static qmp_listener *new_listener(void)
{
    qmp_listener *l = NULL;

    assert_int_equal(qmp_listener_new(&l, NULL), 0);
    host_init(&host);
    return l;
}

static qmp_listener *new_open(void)
{
    qmp_listener *l = new_listener();

    attach(l, &host);
    listener_open(l);
    return l;
}

static void done(qmp_listener *l)
{
    listener_remove(l, &host.base);
    assert_int_equal(host.base.pins, 0);
    assert_null(qmp_listener_unref(l));
}

/* ---- states and marks ---- */

static void test_states(void **state)
{
    qmp_listener *l = new_listener();

    (void)state;
    assert_next(l, -ENOTCONN);
    assert_true(qmp_listener_empty(l));
    attach(l, &host);
    assert_next(l, -ENOTCONN);
    listener_open(l);
    assert_next(l, -EAGAIN);
    push(l, 1);
    push(l, 2);
    assert_false(qmp_listener_empty(l));
    assert_next(l, 1);
    assert_next(l, 2);
    assert_next(l, -EAGAIN);
    assert_true(qmp_listener_empty(l));
    push(l, 3);
    listener_close(l);
    assert_false(qmp_listener_empty(l));
    assert_next(l, 3);
    assert_true(qmp_listener_empty(l));
    for (unsigned i = 0; i < 3; i++)
        assert_next(l, -ENOTCONN);
    listener_open(l);
    assert_next(l, -EAGAIN);
    push(l, 4);
    assert_int_equal(listener_remove(l, &host.base), 0);
    assert_next(l, -ENOTCONN);
    assert_int_equal(listener_remove(l, &host.base), -ENOENT);
    assert_history(l, 1, 2, 3, 4);
    done(l);
}

static void test_waits_on_nothing_when_closed(void **state)
{
    qmp_listener *l = new_listener();
    qmp_message *event = NULL;

    (void)state;
    assert_int_equal(qmp_listener_get(l, QMP_FOREVER, &event), -ENOTCONN);
    attach(l, &host);
    assert_int_equal(qmp_listener_get(l, QMP_FOREVER, &event), -ENOTCONN);
    done(l);
}

/* Nobody looks between the connections: one mark stands between their events. */
static void test_mark_between_connections(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 1);
    listener_close(l);
    listener_open(l);
    push(l, 2);
    listener_close(l);
    listener_open(l);
    push(l, 3);
    assert_next(l, 1);
    assert_next(l, -ENOTCONN);
    assert_next(l, 2);
    assert_next(l, -ENOTCONN);
    assert_next(l, 3);
    assert_next(l, -EAGAIN);
    done(l);
}

/* The end was reported while it was closed: not again after it was opened. */
static void test_mark_is_told_once(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 1);
    listener_close(l);
    assert_next(l, 1);
    assert_next(l, -ENOTCONN);
    assert_next(l, -ENOTCONN);
    listener_open(l);
    assert_next(l, -EAGAIN);
    push(l, 2);
    assert_next(l, 2);
    assert_next(l, -EAGAIN);
    listener_close(l);
    assert_next(l, -ENOTCONN);
    listener_open(l);
    listener_close(l);
    listener_open(l);
    assert_next(l, -EAGAIN);
    done(l);
}

/* The end of a connection that ran is told as a gap, heard or not; an attempt leaves one only if something was heard.
 * What was heard before a gap leaves no end of its own. */
static void test_gap(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    listener_gap(l, /* was_running= */ false);
    assert_next(l, -EAGAIN);
    listener_gap(l, /* was_running= */ true);
    listener_gap(l, /* was_running= */ true);
    listener_gap(l, /* was_running= */ false);
    assert_next(l, -ESTALE);
    assert_next(l, -EAGAIN);
    push(l, 1);
    listener_gap(l, /* was_running= */ false);
    push(l, 2);
    assert_next(l, 1);
    assert_next(l, -ESTALE);
    assert_next(l, 2);
    listener_gap(l, /* was_running= */ true);
    assert_next(l, -ESTALE);
    listener_close(l);
    listener_open(l);
    assert_next(l, -EAGAIN);
    done(l);
}

/* Drained, but the end was not reported: once, after it was opened again. */
static void test_mark_untold(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 1);
    assert_next(l, 1);
    listener_close(l);
    listener_open(l);
    assert_true(qmp_listener_empty(l));
    assert_next(l, -ENOTCONN);
    assert_next(l, -EAGAIN);
    done(l);
}

static void test_no_mark_when_nothing_was_heard(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 1);
    listener_close(l);
    for (unsigned i = 0; i < 5; i++) {
        listener_open(l);
        listener_close(l);
    }
    listener_open(l);
    push(l, 2);
    assert_next(l, 1);
    assert_next(l, -ENOTCONN);
    assert_next(l, 2);
    assert_next(l, -EAGAIN);
    done(l);
}

static void test_closing_and_opening_twice(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    listener_open(l);
    push(l, 1);
    listener_close(l);
    listener_close(l);
    assert_next(l, 1);
    assert_next(l, -ENOTCONN);
    listener_close(l);
    listener_open(l);
    listener_open(l);
    assert_next(l, -EAGAIN);
    done(l);
}

static void test_orphan_keeps_the_queue(void **state)
{
    qmp_listener *l = new_open();
    struct host second;

    (void)state;
    push(l, 1);
    push(l, 2);
    listener_orphan(l);
    assert_false(listener_is_attached(l, &host.base));
    assert_next(l, 1);
    host_init(&second);
    attach(l, &second);
    listener_open(l);
    push(l, 3);
    assert_next(l, 2);
    assert_next(l, -ENOTCONN);
    assert_next(l, 3);
    assert_next(l, -EAGAIN);
    listener_orphan(l);
    assert_next(l, -ENOTCONN);
    assert_next(l, -ENOTCONN);
    done(l);
}

static void test_remove_forgets_the_mark(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 1);
    listener_close(l);
    assert_next(l, 1);
    assert_next(l, -ENOTCONN);
    assert_int_equal(listener_remove(l, &host.base), 0);
    attach(l, &host);
    listener_open(l);
    assert_next(l, -EAGAIN);
    push(l, 2);
    listener_remove(l, &host.base);
    attach(l, &host);
    listener_open(l);
    push(l, 3);
    assert_next(l, 3);
    assert_next(l, -EAGAIN);
    done(l);
}

/* ---- clear, empty, history ---- */

static void test_clear(void **state)
{
    qmp_listener *l = new_open();
    size_t n = 99;

    (void)state;
    assert_clear_none(l);
    push(l, 1);
    push(l, 2);
    assert_clear(l, 1, 2);
    assert_next(l, -EAGAIN);
    push(l, 3);
    listener_close(l);
    listener_open(l);
    push(l, 4);
    assert_clear(l, 3, 4);
    assert_next(l, -EAGAIN);
    listener_close(l);
    assert_clear_none(l);
    assert_next(l, -ENOTCONN);
    listener_open(l);
    assert_next(l, -EAGAIN);
    push(l, 5);
    listener_close(l);
    assert_int_equal(qmp_listener_clear(l, NULL, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(qmp_listener_clear(l, NULL, NULL), 0);
    assert_next(l, -ENOTCONN);
    assert_history(l, 1, 2, 3, 4, 5);
    done(l);
}

/* Cleared with its end already told: opening must not look for a mark that is gone. */
static void test_clear_takes_a_told_mark(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 1);
    listener_close(l);
    assert_next(l, 1);
    assert_next(l, -ENOTCONN);
    assert_clear_none(l);
    listener_open(l);
    push(l, 2);
    assert_next(l, 2);
    assert_next(l, -EAGAIN);
    done(l);
}

static void test_empty_knows_only_events(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 1);
    listener_close(l);
    listener_open(l);
    push(l, 2);
    assert_next(l, 1);
    assert_false(qmp_listener_empty(l));
    assert_next(l, -ENOTCONN);
    assert_false(qmp_listener_empty(l));
    assert_next(l, 2);
    assert_true(qmp_listener_empty(l));
    listener_close(l);
    listener_open(l);
    assert_true(qmp_listener_empty(l));
    done(l);
}

static void test_history(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    assert_no_history(l);
    qmp_listener_set_limits(l, SIZE_MAX, 3);
    for (unsigned i = 0; i < 5; i++)
        push(l, i);
    assert_history(l, 2, 3, 4);
    qmp_listener_set_limits(l, SIZE_MAX, 2);
    assert_history(l, 3, 4);
    push(l, 5);
    assert_history(l, 4, 5);
    qmp_listener_set_limits(l, SIZE_MAX, 0);
    assert_no_history(l);
    push(l, 6);
    assert_no_history(l);
    qmp_listener_set_limits(l, SIZE_MAX, SIZE_MAX);
    for (unsigned i = 7; i < 100; i++)
        push(l, i);
    listener_close(l);
    listener_open(l);
    push(l, 100);
    qmp_listener_set_limits(l, SIZE_MAX, 3);
    assert_history(l, 98, 99, 100);
    assert_int_equal(qmp_listener_dropped(l), 0);
    assert_int_equal(qmp_listener_clear(l, NULL, NULL), 0);
    listener_remove(l, &host.base);
    assert_history(l, 98, 99, 100);
    done(l);
}

static void test_default_limits(void **state)
{
    qmp_listener *l = new_open();
    qmp_message **events = NULL;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < QMP_LISTENER_QUEUE_MAX; i++)
        push(l, (unsigned)(i % N_EVENTS));
    assert_int_equal(qmp_listener_dropped(l), 0);
    push(l, 0);
    assert_int_equal(qmp_listener_dropped(l), 1);
    assert_next(l, -ENOBUFS);
    assert_next(l, 1);
    assert_int_equal(qmp_listener_history(l, &events, &n), 0);
    assert_int_equal(n, QMP_LISTENER_HISTORY_MAX);
    qmp_message_unref_many(events, n);
    done(l);
}

/* ---- limits and losses ---- */

static void test_loss_is_told_once(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    qmp_listener_set_limits(l, 2, 10);
    for (unsigned i = 0; i < 5; i++)
        push(l, i);
    assert_int_equal(qmp_listener_dropped(l), 3);
    assert_next(l, -ENOBUFS);
    assert_next(l, 3);
    assert_next(l, 4);
    assert_next(l, -EAGAIN);
    push(l, 5);
    assert_next(l, 5);
    assert_next(l, -EAGAIN);
    for (unsigned i = 6; i < 9; i++)
        push(l, i);
    assert_next(l, -ENOBUFS);
    push(l, 9);
    assert_int_equal(qmp_listener_dropped(l), 5);
    assert_next(l, -ENOBUFS);
    assert_next(l, 8);
    assert_next(l, 9);
    assert_history(l, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    done(l);
}

static void test_clear_takes_a_loss(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    qmp_listener_set_limits(l, 1, 0);
    push(l, 1);
    push(l, 2);
    assert_clear(l, 2);
    assert_next(l, -EAGAIN);
    assert_int_equal(qmp_listener_dropped(l), 1);
    listener_lose(l);
    assert_int_equal(qmp_listener_dropped(l), 2);
    assert_next(l, -ENOBUFS);
    assert_next(l, -EAGAIN);
    done(l);
}

static void test_queue_of_zero(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    qmp_listener_set_limits(l, 0, 2);
    for (unsigned i = 0; i < 3; i++)
        push(l, i);
    assert_next(l, -EAGAIN);
    assert_true(qmp_listener_empty(l));
    assert_int_equal(qmp_listener_dropped(l), 0);
    assert_history(l, 1, 2);
    listener_close(l);
    assert_next(l, -ENOTCONN);
    assert_next(l, -ENOTCONN);
    listener_open(l);
    assert_next(l, -EAGAIN);
    qmp_listener_set_limits(l, SIZE_MAX, 2);
    push(l, 3);
    assert_next(l, 3);
    done(l);
}

/* A listener that keeps a history only, over many connections that nobody asks about: at most one end is left over. */
static void test_queue_of_zero_gathers_no_marks(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    qmp_listener_set_limits(l, 0, 2);
    for (unsigned i = 0; i < 100; i++) {
        push(l, i);
        listener_close(l);
        listener_open(l);
    }
    assert_true(qmp_listener_empty(l));
    assert_in_range(l->queue.n, 0, 1);
    assert_next(l, -ENOTCONN);
    assert_next(l, -EAGAIN);
    done(l);
}

/* The queue was taken away while its end had been told: opening must not look for that mark. */
static void test_queue_of_zero_after_the_end_was_told(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 1);
    listener_close(l);
    assert_next(l, 1);
    assert_next(l, -ENOTCONN);
    qmp_listener_set_limits(l, 0, 0);
    assert_int_equal(l->queue.n, 0);
    assert_false(l->mark_told); /* the next line would crash */
    listener_open(l);
    assert_next(l, -EAGAIN);
    qmp_listener_set_limits(l, 10, 0);
    push(l, 2);
    assert_next(l, 2);
    done(l);
}

static void test_queue_of_one(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    qmp_listener_set_limits(l, 1, 0);
    push(l, 1);
    assert_next(l, 1);
    push(l, 2);
    assert_next(l, 2);
    assert_next(l, -EAGAIN);
    assert_int_equal(qmp_listener_dropped(l), 0);
    push(l, 3);
    push(l, 4);
    assert_next(l, -ENOBUFS);
    assert_next(l, 4);
    done(l);
}

static void test_shrinking(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        push(l, i);
    qmp_listener_set_limits(l, 4, 100);
    assert_int_equal(qmp_listener_dropped(l), 6);
    assert_next(l, -ENOBUFS);
    assert_next(l, 6);
    qmp_listener_set_limits(l, 3, 100);
    assert_next(l, 7);
    qmp_listener_set_limits(l, 1, 100);
    assert_next(l, -ENOBUFS);
    assert_next(l, 9);
    assert_next(l, -EAGAIN);
    assert_int_equal(qmp_listener_dropped(l), 7);
    push(l, 10);
    qmp_listener_set_limits(l, 0, 100);
    assert_next(l, -EAGAIN);
    done(l);
}

/* The border between two connections outlives the events before it. */
static void test_drops_keep_the_mark(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    qmp_listener_set_limits(l, 3, 100);
    for (unsigned i = 0; i < 3; i++)
        push(l, i);
    listener_close(l);
    listener_open(l);
    for (unsigned i = 3; i < 8; i++)
        push(l, i);
    assert_int_equal(qmp_listener_dropped(l), 5);
    assert_next(l, -ENOBUFS);
    assert_next(l, -ENOTCONN);
    assert_next(l, 5);
    assert_next(l, 6);
    assert_next(l, 7);
    assert_next(l, -EAGAIN);
    done(l);
}

/* Limits are in events: a mark takes no event's place. */
static void test_marks_do_not_count(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    qmp_listener_set_limits(l, 3, 100);
    for (unsigned i = 0; i < 3; i++) {
        push(l, i);
        listener_close(l);
        listener_open(l);
    }
    assert_int_equal(qmp_listener_dropped(l), 0);
    qmp_listener_set_limits(l, 3, 50);
    assert_int_equal(qmp_listener_dropped(l), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_next(l, (int)i);
        assert_next(l, -ENOTCONN);
    }
    assert_next(l, -EAGAIN);
    done(l);
}

/* All the events between two marks were dropped: one mark is left of them. */
static void test_marks_never_stand_in_a_row(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    qmp_listener_set_limits(l, 2, 100);
    for (unsigned i = 0; i < 2; i++) {
        push(l, i);
        listener_close(l);
        listener_open(l);
    }
    assert_next(l, 0);
    push(l, 2);
    push(l, 3); /* 1 goes, and with it what parted two marks */
    assert_next(l, -ENOBUFS);
    assert_next(l, -ENOTCONN);
    assert_next(l, 2);
    assert_next(l, 3);
    assert_next(l, -EAGAIN);
    done(l);
}

static void test_shrinking_over_marks(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 0);
    listener_close(l);
    listener_open(l);
    push(l, 1);
    listener_close(l);
    qmp_listener_set_limits(l, 1, 100);
    assert_int_equal(qmp_listener_dropped(l), 1);
    assert_next(l, -ENOBUFS);
    assert_next(l, -ENOTCONN);
    assert_false(qmp_listener_empty(l));
    assert_next(l, 1);
    assert_true(qmp_listener_empty(l));
    assert_next(l, -ENOTCONN);
    listener_open(l);
    assert_next(l, -EAGAIN);
    done(l);
}

/* ---- the descriptor ---- */

static void test_fd_is_one_for_life(void **state)
{
    qmp_listener *l = new_listener();
    int fd = qmp_listener_get_fd(l);

    (void)state;
    assert_int_equal(poll_now(fd), POLLIN);
    attach(l, &host);
    listener_open(l);
    assert_int_equal(poll_now(fd), 0);
    for (unsigned i = 0; i < 100; i++)
        push(l, i);
    assert_int_equal(poll_now(fd), POLLIN);
    assert_int_equal(qmp_listener_clear(l, NULL, NULL), 0);
    assert_int_equal(poll_now(fd), 0);
    assert_int_equal(qmp_listener_get_fd(l), fd);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    listener_close(l);
    assert_int_equal(poll_now(fd), POLLIN);
    done(l);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* Asked for late, it tells of what is queued already. */
static void test_fd_asked_late(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    push(l, 1);
    assert_int_equal(poll_now(qmp_listener_get_fd(l)), POLLIN);
    assert_next(l, 1);
    assert_int_equal(poll_now(qmp_listener_get_fd(l)), 0);
    done(l);
}

/* ---- the rule ---- */

static bool reject(const qmp_message *event, void *userdata)
{
    (void)event;
    ++*(int *)userdata;
    return false;
}

static bool accept_all(qmp_listener *l, const qmp_message *event, void *userdata)
{
    (void)l;
    (void)event;
    (void)userdata;
    return true;
}

/* stock[0] is E0 with job0, stock[1] E1 with job1. */
static void check_rule_changes(qmp_listener *l)
{
    static const char *const zero[] = {"E0", NULL}, *const both[] = {"E1", "E0", "E1", NULL},
                             *const bad[] = {"E0", "", NULL};
    int asked = 0;

    assert_true(qmp_listener_accepts(l, stock[0]));
    assert_int_equal(qmp_listener_set_names(l, zero), 0);
    assert_true(qmp_listener_accepts(l, stock[0]));
    assert_false(qmp_listener_accepts(l, stock[1]));
    assert_int_equal(qmp_listener_set_names(l, bad), -EINVAL);
    assert_false(qmp_listener_accepts(l, stock[1]));
    assert_int_equal(qmp_listener_set_names(l, both), 0);
    assert_true(qmp_listener_accepts(l, stock[1]));
    assert_int_equal(qmp_listener_add_match(l, "data.id", "job0"), 0);
    assert_true(qmp_listener_accepts(l, stock[0]));
    assert_false(qmp_listener_accepts(l, stock[1]));
    assert_int_equal(qmp_listener_add_match(l, "", "job0"), -EINVAL);
    assert_int_equal(qmp_listener_set_filter(l, reject, &asked), 0);
    assert_false(qmp_listener_accepts(l, stock[1]));
    assert_int_equal(asked, 0);
    assert_false(qmp_listener_accepts(l, stock[0]));
    assert_int_equal(asked, 1);
    assert_int_equal(qmp_listener_set_accept(l, accept_all, NULL), 0);
    assert_false(qmp_listener_accepts(l, stock[0])); /* the default rule is as before */
    assert_int_equal(qmp_listener_set_accept(l, NULL, NULL), 0);
    assert_int_equal(qmp_listener_set_filter(l, NULL, NULL), 0);
    assert_true(qmp_listener_accepts(l, stock[0]));
    assert_int_equal(qmp_listener_set_names(l, NULL), 0);
    assert_false(qmp_listener_accepts(l, stock[1])); /* the match still holds */
    assert_true(qmp_listener_accepts(l, stock[0]));
}

static void test_rule_changes_when_not_registered(void **state)
{
    qmp_listener *l = new_listener();

    (void)state;
    check_rule_changes(l);
    assert_int_equal(host.set_rules, 0);
    done(l);
}

static void test_rule_changes_through_the_host(void **state)
{
    qmp_listener *l = new_open();

    (void)state;
    check_rule_changes(l);
    assert_int_equal(host.set_rules, 8);
    assert_int_equal(host.least_pins, 1);
    done(l);
}

static void test_rule_stays_when_the_host_fails(void **state)
{
    static const char *const names[] = {"E0", NULL};
    qmp_listener *l = new_open();

    (void)state;
    host.set_rule_error = -ENOMEM;
    assert_int_equal(qmp_listener_set_names(l, names), -ENOMEM);
    assert_true(qmp_listener_accepts(l, stock[1]));
    assert_int_equal(qmp_listener_set_names(l, names), 0);
    assert_false(qmp_listener_accepts(l, stock[1]));
    done(l);
}

/* It was removed between the look at the host and the host's own. */
static void test_rule_changes_while_removed(void **state)
{
    static const char *const names[] = {"E0", NULL};
    qmp_listener *l = new_open();

    (void)state;
    host.set_rule_error = -ENOENT;
    assert_int_equal(qmp_listener_set_names(l, names), 0);
    assert_int_equal(host.set_rules, 1);
    assert_false(qmp_listener_accepts(l, stock[1]));
    done(l);
}

static void test_accepts_events_only(void **state)
{
    qmp_listener *l = new_listener();
    qmp_message *reply = NULL;

    (void)state;
    assert_int_equal(qmp_message_parse(&reply, "{\"return\": {}}", 14), 0);
    assert_false(qmp_listener_accepts(l, reply));
    qmp_message_unref(reply);
    done(l);
}

static void test_new_refuses_empty_names(void **state)
{
    static const char *const bad[] = {"STOP", "", NULL}, *const none[] = {NULL};
    qmp_listener *l = (void *)1;

    (void)state;
    assert_int_equal(qmp_listener_new(&l, bad), -EINVAL);
    assert_ptr_equal(l, (void *)1);
    assert_int_equal(qmp_listener_new(&l, none), 0);
    assert_true(qmp_listener_accepts(l, stock[0]));
    assert_ptr_equal(qmp_listener_ref(l), l);
    assert_null(qmp_listener_unref(l));
    assert_null(qmp_listener_unref(l));
    assert_null(qmp_listener_unref(NULL));
}

/* ---- registrations ---- */

static void test_attaching_twice(void **state)
{
    qmp_listener *l = new_open();
    struct rule *rule = (void *)1;
    struct host second;

    (void)state;
    host_init(&second);
    push(l, 1);
    assert_int_equal(listener_attach(l, &second.base, &rule), -EEXIST);
    assert_int_equal(listener_attach(l, &host.base, &rule), -EEXIST);
    assert_ptr_equal(rule, (void *)1);
    assert_true(listener_is_attached(l, &host.base));
    assert_false(listener_is_attached(l, &second.base));
    assert_int_equal(listener_remove(l, &second.base), -ENOENT);
    assert_next(l, 1);
    done(l);
}

static void test_end_of_a_registration(void **state)
{
    qmp_listener *l = new_open();
    uint64_t first = listener_registration(l), second;
    struct listener_host *seen = NULL;

    (void)state;
    assert_int_equal(listener_waiting(l, &seen), 0);
    assert_ptr_equal(seen, &host.base);
    listener_remove(l, &host.base);
    listener_end_registration(l, first);
    assert_int_equal(host.removes, 0);
    assert_int_equal(listener_waiting(l, &seen), -ENOTCONN);
    attach(l, &host);
    listener_open(l);
    second = listener_registration(l);
    assert_true(second != first);
    listener_end_registration(l, first);
    assert_true(listener_is_attached(l, &host.base));
    assert_int_equal(host.removes, 0);
    push(l, 1);
    listener_end_registration(l, second);
    assert_int_equal(host.removes, 1);
    assert_int_equal(host.least_pins, 1);
    assert_false(listener_is_attached(l, &host.base));
    assert_next(l, -ENOTCONN);
    listener_end_registration(l, second);
    assert_int_equal(host.removes, 1);
    done(l);
}

static void test_end_of_an_orphans_registration(void **state)
{
    qmp_listener *l = new_open();
    uint64_t registration = listener_registration(l);

    (void)state;
    push(l, 1);
    listener_orphan(l);
    listener_end_registration(l, registration);
    assert_int_equal(host.removes, 0);
    assert_next(l, 1);
    assert_next(l, -ENOTCONN);
    done(l);
}

/* ---- threads that wait ---- */

struct waiter {
    pthread_t thread;
    qmp_listener *listener;
    uint64_t timeout;
    long tid; /* atomic */
    int result;
    qmp_message *event;
};

static void *waiter_run(void *userdata)
{
    struct waiter *w = userdata;

    __atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
    w->result = qmp_listener_get(w->listener, w->timeout, &w->event);
    return NULL;
}

static char thread_state(long tid)
{
    char path[64], text[256] = "";
    const char *end;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", tid);
    f = fopen(path, "re");
    if (!f)
        return '?';
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    end = strrchr(text, ')');
    return end ? end[2] : '?';
}

/* Starts a thread in get(), and comes back when it sleeps there. */
static void waiter_start(struct waiter *w, qmp_listener *l, struct host *h, uint64_t timeout)
{
    uint64_t deadline = time_deadline(WAIT);
    int calls = __atomic_load_n(&h->waiting_calls, __ATOMIC_ACQUIRE);
    unsigned asleep = 0;

    *w = (struct waiter){.listener = l, .timeout = timeout};
    assert_int_equal(pthread_create(&w->thread, NULL, waiter_run, w), 0);
    while (asleep < 3) {
        assert_true(time_now() < deadline);
        if (__atomic_load_n(&h->waiting_calls, __ATOMIC_ACQUIRE) > calls &&
            thread_state(__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE)) == 'S')
            asleep++;
        else
            asleep = 0;
        poll(NULL, 0, 1);
    }
}

static int waiter_end(struct waiter *w)
{
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    qmp_message_unref(w->event);
    return w->result;
}

static void test_wait_push(void **state)
{
    qmp_listener *l = new_open();
    int fd = qmp_listener_get_fd(l);
    struct waiter w;

    (void)state;
    waiter_start(&w, l, &host, QMP_FOREVER);
    push(l, 7);
    assert_int_equal(waiter_end(&w), 0);
    assert_ptr_equal(w.event, stock[7]);
    assert_int_equal(poll_now(fd), 0);
    assert_next(l, -EAGAIN);
    done(l);
}

static void test_wait_close(void **state)
{
    qmp_listener *l = new_open();
    struct waiter w[3];

    (void)state;
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        waiter_start(&w[i], l, &host, i == 1 ? WAIT : QMP_FOREVER);
    listener_close(l);
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        assert_int_equal(waiter_end(&w[i]), -ENOTCONN);
    done(l);
}

/* The connection heard something: everybody who waits learns of its end, not only the first. */
static void test_wait_close_with_a_mark(void **state)
{
    qmp_listener *l = new_open();
    struct waiter w[3];

    (void)state;
    push(l, 1);
    assert_next(l, 1);
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        waiter_start(&w[i], l, &host, QMP_FOREVER);
    listener_close(l);
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        assert_int_equal(waiter_end(&w[i]), -ENOTCONN);
    listener_open(l);
    assert_next(l, -EAGAIN);
    done(l);
}

static void test_wait_remove(void **state)
{
    qmp_listener *l = new_open();
    struct waiter w[3];

    (void)state;
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        waiter_start(&w[i], l, &host, i == 0 ? WAIT : QMP_FOREVER);
    listener_remove(l, &host.base);
    attach(l, &host);
    listener_open(l);
    push(l, 1);
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        assert_int_equal(waiter_end(&w[i]), -ECANCELED);
    assert_next(l, 1);
    done(l);
}

static void test_wait_orphan(void **state)
{
    qmp_listener *l = new_open();
    struct waiter w[2];

    (void)state;
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        waiter_start(&w[i], l, &host, QMP_FOREVER);
    listener_orphan(l);
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        assert_int_equal(waiter_end(&w[i]), -ENOTCONN);
    done(l);
}

static void test_wait_loss(void **state)
{
    qmp_listener *l = new_open();
    struct waiter w;

    (void)state;
    waiter_start(&w, l, &host, QMP_FOREVER);
    listener_lose(l);
    assert_int_equal(waiter_end(&w), -ENOBUFS);
    done(l);
}

static void test_wait_timeout(void **state)
{
    qmp_listener *l = new_open();
    qmp_message *event = NULL;
    uint64_t start = time_now();

    (void)state;
    assert_int_equal(qmp_listener_get(l, 20 * QMP_MILLISECOND, &event), -ETIMEDOUT);
    assert_true(time_now() - start >= 20 * QMP_MILLISECOND);
    assert_int_equal(qmp_listener_get(l, 0, &event), -EAGAIN);
    host.waiting = -EBUSY;
    assert_int_equal(qmp_listener_get(l, QMP_FOREVER, &event), -EBUSY);
    host.waiting = -ECHILD;
    assert_int_equal(qmp_listener_get(l, QMP_FOREVER, &event), -ECHILD);
    push(l, 1);
    assert_next(l, 1);
    done(l);
}

/* Two events at once wake two. */
static void test_wait_many(void **state)
{
    qmp_listener *l = new_open();
    struct waiter w[4];
    unsigned seen = 0;

    (void)state;
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        waiter_start(&w[i], l, &host, QMP_FOREVER);
    for (unsigned i = 0; i < ELEMENTS(w); i++)
        push(l, i);
    for (unsigned i = 0; i < ELEMENTS(w); i++) {
        assert_int_equal(waiter_end(&w[i]), 0);
        for (unsigned n = 0; n < ELEMENTS(w); n++)
            seen |= w[i].event == stock[n] ? 1u << n : 0;
    }
    assert_int_equal(seen, 0xf);
    done(l);
}

struct consumer {
    pthread_t thread;
    qmp_listener *listener;
    size_t n;
    qmp_message *events[2 * N_EVENTS];
    int end;
};

static void *consumer_run(void *userdata)
{
    struct consumer *c = userdata;

    while (c->n < ELEMENTS(c->events) && (c->end = qmp_listener_get(c->listener, WAIT, &c->events[c->n])) == 0)
        c->n++;
    return NULL;
}

/* Every event exactly once, in order for each consumer, and an end for all. */
static void test_consumers(void **state)
{
    static struct consumer consumers[4];
    unsigned seen[N_EVENTS] = {0};
    qmp_listener *l = new_open();

    (void)state;
    for (unsigned i = 0; i < ELEMENTS(consumers); i++) {
        consumers[i].n = 0;
        consumers[i].listener = l;
        assert_int_equal(pthread_create(&consumers[i].thread, NULL, consumer_run, &consumers[i]), 0);
    }
    for (unsigned i = 0; i < N_EVENTS; i++)
        push(l, i);
    listener_close(l);
    for (unsigned i = 0; i < ELEMENTS(consumers); i++) {
        unsigned from = 0;

        assert_int_equal(pthread_join(consumers[i].thread, NULL), 0);
        assert_int_equal(consumers[i].end, -ENOTCONN);
        for (size_t n = 0; n < consumers[i].n; n++) {
            while (from < N_EVENTS && stock[from] != consumers[i].events[n])
                from++;
            assert_true(from < N_EVENTS);
            seen[from]++;
            qmp_message_unref(consumers[i].events[n]);
        }
    }
    for (unsigned i = 0; i < N_EVENTS; i++)
        assert_int_equal(seen[i], 1);
    memset(consumers, 0, sizeof(consumers)); /* no pointer is left that could hide a leak */
    done(l);
}

/* The host dies as clients do, while others wait: it is poisoned when it says that nobody is in it any more. */
struct mortal {
    qmp_listener *listener;
    int stop; /* atomic */
    int surprises;
};

static int dead_waiting(struct listener_host *h)
{
    __atomic_fetch_add(&host_of(h)->set_rules, 1, __ATOMIC_ACQ_REL);
    return -ECHILD;
}

static const struct listener_host_ops dead_ops = {.waiting = dead_waiting};

static void *mortal_run(void *userdata)
{
    struct mortal *m = userdata;

    while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
        qmp_message *event = NULL;
        int r = qmp_listener_get(m->listener, 100, &event);

        if (r != -ENOTCONN && r != -ETIMEDOUT && r != -ECANCELED)
            m->surprises++;
    }
    return NULL;
}

static void look_at_pins(struct host *h)
{
    h->on_waiting = NULL;
    note_pins(h);
}

/* It cannot die while it is asked how to wait. */
static void test_waiting_pins_the_host(void **state)
{
    qmp_listener *l = new_open();
    qmp_message *event = NULL;

    (void)state;
    host.on_waiting = look_at_pins;
    assert_int_equal(qmp_listener_get(l, 1, &event), -ETIMEDOUT);
    assert_int_equal(host.least_pins, 1);
    assert_int_equal(host.base.pins, 0);
    host.least_pins = UINT32_MAX;
    host.on_waiting = look_at_pins;
    assert_int_equal(qmp_listeners_wait(&l, 1, 1), -ETIMEDOUT);
    assert_int_equal(host.least_pins, 1);
    assert_int_equal(host.base.pins, 0);
    done(l);
}

static void test_death_of_the_host(void **state)
{
    static struct host hosts[2];
    qmp_listener *l = new_listener();
    struct mortal m = {.listener = l};
    pthread_t threads[2];
    uint64_t end = time_now() + USEC_PER_SEC / 2;

    (void)state;
    for (unsigned i = 0; i < ELEMENTS(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, mortal_run, &m), 0);
    for (unsigned i = 0; time_now() < end; i++) {
        struct host *h = &hosts[i % 2];

        host_init(h);
        attach(l, h);
        listener_open(l);
        listener_orphan(l);
        while (__atomic_load_n(&h->base.pins, __ATOMIC_ACQUIRE) > 0)
            continue;
        h->base.ops = &dead_ops;
        assert_int_equal(__atomic_load_n(&h->set_rules, __ATOMIC_ACQUIRE), 0);
    }
    __atomic_store_n(&m.stop, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < ELEMENTS(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(m.surprises, 0);
    done(l);
}

/* ---- waiting that drives ---- */

static int pump_nothing(struct host *h, uint64_t deadline)
{
    (void)h;
    return time_now() >= deadline ? 0 : 1;
}

static int pump_push_at_third(struct host *h, uint64_t deadline)
{
    (void)deadline;
    if (h->pumps == 3)
        listener_push(h->listener, stock[5]);
    return 1;
}

static int pump_remove(struct host *h, uint64_t deadline)
{
    (void)deadline;
    listener_remove(h->listener, &h->base);
    return 1;
}

static int pump_remove_and_register(struct host *h, uint64_t deadline)
{
    pump_remove(h, deadline);
    attach(h->listener, h->next ? h->next : h);
    listener_open(h->listener);
    listener_push(h->listener, stock[6]);
    return 1;
}

static int pump_push_and_remove(struct host *h, uint64_t deadline)
{
    listener_push(h->listener, stock[5]);
    return pump_remove(h, deadline);
}

static int pump_close(struct host *h, uint64_t deadline)
{
    (void)deadline;
    listener_close(h->listener);
    return -ECONNRESET;
}

static int pump_push_and_close(struct host *h, uint64_t deadline)
{
    listener_push(h->listener, stock[5]);
    return pump_close(h, deadline);
}

static int pump_die(struct host *h, uint64_t deadline)
{
    (void)deadline;
    listener_orphan(h->listener);
    h->base.ops = &dead_ops;
    return -ESHUTDOWN;
}

/* The callback frees the listener: what the caller of get() holds is its own reference, which the callback gives up. */
static int pump_free(struct host *h, uint64_t deadline)
{
    pump_remove(h, deadline);
    h->listener = qmp_listener_unref(h->listener);
    return 1;
}

static qmp_listener *new_driven(int (*pump)(struct host *h, uint64_t deadline))
{
    qmp_listener *l = new_open();

    host.waiting = 1;
    host.on_pump = pump;
    host.listener = l;
    return l;
}

static int get_driving(qmp_listener *l)
{
    qmp_message *event = NULL;
    int r = qmp_listener_get(l, WAIT, &event);

    if (r == 0)
        r = event == stock[5] ? 5 : event == stock[6] ? 6 : 99;
    qmp_message_unref(event);
    return r;
}

static void test_drive(void **state)
{
    qmp_listener *l = new_driven(pump_push_at_third);
    qmp_message *event = NULL;

    (void)state;
    assert_int_equal(get_driving(l), 5);
    assert_int_equal(host.pumps, 3);
    host.on_pump = pump_nothing;
    assert_int_equal(qmp_listener_get(l, 0, &event), -EAGAIN);
    assert_int_equal(host.pumps, 3);
    assert_int_equal(qmp_listener_get(l, 1000, &event), -ETIMEDOUT);
    assert_true(host.pumps > 3);
    host.on_pump = pump_close;
    assert_int_equal(get_driving(l), -ENOTCONN);
    done(l);
}

static void test_drive_endings(void **state)
{
    static const struct {
        int (*pump)(struct host *h, uint64_t deadline);
        int results[3];
    } cases[] = {
        {pump_remove, {-ECANCELED, -ENOTCONN, -ENOTCONN}},
        {pump_push_and_remove, {-ECANCELED, -ENOTCONN, -ENOTCONN}},
        {pump_remove_and_register, {-ECANCELED, 6, 0}},
        {pump_close, {-ENOTCONN, -ENOTCONN, -ENOTCONN}},
        {pump_push_and_close, {5, -ENOTCONN, -ENOTCONN}},
        {pump_die, {-ENOTCONN, -ENOTCONN, -ENOTCONN}},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        qmp_listener *l = new_driven(cases[i].pump);

        for (unsigned n = 0; n < 3 && cases[i].results[n] != 0; n++)
            assert_int_equal(get_driving(l), cases[i].results[n]);
        assert_int_equal(host.pumps, 1);
        done(l);
    }
}

static void test_drive_into_the_end_of_the_listener(void **state)
{
    qmp_listener *l = new_driven(pump_free);
    qmp_message *event = NULL;

    (void)state;
    assert_int_equal(qmp_listener_get(l, WAIT, &event), -ECANCELED);
    assert_null(host.listener);
}

/* ---- waiting for several ---- */

static void test_several_ready(void **state)
{
    qmp_listener *l[3];
    struct host second;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        l[i] = new_listener();
    host_init(&second);
    attach(l[0], &host);
    attach(l[1], &second);
    attach(l[2], &host);
    for (unsigned i = 0; i < 3; i++)
        listener_open(l[i]);
    assert_int_equal(qmp_listeners_wait(l, 0, 0), -EINVAL);
    assert_int_equal(qmp_listeners_wait(l, 3, 0), -ETIMEDOUT);
    assert_int_equal(qmp_listeners_wait(l, 3, 1000), -ETIMEDOUT);
    push(l[2], 1);
    assert_int_equal(qmp_listeners_wait(l, 3, 0), 2);
    push(l[1], 1);
    assert_int_equal(qmp_listeners_wait(l, 3, QMP_FOREVER), 1);
    assert_next(l[1], 1);
    listener_lose(l[0]);
    assert_int_equal(qmp_listeners_wait(l, 3, QMP_FOREVER), 0);
    assert_next(l[0], -ENOBUFS);
    assert_next(l[2], 1);
    assert_int_equal(qmp_listeners_wait(l, 3, 0), -ETIMEDOUT);
    listener_close(l[1]);
    assert_int_equal(qmp_listeners_wait(l, 3, QMP_FOREVER), 1);
    listener_open(l[1]);
    assert_int_equal(qmp_listeners_wait(l, 3, QMP_FOREVER), 1);
    assert_next(l[1], -ENOTCONN);
    host.waiting = -EBUSY;
    assert_int_equal(qmp_listeners_wait(l, 3, 0), -ETIMEDOUT);
    assert_int_equal(qmp_listeners_wait(l, 3, QMP_FOREVER), -EBUSY);
    listener_remove(l[1], &second.base);
    qmp_listener_unref(l[1]);
    done(l[2]);
    done(l[0]);
}

struct several {
    pthread_t thread;
    qmp_listener **listeners;
    size_t n;
    int result;
};

static void *several_run(void *userdata)
{
    struct several *s = userdata;

    s->result = qmp_listeners_wait(s->listeners, s->n, WAIT);
    return NULL;
}

static void test_several_woken(void **state)
{
    qmp_listener *l[2];
    struct several s = {.listeners = l, .n = 2};

    (void)state;
    l[0] = new_listener();
    l[1] = new_open();
    attach(l[0], &host);
    listener_open(l[0]);
    for (unsigned how = 0; how < 3; how++) {
        assert_int_equal(pthread_create(&s.thread, NULL, several_run, &s), 0);
        if (how == 0)
            push(l[1], 1);
        else if (how == 1)
            listener_close(l[1]);
        else
            listener_remove(l[1], &host.base);
        assert_int_equal(pthread_join(s.thread, NULL), 0);
        assert_int_equal(s.result, 1);
        while (next(l[1]) >= 0)
            continue;
        listener_open(l[1]);
    }
    done(l[1]);
    done(l[0]);
}

static void remove_other(struct host *h)
{
    h->on_waiting = NULL;
    listener_remove(h->other, &h->next->base);
}

/* The second listener is removed by another thread while the first one is looked at: it is ready, so nothing waits. */
static void test_several_removed_meanwhile(void **state)
{
    qmp_listener *l[2];
    struct host second;
    uint64_t start = time_now();

    (void)state;
    l[1] = new_listener();
    l[0] = new_open();
    host_init(&second);
    attach(l[1], &second);
    listener_open(l[1]);
    host.other = l[1];
    host.next = &second;
    host.on_waiting = remove_other;
    assert_int_equal(qmp_listeners_wait(l, 2, 10 * QMP_SECOND), 1);
    assert_true(time_now() - start < 10 * QMP_SECOND);
    qmp_listener_unref(l[1]);
    done(l[0]);
}

static int step_push(struct host *h, uint64_t deadline)
{
    (void)deadline;
    if (h->steps == 2)
        listener_push(h->listener, stock[1]);
    h->deadline = QMP_FOREVER;
    return 1;
}

/* One host that the caller drives and one that others drive; what the descriptor and the deadline say is done. */
static void test_several_driven(void **state)
{
    struct host second;
    qmp_listener *l[2];
    int pipes[2];

    (void)state;
    l[0] = new_open();
    l[1] = new_driven(step_push);
    host_init(&second);
    listener_remove(l[0], &host.base);
    attach(l[0], &second);
    listener_open(l[0]);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    host.fd = pipes[0];
    assert_int_equal(qmp_listeners_wait(l, 2, WAIT), 1);
    assert_int_equal(host.steps, 2);
    assert_next(l[1], 1);
    host.fd = -1;
    host.steps = 1;
    host.deadline = 0;
    assert_int_equal(qmp_listeners_wait(l, 2, WAIT), 1);
    assert_int_equal(host.steps, 2);
    assert_int_equal(second.steps, 0);
    close(pipes[0]);
    close(pipes[1]);
    listener_remove(l[0], &second.base);
    qmp_listener_unref(l[0]);
    done(l[1]);
}

static int step_push_when_due(struct host *h, uint64_t deadline)
{
    (void)deadline;
    if (time_now() >= h->deadline) {
        listener_push(h->listener, stock[1]);
        h->deadline = QMP_FOREVER;
    }
    return 1;
}

static int step_nothing(struct host *h, uint64_t deadline)
{
    (void)h;
    (void)deadline;
    return 0;
}

/* Two hosts without a descriptor, which wait for their time: each one gets its step. */
static void test_several_driven_without_descriptors(void **state)
{
    struct host second;
    qmp_listener *l[2];

    (void)state;
    l[1] = new_listener();
    l[0] = new_driven(step_nothing);
    host_init(&second);
    second.waiting = 1;
    second.listener = l[1];
    second.on_pump = step_push_when_due;
    second.deadline = time_now() + 1000;
    attach(l[1], &second);
    listener_open(l[1]);
    assert_int_equal(qmp_listeners_wait(l, 2, 5 * QMP_SECOND), 1);
    listener_remove(l[1], &second.base);
    qmp_listener_unref(l[1]);
    done(l[0]);
}

/* Two listeners of one host: one step is enough for both. */
static void test_several_of_one_host(void **state)
{
    qmp_listener *l[2];
    int pipes[2];

    (void)state;
    l[0] = new_listener();
    l[1] = new_driven(step_push);
    attach(l[0], &host);
    listener_open(l[0]);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    host.fd = pipes[0];
    host.steps = 1;
    assert_int_equal(qmp_listeners_wait(l, 2, WAIT), 1);
    assert_int_equal(host.steps, 2);
    close(pipes[0]);
    close(pipes[1]);
    done(l[0]);
    done(l[1]);
}

static int step_die(struct host *h, uint64_t deadline)
{
    return pump_die(h, deadline);
}

static void test_several_with_a_death(void **state)
{
    qmp_listener *l[2];
    struct host second;

    (void)state;
    l[1] = new_listener();
    l[0] = new_driven(step_nothing);
    host_init(&second);
    attach(l[1], &second);
    listener_open(l[1]);
    host.on_pump = step_die;
    host.deadline = 0;
    assert_int_equal(qmp_listeners_wait(l, 2, WAIT), 0);
    assert_next(l[0], -ENOTCONN);
    listener_remove(l[1], &second.base);
    qmp_listener_unref(l[1]);
    done(l[0]);
}

/* ---- handlers ---- */

struct heard {
    size_t n;
    int numbers[16];
    void (*inside)(qmp_listener *l, struct heard *h);
};

static void hear(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct heard *h = userdata;

    for (unsigned i = 0; i < N_EVENTS; i++) {
        if (stock[i] == event && h->n < ELEMENTS(h->numbers))
            h->numbers[h->n++] = (int)i;
    }
    if (h->inside)
        h->inside(l, h);
}

static void check_heard(struct heard *h, const int *numbers)
{
    size_t i = 0;

    for (; numbers[i] >= 0; i++) {
        assert_true(i < h->n);
        assert_int_equal(h->numbers[i], numbers[i]);
    }
    assert_int_equal(h->n, i);
    h->n = 0;
}

#define assert_heard(h, ...) check_heard((h), (const int[]){__VA_ARGS__, -1})
#define assert_heard_none(h) check_heard((h), (const int[]){-1})

static void push_and_call(qmp_listener *l, unsigned i)
{
    if (listener_push(l, stock[i]))
        while (listener_call_handler(l))
            continue;
}

static void test_handler(void **state)
{
    qmp_listener *l = new_open();
    struct heard h = {0};

    (void)state;
    assert_false(listener_push(l, stock[1]));
    assert_false(listener_push(l, stock[2]));
    assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
    assert_int_equal(host.wakes, 1);
    assert_int_equal(host.least_pins, 1);
    assert_true(listener_wants_call(l));
    push_and_call(l, 3);
    assert_heard(&h, 1, 2, 3);
    assert_false(listener_wants_call(l));
    assert_next(l, -EAGAIN);
    assert_int_equal(qmp_listener_set_handler(l, NULL, NULL), 0);
    push_and_call(l, 4);
    assert_heard_none(&h);
    assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
    assert_int_equal(host.wakes, 2);
    while (listener_call_handler(l))
        continue;
    assert_heard(&h, 4);
    assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
    assert_int_equal(host.wakes, 2); /* nothing was queued */
    done(l);
}

/* Events of the new connection do not wait behind the end of the old one. */
static void test_handler_over_connections(void **state)
{
    qmp_listener *l = new_open();
    struct heard h = {0};

    (void)state;
    assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
    push_and_call(l, 1);
    listener_close(l);
    listener_open(l);
    push_and_call(l, 2);
    assert_heard(&h, 1, 2);
    push_and_call(l, 3);
    assert_heard(&h, 3);
    done(l);
}

/* Set late, it takes all that is queued, whatever connection it came from. */
static void test_handler_set_late(void **state)
{
    qmp_listener *l = new_open();
    struct heard h = {0};

    (void)state;
    push(l, 1);
    listener_close(l);
    listener_open(l);
    push(l, 2);
    assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
    assert_true(listener_wants_call(l));
    while (listener_call_handler(l))
        continue;
    assert_heard(&h, 1, 2);
    assert_int_equal(qmp_listener_set_handler(l, NULL, NULL), 0);
    listener_close(l);
    listener_open(l);
    push(l, 3);
    assert_int_equal(host.wakes, 1);
    assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
    assert_int_equal(host.wakes, 2);
    assert_true(listener_wants_call(l));
    while (listener_call_handler(l))
        continue;
    assert_heard(&h, 3);
    done(l);
}

static void test_handler_with_a_queue_of_zero(void **state)
{
    qmp_listener *l = new_open();
    struct heard h = {0};

    (void)state;
    qmp_listener_set_limits(l, 0, 0);
    assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
    push_and_call(l, 1);
    push_and_call(l, 2);
    assert_heard(&h, 1, 2);
    assert_int_equal(qmp_listener_dropped(l), 0);
    done(l);
}

static void test_handler_after_losses(void **state)
{
    qmp_listener *l = new_open();
    struct heard h = {0};

    (void)state;
    qmp_listener_set_limits(l, 1, 0);
    push(l, 1);
    push(l, 2);
    assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
    while (listener_call_handler(l))
        continue;
    assert_heard(&h, 2);
    assert_next(l, -EAGAIN);
    done(l);
}

static void inside_stop(qmp_listener *l, struct heard *h)
{
    (void)h;
    qmp_listener_set_handler(l, NULL, NULL);
}

static void inside_remove(qmp_listener *l, struct heard *h)
{
    (void)h;
    listener_remove(l, &host.base);
}

static void inside_clear(qmp_listener *l, struct heard *h)
{
    (void)h;
    qmp_listener_clear(l, NULL, NULL);
}

static void inside_get(qmp_listener *l, struct heard *h)
{
    h->inside = NULL;
    h->numbers[h->n++] = next(l);
}

static void inside_push(qmp_listener *l, struct heard *h)
{
    if (h->n < 4)
        push(l, (unsigned)h->n + 10);
}

static void test_handler_does_things(void **state)
{
    static const struct {
        void (*inside)(qmp_listener *l, struct heard *h);
        int heard[8];
        int next;
    } cases[] = {
        {inside_stop, {1, -1}, 2},
        {inside_remove, {1, -1}, -ENOTCONN},
        {inside_clear, {1, -1}, -EAGAIN},
        {inside_get, {1, 2, 3, -1}, -EAGAIN},
        {inside_push, {1, 2, 3, 11, 12, 13, -1}, -EAGAIN},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct heard h = {.inside = cases[i].inside};
        qmp_listener *l = new_open();

        for (unsigned n = 1; n <= 3; n++)
            push(l, n);
        assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
        while (listener_call_handler(l))
            continue;
        check_heard(&h, cases[i].heard);
        assert_next(l, cases[i].next);
        done(l);
    }
}

/* Queued events of a listener that nobody drives any more are for get() alone. */
static void test_handler_of_an_orphan(void **state)
{
    qmp_listener *l = new_open();
    struct heard h = {0};

    (void)state;
    push(l, 1);
    listener_orphan(l);
    assert_int_equal(qmp_listener_set_handler(l, hear, &h), 0);
    assert_int_equal(host.wakes, 0);
    while (listener_call_handler(l))
        continue;
    assert_heard_none(&h);
    assert_next(l, 1);
    done(l);
}

/* ---- the model ---- */

#define MODEL_MAX 8192u
#define MARK (-1)
#define GAP (-2)

struct model {
    bool attached, open, heard, told, lost, asked_fd;
    size_t n, n_history, queue_max, history_max;
    uint64_t dropped;
    int queue[MODEL_MAX]; /* numbers of events, MARK or GAP */
    int history[MODEL_MAX];
};

static uint64_t random_state;

static unsigned below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 16) % n);
}

static void take_out(int *numbers, size_t *n, size_t i)
{
    memmove(&numbers[i], &numbers[i + 1], (*n - i - 1) * sizeof(*numbers));
    --*n;
}

static size_t model_events(const struct model *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n; i++)
        n += m->queue[i] >= 0 ? 1u : 0u;
    return n;
}

static void model_drop(struct model *m, size_t most)
{
    while (model_events(m) > most) {
        take_out(m->queue, &m->n, m->queue[0] < 0 ? 1u : 0u);
        if (m->n > 1 && m->queue[0] < 0 && m->queue[1] < 0)
            take_out(m->queue, &m->n, 0);
        m->dropped++;
        m->lost = true;
    }
}

static void model_push(struct model *m, int number)
{
    m->heard = true;
    if (m->queue_max > 0) {
        model_drop(m, m->queue_max - 1);
        m->queue[m->n++] = number;
    }
    m->history[m->n_history++] = number;
    while (m->n_history > m->history_max)
        take_out(m->history, &m->n_history, 0);
}

static void model_close(struct model *m)
{
    m->open = false;
    if (m->heard && (m->n == 0 || m->queue[m->n - 1] >= 0))
        m->queue[m->n++] = MARK;
    m->heard = false;
}

static void model_gap(struct model *m, bool was_running)
{
    if (m->queue_max > 0 && (was_running || m->heard) && (m->n == 0 || m->queue[m->n - 1] >= 0))
        m->queue[m->n++] = GAP;
    m->heard = false;
}

static void model_open(struct model *m)
{
    m->open = true;
    if (m->told)
        m->n = 0;
    m->told = false;
}

static void model_empty(struct model *m)
{
    m->n = 0;
    m->lost = m->heard = m->told = false;
}

static void model_limits(struct model *m, size_t queue_max, size_t history_max)
{
    m->queue_max = queue_max;
    m->history_max = history_max;
    if (queue_max == 0) {
        m->n = 0;
        m->told = false;
    }
    model_drop(m, queue_max);
    while (m->n_history > history_max)
        take_out(m->history, &m->n_history, 0);
}

/* What get(0) says; takes it when `take` is set. */
static int model_get(struct model *m, bool take)
{
    int front = m->n > 0 ? m->queue[0] : MARK;

    if (m->lost) {
        m->lost = !take;
        return -ENOBUFS;
    }
    if (m->n == 0)
        return m->open ? -EAGAIN : -ENOTCONN;
    if (front == MARK && !m->open && m->n == 1) {
        m->told |= take;
        return -ENOTCONN;
    }
    if (take)
        take_out(m->queue, &m->n, 0);
    return front == GAP ? -ESTALE : front == MARK ? -ENOTCONN : front;
}

static void compare(qmp_message **events, size_t n, const int *numbers, size_t n_numbers)
{
    size_t at = 0;

    for (size_t i = 0; i < n_numbers; i++) {
        if (numbers[i] >= 0) {
            assert_true(at < n);
            assert_ptr_equal(events[at++], stock[numbers[i]]);
        }
    }
    assert_int_equal(at, n);
    qmp_message_unref_many(events, n);
}

static void random_limits(qmp_listener *l, struct model *m)
{
    static const size_t limits[] = {0, 1, 2, 3, 5, 8, 17, 64, SIZE_MAX};
    size_t queue_max = limits[below(ELEMENTS(limits))], history_max = limits[below(ELEMENTS(limits))];

    assert_int_equal(qmp_listener_set_limits(l, queue_max, history_max), 0);
    model_limits(m, queue_max, history_max);
}

static void random_registration(qmp_listener *l, struct model *m)
{
    if (!m->attached) {
        attach(l, &host);
        m->attached = true;
    } else if (below(2)) {
        assert_int_equal(listener_remove(l, &host.base), 0);
        m->attached = m->open = false;
        model_empty(m);
    } else {
        listener_orphan(l);
        m->attached = false;
        model_close(m);
    }
}

static void random_reading(qmp_listener *l, struct model *m)
{
    qmp_message **events = NULL;
    size_t n = 0;

    switch (below(3)) {
    case 0:
        assert_int_equal(qmp_listener_clear(l, &events, &n), 0);
        compare(events, n, m->queue, m->n);
        model_empty(m);
        break;
    case 1:
        assert_int_equal(qmp_listener_clear(l, NULL, &n), 0);
        assert_int_equal(n, model_events(m));
        model_empty(m);
        break;
    default:
        assert_int_equal(qmp_listener_history(l, &events, &n), 0);
        compare(events, n, m->history, m->n_history);
        m->asked_fd = true;
    }
}

static void random_step(qmp_listener *l, struct model *m, unsigned number)
{
    unsigned what = below(100);

    if (what < 45 && m->open && m->n_history < MODEL_MAX - 1 && m->n < MODEL_MAX - 1) {
        push(l, number);
        model_push(m, (int)number);
    } else if (what < 80) {
        qmp_message *event = NULL;
        int expected = model_get(m, /* take= */ true);

        assert_int_equal(qmp_listener_get(l, 0, &event), expected < 0 ? expected : 0);
        if (expected >= 0)
            assert_ptr_equal(event, stock[expected]);
        qmp_message_unref(event);
    } else if (what < 82 && m->open) {
        bool was_running = below(2) == 0;

        listener_gap(l, was_running);
        model_gap(m, was_running);
    } else if (what < 88 && m->attached) {
        if (below(8) == 0 ? m->open : !m->open) {
            listener_open(l);
            model_open(m);
        } else {
            listener_close(l);
            model_close(m);
        }
    } else if (what < 92) {
        random_limits(l, m);
    } else if (what < 95) {
        random_registration(l, m);
    } else if (what < 96 && m->attached) {
        listener_lose(l);
        m->dropped++;
        m->lost = true;
    } else {
        random_reading(l, m);
    }
}

static void check_model(qmp_listener *l, struct model *m)
{
    bool ready = model_get(m, /* take= */ false) != -EAGAIN;

    assert_int_equal(listener_is_ready(l), ready);
    assert_int_equal(qmp_listener_empty(l), model_events(m) == 0);
    assert_int_equal(qmp_listener_dropped(l), m->dropped);
    if (m->asked_fd)
        assert_int_equal(poll_now(qmp_listener_get_fd(l)), ready ? POLLIN : 0);
}

static void test_model(void **state)
{
    static struct model m;
    const char *seed = getenv("TEST_SEED");
    uint64_t end = time_now() + MODEL_TIME;
    qmp_listener *l = NULL;
    unsigned i;

    (void)state;
    random_state = seed ? strtoull(seed, NULL, 0) : time_now();
    random_state |= 1;
    print_message("TEST_SEED=%" PRIu64 "\n", random_state);
    for (i = 0; i < MODEL_STEPS && time_now() < end; i++) {
        if (i % MODEL_STEPS_A_LISTENER == 0) {
            if (l)
                done(l);
            l = new_listener();
            m = (struct model){.queue_max = QMP_LISTENER_QUEUE_MAX, .history_max = QMP_LISTENER_HISTORY_MAX};
        }
        random_step(l, &m, i % N_EVENTS);
        check_model(l, &m);
    }
    done(l);
    print_message("%u operations\n", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_waits_on_nothing_when_closed),
        cmocka_unit_test(test_mark_between_connections),
        cmocka_unit_test(test_mark_is_told_once),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_mark_untold),
        cmocka_unit_test(test_no_mark_when_nothing_was_heard),
        cmocka_unit_test(test_closing_and_opening_twice),
        cmocka_unit_test(test_orphan_keeps_the_queue),
        cmocka_unit_test(test_remove_forgets_the_mark),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_clear_takes_a_told_mark),
        cmocka_unit_test(test_empty_knows_only_events),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_default_limits),
        cmocka_unit_test(test_loss_is_told_once),
        cmocka_unit_test(test_clear_takes_a_loss),
        cmocka_unit_test(test_queue_of_zero),
        cmocka_unit_test(test_queue_of_zero_gathers_no_marks),
        cmocka_unit_test(test_queue_of_zero_after_the_end_was_told),
        cmocka_unit_test(test_queue_of_one),
        cmocka_unit_test(test_shrinking),
        cmocka_unit_test(test_drops_keep_the_mark),
        cmocka_unit_test(test_marks_do_not_count),
        cmocka_unit_test(test_marks_never_stand_in_a_row),
        cmocka_unit_test(test_shrinking_over_marks),
        cmocka_unit_test(test_fd_is_one_for_life),
        cmocka_unit_test(test_fd_asked_late),
        cmocka_unit_test(test_rule_changes_when_not_registered),
        cmocka_unit_test(test_rule_changes_through_the_host),
        cmocka_unit_test(test_rule_stays_when_the_host_fails),
        cmocka_unit_test(test_rule_changes_while_removed),
        cmocka_unit_test(test_accepts_events_only),
        cmocka_unit_test(test_new_refuses_empty_names),
        cmocka_unit_test(test_attaching_twice),
        cmocka_unit_test(test_end_of_a_registration),
        cmocka_unit_test(test_end_of_an_orphans_registration),
        cmocka_unit_test(test_wait_push),
        cmocka_unit_test(test_wait_close),
        cmocka_unit_test(test_wait_close_with_a_mark),
        cmocka_unit_test(test_wait_remove),
        cmocka_unit_test(test_wait_orphan),
        cmocka_unit_test(test_wait_loss),
        cmocka_unit_test(test_wait_timeout),
        cmocka_unit_test(test_wait_many),
        cmocka_unit_test(test_consumers),
        cmocka_unit_test(test_waiting_pins_the_host),
        cmocka_unit_test(test_death_of_the_host),
        cmocka_unit_test(test_drive),
        cmocka_unit_test(test_drive_endings),
        cmocka_unit_test(test_drive_into_the_end_of_the_listener),
        cmocka_unit_test(test_several_ready),
        cmocka_unit_test(test_several_woken),
        cmocka_unit_test(test_several_removed_meanwhile),
        cmocka_unit_test(test_several_driven),
        cmocka_unit_test(test_several_driven_without_descriptors),
        cmocka_unit_test(test_several_of_one_host),
        cmocka_unit_test(test_several_with_a_death),
        cmocka_unit_test(test_handler),
        cmocka_unit_test(test_handler_over_connections),
        cmocka_unit_test(test_handler_set_late),
        cmocka_unit_test(test_handler_with_a_queue_of_zero),
        cmocka_unit_test(test_handler_after_losses),
        cmocka_unit_test(test_handler_does_things),
        cmocka_unit_test(test_handler_of_an_orphan),
        cmocka_unit_test(test_model),
    };

    alarm(RUN_SECONDS);
    return cmocka_run_group_tests(tests, fill_stock, empty_stock);
}
