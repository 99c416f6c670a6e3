/* SPDX-License-Identifier: MIT */
/* A real qemu-ga for a test.
 *
 * Readiness needs no polling: the test makes the socket that the agent listens on and hands it over as a service
 * manager would, so a client can connect before the agent has as much as started; it is served when it has.
 *
 * Invariant: an agent that was started is on the list until agent_stop_all(), so that a test which fails half-way
 * leaves nothing behind; and a test that crashes takes its agent along, by the parent-death signal.
 *
 * It refuses to know libqmpclient, and what the agent is told. */

#include "agent.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Where a service manager puts the first socket. */
#define HANDED_OVER 3
#define PROGRAM "/usr/sbin/qemu-ga"

struct agent {
    struct agent *next;
    const char *path;
    pid_t pid; /* 0 once reaped */
};

static struct agent *agents;

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* Between fork() and exec: nothing here may allocate or lock. */
static _Noreturn void run_child(int listener, const char *path, const char *folder, pid_t parent)
{
    char handed_over[] = "LISTEN_FDS=1", whom[32];
    char *const environment[] = {handed_over, whom, NULL};
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(1);
    snprintf(whom, sizeof(whom), "LISTEN_PID=%ld", (long)getpid());
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    /* To another number first: on its own, dup2() would leave it close-on-exec. */
    dup2(listener, HANDED_OVER + 1);
    dup2(HANDED_OVER + 1, HANDED_OVER);
    close(HANDED_OVER + 1);
    execle(PROGRAM, "qemu-ga", "-m", "unix-listen", "-p", path, "-t", folder, (char *)NULL, environment);
    _exit(1);
}

struct agent *agent_start(void)
{
    struct agent *a = calloc(1, sizeof(*a));
    pid_t parent = getpid();

    if (access(PROGRAM, X_OK) < 0)
        fail_msg("%s is not installed: these tests need the Debian package qemu-guest-agent", PROGRAM);
    assert_non_null(a);
    a->next = agents;
    agents = a;
    a->path = check_path(a->next ? "another" : "agent");
    int listener = listen_at(a->path);
    const char *folder = check_path(".");
    a->pid = fork();
    if (a->pid == 0)
        run_child(listener, a->path, folder, parent);
    close(listener);
    assert_true(a->pid > 0);
    return a;
}

const char *agent_address(const struct agent *a)
{
    return a->path;
}

void agent_freeze(struct agent *a)
{
    int status;

    assert_int_equal(kill(a->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(a->pid, &status, WUNTRACED), a->pid);
    assert_true(WIFSTOPPED(status));
}

void agent_thaw(struct agent *a)
{
    assert_int_equal(kill(a->pid, SIGCONT), 0);
}

void agent_kill(struct agent *a)
{
    if (a->pid <= 0)
        return;
    kill(a->pid, SIGKILL);
    while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    a->pid = 0;
}

void agent_stop_all(void)
{
    while (agents) {
        struct agent *a = agents;

        agents = a->next;
        agent_kill(a);
        free(a);
    }
}
