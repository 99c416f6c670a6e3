/* SPDX-License-Identifier: MIT */
#ifndef TOOL_ENVIRONMENT_H
#define TOOL_ENVIRONMENT_H

#include <qmp/qmp.h>

/* The environment that a program is run with for an event: ours, and what the event says. */
struct environment;

/* `socket` is where the server is. Returns 0 and the environment, -ENOMEM. */
int environment_new(struct environment **ret, const char *socket, const qmp_message *event);
struct environment *environment_free(struct environment *e);

/* As execve(2) takes it, borrowed. */
char **environment_list(const struct environment *e);

static inline void environment_freep(struct environment **e)
{
    environment_free(*e);
}

#endif
