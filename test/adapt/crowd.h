/* SPDX-License-Identifier: MIT */
#ifndef TEST_ADAPT_CROWD_H
#define TEST_ADAPT_CROWD_H

#include <stddef.h>

/* Many servers on one thread: each greets, and answers every command with an empty object. */
struct crowd;

/* Hands out the clients' ends of n connections, in an array that crowd_free() frees; each descriptor belongs to whoever
 * takes it. Raises the limit on descriptors as far as that needs; fails the test where it cannot. */
struct crowd *crowd_new(size_t n, int **ret_fds);
/* Ends the thread, and closes. */
void crowd_free(struct crowd *crowd);

#endif
