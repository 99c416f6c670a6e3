/* SPDX-License-Identifier: MIT */
/* A QEMU that is killed, or stopped and continued, at every stage of a connection.
 *
 * Invariant: a killed one ends the connection with an error that says so, each command exactly once, and what was heard
 * before can still be taken, whole and in order; after a stopped one is continued all goes on as if nothing had been.
 * The same client is then of use again. */

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fixture.h"

enum { TURNS = 40 };

/* One client and its machine, at some stage. */
struct scene {
    bool threaded;
    struct machine *machine;
    qmp_client *client;
    qmp_client *other; /* on the machine's second monitor, with a thread of its own */
    void (*hit)(struct machine *m);
    sem_t negotiating;
    struct {
        unsigned completed;
        int error;
    } command;
};

static void note(qmp_pending *p, int error, qmp_message *reply, void *scene)
{
    struct scene *s = scene;

    (void)p;
    (void)reply;
    s->command.completed++;
    s->command.error = error;
}

static void hear_negotiation(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *scene)
{
    struct scene *s = scene;

    (void)c;
    (void)level;
    (void)size;
    if (text[0] == '>' && strstr(text, "qmp_capabilities"))
        sem_post(&s->negotiating);
}

static void await_negotiation(struct scene *s)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(CHECK_WAIT / QMP_SECOND);
    if (s->threaded) {
        assert_int_equal(sem_timedwait(&s->negotiating, &until), 0);
        return;
    }
    while (sem_trywait(&s->negotiating) < 0) {
        assert_true(qmp_client_wait(s->client, CHECK_WAIT) >= 0);
        assert_true(qmp_client_process(s->client) >= 0);
    }
}

static void hit_when_disconnecting(qmp_client *c, enum qmp_runstate state, void *scene)
{
    struct scene *s = scene;

    (void)c;
    if (state == QMP_DISCONNECTING)
        s->hit(s->machine);
}

/* ---- the stages: reached, and hit ---- */

static void close_gate(struct scene *s, qmp_client *c)
{
    char *arguments = machine_gate_arguments(s->machine);
    bool own = c == s->client;

    assert_ok(qmp_client_execute_async(c, "blockdev-add", arguments, own ? note : NULL, own ? s : NULL, NULL));
    free(arguments);
    if (own && !s->threaded)
        assert_true(qmp_client_process(c) >= 0);
    machine_gate_await(s->machine);
}

static void connecting(struct scene *s)
{
    assert_ok(qmp_client_connect(s->client, machine_address(s->machine, 0)));
    s->hit(s->machine);
}

static void before_the_greeting(struct scene *s)
{
    machine_freeze(s->machine);
    assert_ok(qmp_client_connect(s->client, machine_address(s->machine, 0)));
    assert_error(qmp_client_wait_running(s->client, MOMENT / 4), -ETIMEDOUT);
    if (s->hit != machine_freeze) /* that is how it got here */
        s->hit(s->machine);
}

/* The monitor greets while the main loop hangs, and the negotiation is for the main loop. */
static void negotiating(struct scene *s)
{
    close_gate(s, s->other);
    assert_ok(qmp_client_set_log(s->client, QMP_LOG_TRAFFIC, hear_negotiation, s));
    assert_ok(qmp_client_connect(s->client, machine_address(s->machine, 0)));
    await_negotiation(s);
    s->hit(s->machine);
    machine_gate_open(s->machine);
}

static void idle(struct scene *s)
{
    connect_to(s->client, machine_address(s->machine, 0));
    s->hit(s->machine);
}

static void in_flight(struct scene *s)
{
    connect_to(s->client, machine_address(s->machine, 0));
    close_gate(s, s->client);
    s->hit(s->machine);
    machine_gate_open(s->machine);
}

static void in_a_flood(struct scene *s)
{
    connect_to(s->client, machine_address(s->machine, 0));
    for (unsigned i = 0; i < TURNS; i++) {
        assert_ok(qmp_client_execute_async(s->other, "stop", NULL, NULL, NULL, NULL));
        assert_ok(qmp_client_execute_async(s->other, "cont", NULL, NULL, NULL, NULL));
    }
    assert_event(qmp_client_events(s->client), "STOP");
    s->hit(s->machine);
}

static void disconnecting(struct scene *s)
{
    connect_to(s->client, machine_address(s->machine, 0));
    assert_ok(qmp_client_set_runstate_handler(s->client, hit_when_disconnecting, s));
    assert_ok(qmp_client_disconnect(s->client));
}

/* ---- what comes of it ---- */

/* All that was heard of a machine that stops and resumes in turn. Returns how many, and the error behind them. */
static size_t take_turns(qmp_listener *l, uint64_t timeout, size_t before, int *ret)
{
    qmp_message *event = NULL;
    size_t n = before;

    while ((*ret = qmp_listener_get(l, timeout, &event)) == 0) {
        assert_int_equal(qmp_message_sequence(event), ++n);
        assert_string_equal(qmp_event_name(event), n % 2 ? "STOP" : "RESUME");
        qmp_message_unref(event);
    }
    return n;
}

static void expect_refused(struct scene *s)
{
    int r = qmp_client_wait_running(s->client, CHECK_WAIT);
    enum qmp_failure kind = qmp_client_failure_kind(s->client);

    assert_true(r == -ECONNRESET || r == -ECONNREFUSED);
    assert_true(kind == QMP_FAILURE_CLOSED || kind == QMP_FAILURE_CONNECT);
}

static void expect_end(struct scene *s)
{
    int r;

    take_turns(qmp_client_events(s->client), CHECK_WAIT, 0, &r);
    assert_int_equal(r, -ENOTCONN);
    assert_int_equal(qmp_client_failure_kind(s->client), QMP_FAILURE_CLOSED);
}

/* However far it had come. */
static void expect_no_connection(struct scene *s)
{
    int r = qmp_client_wait_running(s->client, CHECK_WAIT);

    if (r == 0)
        expect_end(s);
    else
        expect_refused(s);
}

static void expect_end_of_command(struct scene *s)
{
    expect_end(s);
    assert_int_equal(s->command.completed, 1);
    assert_int_equal(s->command.error, -ECONNRESET);
}

static void expect_end_of_flood(struct scene *s)
{
    int r;

    assert_true(take_turns(qmp_client_events(s->client), CHECK_WAIT, 1, &r) <= 2 * TURNS);
    assert_int_equal(r, -ENOTCONN);
    assert_int_equal(qmp_client_failure_kind(s->client), QMP_FAILURE_CLOSED);
}

static void expect_disconnected(struct scene *s)
{
    int r;

    assert_int_equal(qmp_client_runstate(s->client), QMP_IDLE);
    assert_int_equal(qmp_client_failure_kind(s->client), QMP_FAILURE_DISCONNECT);
    take_turns(qmp_client_events(s->client), CHECK_WAIT, 0, &r);
    assert_int_equal(r, -ENOTCONN);
}

static void goes_on(struct scene *s)
{
    assert_ok(qmp_client_wait_running(s->client, CHECK_WAIT));
    synchronize(s->client);
    assert_no_event(qmp_client_events(s->client));
}

/* The client waits patiently, in vain, while the server is stopped. */
static void goes_on_later(struct scene *s)
{
    assert_error(qmp_client_execute(s->client, "query-name", NULL, MOMENT / 4, NULL, NULL), -ETIMEDOUT);
    machine_thaw(s->machine);
    goes_on(s);
}

static void goes_on_with_command(struct scene *s)
{
    goes_on(s);
    assert_int_equal(s->command.completed, 1);
    assert_true(s->command.error == 0 || s->command.error == -EREMOTEIO);
}

static void goes_on_with_flood(struct scene *s)
{
    int r;

    synchronize(s->other);
    synchronize(s->client);
    assert_int_equal(take_turns(qmp_client_events(s->client), 0, 1, &r), 2 * TURNS);
    assert_int_equal(r, -EAGAIN);
}

static const struct stage {
    const char *name;
    void (*reach)(struct scene *s);
    void (*killed)(struct scene *s);
    void (*frozen)(struct scene *s); /* before it is continued; may be NULL */
    void (*thawed)(struct scene *s);
} stages[] = {
    {"connecting", connecting, expect_no_connection, NULL, goes_on},
    {"before the greeting", before_the_greeting, expect_refused, NULL, goes_on},
    {"negotiating", negotiating, expect_refused, NULL, goes_on},
    {"idle", idle, expect_end, goes_on_later, goes_on},
    {"a command in flight", in_flight, expect_end_of_command, NULL, goes_on_with_command},
    {"in a flood", in_a_flood, expect_end_of_flood, NULL, goes_on_with_flood},
    {"disconnecting", disconnecting, expect_disconnected, NULL, expect_disconnected},
};

static void begin_scene(struct scene *s, struct fixture *f, struct machine *m, void (*hit)(struct machine *m))
{
    *s = (struct scene){.threaded = f->threaded, .machine = m, .hit = hit, .client = new_client(f)};
    s->other = connect_client(&(struct fixture){.threaded = true, .machine = m}, 1);
    sem_init(&s->negotiating, 0, 0);
}

/* The client is of use again, on a machine that is well. */
static void end_scene(struct scene *s, const struct machine *well)
{
    assert_ok(qmp_client_set_runstate_handler(s->client, NULL, NULL));
    if (qmp_client_runstate(s->client) != QMP_IDLE)
        assert_ok(qmp_client_disconnect(s->client));
    connect_to(s->client, machine_address(well, 0));
    synchronize(s->client);
    assert_ok(qmp_client_disconnect(s->client));
    qmp_client_unref(s->client);
    qmp_client_unref(s->other);
    sem_destroy(&s->negotiating);
}

static struct machine *start_running(const struct fixture *f)
{
    struct machine *m = machine_start(&(struct machine_options){.pretty = f->pretty, .monitors = 2});
    qmp_client *c = connect_client(&(struct fixture){.threaded = false, .machine = m}, 1);

    tell(c, "cont", NULL);
    qmp_client_unref(c);
    return m;
}

static void killed(struct fixture *f)
{
    struct machine *well = start_running(f);

    for (size_t i = 0; i < ELEMENTS(stages); i++) {
        struct machine *m = start_running(f);
        static struct scene s; /* callbacks may come after the test has failed */

        print_message("killed: %s\n", stages[i].name);
        begin_scene(&s, f, m, machine_kill);
        stages[i].reach(&s);
        stages[i].killed(&s);
        end_scene(&s, well);
        machine_stop(m);
    }
}

static void stopped_and_continued(struct fixture *f)
{
    struct machine *m = start_running(f);

    for (size_t i = 0; i < ELEMENTS(stages); i++) {
        static struct scene s; /* callbacks may come after the test has failed */

        print_message("stopped: %s\n", stages[i].name);
        begin_scene(&s, f, m, machine_freeze);
        stages[i].reach(&s);
        if (stages[i].frozen)
            stages[i].frozen(&s);
        machine_thaw(m);
        stages[i].thawed(&s);
        end_scene(&s, m);
    }
}

static const struct scenario scenarios[] = {
    {"killed", killed, BOTH_MODES},
    {"stopped and continued", stopped_and_continued, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
