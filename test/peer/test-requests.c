/* SPDX-License-Identifier: MIT */

/* Every option of a request, from the caller to the wire: descriptors, ready-made texts, commands without an id, and
 * the ways to begin a connection (no greeting, no negotiation, a guest agent).
 *
 * The invariant: descriptors travel with the first byte of their command, once, and no copy is left anywhere; whatever
 * is refused has sent nothing. */

#include "duo.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int send_request(qmp_client *c, const struct qmp_request *request, struct outcome *o)
{
    return qmp_client_send_full(c, request, o ? outcome_record : NULL, o, NULL);
}

/* ---- descriptors ---- */

/* Reads up to the line's end from the peer's side, by hand. Returns how many descriptors came along; the first one in
 * *ret_fd. */
static size_t receive_line(struct peer *p, char *line, size_t size, int *ret_fd)
{
    size_t n = 0, n_fds = 0;

    while (n == 0 || line[n - 1] != '\n') {
        char control[CMSG_SPACE(16 * sizeof(int))];
        struct iovec iov = {line + n, 1}; /* as QEMU reads */
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};

        assert_true(check_poll(peer_fd(p), POLLIN, CHECK_WAIT) != 0);
        assert_int_equal(recvmsg(peer_fd(p), &m, 0), 1);
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
            size_t here = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            assert_int_equal(h->cmsg_type, SCM_RIGHTS);
            assert_int_equal(n, 0); /* with the command's first byte */
            for (size_t i = 0; i < here; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
                if (n_fds++ == 0 && ret_fd) {
                    *ret_fd = fd;
                } else {
                    close(fd);
                }
            }
        }
        n++;
        assert_true(n < size);
    }
    line[n] = '\0';
    return n_fds;
}

static bool same_file(int a, int b)
{
    struct stat x, y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void pass(bool threaded)
{
    struct duo d = threaded ? duo_open_threaded() : duo_open();
    struct qmp_request request = QMP_REQUEST_INIT;
    int ours = open(check_path("file"), O_RDWR | O_CREAT, 0600), copy = dup(ours), theirs = -1;
    struct outcome o = {0};
    char line[512];

    request.command = "getfd";
    request.arguments = "{\"fdname\": \"f\"}";
    request.fds = &copy;
    request.n_fds = 1;
    assert_ok(send_request(d.client, &request, &o));
    close(copy); /* the caller's own may go at once */
    duo_drive(&d);
    assert_int_equal(receive_line(d.peer, line, sizeof(line), &theirs), 1);
    assert_contains(line, "getfd");
    assert_true(same_file(ours, theirs));
    close(theirs);
    close(ours);
    duo_close(&d);
}

static void test_descriptor(void)
{
    pass(false);
}

static void test_descriptor_threaded(void)
{
    pass(true);
}

/* One command with descriptors is under way at a time, and the commands behind it wait too. */
static void test_descriptors_one_by_one(void)
{
    struct duo d = duo_open();
    struct qmp_request request = QMP_REQUEST_INIT;
    int files[2] = {open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY)}, theirs = -1;
    struct outcome o[2] = {{0}, {0}};
    char line[512], reply[256], *id;

    request.command = "getfd";
    for (unsigned i = 0; i < 2; i++) {
        request.fds = files;
        request.n_fds = i + 1;
        assert_ok(send_request(d.client, &request, &o[i]));
    }
    submit(d.client, "behind", NULL, NULL);
    drive(d.client);
    assert_int_equal(receive_line(d.peer, line, sizeof(line), &theirs), 1);
    close(theirs);
    assert_false(peer_has_object(d.peer, 50 * QMP_MILLISECOND));
    id = strstr(line, "\"id\":");
    assert_non_null(id);
    snprintf(reply, sizeof(reply), "{\"return\":{},%.*s\n", (int)strcspn(id, "\n"), id);
    assert_int_equal(write(peer_fd(d.peer), reply, strlen(reply)), (ssize_t)strlen(reply));
    drive(d.client);
    assert_outcome(&o[0], 0);
    assert_int_equal(receive_line(d.peer, line, sizeof(line), &theirs), 2);
    close(theirs);
    assert_int_equal(receive_line(d.peer, line, sizeof(line), NULL), 0);
    assert_contains(line, "behind");
    close(files[0]);
    close(files[1]);
    duo_close(&d);
}

/* Nothing of these is sent, and no copy is left: the runner counts. */
static void test_descriptors_refused(void)
{
    struct duo d = duo_open();
    struct qmp_request request = QMP_REQUEST_INIT;
    int fds[QMP_REQUEST_FDS_MAX + 1];
    qmp_pending *p = NULL;

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        fds[i] = STDIN_FILENO;
    }
    request.command = "getfd";
    request.fds = fds;
    request.n_fds = QMP_REQUEST_FDS_MAX + 1;
    assert_error(send_request(d.client, &request, NULL), -EINVAL);
    request.fds = NULL;
    request.n_fds = 1;
    assert_error(send_request(d.client, &request, NULL), -EINVAL);
    request.fds = fds;
    request.n_fds = 3;
    fds[2] = 9999;
    assert_error(send_request(d.client, &request, NULL), -EBADF);
    fds[2] = -1;
    assert_error(send_request(d.client, &request, NULL), -EBADF);
    fds[2] = STDIN_FILENO;
    request.oob = true;
    assert_error(send_request(d.client, &request, NULL), -EINVAL);
    request.oob = false;
    assert_false(peer_has_object(d.peer, 20 * QMP_MILLISECOND));

    /* Given up before it is sent, and one that waits when the connection ends. */
    assert_ok(qmp_client_send_full(d.client, &request, NULL, NULL, &p));
    assert_ok(qmp_pending_cancel(p));
    qmp_pending_unref(p);
    drive(d.client);
    assert_false(peer_has_object(d.peer, 20 * QMP_MILLISECOND));
    assert_ok(send_request(d.client, &request, NULL));
    assert_ok(qmp_client_disconnect(d.client));
    assert_error(send_request(d.client, &request, NULL), -ENOTCONN);
    duo_close(&d);
}

static void test_descriptors_over_tcp(void)
{
    struct duo d = duo_new();
    struct qmp_request request = QMP_REQUEST_INIT;
    int fd, file = STDIN_FILENO;

    d.peer = peer_new_tcp(&fd);
    assert_ok(qmp_client_connect_fd(d.client, fd));
    duo_negotiate(&d);
    request.command = "getfd";
    request.fds = &file;
    request.n_fds = 1;
    assert_error(send_request(d.client, &request, NULL), -EAFNOSUPPORT);
    assert_contains(qmp_strerror(-EAFNOSUPPORT), "UNIX");
    duo_works(&d, NULL);
    duo_close(&d);
}

/* ---- the struct ---- */

static void test_sizes(void)
{
    struct duo d = duo_open();
    struct {
        struct qmp_request request;
        char more[16];
    } newer = {.request = QMP_REQUEST_INIT, .more = {0}};
    struct outcome o = {0};

    newer.request.command = "query-name";
    newer.request.size = offsetof(struct qmp_request, text); /* the first release's */
    newer.request.text = "never looked at";
    assert_ok(send_request(d.client, &newer.request, &o));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("query-name"), PEER_RETURN);
    drive(d.client);
    assert_outcome(&o, 0);
    newer.request.size--;
    assert_error(send_request(d.client, &newer.request, &o), -EINVAL);
    newer.request.text = NULL;
    newer.request.size = sizeof(newer);
    assert_ok(send_request(d.client, &newer.request, NULL));
    newer.more[15] = 1; /* what this library does not know */
    assert_error(send_request(d.client, &newer.request, NULL), -EINVAL);
    duo_close(&d);
}

/* ---- ready-made texts, and no id ---- */

static void test_text(void)
{
    struct duo d = duo_open();
    struct qmp_request request = QMP_REQUEST_INIT;
    struct outcome o[2] = {{0}, {0}};

    request.text = " {\"execute\": \"mine\", \"id\": [1, {\"x\": null}]} ";
    assert_ok(send_request(d.client, &request, &o[0]));
    assert_error(send_request(d.client, &request, NULL), -EEXIST);
    request.text = "{\"execute\": \"yours\"}";
    assert_ok(send_request(d.client, &request, &o[1]));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("mine"));
    assert_string_equal(peer_last(d.peer), "{\"execute\": \"mine\", \"id\": [1, {\"x\": null}]}");
    peer_do(d.peer, PEER_SEND("{\"id\":[1,{\"x\":null}],\"return\":1}\n"), PEER_EXPECT("yours"), PEER_RETURN);
    drive(d.client);
    assert_outcome(&o[0], 0);
    assert_outcome(&o[1], 0);
    request.command = "both";
    assert_error(send_request(d.client, &request, NULL), -EINVAL);
    request.command = NULL;
    request.text = "[]";
    assert_error(send_request(d.client, &request, NULL), -EINVAL);
    request.text = "{\"execute\": ";
    assert_error(send_request(d.client, &request, NULL), -EBADMSG);
    duo_close(&d);
}

static void test_no_id(void)
{
    struct duo d = duo_open();
    struct qmp_request request = QMP_REQUEST_INIT;
    struct outcome o[2] = {{0}, {0}};
    qmp_pending *p = NULL;

    request.command = "bare";
    request.no_id = true;
    assert_ok(qmp_client_send_full(d.client, &request, outcome_record, &o[0], &p));
    assert_ok(send_request(d.client, &request, &o[1]));
    drive(d.client);
    assert_ok(qmp_pending_cancel(p)); /* it is sent already */
    qmp_pending_unref(p);
    drive(d.client);
    assert_outcome(&o[0], -ECANCELED);
    peer_do(d.peer, PEER_EXPECT("bare"));
    assert_string_equal(peer_last(d.peer), "{\"execute\":\"bare\"}");
    assert_false(peer_has_object(d.peer, 20 * QMP_MILLISECOND));
    /* The late reply is not taken for the second one's. */
    peer_do(d.peer, PEER_SEND("{\"return\": \"late\"}\n"));
    drive(d.client);
    assert_int_equal(o[1].calls, 0);
    peer_do(d.peer, PEER_EXPECT("bare"), PEER_SEND("{\"error\": {\"class\": \"C\", \"desc\": \"bad\"}}\n"));
    drive(d.client);
    assert_outcome(&o[1], -EREMOTEIO);
    assert_contains(o[1].reply, "bad");
    /* With none under way, an error without an id is the server's complaint. */
    peer_do(d.peer, PEER_SEND("{\"error\": {\"class\": \"C\", \"desc\": \"bad\"}}\n"));
    assert_error(drive_to_end(d.client), -EPROTO);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_SERVER_PARSE);
    duo_close(&d);
}

/* ---- other beginnings ---- */

static void test_no_greeting(void)
{
    struct duo d = duo_new();
    uint64_t before = check_now();
    qmp_message *greeting = NULL;
    struct outcome o = {0};

    assert_ok(qmp_client_set_await_greeting(d.client, false));
    duo_connect(&d);
    assert_ok(qmp_client_wait_running(d.client, CHECK_WAIT));
    assert_true(check_now() - before < CHECK_WAIT / 2); /* it waits for nothing */
    assert_false(qmp_client_has_oob(d.client));
    submit(d.client, "query-name", &o, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_TEXT), PEER_EXPECT("query-name"), PEER_RETURN);
    drive(d.client);
    assert_outcome(&o, 0);
    assert_ok(qmp_client_greeting(d.client, &greeting));
    qmp_message_unref(greeting);
    duo_close(&d);
}

static void test_no_negotiation(void)
{
    struct duo d = duo_new();
    struct qmp_request request = QMP_REQUEST_INIT;

    assert_ok(qmp_client_set_negotiate(d.client, false));
    duo_connect(&d);
    drive(d.client);
    assert_int_equal(qmp_client_runstate(d.client), QMP_CONNECTING);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_OOB_TEXT));
    assert_ok(qmp_client_wait_running(d.client, CHECK_WAIT));
    assert_false(peer_has_object(d.peer, 20 * QMP_MILLISECOND));
    request.command = "qmp_capabilities";
    request.arguments = "{\"enable\": [\"oob\"]}";
    assert_ok(send_request(d.client, &request, NULL));
    request = (struct qmp_request)QMP_REQUEST_INIT;
    request.command = "query-yank";
    request.oob = true;
    assert_ok(send_request(d.client, &request, NULL));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("query-yank"), PEER_EXPECT("qmp_capabilities"));
    duo_close(&d);
}

/* ---- a guest agent ---- */

/* Answers the next synchronisation. */
static void answer_sync(struct peer *p)
{
    char reply[64];
    const char *number;

    peer_do(p, PEER_EXPECT("guest-sync-delimited"));
    number = strrchr(peer_last(p), ':');
    assert_non_null(number);
    snprintf(reply, sizeof(reply), "\xff{\"return\": %.*s}\n", (int)strspn(number + 1, " 0123456789"), number + 1);
    assert_int_equal(write(peer_fd(p), reply, strlen(reply)), (ssize_t)strlen(reply));
}

static void skip_reset(struct peer *p)
{
    char byte = 0;

    assert_true(check_poll(peer_fd(p), POLLIN, CHECK_WAIT) != 0);
    assert_int_equal(read(peer_fd(p), &byte, 1), 1);
    assert_int_equal((unsigned char)byte, 0xff);
}

static struct duo agent_open(void)
{
    struct duo d = duo_new();

    assert_ok(qmp_client_set_dialect(d.client, QMP_DIALECT_AGENT));
    duo_connect(&d);
    drive(d.client);
    skip_reset(d.peer);
    answer_sync(d.peer);
    assert_ok(qmp_client_wait_running(d.client, CHECK_WAIT));
    return d;
}

static void test_agent(void)
{
    struct duo d = agent_open();
    struct qmp_request request = QMP_REQUEST_INIT;
    struct outcome o[2] = {{0}, {0}};
    qmp_pending *p = NULL;
    uint64_t deadline = 0;

    /* A command without a timeout of its own has one all the same. */
    submit(d.client, "guest-info", &o[0], NULL);
    drive(d.client);
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true(deadline < check_deadline(QMP_AGENT_TIMEOUT));
    peer_do(d.peer, PEER_EXPECT("guest-info"), PEER_RETURN);
    drive(d.client);
    assert_outcome(&o[0], 0);

    /* One at a time; what is given up is followed by a synchronisation. */
    o[0] = (struct outcome){0};
    request.command = "guest-exec";
    assert_ok(qmp_client_send_full(d.client, &request, outcome_record, &o[0], &p));
    submit(d.client, "guest-ping", &o[1], NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("guest-exec"));
    assert_false(peer_has_object(d.peer, QMP_MILLISECOND));
    assert_ok(qmp_pending_cancel(p));
    qmp_pending_unref(p);
    drive(d.client);
    assert_outcome(&o[0], -ECANCELED);
    peer_do(d.peer, PEER_SEND("{\"return\": {\"late\": 1}}\n"));
    skip_reset(d.peer);
    answer_sync(d.peer);
    drive(d.client);
    assert_int_equal(o[1].calls, 0);
    peer_do(d.peer, PEER_EXPECT("guest-ping"), PEER_RETURN);
    drive(d.client);
    assert_outcome(&o[1], 0);
    duo_close(&d);
}

static void shut_down(bool answers)
{
    struct duo d = agent_open();
    qmp_message *reply = (qmp_message *)&d;
    struct outcome o = {0};
    qmp_pending *p = NULL;

    assert_ok(qmp_client_execute_async(d.client, "guest-shutdown", NULL, outcome_record, &o, &p));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("guest-shutdown"));
    if (answers) {
        answer_sync(d.peer);
        drive(d.client);
    } else {
        peer_do(d.peer, PEER_EXPECT("guest-sync-delimited"), PEER_CLOSE);
        assert_error(drive_to_end(d.client), -ECONNRESET);
    }
    assert_outcome(&o, 0);
    assert_ok(qmp_pending_wait(p, 0, &reply, NULL));
    assert_null(reply);
    qmp_pending_unref(p);
    duo_close(&d);
}

static void test_agent_shuts_down(void)
{
    shut_down(false);
}

static void test_agent_is_silent(void)
{
    shut_down(true);
}

static void test_agent_that_is_none(void)
{
    struct duo d = duo_new();

    assert_error(qmp_client_set_dialect(d.client, (enum qmp_dialect)7), -EINVAL);
    assert_ok(qmp_client_set_dialect(d.client, QMP_DIALECT_AGENT));
    assert_ok(qmp_client_set_connect_timeout(d.client, 20 * QMP_MILLISECOND));
    duo_connect(&d);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_TEXT));
    assert_error(drive_to_end(d.client), -ETIMEDOUT);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_AGENT);
    assert_contains(qmp_client_failure(d.client), "did not synchronise");
    duo_close(&d);
}

static void test_agent_limits(void)
{
    struct duo d = agent_open();

    submit(d.client, "guest-info", NULL, NULL);
    drive(d.client);
    peer_start(d.peer, PEER_EXPECT("guest-info"), PEER_SEND("{\"return\": \""), PEER_FILL("x", QMP_AGENT_MESSAGE_MAX));
    assert_error(drive_to_end(d.client), -EMSGSIZE);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_LIMIT);
    duo_close(&d);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_descriptor),
        CHECK_TEST(test_descriptor_threaded),
        CHECK_TEST(test_descriptors_one_by_one),
        CHECK_TEST(test_descriptors_refused),
        CHECK_TEST(test_descriptors_over_tcp),
        CHECK_TEST(test_sizes),
        CHECK_TEST(test_text),
        CHECK_TEST(test_no_id),
        CHECK_TEST(test_no_greeting),
        CHECK_TEST(test_no_negotiation),
        CHECK_TEST(test_agent),
        CHECK_TEST(test_agent_shuts_down),
        CHECK_TEST(test_agent_is_silent),
        CHECK_TEST(test_agent_that_is_none),
        CHECK_TEST(test_agent_limits),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
