/* SPDX-License-Identifier: MIT */

/* Amounts as people read them at a glance: two or three digits and a unit.
 *
 * Exact numbers are in the JSON; nothing here is for programs. It knows nothing of what is measured. */

#include <qmp/types.h>
#include <stdbool.h>
#include <stdio.h>

#include "amount.h"

const char *amount_bytes(uint64_t bytes, char text[AMOUNT_TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    uint64_t tenths = 0;

    /* 1023.9 would be four digits, and rounded a fifth */
    for (; bytes >= 1000; unit++) {
        tenths = bytes % 1024 * 10 / 1024;
        bytes /= 1024;
    }
    if (unit > 0 && bytes < 10)
        snprintf(text, AMOUNT_TEXT_MAX, "%u.%u %s", (unsigned)bytes, (unsigned)tenths, units[unit]);
    else
        snprintf(text, AMOUNT_TEXT_MAX, "%u %s", (unsigned)bytes, units[unit]);
    return text;
}

const char *amount_time(uint64_t time, char text[AMOUNT_TEXT_MAX])
{
    static const struct {
        const char *name;
        uint64_t length, first; /* taken from this length on */
    } units[] = {
        {"days", QMP_SECOND * 3600 * 24, QMP_SECOND * 3600 * 48},
        {"h", QMP_SECOND * 3600, QMP_SECOND * 3600 * 2},
        {"min", 60 * QMP_SECOND, 100 * QMP_SECOND},
        {"s", QMP_SECOND, 0},
    };
    size_t i = 0;

    while (time < units[i].first)
        i++;
    snprintf(text, AMOUNT_TEXT_MAX, "%llu %s",
        (unsigned long long)(time / units[i].length + (time % units[i].length != 0)), units[i].name);
    return text;
}
