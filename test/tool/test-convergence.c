/* SPDX-License-Identifier: MIT */

/* Whether a migration converges, row by row: what a server says, and what that means. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <qmp/types.h>

#include "convergence.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define S QMP_SECOND
#define NEVER QMP_FOREVER

static const struct row {
    const char *what;
    struct convergence_sample sample; /* postcopy, pass, remaining, moved, link, dirtied, link_max, downtime_limit */
    struct convergence expected;      /* verdict, left, link_limited, downtime_needed */
} rows[] = {
    {"before the first pass", {false, 0, 0, 0, 0, 0, 0, S}, {CONVERGENCE_EARLY, NEVER, false, 0}},
    {"the speed is not known yet", {false, 1, GIB, 0, 0, 0, 0, S}, {CONVERGENCE_EARLY, NEVER, false, 0}},
    {"the first pass", {false, 1, GIB, 128 * MIB, 128 * MIB, 0, 0, S}, {CONVERGENCE_EARLY, 8 * S, false, 0}},
    {"the first pass, however much changes", {false, 1, GIB, 128 * MIB, 128 * MIB, GIB, 0, S},
        {CONVERGENCE_EARLY, 8 * S, false, 0}},
    {"nothing changes: all but the downtime's part", {false, 2, GIB, 128 * MIB, 128 * MIB, 0, 0, S},
        {CONVERGENCE_YES, 7 * S, false, 8 * S}},
    {"half as fast as it moves", {false, 2, GIB, 128 * MIB, 128 * MIB, 64 * MIB, 0, S},
        {CONVERGENCE_YES, 14 * S, false, 8 * S}},
    {"as fast as it moves", {false, 2, GIB, 128 * MIB, 128 * MIB, 128 * MIB, 0, S},
        {CONVERGENCE_NO, NEVER, false, 8 * S}},
    {"faster than it moves", {false, 9, GIB, 128 * MIB, 128 * MIB, 900 * MIB, 0, S},
        {CONVERGENCE_NO, NEVER, false, 8 * S}},
    {"faster, but what remains fits the downtime", {false, 9, 128 * MIB, 128 * MIB, 128 * MIB, 900 * MIB, 0, S},
        {CONVERGENCE_YES, 0, false, S}},
    {"one byte more does not fit", {false, 9, 128 * MIB + 1, 128 * MIB, 128 * MIB, 900 * MIB, 0, S},
        {CONVERGENCE_NO, NEVER, false, S}},
    {"the limit holds the link up", {false, 9, GIB, 128 * MIB, 128 * MIB, 900 * MIB, 128 * MIB, S},
        {CONVERGENCE_NO, NEVER, true, 8 * S}},
    {"nearly, too", {false, 9, GIB, 128 * MIB, 128 * MIB, 900 * MIB, 140 * MIB, S},
        {CONVERGENCE_NO, NEVER, true, 8 * S}},
    {"the link itself is slower", {false, 9, GIB, 128 * MIB, 128 * MIB, 900 * MIB, 150 * MIB, S},
        {CONVERGENCE_NO, NEVER, false, 8 * S}},
    {"empty pages: memory moves faster than the link", {false, 2, GIB, 256 * MIB, 16 * MIB, 128 * MIB, 0, S},
        {CONVERGENCE_YES, 1008 * S / 128, false, 64 * S}},
    {"no downtime at all is allowed", {false, 2, GIB, 256 * MIB, 256 * MIB, 0, 0, 0},
        {CONVERGENCE_YES, 4 * S, false, 4 * S}},
    {"nothing moves", {false, 3, GIB, 0, 0, MIB, 0, S}, {CONVERGENCE_STALLED, NEVER, false, 0}},
    {"nothing moves, and nothing remains", {false, 3, 0, 0, 0, MIB, 0, S}, {CONVERGENCE_YES, 0, false, 0}},
    {"a byte at a time", {false, 3, UINT64_MAX, 2, 2, 1, 0, S}, {CONVERGENCE_YES, NEVER, false, NEVER}},
    {"postcopy: what changes does not matter", {true, 5, GIB, 128 * MIB, 128 * MIB, 900 * MIB, 0, S},
        {CONVERGENCE_POSTCOPY, 8 * S, false, 0}},
    {"postcopy, and nothing moves", {true, 5, GIB, 0, 0, 0, 0, S}, {CONVERGENCE_STALLED, NEVER, false, 0}},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct convergence c = convergence_judge(&row->sample);
        if (c.verdict != row->expected.verdict || c.left != row->expected.left ||
            c.link_limited != row->expected.link_limited || c.downtime_needed != row->expected.downtime_needed)
            fail_msg("%s: %s, %llu left, %s, %llu needed", row->what, convergence_word(c.verdict),
                (unsigned long long)c.left, c.link_limited ? "limited" : "not limited",
                (unsigned long long)c.downtime_needed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
