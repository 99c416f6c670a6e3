/* SPDX-License-Identifier: MIT */
#ifndef TEST_FAULTS_SERVER_H
#define TEST_FAULTS_SERVER_H

/* A QMP server for clients of whom nobody knows how far they come: it takes any number of connections, and answers
 * what it gets, in whatever order.
 *
 *     emit      three events, EMITTED with data {"number": 1 … 3}, then an empty object
 *     refuse    an error
 *     large     a string of SERVER_LARGE bytes
 *     hold      nothing
 *     drop      nothing; the connection is closed
 *
 * All else is answered with an empty object, guest-sync-delimited as by a guest agent. */

#include <stdbool.h>

#define SERVER_LARGE 40000

struct server;

/* Listens on a path. An agent sends no greeting. */
struct server *server_new(const char *path, bool agent);
/* The loopback port on which it listens, too. */
int server_port(const struct server *s);
/* Dials somebody who listens on a path, and serves there. False when nobody does. */
bool server_dial(struct server *s, const char *path);
/* Waits until all connections have been closed by their clients. False when that does not happen. */
bool server_settle(struct server *s);
void server_free(struct server *s);

#endif
