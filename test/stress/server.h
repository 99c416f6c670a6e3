/* SPDX-License-Identifier: MIT */
#ifndef TEST_STRESS_SERVER_H
#define TEST_STRESS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVER_CONNECTIONS_MAX 2000u
#define SERVER_EVENTS_MAX 200000u

/* What was written on one connection: events numbered from `first` up to, not including, `end`. */
struct server_connection {
    uint64_t first, end;
    bool cut; /* the client may have ended it: then its last events may not have been read */
};

/* A server that dies again and again. Before the answer to a command it writes some events, numbered from 1 on, over
 * all connections; the answer has the command's name and the number of the last event on this connection, or 0. It
 * never answers commands called mute…; "quit" is its last one. */
struct server;

struct server *server_start(const char *path, uint64_t seed);
/* Around everything that makes the client end a connection. */
void server_cut_begin(struct server *s);
void server_cut_end(struct server *s);
unsigned server_count(struct server *s);
/* Waits for its end, after "quit"; its path is free then. */
const struct server_connection *server_join(struct server *s, size_t *ret_n);
void server_free(struct server *s);

#endif
