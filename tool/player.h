/* SPDX-License-Identifier: MIT */
#ifndef TOOL_PLAYER_H
#define TOOL_PLAYER_H

#include "buffer.h"
#include "frames.h"
#include "script.h"

/* The server of a capture, towards one client. */
struct player {
    const struct script *script;
    struct session session; /* the connection that it plays */
    size_t cursor;          /* behind the last command that was played */
    size_t told;            /* all before it that was to be told has been */
    bool ended;             /* the server ends the connection here */
};

/* Begins to play a connection of the script: appends what the server says before it is asked. All of these return false
 * without memory. */
bool player_begin(struct player *p, const struct script *script, size_t session, struct buffer *out);

/* Appends what the server says to a piece that the client sent. *ret_known: whether that is in the capture. */
bool player_hear(struct player *p, const struct piece *piece, struct buffer *out, bool *ret_known);

#endif
