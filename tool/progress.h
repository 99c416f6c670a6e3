/* SPDX-License-Identifier: MIT */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include "options.h"

/* Progress, shown on standard error as --progress says. */
struct progress_view {
    enum progress kind;
    bool utf8;
    bool shown;       /* a bar is on the terminal */
    uint64_t drawn;   /* when it was drawn */
    uint64_t at;      /* when the speed was measured */
    uint64_t current; /* how far it was then */
    uint64_t rate;    /* a second; 0: not known */
    char *last;       /* the JSON that was written last */
};

/* How far something is. */
struct progress_state {
    const char *label; /* for the bar */
    uint64_t current, total;
    bool bytes;       /* that is what `current` and `total` are */
    uint64_t rate;    /* a second; 0: measured here */
    const char *left; /* instead of the time that is left; NULL: that is worked out here */
    const char *json; /* members for --progress=json, without braces */
};

void progress_start(struct progress_view *p, const struct options *o);

/* Whether anybody sees it: else there is no need to ask how far it is. */
bool progress_wanted(const struct progress_view *p);

void progress_show(struct progress_view *p, const struct progress_state *state);

/* Takes the bar away, and frees what it needed. */
void progress_done(struct progress_view *p);

#endif
