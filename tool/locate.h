/* SPDX-License-Identifier: MIT */
#ifndef TOOL_LOCATE_H
#define TOOL_LOCATE_H

#include "outcome.h"
#include "sockets.h"

/* Whether a monitor of another process can be reached from here, as far as that shows without trying. */
enum reach {
    REACH_FINE,
    REACH_ABSENT, /* its socket is not there: removed, or in another namespace */
    REACH_HIDDEN, /* it takes more permission to tell */
};

struct monitor {
    char *address; /* as -s takes it; NULL when not even that can be told */
    enum reach reach;
    bool tls;  /* it wants TLS */
    bool wait; /* QEMU was told to wait there for its first client before it starts */
};

/* A process of this machine that serves QMP: a QEMU, a storage daemon. */
struct machine {
    char *name;    /* -name, or that of its socket's file, or "qemu-PID" */
    char *program; /* "qemu-system-x86_64"; NULL: not known */
    long pid;      /* 0: not known, only a socket in a usual folder is */
    bool named;    /* the name is that of -name */
    struct monitor *monitors;
    size_t n_monitors;
};

/* All of them, in the order of their names. Asks nobody: it reads what the system knows. */
enum outcome locate_machines(struct machine **ret, size_t *ret_n);
void locate_free(struct machine *machines, size_t n);

/* The monitor of a machine to talk to: one that can be reached and that nobody holds, as far as `sockets` tell (NULL:
 * nothing), else one that can be reached, or might be; NULL when there is none. */
const struct monitor *locate_monitor(const struct machine *machine, const struct sockets *sockets);

#endif
