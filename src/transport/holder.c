/* SPDX-License-Identifier: MIT */
/* Who holds a monitor: for the words of an error, after it has happened.
 *
 * QEMU serves one client at a time on each monitor; a second one connects and hears nothing. Linux can tell who the
 * first one is: sock_diag(7) lists the accepted sockets of the server's path with the inode of their peer, and /proc
 * tells which process has that inode open. Connections that wait in the backlog have no inode yet and are not listed.
 * On other systems, or without the permission to look, it says that it does not know. It refuses to be an error of its
 * own. */

#include "transport/holder.h"

#include <string.h>

#ifdef __linux__

#include <dirent.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DIAG_BUFFER_SIZE ((size_t)32768)
#define TCP_STATE_ESTABLISHED 1u
/* A device number as the kernel has it inside. */
#define KERNEL_MINOR_BITS 20u
#define KERNEL_MINOR_MASK ((1u << KERNEL_MINOR_BITS) - 1)

/* What one socket of the dump says. */
struct diag_socket {
    const char *name;
    size_t name_size;
    uint32_t file; /* the inode of the socket's file; 0: abstract */
    uint32_t device;
    uint32_t peer;
};

static int dump_sockets(int netlink)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } m = {
        .header = {sizeof(m), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0},
        .request = {.sdiag_family = AF_UNIX,
            .udiag_states = 1u << TCP_STATE_ESTABLISHED,
            .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER},
    };

    return send(netlink, &m, sizeof(m), 0) == (ssize_t)sizeof(m) ? 0 : -1;
}

static struct diag_socket parse_socket(struct nlmsghdr *h)
{
    struct unix_diag_msg *message = NLMSG_DATA(h);
    struct rtattr *a = (struct rtattr *)(message + 1);
    size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*message));
    struct diag_socket s = {0};

    for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == UNIX_DIAG_NAME) {
            s.name = RTA_DATA(a);
            s.name_size = RTA_PAYLOAD(a);
        } else if (a->rta_type == UNIX_DIAG_VFS && RTA_PAYLOAD(a) == sizeof(struct unix_diag_vfs)) {
            s.file = ((const struct unix_diag_vfs *)RTA_DATA(a))->udiag_vfs_ino;
            s.device = ((const struct unix_diag_vfs *)RTA_DATA(a))->udiag_vfs_dev;
        } else if (a->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(a) == sizeof(s.peer)) {
            memcpy(&s.peer, RTA_DATA(a), sizeof(s.peer));
        }
    }
    return s;
}

static bool is_on_device(const struct diag_socket *s, dev_t device)
{
    return s->device >> KERNEL_MINOR_BITS == major(device) && (s->device & KERNEL_MINOR_MASK) == minor(device);
}

/* `file`: the socket that is at the path now. A former server may still serve who found it there. The server may have
 * called the path something else, or its file system may not say on which device it is: one of the two has to fit. */
static bool is_at(const struct diag_socket *s, const struct sockaddr_un *un, socklen_t un_size, const struct stat *file)
{
    size_t size = un_size - offsetof(struct sockaddr_un, sun_path);

    if (!s->name)
        return false;
    if (un->sun_path[0] == '\0')
        return s->name_size == size && memcmp(s->name, un->sun_path, size) == 0;
    if (s->file != (uint32_t)file->st_ino)
        return false;
    if (is_on_device(s, file->st_dev))
        return true;
    /* A path is listed with its NUL by some kernels and without it by others. */
    return strnlen(s->name, s->name_size) == strnlen(un->sun_path, size) &&
           memcmp(s->name, un->sun_path, strnlen(un->sun_path, size)) == 0;
}

/* The inode of a peer of an accepted socket at the address that is not `own`; 0 for none. */
static uint32_t find_peer(const struct sockaddr_un *un, socklen_t size, const struct stat *file, ino_t own)
{
    char buffer[DIAG_BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    uint32_t found = 0;
    bool done = netlink < 0 || dump_sockets(netlink) < 0;

    while (!done) {
        ssize_t received = recv(netlink, buffer, sizeof(buffer), MSG_DONTWAIT);
        size_t n = received > 0 ? (size_t)received : 0;
        struct nlmsghdr *h = (struct nlmsghdr *)(void *)buffer;

        done = n == 0;
        for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
            struct diag_socket s;

            if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY) {
                done = true;
                break;
            }
            s = parse_socket(h);
            if (is_at(&s, un, size, file) && s.peer != 0 && s.peer != own)
                found = s.peer;
        }
    }
    if (netlink >= 0)
        close(netlink);
    return found;
}

/* Field 22 of /proc/PID/stat; `state` is field 3. */
static uint64_t start_of(const char *state)
{
    for (unsigned field = 3; state && field < 22; field++)
        state = strchr(state + 1, ' ');
    return state ? strtoull(state, NULL, 10) : 0;
}

/* Reads "PID (NAME) S …". */
static void describe(pid_t pid, struct process *ret)
{
    char path[64], text[512], *start, *end;
    ssize_t n;
    int fd;

    *ret = (struct process){.pid = pid, .name = "?"};
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    start = strchr(text, '(');
    end = strrchr(text, ')');
    if (!start || !end || end < start || end[1] != ' ')
        return;
    *end = '\0';
    snprintf(ret->name, sizeof(ret->name), "%s", start + 1);
    ret->state = end[2];
    ret->started = start_of(end + 2);
}

static bool has_open(const char *pid, const char *link)
{
    char path[300], target[64];
    struct dirent *e;
    bool found = false;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    d = opendir(path);
    while (d && !found && (e = readdir(d))) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

        found = n > 0 && (size_t)n == strlen(link) && memcmp(target, link, (size_t)n) == 0;
    }
    if (d)
        closedir(d);
    return found;
}

static pid_t find_process(uint32_t inode)
{
    char link[64];
    struct dirent *e;
    pid_t pid = 0;
    DIR *d = opendir("/proc");

    snprintf(link, sizeof(link), "socket:[%u]", (unsigned)inode);
    while (d && pid == 0 && (e = readdir(d))) {
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && has_open(e->d_name, link))
            pid = (pid_t)strtol(e->d_name, NULL, 10);
    }
    if (d)
        closedir(d);
    return pid;
}

bool holder_find(const struct sockaddr_un *un, socklen_t size, int fd, struct process *ret)
{
    char path[sizeof(un->sun_path) + 1] = ""; /* a path that fills the address has no NUL of its own */
    struct stat file = {0}, own = {0};
    uint32_t peer;
    pid_t pid;

    if (size <= offsetof(struct sockaddr_un, sun_path))
        return false;
    memcpy(path, un->sun_path, sizeof(un->sun_path));
    if (path[0] != '\0' && stat(path, &file) < 0)
        return false;
    if (fd >= 0)
        fstat(fd, &own);
    peer = find_peer(un, size, &file, own.st_ino);
    if (peer == 0)
        return false;
    *ret = (struct process){0};
    pid = find_process(peer);
    if (pid != 0)
        describe(pid, ret);
    return true;
}

bool holder_server(int fd, struct process *ret)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0 || credentials.pid <= 0)
        return false;
    describe(credentials.pid, ret);
    return true;
}

#else

bool holder_find(const struct sockaddr_un *un, socklen_t size, int fd, struct process *ret)
{
    (void)un;
    (void)size;
    (void)fd;
    (void)ret;
    return false;
}

bool holder_server(int fd, struct process *ret)
{
    (void)fd;
    (void)ret;
    return false;
}

#endif
