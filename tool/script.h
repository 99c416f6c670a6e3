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
    size_t replied; /* behind the last reply; `begin`: there is none */
    size_t ended;   /* behind the last time that the server ended the connection; `begin`: it did not */
};

/* A capture, understood. */
struct script {
    struct step *steps;
    size_t n_steps;
    struct session *sessions;
    size_t n_sessions;
    size_t *commands; /* which steps are commands, by command_order(), and the same ones by where they stand */
    size_t n_commands;
};

/* The recording must live on. False: no memory. Then script_done(), whatever this returns. */
bool script_make(struct script *ret, const struct recording *recording);
void script_done(struct script *s);

/* Of a command that is looked for among the sorted ones: negative, 0 or positive when it goes before, with or behind
 * one that is there. Sets *ret_failed without memory. */
typedef int script_order(qmp_value command, qmp_value other, bool *ret_failed);

/* The commands [*ret_begin, *ret_end) that are the same, by an order that the sorting goes along with; they may be
 * none. False: no memory. */
bool script_find(const struct script *s, script_order *order, qmp_value command, size_t *ret_begin, size_t *ret_end);

#endif
