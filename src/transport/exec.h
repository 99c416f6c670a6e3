/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_EXEC_H
#define SRC_TRANSPORT_EXEC_H

#include <stdbool.h>

/* Starts a command for the shell, with a socket as its standard input and output. Returns 0 with the other end of that,
 * and where exec_status() reads; both close-on-exec and the caller's. -EIO when the shell could not; other errnos. */
int exec_start(const char *command, int *ret_fd, int *ret_status_fd);

/* Whether the command has ended: its exit status as in a shell's $? (128 + the number of a signal). It is known before
 * the last copy of the command's end of the socket is closed. May be asked again. */
bool exec_status(int status_fd, int *ret);

#endif
