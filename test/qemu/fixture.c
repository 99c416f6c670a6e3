/* SPDX-License-Identifier: MIT */
/* What the tests against a real QEMU share: each scenario as a table row, run in several ways (caller-driven and
 * thread-driven, plain and pretty output), and a vocabulary in which scenarios read like the sentences they come from.
 *
 * Invariant: each run of a scenario has its own QEMU, its own client and nothing from the run before; whatever it
 * leaves is stopped, also when it fails.
 *
 * It refuses to know what any scenario examines. */

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

#define LABEL_MAX 64

/* One row of the table in one of its ways. */
struct run {
    char *name;
    const struct scenario *scenario;
    struct fixture fixture;
    bool passed;
};

static void run_scenario(void *state)
{
    struct run *run = state;

    run->passed = false;
    run->scenario->run(&run->fixture);
    run->passed = true;
}

static void clean_up(void *state)
{
    struct run *run = state;

    machine_stop_all(/* show= */ !run->passed);
    agent_stop_all();
    run->fixture.machine = NULL;
    run->fixture.client = qmp_client_unref(run->fixture.client);
}

static void add_run(struct run *run, const struct scenario *scenario, bool threaded, bool pretty)
{
    run->scenario = scenario;
    run->fixture.threaded = threaded;
    run->fixture.pretty = pretty;
    if (asprintf(&run->name, "%s (%s, %s)", scenario->name, threaded ? "thread-driven" : "caller-driven",
            pretty ? "pretty" : "plain") < 0)
        abort();
}

int scenarios_main(int argc, char **argv, const struct scenario *scenarios, size_t n)
{
    struct run *runs = calloc(4 * n, sizeof(*runs));
    struct check_test *tests = calloc(4 * n, sizeof(*tests));
    size_t n_runs = 0;

    if (!runs || !tests)
        abort();
    for (size_t i = 0; i < 4 * n; i++) {
        bool threaded = i & 1, pretty = i & 2;
        unsigned way = (threaded ? THREAD_DRIVEN : CALLER_DRIVEN) | (pretty ? PRETTY : PLAIN);

        if ((scenarios[i / 4].ways & way) == way)
            add_run(&runs[n_runs++], &scenarios[i / 4], threaded, pretty);
    }
    for (size_t i = 0; i < n_runs; i++)
        tests[i] = (struct check_test){
            .name = runs[i].name, .run_with = run_scenario, .teardown = clean_up, .argument = &runs[i]};
    int r = check_main(argc, argv, tests, n_runs);
    for (size_t i = 0; i < n_runs; i++)
        free(runs[i].name);
    free(runs);
    free(tests);
    return r;
}

qmp_client *new_client(const struct fixture *f)
{
    qmp_client *c = NULL;

    assert_ok(qmp_client_new(&c));
    assert_ok(qmp_client_set_connect_timeout(c, CHECK_WAIT));
    if (f->threaded)
        assert_ok(qmp_client_start_thread(c));
    return c;
}

qmp_client *connect_client(const struct fixture *f, unsigned monitor)
{
    qmp_client *c = new_client(f);

    connect_to(c, machine_address(f->machine, monitor));
    return c;
}

void connect_to(qmp_client *c, const char *address)
{
    int r = qmp_client_connect(c, address);

    if (r >= 0)
        r = qmp_client_wait_running(c, CHECK_WAIT);
    if (r < 0)
        fail_msg("not connected: %s: %s", qmp_strerror(r), qmp_client_failure(c));
}

void check_refused(qmp_client *c, const char *address, int error, enum qmp_failure kind, const char *const *words,
    const char *file, int line)
{
    int r = qmp_client_connect(c, address);

    if (r >= 0)
        r = qmp_client_wait_running(c, CHECK_WAIT);
    if (r != error || qmp_client_failure_kind(c) != kind) {
        print_error("%s: %d (%s), of kind %d: %s\n", address, r, qmp_strerror(r), (int)qmp_client_failure_kind(c),
            qmp_client_failure(c));
        _fail(file, line);
    }
    for (; *words; words++)
        check_contains(qmp_client_failure(c), *words, file, line);
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
}

/* "disconnected:tcp:127.0.0.1:4444,server=on" */
static unsigned port_of(qmp_value chardevs)
{
    qmp_value item = {NULL, 0};
    char *name = NULL;

    while (qmp_value_next(chardevs, /* key= */ NULL, &item)) {
        if (qmp_value_equals(qmp_value_member(item, "label"), MACHINE_MONITOR))
            break;
    }
    assert_ok(qmp_value_string(qmp_value_member(item, "filename"), &name, NULL));
    name[strcspn(name, ",")] = '\0';
    unsigned port = (unsigned)strtoul(strrchr(name, ':') + 1, NULL, 10);
    free(name);
    assert_true(port > 0);
    return port;
}

char *tcp_address(const struct fixture *f, const char *host)
{
    qmp_client *c = connect_client(f, 0);
    qmp_message *reply = ask(c, "query-chardev", NULL);
    char *address = NULL;

    assert_true(asprintf(&address, "tcp:%s:%u", host, port_of(qmp_reply_value(reply))) > 0);
    qmp_message_unref(reply);
    qmp_client_unref(c);
    return address;
}

void begin_with(struct fixture *f, enum machine_kind kind)
{
    f->machine = machine_start(&(struct machine_options){.kind = kind, .pretty = f->pretty, .monitors = 2});
    f->client = connect_client(f, 0);
}

void begin_prelaunch(struct fixture *f)
{
    begin_with(f, MACHINE_NONE);
}

void begin(struct fixture *f)
{
    f->machine = machine_start(&(struct machine_options){.kind = MACHINE_NONE, .pretty = f->pretty, .monitors = 2});
    qmp_client *other = connect_client(f, 1);
    tell(other, "cont", NULL);
    qmp_client_unref(other);
    f->client = connect_client(f, 0);
}

qmp_message *ask(qmp_client *c, const char *command, const char *arguments)
{
    qmp_message *reply = NULL, *error = NULL;
    int r = qmp_client_execute(c, command, arguments, CHECK_WAIT, &reply, &error);

    if (r == -EREMOTEIO)
        fail_msg("%s: %s: %s", command, qmp_reply_error_class(error), qmp_reply_error_desc(error));
    if (r < 0)
        fail_msg("%s: %s: %s", command, qmp_strerror(r), qmp_client_failure(c));
    assert_int_equal(qmp_message_kind(reply), QMP_RETURN);
    return reply;
}

void tell(qmp_client *c, const char *command, const char *arguments)
{
    qmp_message_unref(ask(c, command, arguments));
}

void tell_json(qmp_client *c, const char *command, char *arguments)
{
    assert_non_null(arguments);
    tell(c, command, arguments);
    free(arguments);
}

void backup(qmp_client *c, const char *job, int target)
{
    char node[16];

    snprintf(node, sizeof(node), "dst%d", target);
    tell_json(
        c, "blockdev-backup", qmp_json("{'job-id': %s, 'device': 'src', 'target': %s, 'sync': 'full'}", job, node));
}

void synchronize(qmp_client *c)
{
    tell(c, "query-jobs", NULL);
}

void event_label(const qmp_message *event, char *label, size_t size)
{
    char *status = NULL;

    snprintf(label, size, "%s", qmp_event_name(event));
    if (strcmp(label, "JOB_STATUS_CHANGE") == 0 &&
        qmp_value_string(qmp_value_path(qmp_event_data(event), "status"), &status, NULL) == 0)
        snprintf(label, size, "%s", status);
    free(status);
}

static void check_label(const qmp_message *event, const char *expected, size_t i, const char *file, int line)
{
    char label[LABEL_MAX];

    event_label(event, label, sizeof(label));
    if (strcmp(label, expected) != 0) {
        print_error("event %zu is %s, not %s\n", i, label, expected);
        _fail(file, line);
    }
}

void check_sequence(qmp_listener *l, uint64_t timeout, const char *const *labels, const char *file, int line)
{
    qmp_message *event = NULL;

    for (size_t i = 0; labels[i]; i++) {
        int r = qmp_listener_get(l, timeout, &event);
        if (r < 0) {
            print_error("instead of event %zu, %s: %d: %s\n", i, labels[i], r, qmp_strerror(r));
            _fail(file, line);
        }
        check_label(event, labels[i], i, file, line);
        qmp_message_unref(event);
    }
}

void check_messages(qmp_message *const *messages, size_t n, const char *const *labels, const char *file, int line)
{
    size_t i;

    for (i = 0; i < n && labels[i]; i++)
        check_label(messages[i], labels[i], i, file, line);
    if (i < n || labels[i]) {
        print_error("%zu events: %s %s\n", n, labels[i] ? "no" : "more than expected", labels[i] ? labels[i] : "");
        _fail(file, line);
    }
}

void check_past(qmp_listener *l, const char *const *labels, const char *file, int line)
{
    qmp_message **events = NULL;
    size_t n = 0;

    assert_ok(qmp_listener_history(l, &events, &n));
    check_messages(events, n, labels, file, line);
    qmp_message_unref_many(events, n);
}

size_t history_length(qmp_listener *l)
{
    qmp_message **events = NULL;
    size_t n = 0;

    assert_ok(qmp_listener_history(l, &events, &n));
    qmp_message_unref_many(events, n);
    return n;
}
