/* SPDX-License-Identifier: MIT */

/* Durations as people write them.
 *
 * A number, with decimals if need be, and a unit out of a table; a bare number is seconds, as in sleep(1) and
 * timeout(1). Everything else is refused, and so is zero, which some tools take for "never" and others for "at once".
 * The arithmetic is on whole microseconds and cannot overflow below the maximum.
 *
 * It knows nothing of what the duration is for. */

#include <limits.h>
#include <qmp/types.h>
#include <stdio.h>
#include <string.h>

#include "duration.h"

/* The longest duration: a year. Anything longer is a mistake, or means "for ever". */
#define DURATION_MAX (QMP_SECOND * 3600 * 24 * 366)

static const struct {
    const char *name;
    uint64_t length;
} units[] = {
    {"", QMP_SECOND},
    {"us", 1},
    {"ms", QMP_MILLISECOND},
    {"s", QMP_SECOND},
    {"m", 60 * QMP_SECOND},
    {"h", 3600 * QMP_SECOND},
};

static uint64_t unit_length(const char *name)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(units[i].name, name) == 0)
            return units[i].length;
    return 0;
}

bool duration_parse(const char *text, uint64_t *ret)
{
    size_t whole = strspn(text, "0123456789");
    size_t decimals = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    const char *unit = text + whole + (text[whole] == '.') + decimals;
    uint64_t length = unit_length(unit), part = length, total = 0;

    if (length == 0 || whole == 0 || (text[whole] == '.' && decimals == 0))
        return false;
    for (size_t i = 0; i < whole; i++) {
        total = total * 10 + (uint64_t)(text[i] - '0') * length;
        if (total > DURATION_MAX)
            return false;
    }
    for (size_t i = 0; i < decimals; i++) {
        part /= 10;
        total += (uint64_t)(text[whole + 1 + i] - '0') * part;
    }
    if (total == 0 || total > DURATION_MAX)
        return false;
    *ret = total;
    return true;
}

const char *duration_text(uint64_t duration, char text[DURATION_TEXT_MAX])
{
    static const struct {
        const char *name;
        uint64_t length;
    } shown[] = {
        {"h", 3600 * QMP_SECOND}, {"min", 60 * QMP_SECOND}, {"s", QMP_SECOND}, {"ms", QMP_MILLISECOND}, {"us", 1}};
    size_t i = 0;
    unsigned thousandths;

    while (i < sizeof(shown) / sizeof(shown[0]) - 1 && duration < shown[i].length)
        i++;
    thousandths = (unsigned)((duration % shown[i].length) * 1000 / shown[i].length);
    snprintf(text, DURATION_TEXT_MAX, "%llu.%03u", (unsigned long long)(duration / shown[i].length), thousandths);
    for (size_t end = strlen(text) - 1; text[end] == '0' || text[end] == '.'; end--) {
        bool whole = text[end] == '.';
        text[end] = '\0';
        if (whole)
            break;
    }
    snprintf(text + strlen(text), DURATION_TEXT_MAX - strlen(text), " %s", shown[i].name);
    return text;
}

uint64_t duration_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * QMP_SECOND + (uint64_t)t.tv_nsec / 1000;
}

uint64_t duration_deadline(uint64_t timeout)
{
    return timeout == QMP_FOREVER ? QMP_FOREVER : duration_now() + timeout;
}

uint64_t duration_until(uint64_t deadline)
{
    uint64_t t;

    if (deadline == QMP_FOREVER)
        return QMP_FOREVER;
    t = duration_now();
    return deadline > t ? deadline - t : 0;
}

int duration_poll_timeout(uint64_t deadline)
{
    uint64_t left = duration_until(deadline), ms = left / QMP_MILLISECOND + (left % QMP_MILLISECOND != 0);

    return left == QMP_FOREVER ? -1 : (int)(ms < INT_MAX ? ms : INT_MAX);
}

struct timespec duration_timespec(uint64_t duration)
{
    return (struct timespec){(time_t)(duration / QMP_SECOND), (long)(duration % QMP_SECOND) * 1000};
}

void duration_sleep(uint64_t duration)
{
    struct timespec t = duration_timespec(duration);

    nanosleep(&t, /* ret_left= */ NULL);
}

int64_t duration_date(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * (int64_t)QMP_SECOND + t.tv_nsec / 1000;
}
