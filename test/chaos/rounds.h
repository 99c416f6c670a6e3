/* SPDX-License-Identifier: MIT */
#ifndef TEST_CHAOS_ROUNDS_H
#define TEST_CHAOS_ROUNDS_H

#include "fixture.h"

/* Runs something once for each seed: 1, 2 … up to `n`, or $CHAOS_ROUNDS times as many; or for $CHAOS_SEED only. Says
 * which seed it is. */
void each_seed(unsigned n, void (*run)(struct fixture *f, uint64_t seed), struct fixture *f);

/* A socket that listens in a folder of the test's, for a relay. */
int listen_at(const char *path);

#endif
