/* SPDX-License-Identifier: MIT */
#ifndef TEST_QEMU_RELAY_H
#define TEST_QEMU_RELAY_H

#include <stdbool.h>

/* A thread between clients and a server: what comes to one socket goes on to another, and the connection can be cut
 * while both ends are well. */
struct relay;

/* Takes connections, one after the other, on a socket that listens (which it then owns), and connects each to a UNIX
 * socket. */
struct relay *relay_start(int listener, const char *path);
/* Cuts the connection that there is, in the middle of whatever goes through. */
void relay_cut(struct relay *r);
/* How many connections it has taken. */
unsigned relay_count(struct relay *r);
void relay_stop(struct relay *r);

#endif
