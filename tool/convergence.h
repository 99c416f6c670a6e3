/* SPDX-License-Identifier: MIT */
#ifndef TOOL_CONVERGENCE_H
#define TOOL_CONVERGENCE_H

#include <stdbool.h>
#include <stdint.h>

/* What a server tells of a migration at one moment; bytes, and bytes a second. */
struct convergence_sample {
    bool postcopy;           /* the guest runs on the other side already */
    uint64_t pass;           /* over the memory: 1 is the first, 0 before it */
    uint64_t remaining;      /* memory that is still to be moved */
    uint64_t moved;          /* memory moved a second; 0: not known yet */
    uint64_t link;           /* what that takes on the link a second; less, where pages are empty */
    uint64_t dirtied;        /* memory that the guest changes a second */
    uint64_t link_max;       /* the limit that is set for the link; 0: none */
    uint64_t downtime_limit; /* µs that the guest may stand still in the end */
};

enum convergence_verdict {
    CONVERGENCE_EARLY,    /* too early to tell */
    CONVERGENCE_YES,      /* it comes to its end */
    CONVERGENCE_NO,       /* it never does, if things stay as they are */
    CONVERGENCE_POSTCOPY, /* it does, whatever the guest does */
    CONVERGENCE_STALLED   /* nothing moves */
};

struct convergence {
    enum convergence_verdict verdict;
    uint64_t left;            /* µs until the end, about; QMP_FOREVER: not known, or never */
    bool link_limited;        /* the limit that is set is what holds it up */
    uint64_t downtime_needed; /* µs that the guest would have to stand still for it to end now */
};

struct convergence convergence_judge(const struct convergence_sample *s);

/* The verdict in a word, for programs. */
const char *convergence_word(enum convergence_verdict verdict);

#endif
