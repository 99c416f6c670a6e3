/* SPDX-License-Identifier: MIT */
#ifndef SRC_UTIL_UTIL_H
#define SRC_UTIL_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Hands a pointer over: its value, leaving NULL behind for the cleanup attribute. */
#define TAKE(pointer)                                                                                                  \
    __extension__({                                                                                                    \
        __typeof__(pointer) take_ = (pointer);                                                                         \
        (pointer) = NULL;                                                                                              \
        take_;                                                                                                         \
    })

#define CLEANUP(function) __attribute__((cleanup(function)))

/* Counted references, shared between threads. */
static inline void refs_take_many(unsigned *refs, unsigned n)
{
    __atomic_fetch_add(refs, n, __ATOMIC_RELAXED);
}

static inline void refs_take(unsigned *refs)
{
    refs_take_many(refs, 1);
}

/* True for the last one. */
static inline bool refs_drop(unsigned *refs)
{
    /* A sole owner needs no read-modify-write: nobody else can take a reference meanwhile. */
    if (__atomic_load_n(refs, __ATOMIC_ACQUIRE) == 1)
        return true;
    return __atomic_fetch_sub(refs, 1, __ATOMIC_ACQ_REL) == 1;
}

/* The library's one clock and unit: µs of CLOCK_MONOTONIC. */
#define USEC_PER_SEC UINT64_C(1000000)

static inline uint64_t time_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

/* The deadline of a timeout that starts now; UINT64_MAX is never. */
static inline uint64_t time_deadline(uint64_t timeout)
{
    uint64_t now;

    if (timeout == UINT64_MAX)
        return UINT64_MAX;
    now = time_now();
    return timeout > UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + timeout;
}

/* What is left until a deadline, as poll(2) wants it: rounded up, so that poll never returns too early; -1 is for ever.
 */
static inline int time_poll_timeout(uint64_t deadline)
{
    uint64_t now, left;

    if (deadline == UINT64_MAX)
        return -1;
    if (deadline == 0)
        return 0;
    now = time_now();
    if (deadline <= now)
        return 0;
    left = (deadline - now + 999) / 1000;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

static inline struct timespec time_timespec(uint64_t deadline)
{
    struct timespec t = {(time_t)(deadline / USEC_PER_SEC), (long)(deadline % USEC_PER_SEC) * 1000};

    return t;
}

#endif
