/* SPDX-License-Identifier: MIT */

/* Whether a migration comes to an end, and when.
 *
 * QEMU copies the guest's memory while the guest goes on changing it, pass after pass, and switches over once what
 * remains can be sent within the downtime that the guest is allowed. So it ends if memory moves faster than it is
 * changed: what remains shrinks by the difference, down to what fits the downtime. Before the first pass is over nobody
 * knows how fast the guest changes memory. After the switch to postcopy it changes the other side's, so the end is
 * certain.
 *
 * Pages of zeroes take next to nothing on the link, and QEMU allows for the downtime what the link did; so the speed of
 * memory and that of the link are two numbers. A guest that changes the same few pages over and over changes less than
 * its rate says: the verdict is on the safe side.
 *
 * It knows nothing of how the numbers came here. */

#include <qmp/types.h>

#include "convergence.h"

/* A link is held up by its limit from this part of it on, in tenths. */
#define LIMITED_TENTHS 9
/* What takes longer than a year never ends. */
#define TIME_MAX (QMP_SECOND * 3600 * 24 * 366)

static uint64_t time_for(uint64_t bytes, uint64_t rate)
{
    double time = rate > 0 ? (double)bytes / (double)rate * (double)QMP_SECOND : (double)QMP_FOREVER;

    if (bytes == 0)
        return 0;
    return time < (double)TIME_MAX ? (uint64_t)time : QMP_FOREVER;
}

static struct convergence judge_precopy(const struct convergence_sample *s)
{
    struct convergence c = {.verdict = CONVERGENCE_YES, .downtime_needed = time_for(s->remaining, s->link)};
    double fits = (double)s->link * (double)s->downtime_limit / (double)QMP_SECOND;

    c.link_limited = s->link_max != 0 && s->link >= s->link_max / 10 * LIMITED_TENTHS;
    if ((double)s->remaining <= fits)
        return c;
    if (s->dirtied >= s->moved) {
        c.verdict = CONVERGENCE_NO;
        c.left = QMP_FOREVER;
        return c;
    }
    c.left = time_for(s->remaining - (uint64_t)fits, s->moved - s->dirtied);
    return c;
}

struct convergence convergence_judge(const struct convergence_sample *s)
{
    struct convergence c = {.verdict = CONVERGENCE_EARLY, .left = time_for(s->remaining, s->moved)};

    if (s->postcopy) {
        c.verdict = s->moved > 0 ? CONVERGENCE_POSTCOPY : CONVERGENCE_STALLED;
        return c;
    }
    if (s->pass == 0)
        c.left = QMP_FOREVER;
    if (s->pass <= 1)
        return c;
    if (s->moved > 0 || s->remaining == 0)
        return judge_precopy(s);
    c.verdict = CONVERGENCE_STALLED;
    return c;
}

const char *convergence_word(enum convergence_verdict verdict)
{
    static const char *const words[] = {
        [CONVERGENCE_EARLY] = "too-early",
        [CONVERGENCE_YES] = "converges",
        [CONVERGENCE_NO] = "does-not-converge",
        [CONVERGENCE_POSTCOPY] = "postcopy",
        [CONVERGENCE_STALLED] = "stalled",
    };

    return words[verdict];
}
