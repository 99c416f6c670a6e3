/* SPDX-License-Identifier: MIT */

/* What an event loop is told to watch: at once, after every change, and never a descriptor that is closed.
 *
 * The invariant: a loop that does nothing but what it is told drives a client from connect to the end. Here the loop is
 * one poll(2), and it checks that the descriptor it is told is open, and that the one it forgets still is. */

#include "duo.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct loop {
    qmp_client *client;
    int fd;
    short events;
    uint64_t deadline;
    unsigned told, destroyed, faults;
};

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void watch(qmp_client *c, int fd, short events, uint64_t deadline, void *loop)
{
    struct loop *l = loop;

    l->told++;
    l->faults += l->destroyed > 0 || (l->client && c != l->client);
    l->faults += fd >= 0 ? !is_open(fd) : events != 0;
    l->faults += l->fd >= 0 && !is_open(l->fd); /* closed before it was told so */
    l->faults += fd == l->fd && events == l->events && deadline == l->deadline;
    l->fd = fd;
    l->events = events;
    l->deadline = deadline;
}

static void destroyed(void *loop)
{
    struct loop *l = loop;

    l->destroyed++;
    l->faults += l->fd >= 0; /* still watched */
}

static struct loop loop_new(qmp_client *c)
{
    (void)c;
    return (struct loop){.client = c, .fd = -1, .events = -1};
}

/* Returns false when nothing happened within the time. */
static bool loop_once(struct loop *l, uint64_t timeout)
{
    uint64_t until = check_deadline(timeout);
    struct pollfd pollfd = {.fd = l->fd, .events = l->events};
    int n = poll(&pollfd, 1, check_poll_timeout(l->deadline < until ? l->deadline : until));

    assert_true(n >= 0);
    if (n == 0 && check_now() < l->deadline) {
        return check_now() < until;
    }
    (void)qmp_client_process(l->client);
    return true;
}

static void loop_until_state(struct loop *l, enum qmp_runstate state)
{
    while (qmp_client_runstate(l->client) != state) {
        assert_true(loop_once(l, CHECK_WAIT));
    }
}

static void loop_until_outcome(struct loop *l, const struct outcome *o)
{
    while (o->calls == 0) {
        assert_true(loop_once(l, CHECK_WAIT));
    }
}

static void test_life(void)
{
    const char *path = check_path("socket");
    struct peer *p = peer_new_listening(path);
    struct outcome o = {0};
    struct loop l;
    qmp_client *c = NULL;

    peer_start(p, PEER_ACCEPT, PEER_NEGOTIATE, PEER_EXPECT("stop"), PEER_RETURN, PEER_CLOSE, PEER_ACCEPT,
        PEER_NEGOTIATE, PEER_END);
    assert_ok(qmp_client_new(&c));
    l = loop_new(c);
    assert_ok(qmp_client_set_watch(c, watch, destroyed, &l));
    assert_int_equal(l.told, 1);
    assert_int_equal(l.fd, -1);
    assert_true(l.deadline == QMP_FOREVER);

    for (unsigned i = 0; i < 2; i++) {
        assert_ok(qmp_client_connect(c, path));
        loop_until_state(&l, QMP_RUNNING);
        assert_true(l.fd >= 0);
        assert_int_equal(l.events, POLLIN);
        assert_true(l.deadline == QMP_FOREVER);
        if (i == 0) {
            submit(c, "stop", &o, NULL);
            loop_until_outcome(&l, &o);
            assert_outcome(&o, 0);
            loop_until_state(&l, QMP_IDLE);
            assert_int_equal(l.fd, -1);
            assert_true(l.deadline == QMP_FOREVER);
        }
    }
    assert_ok(qmp_client_disconnect(c));
    assert_int_equal(l.fd, -1);
    assert_true(l.deadline == QMP_FOREVER);
    qmp_client_unref(c);
    assert_int_equal(l.destroyed, 1);
    assert_int_equal(l.faults, 0);
    peer_join(p);
    peer_free(p);
}

/* From outside of callbacks: a command is sent without waiting for the loop, its deadline is told, and so is that it
 * was given up. */
static void test_commands_from_outside(void)
{
    struct duo d = duo_open();
    struct loop l = loop_new(d.client);
    struct qmp_request request = QMP_REQUEST_INIT;
    struct outcome o = {0}, given_up = {0};
    qmp_pending *p = NULL;

    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &l));
    submit(d.client, "first", NULL, NULL);
    peer_do(d.peer, PEER_EXPECT("first"));
    request.command = "late";
    request.timeout = 20 * QMP_MILLISECOND;
    assert_ok(qmp_client_send_full(d.client, &request, outcome_record, &o, NULL));
    assert_true(l.deadline != QMP_FOREVER && l.deadline > check_now() - CHECK_WAIT);
    loop_until_outcome(&l, &o);
    assert_outcome(&o, -ETIMEDOUT);
    assert_true(l.deadline == QMP_FOREVER);

    submit(d.client, "given-up", &given_up, &p);
    assert_ok(qmp_pending_cancel(p));
    assert_true(l.deadline == 0);
    loop_until_outcome(&l, &given_up);
    assert_outcome(&given_up, -ECANCELED);
    qmp_pending_unref(p);
    assert_int_equal(l.faults, 0);
    duo_close(&d);
    assert_int_equal(l.destroyed, 1);
}

/* The descriptor of a look-up of names, and of each address that is tried, is one that comes and goes. */
static void test_names(void)
{
    qmp_client *c = NULL;
    struct loop l;

    assert_ok(qmp_client_new(&c));
    l = loop_new(c);
    assert_ok(qmp_client_set_watch(c, watch, destroyed, &l));
    assert_ok(qmp_client_connect(c, "tcp:localhost:1"));
    loop_until_state(&l, QMP_IDLE);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_CONNECT);
    assert_int_equal(l.fd, -1);
    qmp_client_unref(c);
    assert_int_equal(l.faults, 0);
}

static void count_line(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *n)
{
    (void)c;
    (void)level;
    (void)text;
    (void)size;
    ++*(unsigned *)n;
}

/* What a command from outside has to say in the log waits for the loop, which is told. */
static void test_lines_from_outside(void)
{
    struct duo d = duo_open();
    struct loop l = loop_new(d.client);
    unsigned lines = 0;

    assert_ok(qmp_client_set_log(d.client, QMP_LOG_TRAFFIC, count_line, &lines));
    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &l));
    submit(d.client, "stop", NULL, NULL);
    assert_int_equal(lines, 0);
    assert_true(l.deadline == 0);
    assert_true(loop_once(&l, CHECK_WAIT));
    assert_int_equal(lines, 1);
    assert_true(l.deadline == QMP_FOREVER);
    assert_ok(qmp_client_set_log(d.client, QMP_LOG_NONE, NULL, NULL));
    duo_close(&d);
    assert_int_equal(l.faults, 0);
}

/* Where a blocking call has seen the end, the loop is still to hear the reason. */
static void test_end_in_a_blocking_call(void)
{
    struct duo d = duo_open();
    struct loop l = loop_new(d.client);

    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &l));
    peer_do(d.peer, PEER_CLOSE);
    assert_error(qmp_client_execute(d.client, "stop", NULL, CHECK_WAIT, NULL, NULL), -ECONNRESET);
    assert_int_equal(l.fd, -1);
    assert_true(l.deadline == 0);
    assert_error(qmp_client_process(d.client), -ECONNRESET);
    assert_true(l.deadline == QMP_FOREVER);
    assert_int_equal(l.faults, 0);
    duo_close(&d);
}

/* In a child, the loop is the parent's. */
static void test_fork(void)
{
    struct duo d = duo_open();
    struct loop l = loop_new(d.client);
    qmp_pending *p = NULL;
    int status = -1;
    pid_t pid;

    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &l));
    submit(d.client, "stop", NULL, &p);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        unsigned told = l.told;

        (void)qmp_pending_cancel(p);
        _exit(l.told != told || qmp_client_set_watch(d.client, NULL, NULL, NULL) != -ECHILD);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    qmp_pending_unref(p);
    duo_close(&d);
}

/* A peer that does not read: the loop is told to watch for room, and no more once there is some. */
static void test_room_to_send(void)
{
    struct duo d = duo_open();
    struct loop l = loop_new(d.client);
    static char big[1 << 20];
    char *arguments = NULL;
    struct outcome o = {0};

    memset(big, 'x', sizeof(big) - 1);
    arguments = qmp_json("{'x': %s}", big);
    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &l));
    assert_ok(qmp_client_execute_async(d.client, "big", arguments, outcome_record, &o, NULL));
    assert_int_equal(l.events, POLLIN | POLLOUT);
    peer_start(d.peer, PEER_EXPECT("big"), PEER_RETURN);
    loop_until_outcome(&l, &o);
    assert_outcome(&o, 0);
    assert_int_equal(l.events, POLLIN);
    peer_join(d.peer);
    free(arguments);
    assert_int_equal(l.faults, 0);
    duo_close(&d);
}

/* A peer that reads no more, and does not close: nothing is to be read, and yet the connection ends. */
static void test_no_room_any_more(void)
{
    struct duo d = duo_open();
    struct loop l = loop_new(d.client);
    struct outcome o = {0};

    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &l));
    peer_do(d.peer, PEER_DEAF);
    submit(d.client, "stop", &o, NULL);
    loop_until_outcome(&l, &o);
    assert_outcome(&o, -ECONNRESET);
    assert_int_equal(l.fd, -1);
    assert_int_equal(l.faults, 0);
    duo_close(&d);
}

/* ---- replacing it, and threads ---- */

static void test_replaced(void)
{
    struct duo d = duo_open();
    struct loop first = loop_new(d.client), second = loop_new(d.client);

    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &first));
    assert_int_equal(first.fd, qmp_client_get_fd(d.client));
    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &second));
    assert_int_equal(first.fd, -1);
    assert_int_equal(first.destroyed, 1);
    assert_int_equal(second.fd, qmp_client_get_fd(d.client));
    assert_ok(qmp_client_set_watch(d.client, NULL, NULL, NULL));
    assert_int_equal(second.destroyed, 1);
    duo_works(&d, NULL); /* driven by the caller again */

    first = loop_new(d.client);
    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &first));
    assert_ok(qmp_client_start_thread(d.client));
    assert_int_equal(first.destroyed, 1);
    assert_error(qmp_client_set_watch(d.client, watch, destroyed, &second), -EBUSY);
    assert_int_equal(second.destroyed, 1);
    assert_int_equal(first.faults + second.faults, 0);
    duo_close(&d);
}

/* A thread that cannot be started leaves the loop as it was. */
static void test_no_thread(void)
{
    struct duo d = duo_open();
    struct loop l = loop_new(d.client);
    struct rlimit limit = {0}, none = {0};

    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &l));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none.rlim_max = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_error(qmp_client_start_thread(d.client), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(l.destroyed, 0);
    assert_int_equal(l.fd, qmp_client_get_fd(d.client));
    assert_int_equal(l.faults, 0);
    duo_close(&d);
    assert_int_equal(l.destroyed, 1);
    assert_int_equal(l.faults, 0);
}

static void free_client(qmp_pending *p, int error, qmp_message *reply, void *client)
{
    qmp_client **c = client;

    (void)p;
    (void)error;
    (void)reply;
    *c = qmp_client_unref(*c);
}

static void detach(qmp_pending *p, int error, qmp_message *reply, void *client)
{
    qmp_client **c = client;

    (void)p;
    (void)error;
    (void)reply;
    assert_ok(qmp_client_set_watch(*c, NULL, NULL, NULL));
    *c = NULL;
}

/* A callback may free the client, or take the watch function away; then nothing more is told. */
static void in_a_callback(qmp_reply_fn callback)
{
    struct duo d = duo_open();
    struct loop l = loop_new(d.client);
    qmp_client *c = d.client;

    assert_ok(qmp_client_set_watch(d.client, watch, destroyed, &l));
    assert_ok(qmp_client_execute_async(d.client, "last", NULL, callback, &c, NULL));
    peer_do(d.peer, PEER_EXPECT("last"), PEER_RETURN);
    while (c) {
        assert_true(loop_once(&l, CHECK_WAIT));
    }
    assert_int_equal(l.destroyed, 1);
    assert_int_equal(l.faults, 0);
    if (callback == free_client) {
        d.client = NULL;
    }
    duo_close(&d);
}

static void test_freed_in_a_callback(void)
{
    in_a_callback(free_client);
}

static void test_detached_in_a_callback(void)
{
    in_a_callback(detach);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_life),
        CHECK_TEST(test_commands_from_outside),
        CHECK_TEST(test_names),
        CHECK_TEST(test_lines_from_outside),
        CHECK_TEST(test_end_in_a_blocking_call),
        CHECK_TEST(test_fork),
        CHECK_TEST(test_room_to_send),
        CHECK_TEST(test_no_room_any_more),
        CHECK_TEST(test_replaced),
        CHECK_TEST(test_no_thread),
        CHECK_TEST(test_freed_in_a_callback),
        CHECK_TEST(test_detached_in_a_callback),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
