/* SPDX-License-Identifier: MIT */
#ifndef TOOL_FOLDERS_H
#define TOOL_FOLDERS_H

#include <stddef.h>

/* A monitor's socket in one of the folders where they usually are. */
struct folder_socket {
    char *path;
    char *name; /* of its machine, as far as the path tells */
};

/* All of them, the caller's; none without memory. It is not known whether anybody listens. */
struct folder_socket *folders_look(size_t *ret_n);
void folders_free(struct folder_socket *sockets, size_t n);

#endif
