/* SPDX-License-Identifier: MIT */
#ifndef TOOL_GUESS_H
#define TOOL_GUESS_H

#include <stddef.h>

/* The longest name that is guessed at; longer ones are never the best. */
#define GUESS_NAME_MAX 128

/* "Did you mean": of the names added, the one nearest to what was written; best is "" when none is near. */
struct guess {
    const char *written;
    size_t distance; /* of the best */
    char best[GUESS_NAME_MAX];
};

struct guess guess_start(const char *written);
void guess_add(struct guess *guess, const char *name);
void guess_add_sized(struct guess *guess, const char *name, size_t size);

#endif
