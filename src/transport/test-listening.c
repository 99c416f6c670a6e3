/* SPDX-License-Identifier: MIT */
/* Listening: what is made, what is replaced, and above all what is left alone. Others that change a path between two
 * looks at it are played by renameat2(), replaced in this program. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#include "transport/listening.h"
#include "transport/socket.h"
#include "util/util.h"

#define NOBODY 65534

/* ---- others ---- */

static struct {
    int error;                        /* instead of exchanging */
    void (*before)(const char *path); /* the first exchange */
    unsigned calls;
} others;

#ifdef __linux__
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    void (*before)(const char *path) = others.before;

    others.before = NULL;
    others.calls++;
    if (before)
        before(to);
    if (others.error != 0) {
        errno = others.error;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}
#endif

/* ---- helpers ---- */

static struct address parse(const char *format, const char *argument)
{
    static char text[256];
    const char *flaw = "";
    struct address a;

    snprintf(text, sizeof(text), "%s%s", format, argument);
    if (address_parse(&a, text, &flaw) < 0)
        fail_msg("%s: %s", text, flaw);
    return a;
}

static int open_text(struct listening *s, const char *scheme, const char *rest, struct link_flaw *flaw)
{
    struct address a = parse(scheme, rest);

    return listening_open(s, &a, flaw);
}

static void assert_refused(const char *scheme, const char *rest, int error, const char *why)
{
    struct link_flaw flaw;
    struct listening s;
    size_t fds = check_count_fds();

    assert_error(open_text(&s, scheme, rest, &flaw), error);
    assert_contains(flaw.why, why);
    assert_false(flaw.tls);
    assert_int_equal(s.fd, -1);
    assert_int_equal(check_count_fds(), fds);
    listening_close(&s);
}

static int dial(const struct address *a, bool *connected)
{
    struct sockaddr_storage address;
    socklen_t size;

    assert_ok(address_resolve(a, &address, &size));
    return socket_connect((const struct sockaddr *)(const void *)&address, size, connected);
}

static int dial_text(const char *text)
{
    struct address a = parse(text, "");
    bool connected = true;
    int fd = dial(&a, &connected);

    if (fd >= 0 && !connected) {
        assert_true(check_poll(fd, POLLOUT, CHECK_WAIT));
        assert_error(socket_finish(fd), 1);
    }
    return fd;
}

static int accept_one(const struct listening *s)
{
    assert_true(check_poll(s->fd, POLLIN, CHECK_WAIT) & POLLIN);
    return listening_accept(s);
}

/* A socket of somebody else; backlog -1: it does not listen. */
static int other_socket(const char *path, int type, int backlog)
{
    struct address a = parse("unix:", path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_ok(bind(fd, (const struct sockaddr *)(const void *)&a.unix_.un, a.unix_.size));
    if (backlog >= 0)
        assert_ok(listen(fd, backlog));
    return fd;
}

static void make_stale(const char *path)
{
    close(other_socket(path, SOCK_STREAM, 1));
}

static struct stat look(const char *path)
{
    struct stat file;

    assert_ok(lstat(path, &file));
    return file;
}

static unsigned count_files(const char *path)
{
    char folder[256], command[300];
    unsigned n = 0;
    FILE *f;

    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    snprintf(command, sizeof(command), "ls -A '%s'", folder);
    f = popen(command, "re");
    for (int c; (c = getc(f)) != EOF;)
        n += c == '\n';
    pclose(f);
    return n;
}

/* Somebody dials the path and is heard. */
static void assert_serves(const struct listening *s, const char *path)
{
    struct address a = parse("unix:", path);
    bool connected;
    int peer = dial(&a, &connected), fd;
    char byte = 0;

    assert_ok(peer);
    fd = accept_one(s);
    assert_ok(fd);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(peer, "x", 1), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(fd);
    close(peer);
}

/* ---- socket files ---- */

static void test_file(void)
{
    const char *path = check_path("socket");
    mode_t before = umask(0);
    struct link_flaw flaw;
    struct listening s;
    int r = open_text(&s, "unix:", path, &flaw);

    umask(before);
    assert_ok(r);
    assert_int_equal(look(path).st_mode, S_IFSOCK | 0600);
    assert_true(strncmp(s.text, "unix:", 5) == 0 && strcmp(s.text + 5, path) == 0);
    assert_true(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
    assert_error(listening_accept(&s), -EAGAIN);
    assert_serves(&s, path);
    assert_error(listening_accept(&s), -EAGAIN);
    listening_close(&s);
    assert_error(access(path, F_OK), -1);
    listening_close(&s);
}

/* Also without a umask to help or to hinder. */
static void test_mode_with_umask(void)
{
    const char *path = check_path("socket");
    mode_t before = umask(0777);
    struct link_flaw flaw;
    struct listening s;
    int r = open_text(&s, "", path, &flaw);

    umask(before);
    assert_ok(r);
    assert_int_equal(look(path).st_mode, S_IFSOCK | 0600);
    listening_close(&s);
}

static void test_stale(void)
{
    const char *path = check_path("socket");
    struct link_flaw flaw;
    struct listening s;
    struct stat stale;

    make_stale(path);
    stale = look(path);
    assert_ok(open_text(&s, "unix:", path, &flaw));
    assert_int_not_equal(look(path).st_ino, stale.st_ino);
    assert_int_equal(look(path).st_mode, S_IFSOCK | 0600);
    assert_int_equal(count_files(path), 1);
    assert_contains(s.text, path);
    assert_serves(&s, path);
    listening_close(&s);
    assert_int_equal(count_files(path), 0);
}

static void test_stale_here(void)
{
    char before[256];
    const char *path = check_path("socket");
    struct link_flaw flaw;
    struct listening s;
    char folder[256];

    assert_non_null(getcwd(before, sizeof(before)));
    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    assert_ok(chdir(folder));
    make_stale("socket");
    assert_ok(open_text(&s, "", "socket", &flaw));
    assert_serves(&s, "socket");
    assert_int_equal(count_files(path), 1);
    listening_close(&s);
    assert_int_equal(count_files(path), 0);
    assert_ok(chdir(before));
}

static void test_stale_without_exchange(void)
{
    static const int errors[] = {ENOSYS, EINVAL};
    const char *path = check_path("socket");

    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        struct link_flaw flaw;
        struct listening s;

        others.error = errors[i];
        make_stale(path);
        assert_ok(open_text(&s, "unix:", path, &flaw));
        others.error = 0;
        assert_serves(&s, path);
        assert_int_equal(count_files(path), 1);
        listening_close(&s);
    }
}

/* Where another name does not fit beside it. */
static void test_stale_too_long(void)
{
    char folder[120], path[128];

    snprintf(folder, sizeof(folder), "%s", check_path("d"));
    while (strlen(folder) < 104)
        strcat(folder, "d");
    assert_ok(mkdir(folder, 0700));
    snprintf(path, sizeof(path), "%s/s", folder);
    make_stale(path);
    assert_refused("unix:", path, -EADDRINUSE, "remove it");
    assert_int_equal(count_files(path), 1);
    assert_ok(unlink(path));
}

static void test_in_use(void)
{
    const char *path = check_path("socket");
    int fd = other_socket(path, SOCK_STREAM, 0), peers[8], n = 0;
    struct address a = parse("unix:", path);
    bool connected;

    assert_refused("unix:", path, -EADDRINUSE, "somebody uses the socket");
    while (n < 8 && (peers[n] = dial(&a, &connected)) >= 0)
        n++;
    assert_error(peers[n], -EAGAIN); /* no room */
    assert_refused("unix:", path, -EADDRINUSE, "somebody uses the socket");
    while (n > 0)
        close(peers[--n]);
    close(fd);
    assert_ok(unlink(path));
    fd = other_socket(path, SOCK_DGRAM, -1);
    assert_refused("unix:", path, -EADDRINUSE, "somebody uses the socket");
    close(fd);
    assert_int_equal(count_files(path), 1);
}

static void test_no_socket(void)
{
    const char *path = check_path("file"), *link = check_path("link"), *socket_path = check_path("socket");
    struct stat before;
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

    close(fd);
    before = look(path);
    assert_refused("unix:", path, -EEXIST, "no socket");
    assert_int_equal(look(path).st_ino, before.st_ino);
    assert_ok(unlink(path));
    assert_ok(mkdir(path, 0700));
    assert_refused("unix:", path, -EEXIST, "no socket");
    assert_ok(rmdir(path));
    assert_ok(mkfifo(path, 0600));
    assert_refused("unix:", path, -EEXIST, "no socket");
    assert_ok(symlink("nowhere", link));
    assert_refused("unix:", link, -EEXIST, "symbolic link");
    assert_ok(unlink(link));
    make_stale(socket_path);
    assert_ok(symlink("socket", link));
    assert_refused("unix:", link, -EEXIST, "symbolic link");
    assert_true(S_ISLNK(look(link).st_mode));
    assert_true(S_ISSOCK(look(socket_path).st_mode));
}

static void test_nowhere(void)
{
    struct link_flaw flaw;
    struct listening s;
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/socket", check_path("file"));
    assert_error(open_text(&s, "unix:", path, &flaw), -ENOENT);
    fd = open(check_path("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    close(fd);
    assert_error(open_text(&s, "unix:", path, &flaw), -ENOTDIR);
}

/* In a child, which gives up being root first. */
static void test_not_allowed(void)
{
    const char *folder = check_path("folder"), *path = check_path("folder/socket");
    int status = 0;
    pid_t pid;

    assert_ok(mkdir(folder, 0700));
    pid = fork();
    if (pid == 0) {
        struct link_flaw flaw;
        struct listening s;

        if (chmod(folder, geteuid() == 0 ? 0755 : 0555) < 0 ||
            (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)))
            _exit(77);
        _exit(open_text(&s, "unix:", path, &flaw) == -EACCES ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_ok(chmod(folder, 0700));
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* What is at the path when listening ends is another one's. */
static void test_not_ours_any_more(void)
{
    const char *path = check_path("socket");
    struct link_flaw flaw;
    struct listening s;
    int fd;

    assert_ok(open_text(&s, "unix:", path, &flaw));
    assert_ok(unlink(path));
    fd = other_socket(path, SOCK_STREAM, 1);
    listening_close(&s);
    assert_true(S_ISSOCK(look(path).st_mode));
    close(fd);
    assert_ok(unlink(path));
    assert_ok(open_text(&s, "unix:", path, &flaw));
    assert_ok(unlink(path));
    listening_close(&s);
}

/* ---- others that are faster ---- */

#ifdef __linux__
static int fast_fd = -1;

static void replace_by_live(const char *path)
{
    unlink(path);
    fast_fd = other_socket(path, SOCK_STREAM, 8);
}

static void replace_by_file(const char *path)
{
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void just_remove(const char *path)
{
    unlink(path);
}

static void test_overtaken(void)
{
    const char *path = check_path("socket");
    struct link_flaw flaw;
    struct listening s;
    struct address a;
    bool connected;
    int fd;

    make_stale(path);
    others.before = replace_by_live;
    assert_error(open_text(&s, "unix:", path, &flaw), -EADDRINUSE);
    assert_contains(flaw.why, "just begun");
    a = parse("unix:", path);
    fd = dial(&a, &connected); /* theirs is in its place */
    assert_ok(fd);
    close(fd);
    close(fast_fd);
    assert_int_equal(count_files(path), 1);
    others.before = replace_by_file;
    assert_refused("unix:", path, -EADDRINUSE, "just begun");
    assert_true(S_ISREG(look(path).st_mode));
    assert_int_equal(count_files(path), 1);
}

/* Even where all that can be done is to look and then to rename. */
static void test_overtaken_without_exchange(void)
{
    const char *path = check_path("socket");

    make_stale(path);
    others.before = replace_by_file;
    others.error = ENOSYS;
    assert_refused("unix:", path, -EADDRINUSE, "just begun");
    others.error = 0;
    assert_true(S_ISREG(look(path).st_mode));
    assert_int_equal(count_files(path), 1);
}

static void test_removed_meanwhile(void)
{
    const char *path = check_path("socket");
    struct link_flaw flaw;
    struct listening s;

    make_stale(path);
    others.before = just_remove;
    assert_ok(open_text(&s, "unix:", path, &flaw));
    assert_serves(&s, path);
    assert_int_equal(count_files(path), 1);
    listening_close(&s);
}

/* ---- names ---- */

static void test_abstract(void)
{
    struct link_flaw flaw;
    struct listening s;
    char text[64];

    snprintf(text, sizeof(text), "unix:@qmp-test-%ld", (long)getpid());
    assert_ok(open_text(&s, text, "", &flaw));
    assert_string_equal(s.text, text);
    assert_refused(text, "", -EADDRINUSE, "uses the name");
    assert_serves(&s, text + 5);
    listening_close(&s);
    assert_ok(open_text(&s, text, "", &flaw));
    listening_close(&s);
}
#endif

/* ---- TCP and vsock ---- */

static void assert_dialled(const struct listening *s)
{
    int peer = dial_text(s->text), fd;

    assert_ok(peer);
    fd = accept_one(s);
    assert_ok(fd);
    close(fd);
    close(peer);
}

static void test_tcp(void)
{
    static const struct {
        const char *text, *start;
    } cases[] = {
        {"tcp:127.0.0.1:0", "tcp:127.0.0.1:"},
        {"tcp:localhost:0", "tcp:127.0.0.1:"},
        {"tcp:127.0.0.2:0", "tcp:127.0.0.2:"},
        {"tcp:[::1]:0", "tcp:[::1]:"},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct link_flaw flaw;
        struct listening s;
        char text[LISTENING_TEXT_MAX];
        int r = open_text(&s, cases[i].text, "", &flaw);

        if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT) /* a machine without IPv6 */
            continue;
        assert_ok(r);
        assert_true(strncmp(s.text, cases[i].start, strlen(cases[i].start)) == 0);
        assert_string_not_equal(s.text + strlen(cases[i].start), "0");
        assert_dialled(&s);
        assert_refused(s.text, "", -EADDRINUSE, "listens on the port");
        snprintf(text, sizeof(text), "%s", s.text);
        listening_close(&s);
        assert_ok(open_text(&s, text, "", &flaw)); /* at once, although a connection of it is still fading away */
        assert_string_equal(s.text, text);
        listening_close(&s);
    }
}

static void test_tcp_refuses(void)
{
    struct link_flaw flaw;
    struct listening s;

    assert_refused("tcp:vm7.test:0", "", -EINVAL, "numeric address or localhost");
    assert_refused("tcp:localhos:0", "", -EINVAL, "numeric address or localhost");
    assert_refused("tcp:[fe80::1%no-such-card]:0", "", -EADDRNOTAVAIL, "network interface");
    assert_error(open_text(&s, "tcp:192.0.2.1:0", "", &flaw), -EADDRNOTAVAIL);
}

static void test_vsock(void)
{
    struct link_flaw flaw;
    struct listening s;
    int r = open_text(&s, "vsock:any:", "51234", &flaw);

    if (r == -EAFNOSUPPORT) {
        assert_contains(flaw.why, "vsock");
        return;
    }
    assert_ok(r);
    assert_string_equal(s.text, "vsock:any:51234");
    assert_refused("vsock:any:", "51234", -EADDRINUSE, "listens on the port");
    listening_close(&s);
}

static void test_exec(void)
{
    assert_refused("exec:true", "", -EINVAL, "cannot be listened on");
}

/* ---- descriptors ---- */

static const char *number(int n)
{
    static char text[16];

    snprintf(text, sizeof(text), "%d", n);
    return text;
}

static void test_descriptor(void)
{
    const char *path = check_path("socket");
    int fd = other_socket(path, SOCK_STREAM, 4);
    struct link_flaw flaw;
    struct listening s;

    assert_ok(fcntl(fd, F_SETFD, 0));
    assert_ok(open_text(&s, "fd:", number(fd), &flaw));
    assert_int_equal(s.fd, fd);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_contains(s.text, path);
    assert_error(listening_accept(&s), -EAGAIN);
    assert_serves(&s, path);
    listening_close(&s);
    assert_error(fcntl(fd, F_GETFD), -1);
    assert_true(S_ISSOCK(look(path).st_mode)); /* who made it removes it */
}

static void test_descriptor_refuses(void)
{
    int fds[2], fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_refused("fd:", number(fd), -ENOTSOCK, "no socket");
    close(fd);
    assert_refused("fd:", number(fd), -EBADF, "no such descriptor");
    assert_ok(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
    assert_refused("fd:", number(fds[0]), -EPROTOTYPE, "no stream socket");
    assert_false(fcntl(fds[0], F_GETFD) & FD_CLOEXEC); /* still theirs */
    close(fds[0]);
    close(fds[1]);
    assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    assert_refused("fd:", number(fds[0]), -EINVAL, "does not listen");
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    close(fds[0]);
    close(fds[1]);
}

/* ---- accepting ---- */

/* Who only looked whether anybody listens is not heard of; who said something before leaving is. */
static void test_gone_again(void)
{
    const char *path = check_path("socket");
    struct address a = parse("unix:", path);
    struct link_flaw flaw;
    struct listening s;
    bool connected;
    char byte = 0;
    int fd;

    assert_ok(open_text(&s, "unix:", path, &flaw));
    for (unsigned i = 0; i < 5; i++)
        close(dial(&a, &connected));
    assert_error(listening_accept(&s), -EAGAIN);
    close(dial(&a, &connected));
    fd = dial(&a, &connected);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    fd = listening_accept(&s);
    assert_ok(fd);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(fd);
    assert_error(listening_accept(&s), -EAGAIN);
    listening_close(&s);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_file),
        CHECK_TEST(test_mode_with_umask),
        CHECK_TEST(test_stale),
        CHECK_TEST(test_stale_here),
        CHECK_TEST(test_stale_without_exchange),
        CHECK_TEST(test_stale_too_long),
        CHECK_TEST(test_in_use),
        CHECK_TEST(test_no_socket),
        CHECK_TEST(test_nowhere),
        CHECK_TEST(test_not_allowed),
        CHECK_TEST(test_not_ours_any_more),
#ifdef __linux__
        CHECK_TEST(test_overtaken),
        CHECK_TEST(test_overtaken_without_exchange),
        CHECK_TEST(test_removed_meanwhile),
        CHECK_TEST(test_abstract),
#endif
        CHECK_TEST(test_tcp),
        CHECK_TEST(test_tcp_refuses),
        CHECK_TEST(test_vsock),
        CHECK_TEST(test_exec),
        CHECK_TEST(test_descriptor),
        CHECK_TEST(test_descriptor_refuses),
        CHECK_TEST(test_gone_again),
    };

    return check_main(argc, argv, tests, ELEMENTS(tests));
}
