/* SPDX-License-Identifier: MIT */

/* Running a program for as long as it may run.
 *
 * One at a time, in a process group of its own, so that what it started ends with it when it must. The invariant: the
 * signals that matter are blocked but for the time of a sleep, so none is lost between a look and the sleep that
 * follows it. A program that does not read its standard input holds up nobody: it gets as much as it takes.
 *
 * It knows nothing of events. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qmp/types.h>

#include "duration.h"
#include "program.h"

/* From being told to end to being killed. */
#define GRACE (5 * QMP_SECOND)

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

#define N_ENDING (sizeof(ending) / sizeof(ending[0]))

static volatile sig_atomic_t caught;
static sigset_t before;     /* the mask while sleeping, and of programs */
static bool pipe_was_fatal; /* SIGPIPE */

static void on_signal(int signal)
{
    if (signal != SIGCHLD)
        caught = signal;
}

/* What was ignored stays so: for us, and for programs. */
static bool is_ignored(int signal)
{
    struct sigaction action;

    return sigaction(signal, /* act= */ NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void program_setup(void)
{
    struct sigaction action = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigset_t blocked;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    for (size_t i = 0; i < N_ENDING; i++)
        sigaddset(&blocked, ending[i]);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    sigdelset(&before, SIGCHLD);
    sigaction(SIGCHLD, &action, /* oldact= */ NULL);
    for (size_t i = 0; i < N_ENDING; i++)
        if (!is_ignored(ending[i]))
            sigaction(ending[i], &action, /* oldact= */ NULL);
    pipe_was_fatal = !is_ignored(SIGPIPE);
    sigaction(SIGPIPE, &ignore, /* oldact= */ NULL);
}

int program_signal(void)
{
    return caught;
}

void program_die(int number)
{
    sigset_t only;

    signal(number, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, number);
    sigprocmask(SIG_UNBLOCK, &only, /* oldset= */ NULL);
    raise(number);
    _exit(128 + number);
}

/* ---- starting ---- */

static int file_look(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EACCES;
    return access(path, X_OK) < 0 ? -errno : 0;
}

int program_look(const char *name)
{
    const char *folders = getenv("PATH");
    int r = -ENOENT;

    if (strchr(name, '/') != NULL || *name == '\0')
        return file_look(name);
    for (const char *folder = folders != NULL ? folders : "/bin:/usr/bin"; *folder != '\0';) {
        size_t size = strcspn(folder, ":");
        char path[PATH_MAX];
        int found = -ENOENT;
        if (snprintf(path, sizeof(path), "%.*s%s%s", (int)size, folder, size > 0 ? "/" : "", name) < PATH_MAX)
            found = file_look(path);
        if (found == 0)
            return 0;
        if (found == -EACCES)
            r = found;
        folder += size + (folder[size] == ':');
    }
    return r;
}

static int attributes_set(posix_spawnattr_t *attributes)
{
    sigset_t reset;

    sigemptyset(&reset);
    if (pipe_was_fatal)
        sigaddset(&reset, SIGPIPE);
    posix_spawnattr_setsigdefault(attributes, &reset);
    posix_spawnattr_setsigmask(attributes, &before);
    posix_spawnattr_setpgroup(attributes, /* pgroup= */ 0);
    return -posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(struct program *p, char *const *arguments, char *const *environment, int in)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r = -posix_spawnattr_init(&attributes);

    if (r < 0)
        return r;
    r = -posix_spawn_file_actions_init(&actions);
    if (r >= 0) {
        r = -posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
        if (r >= 0)
            r = attributes_set(&attributes);
        if (r >= 0)
            r = -posix_spawnp(&p->pid, arguments[0], &actions, &attributes, arguments, environment);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return r;
}

int program_start(struct program *p, char *const *arguments, char *const *environment, const char *text, size_t size)
{
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *p = (struct program){.in = ends[1], .text = text, .size = size};
    fcntl(p->in, F_SETFL, O_NONBLOCK);
    r = spawn(p, arguments, environment, ends[0]);
    close(ends[0]);
    if (r < 0)
        close(p->in);
    return r;
}

/* ---- waiting ---- */

static void sleep_for(int fd, short events, uint64_t deadline)
{
    struct pollfd pollfd = {fd, events, 0};
    uint64_t left = duration_until(deadline);
    struct timespec t = duration_timespec(left);

    ppoll(&pollfd, 1, left == QMP_FOREVER ? NULL : &t, &before);
}

void program_sleep(int fd, uint64_t deadline)
{
    sleep_for(fd, POLLIN, deadline);
}

/* Gives it as much of the text as it takes. */
static void feed(struct program *p)
{
    ssize_t n = 0;

    while (p->in >= 0 && p->size > 0 && (n = write(p->in, p->text, p->size)) > 0) {
        p->text += n;
        p->size -= (size_t)n;
    }
    if (p->in < 0 || (p->size > 0 && n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    close(p->in);
    p->in = -1;
}

void program_wait(struct program *p, uint64_t deadline, int *ret_status)
{
    feed(p);
    while (waitpid(p->pid, ret_status, WNOHANG) == 0) {
        bool due = duration_until(deadline) == 0;
        if (!p->overdue && (due || caught != 0)) {
            kill(-p->pid, caught != 0 ? caught : SIGTERM);
            p->overdue = true;
            deadline = duration_deadline(GRACE);
        } else if (due) {
            kill(-p->pid, SIGKILL);
            deadline = QMP_FOREVER;
        }
        sleep_for(p->in, POLLOUT, deadline);
        feed(p);
    }
    if (p->overdue)
        kill(-p->pid, SIGKILL); /* what it has left behind */
    if (p->in >= 0)
        close(p->in);
}
