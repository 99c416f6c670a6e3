/* SPDX-License-Identifier: MIT */
#ifndef TOOL_PROCESS_H
#define TOOL_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As long as Linux makes the name of a process, and more. */
#define PROCESS_NAME_MAX 64

struct process {
    long pid;
    char name[PROCESS_NAME_MAX];
    char state; /* 'R', 'S', 'D', 'T' …; 0: not known */
    long threads;
};

/* The processes that can be seen, in ascending order; none where there is no /proc. The caller's to free(). */
long *process_list(size_t *ret_n);

/* What a process is; false when it has gone, or hides. */
bool process_look(long pid, struct process *ret);

/* A file of a process, whole, with a NUL behind it, such as "cmdline"; NULL when it cannot be read. The caller's to
 * free(). */
char *process_read(long pid, const char *file, size_t *ret_size);

/* Where a link of a process leads, such as "cwd"; NULL when that cannot be told. The caller's to free(). */
char *process_link(long pid, const char *link);

/* The inode of the socket that a process has open as a descriptor; 0 when it is none, or cannot be told. */
uint32_t process_socket(long pid, int fd);

/* Who has a socket open: set to the first process that can be seen to. */
struct process_owner {
    uint32_t inode;
    long pid; /* 0: not known */
};
void process_find_owners(struct process_owner *owners, size_t n);

#endif
