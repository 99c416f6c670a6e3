/* SPDX-License-Identifier: MIT */
/* Many servers on one thread, since a thread for each of a thousand would be the load that is measured.
 *
 * The thread sleeps in epoll_wait() until a connection has something; it ends when the last of them has ended, or when
 * it is told to by an eventfd. It believes what clients send: objects that count their braces right, each with an id.
 */

#include "crowd.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "peer.h"

/* The largest command that is understood. */
#define COMMAND_MAX 512u
/* Descriptors for everything else. */
#define OTHER_FDS 64u

struct seat {
    int fd;
    size_t size;
    char in[COMMAND_MAX];
};

struct crowd {
    pthread_t thread;
    int epoll, stop;
    size_t n;
    int *client_fds;
    struct seat *seats;
};

static void answer(struct seat *seat, const char *command, size_t size)
{
    static const char key[] = "\"id\":";
    const char *id = memmem(command, size, key, sizeof(key) - 1);
    size_t id_size = 0;
    char out[COMMAND_MAX + 64];
    int n;

    if (!id)
        return;
    id += sizeof(key) - 1;
    while (id[id_size] != ',' && id[id_size] != '}')
        id_size++;
    n = snprintf(out, sizeof(out), "{\"return\": {}, \"id\": %.*s}\r\n", (int)id_size, id);
    (void)!send(seat->fd, out, (size_t)n, MSG_NOSIGNAL);
}

/* The size of the first object; 0: it is not whole yet. No string in it has a brace. */
static size_t object_size(const struct seat *seat)
{
    unsigned depth = 0;

    for (size_t i = 0; i < seat->size; i++) {
        if (seat->in[i] == '{')
            depth++;
        else if (seat->in[i] == '}' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* Returns false at the end of the connection. */
static bool serve(struct seat *seat)
{
    ssize_t n = recv(seat->fd, seat->in + seat->size, sizeof(seat->in) - seat->size, MSG_DONTWAIT);
    size_t size;

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    seat->size += (size_t)n;
    while ((size = object_size(seat)) > 0) {
        answer(seat, seat->in, size);
        seat->size -= size;
        memmove(seat->in, seat->in + size, seat->size);
    }
    return true;
}

static void *run(void *userdata)
{
    struct crowd *crowd = userdata;
    struct epoll_event events[64];

    for (;;) {
        int n = epoll_wait(crowd->epoll, events, 64, -1);

        for (int i = 0; i < n; i++) {
            struct seat *seat = events[i].data.ptr;

            if (!seat)
                return NULL;
            if (!serve(seat))
                epoll_ctl(crowd->epoll, EPOLL_CTL_DEL, seat->fd, NULL);
        }
    }
}

static void raise_limit(size_t n_fds)
{
    struct rlimit limit;

    assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
    if (limit.rlim_cur >= n_fds)
        return;
    limit.rlim_cur = n_fds;
    assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
}

static void watch(struct crowd *crowd, int fd, struct seat *seat)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = seat};

    assert_return_code(epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, fd, &event), errno);
}

struct crowd *crowd_new(size_t n, int **ret_fds)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));

    assert_non_null(crowd);
    raise_limit(2 * n + OTHER_FDS);
    crowd->n = n;
    crowd->client_fds = calloc(n, sizeof(*crowd->client_fds));
    crowd->seats = calloc(n, sizeof(*crowd->seats));
    assert_true(crowd->client_fds && crowd->seats);
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd->stop = eventfd(0, EFD_CLOEXEC);
    watch(crowd, crowd->stop, NULL);
    for (size_t i = 0; i < n; i++) {
        int pair[2];

        assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), errno);
        crowd->client_fds[i] = pair[0];
        crowd->seats[i].fd = pair[1];
        (void)!send(pair[1], PEER_GREETING_TEXT, strlen(PEER_GREETING_TEXT), MSG_NOSIGNAL);
        watch(crowd, pair[1], &crowd->seats[i]);
    }
    assert_int_equal(pthread_create(&crowd->thread, NULL, run, crowd), 0);
    *ret_fds = crowd->client_fds;
    return crowd;
}

void crowd_free(struct crowd *crowd)
{
    (void)!write(crowd->stop, &(uint64_t){1}, sizeof(uint64_t));
    pthread_join(crowd->thread, NULL);
    for (size_t i = 0; i < crowd->n; i++)
        close(crowd->seats[i].fd);
    close(crowd->stop);
    close(crowd->epoll);
    free(crowd->seats);
    free(crowd->client_fds);
    free(crowd);
}
