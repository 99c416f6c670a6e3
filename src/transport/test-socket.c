/* SPDX-License-Identifier: MIT */
/* Sockets: every way in which connecting and adopting fail, and what receiving and sending say at every end of a
 * connection. A failure leaves no descriptor behind, and none changed; nothing raises SIGPIPE; nothing blocks but
 * what is asked to. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/address.h"
#include "transport/socket.h"
#include "util/util.h"

#define WAIT (30 * USEC_PER_SEC)
#define RUN_SECONDS 110
#define NOBODY 65534

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
    static const char *const names[] = {"socket", "file"};

    (void)state;
    chmod(folder, 0700);
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

/* A UNIX socket is connected at once, or not at all. */
static int dial(const struct address *a)
{
    bool connected = false;
    int fd = socket_connect((const struct sockaddr *)(const void *)&a->unix_.un, a->unix_.size, &connected);

    if (fd >= 0)
        assert_true(connected);
    return fd;
}

/* The number that the next descriptor gets: the same before and after what leaks none. */
static int next_fd(void)
{
    int fd = dup(STDERR_FILENO);

    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static int new_server(const struct address *a, int type, int backlog)
{
    int fd = socket(AF_UNIX, type, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&a->unix_.un, a->unix_.size), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void assert_connect(const struct address *a, int expected)
{
    int before = next_fd();

    assert_int_equal(dial(a), expected);
    assert_int_equal(next_fd(), before);
}

/* ---- connecting ---- */

static void test_connect(void **state)
{
    struct address a = at("socket");
    int server = new_server(&a, SOCK_STREAM, 5), fd = dial(&a), other;
    char byte = 'x';

    (void)state;
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    other = accept(server, NULL, NULL);
    assert_true(other >= 0);
    assert_int_equal(write(other, &byte, 1), 1);
    byte = 0;
    assert_int_equal(socket_receive(fd, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(other);
    close(fd);
    close(server);
}

static void test_connect_to_nothing(void **state)
{
    struct address nothing = at("nothing"), stale = at("socket"), file = at("file"), below = at("file/socket");
    int fd;

    (void)state;
    assert_connect(&nothing, -ENOENT);
    close(new_server(&stale, SOCK_STREAM, 5));
    assert_connect(&stale, -ECONNREFUSED);
    fd = open(file.unix_.un.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_connect(&file, -ECONNREFUSED);
    assert_connect(&below, -ENOTDIR);
}

/* Bound, but it does not listen yet. */
static void test_connect_too_early(void **state)
{
    struct address a = at("socket");
    int server = new_server(&a, SOCK_STREAM, -1);

    (void)state;
    assert_connect(&a, -ECONNREFUSED);
    close(server);
}

static void test_connect_to_another_type(void **state)
{
    struct address a = at("socket");
    int server = new_server(&a, SOCK_DGRAM, -1);

    (void)state;
    assert_connect(&a, -EPROTOTYPE);
    close(server);
}

/* A full backlog is no reason to wait here. */
static void test_connect_to_a_full_backlog(void **state)
{
    struct address a = at("socket");
    int server = new_server(&a, SOCK_STREAM, 0), fds[64], last = 0;
    size_t n = 0;

    (void)state;
    while (n < ELEMENTS(fds) && (last = dial(&a)) >= 0)
        fds[n++] = last;
    assert_int_equal(last, -EAGAIN);
    assert_true(n > 0);
    assert_connect(&a, -EAGAIN);
    close(accept(server, NULL, NULL));
    last = dial(&a);
    assert_true(last >= 0);
    close(last);
    while (n > 0)
        close(fds[--n]);
    close(server);
}

/* In a child, which gives up being root first. */
static void test_connect_without_permission(void **state)
{
    struct address a = at("socket");
    int server = new_server(&a, SOCK_STREAM, 5), status = 0;
    pid_t pid;

    (void)state;
    assert_int_equal(chmod(folder, 0), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
            _exit(77);
        _exit(dial(&a) == -EACCES ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(chmod(folder, 0700), 0);
    close(server);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_connect_without_descriptors(void **state)
{
    struct address a = at("socket");
    int server = new_server(&a, SOCK_STREAM, 5), fds[1024], fd;
    size_t n = 0;
    int first = next_fd();

    (void)state;
    while (n < ELEMENTS(fds) && (fd = dup(STDERR_FILENO)) >= 0)
        fds[n++] = fd;
    if (n < ELEMENTS(fds))
        assert_int_equal(dial(&a), -EMFILE);
    while (n > 0)
        close(fds[--n]);
    assert_int_equal(next_fd(), first);
    close(server);
}

static void test_connect_abstract(void **state)
{
#ifdef __linux__
    char text[64];
    struct address a;
    const char *flaw;
    int server, fd;

    (void)state;
    snprintf(text, sizeof(text), "unix:@qmp-test-%ld", (long)getpid());
    assert_int_equal(address_parse(&a, text, &flaw), 0);
    assert_connect(&a, -ECONNREFUSED);
    server = new_server(&a, SOCK_STREAM, 5);
    fd = dial(&a);
    assert_true(fd >= 0);
    close(fd);
    close(server);
#else
    (void)state;
    skip();
#endif
}

/* ---- adopting ---- */

static void test_adopt(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(socket_adopt(fds[0]), 0);
    assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(socket_adopt(fds[0]), 0);
    assert_false(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
    close(fds[0]);
    close(fds[1]);
}

/* What is refused stays the caller's, as it was. */
static void test_adopt_refuses(void **state)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    int fds[2];

    (void)state;
    assert_int_equal(socket_adopt(-1), -EBADF);
    assert_int_equal(socket_adopt(next_fd()), -EBADF);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(socket_adopt(fds[0]), -ENOTSOCK);
    close(fds[0]);
    close(fds[1]);
    for (size_t i = 0; i < ELEMENTS(types); i++) {
        assert_int_equal(socketpair(AF_UNIX, types[i], 0, fds), 0);
        assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(socket_adopt(fds[0]), -EPROTOTYPE);
        assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
        assert_false(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
        close(fds[0]);
        close(fds[1]);
    }
}

/* ---- receiving and sending ---- */

static void new_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(socket_adopt(fds[0]), 0);
}

static ssize_t send_text(int fd, const char *text)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};

    return socket_send(fd, &iov, 1);
}

static void test_receive(void **state)
{
    char bytes[16] = "";
    int fds[2];

    (void)state;
    new_pair(fds);
    assert_int_equal(socket_receive(fds[0], bytes, sizeof(bytes)), -EAGAIN);
    assert_int_equal(write(fds[1], "abcdef", 6), 6);
    assert_int_equal(socket_receive(fds[0], bytes, 4), 4);
    assert_memory_equal(bytes, "abcd", 4);
    assert_int_equal(socket_receive_patiently(fds[0], bytes, sizeof(bytes)), 2);
    assert_memory_equal(bytes, "ef", 2);
    assert_int_equal(write(fds[1], "g", 1), 1);
    close(fds[1]);
    assert_int_equal(socket_receive(fds[0], bytes, sizeof(bytes)), 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(socket_receive(fds[0], bytes, sizeof(bytes)), 0);
        assert_int_equal(socket_receive_patiently(fds[0], bytes, sizeof(bytes)), 0);
    }
    close(fds[0]);
    assert_int_equal(socket_receive(fds[0], bytes, sizeof(bytes)), -EBADF);
}

static void test_receive_half_closed(void **state)
{
    char byte;
    int fds[2];

    (void)state;
    new_pair(fds);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    assert_int_equal(socket_receive(fds[0], &byte, 1), 0);
    assert_int_equal(send_text(fds[0], "still"), 5);
    close(fds[0]);
    close(fds[1]);
}

/* The peer left something unread. */
static void test_receive_reset(void **state)
{
    char bytes[8];
    int fds[2];

    (void)state;
    for (unsigned patiently = 0; patiently < 2; patiently++) {
        new_pair(fds);
        assert_int_equal(send_text(fds[0], "unread"), 6);
        assert_int_equal(write(fds[1], "last", 4), 4);
        close(fds[1]);
        assert_int_equal(patiently ? socket_receive_patiently(fds[0], bytes, 8) : socket_receive(fds[0], bytes, 8), 4);
        assert_int_equal(
            patiently ? socket_receive_patiently(fds[0], bytes, 8) : socket_receive(fds[0], bytes, 8), -ECONNRESET);
        assert_int_equal(socket_receive(fds[0], bytes, 8), 0);
        assert_int_equal(send_text(fds[0], "x"), -EPIPE);
        close(fds[0]);
    }
}

static void test_patience(void **state)
{
    uint64_t start, took;
    char byte;
    int fds[2];

    (void)state;
    new_pair(fds);
    assert_int_equal(socket_bound_patience(-1), -EBADF);
    assert_int_equal(socket_bound_patience(fds[0]), 0);
    start = time_now();
    assert_int_equal(socket_receive_patiently(fds[0], &byte, 1), -EAGAIN);
    took = time_now() - start;
    assert_true(took >= SOCKET_PATIENCE / 2);
    assert_true(took < WAIT);
    close(fds[0]);
    close(fds[1]);
}

static void *write_byte(void *userdata)
{
    return write(*(int *)userdata, "x", 1) == 1 ? NULL : userdata;
}

static void test_patience_is_rewarded(void **state)
{
    uint64_t deadline = time_deadline(WAIT);
    ssize_t n = -EAGAIN;
    pthread_t thread;
    void *failed;
    char byte;
    int fds[2];

    (void)state;
    new_pair(fds);
    assert_int_equal(socket_bound_patience(fds[0]), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_byte, &fds[1]), 0);
    while (n == -EAGAIN && time_now() < deadline)
        n = socket_receive_patiently(fds[0], &byte, 1);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(n, 1);
    close(fds[0]);
    close(fds[1]);
}

static void on_signal(int number)
{
    (void)number;
}

struct pest {
    pthread_t victim;
    int stop; /* atomic */
};

static void *send_signals(void *userdata)
{
    struct pest *p = userdata;

    while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
        pthread_kill(p->victim, SIGUSR1);
        poll(NULL, 0, 1);
    }
    return NULL;
}

/* A signal is no error, for a wait that goes on elsewhere. */
static void test_signals(void **state)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    struct pest pest = {.victim = pthread_self()};
    pthread_t thread;
    ssize_t results[4];
    char byte;
    int fds[2];

    (void)state;
    new_pair(fds);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(pthread_create(&thread, NULL, send_signals, &pest), 0);
    for (size_t i = 0; i < ELEMENTS(results); i++)
        results[i] = socket_receive_patiently(fds[0], &byte, 1);
    __atomic_store_n(&pest.stop, 1, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(results); i++)
        assert_int_equal(results[i], -EAGAIN);
    close(fds[0]);
    close(fds[1]);
}

static void test_send(void **state)
{
    char a[] = "one, ", b[] = "", c[] = "two", bytes[16] = "";
    struct iovec iov[] = {{a, 5}, {b, 0}, {c, 3}};
    int fds[2];

    (void)state;
    new_pair(fds);
    assert_int_equal(socket_send(fds[0], iov, ELEMENTS(iov)), 8);
    assert_int_equal(read(fds[1], bytes, sizeof(bytes)), 8);
    assert_string_equal(bytes, "one, two");
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(socket_send(fds[0], iov, ELEMENTS(iov)), -EBADF);
}

/* The kernel takes what it has room for; nothing is lost and nothing comes twice. */
static void test_send_until_full(void **state)
{
    static char out[1 << 16], in[1 << 16];
    size_t sent = 0, received = 0;
    ssize_t n;
    int fds[2];

    (void)state;
    new_pair(fds);
    for (;;) {
        struct iovec iov[] = {{out, 1000}, {out + 1000, sizeof(out) - 1000}};

        for (size_t i = 0; i < sizeof(out); i++)
            out[i] = (char)((sent + i) % 251);
        n = socket_send(fds[0], iov, ELEMENTS(iov));
        if (n < 0)
            break;
        assert_in_range(n, 1, sizeof(out));
        sent += (size_t)n;
        assert_true(sent < (size_t)1 << 30);
    }
    assert_int_equal(n, -EAGAIN);
    while (received < sent) {
        n = read(fds[1], in, sizeof(in));
        assert_true(n > 0);
        for (size_t i = 0; i < (size_t)n; i++)
            assert_true(in[i] == (char)((received + i) % 251));
        received += (size_t)n;
    }
    assert_int_equal(send_text(fds[0], "again"), 5);
    close(fds[0]);
    close(fds[1]);
}

static void test_send_to_nobody(void **state)
{
    struct sigaction action = {.sa_handler = SIG_DFL}, before;
    int fds[2];

    (void)state;
    assert_int_equal(sigaction(SIGPIPE, &action, &before), 0);
    new_pair(fds);
    close(fds[1]);
    assert_int_equal(send_text(fds[0], "x"), -EPIPE);
    assert_int_equal(send_text(fds[0], "x"), -EPIPE);
    close(fds[0]);
    assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
}

/* ---- descriptors ---- */

/* Returns how many descriptors came with the bytes. */
static size_t take_descriptors(int fd, char *bytes, size_t size, int *fds, size_t max)
{
    char control[CMSG_SPACE(SOCKET_FDS_MAX * sizeof(int))] __attribute__((aligned(sizeof(size_t))));
    struct iovec iov = {bytes, size};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header;
    size_t n;

    assert_true(recvmsg(fd, &message, 0) > 0);
    assert_false(message.msg_flags & MSG_CTRUNC);
    header = CMSG_FIRSTHDR(&message);
    if (!header)
        return 0;
    assert_int_equal(header->cmsg_level, SOL_SOCKET);
    assert_int_equal(header->cmsg_type, SCM_RIGHTS);
    n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    assert_true(n <= max);
    memcpy(fds, CMSG_DATA(header), n * sizeof(int));
    assert_null(CMSG_NXTHDR(&message, header));
    return n;
}

static void test_send_descriptors(void **state)
{
    char a[] = "with ", b[] = "two", bytes[16] = "";
    struct iovec iov[] = {{a, 5}, {b, 3}};
    int fds[2], pipes[2], taken[4];

    (void)state;
    new_pair(fds);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(socket_send_fds(fds[0], iov, ELEMENTS(iov), pipes, 2), 8);
    assert_int_equal(send_text(fds[0], "later"), 5);
    assert_int_equal(take_descriptors(fds[1], bytes, 8, taken, ELEMENTS(taken)), 2);
    assert_string_equal(bytes, "with two");
    assert_int_equal(write(taken[1], "x", 1), 1);
    assert_int_equal(read(pipes[0], bytes, 1), 1);
    assert_int_equal(take_descriptors(fds[1], bytes, 8, taken + 2, 2), 0);
    for (unsigned i = 0; i < 2; i++) {
        close(fds[i]);
        close(pipes[i]);
        close(taken[i]);
    }
}

/* What says that nothing was sent has sent none: they come once, with the first byte that goes through. */
static void test_send_descriptors_until_full(void **state)
{
    static char out[1 << 16], in[1 << 16];
    size_t sent = 0, received = 0, n_fds = 0;
    int fds[2], taken[4], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct iovec iov = {out, sizeof(out)};
    ssize_t n;

    (void)state;
    new_pair(fds);
    while ((n = socket_send(fds[0], &iov, 1)) > 0)
        sent += (size_t)n;
    assert_int_equal(n, -EAGAIN);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(socket_send_fds(fds[0], &iov, 1, &null, 1), -EAGAIN);
    while (received < sent) {
        n_fds += take_descriptors(fds[1], in, 1, taken, ELEMENTS(taken));
        n = received + 1 < sent ? read(fds[1], in, MIN(sizeof(in), sent - received - 1)) : 0;
        assert_true(n >= 0);
        received += 1 + (size_t)n;
    }
    assert_int_equal(n_fds, 0);
    assert_int_equal(socket_send_fds(fds[0], &(struct iovec){out, 1}, 1, &null, 1), 1);
    assert_int_equal(take_descriptors(fds[1], in, sizeof(in), taken, ELEMENTS(taken)), 1);
    close(taken[0]);
    close(null);
    close(fds[0]);
    close(fds[1]);
}

static void test_send_wrong_descriptors(void **state)
{
    static int many[SOCKET_FDS_MAX + 1];
    char text[] = "x", byte;
    struct iovec iov = {text, 1}, empty = {text, 0};
    int fds[2], wrong = 1 << 20;

    (void)state;
    new_pair(fds);
    assert_int_equal(socket_send_fds(fds[0], &iov, 1, many, ELEMENTS(many)), -EINVAL);
    assert_int_equal(socket_send_fds(fds[0], &empty, 1, &fds[0], 1), -EINVAL);
    assert_int_equal(socket_send_fds(fds[0], &iov, 0, &fds[0], 1), -EINVAL);
    assert_int_equal(socket_send_fds(fds[0], &iov, 1, &wrong, 1), -EBADF);
    assert_int_equal(socket_send_fds(fds[0], &iov, 1, many, SOCKET_FDS_MAX), 1);
    assert_int_equal(read(fds[1], &byte, 1), 1);
    assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1);
    close(fds[0]);
    close(fds[1]);
    fds[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(socket_family(fds[0]), AF_UNIX);
    close(fds[0]);
    assert_int_equal(socket_family(fds[0]), -EBADF);
}

/* ---- TCP ---- */

static int new_tcp_server(struct sockaddr_in *ret, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(*ret);

    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)ret, size), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)ret, &size), 0);
    return fd;
}

static int finish(int fd)
{
    uint64_t deadline = time_deadline(WAIT);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int r;

    while ((r = socket_finish(fd)) == 0 && time_now() < deadline)
        poll(&p, 1, time_poll_timeout(deadline));
    return r;
}

static void test_tcp(void **state)
{
    struct sockaddr_in a;
    int server = new_tcp_server(&a, 1), on = 0, fd;
    socklen_t size = sizeof(on);
    bool connected = true;
    char byte = 0;

    (void)state;
    fd = socket_connect((struct sockaddr *)(void *)&a, sizeof(a), &connected);
    assert_true(fd >= 0);
    if (!connected)
        assert_int_equal(finish(fd), 1);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_true(on);
    on = 0;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
    assert_true(on);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(socket_receive(fd, &byte, 1), -EAGAIN);
    assert_int_equal(socket_family(fd), AF_INET);
    close(fd);
    close(server);
}

static void test_tcp_refused(void **state)
{
    struct sockaddr_in a;
    int server = new_tcp_server(&a, -1), fd;
    bool connected = true;

    (void)state;
    fd = socket_connect((struct sockaddr *)(void *)&a, sizeof(a), &connected);
    if (fd >= 0) {
        assert_false(connected);
        assert_int_equal(finish(fd), -ECONNREFUSED);
        close(fd);
    } else {
        assert_int_equal(fd, -ECONNREFUSED);
    }
    close(server);
}

/* Connected with itself: nobody listened. */
static void test_tcp_to_itself(void **state)
{
    struct sockaddr_in a;
    int fd = new_tcp_server(&a, -1), r;

    (void)state;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    r = connect(fd, (struct sockaddr *)(void *)&a, sizeof(a));
    assert_true(r == 0 || errno == EINPROGRESS);
    assert_int_equal(finish(fd), -ECONNREFUSED);
    close(fd);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_connect),
        TEST(test_connect_to_nothing),
        TEST(test_connect_too_early),
        TEST(test_connect_to_another_type),
        TEST(test_connect_to_a_full_backlog),
        TEST(test_connect_without_permission),
        TEST(test_connect_without_descriptors),
        TEST(test_connect_abstract),
        TEST(test_adopt),
        TEST(test_adopt_refuses),
        TEST(test_receive),
        TEST(test_receive_half_closed),
        TEST(test_receive_reset),
        TEST(test_patience),
        TEST(test_patience_is_rewarded),
        TEST(test_signals),
        TEST(test_send),
        TEST(test_send_until_full),
        TEST(test_send_to_nobody),
        TEST(test_send_descriptors),
        TEST(test_send_descriptors_until_full),
        TEST(test_send_wrong_descriptors),
        TEST(test_tcp),
        TEST(test_tcp_refused),
        TEST(test_tcp_to_itself),
    };

    alarm(RUN_SECONDS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
