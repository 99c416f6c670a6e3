/* SPDX-License-Identifier: MIT */
/* Sockets that wait for a peer to dial.
 *
 * The hard part is the file of a UNIX socket. It stays when its process dies, and must not be in the way then; but it
 * must not be taken from a process that lives. So nothing is removed on suspicion:
 *
 *  - what is no socket, a symbolic link included, is left alone, whatever it leads to;
 *  - a socket that takes connections, or has no room for more, is in use; one that refuses them is stale;
 *  - the new socket listens under another name first, and changes places with the stale one in one step; then what came
 *    out is looked at again. If it is not what was found stale, or has come to life, both change back.
 *
 * So there is no moment without a file, and a peer that dials gets through to the old one, the new one or nobody who
 * listens, as it would have anyway. A socket that is bound and does not listen yet refuses connections just like a
 * stale one: that moment, between two system calls of its process, is the one thing that cannot be told apart.
 *
 * The file is ours alone: its mode is set on the socket before there is a file. It is removed before the socket is
 * closed, and only if it is the one that we made. It refuses to know what is said on the connections. */

#include "transport/listening.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/socket.h"
#include "util/util.h"

#define FILE_MODE 0600
/* How often a path that changes under our hands is looked at again. */
#define ROUNDS_MAX 4u
/* Names that are tried for the time until the file is in its place. */
#define NAMES_MAX 8u

/* Another name, in the same folder. */
#define NAME_PREFIX ".q"
#define NAME_DIGITS 6u

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1u << 1)
#endif

static int flaw(struct link_flaw *reterr, int error, const char *why)
{
    snprintf(reterr->why, sizeof(reterr->why), "%s", why);
    return error;
}

static int bind_to(int fd, const void *address, socklen_t size)
{
    return bind(fd, address, size) < 0 ? -errno : 0;
}

static int start_listening(int fd)
{
    return listen(fd, LISTENING_BACKLOG) < 0 ? -errno : 0;
}

/* ---- socket files ---- */

static int new_unix_socket(void)
{
    int fd = socket_new(AF_UNIX);

    /* Where the file takes its mode from, on Linux. */
    if (fd >= 0 && fchmod(fd, FILE_MODE) < 0)
        errno = 0;
    return fd;
}

static int listen_at(int fd, const struct sockaddr_un *un, struct stat *ret)
{
    int r = bind_to(fd, un, sizeof(*un));

    if (r < 0)
        return r;
    if (lstat(un->sun_path, ret) < 0 || ((ret->st_mode & 0777) != FILE_MODE && chmod(un->sun_path, FILE_MODE) < 0))
        r = -errno;
    if (r >= 0)
        r = start_listening(fd);
    if (r < 0)
        unlink(un->sun_path);
    return r;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Holds a file without opening it, so that no other one gets its inode when it is removed. Returns the descriptor, or
 * -1 where that cannot be done. */
static int pin(const char *path)
{
#ifdef O_PATH
    return open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
#else
    (void)path;
    return -1;
#endif
}

/* While a socket is open, no other file can have its inode. */
static void remove_own(const char *path, const struct stat *own)
{
    struct stat file;

    if (lstat(path, &file) == 0 && is_same(&file, own))
        unlink(path);
}

/* Returns 0 when nobody listens (any more), -EADDRINUSE, other errnos. */
static int probe(const struct sockaddr_un *un)
{
    bool connected;
    int fd = socket_connect((const struct sockaddr *)(const void *)un, sizeof(*un), &connected);

    if (fd >= 0)
        close(fd);
    if (fd >= 0 || fd == -EAGAIN || fd == -EPROTOTYPE)
        return -EADDRINUSE;
    return fd == -ECONNREFUSED ? 0 : fd;
}

/* What is in the way. Returns 0 when it is stale, -ENOENT when it has gone meanwhile, other errnos. */
static int examine(const struct sockaddr_un *un, struct stat *ret, struct link_flaw *reterr)
{
    int r;

    if (lstat(un->sun_path, ret) < 0)
        return -errno;
    if (S_ISLNK(ret->st_mode))
        return flaw(reterr, -EEXIST, "the path is a symbolic link, which is left alone");
    if (!S_ISSOCK(ret->st_mode))
        return flaw(reterr, -EEXIST, "the path is there already and no socket; it is left alone");
    r = probe(un);
    if (r == -EADDRINUSE)
        return flaw(reterr, r, "somebody uses the socket already");
    if (r < 0 && r != -ENOENT)
        return flaw(reterr, r, "the path is there already, and who uses it cannot be found out");
    return r;
}

/* A name in the same folder that hardly anybody has. */
static int make_name(struct sockaddr_un *ret, const struct sockaddr_un *un, unsigned round)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    const char *slash = strrchr(un->sun_path, '/');
    size_t folder = slash ? (size_t)(slash + 1 - un->sun_path) : 0;
    uint64_t seed = (time_now() * 64 + round) ^ ((uint64_t)getpid() << 12) ^ (uintptr_t)ret;
    char name[sizeof(NAME_PREFIX) + NAME_DIGITS] = NAME_PREFIX;

    for (size_t i = 0; i < NAME_DIGITS; i++, seed /= 32)
        name[sizeof(NAME_PREFIX) - 1 + i] = letters[seed % 32];
    if (folder + sizeof(name) > sizeof(ret->sun_path))
        return -ENAMETOOLONG;
    *ret = *un;
    memcpy(ret->sun_path + folder, name, sizeof(name));
    return 0;
}

static int listen_aside(int fd, const struct sockaddr_un *un, struct sockaddr_un *ret_aside, struct stat *ret)
{
    int r = -EADDRINUSE;

    for (unsigned i = 0; i < NAMES_MAX && r == -EADDRINUSE; i++) {
        r = make_name(ret_aside, un, i);
        if (r >= 0)
            r = listen_at(fd, ret_aside, ret);
    }
    return r;
}

static int exchange(const char *a, const char *b)
{
#ifdef __linux__
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) < 0 ? -errno : 0;
#else
    (void)a;
    (void)b;
    return -ENOSYS;
#endif
}

/* For file systems that cannot exchange: the moment between looking and renaming remains. */
static int replace(const struct sockaddr_un *aside, const struct sockaddr_un *un, const struct stat *stale)
{
    struct stat now;

    if (lstat(un->sun_path, &now) < 0)
        return -errno;
    if (!is_same(&now, stale))
        return -EADDRINUSE;
    return rename(aside->sun_path, un->sun_path) < 0 ? -errno : 0;
}

/* Puts the socket that listens aside in the place of the stale one. Returns 0, -EADDRINUSE when that is another one by
 * now, other errnos; nothing has changed then. */
static int take_place(const struct sockaddr_un *aside, const struct sockaddr_un *un, const struct stat *stale)
{
    struct stat out;
    int r = exchange(aside->sun_path, un->sun_path);

    if (r == -ENOSYS || r == -EINVAL)
        return replace(aside, un, stale);
    if (r < 0)
        return r;
    if (lstat(aside->sun_path, &out) == 0 && S_ISSOCK(out.st_mode) && is_same(&out, stale) && probe(aside) == 0) {
        unlink(aside->sun_path);
        return 0;
    }
    exchange(aside->sun_path, un->sun_path);
    return -EADDRINUSE;
}

/* Returns 1 when it listens there, 0 when the path has changed and is to be looked at again, negative. */
static int replace_file(int *fd, const struct sockaddr_un *un, struct stat *ret, struct link_flaw *reterr)
{
    struct sockaddr_un aside;
    struct stat stale;
    int r = examine(un, &stale, reterr);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = listen_aside(*fd, un, &aside, ret);
    if (r == -ENAMETOOLONG)
        return flaw(reterr, -EADDRINUSE, "a stale socket is there, and its path is too long to replace it: remove it");
    if (r < 0)
        return r;
    r = take_place(&aside, un, &stale);
    if (r >= 0)
        return 1;
    remove_own(aside.sun_path, ret);
    if (r == -EADDRINUSE)
        return flaw(reterr, r, "somebody has just begun to use the socket");
    if (r != -ENOENT)
        return r;
    /* A socket is bound once. */
    close(*fd);
    *fd = new_unix_socket();
    return *fd < 0 ? *fd : 0;
}

static int replace_stale(int *fd, const struct sockaddr_un *un, struct stat *ret, struct link_flaw *reterr)
{
    int pinned = pin(un->sun_path), r = replace_file(fd, un, ret, reterr);

    if (pinned >= 0)
        close(pinned);
    return r;
}

static int open_file(struct listening *s, const struct sockaddr_un *un, struct link_flaw *reterr)
{
    struct stat file;
    int r = 0;

    for (unsigned i = 0; i < ROUNDS_MAX && r == 0; i++) {
        r = listen_at(s->fd, un, &file);
        r = r == -EADDRINUSE ? replace_stale(&s->fd, un, &file, reterr) : r < 0 ? r : 1;
    }
    if (r == 0)
        return flaw(reterr, -EADDRINUSE, "others keep making and removing the socket");
    if (r < 0)
        return r;
    s->file = *un;
    s->device = file.st_dev;
    s->inode = file.st_ino;
    return 0;
}

static int open_unix(struct listening *s, const struct address *a, struct link_flaw *reterr)
{
    struct sockaddr_storage address;
    socklen_t size;
    int r;

    s->fd = new_unix_socket();
    if (s->fd < 0)
        return s->fd;
    address_resolve(a, &address, &size);
    address_format(s->text, sizeof(s->text), &address, size);
    if (a->unix_.un.sun_path[0] != '\0')
        return open_file(s, &a->unix_.un, reterr);
    r = bind_to(s->fd, &a->unix_.un, a->unix_.size);
    if (r == -EADDRINUSE)
        return flaw(reterr, r, "somebody uses the name already");
    return r < 0 ? r : start_listening(s->fd);
}

/* ---- the others ---- */

/* The address that the socket has now. */
static int read_text(struct listening *s)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof(own);

    if (getsockname(s->fd, (struct sockaddr *)(void *)&own, &size) < 0)
        return -errno;
    address_format(s->text, sizeof(s->text), &own, size);
    return 0;
}

static int open_at(struct listening *s, const struct sockaddr_storage *address, socklen_t size)
{
    int on = 1, r;

    s->fd = socket_new(address->ss_family);
    if (s->fd < 0)
        return s->fd;
    /* Connections of a former listener that still fade away are no reason not to listen. */
    if (address->ss_family == AF_INET || address->ss_family == AF_INET6)
        setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    r = bind_to(s->fd, address, size);
    if (r >= 0)
        r = start_listening(s->fd);
    return r < 0 ? r : read_text(s);
}

static int open_tcp(struct listening *s, const struct address *a, struct link_flaw *reterr)
{
    static const char localhost[] = "localhost", loopback[] = "127.0.0.1";
    struct sockaddr_storage address;
    struct address numeric = *a;
    socklen_t size;
    int r;

    if (!a->tcp.numeric) {
        if (a->tcp.host_size != strlen(localhost) || memcmp(a->tcp.host, localhost, a->tcp.host_size) != 0)
            return flaw(reterr, -EINVAL,
                "the host to listen on is a numeric address or localhost (everywhere: 0.0.0.0 or [::])");
        numeric.tcp.host = loopback;
        numeric.tcp.host_size = strlen(loopback);
    }
    r = address_resolve(&numeric, &address, &size);
    if (r < 0)
        return flaw(reterr, r, "there is no such network interface");
    r = open_at(s, &address, size);
    if (r == -EADDRINUSE)
        return flaw(reterr, r, "somebody listens on the port already");
    return r;
}

static int open_vsock(struct listening *s, const struct address *a, struct link_flaw *reterr)
{
    struct sockaddr_storage address;
    socklen_t size;
    int r = address_resolve(a, &address, &size);

    if (r >= 0)
        r = open_at(s, &address, size);
    if (r == -EAFNOSUPPORT)
        return flaw(reterr, r, "this system has no vsock sockets");
    if (r == -EADDRINUSE)
        return flaw(reterr, r, "somebody listens on the port already");
    return r;
}

/* As a service manager hands it over. */
static int check_fd(int fd, struct link_flaw *reterr)
{
    int type, listens = 0;
    socklen_t size = sizeof(type);

    if (fcntl(fd, F_GETFD) < 0)
        return flaw(reterr, -EBADF, "this process has no such descriptor open");
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return flaw(reterr, -errno, "the descriptor is no socket");
    if (type != SOCK_STREAM)
        return flaw(reterr, -EPROTOTYPE, "the descriptor is no stream socket");
    size = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
        return flaw(reterr, -EINVAL, "the descriptor is a socket that does not listen");
    return 0;
}

static int open_fd(struct listening *s, const struct address *a, struct link_flaw *reterr)
{
    int r = check_fd(a->fd, reterr), flags;

    if (r < 0)
        return r;
    flags = fcntl(a->fd, F_GETFL);
    if (flags < 0 || fcntl(a->fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(a->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    s->fd = a->fd;
    return read_text(s);
}

static int open_exec(struct listening *s, const struct address *a, struct link_flaw *reterr)
{
    (void)s;
    (void)a;
    return flaw(reterr, -EINVAL, "a command dials nobody: it cannot be listened on");
}

/* ---- all of them ---- */

/* Where an opener has left it at the error: what it means here. */
static void explain(const struct address *a, int error, struct link_flaw *reterr)
{
    const char *words = error == -EACCES && a->kind == ADDRESS_UNIX   ? "no permission to make a file in that folder"
                        : error == -EACCES                            ? "no permission for that port"
                        : error == -ENOENT && a->kind == ADDRESS_UNIX ? "the folder of the socket is not there"
                                                                      : "";

    if (reterr->why[0] == '\0')
        snprintf(reterr->why, sizeof(reterr->why), "%s", words);
}

int listening_open(struct listening *s, const struct address *a, struct link_flaw *reterr)
{
    static int (*const openers[])(struct listening * s, const struct address *a, struct link_flaw *reterr) = {
        [ADDRESS_UNIX] = open_unix,
        [ADDRESS_TCP] = open_tcp,
        [ADDRESS_VSOCK] = open_vsock,
        [ADDRESS_FD] = open_fd,
        [ADDRESS_EXEC] = open_exec,
    };
    int r;

    memset(s, 0, sizeof(*s));
    s->fd = -1;
    memset(reterr, 0, sizeof(*reterr));
    r = openers[a->kind](s, a, reterr);
    if (r < 0 && s->fd >= 0 && a->kind != ADDRESS_FD)
        close(s->fd);
    if (r < 0) {
        s->fd = -1;
        explain(a, r, reterr);
    }
    return r;
}

static int accept_one(int fd)
{
#ifdef __linux__
    /* cppcheck-suppress nullPointer; nobody's address is wanted */
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
#else
    int peer = accept(fd, NULL, NULL);
#endif

    if (peer < 0)
        return -errno;
    fcntl(peer, F_SETFD, FD_CLOEXEC);
    return peer;
}

/* It has said all that it will ever say, which is nothing: somebody looked whether anybody listens. */
static bool has_gone(int fd)
{
    char byte;
    ssize_t n;

    do
        n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* What accept(2) says about a connection that broke before it could be accepted. */
static bool is_passing(int error)
{
    static const int errors[] = {
        EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENOPROTOOPT};

    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        if (error == -errors[i])
            return true;
    }
    return false;
}

int listening_accept(const struct listening *s)
{
    /* If more than the queue holds were in vain, it is time for something else. */
    for (unsigned i = 0; i <= LISTENING_BACKLOG; i++) {
        int fd = accept_one(s->fd);

        if (fd >= 0 && !has_gone(fd))
            return fd;
        if (fd >= 0)
            close(fd);
        else if (!is_passing(fd))
            return fd == -EWOULDBLOCK ? -EAGAIN : fd;
    }
    return -EAGAIN;
}

void listening_close(struct listening *s)
{
    const struct stat own = {.st_dev = s->device, .st_ino = s->inode};

    if (s->file.sun_path[0] != '\0')
        remove_own(s->file.sun_path, &own);
    s->file.sun_path[0] = '\0';
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
