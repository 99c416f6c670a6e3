/* SPDX-License-Identifier: MIT */
/* Commands and replies on a real QEMU: large ones, odd numbers and ids, arguments that must not be sent, commands that
 * block, are timed out, cancelled or overtaken, and replies that belong to somebody else.
 *
 * A command that blocks for as long as a test wants is made with the machine's gate: QEMU's main loop hangs in
 * `blockdev-add` until the gate is opened, while its I/O thread goes on reading, as with a dead disk on a network.
 *
 * Invariant: whatever happens to one command, those beside it get their own replies, and the connection lives. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "worker.h"

/* The reference gives up at 256 KiB. */
#define LARGE ((size_t)256 << 10)
/* Reconnects: so many, and more until an event came early once. */
#define STORM_ROUNDS_MIN 500
#define STORM_ROUNDS_MAX 2000
/* For a command that is to be sent, and then to time out: a busy system must not spend it before the sending. */
#define LONG_ENOUGH (600 * QMP_MILLISECOND)

static void large_reply(struct fixture *f)
{
    char *text = NULL;
    size_t size = 0;

    begin_with(f, MACHINE_PC);
    qmp_message *reply = ask(f->client, "human-monitor-command", "{\"command-line\": \"xp /40000bx 0\"}");
    assert_true(qmp_message_root(reply).size > LARGE);
    assert_ok(qmp_value_string(qmp_reply_value(reply), &text, &size));
    assert_true(size > LARGE);
    assert_int_equal(strlen(text), size);
    assert_memory_equal(text, "0000000000000000:", 17);
    assert_memory_equal(text + size - 2, "\r\n", 2);
    free(text);
    qmp_message_unref(reply);
    synchronize(f->client);
}

static void schema(struct fixture *f)
{
    qmp_value entity = {NULL, 0};
    size_t n = 0, commands = 0;

    begin(f);
    qmp_message *reply = ask(f->client, "query-qmp-schema", NULL);
    assert_true(qmp_message_root(reply).size > (f->pretty ? 400000u : 150000u));
    for (; qmp_value_next(qmp_reply_value(reply), NULL, &entity); n++) {
        assert_int_equal(qmp_value_type(qmp_value_member(entity, "name")), QMP_STRING);
        commands += qmp_value_equals(qmp_value_member(entity, "meta-type"), "command");
    }
    assert_true(n > 500);
    assert_true(commands > 100);
    qmp_message_unref(reply);
}

/* Above 2^63: a size that QEMU reports, and one that it takes and gives back. */
static void unsigned_replies(struct fixture *f)
{
    uint64_t value = 0;
    int64_t narrow;

    begin_with(f, MACHINE_PC);
    qmp_message *reply =
        ask(f->client, "qom-get", "{\"path\": \"/machine/unattached/system[0]\", \"property\": \"size\"}");
    assert_ok(qmp_value_uint64(qmp_reply_value(reply), &value));
    assert_true(value == UINT64_MAX);
    assert_error(qmp_value_int64(qmp_reply_value(reply), &narrow), -ERANGE);
    qmp_message_unref(reply);

    tell_json(f->client, "migrate-set-parameters", qmp_json("{'max-bandwidth': %" PRIu64 "}", UINT64_MAX - 1));
    reply = ask(f->client, "query-migrate-parameters", NULL);
    assert_ok(qmp_value_uint64(qmp_value_path(qmp_reply_value(reply), "max-bandwidth"), &value));
    assert_true(value == UINT64_MAX - 1);
    qmp_message_unref(reply);
}

/* QEMU sends an id back as a value: in its own spelling and order. All are in flight at once. */
static void odd_ids(struct fixture *f)
{
    static const char *const ids[] = {"18446744073709551615", "-9223372036854775808", "null", "true", "\"\"",
        "\"a\\u0000b\"", "\"\\ud83d\\ude00 \xc3\xa9\"", "{\"b\": [1, {\"c\": null}], \"a\": \"\\u00e9\"}", "[]", "0.5"};
    qmp_pending *pending[ELEMENTS(ids)] = {NULL};
    struct qmp_request request = QMP_REQUEST_INIT;

    begin(f);
    request.command = "query-status";
    for (size_t i = 0; i < ELEMENTS(ids); i++) {
        request.id = ids[i];
        assert_ok(qmp_client_send_full(f->client, &request, NULL, NULL, &pending[i]));
    }
    assert_error(qmp_client_send_full(f->client, &request, NULL, NULL, NULL), -EEXIST);
    for (size_t i = ELEMENTS(ids); i-- > 0;) {
        assert_ok(qmp_pending_wait(pending[i], CHECK_WAIT, NULL, NULL));
        qmp_pending_unref(pending[i]);
    }
    assert_int_equal(qmp_client_stray_replies(f->client), 0);
}

/* What QEMU would answer with an error that names no command is refused before it is sent. */
static void refused_before_sending(struct fixture *f)
{
    static const struct {
        const char *arguments;
        int error;
    } cases[] = {
        {"{\"command-line\": \"\\uffff\"}", -EINVAL},
        {"{\"command-line\": \"\\ud800\"}", -EINVAL},
        {"{\"command-line\": \"\xef\xbf\xbe\"}", -EINVAL},
        {"{\"command-line\": 1e400}", -EINVAL},
        {"{\"command-line\": \"\xff\"}", -EBADMSG},
        {"{\"command-line\": NaN}", -EBADMSG},
        {"{\"command-line\": 01}", -EBADMSG},
        {"{\"command-line\": \"a\nb\"}", -EBADMSG},
        {"{\"command-line\": \"", -EBADMSG},
        {"[]", -EINVAL},
    };
    struct qmp_request request = QMP_REQUEST_INIT;

    begin(f);
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        assert_error(qmp_client_execute(f->client, "human-monitor-command", cases[i].arguments, CHECK_WAIT, NULL, NULL),
            cases[i].error);
    request.command = "query-status";
    request.id = "1e400";
    assert_error(qmp_client_send_full(f->client, &request, NULL, NULL, NULL), -EINVAL);
    synchronize(f->client);
    assert_int_equal(qmp_client_stray_replies(f->client), 0);
}

/* An error reply says what QEMU said, and is nobody else's. */
static void error_replies(struct fixture *f)
{
    static const struct {
        const char *command, *arguments, *class, *word;
    } cases[] = {
        {"nope", NULL, "CommandNotFound", "nope"},
        {"human-monitor-command", "{}", "GenericError", "command-line"},
        {"blockdev-add", "{\"driver\": \"none\", \"node-name\": \"n\"}", "GenericError", "none"},
        {"qmp_capabilities", NULL, "CommandNotFound", "already complete"},
        {"device_del", "{\"id\": \"none\"}", "DeviceNotFound", "none"},
    };

    begin(f);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        qmp_message *reply = NULL, *error = NULL;

        assert_error(qmp_client_execute(f->client, cases[i].command, cases[i].arguments, CHECK_WAIT, &reply, &error),
            -EREMOTEIO);
        assert_null(reply);
        assert_int_equal(qmp_message_kind(error), QMP_ERROR);
        assert_string_equal(qmp_reply_error_class(error), cases[i].class);
        assert_contains(qmp_reply_error_desc(error), cases[i].word);
        qmp_message_unref(error);
    }
    synchronize(f->client);
}

static qmp_pending *start(qmp_client *c, const char *command, const char *arguments)
{
    qmp_pending *pending = NULL;

    assert_ok(qmp_client_execute_async(c, command, arguments, NULL, NULL, &pending));
    return pending;
}

static qmp_pending *start_blocking(struct fixture *f)
{
    char *arguments = machine_gate_arguments(f->machine);
    qmp_pending *pending = start(f->client, "blockdev-add", arguments);

    free(arguments);
    return pending;
}

static void assert_done(qmp_pending *pending)
{
    qmp_message *reply = NULL;

    assert_ok(qmp_pending_wait(pending, CHECK_WAIT, &reply, NULL));
    assert_int_equal(qmp_message_kind(reply), QMP_RETURN);
    qmp_message_unref(reply);
    qmp_pending_unref(pending);
}

/* More in-band commands wait than QEMU would queue; an out-of-band one gets through all the same. */
static void out_of_band_overtakes(struct fixture *f)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_pending *in_band[20] = {NULL}, *oob = NULL;
    qmp_message *reply = NULL;

    begin(f);
    assert_true(qmp_client_has_oob(f->client));
    qmp_pending *blocked = start_blocking(f);
    for (size_t i = 0; i < ELEMENTS(in_band); i++)
        in_band[i] = start(f->client, "query-status", NULL);
    request.command = "query-yank";
    request.oob = true;
    for (unsigned i = 0; i < 3; i++) {
        assert_ok(qmp_client_send_full(f->client, &request, NULL, NULL, &oob));
        assert_ok(qmp_pending_wait(oob, CHECK_WAIT, &reply, NULL));
        assert_int_equal(qmp_value_type(qmp_reply_value(reply)), QMP_ARRAY);
        qmp_message_unref(reply);
        qmp_pending_unref(oob);
    }
    assert_error(qmp_pending_wait(blocked, 0, NULL, NULL), -ETIMEDOUT);
    for (size_t i = 0; i < ELEMENTS(in_band); i++)
        assert_error(qmp_pending_wait(in_band[i], 0, NULL, NULL), -ETIMEDOUT);
    machine_gate_open(f->machine);
    assert_done(blocked);
    for (size_t i = 0; i < ELEMENTS(in_band); i++)
        assert_done(in_band[i]);
    assert_int_equal(qmp_client_stray_replies(f->client), 0);
}

/* Only some commands may be executed out-of-band; QEMU says so, and the connection goes on. */
static void out_of_band_refused_by_qemu(struct fixture *f)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_pending *pending = NULL;
    qmp_message *error = NULL;

    begin(f);
    request.command = "query-status";
    request.oob = true;
    assert_ok(qmp_client_send_full(f->client, &request, NULL, NULL, &pending));
    assert_error(qmp_pending_wait(pending, CHECK_WAIT, NULL, &error), -EREMOTEIO);
    assert_contains(qmp_reply_error_desc(error), "OOB");
    qmp_message_unref(error);
    qmp_pending_unref(pending);
    synchronize(f->client);
}

static void out_of_band_declined(struct fixture *f)
{
    struct qmp_request request = QMP_REQUEST_INIT;

    begin(f);
    assert_ok(qmp_client_disconnect(f->client));
    assert_ok(qmp_client_set_oob(f->client, false));
    assert_ok(qmp_client_connect(f->client, machine_address(f->machine, 0)));
    assert_ok(qmp_client_wait_running(f->client, CHECK_WAIT));
    assert_false(qmp_client_has_oob(f->client));
    request.command = "query-yank";
    request.oob = true;
    assert_error(qmp_client_send_full(f->client, &request, NULL, NULL, NULL), -EOPNOTSUPP);
    qmp_pending *many[40];
    for (size_t i = 0; i < ELEMENTS(many); i++)
        many[i] = start(f->client, "query-status", NULL);
    for (size_t i = 0; i < ELEMENTS(many); i++)
        assert_done(many[i]);
}

/* A command that takes too long is abandoned; the one behind it, and the connection, are not. */
static void timeout_abandons_one_command(struct fixture *f)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_pending *timed = NULL;

    begin(f);
    request.command = "blockdev-add";
    char *arguments = machine_gate_arguments(f->machine);
    request.arguments = arguments;
    request.timeout = LONG_ENOUGH;
    assert_ok(qmp_client_send_full(f->client, &request, NULL, NULL, &timed));
    free(arguments);
    qmp_pending *behind = start(f->client, "query-status", NULL);
    assert_error(qmp_pending_wait(timed, CHECK_WAIT, NULL, NULL), -ETIMEDOUT);
    assert_error(qmp_pending_wait(behind, 0, NULL, NULL), -ETIMEDOUT);
    assert_error(qmp_client_execute(f->client, "query-jobs", NULL, LONG_ENOUGH, NULL, NULL), -ETIMEDOUT);
    assert_int_equal(qmp_client_stray_replies(f->client), 0);
    machine_gate_open(f->machine);
    qmp_message *reply = NULL;
    assert_ok(qmp_pending_wait(behind, CHECK_WAIT, &reply, NULL));
    assert_int_equal(qmp_value_type(qmp_value_path(qmp_reply_value(reply), "status")), QMP_STRING);
    qmp_message_unref(reply);
    synchronize(f->client);
    assert_int_equal(qmp_client_stray_replies(f->client), 2);
    assert_error(qmp_pending_wait(timed, 0, NULL, NULL), -ETIMEDOUT);
    qmp_pending_unref(behind);
    qmp_pending_unref(timed);
}

struct outcome {
    unsigned calls;
    int error;
    bool reply;
};

static void note_outcome(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct outcome *o = userdata;

    (void)p;
    o->calls++;
    o->error = error;
    o->reply = reply;
}

/* Cancelled while QEMU is busy with it, cancelled before it was sent, and given up by the last reference. */
static void cancelling(struct fixture *f)
{
    struct outcome outcome = {0, 0, false};
    qmp_pending *waiting[20] = {NULL}, *noted = NULL;

    begin(f);
    qmp_pending *blocked = start_blocking(f);
    assert_ok(qmp_client_execute_async(f->client, "query-status", NULL, note_outcome, &outcome, &noted));
    for (size_t i = 0; i < ELEMENTS(waiting); i++)
        waiting[i] = start(f->client, "query-status", NULL);
    assert_error(qmp_pending_wait(blocked, MOMENT, NULL, NULL), -ETIMEDOUT);
    assert_ok(qmp_pending_cancel(blocked));
    assert_ok(qmp_pending_cancel(noted));
    assert_error(qmp_pending_wait(noted, CHECK_WAIT, NULL, NULL), -ECANCELED);
    assert_error(qmp_pending_wait(blocked, CHECK_WAIT, NULL, NULL), -ECANCELED);
    for (size_t i = 1; i < ELEMENTS(waiting); i++)
        waiting[i] = qmp_pending_unref(waiting[i]);
    machine_gate_open(f->machine);
    assert_done(waiting[0]);
    synchronize(f->client);
    assert_error(qmp_pending_cancel(blocked), -EALREADY);
    assert_error(qmp_pending_wait(blocked, 0, NULL, NULL), -ECANCELED);
    assert_int_equal(outcome.calls, 1);
    assert_error(outcome.error, -ECANCELED);
    assert_false(outcome.reply);
    qmp_pending_unref(noted);
    qmp_pending_unref(blocked);
}

/* A client that speaks by hand and goes away while its command blocks. QEMU answers it into the next one's ear. */
static void leave_a_blocked_command(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char buffer[4096];
    char *arguments = machine_gate_arguments(f->machine), *text = NULL;

    strcpy(address.sun_path, machine_address(f->machine, 1));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_true(recv(fd, buffer, sizeof(buffer), 0) > 0);
    int n = asprintf(&text,
        "{\"execute\": \"qmp_capabilities\"} {\"execute\": \"blockdev-add\", \"id\": 1, "
        "\"arguments\": %s}",
        arguments);
    assert_int_equal(write(fd, text, (size_t)n), n);
    assert_true(recv(fd, buffer, sizeof(buffer), 0) > 0);
    machine_gate_await(f->machine);
    close(fd);
    free(text);
    free(arguments);
}

/* The reply of a vanished client's command comes before that of our negotiation, and is not taken for it. */
static void foreign_reply(struct fixture *f)
{
    qmp_message *greeting = NULL;

    begin(f);
    leave_a_blocked_command(f);
    qmp_client *c = new_client(f);
    assert_ok(qmp_client_connect(c, machine_address(f->machine, 1)));
    assert_error(qmp_client_wait_running(c, MOMENT), -ETIMEDOUT);
    assert_int_equal(qmp_client_runstate(c), QMP_CONNECTING);
    assert_ok(qmp_client_greeting(c, &greeting));
    qmp_message_unref(greeting);
    machine_gate_open(f->machine);
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_int_equal(qmp_client_stray_replies(c), 1);
    assert_true(qmp_client_has_oob(c));
    synchronize(c);
    qmp_client_unref(c);
}

/* Stops and continues the machine until the connection ends. */
static int storm(void *address)
{
    qmp_client *c = NULL;
    int r = qmp_connect(&c, address, CHECK_WAIT);

    for (unsigned i = 0; r >= 0; i++)
        r = qmp_client_execute(c, i % 2 ? "cont" : "stop", NULL, CHECK_WAIT, NULL, NULL);
    qmp_client_unref(c);
    return r;
}

struct early {
    qmp_client *client;
    unsigned n;
};

static bool count_early(const qmp_message *event, void *userdata)
{
    struct early *early = userdata;

    (void)event;
    early->n += qmp_client_runstate(early->client) == QMP_CONNECTING;
    return false;
}

static void reconnect_in_a_storm(struct fixture *f, unsigned round)
{
    assert_ok(qmp_client_connect(f->client, machine_address(f->machine, 0)));
    int r = qmp_client_wait_running(f->client, CHECK_WAIT);
    if (r < 0)
        fail_msg("connection %u: %s: %s", round, qmp_strerror(r), qmp_client_failure(f->client));
    synchronize(f->client);
    assert_ok(qmp_client_disconnect(f->client));
}

/* Connecting again and again while events flow: some come before the greeting or before the negotiation's reply, which
 * fails the reference. Here every connection succeeds. How many come early is QEMU's affair, and said. */
static void reconnecting_in_a_storm(struct fixture *f)
{
    struct early early = {NULL, 0};

    begin(f);
    early.client = f->client;
    assert_ok(qmp_client_disconnect(f->client));
    assert_ok(qmp_listener_set_filter(qmp_client_events(f->client), count_early, &early));
    struct worker *w = worker_start(storm, (void *)(uintptr_t)machine_address(f->machine, 1));
    for (unsigned round = 0; round < STORM_ROUNDS_MIN || (early.n == 0 && round < STORM_ROUNDS_MAX); round++)
        reconnect_in_a_storm(f, round);
    machine_kill(f->machine);
    worker_join(w);
    print_message("%u events came before a connection was running\n", early.n);
}

static const struct scenario scenarios[] = {
    {"large reply", large_reply, EVERY_WAY},
    {"schema", schema, EVERY_WAY},
    {"unsigned replies", unsigned_replies, EVERY_WAY},
    {"odd ids", odd_ids, EVERY_WAY},
    {"refused before sending", refused_before_sending, EVERY_WAY},
    {"error replies", error_replies, EVERY_WAY},
    {"out-of-band overtakes", out_of_band_overtakes, EVERY_WAY},
    {"out-of-band refused by QEMU", out_of_band_refused_by_qemu, EVERY_WAY},
    {"out-of-band declined", out_of_band_declined, EVERY_WAY},
    {"timeout abandons one command", timeout_abandons_one_command, EVERY_WAY},
    {"cancelling", cancelling, EVERY_WAY},
    {"foreign reply", foreign_reply, EVERY_WAY},
    {"reconnecting in a storm", reconnecting_in_a_storm, CALLER_DRIVEN | THREAD_DRIVEN | PLAIN},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
