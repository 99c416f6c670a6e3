/* SPDX-License-Identifier: MIT */
#ifndef TEST_SOAK_SERVER_H
#define TEST_SOAK_SERVER_H

/* A server that answers, and floods on request: each command gets an empty object, but `late`, which gets no answer;
 * `flood` gets SERVER_FLOOD events first, and then the connection is closed. */
struct server;

enum { SERVER_FLOOD = 1000 };

/* On a thread of its own, one connection at a time, at a path. Returns NULL when that cannot be. */
struct server *server_start(const char *path);
void server_stop(struct server *s);

#endif
