/* SPDX-License-Identifier: MIT */
/* Clocks, medians and duels.
 *
 * Absolute times on a shared machine mean little and change by the minute. So everything is measured against a floor,
 * in the same run, in short rounds that take turns; what is reported is the median round. An outlier moves a median by
 * one place, a slow minute hits both sides.
 *
 * It refuses to know what is measured. */

#include "measure.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t wall_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void one_processor(bool tie)
{
    static cpu_set_t before;
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    if (tie)
        sched_getaffinity(0, sizeof(before), &before);
    sched_setaffinity(0, sizeof(one), tie ? &one : &before);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

double median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct duel duel(unsigned rounds, struct contestant ours, struct contestant floor)
{
    static double a[DUEL_ROUNDS_MAX], b[DUEL_ROUNDS_MAX], ratio[DUEL_ROUNDS_MAX];

    if (rounds > DUEL_ROUNDS_MAX)
        rounds = DUEL_ROUNDS_MAX;
    /* One round each to warm up. */
    floor.run(floor.userdata);
    ours.run(ours.userdata);
    for (unsigned i = 0; i < rounds; i++) {
        if (i % 2 == 0) {
            a[i] = ours.run(ours.userdata);
            b[i] = floor.run(floor.userdata);
        } else {
            b[i] = floor.run(floor.userdata);
            a[i] = ours.run(ours.userdata);
        }
        ratio[i] = a[i] / b[i];
    }
    return (struct duel){median(a, rounds), median(b, rounds), median(ratio, rounds)};
}
