/* SPDX-License-Identifier: MIT */
#ifndef TOOL_BARE_H
#define TOOL_BARE_H

#include "options.h"

/* The connected socket to the server that the options name, before a byte went over it; as connect_run() gets there.
 * The socket is the caller's. -1 in *ret when the end was asked for. */
enum outcome bare_dial(const struct options *o, int *ret);

/* Listens on the address of --listen. */
enum outcome bare_listen(const struct options *o, qmp_server **ret);

/* The connected socket of the next client, the caller's. -1 in *ret when --timeout passed, the end was asked for, or
 * the descriptor `watched` (-1: none) has an error. */
enum outcome bare_accept(const struct options *o, qmp_server *s, int watched, int *ret);

#endif
