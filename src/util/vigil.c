/* SPDX-License-Identifier: MIT */
/* A sleep whose reason others can change.
 *
 * With epoll(7) the kernel keeps what is watched: a change counts at once and wakes nobody, which is the point. Where
 * there is no epoll, or it does not take the descriptor, poll(2) does: then a sleeper that has to watch for more is
 * woken, and one that has to watch for less may wake for nothing.
 *
 * It refuses to know what the descriptor is, and who changes it. */

#include "util/vigil.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "util/util.h"

#ifdef __linux__
#include <sys/epoll.h>

static int control(int epoll_fd, int operation, int fd, short events)
{
    struct epoll_event e = {.data = {.fd = fd}};

    /* Watched for nothing, a descriptor still reports its end; on an edge, once is enough. */
    e.events = ((events & POLLIN) ? EPOLLIN : 0u) | ((events & POLLOUT) ? EPOLLOUT : 0u) | (events == 0 ? EPOLLET : 0u);
    return epoll_ctl(epoll_fd, operation, fd, &e) < 0 ? -errno : 0;
}

static void open_epoll(struct vigil *v)
{
    v->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    v->polls = control(v->epoll_fd, EPOLL_CTL_ADD, v->wake.fds[0], POLLIN) < 0;
    if (v->polls && v->epoll_fd >= 0) {
        close(v->epoll_fd); /* whoever sleeps there could not be woken */
        v->epoll_fd = -1;
    }
}

/* Returns 0, or negative when epoll does not watch it. */
static int change(struct vigil *v, int fd, short events)
{
    if (v->epoll_fd < 0)
        return -EBADF;
    if (fd == v->fd && !v->polls)
        return control(v->epoll_fd, EPOLL_CTL_MOD, fd, events);
    if (v->fd >= 0)
        control(v->epoll_fd, EPOLL_CTL_DEL, v->fd, 0);
    return fd >= 0 ? control(v->epoll_fd, EPOLL_CTL_ADD, fd, events) : 0;
}

/* Returns 1 when it was woken, 0, negative. */
static int sleep_in_epoll(const struct vigil *v, uint64_t deadline)
{
    struct epoll_event e[2];
    int n = epoll_wait(v->epoll_fd, e, ELEMENTS(e), time_poll_timeout(deadline));

    for (int i = 0; i < n; i++) {
        if (e[i].data.fd == v->wake.fds[0])
            return 1;
    }
    return n < 0 ? -errno : 0;
}
#else
static void open_epoll(struct vigil *v)
{
    v->polls = true;
}

static int change(struct vigil *v, int fd, short events)
{
    (void)v;
    (void)fd;
    (void)events;
    return -EOPNOTSUPP;
}

static int sleep_in_epoll(const struct vigil *v, uint64_t deadline)
{
    (void)v;
    (void)deadline;
    return -EOPNOTSUPP;
}
#endif

static int sleep_in_poll(const struct vigil *v, uint64_t deadline)
{
    struct pollfd p[] = {{.fd = v->wake.fds[0], .events = POLLIN}, {.fd = -1}};
    int n;

    p[1].events = __atomic_load_n(&v->events, __ATOMIC_ACQUIRE);
    if (p[1].events != 0)
        p[1].fd = __atomic_load_n(&v->fd, __ATOMIC_ACQUIRE);
    n = poll(p, ELEMENTS(p), time_poll_timeout(deadline));
    return n < 0 ? -errno : n > 0 && p[0].revents;
}

void vigil_init(struct vigil *v)
{
    wake_init(&v->wake);
    v->epoll_fd = v->fd = -1;
    v->events = 0;
    v->polls = false;
}

int vigil_open(struct vigil *v)
{
    int r = wake_open(&v->wake);

    if (r >= 0)
        open_epoll(v);
    return r;
}

void vigil_close(struct vigil *v)
{
    if (v->epoll_fd >= 0)
        close(v->epoll_fd);
    wake_close(&v->wake);
    vigil_init(v);
}

void vigil_watch(struct vigil *v, int fd, short events)
{
    bool polled = v->polls, polls;

    if (fd == v->fd && events == v->events)
        return;
    polls = change(v, fd, events) < 0;
    __atomic_store_n(&v->fd, fd, __ATOMIC_RELEASE);
    __atomic_store_n(&v->events, events, __ATOMIC_RELEASE);
    __atomic_store_n(&v->polls, polls, __ATOMIC_RELEASE);
    if ((polled || polls) && events != 0)
        vigil_wake(v);
}

void vigil_wake(const struct vigil *v)
{
    wake_set(&v->wake);
}

int vigil_sleep(struct vigil *v, uint64_t deadline)
{
    bool polls = __atomic_load_n(&v->polls, __ATOMIC_ACQUIRE);
    int r = polls ? sleep_in_poll(v, deadline) : sleep_in_epoll(v, deadline);

    if (r > 0)
        wake_clear(&v->wake);
    return MIN(r, 0);
}
