/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include <stdbool.h>

/* One to run from start to end. */
struct program {
    const char *path;
    char *const *arguments;
    const char *input;  /* NULL: none. Else it is closed when the answers are there. */
    const char *output; /* a part of it */
};

/* A contestant: the ns it took. Dies where it fails. */
double program_run(void *program);

/* Whether it can be started at all. */
bool program_exists(const char *path);

#endif
