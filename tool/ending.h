/* SPDX-License-Identifier: MIT */
#ifndef TOOL_ENDING_H
#define TOOL_ENDING_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

/* How many descriptors may be waited for at once. */
#define ENDING_FDS_MAX 8

/* From now on SIGINT, SIGTERM and SIGHUP are noted, so that a verb can tidy up first; one more, when a second has
 * passed, ends the process at once. Those that are ignored stay so. Writing to a pipe without a reader only fails. */
void ending_note(void);

/* The signal that was noted last; 0: none. */
int ending_noted(void);

/* poll(), up to a deadline (µs, CLOCK_MONOTONIC). Returns how many are ready; 0 at the deadline, or after some weeks;
 * -EINTR when a signal was noted, be it before; another errno. */
int ending_poll(struct pollfd *fds, size_t n, uint64_t deadline);

#endif
