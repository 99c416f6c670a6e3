/* SPDX-License-Identifier: MIT */

/* The monitor for scripts, where a real QEMU cannot be made to do it: losses, floods, hostile words, a connection that
 * is made again by itself, and orders of events by the thousand.
 *
 * The peer's script plays in the test's thread where the monitor only looks, and in a thread of its own where the
 * monitor waits. The invariant of all of it: an event is pulled once or reported as lost, never neither. */

#include "duo.h"

#include <stdio.h>
#include <string.h>

#define MOMENT (200 * QMP_MILLISECOND)

struct trio {
    qmp_monitor *monitor;
    struct duo duo; /* its client is the monitor's */
};

static struct trio trio_open(void)
{
    struct trio t = {qmp_monitor_new("@nobody"), {NULL, NULL, false}};

    assert_non_null(t.monitor);
    t.duo.client = qmp_monitor_client(t.monitor);
    duo_connect(&t.duo);
    duo_negotiate(&t.duo);
    return t;
}

static void trio_close(struct trio *t)
{
    qmp_monitor_free(t->monitor);
    peer_free(t->duo.peer);
}

static void say(struct trio *t, const char *name)
{
    char text[256];
    int n = snprintf(text, sizeof(text), "{\"event\": \"%s\"}\r\n", name);

    peer_do(t->duo.peer, PEER_SEND_SIZED(text, (size_t)n));
}

static void assert_pulls(struct trio *t, const char *name, const char *expected)
{
    assert_ok(qmp_monitor_pull_event(t->monitor, name, CHECK_WAIT));
    assert_string_equal(qmp_event_name(qmp_monitor_event(t->monitor)), expected);
}

#define assert_pull_error(trio, name, error) assert_error(qmp_monitor_pull_event((trio)->monitor, (name), 0), (error))

/* Nothing but printable ASCII, but for the mark of a cut, and of bounded length. */
static void assert_tame(const char *words)
{
    static const char cut[] = "…";

    assert_true(strlen(words) < 1024);
    for (const char *p = words; *p; p++) {
        if (strncmp(p, cut, sizeof(cut) - 1) == 0)
            p += sizeof(cut) - 2;
        else if (*p < 0x20 || *p > 0x7e)
            fail_msg("byte %02x in: %s", (unsigned char)*p, words);
    }
}

/* ---- losses ---- */

static void test_losses_of_the_listener(void)
{
    struct trio t = trio_open();
    qmp_message *const *events = NULL;

    assert_ok(qmp_listener_set_limits(qmp_client_events(t.duo.client), 2, 0));
    for (unsigned round = 0; round < 2; round++) {
        say(&t, "A");
        say(&t, "B");
        say(&t, "C");
        assert_pull_error(&t, NULL, -ENOBUFS);
        assert_contains(qmp_monitor_error(t.monitor), "waiting for an event: events were dropped");
        assert_pulls(&t, "C", "C");
        assert_pulls(&t, NULL, "B");
        assert_pull_error(&t, NULL, -EAGAIN);
    }
    say(&t, "A");
    say(&t, "B");
    say(&t, "C");
    assert_error(qmp_monitor_get_events(t.monitor, &events), -ENOBUFS);
    assert_contains(qmp_monitor_error(t.monitor), "events: events were dropped");
    assert_int_equal(qmp_monitor_get_events(t.monitor, &events), 2);
    assert_string_equal(qmp_event_name(events[0]), "B");

    say(&t, "D");
    say(&t, "E");
    say(&t, "F");
    assert_ok(qmp_monitor_clear_events(t.monitor));
    assert_pull_error(&t, NULL, -EAGAIN);
    trio_close(&t);
}

/* The monitor's own bound. What is lost is the oldest, and is told once for each call. */
static void test_losses_of_the_monitor(void)
{
    enum { MORE = 100 };
    static const char text[] = "{\"event\":\"E\"}";
    size_t n = QMP_MONITOR_EVENTS_MAX + MORE, size = sizeof(text) - 1;
    struct trio t = trio_open();
    qmp_message *const *events = NULL;
    char *all = malloc(n * size);
    bool lost = false;
    int got;

    assert_non_null(all);
    for (size_t i = 0; i < n; i++)
        memcpy(all + i * size, text, size);
    peer_start(t.duo.peer, PEER_SEND_SIZED(all, n * size), PEER_EVENT("LAST"));
    do {
        got = qmp_monitor_get_events(t.monitor, &events);
        assert_true(got >= 0 || got == -ENOBUFS);
        lost |= got < 0;
    } while (got <= 0 || strcmp(qmp_event_name(events[got - 1]), "LAST") != 0);
    assert_true(lost);
    assert_int_equal(got, QMP_MONITOR_EVENTS_MAX);
    assert_int_equal(qmp_message_sequence(events[0]), MORE + 2);
    assert_pulls(&t, "LAST", "LAST");
    assert_int_equal(qmp_monitor_get_events(t.monitor, &events), QMP_MONITOR_EVENTS_MAX - 1);
    peer_join(t.duo.peer);
    free(all);
    trio_close(&t);
}

/* ---- order ---- */

/* Against the simplest thing that could be right: marks on a list of all events. */
static void test_any_order(void)
{
    enum { EVENTS = 3000 };
    static const char *const names[] = {"A", "B", "C", NULL};
    static char sent[EVENTS];
    struct trio t = trio_open();
    qmp_message *const *events;
    unsigned random = 1, n = 0, left = 0;

    while (n < EVENTS || left > 0) {
        random = random * 1103515245u + 12345u;
        if (n < EVENTS && (random >> 16) % 16 < 9) {
            sent[n] = "ABC"[(random >> 20) % 3];
            say(&t, (char[]){sent[n++], '\0'});
            left++;
            if (n % 64 == 0) /* reads, before the socket is full */
                assert_int_equal(qmp_monitor_get_events(t.monitor, &events), left);
            continue;
        }
        const char *name = names[(random >> 20) % 4];
        unsigned i = 0;
        while (i < n && (sent[i] == 0 || (name && sent[i] != name[0])))
            i++;
        assert_error(qmp_monitor_pull_event(t.monitor, name, 0), i < n ? 0 : -EAGAIN);
        if (i == n)
            continue;
        assert_int_equal(qmp_message_sequence(qmp_monitor_event(t.monitor)), i + 1);
        sent[i] = 0;
        left--;
    }
    trio_close(&t);
}

/* ---- floods ---- */

/* The flood ends when the test says so: a call that reads for as long as there is something never returns. How much it
 * reads is bounded, and that is asserted, rather than how long it takes: a loaded machine may take its time. */
static void test_flood(void)
{
    enum { SIZE = sizeof(PEER_EVENT_TEXT("NOISE")) - 1, READ_MAX = 16 << 20 };
    struct trio t = trio_open();
    qmp_message *const *events = NULL;
    uint64_t begun, n_calls = 1;
    int r;

    peer_start(t.duo.peer, PEER_STORM(PEER_EVENT_TEXT("NOISE")));
    r = qmp_monitor_pull_event(t.monitor, "NEVER", 0);
    assert_true(r == -EAGAIN || r == -ENOBUFS);
    do {
        r = qmp_monitor_get_events(t.monitor, &events);
        assert_true(r >= 0 || r == -ENOBUFS);
        n_calls++;
    } while (r <= 0);
    assert_in_range(qmp_message_sequence(events[r - 1]), 1, n_calls * (READ_MAX / SIZE));
    assert_ok(qmp_monitor_clear_events(t.monitor));
    begun = check_now();
    do
        r = qmp_monitor_pull_event(t.monitor, "NEVER", MOMENT);
    while (r == -ENOBUFS && check_now() - begun < MOMENT);
    assert_true(r == -ENOBUFS || (r == -ETIMEDOUT && check_now() - begun >= MOMENT));
    peer_go(t.duo.peer);
    assert_ok(qmp_monitor_clear_events(t.monitor)); /* room for what the peer is still at */
    peer_join(t.duo.peer);
    trio_close(&t);
}

/* ---- words ---- */

static void test_hostile_words(void)
{
    struct trio t = trio_open();

    peer_start(t.duo.peer, PEER_EXPECT("stop"),
        PEER_REPLY("{\"error\": {\"class\": \"Gene\\u001b[1mric\", \"desc\": "
                   "\"\\u001b[2J\\u009b31m red\\r\\n\\u2028\\u202e 'x'\"}, \"id\": @id}"));
    assert_error(qmp_monitor_command(t.monitor, "stop", NULL), -EREMOTEIO);
    peer_join(t.duo.peer);
    assert_tame(qmp_monitor_error(t.monitor));
    assert_contains(qmp_monitor_error(t.monitor), "stop: Gene\\x1b[1mric: \\x1b[2J\\xc2\\x9b31m red\\r\\n");
    assert_contains(qmp_monitor_error(t.monitor), "'x'");

    assert_error(qmp_monitor_pull_event(t.monitor, "\x1b[1m\n\xff", 0), -EAGAIN);
    assert_string_equal(qmp_monitor_error(t.monitor), "waiting for \\x1b[1m\\n\\xff: nothing there yet");
    trio_close(&t);
}

/* However long: the class, the description, the caller's own words. */
static void test_long_words(void)
{
    enum { LONG = 1 << 20 };
    struct trio t = trio_open();
    char *name = malloc(LONG + 1);

    assert_non_null(name);
    memset(name, 'n', LONG);
    name[LONG] = '\0';
    peer_start(t.duo.peer, PEER_EXPECT("stop"), PEER_SEND("{\"error\": {\"class\": \""), PEER_FILL("c", LONG),
        PEER_SEND("\", \"desc\": \""), PEER_FILL("\x7f", LONG), PEER_REPLY("\"}, \"id\": @id}"));
    assert_error(qmp_monitor_command(t.monitor, "stop", NULL), -EREMOTEIO);
    peer_join(t.duo.peer);
    assert_tame(qmp_monitor_error(t.monitor));
    assert_contains(qmp_monitor_error(t.monitor), "c…: \\x7f");
    assert_error(qmp_monitor_pull_event(t.monitor, name, 0), -EAGAIN);
    assert_tame(qmp_monitor_error(t.monitor));
    assert_contains(qmp_monitor_error(t.monitor), "waiting for nnn");
    assert_ok(qmp_monitor_set_timeout(t.monitor, 50 * QMP_MILLISECOND)); /* nobody answers */
    assert_error(qmp_monitor_command(t.monitor, name, NULL), -ETIMEDOUT);
    assert_tame(qmp_monitor_error(t.monitor));
    trio_close(&t);

    t.monitor = qmp_monitor_new(name);
    assert_true(qmp_monitor_connect(t.monitor, CHECK_WAIT) < 0);
    assert_tame(qmp_monitor_error(t.monitor));
    qmp_monitor_free(t.monitor);
    free(name);
}

/* ---- ends ---- */

static void test_end_while_waiting(void)
{
    struct trio t = trio_open();

    peer_start(t.duo.peer, PEER_EVENT("A"), PEER_EVENT("B"), PEER_SEND("}\x1b"));
    assert_error(qmp_monitor_pull_event(t.monitor, "NEVER", CHECK_WAIT), -ENOTCONN);
    peer_join(t.duo.peer);
    assert_tame(qmp_monitor_error(t.monitor));
    assert_string_equal(strchr(qmp_monitor_error(t.monitor), ':') + 2, qmp_client_failure(t.duo.client));
    assert_error(qmp_monitor_command(t.monitor, "stop", NULL), -ENOTCONN);
    assert_string_equal(strchr(qmp_monitor_error(t.monitor), ':') + 2, qmp_client_failure(t.duo.client));
    assert_pulls(&t, "B", "B");
    assert_pulls(&t, NULL, "A");
    assert_pull_error(&t, NULL, -ENOTCONN);
    trio_close(&t);
}

static void test_end_of_a_command(void)
{
    struct trio t = trio_open();

    peer_start(t.duo.peer, PEER_EXPECT("quit"), PEER_EVENT("SHUTDOWN"), PEER_CLOSE);
    assert_error(qmp_monitor_command(t.monitor, "quit", NULL), -ECONNRESET);
    peer_join(t.duo.peer);
    assert_contains(qmp_monitor_error(t.monitor), "quit: ");
    assert_int_equal(qmp_value_type(qmp_monitor_value(t.monitor)), QMP_ABSENT);
    assert_pulls(&t, "SHUTDOWN", "SHUTDOWN");
    assert_pull_error(&t, NULL, -ENOTCONN);
    trio_close(&t);
}

/* It ends and is made again while nobody looks: that is told once, and nothing that was heard is missing. */
static void test_connects_again_by_itself(void)
{
    struct qmp_reconnect reconnect = QMP_RECONNECT_INIT;
    const char *path = check_path("again.qmp");
    struct trio t = {qmp_monitor_new(path), {NULL, peer_new_listening(path), false}};

    reconnect.delay_min = reconnect.delay_max = 1;
    assert_ok(qmp_client_set_reconnect(qmp_monitor_client(t.monitor), &reconnect));
    peer_start(t.duo.peer, PEER_ACCEPT, PEER_NEGOTIATE, PEER_EVENT("OLD"), PEER_EVENT("OLDER"), PEER_CLOSE, PEER_ACCEPT,
        PEER_NEGOTIATE, PEER_EVENT("NEW"));
    assert_ok(qmp_monitor_connect(t.monitor, CHECK_WAIT));
    assert_error(qmp_monitor_pull_event(t.monitor, "NEW", CHECK_WAIT), -ESTALE);
    assert_contains(qmp_monitor_error(t.monitor), "made again");
    assert_pulls(&t, "NEW", "NEW");
    assert_int_equal(qmp_message_sequence(qmp_monitor_event(t.monitor)), 1);
    peer_join(t.duo.peer);
    assert_pulls(&t, NULL, "OLD");
    assert_pulls(&t, NULL, "OLDER");
    assert_pull_error(&t, NULL, -EAGAIN);
    trio_close(&t);
}

/* ---- callbacks ---- */

struct inside {
    qmp_monitor *monitor;
    int waiting, looking, clearing, command, connecting;
};

static void on_event(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct inside *i = userdata;

    (void)l;
    (void)event;
    i->waiting = qmp_monitor_pull_event(i->monitor, "NEVER", CHECK_WAIT);
    i->looking = qmp_monitor_pull_event(i->monitor, "NEVER", 0);
    i->clearing = qmp_monitor_clear_events(i->monitor);
    i->command = qmp_monitor_command(i->monitor, "stop", NULL);
    i->connecting = qmp_monitor_connect(i->monitor, CHECK_WAIT);
}

static void test_inside_a_callback(void)
{
    struct trio t = trio_open();
    struct inside inside = {.monitor = t.monitor};
    qmp_listener *l = NULL;

    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_listener_set_handler(l, on_event, &inside));
    assert_ok(qmp_client_register_listener(t.duo.client, l));
    say(&t, "A");
    assert_pulls(&t, "A", "A");
    assert_error(inside.waiting, -EBUSY);
    assert_error(inside.looking, -EBUSY);
    assert_error(inside.clearing, -EBUSY);
    assert_error(inside.command, -EBUSY);
    assert_error(inside.connecting, -EBUSY);
    assert_contains(qmp_monitor_error(t.monitor), "busy");

    say(&t, "B");
    assert_pull_error(&t, NULL, -EAGAIN);
    assert_error(inside.waiting, -EBUSY);
    assert_error(inside.looking, -EAGAIN);
    assert_ok(inside.clearing);
    assert_error(inside.command, -EBUSY);
    assert_error(inside.connecting, -EISCONN);
    qmp_listener_unref(l);
    trio_close(&t);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_losses_of_the_listener),
        CHECK_TEST(test_losses_of_the_monitor),
        CHECK_TEST(test_any_order),
        CHECK_TEST(test_flood),
        CHECK_TEST(test_hostile_words),
        CHECK_TEST(test_long_words),
        CHECK_TEST(test_end_while_waiting),
        CHECK_TEST(test_end_of_a_command),
        CHECK_TEST(test_connects_again_by_itself),
        CHECK_TEST(test_inside_a_callback),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
