/* SPDX-License-Identifier: MIT */

/* A client and its peer, in one process.
 *
 * Caller-driven, the test's thread plays both sides in turns: nothing happens between two statements of a test, so it
 * can put things in every order. Thread-driven, the library's thread plays the client's part.
 *
 * The invariant: what is called here never waits without an end; what does not happen within CHECK_WAIT fails the test.
 */

#include "duo.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static atomic_uint_fast64_t callbacks;

void outcome_record(qmp_pending *p, int error, qmp_message *reply, void *outcome)
{
    struct outcome *o = outcome;

    (void)p;
    o->calls++;
    o->error = error;
    o->at = check_now();
    o->order = atomic_fetch_add(&callbacks, 1) + 1;
    if (reply) {
        qmp_value root = qmp_message_root(reply);
        snprintf(o->reply, sizeof(o->reply), "%.*s", (int)root.size, root.text);
    }
}

void check_outcome(const struct outcome *o, int error, const char *file, int line)
{
    if (o->calls != 1) {
        print_error("the callback ran %u times\n", o->calls);
        _fail(file, line);
    }
    check_error(o->error, error, "the outcome", file, line);
}

int drive(qmp_client *c)
{
    int r;

    while ((r = qmp_client_process(c)) > 0) {
    }
    return r;
}

int drive_to_end(qmp_client *c)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);
    int r;

    while ((r = qmp_client_process(c)) >= 0) {
        assert_true(check_now() < deadline);
        if (r == 0) {
            qmp_client_wait(c, CHECK_WAIT);
        }
    }
    return r;
}

void duo_drive(struct duo *d)
{
    if (!d->threaded) {
        drive(d->client);
    }
}

void duo_wait_state(struct duo *d, enum qmp_runstate state)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    if (d->threaded && state == QMP_RUNNING) {
        assert_ok(qmp_client_wait_running(d->client, CHECK_WAIT));
    }
    while (qmp_client_runstate(d->client) != state) {
        if (check_now() >= deadline) {
            fail_msg("the client is in state %d, not %d: %s", qmp_client_runstate(d->client), state,
                qmp_client_failure(d->client));
        }
        duo_drive(d);
        sched_yield();
    }
}

struct duo duo_new(void)
{
    struct duo d = {NULL, NULL, false};

    assert_ok(qmp_client_new(&d.client));
    return d;
}

void duo_connect(struct duo *d)
{
    int fd;

    d->peer = peer_new_pair(&fd);
    assert_ok(qmp_client_connect_fd(d->client, fd));
}

void duo_negotiate(struct duo *d)
{
    peer_do(d->peer, PEER_SEND(PEER_GREETING_TEXT));
    duo_drive(d);
    peer_do(d->peer, PEER_EXPECT("qmp_capabilities"), PEER_RETURN);
    duo_wait_state(d, QMP_RUNNING);
}

struct duo duo_open(void)
{
    struct duo d = duo_new();

    duo_connect(&d);
    duo_negotiate(&d);
    return d;
}

struct duo duo_open_oob(void)
{
    struct duo d = duo_new();

    duo_connect(&d);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_OOB_TEXT));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("qmp_capabilities"), PEER_RETURN);
    duo_wait_state(&d, QMP_RUNNING);
    assert_true(qmp_client_has_oob(d.client));
    return d;
}

struct duo duo_open_threaded(void)
{
    struct duo d = duo_new();

    assert_ok(qmp_client_start_thread(d.client));
    d.threaded = true;
    duo_connect(&d);
    duo_negotiate(&d);
    return d;
}

void duo_reconnect(struct duo *d)
{
    assert_ok(qmp_client_disconnect(d->client));
    peer_free(d->peer);
    duo_connect(d);
    duo_negotiate(d);
}

void duo_close(struct duo *d)
{
    d->client = qmp_client_unref(d->client);
    d->peer = peer_free(d->peer);
}

void submit(qmp_client *c, const char *command, struct outcome *o, qmp_pending **ret)
{
    assert_ok(qmp_client_execute_async(c, command, /* arguments= */ NULL, o ? outcome_record : NULL, o, ret));
}

void duo_works(struct duo *d, qmp_listener *l)
{
    qmp_pending *p = NULL;
    qmp_message *reply = NULL, *event = NULL;

    submit(d->client, "query-name", NULL, &p);
    duo_drive(d);
    peer_do(d->peer, PEER_EXPECT("query-name"), PEER_EVENT("WORKS"), PEER_REPLY("{\"id\": @id, \"return\": 77}\r\n"));
    assert_ok(qmp_pending_wait(p, CHECK_WAIT, &reply, /* reterr_reply= */ NULL));
    assert_value(qmp_reply_value(reply), "77");
    qmp_message_unref(reply);
    qmp_pending_unref(p);

    if (l) {
        int r = qmp_listener_get(l, 0, &event);

        if (r == -ENOTCONN) {
            r = qmp_listener_get(l, 0, &event);
        }
        assert_ok(r);
        assert_string_equal(qmp_event_name(event), "WORKS");
        qmp_message_unref(event);
    }
}
