/* SPDX-License-Identifier: MIT */
/* How connections begin, or do not, on a real QEMU: to an address or on a ready descriptor; to a QEMU that hangs, and
 * where nobody listens; in states where they may not begin, and in a process that is not theirs. A monitor that
 * somebody else holds is in test-busy.c.
 *
 * Invariant: an attempt ends within its time, with an error that tells the cases apart and words that name the address;
 * and then another one may be made. */

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/* A QEMU that hangs takes connections but does not greet: that ends, and is not taken for a busy monitor. */
static void hung_server_does_not_greet(struct fixture *f)
{
    begin(f);
    machine_freeze(f->machine);
    qmp_client *c = new_client(f);
    assert_ok(qmp_client_set_connect_timeout(c, MOMENT));
    assert_ok(qmp_client_connect(c, machine_address(f->machine, 1)));
    assert_error(qmp_client_wait_running(c, CHECK_WAIT), -ETIMEDOUT);
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_GREETING);
    assert_contains(qmp_client_failure(c), "greeting");
    assert_contains(qmp_client_failure(c), machine_address(f->machine, 1));

    machine_thaw(f->machine);
    assert_ok(qmp_client_set_connect_timeout(c, CHECK_WAIT));
    assert_ok(qmp_client_connect(c, machine_address(f->machine, 1)));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    synchronize(c);
    qmp_client_unref(c);
}

static void assert_unreachable(struct fixture *f, const char *address, int expected)
{
    qmp_client *c = new_client(f);

    assert_ok(qmp_client_connect(c, address));
    assert_error(qmp_client_wait_running(c, CHECK_WAIT), expected);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_CONNECT);
    assert_contains(qmp_client_failure(c), address);
    qmp_client_unref(c);
}

/* Nobody there: no such socket, and one whose QEMU was killed. */
static void nobody_listens(struct fixture *f)
{
    begin(f);
    assert_unreachable(f, check_path("none"), -ENOENT);
    machine_kill(f->machine);
    assert_unreachable(f, machine_address(f->machine, 0), -ECONNREFUSED);
}

/* Calls that do not fit the state are refused and change nothing. */
static void state_errors(struct fixture *f)
{
    qmp_message *greeting = NULL;

    begin(f);
    assert_error(qmp_client_connect(f->client, machine_address(f->machine, 1)), -EISCONN);
    synchronize(f->client);
    assert_ok(qmp_client_greeting(f->client, &greeting));
    assert_int_equal(qmp_message_kind(greeting), QMP_GREETING);
    qmp_message_unref(greeting);
    assert_ok(qmp_client_disconnect(f->client));
    assert_ok(qmp_client_disconnect(f->client));
    assert_error(qmp_client_execute(f->client, "stop", NULL, CHECK_WAIT, NULL, NULL), -ENOTCONN);
    assert_error(qmp_client_wait_running(f->client, CHECK_WAIT), -ENOTCONN);
}

/* A descriptor that is connected already serves as well as an address. */
static void ready_descriptor(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    begin(f);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    strcpy(address.sun_path, machine_address(f->machine, 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    qmp_client *c = new_client(f);
    assert_ok(qmp_client_connect_fd(c, fd));
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    tell(c, "stop", NULL);
    assert_queued(qmp_client_events(c), "STOP");
    qmp_client_unref(c);
}

static _Noreturn void be_child(qmp_client *c)
{
    qmp_message *event = NULL;
    bool right = qmp_client_execute(c, "stop", NULL, QMP_FOREVER, NULL, NULL) == -ECHILD &&
                 qmp_listener_get(qmp_client_events(c), QMP_FOREVER, &event) == -ECHILD &&
                 qmp_client_disconnect(c) == -ECHILD;

    qmp_client_unref(c);
    _exit(right ? 0 : 1);
}

/* A child is refused everything, and lets go of its copy without harm to the connection, which is the parent's. */
static void forked(struct fixture *f)
{
    int status = -1;

    begin(f);
    pid_t child = fork();
    if (child == 0)
        be_child(f->client);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    tell(f->client, "stop", NULL);
    assert_queued(qmp_client_events(f->client), "STOP");
}

static const struct scenario scenarios[] = {
    {"hung server does not greet", hung_server_does_not_greet, EVERY_WAY},
    {"nobody listens", nobody_listens, EVERY_WAY},
    {"state errors", state_errors, EVERY_WAY},
    {"ready descriptor", ready_descriptor, EVERY_WAY},
    {"forked", forked, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
