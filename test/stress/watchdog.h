/* SPDX-License-Identifier: MIT */
#ifndef TEST_STRESS_WATCHDOG_H
#define TEST_STRESS_WATCHDOG_H

/* Says who hangs where, before the time of a test is over: for each thread of the test the call that it is in, and its
 * stack. It does not end the test. */

void watchdog_start(void);
/* What the calling thread does from now on, a string that lives; NULL: it has ended. */
void watchdog_doing(const char *what);
void watchdog_stop(void);

#endif
