/* SPDX-License-Identifier: MIT */
/* The server that the scenarios of faults connect to, in a thread of its own.
 *
 * The invariant: it never waits for one client, and a connection ends only when its client closes it or asks for that,
 * so that what is left over after a scenario is the library's. It refuses to know what is made to fail. */

#include "server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

#define CONNECTIONS_MAX 32u
#define LINE_MAX_SIZE ((size_t)16384)

#define GREETING                                                                                                       \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"faults\"}, "       \
    "\"capabilities\": [\"oob\"]}}\r\n"
#define EVENT                                                                                                          \
    "{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": %d}, \"event\": \"EMITTED\", \"data\": {\"number\": " \
    "%d}}\r\n"

struct connection {
    int fd;
    size_t size;
    char line[LINE_MAX_SIZE];
};

struct server {
    bool agent;
    int listening, tcp, wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    size_t n;
    struct connection *connections[CONNECTIONS_MAX];
};

/* ---- answering ---- */

static void say(struct connection *c, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = send(c->fd, text, size, MSG_NOSIGNAL);

        if (n <= 0) {
            return; /* its end is read */
        }
        text += n;
        size -= (size_t)n;
    }
}

__attribute__((format(printf, 2, 3))) static void answer(struct connection *c, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n > 0) {
        say(c, text, (size_t)n);
    }
    free(text);
}

static bool is(const char *line, const char *command)
{
    char wanted[64];

    snprintf(wanted, sizeof(wanted), ":\"%s\"", command);
    return strstr(line, wanted) != NULL;
}

/* The id is the last member of what the library sends. Returns false when the connection is over. */
static bool obey(struct connection *c, const char *line)
{
    const char *id = strstr(line, "\"id\":"), *later;
    size_t size;

    while (id && (later = strstr(id + 1, "\"id\":"))) {
        id = later;
    }
    id = id ? id + strlen("\"id\":") : "null}";
    size = (size_t)(strrchr(id, '}') - id);
    if (is(line, "hold")) {
        return true;
    }
    if (is(line, "drop")) {
        return false;
    }
    if (is(line, "guest-sync-delimited")) {
        answer(c, "\xff{\"return\": %.*s}\n", (int)strcspn(id, "}"), id);
        return true;
    }
    if (is(line, "emit")) {
        for (int i = 1; i <= 3; i++) {
            answer(c, EVENT, i, i);
        }
    }
    if (is(line, "refuse")) {
        answer(c, "{\"id\": %.*s, \"error\": {\"class\": \"GenericError\", \"desc\": \"refused\"}}\r\n", (int)size, id);
    } else if (is(line, "large")) {
        answer(c, "{\"id\": %.*s, \"return\": \"%0*d\"}\r\n", (int)size, id, SERVER_LARGE, 0);
    } else {
        answer(c, "{\"id\": %.*s, \"return\": {}}\r\n", (int)size, id);
    }
    return true;
}

/* What came, descriptors included, which are dropped. Returns false when the connection is over. */
static bool attend(struct connection *c)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control;
    struct iovec iov = {c->line + c->size, LINE_MAX_SIZE - 1 - c->size};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(c->fd, &message, MSG_CMSG_CLOEXEC);
    char *start = c->line, *end;

    for (struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&message) : NULL; h; h = CMSG_NXTHDR(&message, h)) {
        for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
            close(fd);
        }
    }
    if (n <= 0) {
        return false;
    }
    c->size += (size_t)n;
    while ((end = memchr(start, '\n', c->size - (size_t)(start - c->line)))) {
        *end = '\0';
        if (!obey(c, start)) {
            return false;
        }
        start = end + 1;
    }
    c->size -= (size_t)(start - c->line);
    memmove(c->line, start, c->size);
    return c->size < LINE_MAX_SIZE - 1;
}

/* ---- connections ---- */

/* With the lock held. */
static void add(struct server *s, int fd)
{
    struct connection *c = s->n < CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;

    if (!c) {
        close(fd);
        return;
    }
    c->fd = fd;
    s->connections[s->n++] = c;
    if (!s->agent) {
        say(c, GREETING, strlen(GREETING));
    }
}

/* With the lock held. */
static void drop(struct server *s, size_t i)
{
    close(s->connections[i]->fd);
    free(s->connections[i]);
    s->connections[i] = s->connections[--s->n];
}

static void take(struct server *s, int listening)
{
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC), on = 1;

    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails, and need not be, on a UNIX socket */
        add(s, fd);
    }
}

static void *serve(void *userdata)
{
    struct server *s = userdata;
    struct pollfd pollfds[3 + CONNECTIONS_MAX];
    uint64_t token;

    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        size_t n = s->n;

        pollfds[0] = (struct pollfd){.fd = s->wake, .events = POLLIN};
        pollfds[1] = (struct pollfd){.fd = s->listening, .events = POLLIN};
        pollfds[2] = (struct pollfd){.fd = s->tcp, .events = POLLIN};
        for (size_t i = 0; i < n; i++) {
            pollfds[3 + i] = (struct pollfd){.fd = s->connections[i]->fd, .events = POLLIN};
        }
        pthread_mutex_unlock(&s->lock);
        poll(pollfds, 3 + n, -1);
        pthread_mutex_lock(&s->lock);
        if (pollfds[0].revents != 0 && read(s->wake, &token, sizeof(token)) < 0) {
            break;
        }
        /* From behind, where one that is dropped is replaced by one that has had its turn. */
        for (size_t i = n; i > 0; i--) {
            if (pollfds[2 + i].revents != 0 && !attend(s->connections[i - 1])) {
                drop(s, i - 1);
            }
        }
        if (pollfds[1].revents != 0) {
            take(s, s->listening);
        }
        if (pollfds[2].revents != 0) {
            take(s, s->tcp);
        }
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void nudge(struct server *s)
{
    uint64_t one = 1;

    assert_int_equal(write(s->wake, &one, sizeof(one)), sizeof(one));
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    assert_true(strlen(path) < sizeof(un.sun_path));
    strcpy(un.sun_path, path);
    return un;
}

struct server *server_new(const char *path, bool agent)
{
    struct server *s = calloc(1, sizeof(*s));
    struct sockaddr_un un = address_of(path);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_condattr_t monotonic;

    assert_non_null(s);
    s->agent = agent;
    s->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->wake = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(bind(s->listening, (struct sockaddr *)(void *)&un, sizeof(un)), 0);
    assert_int_equal(bind(s->tcp, (struct sockaddr *)(void *)&in, sizeof(in)), 0);
    assert_int_equal(listen(s->listening, 16), 0);
    assert_int_equal(listen(s->tcp, 16), 0);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

int server_port(const struct server *s)
{
    struct sockaddr_in in;
    socklen_t size = sizeof(in);

    assert_int_equal(getsockname(s->tcp, (struct sockaddr *)(void *)&in, &size), 0);
    return ntohs(in.sin_port);
}

bool server_dial(struct server *s, const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un un = address_of(path);

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)(void *)&un, sizeof(un)) < 0) {
        close(fd);
        return false;
    }
    pthread_mutex_lock(&s->lock);
    add(s, fd);
    pthread_mutex_unlock(&s->lock);
    nudge(s);
    return true;
}

/* Also those that are in the queue still: whoever closed has been accepted, seen and dropped. */
static bool is_settled(const struct server *s)
{
    struct pollfd pollfds[2] = {{.fd = s->listening, .events = POLLIN}, {.fd = s->tcp, .events = POLLIN}};

    return s->n == 0 && poll(pollfds, 2, 0) == 0;
}

bool server_settle(struct server *s)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);
    struct timespec until = {(time_t)(deadline / QMP_SECOND), (long)(deadline % QMP_SECOND) * 1000};
    bool settled;
    int e = 0;

    pthread_mutex_lock(&s->lock);
    while (!(settled = is_settled(s)) && e == 0) {
        e = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return settled;
}

void server_free(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_mutex_unlock(&s->lock);
    nudge(s);
    pthread_join(s->thread, NULL);
    while (s->n > 0) {
        drop(s, s->n - 1);
    }
    close(s->listening);
    close(s->tcp);
    close(s->wake);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
