/* SPDX-License-Identifier: MIT */
#ifndef TOOL_CONNECT_H
#define TOOL_CONNECT_H

#include "options.h"

/* Starts to connect to the server that the options or the environment name; qmp_client_wait_running() waits for it.
 * `l`, which may be NULL, is registered before, and so hears every event of the connection. The client is the caller's.
 */
enum outcome connect_start(const struct options *o, qmp_listener *l, qmp_client **ret);

#endif
