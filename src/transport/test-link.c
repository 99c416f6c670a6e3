/* SPDX-License-Identifier: MIT */
/* Links: every kind of address from dialling to the end, every state on the way, and what is said when it goes wrong.
 *
 * Names come from test-names.h. TLS is replaced too: the double records what it was told, "encrypts" by nothing, and
 * fails where a test wants it to. What never answers is a listening socket whose backlog is full. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#include "transport/link.h"
#include "transport/socket.h"
#include "transport/test-names.h"
#include "transport/tls.h"
#include "util/util.h"

#define FOREVER UINT64_MAX
/* How many wait in a backlog of 0 before one is turned away: few. */
#define CROWD_MAX 8u

/* ---- TLS, played ---- */

struct qmp_tls {
    int refs;
};

struct tls {
    int fd;
    unsigned rounds;
};

static struct {
    int check_error, new_error, handshake_error;
    unsigned rounds; /* of the handshake, each of which waits for a byte of the peer */
    bool is_server;
    char peer_name[64];
    unsigned alive, byes;
    bool output;
} played;

int tls_check(qmp_tls *credentials, bool is_server, const char *peer_name, char *why, size_t why_size)
{
    (void)credentials;
    (void)is_server;
    (void)peer_name;
    if (played.check_error < 0)
        snprintf(why, why_size, "no certificate for that");
    return played.check_error;
}

const char *tls_words(const struct tls *t)
{
    (void)t;
    return "refused";
}

int tls_new(
    struct tls **ret, qmp_tls *credentials, int fd, bool is_server, const char *peer_name, char *why, size_t why_size)
{
    (void)credentials;
    if (played.new_error < 0) {
        snprintf(why, why_size, "no certificate");
        return played.new_error;
    }
    played.is_server = is_server;
    snprintf(played.peer_name, sizeof(played.peer_name), "%s", peer_name ? peer_name : "(none)");
    *ret = calloc(1, sizeof(**ret));
    (*ret)->fd = fd;
    (*ret)->rounds = played.rounds;
    played.alive++;
    return 0;
}

void tls_free(struct tls *t)
{
    if (t)
        played.alive--;
    free(t);
}

int tls_handshake(struct tls *t, char *why, size_t why_size)
{
    char byte;

    if (played.handshake_error < 0) {
        snprintf(why, why_size, "not trusted");
        return played.handshake_error;
    }
    while (t->rounds > 0) {
        if (recv(t->fd, &byte, 1, MSG_DONTWAIT) != 1)
            return 0;
        t->rounds--;
    }
    return 1;
}

short tls_poll_events(const struct tls *t)
{
    return t->rounds % 2 ? POLLIN : POLLIN | POLLOUT;
}

ssize_t tls_receive(struct tls *t, void *data, size_t size)
{
    return socket_receive(t->fd, data, size);
}

bool tls_has_input(const struct tls *t)
{
    return t->fd >= 0;
}

ssize_t tls_send(struct tls *t, const struct iovec *iov, size_t n)
{
    played.output = true;
    return socket_send(t->fd, iov, n);
}

bool tls_wants_output(const struct tls *t)
{
    (void)t;
    return played.output;
}

int tls_flush(struct tls *t)
{
    (void)t;
    played.output = false;
    return 0;
}

void tls_bye(struct tls *t)
{
    (void)t;
    played.byes++;
}

qmp_tls *qmp_tls_ref(qmp_tls *t)
{
    t->refs++;
    return t;
}

qmp_tls *qmp_tls_unref(qmp_tls *t)
{
    if (t)
        t->refs--;
    return NULL;
}

/* ---- helpers ---- */

static struct address parse(const char *format, const char *argument)
{
    static char text[512];
    const char *flaw = "";
    struct address a;

    snprintf(text, sizeof(text), "%s%s", format, argument);
    if (address_parse(&a, text, &flaw) < 0)
        fail_msg("%s: %s", text, flaw);
    return a;
}

static int dial(struct link *l, const char *scheme, const char *rest, uint64_t deadline, struct link_flaw *flaw)
{
    struct address a = parse(scheme, rest);

    return link_dial(l, &a, NULL, NULL, deadline, flaw);
}

/* Steps once, after what it waits for. */
static int go_on(struct link *l, struct link_flaw *flaw)
{
    uint64_t deadline = MIN(link_deadline(l), check_deadline(CHECK_WAIT));
    struct pollfd p = {.fd = l->fd, .events = link_poll_events(l)};

    poll(&p, 1, check_poll_timeout(deadline));
    return link_step(l, flaw);
}

static int climb(struct link *l, struct link_flaw *flaw)
{
    uint64_t end = check_deadline(CHECK_WAIT);
    int r = link_step(l, flaw);

    while (r == 0 && check_now() < end)
        r = go_on(l, flaw);
    return r;
}

static void assert_up(struct link *l)
{
    struct link_flaw flaw;
    int r = climb(l, &flaw);

    if (r != 1)
        fail_msg("%d: %s", r, flaw.why);
    assert_int_equal(l->state, LINK_UP);
    assert_null(l->dial);
    assert_true(l->fd >= 0);
    assert_true(fcntl(l->fd, F_GETFD) & FD_CLOEXEC);
    assert_true(link_deadline(l) == FOREVER);
    assert_error(link_step(l, &flaw), 1);
}

static void assert_down(const struct link *l)
{
    assert_int_equal(l->state, LINK_DOWN);
    assert_int_equal(l->fd, -1);
    assert_int_equal(l->status_fd, -1);
    assert_null(l->dial);
    assert_null(l->tls);
}

static void assert_refused(const char *scheme, const char *rest, int error, const char *why)
{
    struct link_flaw flaw;
    struct link l;

    assert_error(dial(&l, scheme, rest, FOREVER, &flaw), error);
    assert_contains(flaw.why, why);
    assert_down(&l);
}

static void assert_fails(const char *scheme, const char *rest, int error, const char *why)
{
    struct link_flaw flaw;
    struct link l;

    assert_ok(dial(&l, scheme, rest, check_deadline(CHECK_WAIT), &flaw));
    assert_error(climb(&l, &flaw), error);
    assert_string_equal(flaw.why, why);
    assert_false(flaw.tls);
    link_close(&l);
    assert_down(&l);
}

static int new_server(const char *path, int backlog)
{
    struct address a = parse("unix:", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_ok(bind(fd, (const struct sockaddr *)(const void *)&a.unix_.un, a.unix_.size));
    assert_ok(listen(fd, backlog));
    return fd;
}

/* Port 0: any. Returns the port. */
static unsigned new_tcp_server(int *ret_fd, const char *host, unsigned port, int backlog)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof(a);
    int on = 1;

    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(*ret_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(inet_pton(AF_INET, host, &a.sin_addr), 1);
    assert_ok(bind(*ret_fd, (struct sockaddr *)(void *)&a, size));
    if (backlog >= 0)
        assert_ok(listen(*ret_fd, backlog));
    assert_ok(getsockname(*ret_fd, (struct sockaddr *)(void *)&a, &size));
    return ntohs(a.sin_port);
}

static int take(int server)
{
    int fd;

    assert_true(check_poll(server, POLLIN, CHECK_WAIT) & POLLIN);
    fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_ok(fd);
    return fd;
}

/* So many connects that the next one waits. */
struct crowd {
    struct link links[CROWD_MAX];
    size_t n;
};

static void crowd_gather(struct crowd *c, const struct address *a)
{
    struct link_flaw flaw;

    for (c->n = 0; c->n < CROWD_MAX; c->n++) {
        uint64_t end = check_now() + 50 * QMP_MILLISECOND;
        int r;

        assert_ok(link_dial(&c->links[c->n], a, NULL, NULL, FOREVER, &flaw));
        r = link_step(&c->links[c->n], &flaw);
        while (r == 0 && check_now() < end)
            r = (check_poll(c->links[c->n].fd, POLLOUT, 10 * QMP_MILLISECOND), link_step(&c->links[c->n], &flaw));
        assert_ok(r);
        if (r == 0)
            break;
    }
    assert_true(c->n < CROWD_MAX);
    c->n++;
}

static void crowd_leave(struct crowd *c)
{
    while (c->n > 0)
        link_close(&c->links[--c->n]);
}

static ssize_t send_text(struct link *l, const char *text, const int *fds, size_t n_fds)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};

    return link_send(l, &iov, 1, fds, n_fds);
}

/* Both ways, and the end. */
static void assert_talks(struct link *l, int peer)
{
    char bytes[8] = "";

    assert_int_equal(link_receive(l, bytes, 8), -EAGAIN);
    assert_false(l->bounded);
    assert_int_equal(link_receive_patiently(l, bytes, 8, /* for_ever= */ false), -EAGAIN);
    assert_true(l->bounded || l->tls);
    assert_int_equal(send_text(l, "ping", NULL, 0), 4);
    assert_true(check_poll(peer, POLLIN, CHECK_WAIT));
    assert_int_equal(read(peer, bytes, 8), 4);
    assert_string_equal(bytes, "ping");
    assert_int_equal(write(peer, "pong!", 5), 5);
    assert_true(check_poll(l->fd, POLLIN, CHECK_WAIT));
    assert_int_equal(link_receive_patiently(l, bytes, 8, /* for_ever= */ false), 5);
    assert_string_equal(bytes, "pong!");
    close(peer);
    assert_true(check_poll(l->fd, POLLIN, CHECK_WAIT));
    assert_int_equal(link_receive(l, bytes, 8), 0);
}

/* Until the end. */
static void receive_all(struct link *l, char *out, size_t size)
{
    size_t used = 0;
    ssize_t n;

    do {
        assert_true(check_poll(l->fd, POLLIN, CHECK_WAIT));
        n = link_receive(l, out + used, size - 1 - used);
        if (n > 0)
            used += (size_t)n;
    } while (n > 0 || n == -EAGAIN);
    assert_int_equal(n, 0);
    out[used] = '\0';
}

/* ---- in general ---- */

static void test_nothing(void)
{
    struct link_flaw flaw;
    struct link l;
    char words[16];
    int status;

    link_init(&l);
    assert_down(&l);
    assert_error(link_step(&l, &flaw), -ENOTCONN);
    assert_int_equal(link_poll_events(&l), 0);
    assert_true(link_deadline(&l) == FOREVER);
    assert_null(link_listening_address(&l));
    assert_false(link_exit_status(&l, &status));
    link_explain_wait(&l, words, sizeof(words));
    assert_string_equal(words, "");
    link_close(&l);
    link_close(&l);
    assert_down(&l);
    assert_true(sizeof(l) <= 64); /* it is part of every idle connection */
}

static bool under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded && strstr(preloaded, "vgpreload");
}

/* With so many descriptors left and no more, nothing is begun by halves. What is too much for some is enough for
 * others, so all that counts is how it fails, and that the runner finds nothing left open. */
static void test_without_descriptors(void)
{
    static const char *const texts[] = {"unix:", "tcp:127.0.0.1:1", "tcp:none.test:1", "exec:true"};
    const char *path = check_path("socket"), *own = check_path("own");
    struct address listening = parse("unix:", own);
    int server = new_server(path, 8);
    struct rlimit before, limit;
    struct link_flaw flaw;
    struct link l;
    char text[200];

    assert_ok(getrlimit(RLIMIT_NOFILE, &before));
    for (unsigned left = 0; left < 5; left++) {
        int first = dup(STDERR_FILENO), results[ELEMENTS(texts)], listened;

        close(first);
        limit = (struct rlimit){.rlim_cur = (rlim_t)first + left, .rlim_max = before.rlim_max};
        assert_ok(setrlimit(RLIMIT_NOFILE, &limit));
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
            struct address a;
            const char *why;

            snprintf(text, sizeof(text), "%s%s", texts[i], i == 0 ? path : "");
            results[i] = address_parse(&a, text, &why);
            if (results[i] >= 0)
                results[i] = link_dial(&l, &a, NULL, NULL, FOREVER, &flaw);
            if (results[i] >= 0)
                results[i] = climb(&l, &flaw);
            link_close(&l);
        }
        listened = link_listen(&l, &listening, NULL, NULL, &flaw);
        link_close(&l);
        assert_ok(setrlimit(RLIMIT_NOFILE, &before));
        assert_int_equal(results[0], left == 0 ? -EMFILE : 1);
        assert_int_equal(results[1], left == 0 ? -EMFILE : -ECONNREFUSED);
        assert_int_equal(results[2], left == 0 ? -EMFILE : -EHOSTUNREACH);
        /* Two pairs, and one in passing. Valgrind, which moves the limit, makes another error of it. */
        assert_true(results[3] == -EMFILE || (under_valgrind() && results[3] == -EBADF));
        assert_int_equal(listened, left == 0 ? -EMFILE : 0);
        assert_error(access(own, F_OK), -1);
    }
    close(server);
}

/* ---- UNIX sockets ---- */

static void test_unix(void)
{
    const char *path = check_path("socket");
    int server = new_server(path, 1), peer, null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct link_flaw flaw;
    struct link l;

    assert_ok(dial(&l, "unix:", path, FOREVER, &flaw));
    assert_int_equal(l.state, LINK_DIALLING);
    assert_int_equal(l.fd, -1);
    assert_true(link_deadline(&l) == 0);
    assert_up(&l);
    assert_true(l.carries_fds);
    assert_false(l.accepted);
    assert_false(link_has_input(&l));
    assert_false(link_wants_output(&l));
    assert_ok(link_flush(&l));
    peer = take(server);
    assert_int_equal(send_text(&l, "x", &null, 1), 1);
    assert_int_equal(read(peer, &(char){0}, 1), 1);
    assert_talks(&l, peer);
    link_close(&l);
    assert_down(&l);
    close(null);
    close(server);
}

static void test_unix_fails(void)
{
    const char *path = check_path("socket");

    assert_fails("unix:", path, -ENOENT, "");
    close(new_server(path, 1));
    assert_fails("unix:", path, -ECONNREFUSED, "");
}

static void test_unix_waits(void)
{
    const char *path = check_path("socket");
    struct address a = parse("unix:", path);
    int server = new_server(path, 0);
    struct link_flaw flaw;
    struct crowd crowd;
    struct link *last;
    char words[200];

    crowd_gather(&crowd, &a);
    last = &crowd.links[crowd.n - 1];
    assert_int_equal(last->state, LINK_DIALLING);
    assert_int_equal(last->fd, -1);
    assert_int_equal(link_poll_events(last), 0);
    assert_true(link_deadline(last) <= check_now() + LINK_RETRY_INTERVAL);
    link_explain_wait(last, words, sizeof(words));
    assert_contains(words, "no room");
    assert_error(link_step(last, &flaw), 0);
    close(take(server));
    assert_up(last);
    crowd_leave(&crowd);
    close(server);
}

/* ---- TCP ---- */

static void test_tcp(void)
{
    struct link_flaw flaw;
    struct link l;
    char text[64];
    int server;
    unsigned port = new_tcp_server(&server, "127.0.0.1", 0, 1);

    snprintf(text, sizeof(text), "tcp:127.0.0.1:%u", port);
    assert_ok(dial(&l, text, "", FOREVER, &flaw));
    assert_int_equal(l.state, LINK_DIALLING); /* numbers are not looked up */
    assert_up(&l);
    assert_false(l.carries_fds);
    assert_int_equal(send_text(&l, "x", &server, 1), -EAFNOSUPPORT);
    assert_talks(&l, take(server));
    link_close(&l);
    close(server);
    assert_fails(text, "", -ECONNREFUSED, "");
}

static void test_tcp_refuses(void)
{
    assert_refused("tcp:127.0.0.1:0", "", -EINVAL, "port 0 is for listening");
    assert_refused("tcp:localhost:0", "", -EINVAL, "port 0 is for listening");
    assert_refused("tcp:[fe80::1%no-such-card]:1", "", -EADDRNOTAVAIL, "network interface");
}

static void test_names(void)
{
    static const char *const hosts[] = {"one.test", "two.test", "three.test", "both.test", "localhost"};
    int server;
    unsigned port = new_tcp_server(&server, "127.0.0.1", 0, 8);

    for (size_t i = 0; i < ELEMENTS(hosts); i++) {
        struct link_flaw flaw;
        struct link l;
        char text[64];

        snprintf(text, sizeof(text), "tcp:%s:%u", hosts[i], port);
        assert_ok(dial(&l, text, "", check_deadline(CHECK_WAIT), &flaw));
        assert_int_equal(l.state, LINK_RESOLVING);
        assert_int_equal(link_poll_events(&l), POLLIN);
        assert_up(&l);
        assert_talks(&l, take(server));
        link_close(&l);
    }
    close(server);
}

/* All have failed: all are named, in their order; there is room for so many words. */
static void test_names_fail(void)
{
    struct link_flaw flaw;
    struct link l;
    char text[64];
    int reserved, other;
    unsigned port = new_tcp_server(&reserved, "127.0.0.1", 0, -1);

    assert_int_equal(new_tcp_server(&other, "127.0.0.2", port, -1), port);
    snprintf(text, sizeof(text), "tcp:two.test:%u", port);
    assert_fails(text, "", -ECONNREFUSED, "127.0.0.2: nobody listens there; 127.0.0.1: nobody listens there");
    snprintf(text, sizeof(text), "tcp:many.test:%u", port);
    assert_ok(dial(&l, text, "", check_deadline(CHECK_WAIT), &flaw));
    assert_error(climb(&l, &flaw), -ECONNREFUSED);
    assert_true(strlen(flaw.why) > LINK_WHY_MAX / 2);
    assert_string_equal(flaw.why + strlen(flaw.why) - 6, " there"); /* no half sentence */
    link_close(&l);
    close(reserved);
    close(other);
    assert_fails("tcp:none.test:1", "", -EHOSTUNREACH, "none.test: no such name is known");
    assert_fails("tcp:again.test:1", "", -EHOSTUNREACH, "again.test: the name servers do not answer");
}

/* What does not answer takes its share of the time, and no more. */
static void test_slices(void)
{
    struct address hole;
    struct link_flaw flaw;
    struct crowd crowd;
    struct link l;
    uint64_t start, deadline;
    char text[64], words[200];
    int server, holes[2];
    unsigned port = new_tcp_server(&holes[0], "127.0.0.2", 0, 0);

    snprintf(text, sizeof(text), "tcp:127.0.0.2:%u", port);
    hole = parse(text, "");
    crowd_gather(&crowd, &hole);
    assert_int_equal(new_tcp_server(&server, "127.0.0.1", port, 1), port);
    assert_int_equal(new_tcp_server(&holes[1], "127.0.0.3", port, -1), port);
    snprintf(text, sizeof(text), "tcp:three.test:%u", port);
    start = check_now();
    deadline = start + 600 * QMP_MILLISECOND;
    assert_ok(dial(&l, text, "", deadline, &flaw));
    assert_error(link_step(&l, &flaw), 0);
    do {
        assert_error(go_on(&l, &flaw), 0);
        link_explain_wait(&l, words, sizeof(words));
    } while (!strstr(words, "127.0.0.2")); /* the first is quick */
    assert_int_equal(link_poll_events(&l), POLLOUT);
    assert_true(l.fd >= 0);
    assert_true(link_deadline(&l) > start + 200 * QMP_MILLISECOND); /* half of it */
    assert_true(link_deadline(&l) < deadline - 200 * QMP_MILLISECOND);
    assert_string_equal(words, "127.0.0.2 did not answer; 127.0.0.3: nobody listens there");
    assert_up(&l);
    assert_true(check_now() > start + 250 * QMP_MILLISECOND);
    link_close(&l);
    close(server);
    assert_ok(dial(&l, text, "", check_now() + 50 * QMP_MILLISECOND, &flaw)); /* and nobody after it */
    assert_error(climb(&l, &flaw), -ECONNREFUSED);
    assert_string_equal(flaw.why, "127.0.0.3: nobody listens there; 127.0.0.2 did not answer; "
                                  "127.0.0.1: nobody listens there");
    link_close(&l);
    crowd_leave(&crowd);
    close(holes[0]);
    close(holes[1]);
}

/* The last one is the deadline's, which is not watched here. */
static void test_black_hole(void)
{
    struct address a;
    struct link_flaw flaw;
    struct crowd crowd;
    char text[64], words[64];
    struct link *last;
    int server;

    snprintf(text, sizeof(text), "tcp:127.0.0.1:%u", new_tcp_server(&server, "127.0.0.1", 0, 0));
    a = parse(text, "");
    crowd_gather(&crowd, &a);
    last = &crowd.links[crowd.n - 1];
    assert_error(link_step(last, &flaw), 0);
    assert_true(link_deadline(last) == FOREVER);
    link_explain_wait(last, words, sizeof(words));
    assert_string_equal(words, "it did not answer");
    crowd_leave(&crowd);
    close(server);
}

static void test_slow_name(void)
{
    struct link_flaw flaw;
    struct link l;
    char words[100];

    names_reset();
    assert_ok(dial(&l, "tcp:slow.test:1", "", check_deadline(CHECK_WAIT), &flaw));
    names_wait_begun();
    assert_error(link_step(&l, &flaw), 0);
    assert_int_equal(l.state, LINK_RESOLVING);
    assert_true(link_deadline(&l) == FOREVER);
    link_explain_wait(&l, words, sizeof(words));
    assert_string_equal(words, "the look-up of the name slow.test did not end");
    link_close(&l); /* nobody waits for the thread */
    assert_down(&l);
    names_release();
}

static void test_vsock(void)
{
    struct link_flaw flaw;
    struct link l;
    int r;

    assert_refused("vsock:any:1", "", -EINVAL, "any CID is for listening");
    if (dial(&l, "vsock:host:", "4242", FOREVER, &flaw) == -EAFNOSUPPORT)
        return;
    r = link_step(&l, &flaw); /* whether there is such a host is the machine's business */
    assert_true(r == 0 || r == -EAFNOSUPPORT || r == -ECONNREFUSED || r == -ENETUNREACH || r == -ETIMEDOUT);
    link_close(&l);
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
    struct link_flaw flaw;
    struct link l;
    int fds[2];

    assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    assert_ok(dial(&l, "fd:", number(fds[0]), FOREVER, &flaw));
    assert_int_equal(l.fd, fds[0]);
    assert_up(&l);
    assert_true(l.carries_fds);
    assert_talks(&l, fds[1]);
    link_close(&l);
    assert_error(fcntl(fds[0], F_GETFD), -1);
}

/* What is refused stays the caller's, as it was. */
static void assert_refuses(int fd, int error, const char *why)
{
    int flags = fcntl(fd, F_GETFL), fd_flags = fcntl(fd, F_GETFD);
    struct link_flaw flaw;
    struct link l;

    assert_refused("fd:", number(fd), error, why);
    assert_error(link_adopt(&l, fd, false, NULL, NULL, FOREVER, &flaw), error);
    assert_contains(flaw.why, why);
    assert_down(&l);
    assert_int_equal(fcntl(fd, F_GETFL), flags);
    assert_int_equal(fcntl(fd, F_GETFD), fd_flags);
}

static void test_descriptor_refuses(void)
{
    struct link_flaw flaw;
    struct link l;
    int fds[2], fd = open("/dev/null", O_RDONLY);

    assert_refuses(fd, -ENOTSOCK, "no socket");
    close(fd);
    assert_refuses(fd, -EBADF, "no such descriptor");
    assert_error(link_adopt(&l, -1, false, NULL, NULL, FOREVER, &flaw), -EBADF);
    assert_ok(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
    assert_refuses(fds[0], -EPROTOTYPE, "no stream socket");
    close(fds[0]);
    close(fds[1]);
    fd = new_server(check_path("socket"), 1);
    assert_refuses(fd, -ENOTCONN, "that listens");
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_refuses(fd, -ENOTCONN, "not connected");
    close(fd);
}

static void test_adopt(void)
{
    struct link_flaw flaw;
    struct link l;
    int fds[2];

    assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    assert_ok(link_adopt(&l, fds[0], /* accepted= */ true, NULL, NULL, FOREVER, &flaw));
    assert_true(l.accepted);
    assert_up(&l);
    assert_talks(&l, fds[1]);
    link_close(&l);
}

/* ---- commands ---- */

/* What a command writes, and how it ended. */
static int run(const char *command, const char *input, char *out, size_t size)
{
    struct link_flaw flaw;
    struct link l;
    int status = -1;

    assert_ok(dial(&l, "exec:", command, FOREVER, &flaw));
    assert_int_equal(l.state, LINK_DIALLING);
    assert_up(&l);
    assert_false(l.carries_fds);
    assert_true(fcntl(l.status_fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(send_text(&l, "x", &l.fd, 1), -EAFNOSUPPORT);
    if (input[0])
        assert_int_equal(send_text(&l, input, NULL, 0), (ssize_t)strlen(input));
    receive_all(&l, out, size);
    assert_true(link_exit_status(&l, &status)); /* known by then, without waiting */
    assert_true(link_exit_status(&l, &status));
    link_close(&l);
    assert_false(link_exit_status(&l, &status));
    assert_error(waitpid(-1, NULL, WNOHANG), -1); /* no child of ours */
    assert_int_equal(errno, ECHILD);
    return status;
}

static void test_exec(void)
{
    static const struct {
        const char *command, *input, *output;
        int status;
    } cases[] = {
        {"read a; echo \"<$a>\"", "hello\n", "<hello>\n", 0},
        {"head -c 5 | tr a-z A-Z", "hello", "HELLO", 0},
        {"echo a b; echo 'c  d'; exit 3", "", "a b\nc  d\n", 3},
        {"kill -9 $$", "", "", 137},
        {"no-such-command-anywhere 2>/dev/null", "", "", 127},
        {"exec 2>/dev/null; /dev/null", "", "", 126},
        {"eval 'if' 2>/dev/null", "", "", 2},
        {"-x 2>/dev/null", "", "", 127},
        {"exit 255", "", "", 255},
        {"exec cat </dev/null", "", "", 0},
        {"(exit 7)", "", "", 7},
        /* What the shells in between use is not the command's. */
        {"for i in 8 9; do test ! -e /proc/$$/fd/$i || echo $i; done", "", "", 0},
        {"test /proc/$$/fd/0 -ef /proc/$$/fd/1 && echo same", "", "same\n", 0},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char out[200];
        int status = run(cases[i].command, cases[i].input, out, sizeof(out));

        if (status != cases[i].status || strcmp(out, cases[i].output) != 0)
            fail_msg("%s: %d: %s", cases[i].command, status, out);
    }
}

/* Whatever this program has made of its signals. */
static void test_exec_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before[2];
    sigset_t all, mask;
    char out[100];
    int status;

    assert_ok(sigaction(SIGPIPE, &ignore, &before[0]));
    assert_ok(sigaction(SIGCHLD, &ignore, &before[1]));
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &mask);
    status =
        run("sed -n 's/^SigBlk:[ \t]*//p' /proc/self/status; sh -c 'kill -PIPE $$'; echo $?", "", out, sizeof(out));
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    assert_ok(sigaction(SIGPIPE, &before[0], NULL));
    assert_ok(sigaction(SIGCHLD, &before[1], NULL));
    assert_int_equal(status, 0);
#ifdef __linux__
    assert_string_equal(out, "0000000000000000\n141\n");
#endif
}

/* It runs on while we do not; its input ends when we close, and nobody has to wait for it. */
static void test_exec_ends_with_its_input(void)
{
    const char *fifo = check_path("fifo");
    struct link_flaw flaw;
    struct link l;
    char command[200], byte = 0;
    int fd, status;

    assert_ok(mkfifo(fifo, 0600));
    fd = open(fifo, O_RDWR | O_CLOEXEC);
    snprintf(command, sizeof(command), "cat; echo end >%s", fifo);
    assert_ok(dial(&l, "exec:", command, FOREVER, &flaw));
    assert_up(&l);
    assert_false(link_exit_status(&l, &status));
    assert_int_equal(check_poll(fd, POLLIN, 0), 0);
    link_close(&l);
    assert_true(check_poll(fd, POLLIN, CHECK_WAIT));
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'e');
    close(fd);
}

static void test_exec_fails(void)
{
    size_t size = (size_t)1 << 20;
    char *command = malloc(size);
    struct address a = {.kind = ADDRESS_EXEC, .command = command};
    struct link_flaw flaw;
    struct link l;
    int r;

    memset(command, 'x', size);
    command[size - 1] = '\0';
    assert_ok(link_dial(&l, &a, NULL, NULL, FOREVER, &flaw));
    r = climb(&l, &flaw);
    assert_true(r == -E2BIG || r == -EIO); /* an emulated vfork(2) may not tell what exactly */
    link_close(&l);
    free(command);
    assert_ok(dial(&l, "exec:", "true", FOREVER, &flaw)); /* never begun */
    link_close(&l);
}

/* ---- listening ---- */

static void test_listen(void)
{
    const char *path = check_path("socket");
    struct address a = parse("unix:", path);
    struct link_flaw flaw;
    struct link l, peer;
    char words[200];
    int fd;

    assert_ok(link_listen(&l, &a, NULL, NULL, &flaw));
    assert_int_equal(l.state, LINK_LISTENING);
    assert_int_equal(link_poll_events(&l), POLLIN);
    assert_contains(link_listening_address(&l), path);
    assert_error(link_step(&l, &flaw), 0);
    assert_true(link_deadline(&l) == FOREVER);
    link_explain_wait(&l, words, sizeof(words));
    assert_contains(words, "nobody dialled unix:");
    assert_ok(dial(&peer, "unix:", path, FOREVER, &flaw));
    assert_up(&peer);
    link_close(&peer); /* only looked */
    assert_error(link_step(&l, &flaw), 0);
    assert_ok(dial(&peer, "unix:", path, FOREVER, &flaw));
    assert_up(&peer);
    assert_up(&l);
    assert_true(l.accepted);
    assert_true(l.carries_fds);
    assert_null(link_listening_address(&l));
    assert_error(access(path, F_OK), -1); /* nobody else can dial */
    fd = dup(peer.fd);
    link_close(&peer);
    assert_talks(&l, fd);
    link_close(&l);
}

static void test_listen_tcp(void)
{
    struct address a = parse("tcp:localhost:0", "");
    char text[64];
    struct link_flaw flaw;
    struct link l, peer;

    assert_ok(link_listen(&l, &a, NULL, NULL, &flaw));
    snprintf(text, sizeof(text), "%s", link_listening_address(&l));
    assert_ok(dial(&peer, text, "", FOREVER, &flaw));
    assert_up(&peer);
    assert_up(&l);
    assert_false(l.carries_fds);
    link_close(&l);
    link_close(&peer);
    assert_fails(text, "", -ECONNREFUSED, "");
}

static void test_listen_without_descriptors(void)
{
    const char *path = check_path("socket");
    struct address a = parse("unix:", path);
    struct rlimit before, limit;
    struct link_flaw flaw;
    struct link l, peer;
    int first, r;

    assert_ok(link_listen(&l, &a, NULL, NULL, &flaw));
    assert_ok(dial(&peer, "unix:", path, FOREVER, &flaw));
    assert_up(&peer);
    first = dup(STDERR_FILENO);
    close(first);
    assert_ok(getrlimit(RLIMIT_NOFILE, &before));
    limit = (struct rlimit){.rlim_cur = (rlim_t)first, .rlim_max = before.rlim_max};
    assert_ok(setrlimit(RLIMIT_NOFILE, &limit));
    r = link_step(&l, &flaw);
    assert_ok(setrlimit(RLIMIT_NOFILE, &before));
    assert_error(r, -EMFILE);
    link_close(&l);
    assert_error(access(path, F_OK), -1);
    link_close(&peer);
}

static void test_listen_ends(void)
{
    const char *path = check_path("socket");
    struct address a = parse("unix:", path);
    struct link_flaw flaw;
    struct link l, second;

    assert_ok(link_listen(&l, &a, NULL, NULL, &flaw));
    assert_error(link_listen(&second, &a, NULL, NULL, &flaw), -EADDRINUSE);
    assert_contains(flaw.why, "somebody uses the socket");
    assert_down(&second);
    link_close(&l);
    assert_error(access(path, F_OK), -1);
}

/* ---- TLS ---- */

static void play(unsigned rounds)
{
    memset(&played, 0, sizeof(played));
    played.rounds = rounds;
}

static void test_tls(void)
{
    const char *path = check_path("socket");
    struct address a = parse("unix:", path);
    int server = new_server(path, 1), peer;
    struct qmp_tls credentials = {1};
    struct link_flaw flaw;
    struct link l;
    char words[64];

    play(1);
    assert_ok(link_dial(&l, &a, &credentials, "vm7.example", FOREVER, &flaw));
    assert_int_equal(credentials.refs, 2);
    assert_error(link_step(&l, &flaw), 0);
    assert_int_equal(l.state, LINK_HANDSHAKING);
    assert_int_equal(link_poll_events(&l), POLLIN);
    assert_true(link_deadline(&l) == FOREVER);
    link_explain_wait(&l, words, sizeof(words));
    assert_contains(words, "TLS handshake");
    peer = take(server);
    assert_int_equal(write(peer, "h", 1), 1);
    assert_up(&l);
    assert_int_equal(credentials.refs, 1);
    assert_string_equal(played.peer_name, "vm7.example");
    assert_false(played.is_server);
    assert_false(l.carries_fds);
    assert_int_equal(send_text(&l, "x", &peer, 1), -EAFNOSUPPORT);
    assert_true(link_has_input(&l));
    assert_int_equal(send_text(&l, "x", NULL, 0), 1);
    assert_true(link_wants_output(&l));
    assert_ok(link_flush(&l));
    assert_false(link_wants_output(&l));
    assert_int_equal(read(peer, words, 8), 1);
    assert_int_equal(write(peer, "y", 1), 1);
    assert_int_equal(link_receive_patiently(&l, words, 8, /* for_ever= */ false), 1);
    assert_int_equal(link_receive(&l, words, 8), -EAGAIN);
    link_close(&l);
    assert_int_equal(played.byes, 1);
    assert_int_equal(played.alive, 0);
    close(peer);
    close(server);
}

/* Unless told otherwise, it is the host that was dialled; whoever was dialled is the server. */
static void test_tls_names(void)
{
    static const struct {
        const char *host, *given, *expected;
    } cases[] = {
        {"one.test", NULL, "one.test"},
        {"one.test", "other", "other"},
        {"127.0.0.1", NULL, "127.0.0.1"},
        {"[::ffff:127.0.0.1%lo]", NULL, "::ffff:127.0.0.1"},
    };
    int server;
    unsigned port = new_tcp_server(&server, "127.0.0.1", 0, 8);

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct qmp_tls credentials = {1};
        struct link_flaw flaw;
        struct address a;
        struct link l;
        char text[64];

        play(0);
        snprintf(text, sizeof(text), "tcp:%s:%u", cases[i].host, port);
        a = parse(text, "");
        assert_ok(link_dial(&l, &a, &credentials, cases[i].given, FOREVER, &flaw));
        if (climb(&l, &flaw) > 0)
            assert_string_equal(played.peer_name, cases[i].expected);
        else
            assert_true(i == 3); /* a machine without IPv6 */
        link_close(&l);
        assert_int_equal(credentials.refs, 1);
    }
    close(server);
}

static void test_tls_as_server(void)
{
    const char *path = check_path("socket");
    struct address a = parse("unix:", path);
    struct qmp_tls credentials = {1};
    struct link_flaw flaw;
    struct link l, peer;

    play(0);
    assert_ok(link_listen(&l, &a, &credentials, NULL, &flaw));
    assert_ok(dial(&peer, "unix:", path, FOREVER, &flaw));
    assert_up(&peer);
    assert_up(&l);
    assert_true(played.is_server);
    assert_string_equal(played.peer_name, "(none)");
    link_close(&l);
    link_close(&peer);
    assert_int_equal(credentials.refs, 1);
}

static void test_tls_fails(void)
{
    const char *path = check_path("socket");
    struct address a = parse("unix:", path);
    int server = new_server(path, 8), fds[2];
    struct qmp_tls credentials = {1};
    struct link_flaw flaw;
    struct link l;

    play(0);
    played.handshake_error = -EACCES;
    assert_ok(link_dial(&l, &a, &credentials, NULL, FOREVER, &flaw));
    assert_error(climb(&l, &flaw), -EACCES);
    assert_true(flaw.tls);
    assert_string_equal(flaw.why, "not trusted");
    link_close(&l);
    assert_int_equal(played.byes, 0); /* it never was up */
    assert_int_equal(played.alive, 0);
    played.new_error = -EINVAL;
    assert_ok(link_dial(&l, &a, &credentials, NULL, FOREVER, &flaw));
    assert_error(climb(&l, &flaw), -EINVAL);
    assert_true(flaw.tls);
    assert_string_equal(flaw.why, "no certificate");
    link_close(&l);
    /* Found before anybody is dialled, or waited for. */
    played.check_error = -EINVAL;
    assert_error(link_dial(&l, &a, &credentials, NULL, FOREVER, &flaw), -EINVAL);
    assert_true(flaw.tls);
    assert_string_equal(flaw.why, "no certificate for that");
    assert_down(&l);
    a = parse("unix:", check_path("nobody"));
    assert_error(link_listen(&l, &a, &credentials, NULL, &flaw), -EINVAL);
    assert_true(flaw.tls);
    assert_down(&l);
    assert_int_equal(access(check_path("nobody"), F_OK), -1);
    played.check_error = 0;
    assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    assert_error(link_adopt(&l, fds[0], true, &credentials, NULL, FOREVER, &flaw), -EINVAL);
    assert_true(flaw.tls);
    assert_down(&l);
    assert_false(fcntl(fds[0], F_GETFD) & FD_CLOEXEC); /* still theirs, as it was */
    assert_int_equal(credentials.refs, 1);
    close(fds[0]);
    close(fds[1]);
    close(server);
}

static void test_tls_given_up(void)
{
    struct qmp_tls credentials = {1};
    struct link_flaw flaw;
    struct link l;
    int fds[2];

    play(1);
    assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    assert_ok(link_adopt(&l, fds[0], true, &credentials, NULL, FOREVER, &flaw));
    assert_true(link_deadline(&l) == 0);
    assert_error(link_step(&l, &flaw), 0);
    link_close(&l);
    assert_down(&l);
    assert_int_equal(played.alive, 0);
    assert_int_equal(credentials.refs, 1);
    assert_error(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_nothing),
        CHECK_TEST(test_without_descriptors),
        CHECK_TEST(test_unix),
        CHECK_TEST(test_unix_fails),
        CHECK_TEST(test_unix_waits),
        CHECK_TEST(test_tcp),
        CHECK_TEST(test_tcp_refuses),
        CHECK_TEST(test_names),
        CHECK_TEST(test_names_fail),
        CHECK_TEST(test_slices),
        CHECK_TEST(test_black_hole),
        CHECK_TEST(test_slow_name),
        CHECK_TEST(test_vsock),
        CHECK_TEST(test_descriptor),
        CHECK_TEST(test_descriptor_refuses),
        CHECK_TEST(test_adopt),
        CHECK_TEST(test_exec),
        CHECK_TEST(test_exec_signals),
        CHECK_TEST(test_exec_ends_with_its_input),
        CHECK_TEST(test_exec_fails),
        CHECK_TEST(test_listen),
        CHECK_TEST(test_listen_tcp),
        CHECK_TEST(test_listen_without_descriptors),
        CHECK_TEST(test_listen_ends),
        CHECK_TEST(test_tls),
        CHECK_TEST(test_tls_names),
        CHECK_TEST(test_tls_as_server),
        CHECK_TEST(test_tls_fails),
        CHECK_TEST(test_tls_given_up),
    };

    return check_main(argc, argv, tests, ELEMENTS(tests));
}
