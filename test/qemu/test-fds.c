/* SPDX-License-Identifier: MIT */
/* Descriptors that travel with commands to real servers, and are good for something there.
 *
 * QEMU keeps one descriptor, the one that came last, until a command takes it; so that each command gets its own is the
 * library's doing. What QEMU then has is compared with the file it should be, through an image of a size of its own.
 *
 * Invariant: a command gets its descriptor or fails, and the caller's own stays open. That no copy is left, in whatever
 * way a command ends, is what the runner counts. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

#define SECTOR 512

/* A file of so many sectors, open. */
static int file_of(unsigned sectors)
{
    char name[32];

    snprintf(name, sizeof(name), "image%u", sectors);
    int fd = open(check_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)sectors * SECTOR), 0);
    return fd;
}

static qmp_pending *submit(qmp_client *c, const char *command, const char *arguments, int fd)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_pending *p = NULL;

    request.command = command;
    request.arguments = arguments;
    request.fds = &fd;
    request.n_fds = 1;
    assert_ok(qmp_client_send_full(c, &request, NULL, NULL, &p));
    return p;
}

/* Waits for success; the reply is the caller's. */
static qmp_message *finish(qmp_pending *p)
{
    qmp_message *reply = NULL, *error = NULL;
    int r = qmp_pending_wait(p, CHECK_WAIT, &reply, &error);

    if (r < 0)
        fail_msg("%s: %s", qmp_strerror(r), error ? qmp_reply_error_desc(error) : "");
    qmp_pending_unref(p);
    return reply;
}

static void send_with(qmp_client *c, const char *command, const char *arguments, int fd)
{
    qmp_message_unref(finish(submit(c, command, arguments, fd)));
}

static void add_to_set(qmp_client *c, unsigned set, int fd)
{
    char *arguments = qmp_json("{'fdset-id': %u, 'opaque': 'a file'}", set);

    send_with(c, "add-fd", arguments, fd);
    free(arguments);
}

/* The image behind a set of descriptors, as a node. */
static void open_node(qmp_client *c, unsigned set)
{
    char node[16], path[32];

    snprintf(node, sizeof(node), "node%u", set);
    snprintf(path, sizeof(path), "/dev/fdset/%u", set);
    tell_json(c, "blockdev-add", qmp_json("{'driver': 'file', 'node-name': %s, 'filename': %s}", node, path));
}

static void check_size(qmp_client *c, unsigned set, unsigned sectors)
{
    qmp_message *reply = ask(c, "query-named-block-nodes", NULL);
    qmp_value item = {NULL, 0};
    char node[16];
    int64_t size = -1;

    snprintf(node, sizeof(node), "node%u", set);
    while (qmp_value_next(qmp_reply_value(reply), NULL, &item)) {
        if (qmp_value_equals(qmp_value_member(item, "node-name"), node))
            assert_ok(qmp_value_int64(qmp_value_path(item, "image.virtual-size"), &size));
    }
    qmp_message_unref(reply);
    assert_int_equal(size, (int64_t)sectors * SECTOR);
}

static void check_open(int fd)
{
    assert_true(fcntl(fd, F_GETFD) >= 0);
    assert_int_equal(close(fd), 0);
}

/* ---- one at a time ---- */

static void named(struct fixture *f)
{
    int fd = file_of(1);

    begin_prelaunch(f);
    send_with(f->client, "getfd", "{\"fdname\": \"it\"}", fd);
    tell(f->client, "closefd", "{\"fdname\": \"it\"}");
    assert_error(qmp_client_execute(f->client, "closefd", "{\"fdname\": \"it\"}", CHECK_WAIT, NULL, NULL), -EREMOTEIO);
    check_open(fd);
}

static void in_sets(struct fixture *f)
{
    int fd = file_of(3);

    begin(f); /* QEMU takes descriptors out of their sets only while the machine runs */
    add_to_set(f->client, 7, fd);
    qmp_message *reply = ask(f->client, "query-fdsets", NULL);
    int64_t set = 0;
    assert_ok(qmp_value_int64(qmp_value_path(qmp_reply_value(reply), "0.fdset-id"), &set));
    assert_int_equal(set, 7);
    assert_true(qmp_value_equals(qmp_value_path(qmp_reply_value(reply), "0.fds.0.opaque"), "a file"));
    qmp_message_unref(reply);
    open_node(f->client, 7);
    check_size(f->client, 7, 3);
    tell(f->client, "blockdev-del", "{\"node-name\": \"node7\"}");
    tell(f->client, "remove-fd", "{\"fdset-id\": 7}");
    reply = ask(f->client, "query-fdsets", NULL);
    assert_int_equal(qmp_value_type(qmp_reply_value(reply)), QMP_ARRAY);
    assert_int_equal(qmp_value_type(qmp_value_path(qmp_reply_value(reply), "0")), QMP_ABSENT);
    qmp_message_unref(reply);
    check_open(fd);
}

/* A storage daemon of this version has no command for them. The descriptor goes all the same, and what comes after it
 * is in order. */
static void storage_daemon(struct fixture *f)
{
    qmp_message *error = NULL;
    int fd = file_of(5);

    begin_with(f, MACHINE_STORAGE);
    qmp_pending *p = submit(f->client, "add-fd", "{\"fdset-id\": 1}", fd);
    int r = qmp_pending_wait(p, CHECK_WAIT, NULL, &error);
    qmp_pending_unref(p);
    if (r == -EREMOTEIO) {
        assert_string_equal(qmp_reply_error_class(error), "CommandNotFound");
        qmp_message_unref(error);
        synchronize(f->client);
    } else {
        assert_ok(r);
        open_node(f->client, 1);
        check_size(f->client, 1, 5);
    }
    check_open(fd);
}

/* A socket becomes a character device of QEMU's, and what it was is gone with that. */
static void a_socket(struct fixture *f)
{
    char byte;
    int ends[2];

    begin_prelaunch(f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    send_with(f->client, "getfd", "{\"fdname\": \"peer\"}", ends[1]);
    tell(f->client, "chardev-add",
        "{\"id\": \"c\", \"backend\": {\"type\": \"socket\", \"data\": {\"addr\": {\"type\": \"fd\", \"data\": "
        "{\"str\": \"peer\"}}, \"server\": false}}}");
    close(ends[1]);
    tell(f->client, "chardev-remove", "{\"id\": \"c\"}");
    /* QEMU had the last copy of that end. */
    assert_true(check_poll(ends[0], 0, CHECK_WAIT) != 0);
    assert_int_equal(recv(ends[0], &byte, 1, 0), 0);
    close(ends[0]);
}

/* ---- several ---- */

/* Sent in one go, and each gets its own file; other commands go in between. */
static void back_to_back(struct fixture *f)
{
    enum { N = 8 };
    qmp_pending *pending[N], *other[N];
    int fds[N];

    begin_with(f, MACHINE_NONE);
    for (unsigned i = 0; i < N; i++) {
        char *arguments = qmp_json("{'fdset-id': %u}", i);
        fds[i] = file_of(i + 1);
        pending[i] = submit(f->client, "add-fd", arguments, fds[i]);
        assert_ok(qmp_client_execute_async(f->client, "query-fdsets", NULL, NULL, NULL, &other[i]));
        free(arguments);
        assert_int_equal(close(fds[i]), 0); /* the library has its own */
    }
    for (unsigned i = 0; i < N; i++) {
        qmp_message_unref(finish(pending[i]));
        qmp_message_unref(finish(other[i]));
    }
    for (unsigned i = 0; i < N; i++)
        open_node(f->client, i);
    for (unsigned i = 0; i < N; i++)
        check_size(f->client, i, i + 1);
}

/* ---- where they cannot go ---- */

static void refused_over_tcp(struct fixture *f)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    int fd = file_of(1);

    f->machine = machine_start(&(struct machine_options){
        .pretty = f->pretty, .monitors = 2, .monitor = "socket,host=127.0.0.1,port=0,server=on,wait=off"});
    char *address = tcp_address(f, "127.0.0.1");
    f->client = new_client(f);
    connect_to(f->client, address);
    free(address);
    request.command = "getfd";
    request.arguments = "{\"fdname\": \"it\"}";
    request.fds = &fd;
    request.n_fds = 1;
    assert_error(qmp_client_send_full(f->client, &request, NULL, NULL, NULL), -EAFNOSUPPORT);
    assert_error(qmp_client_execute(f->client, "closefd", "{\"fdname\": \"it\"}", CHECK_WAIT, NULL, NULL), -EREMOTEIO);
    check_open(fd);
}

static void wrong_descriptors(struct fixture *f)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    int fds[QMP_REQUEST_FDS_MAX + 1] = {0};

    begin_prelaunch(f);
    request.command = "getfd";
    request.arguments = "{\"fdname\": \"it\"}";
    request.fds = fds;
    request.n_fds = ELEMENTS(fds);
    assert_error(qmp_client_send_full(f->client, &request, NULL, NULL, NULL), -EINVAL);
    request.n_fds = 1;
    fds[0] = 987654;
    assert_error(qmp_client_send_full(f->client, &request, NULL, NULL, NULL), -EBADF);
    fds[0] = -1;
    assert_error(qmp_client_send_full(f->client, &request, NULL, NULL, NULL), -EBADF);
    synchronize(f->client);
}

/* ---- given up ---- */

static qmp_pending *block(struct fixture *f)
{
    qmp_pending *blocked = NULL;
    char *arguments = machine_gate_arguments(f->machine);

    assert_ok(qmp_client_execute_async(f->client, "blockdev-add", arguments, NULL, NULL, &blocked));
    free(arguments);
    /* Caller-driven, it has not been sent yet. */
    if (!f->threaded)
        assert_error(qmp_pending_wait(blocked, MOMENT, NULL, NULL), -ETIMEDOUT);
    machine_gate_await(f->machine);
    return blocked;
}

/* The first has been sent and the second waits for it; both are given up. The next one is not mistaken. */
static void abandoned(struct fixture *f)
{
    int fds[3] = {file_of(1), file_of(2), file_of(3)};

    begin_prelaunch(f);
    qmp_pending *blocked = block(f);
    qmp_pending *first = submit(f->client, "getfd", "{\"fdname\": \"first\"}", fds[0]);
    qmp_pending *second = submit(f->client, "getfd", "{\"fdname\": \"second\"}", fds[1]);
    qmp_pending *third = submit(f->client, "add-fd", "{\"fdset-id\": 3}", fds[2]);
    assert_error(qmp_pending_wait(third, MOMENT, NULL, NULL), -ETIMEDOUT);
    assert_ok(qmp_pending_cancel(first));
    assert_error(qmp_pending_wait(first, CHECK_WAIT, NULL, NULL), -ECANCELED);
    qmp_pending_unref(first);
    qmp_pending_unref(second);
    assert_error(qmp_pending_wait(third, MOMENT, NULL, NULL), -ETIMEDOUT);
    machine_gate_open(f->machine);
    qmp_message_unref(finish(blocked));
    qmp_message_unref(finish(third));
    open_node(f->client, 3);
    check_size(f->client, 3, 3);
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        check_open(fds[i]);
}

/* QEMU goes, while one has been sent and others wait. */
static void killed(struct fixture *f)
{
    qmp_pending *pending[3];
    int fd = file_of(1);

    begin_prelaunch(f);
    qmp_pending *blocked = block(f);
    for (size_t i = 0; i < ELEMENTS(pending); i++)
        pending[i] = submit(f->client, "getfd", "{\"fdname\": \"it\"}", fd);
    assert_error(qmp_pending_wait(pending[0], MOMENT, NULL, NULL), -ETIMEDOUT);
    machine_kill(f->machine);
    for (size_t i = 0; i < ELEMENTS(pending); i++) {
        assert_error(qmp_pending_wait(pending[i], CHECK_WAIT, NULL, NULL), -ECONNRESET);
        qmp_pending_unref(pending[i]);
    }
    assert_error(qmp_pending_wait(blocked, CHECK_WAIT, NULL, NULL), -ECONNRESET);
    qmp_pending_unref(blocked);
    check_open(fd);
}

static const struct scenario scenarios[] = {
    {"named", named, EVERY_WAY},
    {"in sets", in_sets, EVERY_WAY},
    {"storage daemon", storage_daemon, BOTH_MODES},
    {"a socket", a_socket, BOTH_MODES},
    {"back to back", back_to_back, EVERY_WAY},
    {"refused over TCP", refused_over_tcp, BOTH_MODES},
    {"wrong descriptors", wrong_descriptors, BOTH_MODES},
    {"abandoned", abandoned, BOTH_MODES},
    {"killed", killed, BOTH_MODES},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
