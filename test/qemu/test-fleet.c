/* SPDX-License-Identifier: MIT */
/* Real QEMUs and scripted servers on one loop, in one thread: one QEMU is stopped, one killed, and beside them a server
 * floods and another one dribbles.
 *
 * Invariant: the clients of the other QEMUs complete what they ask, and each client of a troublemaker learns just what
 * happened to its own server. */

#include "../fleet/fleet.h"
#include "machine.h"

#define SCRIPTED ((size_t)200)
#define HEALTHY_MACHINES 2
#define TRIPS 20u
#define STOP_TIMEOUT (50 * QMP_MILLISECOND)

/* Behind the scripted ones: those of the healthy machines, one for each monitor. */
enum { REAL = SCRIPTED, STOPPED = REAL + HEALTHY_MACHINES * MACHINE_MONITORS_MAX, BEREFT, FLOODED, DRIBBLED, ALL };

static struct fleet fleet;
static struct crowd good, bad;

static void clean_up(void *passed)
{
    machine_stop_all(/* show= */ !*(bool *)passed);
    fleet_free(&fleet);
    crowd_end(&good);
    crowd_end(&bad);
}

static struct machine *board_machine(size_t first, unsigned monitors)
{
    const struct machine_options options = {.kind = MACHINE_NONE, .monitors = monitors};
    struct machine *m = machine_start(&options);

    for (unsigned i = 0; i < monitors; i++)
        assert_ok(qmp_client_connect(fleet.ships[first + i].client, machine_address(m, i)));
    return m;
}

static void board_crowd(struct crowd *c, const enum crowd_habit *habits, size_t n, size_t first)
{
    static int fds[SCRIPTED];

    assert_ok(crowd_start(c, habits, n, fds));
    fleet_board(&fleet, first, n, fds);
}

static void trips(void)
{
    fleet_sail(&fleet, 0, STOPPED, TRIPS);
    fleet_arrive(&fleet, 0, STOPPED);
}

/* Everybody RUNNING; those that talk come last. */
static void set_sail(struct machine **ret_stopped, struct machine **ret_killed)
{
    static const enum crowd_habit serving[SCRIPTED] = {CROWD_SERVES}, worst[] = {CROWD_FLOODS, CROWD_DRIBBLES};

    fleet = fleet_new(ALL);
    for (size_t i = 0; i < HEALTHY_MACHINES; i++)
        board_machine(REAL + i * MACHINE_MONITORS_MAX, MACHINE_MONITORS_MAX);
    *ret_stopped = board_machine(STOPPED, 1);
    *ret_killed = board_machine(BEREFT, 1);
    board_crowd(&good, serving, SCRIPTED, 0);
    fleet_launch(&fleet, 0, FLOODED);
    board_crowd(&bad, worst, sizeof(worst) / sizeof(worst[0]), FLOODED);
    fleet_launch(&fleet, FLOODED, sizeof(worst) / sizeof(worst[0]));
}

static void test_mixed_fleet(void *passed)
{
    struct machine *stopped, *killed;
    struct answer late, never, later;

    *(bool *)passed = false;
    if (!crowd_fits(ALL)) {
        print_message("skipped: this process may not open descriptors for %d connections\n", ALL);
        return;
    }
    set_sail(&stopped, &killed);
    machine_freeze(stopped);
    machine_freeze(killed);
    ship_ask(&fleet.ships[STOPPED], "query-status", STOP_TIMEOUT, &late);
    ship_ask(&fleet.ships[BEREFT], "query-status", /* timeout= */ 0, &never);
    trips();
    fleet_await(&fleet, &late, -ETIMEDOUT);
    assert_int_equal(never.calls, 0);

    machine_kill(killed);
    trips();
    fleet_await(&fleet, &never, -ECONNRESET);
    fleet_await_end(&fleet, &fleet.ships[BEREFT], -ECONNRESET);
    assert_int_equal(qmp_client_failure_kind(fleet.ships[BEREFT].client), QMP_FAILURE_CLOSED);
    assert_contains(qmp_client_failure(fleet.ships[BEREFT].client), machine_address(killed, 0));

    machine_thaw(stopped);
    ship_ask(&fleet.ships[STOPPED], "query-status", /* timeout= */ 0, &later);
    fleet_await(&fleet, &later, 0);
    assert_true(qmp_client_stray_replies(fleet.ships[STOPPED].client) == 1);
    fleet_sail(&fleet, STOPPED, 1, TRIPS);
    trips();
    fleet_arrive(&fleet, STOPPED, 1);
    fleet_calm(&fleet, &fleet.ships[FLOODED]);
    fleet_calm(&fleet, &fleet.ships[DRIBBLED]);
    *(bool *)passed = true;
}

int main(int argc, char **argv)
{
    static bool passed;
    const struct check_test tests[] = {
        {.name = "test_mixed_fleet", .run_with = test_mixed_fleet, .teardown = clean_up, .argument = &passed},
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
