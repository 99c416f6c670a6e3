/* SPDX-License-Identifier: MIT */
#ifndef TOOL_RELAY_H
#define TOOL_RELAY_H

#include "options.h"
#include "recorder.h"

/* Passes everything on between a client and a server, in both directions, and records it, until the connection ends,
 * --timeout passes or the end is asked for. The sockets stay the caller's. */
enum outcome relay_run(const struct options *o, struct recorder *recorder, uint32_t connection, int client, int server);

#endif
