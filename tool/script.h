/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SCRIPT_H
#define TOOL_SCRIPT_H

#include <qmp/value.h>

#include "recording.h"

enum step_kind {
    STEP_COMMAND, /* of the client */
    STEP_REPLY,   /* of the server */
    STEP_TOLD,    /* by the server without being asked: the greeting, events, whatever else */
    STEP_END      /* the server ended the connection */
};

/* The other one of a command and its reply: none. */
#define STEP_NONE SIZE_MAX

struct step {
    enum step_kind kind;
    const struct record *record;
    qmp_value message; /* of a command and a reply */
    char *memory;      /* where that lies, unless in the record */
    size_t pair;       /* of a command, its reply; of a reply, its command */
};

/* One connection: steps [begin, end). */
struct session {
    size_t begin, end;
};

/* A capture, understood. */
struct script {
    struct step *steps;
    size_t n_steps;
    struct session *sessions;
    size_t n_sessions;
};

/* The recording must live on. False: no memory. Then script_done(), whatever this returns. */
bool script_make(struct script *ret, const struct recording *recording);
void script_done(struct script *s);

#endif
