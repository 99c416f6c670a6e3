/* SPDX-License-Identifier: MIT */

/* What a server must not be able to do to its client, seen through the public API.
 *
 * The heart is a table: what the server sends, in which phase, and what must become of it. Every row is played in three
 * ways: the client driven by process(), by a blocking call, and by the library's thread. Each time the same is
 * asserted: the errno, the kind and the words of the failure; every pending command completed once, with -ECONNRESET;
 * what was queued stays readable, then the listeners are closed; another client and its listener notice nothing; and
 * the same client connects again and works. Then every row is cut short by a reset, on a UNIX and on a TCP socket.
 *
 * Input that is odd but no reason to end a connection has tests of its own at the end, and so have servers that say
 * nothing or not enough. */

#include "duo.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum phase { GREETING, NEGOTIATION, RUNNING };
enum mode { BY_PROCESS, BY_BLOCKING, BY_THREAD, MODES };
enum after { STAY, CLOSE };

struct bad {
    const char *name;
    enum phase phase;
    const char *bytes;
    size_t size;
    enum after after;
    int error;
    enum qmp_failure kind;
    const char *word; /* in qmp_client_failure() */
    size_t message_max;
    unsigned depth_max;
    uint64_t fill; /* this many bytes 'x' behind the bytes */
};

#define BYTES(literal) (literal), sizeof(literal) - 1
#define NOT_JSON -EBADMSG, QMP_FAILURE_DESERIALIZATION, "JSON"
#define NOT_QMP -EPROTO, QMP_FAILURE_UNEXPECTED_TYPE, "QMP"
#define BAD_GREETING -EPROTO, QMP_FAILURE_BAD_GREETING, "greet"
#define SERVER_PARSE -EPROTO, QMP_FAILURE_SERVER_PARSE, "parse"
#define HALF -ECONNRESET, QMP_FAILURE_CLOSED, "middle of a message"
#define GONE -ECONNRESET, QMP_FAILURE_CLOSED, "closed"
#define TOO_LARGE -EMSGSIZE, QMP_FAILURE_LIMIT, "limit"
#define TOO_DEEP -ELOOP, QMP_FAILURE_LIMIT, "deep"

/* Eight arrays in an object, and 1024 of them. */
#define DEEP8 "[[[[[[[["
#define DEEP64 DEEP8 DEEP8 DEEP8 DEEP8 DEEP8 DEEP8 DEEP8 DEEP8
#define DEEP512 DEEP64 DEEP64 DEEP64 DEEP64 DEEP64 DEEP64 DEEP64 DEEP64

static const struct bad table[] = {
    /* before the greeting */
    {"end of file at once", GREETING, BYTES(""), CLOSE, -ECONNRESET, QMP_FAILURE_CLOSED, "greeting", 0, 0, 0},
    {"half a greeting", GREETING, BYTES("{\"QMP\": {\"version\""), CLOSE, HALF, 0, 0, 0},
    {"garbage before the greeting", GREETING, BYTES("SSH-2.0-OpenSSH_9.2\r\n" PEER_GREETING_TEXT), STAY, NOT_JSON, 0, 0,
        0},
    {"one byte of garbage", GREETING, BYTES("x"), STAY, NOT_JSON, 0, 0, 0},
    {"a NUL before the greeting", GREETING, BYTES("\0" PEER_GREETING_TEXT), STAY, NOT_JSON, 0, 0, 0},
    {"an 0xFF before the greeting", GREETING, BYTES("\xff" PEER_GREETING_TEXT), STAY, NOT_JSON, 0, 0, 0},
    {"a scalar", GREETING, BYTES("12\r\n"), STAY, NOT_JSON, 0, 0, 0},
    {"an array", GREETING, BYTES("[1, 2]\r\n"), STAY, NOT_QMP, 0, 0, 0},
    {"an object of another protocol", GREETING, BYTES("{\"jsonrpc\": \"2.0\", \"id\": 1}"), STAY, NOT_QMP, 0, 0, 0},
    {"an empty object", GREETING, BYTES("{}"), STAY, NOT_QMP, 0, 0, 0},
    {"a greeting without contents", GREETING, BYTES("{\"QMP\": {}}"), STAY, BAD_GREETING, 0, 0, 0},
    {"a greeting that is a number", GREETING, BYTES("{\"QMP\": 7}"), STAY, BAD_GREETING, 0, 0, 0},
    {"capabilities that are no array", GREETING,
        BYTES("{\"QMP\": {\"version\": {\"qemu\": {}}, \"capabilities\": {\"oob\": true}}}"), STAY, BAD_GREETING, 0, 0,
        0},
    {"invalid UTF-8 in the greeting", GREETING,
        BYTES("{\"QMP\": {\"version\": {\"package\": \"\xc3(\"}, \"capabilities\": []}}"), STAY, NOT_JSON, 0, 0, 0},
    {"a greeting over the limit", GREETING, BYTES("{\"QMP\": \""), STAY, TOO_LARGE, 4096, 0, 5000},
    {"a greeting too deep", GREETING, BYTES("{\"QMP\": " DEEP8), STAY, TOO_DEEP, 0, 8, 0},

    /* instead of the reply to qmp_capabilities */
    {"end of file in the negotiation", NEGOTIATION, BYTES(""), CLOSE, -ECONNRESET, QMP_FAILURE_CLOSED, "negotiation", 0,
        0, 0},
    {"half a reply to the negotiation", NEGOTIATION, BYTES("{\"return\": {"), CLOSE, HALF, 0, 0, 0},
    {"the negotiation is refused", NEGOTIATION,
        BYTES("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"never heard of it\"}, \"id\": @id}\r\n"), STAY,
        -EPROTO, QMP_FAILURE_NEGOTIATION, "never heard of it", 0, 0, 0},
    {"errors without an id in the negotiation", NEGOTIATION,
        BYTES("{\"error\": {\"class\": \"GenericError\", \"desc\": \"an old one\"}}\r\n"
              "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}\r\n"),
        STAY, SERVER_PARSE, 0, 0, 0},
    {"a third greeting in the negotiation", NEGOTIATION, BYTES(PEER_GREETING_TEXT PEER_GREETING_TEXT), STAY,
        BAD_GREETING, 0, 0, 0},
    {"garbage in the negotiation", NEGOTIATION, BYTES("\r\n220 smtp ready\r\n"), STAY, NOT_JSON, 0, 0, 0},

    /* with commands pending */
    {"end of file", RUNNING, BYTES(""), CLOSE, GONE, 0, 0, 0},
    {"half a message", RUNNING, BYTES("{\"return\": {\"a\": [1, 2"), CLOSE, HALF, 0, 0, 0},
    {"half a string", RUNNING, BYTES("{\"event\": \"STO"), CLOSE, HALF, 0, 0, 0},
    {"half an escape", RUNNING, BYTES("{\"event\": \"STO\\"), CLOSE, HALF, 0, 0, 0},
    {"half a character", RUNNING, BYTES("{\"event\": \"\xe2\x82"), CLOSE, HALF, 0, 0, 0},
    {"a brace", RUNNING, BYTES("{"), CLOSE, HALF, 0, 0, 0},
    {"garbage between messages", RUNNING, BYTES("QEMU 7.2 monitor\r\n(qemu) "), STAY, NOT_JSON, 0, 0, 0},
    {"a NUL between messages", RUNNING, BYTES("\0"), STAY, NOT_JSON, 0, 0, 0},
    {"a control character between messages", RUNNING, BYTES("\x1b[2J"), STAY, NOT_JSON, 0, 0, 0},
    {"a closing brace", RUNNING, BYTES("}\r\n"), STAY, NOT_JSON, 0, 0, 0},
    {"a NUL in a string", RUNNING, BYTES("{\"event\": \"A\0B\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"a NUL outside strings", RUNNING, BYTES("{\"event\": \0\"AB\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"a raw line feed in a string", RUNNING, BYTES("{\"event\": \"A\nB\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"a raw tabulator in a string", RUNNING, BYTES("{\"event\": \"A\tB\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"a raw 0x1f in a key", RUNNING,
        BYTES("{\"ev\x1f"
              "ent\": \"A\"}"),
        STAY, NOT_JSON, 0, 0, 0},
    {"a lone continuation byte", RUNNING, BYTES("{\"event\": \"\x80\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"an overlong NUL", RUNNING, BYTES("{\"event\": \"\xc0\x80\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"an overlong three-byte form", RUNNING, BYTES("{\"event\": \"\xe0\x9f\xbf\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"a surrogate in UTF-8", RUNNING, BYTES("{\"event\": \"\xed\xa0\x80\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"a character above U+10FFFF", RUNNING, BYTES("{\"event\": \"\xf4\x90\x80\x80\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"a character cut by the quote", RUNNING, BYTES("{\"event\": \"\xe2\x82\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"invalid UTF-8 in a key", RUNNING, BYTES("{\"event\": \"A\", \"\xff\": 1}"), STAY, NOT_JSON, 0, 0, 0},
    {"half a surrogate pair", RUNNING, BYTES("{\"event\": \"\\ud800\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"a surrogate pair the wrong way round", RUNNING, BYTES("{\"event\": \"\\udc00\\ud800\"}"), STAY, NOT_JSON, 0, 0,
        0},
    {"an unknown escape", RUNNING, BYTES("{\"event\": \"\\x41\"}"), STAY, NOT_JSON, 0, 0, 0},
    {"an escape with three digits", RUNNING, BYTES("{\"event\": \"\\u041 \"}"), STAY, NOT_JSON, 0, 0, 0},
    {"an infinity, as QEMU prints it", RUNNING, BYTES("{\"return\": {}, \"id\": inf}"), STAY, NOT_JSON, 0, 0, 0},
    {"a NaN", RUNNING, BYTES("{\"return\": NaN, \"id\": @id}"), STAY, NOT_JSON, 0, 0, 0},
    {"a number with a leading zero", RUNNING, BYTES("{\"return\": 01}"), STAY, NOT_JSON, 0, 0, 0},
    {"a number with a plus", RUNNING, BYTES("{\"return\": +1}"), STAY, NOT_JSON, 0, 0, 0},
    {"a number without digits", RUNNING, BYTES("{\"return\": -}"), STAY, NOT_JSON, 0, 0, 0},
    {"a number without a fraction", RUNNING, BYTES("{\"return\": 1.}"), STAY, NOT_JSON, 0, 0, 0},
    {"a misspelt literal", RUNNING, BYTES("{\"return\": nul}"), STAY, NOT_JSON, 0, 0, 0},
    {"a trailing comma", RUNNING, BYTES("{\"return\": {},}"), STAY, NOT_JSON, 0, 0, 0},
    {"a missing colon", RUNNING, BYTES("{\"return\" {}}"), STAY, NOT_JSON, 0, 0, 0},
    {"single quotes", RUNNING, BYTES("{'return': {}}"), STAY, NOT_JSON, 0, 0, 0},
    {"brackets that do not match", RUNNING, BYTES("{\"return\": [1, 2}]"), STAY, NOT_JSON, 0, 0, 0},
    {"an event without a name", RUNNING, BYTES("{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"data\": {}}"),
        STAY, NOT_QMP, 0, 0, 0},
    {"an event whose name is a number", RUNNING, BYTES("{\"event\": 5, \"data\": {}}"), STAY, NOT_QMP, 0, 0, 0},
    {"an event whose name is null", RUNNING, BYTES("{\"event\": null}"), STAY, NOT_QMP, 0, 0, 0},
    {"an event whose name is an object", RUNNING, BYTES("{\"event\": {\"event\": \"STOP\"}}"), STAY, NOT_QMP, 0, 0, 0},
    {"an event whose name is empty", RUNNING, BYTES("{\"event\": \"\"}"), STAY, NOT_QMP, 0, 0, 0},
    {"an event and a return in one", RUNNING, BYTES("{\"event\": \"A\", \"return\": {}, \"id\": @id}"), STAY, NOT_QMP,
        0, 0, 0},
    {"a return and an error in one", RUNNING,
        BYTES("{\"return\": {}, \"error\": {\"class\": \"C\", \"desc\": \"D\"}, \"id\": @id}"), STAY, NOT_QMP, 0, 0, 0},
    {"the return twice", RUNNING, BYTES("{\"return\": 1, \"return\": 2, \"id\": @id}"), STAY, NOT_QMP, 0, 0, 0},
    {"the id twice", RUNNING, BYTES("{\"return\": 1, \"id\": @id, \"id\": 4}"), STAY, NOT_QMP, 0, 0, 0},
    {"the event twice, once with escapes", RUNNING, BYTES("{\"event\": \"A\", \"\\u0065vent\": \"B\"}"), STAY, NOT_QMP,
        0, 0, 0},
    {"an unknown key twice", RUNNING, BYTES("{\"event\": \"A\", \"x\": 1, \"x\": 1}"), STAY, NOT_QMP, 0, 0, 0},
    {"an error that is a string", RUNNING, BYTES("{\"error\": \"no\", \"id\": @id}"), STAY, NOT_QMP, 0, 0, 0},
    {"an error without a class", RUNNING, BYTES("{\"error\": {\"desc\": \"no\"}, \"id\": @id}"), STAY, NOT_QMP, 0, 0,
        0},
    {"an error without a description", RUNNING, BYTES("{\"error\": {\"class\": \"C\", \"desc\": 0}, \"id\": @id}"),
        STAY, NOT_QMP, 0, 0, 0},
    {"a second greeting", RUNNING, BYTES(PEER_GREETING_TEXT), STAY, BAD_GREETING, 0, 0, 0},
    {"an error without an id", RUNNING,
        BYTES("{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, key is not a string\"}}"), STAY,
        SERVER_PARSE, 0, 0, 0},
    {"a command", RUNNING, BYTES("{\"execute\": \"qmp_capabilities\"}"), STAY, NOT_QMP, 0, 0, 0},
    {"a message over the limit", RUNNING, BYTES("{\"event\": \""), STAY, TOO_LARGE, 4096, 0, 4096},
    {"a message over the default limit", RUNNING, BYTES("{\"event\": \""), STAY, TOO_LARGE, 0, 0, QMP_MESSAGE_MAX},
    {"a message over the depth limit", RUNNING, BYTES("{\"return\": " DEEP8 "]]]]]]]]}"), STAY, TOO_DEEP, 0, 8, 0},
    {"a message over the default depth limit", RUNNING, BYTES("{\"return\": " DEEP512 DEEP512), STAY, TOO_DEEP, 0, 0,
        0},
};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

/* Somebody else in the same process, who must not notice. */
struct bystander {
    struct duo duo;
    qmp_listener *listener;
};

struct victim {
    const struct bad *bad;
    enum mode mode;
    struct duo duo;
    qmp_listener *all, *some;
    qmp_pending *first, *second;
    struct outcome outcomes[3];
    unsigned n_pending;
};

static struct bystander bystander_new(void)
{
    struct bystander b = {duo_open(), NULL};

    assert_ok(qmp_listener_new(&b.listener, NULL));
    assert_ok(qmp_client_register_listener(b.duo.client, b.listener));
    return b;
}

static void bystander_check(struct bystander *b)
{
    assert_int_equal(qmp_client_runstate(b->duo.client), QMP_RUNNING);
    assert_int_equal(qmp_client_failure_kind(b->duo.client), QMP_FAILURE_NONE);
    duo_works(&b->duo, b->listener);
    assert_no_event(b->listener);
    qmp_listener_unref(b->listener);
    duo_close(&b->duo);
}

static void pass_phases(struct victim *v)
{
    struct peer *p = v->duo.peer;
    qmp_client *c = v->duo.client;

    if (v->bad->phase == GREETING) {
        return;
    }
    peer_do(p, PEER_SEND(PEER_GREETING_TEXT));
    duo_drive(&v->duo);
    peer_do(p, PEER_EXPECT("qmp_capabilities"));
    if (v->bad->phase == NEGOTIATION) {
        return;
    }
    peer_do(p, PEER_RETURN);
    duo_wait_state(&v->duo, QMP_RUNNING);

    peer_do(p, PEER_EVENT("STOP"));
    duo_drive(&v->duo);
    submit(c, "query-status", &v->outcomes[0], &v->first);
    submit(c, "query-block", &v->outcomes[1], /* ret= */ NULL);
    submit(c, "query-name", &v->outcomes[2], &v->second);
    v->n_pending = 3;
    duo_drive(&v->duo);
}

static void victim_start(struct victim *v, bool tcp)
{
    static const char *const names[] = {"STOP", "JOB_STATUS_CHANGE", NULL};
    struct duo *d = &v->duo;
    int fd;

    *d = duo_new();
    assert_ok(qmp_client_set_message_limits(d->client, v->bad->message_max ? v->bad->message_max : QMP_MESSAGE_MAX,
        v->bad->depth_max ? v->bad->depth_max : QMP_DEPTH_MAX));
    if (v->mode == BY_THREAD) {
        assert_ok(qmp_client_start_thread(d->client));
        d->threaded = true;
    }
    assert_ok(qmp_listener_new(&v->all, NULL));
    assert_ok(qmp_listener_new(&v->some, names));
    assert_ok(qmp_client_register_listener(d->client, v->all));
    assert_ok(qmp_client_register_listener(d->client, v->some));

    d->peer = tcp ? peer_new_tcp(&fd) : peer_new_pair(&fd);
    assert_ok(qmp_client_connect_fd(d->client, fd));
    pass_phases(v);
}

/* How the connection ends for the one who drives it, or waits for it: process() tells the reason once, also when it was
 * a blocking call that saw the end. */
static int see_the_end(struct victim *v)
{
    qmp_client *c = v->duo.client;
    qmp_message *none = NULL;
    int waited = 0, r;

    if (v->mode != BY_PROCESS && v->bad->phase != RUNNING) {
        waited = qmp_client_wait_running(c, CHECK_WAIT);
        assert_true(waited < 0);
    } else if (v->mode != BY_PROCESS) {
        assert_error(qmp_pending_wait(v->first, CHECK_WAIT, &none, &none), -ECONNRESET);
        assert_null(none);
    }
    if (v->mode == BY_THREAD) {
        duo_wait_state(&v->duo, QMP_IDLE);
        return waited < 0 ? waited : v->bad->error; /* only process() would tell */
    }
    r = drive_to_end(c);
    assert_true(waited == 0 || r == waited);
    assert_error(qmp_client_process(c), -ENOTCONN);
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    return r;
}

static void assert_closed(qmp_listener *l, bool heard)
{
    qmp_message *none = NULL;

    if (heard) {
        assert_event(l, "STOP");
    }
    assert_error(qmp_listener_get(l, CHECK_WAIT, &none), -ENOTCONN);
    assert_error(qmp_listener_get(l, 0, &none), -ENOTCONN);
    assert_true(qmp_listener_empty(l));
    assert_true(check_poll(qmp_listener_get_fd(l), POLLIN, 0) & POLLIN);
}

static void assert_ended(struct victim *v)
{
    bool heard = v->bad->phase == RUNNING;
    qmp_message *none = NULL;

    assert_closed(v->all, heard);
    assert_closed(v->some, heard);
    assert_closed(qmp_client_events(v->duo.client), heard);
    for (unsigned i = 0; i < v->n_pending; i++) {
        assert_outcome(&v->outcomes[i], -ECONNRESET);
    }
    if (v->n_pending > 0) {
        assert_error(qmp_pending_wait(v->first, CHECK_WAIT, &none, &none), -ECONNRESET);
        assert_error(qmp_pending_wait(v->second, 0, &none, &none), -ECONNRESET);
        assert_error(qmp_pending_cancel(v->second), -EALREADY);
    }
    assert_error(qmp_client_execute(v->duo.client, "stop", NULL, CHECK_WAIT, &none, &none), -ENOTCONN);
    assert_null(none);
    assert_string_not_equal(qmp_client_failure(v->duo.client), "");
}

static void assert_explained(struct victim *v)
{
    bool keeps = v->bad->kind == QMP_FAILURE_DESERIALIZATION || v->bad->kind == QMP_FAILURE_UNEXPECTED_TYPE ||
                 v->bad->kind == QMP_FAILURE_BAD_GREETING || v->bad->kind == QMP_FAILURE_SERVER_PARSE;
    const char *words = qmp_client_failure(v->duo.client);
    size_t size = 0;

    assert_int_equal(qmp_client_failure_kind(v->duo.client), v->bad->kind);
    assert_contains(words, v->bad->word);
    for (; *words; words++) {
        assert_true((unsigned char)*words >= 0x20 && *words != 0x7f);
    }
    if (keeps) {
        assert_non_null(qmp_client_failure_bytes(v->duo.client, &size));
        assert_in_range(size, 1, 256);
    }
}

static void victim_finish(struct victim *v)
{
    duo_reconnect(&v->duo);
    assert_int_equal(qmp_client_failure_kind(v->duo.client), QMP_FAILURE_NONE);
    assert_string_equal(qmp_client_failure(v->duo.client), "");
    duo_works(&v->duo, v->all);
    for (unsigned i = 0; i < v->n_pending; i++) {
        assert_outcome(&v->outcomes[i], -ECONNRESET);
    }
    qmp_pending_unref(v->first);
    qmp_pending_unref(v->second);
    qmp_listener_unref(v->all);
    qmp_listener_unref(v->some);
    duo_close(&v->duo);
}

static void send_bad(struct victim *v)
{
    const struct bad *b = v->bad;
    struct peer_step steps[3] = {PEER_SEND_SIZED(b->bytes, b->size)};
    size_t n = 1;

    if (memchr(b->bytes, '@', b->size)) {
        steps[0].op = PEER_OP_REPLY;
    }
    if (b->fill > 0) {
        steps[n++] = PEER_FILL("x", b->fill);
    }
    if (b->after == CLOSE) {
        steps[n++] = PEER_SHUT;
    }
    /* More than a socket holds has to come from a thread. */
    if (b->fill > 0) {
        peer_start_steps(v->duo.peer, steps, n);
    } else {
        peer_play(v->duo.peer, steps, n);
    }
}

static void play_row(void *row)
{
    for (enum mode mode = BY_PROCESS; mode < MODES; mode++) {
        struct victim v = {.bad = row, .mode = mode};
        struct bystander b = bystander_new();

        victim_start(&v, /* tcp= */ false);
        send_bad(&v);
        assert_error(see_the_end(&v), v.bad->error);
        assert_explained(&v);
        assert_ended(&v);
        victim_finish(&v);
        bystander_check(&b);
    }
}

/* A reset after the first `cut` bytes: it is either seen as such, or what came before was bad enough. */
static void play_cut(const struct bad *row, enum mode mode, bool tcp, size_t cut)
{
    struct victim v = {.bad = row, .mode = mode};
    int r;

    victim_start(&v, tcp);
    peer_do(v.duo.peer, PEER_SEND_SIZED(row->bytes, cut), PEER_RESET);
    r = see_the_end(&v);
    if (qmp_client_failure_kind(v.duo.client) == QMP_FAILURE_CLOSED) {
        assert_true(r == -ECONNRESET || mode == BY_THREAD);
    } else {
        /* Without its id, a reply is another kind of bad, or only a stray. */
        assert_true(qmp_client_failure_kind(v.duo.client) == row->kind || memchr(row->bytes, '@', row->size));
    }
    assert_ended(&v);
    victim_finish(&v);
}

static void play_row_reset(void *row)
{
    const struct bad *b = row;
    const size_t cuts[] = {0, 1, b->size / 4, b->size / 2, b->size > 0 ? b->size - 1 : 0, b->size};
    struct bystander bystander = bystander_new();

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        size_t cut = cuts[i] <= b->size ? cuts[i] : b->size;

        play_cut(b, BY_PROCESS, /* tcp= */ true, cut);
        play_cut(b, BY_PROCESS, /* tcp= */ false, cut);
    }
    play_cut(b, BY_BLOCKING, /* tcp= */ true, b->size / 2);
    play_cut(b, BY_THREAD, /* tcp= */ true, b->size / 2);
    bystander_check(&bystander);
}

/* ---- odd, but no reason to end anything ---- */

static void test_number_above_uint64(void)
{
    struct duo d = duo_open();
    qmp_message *reply = NULL;
    qmp_pending *p = NULL;
    uint64_t u = 7;
    int64_t i = 7;
    double f = 0;

    submit(d.client, "query-huge", NULL, &p);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("query-huge"),
        PEER_REPLY(
            "{\"return\": [18446744073709551616, 18446744073709551615, 9223372036854775808, -9223372036854775809, "
            "1e400], \"id\": @id}"));
    assert_ok(qmp_pending_wait(p, CHECK_WAIT, &reply, NULL));
    qmp_value array = qmp_reply_value(reply);
    assert_error(qmp_value_uint64(qmp_value_item(array, 0), &u), -ERANGE);
    assert_error(qmp_value_int64(qmp_value_item(array, 0), &i), -ERANGE);
    assert_true(u == 7 && i == 7);
    assert_ok(qmp_value_double(qmp_value_item(array, 0), &f));
    assert_true(f == 18446744073709551616.0);
    assert_ok(qmp_value_uint64(qmp_value_item(array, 1), &u));
    assert_true(u == UINT64_MAX);
    assert_error(qmp_value_int64(qmp_value_item(array, 2), &i), -ERANGE);
    assert_error(qmp_value_int64(qmp_value_item(array, 3), &i), -ERANGE);
    assert_error(qmp_value_double(qmp_value_item(array, 4), &f), -ERANGE);
    qmp_message_unref(reply);
    qmp_pending_unref(p);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void test_reply_with_unknown_id(void)
{
    struct duo d = duo_open();
    struct outcome o = {0};

    submit(d.client, "query-status", &o, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("query-status"),
        PEER_SEND("{\"return\": 1, \"id\": \"nobody's\"}{\"return\": 2, \"id\": 0}"),
        PEER_SEND("{\"error\": {\"class\": \"C\", \"desc\": \"D\"}, \"id\": [null]}"),
        PEER_SEND("{\"return\": 3, \"id\": {\"a\": 1}}{\"return\": 4}"));
    assert_int_equal(drive(d.client), 0);
    assert_int_equal(o.calls, 0);
    assert_int_equal(qmp_client_stray_replies(d.client), 5);
    peer_do(d.peer, PEER_RETURN);
    assert_int_equal(drive(d.client), 0);
    assert_outcome(&o, 0);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void test_two_replies_to_one_id(void)
{
    struct duo d = duo_open();
    struct outcome o = {0}, other = {0};

    submit(d.client, "query-status", &o, NULL);
    submit(d.client, "query-name", &other, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("query-status"), PEER_EXPECT("query-name"),
        PEER_REPLY("{\"return\": 1, \"id\": @1}{\"return\": 2, \"id\": @1}"));
    assert_int_equal(drive(d.client), 0);
    assert_outcome(&o, 0);
    assert_contains(o.reply, "\"return\": 1");
    assert_int_equal(other.calls, 0);
    assert_int_equal(qmp_client_stray_replies(d.client), 1);
    peer_do(
        d.peer, PEER_REPLY("{\"error\": {\"class\": \"C\", \"desc\": \"D\"}, \"id\": @1}{\"return\": 3, \"id\": @2}"));
    assert_int_equal(drive(d.client), 0);
    assert_outcome(&o, 0);
    assert_outcome(&other, 0);
    assert_contains(other.reply, "\"return\": 3");
    assert_int_equal(qmp_client_stray_replies(d.client), 2);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void test_event_without_data(void)
{
    struct duo d = duo_open();
    qmp_listener *l = qmp_client_events(d.client);
    qmp_message *event;
    int64_t when = 0;

    peer_do(d.peer, PEER_EVENT("STOP"));
    drive(d.client);
    event = check_event(l, "STOP");
    assert_int_equal(qmp_value_type(qmp_event_data(event)), QMP_ABSENT);
    assert_int_equal(qmp_value_type(qmp_value_path(qmp_event_data(event), "a.b.0")), QMP_ABSENT);
    assert_ok(qmp_event_timestamp(event, &when));
    assert_true(when == INT64_C(1700000000250000));
    qmp_message_unref(event);
    duo_works(&d, l);
    duo_close(&d);
}

static void test_event_with_odd_data(void)
{
    struct duo d = duo_open();
    qmp_listener *all = qmp_client_events(d.client), *matching = NULL;

    assert_ok(qmp_listener_new(&matching, NULL));
    assert_ok(qmp_listener_add_match(matching, "data.id", "job1"));
    assert_ok(qmp_client_register_listener(d.client, matching));
    peer_do(d.peer, PEER_SEND("{\"event\": \"A\", \"data\": null}{\"event\": \"B\", \"data\": [\"id\", \"job1\"]}"),
        PEER_SEND("{\"event\": \"C\", \"data\": \"job1\"}{\"event\": \"D\", \"data\": {\"id\": {\"id\": \"job1\"}}}"),
        PEER_SEND("{\"data\": {\"id\": \"job1\"}, \"event\": \"E\", \"unknown\": {\"event\": 1}}"));
    drive(d.client);
    assert_events(all, "A", "B", "C", "D", "E");
    assert_event(matching, "E");
    assert_no_event(matching);
    qmp_listener_unref(matching);
    duo_works(&d, all);
    duo_close(&d);
}

static void test_event_without_timestamp(void)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"{\"event\": \"A\"}", -ENOENT},
        {"{\"event\": \"A\", \"timestamp\": {\"seconds\": -1, \"microseconds\": -1}}", -ENOENT},
        {"{\"event\": \"A\", \"timestamp\": {}}", -EPROTO},
        {"{\"event\": \"A\", \"timestamp\": 5}", -EPROTO},
        {"{\"event\": \"A\", \"timestamp\": null}", -EPROTO},
        {"{\"event\": \"A\", \"timestamp\": {\"seconds\": 1}}", -EPROTO},
        {"{\"event\": \"A\", \"timestamp\": {\"seconds\": \"1\", \"microseconds\": 1}}", -EPROTO},
        {"{\"event\": \"A\", \"timestamp\": {\"seconds\": 1, \"microseconds\": 1000000}}", -EPROTO},
        {"{\"event\": \"A\", \"timestamp\": {\"seconds\": 18446744073709551616, \"microseconds\": 1}}", -EPROTO},
    };
    struct duo d = duo_open();
    qmp_listener *l = qmp_client_events(d.client);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t when = 42;

        peer_do(d.peer, PEER_SEND_SIZED(cases[i].text, strlen(cases[i].text)));
        drive(d.client);
        qmp_message *event = check_event(l, "A");
        assert_error(qmp_event_timestamp(event, &when), cases[i].error);
        assert_true(when == 42);
        qmp_message_unref(event);
    }
    duo_works(&d, l);
    duo_close(&d);
}

static void test_blank_lines_and_line_ends(void)
{
    struct duo d = duo_open();
    qmp_listener *l = qmp_client_events(d.client);

    peer_do(d.peer,
        PEER_SEND("\r\n\n\n\t  {\"event\": \"A\"}{\"event\": \"B\"}\n\n{\r\n    \"event\"\t:\r\n\"C\"\r\n}\r\r\r"));
    assert_int_equal(drive(d.client), 0);
    assert_events(l, "A", "B", "C");
    duo_works(&d, l);
    duo_close(&d);
}

/* Just within the limits is fine. */
static void test_limits_are_inclusive(void)
{
    struct duo d = duo_new();
    char text[513];
    size_t n;

    assert_error(qmp_client_set_message_limits(d.client, 0, 8), -EINVAL);
    assert_error(qmp_client_set_message_limits(d.client, 4096, 0), -EINVAL);
    assert_error(qmp_client_set_message_limits(d.client, 4096, QMP_DEPTH_MAX + 1), -EINVAL);
    assert_error(qmp_client_set_message_limits(d.client, (size_t)UINT32_MAX + 1, 8), -EINVAL);
    assert_ok(qmp_client_set_message_limits(d.client, 512, 8));
    duo_connect(&d);
    duo_negotiate(&d);

    n = (size_t)snprintf(text, sizeof(text), "{\"event\": \"BIG\", \"data\": \"%*s\"}", 484, "x");
    assert_int_equal(n, 512);
    peer_do(d.peer, PEER_SEND_SIZED(text, n), PEER_SEND("{\"event\": \"DEEP\", \"data\": [[[[[[[7]]]]]]]}"));
    assert_int_equal(drive(d.client), 0);
    assert_events(qmp_client_events(d.client), "BIG", "DEEP");
    duo_works(&d, qmp_client_events(d.client));
    duo_close(&d);
}

/* ---- servers that say nothing, or not enough ---- */

static void assert_attempt_over(qmp_client *c, int r, int error, enum qmp_failure kind, const char *word)
{
    assert_error(r, error);
    assert_int_equal(qmp_client_failure_kind(c), kind);
    assert_contains(qmp_client_failure(c), word);
    assert_int_equal(qmp_client_runstate(c), QMP_IDLE);
    assert_ok(qmp_listener_clear(qmp_client_events(c), NULL, NULL));
    assert_error(qmp_listener_get(qmp_client_events(c), 0, &(qmp_message *){NULL}), -ENOTCONN);
}

/* The script is what the server says before it falls silent. A greeting lies in the socket before the attempt begins,
 * so that it is heard however busy the machine is. */
static void attempt(const struct peer_step *steps, size_t n, bool greets, enum qmp_failure kind, const char *word)
{
    for (enum mode mode = BY_PROCESS; mode < MODES; mode++) {
        struct duo d = duo_new();
        uint64_t started = check_now();
        int fd, r;

        assert_ok(qmp_client_set_connect_timeout(d.client, 100 * QMP_MILLISECOND));
        if (mode == BY_THREAD) {
            assert_ok(qmp_client_start_thread(d.client));
            d.threaded = true;
        }
        d.peer = peer_new_pair(&fd);
        if (greets)
            peer_do(d.peer, PEER_SEND(PEER_GREETING_TEXT));
        assert_ok(qmp_client_connect_fd(d.client, fd));
        peer_start_steps(d.peer, steps, n);
        r = mode == BY_PROCESS ? drive_to_end(d.client) : qmp_client_wait_running(d.client, CHECK_WAIT);
        assert_true(check_now() - started >= 100 * QMP_MILLISECOND);
        duo_wait_state(&d, QMP_IDLE);
        assert_attempt_over(d.client, r, -ETIMEDOUT, kind, word);

        assert_ok(qmp_client_set_connect_timeout(d.client, CHECK_WAIT));
        duo_reconnect(&d);
        duo_works(&d, qmp_client_events(d.client));
        duo_close(&d);
    }
}

#define ATTEMPT(greets, kind, word, ...)                                                                               \
    attempt((const struct peer_step[]){__VA_ARGS__},                                                                   \
        sizeof((const struct peer_step[]){__VA_ARGS__}) / sizeof(struct peer_step), (greets), (kind), (word))

static void test_never_greets(void)
{
    ATTEMPT(false, QMP_FAILURE_GREETING, "greeting", PEER_WAIT);
}

static void test_only_events_no_greeting(void)
{
    ATTEMPT(false, QMP_FAILURE_GREETING, "greeting", PEER_EVENT("STOP"), PEER_EVENT("RESUME"), PEER_WAIT);
}

static void test_greets_too_slowly(void)
{
    ATTEMPT(false, QMP_FAILURE_GREETING, "greeting", PEER_DRIBBLE("{\"QMP\": {\"version\": {\"qemu\": {\"micro\""),
        PEER_WAIT);
}

static void test_never_answers_the_negotiation(void)
{
    ATTEMPT(true, QMP_FAILURE_NEGOTIATION, "negotiation", PEER_WAIT);
}

static void test_answers_the_negotiation_too_slowly(void)
{
    ATTEMPT(true, QMP_FAILURE_NEGOTIATION, "negotiation", PEER_DRIBBLE("{\"return\": {}, \"id\""), PEER_WAIT);
}

/* A wait that is shorter than the attempt leaves the attempt alone. */
static void test_wait_running_shorter_than_the_attempt(void)
{
    struct duo d = duo_new();

    duo_connect(&d);
    assert_error(qmp_client_wait_running(d.client, 20 * QMP_MILLISECOND), -ETIMEDOUT);
    assert_int_equal(qmp_client_runstate(d.client), QMP_CONNECTING);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_NONE);
    duo_negotiate(&d);
    duo_works(&d, NULL);
    duo_close(&d);
}

static void never_answers(struct duo d)
{
    qmp_message *reply = NULL, *error = NULL;
    uint64_t started = check_now();

    assert_error(qmp_client_execute(d.client, "query-slow", NULL, 50 * QMP_MILLISECOND, &reply, &error), -ETIMEDOUT);
    assert_true(check_now() - started >= 50 * QMP_MILLISECOND);
    assert_null(reply);
    assert_null(error);
    assert_int_equal(qmp_client_runstate(d.client), QMP_RUNNING);
    peer_do(d.peer, PEER_EXPECT("query-slow"), PEER_RETURN);
    duo_works(&d, qmp_client_events(d.client));
    assert_int_equal(qmp_client_stray_replies(d.client), 1);
    duo_close(&d);
}

static void test_never_answers_a_command(void)
{
    never_answers(duo_open());
    never_answers(duo_open_threaded());
}

/* The deadline passes in the middle of the reply; the rest of it comes later, and is dropped. */
static void test_answers_a_command_too_slowly(void)
{
    struct duo d = duo_open();

    peer_start(d.peer, PEER_EXPECT("query-slow"), PEER_DRIBBLE("{\"return\": {\"status\": \"run"), PEER_WAIT,
        PEER_REPLY("ning\"}, \"id\": @id}\r\n"));
    assert_error(qmp_client_execute(d.client, "query-slow", NULL, 100 * QMP_MILLISECOND, NULL, NULL), -ETIMEDOUT);
    peer_go(d.peer);
    peer_join(d.peer);
    duo_works(&d, qmp_client_events(d.client));
    assert_int_equal(qmp_client_stray_replies(d.client), 1);
    duo_close(&d);
}

/* Everything one byte at a time, read one byte at a time. */
static void one_byte_at_a_time(struct duo *d, const char *text)
{
    for (; *text; text++) {
        peer_do(d->peer, PEER_SEND_SIZED(text, 1));
        assert_int_equal(drive(d->client), 0);
    }
}

static void test_one_byte_at_a_time(void)
{
    struct duo d = duo_new();
    struct outcome o = {0};
    char reply[256];

    duo_connect(&d);
    one_byte_at_a_time(&d,
        PEER_EVENT_TEXT("EARLY") "{\r\n    \"QMP\": {\r\n        \"version\": {\r\n        },\r\n    "
                                 "    \"capabilities\": [\r\n        ]\r\n    }\r\n}\r\n");
    peer_do(d.peer, PEER_EXPECT("qmp_capabilities"));
    snprintf(reply, sizeof(reply), "{\"return\": {\r\n    },\r\n \"id\": %s}\r\n", peer_id(d.peer, 0));
    one_byte_at_a_time(&d, reply);
    assert_int_equal(qmp_client_runstate(d.client), QMP_RUNNING);
    submit(d.client, "query-status", &o, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("query-status"));
    one_byte_at_a_time(&d, "{\"event\": \"\\u0041\\\\\\\"\xc3\xa9\xf0\x9f\x98\x80\"}");
    snprintf(reply, sizeof(reply), "{\"return\": \"}]{[\\\"\", \"id\": %s}", peer_id(d.peer, 1));
    one_byte_at_a_time(&d, reply);
    assert_outcome(&o, 0);
    assert_events(qmp_client_events(d.client), "EARLY", "A\\\"\xc3\xa9\xf0\x9f\x98\x80");
    duo_close(&d);
}

static void test_one_byte_at_a_time_threaded(void)
{
    struct duo d = duo_new();
    qmp_message *reply = NULL;

    assert_ok(qmp_client_start_thread(d.client));
    duo_connect(&d);
    peer_start(d.peer, PEER_DRIBBLE(PEER_GREETING_TEXT), PEER_EXPECT("qmp_capabilities"), PEER_RETURN,
        PEER_EXPECT("query-status"), PEER_DRIBBLE(PEER_EVENT_TEXT("STOP")), PEER_RETURN);
    assert_ok(qmp_client_wait_running(d.client, CHECK_WAIT));
    assert_ok(qmp_client_execute(d.client, "query-status", NULL, CHECK_WAIT, &reply, NULL));
    qmp_message_unref(reply);
    peer_join(d.peer);
    assert_event(qmp_client_events(d.client), "STOP");
    duo_close(&d);
}

/* What is good before the first bad byte is delivered, also when it comes in the same packet. */
static void test_good_before_bad(void)
{
    struct duo d = duo_open();
    struct outcome o = {0}, other = {0};

    submit(d.client, "c0", &o, NULL);
    submit(d.client, "c1", &other, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("c0"),
        PEER_REPLY(PEER_EVENT_TEXT("A") "{\"return\": {}, \"id\": @id}" PEER_EVENT_TEXT("B") "]"), PEER_EVENT("C"));
    assert_error(drive_to_end(d.client), -EBADMSG);
    assert_outcome(&o, 0);
    assert_outcome(&other, -ECONNRESET);
    assert_events(qmp_client_events(d.client), "A", "B");
    assert_error(qmp_listener_get(qmp_client_events(d.client), 0, &(qmp_message *){NULL}), -ENOTCONN);
    duo_close(&d);
}

/* A reset while the client is writing: what came before it is delivered first. */
static void test_reset_while_sending(void)
{
    struct duo d = duo_open();
    struct outcome first = {0}, second = {0};

    submit(d.client, "quit", &first, NULL);
    drive(d.client);
    peer_do(d.peer, PEER_EXPECT("quit"), PEER_EVENT("SHUTDOWN"), PEER_RETURN, PEER_CLOSE);
    submit(d.client, "query-status", &second, NULL);
    assert_error(drive_to_end(d.client), -ECONNRESET);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_CLOSED);
    assert_outcome(&first, 0);
    assert_outcome(&second, -ECONNRESET);
    assert_event(qmp_client_events(d.client), "SHUTDOWN");
    duo_reconnect(&d);
    duo_works(&d, qmp_client_events(d.client));
    duo_close(&d);
}

/* The same over TCP, where writing to a closed connection brings a reset. */
static void test_tcp_reset_after_data(void)
{
    struct duo d = duo_new();
    struct outcome o = {0};
    int fd;

    d.peer = peer_new_tcp(&fd);
    assert_ok(qmp_client_connect_fd(d.client, fd));
    peer_start(d.peer, PEER_NEGOTIATE, PEER_EXPECT("quit"), PEER_EVENT("SHUTDOWN"), PEER_RETURN, PEER_RESET);
    assert_ok(qmp_client_wait_running(d.client, CHECK_WAIT));
    submit(d.client, "quit", &o, NULL);
    assert_error(drive_to_end(d.client), -ECONNRESET);
    peer_join(d.peer);
    assert_outcome(&o, 0);
    assert_event(qmp_client_events(d.client), "SHUTDOWN");
    duo_close(&d);
}

static const struct check_test others[] = {
    CHECK_TEST(test_number_above_uint64),
    CHECK_TEST(test_reply_with_unknown_id),
    CHECK_TEST(test_two_replies_to_one_id),
    CHECK_TEST(test_event_without_data),
    CHECK_TEST(test_event_with_odd_data),
    CHECK_TEST(test_event_without_timestamp),
    CHECK_TEST(test_blank_lines_and_line_ends),
    CHECK_TEST(test_limits_are_inclusive),
    CHECK_TEST(test_never_greets),
    CHECK_TEST(test_only_events_no_greeting),
    CHECK_TEST(test_greets_too_slowly),
    CHECK_TEST(test_never_answers_the_negotiation),
    CHECK_TEST(test_answers_the_negotiation_too_slowly),
    CHECK_TEST(test_wait_running_shorter_than_the_attempt),
    CHECK_TEST(test_never_answers_a_command),
    CHECK_TEST(test_answers_a_command_too_slowly),
    CHECK_TEST(test_one_byte_at_a_time),
    CHECK_TEST(test_one_byte_at_a_time_threaded),
    CHECK_TEST(test_good_before_bad),
    CHECK_TEST(test_reset_while_sending),
    CHECK_TEST(test_tcp_reset_after_data),
};

#define N_OTHERS (sizeof(others) / sizeof(others[0]))

int main(int argc, char **argv)
{
    static char names[TABLE_SIZE][2][96];
    struct check_test tests[2 * TABLE_SIZE + N_OTHERS];
    size_t n = 0;

    for (size_t i = 0; i < TABLE_SIZE; i++) {
        void *row = (void *)(uintptr_t)&table[i];

        snprintf(names[i][0], sizeof(names[i][0]), "bad input: %s", table[i].name);
        snprintf(names[i][1], sizeof(names[i][1]), "reset in: %s", table[i].name);
        tests[n++] = (struct check_test)CHECK_CASE(names[i][0], play_row, row);
        tests[n++] = (struct check_test)CHECK_CASE(names[i][1], play_row_reset, row);
    }
    memcpy(tests + n, others, sizeof(others));
    return check_main(argc, argv, tests, n + N_OTHERS);
}
