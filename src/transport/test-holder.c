/* SPDX-License-Identifier: MIT */
/* Who holds a monitor. The server is the test itself; clients are children that it forks, each with its name, which
 * say when they are connected and leave when they are told to.
 *
 * Being certain is the point: whoever is named does hold an accepted connection of this server, and nobody is named
 * for sockets that only look like it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transport/address.h"
#include "transport/holder.h"

#ifdef __linux__

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/socket.h"
#include "util/util.h"

#define WAIT (30 * USEC_PER_SEC)
#define RUN_SECONDS 110

/* ---- children ---- */

struct child {
    pid_t pid;
    int ready; /* a byte when it is done with its part, and its end */
    int leave; /* a byte tells it to go */
};

/* What a child does: returns 0 when it has done it. */
typedef int (*part_fn)(const struct address *a, const char *name);

static _Noreturn void child_run(part_fn part, const struct address *a, const char *name, int ready, int leave)
{
    char byte = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (name)
        prctl(PR_SET_NAME, name);
    if (part(a, name) < 0)
        _exit(1);
    if (write(ready, &byte, 1) == 1)
        _exit(read(leave, &byte, 1) == 1 ? 0 : 2);
    _exit(3);
}

static struct child child_start(part_fn part, const struct address *a, const char *name)
{
    int ready[2], leave[2];
    struct pollfd p;
    struct child c;
    char byte;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(leave), 0);
    c.pid = fork();
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        close(ready[0]);
        close(leave[1]);
        child_run(part, a, name, ready[1], leave[0]);
    }
    close(ready[1]);
    close(leave[0]);
    c.ready = ready[0];
    c.leave = leave[1];
    p = (struct pollfd){.fd = c.ready, .events = POLLIN};
    assert_int_equal(poll(&p, 1, (int)(WAIT / 1000)), 1);
    assert_int_equal(read(c.ready, &byte, 1), 1);
    return c;
}

static void child_end(struct child *c)
{
    int status = 0;

    assert_int_equal(write(c->leave, "", 1), 1);
    close(c->leave);
    close(c->ready);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int dial(const struct address *a)
{
    bool connected;

    return socket_connect((const struct sockaddr *)(const void *)&a->unix_.un, a->unix_.size, &connected);
}

static int part_connect(const struct address *a, const char *name)
{
    (void)name;
    return dial(a);
}

/* A connection, and the same twice, in a process that has much else open. */
static int part_connect_and_dup(const struct address *a, const char *name)
{
    int fd;

    for (int i = 0; i < 30; i++) {
        if (dup(STDERR_FILENO) < 0)
            return -1;
    }
    fd = part_connect(a, name);
    return fd < 0 ? fd : dup(fd);
}

/* ---- servers ---- */

static char folder[64];

static int make_folder(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof(folder), "%s/qmp-test-XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"socket", "socket2", "sock"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static struct address at(const char *name)
{
    char path[128];
    const char *flaw;
    struct address a;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(address_parse(&a, path, &flaw), 0);
    return a;
}

static struct address at_abstract(const char *prefix)
{
    char text[128];
    const char *flaw;
    struct address a;

    snprintf(text, sizeof(text), "unix:@qmp-test-%ld-%s", (long)getpid(), prefix);
    assert_int_equal(address_parse(&a, text, &flaw), 0);
    return a;
}

static int new_server(const struct address *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&a->unix_.un, a->unix_.size), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int take_connection(int server)
{
    int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static int connect_to(const struct address *a)
{
    int fd = dial(a);

    assert_true(fd >= 0);
    return fd;
}

/* Whether the kernel tells about UNIX sockets at all, asked in another way than the code under test does. */
static bool kernel_tells(void)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } m = {.header = {.nlmsg_len = sizeof(m),
               .nlmsg_type = SOCK_DIAG_BY_FAMILY,
               .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = AF_UNIX, .udiag_states = UINT32_MAX}};
    struct nlmsghdr reply[64] = {{0}};
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool tells = fd >= 0 && write(fd, &m, sizeof(m)) == (ssize_t)sizeof(m) && recv(fd, reply, sizeof(reply), 0) > 0 &&
                 reply[0].nlmsg_type == SOCK_DIAG_BY_FAMILY;

    if (fd >= 0)
        close(fd);
    return tells;
}

static void need_kernel(void)
{
    static int tells = -1;
    int fds[2];

    if (tells < 0) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        tells = kernel_tells();
        close(fds[0]);
        close(fds[1]);
    }
    if (!tells)
        skip();
}

static void assert_held_by(const struct address *a, int fd, const struct child *c, const char *name)
{
    struct process p;

    memset(&p, 0xff, sizeof(p));
    assert_true(holder_find(&a->unix_.un, a->unix_.size, fd, &p));
    assert_int_equal(p.pid, c->pid);
    assert_string_equal(p.name, name);
    assert_true(p.state == 'S' || p.state == 'R');
}

static void assert_held_by_nobody(const struct address *a, int fd)
{
    struct process p, before;

    memset(&p, 0x5a, sizeof(p));
    before = p;
    assert_false(holder_find(&a->unix_.un, a->unix_.size, fd, &p));
    assert_memory_equal(&p, &before, sizeof(p));
}

/* ---- somebody ---- */

/* The command's own name, whatever it is made of: /proc puts it between parentheses, as it is. */
static void test_names(void **state)
{
    static const char *const names[] = {
        "virtqemud", "x) (y", ") S 1 (", "a b", "new\nline", "\x1b[31mred", "\xC3\xA9", "123456789012345", "("};
    struct address a = at("socket");
    int server;

    (void)state;
    need_kernel();
    server = new_server(&a);
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        struct child c = child_start(part_connect, &a, names[i]);
        int held = take_connection(server), own = connect_to(&a);

        assert_held_by(&a, own, &c, names[i]);
        assert_held_by(&a, -1, &c, names[i]);
        close(own);
        close(take_connection(server));
        child_end(&c);
        assert_held_by_nobody(&a, -1); /* the server has not noticed yet */
        close(held);
    }
    close(server);
}

static void test_abstract(void **state)
{
    struct address a = at_abstract("a"), longer = at_abstract("aa");
    struct child c;
    int server, other, held, own;

    (void)state;
    need_kernel();
    server = new_server(&a);
    other = new_server(&longer);
    c = child_start(part_connect, &a, "abstract");
    held = take_connection(server);
    own = connect_to(&a);
    assert_held_by(&a, own, &c, "abstract");
    assert_held_by_nobody(&longer, -1);
    child_end(&c);
    close(held);
    c = child_start(part_connect, &longer, "longer");
    held = take_connection(other);
    assert_held_by_nobody(&a, own);
    assert_held_by(&longer, own, &c, "longer");
    child_end(&c);
    close(own);
    close(held);
    close(other);
    close(server);
}

static void test_among_many(void **state)
{
    struct address a = at("socket");
    int server, held, own, pairs[300][2], left[16];
    struct child c;

    (void)state;
    need_kernel();
    server = new_server(&a);
    for (size_t i = 0; i < ELEMENTS(pairs); i++)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]), 0);
    for (size_t i = 0; i < ELEMENTS(left); i++) { /* clients that are gone, which the server has not noticed */
        own = connect_to(&a);
        left[i] = take_connection(server);
        close(own);
    }
    c = child_start(part_connect_and_dup, &a, "one of many");
    held = take_connection(server);
    own = connect_to(&a);
    assert_held_by(&a, own, &c, "one of many");
    child_end(&c);
    for (size_t i = 0; i < ELEMENTS(pairs); i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    for (size_t i = 0; i < ELEMENTS(left); i++)
        close(left[i]);
    close(own);
    close(held);
    close(server);
}

/* Another client in this very process is another client. */
static void test_ourselves(void **state)
{
    struct address a = at("socket");
    int server, held, first, own;
    struct process p;

    (void)state;
    need_kernel();
    server = new_server(&a);
    first = connect_to(&a);
    held = take_connection(server);
    own = connect_to(&a);
    assert_true(holder_find(&a.unix_.un, a.unix_.size, own, &p));
    assert_int_equal(p.pid, getpid());
    close(own);
    close(first);
    close(held);
    close(server);
}

/* ---- nobody ---- */

static void test_nobody(void **state)
{
    struct address a = at("socket"), nothing = at("nothing"), unnamed = {.kind = ADDRESS_UNIX};
    int server = new_server(&a), own;

    (void)state;
    assert_held_by_nobody(&unnamed, -1);
    unnamed.unix_.size = sizeof(sa_family_t);
    assert_held_by_nobody(&unnamed, -1);
    assert_held_by_nobody(&a, -1);
    assert_held_by_nobody(&nothing, -1);
    own = connect_to(&a);
    assert_held_by_nobody(&a, own);
    assert_held_by_nobody(&a, -1); /* it waits in the backlog, as all do at first */
    close(own);
    close(server);
}

/* The one who holds it is the one who asks. */
static void test_own_connection(void **state)
{
    struct address a = at("socket");
    int server = new_server(&a), own = connect_to(&a), held = take_connection(server);

    (void)state;
    assert_held_by_nobody(&a, own);
    close(held);
    close(own);
    close(server);
}

static void test_backlog(void **state)
{
    struct address a = at("socket");
    int server = new_server(&a), own;
    struct child c = child_start(part_connect, &a, "waits too");

    (void)state;
    own = connect_to(&a);
    assert_held_by_nobody(&a, own);
    child_end(&c);
    close(own);
    close(server);
}

/* Names that begin alike, and sockets without a name. */
static void test_neighbours(void **state)
{
    struct address a = at("socket"), longer = at("socket2"), shorter = at("sock");
    int server = new_server(&a), servers[2] = {new_server(&longer), new_server(&shorter)}, held[2], fds[2];
    struct child c[2] = {child_start(part_connect, &longer, "longer"), child_start(part_connect, &shorter, "shorter")};

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (size_t i = 0; i < 2; i++)
        held[i] = take_connection(servers[i]);
    assert_held_by_nobody(&a, -1);
    for (size_t i = 0; i < 2; i++) {
        child_end(&c[i]);
        close(fds[i]);
        close(held[i]);
        close(servers[i]);
    }
    close(server);
}

/* An old server was at this path and still serves; the one that is asked about is another. */
static void test_former_server(void **state)
{
    struct address a = at("socket");
    int former, server, held, own;
    struct child c;

    (void)state;
    need_kernel();
    former = new_server(&a);
    c = child_start(part_connect, &a, "of the former");
    held = take_connection(former);
    assert_held_by(&a, -1, &c, "of the former");
    assert_int_equal(unlink(a.unix_.un.sun_path), 0);
    server = new_server(&a);
    own = connect_to(&a);
    assert_held_by_nobody(&a, own);
    child_end(&c);
    close(own);
    close(server);
    close(held);
    close(former);
}

/* ---- the server ---- */

static int part_listen(const struct address *a, const char *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)name;
    if (fd < 0 || bind(fd, (const struct sockaddr *)(const void *)&a->unix_.un, a->unix_.size) < 0)
        return -1;
    return listen(fd, 4);
}

/* A stopped server takes connections and says nothing. */
static void test_stopped_server(void **state)
{
    struct address a = at("socket");
    struct child c = child_start(part_listen, &a, "server (1)");
    int own = connect_to(&a), status = 0;
    struct process p;

    (void)state;
    assert_true(holder_server(own, &p));
    assert_int_equal(p.pid, c.pid);
    assert_string_equal(p.name, "server (1)");
    assert_true(p.state == 'S' || p.state == 'R');
    assert_int_equal(kill(c.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(c.pid, &status, WUNTRACED), c.pid);
    assert_true(WIFSTOPPED(status));
    assert_true(holder_server(own, &p));
    assert_int_equal(p.pid, c.pid);
    assert_int_equal(p.state, 'T');
    assert_int_equal(kill(c.pid, SIGCONT), 0);
    child_end(&c);
    assert_true(holder_server(own, &p)); /* it is known who it was, no more */
    assert_int_equal(p.pid, c.pid);
    assert_string_equal(p.name, "?");
    assert_int_equal(p.state, 0);
    close(own);
}

static void test_no_server(void **state)
{
    int tcp = socket(AF_INET, SOCK_STREAM, 0), unconnected = socket(AF_UNIX, SOCK_STREAM, 0);
    struct process p;

    (void)state;
    assert_false(holder_server(-1, &p));
    assert_false(holder_server(unconnected, &p));
    if (tcp >= 0) {
        assert_false(holder_server(tcp, &p));
        close(tcp);
    }
    close(unconnected);
}

/* A descriptor that a descendant of the holder kept open counts too, when the holder itself is gone. */
static int part_connect_and_fork(const struct address *a, const char *name)
{
    int fd = part_connect(a, name);
    pid_t pid = fd < 0 ? -1 : fork();

    if (pid > 0)
        close(fd);
    if (pid != 0)
        return pid < 0 ? -1 : 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "heir");
    for (;;)
        pause();
}

static void test_heir(void **state)
{
    struct address a = at("socket");
    uint64_t deadline = time_deadline(WAIT);
    struct process p = {.pid = 0};
    struct child c;
    int server, held;

    (void)state;
    need_kernel();
    server = new_server(&a);
    c = child_start(part_connect_and_fork, &a, "parent");
    held = take_connection(server);
    while (strcmp(p.name, "heir") != 0) { /* it takes its name after its birth */
        assert_true(time_now() < deadline);
        assert_true(holder_find(&a.unix_.un, a.unix_.size, -1, &p));
        assert_true(p.pid != c.pid);
        poll(NULL, 0, 1);
    }
    child_end(&c);
    close(held);
    close(server);
}

static void test_leaks_nothing(void **state)
{
    struct address a = at("socket");
    int server = new_server(&a), before = dup(STDERR_FILENO), after;
    struct process p;

    (void)state;
    close(before);
    holder_find(&a.unix_.un, a.unix_.size, server, &p);
    holder_server(server, &p);
    after = dup(STDERR_FILENO);
    close(after);
    assert_int_equal(after, before);
    close(server);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_abstract),
        TEST(test_among_many),
        TEST(test_ourselves),
        TEST(test_nobody),
        TEST(test_own_connection),
        TEST(test_backlog),
        TEST(test_neighbours),
        TEST(test_former_server),
        TEST(test_stopped_server),
        TEST(test_no_server),
        TEST(test_heir),
        TEST(test_leaks_nothing),
    };

    alarm(RUN_SECONDS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void test_does_not_know(void **state)
{
    struct address a;
    const char *flaw;
    struct process p;

    (void)state;
    assert_true(address_parse(&a, "/nothing", &flaw) == 0);
    assert_false(holder_find(&a.unix_.un, a.unix_.size, -1, &p));
    assert_false(holder_server(-1, &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_does_not_know)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
