/* SPDX-License-Identifier: MIT */
#ifndef TOOL_TYPING_H
#define TOOL_TYPING_H

#include "arguments.h"
#include "options.h"
#include "schema.h"

/* The arguments as JSON text, the caller's to free(); NULL when there are none. KEY=VALUE words become what the schema
 * of a connected server says. It is asked for when it is not known already, and again when something is not in it.
 * Where there is none, as with a guest agent, they become what they look like. Warns about arguments that the command
 * does not have. */
enum outcome typing_make(
    const struct options *o, qmp_client *c, const char *command, const struct arguments *a, char **ret);

/* The same with this schema, which may be NULL, without asking anybody. */
enum outcome typing_make_offline(const struct schema *s, const char *command, const struct arguments *a, char **ret);

/* Says everything that is wrong with a command and its arguments: OUTCOME_USAGE when the server would refuse them,
 * OUTCOME_UNKNOWN when it has no such command. With `oob`, it must be one that runs out of band. */
enum outcome typing_check(
    const struct options *o, qmp_client *c, const char *command, const struct arguments *a, bool oob);
enum outcome typing_check_offline(const struct schema *s, const char *command, const struct arguments *a, bool oob);

/* Names the command that was perhaps meant, for one that the server does not know. */
void typing_suggest(const struct schema *s, const char *command);

#endif
