/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_HOLDER_H
#define SRC_TRANSPORT_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define PROCESS_NAME_MAX 32

struct process {
    pid_t pid; /* 0: not visible to this user */
    char name[PROCESS_NAME_MAX];
    char state;       /* as in /proc/PID/stat: R, S, T …; 0: unknown */
    uint64_t started; /* clock ticks from the start of the system; 0: unknown */
};

/* Another client of the server at the address, as getpeername(2) may give it, than `fd` (-1 for none). Returns true
 * when there is one for certain. Always false where the system cannot tell, and for an address without a name. */
bool holder_find(const struct sockaddr_un *un, socklen_t size, int fd, struct process *ret);

/* The process that listens at the other end of a socket that we connected. Returns false where the system cannot tell.
 */
bool holder_server(int fd, struct process *ret);

#endif
