/* SPDX-License-Identifier: MIT */
/* Waking a poll(2) from elsewhere. It refuses to know who sleeps there, and why. */

#include "util/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/eventfd.h>
#endif

void wake_init(struct wake *w)
{
    w->fds[0] = w->fds[1] = -1;
}

#ifdef __linux__
int wake_open(struct wake *w)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return -errno;
    w->fds[0] = w->fds[1] = fd;
    return 0;
}
#else
int wake_open(struct wake *w)
{
    int fds[2];

    if (pipe(fds) < 0)
        return -errno;
    for (unsigned i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        w->fds[i] = fds[i];
    }
    return 0;
}
#endif

void wake_close(struct wake *w)
{
    if (w->fds[1] >= 0 && w->fds[1] != w->fds[0])
        close(w->fds[1]);
    if (w->fds[0] >= 0)
        close(w->fds[0]);
    wake_init(w);
}

void wake_set(const struct wake *w)
{
    uint64_t token = 1;
    ssize_t n;

    /* What is full is readable already. */
    do
        n = write(w->fds[1], &token, sizeof(token));
    while (n < 0 && errno == EINTR);
}

void wake_clear(const struct wake *w)
{
    uint64_t token;
    ssize_t n;

    /* An eventfd is empty after one. */
    do
        n = read(w->fds[0], &token, sizeof(token));
    while (n < 0 ? errno == EINTR : n > 0 && w->fds[0] != w->fds[1]);
}
