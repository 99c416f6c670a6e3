/* SPDX-License-Identifier: MIT */
/* Many servers in one process, well-behaved or not.
 *
 * One epoll, and for each connection a little input and output, all of it allocated before the fork: the parent may
 * have threads. Nothing here waits for a single client. A connection that floods makes its next events when the last
 * ones have been taken by the socket, so the kernel's idea of a full buffer is the only brake.
 *
 * One that dribbles has the smallest buffer there is. The kernel counts each piece of it with an overhead of hundreds
 * of bytes, and says that there is room when one or two are left unread: so a byte is sent when the one before was
 * read, and the client gets them one by one.
 *
 * It refuses to be a test peer: it believes whatever the client sends, cuts it at its braces, and dies of what it does
 * not understand. Its clients see that. */

#include "crowd.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)4096)
#define OUTPUT_MAX ((size_t)16384)
/* Any one text that is sent. */
#define TEXT_MAX ((size_t)512)
#define BATCH_MAX 64
/* Those that come to the listening socket. */
#define VISITORS_MAX 16u
/* Descriptors for everything else. */
#define RESERVE 64u

static const char greeting[] = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
                               "\"package\": \"crowd\"}, \"capabilities\": []}}\r\n";

struct guest {
    int fd; /* -1: gone */
    enum crowd_habit habit;
    bool talks;        /* sends events */
    uint64_t n_events; /* so far */
    uint32_t watched;
    size_t input_size, output_size, output_sent;
    char input[INPUT_MAX], output[OUTPUT_MAX];
};

struct host {
    int epoll, listening;
    struct guest *guests;
    size_t n, n_allocated;
};

static _Noreturn void give_up(const char *why)
{
    /* Nothing that allocates or locks. */
    (void)!write(STDERR_FILENO, why, strlen(why));
    (void)!write(STDERR_FILENO, "\n", 1);
    _exit(1);
}

/* ---- a connection ---- */

static void leave(struct guest *g)
{
    close(g->fd);
    g->fd = -1;
}

static void say(struct guest *g, const char *text)
{
    size_t size = strlen(text);

    if (size > OUTPUT_MAX - g->output_size)
        give_up("crowd: a client asks much and reads nothing");
    memcpy(g->output + g->output_size, text, size);
    g->output_size += size;
}

static void make_events(struct guest *g)
{
    char text[TEXT_MAX];

    /* Room is left for answers. */
    while (g->output_size < OUTPUT_MAX / 2) {
        snprintf(text, sizeof(text),
            "{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 250000}, \"event\": \"" CROWD_EVENT "\", "
            "\"data\": {\"n\": %llu, \"of\": \"a hundred bytes or so, as events of QEMU are\"}}\r\n",
            (unsigned long long)g->n_events++);
        say(g, text);
        if (g->habit == CROWD_DRIBBLES)
            break;
    }
}

/* The id of a command, as it is written. */
static int id_of(const char *command, size_t size, const char **ret)
{
    static const char key[] = "\"id\":";
    const char *end = command + size, *id = memmem(command, size, key, sizeof(key) - 1), *p;

    if (!id)
        give_up("crowd: a command without an id");
    for (id += sizeof(key) - 1; *id == ' '; id++)
        ;
    for (p = id; p < end && *p != ',' && *p != '}'; p++)
        ;
    *ret = id;
    return (int)(p - id);
}

static bool is(const char *command, size_t size, const char *name)
{
    return memmem(command, size, name, strlen(name)) != NULL;
}

static void answer(struct guest *g, const char *command, size_t size)
{
    bool negotiates = is(command, size, "\"qmp_capabilities\"");
    char text[TEXT_MAX];
    const char *id;
    int n = id_of(command, size, &id);

    if (g->habit == CROWD_DIES && !negotiates) {
        leave(g);
        return;
    }
    if (is(command, size, "\"" CROWD_STOP "\"")) {
        g->talks = false;
        snprintf(text, sizeof(text), "{\"return\": {\"events\": %llu}, \"id\": %.*s}\r\n",
            (unsigned long long)g->n_events, n, id);
    } else {
        snprintf(text, sizeof(text), "{\"return\": {}, \"id\": %.*s}\r\n", n, id);
    }
    say(g, text);
    if (negotiates)
        g->talks = g->habit == CROWD_FLOODS || g->habit == CROWD_DRIBBLES;
}

/* The size up to the end of the first object, 0 when it is not there yet. */
static size_t object(const char *text, size_t size)
{
    size_t depth = 0;

    for (size_t i = 0; i < size; i++) {
        depth += text[i] == '{';
        if (text[i] == '}' && --depth == 0)
            return i + 1;
    }
    return 0;
}

static void hear(struct guest *g)
{
    ssize_t n = recv(g->fd, g->input + g->input_size, INPUT_MAX - g->input_size, MSG_DONTWAIT);
    size_t at = 0, size;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        leave(g);
        return;
    }
    g->input_size += (size_t)n;
    while (g->fd >= 0 && (size = object(g->input + at, g->input_size - at)) > 0) {
        answer(g, g->input + at, size);
        at += size;
    }
    memmove(g->input, g->input + at, g->input_size - at);
    g->input_size -= at;
    if (g->input_size == INPUT_MAX)
        give_up("crowd: a command too large");
}

static void speak(struct guest *g)
{
    size_t size;
    ssize_t n;

    if (g->talks && g->output_sent == g->output_size)
        make_events(g);
    size = g->output_size - g->output_sent;
    if (size == 0)
        return;
    if (g->habit == CROWD_DRIBBLES)
        size = 1;
    n = send(g->fd, g->output + g->output_sent, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) {
        leave(g);
        return;
    }
    if (n > 0)
        g->output_sent += (size_t)n;
    /* What is left goes to the front, so that there is room for answers. */
    memmove(g->output, g->output + g->output_sent, g->output_size - g->output_sent);
    g->output_size -= g->output_sent;
    g->output_sent = 0;
}

/* ---- all of them ---- */

static void watch(const struct host *h, struct guest *g)
{
    bool wants_output = g->talks || g->output_size > 0;
    struct epoll_event e = {.events = EPOLLIN | (wants_output ? (uint32_t)EPOLLOUT : 0), .data.ptr = g};

    if (e.events == g->watched)
        return;
    if (epoll_ctl(h->epoll, g->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, g->fd, &e) < 0)
        give_up("crowd: epoll_ctl");
    g->watched = e.events;
}

static void welcome(const struct host *h, struct guest *g, int fd, enum crowd_habit habit)
{
    int least = 1;

    g->fd = fd;
    g->habit = habit;
    g->talks = false;
    g->n_events = 0;
    g->watched = 0;
    g->input_size = g->output_size = g->output_sent = 0;
    if (habit == CROWD_DRIBBLES)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
    say(g, greeting);
    watch(h, g);
}

static void visit(const struct host *h)
{
    int fd = accept4(h->listening, NULL, NULL, SOCK_CLOEXEC);

    for (size_t i = h->n; fd >= 0 && i < h->n_allocated; i++) {
        if (h->guests[i].fd < 0) {
            welcome(h, &h->guests[i], fd, CROWD_DIES);
            return;
        }
    }
    if (fd >= 0)
        close(fd);
}

static void attend(const struct host *h, struct guest *g, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        hear(g);
    if (g->fd >= 0)
        speak(g);
    if (g->fd >= 0)
        watch(h, g);
}

static _Noreturn void serve(const struct host *h)
{
    struct epoll_event batch[BATCH_MAX];

    for (;;) {
        int n = epoll_wait(h->epoll, batch, BATCH_MAX, -1);

        for (int i = 0; i < n; i++) {
            struct guest *g = batch[i].data.ptr;

            if (!g)
                visit(h);
            else if (g->fd >= 0)
                attend(h, g, batch[i].events);
        }
    }
}

static _Noreturn void run(
    struct host *h, const enum crowd_habit *habits, const int *theirs, const int *ours, pid_t parent)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(1);
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (h->epoll < 0 || epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->listening, &e) < 0)
        give_up("crowd: epoll");
    for (size_t i = 0; i < h->n_allocated; i++)
        h->guests[i].fd = -1;
    for (size_t i = 0; i < h->n; i++) {
        close(theirs[i]);
        welcome(h, &h->guests[i], ours[i], habits[i]);
    }
    serve(h);
}

/* ---- the parent ---- */

/* In the abstract namespace, under a name that the kernel finds. */
static int listen_somewhere(char *address, size_t size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t n = sizeof(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name.sun_family)) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &n) < 0) {
        int r = -errno;

        if (fd >= 0)
            close(fd);
        return r;
    }
    snprintf(address, size, "unix:@%.*s", (int)(n - sizeof(name.sun_family) - 1), name.sun_path + 1);
    return fd;
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

/* On failure no pair is left. */
static int make_pairs(size_t n, int *theirs, int *ours)
{
    for (size_t i = 0; i < n; i++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
            int r = -errno;

            close_all(theirs, i);
            close_all(ours, i);
            return r;
        }
        theirs[i] = pair[0];
        ours[i] = pair[1];
    }
    return 0;
}

static int launch(struct crowd *c, struct host *h, const enum crowd_habit *habits, const int *theirs, const int *ours)
{
    pid_t parent = getpid();

    c->pid = fork();
    if (c->pid == 0)
        run(h, habits, theirs, ours, parent);
    return c->pid < 0 ? -errno : 0;
}

int crowd_start(struct crowd *c, const enum crowd_habit *habits, size_t n, int *fds)
{
    struct host h = {.n = n, .n_allocated = n + VISITORS_MAX};
    int *ours = calloc(n + 1, sizeof(*ours)), r = -ENOMEM;

    *c = (struct crowd){.pid = -1};
    h.guests = calloc(h.n_allocated, sizeof(*h.guests));
    h.listening = listen_somewhere(c->address, sizeof(c->address));
    if (ours && h.guests)
        r = h.listening < 0 ? h.listening : make_pairs(n, fds, ours);
    if (r >= 0) {
        r = launch(c, &h, habits, fds, ours);
        close_all(ours, n);
        if (r < 0)
            close_all(fds, n);
    }
    if (h.listening >= 0)
        close(h.listening);
    free(h.guests);
    free(ours);
    return r;
}

void crowd_end(struct crowd *c)
{
    if (c->pid <= 0)
        return;
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    c->pid = -1;
}

void crowd_freeze(struct crowd *c)
{
    int status;

    kill(c->pid, SIGSTOP);
    waitpid(c->pid, &status, WUNTRACED);
}

void crowd_thaw(struct crowd *c)
{
    kill(c->pid, SIGCONT);
}

bool crowd_fits(size_t n)
{
    rlim_t want = 2 * n + RESERVE;
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < want) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur >= want;
}
