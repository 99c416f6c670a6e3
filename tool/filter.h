/* SPDX-License-Identifier: MIT */
#ifndef TOOL_FILTER_H
#define TOOL_FILTER_H

#include "options.h"

/* Which events a verb is about: those of some names or globs (without any: all), less --exclude, with --where and
 * --since-start. */
struct filter {
    const struct options *options;
    const char *const *names;
    size_t n_names;
    int64_t since; /* µs since 1970; INT64_MIN: whenever */
};

/* Refuses names and conditions that can be none, and warns of those that no event has, as far as that is known. */
enum outcome filter_make(const struct options *o, const char *const *names, size_t n_names, struct filter *ret);

/* A listener for these events, the caller's. It borrows the filter. */
enum outcome filter_listener(const struct filter *f, qmp_listener **ret);

/* Whether an event has one of some names, or one that a glob stands for. */
bool filter_names(const char *const *names, size_t n_names, const qmp_message *event);

#endif
