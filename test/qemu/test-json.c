/* SPDX-License-Identifier: MIT */
/* QEMU as a judge of JSON: its parser takes what the library would send, and refuses what the library would not; and
 * whatever QEMU writes, the library reads as a plain second reader does, and as what was meant.
 *
 * Documents go there and back as the id of a command, which may be any value, or there as arguments of a command that
 * has none, which QEMU then says. An error without an id is QEMU's parser refusing. Nothing of the client is between:
 * what it would not send must reach QEMU, too.
 *
 * It refuses to know what the commands mean. */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../fuzz/walk.h"
#include "fixture.h"
#include "message/stream.h"
#include "json/validate.h"

/* So many documents of each kind in each output style. */
#define DOCUMENTS 600u
#define MESSAGE_SIZE_MAX ((size_t)64 << 20)

/* ---- a monitor without a client ---- */

struct wire {
    int fd;
    struct frame frame;
    char buffer[1 << 16];
    const char *data; /* in `buffer`, not read yet */
    size_t size;
};

static void wire_send(struct wire *w, const char *text, size_t size)
{
    while (size > 0) {
        assert_true(check_poll(w->fd, POLLOUT, CHECK_WAIT));
        ssize_t n = send(w->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(n > 0);
        text += n;
        size -= (size_t)n;
    }
}

static void wire_receive(struct wire *w)
{
    assert_true(check_poll(w->fd, POLLIN, CHECK_WAIT));
    ssize_t n = recv(w->fd, w->buffer, sizeof(w->buffer), 0);
    assert_true(n > 0);
    w->data = w->buffer;
    w->size = (size_t)n;
}

/* The library reads it as the other reader does. */
static void check_reading(const qmp_message *m)
{
    qmp_value root = qmp_message_root(m);
    struct dump ours = {0}, theirs = {0};
    struct reference reference = {root.text, root.text + root.size, JSON_DEPTH_MAX, false, false, &theirs};

    if (!reference_document(&reference))
        fail_msg("the other reader refuses: %.*s", (int)root.size, root.text);
    walk(&ours, root);
    if (!dump_equal(&ours, &theirs))
        fail_msg("read differently: %.*s", (int)root.size, root.text);
    dump_done(&ours);
    dump_done(&theirs);
}

/* The next message but events, the caller's; *ret_r is what the reader says when that is no message. */
static qmp_message *wire_read_or_fail(struct wire *w, int *ret_r)
{
    qmp_message *m = NULL;

    while (!m) {
        struct stream_flaw flaw;

        *ret_r = stream_next(&w->frame, &w->data, &w->size, &m, &flaw);
        if (*ret_r < 0)
            return NULL;
        if (*ret_r == 0)
            wire_receive(w);
        else if (qmp_message_kind(m) == QMP_EVENT)
            m = qmp_message_unref(m);
    }
    check_reading(m);
    return m;
}

static qmp_message *wire_read(struct wire *w)
{
    int r = 0;
    qmp_message *m = wire_read_or_fail(w, &r);

    assert_ok(r);
    return m;
}

static struct wire *wire_open(struct fixture *f, enum machine_kind kind)
{
    struct wire *w = calloc(1, sizeof(*w));
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    assert_non_null(w);
    f->machine = machine_start(&(struct machine_options){.kind = kind, .pretty = f->pretty});
    frame_init(&w->frame, MESSAGE_SIZE_MAX, JSON_DEPTH_MAX);
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", machine_address(f->machine, 0));
    w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(w->fd, (struct sockaddr *)&un, sizeof(un)), 0);
    qmp_message *greeting = wire_read(w);
    assert_int_equal(qmp_message_kind(greeting), QMP_GREETING);
    qmp_message_unref(greeting);
    const char negotiation[] = "{\"execute\":\"qmp_capabilities\"}";
    wire_send(w, negotiation, sizeof(negotiation) - 1);
    qmp_message *reply = wire_read(w);
    assert_int_equal(qmp_message_kind(reply), QMP_RETURN);
    qmp_message_unref(reply);
    return w;
}

static void wire_close(struct wire *w)
{
    frame_done(&w->frame);
    close(w->fd);
    free(w);
}

/* ---- what came back is what was sent ---- */

static bool same_number(qmp_value sent, qmp_value came)
{
    int64_t i, j;
    uint64_t u, v;
    double f, g;

    if (qmp_value_int64(sent, &i) == 0)
        return qmp_value_int64(came, &j) == 0 && i == j;
    if (qmp_value_uint64(sent, &u) == 0)
        return qmp_value_uint64(came, &v) == 0 && u == v;
    return qmp_value_double(sent, &f) == 0 && qmp_value_double(came, &g) == 0 && f == g;
}

static bool same_string(qmp_value sent, qmp_value came)
{
    char *a = NULL, *b = NULL;
    size_t a_size = 0, b_size = 0;

    assert_ok(qmp_value_string(sent, &a, &a_size));
    assert_ok(qmp_value_string(came, &b, &b_size));
    bool same = a_size == b_size && memcmp(a, b, a_size) == 0;
    free(a);
    free(b);
    return same;
}

static bool same_value(qmp_value sent, qmp_value came);

static bool same_array(qmp_value sent, qmp_value came)
{
    qmp_value a = {NULL, 0}, b = {NULL, 0};

    while (qmp_value_next(sent, NULL, &a))
        if (!qmp_value_next(came, NULL, &b) || !same_value(a, b))
            return false;
    return !qmp_value_next(came, NULL, &b);
}

/* QEMU's objects have no order. */
static bool same_object(qmp_value sent, qmp_value came)
{
    qmp_value key = {NULL, 0}, item = {NULL, 0}, other_key = {NULL, 0}, other = {NULL, 0};
    size_t n = 0;

    for (; qmp_value_next(sent, &key, &item); n++) {
        do
            if (!qmp_value_next(came, &other_key, &other))
                return false;
        while (!same_string(key, other_key));
        if (!same_value(item, other))
            return false;
        other = (qmp_value){NULL, 0};
    }
    while (qmp_value_next(came, NULL, &other))
        n--;
    return n == 0;
}

static bool same_value(qmp_value sent, qmp_value came)
{
    enum qmp_type type = qmp_value_type(sent);

    if (qmp_value_type(came) != type)
        return false;
    if (type == QMP_NUMBER)
        return same_number(sent, came);
    if (type == QMP_STRING)
        return same_string(sent, came);
    if (type == QMP_ARRAY)
        return same_array(sent, came);
    if (type == QMP_OBJECT)
        return same_object(sent, came);
    return sent.size == came.size && memcmp(sent.text, came.text, sent.size) == 0;
}

/* ---- documents ---- */

static uint64_t random_state;

/* xorshift64*, so that the documents are the same everywhere. */
static uint64_t random_bits(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static unsigned random_below(unsigned n)
{
    return (unsigned)(random_bits() >> 33) % n;
}

/* As near to the edges as everywhere: a number of so many bits as comes. */
static uint64_t random_number(void)
{
    static const uint64_t edges[] = {0, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX, UINT64_C(1) << 53, UINT32_MAX};

    if (random_below(4) == 0)
        return edges[random_below(ELEMENTS(edges))] + random_below(3) - 1;
    return random_bits() >> random_below(64);
}

static double random_double(void)
{
    double f = INFINITY;
    uint64_t bits;

    if (random_below(2) == 0)
        return (double)(int64_t)random_number() / (1 << random_below(8));
    while (!isfinite(f)) {
        bits = random_bits();
        memcpy(&f, &bits, sizeof(f));
    }
    return f;
}

static bool is_character(unsigned long c)
{
    return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF) && (c < 0xFDD0 || c > 0xFDEF) && (c & 0xFFFE) != 0xFFFE;
}

/* A code point that QEMU takes: most are short ones. */
static unsigned long random_character(void)
{
    static const unsigned long special[] = {
        0, '"', '\\', '\'', '/', '%', 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x10FFFD};
    unsigned long c;

    if (random_below(6) == 0)
        return special[random_below(ELEMENTS(special))];
    do
        c = (unsigned long)(random_bits() >> (43 + random_below(14)));
    while (!is_character(c));
    return c;
}

static void write_escape(FILE *out, unsigned long c)
{
    if (c >= 0x10000)
        fprintf(out, "\\u%04lx\\u%04lX", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
    else
        fprintf(out, random_below(2) ? "\\u%04lx" : "\\u%04lX", c);
}

static void write_character(FILE *out, unsigned long c)
{
    struct dump utf8 = {0};

    if (c < 0x20 || c == '"' || c == '\\' || random_below(3) == 0) {
        write_escape(out, c);
        return;
    }
    reference_encode(&utf8, c);
    fwrite(utf8.text, 1, utf8.size, out);
    dump_done(&utf8);
}

static void write_string(FILE *out)
{
    static const char *const escapes[] = {"\\n", "\\t", "\\r", "\\b", "\\f", "\\/", "\\\\", "\\\""};
    static const unsigned long noncharacters[] = {0xFFFE, 0xFFFF, 0xFDD0, 0xFDEF, 0x1FFFE, 0x10FFFF};

    fputc('"', out);
    for (unsigned n = random_below(random_below(8) ? 12 : 300); n > 0; n--) {
        if (random_below(10) == 0)
            fputs(escapes[random_below(ELEMENTS(escapes))], out);
        else
            write_character(out, random_character());
    }
    if (random_below(100) == 0)
        write_character(out, noncharacters[random_below(ELEMENTS(noncharacters))]);
    if (random_below(100) == 0)
        fprintf(out, "\\ud8%02x", random_below(256)); /* half a surrogate pair */
    fputc('"', out);
}

static void write_number(FILE *out)
{
    static const char *const odd[] = {"-0", "-0.0", "0e0", "1E+2", "1e-400", "0.10", "1.7976931348623157e308", "1e22",
        "4.9e-324", "18446744073709551616", "-9223372036854775809", "123456789012345678901234567890"};

    switch (random_below(4)) {
    case 0:
        fprintf(out, "%" PRId64, (int64_t)random_number());
        break;
    case 1:
        fprintf(out, "%" PRIu64, random_number());
        break;
    case 2:
        fprintf(out, "%.*g", 1 + (int)random_below(20), random_double() / 16);
        break;
    default:
        fputs(odd[random_below(ELEMENTS(odd))], out);
    }
}

static void write_space(FILE *out)
{
    if (random_below(8) == 0)
        fputc(" \t\r\n"[random_below(4)], out);
}

/* Any value, spelled in any way. */
static void write_value(FILE *out, unsigned depth)
{
    static const char *const literals[] = {"null", "true", "false"};
    unsigned kind = random_below(depth == 0 ? 5 : 10);

    write_space(out);
    if (kind == 0) {
        fputs(literals[random_below(3)], out);
    } else if (kind < 3) {
        write_number(out);
    } else if (kind < 5) {
        write_string(out);
    } else {
        bool object = kind < 8;

        fputc(object ? '{' : '[', out);
        for (unsigned n = random_below(5), i = 0; i < n; i++) {
            fputs(i > 0 ? "," : "", out);
            write_space(out);
            if (object && random_below(8) == 0)
                fputs("\"twice\"", out);
            else if (object)
                write_string(out);
            fputs(object ? ":" : "", out);
            write_value(out, depth - 1);
        }
        fputc(object ? '}' : ']', out);
    }
    write_space(out);
}

static void spell_document(FILE *out)
{
    unsigned depth = random_below(200);

    if (depth > 0) {
        write_value(out, /* depth= */ 5);
        return;
    }
    depth = 1 + random_below(JSON_DEPTH_MAX - 2);
    for (unsigned i = 0; i < depth; i++)
        fputs(i % 2 ? "[" : "{\"a\":", out);
    write_number(out);
    while (depth > 0)
        fputc(--depth % 2 ? ']' : '}', out);
}

/* A value with the library's writer, which must be able to. */
static void make_value(qmp_writer *w, const char *key, unsigned depth)
{
    struct dump text = {0};
    unsigned kind = random_below(depth == 0 ? 6 : 10);

    switch (kind) {
    case 0:
        qmp_writer_null(w, key);
        break;
    case 1:
        qmp_writer_bool(w, key, random_below(2));
        break;
    case 2:
        qmp_writer_int64(w, key, (int64_t)random_number());
        break;
    case 3:
        qmp_writer_uint64(w, key, random_number());
        break;
    case 4:
        qmp_writer_double(w, key, random_double());
        break;
    case 5:
        for (unsigned n = random_below(12); n > 0; n--)
            reference_encode(&text, random_character());
        qmp_writer_string_sized(w, key, text.text ? text.text : "", text.size);
        dump_done(&text);
        break;
    default:
        if (kind == 6)
            qmp_writer_begin_array(w, key);
        else
            qmp_writer_begin_object(w, key);
        for (unsigned n = random_below(5); n > 0; n--) {
            char name[16];

            snprintf(name, sizeof(name), "%u\u00e9\n", n);
            make_value(w, kind == 6 ? NULL : name, depth - 1);
        }
        qmp_writer_end(w);
    }
}

static void make_document(FILE *out)
{
    qmp_writer *w = NULL;
    const char *text;

    assert_ok(qmp_writer_new(&w));
    make_value(w, /* key= */ NULL, /* depth= */ 5);
    assert_ok(qmp_writer_finish(w, &text));
    fputs(text, out);
    qmp_writer_free(w);
}

/* ---- the scenarios ---- */

/* A command with a document in it: as its id, or in its arguments. */
static char *command_with(void (*document)(FILE *out), bool as_id, size_t *ret_size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_size);

    assert_non_null(out);
    fputs(as_id ? "{\"execute\":\"query-name\",\"id\":" : "{\"execute\":\"query-name\",\"id\":1,\"arguments\":{\"a\":",
        out);
    document(out);
    fputs(as_id ? "}" : "}}", out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* The command is answered, under its id. */
static void check_taken(struct wire *w, qmp_value command)
{
    qmp_message *reply = wire_read(w);
    qmp_value sent = qmp_value_member(command, "id"), came = qmp_value_member(qmp_message_root(reply), "id");

    if (qmp_value_type(came) == QMP_ABSENT)
        fail_msg("QEMU says \"%s\" to %.*s", qmp_reply_error_desc(reply), (int)command.size, command.text);
    if (!same_value(sent, came))
        fail_msg("%.*s came back as %.*s", (int)sent.size, sent.text, (int)came.size, came.text);
    qmp_message_unref(reply);
}

/* The command's only answers are errors without an id, up to that of the next command. */
static void check_not_taken(struct wire *w, const char *command, const char *why)
{
    static const char next[] = "{\"execute\":\"query-name\",\"id\":\"next\"}";
    unsigned errors = 0;

    wire_send(w, next, sizeof(next) - 1);
    for (bool done = false; !done;) {
        qmp_message *reply = wire_read(w);
        qmp_value id = qmp_value_member(qmp_message_root(reply), "id");

        done = qmp_value_equals(id, "next");
        errors += qmp_message_kind(reply) == QMP_ERROR;
        if (!done && qmp_value_type(id) != QMP_ABSENT)
            fail_msg("QEMU takes what is not sent (%s): %s", why, command);
        qmp_message_unref(reply);
    }
    if (errors == 0)
        fail_msg("QEMU ignores what is not sent (%s): %s", why, command);
}

static bool refused_by_qemu(enum json_flaw flaw)
{
    return flaw == JSON_SURROGATE || flaw == JSON_NONCHARACTER || flaw == JSON_DUPLICATE || flaw == JSON_ZERO;
}

static void exchange(struct fixture *f, void (*document)(FILE *out), unsigned *ret_taken, unsigned *ret_refused)
{
    struct wire *w = wire_open(f, MACHINE_NONE);

    random_state = f->pretty ? 20220419 : 20221214;
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        struct json_scan scan;
        size_t size = 0;
        char *command = command_with(document, /* as_id= */ i % 3 > 0, &size);

        wire_send(w, command, size);
        if (json_validate_for_qemu(command, size, JSON_DEPTH_MAX, &scan) == 0) {
            check_taken(w, (qmp_value){command, size});
            ++*ret_taken;
        } else {
            assert_true(refused_by_qemu(scan.flaw));
            check_not_taken(w, command, json_flaw_string(scan.flaw));
            ++*ret_refused;
        }
        free(command);
    }
    wire_close(w);
}

static void spelled_documents(struct fixture *f)
{
    unsigned taken = 0, refused = 0;

    exchange(f, spell_document, &taken, &refused);
    assert_true(taken > DOCUMENTS / 2);
    assert_true(refused > DOCUMENTS / 20);
}

static void written_documents(struct fixture *f)
{
    unsigned taken = 0, refused = 0;

    exchange(f, make_document, &taken, &refused);
    assert_int_equal(taken, DOCUMENTS);
}

/* QEMU takes a number that no double holds, but writes what is no JSON. That is why none is sent. */
static void infinity(struct fixture *f)
{
    static const char command[] = "{\"execute\":\"query-name\",\"id\":1e400}";
    struct wire *w = wire_open(f, MACHINE_NONE);
    struct json_scan scan;
    int r = 0;

    assert_error(json_validate_for_qemu(command, sizeof(command) - 1, JSON_DEPTH_MAX, &scan), -EINVAL);
    assert_int_equal(scan.flaw, JSON_RANGE);
    wire_send(w, command, sizeof(command) - 1);
    assert_null(wire_read_or_fail(w, &r));
    assert_error(r, -EBADMSG);
    wire_close(w);
}

/* All queries without arguments: their values or what they miss. */
static void ask_everything(struct fixture *f, enum machine_kind kind, unsigned at_least)
{
    static const char list[] = "{\"execute\":\"query-commands\"}";
    struct wire *w = wire_open(f, kind);
    qmp_value item = {NULL, 0};
    unsigned n = 0;

    wire_send(w, list, sizeof(list) - 1);
    qmp_message *commands = wire_read(w);
    while (qmp_value_next(qmp_reply_value(commands), NULL, &item)) {
        char *name = NULL;

        assert_ok(qmp_value_string(qmp_value_member(item, "name"), &name, NULL));
        if (strncmp(name, "query-", 6) == 0) {
            char *command = qmp_json("{'execute': %s, 'id': %s}", name, name);

            assert_non_null(command);
            wire_send(w, command, strlen(command));
            check_taken(w, (qmp_value){command, strlen(command)});
            free(command);
            n++;
        }
        free(name);
    }
    assert_true(n >= at_least);
    qmp_message_unref(commands);
    wire_close(w);
}

static void answers_of_a_pc(struct fixture *f)
{
    ask_everything(f, MACHINE_PC, /* at_least= */ 60);
}

static void answers_of_a_storage_daemon(struct fixture *f)
{
    ask_everything(f, MACHINE_STORAGE, /* at_least= */ 8);
}

int main(int argc, char **argv)
{
    static const struct scenario scenarios[] = {
        {"spelled documents", spelled_documents, CALLER_DRIVEN_ONLY},
        {"written documents", written_documents, CALLER_DRIVEN_ONLY},
        {"infinity", infinity, CALLER_DRIVEN_ONLY},
        {"answers of a PC", answers_of_a_pc, CALLER_DRIVEN_ONLY},
        {"answers of a storage daemon", answers_of_a_storage_daemon, CALLER_DRIVEN_ONLY},
    };

    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
