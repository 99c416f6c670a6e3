/* SPDX-License-Identifier: MIT */

/* A listening address for many: each connection becomes a client's, and a call that fails leaves everything as it was.
 */

#include "duo.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qmp/server.h>

static qmp_server *server_on(const char *address)
{
    qmp_server *s = NULL;

    assert_ok(qmp_server_new(&s, address, NULL));
    return s;
}

static qmp_client *client(void)
{
    qmp_client *c = NULL;

    assert_ok(qmp_client_new(&c));
    return c;
}

/* Two dial, and each is heard by a client of its own; both outlive the server. */
static void test_fleet(void)
{
    const char *path = check_path("socket");
    qmp_server *s = server_on(path);
    struct pollfd pollfd = {.fd = qmp_server_get_fd(s), .events = POLLIN};
    struct duo duos[2] = {{client(), NULL, false}, {client(), NULL, true}};

    assert_contains(qmp_server_get_address(s), path);
    assert_int_equal(poll(&pollfd, 1, 0), 0);
    assert_error(qmp_server_accept(s, 0, duos[0].client), -EAGAIN);
    assert_int_equal(qmp_client_runstate(duos[0].client), QMP_IDLE);
    assert_ok(qmp_client_start_thread(duos[1].client));
    for (unsigned i = 0; i < 2; i++) {
        char *address = NULL;

        duos[i].peer = peer_new(peer_dial(path));
        assert_int_equal(poll(&pollfd, 1, 0), 1);
        assert_ok(qmp_server_accept(s, CHECK_WAIT, duos[i].client));
        duo_negotiate(&duos[i]);
        assert_ok(qmp_client_get_address(duos[i].client, &address));
        assert_string_equal(address, qmp_server_get_address(s));
        free(address);
    }
    assert_null(qmp_server_free(s));
    assert_int_equal(access(path, F_OK), -1);
    for (unsigned i = 0; i < 2; i++) {
        duo_works(&duos[i], NULL);
        duo_close(&duos[i]);
    }
}

static void test_failures(void)
{
    const char *path = check_path("socket");
    qmp_server *s = server_on(path), *other = NULL;
    qmp_client *c = client();
    struct peer *p;
    char *why = NULL;
    uint64_t before;

    assert_error(qmp_server_new(&other, path, &why), -EADDRINUSE);
    assert_contains(why, "cannot listen on");
    assert_contains(why, "somebody uses the socket already");
    free(why);
    assert_error(qmp_server_new(&other, "exec:true", &why), -EINVAL);
    assert_contains(why, "cannot be listened on");
    free(why);
    assert_error(qmp_server_new(&other, "tcp:\x1b", &why), -EINVAL);
    assert_null(strchr(why, '\x1b'));
    free(why);
    assert_error(qmp_server_new(&other, "", NULL), -EINVAL);

    before = check_now();
    assert_error(qmp_server_accept(s, 20 * QMP_MILLISECOND, c), -ETIMEDOUT);
    assert_true(check_now() - before >= 20 * QMP_MILLISECOND);

    /* A client that is not free takes nobody. */
    p = peer_new(peer_dial(path));
    assert_ok(qmp_client_listen_on(c, check_path("other")));
    assert_error(qmp_server_accept(s, 0, c), -EALREADY);
    assert_ok(qmp_client_disconnect(c));
    assert_ok(qmp_server_accept(s, 0, c));
    assert_error(qmp_server_accept(s, 0, c), -EALREADY);
    peer_start(p, PEER_NEGOTIATE, PEER_END);
    assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
    assert_error(qmp_server_accept(s, 0, c), -EISCONN);
    assert_ok(qmp_client_disconnect(c));
    peer_join(p);
    peer_free(p);
    qmp_client_unref(c);
    qmp_server_free(s);
}

/* The port that the system chose, and who has dialled it. */
static void test_tcp(void)
{
    qmp_server *s = server_on("tcp:127.0.0.1:0");
    qmp_client *dialling = client(), *accepting = client();
    char *address = NULL;

    assert_int_equal(strncmp(qmp_server_get_address(s), "tcp:127.0.0.1:", 14), 0);
    assert_true(atoi(qmp_server_get_address(s) + 14) > 0);
    assert_ok(qmp_client_connect(dialling, qmp_server_get_address(s)));
    assert_true(drive(dialling) == 0);
    assert_ok(qmp_server_accept(s, CHECK_WAIT, accepting));
    assert_ok(qmp_client_get_address(accepting, &address));
    assert_int_equal(strncmp(address, "tcp:127.0.0.1:", 14), 0);
    assert_string_not_equal(address, qmp_server_get_address(s));
    free(address);
    qmp_client_unref(dialling);
    qmp_client_unref(accepting);
    qmp_server_free(s);
}

/* A client that was accepted cannot be connected again, whatever it was told. */
static void test_no_way_back(void)
{
    const struct qmp_reconnect policy = QMP_RECONNECT_INIT;
    const char *path = check_path("socket");
    qmp_server *s = server_on(path);
    struct duo d = {client(), peer_new(peer_dial(path)), false};

    assert_ok(qmp_client_set_reconnect(d.client, &policy));
    assert_ok(qmp_server_accept(s, 0, d.client));
    duo_negotiate(&d);
    peer_do(d.peer, PEER_CLOSE);
    assert_error(drive_to_end(d.client), -ECONNRESET);
    assert_int_equal(qmp_client_runstate(d.client), QMP_IDLE);
    duo_close(&d);
    qmp_server_free(s);
}

/* In a child, a server is nothing but a descriptor to close. */
static void test_fork(void)
{
    const char *path = check_path("socket");
    qmp_server *s = server_on(path);
    qmp_client *c = client();
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int failed = qmp_server_accept(s, 0, c) != -ECHILD;

        qmp_server_free(s);
        _exit(failed);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(access(path, F_OK), 0);
    qmp_client_unref(c);
    qmp_server_free(s);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_fleet),
        CHECK_TEST(test_failures),
        CHECK_TEST(test_tcp),
        CHECK_TEST(test_no_way_back),
        CHECK_TEST(test_fork),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
