/* SPDX-License-Identifier: MIT */
#ifndef TEST_ADAPT_LOOP_H
#define TEST_ADAPT_LOOP_H

/* Event loops under one interface, for tests and for measuring. What a loop itself says no to ends the program. */

#include <qmp/qmp.h>

struct loop;

struct loop_ops {
    const char *name;
    struct loop *(*create)(void);
    int (*attach)(struct loop *l, qmp_client *c); /* qmp_adapt_…() */
    /* Calls back when a descriptor can be read, one descriptor at a time; -1: not any more. */
    void (*watch)(struct loop *l, int fd, void (*ready)(void *userdata), void *userdata);
    void (*turn)(struct loop *l); /* waits until something can be done, and does it */
    void (*poll)(struct loop *l); /* does what can be done now */
    /* Runs until the loop ends by itself because it has nothing to wait for; NULL where loops do not. */
    void (*run_dry)(struct loop *l);
    void (*destroy)(struct loop *l); /* whatever was attached is detached; nothing may be left in it */
};

extern const struct loop_ops loop_glib, loop_sd_event, loop_libuv, loop_libevent, loop_libev;

/* For what cannot fail: prints and aborts. */
#define LOOP_MUST(condition) ((condition) ? (void)0 : loop_failed(#condition, __FILE__, __LINE__))
void loop_failed(const char *condition, const char *file, int line) __attribute__((noreturn));

#endif
