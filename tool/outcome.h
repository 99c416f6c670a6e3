/* SPDX-License-Identifier: MIT */
#ifndef TOOL_OUTCOME_H
#define TOOL_OUTCOME_H

#include <qmp/qmp.h>

/* How a run of qmp ends: its exit status. Functions of the tool that can fail return one of these, and have said on
 * standard error what went wrong before they return anything but OUTCOME_DONE. */
enum outcome {
    OUTCOME_DONE = 0,
    OUTCOME_REFUSED = 1,
    OUTCOME_USAGE = 2,
    OUTCOME_TIMEOUT = 3,
    OUTCOME_CONNECT = 4,
    OUTCOME_GREETING = 5,
    OUTCOME_LOST = 6,
    OUTCOME_PROTOCOL = 7,
    OUTCOME_UNKNOWN = 8,
    OUTCOME_SOME = 9,
    OUTCOME_LOCAL = 10,
    OUTCOME_LAST = OUTCOME_LOCAL
};

/* What an exit status means, in a line; NULL when there is no such status. */
const char *outcome_meaning(int status);

/* Says why a connection ended, or never came about, and which outcome that is. The second one says nothing. */
enum outcome outcome_of_failure(qmp_client *c, int error);
enum outcome outcome_judge(qmp_client *c, int error);

/* Says that this side ran out of something; `what` was being done. */
enum outcome outcome_of_error(const char *what, int error);

#endif
