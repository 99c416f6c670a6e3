/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_FEED_H
#define TOOL_SHELL_FEED_H

#include "options.h"

/* How many globs a filter may have, and how long they may be together. */
#define FEED_GLOBS_MAX 32
#define FEED_TEXT_MAX 1024

/* Events on their way to the user of a shell. */
struct feed {
    qmp_listener *listener;
    bool json; /* for programs: each whole, as it is; else lines for people, not too many at a time */
    bool on;
    char text[FEED_TEXT_MAX]; /* the globs that name what is shown; none: everything */
    const char *globs[FEED_GLOBS_MAX];
    size_t n_globs;
    uint64_t since;  /* the begin of the second that is counted, µs */
    size_t shown;    /* in it */
    uint64_t hidden; /* in it, or lost */
    uint64_t dropped;
};

struct feed_hooks {
    void (*heard)(const char *event, void *userdata); /* of each event, shown or not */
    void (*before)(void *userdata);                   /* before anything is written */
};

/* Writes what there is. Returns whether that was anything. */
bool feed_show(struct feed *feed, const struct feed_hooks *hooks, void *userdata);

/* When there will be something to show even if no event comes; µs, absolute. */
uint64_t feed_deadline(const struct feed *feed);

/* Sets what is shown: "on", "off" or globs. Without words it says what is. The options say which server it is. */
enum outcome feed_set(struct feed *feed, const struct options *o, const char *const *words, size_t n);

#endif
