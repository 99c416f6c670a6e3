/* SPDX-License-Identifier: MIT */
#ifndef TOOL_DOCTOR_H
#define TOOL_DOCTOR_H

#include "commandline.h"
#include "locate.h"
#include "options.h"
#include "process.h"
#include "sockets.h"

enum finding { FINDING_FINE, FINDING_NOTE, FINDING_BAD };

/* One examination: what is known so far, and what came out. */
struct doctor {
    const struct options *options; /* with the address that is examined */
    const char *address;
    bool objects;                  /* a JSON object at the end, instead of lines at once */
    const struct machine *machine; /* that the address belongs to; NULL: not known */
    const struct sockets *sockets; /* NULL: they cannot be told */
    const struct socket *listener; /* NULL: not known */
    struct process process;        /* that listens; its pid is 0 when it is not known */
    bool monitor;                  /* it is a QMP monitor by QEMU's command line */
    bool talked;                   /* all that was asked was answered */
    qmp_writer *steps;             /* what was found, for the object */
    enum outcome outcome;          /* of the first thing that is bad */
    enum outcome written;          /* whether lines could be written */
    char *verdict;                 /* NULL: nothing is bad */
    char *advice;                  /* what to do; NULL: nothing */
};

/* Says what came out of a step. */
void doctor_say(struct doctor *d, enum finding finding, const char *step, const char *format, ...) QMP_PRINTF(4, 5);

/* Says what is bad; it becomes the verdict. Returns false, for checks. */
bool doctor_fail(struct doctor *d, enum outcome outcome, const char *step, const char *format, ...) QMP_PRINTF(4, 5);

/* Says what to do about it, in the end: the first advice counts. Returns false. */
bool doctor_advise(struct doctor *d, const char *format, ...) QMP_PRINTF(2, 3);

/* The checks, in this order. Each returns whether there is any use in going on. */
bool doctor_check_file(struct doctor *d);
bool doctor_check_permission(struct doctor *d);
bool doctor_check_name(struct doctor *d);
bool doctor_check_listener(struct doctor *d);
bool doctor_check_process(struct doctor *d);
bool doctor_check_purpose(struct doctor *d);
bool doctor_check_free(struct doctor *d);
bool doctor_check_talk(struct doctor *d);
bool doctor_check_spare(struct doctor *d);

/* Whether the library takes the address for one; else that has been said, and the outcome is set. Only where nobody can
 * be disturbed: it may connect. */
bool doctor_is_address(struct doctor *d);

#endif
