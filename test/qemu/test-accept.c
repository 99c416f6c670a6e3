/* SPDX-License-Identifier: MIT */
/* Real servers that dial us: one that is waited for, a fleet at one address, and one that is replaced by another; and
 * the file of the socket on which we wait.
 *
 * A character device with `reconnect=1` dials once when it starts, and then once a second until somebody answers; so
 * where a test listens only after a server was started, it takes up to a second.
 *
 * Invariant: each server that dials becomes the connection of exactly one client, with the same conversation as over a
 * connection that we made; a path never loses a file that is not ours to take. */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <qmp/server.h>

#include "fixture.h"
#include "worker.h"

static char *format(const char *template, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *template, ...)
{
    va_list list;
    char *text = NULL;

    va_start(list, template);
    assert_true(vasprintf(&text, template, list) > 0);
    va_end(list);
    return text;
}

/* A machine whose monitor 0 dials "unix:PATH" or "tcp:127.0.0.1:PORT". */
static struct machine *dial(const struct fixture *f, enum machine_kind kind, const char *address)
{
    char *there = strncmp(address, "tcp:", 4) == 0
                      ? format("host=127.0.0.1,port=%s", strrchr(address, ':') + 1)
                      : format("path=%s", address + (strncmp(address, "unix:", 5) == 0 ? 5 : 0));
    struct machine *m =
        machine_start(&(struct machine_options){.kind = kind, .pretty = f->pretty, .monitors = 2, .dial = there});

    free(there);
    return m;
}

static char *address_of(qmp_client *c)
{
    char *address = NULL;

    assert_ok(qmp_client_get_address(c, &address));
    return address;
}

static void await_running(qmp_client *c)
{
    int r = qmp_client_wait_running(c, CHECK_WAIT);

    if (r < 0)
        fail_msg("nobody dialled: %s: %s", qmp_strerror(r), qmp_client_failure(c));
}

static void talk(qmp_client *c, int round)
{
    char job[16];

    snprintf(job, sizeof(job), "job%d", round);
    assert_ok(qmp_listener_clear(qmp_client_events(c), NULL, NULL));
    backup(c, job, 1);
    for (;;) {
        qmp_message *event = check_event(qmp_client_events(c), "JOB_STATUS_CHANGE");
        char label[64];
        event_label(event, label, sizeof(label));
        qmp_message_unref(event);
        if (strcmp(label, "pending") == 0)
            break;
    }
    assert_event(qmp_client_events(c), "BLOCK_JOB_COMPLETED");
    synchronize(c);
}

/* ---- one server ---- */

/* Listens, is dialled, talks, disconnects; and again, on the same address, which the server dials once more. */
static void listen_and_talk(struct fixture *f, enum machine_kind kind, const char *address)
{
    qmp_client *c = new_client(f);
    char *first = NULL;

    for (int round = 0; round < 2; round++) {
        assert_ok(qmp_client_listen_on(c, round == 0 ? address : first));
        if (round == 0) {
            first = address_of(c);
            f->machine = dial(f, kind, first);
        }
        await_running(c);
        talk(c, round);
        assert_ok(qmp_client_disconnect(c));
    }
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_DISCONNECT);
    machine_stop(f->machine);
    free(first);
    qmp_client_unref(c);
}

static void over_a_path(struct fixture *f)
{
    listen_and_talk(f, MACHINE_NONE, check_path("listening"));
    listen_and_talk(f, MACHINE_STORAGE, check_path("listening"));
    assert_int_equal(access(check_path("listening"), F_OK), -1);
}

static void over_tcp(struct fixture *f)
{
    listen_and_talk(f, MACHINE_NONE, "tcp:127.0.0.1:0");
    listen_and_talk(f, MACHINE_STORAGE, "tcp:localhost:0");
}

struct accepting {
    const char *address;
    qmp_client *client;
};

static int accept_it(void *argument)
{
    struct accepting *a = argument;

    return qmp_accept(&a->client, a->address, CHECK_WAIT);
}

/* All in one call, while the server is started elsewhere. */
static void in_one_call(struct fixture *f)
{
    struct accepting a = {.address = check_path("listening")};
    struct worker *w = worker_start(accept_it, &a);

    f->machine = dial(f, MACHINE_NONE, a.address);
    assert_ok(worker_join(w));
    talk(a.client, 0);
    qmp_client_unref(a.client);
}

/* Nobody comes, and is waited for no longer than was said. */
static void nobody_dials(struct fixture *f)
{
    qmp_client *c = new_client(f);

    assert_ok(qmp_client_set_connect_timeout(c, MOMENT));
    assert_ok(qmp_client_listen_on(c, check_path("listening")));
    assert_error(qmp_client_wait_running(c, CHECK_WAIT), -ETIMEDOUT);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_CONNECT);
    assert_contains(qmp_client_failure(c), "nobody dialled");
    assert_contains(qmp_client_failure(c), check_path("listening"));
    assert_int_equal(access(check_path("listening"), F_OK), -1);
    qmp_client_unref(c);
}

/* ---- a fleet ---- */

static qmp_server *serve(const char *address)
{
    qmp_server *s = NULL;
    char *why = NULL;
    int r = qmp_server_new(&s, address, &why);

    if (r < 0)
        fail_msg("%s: %s", qmp_strerror(r), why);
    return s;
}

static qmp_client *accept_client(const struct fixture *f, qmp_server *s)
{
    qmp_client *c = new_client(f);

    assert_ok(qmp_server_accept(s, CHECK_WAIT, c));
    await_running(c);
    return c;
}

static void fleet(struct fixture *f, const char *address)
{
    static const enum machine_kind kinds[] = {MACHINE_NONE, MACHINE_STORAGE, MACHINE_NONE, MACHINE_STORAGE};
    qmp_client *clients[ELEMENTS(kinds)];
    qmp_server *s = serve(address);

    clients[0] = new_client(f);
    assert_error(qmp_server_accept(s, 0, clients[0]), -EAGAIN);
    assert_int_equal(qmp_client_runstate(clients[0]), QMP_IDLE);
    qmp_client_unref(clients[0]);
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        dial(f, kinds[i], qmp_server_get_address(s));
        assert_true(check_poll(qmp_server_get_fd(s), POLLIN, CHECK_WAIT) != 0);
        clients[i] = accept_client(f, s);
    }
    for (size_t i = 0; i < ELEMENTS(kinds); i++)
        talk(clients[i], 0);
    /* Whom we leave dials again, and is a new connection. */
    assert_ok(qmp_client_disconnect(clients[1]));
    qmp_client *again = accept_client(f, s);
    talk(again, 1);
    qmp_server_free(s);
    talk(again, 2); /* they live on */
    for (size_t i = 0; i < ELEMENTS(kinds); i++)
        qmp_client_unref(clients[i]);
    qmp_client_unref(again);
}

static void fleet_over_a_path(struct fixture *f)
{
    fleet(f, check_path("fleet"));
    assert_int_equal(access(check_path("fleet"), F_OK), -1);
}

static void fleet_over_tcp(struct fixture *f)
{
    fleet(f, "tcp:127.0.0.1:0");
}

/* ---- another server ---- */

/* The one that dialled is killed; the client listens again, and another one comes. */
static void another_one_dials(struct fixture *f)
{
    struct qmp_reconnect policy = QMP_RECONNECT_INIT;
    const char *path = check_path("listening");
    qmp_client *c = new_client(f);

    policy.delay_min = QMP_MILLISECOND;
    assert_ok(qmp_client_set_reconnect(c, &policy));
    assert_ok(qmp_client_listen_on(c, path));
    struct machine *first = dial(f, MACHINE_NONE, path);
    await_running(c);
    assert_int_equal(qmp_client_same_server(c), QMP_SERVER_UNKNOWN);
    talk(c, 0);
    assert_ok(qmp_listener_clear(qmp_client_events(c), NULL, NULL));
    machine_kill(first);
    assert_get_error(qmp_client_events(c), CHECK_WAIT, -ESTALE);
    assert_int_equal(qmp_client_runstate(c), QMP_CONNECTING);
    f->machine = dial(f, MACHINE_NONE, path);
    await_running(c);
    assert_int_not_equal(qmp_client_same_server(c), QMP_SERVER_SAME);
    talk(c, 0);
    qmp_client_unref(c);
}

/* ---- the file ---- */

static int stale_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void check_mode(const char *path)
{
    struct stat s;

    assert_int_equal(lstat(path, &s), 0);
    assert_true(S_ISSOCK(s.st_mode));
    assert_int_equal(s.st_mode & 0777, 0600);
}

static void a_stale_file(struct fixture *f)
{
    const char *path = check_path("listening");
    mode_t mask = umask(0);
    qmp_client *c = new_client(f);

    close(stale_socket(path));
    assert_ok(qmp_client_listen_on(c, path));
    check_mode(path);
    umask(mask);
    f->machine = dial(f, MACHINE_NONE, path);
    await_running(c);
    assert_int_equal(access(path, F_OK), -1); /* nobody else can dial */
    talk(c, 0);
    qmp_client_unref(c);
}

/* QEMU's own socket is QEMU's. */
static void a_live_file(struct fixture *f)
{
    qmp_client *c = new_client(f);
    qmp_server *s = NULL;
    char *why = NULL;

    f->machine = machine_start(&(struct machine_options){.kind = MACHINE_NONE, .monitors = 1});
    assert_error(qmp_client_listen_on(c, machine_address(f->machine, 0)), -EADDRINUSE);
    assert_contains(qmp_client_failure(c), machine_address(f->machine, 0));
    assert_error(qmp_server_new(&s, machine_address(f->machine, 0), &why), -EADDRINUSE);
    assert_contains(why, machine_address(f->machine, 0));
    free(why);
    connect_to(c, machine_address(f->machine, 0));
    talk(c, 0);
    qmp_client_unref(c);
}

static void no_socket(struct fixture *f)
{
    const char *path = check_path("listening");
    qmp_client *c = new_client(f);
    char text[8] = "";

    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
    assert_error(qmp_client_listen_on(c, path), -EEXIST);
    assert_contains(qmp_client_failure(c), path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, text, sizeof(text)), 4);
    close(fd);
    qmp_client_unref(c);
}

/* A file that somebody put in the place of ours stays. */
static void a_replaced_file(struct fixture *f)
{
    const char *path = check_path("fleet");
    qmp_server *s = serve(path);

    check_mode(path);
    dial(f, MACHINE_NONE, path);
    qmp_client *c = accept_client(f, s);
    assert_int_equal(unlink(path), 0);
    int other = stale_socket(path);
    qmp_server_free(s);
    assert_int_equal(access(path, F_OK), 0);
    talk(c, 0);
    qmp_client_unref(c);
    close(other);
}

static const struct scenario scenarios[] = {
    {"over a path", over_a_path, EVERY_WAY},
    {"over TCP", over_tcp, BOTH_MODES},
    {"in one call", in_one_call, CALLER_DRIVEN | PLAIN},
    {"nobody dials", nobody_dials, BOTH_MODES},
    {"fleet over a path", fleet_over_a_path, EVERY_WAY},
    {"fleet over TCP", fleet_over_tcp, BOTH_MODES},
    {"another one dials", another_one_dials, BOTH_MODES},
    {"a stale file", a_stale_file, BOTH_MODES},
    {"a live file", a_live_file, BOTH_MODES},
    {"no socket", no_socket, BOTH_MODES},
    {"a replaced file", a_replaced_file, BOTH_MODES},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
