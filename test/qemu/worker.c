/* SPDX-License-Identifier: MIT */
/* Threads for tests: one that runs a function, and one that takes events from a listener.
 *
 * Invariant: a worker never asserts, since cmocka leaves a test by longjmp; it records, and the thread of the test
 * asserts. Every wait here has a deadline.
 *
 * That a blocking call is really waiting cannot be learnt from the call. The kernel knows: the thread is asleep. */

#include "worker.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int (*run)(void *argument);
    void *argument;
    int tid;
    int result;
    bool done;
};

struct consumer {
    struct worker *worker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    qmp_listener *listener;
    qmp_message **events;
    size_t n, capacity;
};

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* False once the time is over. */
static bool cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline)
{
    struct timespec until = {
        .tv_sec = (time_t)(deadline / QMP_SECOND), .tv_nsec = (long)(deadline % QMP_SECOND * 1000u)};

    return pthread_cond_timedwait(cond, lock, &until) == 0 || check_now() < deadline;
}

static void *work(void *argument)
{
    struct worker *w = argument;

    pthread_mutex_lock(&w->lock);
    w->tid = gettid();
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    int result = w->run(w->argument);
    pthread_mutex_lock(&w->lock);
    w->result = result;
    w->done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct worker *worker_start(int (*run)(void *argument), void *argument)
{
    struct worker *w = calloc(1, sizeof(*w));
    uint64_t deadline = check_deadline(CHECK_WAIT);

    assert_non_null(w);
    pthread_mutex_init(&w->lock, NULL);
    cond_init(&w->changed);
    w->run = run;
    w->argument = argument;
    assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
    pthread_mutex_lock(&w->lock);
    while (!w->tid && cond_wait(&w->changed, &w->lock, deadline))
        continue;
    pthread_mutex_unlock(&w->lock);
    return w;
}

/* The letter after the name in parentheses, in which anything may stand. */
static char thread_state(int tid)
{
    char path[64], line[512], *end;
    char state = '?';

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 'X';
    if (fgets(line, sizeof(line), f) && (end = strrchr(line, ')')) && end[1])
        state = end[2];
    fclose(f);
    return state;
}

void await_asleep(int tid)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (thread_state(tid) != 'S') {
        if (check_now() >= deadline)
            fail_msg("the thread does not wait");
        poll(NULL, 0, 1);
    }
}

void worker_await_asleep(struct worker *w)
{
    await_asleep(w->tid);
}

int worker_join(struct worker *w)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    pthread_mutex_lock(&w->lock);
    while (!w->done && cond_wait(&w->changed, &w->lock, deadline))
        continue;
    bool done = w->done;
    int result = w->result;
    pthread_mutex_unlock(&w->lock);
    if (!done)
        fail_msg("a thread did not end");
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return result;
}

static void consumer_keep(struct consumer *c, qmp_message *event)
{
    pthread_mutex_lock(&c->lock);
    if (c->n == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 64;
        qmp_message **events = realloc(c->events, capacity * sizeof(qmp_message *));

        if (!events)
            abort();
        c->events = events;
        c->capacity = capacity;
    }
    c->events[c->n++] = event;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static int consume(void *argument)
{
    struct consumer *c = argument;
    qmp_message *event;
    int r;

    while ((r = qmp_listener_get(c->listener, QMP_FOREVER, &event)) >= 0)
        consumer_keep(c, event);
    return r;
}

struct consumer *consumer_start(qmp_listener *l)
{
    struct consumer *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    pthread_mutex_init(&c->lock, NULL);
    cond_init(&c->changed);
    c->listener = qmp_listener_ref(l);
    c->worker = worker_start(consume, c);
    return c;
}

void consumer_await(struct consumer *c, size_t n)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    pthread_mutex_lock(&c->lock);
    while (c->n < n && cond_wait(&c->changed, &c->lock, deadline))
        continue;
    size_t got = c->n;
    pthread_mutex_unlock(&c->lock);
    if (got < n)
        fail_msg("%zu events instead of %zu", got, n);
}

void consumer_await_waiting(struct consumer *c, size_t n)
{
    consumer_await(c, n);
    worker_await_asleep(c->worker);
}

int consumer_join(struct consumer *c)
{
    int result = worker_join(c->worker);

    c->worker = NULL;
    return result;
}

qmp_message *const *consumer_events(const struct consumer *c, size_t *ret_n)
{
    *ret_n = c->n;
    return c->events;
}

void consumer_free(struct consumer *c)
{
    qmp_message_unref_many(c->events, c->n);
    qmp_listener_unref(c->listener);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
