/* SPDX-License-Identifier: MIT */
/* The same short conversation over every kind of address that leads to a server: a path, a name in the abstract
 * namespace, TCP by number, by name and over IPv6, a descriptor, a command, a virtual machine's socket. And what is
 * said about each when it leads nowhere.
 *
 * Ports are chosen by the system, when the server starts, and learnt from it: nothing here can collide.
 *
 * Invariant: commands, large replies, events and the end are the same whatever carries them, for QEMU and for
 * qemu-storage-daemon. */

#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "relay.h"

#define BACKUP_JOB "created", "running", "paused", "running", "waiting", "pending", "concluded", "null"

static const enum machine_kind kinds[] = {MACHINE_NONE, MACHINE_STORAGE};

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

static void talk(qmp_client *c)
{
    qmp_message *message = NULL;
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;
    int64_t major = 0;

    assert_ok(qmp_client_greeting(c, &message));
    assert_ok(qmp_value_int64(qmp_value_path(qmp_message_root(message), "QMP.version.qemu.major"), &major));
    assert_true(major >= 5);
    qmp_message_unref(message);
    message = ask(c, "query-qmp-schema", NULL);
    assert_true(qmp_message_root(message).size > 50000);
    qmp_message_unref(message);
    assert_ok(qmp_client_listener(c, NAMES("JOB_STATUS_CHANGE"), &l, &scope));
    backup(c, "job", 1);
    assert_sequence(l, BACKUP_JOB);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* Connects, talks, disconnects, does it again, and ends the server. */
static void converse(struct fixture *f, enum machine_kind kind, const char *address)
{
    qmp_client *c = new_client(f);
    char *text = NULL;

    for (unsigned i = 0; i < 2; i++) {
        connect_to(c, address);
        talk(c);
        assert_ok(qmp_client_disconnect(c));
        assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
        assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_DISCONNECT);
        assert_ok(qmp_listener_clear(qmp_client_events(c), NULL, NULL));
    }
    assert_ok(qmp_client_get_address(c, &text));
    assert_string_equal(text, address);
    free(text);
    connect_to(c, address);
    (void)qmp_listener_get(qmp_client_events(c), 0, &(qmp_message *){NULL});
    tell(c, "quit", NULL);
    if (kind != MACHINE_STORAGE)
        assert_event(qmp_client_events(c), "SHUTDOWN");
    assert_get_error(qmp_client_events(c), CHECK_WAIT, -ENOTCONN);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_CLOSED);
    assert_contains(qmp_client_failure(c), address);
    assert_int_equal(machine_wait_exit(f->machine), 0);
    qmp_client_unref(c);
}

static void start(struct fixture *f, enum machine_kind kind, const char *monitor)
{
    f->machine =
        machine_start(&(struct machine_options){.kind = kind, .pretty = f->pretty, .monitors = 2, .monitor = monitor});
}

static void path(struct fixture *f)
{
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        start(f, kinds[i], NULL);
        converse(f, kinds[i], machine_address(f->machine, 0));
    }
}

static void path_with_scheme(struct fixture *f)
{
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        start(f, kinds[i], NULL);
        char *address = format("unix:%s", machine_address(f->machine, 0));
        converse(f, kinds[i], address);
        free(address);
    }
}

static void abstract_name(struct fixture *f)
{
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        char *monitor = format("socket,path=%s,abstract=on,server=on,wait=off", check_path("abstract"));
        char *address = format("unix:@%s", check_path("abstract"));
        start(f, kinds[i], monitor);
        converse(f, kinds[i], address);
        free(monitor);
        free(address);
    }
}

static bool has_host(const char *host)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};

    if (host[0] != '[')
        return true;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

/* `host` as QEMU writes it, `dialled` as we do. */
static void over_tcp(struct fixture *f, const char *host, const char *dialled)
{
    if (!has_host(dialled))
        skip();
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        char *monitor = format("socket,host=%s,port=0,server=on,wait=off", host);
        start(f, kinds[i], monitor);
        char *address = tcp_address(f, dialled);
        converse(f, kinds[i], address);
        free(monitor);
        free(address);
    }
}

static void tcp_by_number(struct fixture *f)
{
    over_tcp(f, "127.0.0.1", "127.0.0.1");
}

/* The name has several addresses perhaps, and the server listens on one of them. */
static void tcp_by_name(struct fixture *f)
{
    over_tcp(f, "127.0.0.1", "localhost");
}

static void tcp_over_ipv6(struct fixture *f)
{
    over_tcp(f, "::1", "[::1]");
}

static int connected_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The client owns it from the start, and closes it at the end: that the runner sees. */
static void descriptor(struct fixture *f)
{
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        start(f, kinds[i], NULL);
        qmp_client *c = new_client(f);
        char *address = format("fd:%d", connected_socket(machine_address(f->machine, 0)));
        connect_to(c, address);
        talk(c);
        assert_ok(qmp_client_disconnect(c));
        assert_refused(c, address, -EBADF, QMP_FAILURE_CONNECT, "no such descriptor");
        qmp_client_unref(c);
        free(address);
    }
}

static void command(struct fixture *f)
{
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        start(f, kinds[i], NULL);
        char *address = format("exec:socat - UNIX-CONNECT:%s", machine_address(f->machine, 0));
        converse(f, kinds[i], address);
        free(address);
    }
}

/* A socket that listens on the loopback of vsock; -1 where there is none. */
static int listen_on_vsock(unsigned *ret_port)
{
    struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = VMADDR_PORT_ANY};
    socklen_t size = sizeof(address);
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0 ||
                       getsockname(fd, (struct sockaddr *)&address, &size) < 0)) {
        close(fd);
        return -1;
    }
    *ret_port = address.svm_port;
    return fd;
}

/* QEMU's character devices do not listen there, so a relay does. Where the system has no such loopback, the attempt
 * ends when it says so. */
static void virtual_socket(struct fixture *f)
{
    unsigned port = 4444;
    int fd = listen_on_vsock(&port);
    char *address = format("vsock:local:%u", port);

    start(f, MACHINE_NONE, NULL);
    if (fd >= 0) {
        struct relay *relay = relay_start(fd, machine_address(f->machine, 0));
        converse(f, MACHINE_NONE, address);
        relay_stop(relay);
    } else {
        qmp_client *c = new_client(f);
        assert_ok(qmp_client_connect(c, address));
        int r = qmp_client_wait_running(c, CHECK_WAIT);
        assert_true(r == -ETIMEDOUT || r == -ECONNREFUSED || r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL);
        assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_CONNECT);
        assert_contains(qmp_client_failure(c), address);
        if (r == -ETIMEDOUT)
            assert_contains(qmp_client_failure(c), "it did not answer");
        qmp_client_unref(c);
    }
    free(address);
}

/* ---- what leads nowhere ---- */

static void nobody_there(struct fixture *f)
{
    qmp_client *c = new_client(f);

    start(f, MACHINE_NONE, "socket,host=127.0.0.1,port=0,server=on,wait=off");
    char *address = tcp_address(f, "127.0.0.1");
    machine_kill(f->machine);
    assert_refused(c, address, -ECONNREFUSED, QMP_FAILURE_CONNECT, address, "nobody listens");
    assert_refused(c, machine_address(f->machine, 0), -ECONNREFUSED, QMP_FAILURE_CONNECT, "its QEMU has gone");
    assert_refused(c, "unix:@qmp-test-nobody", -ECONNREFUSED, QMP_FAILURE_CONNECT, "unix:@qmp-test-nobody");
    qmp_client_unref(c);
    free(address);
}

static void wrong_ports(struct fixture *f)
{
    qmp_client *c = new_client(f);

    assert_refused(c, "tcp:127.0.0.1:0", -EINVAL, QMP_FAILURE_CONNECT, "port 0 is for listening");
    assert_refused(c, "tcp:127.0.0.1", -EINVAL, QMP_FAILURE_CONNECT, "without a port");
    assert_refused(c, "tcp:127.0.0.1:qmp", -EINVAL, QMP_FAILURE_CONNECT, "not a number");
    qmp_client_unref(c);
}

static void unknown_name(struct fixture *f)
{
    qmp_client *c = new_client(f);

    /* Without a network the look-up may take its time to give up; that is not what is looked at here. */
    assert_ok(qmp_client_set_connect_timeout(c, 5 * QMP_SECOND));
    assert_ok(qmp_client_connect(c, "tcp:nobody.invalid:4444"));
    int r = qmp_client_wait_running(c, CHECK_WAIT);
    assert_true(r == -EHOSTUNREACH || r == -ENOENT || r == -ETIMEDOUT);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_CONNECT);
    assert_contains(qmp_client_failure(c), "nobody.invalid");
    qmp_client_unref(c);
}

static void commands_that_fail(struct fixture *f)
{
    qmp_client *c = new_client(f);

    assert_refused(
        c, "exec:/nonexistent/command 2>/dev/null", -ECONNRESET, QMP_FAILURE_CLOSED, "/nonexistent/command", "127");
    assert_refused(c, "exec:true", -ECONNRESET, QMP_FAILURE_CLOSED, "before its greeting", "status 0");
    assert_refused(c, "exec:exit 3", -ECONNRESET, QMP_FAILURE_CLOSED, "status 3");
    assert_refused(c, "exec:echo hello", -EBADMSG, QMP_FAILURE_DESERIALIZATION, "hello");
    qmp_client_unref(c);
}

/* They stay the caller's. */
static void descriptors_that_fail(struct fixture *f)
{
    qmp_client *c = new_client(f);
    struct sockaddr_in any = {.sin_family = AF_INET};
    int ends[2], plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(pipe(ends), 0);
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listening, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(listen(listening, 1), 0);
    const struct {
        int fd, error;
        const char *words;
    } cases[] = {
        {ends[0], -ENOTSOCK, "no socket"},
        {plain, -ENOTCONN, "not connected"},
        {listening, -ENOTCONN, "listens"},
        {987654, -EBADF, "no such descriptor"},
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char *address = format("fd:%d", cases[i].fd);
        assert_refused(c, address, cases[i].error, QMP_FAILURE_CONNECT, address, cases[i].words);
        free(address);
    }
    qmp_client_unref(c);
    assert_int_equal(close(ends[0]) + close(ends[1]) + close(plain) + close(listening), 0);
}

static const struct scenario scenarios[] = {
    {"path", path, BOTH_MODES},
    {"path with scheme", path_with_scheme, EVERY_WAY},
    {"abstract name", abstract_name, BOTH_MODES},
    {"TCP by number", tcp_by_number, EVERY_WAY},
    {"TCP by name", tcp_by_name, BOTH_MODES},
    {"TCP over IPv6", tcp_over_ipv6, BOTH_MODES},
    {"descriptor", descriptor, BOTH_MODES},
    {"command", command, EVERY_WAY},
    {"virtual socket", virtual_socket, BOTH_MODES},
    {"nobody there", nobody_there, BOTH_MODES},
    {"wrong ports", wrong_ports, BOTH_MODES},
    {"unknown name", unknown_name, BOTH_MODES},
    {"commands that fail", commands_that_fail, BOTH_MODES},
    {"descriptors that fail", descriptors_that_fail, BOTH_MODES},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
