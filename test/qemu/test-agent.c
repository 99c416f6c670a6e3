/* SPDX-License-Identifier: MIT */
/* The guest agent dialect on a real qemu-ga, which here runs on this host: it is told nothing that changes anything
 * outside of the test's folder.
 *
 * What makes a command slow is an agent that is stopped: qemu-ga itself waits for nothing that is harmless.
 *
 * An agent of this version ends when a client goes that has not read all its answers; so nobody here does, but where
 * that is what happens, and then another agent is started.
 *
 * Invariant: whatever was left on the channel, and whatever the agent does, each command has its own answer or an error
 * in time. */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"
#include "fixture.h"

static qmp_client *new_agent_client(const struct fixture *f)
{
    qmp_client *c = new_client(f);

    assert_ok(qmp_client_set_dialect(c, QMP_DIALECT_AGENT));
    return c;
}

/* An agent, and the fixture's client on it. */
static struct agent *begin_agent(struct fixture *f)
{
    struct agent *a = agent_start();

    f->client = new_agent_client(f);
    connect_to(f->client, agent_address(a));
    return a;
}

/* Starts a program of this host and returns its number. */
static int64_t start_program(qmp_client *c, const char *path, const char *argument, const char *other)
{
    char *arguments = qmp_json("{'path': %s, 'arg': ['-c', %s, %s], 'capture-output': true}", path, argument, other);
    qmp_message *reply = ask(c, "guest-exec", arguments);
    int64_t pid = 0;

    assert_ok(qmp_value_int64(qmp_value_member(qmp_reply_value(reply), "pid"), &pid));
    qmp_message_unref(reply);
    free(arguments);
    return pid;
}

/* Asks until the program has ended. Returns what the last question returned. */
static int ask_status(qmp_client *c, int64_t pid, qmp_message **ret)
{
    char *arguments = qmp_json("{'pid': %lld}", (long long)pid);
    bool exited = false;
    int r = 0;

    while (r >= 0 && !exited) {
        *ret = NULL;
        r = qmp_client_execute(c, "guest-exec-status", arguments, CHECK_WAIT, ret, NULL);
        if (r >= 0)
            assert_ok(qmp_value_bool(qmp_value_member(qmp_reply_value(*ret), "exited"), &exited));
        if (r >= 0 && !exited)
            qmp_message_unref(*ret);
    }
    free(arguments);
    return r;
}

/* ---- in order ---- */

static void conversation(struct fixture *f)
{
    int64_t before = 0, after = 0;

    begin_agent(f);
    tell(f->client, "guest-ping", NULL);
    qmp_message *reply = ask(f->client, "guest-info", NULL);
    assert_int_equal(qmp_value_type(qmp_value_path(qmp_reply_value(reply), "version")), QMP_STRING);
    qmp_message_unref(reply);
    reply = ask(f->client, "guest-get-time", NULL);
    assert_ok(qmp_value_int64(qmp_reply_value(reply), &before));
    qmp_message_unref(reply);
    reply = ask(f->client, "guest-get-time", NULL);
    assert_ok(qmp_value_int64(qmp_reply_value(reply), &after));
    qmp_message_unref(reply);
    assert_true(before > INT64_C(1000000000000000000) && after > before);
    reply = ask(f->client, "guest-get-osinfo", NULL);
    assert_int_equal(qmp_value_type(qmp_value_path(qmp_reply_value(reply), "kernel-release")), QMP_STRING);
    qmp_message_unref(reply);
    assert_error(qmp_client_greeting(f->client, &reply), -ENOENT);
    assert_int_equal(qmp_client_stray_replies(f->client), 0);
}

/* The agent refuses, and the connection goes on. */
static void refusals(struct fixture *f)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_message *error = NULL;

    begin_agent(f);
    assert_error(qmp_client_execute(f->client, "stop", NULL, CHECK_WAIT, NULL, &error), -EREMOTEIO);
    assert_string_equal(qmp_reply_error_class(error), "CommandNotFound");
    qmp_message_unref(error);
    assert_error(qmp_client_execute(f->client, "guest-exec", "{\"path\": 1}", CHECK_WAIT, NULL, &error), -EREMOTEIO);
    qmp_message_unref(error);
    request.command = "guest-ping";
    request.oob = true;
    assert_error(qmp_client_send_full(f->client, &request, NULL, NULL, NULL), -EOPNOTSUPP);
    tell(f->client, "guest-ping", NULL);
}

/* Many at once go one after the other, each with its own answer. */
static void many(struct fixture *f)
{
    enum { N = 50 };
    qmp_pending *pending[N];

    begin_agent(f);
    for (int i = 0; i < N; i++) {
        char *arguments = qmp_json("{'id': %d}", i);
        assert_ok(qmp_client_execute_async(f->client, "guest-sync", arguments, NULL, NULL, &pending[i]));
        free(arguments);
    }
    for (int i = 0; i < N; i++) {
        qmp_message *reply = NULL;
        int64_t number = -1;

        assert_ok(qmp_pending_wait(pending[i], CHECK_WAIT, &reply, NULL));
        assert_ok(qmp_value_int64(qmp_reply_value(reply), &number));
        assert_int_equal(number, i);
        qmp_message_unref(reply);
        qmp_pending_unref(pending[i]);
    }
}

static void connects_again(struct fixture *f)
{
    struct agent *a = begin_agent(f);

    for (unsigned i = 0; i < 10; i++) {
        tell(f->client, "guest-ping", NULL);
        assert_ok(qmp_client_disconnect(f->client));
        connect_to(f->client, agent_address(a));
    }
    tell(f->client, "guest-ping", NULL);
}

/* ---- large ---- */

static void large_reply(struct fixture *f)
{
    qmp_message *reply = NULL;

    begin_agent(f);
    int64_t pid = start_program(f->client, "/bin/sh", "head -c \"$0\" /dev/zero", "300000");
    assert_ok(ask_status(f->client, pid, &reply));
    assert_int_equal(qmp_value_member(qmp_reply_value(reply), "out-data").size, 300000 / 3 * 4 + 2);
    qmp_message_unref(reply);
    tell(f->client, "guest-ping", NULL);
}

/* Beyond the limit for agents. */
static void too_large_reply(struct fixture *f)
{
    qmp_message *reply = NULL;
    char *why;

    begin_agent(f);
    int64_t pid = start_program(f->client, "/bin/sh", "head -c \"$0\" /dev/zero", "9000000");
    assert_error(ask_status(f->client, pid, &reply), -ECONNRESET);
    assert_error(qmp_client_wait_running(f->client, CHECK_WAIT), -EMSGSIZE);
    assert_int_equal(qmp_client_failure_kind(f->client), QMP_FAILURE_LIMIT);
    why = qmp_client_failure_copy(f->client);
    assert_contains(why, "limit");
    free(why);
    assert_ok(qmp_client_set_message_limits(f->client, 16u << 20, QMP_AGENT_DEPTH_MAX));
    connect_to(f->client, agent_address(agent_start()));
    pid = start_program(f->client, "/bin/sh", "head -c \"$0\" /dev/zero", "9000000");
    assert_ok(ask_status(f->client, pid, &reply));
    assert_int_equal(qmp_value_member(qmp_reply_value(reply), "out-data").size, 9000000 / 3 * 4 + 2);
    qmp_message_unref(reply);
}

/* ---- given up ---- */

/* A command that takes too long: the next one waits for the agent, and has the right answer. */
static void slow_command(struct fixture *f)
{
    struct agent *a = begin_agent(f);
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_pending *slow = NULL, *next = NULL;
    qmp_message *reply = NULL;

    agent_freeze(a);
    request.command = "guest-sync";
    request.arguments = "{\"id\": 1}";
    request.timeout = MOMENT;
    assert_ok(qmp_client_send_full(f->client, &request, NULL, NULL, &slow));
    assert_error(qmp_pending_wait(slow, CHECK_WAIT, NULL, NULL), -ETIMEDOUT);
    qmp_pending_unref(slow);
    assert_ok(qmp_client_execute_async(f->client, "guest-sync", "{\"id\": 4711}", NULL, NULL, &next));
    assert_error(qmp_pending_wait(next, MOMENT, NULL, NULL), -ETIMEDOUT);
    agent_thaw(a);
    assert_ok(qmp_pending_wait(next, CHECK_WAIT, &reply, NULL));
    assert_value(qmp_reply_value(reply), "4711");
    qmp_message_unref(reply);
    qmp_pending_unref(next);
    assert_int_equal(qmp_client_runstate(f->client), QMP_RUNNING);
}

/* Given up by hand, one after the other, with the agent at one and the others waiting here. */
static void cancelled_commands(struct fixture *f)
{
    struct agent *a = begin_agent(f);
    qmp_pending *pending[3];

    agent_freeze(a);
    for (size_t i = 0; i < ELEMENTS(pending); i++)
        assert_ok(qmp_client_execute_async(f->client, "guest-info", NULL, NULL, NULL, &pending[i]));
    assert_error(qmp_pending_wait(pending[0], MOMENT, NULL, NULL), -ETIMEDOUT);
    for (size_t i = 0; i < ELEMENTS(pending); i++) {
        assert_ok(qmp_pending_cancel(pending[i]));
        assert_error(qmp_pending_wait(pending[i], CHECK_WAIT, NULL, NULL), -ECANCELED);
        qmp_pending_unref(pending[i]);
    }
    agent_thaw(a);
    tell(f->client, "guest-ping", NULL);
}

/* ---- a predecessor ---- */

static int connected_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void write_and_leave(const struct agent *a, const char *text)
{
    int fd = connected_socket(agent_address(a));

    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    close(fd);
}

/* Half a command, which the next one must not be taken for the rest of. */
static void left_behind(struct fixture *f)
{
    static const char *const leftovers[] = {"{\"execute\": \"guest-", "{\"execute\": \"guest-info\", \"arguments\": {",
        "\"half a string", "[[[[", "'{\"execute\": \"guest-info\"}"};
    struct agent *a = agent_start();

    for (size_t i = 0; i < ELEMENTS(leftovers); i++) {
        write_and_leave(a, leftovers[i]);
        qmp_client *c = new_agent_client(f);
        connect_to(c, agent_address(a));
        qmp_message *reply = ask(c, "guest-sync", "{\"id\": 42}");
        assert_value(qmp_reply_value(reply), "42");
        qmp_message_unref(reply);
        qmp_client_unref(c);
    }
}

/* The same channel, with the answer still on its way: the socket changes hands. */
static void stale_reply(struct fixture *f)
{
    static const char text[] = "{\"execute\": \"guest-sync\", \"arguments\": {\"id\": 1}}\n{\"execute\": \"gue";
    struct agent *a = agent_start();
    int fd = connected_socket(agent_address(a));

    assert_int_equal(send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL), sizeof(text) - 1);
    assert_true(check_poll(fd, POLLIN, CHECK_WAIT) != 0); /* nobody reads it */
    f->client = new_agent_client(f);
    assert_ok(qmp_client_connect_fd(f->client, fd));
    assert_ok(qmp_client_wait_running(f->client, CHECK_WAIT));
    qmp_message *reply = ask(f->client, "guest-sync", "{\"id\": 2}");
    assert_value(qmp_reply_value(reply), "2");
    qmp_message_unref(reply);
}

/* ---- an agent that is not well ---- */

static void stopped(struct fixture *f)
{
    struct agent *a = begin_agent(f);
    qmp_message *reply = NULL;

    agent_freeze(a);
    assert_error(qmp_client_execute(f->client, "guest-info", NULL, MOMENT, NULL, NULL), -ETIMEDOUT);
    assert_error(qmp_client_execute(f->client, "guest-info", NULL, MOMENT, NULL, NULL), -ETIMEDOUT);
    assert_ok(qmp_client_disconnect(f->client));
    assert_ok(qmp_client_set_connect_timeout(f->client, MOMENT));
    assert_refused(f->client, agent_address(a), -ETIMEDOUT, QMP_FAILURE_AGENT, agent_address(a), "synchronise");
    agent_thaw(a);
    assert_ok(qmp_client_set_connect_timeout(f->client, CHECK_WAIT));
    connect_to(f->client, agent_address(a));
    reply = ask(f->client, "guest-sync", "{\"id\": 3}");
    assert_value(qmp_reply_value(reply), "3");
    qmp_message_unref(reply);
}

/* It goes on on the same connection. */
static void stopped_for_a_while(struct fixture *f)
{
    struct agent *a = begin_agent(f);
    qmp_pending *next = NULL;
    qmp_message *reply = NULL;

    agent_freeze(a);
    for (unsigned i = 0; i < 3; i++)
        assert_error(qmp_client_execute(f->client, "guest-info", NULL, MOMENT, NULL, NULL), -ETIMEDOUT);
    assert_ok(qmp_client_execute_async(f->client, "guest-sync", "{\"id\": 5}", NULL, NULL, &next));
    agent_thaw(a);
    assert_ok(qmp_pending_wait(next, CHECK_WAIT, &reply, NULL));
    assert_value(qmp_reply_value(reply), "5");
    qmp_message_unref(reply);
    qmp_pending_unref(next);
}

static void killed(struct fixture *f)
{
    struct agent *a = begin_agent(f);
    qmp_pending *pending[2];

    agent_freeze(a);
    for (size_t i = 0; i < ELEMENTS(pending); i++)
        assert_ok(qmp_client_execute_async(f->client, "guest-info", NULL, NULL, NULL, &pending[i]));
    assert_error(qmp_pending_wait(pending[0], MOMENT, NULL, NULL), -ETIMEDOUT);
    agent_kill(a);
    for (size_t i = 0; i < ELEMENTS(pending); i++) {
        assert_error(qmp_pending_wait(pending[i], CHECK_WAIT, NULL, NULL), -ECONNRESET);
        qmp_pending_unref(pending[i]);
    }
    assert_refused(f->client, agent_address(a), -ECONNREFUSED, QMP_FAILURE_CONNECT, agent_address(a));
}

/* ---- the wrong dialect ---- */

static void agent_dialect_to_a_monitor(struct fixture *f)
{
    f->machine = machine_start(&(struct machine_options){.pretty = f->pretty, .monitors = 1});
    qmp_client *c = new_agent_client(f);
    assert_ok(qmp_client_set_connect_timeout(c, 5 * MOMENT));
    assert_refused(c, machine_address(f->machine, 0), -ETIMEDOUT, QMP_FAILURE_AGENT, machine_address(f->machine, 0),
        "no guest agent");
    qmp_client_unref(c);
}

static void monitor_dialect_to_an_agent(struct fixture *f)
{
    struct agent *a = agent_start();
    qmp_client *c = new_client(f);

    assert_ok(qmp_client_set_connect_timeout(c, 5 * MOMENT));
    assert_refused(c, agent_address(a), -ETIMEDOUT, QMP_FAILURE_GREETING, agent_address(a), "greeting");
    qmp_client_unref(c);
}

static const struct scenario scenarios[] = {
    {"conversation", conversation, BOTH_MODES},
    {"refusals", refusals, BOTH_MODES},
    {"many", many, BOTH_MODES},
    {"connects again", connects_again, BOTH_MODES},
    {"large reply", large_reply, BOTH_MODES},
    {"too large reply", too_large_reply, BOTH_MODES},
    {"slow command", slow_command, BOTH_MODES},
    {"cancelled commands", cancelled_commands, BOTH_MODES},
    {"left behind", left_behind, BOTH_MODES},
    {"stale reply", stale_reply, BOTH_MODES},
    {"stopped", stopped, BOTH_MODES},
    {"stopped for a while", stopped_for_a_while, BOTH_MODES},
    {"killed", killed, BOTH_MODES},
    {"agent dialect to a monitor", agent_dialect_to_a_monitor, EVERY_WAY},
    {"monitor dialect to an agent", monitor_dialect_to_an_agent, BOTH_MODES},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
