/* SPDX-License-Identifier: MIT */
/* Who hangs where. Each thread notes what it does in a slot; when the time is nearly over, the slots are printed, and
 * each thread prints its own stack, from a signal handler.
 *
 * It refuses to judge: the runner of the tests ends one that hangs. */

#include "watchdog.h"

#include <execinfo.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"

#define THREADS_MAX 32u
#define STACK_MAX 40
#define PATIENCE_SECONDS (CHECK_TEST_SECONDS - 10)

static struct slot {
    pthread_t thread;
    const char *doing; /* atomic; NULL: free */
} slots[THREADS_MAX];

static _Thread_local struct slot *own;
static pthread_t thread;
static int ends[2];

static void dump(int signal)
{
    void *stack[STACK_MAX];

    (void)signal;
    backtrace_symbols_fd(stack, backtrace(stack, STACK_MAX), STDERR_FILENO);
}

static void *watch(void *nothing)
{
    (void)nothing;
    if (check_poll(ends[0], POLLIN, PATIENCE_SECONDS * QMP_SECOND) != 0)
        return NULL;
    for (size_t i = 0; i < THREADS_MAX; i++) {
        const char *doing = __atomic_load_n(&slots[i].doing, __ATOMIC_ACQUIRE);

        if (!doing)
            continue;
        fprintf(stderr, "thread %zu: %s\n", i, doing);
        pthread_kill(slots[i].thread, SIGUSR2);
        check_poll(ends[0], POLLIN, 100 * QMP_MILLISECOND); /* one after the other */
    }
    return NULL;
}

void watchdog_start(void)
{
    struct sigaction action = {.sa_handler = dump, .sa_flags = SA_RESTART};
    void *stack[1];

    backtrace(stack, 1); /* loads what it needs */
    assert_int_equal(sigaction(SIGUSR2, &action, NULL), 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&thread, NULL, watch, NULL), 0);
}

void watchdog_doing(const char *what)
{
    if (!own) {
        for (size_t i = 0; i < THREADS_MAX && !own; i++) {
            if (!__atomic_load_n(&slots[i].doing, __ATOMIC_ACQUIRE)) {
                const char *nothing = NULL;

                slots[i].thread = pthread_self();
                if (__atomic_compare_exchange_n(
                        &slots[i].doing, &nothing, what, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
                    own = &slots[i];
            }
        }
        return;
    }
    __atomic_store_n(&own->doing, what, __ATOMIC_RELEASE);
    if (!what)
        own = NULL;
}

void watchdog_stop(void)
{
    close(ends[1]);
    pthread_join(thread, NULL);
    close(ends[0]);
}
