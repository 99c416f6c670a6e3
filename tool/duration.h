/* SPDX-License-Identifier: MIT */
#ifndef TOOL_DURATION_H
#define TOOL_DURATION_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* The µs that a text like "200ms", "1.5s", "2m", "1h" or "5" (seconds) stands for; false when it is none, is zero, or
 * is longer than a year. */
bool duration_parse(const char *text, uint64_t *ret);

/* The room that the text of a duration needs. */
#define DURATION_TEXT_MAX 32

/* A duration for people: "200 ms", "1.5 s", "90 s" as "1.5 min". Returns `text`. */
const char *duration_text(uint64_t duration, char text[DURATION_TEXT_MAX]);

/* µs of CLOCK_MONOTONIC. */
uint64_t duration_now(void);

/* The deadline that a timeout from now makes, in µs of CLOCK_MONOTONIC; QMP_FOREVER makes QMP_FOREVER. */
uint64_t duration_deadline(uint64_t timeout);

/* How long it is until a deadline, 0 when it has passed, QMP_FOREVER when it never comes. */
uint64_t duration_until(uint64_t deadline);

/* The same for poll(2), rounded up; -1 when it never comes. */
int duration_poll_timeout(uint64_t deadline);

/* Sleeps for so long; a signal ends it early. */
void duration_sleep(uint64_t duration);

/* A duration as system calls want it. */
struct timespec duration_timespec(uint64_t duration);

/* µs since 1970: for dates, never for deadlines. */
int64_t duration_date(void);

#endif
