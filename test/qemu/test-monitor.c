/* SPDX-License-Identifier: MIT */
/* The monitor for scripts on a real QEMU: commands and their words, events by name, ends, new connections, and a QEMU
 * that dials.
 *
 * Invariant: what a call says in words is what a person would want to read there, so the tests compare whole sentences
 * where QEMU's own are known.
 *
 * It refuses to look at the client underneath, but to have the library drive it. */

#include <stdio.h>
#include <unistd.h>

#include "fixture.h"

#define assert_words(monitor, text) assert_string_equal(qmp_monitor_error(monitor), (text))

/* ---- vocabulary ---- */

static qmp_monitor *new_monitor(const struct fixture *f, const char *address)
{
    qmp_monitor *m = qmp_monitor_new(address);

    assert_non_null(m);
    if (f->threaded)
        assert_ok(qmp_client_start_thread(qmp_monitor_client(m)));
    return m;
}

static void must(qmp_monitor *m, int r)
{
    if (r < 0)
        fail_msg("%s: %s", qmp_strerror(r), qmp_monitor_error(m));
}

static void start_machine(struct fixture *f, const char *dial)
{
    f->machine = machine_start(
        &(struct machine_options){.kind = MACHINE_NONE, .pretty = f->pretty, .monitors = 2, .dial = dial});
}

/* A machine that never ran, and a monitor on it. */
static qmp_monitor *open_monitor(struct fixture *f)
{
    start_machine(f, /* dial= */ NULL);
    qmp_monitor *m = new_monitor(f, machine_address(f->machine, 0));
    must(m, qmp_monitor_connect(m, CHECK_WAIT));
    return m;
}

/* RESUME, STOP, RESUME, STOP … are queued. */
static void toggle(qmp_monitor *m, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        must(m, qmp_monitor_command(m, i % 2 == 0 ? "cont" : "stop", NULL));
}

static void assert_pulls(qmp_monitor *m, const char *name, const char *expected)
{
    must(m, qmp_monitor_pull_event(m, name, CHECK_WAIT));
    assert_string_equal(qmp_event_name(qmp_monitor_event(m)), expected);
}

#define assert_holds(monitor, ...) check_holds((monitor), NAMES(__VA_ARGS__), __FILE__, __LINE__)

static void check_holds(qmp_monitor *m, const char *const *labels, const char *file, int line)
{
    qmp_message *const *events = NULL;
    int n = qmp_monitor_get_events(m, &events);

    must(m, n);
    check_messages(events, (size_t)n, labels, file, line);
}

/* ---- commands ---- */

static void commands(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f);

    assert_words(m, "");
    assert_int_equal(qmp_value_type(qmp_monitor_value(m)), QMP_ABSENT);
    must(m, qmp_monitor_command(m, "query-status", NULL));
    assert_true(qmp_value_equals(qmp_value_member(qmp_monitor_value(m), "status"), "prelaunch"));
    must(m, qmp_monitor_command(m, "qom-get", "{'path': %s, 'property': %s}", "/machine", "type"));
    assert_value(qmp_monitor_value(m), "\"none-machine\"");
    assert_words(m, "");

    assert_error(qmp_monitor_command(m, "blockdev-add", "{'driver': 'null-co', 'node-name': %s}", "src"), -EREMOTEIO);
    assert_words(m, "blockdev-add: GenericError: Duplicate nodes with node-name='src'");
    assert_int_equal(qmp_value_type(qmp_monitor_value(m)), QMP_ABSENT);
    assert_error(qmp_monitor_command(m, "no-such-thing", NULL), -EREMOTEIO);
    assert_words(m, "no-such-thing: CommandNotFound: The command no-such-thing has not been found");
    must(m, qmp_monitor_command(m, "query-jobs", "{}"));
    assert_int_equal(qmp_value_type(qmp_monitor_value(m)), QMP_ARRAY);
    assert_words(m, "no-such-thing: CommandNotFound: The command no-such-thing has not been found");
    qmp_monitor_free(m);
}

/* Nothing of it is sent: the connection works afterwards. */
static void commands_that_cannot_be_sent(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f);

    assert_error(qmp_monitor_command(m, "stop", "{'a': %d", 1), -EINVAL);
    assert_contains(qmp_monitor_error(m), "stop: the format");
    assert_error(qmp_monitor_command(m, "stop", "{'a': %s}", "\xff"), -EINVAL);
    assert_contains(qmp_monitor_error(m), "stop: the format");
    assert_error(qmp_monitor_command(m, "stop", "[%d]", 1), -EINVAL);
    assert_words(m, "stop: invalid argument");
    assert_error(qmp_monitor_command(m, "", NULL), -EINVAL);
    must(m, qmp_monitor_command(m, "query-jobs", NULL));
    qmp_monitor_free(m);
}

static void a_command_in_time(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f);

    assert_ok(qmp_monitor_set_timeout(m, MOMENT));
    machine_freeze(f->machine);
    assert_error(qmp_monitor_command(m, "query-jobs", NULL), -ETIMEDOUT);
    assert_words(m, "query-jobs: the deadline passed");
    machine_thaw(f->machine);
    assert_ok(qmp_monitor_set_timeout(m, CHECK_WAIT));
    must(m, qmp_monitor_command(m, "query-name", NULL));
    assert_int_equal(qmp_value_type(qmp_monitor_value(m)), QMP_OBJECT); /* not the late array of query-jobs */
    qmp_monitor_free(m);
}

/* ---- events ---- */

static void pulling_leaves_the_others(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f);

    assert_null(qmp_monitor_event(m));
    toggle(m, 5);
    assert_holds(m, "RESUME", "STOP", "RESUME", "STOP", "RESUME");
    assert_pulls(m, "STOP", "STOP");
    assert_int_equal(qmp_message_sequence(qmp_monitor_event(m)), 2);
    assert_holds(m, "RESUME", "RESUME", "STOP", "RESUME");
    assert_pulls(m, NULL, "RESUME");
    assert_pulls(m, "STOP", "STOP");
    assert_holds(m, "RESUME", "RESUME");
    assert_error(qmp_monitor_pull_event(m, "STOP", 0), -EAGAIN);
    assert_string_equal(qmp_event_name(qmp_monitor_event(m)), "STOP");
    assert_pulls(m, "RESUME", "RESUME");
    assert_int_equal(qmp_message_sequence(qmp_monitor_event(m)), 3);
    toggle(m, 1); /* runs already: no event */
    assert_holds(m, "RESUME");
    qmp_monitor_free(m);
}

static void pulling_in_time(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f);
    uint64_t begun = check_now();

    assert_error(qmp_monitor_pull_event(m, "STOP", MOMENT), -ETIMEDOUT);
    assert_true(check_now() - begun >= MOMENT);
    assert_words(m, "waiting for STOP: the deadline passed");
    assert_error(qmp_monitor_pull_event(m, NULL, 0), -EAGAIN);
    assert_words(m, "waiting for an event: nothing there yet");
    qmp_monitor_free(m);
}

/* Nobody waits, and no command is sent: it is heard all the same. */
static void without_waiting_the_socket_is_read(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f);
    uint64_t deadline = check_deadline(CHECK_WAIT);

    f->client = connect_client(f, 1);
    tell(f->client, "cont", NULL);
    while (qmp_monitor_pull_event(m, "RESUME", 0) == -EAGAIN)
        assert_true(check_now() < deadline);
    assert_string_equal(qmp_event_name(qmp_monitor_event(m)), "RESUME");
    qmp_monitor_free(m);
}

static void events_are_shown_and_cleared(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f);
    qmp_message *const *events = NULL;

    assert_int_equal(qmp_monitor_get_events(m, &events), 0);
    toggle(m, 2);
    assert_holds(m, "RESUME", "STOP");
    assert_holds(m, "RESUME", "STOP");
    assert_ok(qmp_monitor_clear_events(m));
    assert_int_equal(qmp_monitor_get_events(m, &events), 0);
    toggle(m, 1);
    assert_ok(qmp_monitor_clear_events(m)); /* before anybody has looked at it */
    assert_error(qmp_monitor_pull_event(m, NULL, 0), -EAGAIN);
    toggle(m, 2);
    assert_pulls(m, "STOP", "STOP");
    qmp_monitor_free(m);
}

/* ---- ends ---- */

static void what_was_heard_outlives_qemu(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f);

    toggle(m, 3);
    machine_kill(f->machine);
    assert_pulls(m, "STOP", "STOP");
    assert_error(qmp_monitor_pull_event(m, "STOP", CHECK_WAIT), -ENOTCONN);
    assert_contains(qmp_monitor_error(m), "waiting for STOP: ");
    assert_contains(qmp_monitor_error(m), machine_address(f->machine, 0));
    assert_holds(m, "RESUME", "RESUME");
    assert_error(qmp_monitor_command(m, "stop", NULL), -ENOTCONN);
    assert_contains(qmp_monitor_error(m), machine_address(f->machine, 0));
    assert_pulls(m, NULL, "RESUME");
    assert_pulls(m, NULL, "RESUME");
    assert_error(qmp_monitor_pull_event(m, NULL, 0), -ENOTCONN);
    assert_error(qmp_monitor_connect(m, CHECK_WAIT), -ECONNREFUSED);
    assert_contains(qmp_monitor_error(m), "cannot connect to ");
    qmp_monitor_free(m);
}

static void a_command_that_ends_it(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f);

    machine_freeze(f->machine);
    assert_ok(qmp_monitor_set_timeout(m, MOMENT));
    assert_error(qmp_monitor_command(m, "query-jobs", NULL), -ETIMEDOUT);
    machine_kill(f->machine);
    assert_ok(qmp_monitor_set_timeout(m, CHECK_WAIT));
    int r = qmp_monitor_command(m, "query-jobs", NULL);
    assert_true(r == -ECONNRESET || r == -ENOTCONN);
    assert_contains(qmp_monitor_error(m), "query-jobs: ");
    assert_contains(qmp_monitor_error(m), machine_address(f->machine, 0));
    qmp_monitor_free(m);
}

/* One address, and one QEMU there after another. A caller-driven client has not even noticed the end. */
static void another_qemu(struct fixture *f)
{
    const char *address = check_path("vm.qmp");

    start_machine(f, /* dial= */ NULL);
    assert_int_equal(symlink(machine_address(f->machine, 0), address), 0);
    qmp_monitor *m = new_monitor(f, address);
    must(m, qmp_monitor_connect(m, CHECK_WAIT));
    assert_error(qmp_monitor_connect(m, CHECK_WAIT), -EISCONN);
    assert_contains(qmp_monitor_error(m), "connected already");
    toggle(m, 2);
    machine_kill(f->machine);
    if (f->threaded)
        assert_error(qmp_monitor_pull_event(m, "NEVER", CHECK_WAIT), -ENOTCONN);

    start_machine(f, /* dial= */ NULL);
    unlink(address);
    assert_int_equal(symlink(machine_address(f->machine, 0), address), 0);
    must(m, qmp_monitor_connect(m, CHECK_WAIT));
    toggle(m, 1);
    assert_holds(m, "RESUME", "STOP", "RESUME");
    assert_pulls(m, "STOP", "STOP");
    assert_pulls(m, NULL, "RESUME");
    assert_pulls(m, NULL, "RESUME");
    assert_int_equal(qmp_message_sequence(qmp_monitor_event(m)), 1);
    assert_error(qmp_monitor_pull_event(m, NULL, 0), -EAGAIN);
    qmp_monitor_free(m);
}

/* ---- connecting ---- */

static void failing_to_connect(struct fixture *f)
{
    qmp_monitor *m = new_monitor(f, check_path("nobody"));

    assert_error(qmp_monitor_command(m, "stop", NULL), -ENOTCONN);
    assert_words(m, "stop: not connected");
    assert_error(qmp_monitor_pull_event(m, NULL, CHECK_WAIT), -ENOTCONN);
    assert_words(m, "waiting for an event: not connected");
    assert_error(qmp_monitor_connect(m, CHECK_WAIT), -ENOENT);
    assert_contains(qmp_monitor_error(m), "cannot connect to ");
    assert_contains(qmp_monitor_error(m), "is QEMU running");
    assert_error(qmp_monitor_accept(m, CHECK_WAIT), -ENOTCONN);
    assert_contains(qmp_monitor_error(m), "nothing listens");
    qmp_monitor_free(m);
}

/* It gives up in the caller's time, and can be asked again. */
static void a_monitor_that_is_taken(struct fixture *f)
{
    qmp_monitor *m = open_monitor(f), *other = new_monitor(f, machine_address(f->machine, 0));

    assert_error(qmp_monitor_connect(other, MOMENT), -EBUSY);
    assert_contains(qmp_monitor_error(other), "holds this monitor");
    qmp_monitor_free(m);
    must(other, qmp_monitor_connect(other, CHECK_WAIT));
    must(other, qmp_monitor_command(other, "query-jobs", NULL));
    qmp_monitor_free(other);
}

static void qemu_dials(struct fixture *f)
{
    const char *address = check_path("dialled.qmp");
    char dial[256];

    assert_true(snprintf(dial, sizeof(dial), "path=%s", address) < (int)sizeof(dial));
    qmp_monitor *m = new_monitor(f, address);
    assert_ok(qmp_monitor_listen(m));
    assert_error(qmp_monitor_accept(m, MOMENT), -ETIMEDOUT);
    assert_contains(qmp_monitor_error(m), "no QEMU has dialled");
    assert_error(qmp_monitor_connect(m, CHECK_WAIT), -EALREADY);
    start_machine(f, dial);
    must(m, qmp_monitor_accept(m, CHECK_WAIT));
    toggle(m, 2);
    assert_pulls(m, "STOP", "STOP");
    assert_error(qmp_monitor_accept(m, CHECK_WAIT), -ENOTCONN);
    machine_kill(f->machine);
    assert_error(qmp_monitor_pull_event(m, "STOP", CHECK_WAIT), -ENOTCONN);
    assert_pulls(m, "RESUME", "RESUME");
    qmp_monitor_free(m);
}

/* A script need not look at what qmp_monitor_new() returned. */
static void no_monitor(struct fixture *f)
{
    qmp_message *const *events = NULL;

    (void)f;
    assert_error(qmp_monitor_connect(NULL, CHECK_WAIT), -ENOMEM);
    assert_error(qmp_monitor_listen(NULL), -ENOMEM);
    assert_error(qmp_monitor_accept(NULL, CHECK_WAIT), -ENOMEM);
    assert_error(qmp_monitor_command(NULL, "stop", NULL), -ENOMEM);
    assert_error(qmp_monitor_pull_event(NULL, NULL, CHECK_WAIT), -ENOMEM);
    assert_error(qmp_monitor_get_events(NULL, &events), -ENOMEM);
    assert_error(qmp_monitor_clear_events(NULL), -ENOMEM);
    assert_error(qmp_monitor_set_timeout(NULL, CHECK_WAIT), -ENOMEM);
    assert_int_equal(qmp_value_type(qmp_monitor_value(NULL)), QMP_ABSENT);
    assert_null(qmp_monitor_event(NULL));
    assert_null(qmp_monitor_client(NULL));
    assert_words(NULL, "out of memory");
    assert_null(qmp_monitor_free(NULL));
}

int main(int argc, char **argv)
{
    static const struct scenario scenarios[] = {
        {"commands", commands, EVERY_WAY},
        {"commands that cannot be sent", commands_that_cannot_be_sent, EVERY_WAY},
        {"a command in time", a_command_in_time, EVERY_WAY},
        {"pulling leaves the others", pulling_leaves_the_others, EVERY_WAY},
        {"pulling in time", pulling_in_time, EVERY_WAY},
        {"without waiting the socket is read", without_waiting_the_socket_is_read, EVERY_WAY},
        {"events are shown and cleared", events_are_shown_and_cleared, EVERY_WAY},
        {"what was heard outlives QEMU", what_was_heard_outlives_qemu, EVERY_WAY},
        {"a command that ends it", a_command_that_ends_it, EVERY_WAY},
        {"another QEMU", another_qemu, EVERY_WAY},
        {"failing to connect", failing_to_connect, CALLER_DRIVEN | THREAD_DRIVEN | PLAIN},
        {"a monitor that is taken", a_monitor_that_is_taken, EVERY_WAY},
        {"QEMU dials", qemu_dials, EVERY_WAY},
        {"no monitor", no_monitor, CALLER_DRIVEN | PLAIN},
    };

    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
