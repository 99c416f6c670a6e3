/* SPDX-License-Identifier: MIT */
#ifndef TEST_FAULTS_FAULTS_H
#define TEST_FAULTS_FAULTS_H

/* Faults in what the library calls, and only there: test/faults/redirect.py turns the calls in a copy of the static
 * library into calls of fault_…(), which do the same unless the plan says that this one fails. */

#include <stdbool.h>
#include <stddef.h>

/* What is counted and planned together. */
#define FAULTS_CALLS(X)                                                                                                \
    X(ALLOCATION) /* malloc, calloc, realloc, strdup, strndup, asprintf, vasprintf */                                  \
    X(RECV)                                                                                                            \
    X(SEND)  /* send, sendmsg */                                                                                       \
    X(POLL)  /* poll, epoll_wait */                                                                                    \
    X(EPOLL) /* epoll_create1, epoll_ctl */                                                                            \
    X(MAP)   /* mmap, madvise */                                                                                       \
    X(CONNECT)                                                                                                         \
    X(ACCEPT)    /* accept, accept4 */                                                                                 \
    X(READ)      /* of an eventfd, a file */                                                                           \
    X(WRITE)     /* of an eventfd */                                                                                   \
    X(SOCKET)    /* socket, socketpair */                                                                              \
    X(EVENTFD)   /* eventfd, pipe */                                                                                   \
    X(DUPLICATE) /* fcntl with F_DUPFD_CLOEXEC */                                                                      \
    X(FCNTL)     /* with all else */                                                                                   \
    X(OPTION)    /* getsockopt, setsockopt */                                                                          \
    X(NAME)      /* getsockname, getpeername */                                                                        \
    X(LISTEN)    /* bind, listen */                                                                                    \
    X(OPEN)      /* open, opendir */                                                                                   \
    X(STAT)      /* stat, lstat, fstat, readlinkat, readdir */                                                         \
    X(CHANGE)    /* chmod, fchmod, rename, renameat2, unlink */                                                        \
    X(CLOSE)                                                                                                           \
    X(THREAD) /* pthread_create, pthread_attr_init */                                                                  \
    X(SPAWN)  /* posix_spawn and what prepares it */                                                                   \
    X(WAITPID)                                                                                                         \
    X(RESOLVE) /* getaddrinfo */                                                                                       \
    X(RANDOM)  /* getentropy */                                                                                        \
    X(LOAD)    /* dlopen */

enum faults_call {
#define FAULTS_ENUM(name) FAULTS_##name,
    FAULTS_CALLS(FAULTS_ENUM)
#undef FAULTS_ENUM
        FAULTS_N_CALLS
};

enum faults_mode {
    FAULTS_ONCE,     /* the call at this position */
    FAULTS_ON,       /* that one and all later ones */
    FAULTS_ALTERNATE /* that one and every second one, on average, from there on: what repeats the call gets through */
};

/* Instead of an errno: few bytes are moved, mostly one, however many are wanted. */
#define FAULTS_SHORT 10000

struct faults_plan {
    enum faults_call call;
    enum faults_mode mode;
    int error;              /* an errno, FAULTS_SHORT, or for RESOLVE an EAI_… code (which are negative) */
    unsigned long position; /* counted from 1 */
};

/* Counts from 0 again, with the plan; NULL only counts. */
void faults_begin(const struct faults_plan *plan);
/* No more faults. Returns how often the plan made a call fail. */
unsigned long faults_end(void);
/* Calls so far. */
unsigned long faults_count(enum faults_call call);
const char *faults_call_name(enum faults_call call);

/* What the library has allocated and nobody has freed through it. What it has handed out, faults_free() counts. */
long faults_heap(void);
void faults_free(void *p);

/* A plan as text, "RECV:ALTERNATE:4:1" (the error as a number). False when it is none. */
bool faults_parse(const char *text, struct faults_plan *ret);

#endif
