/* SPDX-License-Identifier: MIT */

/* Commands, seen through the public API: which reply belongs to whom, how many are on their way at once, who overtakes
 * whom, and every way to lose interest in one.
 *
 * The invariant that all of it circles around: a command completes exactly once, and what becomes of it harms no other.
 * The peer is played by hand in the test's own thread, so each order of bytes on the wire is chosen, not raced for. */

#include "duo.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 50u

static void submit_full(qmp_client *c, const struct qmp_request *request, struct outcome *o, qmp_pending **ret)
{
    assert_ok(qmp_client_send_full(c, request, o ? outcome_record : NULL, o, ret));
}

/* "c0", "c1" … tell commands apart on the wire. */
static const char *numbered(unsigned i)
{
    static char name[16];

    snprintf(name, sizeof(name), "c%u", i);
    return name;
}

static void drive_until_called(struct duo *d, const struct outcome *o)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (o->calls == 0) {
        assert_true(check_now() < deadline);
        assert_int_equal(drive(d->client), 0);
        if (o->calls == 0) {
            assert_ok(qmp_client_wait(d->client, CHECK_WAIT));
        }
    }
}

/* ---- replies ---- */

static void test_replies_in_any_order(void)
{
    static const unsigned order[] = {4, 0, 3, 1, 2};
    struct duo d = duo_open();
    struct outcome o[5] = {{0}};

    for (unsigned i = 0; i < 5; i++) {
        submit(d.client, numbered(i), &o[i], NULL);
    }
    drive(d.client);
    for (unsigned i = 0; i < 5; i++) {
        peer_do(d.peer, PEER_EXPECT(numbered(i)));
    }
    for (unsigned i = 0; i < 5; i++) {
        char reply[256];
        int n = snprintf(reply, sizeof(reply), "{\"id\": %s, \"return\": %u}", peer_id(d.peer, 1 + order[i]), order[i]);

        peer_do(d.peer, PEER_SEND_SIZED(reply, (size_t)n));
        assert_int_equal(drive(d.client), 0);
        assert_outcome(&o[order[i]], 0);
        snprintf(reply, sizeof(reply), "\"return\": %u}", order[i]);
        assert_contains(o[order[i]].reply, reply);
    }
    assert_int_equal(qmp_client_stray_replies(d.client), 0);
    duo_close(&d);
}

static void test_foreign_replies_before_the_negotiations(void)
{
    struct duo d = duo_new();

    duo_connect(&d);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_TEXT));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("qmp_capabilities"),
        PEER_SEND("{\"return\": {}, \"id\": \"qmp-1\"}{\"return\": {}, \"id\": 1}{\"return\": {}}"),
        PEER_SEND("{\"error\": {\"class\": \"GenericError\", \"desc\": \"late\"}, \"id\": {\"of\": \"another\"}}"));
    assert_int_equal(drive(d.client), 0);
    assert_int_equal(qmp_client_runstate(d.client), QMP_CONNECTING);
    peer_do(d.peer, PEER_RETURN);
    assert_int_equal(drive(d.client), 0);
    assert_int_equal(qmp_client_runstate(d.client), QMP_RUNNING);
    assert_int_equal(qmp_client_stray_replies(d.client), 4);
    duo_works(&d, qmp_client_events(d.client));
    duo_close(&d);
}

/* Ids of the library's own are strings that no other session has. */
static void test_own_ids_differ(void)
{
    struct duo a = duo_open(), b = duo_open();
    char *negotiation = strdup(peer_id(a.peer, 0));

    assert_non_null(negotiation);
    assert_string_not_equal(negotiation, "");
    assert_string_not_equal(negotiation, peer_id(b.peer, 0));
    submit(a.client, "c0", NULL, NULL);
    submit(b.client, "c0", NULL, NULL);
    submit(a.client, "c1", NULL, NULL);
    drive(a.client);
    drive(b.client);
    peer_do(a.peer, PEER_EXPECT("c0"), PEER_EXPECT("c1"));
    peer_do(b.peer, PEER_EXPECT("c0"));
    assert_string_not_equal(peer_id(a.peer, 1), peer_id(a.peer, 2));
    assert_string_not_equal(peer_id(a.peer, 1), peer_id(b.peer, 1));
    duo_reconnect(&a);
    assert_string_not_equal(peer_id(a.peer, 0), negotiation);
    free(negotiation);
    duo_close(&a);
    duo_close(&b);
}

/* Any JSON value may be an id, and comes back written as QEMU writes. */
static const struct {
    const char *sent, *received;
} ids[] = {
    {"\"caf\xc3\xa9\"", "\"caf\\u00E9\""},
    {"\"a\\/b\\u0041\"", "\"a/bA\""},
    {"\"\xf0\x9f\x98\x80\"", "\"\\uD83D\\uDE00\""},
    {"\"\\u0000\"", "\"\\u0000\""},
    {"\"\"", "\"\""},
    {"\"\\t\x7f\"", "\"\\u0009\\u007F\""},
    {"18446744073709551615", "18446744073709551615"},
    {"18446744073709551614", "18446744073709551614"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"9223372036854775807", "9223372036854775807"},
    {"0", "0"},
    {"1.5", "1.5"},
    {"0.1", "0.10000000000000001"},
    {"1e3", "1000"},
    {"18446744073709551616", "1.8446744073709552e+19"},
    {"null", "null"},
    {"true", "true"},
    {"false", "false"},
    {"[]", "[ ]"},
    {"{}", "{\r\n}"},
    {"[1, \"x\", null, [2.5]]", "[1,\"x\",null,[2.5]]"},
    {"{\"a\": 1, \"b\": [true, {\"c\": 0, \"d\": \"e\"}]}",
        "{\"b\": [true, {\"d\": \"\\u0065\", \"c\": 0}], \"\\u0061\": 1}"},
};

#define N_IDS (sizeof(ids) / sizeof(ids[0]))

static void test_ids_of_any_type(void)
{
    struct duo d = duo_open();

    for (size_t i = 0; i < N_IDS; i++) {
        struct qmp_request request = QMP_REQUEST_INIT;
        struct outcome o = {0};
        char reply[256];

        request.command = "c0";
        request.id = ids[i].sent;
        submit_full(d.client, &request, &o, NULL);
        drive(d.client);
        peer_do(d.peer, PEER_EXPECT("c0"));
        int n = snprintf(reply, sizeof(reply), "{\"return\": {}, \"id\": %s}", ids[i].received);
        peer_do(d.peer, PEER_SEND_SIZED(reply, (size_t)n));
        assert_int_equal(drive(d.client), 0);
        if (o.calls != 1) {
            fail_msg("the reply to the id %s came as %s and was taken for nobody's", ids[i].sent, ids[i].received);
        }
        assert_outcome(&o, 0);
    }
    assert_int_equal(qmp_client_stray_replies(d.client), 0);
    duo_close(&d);
}

/* Eight at a time, all different, answered backwards: none is taken for another. */
static void test_ids_told_apart(void)
{
    struct duo d = duo_open();
    struct outcome o[N_IDS] = {{0}};

    for (size_t first = 0; first < N_IDS; first += 8) {
        size_t end = first + 8 < N_IDS ? first + 8 : N_IDS;
        char reply[256];

        for (size_t i = first; i < end; i++) {
            struct qmp_request request = QMP_REQUEST_INIT;

            request.command = "c0";
            request.id = ids[i].sent;
            submit_full(d.client, &request, &o[i], NULL);
        }
        drive(d.client);
        for (size_t i = end; i-- > first;) {
            int n = snprintf(reply, sizeof(reply), "{\"return\": \"r%zu\", \"id\": %s}", i, ids[i].received);

            peer_do(d.peer, PEER_EXPECT("c0"), PEER_SEND_SIZED(reply, (size_t)n));
            drive(d.client);
            assert_outcome(&o[i], 0);
            snprintf(reply, sizeof(reply), "\"r%zu\"", i);
            assert_contains(o[i].reply, reply);
        }
    }
    duo_close(&d);
}

/* Almost the same is not the same. */
static void test_ids_not_quite_equal(void)
{
    static const struct {
        const char *sent, *received;
    } cases[] = {
        {"18446744073709551615", "18446744073709551614"},
        {"9007199254740993", "9007199254740992"},
        {"1", "\"1\""},
        {"1", "true"},
        {"\"a\"", "\"a\\u0000\""},
        {"\"a\"", "\"A\""},
        {"[1]", "[1, 1]"},
        {"[1, 2]", "[2, 1]"},
        {"{\"a\": 1}", "{\"a\": 1, \"b\": 2}"},
        {"{\"a\": 1, \"b\": 2}", "{\"a\": 1}"},
        {"null", "0"},
        {"{}", "[]"},
    };
    struct duo d = duo_open();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct qmp_request request = QMP_REQUEST_INIT;
        struct outcome o = {0};
        qmp_pending *p = NULL;
        char reply[256];

        request.command = "c0";
        request.id = cases[i].sent;
        submit_full(d.client, &request, &o, &p);
        drive(d.client);
        int n = snprintf(reply, sizeof(reply), "{\"return\": {}, \"id\": %s}", cases[i].received);
        peer_do(d.peer, PEER_EXPECT("c0"), PEER_SEND_SIZED(reply, (size_t)n));
        assert_int_equal(drive(d.client), 0);
        if (o.calls != 0) {
            fail_msg("the id %s was taken for %s", cases[i].received, cases[i].sent);
        }
        assert_int_equal(qmp_client_stray_replies(d.client), i + 1);
        n = snprintf(reply, sizeof(reply), "{\"return\": {}, \"id\": %s}", cases[i].sent);
        peer_do(d.peer, PEER_SEND_SIZED(reply, (size_t)n));
        drive(d.client);
        assert_outcome(&o, 0);
        qmp_pending_unref(p);
    }
    duo_close(&d);
}

static void test_id_in_use(void)
{
    struct duo d = duo_open();
    struct qmp_request request = QMP_REQUEST_INIT, again = QMP_REQUEST_INIT;
    struct outcome o = {0}, refused = {0}, later = {0};
    qmp_pending *p = NULL, *none = NULL;

    request.command = again.command = "c0";
    request.id = "{\"a\": \"\xc3\xa9\", \"b\": 2}";
    again.id = "{\"b\":2,\"a\":\"\\u00e9\"}";
    submit_full(d.client, &request, &o, &p);
    assert_error(qmp_client_send_full(d.client, &again, outcome_record, &refused, &none), -EEXIST);
    drive(d.client);
    assert_error(qmp_client_send_full(d.client, &again, outcome_record, &refused, &none), -EEXIST);
    assert_null(none);

    /* Sent and given up, its reply is still to come: the id stays taken until then. */
    assert_ok(qmp_pending_cancel(p));
    drive(d.client);
    assert_outcome(&o, -ECANCELED);
    assert_error(qmp_client_send_full(d.client, &again, outcome_record, &refused, &none), -EEXIST);
    peer_do(d.peer, PEER_EXPECT("c0"), PEER_RETURN);
    drive(d.client);
    submit_full(d.client, &again, &later, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("c0"), PEER_RETURN);
    drive(d.client);
    assert_outcome(&later, 0);
    assert_int_equal(refused.calls, 0);
    qmp_pending_unref(p);
    duo_close(&d);
}

static void test_error_reply(void)
{
    struct duo d = duo_open_threaded();
    qmp_message *untouched = (qmp_message *)&d, *error = NULL;

    peer_start(d.peer, PEER_EXPECT("c0"),
        PEER_REPLY(
            "{\"id\": @id, \"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device '\\u00e9' not found\"}}"),
        PEER_EXPECT("c1"), PEER_REPLY("{\"id\": @id, \"error\": {\"class\": \"GenericError\", \"desc\": \"\"}}"),
        PEER_EXPECT("c2"), PEER_RETURN, PEER_EXPECT("c3"), PEER_RETURN);
    assert_error(qmp_client_execute(d.client, "c0", NULL, CHECK_WAIT, &untouched, &error), -EREMOTEIO);
    assert_ptr_equal(untouched, &d);
    assert_int_equal(qmp_message_kind(error), QMP_ERROR);
    assert_string_equal(qmp_reply_error_class(error), "DeviceNotFound");
    assert_string_equal(qmp_reply_error_desc(error), "Device '\xc3\xa9' not found");
    qmp_message_unref(error);
    assert_error(qmp_client_execute(d.client, "c1", NULL, CHECK_WAIT, NULL, NULL), -EREMOTEIO);

    error = (qmp_message *)&d;
    assert_ok(qmp_client_execute(d.client, "c2", "{}", CHECK_WAIT, &untouched, &error));
    assert_ptr_equal(error, &d);
    assert_int_equal(qmp_message_kind(untouched), QMP_RETURN);
    qmp_message_unref(untouched);
    assert_ok(qmp_client_execute(d.client, "c3", NULL, CHECK_WAIT, NULL, NULL));
    peer_join(d.peer);
    duo_close(&d);
}

struct order_check {
    qmp_listener *l;
    bool event_was_there;
};

static void look_for_event(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct order_check *check = userdata;

    (void)p;
    (void)reply;
    check->event_was_there = error == 0 && !qmp_listener_empty(check->l);
}

/* The event that precedes a reply on the wire is queued before the reply completes, also in one packet. */
static void test_event_before_reply(void)
{
    struct duo d = duo_open();
    struct order_check check = {qmp_client_events(d.client), false};

    assert_ok(qmp_client_execute_async(d.client, "stop", NULL, look_for_event, &check, NULL));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("stop"), PEER_REPLY(PEER_EVENT_TEXT("STOP") "{\"return\": {}, \"id\": @id}\r\n"));
    drive(d.client);
    assert_true(check.event_was_there);
    duo_close(&d);
}

/* ---- how many at once ---- */

/* Takes what is there, in order; returns how many. */
static unsigned take_numbered(struct duo *d, unsigned next)
{
    unsigned n = 0;

    while (peer_has_object(d->peer, 0)) {
        peer_do(d->peer, PEER_EXPECT(numbered(next + n)));
        n++;
    }
    return n;
}

static void pipelining(struct duo d, unsigned max)
{
    struct outcome o[MANY] = {{0}};
    unsigned sent = 0, answered = 0;

    for (unsigned i = 0; i < MANY; i++) {
        submit(d.client, numbered(i), &o[i], NULL);
    }
    while (answered < MANY) {
        drive(d.client);
        sent += take_numbered(&d, sent);
        assert_in_range(sent - answered, 1, max);
        char reply[128];
        int n = snprintf(
            reply, sizeof(reply), "{\"return\": %u, \"id\": %s}", answered, peer_id_from_end(d.peer, sent - answered));
        peer_do(d.peer, PEER_SEND_SIZED(reply, (size_t)n));
        answered++;
    }
    drive(d.client);
    for (unsigned i = 0; i < MANY; i++) {
        assert_outcome(&o[i], 0);
        assert_true(i == 0 || o[i].order > o[i - 1].order);
    }
    duo_close(&d);
}

static void test_pipelining(void)
{
    pipelining(duo_open(), 8);
}

static void test_pipelining_with_oob(void)
{
    pipelining(duo_open_oob(), 8);
}

/* Sent all at once, not one after the other. */
static void test_pipelining_is_pipelined(void)
{
    struct duo d = duo_open();

    for (unsigned i = 0; i < MANY; i++) {
        submit(d.client, numbered(i), NULL, NULL);
    }
    drive(d.client);
    assert_int_equal(take_numbered(&d, 0), 8);
    duo_close(&d);
}

static void test_send_many_then_collect(void)
{
    struct duo d = duo_open_threaded();
    qmp_pending *p[MANY] = {NULL};

    peer_start(d.peer, PEER_SERVE);
    for (unsigned i = 0; i < MANY; i++) {
        submit(d.client, numbered(i), NULL, &p[i]);
    }
    for (unsigned i = MANY; i-- > 0;) {
        qmp_message *reply = NULL;

        assert_ok(qmp_pending_wait(p[i], CHECK_WAIT, &reply, NULL));
        qmp_message_unref(reply);
        /* Asked again, the answer is the same. */
        assert_ok(qmp_pending_wait(p[i], 0, &reply, NULL));
        assert_int_equal(qmp_message_kind(reply), QMP_RETURN);
        qmp_message_unref(reply);
        qmp_pending_unref(p[i]);
    }
    duo_close(&d);
}

static void test_oob_overtakes(void)
{
    struct duo d = duo_open_oob();
    struct qmp_request request = QMP_REQUEST_INIT;
    struct outcome held[20] = {{0}}, oob = {0};
    unsigned sent;

    for (unsigned i = 0; i < 20; i++) {
        submit(d.client, numbered(i), &held[i], NULL);
    }
    drive(d.client);
    sent = take_numbered(&d, 0);
    assert_in_range(sent, 1, 8);

    request.command = "query-yank";
    request.oob = true;
    submit_full(d.client, &request, &oob, NULL);
    submit(d.client, numbered(20), NULL, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("query-yank"));
    assert_contains(peer_last(d.peer), "\"exec-oob\"");
    assert_false(peer_has_object(d.peer, 0));
    peer_do(d.peer, PEER_RETURN);
    drive(d.client);
    assert_outcome(&oob, 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(held[i].calls, 0);
    }
    /* Its reply makes no room in-band. */
    assert_false(peer_has_object(d.peer, 0));
    duo_close(&d);
}

/* Submitted with the others before anything was sent, it still goes first. */
static void test_oob_overtakes_before_sending(void)
{
    struct duo d = duo_open_oob();
    struct qmp_request request = QMP_REQUEST_INIT;

    submit(d.client, "c0", NULL, NULL);
    submit(d.client, "c1", NULL, NULL);
    request.command = "o0";
    request.oob = true;
    submit_full(d.client, &request, NULL, NULL);
    request.command = "o1";
    submit_full(d.client, &request, NULL, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("o0"), PEER_EXPECT("o1"), PEER_EXPECT("c0"), PEER_EXPECT("c1"));
    duo_close(&d);
}

static void test_oob_is_negotiated(void)
{
    struct duo d = duo_new();

    duo_connect(&d);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_OOB_TEXT));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("qmp_capabilities"));
    assert_value(
        qmp_value_path((qmp_value){peer_last(d.peer), strlen(peer_last(d.peer))}, "arguments.enable.0"), "\"oob\"");
    duo_close(&d);
}

static void oob_unsupported(struct duo *d)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    struct outcome o = {0};
    qmp_pending *p = NULL;

    request.command = "query-yank";
    request.oob = true;
    assert_false(qmp_client_has_oob(d->client));
    assert_error(qmp_client_send_full(d->client, &request, outcome_record, &o, &p), -EOPNOTSUPP);
    assert_null(p);
    assert_int_equal(o.calls, 0);
    duo_works(d, NULL);
    duo_close(d);
}

static void test_oob_not_offered(void)
{
    struct duo d = duo_open();

    oob_unsupported(&d);
}

static void test_oob_declined(void)
{
    struct duo d = duo_new();

    assert_ok(qmp_client_set_oob(d.client, false));
    duo_connect(&d);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_OOB_TEXT));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("qmp_capabilities"));
    assert_null(strstr(peer_last(d.peer), "enable"));
    assert_null(strstr(peer_last(d.peer), "\"oob\""));
    peer_do(d.peer, PEER_RETURN);
    drive(d.client);
    oob_unsupported(&d);
}

/* ---- losing interest ---- */

static void test_timeout_of_a_command(void)
{
    struct duo d = duo_open();
    struct qmp_request request = QMP_REQUEST_INIT;
    struct outcome slow = {0}, other = {0};
    uint64_t deadline = 0, now = check_now();

    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true(deadline == QMP_FOREVER);
    request.command = "slow";
    request.timeout = 50 * QMP_MILLISECOND;
    submit_full(d.client, &request, &slow, NULL);
    submit(d.client, "other", &other, NULL);
    drive(d.client);
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_in_range(deadline, now + request.timeout, check_now() + request.timeout);

    peer_do(d.peer, PEER_EXPECT("slow"), PEER_EXPECT("other"));
    drive_until_called(&d, &slow);
    assert_outcome(&slow, -ETIMEDOUT);
    assert_true(check_now() >= now + request.timeout);
    assert_int_equal(other.calls, 0);
    assert_ok(qmp_client_get_deadline(d.client, &deadline));
    assert_true(deadline == QMP_FOREVER);

    peer_do(d.peer, PEER_REPLY("{\"return\": \"late\", \"id\": @1}{\"return\": \"mine\", \"id\": @2}"));
    assert_int_equal(drive(d.client), 0);
    assert_outcome(&slow, -ETIMEDOUT);
    assert_outcome(&other, 0);
    assert_contains(other.reply, "mine");
    assert_int_equal(qmp_client_stray_replies(d.client), 1);
    duo_close(&d);
}

/* One that never left, because of those before it, is never sent. */
static void test_timeout_of_a_held_command(void)
{
    struct duo d = duo_open();
    struct qmp_request request = QMP_REQUEST_INIT;
    struct outcome held = {0};

    for (unsigned i = 0; i < 8; i++) {
        submit(d.client, numbered(i), NULL, NULL);
    }
    request.command = "held";
    request.timeout = 20 * QMP_MILLISECOND;
    submit_full(d.client, &request, &held, NULL);
    submit(d.client, numbered(8), NULL, NULL);
    drive_until_called(&d, &held);
    assert_outcome(&held, -ETIMEDOUT);
    assert_int_equal(take_numbered(&d, 0), 8);
    peer_do(d.peer, PEER_RETURN);
    drive(d.client);
    assert_int_equal(take_numbered(&d, 8), 1);
    assert_int_equal(qmp_client_stray_replies(d.client), 0);
    duo_close(&d);
}

/* Many timeouts, set in any order: none comes early, none is forgotten. */
static void test_many_timeouts(void)
{
    static const unsigned ms[] = {60, 20, 40, 0, 50, 10, 30};
    struct duo d = duo_open();
    struct outcome o[7] = {{0}};
    uint64_t started = check_now();

    for (unsigned i = 0; i < 7; i++) {
        struct qmp_request request = QMP_REQUEST_INIT;

        request.command = numbered(i);
        request.timeout = ms[i] * QMP_MILLISECOND;
        submit_full(d.client, &request, &o[i], NULL);
    }
    drive_until_called(&d, &o[0]);
    for (unsigned i = 0; i < 7; i++) {
        if (ms[i] == 0) {
            assert_int_equal(o[i].calls, 0);
            continue;
        }
        assert_outcome(&o[i], -ETIMEDOUT);
        assert_true(o[i].at >= started + ms[i] * QMP_MILLISECOND);
    }
    duo_close(&d);
}

/* The timeout of a wait is only the wait's. */
static void test_timeout_of_a_wait(void)
{
    struct duo d = duo_open();
    struct outcome o = {0};
    qmp_message *reply = NULL;
    qmp_pending *p = NULL;

    submit(d.client, "slow", &o, &p);
    assert_error(qmp_pending_wait(p, 0, &reply, NULL), -ETIMEDOUT);
    assert_error(qmp_pending_wait(p, 20 * QMP_MILLISECOND, &reply, NULL), -ETIMEDOUT);
    assert_null(reply);
    assert_int_equal(o.calls, 0);
    peer_do(d.peer, PEER_EXPECT("slow"), PEER_RETURN);
    assert_ok(qmp_pending_wait(p, CHECK_WAIT, &reply, NULL));
    assert_outcome(&o, 0);
    qmp_message_unref(reply);
    qmp_pending_unref(p);
    duo_close(&d);
}

static bool refuse(const qmp_message *event, void *unused)
{
    (void)event;
    (void)unused;
    return false;
}

/* Enough to be asked that events come faster than they are dealt with. */
static void slow_down(qmp_client *c)
{
    for (unsigned i = 0; i < 200; i++) {
        qmp_listener *l = NULL;

        assert_ok(qmp_listener_new(&l, NULL));
        assert_ok(qmp_listener_set_filter(l, refuse, NULL));
        assert_ok(qmp_client_register_listener(c, l));
        qmp_listener_unref(l);
    }
}

/* Deadlines pass too while events pour in without a pause. */
static void waits_in_a_storm(struct duo d)
{
    qmp_listener *l = NULL;
    qmp_message *none = NULL;
    uint64_t started;

    assert_ok(qmp_listener_set_limits(qmp_client_events(d.client), 0, 0));
    assert_ok(qmp_listener_new(&l, (const char *const[]){"NEVER", NULL}));
    assert_ok(qmp_client_register_listener(d.client, l));
    slow_down(d.client);
    peer_start(d.peer, PEER_STORM(PEER_EVENT_TEXT("STORM")), PEER_EXPECT("slow"), PEER_SERVE);
    started = check_now();
    assert_error(qmp_client_execute(d.client, "slow", NULL, 50 * QMP_MILLISECOND, &none, &none), -ETIMEDOUT);
    assert_error(qmp_listener_get(l, 50 * QMP_MILLISECOND, &none), -ETIMEDOUT);
    assert_error(qmp_listeners_wait(&l, 1, 50 * QMP_MILLISECOND), -ETIMEDOUT);
    assert_true(check_now() - started < 10 * QMP_SECOND);
    peer_go(d.peer);
    assert_ok(qmp_client_execute(d.client, "c0", NULL, CHECK_WAIT, NULL, NULL));
    qmp_listener_unref(l);
    duo_close(&d);
}

static void test_waits_in_a_storm(void)
{
    waits_in_a_storm(duo_open());
}

static void test_waits_in_a_storm_threaded(void)
{
    waits_in_a_storm(duo_open_threaded());
}

static void do_nothing(int signal)
{
    (void)signal;
}

static void *interrupt(void *main_thread)
{
    for (unsigned i = 0; i < 2000; i++) {
        pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
        sched_yield();
    }
    return NULL;
}

/* Signals neither end a wait nor lengthen it. */
static void waits_among_signals(struct duo d)
{
    struct sigaction action = {.sa_handler = do_nothing}, before;
    pthread_t thread, self = pthread_self();
    qmp_message *none = NULL;

    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(pthread_create(&thread, NULL, interrupt, &self), 0);
    peer_start(d.peer, PEER_EXPECT("slow"), PEER_WAIT, PEER_RETURN, PEER_SERVE);
    assert_error(qmp_client_execute(d.client, "slow", NULL, 30 * QMP_MILLISECOND, &none, &none), -ETIMEDOUT);
    assert_error(qmp_listener_get(qmp_client_events(d.client), 30 * QMP_MILLISECOND, &none), -ETIMEDOUT);
    assert_error(
        qmp_listeners_wait(&(qmp_listener *){qmp_client_events(d.client)}, 1, 30 * QMP_MILLISECOND), -ETIMEDOUT);
    peer_go(d.peer);
    for (unsigned i = 0; i < 100; i++) {
        assert_ok(qmp_client_execute(d.client, "c0", NULL, CHECK_WAIT, NULL, NULL));
    }
    pthread_join(thread, NULL);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    duo_close(&d);
}

static void test_waits_among_signals(void)
{
    waits_among_signals(duo_open());
    waits_among_signals(duo_open_threaded());
}

static void test_cancel_before_sending(void)
{
    struct duo d = duo_open();
    struct outcome o[12] = {{0}};
    qmp_pending *p = NULL;
    qmp_message *none = NULL;

    for (unsigned i = 0; i < 12; i++) {
        submit(d.client, i == 9 ? "never" : numbered(i < 9 ? i : i - 1), &o[i], i == 9 ? &p : NULL);
    }
    drive(d.client);
    assert_ok(qmp_pending_cancel(p));
    drive(d.client);
    assert_outcome(&o[9], -ECANCELED);
    assert_error(qmp_pending_cancel(p), -EALREADY);
    assert_error(qmp_pending_wait(p, CHECK_WAIT, &none, &none), -ECANCELED);
    qmp_pending_unref(p);

    for (unsigned next = 0; next < 11;) {
        next += take_numbered(&d, next);
        for (unsigned i = 0; i < peer_ids(d.peer); i++) {
            char reply[128];
            int n = snprintf(reply, sizeof(reply), "{\"return\": {}, \"id\": %s}", peer_id(d.peer, i));

            peer_do(d.peer, PEER_SEND_SIZED(reply, (size_t)n));
        }
        peer_forget_ids(d.peer);
        drive(d.client);
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_outcome(&o[i], i == 9 ? -ECANCELED : 0);
    }
    duo_close(&d);
}

enum { GIVEN_UP = 200 };

struct many {
    qmp_pending *p[GIVEN_UP];
    unsigned order[GIVEN_UP], n; /* who completed, one after the other */
};

static void note_order(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct many *m = userdata;
    unsigned i = 0;

    assert_error(error, -ECANCELED);
    assert_null(reply);
    while (m->p[i] != p)
        i++;
    m->order[m->n++] = i;
}

/* They complete in the order in which they were given up, each once, though others of them end meanwhile. */
static void test_cancel_many(void)
{
    for (unsigned closed = 0; closed < 2; closed++) {
        struct duo d = duo_open();
        struct many m = {.n = 0};

        for (unsigned i = 0; i < GIVEN_UP; i++)
            assert_ok(qmp_client_execute_async(d.client, "never", NULL, note_order, &m, &m.p[i]));
        for (unsigned i = 0; i < GIVEN_UP; i++)
            assert_ok(qmp_pending_cancel(m.p[i * 7 % GIVEN_UP]));
        if (closed)
            assert_ok(qmp_client_disconnect(d.client));
        else
            drive(d.client);
        assert_int_equal(m.n, GIVEN_UP);
        for (unsigned i = 0; i < GIVEN_UP; i++) {
            assert_int_equal(m.order[i], closed ? i : i * 7 % GIVEN_UP);
            qmp_pending_unref(m.p[i]);
        }
        if (!closed)
            duo_works(&d, NULL);
        duo_close(&d);
    }
}

/* Given up before the client was driven at all. */
static void test_cancel_at_once(void)
{
    struct duo d = duo_open();
    struct outcome o = {0};
    qmp_pending *p = NULL;

    submit(d.client, "never", &o, &p);
    assert_ok(qmp_pending_cancel(p));
    drive(d.client);
    assert_outcome(&o, -ECANCELED);
    qmp_pending_unref(p);
    assert_false(peer_has_object(d.peer, 0));
    duo_works(&d, NULL);
    duo_close(&d);
}

static void test_cancel_after_sending(void)
{
    struct duo d = duo_open();
    struct outcome o = {0}, other = {0};
    qmp_message *none = NULL;
    qmp_pending *p = NULL;

    submit(d.client, "c0", &o, &p);
    submit(d.client, "c1", &other, NULL);
    drive(d.client);
    assert_ok(qmp_pending_cancel(p));
    assert_error(qmp_pending_wait(p, CHECK_WAIT, &none, &none), -ECANCELED);
    drive(d.client);
    assert_outcome(&o, -ECANCELED);
    peer_do(d.peer, PEER_EXPECT("c0"), PEER_RETURN, PEER_EXPECT("c1"), PEER_RETURN);
    drive(d.client);
    assert_outcome(&o, -ECANCELED);
    assert_outcome(&other, 0);
    assert_int_equal(qmp_client_stray_replies(d.client), 1);
    assert_error(qmp_pending_cancel(p), -EALREADY);
    qmp_pending_unref(p);
    duo_close(&d);
}

/* Half of it is in the socket already: the rest must follow, or everything after it would be garbage. */
static void test_cancel_half_sent(void)
{
    struct duo d = duo_open();
    size_t size = (size_t)4 << 20;
    char *arguments = malloc(size + 32);
    struct outcome o = {0}, after = {0};
    qmp_pending *p = NULL;

    assert_non_null(arguments);
    memcpy(arguments, "{\"a\":\"", 6);
    memset(arguments + 6, 'y', size);
    memcpy(arguments + 6 + size, "\"}", 3);
    assert_ok(qmp_client_execute_async(d.client, "big", arguments, outcome_record, &o, &p));
    drive(d.client);
    assert_ok(qmp_pending_cancel(p));
    qmp_pending_unref(p);
    submit(d.client, "after", &after, &p);
    peer_start(d.peer, PEER_EXPECT("big"), PEER_RETURN, PEER_EXPECT("after"), PEER_RETURN);
    assert_ok(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL));
    peer_join(d.peer);
    assert_outcome(&o, -ECANCELED);
    assert_outcome(&after, 0);
    qmp_pending_unref(p);
    free(arguments);
    duo_close(&d);
}

static void test_last_unref_abandons(void)
{
    struct duo d = duo_open();
    struct outcome o = {0}, queued = {0};
    qmp_pending *p = NULL, *same;

    submit(d.client, "c0", &o, &p);
    drive(d.client);
    same = qmp_pending_ref(p);
    assert_ptr_equal(same, p);
    assert_null(qmp_pending_unref(p));
    drive(d.client);
    assert_int_equal(o.calls, 0);
    assert_null(qmp_pending_unref(same));
    submit(d.client, "never", &queued, &p);
    qmp_pending_unref(p);
    drive(d.client);
    assert_outcome(&o, -ECANCELED);
    assert_outcome(&queued, -ECANCELED);
    peer_do(d.peer, PEER_EXPECT("c0"), PEER_RETURN);
    drive(d.client);
    assert_outcome(&o, -ECANCELED);
    assert_int_equal(qmp_client_stray_replies(d.client), 1);
    duo_works(&d, NULL);
    assert_null(qmp_pending_unref(NULL));
    duo_close(&d);
}

/* With neither callback nor handle it runs to its end by itself. */
static void test_fire_and_forget(void)
{
    struct duo d = duo_open();

    submit(d.client, "c0", NULL, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("c0"), PEER_RETURN);
    assert_int_equal(drive(d.client), 0);
    assert_int_equal(qmp_client_stray_replies(d.client), 0);
    submit(d.client, "c1", NULL, NULL);
    duo_close(&d);
}

/* ---- what is not sent ---- */

static char *repeated(const char *head, char middle, size_t n, const char *tail)
{
    char *text = malloc(strlen(head) + n + strlen(tail) + 1);

    assert_non_null(text);
    memcpy(text, head, strlen(head));
    memset(text + strlen(head), middle, n);
    memcpy(text + strlen(head) + n, tail, strlen(tail) + 1);
    return text;
}

static void assert_refused(struct duo *d, const char *command, const char *arguments, const char *id, int error)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    struct outcome o = {0};
    qmp_pending *p = NULL;
    int r;

    request.command = command;
    request.arguments = arguments;
    request.id = id;
    r = qmp_client_send_full(d->client, &request, outcome_record, &o, &p);
    if (r != error) {
        fail_msg("%s with %.40s and id %.40s: %d, not %d", command, arguments ? arguments : "none", id ? id : "none", r,
            error);
    }
    assert_null(p);
    if (!id) {
        assert_error(qmp_client_execute(d->client, command, arguments, CHECK_WAIT, NULL, NULL), error);
        assert_error(qmp_client_execute_async(d->client, command, arguments, outcome_record, &o, &p), error);
    }
    assert_int_equal(drive(d->client), 0);
    assert_int_equal(o.calls, 0);
    if (peer_has_object(d->peer, 0)) {
        fail_msg("%s with %.40s was sent", command, arguments ? arguments : "none");
    }
}

static void test_invalid_commands_are_not_sent(void)
{
    static const struct {
        const char *command, *arguments, *id;
        int error;
    } cases[] = {
        {"", NULL, NULL, -EINVAL},
        {NULL, NULL, NULL, -EINVAL},
        {"\xff", NULL, NULL, -EINVAL},
        {"\xef\xbf\xbf", NULL, NULL, -EINVAL},
        {"c0", "", NULL, -EBADMSG},
        {"c0", " ", NULL, -EBADMSG},
        {"c0", "{", NULL, -EBADMSG},
        {"c0", "{} x", NULL, -EBADMSG},
        {"c0", "{}{}", NULL, -EBADMSG},
        {"c0", "{}, \"id\": 1", NULL, -EBADMSG},
        {"c0", "{'a': 1}", NULL, -EBADMSG},
        {"c0", "{\"a\": NaN}", NULL, -EBADMSG},
        {"c0", "{\"a\": Infinity}", NULL, -EBADMSG},
        {"c0", "{\"a\": -Infinity}", NULL, -EBADMSG},
        {"c0", "{\"a\": 01}", NULL, -EBADMSG},
        {"c0", "{\"a\": %s}", NULL, -EBADMSG},
        {"c0", "{\"a\": \"\x01\"}", NULL, -EBADMSG},
        {"c0", "{\"a\": \"\xc3\"}", NULL, -EBADMSG},
        {"c0", "[]", NULL, -EINVAL},
        {"c0", "1", NULL, -EINVAL},
        {"c0", "null", NULL, -EINVAL},
        {"c0", "\"{}\"", NULL, -EINVAL},
        {"c0", "{\"a\": \"\\uFFFF\"}", NULL, -EINVAL},
        {"c0", "{\"a\": \"\xef\xbf\xbe\"}", NULL, -EINVAL},
        {"c0", "{\"a\": \"\\uFDD0\"}", NULL, -EINVAL},
        {"c0", "{\"\\uFDEF\": 0}", NULL, -EINVAL},
        {"c0", "{\"a\": \"\\uD83F\\uDFFF\"}", NULL, -EINVAL},
        {"c0", "{\"a\": 1e400}", NULL, -EINVAL},
        {"c0", "{\"a\": 1, \"a\": 1}", NULL, -EINVAL},
        {"c0", "{\"b\": [{\"a\": 1, \"\\u0061\": 2}]}", NULL, -EINVAL},
        {"c0", NULL, "", -EBADMSG},
        {"c0", NULL, "abc", -EBADMSG},
        {"c0", NULL, "1 2", -EBADMSG},
        {"c0", NULL, "\"\\uFFFF\"", -EINVAL},
        {"c0", NULL, "1e400", -EINVAL},
        {"c0", NULL, "{\"a\": 1, \"a\": 2}", -EINVAL},
    };
    struct duo d = duo_open();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(&d, cases[i].command, cases[i].arguments, cases[i].id, cases[i].error);
    }
    duo_works(&d, NULL);
    duo_close(&d);
}

/* Half a surrogate pair is refused; whether as no JSON or as JSON that QEMU refuses is not for the caller to know. */
static void test_lone_surrogates_are_not_sent(void)
{
    static const char *const arguments[] = {
        "{\"a\": \"\\ud800\"}", "{\"a\": \"\\udc00\"}", "{\"a\": \"\\ud800\\ud800\"}", "{\"\\ud800x\": 1}"};
    struct duo d = duo_open();

    for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
        int r = qmp_client_execute(d.client, "c0", arguments[i], CHECK_WAIT, NULL, NULL);

        assert_true(r == -EBADMSG || r == -EINVAL);
        assert_refused(&d, "c0", arguments[i], NULL, r);
    }
    duo_works(&d, NULL);
    duo_close(&d);
}

/* 1024 levels in all, the command's own object among them. */
static void test_depth_of_arguments(void)
{
    struct duo d = duo_open();
    struct outcome o = {0};
    char *open, *text;

    open = repeated("{\"a\":", '[', 1023, "");
    text = repeated(open, ']', 1023, "}");
    assert_refused(&d, "c0", text, NULL, -ELOOP);
    free(open);
    free(text);

    open = repeated("{\"a\":", '[', 1022, "");
    text = repeated(open, ']', 1022, "}");
    assert_ok(qmp_client_execute_async(d.client, "c0", text, outcome_record, &o, NULL));
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("c0"), PEER_RETURN);
    drive(d.client);
    assert_outcome(&o, 0);
    free(open);
    free(text);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void test_size_of_arguments(void)
{
    struct duo d = duo_open();
    char *text = repeated("{\"a\":\"", 'z', (size_t)64 << 20, "\"}");

    assert_refused(&d, "c0", text, NULL, -EMSGSIZE);
    free(text);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void test_size_of_a_request(void)
{
    struct duo d = duo_open();
    struct qmp_request request = QMP_REQUEST_INIT;

    request.command = "c0";
    request.size = 0;
    assert_error(qmp_client_send_full(d.client, &request, NULL, NULL, NULL), -EINVAL);
    request.size = 3;
    assert_error(qmp_client_send_full(d.client, &request, NULL, NULL, NULL), -EINVAL);
    drive(d.client);
    assert_false(peer_has_object(d.peer, 0));
    duo_works(&d, NULL);
    duo_close(&d);
}

static void test_not_running(void)
{
    struct duo d = duo_new();
    struct outcome o = {0};
    qmp_message *none = NULL;
    qmp_pending *p = NULL;

    assert_error(qmp_client_execute(d.client, "c0", NULL, CHECK_WAIT, &none, &none), -ENOTCONN);
    assert_error(qmp_client_execute_async(d.client, "c0", NULL, outcome_record, &o, &p), -ENOTCONN);
    duo_connect(&d);
    assert_error(qmp_client_execute(d.client, "c0", NULL, CHECK_WAIT, &none, &none), -ENOTCONN);
    assert_error(qmp_client_execute_async(d.client, "c0", NULL, outcome_record, &o, &p), -ENOTCONN);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_TEXT));
    drive(d.client);
    assert_error(qmp_client_execute_async(d.client, "c0", NULL, outcome_record, &o, &p), -ENOTCONN);
    peer_do(d.peer, PEER_EXPECT("qmp_capabilities"), PEER_RETURN);
    drive(d.client);
    assert_int_equal(o.calls, 0);
    assert_null(p);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void count(qmp_pending *p, int error, qmp_message *reply, void *counter)
{
    (void)p;
    (void)reply;
    *(size_t *)counter += error == -ECONNRESET;
}

static void test_commands_max(void)
{
    struct duo d = duo_open();
    size_t accepted = 0, completed = 0;
    int r;

    while ((r = qmp_client_execute_async(d.client, "c0", NULL, count, &completed, NULL)) == 0) {
        accepted++;
        assert_true(accepted <= QMP_COMMANDS_MAX);
    }
    assert_error(r, -ENOBUFS);
    assert_int_equal(accepted, QMP_COMMANDS_MAX);
    drive(d.client);
    assert_error(qmp_client_execute(d.client, "c0", NULL, CHECK_WAIT, NULL, NULL), -ENOBUFS);
    peer_do(d.peer, PEER_EXPECT("c0"), PEER_RETURN);
    drive(d.client);
    submit(d.client, "c0", NULL, NULL);
    assert_ok(qmp_client_disconnect(d.client));
    assert_int_equal(completed, QMP_COMMANDS_MAX - 1);
    duo_close(&d);
}

/* ---- from several threads ---- */

struct worker {
    pthread_t thread;
    qmp_client *c;
    qmp_pending *p;
    unsigned rounds;
    int error;
};

static void *execute_often(void *worker)
{
    struct worker *w = worker;

    for (unsigned i = 0; i < w->rounds && w->error == 0; i++) {
        qmp_message *reply = NULL;

        w->error = qmp_client_execute(w->c, "c0", "{\"a\": 1}", CHECK_WAIT, &reply, NULL);
        qmp_message_unref(reply);
    }
    return NULL;
}

static void test_execute_from_many_threads(void)
{
    struct duo d = duo_open_threaded();
    struct worker w[4];

    peer_start(d.peer, PEER_SERVE);
    for (unsigned i = 0; i < 4; i++) {
        w[i] = (struct worker){.c = d.client, .rounds = 200};
        assert_int_equal(pthread_create(&w[i].thread, NULL, execute_often, &w[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(w[i].thread, NULL);
        assert_ok(w[i].error);
    }
    assert_int_equal(qmp_client_stray_replies(d.client), 0);
    duo_close(&d);
}

static void *wait_for_it(void *worker)
{
    struct worker *w = worker;
    qmp_message *reply = NULL;

    w->error = qmp_pending_wait(w->p, CHECK_WAIT, &reply, NULL);
    qmp_message_unref(reply);
    return NULL;
}

static void several_wait(int expected)
{
    struct duo d = duo_open_threaded();
    struct worker w[3];
    qmp_pending *p = NULL;

    submit(d.client, "slow", NULL, &p);
    for (unsigned i = 0; i < 3; i++) {
        w[i] = (struct worker){.p = p};
        assert_int_equal(pthread_create(&w[i].thread, NULL, wait_for_it, &w[i]), 0);
    }
    peer_do(d.peer, PEER_EXPECT("slow"));
    if (expected == 0) {
        peer_do(d.peer, PEER_RETURN);
    } else if (expected == -ECANCELED) {
        assert_ok(qmp_pending_cancel(p));
    } else {
        peer_do(d.peer, PEER_CLOSE);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(w[i].thread, NULL);
        assert_error(w[i].error, expected);
    }
    qmp_pending_unref(p);
    duo_close(&d);
}

static void test_several_wait_for_one_command(void)
{
    several_wait(0);
    several_wait(-ECANCELED);
    several_wait(-ECONNRESET);
}

static void *wait_over_and_over(void *worker)
{
    struct worker *w = worker;

    do {
        w->error = qmp_pending_wait(w->p, 20, NULL, NULL);
        __atomic_fetch_add(&w->rounds, 1, __ATOMIC_RELEASE);
    } while (w->error == -ETIMEDOUT);
    return NULL;
}

/* The last reference to the client goes while others wait for its commands: they are told so, whatever they just do. */
static void test_free_while_others_wait(void)
{
    for (unsigned round = 0; round < 100; round++) {
        struct duo d = duo_open_threaded();
        struct worker w[2];
        qmp_pending *p = NULL;

        submit(d.client, "slow", NULL, &p);
        for (unsigned i = 0; i < 2; i++) {
            w[i] = (struct worker){.p = p};
            assert_int_equal(pthread_create(&w[i].thread, NULL, wait_over_and_over, &w[i]), 0);
        }
        for (unsigned i = 0; i < 2; i++) {
            while (__atomic_load_n(&w[i].rounds, __ATOMIC_ACQUIRE) < 1 + round % 5) {
                sched_yield();
            }
        }
        d.client = qmp_client_unref(d.client);
        for (unsigned i = 0; i < 2; i++) {
            pthread_join(w[i].thread, NULL);
            assert_error(w[i].error, -ECONNRESET);
        }
        qmp_pending_unref(p);
        duo_close(&d);
    }
}

/* Cancelling from one thread while replies arrive on another: once is once. */
static void test_cancel_races_with_the_reply(void)
{
    struct duo d = duo_open_threaded();

    peer_start(d.peer, PEER_SERVE);
    for (unsigned i = 0; i < 300; i++) {
        struct outcome o = {0};
        qmp_pending *p = NULL;
        int cancelled, waited;

        submit(d.client, "c0", &o, &p);
        if (i % 2 == 0) {
            sched_yield();
        }
        cancelled = qmp_pending_cancel(p);
        assert_true(cancelled == 0 || cancelled == -EALREADY);
        waited = qmp_pending_wait(p, CHECK_WAIT, NULL, NULL);
        assert_error(waited, cancelled == 0 ? -ECANCELED : 0);
        qmp_pending_unref(p);
        /* A round trip behind it: whatever its callback was to do, it has done. */
        assert_ok(qmp_client_execute(d.client, "c1", NULL, CHECK_WAIT, NULL, NULL));
        assert_outcome(&o, waited);
    }
    duo_close(&d);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_replies_in_any_order),
        CHECK_TEST(test_foreign_replies_before_the_negotiations),
        CHECK_TEST(test_own_ids_differ),
        CHECK_TEST(test_ids_of_any_type),
        CHECK_TEST(test_ids_told_apart),
        CHECK_TEST(test_ids_not_quite_equal),
        CHECK_TEST(test_id_in_use),
        CHECK_TEST(test_error_reply),
        CHECK_TEST(test_event_before_reply),
        CHECK_TEST(test_pipelining),
        CHECK_TEST(test_pipelining_with_oob),
        CHECK_TEST(test_pipelining_is_pipelined),
        CHECK_TEST(test_send_many_then_collect),
        CHECK_TEST(test_oob_overtakes),
        CHECK_TEST(test_oob_overtakes_before_sending),
        CHECK_TEST(test_oob_is_negotiated),
        CHECK_TEST(test_oob_not_offered),
        CHECK_TEST(test_oob_declined),
        CHECK_TEST(test_timeout_of_a_command),
        CHECK_TEST(test_timeout_of_a_held_command),
        CHECK_TEST(test_many_timeouts),
        CHECK_TEST(test_timeout_of_a_wait),
        CHECK_TEST(test_waits_in_a_storm),
        CHECK_TEST(test_waits_in_a_storm_threaded),
        CHECK_TEST(test_waits_among_signals),
        CHECK_TEST(test_cancel_before_sending),
        CHECK_TEST(test_cancel_many),
        CHECK_TEST(test_cancel_at_once),
        CHECK_TEST(test_cancel_after_sending),
        CHECK_TEST(test_cancel_half_sent),
        CHECK_TEST(test_last_unref_abandons),
        CHECK_TEST(test_fire_and_forget),
        CHECK_TEST(test_invalid_commands_are_not_sent),
        CHECK_TEST(test_lone_surrogates_are_not_sent),
        CHECK_TEST(test_depth_of_arguments),
        CHECK_TEST(test_size_of_arguments),
        CHECK_TEST(test_size_of_a_request),
        CHECK_TEST(test_not_running),
        CHECK_TEST(test_commands_max),
        CHECK_TEST(test_execute_from_many_threads),
        CHECK_TEST(test_several_wait_for_one_command),
        CHECK_TEST(test_free_while_others_wait),
        CHECK_TEST(test_cancel_races_with_the_reply),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
