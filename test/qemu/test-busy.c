/* SPDX-License-Identifier: MIT */
/* A monitor that somebody else holds. QEMU serves one client; the next one connects and hears nothing, and when two
 * wait like that, further ones cannot even connect. The library says so, and who it is, and gets through when the
 * holder leaves in time.
 *
 * Invariant: every attempt ends within its own timeout, and disturbs neither the holder nor those that wait before it.
 *
 * Holders and waiters are plain sockets: they do not depend on the library. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "worker.h"

#define HOLDER_NAME "monitor-holder"
#define WAITERS_MAX 64

/* A connection by hand; -1 with errno when it cannot be made at once. */
static int connect_by_hand(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Waits for the greeting: from then on the monitor is this connection's. */
static void hold(int fd)
{
    char buffer[4096];

    assert_true(check_poll(fd, POLLIN, CHECK_WAIT) & POLLIN);
    assert_true(recv(fd, buffer, sizeof(buffer), 0) > 0);
}

static int attempt(qmp_client *c, const char *path)
{
    assert_ok(qmp_client_set_connect_timeout(c, MOMENT));
    assert_ok(qmp_client_connect(c, path));
    uint64_t before = check_now();
    int r = qmp_client_wait_running(c, CHECK_WAIT);
    assert_true(check_now() - before < CHECK_WAIT / 2);
    return r;
}

static void assert_names(qmp_client *c, pid_t pid, const char *name)
{
    char text[32];

    snprintf(text, sizeof(text), "pid %d", (int)pid);
    assert_contains(qmp_client_failure(c), text);
    assert_contains(qmp_client_failure(c), name);
}

/* The name of this process, as the kernel has it. */
static void own_name(char *name, size_t size)
{
    FILE *f = fopen("/proc/self/comm", "re");

    assert_non_null(f);
    assert_non_null(fgets(name, (int)size, f));
    name[strcspn(name, "\n")] = '\0';
    fclose(f);
}

/* The second client, when the holder is this very process. */
static void held_by_this_process(struct fixture *f)
{
    char name[32];

    begin(f);
    own_name(name, sizeof(name));
    qmp_client *c = new_client(f);
    assert_error(attempt(c, machine_address(f->machine, 0)), -EBUSY);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_GREETING);
    assert_names(c, getpid(), name);
    assert_contains(qmp_client_failure(c), machine_address(f->machine, 0));
    synchronize(f->client);

    f->client = qmp_client_unref(f->client);
    assert_ok(qmp_client_set_connect_timeout(c, CHECK_WAIT));
    assert_ok(qmp_client_connect(c, machine_address(f->machine, 0)));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_string_equal(qmp_client_failure(c), "");
    qmp_client_unref(c);
}

static _Noreturn void be_holder(const char *path, int ready, pid_t parent)
{
    char byte = 0;

    prctl(PR_SET_NAME, HOLDER_NAME);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(1);
    int fd = connect_by_hand(path);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (fd < 0 || poll(&p, 1, (int)(CHECK_WAIT / QMP_MILLISECOND)) != 1 || write(ready, &byte, 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

/* The second client, when the holder is another process: its pid and its name. */
static void held_by_another_process(struct fixture *f)
{
    pid_t parent = getpid();
    int ready[2];

    begin(f);
    assert_int_equal(pipe(ready), 0);
    pid_t holder = fork();
    if (holder == 0)
        be_holder(machine_address(f->machine, 1), ready[1], parent);
    close(ready[1]);
    assert_true(check_poll(ready[0], POLLIN, CHECK_WAIT) & POLLIN);
    assert_int_equal(read(ready[0], &(char){0}, 1), 1);
    close(ready[0]);

    qmp_client *c = new_client(f);
    int r = attempt(c, machine_address(f->machine, 1));
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    assert_error(r, -EBUSY);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_GREETING);
    assert_names(c, holder, HOLDER_NAME);
    qmp_client_unref(c);
}

/* Fills what the kernel lets wait before the monitor. */
static size_t fill_backlog(const char *path, int *fds)
{
    size_t n = 0;

    while ((fds[n] = connect_by_hand(path)) >= 0)
        assert_true(++n < WAITERS_MAX);
    assert_int_equal(errno, EAGAIN);
    return n;
}

/* The third client: the kernel refuses it, with an error that means "later"; so it tries again until its time is over.
 */
static void backlog_full(struct fixture *f)
{
    int waiters[WAITERS_MAX];

    begin(f);
    const char *path = machine_address(f->machine, 1);
    int holder = connect_by_hand(path);
    hold(holder);
    size_t n = fill_backlog(path, waiters);
    qmp_client *c = new_client(f);
    int r = attempt(c, path);
    assert_error(r, -EBUSY);
    assert_names(c, getpid(), "pid");
    close(holder);
    for (size_t i = 0; i < n; i++)
        close(waiters[i]);
    assert_ok(qmp_client_set_connect_timeout(c, CHECK_WAIT));
    assert_ok(qmp_client_connect(c, path));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    synchronize(c);
    qmp_client_unref(c);
}

struct leaving {
    int fds[WAITERS_MAX];
    size_t n;
};

static int leave(void *argument)
{
    struct leaving *l = argument;

    for (size_t i = 0; i < l->n; i++)
        close(l->fds[i]);
    return 0;
}

static void gets_through(struct fixture *f, bool full)
{
    struct leaving leaving = {.n = 1};

    begin(f);
    const char *path = machine_address(f->machine, 1);
    leaving.fds[0] = connect_by_hand(path);
    hold(leaving.fds[0]);
    if (full)
        leaving.n += fill_backlog(path, leaving.fds + 1);
    qmp_client *c = new_client(f);
    assert_ok(qmp_client_connect(c, path));
    assert_error(qmp_client_wait_running(c, MOMENT), -ETIMEDOUT);
    struct worker *w = worker_start(leave, &leaving);
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    worker_join(w);
    synchronize(c);
    qmp_client_unref(c);
}

/* The holder leaves while the second client waits. */
static void holder_leaves(struct fixture *f)
{
    gets_through(f, /* full= */ false);
}

/* The holder and the others leave while one waits that could not even connect. */
static void backlog_drains(struct fixture *f)
{
    gets_through(f, /* full= */ true);
}

static const struct scenario scenarios[] = {
    {"held by this process", held_by_this_process, EVERY_WAY},
    {"held by another process", held_by_another_process, EVERY_WAY},
    {"backlog full", backlog_full, EVERY_WAY},
    {"holder leaves", holder_leaves, EVERY_WAY},
    {"backlog drains", backlog_drains, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
