/* SPDX-License-Identifier: MIT */

/* Signals of the shell, made into something to look at.
 *
 * All of them are blocked, but for the moments in which the shell sleeps: so no system call of anybody's is ever
 * interrupted, and none can come between looking and sleeping. A handler does nothing but take a note. What the process
 * was born with is kept for its children.
 *
 * It knows nothing of what is done about a wish. */

#include "shell-signals.h"

#include <qmp/types.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duration.h"

static const struct {
    int signal;
    enum signal_wish wish;
} taken[] = {
    {SIGINT, SIGNAL_INTERRUPT},
    {SIGWINCH, SIGNAL_RESIZE},
    {SIGTSTP, SIGNAL_STOP},
    {SIGTERM, SIGNAL_END},
    {SIGHUP, SIGNAL_END},
};
#define TAKEN (sizeof(taken) / sizeof(taken[0]))

static volatile sig_atomic_t wishes[SIGNAL_WISHES];
static volatile sig_atomic_t end_signal;
static sigset_t original;
static bool quit_ignored; /* SIGQUIT, by us */

static void note(int signal)
{
    for (size_t i = 0; i < TAKEN; i++)
        if (taken[i].signal == signal)
            wishes[taken[i].wish] = 1;
    if (signal == SIGTERM || signal == SIGHUP)
        end_signal = signal;
}

void signals_take(bool interactive)
{
    struct sigaction action = {.sa_handler = note};
    sigset_t blocked;

    sigemptyset(&blocked);
    sigemptyset(&action.sa_mask);
    sigaddset(&blocked, SIGCHLD);
    sigaction(SIGCHLD, &action, /* ret_old= */ NULL);
    for (size_t i = 0; interactive && i < TAKEN; i++) {
        sigaddset(&blocked, taken[i].signal);
        sigaction(taken[i].signal, &action, /* ret_old= */ NULL);
    }
    if (interactive) {
        struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
        sigaction(SIGQUIT, &ignore, &old);
        quit_ignored = old.sa_handler == SIG_DFL;
    }
    sigprocmask(SIG_BLOCK, &blocked, &original);
    sigdelset(&original, SIGCHLD); /* whoever started us may have blocked it, and no child's end would wake us */
}

int signals_poll(struct pollfd *fds, nfds_t n, uint64_t timeout)
{
    struct timespec t = duration_timespec(timeout);

    return ppoll(fds, n, timeout == QMP_FOREVER ? NULL : &t, &original);
}

bool signals_wish(enum signal_wish wish)
{
    bool ret = wishes[wish] != 0; /* they are blocked now: no other can come between */

    wishes[wish] = 0;
    return ret;
}

void signals_forget(enum signal_wish wish)
{
    signals_poll(/* fds= */ NULL, 0, /* timeout= */ 0);
    wishes[wish] = 0;
}

void signals_stop(void)
{
    kill(getpid(), SIGSTOP);
}

void signals_end(void)
{
    int signal = (int)end_signal;
    struct sigaction action = {.sa_handler = SIG_DFL};

    if (signal == 0)
        return;
    sigaction(signal, &action, /* ret_old= */ NULL);
    raise(signal);
    sigprocmask(SIG_SETMASK, &original, /* ret_old= */ NULL);
}

void signals_restore(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    for (size_t i = 0; i < TAKEN; i++)
        sigaction(taken[i].signal, &action, /* ret_old= */ NULL);
    sigaction(SIGCHLD, &action, /* ret_old= */ NULL);
    if (quit_ignored)
        sigaction(SIGQUIT, &action, /* ret_old= */ NULL);
    sigprocmask(SIG_SETMASK, &original, /* ret_old= */ NULL);
}
