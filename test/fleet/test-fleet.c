/* SPDX-License-Identifier: MIT */
/* A thousand clients in one thread, and servers that do their worst.
 *
 * The invariant: whatever one server does, the other clients go on, and it hurts nobody but its own client, who learns
 * the truth. All clients share one loop, and no wait is for one of them alone, so a client that kept the loop for
 * itself would fail every test here by its deadline. How long the others wait is measured elsewhere: bench/fleet.c. */

#include "fleet.h"

#include <poll.h>

#define HEALTHY ((size_t)1000)
#define TRIPS 5u
/* Of the one that floods, by a listener with a short queue. */
#define QUEUE_MAX ((size_t)100)
/* How often the one that dies is met again. */
#define DEATHS 5u

/* Behind the healthy ones. */
enum { FLOODED = HEALTHY, DRIBBLED, BEREFT, STOPPED, RETURNING, ALL };

static struct fleet fleet;
static struct crowd healthy, bad, stopped;

static void clean_up(void *state)
{
    (void)state;
    fleet_free(&fleet);
    crowd_end(&healthy);
    crowd_end(&bad);
    crowd_end(&stopped);
}

static bool fits(void)
{
    if (crowd_fits(ALL))
        return true;
    print_message("skipped: this process may not open descriptors for %zu connections\n", (size_t)ALL);
    return false;
}

static void start(struct crowd *c, const enum crowd_habit *habits, size_t n, size_t first)
{
    static int fds[ALL];

    assert_ok(crowd_start(c, habits, n, fds));
    fleet_board(&fleet, first, n, fds);
}

/* Everybody RUNNING. */
static void set_sail(void)
{
    static const enum crowd_habit good[HEALTHY] = {CROWD_SERVES};
    static const enum crowd_habit habits[] = {CROWD_FLOODS, CROWD_DRIBBLES, CROWD_DIES};

    fleet = fleet_new(ALL);
    start(&healthy, good, HEALTHY, 0);
    start(&stopped, good, 1, STOPPED);
    fleet_launch(&fleet, 0, HEALTHY);
    fleet_launch(&fleet, STOPPED, 1);
    start(&bad, habits, sizeof(habits) / sizeof(habits[0]), FLOODED);
    fleet_launch(&fleet, FLOODED, sizeof(habits) / sizeof(habits[0]));
}

/* With one trouble at a time, and with all at once: the healthy clients make their round trips. */
static void trips(void)
{
    fleet_sail(&fleet, 0, HEALTHY, TRIPS);
    fleet_arrive(&fleet, 0, HEALTHY);
}

/* ---- what a server can do ---- */

static void test_flooded(void *state)
{
    qmp_listener *l = NULL;
    qmp_message *event = NULL;
    uint64_t heard, dropped;
    struct ship *s;

    (void)state;
    if (!fits())
        return;
    set_sail();
    s = &fleet.ships[FLOODED];
    assert_ok(qmp_listener_new(&l, (const char *const[]){CROWD_EVENT, NULL}));
    assert_ok(qmp_listener_set_limits(l, QUEUE_MAX, /* history_max= */ 0));
    heard = s->events;
    assert_ok(qmp_client_register_listener(s->client, l));
    trips();
    fleet_await_events(&fleet, s, heard + QUEUE_MAX + 1);
    fleet_calm(&fleet, s);

    /* Who does not read in time loses the oldest, and is told. */
    dropped = qmp_listener_dropped(l);
    assert_true(dropped == s->events - heard - QUEUE_MAX);
    assert_error(qmp_listener_get(l, 0, &event), -ENOBUFS);
    for (uint64_t n = s->events - QUEUE_MAX; n < s->events; n++) {
        int64_t number = -1;

        assert_ok(qmp_listener_get(l, 0, &event));
        assert_ok(qmp_value_int64(qmp_value_path(qmp_event_data(event), "n"), &number));
        assert_true(number == (int64_t)n);
        event = qmp_message_unref(event);
    }
    assert_no_event(l);
    qmp_listener_unref(l);
}

static void test_dribbled(void *state)
{
    struct ship *s;

    (void)state;
    if (!fits())
        return;
    set_sail();
    s = &fleet.ships[DRIBBLED];
    fleet_sail(&fleet, DRIBBLED, 1, TRIPS);
    trips();
    fleet_arrive(&fleet, DRIBBLED, 1);
    fleet_calm(&fleet, s);
}

static void test_stopped(void *state)
{
    struct answer late, later;
    struct ship *s;

    (void)state;
    if (!fits())
        return;
    set_sail();
    s = &fleet.ships[STOPPED];
    crowd_freeze(&stopped);
    ship_ask(s, "query-status", 20 * QMP_MILLISECOND, &late);
    trips();
    fleet_await(&fleet, &late, -ETIMEDOUT);
    trips();
    assert_int_equal(qmp_client_runstate(s->client), QMP_RUNNING);
    assert_true(qmp_client_stray_replies(s->client) == 0);

    crowd_thaw(&stopped);
    ship_ask(s, "query-status", /* timeout= */ 0, &later);
    fleet_await(&fleet, &later, 0);
    assert_int_equal(late.calls, 1);
    assert_true(qmp_client_stray_replies(s->client) == 1);
    fleet_sail(&fleet, STOPPED, 1, TRIPS);
    fleet_arrive(&fleet, STOPPED, 1);
}

static void test_bereft(void *state)
{
    struct answer a;
    struct ship *s;

    (void)state;
    if (!fits())
        return;
    set_sail();
    s = &fleet.ships[BEREFT];
    ship_ask(s, "query-status", /* timeout= */ 0, &a);
    trips();
    fleet_await(&fleet, &a, -ECONNRESET);
    fleet_await_end(&fleet, s, -ECONNRESET);
    assert_int_equal(qmp_client_failure_kind(s->client), QMP_FAILURE_CLOSED);
    assert_contains(qmp_client_failure(s->client), "closed");
    trips();
}

/* A client that connects again as often as its server dies. */
static void return_to(struct ship *s, unsigned times)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    for (unsigned i = 0; i < times; i++) {
        struct answer a;

        while (qmp_client_runstate(s->client) != QMP_RUNNING)
            fleet_turn(&fleet, deadline);
        ship_ask(s, "query-status", /* timeout= */ 0, &a);
        fleet_await(&fleet, &a, -ECONNRESET);
        assert_int_equal(qmp_client_runstate(s->client), QMP_CONNECTING);
    }
    assert_int_equal(s->ends, 0); /* it never gave up */
}

static void connect_again(struct ship *s)
{
    struct qmp_reconnect again = QMP_RECONNECT_INIT;

    again.delay_min = again.delay_max = QMP_MILLISECOND;
    assert_ok(qmp_client_set_reconnect(s->client, &again));
    assert_ok(qmp_client_connect(s->client, bad.address));
}

static void test_returning(void *state)
{
    struct ship *s;

    (void)state;
    if (!fits())
        return;
    set_sail();
    s = &fleet.ships[RETURNING];
    connect_again(s);
    fleet_sail(&fleet, 0, HEALTHY, TRIPS);
    return_to(s, DEATHS);
    fleet_arrive(&fleet, 0, HEALTHY);
}

static void test_all_at_once(void *state)
{
    struct answer late, never, again;

    (void)state;
    if (!fits())
        return;
    set_sail();
    crowd_freeze(&stopped);
    connect_again(&fleet.ships[RETURNING]);
    ship_ask(&fleet.ships[STOPPED], "query-status", 20 * QMP_MILLISECOND, &late);
    ship_ask(&fleet.ships[BEREFT], "query-status", /* timeout= */ 0, &never);
    fleet_sail(&fleet, 0, HEALTHY, TRIPS);
    fleet_sail(&fleet, DRIBBLED, 1, TRIPS);
    return_to(&fleet.ships[RETURNING], DEATHS);
    fleet_arrive(&fleet, 0, HEALTHY);
    fleet_arrive(&fleet, DRIBBLED, 1);
    trips();

    fleet_await(&fleet, &late, -ETIMEDOUT);
    crowd_thaw(&stopped);
    ship_ask(&fleet.ships[STOPPED], "query-status", /* timeout= */ 0, &again);
    fleet_await(&fleet, &again, 0);
    fleet_await(&fleet, &never, -ECONNRESET);
    fleet_await_end(&fleet, &fleet.ships[BEREFT], -ECONNRESET);
    fleet_calm(&fleet, &fleet.ships[DRIBBLED]);
    fleet_calm(&fleet, &fleet.ships[FLOODED]);
}

/* ---- the loop itself ---- */

/* The first that gets an answer frees the whole fleet, itself included, while the loop has the others still to serve.
 */
static void scuttle(qmp_pending *p, int error, qmp_message *reply, void *calls)
{
    (void)p;
    (void)reply;
    ++*(unsigned *)calls;
    if (error == -ECONNRESET)
        return;
    for (size_t i = 0; i < fleet.n; i++)
        fleet.ships[i].client = qmp_client_unref(fleet.ships[i].client);
}

static void test_freed_in_a_callback(void *state)
{
    static const enum crowd_habit good[16] = {CROWD_SERVES};
    const size_t n = sizeof(good) / sizeof(good[0]);
    uint64_t deadline = check_deadline(CHECK_WAIT);
    unsigned calls = 0;

    (void)state;
    fleet = fleet_new(n);
    start(&healthy, good, n, 0);
    fleet_launch(&fleet, 0, n);
    for (size_t i = 0; i < n; i++)
        assert_ok(qmp_client_execute_async(fleet.ships[i].client, "query-status", NULL, scuttle, &calls, NULL));
    for (size_t i = 0; i < n; i++)
        assert_true(check_poll(qmp_client_get_fd(fleet.ships[i].client), POLLIN, CHECK_WAIT) & POLLIN);
    while (calls < n)
        fleet_turn(&fleet, deadline);
    assert_int_equal(calls, n);
    assert_int_equal(loop_turn(fleet.loop, 0), 0);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_FIXTURE(test_flooded, NULL, clean_up),
        CHECK_FIXTURE(test_dribbled, NULL, clean_up),
        CHECK_FIXTURE(test_stopped, NULL, clean_up),
        CHECK_FIXTURE(test_bereft, NULL, clean_up),
        CHECK_FIXTURE(test_returning, NULL, clean_up),
        CHECK_FIXTURE(test_all_at_once, NULL, clean_up),
        CHECK_FIXTURE(test_freed_in_a_callback, NULL, clean_up),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
