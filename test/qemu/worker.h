/* SPDX-License-Identifier: MIT */
#ifndef TEST_QEMU_WORKER_H
#define TEST_QEMU_WORKER_H

#include <qmp/qmp.h>

/* A thread of a test. */
struct worker;

struct worker *worker_start(int (*run)(void *argument), void *argument);
/* Waits until the worker sleeps in the kernel: until the blocking call it makes is really waiting. */
void worker_await_asleep(struct worker *w);
/* Waits for the end, frees the worker and returns what `run` returned. */
int worker_join(struct worker *w);

/* A worker that takes events from a listener until qmp_listener_get() refuses to give more. */
struct consumer;

struct consumer *consumer_start(qmp_listener *l);
/* Waits until it has taken `n` events in all. */
void consumer_await(struct consumer *c, size_t n);
/* Waits until it has taken `n` events in all and waits for another one. */
void consumer_await_waiting(struct consumer *c, size_t n);
/* Waits for the end; returns the error that ended it. Its events can be read until consumer_free(). */
int consumer_join(struct consumer *c);
qmp_message *const *consumer_events(const struct consumer *c, size_t *ret_n);
void consumer_free(struct consumer *c);

/* Waits until a thread of this process sleeps in the kernel. */
void await_asleep(int tid);

#endif
