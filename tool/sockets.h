/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SOCKETS_H
#define TOOL_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A UNIX socket that has a name: one that listens, or one that was accepted there. */
struct socket {
    char *name; /* as its process gave it: a path, perhaps a relative one; an abstract name after '@' */
    uint32_t inode;
    uint32_t file;    /* the inode of its file; 0: abstract */
    dev_t device;     /* of its file */
    uint32_t peer;    /* of an accepted one: the inode of its client; 0: none, or it has gone */
    unsigned waiting; /* of one that listens: how many connections wait to be accepted */
    bool listens;
};

/* The named UNIX sockets of this machine, as they were at a moment. */
struct sockets;

/* NULL when they cannot be told. */
struct sockets *sockets_read(void);
struct sockets *sockets_free(struct sockets *s);

static inline void sockets_freep(struct sockets **s)
{
    sockets_free(*s);
}

/* The socket that listens at an address of this machine, a path or unix:@NAME; NULL when none is known to. All these
 * take NULL for sockets that cannot be told. */
const struct socket *sockets_at(const struct sockets *s, const char *address);

/* The socket that listens and has this inode. */
const struct socket *sockets_numbered(const struct sockets *s, uint32_t inode);

/* The inode of a client that was accepted there and has not gone; 0 when there is none. */
uint32_t sockets_client(const struct sockets *s, const struct socket *listener);

/* The path in an address of a UNIX socket that has a file; NULL when it is another kind of address. */
const char *sockets_path(const char *address);

#endif
