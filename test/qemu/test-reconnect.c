/* SPDX-License-Identifier: MIT */
/* A client that connects again by itself, to real servers: to another QEMU at the same address, to the same one after
 * the connection broke, and to one that has gone for good.
 *
 * A connection breaks in two ways: the test shuts the client's socket down behind its back, or a relay in between cuts
 * it. What happens on the machine meanwhile is told by a second client, on a monitor of its own.
 *
 * Invariant: each listener is told of each gap exactly once, in its place between events; each command completes
 * exactly once and is sent at most once. */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "relay.h"

#define FDS_MAX 256

static const struct qmp_reconnect soon = {
    sizeof(struct qmp_reconnect), QMP_MILLISECOND, 50 * QMP_MILLISECOND, 0, false};

/* A client that connects again, and what tells of the gap. */
struct persistent {
    qmp_client *client;
    qmp_listener *gaps;
};

static struct persistent persist(const struct fixture *f, const char *address)
{
    struct persistent p = {.client = new_client(f)};

    assert_ok(qmp_client_set_reconnect(p.client, &soon));
    assert_ok(qmp_listener_new(&p.gaps, NAMES("NO_SUCH_EVENT")));
    assert_ok(qmp_client_register_listener(p.client, p.gaps));
    connect_to(p.client, address);
    return p;
}

static void persistent_done(struct persistent *p)
{
    qmp_client_unref(p->client);
    qmp_listener_unref(p->gaps);
}

/* Waits until it has lost its connection and has another one. */
static void await_again(struct persistent *p)
{
    assert_get_error(p->gaps, CHECK_WAIT, -ESTALE);
    int r = qmp_client_wait_running(p->client, CHECK_WAIT);
    if (r < 0)
        fail_msg("not connected again: %s: %s", qmp_strerror(r), qmp_client_failure(p->client));
    assert_no_event(p->gaps);
}

/* This process's connection to a UNIX socket, for ever down. */
static void shut_down(const char *path)
{
    unsigned n = 0;

    for (int fd = 0; fd < FDS_MAX; fd++) {
        struct sockaddr_un peer = {0};
        socklen_t size = sizeof(peer);

        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sun_family == AF_UNIX &&
            strcmp(peer.sun_path, path) == 0) {
            assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
            n++;
        }
    }
    assert_int_equal(n, 1);
}

/* ---- the same server ---- */

static void same_server(struct fixture *f)
{
    begin(f);
    qmp_client *other = connect_client(f, 1);
    assert_ok(qmp_client_disconnect(f->client));
    struct persistent p = persist(f, machine_address(f->machine, 0));
    assert_int_equal(qmp_client_same_server(p.client), QMP_SERVER_UNKNOWN);
    tell(other, "stop", NULL);
    tell(other, "cont", NULL);
    synchronize(p.client);
    for (unsigned i = 0; i < 3; i++) {
        shut_down(machine_address(f->machine, 0));
        await_again(&p);
        assert_int_equal(qmp_client_same_server(p.client), QMP_SERVER_SAME);
        tell(other, "stop", NULL);
        tell(other, "cont", NULL);
        synchronize(p.client);
    }
    qmp_listener *l = qmp_client_events(p.client);
    assert_queued(l, "STOP", "RESUME");
    for (unsigned i = 0; i < 3; i++) {
        assert_get_error(l, 0, -ESTALE);
        assert_queued(l, "STOP", "RESUME");
    }
    assert_no_event(l);
    persistent_done(&p);
    qmp_client_unref(other);
}

/* ---- another server ---- */

static struct machine *start_at(const struct fixture *f, const char *path)
{
    char monitor[160];

    snprintf(monitor, sizeof(monitor), "socket,path=%s,server=on,wait=off", path);
    return machine_start(&(struct machine_options){.pretty = f->pretty, .monitor = monitor});
}

static void another_server(struct fixture *f)
{
    const char *path = check_path("vm");

    f->machine = start_at(f, path);
    struct persistent p = persist(f, path);
    tell(p.client, "cont", NULL);
    machine_kill(f->machine);
    assert_get_error(p.gaps, CHECK_WAIT, -ESTALE);
    assert_int_equal(qmp_client_runstate(p.client), QMP_CONNECTING);
    assert_error(qmp_client_execute(p.client, "stop", NULL, 0, NULL, NULL), -ENOTCONN);
    f->machine = start_at(f, path);
    assert_ok(qmp_client_wait_running(p.client, CHECK_WAIT));
    assert_int_equal(qmp_client_same_server(p.client), QMP_SERVER_OTHER);
    tell(p.client, "cont", NULL);
    tell(p.client, "stop", NULL);
    qmp_listener *l = qmp_client_events(p.client);
    assert_queued(l, "RESUME");
    assert_get_error(l, 0, -ESTALE);
    assert_queued(l, "RESUME", "STOP");
    assert_no_event(l);
    persistent_done(&p);
}

/* A storage daemon takes the place of a QEMU, and quits: that too is an end that was not asked for. */
static void another_program(struct fixture *f)
{
    const char *path = check_path("vm");
    char monitor[160];

    f->machine = start_at(f, path);
    struct persistent p = persist(f, path);
    tell(p.client, "quit", NULL);
    assert_get_error(p.gaps, CHECK_WAIT, -ESTALE);
    assert_int_equal(machine_wait_exit(f->machine), 0);
    snprintf(monitor, sizeof(monitor), "socket,path=%s,server=on,wait=off", path);
    f->machine = machine_start(&(struct machine_options){.kind = MACHINE_STORAGE, .monitor = monitor});
    assert_ok(qmp_client_wait_running(p.client, CHECK_WAIT));
    assert_int_equal(qmp_client_same_server(p.client), QMP_SERVER_OTHER);
    synchronize(p.client);
    persistent_done(&p);
}

/* ---- the end ---- */

static void gives_up(struct fixture *f)
{
    struct qmp_reconnect policy = soon;

    begin(f);
    policy.attempts_max = 3;
    assert_ok(qmp_client_set_reconnect(f->client, &policy));
    machine_kill(f->machine);
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ESTALE);
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ENOTCONN);
    char *why = qmp_client_failure_copy(f->client);
    assert_contains(why, "nobody listens");
    free(why);
    assert_int_equal(qmp_client_failure_kind(f->client), QMP_FAILURE_CONNECT);
    assert_int_equal(qmp_client_runstate(f->client), QMP_IDLE);
}

static void disconnected_between_attempts(struct fixture *f)
{
    begin(f);
    assert_ok(qmp_client_set_reconnect(f->client, &soon));
    machine_kill(f->machine);
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ESTALE);
    assert_ok(qmp_client_disconnect(f->client));
    assert_int_equal(qmp_client_runstate(f->client), QMP_IDLE);
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ENOTCONN);
    assert_error(qmp_client_wait_running(f->client, 0), -ENOTCONN);
}

/* ---- commands ---- */

enum { OBJECTS = 20 };

/* What was sent and what completed. Written on the driving thread. */
struct record {
    unsigned sent[OBJECTS];
    unsigned completed;
    int errors[OBJECTS + 1];
};

static void count_sent(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *userdata)
{
    struct record *r = userdata;

    (void)c;
    (void)level;
    (void)size;
    for (unsigned i = 0; text[0] == '>' && i < OBJECTS; i++) {
        char name[16];

        snprintf(name, sizeof(name), "object%u\"", i);
        r->sent[i] += strstr(text, name) != NULL;
    }
}

static void note(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct record *r = userdata;

    (void)p;
    (void)reply;
    if (r->completed <= OBJECTS)
        r->errors[r->completed] = error;
    r->completed++;
}

static char *object(unsigned i)
{
    char id[16];

    snprintf(id, sizeof(id), "object%u", i);
    return qmp_json("{'qom-type': 'rng-builtin', 'id': %s}", id);
}

static void submit_objects(qmp_client *c, struct record *r)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        char *arguments = object(i);

        assert_ok(qmp_client_execute_async(c, "object-add", arguments, note, r, NULL));
        free(arguments);
    }
}

static bool has_object(qmp_client *c, unsigned i)
{
    char *path = qmp_json("{'path': '/objects/object%u'}", i);
    int r = qmp_client_execute(c, "qom-list", path, CHECK_WAIT, NULL, NULL);

    free(path);
    assert_true(r == 0 || r == -EREMOTEIO);
    return r == 0;
}

/* QEMU hangs in one command, has some in its queue, and the client holds the others back; then the connection breaks.
 * None is sent again, and the machine has none of those that were never sent. */
static void commands_once(struct fixture *f)
{
    struct record r = {.completed = 0};
    unsigned sent = 0;

    begin(f);
    assert_ok(qmp_client_disconnect(f->client));
    struct persistent p = persist(f, machine_address(f->machine, 0));
    assert_ok(qmp_client_set_log(p.client, QMP_LOG_FULL, count_sent, &r));
    char *blocking = machine_gate_arguments(f->machine);
    assert_ok(qmp_client_execute_async(p.client, "blockdev-add", blocking, note, &r, NULL));
    free(blocking);
    submit_objects(p.client, &r);
    assert_get_error(p.gaps, MOMENT, -ETIMEDOUT);
    machine_gate_await(f->machine);
    shut_down(machine_address(f->machine, 0));
    assert_get_error(p.gaps, CHECK_WAIT, -ESTALE);
    machine_gate_open(f->machine);
    assert_ok(qmp_client_wait_running(p.client, CHECK_WAIT));
    assert_int_equal(qmp_client_same_server(p.client), QMP_SERVER_SAME);
    assert_ok(qmp_client_set_log(p.client, QMP_LOG_NONE, NULL, NULL));
    synchronize(p.client);
    for (unsigned i = 0; i < OBJECTS; i++) {
        assert_true(r.sent[i] <= 1);
        assert_false(r.sent[i] == 0 && has_object(p.client, i));
        sent += r.sent[i];
    }
    assert_true(sent > 0 && sent < OBJECTS);
    assert_int_equal(r.completed, OBJECTS + 1);
    for (size_t i = 0; i < ELEMENTS(r.errors); i++)
        assert_int_equal(r.errors[i], -ECONNRESET);
    persistent_done(&p);
}

/* ---- a network that breaks ---- */

static int listen_on_loopback(char address[64])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
    snprintf(address, 64, "tcp:127.0.0.1:%u", ntohs(in.sin_port));
    return fd;
}

/* Between two gaps, the machine stops and resumes in turn; at a gap anything may have been missed. Returns on how many
 * connections events were heard: with a gap between any two, and more of them only before the negotiation, for which
 * QEMU withholds events that follow others which it has sent already. */
static unsigned check_turns(qmp_listener *l)
{
    char last[64] = "", label[64];
    unsigned connections = 0;
    uint64_t sequence = 0;
    qmp_message *event;
    int r;

    while ((r = qmp_listener_get(l, 0, &event)) == 0 || r == -ESTALE) {
        label[0] = '\0';
        if (r == 0) {
            event_label(event, label, sizeof(label));
            assert_string_not_equal(label, last);
            bool next = qmp_message_sequence(event) == 1;
            assert_int_equal(qmp_message_sequence(event), next ? 1 : sequence + 1);
            assert_false(next && last[0]);
            connections += next;
            sequence = qmp_message_sequence(event);
            qmp_message_unref(event);
        }
        memcpy(last, label, sizeof(last));
    }
    assert_int_equal(r, -EAGAIN);
    return connections;
}

static void take_turns(qmp_client *c)
{
    for (unsigned i = 0; i < 5; i++) {
        assert_ok(qmp_client_execute_async(c, "stop", NULL, NULL, NULL, NULL));
        assert_ok(qmp_client_execute_async(c, "cont", NULL, NULL, NULL, NULL));
    }
}

/* Cut again and again, while events and commands go through. */
static void network_that_breaks(struct fixture *f)
{
    enum { CUTS = 20 };
    char address[64];

    begin(f);
    assert_ok(qmp_client_disconnect(f->client));
    qmp_client *other = connect_client(f, 1);
    struct relay *relay = relay_start(listen_on_loopback(address), machine_address(f->machine, 0));
    struct persistent p = persist(f, address);
    for (unsigned i = 0; i < CUTS; i++) {
        take_turns(other);
        synchronize(other);
        synchronize(p.client);
        take_turns(other);
        relay_cut(relay);
        synchronize(other);
        await_again(&p);
        assert_int_equal(qmp_client_same_server(p.client), QMP_SERVER_UNKNOWN);
    }
    take_turns(other);
    synchronize(other);
    synchronize(p.client);
    assert_int_equal(check_turns(qmp_client_events(p.client)), CUTS + 1);
    /* An attempt more was seen after a cut, once; each cut may cost one, and none more. */
    assert_true(relay_count(relay) >= CUTS + 1 && relay_count(relay) <= 2 * CUTS + 1);
    persistent_done(&p);
    qmp_client_unref(other);
    relay_stop(relay);
}

static const struct scenario scenarios[] = {
    {"same server", same_server, EVERY_WAY},
    {"another server", another_server, EVERY_WAY},
    {"another program", another_program, BOTH_MODES},
    {"gives up", gives_up, BOTH_MODES},
    {"disconnected between attempts", disconnected_between_attempts, BOTH_MODES},
    {"commands once", commands_once, BOTH_MODES},
    {"network that breaks", network_that_breaks, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
