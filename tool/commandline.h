/* SPDX-License-Identifier: MIT */
#ifndef TOOL_COMMANDLINE_H
#define TOOL_COMMANDLINE_H

#include <stdbool.h>
#include <stddef.h>

/* What a character device serves. */
enum role {
    ROLE_UNKNOWN, /* nothing on the command line refers to it */
    ROLE_MONITOR, /* QMP */
    ROLE_HUMAN,   /* the monitor for people */
    ROLE_AGENT,   /* leads to the guest agent in the guest */
    ROLE_OTHER
};

/* A socket on QEMU's command line. Strings are as they stand there; NULL: not given. */
struct endpoint {
    char *id; /* of its -chardev */
    enum role role;
    char *use;  /* of ROLE_OTHER: the option or the device it is for */
    char *path; /* a UNIX socket's; without the '@' of an abstract one */
    char *host, *port;
    int fd;      /* that QEMU was started with; -1: none */
    bool server; /* it listens; else it dials */
    bool wait;   /* QEMU does not start before somebody has connected */
    bool tls;
    bool abstract;
    bool strange; /* telnet, websockets and the like, which qmp does not speak */
};

struct commandline {
    char *name; /* -name */
    struct endpoint *endpoints;
    size_t n;
};

/* Takes the command line of a QEMU, or of a storage daemon, apart: `size` bytes, each argument with a NUL behind it.
 * Whatever is wrong in it is passed over. False without memory. Then commandline_done(), in any case. */
bool commandline_parse(struct commandline *ret, const char *text, size_t size, bool storage_daemon);
void commandline_done(struct commandline *c);

#endif
