/* SPDX-License-Identifier: MIT */

/* What a client tells its log function: what at which level, in which order, and that neither passwords nor the
 * server's bytes get where they should not. */

#include "duo.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 64

struct log {
    unsigned n, unprintable, calls_before_replacement;
    enum qmp_log_level levels[LINES_MAX];
    char lines[LINES_MAX][512];
    bool replace;
};

static void say(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *log)
{
    struct log *l = log;

    l->unprintable += strlen(text) != size;
    for (size_t i = 0; i < size; i++) {
        l->unprintable += text[i] < ' ' || text[i] > '~';
    }
    if (l->n < LINES_MAX) {
        l->levels[l->n] = level;
        snprintf(l->lines[l->n++], sizeof(l->lines[0]), "%s", text);
    }
    if (l->replace) {
        (void)qmp_client_set_log(c, QMP_LOG_NONE, NULL, NULL);
    }
}

static const char *find(const struct log *l, const char *word)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (strstr(l->lines[i], word)) {
            return l->lines[i];
        }
    }
    return NULL;
}

/* A session with a secret in a command, on one connection. */
static void talk(struct duo *d)
{
    struct outcome o = {0};

    assert_ok(qmp_client_execute_async(
        d->client, "set_password", "{\"password\": \"hunter2\", \"protocol\": \"vnc\"}", outcome_record, &o, NULL));
    duo_drive(d);
    peer_do(d->peer, PEER_EXPECT("set_password"),
        PEER_SEND("{\"event\":\"E\",\"data\":{\"n\":\"\\u001b[2J \xc3\xa9 \xf0\x9f\x98\x80 \x7f\"},\r\n    "
                  "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}\r\n"),
        PEER_SEND("{\"event\":\"F\",\"data\":{\"shown\":1,\"password\":\"hunter3\"},"
                  "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}\r\n"),
        PEER_RETURN);
    duo_drive(d);
    assert_outcome(&o, 0);
}

static void test_traffic(void *of_level)
{
    enum qmp_log_level level = *(const enum qmp_log_level *)of_level;
    struct duo d = duo_new();
    struct log l = {0};

    assert_ok(qmp_client_set_log(d.client, level, say, &l));
    duo_connect(&d);
    duo_negotiate(&d);
    talk(&d);
    assert_non_null(find(&l, "< {\"QMP\": {\"version\""));
    assert_non_null(find(&l, "> {\"execute\":\"qmp_capabilities\""));
    assert_contains(find(&l, "set_password"), "> {\"execute\":\"set_password\",\"arguments\":");
    assert_contains(find(&l, "set_password"), "\"id\":");
    if (level == QMP_LOG_TRAFFIC) {
        assert_contains(find(&l, "set_password"), "\"arguments\":\"...\",");
    } else {
        assert_contains(find(&l, "set_password"), "\"protocol\": \"vnc\"");
    }
    if (level == QMP_LOG_FULL) {
        assert_contains(find(&l, "set_password"), "{\"password\": \"...\", ");
    }
    /* What was sent, and what came back. */
    assert_int_equal(find(&l, "hunter2") != NULL, level == QMP_LOG_RAW);
    assert_int_equal(find(&l, "hunter3") != NULL, level == QMP_LOG_RAW);
    assert_contains(find(&l, "\"shown\""), level == QMP_LOG_RAW ? "\"hunter3\"" : "\"...\"");
    /* JSON still, but only printable ASCII. */
    assert_non_null(
        find(&l, "< {\"event\":\"E\",\"data\":{\"n\":\"\\u001b[2J \\u00E9 \\uD83D\\uDE00 \\u007F\"},\"timest"));
    assert_int_equal(l.unprintable, 0);
    duo_close(&d);
}

static void test_levels(void)
{
    static const struct {
        enum qmp_log_level level;
        unsigned lines;
    } cases[] = {{QMP_LOG_NONE, 0}, {QMP_LOG_ERROR, 1}, {QMP_LOG_WARNING, 2}, {QMP_LOG_INFO, 7}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct duo d = duo_new();
        struct log l = {0};

        assert_ok(qmp_client_set_log(d.client, cases[i].level, say, &l));
        duo_connect(&d);
        duo_negotiate(&d);
        peer_do(d.peer, PEER_CLOSE); /* a warning */
        assert_error(drive_to_end(d.client), -ECONNRESET);
        peer_free(d.peer);
        duo_connect(&d);
        peer_do(d.peer, PEER_SEND("no JSON\x1b")); /* an error */
        assert_error(drive_to_end(d.client), -EBADMSG);
        peer_free(d.peer);
        duo_connect(&d);
        d.client = qmp_client_unref(d.client); /* said before it is gone */
        if (l.n != cases[i].lines) {
            for (unsigned n = 0; n < l.n; n++) {
                print_error("%d: %s\n", l.levels[n], l.lines[n]);
            }
            fail_msg("level %d: %u lines, not %u", cases[i].level, l.n, cases[i].lines);
        }
        for (unsigned n = 0; n < l.n; n++) {
            assert_true(l.levels[n] <= cases[i].level);
        }
        assert_int_equal(l.unprintable, 0);
        duo_close(&d);
    }
}

static void test_log_of_a_thread(void)
{
    struct duo d = duo_new();
    struct log l = {0};

    assert_ok(qmp_client_start_thread(d.client));
    d.threaded = true;
    assert_ok(qmp_client_set_log(d.client, QMP_LOG_DEBUG, say, &l));
    duo_connect(&d);
    duo_negotiate(&d);
    duo_works(&d, NULL);
    assert_ok(qmp_client_set_log(d.client, QMP_LOG_NONE, NULL, NULL)); /* none runs afterwards */
    assert_non_null(find(&l, "connecting to descriptor"));
    assert_non_null(find(&l, "RUNNING"));
    duo_close(&d);
}

static void test_replaced_from_inside(void)
{
    struct duo d = duo_new();
    struct log l = {.replace = true};

    assert_ok(qmp_client_set_log(d.client, QMP_LOG_FULL, say, &l));
    duo_connect(&d);
    duo_negotiate(&d);
    assert_int_equal(l.n, 1);
    assert_error(qmp_client_set_log(d.client, (enum qmp_log_level)99, say, &l), -EINVAL);
    duo_close(&d);
}

static void dawdle(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *inside)
{
    (void)c;
    (void)level;
    (void)text;
    (void)size;
    atomic_store((atomic_int *)inside, 1);
    usleep(50000);
    atomic_store((atomic_int *)inside, 2);
}

/* Once it is taken away from another thread, it does not run any more. */
static void test_taken_away_while_it_runs(void)
{
    struct duo d = duo_open_threaded();
    atomic_int inside;

    atomic_init(&inside, 0);
    assert_ok(qmp_client_set_log(d.client, QMP_LOG_TRAFFIC, dawdle, &inside));
    peer_do(d.peer, PEER_EVENT("SLOW"));
    while (atomic_load(&inside) != 1) {
        usleep(100);
    }
    assert_ok(qmp_client_set_log(d.client, QMP_LOG_NONE, NULL, NULL));
    assert_int_equal(atomic_load(&inside), 2);
    duo_close(&d);
}

/* A command from another thread has its line said, though nothing else happens. */
static void test_line_from_another_thread(void)
{
    struct duo d = duo_open_threaded();
    uint64_t deadline = check_deadline(CHECK_WAIT);
    atomic_int inside;

    atomic_init(&inside, 0);
    usleep(20000); /* it waits for input by now */
    assert_ok(qmp_client_set_log(d.client, QMP_LOG_TRAFFIC, dawdle, &inside));
    submit(d.client, "stop", NULL, NULL);
    while (atomic_load(&inside) == 0) {
        assert_true(check_now() < deadline);
        usleep(1000);
    }
    assert_ok(qmp_client_set_log(d.client, QMP_LOG_NONE, NULL, NULL));
    duo_close(&d);
}

static void test_stray_reply(void)
{
    struct duo d = duo_open();
    struct log l = {0};

    assert_ok(qmp_client_set_log(d.client, QMP_LOG_DEBUG, say, &l));
    peer_do(d.peer, PEER_SEND("{\"return\": {}, \"id\": \"nobody's\"}"));
    assert_true(drive(d.client) == 0);
    assert_contains(find(&l, "nobody waits for"), "nobody's");
    assert_ok(qmp_client_set_log(d.client, QMP_LOG_NONE, NULL, NULL));
    duo_close(&d);
}

/* The question to an agent, without the byte in front of it. */
static void test_agent(void)
{
    struct duo d = duo_new();
    struct log l = {0};

    assert_ok(qmp_client_set_log(d.client, QMP_LOG_FULL, say, &l));
    assert_ok(qmp_client_set_dialect(d.client, QMP_DIALECT_AGENT));
    duo_connect(&d);
    assert_true(drive(d.client) == 0);
    assert_non_null(find(&l, "> {\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":"));
    assert_int_equal(l.unprintable, 0);
    duo_close(&d);
}

/* The last lines are said when the last reference has gone: too late to begin anything. */
static void listen_when_idle(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *result)
{
    (void)level;
    (void)size;
    if (strcmp(text, "state IDLE") == 0) {
        *(int *)result = qmp_client_listen_on(c, check_path("socket"));
    }
}

static void test_connecting_at_the_end(void)
{
    struct duo d = duo_open();
    int r = 0;

    assert_ok(qmp_client_set_log(d.client, QMP_LOG_DEBUG, listen_when_idle, &r));
    d.client = qmp_client_unref(d.client);
    assert_error(r, -EALREADY);
    assert_int_equal(access(check_path("socket"), F_OK), -1);
    duo_close(&d);
}

int main(int argc, char **argv)
{
    static enum qmp_log_level traffic = QMP_LOG_TRAFFIC, full = QMP_LOG_FULL, raw = QMP_LOG_RAW;
    static const struct check_test tests[] = {
        CHECK_CASE("test_traffic_without_arguments", test_traffic, &traffic),
        CHECK_CASE("test_traffic_without_secrets", test_traffic, &full),
        CHECK_CASE("test_traffic_whole", test_traffic, &raw),
        CHECK_TEST(test_levels),
        CHECK_TEST(test_log_of_a_thread),
        CHECK_TEST(test_replaced_from_inside),
        CHECK_TEST(test_taken_away_while_it_runs),
        CHECK_TEST(test_line_from_another_thread),
        CHECK_TEST(test_stray_reply),
        CHECK_TEST(test_agent),
        CHECK_TEST(test_connecting_at_the_end),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
