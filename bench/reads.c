/* SPDX-License-Identifier: MIT */
/* The bare read of the same bytes in the same sizes.
 *
 * The floor must not win or lose by the size of its buffer. So the program stands between the library and the C
 * library's recv(), read() and recvmsg(), notes once what sizes the library asks for, and repeats exactly those.
 *
 * It refuses to know what is in the bytes. */

#include "reads.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define BUFFER ((size_t)1 << 20)

static int recorded_fd = -1;
static struct reads *record;

static ssize_t note(int fd, size_t size, ssize_t result)
{
    if (fd == recorded_fd && result > 0 && record->n < READS_MAX)
        record->sizes[record->n++] = size < BUFFER ? size : BUFFER;
    return result;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    return note(fd, size, recvfrom(fd, buffer, size, flags, NULL, NULL));
}

ssize_t read(int fd, void *buffer, size_t size)
{
    return note(fd, size, syscall(SYS_read, fd, buffer, size));
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    size_t size = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++)
        size += message->msg_iov[i].iov_len;
    return note(fd, size, syscall(SYS_recvmsg, fd, message, flags));
}

void reads_record(int fd, struct reads *r)
{
    r->n = 0;
    record = r;
    recorded_fd = fd;
}

void reads_end(void)
{
    recorded_fd = -1;
}

void reads_repeat(const struct reads *r, int fd, size_t size)
{
    static char buffer[BUFFER];
    size_t i = 0;

    while (size > 0) {
        ssize_t n = recvfrom(fd, buffer, r->sizes[i], 0, NULL, NULL);

        if (n <= 0)
            die("recv", n < 0 ? -errno : -ECONNRESET);
        size -= (size_t)n;
        i = i + 1 < r->n ? i + 1 : 0;
    }
}
