/* SPDX-License-Identifier: MIT */
/* The protocol, without a socket. Most tests are scripts: what the server says, what the client submits, what then must
 * come out, step by step. A script is played three times, the server's words fed whole, byte by byte, and in place; and
 * after every step the session's books must balance.
 *
 * In scripts ' stands for ", and $0 … $9 for the id of the command in that slot, $n for the negotiation's, $m for the
 * second one's. The rest are tables (what must not be sent) and a random walk that knows what must be on the wire. */

#include "session/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "message/message.h"
#include "util/util.h"
#include "json/value.h"

#define SLOTS 24u
#define ITEMS_MAX 128u
#define MESSAGE_MAX ((size_t)1 << 20)
#define TEXT_MAX ((size_t)4096)
/* Words around at most 120 bytes of the server's. */
#define FAILURE_TEXT_MAX ((size_t)300)

/* ---- scripts ---- */

enum op {
    OP_END,
    OP_FEED,       /* the server says `text` */
    OP_RUNNING,    /* the next item: negotiated */
    OP_EVENT,      /* the next item: an event of the name `text` */
    OP_REPLY,      /* the next item: the reply to `slot`, whose text holds `text` */
    OP_NOTHING,    /* no item is left */
    OP_SUBMIT,     /* the command `text` in `slot`; n: what session_submit() says */
    OP_SUBMIT_ID,  /* the same, with the id `id` */
    OP_SUBMIT_OOB, /* the same, out-of-band, with or without an id */
    OP_OUTPUT,     /* all that is to be sent is `text` */
    OP_SEND,       /* n bytes of it go out */
    OP_SEND_BUT,   /* all but n bytes of it go out */
    OP_SEND_ALL,   /* all of it goes out, until nothing is left */
    OP_FORGET,     /* nobody waits for `slot` any more; n: whether the session lets go of it */
    OP_STRAYS,     /* n replies were nobody's */
    OP_PENDING,    /* n bytes of a message are there */
    OP_HANG_UP,    /* the connection ends; n: the error */
    OP_FAILED,     /* it has failed: `kind`, n is the errno, `text` one of the words, `bytes` are in what is kept */
    OP_REST        /* what is left comes out, in the order of the slots in `text` */
};

struct step {
    enum op op;
    const char *text;
    int n;
    unsigned slot;
    const char *id;
    enum qmp_failure kind;
    const char *bytes;
};

#define STEP(op_, ...)                                                                                                 \
    {                                                                                                                  \
        .op = OP_##op_, __VA_ARGS__                                                                                    \
    }
#define FEED(text_) STEP(FEED, .text = (text_))
#define RUNNING STEP(RUNNING, .n = 0)
#define EVENT(name) STEP(EVENT, .text = (name))
#define REPLY(slot_, text_) STEP(REPLY, .slot = (slot_), .text = (text_))
#define NOTHING STEP(NOTHING, .n = 0)
#define SUBMIT(slot_, command) STEP(SUBMIT, .slot = (slot_), .text = (command))
#define SUBMIT_ID(slot_, command, id_) STEP(SUBMIT_ID, .slot = (slot_), .text = (command), .id = (id_))
#define SUBMIT_OOB(slot_, command) STEP(SUBMIT_OOB, .slot = (slot_), .text = (command))
#define REFUSED(slot_, command, id_, error)                                                                            \
    STEP(SUBMIT_ID, .slot = (slot_), .text = (command), .id = (id_), .n = (error))
#define REFUSED_OOB(slot_, command, error) STEP(SUBMIT_OOB, .slot = (slot_), .text = (command), .n = (error))
#define OUTPUT(text_) STEP(OUTPUT, .text = (text_))
#define SEND(n_) STEP(SEND, .n = (n_))
#define SEND_BUT(n_) STEP(SEND_BUT, .n = (n_))
#define SEND_ALL STEP(SEND_ALL, .n = 0)
#define FORGET(slot_, gone) STEP(FORGET, .slot = (slot_), .n = (gone))
#define STRAYS(n_) STEP(STRAYS, .n = (n_))
#define PENDING(n_) STEP(PENDING, .n = (n_))
#define HANG_UP(error) STEP(HANG_UP, .n = (error))
#define FAILED(kind_, error, words, bytes_)                                                                            \
    STEP(FAILED, .kind = QMP_FAILURE_##kind_, .n = (error), .text = (words), .bytes = (bytes_))
#define REST(slots) STEP(REST, .text = (slots))

#define SCRIPT(name, ...) static const struct step name[] = {__VA_ARGS__, {.op = OP_END}}

#define GREETING_WITH(capabilities)                                                                                    \
    "{'QMP': {'version': {'qemu': {'micro': 22, 'minor': 2, 'major': 7}}, 'capabilities': [" capabilities "]}}\r\n"
#define GREETING GREETING_WITH("")
#define GREETING_OOB GREETING_WITH("'oob'")
#define NEGOTIATE "{'execute':'qmp_capabilities','id':$n}\n"
#define NEGOTIATE_OOB "{'execute':'qmp_capabilities','arguments':{'enable':['oob']},'id':$n}\n"
#define RETURN(id) "{'return': {}, 'id': " id "}\r\n"
#define ERROR(id) "{'id': " id ", 'error': {'class': 'GenericError', 'desc': 'no such thing'}}\r\n"
#define ERROR_NO_ID(desc) "{'error': {'class': 'GenericError', 'desc': '" desc "'}}\r\n"
#define STOP "{'timestamp': {'seconds': 1, 'microseconds': 2}, 'event': 'STOP'}\r\n"
#define RESUME "{'event': 'RESUME', 'data': {'a': '}'}}\n"
#define COMMAND(name, id) "{'execute':'" name "','id':" id "}\n"
#define COMMAND_OOB(name, id) "{'exec-oob':'" name "','id':" id "}\n"

#define CONNECT FEED(GREETING), OUTPUT(NEGOTIATE), SEND_ALL, FEED(RETURN("$n")), RUNNING, NOTHING
#define CONNECT_OOB FEED(GREETING_OOB), OUTPUT(NEGOTIATE_OOB), SEND_ALL, FEED(RETURN("$n")), RUNNING, NOTHING

enum mode { WHOLE, BYTEWISE, IN_PLACE, MODES };

struct play {
    struct session session;
    enum mode mode;
    struct session_command commands[SLOTS];
    char *texts[SLOTS];
    struct session_item items[ITEMS_MAX];
    unsigned first, n;
};

/* What a script's text stands for. */
static char *expand(const struct play *p, const char *text)
{
    char *out = calloc(1, TEXT_MAX);
    size_t n = 0;

    assert_non_null(out);
    for (; *text; text++) {
        qmp_value id;

        if (*text != '$') {
            out[n++] = (char)(*text == '\'' ? '"' : *text);
            continue;
        }
        text++;
        id = *text == 'n'   ? p->session.negotiations[0].id
             : *text == 'm' ? p->session.negotiations[1].id
                            : p->commands[*text - '0'].id;
        assert_non_null(id.text);
        memcpy(out + n, id.text, id.size);
        n += id.size;
    }
    assert_true(n < TEXT_MAX);
    return out;
}

static void take_items(struct play *p)
{
    struct session_item item = {0};
    int r;

    while ((r = session_next(&p->session, &item)) > 0) {
        assert_true(p->n < ITEMS_MAX);
        p->items[p->n++] = item;
    }
    if (r < 0)
        assert_int_equal(p->session.state, SESSION_FAILED);
    else
        assert_int_equal(p->session.input_size, 0);
}

/* The server's bytes, out of memory that is gone afterwards. */
static void feed_piece(struct play *p, const char *bytes, size_t size)
{
    char *copy = malloc(size);

    assert_non_null(copy);
    session_feed(&p->session, memcpy(copy, bytes, size), size);
    take_items(p);
    free(copy);
}

static void feed_in_place(struct play *p, const char *bytes, size_t size)
{
    char scratch[7];

    while (size > 0 && p->session.state != SESSION_FAILED) {
        size_t room = 0, part;
        char *space = NULL;

        assert_ok(session_space(&p->session, scratch, sizeof(scratch), &space, &room));
        assert_true(room > 0);
        part = MIN(size, room);
        session_feed(&p->session, memcpy(space, bytes, part), part);
        take_items(p);
        memset(scratch, '{', sizeof(scratch));
        bytes += part;
        size -= part;
    }
}

static void feed(struct play *p, const char *bytes, size_t size)
{
    if (p->mode == WHOLE)
        feed_piece(p, bytes, size);
    else if (p->mode == IN_PLACE)
        feed_in_place(p, bytes, size);
    else
        for (size_t i = 0; i < size && p->session.state != SESSION_FAILED; i++)
            feed_piece(p, bytes + i, 1);
}

static void compose(struct play *p, unsigned slot, const char *command, const char *arguments, const char *id, bool oob)
{
    struct session_command *c = &p->commands[slot];
    size_t size = 0;

    assert_ok(session_check_command(command, arguments, id, &size));
    free(p->texts[slot]);
    p->texts[slot] = malloc(size);
    assert_non_null(p->texts[slot]);
    session_compose_command(&p->session, c, p->texts[slot], command, arguments, id, oob);
    assert_in_range(c->size, 1, size);
}

static void submit(struct play *p, const struct step *s)
{
    char *id = s->id ? expand(p, s->id) : NULL;

    compose(p, s->slot, s->text, NULL, id, s->op == OP_SUBMIT_OOB);
    assert_error(session_submit(&p->session, &p->commands[s->slot]), s->n);
    free(id);
}

/* All that is to be sent, in one string. */
static char *output(struct play *p, size_t *ret_size)
{
    struct iovec iov[64];
    size_t n = session_output(&p->session, iov, ELEMENTS(iov)), size = 0;
    char *out = calloc(1, 65536);

    assert_non_null(out);
    assert_true(n < ELEMENTS(iov));
    assert_int_equal(n > 0, session_wants_output(&p->session));
    for (size_t i = 0; i < n; i++) {
        assert_true(iov[i].iov_len > 0);
        memcpy(out + size, iov[i].iov_base, iov[i].iov_len);
        size += iov[i].iov_len;
    }
    *ret_size = size;
    return out;
}

static void check_output(struct play *p, const char *text)
{
    char *want = expand(p, text);
    size_t size;
    char *have = output(p, &size);

    assert_string_equal(have, want);
    free(have);
    free(want);
}

static void send_but(struct play *p, size_t n)
{
    size_t size;

    free(output(p, &size));
    assert_true(size > n);
    session_sent(&p->session, size - n);
}

static void send_all(struct play *p)
{
    struct iovec iov;

    while (session_output(&p->session, &iov, 1) > 0)
        session_sent(&p->session, iov.iov_len);
}

static struct session_item next_item(struct play *p)
{
    if (p->first == p->n)
        fail_msg("no item");
    return p->items[p->first++];
}

static void check_item(struct play *p, const struct step *s)
{
    struct session_item item = next_item(p);

    if (s->op == OP_RUNNING) {
        assert_int_equal(item.kind, ITEM_RUNNING);
        assert_null(item.message);
        assert_null(item.command);
        assert_non_null(p->session.greeting);
        return;
    }
    assert_non_null(item.message);
    if (s->op == OP_EVENT) {
        assert_int_equal(item.kind, ITEM_EVENT);
        assert_string_equal(qmp_event_name(item.message), s->text);
        assert_null(item.command);
    } else {
        char *text = expand(p, s->text);
        qmp_value root = qmp_message_root(item.message);

        assert_int_equal(item.kind, ITEM_REPLY);
        assert_ptr_equal(item.command, &p->commands[s->slot]);
        assert_int_equal(item.command->state, COMMAND_DONE);
        if (!memmem(root.text, root.size, text, strlen(text)))
            fail_msg("the reply is %.*s", (int)root.size, root.text);
        free(text);
    }
    qmp_message_unref(item.message);
}

/* Words for a terminal: short, printable, in UTF-8. */
static void check_failure_text(const struct failure *f)
{
    assert_non_null(f->text);
    assert_in_range(strlen(f->text), 1, FAILURE_TEXT_MAX);
    for (const char *c = f->text; *c; c++)
        assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
    assert_true(json_utf8_valid(f->text, strlen(f->text), true));
}

static void check_failed(struct play *p, const struct step *s)
{
    const struct failure *f = &p->session.failure;
    struct session_item item;

    assert_int_equal(p->session.state, SESSION_FAILED);
    assert_error(f->error, s->n);
    assert_int_equal(f->kind, s->kind);
    assert_contains(f->text, s->text);
    check_failure_text(f);
    assert_true(f->n_bytes <= FAILURE_BYTES_MAX);
    if (s->bytes) {
        char *bytes = expand(p, s->bytes);

        assert_non_null(f->bytes);
        /* What is no JSON is kept from where it stops being it. */
        assert_true(f->n_bytes >= strlen(bytes));
        assert_memory_equal(f->bytes, bytes, strlen(bytes));
        free(bytes);
    }
    /* It stays so, whatever comes. */
    session_feed(&p->session, GREETING, sizeof(GREETING) - 1);
    assert_error(session_next(&p->session, &item), s->n);
    assert_error(session_hang_up(&p->session, -EPIPE), s->n);
    assert_int_equal(f->kind, s->kind);
}

static void check_taken(struct play *p, const char *slots)
{
    struct session_command *c;

    for (; *slots; slots++) {
        c = session_take_command(&p->session);
        assert_ptr_equal(c, &p->commands[*slots - '0']);
        assert_int_equal(c->state, COMMAND_DONE);
    }
    assert_null(session_take_command(&p->session));
    assert_false(session_wants_output(&p->session));
}

/* The numbers, the lists and the states of the commands say the same. */
static void check_books(struct play *p)
{
    struct session *s = &p->session;
    unsigned n_in_band = 0, max = s->has_oob ? 7 : 8;
    struct list *i, *next;

    if (s->state == SESSION_FAILED)
        return;
    LIST_FOREACH (i, next, &s->queued) {
        const struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        assert_true(c->state == COMMAND_QUEUED && !c->oob && c->sent == 0);
    }
    LIST_FOREACH (i, next, &s->outgoing) {
        const struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        assert_true(c->state == COMMAND_OUTGOING && c->sent < c->size);
        assert_true(c->sent == 0 || i == s->outgoing.next);
        n_in_band += !c->oob;
    }
    LIST_FOREACH (i, next, &s->in_flight) {
        const struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        assert_true(c->state == COMMAND_IN_FLIGHT && c->sent == c->size);
        n_in_band += !c->oob;
    }
    assert_int_equal(s->n_in_band, n_in_band);
    assert_true(n_in_band <= max);
    assert_true(list_empty(&s->queued) || n_in_band == max);
    assert_int_equal(frame_pending(&s->frame) == 0, s->frame.pending.allocated == 0);
}

static void play_step(struct play *p, const struct step *s)
{
    char *text;

    switch (s->op) {
    case OP_END:
        break;
    case OP_FEED:
        text = expand(p, s->text);
        feed(p, text, strlen(text));
        free(text);
        break;
    case OP_RUNNING:
    case OP_EVENT:
    case OP_REPLY:
        check_item(p, s);
        break;
    case OP_NOTHING:
        assert_int_equal(p->first, p->n);
        break;
    case OP_SUBMIT:
    case OP_SUBMIT_ID:
    case OP_SUBMIT_OOB:
        submit(p, s);
        break;
    case OP_OUTPUT:
        check_output(p, s->text);
        break;
    case OP_SEND:
        session_sent(&p->session, (size_t)s->n);
        break;
    case OP_SEND_BUT:
        send_but(p, (size_t)s->n);
        break;
    case OP_SEND_ALL:
        send_all(p);
        break;
    case OP_FORGET:
        assert_int_equal(session_forget(&p->session, &p->commands[s->slot]), s->n);
        break;
    case OP_STRAYS:
        assert_int_equal(p->session.strays, s->n);
        break;
    case OP_PENDING:
        assert_int_equal(frame_pending(&p->session.frame), s->n);
        break;
    case OP_HANG_UP:
        session_hang_up(&p->session, s->n);
        break;
    case OP_FAILED:
        check_failed(p, s);
        break;
    case OP_REST:
        check_taken(p, s->text);
        break;
    }
    if (s->op != OP_REST)
        check_books(p);
}

static void play_done(struct play *p)
{
    while (session_take_command(&p->session))
        ;
    while (p->first < p->n)
        qmp_message_unref(p->items[p->first++].message);
    session_done(&p->session);
    for (unsigned i = 0; i < SLOTS; i++)
        free(p->texts[i]);
}

/* Where a script is, for the words of a failure. */
static struct {
    const char *mode;
    size_t step;
} playing;

static void play_script(const struct step *script, bool want_oob, unsigned n_modes)
{
    static const char *const names[MODES] = {"whole", "byte by byte", "in place"};

    for (unsigned mode = 0; mode < n_modes; mode++) {
        struct play p = {.mode = mode};

        playing.mode = names[mode];
        session_init(&p.session, want_oob, /* message_max= */ 1000, /* depth_max= */ 20);
        for (playing.step = 0; script[playing.step].op != OP_END; playing.step++)
            play_step(&p, &script[playing.step]);
        play_done(&p);
    }
    playing.mode = NULL;
}

static void say_where(void *script)
{
    const struct step *s = (const struct step *)script + playing.step;

    if (playing.mode)
        print_error("fed %s, step %zu (op %d): %s\n", playing.mode, playing.step, (int)s->op, s->text ? s->text : "");
    playing.mode = NULL;
}

static void test_script(void *script)
{
    play_script(script, /* want_oob= */ true, MODES);
}

static void test_script_without_oob(void *script)
{
    play_script(script, /* want_oob= */ false, MODES);
}

static void test_script_whole(void *script)
{
    play_script(script, /* want_oob= */ true, WHOLE + 1);
}

/* ---- greeting and negotiation ---- */

SCRIPT(negotiation, NOTHING, FEED(GREETING), NOTHING, OUTPUT(NEGOTIATE), SEND_ALL, OUTPUT(""), NOTHING,
    FEED(RETURN("$n")), RUNNING, NOTHING, OUTPUT(""), STRAYS(0));

SCRIPT(negotiation_oob, FEED(GREETING_OOB), OUTPUT(NEGOTIATE_OOB), SEND_ALL, FEED("{'id': $n, 'return': {}}"), RUNNING,
    SUBMIT_OOB(0, "x"), OUTPUT(COMMAND_OOB("x", "$0")));

SCRIPT(negotiation_many_capabilities, FEED(GREETING_WITH("1, null, 'OOB', {'oob': 'oob'}, ['oob'], '\\u006fob'")),
    OUTPUT(NEGOTIATE_OOB));

SCRIPT(negotiation_no_oob_offered, FEED(GREETING_WITH("'OOB', 'oobx', ['oob']")), OUTPUT(NEGOTIATE), SEND_ALL,
    FEED(RETURN("$n")), RUNNING, REFUSED_OOB(0, "x", -EOPNOTSUPP), OUTPUT(""));

SCRIPT(negotiation_no_oob_wanted, FEED(GREETING_OOB), OUTPUT(NEGOTIATE), SEND_ALL, FEED(RETURN("$n")), RUNNING,
    REFUSED_OOB(0, "x", -EOPNOTSUPP), OUTPUT(""));

SCRIPT(negotiation_in_one_piece_with_events, FEED(STOP GREETING RESUME), EVENT("STOP"), EVENT("RESUME"), NOTHING,
    OUTPUT(NEGOTIATE), SEND_ALL, FEED(STOP RETURN("$n") RESUME), EVENT("STOP"), RUNNING, EVENT("RESUME"), NOTHING);

SCRIPT(negotiation_refused, FEED(GREETING_OOB), SEND_ALL, FEED(STOP ERROR("$n") STOP), EVENT("STOP"), NOTHING,
    FAILED(NEGOTIATION, -EPROTO, "no such thing", "{'id': $n, 'error'"));

SCRIPT(negotiation_reply_before_sent, FEED(GREETING), FEED(RETURN("$n")), NOTHING, STRAYS(1), SEND_ALL,
    FEED(RETURN("$n")), RUNNING);

SCRIPT(negotiation_sent_in_pieces, FEED(GREETING), SEND(1), SEND(10), FEED(STOP), EVENT("STOP"), SEND(20), SEND_ALL,
    OUTPUT(""), FEED(RETURN("$n")), RUNNING);

SCRIPT(foreign_replies, FEED(RETURN("'other-1'") ERROR("7")), STRAYS(2), FEED(GREETING RETURN("'other-2'")), STRAYS(3),
    SEND_ALL, FEED(ERROR("'other-3'") "{'return': {}}" STOP), EVENT("STOP"), NOTHING, STRAYS(5), FEED(RETURN("$n")),
    RUNNING, NOTHING);

#define NEGOTIATE_AGAIN "{'execute':'qmp_capabilities','id':$m}\n"

/* A QEMU that is just starting greets twice and forgets what was negotiated before, whenever that was. */
SCRIPT(greeting_twice, FEED(GREETING GREETING), NOTHING, OUTPUT(NEGOTIATE NEGOTIATE_AGAIN), SEND_ALL,
    FEED(RETURN("$n")), NOTHING, FEED(STOP ERROR("$m")), EVENT("STOP"), RUNNING, NOTHING, STRAYS(0));
SCRIPT(greeting_twice_apart, FEED(GREETING), SEND_ALL, FEED(GREETING), NOTHING, OUTPUT(NEGOTIATE_AGAIN), SEND_ALL,
    FEED(ERROR("$n")), NOTHING, FEED(RETURN("$m")), RUNNING);
SCRIPT(greeting_twice_answered_backwards, FEED(GREETING GREETING), SEND_ALL, FEED(RETURN("$m") RETURN("$n")), RUNNING,
    NOTHING);
SCRIPT(greeting_twice_refused, FEED(GREETING GREETING), SEND_ALL, FEED(ERROR("$n")), NOTHING, FEED(ERROR("$m")),
    NOTHING, FAILED(NEGOTIATION, -EPROTO, "no such thing", "{'id': $m, 'error'"));
SCRIPT(greeting_thrice, FEED(GREETING GREETING GREETING), NOTHING, FAILED(BAD_GREETING, -EPROTO, "again", "{'QMP'"));
SCRIPT(greeting_twice_running, CONNECT, FEED(STOP GREETING), EVENT("STOP"), NOTHING,
    FAILED(BAD_GREETING, -EPROTO, "again", "{'QMP'"));

SCRIPT(greeting_empty, FEED("{'QMP': {}}"), FAILED(BAD_GREETING, -EPROTO, "greeting", "{'QMP': {}}"));
SCRIPT(greeting_null, FEED("{'QMP': null}"), FAILED(BAD_GREETING, -EPROTO, "greeting", NULL));
SCRIPT(greeting_array, FEED("{'QMP': [{'version': {}, 'capabilities': []}]}"),
    FAILED(BAD_GREETING, -EPROTO, "greeting", NULL));
SCRIPT(greeting_no_version, FEED("{'QMP': {'capabilities': []}}"), FAILED(BAD_GREETING, -EPROTO, "version", NULL));
SCRIPT(greeting_version_string, FEED("{'QMP': {'version': '7', 'capabilities': []}}"),
    FAILED(BAD_GREETING, -EPROTO, "version", NULL));
SCRIPT(greeting_no_capabilities, FEED("{'QMP': {'version': {}}}"), FAILED(BAD_GREETING, -EPROTO, "capabilities", NULL));
SCRIPT(greeting_capabilities_object, FEED("{'QMP': {'version': {}, 'capabilities': {'oob': true}}}"),
    FAILED(BAD_GREETING, -EPROTO, "capabilities", NULL));
SCRIPT(greeting_least, FEED("{'QMP':{'capabilities':[],'version':{}},'more':1}"), OUTPUT(NEGOTIATE));

/* ---- what is no QMP ---- */

SCRIPT(garbage_first, FEED("HTTP/1.1 400\r\n"), FAILED(DESERIALIZATION, -EBADMSG, "JSON", "H"));
SCRIPT(garbage_between, CONNECT, FEED(STOP "x" STOP), EVENT("STOP"), NOTHING,
    FAILED(DESERIALIZATION, -EBADMSG, "JSON", "x"));
SCRIPT(garbage_ff, CONNECT, FEED("\xff" STOP), FAILED(DESERIALIZATION, -EBADMSG, "JSON", "\xff"));
SCRIPT(garbage_inside, CONNECT, FEED(STOP "{'return': inf, 'id': 1}"), EVENT("STOP"),
    FAILED(DESERIALIZATION, -EBADMSG, "JSON", "inf, 'id': 1}"));
SCRIPT(no_object, CONNECT, FEED(" [1]"), FAILED(UNEXPECTED_TYPE, -EPROTO, "object", "[1]"));
SCRIPT(no_kind, CONNECT, FEED("{'jsonrpc': 2}"), FAILED(UNEXPECTED_TYPE, -EPROTO, "QMP", "{'jsonrpc': 2}"));
SCRIPT(event_without_name, CONNECT, FEED("{'event': null}"), FAILED(UNEXPECTED_TYPE, -EPROTO, "name", NULL));
SCRIPT(member_twice, CONNECT, FEED("{'return': 1, 'id': 1, 'id': 1}"), FAILED(UNEXPECTED_TYPE, -EPROTO, "twice", NULL));

#define HUNDRED "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define THOUSAND HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
SCRIPT(
    too_large, CONNECT, FEED("{'event': '" THOUSAND "'}"), NOTHING, FAILED(LIMIT, -EMSGSIZE, "1000 bytes", "{'event"));
SCRIPT(too_large_unended, CONNECT, FEED("{'event': '" THOUSAND), FAILED(LIMIT, -EMSGSIZE, "1000 bytes", NULL));
SCRIPT(too_deep, CONNECT, FEED("{'return': [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}"),
    FAILED(LIMIT, -ELOOP, "deeper than 20", "{'retur"));
SCRIPT(just_deep_enough, CONNECT, FEED("{'return': [[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]}"), NOTHING, STRAYS(1));

/* ---- errors without an id ---- */

SCRIPT(id_less_error, CONNECT, SUBMIT(0, "a"), SEND_ALL, FEED(STOP ERROR_NO_ID("JSON parse error, stray x")),
    EVENT("STOP"), NOTHING, FAILED(SERVER_PARSE, -EPROTO, "JSON parse error", "{'error'"), REST("0"));
SCRIPT(id_less_error_first, FEED(ERROR_NO_ID("early")), FAILED(SERVER_PARSE, -EPROTO, "early", "{'error'"));
SCRIPT(id_less_error_negotiating, FEED(GREETING), SEND_ALL, FEED(ERROR_NO_ID("odd")),
    FAILED(SERVER_PARSE, -EPROTO, "odd", "{'error'"));
SCRIPT(id_less_return, CONNECT, SUBMIT(0, "a"), SEND_ALL, FEED("{'return': {}}"), NOTHING, STRAYS(1),
    FEED(RETURN("$0")), REPLY(0, "$0"));

/* ---- replies ---- */

SCRIPT(replies_in_any_order, CONNECT, SUBMIT(0, "a"), SUBMIT(1, "b"), SUBMIT(2, "c"),
    OUTPUT(COMMAND("a", "$0") COMMAND("b", "$1") COMMAND("c", "$2")), SEND_ALL,
    FEED(RETURN("$2") STOP ERROR("$0") RETURN("$1")), REPLY(2, "return"), EVENT("STOP"), REPLY(0, "no such"),
    REPLY(1, "$1"), NOTHING, STRAYS(0));

SCRIPT(two_replies_to_one, CONNECT, SUBMIT(0, "a"), SUBMIT(1, "b"), SEND_ALL,
    FEED(RETURN("$0") RETURN("$0") ERROR("$0")), REPLY(0, "return"), NOTHING, STRAYS(2),
    FEED(RETURN("$1") RETURN("$n")), REPLY(1, "$1"), NOTHING, STRAYS(3));

SCRIPT(reply_before_command_is_sent, CONNECT, SUBMIT_ID(0, "a", "1"), FEED(RETURN("1")), NOTHING, STRAYS(1), SEND(1),
    FEED(RETURN("1")), NOTHING, STRAYS(2), SEND_ALL, FEED(RETURN("1")), REPLY(0, "1"), STRAYS(2));

/* A server acts on a command at its last brace, and may answer before the line end is out. */
SCRIPT(reply_before_line_end_is_sent, CONNECT, SUBMIT_ID(0, "a", "1"), SUBMIT_ID(1, "b", "2"),
    OUTPUT(COMMAND("a", "1") COMMAND("b", "2")), SEND((int)sizeof(COMMAND("a", "1")) - 2), FEED(RETURN("1")),
    REPLY(0, "1"), STRAYS(0), OUTPUT("\n" COMMAND("b", "2")), SEND_ALL, FEED(RETURN("2")), REPLY(1, "2"), STRAYS(0),
    OUTPUT(""), REST(""));
SCRIPT(reply_before_last_line_end_is_sent, CONNECT, SUBMIT_ID(0, "a", "1"), SEND_BUT(1), FORGET(0, false),
    REFUSED(1, "b", "1", -EEXIST), OUTPUT("\n"), FEED(RETURN("1")), REPLY(0, "1"), OUTPUT("\n"), SUBMIT_ID(1, "b", "1"),
    SEND(2), OUTPUT("'execute':'b','id':1}\n"), SEND_ALL, OUTPUT(""), FEED(RETURN("1")), REPLY(1, "1"));
SCRIPT(negotiated_before_line_end_is_sent, FEED(GREETING), SEND_BUT(1), FEED(RETURN("$n")), RUNNING, OUTPUT("\n"),
    SUBMIT_ID(0, "a", "0"), OUTPUT("\n" COMMAND("a", "0")), SEND(1), OUTPUT(COMMAND("a", "0")));
SCRIPT(oob_after_line_end, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SEND_BUT(1), SUBMIT_ID(1, "b", "1"), SUBMIT_OOB(2, "o"),
    OUTPUT("\n" COMMAND_OOB("o", "$2") COMMAND("b", "1")), SEND(1), OUTPUT(COMMAND_OOB("o", "$2") COMMAND("b", "1")));

SCRIPT(ids_by_value, CONNECT, SUBMIT_ID(0, "a", "'\xc3\xa9\xf0\x9f\x98\x80/'"),
    SUBMIT_ID(1, "b", "18446744073709551615"), SUBMIT_ID(2, "c", "{'x': [1, 2], 'y': {'z': null}}"),
    SUBMIT_ID(3, "d", "9007199254740993"), SUBMIT_ID(4, "e", "null"), SUBMIT_ID(5, "f", "-9223372036854775808"),
    SUBMIT_ID(6, "g", "''"), SUBMIT_ID(7, "h", " [ 0.1 ] "), SEND_ALL,
    FEED(RETURN("{'y':{'z':null},'\\u0078':[1,2]}") RETURN("9007199254740992") RETURN("9007199254740993")),
    REPLY(2, "'y'"), REPLY(3, "9007199254740993"), NOTHING, STRAYS(1),
    FEED(RETURN("18446744073709551614") RETURN("18446744073709551615") RETURN("'\\u00E9\\uD83D\\uDE00\\/'")),
    REPLY(1, "18446744073709551615"), REPLY(0, "u00E9"), STRAYS(2),
    FEED(RETURN("false") RETURN("null") RETURN("'\\u0000'") RETURN("''") RETURN("[0.10000000000000001]")),
    REPLY(4, "null"), REPLY(6, "''"), REPLY(7, "[0.1"), STRAYS(4),
    FEED(RETURN("-9223372036854775807") RETURN("-9223372036854775808")), REPLY(5, "-9223372036854775808"), STRAYS(5),
    NOTHING);

SCRIPT(ids_of_other_types, CONNECT, SUBMIT_ID(0, "a", "1"), SUBMIT_ID(1, "b", "'1'"), SUBMIT_ID(2, "c", "[1]"),
    SUBMIT_ID(3, "d", "{'1': 1}"), SUBMIT_ID(4, "e", "true"), SEND_ALL,
    FEED(RETURN("true") RETURN("{'1': 1}") RETURN("[1]") RETURN("'1'") RETURN("1")), REPLY(4, ""), REPLY(3, ""),
    REPLY(2, ""), REPLY(1, ""), REPLY(0, ""), STRAYS(0));

SCRIPT(duplicate_ids, CONNECT, SUBMIT_ID(0, "a", "'i\\u0064'"), REFUSED(1, "b", "'id'", -EEXIST), SEND(5),
    REFUSED(1, "b", " 'id' ", -EEXIST), SEND_ALL, REFUSED(1, "b", "'\\u0069d'", -EEXIST),
    REFUSED(1, "b", "$0", -EEXIST), OUTPUT(""), FEED(RETURN("'id'")), REPLY(0, "'id'"), SUBMIT_ID(1, "b", "'id'"),
    OUTPUT(COMMAND("b", "'id'")), SEND_ALL, FEED(RETURN("'id'")), REPLY(1, "'id'"), NOTHING);

SCRIPT(duplicate_of_own_id, CONNECT, SUBMIT(0, "a"), REFUSED(1, "b", "$0", -EEXIST), SEND_ALL,
    REFUSED(1, "b", "$0", -EEXIST), FEED(RETURN("$0")), REPLY(0, "$0"));

/* ---- the limit ---- */

#define SUBMIT_8                                                                                                       \
    SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SUBMIT_ID(2, "c", "2"), SUBMIT_ID(3, "d", "3"),                    \
        SUBMIT_ID(4, "e", "4"), SUBMIT_ID(5, "f", "5"), SUBMIT_ID(6, "g", "6"), SUBMIT_ID(7, "h", "7")
#define SEVEN                                                                                                          \
    COMMAND("a", "0")                                                                                                  \
    COMMAND("b", "1") COMMAND("c", "2") COMMAND("d", "3") COMMAND("e", "4") COMMAND("f", "5") COMMAND("g", "6")

SCRIPT(limit_without_oob, CONNECT, SUBMIT_8, SUBMIT_ID(8, "i", "8"), SUBMIT_ID(9, "j", "9"),
    OUTPUT(SEVEN COMMAND("h", "7")), SEND_ALL, OUTPUT(""), REFUSED(10, "x", "8", -EEXIST), FEED(STOP), EVENT("STOP"),
    OUTPUT(""), FEED(RETURN("77")), OUTPUT(""), FEED(RETURN("5")), REPLY(5, "5"), OUTPUT(COMMAND("i", "8")), SEND_ALL,
    OUTPUT(""), FEED(RETURN("8") ERROR("0")), REPLY(8, "8"), REPLY(0, "no such"), OUTPUT(COMMAND("j", "9")), SEND_ALL,
    SUBMIT_ID(10, "k", "10"), OUTPUT(COMMAND("k", "10")));

SCRIPT(limit_with_oob, CONNECT_OOB, SUBMIT_8, SUBMIT_ID(8, "i", "8"), OUTPUT(SEVEN), SEND_ALL, OUTPUT(""),
    SUBMIT_OOB(9, "o"), OUTPUT(COMMAND_OOB("o", "$9")), SEND_ALL, FEED(RETURN("$9")), REPLY(9, "$9"), OUTPUT(""),
    FEED(RETURN("6")), REPLY(6, "6"), OUTPUT(COMMAND("h", "7")), FEED(RETURN("5")), REPLY(5, "5"),
    OUTPUT(COMMAND("h", "7") COMMAND("i", "8")));

/* The negotiation is a command in flight too, and gives its place back. */
SCRIPT(limit_after_negotiation, CONNECT_OOB, SUBMIT_8, OUTPUT(SEVEN), SEND_ALL, FEED(RETURN("0") RETURN("1")),
    REPLY(0, "0"), REPLY(1, "1"), OUTPUT(COMMAND("h", "7")));

SCRIPT(limit_with_negotiation, FEED(GREETING_OOB), SUBMIT_8, SEND_ALL, OUTPUT(""), FEED(RETURN("$n")), RUNNING,
    OUTPUT(COMMAND("g", "6")), SEND_ALL, FEED(RETURN("2")), REPLY(2, "2"), OUTPUT(COMMAND("h", "7")));

/* An abandoned command keeps its place until its reply comes. */
SCRIPT(limit_with_forgotten, CONNECT, SUBMIT_8, SUBMIT_ID(8, "i", "8"), SEND_ALL, FORGET(0, false), OUTPUT(""),
    FEED(RETURN("0")), REPLY(0, "0"), OUTPUT(COMMAND("i", "8")));

SCRIPT(limit_many_oob, CONNECT_OOB, SUBMIT_8, SEND_ALL, SUBMIT_OOB(8, "o"), SUBMIT_OOB(9, "p"), SUBMIT_OOB(10, "q"),
    SEND_ALL, FEED(RETURN("$9")), REPLY(9, ""), OUTPUT(""), FEED(RETURN("$8")), REPLY(8, ""), OUTPUT(""),
    FEED(RETURN("3")), REPLY(3, ""), OUTPUT(COMMAND("h", "7")), REST("012456:7"));

/* ---- out-of-band ---- */

SCRIPT(oob_overtakes_unsent, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SUBMIT_OOB(2, "o"),
    OUTPUT(COMMAND_OOB("o", "$2") COMMAND("a", "0") COMMAND("b", "1")), SUBMIT_OOB(3, "p"),
    OUTPUT(COMMAND_OOB("o", "$2") COMMAND_OOB("p", "$3") COMMAND("a", "0") COMMAND("b", "1")), SEND_ALL,
    FEED(RETURN("0") RETURN("$3") RETURN("1") RETURN("$2")), REPLY(0, ""), REPLY(3, ""), REPLY(1, ""), REPLY(2, ""));

SCRIPT(oob_splits_nothing, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND(3), SUBMIT_OOB(2, "o"),
    OUTPUT("xecute':'a','id':0}\n" COMMAND_OOB("o", "$2") COMMAND("b", "1")), SEND(20), SUBMIT_OOB(3, "p"), SEND_ALL,
    FEED(RETURN("$3") RETURN("0")), REPLY(3, ""), REPLY(0, ""));

SCRIPT(oob_splits_no_oob, CONNECT_OOB, SUBMIT_OOB(0, "o"), SUBMIT_ID(1, "b", "1"), SEND(1), SUBMIT_OOB(2, "p"),
    OUTPUT("'exec-oob':'o','id':$0}\n" COMMAND_OOB("p", "$2") COMMAND("b", "1")));

SCRIPT(oob_overtakes_queue, CONNECT_OOB, SUBMIT_8, SUBMIT_OOB(8, "o"), OUTPUT(COMMAND_OOB("o", "$8") SEVEN));

/* ---- giving up ---- */

SCRIPT(forget_unsent, CONNECT, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), FORGET(0, true),
    OUTPUT(COMMAND("b", "1")), SUBMIT_ID(2, "c", "0"), SEND_ALL, FEED(RETURN("0") RETURN("1")), REPLY(2, ""),
    REPLY(1, ""), REST(""));
SCRIPT(forget_partly_sent, CONNECT, SUBMIT_ID(0, "a", "0"), SEND(1), FORGET(0, false),
    OUTPUT("'execute':'a','id':0}\n"), SEND_ALL, REFUSED(1, "b", "0", -EEXIST), FEED(RETURN("0")), REPLY(0, ""),
    NOTHING, STRAYS(0));
SCRIPT(forget_in_flight, CONNECT, SUBMIT_ID(0, "a", "0"), SEND_ALL, FORGET(0, false), REFUSED(1, "b", "0", -EEXIST),
    FEED(RETURN("0")), REPLY(0, ""), STRAYS(0));
SCRIPT(forget_queued, CONNECT, SUBMIT_8, SUBMIT_ID(8, "i", "8"), SUBMIT_ID(9, "j", "9"), SEND_ALL, FORGET(8, true),
    FEED(RETURN("8")), NOTHING, STRAYS(1), FEED(RETURN("0")), REPLY(0, ""), OUTPUT(COMMAND("j", "9")),
    REST("12345679"));
/* Its place goes to the next one. */
SCRIPT(forget_releases, CONNECT, SUBMIT_8, SUBMIT_ID(8, "i", "8"), SUBMIT_ID(9, "j", "9"), FORGET(2, true),
    OUTPUT(COMMAND("a", "0") COMMAND("b", "1") COMMAND("d", "3") COMMAND("e", "4") COMMAND("f", "5") COMMAND("g", "6")
            COMMAND("h", "7") COMMAND("i", "8")),
    REST("013456789"));
SCRIPT(forget_oob, CONNECT_OOB, SUBMIT_8, SUBMIT_OOB(8, "o"), FORGET(8, true), OUTPUT(SEVEN), SUBMIT_OOB(9, "p"),
    SEND(1), FORGET(9, false), SEND_ALL, OUTPUT(""), FEED(RETURN("$9")), REPLY(9, ""), OUTPUT(""));
SCRIPT(forget_first_of_two, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND(1), FORGET(1, true),
    OUTPUT("'execute':'a','id':0}\n"), SUBMIT_OOB(2, "o"), OUTPUT("'execute':'a','id':0}\n" COMMAND_OOB("o", "$2")),
    REST("02"));

/* ---- output ---- */

SCRIPT(partial_output, CONNECT, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND(4),
    OUTPUT("ecute':'a','id':0}\n" COMMAND("b", "1")), SEND_BUT(4), OUTPUT(":1}\n"), SUBMIT_ID(2, "c", "2"),
    OUTPUT(":1}\n" COMMAND("c", "2")), FEED(RETURN("0")), REPLY(0, ""), SEND(4), OUTPUT(COMMAND("c", "2")),
    FEED(RETURN("1")), REPLY(1, ""), SEND(1), SEND_ALL, OUTPUT(""));

/* ---- hanging up ---- */

SCRIPT(hang_up_at_once, HANG_UP(0), FAILED(CLOSED, -ECONNRESET, "closed the connection before its greeting", NULL));
SCRIPT(hang_up_reset, HANG_UP(-ECONNRESET), FAILED(CLOSED, -ECONNRESET, "reset the connection before", NULL));
SCRIPT(hang_up_pipe, CONNECT, HANG_UP(-EPIPE), FAILED(CLOSED, -ECONNRESET, "reset the connection", NULL));
SCRIPT(hang_up_other, CONNECT, SUBMIT(0, "a"), HANG_UP(-EIO), FAILED(CLOSED, -EIO, "broke", NULL), REST("0"));
SCRIPT(hang_up_in_greeting, FEED("  {'QMP': "), PENDING(8), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "before its greeting in the middle of a message, after 8 bytes", NULL));
SCRIPT(hang_up_negotiating, FEED(GREETING), HANG_UP(0), FAILED(CLOSED, -ECONNRESET, "during the negotiation", NULL),
    REST(""));
SCRIPT(hang_up_negotiation_sent, FEED(GREETING), SEND_ALL, FEED("\r\n"), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "during the negotiation", NULL), REST(""));
SCRIPT(hang_up_running, CONNECT, FEED("\r\n  "), PENDING(0), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "closed the connection", NULL));
SCRIPT(hang_up_mid_reply, CONNECT, SUBMIT_ID(0, "a", "0"), SEND_ALL, FEED(STOP "{'return': {}"), EVENT("STOP"), NOTHING,
    PENDING(13), HANG_UP(-ECONNRESET), FAILED(CLOSED, -ECONNRESET, "in the middle of a message, after 13 bytes", NULL),
    REST("0"));
SCRIPT(hang_up_partly_sent, CONNECT_OOB, SUBMIT_8, SEND(3), SUBMIT_OOB(8, "o"), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "closed", NULL), REST("081234567"));
SCRIPT(hang_up_later, CONNECT, FEED("x"), FAILED(DESERIALIZATION, -EBADMSG, "JSON", "x"), HANG_UP(0),
    FAILED(DESERIALIZATION, -EBADMSG, "JSON", "x"));

/* The bytes of the server go to a terminal only as words. */
SCRIPT(failure_escaped, CONNECT, FEED("\x1b]0;title\a\x7f\x80\xff\n" HUNDRED HUNDRED HUNDRED),
    FAILED(DESERIALIZATION, -EBADMSG, "title", "\x1b]0;title\a\x7f\x80\xff\n"));
SCRIPT(failure_escaped_desc, CONNECT, FEED(ERROR_NO_ID("\\u001b[2J \xc2\x9b \xe2\x80\xae" HUNDRED HUNDRED)),
    FAILED(SERVER_PARSE, -EPROTO, "parse", "{'error': {'class': 'GenericError', 'desc': '\\u001b[2J \xc2\x9b"));

SCRIPT(failure_escaped_class, CONNECT,
    FEED("{'error': {'class': '\\u001b" HUNDRED HUNDRED "', 'desc': '\\u0007\\u0000" HUNDRED HUNDRED HUNDRED "'}}"),
    FAILED(SERVER_PARSE, -EPROTO, "parse", "{'error': {'class': '\\u001b"));

/* ---- commands ---- */

static void test_check_command(void)
{
    static const struct {
        const char *command, *arguments, *id;
        int error;
    } table[] = {
        {"query-status", NULL, NULL, 0},
        {"x", "{}", "null", 0},
        {"x", " {\"a\": [1, null, \"\\u0000\"]} \n", " \t18446744073709551616\r\n", 0},
        {"\xc3\xa9\"\\\n\x01", "{}", "{\"a\": [\"\xef\xbf\xbd\"]}", 0},
        {"x", "{\"a\": 1e308, \"b\": -0.0, \"c\": 1e-400}", "[]", 0},

        {NULL, NULL, NULL, -EINVAL},
        {"", NULL, NULL, -EINVAL},
        {"\xff", NULL, NULL, -EINVAL},
        {"x\xc0\x80", NULL, NULL, -EINVAL},
        {"\xed\xa0\x80", NULL, NULL, -EINVAL},
        {"\xef\xbf\xbf", NULL, NULL, -EINVAL},
        {"\xef\xb7\x90", NULL, NULL, -EINVAL},

        {"x", "", NULL, -EBADMSG},
        {"x", " ", NULL, -EBADMSG},
        {"x", "[]", NULL, -EINVAL},
        {"x", "null", NULL, -EINVAL},
        {"x", "1", NULL, -EINVAL},
        {"x", "\"{}\"", NULL, -EINVAL},
        {"x", "{", NULL, -EBADMSG},
        {"x", "{} x", NULL, -EBADMSG},
        {"x", "{}}", NULL, -EBADMSG},
        {"x", "{},\"execute\":\"quit\"", NULL, -EBADMSG},
        {"x", "{'a': 1}", NULL, -EBADMSG},
        {"x", "{\"a\": NaN}", NULL, -EBADMSG},
        {"x", "{\"a\": Infinity}", NULL, -EBADMSG},
        {"x", "{\"a\": 01}", NULL, -EBADMSG},
        {"x", "{\"a\": \"\n\"}", NULL, -EBADMSG},
        {"x", "{\"a\": \"\xff\"}", NULL, -EBADMSG},
        {"x", "{\"a\": \"\\ud800\"}", NULL, -EINVAL},
        {"x", "{\"a\": \"\\udc00\\ud800\"}", NULL, -EINVAL},
        {"x", "{\"a\": \"\\uffff\"}", NULL, -EINVAL},
        {"x", "{\"a\": \"\\ufdd0\"}", NULL, -EINVAL},
        {"x", "{\"a\": \"\\ud83f\\udfff\"}", NULL, -EINVAL},
        {"x", "{\"\xef\xbf\xbe\": 1}", NULL, -EINVAL},
        {"x", "{\"a\": 1e400}", NULL, -EINVAL},
        {"x", "{\"a\": [-1e400]}", NULL, -EINVAL},

        {"x", NULL, "", -EBADMSG},
        {"x", NULL, "x", -EBADMSG},
        {"x", NULL, "1 2", -EBADMSG},
        {"x", NULL, "1}", -EBADMSG},
        {"x", NULL, "\"a", -EBADMSG},
        {"x", NULL, "1e400", -EINVAL},
        {"x", NULL, "\"\xef\xbf\xbf\"", -EINVAL},
        {"x", NULL, "\"\\udfff\"", -EINVAL},
        {"x", "[]", "x", -EINVAL},
    };

    for (unsigned i = 0; i < ELEMENTS(table); i++) {
        size_t size = SIZE_MAX;
        int r = session_check_command(table[i].command, table[i].arguments, table[i].id, &size);

        if (r != table[i].error)
            fail_msg("row %u (%s, %s, %s): %d", i, table[i].command, table[i].arguments, table[i].id, r);
        assert_true(r == 0 ? size < 1000 : size == SIZE_MAX);
    }
}

/* QEMU takes a key twice, however it is written and wherever it is, for a syntax error. */
static void test_check_duplicate_keys(void)
{
    static const char *const twice[] = {
        "{\"a\": 1, \"a\": 1}",
        "{\"a\": 1, \"b\": {\"a\": 1}, \"\\u0061\": 2}",
        "{\"a\": [{\"b\": {\"c\": 1, \"d\": 2, \"c\": 3}}]}",
        "{\"\": 1, \"\": 1}",
    };
    size_t size;

    for (unsigned i = 0; i < ELEMENTS(twice); i++) {
        assert_error(session_check_command("x", twice[i], NULL, &size), -EINVAL);
        assert_error(session_check_command("x", NULL, twice[i], &size), -EINVAL);
    }
    assert_ok(session_check_command("x", "{\"a\": {\"a\": [{\"a\": 1}, {\"a\": 1}]}, \"A\": 1}", NULL, &size));
}

/* QEMU counts the command's own object. */
static void test_check_depth(void)
{
    char text[2100];
    size_t size;

    for (unsigned depth = 1022; depth <= 1025; depth++) {
        memset(text, '[', sizeof(text));
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        assert_error(session_check_command("x", NULL, text, &size), depth <= 1023 ? 0 : -ELOOP);
        memcpy(text, "{\"\":", 4);
        memset(text + 4, '[', depth - 1);
        memset(text + 4 + depth - 1, ']', depth - 1);
        strcpy(text + 4 + 2 * (depth - 1), "}");
        assert_error(session_check_command("x", text, NULL, &size), depth <= 1023 ? 0 : -ELOOP);
    }
}

/* As large as QEMU takes, and one byte more than the session does. */
static void test_check_size(void)
{
    char *text = malloc(SESSION_COMMAND_MAX + 16);
    size_t size;

    assert_non_null(text);
    memset(text, 'x', SESSION_COMMAND_MAX + 8);
    text[SESSION_COMMAND_MAX + 8] = '\0';
    assert_error(session_check_command(text, NULL, NULL, &size), -EMSGSIZE);
    text[0] = '"';
    strcpy(text + SESSION_COMMAND_MAX - 2, "\"");
    assert_error(session_check_command("x", NULL, text, &size), -EMSGSIZE);
    strcpy(text + SESSION_COMMAND_MAX - 1000, "\"");
    assert_error(session_check_command("x", NULL, text, &size), 0);
    assert_in_range(size, SESSION_COMMAND_MAX - 1000, SESSION_COMMAND_MAX);
    memset(text, 'x', SESSION_COMMAND_MAX);
    memcpy(text, "{\"a\":\"", 6);
    strcpy(text + SESSION_COMMAND_MAX - 3, "\"}");
    assert_error(session_check_command("x", text, NULL, &size), -EMSGSIZE);
    /* Each fits, both do not. */
    strcpy(text + SESSION_COMMAND_MAX / 2, "\"}");
    assert_error(session_check_command("x", text, NULL, &size), 0);
    assert_error(session_check_command("x", text, text, &size), -EMSGSIZE);
    free(text);
}

static void check_composed(const char *command, const char *arguments, const char *id, bool oob, const char *want)
{
    struct play p = {.mode = WHOLE};

    session_init(&p.session, true, MESSAGE_MAX, 100);
    compose(&p, 0, command, arguments, id, oob);
    assert_value(((qmp_value){p.commands[0].text, p.commands[0].size}), want);
    assert_int_equal(p.commands[0].state, COMMAND_NEW);
    assert_int_equal(p.commands[0].own_id, id == NULL);
    play_done(&p);
}

static void test_compose(void)
{
    check_composed("a", NULL, "1", false, "{\"execute\":\"a\",\"id\":1}\n");
    check_composed("a", "{}", "\"i\"", true, "{\"exec-oob\":\"a\",\"arguments\":{},\"id\":\"i\"}\n");
    check_composed("a", "\n\t {\"a\" : [ 1 ] }\r ", " [ ] ", false,
        "{\"execute\":\"a\",\"arguments\":{\"a\" : [ 1 ] },\"id\":[ ]}\n");
    check_composed("\"\\\n\x01\xc3\xa9", NULL, "{\"a\":\"}\"}", false,
        "{\"execute\":\"\\\"\\\\\\n\\u0001\xc3\xa9\",\"id\":{\"a\":\"}\"}}\n");
}

/* No id comes twice, neither in one session nor in two, the negotiation's included. */
static void test_own_ids(void)
{
    static char ids[2][500][40];
    struct play p[2] = {{.mode = WHOLE}, {.mode = WHOLE}};

    for (unsigned i = 0; i < 2; i++) {
        session_init(&p[i].session, true, MESSAGE_MAX, 100);
        for (unsigned j = 0; j < 500; j++) {
            if (j == 100) {
                char *greeting = expand(&p[i], GREETING_OOB);

                feed(&p[i], greeting, strlen(greeting));
                free(greeting);
            } else {
                compose(&p[i], 0, "x", NULL, NULL, false);
            }
            qmp_value id = j == 100 ? p[i].session.negotiations[0].id : p[i].commands[0].id;
            assert_in_range(id.size, 3, sizeof(ids[i][j]) - 1);
            memcpy(ids[i][j], id.text, id.size);
        }
        play_done(&p[i]);
    }
    qsort(ids, 1000, sizeof(ids[0][0]), (int (*)(const void *, const void *))strcmp);
    for (unsigned i = 1; i < 1000; i++)
        assert_string_not_equal(((char(*)[40])ids)[i - 1], ((char(*)[40])ids)[i]);
}

static void test_greeting_is_kept(void)
{
    struct play p = {.mode = BYTEWISE};
    char *greeting = expand(&p, GREETING_OOB);

    session_init(&p.session, true, MESSAGE_MAX, 100);
    assert_null(p.session.greeting);
    feed(&p, greeting, strlen(greeting));
    greeting[strlen(greeting) - 2] = '\0';
    assert_value(qmp_message_root(p.session.greeting), greeting);
    assert_int_equal(qmp_message_kind(p.session.greeting), QMP_GREETING);
    free(greeting);
    play_done(&p);
}

static void test_events_are_numbered(void)
{
    struct play p = {.mode = WHOLE};
    char *bytes = expand(&p, STOP GREETING RESUME RETURN("1") STOP);

    session_init(&p.session, true, MESSAGE_MAX, 100);
    feed(&p, bytes, strlen(bytes));
    assert_int_equal(p.n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(qmp_message_sequence(p.items[i].message), i + 1);
    free(bytes);
    play_done(&p);
}

/* A vector for each command, as many as there is room for. */
static void test_output_vectors(void)
{
    struct play p = {.mode = WHOLE};
    struct iovec iov[4] = {{NULL, 0}};
    char *bytes = expand(&p, GREETING);

    session_init(&p.session, true, MESSAGE_MAX, 100);
    assert_int_equal(session_output(&p.session, iov, 4), 0);
    feed(&p, bytes, strlen(bytes));
    send_all(&p);
    free(bytes);
    for (unsigned i = 0; i < 3; i++) {
        compose(&p, i, "x", NULL, NULL, false);
        assert_ok(session_submit(&p.session, &p.commands[i]));
    }
    assert_int_equal(session_output(&p.session, iov, 0), 0);
    assert_int_equal(session_output(&p.session, iov, 2), 2);
    assert_ptr_equal(iov[1].iov_base, p.commands[1].text);
    assert_int_equal(iov[1].iov_len, p.commands[1].size);
    assert_null(iov[2].iov_base);
    assert_int_equal(session_output(&p.session, iov, 4), 3);
    session_sent(&p.session, iov[0].iov_len + 1);
    assert_int_equal(session_output(&p.session, iov, 4), 2);
    assert_ptr_equal(iov[0].iov_base, p.commands[1].text + 1);
    assert_int_equal(p.commands[0].state, COMMAND_IN_FLIGHT);
    play_done(&p);
}

/* Every way to send two commands in two parts. */
static void test_every_split(void)
{
    for (size_t split = 0;; split++) {
        struct play p = {.mode = WHOLE};
        char *bytes = expand(&p, GREETING), *first, *rest;
        size_t total, size;

        session_init(&p.session, true, MESSAGE_MAX, 100);
        feed(&p, bytes, strlen(bytes));
        free(bytes);
        send_all(&p);
        compose(&p, 0, "a", NULL, NULL, false);
        compose(&p, 1, "b", "{\"a\":1}", "2", false);
        assert_ok(session_submit(&p.session, &p.commands[0]));
        assert_ok(session_submit(&p.session, &p.commands[1]));
        first = output(&p, &total);
        assert_int_equal(total, p.commands[0].size + p.commands[1].size);
        session_sent(&p.session, MIN(split, total));
        check_books(&p);
        rest = output(&p, &size);
        assert_int_equal(size, total - MIN(split, total));
        assert_string_equal(rest, first + MIN(split, total));
        send_all(&p);
        check_books(&p);
        free(rest);
        free(first);
        play_done(&p);
        if (split > total)
            break;
    }
}

/* ---- a random walk ---- */

#define WALK_STEPS 4000u

struct walk {
    struct play play;
    unsigned seed;
    bool used[SLOTS], abandoned[SLOTS];
    char wire[1 << 16]; /* what went out and was not heard yet */
    size_t n_wire;
    unsigned heard[SLOTS], n_heard; /* by the server, without a reply */
    unsigned submitted, n_replies;
    uint64_t order[SLOTS], counter, last_in_band;
};

static unsigned below(struct walk *w, unsigned n)
{
    return (unsigned)rand_r(&w->seed) % n;
}

static void walk_submit(struct walk *w)
{
    unsigned slot = below(w, SLOTS);
    bool oob = below(w, 4) == 0;

    if (w->used[slot])
        return;
    compose(&w->play, slot, "x", below(w, 2) ? "{\"a\":\"}{\"}" : NULL, NULL, oob);
    assert_ok(session_submit(&w->play.session, &w->play.commands[slot]));
    w->used[slot] = true;
    w->abandoned[slot] = false;
    w->order[slot] = ++w->counter;
    w->submitted++;
}

/* The server cuts complete commands off what it got, perhaps before their line ends: each is one that was submitted,
 * whole; in-band ones in order. */
static void walk_hear(struct walk *w)
{
    for (;;) {
        unsigned slot;
        size_t size;

        if (w->n_wire > 0 && w->wire[0] == '\n')
            memmove(w->wire, w->wire + 1, --w->n_wire);
        for (slot = 0; slot < SLOTS; slot++) {
            size = w->play.commands[slot].size - 1;
            if (w->used[slot] && size <= w->n_wire && memcmp(w->play.commands[slot].text, w->wire, size) == 0)
                break;
        }
        if (slot == SLOTS) {
            if (memchr(w->wire, '\n', w->n_wire))
                fail_msg("on the wire: %.*s", (int)w->n_wire, w->wire);
            return;
        }
        if (!w->play.commands[slot].oob) {
            assert_true(w->order[slot] > w->last_in_band);
            w->last_in_band = w->order[slot];
        }
        w->heard[w->n_heard++] = slot;
        w->n_wire -= size;
        memmove(w->wire, w->wire + size, w->n_wire);
    }
}

static void walk_send(struct walk *w)
{
    size_t size, part;
    char *bytes = output(&w->play, &size);

    if (size > 0) {
        part = below(w, 3) == 0 ? size : below(w, 4) == 0 ? size - 1 : 1 + below(w, (unsigned)size);
        assert_true(w->n_wire + part < sizeof(w->wire));
        memcpy(w->wire + w->n_wire, bytes, part);
        w->n_wire += part;
        session_sent(&w->play.session, part);
        walk_hear(w);
    }
    free(bytes);
}

static void walk_reply(struct walk *w)
{
    unsigned i, slot;
    char *text;

    if (w->n_heard == 0)
        return;
    i = below(w, w->n_heard);
    slot = w->heard[i];
    w->heard[i] = w->heard[--w->n_heard];
    assert_true(asprintf(&text, "%s{\"return\": {}, \"id\": %.*s}", below(w, 2) ? "{\"event\": \"E\"}\r\n" : "",
                    (int)w->play.commands[slot].id.size, w->play.commands[slot].id.text) > 0);
    w->play.mode = below(w, MODES);
    feed(&w->play, text, strlen(text));
    free(text);
    for (; w->play.first < w->play.n; w->play.first++) {
        struct session_item *item = &w->play.items[w->play.first];

        qmp_message_unref(item->message);
        if (item->kind == ITEM_REPLY)
            assert_ptr_equal(item->command, &w->play.commands[slot]);
    }
    assert_int_equal(w->play.items[w->play.n - 1].kind, ITEM_REPLY);
    w->play.first = w->play.n = 0;
    assert_int_equal(w->play.session.strays, 0);
    w->used[slot] = false;
    w->n_replies++;
}

static void walk_forget(struct walk *w)
{
    unsigned slot = below(w, SLOTS);
    struct session_command *c = &w->play.commands[slot];
    bool unsent = c->sent == 0;

    if (!w->used[slot] || w->abandoned[slot])
        return;
    assert_int_equal(session_forget(&w->play.session, c), unsent);
    if (unsent) {
        w->used[slot] = false;
        w->submitted--;
    } else {
        w->abandoned[slot] = true;
    }
}

static void test_random_walk(void)
{
    static void (*const moves[])(struct walk *) = {
        walk_submit, walk_submit, walk_submit, walk_send, walk_send, walk_reply, walk_forget};
    static struct walk w;
    const char *seed = getenv("WALK_SEED");

    w = (struct walk){.seed = seed ? (unsigned)atoi(seed) : (unsigned)check_now()};
    print_message("WALK_SEED=%u\n", w.seed);
    session_init(&w.play.session, true, MESSAGE_MAX, 100);
    for (const struct step *s = negotiation_oob; s->op != OP_SUBMIT_OOB; s++)
        play_step(&w.play, s);
    for (unsigned i = 0; i < WALK_STEPS; i++) {
        moves[below(&w, ELEMENTS(moves))](&w);
        check_books(&w.play);
    }
    /* Everything that was submitted and not forgotten comes to its end. */
    while (session_wants_output(&w.play.session) || w.n_heard > 0) {
        walk_send(&w);
        walk_reply(&w);
        check_books(&w.play);
    }
    assert_int_equal(w.submitted, w.n_replies);
    assert_true(w.n_replies > WALK_STEPS / 20);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_false(w.used[i]);
    assert_null(session_take_command(&w.play.session));
    play_done(&w.play);
}

#define PLAY(script, runner)                                                                                           \
    {                                                                                                                  \
#script, NULL, (runner), NULL, say_where, (void *)(uintptr_t)(script)                                          \
    }

static const struct check_test tests[] = {
    PLAY(negotiation, test_script),
    PLAY(negotiation_oob, test_script),
    PLAY(negotiation_many_capabilities, test_script),
    PLAY(negotiation_no_oob_offered, test_script),
    PLAY(negotiation_no_oob_wanted, test_script_without_oob),
    PLAY(negotiation_in_one_piece_with_events, test_script),
    PLAY(negotiation_refused, test_script),
    PLAY(negotiation_reply_before_sent, test_script),
    PLAY(negotiation_sent_in_pieces, test_script),
    PLAY(foreign_replies, test_script),
    PLAY(greeting_twice, test_script),
    PLAY(greeting_twice_apart, test_script),
    PLAY(greeting_twice_answered_backwards, test_script),
    PLAY(greeting_twice_refused, test_script),
    PLAY(greeting_thrice, test_script),
    PLAY(greeting_twice_running, test_script),
    PLAY(greeting_empty, test_script),
    PLAY(greeting_null, test_script),
    PLAY(greeting_array, test_script),
    PLAY(greeting_no_version, test_script),
    PLAY(greeting_version_string, test_script),
    PLAY(greeting_no_capabilities, test_script),
    PLAY(greeting_capabilities_object, test_script),
    PLAY(greeting_least, test_script),
    PLAY(garbage_first, test_script),
    PLAY(garbage_between, test_script),
    PLAY(garbage_ff, test_script),
    PLAY(garbage_inside, test_script),
    PLAY(no_object, test_script),
    PLAY(no_kind, test_script),
    PLAY(event_without_name, test_script),
    PLAY(member_twice, test_script),
    PLAY(too_large, test_script),
    PLAY(too_large_unended, test_script),
    PLAY(too_deep, test_script),
    PLAY(just_deep_enough, test_script),
    PLAY(id_less_error, test_script),
    PLAY(id_less_error_first, test_script),
    PLAY(id_less_error_negotiating, test_script),
    PLAY(id_less_return, test_script),
    PLAY(replies_in_any_order, test_script),
    PLAY(two_replies_to_one, test_script),
    PLAY(reply_before_command_is_sent, test_script),
    PLAY(reply_before_line_end_is_sent, test_script),
    PLAY(oob_after_line_end, test_script),
    PLAY(negotiated_before_line_end_is_sent, test_script),
    PLAY(reply_before_last_line_end_is_sent, test_script),
    PLAY(ids_by_value, test_script),
    PLAY(ids_of_other_types, test_script),
    PLAY(duplicate_ids, test_script),
    PLAY(duplicate_of_own_id, test_script),
    PLAY(limit_without_oob, test_script),
    PLAY(limit_with_oob, test_script),
    PLAY(limit_after_negotiation, test_script),
    PLAY(limit_with_negotiation, test_script),
    PLAY(limit_with_forgotten, test_script),
    PLAY(limit_many_oob, test_script),
    PLAY(oob_overtakes_unsent, test_script),
    PLAY(oob_splits_nothing, test_script),
    PLAY(oob_splits_no_oob, test_script),
    PLAY(oob_overtakes_queue, test_script),
    PLAY(forget_unsent, test_script),
    PLAY(forget_partly_sent, test_script),
    PLAY(forget_in_flight, test_script),
    PLAY(forget_queued, test_script),
    PLAY(forget_releases, test_script),
    PLAY(forget_oob, test_script),
    PLAY(forget_first_of_two, test_script),
    PLAY(partial_output, test_script),
    PLAY(hang_up_at_once, test_script),
    PLAY(hang_up_reset, test_script),
    PLAY(hang_up_pipe, test_script),
    PLAY(hang_up_other, test_script),
    PLAY(hang_up_in_greeting, test_script),
    PLAY(hang_up_negotiating, test_script),
    PLAY(hang_up_negotiation_sent, test_script),
    PLAY(hang_up_running, test_script),
    PLAY(hang_up_mid_reply, test_script),
    PLAY(hang_up_partly_sent, test_script),
    PLAY(hang_up_later, test_script),
    PLAY(failure_escaped, test_script_whole),
    PLAY(failure_escaped_desc, test_script),
    PLAY(failure_escaped_class, test_script),
    CHECK_TEST(test_check_command),
    CHECK_TEST(test_check_duplicate_keys),
    CHECK_TEST(test_check_depth),
    CHECK_TEST(test_check_size),
    CHECK_TEST(test_compose),
    CHECK_TEST(test_own_ids),
    CHECK_TEST(test_greeting_is_kept),
    CHECK_TEST(test_events_are_numbered),
    CHECK_TEST(test_output_vectors),
    CHECK_TEST(test_every_split),
    CHECK_TEST(test_random_walk),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, ELEMENTS(tests));
}
