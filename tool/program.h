/* SPDX-License-Identifier: MIT */
#ifndef TOOL_PROGRAM_H
#define TOOL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A running program, in a process group of its own, with a text on its standard input. */
struct program {
    pid_t pid;
    int in;           /* -1: it has all of the text, or wants no more */
    const char *text; /* what it has not got yet; borrowed */
    size_t size;
    bool overdue; /* it was told to end */
};

/* Lets this process wait for programs, and for the signals that end it: they, and the end of a program, end only
 * program_sleep() from then on. */
void program_setup(void);

/* The signal that wants to end this process; 0: none. */
int program_signal(void);

/* Ends this process by that signal. */
_Noreturn void program_die(int signal);

/* Whether there is such a program: 0, or the error that starting it would give. */
int program_look(const char *name);

/* Starts one. Returns 0 or a negative errno. */
int program_start(struct program *p, char *const *arguments, char *const *environment, const char *text, size_t size);

/* Waits until it has ended, then `*ret_status` is as waitpid(2) gives it. At the deadline, and when a signal wants to
 * end this process, the program's group is told to end, and a little later it is killed. */
void program_wait(struct program *p, uint64_t deadline, int *ret_status);

/* Sleeps until a descriptor is readable, the deadline, or a signal. */
void program_sleep(int fd, uint64_t deadline);

#endif
