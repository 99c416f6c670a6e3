/* SPDX-License-Identifier: MIT */
/* Stands between the library and the system.
 *
 * The invariant: a call that is to fail has no effect, as the real one; only where the real one has an effect in spite
 * of its error (close(2), connect(2) that is interrupted), or tells of one (a connection that has been reset), does
 * this have it too. Faults are a function of the plan and of how many calls of the kind there were: whatever the
 * process does elsewhere does not count.
 *
 * With $FAULTS, a plan holds from the start of the program, for tests that know nothing of this; $FAULTS_REPORT names a
 * file which then says, at the end, how many calls of the kind there were and how many failed.
 *
 * It refuses to know what the library makes of it. */

#include "faults.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct faults_plan plan;
static bool planned;
static unsigned long counts[FAULTS_N_CALLS], failed;
static long heap;

static const char *const names[] = {
#define FAULTS_NAME(name) #name,
    FAULTS_CALLS(FAULTS_NAME)
#undef FAULTS_NAME
};

/* ---- the plan ---- */

void faults_begin(const struct faults_plan *p)
{
    __atomic_store_n(&planned, false, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < FAULTS_N_CALLS; i++)
        __atomic_store_n(&counts[i], 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&failed, 0, __ATOMIC_SEQ_CST);
    if (!p)
        return;
    plan = *p;
    __atomic_store_n(&planned, true, __ATOMIC_SEQ_CST);
}

unsigned long faults_end(void)
{
    __atomic_store_n(&planned, false, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&failed, __ATOMIC_SEQ_CST);
}

unsigned long faults_count(enum faults_call call)
{
    return __atomic_load_n(&counts[call], __ATOMIC_SEQ_CST);
}

const char *faults_call_name(enum faults_call call)
{
    return names[call];
}

long faults_heap(void)
{
    return __atomic_load_n(&heap, __ATOMIC_SEQ_CST);
}

bool faults_parse(const char *text, struct faults_plan *ret)
{
    static const char *const modes[] = {"ONCE", "ON", "ALTERNATE"};
    char call[32], mode[32];
    unsigned i, j;

    if (sscanf(text, "%31[A-Z]:%31[A-Z]:%d:%lu", call, mode, &ret->error, &ret->position) != 4)
        return false;
    for (i = 0; i < FAULTS_N_CALLS && strcmp(names[i], call) != 0; i++)
        continue;
    for (j = 0; j < 3 && strcmp(modes[j], mode) != 0; j++)
        continue;
    ret->call = (enum faults_call)i;
    ret->mode = (enum faults_mode)j;
    return i < FAULTS_N_CALLS && j < 3;
}

static void report(void)
{
    const char *path = getenv("FAULTS_REPORT");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (!f)
        return;
    fprintf(f, "%lu %lu\n", faults_count(plan.call), __atomic_load_n(&failed, __ATOMIC_SEQ_CST));
    fclose(f);
}

__attribute__((constructor)) static void begin_by_environment(void)
{
    const char *text = getenv("FAULTS");
    struct faults_plan p;

    if (!text)
        return;
    if (!faults_parse(text, &p)) {
        fprintf(stderr, "$FAULTS is no plan: %s\n", text);
        abort();
    }
    faults_begin(&p);
    atexit(report);
}

/* The sequence of Thue and Morse: half of it are hits, never three in a row, and it has no period that whatever the
 * library repeats could keep step with. */
static bool alternates(unsigned long n)
{
    return __builtin_popcountl(n) % 2 == 0;
}

/* The error of this call, 0 for none. */
static int fault(enum faults_call call)
{
    unsigned long n = __atomic_add_fetch(&counts[call], 1, __ATOMIC_SEQ_CST);
    bool hit;

    if (!__atomic_load_n(&planned, __ATOMIC_SEQ_CST) || plan.call != call || n < plan.position)
        return 0;
    hit = plan.mode == FAULTS_ON || (plan.mode == FAULTS_ONCE ? n == plan.position : alternates(n - plan.position));
    if (!hit)
        return 0;
    __atomic_add_fetch(&failed, 1, __ATOMIC_SEQ_CST);
    return plan.error;
}

/* The same, with errno set. */
static bool fails(enum faults_call call)
{
    int error = fault(call);

    if (error == 0)
        return false;
    errno = error;
    return true;
}

/* ---- memory ---- */

static void *counted(void *p)
{
    if (p)
        __atomic_add_fetch(&heap, 1, __ATOMIC_SEQ_CST);
    return p;
}

void *fault_malloc(size_t size);
void *fault_malloc(size_t size)
{
    return fails(FAULTS_ALLOCATION) ? NULL : counted(malloc(size));
}

void *fault_calloc(size_t n, size_t size);
void *fault_calloc(size_t n, size_t size)
{
    return fails(FAULTS_ALLOCATION) ? NULL : counted(calloc(n, size));
}

void *fault_realloc(void *p, size_t size);
void *fault_realloc(void *p, size_t size)
{
    if (fails(FAULTS_ALLOCATION))
        return NULL;
    return p ? realloc(p, size) : counted(malloc(size));
}

char *fault_strdup(const char *s);
char *fault_strdup(const char *s)
{
    return fails(FAULTS_ALLOCATION) ? NULL : counted(strdup(s));
}

char *fault_strndup(const char *s, size_t n);
char *fault_strndup(const char *s, size_t n)
{
    return fails(FAULTS_ALLOCATION) ? NULL : counted(strndup(s, n));
}

int fault_vasprintf(char **ret, const char *format, va_list args);
__attribute__((format(printf, 2, 0))) int fault_vasprintf(char **ret, const char *format, va_list args)
{
    int n;

    /* What is there after a failure is undefined. */
    *ret = (char *)(uintptr_t)1;
    if (fails(FAULTS_ALLOCATION))
        return -1;
    n = vasprintf(ret, format, args);
    if (n >= 0)
        counted(*ret);
    return n;
}

int fault_asprintf(char **ret, const char *format, ...);
__attribute__((format(printf, 2, 3))) int fault_asprintf(char **ret, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = fault_vasprintf(ret, format, args);
    va_end(args);
    return n;
}

void fault_free(void *p);
void fault_free(void *p)
{
    if (p)
        __atomic_sub_fetch(&heap, 1, __ATOMIC_SEQ_CST);
    free(p);
}

void faults_free(void *p)
{
    fault_free(p);
}

void *fault_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *fault_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails(FAULTS_MAP) ? MAP_FAILED : mmap(address, size, protection, flags, fd, offset);
}

int fault_madvise(void *address, size_t size, int advice);
int fault_madvise(void *address, size_t size, int advice)
{
    return fails(FAULTS_MAP) ? -1 : madvise(address, size, advice);
}

/* ---- bytes ---- */

/* One byte, but now and then all, or megabytes would take for ever. */
static size_t few_bytes(int error, size_t size)
{
    static unsigned long n;

    if (error != FAULTS_SHORT || size < 2)
        return size;
    return __atomic_add_fetch(&n, 1, __ATOMIC_RELAXED) % 16 == 0 ? size : 1;
}

static bool is_errno(int error)
{
    if (error == 0 || error == FAULTS_SHORT)
        return false;
    errno = error;
    return true;
}

/* Whoever cannot send because the peer has gone cannot do so later, either; what it said before can still be read. */
static bool is_send_error(int fd, int error)
{
    if (error == EPIPE || error == ECONNRESET)
        shutdown(fd, SHUT_RDWR);
    return is_errno(error);
}

ssize_t fault_recv(int fd, void *data, size_t size, int flags);
ssize_t fault_recv(int fd, void *data, size_t size, int flags)
{
    int error = fault(FAULTS_RECV);

    return is_errno(error) ? -1 : recv(fd, data, few_bytes(error, size), flags);
}

ssize_t fault_read(int fd, void *data, size_t size);
ssize_t fault_read(int fd, void *data, size_t size)
{
    int error = fault(FAULTS_READ);

    /* An eventfd has eight bytes, or none. */
    return is_errno(error) ? -1 : read(fd, data, size > sizeof(uint64_t) ? few_bytes(error, size) : size);
}

ssize_t fault_write(int fd, const void *data, size_t size);
ssize_t fault_write(int fd, const void *data, size_t size)
{
    return fails(FAULTS_WRITE) ? -1 : write(fd, data, size);
}

ssize_t fault_send(int fd, const void *data, size_t size, int flags);
ssize_t fault_send(int fd, const void *data, size_t size, int flags)
{
    int error = fault(FAULTS_SEND);

    return is_send_error(fd, error) ? -1 : send(fd, data, few_bytes(error, size), flags);
}

ssize_t fault_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t fault_sendmsg(int fd, const struct msghdr *message, int flags)
{
    int error = fault(FAULTS_SEND);
    struct msghdr cut = *message;
    struct iovec first;

    if (is_send_error(fd, error))
        return -1;
    for (size_t i = 0; few_bytes(error, SIZE_MAX) == 1 && i < message->msg_iovlen; i++) {
        if (message->msg_iov[i].iov_len == 0)
            continue;
        first = (struct iovec){message->msg_iov[i].iov_base, 1};
        cut.msg_iov = &first;
        cut.msg_iovlen = 1;
        break;
    }
    return sendmsg(fd, &cut, flags);
}

int fault_poll(struct pollfd *fds, nfds_t n, int timeout);
int fault_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return fails(FAULTS_POLL) ? -1 : poll(fds, n, timeout);
}

int fault_epoll_wait(int epoll_fd, struct epoll_event *ret, int n, int timeout);
int fault_epoll_wait(int epoll_fd, struct epoll_event *ret, int n, int timeout)
{
    return fails(FAULTS_POLL) ? -1 : epoll_wait(epoll_fd, ret, n, timeout);
}

int fault_epoll_create1(int flags);
int fault_epoll_create1(int flags)
{
    return fails(FAULTS_EPOLL) ? -1 : epoll_create1(flags);
}

int fault_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int fault_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    return fails(FAULTS_EPOLL) ? -1 : epoll_ctl(epoll_fd, operation, fd, event);
}

/* ---- sockets ---- */

int fault_connect(int fd, const struct sockaddr *address, socklen_t size);
int fault_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int error = fault(FAULTS_CONNECT);

    /* What is interrupted goes on by itself. */
    if (error == EINTR && connect(fd, address, size) < 0 && errno != EINPROGRESS)
        return -1;
    return is_errno(error) ? -1 : connect(fd, address, size);
}

int fault_accept(int fd, struct sockaddr *address, socklen_t *size);
int fault_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    return fails(FAULTS_ACCEPT) ? -1 : accept(fd, address, size);
}

int fault_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int fault_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return fails(FAULTS_ACCEPT) ? -1 : accept4(fd, address, size, flags);
}

int fault_socket(int family, int type, int protocol);
int fault_socket(int family, int type, int protocol)
{
    return fails(FAULTS_SOCKET) ? -1 : socket(family, type, protocol);
}

int fault_socketpair(int family, int type, int protocol, int fds[2]);
int fault_socketpair(int family, int type, int protocol, int fds[2])
{
    return fails(FAULTS_SOCKET) ? -1 : socketpair(family, type, protocol, fds);
}

int fault_eventfd(unsigned count, int flags);
int fault_eventfd(unsigned count, int flags)
{
    return fails(FAULTS_EVENTFD) ? -1 : eventfd(count, flags);
}

int fault_pipe(int fds[2]);
int fault_pipe(int fds[2])
{
    return fails(FAULTS_EVENTFD) ? -1 : pipe(fds);
}

int fault_fcntl(int fd, int command, ...);
int fault_fcntl(int fd, int command, ...)
{
    va_list args;
    long argument;

    va_start(args, command);
    argument = va_arg(args, long);
    va_end(args);
    if (command == F_GETFD)
        return fcntl(fd, command); /* asks whether it is open, and fails for no other reason */
    return fails(command == F_DUPFD_CLOEXEC ? FAULTS_DUPLICATE : FAULTS_FCNTL) ? -1 : fcntl(fd, command, argument);
}

int fault_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int fault_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    return fails(FAULTS_OPTION) ? -1 : getsockopt(fd, level, option, value, size);
}

int fault_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int fault_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    return fails(FAULTS_OPTION) ? -1 : setsockopt(fd, level, option, value, size);
}

int fault_getsockname(int fd, struct sockaddr *address, socklen_t *size);
int fault_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    return fails(FAULTS_NAME) ? -1 : getsockname(fd, address, size);
}

int fault_getpeername(int fd, struct sockaddr *address, socklen_t *size);
int fault_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    return fails(FAULTS_NAME) ? -1 : getpeername(fd, address, size);
}

int fault_bind(int fd, const struct sockaddr *address, socklen_t size);
int fault_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return fails(FAULTS_LISTEN) ? -1 : bind(fd, address, size);
}

int fault_listen(int fd, int backlog);
int fault_listen(int fd, int backlog)
{
    return fails(FAULTS_LISTEN) ? -1 : listen(fd, backlog);
}

/* ---- files ---- */

int fault_open(const char *path, int flags, ...);
int fault_open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(FAULTS_OPEN) ? -1 : open(path, flags, mode);
}

DIR *fault_opendir(const char *path);
DIR *fault_opendir(const char *path)
{
    return fails(FAULTS_OPEN) ? NULL : opendir(path);
}

struct dirent *fault_readdir(DIR *d);
struct dirent *fault_readdir(DIR *d)
{
    return fails(FAULTS_STAT) ? NULL : readdir(d);
}

ssize_t fault_readlinkat(int folder, const char *path, char *data, size_t size);
ssize_t fault_readlinkat(int folder, const char *path, char *data, size_t size)
{
    return fails(FAULTS_STAT) ? -1 : readlinkat(folder, path, data, size);
}

int fault_stat(const char *path, struct stat *ret);
int fault_stat(const char *path, struct stat *ret)
{
    return fails(FAULTS_STAT) ? -1 : stat(path, ret);
}

int fault_lstat(const char *path, struct stat *ret);
int fault_lstat(const char *path, struct stat *ret)
{
    return fails(FAULTS_STAT) ? -1 : lstat(path, ret);
}

int fault_fstat(int fd, struct stat *ret);
int fault_fstat(int fd, struct stat *ret)
{
    return fails(FAULTS_STAT) ? -1 : fstat(fd, ret);
}

int fault_chmod(const char *path, mode_t mode);
int fault_chmod(const char *path, mode_t mode)
{
    return fails(FAULTS_CHANGE) ? -1 : chmod(path, mode);
}

int fault_fchmod(int fd, mode_t mode);
int fault_fchmod(int fd, mode_t mode)
{
    return fails(FAULTS_CHANGE) ? -1 : fchmod(fd, mode);
}

int fault_rename(const char *from, const char *to);
int fault_rename(const char *from, const char *to)
{
    return fails(FAULTS_CHANGE) ? -1 : rename(from, to);
}

int fault_renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags);
int fault_renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    return fails(FAULTS_CHANGE) ? -1 : renameat2(from_folder, from, to_folder, to, flags);
}

int fault_unlink(const char *path);
int fault_unlink(const char *path)
{
    return fails(FAULTS_CHANGE) ? -1 : unlink(path);
}

/* The descriptor is gone whatever close(2) says. */
int fault_close(int fd);
int fault_close(int fd)
{
    int error = fault(FAULTS_CLOSE), r = close(fd);

    if (error == 0)
        return r;
    errno = error;
    return -1;
}

/* ---- threads and processes ---- */

int fault_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int fault_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    int error = fault(FAULTS_THREAD);

    return error != 0 ? error : pthread_create(ret, attributes, run, argument);
}

int fault_pthread_attr_init(pthread_attr_t *a);
int fault_pthread_attr_init(pthread_attr_t *a)
{
    int error = fault(FAULTS_THREAD);

    return error != 0 ? error : pthread_attr_init(a);
}

int fault_posix_spawn(pid_t *ret, const char *path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attributes, char *const arguments[], char *const variables[]);
int fault_posix_spawn(pid_t *ret, const char *path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attributes, char *const arguments[], char *const variables[])
{
    int error = fault(FAULTS_SPAWN);

    return error != 0 ? error : posix_spawn(ret, path, actions, attributes, arguments, variables);
}

int fault_posix_spawn_file_actions_init(posix_spawn_file_actions_t *a);
int fault_posix_spawn_file_actions_init(posix_spawn_file_actions_t *a)
{
    int error = fault(FAULTS_SPAWN);

    return error != 0 ? error : posix_spawn_file_actions_init(a);
}

int fault_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *a, int from, int to);
int fault_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *a, int from, int to)
{
    int error = fault(FAULTS_SPAWN);

    return error != 0 ? error : posix_spawn_file_actions_adddup2(a, from, to);
}

int fault_posix_spawnattr_init(posix_spawnattr_t *a);
int fault_posix_spawnattr_init(posix_spawnattr_t *a)
{
    int error = fault(FAULTS_SPAWN);

    return error != 0 ? error : posix_spawnattr_init(a);
}

pid_t fault_waitpid(pid_t pid, int *status, int options);
pid_t fault_waitpid(pid_t pid, int *status, int options)
{
    return fails(FAULTS_WAITPID) ? -1 : waitpid(pid, status, options);
}

/* ---- as _FORTIFY_SOURCE has them ---- */

static void check_size(size_t size, size_t room)
{
    if (size > room)
        abort();
}

int fault___asprintf_chk(char **ret, int flag, const char *format, ...);
__attribute__((format(printf, 3, 4))) int fault___asprintf_chk(char **ret, int flag, const char *format, ...)
{
    va_list args;
    int n;

    (void)flag;
    va_start(args, format);
    n = fault_vasprintf(ret, format, args);
    va_end(args);
    return n;
}

int fault___vasprintf_chk(char **ret, int flag, const char *format, va_list args);
__attribute__((format(printf, 3, 0))) int fault___vasprintf_chk(char **ret, int flag, const char *format, va_list args)
{
    (void)flag;
    return fault_vasprintf(ret, format, args);
}

int fault___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int fault___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
    check_size(n * sizeof(*fds), room);
    return fault_poll(fds, n, timeout);
}

ssize_t fault___read_chk(int fd, void *data, size_t size, size_t room);
ssize_t fault___read_chk(int fd, void *data, size_t size, size_t room)
{
    check_size(size, room);
    return fault_read(fd, data, size);
}

ssize_t fault___recv_chk(int fd, void *data, size_t size, size_t room, int flags);
ssize_t fault___recv_chk(int fd, void *data, size_t size, size_t room, int flags)
{
    check_size(size, room);
    return fault_recv(fd, data, size, flags);
}

ssize_t fault___readlinkat_chk(int folder, const char *path, char *data, size_t size, size_t room);
ssize_t fault___readlinkat_chk(int folder, const char *path, char *data, size_t size, size_t room)
{
    check_size(size, room);
    return fault_readlinkat(folder, path, data, size);
}

/* ---- the rest ---- */

int fault_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret);
int fault_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
    int error = fault(FAULTS_RESOLVE);

    if (error > 0) {
        errno = error;
        return EAI_SYSTEM;
    }
    return error < 0 ? error : getaddrinfo(host, port, hints, ret);
}

int fault_getentropy(void *data, size_t size);
int fault_getentropy(void *data, size_t size)
{
    return fails(FAULTS_RANDOM) ? -1 : getentropy(data, size);
}

void *fault_dlopen(const char *name, int flags);
void *fault_dlopen(const char *name, int flags)
{
    return fault(FAULTS_LOAD) != 0 ? NULL : dlopen(name, flags);
}
