/* SPDX-License-Identifier: MIT */
/* A relay: a network between a client and a server that a test can break.
 *
 * One thread takes a connection, makes the other half, and moves bytes both ways until one side ends or the test cuts.
 * It blocks for nothing but poll(2); the test wakes it through a pipe. What is under way when it is cut is lost, as in
 * a network that breaks.
 *
 * It refuses to know what the bytes are. */

#include "relay.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

struct relay {
    pthread_t thread;
    int listener;
    int wake[2];
    struct sockaddr_un server;
    unsigned count;
    int ends[2]; /* the client's, the server's; -1: no connection */
};

enum { CUT = 'c', STOP = 's' };

static int connect_to(const struct sockaddr_un *server)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)server, sizeof(*server)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void hang_up(struct relay *r)
{
    for (size_t i = 0; i < 2; i++) {
        if (r->ends[i] >= 0)
            close(r->ends[i]);
        r->ends[i] = -1;
    }
}

static void take(struct relay *r)
{
    r->ends[0] = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
    if (r->ends[0] < 0)
        return;
    r->ends[1] = connect_to(&r->server);
    if (r->ends[1] < 0)
        hang_up(r);
    __atomic_add_fetch(&r->count, 1, __ATOMIC_ACQ_REL);
}

/* What one end has sent goes to the other. */
static void move(struct relay *r, size_t from)
{
    char data[4096];
    ssize_t n = recv(r->ends[from], data, sizeof(data), 0);

    if (n <= 0 || send(r->ends[!from], data, (size_t)n, MSG_NOSIGNAL) != n)
        hang_up(r);
}

static void *work(void *argument)
{
    struct relay *r = argument;
    char order = 0;

    while (order != STOP) {
        bool connected = r->ends[0] >= 0;
        struct pollfd p[] = {{.fd = r->wake[0], .events = POLLIN},
            {.fd = connected ? r->ends[0] : r->listener, .events = POLLIN}, {.fd = r->ends[1], .events = POLLIN}};

        if (poll(p, 3, -1) < 0)
            continue;
        if (p[0].revents && read(r->wake[0], &order, 1) == 1)
            hang_up(r);
        else if (p[1].revents && !connected)
            take(r);
        else if (p[1].revents)
            move(r, 0);
        else if (p[2].revents)
            move(r, 1);
    }
    return NULL;
}

static void tell(struct relay *r, char order)
{
    assert_int_equal(write(r->wake[1], &order, 1), 1);
}

struct relay *relay_start(int listener, const char *path)
{
    struct relay *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->listener = listener;
    r->ends[0] = r->ends[1] = -1;
    r->server.sun_family = AF_UNIX;
    assert_true(strlen(path) < sizeof(r->server.sun_path));
    strcpy(r->server.sun_path, path);
    assert_int_equal(pipe2(r->wake, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&r->thread, NULL, work, r), 0);
    return r;
}

void relay_cut(struct relay *r)
{
    tell(r, CUT);
}

unsigned relay_count(struct relay *r)
{
    return __atomic_load_n(&r->count, __ATOMIC_ACQUIRE);
}

void relay_stop(struct relay *r)
{
    tell(r, STOP);
    pthread_join(r->thread, NULL);
    close(r->listener);
    close(r->wake[0]);
    close(r->wake[1]);
    free(r);
}
