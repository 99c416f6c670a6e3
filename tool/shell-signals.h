/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_SIGNALS_H
#define TOOL_SHELL_SIGNALS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum signal_wish {
    SIGNAL_INTERRUPT, /* Ctrl-C */
    SIGNAL_RESIZE,    /* the terminal has another size */
    SIGNAL_STOP,      /* Ctrl-Z */
    SIGNAL_END,       /* the terminal has gone, or somebody wants the process to end */
    SIGNAL_WISHES
};

/* From now on signals of the terminal are wishes that signals_wish() tells of, and arrive in signals_poll() only. Not
 * `interactive`: only that children end is of interest. */
void signals_take(bool interactive);

/* Waits as poll(2) does, for µs; also until a signal arrives. */
int signals_poll(struct pollfd *fds, nfds_t n, uint64_t timeout);

/* Whether there was a wish since it was last asked for. */
bool signals_wish(enum signal_wish wish);

/* Forgets a wish, also one whose signal is on its way. */
void signals_forget(enum signal_wish wish);

/* Stops the process, until it is told to go on. */
void signals_stop(void);

/* Ends the process as the signal would have that was SIGNAL_END. Returns where there was none. */
void signals_end(void);

/* In a child, before it becomes another program: everything as it was. */
void signals_restore(void);

#endif
