/* SPDX-License-Identifier: MIT */
/* Thread-driven clients on a real QEMU: several threads execute, take events, wait, poll, register and remove at the
 * same time, and the connection or the client may go away under them.
 *
 * Invariant: each event reaches each listener exactly once and in order, each reply the thread that asked, and every
 * waiting thread is released. Events carry numbers and commands carry names, so a mix-up shows. Meant to run under
 * ThreadSanitizer too. */

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "worker.h"

#define THREADS 4
#define PAIRS 200
#define EVENTS (2 * PAIRS)

/* Stops and continues the machine, PAIRS times. */
static int produce(void *client)
{
    int r = 0;

    for (unsigned i = 0; i < PAIRS && r >= 0; i++) {
        r = qmp_client_execute(client, "stop", NULL, CHECK_WAIT, NULL, NULL);
        if (r >= 0)
            r = qmp_client_execute(client, "cont", NULL, CHECK_WAIT, NULL, NULL);
    }
    return r;
}

static void assert_rising(struct consumer *consumer, unsigned *counts, size_t n_counts)
{
    size_t n;
    qmp_message *const *events = consumer_events(consumer, &n);
    uint64_t last = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t sequence = qmp_message_sequence(events[i]);
        assert_true(sequence > last && sequence <= n_counts);
        assert_string_equal(qmp_event_name(events[i]), sequence % 2 ? "STOP" : "RESUME");
        counts[sequence - 1]++;
        last = sequence;
    }
}

/* Threads that take from one listener share its events: together they have each one once. */
static void consumers_of_one_listener(struct fixture *f)
{
    struct consumer *consumers[THREADS];
    unsigned counts[EVENTS] = {0};
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NULL, &l, &scope));
    for (size_t i = 0; i < THREADS; i++)
        consumers[i] = consumer_start(l);
    assert_ok(produce(f->client));
    assert_ok(qmp_client_disconnect(f->client));
    for (size_t i = 0; i < THREADS; i++) {
        assert_error(consumer_join(consumers[i]), -ENOTCONN);
        assert_rising(consumers[i], counts, EVENTS);
        consumer_free(consumers[i]);
    }
    for (size_t i = 0; i < EVENTS; i++)
        assert_int_equal(counts[i], 1);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* Each listener has a thread of its own, which hears everything. */
static void listeners_with_a_thread_each(struct fixture *f)
{
    struct consumer *consumers[THREADS];
    qmp_listener *l[THREADS] = {NULL};
    qmp_scope *scope = NULL;

    begin(f);
    for (size_t i = 0; i < THREADS; i++) {
        assert_ok(qmp_listener_new(&l[i], NULL));
        consumers[i] = NULL;
    }
    assert_ok(qmp_client_listen(f->client, l, THREADS, &scope));
    for (size_t i = 0; i < THREADS; i++)
        consumers[i] = consumer_start(l[i]);
    assert_ok(produce(f->client));
    for (size_t i = 0; i < THREADS; i++)
        consumer_await_waiting(consumers[i], EVENTS);
    qmp_scope_end(scope);
    for (size_t i = 0; i < THREADS; i++) {
        unsigned counts[EVENTS] = {0};
        assert_error(consumer_join(consumers[i]), -ECANCELED);
        assert_rising(consumers[i], counts, EVENTS);
        for (size_t j = 0; j < EVENTS; j++)
            assert_int_equal(counts[j], 1);
        consumer_free(consumers[i]);
        qmp_listener_unref(l[i]);
    }
}

struct asker {
    qmp_client *client;
    unsigned number;
};

/* Asks for commands that do not exist: the reply says which. Returns the first error, 0 when all replies were right. */
static int ask_for_nothing(void *argument)
{
    struct asker *asker = argument;

    for (unsigned i = 0; i < PAIRS; i++) {
        qmp_message *error = NULL;
        char name[32];

        snprintf(name, sizeof(name), "nothing-%u-%u", asker->number, i);
        int r = qmp_client_execute(asker->client, name, NULL, CHECK_WAIT, NULL, &error);
        if (r == -EREMOTEIO && !strstr(qmp_reply_error_desc(error), name))
            r = -EBADMSG;
        qmp_message_unref(error);
        if (r != -EREMOTEIO)
            return r;
    }
    return 0;
}

/* Every thread gets the replies to what it asked, while events flow. */
static void commands_from_many_threads(struct fixture *f)
{
    struct worker *workers[THREADS];
    struct asker askers[THREADS];

    begin(f);
    for (unsigned i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){f->client, i};
        workers[i] = worker_start(ask_for_nothing, &askers[i]);
    }
    assert_ok(produce(f->client));
    for (size_t i = 0; i < THREADS; i++)
        assert_ok(worker_join(workers[i]));
    assert_int_equal(qmp_client_stray_replies(f->client), 0);
    assert_int_equal(history_length(qmp_client_events(f->client)), EVENTS);
}

static int execute_for_ever(void *client)
{
    int r;

    do
        r = qmp_client_execute(client, "query-status", NULL, QMP_FOREVER, NULL, NULL);
    while (r >= 0);
    return r;
}

static int wait_for_ever(void *pending)
{
    return qmp_pending_wait(pending, QMP_FOREVER, NULL, NULL);
}

/* Threads in every kind of wait, while commands run. */
struct crowd {
    struct worker *executing[THREADS];
    struct worker *pending[2];
    struct consumer *consumers[2];
    qmp_pending *blocked;
};

static void crowd_gather(struct crowd *crowd, struct fixture *f)
{
    memset(crowd, 0, sizeof(*crowd));
    for (size_t i = 0; i < ELEMENTS(crowd->consumers); i++)
        crowd->consumers[i] = consumer_start(qmp_client_events(f->client));
}

static void crowd_gather_executing(struct crowd *crowd, struct fixture *f)
{
    crowd_gather(crowd, f);
    for (size_t i = 0; i < THREADS; i++)
        crowd->executing[i] = worker_start(execute_for_ever, f->client);
}

static void crowd_gather_blocked(struct crowd *crowd, struct fixture *f)
{
    crowd_gather(crowd, f);
    char *gate = machine_gate_arguments(f->machine);
    assert_ok(qmp_client_execute_async(f->client, "blockdev-add", gate, NULL, NULL, &crowd->blocked));
    free(gate);
    for (size_t i = 0; i < ELEMENTS(crowd->pending); i++) {
        crowd->pending[i] = worker_start(wait_for_ever, crowd->blocked);
        worker_await_asleep(crowd->pending[i]);
    }
}

static void crowd_is_released(struct crowd *crowd)
{
    for (size_t i = 0; i < THREADS; i++) {
        if (!crowd->executing[i])
            continue;
        int r = worker_join(crowd->executing[i]);
        assert_true(r == -ECONNRESET || r == -ENOTCONN);
    }
    for (size_t i = 0; i < ELEMENTS(crowd->consumers); i++) {
        assert_error(consumer_join(crowd->consumers[i]), -ENOTCONN);
        consumer_free(crowd->consumers[i]);
    }
    for (size_t i = 0; crowd->blocked && i < ELEMENTS(crowd->pending); i++)
        assert_error(worker_join(crowd->pending[i]), -ECONNRESET);
    qmp_pending_unref(crowd->blocked);
}

static void killed_while_busy(struct fixture *f)
{
    struct crowd crowd;

    begin(f);
    crowd_gather_executing(&crowd, f);
    tell(f->client, "stop", NULL);
    machine_kill(f->machine);
    crowd_is_released(&crowd);
}

static void killed_while_blocked(struct fixture *f)
{
    struct crowd crowd;

    begin(f);
    crowd_gather_blocked(&crowd, f);
    machine_kill(f->machine);
    crowd_is_released(&crowd);
}

/* Disconnected under many threads, connected again, and used by as many. */
static void disconnected_while_busy(struct fixture *f)
{
    struct crowd crowd;

    begin(f);
    for (unsigned i = 0; i < 5; i++) {
        crowd_gather_executing(&crowd, f);
        tell(f->client, "query-jobs", NULL);
        assert_ok(qmp_client_disconnect(f->client));
        crowd_is_released(&crowd);
        assert_ok(qmp_listener_clear(qmp_client_events(f->client), NULL, NULL));
        assert_ok(qmp_client_connect(f->client, machine_address(f->machine, 0)));
        assert_ok(qmp_client_wait_running(f->client, CHECK_WAIT));
        qmp_message *event = NULL;
        int r = qmp_listener_get(qmp_client_events(f->client), 0, &event);
        assert_true(r == -ENOTCONN || r == -EAGAIN);
    }
}

/* The client is freed while threads wait for its events and its replies: they hold references to listeners and pending
 * commands only. */
static void freed_while_waiting(struct fixture *f)
{
    struct crowd crowd;

    begin(f);
    crowd_gather_blocked(&crowd, f);
    f->client = qmp_client_unref(f->client);
    crowd_is_released(&crowd);
}

/* Takes in short waits, so that it is anywhere but asleep when the client goes. */
static int take_restlessly(void *listener)
{
    int r;

    do {
        qmp_message *event = NULL;

        r = qmp_listener_get(listener, 1, &event);
        qmp_message_unref(event);
    } while (r >= 0 || r == -ETIMEDOUT);
    return r;
}

static int wait_restlessly(void *listener)
{
    qmp_listener *l = listener;
    int r;

    do
        r = qmp_listeners_wait(&l, 1, 1);
    while (r == -ETIMEDOUT);
    return r;
}

/* A listener does not need its client: it may go at any moment of a get(). */
static void freed_while_taking(struct fixture *f)
{
    begin(f);
    for (unsigned i = 0; i < 50; i++) {
        qmp_client *c = connect_client(f, 1);
        qmp_listener *l = qmp_listener_ref(qmp_client_events(c));
        struct worker *taking[2] = {worker_start(take_restlessly, l), worker_start(take_restlessly, l)};
        struct worker *waiting = worker_start(wait_restlessly, l);

        qmp_client_unref(c);
        int results[] = {worker_join(taking[0]), worker_join(taking[1]), worker_join(waiting)};
        qmp_listener_unref(l);
        assert_error(results[0], -ENOTCONN);
        assert_error(results[1], -ENOTCONN);
        assert_int_equal(results[2], 0);
    }
}

/* A client that is connected, and has a command under way, goes over to a thread. */
static void thread_for_a_running_client(struct fixture *f)
{
    struct fixture caller = *f;
    qmp_pending *pending = NULL;

    begin(f);
    caller.machine = f->machine;
    caller.threaded = false;
    qmp_client *c = connect_client(&caller, 1);
    assert_ok(qmp_client_execute_async(c, "stop", NULL, NULL, NULL, &pending));
    assert_ok(qmp_client_start_thread(c));
    assert_error(qmp_client_start_thread(c), -EALREADY);
    assert_ok(qmp_pending_wait(pending, CHECK_WAIT, NULL, NULL));
    assert_queued(qmp_client_events(c), "STOP");
    assert_error(qmp_client_process(c), -EBUSY);
    assert_error(qmp_client_get_fd(c), -EBUSY);
    assert_ok(produce(c));
    qmp_pending_unref(pending);
    qmp_client_unref(c);
}

static int use_and_unref(void *client)
{
    int r = qmp_client_execute(client, "query-status", NULL, CHECK_WAIT, NULL, NULL);

    qmp_client_unref(client);
    return r;
}

/* Whichever thread gives back the last reference ends the client. */
static void last_reference_anywhere(struct fixture *f)
{
    struct worker *workers[THREADS];

    begin(f);
    for (size_t i = 0; i < THREADS; i++)
        workers[i] = worker_start(use_and_unref, qmp_client_ref(f->client));
    f->client = qmp_client_unref(f->client);
    for (size_t i = 0; i < THREADS; i++)
        assert_ok(worker_join(workers[i]));
}

/* One thread waits on listeners of two clients, and is told which has something. */
static void waiting_on_several(struct fixture *f)
{
    qmp_listener *l[3] = {NULL};
    qmp_message *event = NULL;
    size_t taken[2] = {0, 0};

    begin(f);
    qmp_client *other = connect_client(f, 1);
    assert_ok(qmp_listener_new(&l[0], NAMES("STOP")));
    assert_ok(qmp_listener_new(&l[1], NAMES("RESUME")));
    assert_ok(qmp_listener_new(&l[2], NAMES("NEVER_HEARD_OF")));
    assert_ok(qmp_client_register_listener(f->client, l[0]));
    assert_ok(qmp_client_register_listener(other, l[1]));
    assert_ok(qmp_client_register_listener(f->client, l[2]));
    assert_error(qmp_listeners_wait(l, ELEMENTS(l), MOMENT), -ETIMEDOUT);
    struct worker *w = worker_start(produce, f->client);
    while (taken[0] + taken[1] < EVENTS) {
        int i = assert_ok(qmp_listeners_wait(l, ELEMENTS(l), CHECK_WAIT));
        assert_true(i < 2);
        assert_ok(qmp_listener_get(l[i], 0, &event));
        assert_string_equal(qmp_event_name(event), i ? "RESUME" : "STOP");
        qmp_message_unref(event);
        taken[i]++;
    }
    assert_int_equal(taken[0], PAIRS);
    assert_ok(worker_join(w));
    assert_error(qmp_listeners_wait(l, ELEMENTS(l), 0), -ETIMEDOUT);
    assert_ok(qmp_client_disconnect(other));
    assert_error(qmp_listeners_wait(l, ELEMENTS(l), CHECK_WAIT), 1);
    for (size_t i = 0; i < ELEMENTS(l); i++)
        qmp_listener_unref(l[i]);
    qmp_client_unref(other);
}

/* The descriptor is readable exactly while there is something to take. */
static void polling(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;
    qmp_message *event = NULL;
    uint64_t next = 1;
    int r;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NULL, &l, &scope));
    int fd = assert_ok(qmp_listener_get_fd(l));
    assert_int_equal(check_poll(fd, POLLIN, 0), 0);
    struct worker *w = worker_start(produce, f->client);
    while (next <= EVENTS) {
        assert_true(check_poll(fd, POLLIN, CHECK_WAIT) & POLLIN);
        assert_ok(qmp_listener_get(l, 0, &event));
        assert_int_equal(qmp_message_sequence(event), next++);
        qmp_message_unref(event);
    }
    assert_ok(worker_join(w));
    assert_int_equal(check_poll(fd, POLLIN, 0), 0);
    assert_int_equal(qmp_listener_get_fd(l), fd);
    machine_kill(f->machine);
    assert_true(check_poll(fd, POLLIN, CHECK_WAIT) & POLLIN);
    while ((r = qmp_listener_get(l, 0, &event)) >= 0)
        qmp_message_unref(event);
    assert_error(r, -ENOTCONN);
    assert_true(check_poll(fd, POLLIN, 0) & POLLIN);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* Stays inside for a moment, so that somebody may catch it there. */
static void linger(qmp_listener *l, qmp_message *event, void *userdata)
{
    bool *inside = userdata;

    (void)l;
    (void)event;
    __atomic_store_n(inside, true, __ATOMIC_RELAXED);
    poll(NULL, 0, 1);
    __atomic_store_n(inside, false, __ATOMIC_RELAXED);
}

static void come_and_go(struct fixture *f)
{
    qmp_listener *l = NULL;
    bool *inside = calloc(1, sizeof(*inside));

    assert_non_null(inside);
    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_listener_set_handler(l, linger, inside));
    assert_ok(qmp_client_register_listener(f->client, l));
    sched_yield();
    assert_ok(qmp_client_remove_listener(f->client, l));
    assert_false(__atomic_load_n(inside, __ATOMIC_RELAXED));
    free(inside);
    qmp_listener_unref(l);
}

/* Listeners come and go beside the events; once one is removed its handler is over, so what it used may be freed. The
 * others miss nothing. */
static void registering_beside_events(struct fixture *f)
{
    unsigned counts[EVENTS] = {0};
    qmp_listener *bystander = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NULL, &bystander, &scope));
    struct consumer *consumer = consumer_start(bystander);
    struct worker *w = worker_start(produce, f->client);
    while (history_length(bystander) < EVENTS)
        come_and_go(f);
    assert_ok(worker_join(w));
    consumer_await_waiting(consumer, EVENTS);
    qmp_scope_end(scope);
    assert_error(consumer_join(consumer), -ECANCELED);
    assert_rising(consumer, counts, EVENTS);
    consumer_free(consumer);
    qmp_listener_unref(bystander);
}

static const struct scenario scenarios[] = {
    {"consumers of one listener", consumers_of_one_listener, THREAD_DRIVEN_ONLY},
    {"listeners with a thread each", listeners_with_a_thread_each, THREAD_DRIVEN_ONLY},
    {"commands from many threads", commands_from_many_threads, THREAD_DRIVEN_ONLY},
    {"killed while busy", killed_while_busy, THREAD_DRIVEN_ONLY},
    {"killed while blocked", killed_while_blocked, THREAD_DRIVEN_ONLY},
    {"disconnected while busy", disconnected_while_busy, THREAD_DRIVEN_ONLY},
    {"freed while waiting", freed_while_waiting, THREAD_DRIVEN_ONLY},
    {"freed while taking", freed_while_taking, THREAD_DRIVEN_ONLY},
    {"thread for a running client", thread_for_a_running_client, THREAD_DRIVEN_ONLY},
    {"last reference anywhere", last_reference_anywhere, THREAD_DRIVEN_ONLY},
    {"waiting on several", waiting_on_several, THREAD_DRIVEN_ONLY},
    {"polling", polling, THREAD_DRIVEN_ONLY},
    {"registering beside events", registering_beside_events, THREAD_DRIVEN_ONLY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
