/* SPDX-License-Identifier: MIT */

/* A dead man's switch: what has to be undone is undone although the process that did it was killed.
 *
 * The guard is a child in a session of its own, so nothing that is sent to our terminal or process group reaches it,
 * and under a name of its own, so that whoever kills processes by name kills one of the two. It holds one end of a pair
 * of sockets, says when it stands there, and reads the state that the other end tells it. The invariant: the other end
 * is nobody's but ours, so its end is our end, whatever its cause; then the guard acts on the last state that it was
 * told. Nothing is begun before the guard has left our process group. It holds no other descriptor that somebody could
 * be waiting for.
 *
 * It knows nothing of what is undone. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard.h"

#define NAME "thaw-guard"

static void standard_descriptors_leave(void)
{
    int null = open("/dev/null", O_RDWR);

    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}

static void signals_ignore(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTOU};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], SIG_IGN);
}

/* The life of the guard. */
static _Noreturn void stand(int fd, void (*undo)(const void *userdata), const void *userdata)
{
    struct guard_state state = {0}, told;
    ssize_t n;

    setsid();
    prctl(PR_SET_NAME, NAME);
    signals_ignore();
    standard_descriptors_leave();
    do
        n = write(fd, "", 1);
    while (n < 0 && errno == EINTR);
    do {
        n = read(fd, &told, sizeof(told));
        if (n == (ssize_t)sizeof(told))
            state = told;
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (state.group > 0)
        kill(-state.group, SIGKILL);
    if (state.armed)
        undo(userdata);
    _exit(0);
}

/* Waits for the guard's word that it stands. Returns 0, or -EPIPE when it has died instead. */
static int stands(int fd)
{
    ssize_t n;
    char word;

    do
        n = read(fd, &word, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 ? 0 : -EPIPE;
}

int guard_start(struct guard *g, void (*undo)(const void *userdata), const void *userdata)
{
    int fds[2], r;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        close(fds[1]);
        stand(fds[0], undo, userdata);
    }
    r = pid < 0 ? -errno : 0;
    close(fds[0]);
    if (pid > 0)
        r = stands(fds[1]);
    if (r < 0) {
        close(fds[1]);
        return r;
    }
    *g = (struct guard){.pid = pid, .fd = fds[1]};
    return 0;
}

bool guard_tell(const struct guard *g)
{
    ssize_t n;

    do
        n = write(g->fd, &g->state, sizeof(g->state));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(g->state);
}

void guard_end(struct guard *g)
{
    if (g->pid == 0)
        return;
    g->state = (struct guard_state){0};
    guard_tell(g);
    close(g->fd);
    while (waitpid(g->pid, /* wstatus= */ NULL, /* options= */ 0) < 0 && errno == EINTR)
        continue;
    g->pid = 0;
}
