/* SPDX-License-Identifier: MIT */
#ifndef TEST_QEMU_RELAY_H
#define TEST_QEMU_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A thread between clients and a server: what comes to one socket goes on to another, and the connection can be cut
 * while both ends are well. */
struct relay;

/* What it does to what goes through, at random. */
enum {
    RELAY_SPLIT = 1,    /* in pieces */
    RELAY_MERGE = 2,    /* together with what comes a moment later */
    RELAY_DELAY = 4,    /* a moment late */
    RELAY_CUT = 8,      /* the first part, and then nothing more */
    RELAY_CORRUPT = 16, /* with a byte that is another one, or missing, or more than there were */
    RELAY_REORDER = 32, /* with two parts in each other's place */
    RELAY_SPARE = 64,   /* RELAY_CORRUPT and RELAY_REORDER not in what goes to the server */
};

/* Takes connections, one after the other, on a socket that listens (which it then owns), and connects each to a UNIX
 * socket. */
struct relay *relay_start(int listener, const char *path);
/* From now on it does some of these, at random from a seed; with none (as it starts) it passes all on as it comes. */
void relay_disturb(struct relay *r, unsigned how, uint64_t seed);
/* Cuts the connection that there is, in the middle of whatever goes through. */
void relay_cut(struct relay *r);
/* From now on it connects the connections that it takes to another server. */
void relay_lead(struct relay *r, const char *path);
/* How many connections it has taken. */
unsigned relay_count(struct relay *r);
void relay_stop(struct relay *r);

/* What went through a connection: to the client, and to the server. */
struct relay_record {
    char *text[2];
    size_t size[2];
};

/* Ends all that goes through, for good. Borrowed until relay_stop(). */
const struct relay_record *relay_records(struct relay *r, size_t *ret_n);

#endif
