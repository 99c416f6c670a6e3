/* SPDX-License-Identifier: MIT */
#ifndef TOOL_CONNECT_H
#define TOOL_CONNECT_H

#include "options.h"

/* A client for the server that the options or the environment name, not connected yet. `l`, which may be NULL, is
 * registered, and so hears every event of the connection. The client is the caller's. */
enum outcome connect_prepare(const struct options *o, qmp_listener *l, qmp_client **ret);

/* Connects it, to the end of the negotiation; waits for a server that is not there as long as --wait-for-socket says.
 * Returns 0 or the error, for outcome_of_failure(). */
int connect_run(const struct options *o, qmp_client *c);

/* Whether connecting failed with this error because there is no server, or none yet. */
bool connect_is_absent(qmp_client *c, int error);

/* Both. */
enum outcome connect_open(const struct options *o, qmp_listener *l, qmp_client **ret);

/* The address that the options or the environment name, as the user wrote it; NULL, with a complaint, when there is
 * none. */
const char *connect_address(const struct options *o);

#endif
