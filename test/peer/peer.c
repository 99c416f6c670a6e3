/* SPDX-License-Identifier: MIT */

/* A scripted QMP server for tests.
 *
 * It is as stupid as possible on purpose: it sends the bytes it is given and cuts what it receives into objects by
 * counting braces outside strings. A script is an array of steps; it is played in the test's thread (the test drives
 * the client by hand, so every order of things is the test's choice) or in a thread of the peer's own (for blocking
 * calls and thread-driven clients).
 *
 * The invariant: no step waits without an end. Every wait has CHECK_WAIT and looks at the pipe that tells the peer to
 * stop, so a test that failed half-way can always be cleaned up. A step that fails leaves its reason in the peer and
 * ends the script; the test's thread turns it into a failure of the test.
 *
 * It knows nothing about what a script is meant to show, nor about clients: it sees a socket. */

#include "peer.h"

#include "check.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define IDS_MAX 64u

enum { READ_END, WRITE_END };

struct peer {
    int fd, listening;
    int stop[2], go[2], note[2]; /* pipes: a byte each time */
    bool threaded;
    pthread_t thread;
    struct peer_step *steps;
    size_t n_steps;
    char error[512];
    char *input; /* received, not yet taken */
    size_t n_input, allocated;
    char *last;
    char *ids[IDS_MAX];
    size_t n_ids;
};

static bool failed(struct peer *p, const char *what, const char *detail)
{
    snprintf(p->error, sizeof(p->error), "%s: %s", what, detail);
    return false;
}

/* Waits for the descriptor, unless the peer is told to stop. */
static bool ready(struct peer *p, int fd, short events, uint64_t deadline)
{
    for (;;) {
        struct pollfd fds[] = {
            {.fd = p->stop[READ_END], .events = POLLIN, .revents = 0},
            {.fd = fd, .events = events, .revents = 0},
        };
        int r = poll(fds, 2, check_poll_timeout(deadline));

        if (fds[0].revents) {
            return failed(p, "stopped", "by the test");
        }
        if (r > 0) {
            return true;
        }
        if (r == 0 && check_now() >= deadline) {
            return failed(p, "waited too long", events & POLLIN ? "to receive" : "to send");
        }
    }
}

static bool send_all(struct peer *p, const char *text, size_t size)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (size > 0) {
        ssize_t n = send(p->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            text += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            if (!ready(p, p->fd, POLLOUT, deadline)) {
                return false;
            }
        } else if (errno != EINTR) {
            return failed(p, "send", strerror(errno));
        }
    }
    return true;
}

/* There is no event for "the other side has read everything"; the kernel's count of unread bytes is the next best. */
static bool all_read(struct peer *p)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);
    int unread = 1;

    while (ioctl(p->fd, SIOCOUTQ, &unread) == 0 && unread > 0) {
        struct pollfd stop = {.fd = p->stop[READ_END], .events = POLLIN, .revents = 0};

        if (poll(&stop, 1, 0) > 0) {
            return failed(p, "stopped", "by the test");
        }
        if (check_now() >= deadline) {
            return failed(p, "waited too long", "for the client to read");
        }
        sched_yield();
    }
    return true;
}

static bool send_dribble(struct peer *p, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!send_all(p, text + i, 1) || (p->threaded && !all_read(p))) {
            return false;
        }
    }
    return true;
}

static bool send_fill(struct peer *p, char byte, uint64_t number)
{
    char block[65536];

    memset(block, byte, sizeof(block));
    while (number > 0) {
        size_t n = number < sizeof(block) ? (size_t)number : sizeof(block);

        if (!send_all(p, block, n)) {
            return false;
        }
        number -= n;
    }
    return true;
}

/* As fast as the socket takes it: many copies with each system call. */
static bool send_storm(struct peer *p, const char *text, size_t size)
{
    char block[65536];
    size_t n = 0;
    char byte;

    for (; n + size <= sizeof(block); n += size) {
        memcpy(block + n, text, size);
    }
    for (;;) {
        struct pollfd go = {.fd = p->go[READ_END], .events = POLLIN, .revents = 0};

        if (poll(&go, 1, 0) > 0) {
            return read(p->go[READ_END], &byte, 1) == 1;
        }
        if (!send_all(p, block, n)) {
            return false;
        }
    }
}

static const char *id_of(struct peer *p, const char *name, size_t *ret_size)
{
    if (strncmp(name, "@id", 3) == 0 && p->n_ids > 0) {
        *ret_size = 3;
        return p->ids[p->n_ids - 1];
    }
    if (isdigit((unsigned char)name[1]) && (size_t)(name[1] - '0') < p->n_ids) {
        *ret_size = 2;
        return p->ids[name[1] - '0'];
    }
    return NULL;
}

static bool send_reply(struct peer *p, const char *text)
{
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);

    if (!f) {
        return failed(p, "reply", strerror(errno));
    }
    while (*text) {
        size_t skip = 1;
        const char *id = *text == '@' ? id_of(p, text, &skip) : NULL;

        if (id) {
            fputs(id, f);
        } else {
            fputc(*text, f);
        }
        text += skip;
    }
    fclose(f);
    bool sent = send_all(p, out, size);
    free(out);
    return sent;
}

/* The size of the first object in the input, white space before it included; 0 when it is not complete. */
static size_t object_size(const char *text, size_t size)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < size; i++) {
        if (in_string) {
            if (text[i] == '\\') {
                i++;
            } else {
                in_string = text[i] != '"';
            }
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '{') {
            depth++;
        } else if (text[i] == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* Reads once: 1 when something came, 0 at end of file (a reset counts as one), negative when it failed. */
static int receive(struct peer *p)
{
    if (p->allocated - p->n_input < 65536) {
        char *grown = realloc(p->input, p->allocated + 262144);

        if (!grown) {
            failed(p, "receive", "no memory");
            return -1;
        }
        p->input = grown;
        p->allocated += 262144;
    }

    ssize_t n = recv(p->fd, p->input + p->n_input, p->allocated - p->n_input, MSG_DONTWAIT);
    if (n > 0) {
        p->n_input += (size_t)n;
        return 1;
    }
    return n == 0 || errno == ECONNRESET ? 0 : -1;
}

/* Takes the next object out of the input into p->last: 1, 0 at end of file, -1 when it failed. */
static int next_object(struct peer *p)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);
    size_t size;

    while ((size = object_size(p->input, p->n_input)) == 0) {
        if (!ready(p, p->fd, POLLIN, deadline)) {
            return -1;
        }
        int r = receive(p);
        if (r <= 0) {
            return r;
        }
    }

    size_t space = 0;
    while (p->input[space] != '{') {
        space++;
    }
    free(p->last);
    p->last = strndup(p->input + space, size - space);
    memmove(p->input, p->input + size, p->n_input - size);
    p->n_input -= size;
    return p->last ? 1 : -1;
}

static bool remember_id(struct peer *p)
{
    qmp_value id = qmp_value_member((qmp_value){p->last, strlen(p->last)}, "id");

    if (p->n_ids == IDS_MAX) {
        free(p->ids[0]);
        memmove(p->ids, p->ids + 1, (IDS_MAX - 1) * sizeof(p->ids[0]));
        p->n_ids--;
    }
    p->ids[p->n_ids] = strndup(id.text ? id.text : "", id.size);
    return p->ids[p->n_ids++] != NULL;
}

static bool expect(struct peer *p, const char *command)
{
    int r = next_object(p);

    if (r <= 0) {
        return r == 0 ? failed(p, "end of file, where this should come", command) : false;
    }

    qmp_value object = {p->last, strlen(p->last)};
    if (!qmp_value_equals(qmp_value_member(object, "execute"), command) &&
        !qmp_value_equals(qmp_value_member(object, "exec-oob"), command)) {
        snprintf(p->error, sizeof(p->error), "expected %s, received %s", command, p->last);
        return false;
    }
    return remember_id(p);
}

static bool serve(struct peer *p)
{
    int r;

    while ((r = next_object(p)) > 0) {
        if (!remember_id(p) || !send_reply(p, "{\"return\": {}, \"id\": @id}\r\n")) {
            return false;
        }
    }
    return r == 0;
}

/* Receives until an object is complete, or the time is over (or the connection). */
static bool has_object(struct peer *p, uint64_t timeout)
{
    uint64_t deadline = check_deadline(timeout);

    while (object_size(p->input, p->n_input) == 0) {
        if (!(check_poll(p->fd, POLLIN, deadline > check_now() ? deadline - check_now() : 0) & POLLIN) ||
            receive(p) <= 0) {
            return false;
        }
    }
    return true;
}

static bool silence(struct peer *p, uint64_t timeout)
{
    if (has_object(p, timeout)) {
        p->input[object_size(p->input, p->n_input) - 1] = '\0';
        return failed(p, "silence expected, received", p->input);
    }
    return true;
}

static bool end(struct peer *p)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);
    int r;

    do {
        p->n_input = 0;
        if (!ready(p, p->fd, POLLIN, deadline)) {
            return false;
        }
        r = receive(p);
    } while (r > 0);
    return r == 0;
}

static void forget_connection(struct peer *p)
{
    if (p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
    p->n_input = 0;
    peer_forget_ids(p);
}

/* On TCP: no lingering means a reset. On a UNIX socket: the other side sees one if something of it is unread. */
static bool reset(struct peer *p)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0) {
        return failed(p, "SO_LINGER", strerror(errno));
    }
    forget_connection(p);
    return true;
}

static bool take_connection(struct peer *p)
{
    forget_connection(p);
    if (!ready(p, p->listening, POLLIN, check_deadline(CHECK_WAIT))) {
        return false;
    }
    p->fd = accept4(p->listening, NULL, NULL, SOCK_CLOEXEC);
    return p->fd >= 0 || failed(p, "accept", strerror(errno));
}

static bool wait_go(struct peer *p)
{
    char byte;

    return ready(p, p->go[READ_END], POLLIN, check_deadline(CHECK_WAIT)) && read(p->go[READ_END], &byte, 1) == 1;
}

static bool play_step(struct peer *p, const struct peer_step *s)
{
    switch (s->op) {
    case PEER_OP_SEND:
        return send_all(p, s->text, s->size);
    case PEER_OP_DRIBBLE:
        return send_dribble(p, s->text, s->size);
    case PEER_OP_FILL:
        return send_fill(p, s->text[0], s->number);
    case PEER_OP_STORM:
        return send_storm(p, s->text, s->size);
    case PEER_OP_EXPECT:
        return expect(p, s->text);
    case PEER_OP_REPLY:
        return send_reply(p, s->text);
    case PEER_OP_SERVE:
        return serve(p);
    case PEER_OP_SILENCE:
        return silence(p, s->number);
    case PEER_OP_END:
        return end(p);
    case PEER_OP_SHUT:
        return shutdown(p->fd, SHUT_WR) == 0 || failed(p, "shutdown", strerror(errno));
    case PEER_OP_DEAF:
        return shutdown(p->fd, SHUT_RD) == 0 || failed(p, "shutdown", strerror(errno));
    case PEER_OP_CLOSE:
        forget_connection(p);
        return true;
    case PEER_OP_RESET:
        return reset(p);
    case PEER_OP_ACCEPT:
        return take_connection(p);
    case PEER_OP_WAIT:
        return wait_go(p);
    case PEER_OP_NOTE:
        return write(p->note[WRITE_END], "!", 1) == 1;
    }
    return failed(p, "script", "no such step");
}

/* Plays until a step fails: its number is put in front of the reason. */
static bool play(struct peer *p, const struct peer_step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!play_step(p, &steps[i])) {
            char reason[sizeof(p->error)];

            memcpy(reason, p->error, sizeof(reason));
            snprintf(p->error, sizeof(p->error), "step %zu: %.480s", i, reason);
            return false;
        }
    }
    return true;
}

static void *play_thread(void *peer)
{
    struct peer *p = peer;

    play(p, p->steps, p->n_steps);
    return NULL;
}

struct peer *peer_new(int fd)
{
    struct peer *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->fd = fd;
    p->listening = -1;
    assert_int_equal(pipe2(p->stop, O_CLOEXEC), 0);
    assert_int_equal(pipe2(p->go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(p->note, O_CLOEXEC), 0);
    return p;
}

struct peer *peer_new_pair(int *ret_fd)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    *ret_fd = fds[0];
    return peer_new(fds[1]);
}

struct peer *peer_new_tcp(int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int one = 1;

    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(*ret_fd, (struct sockaddr *)&address, size), 0);
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    close(listening);
    return peer_new(fd);
}

/* In the abstract namespace when the path starts with @. */
static socklen_t socket_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof(address->sun_path));
    memcpy(address->sun_path, path, strlen(path) + 1);
    if (path[0] != '@') {
        return sizeof(*address);
    }
    address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

int peer_dial(const char *path)
{
    struct sockaddr_un address;
    socklen_t size = socket_address(&address, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&address, size) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

struct peer *peer_new_listening(const char *path)
{
    struct sockaddr_un address;
    socklen_t size = socket_address(&address, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, /* backlog= */ 1), 0);

    struct peer *p = peer_new(-1);
    p->listening = fd;
    return p;
}

struct peer *peer_free(struct peer *p)
{
    if (!p) {
        return NULL;
    }
    if (p->threaded) {
        assert_int_equal(write(p->stop[WRITE_END], "!", 1), 1);
        pthread_join(p->thread, NULL);
    }
    forget_connection(p);
    if (p->listening >= 0) {
        close(p->listening);
    }
    for (int i = READ_END; i <= WRITE_END; i++) {
        close(p->stop[i]);
        close(p->go[i]);
        close(p->note[i]);
    }
    free(p->steps);
    free(p->input);
    free(p->last);
    free(p);
    return NULL;
}

void peer_play(struct peer *p, const struct peer_step *steps, size_t n)
{
    assert_false(p->threaded);
    if (!play(p, steps, n)) {
        fail_msg("the peer failed in %s", p->error);
    }
}

void peer_start_steps(struct peer *p, const struct peer_step *steps, size_t n)
{
    assert_false(p->threaded);
    p->steps = realloc(p->steps, n * sizeof(*steps));
    assert_non_null(p->steps);
    memcpy(p->steps, steps, n * sizeof(*steps));
    p->n_steps = n;
    p->threaded = true;
    assert_int_equal(pthread_create(&p->thread, NULL, play_thread, p), 0);
}

void peer_join(struct peer *p)
{
    assert_true(p->threaded);
    pthread_join(p->thread, NULL);
    p->threaded = false;
    if (p->error[0] != '\0') {
        fail_msg("the peer failed in %s", p->error);
    }
}

void peer_go(struct peer *p)
{
    assert_int_equal(write(p->go[WRITE_END], "!", 1), 1);
}

void peer_await(struct peer *p)
{
    char byte;

    assert_true(check_poll(p->note[READ_END], POLLIN, CHECK_WAIT) & POLLIN);
    assert_int_equal(read(p->note[READ_END], &byte, 1), 1);
}

const char *peer_last(struct peer *p)
{
    return p->last;
}

const char *peer_id(struct peer *p, size_t n)
{
    assert_true(n < p->n_ids);
    return p->ids[n];
}

size_t peer_ids(struct peer *p)
{
    return p->n_ids;
}

const char *peer_id_from_end(struct peer *p, size_t n)
{
    assert_in_range(n, 1, p->n_ids);
    return p->ids[p->n_ids - n];
}

void peer_forget_ids(struct peer *p)
{
    while (p->n_ids > 0) {
        free(p->ids[--p->n_ids]);
    }
}

bool peer_has_object(struct peer *p, uint64_t timeout)
{
    return has_object(p, timeout);
}

int peer_fd(struct peer *p)
{
    return p->fd;
}
