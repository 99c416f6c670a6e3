/* SPDX-License-Identifier: MIT */
/* A command as the peer.
 *
 * A library must not leave children to a program that does not know about them: neither zombies, nor a status that the
 * program's own waitpid(-1) takes away, nor a SIGCHLD for each end of a connection. So the command runs below a shell
 * in the background of a shell that exits at once: that one is waited for here, in a moment, and the other is init's.
 *
 * That other shell tells the exit status, on a socket of its own, and only then ends, which closes the last copy of the
 * command's socket that it has: who reads the end of the stream finds the status there. The status is looked at with
 * MSG_PEEK, so it can be asked for again.
 *
 * The numbers are chosen in the child alone: the socket comes as 8 and the status as 9, since a shell gives /dev/null
 * to what runs in the background before it looks at redirections, and knows no numbers above 9. The command sees
 * neither. No process group is made: who asks for a password on the terminal must be in the one in front. Shells make
 * what they run in the background ignore SIGINT and SIGQUIT, which is right here: an interrupt is the program's to act
 * on, and the command ends with its standard input. It refuses to know what the command is. */

#include "transport/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/socket.h"
#include "util/util.h"

#define SHELL "/bin/sh"
#define SOCKET_NUMBER 8
#define STATUS_NUMBER 9
/* "255\n", and room to see that it is no more. */
#define STATUS_MAX 8u

static const char script[] = "{ " SHELL " -c -- \"$1\" 9>&-; echo \"$?\" >&9; } <&8 >&8 8>&- &";

extern char **environ;

/* Both ends of both sockets: ours first. -1: not open. */
struct ends {
    int stream[2], status[2];
};

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void ends_close(struct ends *e)
{
    for (unsigned i = 0; i < 2; i++) {
        close_end(&e->stream[i]);
        close_end(&e->status[i]);
    }
}

/* Out of the way of the numbers that the child gives them. */
static int lift(int *fd)
{
    int r = fcntl(*fd, F_DUPFD_CLOEXEC, STATUS_NUMBER + 1);

    /* So low a limit that there are no such numbers. */
    if (r < 0)
        return errno == EINVAL ? -EMFILE : -errno;
    close(*fd);
    *fd = r;
    return 0;
}

static int ends_open(struct ends *e)
{
    int r = socket_pair(e->stream);

    if (r >= 0)
        r = socket_pair(e->status);
    if (r >= 0)
        r = lift(&e->stream[1]);
    if (r >= 0)
        r = lift(&e->status[1]);
    return r;
}

/* Whatever this program ignores or blocks, the command starts like any other. */
static int set_signals(posix_spawnattr_t *attributes)
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGALRM};
    sigset_t defaults, none;

    sigemptyset(&none);
    sigemptyset(&defaults);
    for (size_t i = 0; i < ELEMENTS(numbers); i++)
        sigaddset(&defaults, numbers[i]);
    if (posix_spawnattr_setsigmask(attributes, &none) != 0 || posix_spawnattr_setsigdefault(attributes, &defaults) != 0)
        return -EINVAL;
    return -posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn_with(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, const char *command,
    const struct ends *e, pid_t *ret)
{
    char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)script,
        (char *)(uintptr_t) "sh", (char *)(uintptr_t)command, NULL};
    int r = set_signals(attributes);

    if (r >= 0)
        r = -posix_spawn_file_actions_adddup2(actions, e->stream[1], SOCKET_NUMBER);
    if (r >= 0)
        r = -posix_spawn_file_actions_adddup2(actions, e->status[1], STATUS_NUMBER);
    return r < 0 ? r : -posix_spawn(ret, SHELL, actions, attributes, arguments, environ);
}

static int spawn(const char *command, const struct ends *e, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r = -posix_spawn_file_actions_init(&actions);

    if (r < 0)
        return r;
    r = -posix_spawnattr_init(&attributes);
    if (r >= 0) {
        r = spawn_with(&actions, &attributes, command, e, ret);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* The shell in front, which exits when it has put the other one in the background. */
static int reap(pid_t pid)
{
    int status = 0;
    pid_t r;

    do
        r = waitpid(pid, &status, 0);
    while (r < 0 && errno == EINTR);
    /* Somebody else in this program has waited for it, or nobody has to. */
    if (r < 0)
        return errno == ECHILD ? 0 : -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int exec_start(const char *command, int *ret_fd, int *ret_status_fd)
{
    struct ends e = {{-1, -1}, {-1, -1}};
    pid_t pid = -1;
    int r = ends_open(&e);

    if (r >= 0)
        r = socket_adopt(e.stream[0]);
    if (r >= 0)
        r = spawn(command, &e, &pid);
    if (r >= 0)
        r = reap(pid);
    if (r >= 0) {
        *ret_fd = e.stream[0];
        *ret_status_fd = e.status[0];
        e.stream[0] = e.status[0] = -1;
    }
    ends_close(&e);
    return r;
}

bool exec_status(int status_fd, int *ret)
{
    char text[STATUS_MAX] = "";
    ssize_t n = status_fd < 0 ? -1 : recv(status_fd, text, sizeof(text) - 1, MSG_PEEK | MSG_DONTWAIT);
    char *end;
    long status = strtol(text, &end, 10);

    if (n <= 0 || end == text)
        return false;
    *ret = (int)status;
    return true;
}
