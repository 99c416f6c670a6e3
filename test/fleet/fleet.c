/* SPDX-License-Identifier: MIT */
/* Many clients in one thread, for tests: what they do by callbacks, and how a test waits for it.
 *
 * Nothing but loop_turn() drives a client here, and nothing waits for a single one: a test says what must happen, and
 * the loop goes around with all the clients until it has, or CHECK_WAIT is over. Callbacks record and never assert; a
 * ship that hears an event out of order, or whose round trip fails, has a fault that is asserted afterwards.
 *
 * It refuses to know who is on the other side. */

#include "fleet.h"

#include <stdlib.h>
#include <string.h>

static void on_event(qmp_listener *l, qmp_message *event, void *ship)
{
    struct ship *s = ship;
    int64_t n = -1;

    (void)l;
    if (strcmp(qmp_event_name(event), CROWD_EVENT) != 0)
        return;
    qmp_value_int64(qmp_value_path(qmp_event_data(event), "n"), &n);
    s->faults += n != (int64_t)s->events;
    s->events++;
}

static void on_end(qmp_client *c, int error, void *ship)
{
    struct ship *s = ship;

    (void)c;
    s->ended = error;
    s->ends++;
}

struct fleet fleet_new(size_t n)
{
    struct fleet f = {.n = n};

    f.ships = calloc(n, sizeof(*f.ships));
    assert_non_null(f.ships);
    assert_ok(loop_new(&f.loop, on_end));
    for (size_t i = 0; i < n; i++) {
        struct ship *s = &f.ships[i];
        qmp_listener *l;

        assert_ok(qmp_client_new(&s->client));
        assert_ok(qmp_client_set_connect_timeout(s->client, CHECK_WAIT));
        assert_ok(loop_add(f.loop, s->client, s));
        l = qmp_client_events(s->client);
        assert_ok(qmp_listener_set_limits(l, /* queue_max= */ SIZE_MAX, /* history_max= */ 0));
        assert_ok(qmp_listener_set_handler(l, on_event, s));
    }
    return f;
}

void fleet_free(struct fleet *f)
{
    for (size_t i = 0; f->ships && i < f->n; i++)
        f->ships[i].client = qmp_client_unref(f->ships[i].client);
    free(f->ships);
    f->loop = loop_free(f->loop);
    *f = (struct fleet){0};
}

void fleet_board(struct fleet *f, size_t first, size_t n, const int *fds)
{
    for (size_t i = 0; i < n; i++)
        assert_ok(qmp_client_connect_fd(f->ships[first + i].client, fds[i]));
}

void fleet_turn(struct fleet *f, uint64_t deadline)
{
    assert_ok(loop_turn(f->loop, deadline));
    assert_true(check_now() < deadline);
}

void fleet_launch(struct fleet *f, size_t first, size_t n)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    for (size_t i = first; i < first + n; i++) {
        while (qmp_client_runstate(f->ships[i].client) != QMP_RUNNING) {
            assert_int_equal(f->ships[i].ends, 0);
            fleet_turn(f, deadline);
        }
    }
}

/* ---- round trips ---- */

static void on_trip(qmp_pending *p, int error, qmp_message *reply, void *ship)
{
    struct ship *s = ship;

    (void)p;
    (void)reply;
    s->trips++;
    s->faults += error != 0;
    if (error == 0 && s->trips < s->wanted)
        s->faults += qmp_client_execute_async(s->client, "query-status", NULL, on_trip, s, NULL) != 0;
}

void fleet_sail(struct fleet *f, size_t first, size_t n, unsigned trips)
{
    for (size_t i = first; i < first + n; i++) {
        struct ship *s = &f->ships[i];

        s->wanted = s->trips + trips;
        assert_ok(qmp_client_execute_async(s->client, "query-status", NULL, on_trip, s, NULL));
    }
}

void fleet_arrive(struct fleet *f, size_t first, size_t n)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    for (size_t i = first; i < first + n; i++) {
        while (f->ships[i].faults == 0 && f->ships[i].trips < f->ships[i].wanted)
            fleet_turn(f, deadline);
        assert_int_equal(f->ships[i].faults, 0);
        assert_int_equal(f->ships[i].ends, 0);
        assert_int_equal(f->ships[i].trips, f->ships[i].wanted);
    }
}

/* ---- single commands ---- */

static void on_answer(qmp_pending *p, int error, qmp_message *reply, void *answer)
{
    struct answer *a = answer;
    int64_t n = 0;

    (void)p;
    a->calls++;
    a->error = error;
    if (error == 0)
        qmp_value_int64(qmp_value_path(qmp_reply_value(reply), "events"), &n);
    a->events = (uint64_t)n;
}

void ship_ask(struct ship *s, const char *command, uint64_t timeout, struct answer *a)
{
    struct qmp_request request = QMP_REQUEST_INIT;

    *a = (struct answer){0};
    request.command = command;
    request.timeout = timeout;
    assert_ok(qmp_client_send_full(s->client, &request, on_answer, a, NULL));
}

void fleet_await(struct fleet *f, const struct answer *a, int error)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (a->calls == 0)
        fleet_turn(f, deadline);
    assert_int_equal(a->calls, 1);
    assert_error(a->error, error);
}

void fleet_await_events(struct fleet *f, const struct ship *s, uint64_t n)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (s->events < n)
        fleet_turn(f, deadline);
}

void fleet_calm(struct fleet *f, struct ship *s)
{
    struct answer a;

    fleet_await_events(f, s, 1);
    ship_ask(s, CROWD_STOP, /* timeout= */ 0, &a);
    fleet_await(f, &a, 0);
    assert_int_equal(s->faults, 0);
    assert_true(s->events == a.events);
    assert_true(qmp_listener_dropped(qmp_client_events(s->client)) == 0);
}

void fleet_await_end(struct fleet *f, const struct ship *s, int error)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (s->ends == 0)
        fleet_turn(f, deadline);
    assert_int_equal(s->ends, 1);
    assert_error(s->ended, error);
    assert_int_equal(qmp_client_runstate(s->client), QMP_IDLE);
}
