/* SPDX-License-Identifier: MIT */
/* The player of the session's scripts.
 *
 * It does what a client does with a session, and no more: memory that was fed is gone afterwards, commands live in
 * slots, and what comes out waits in a list until a step asks for it. Between two steps the books are checked: lists,
 * states, counters and limits say the same, no memory is kept without a need, and whatever waits has a reason to. */

#include "test-play.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/message.h"
#include "util/util.h"
#include "json/value.h"

#define TEXT_MAX ((size_t)8192)
/* Words around at most 120 bytes of the server's. */
#define FAILURE_TEXT_MAX ((size_t)300)

static void put(char *out, size_t *n, const char *format, ...) QMP_PRINTF(3, 4);

static void put(char *out, size_t *n, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = vsnprintf(out + *n, TEXT_MAX - *n, format, args);
    va_end(args);
    assert_true(r >= 0 && (size_t)r < TEXT_MAX - *n);
    *n += (size_t)r;
}

static void put_variable(const struct play *p, char name, char *out, size_t *n)
{
    qmp_value id;

    switch (name) {
    case 's':
        put(out, n, "%" PRIu64, p->numbers[0]);
        return;
    case '-':
        put(out, n, "%" PRIu64, p->numbers[1]);
        return;
    case '+':
        put(out, n, "%" PRIu64, p->numbers[0] + 1);
        return;
    case 'n':
    case 'm':
        assert_non_null(p->ids[name == 'm']);
        put(out, n, "%s", p->ids[name == 'm']);
        return;
    default:
        id = p->commands[name - '0'].id;
    }
    assert_non_null(id.text);
    put(out, n, "%.*s", (int)id.size, id.text);
}

/* What a script's text stands for. */
char *play_expand(const struct play *p, const char *text)
{
    char *out = calloc(1, TEXT_MAX);
    size_t n = 0;

    assert_non_null(out);
    for (; *text; text++) {
        if (*text == '$')
            put_variable(p, *++text, out, &n);
        else
            put(out, &n, "%c", *text == '\'' ? '"' : *text);
    }
    return out;
}

/* Of the session's own commands, which it forgets. */
static void note_own(struct play *p)
{
    const union session_own *own = p->session.own;

    for (unsigned i = 0; own && !p->session.agent && i < own->n_negotiations; i++) {
        if (!p->ids[i])
            p->ids[i] = strndup(own->negotiations[i].id.text, own->negotiations[i].id.size);
    }
    if (!own || !p->session.agent || own->sync_number == p->numbers[0])
        return;
    p->numbers[1] = p->numbers[0];
    p->numbers[0] = own->sync_number;
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
        assert_int_equal(p->session.input_size + p->session.beyond_size, 0);
    note_own(p);
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

void play_feed(struct play *p, const char *bytes, size_t size)
{
    if (p->mode == WHOLE)
        feed_piece(p, bytes, size);
    else if (p->mode == IN_PLACE)
        feed_in_place(p, bytes, size);
    else
        for (size_t i = 0; i < size && p->session.state != SESSION_FAILED; i++)
            feed_piece(p, bytes + i, 1);
}

void play_compose(struct play *p, unsigned slot, const struct session_request *request)
{
    struct session_command *c = &p->commands[slot];
    size_t size = 0;

    assert_ok(session_check(request, &size));
    free(p->texts[slot]);
    p->texts[slot] = malloc(size);
    assert_non_null(p->texts[slot]);
    session_compose(&p->session, c, p->texts[slot], request);
    assert_in_range(c->size, 1, size);
    p->carries[slot] = request->n_fds > 0;
}

static void submit(struct play *p, const struct step *s)
{
    char *id = s->as.id ? play_expand(p, s->as.id) : NULL, *text = play_expand(p, s->text);
    struct session_request r = {
        .id = id,
        .oob = s->as.oob,
        .no_id = s->as.no_id,
        .only_errors = s->as.only_errors,
        .fds = p->fds,
        .n_fds = s->as.n_fds,
    };

    *(s->as.ready ? &r.text : &r.command) = text;
    play_compose(p, s->slot, &r);
    assert_error(session_submit(&p->session, &p->commands[s->slot]), s->n);
    free(text);
    free(id);
}

static char *output(struct play *p, size_t *ret_size, const int **ret_fds, size_t *ret_n_fds)
{
    struct iovec iov[64];
    size_t n = session_output(&p->session, iov, ELEMENTS(iov), ret_fds, ret_n_fds), size = 0;
    char *out = calloc(1, 65536);

    assert_non_null(out);
    assert_true(n < ELEMENTS(iov));
    assert_int_equal(n > 0, session_wants_output(&p->session));
    assert_int_equal(*ret_n_fds > 0, *ret_fds != NULL);
    for (size_t i = 0; i < n; i++) {
        assert_true(iov[i].iov_len > 0);
        memcpy(out + size, iov[i].iov_base, iov[i].iov_len);
        size += iov[i].iov_len;
    }
    *ret_size = size;
    return out;
}

char *play_output(struct play *p, size_t *ret_size)
{
    const int *fds;
    size_t n_fds;

    return output(p, ret_size, &fds, &n_fds);
}

static void check_output(struct play *p, const struct step *s)
{
    char *want = play_expand(p, s->text);
    const int *fds;
    size_t size, n_fds;
    char *have = output(p, &size, &fds, &n_fds);

    assert_string_equal(have, want);
    assert_int_equal(size, strlen(want));
    if (s->has_fds) {
        assert_ptr_equal(fds, p->fds);
        assert_in_range(n_fds, 1, FDS_MAX);
        assert_int_equal(n_fds, p->commands[s->slot].n_fds);
    } else {
        assert_null(fds);
    }
    free(have);
    free(want);
}

static void send_but(struct play *p, size_t n)
{
    size_t size;

    free(play_output(p, &size));
    assert_true(size > n);
    session_sent(&p->session, size - n);
}

void play_send_all(struct play *p)
{
    const int *fds;
    struct iovec iov;
    size_t n_fds;

    while (session_output(&p->session, &iov, 1, &fds, &n_fds) > 0)
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
        assert_int_equal(p->session.state, SESSION_RUNNING);
        assert_true(p->session.greeting || !p->session.negotiates);
        return;
    }
    if (s->op == OP_SILENT) {
        assert_int_equal(item.kind, ITEM_REPLY);
        assert_ptr_equal(item.command, &p->commands[s->slot]);
        assert_int_equal(item.command->state, COMMAND_DONE);
        assert_null(item.message);
        return;
    }
    assert_non_null(item.message);
    if (s->op == OP_EVENT) {
        assert_int_equal(item.kind, ITEM_EVENT);
        assert_string_equal(qmp_event_name(item.message), s->text);
        assert_null(item.command);
    } else {
        char *text = play_expand(p, s->text);
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
        char *bytes = play_expand(p, s->bytes);

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
        assert_int_equal(c->silent_success, slots[1] == '+');
        slots += slots[1] == '+';
    }
    assert_null(session_take_command(&p->session));
    assert_false(session_wants_output(&p->session));
}

static bool carries(const struct play *p, const struct session_command *c)
{
    return !session_owns(&p->session, c) && p->carries[c - p->commands];
}

/* What is under way. */
struct books {
    unsigned n_in_band, n_id_less, n_carrying;
};

static void count(const struct play *p, const struct session_command *c, struct books *b)
{
    b->n_in_band += !c->oob;
    b->n_id_less += !c->id.text && !session_owns(&p->session, c);
    b->n_carrying += carries(p, c);
}

static unsigned in_band_max(const struct session *s)
{
    if (s->agent)
        return s->state == SESSION_RUNNING ? 1 : 0;
    return s->negotiates && !s->has_oob ? SESSION_IN_BAND_MAX : SESSION_IN_BAND_MAX_WITH_OOB;
}

static void check_queue(const struct play *p, const struct books *b)
{
    const struct session *s = &p->session;
    bool was_in_band = false, id_less_free = b->n_id_less == 0;

    for (struct list *i = s->queued.next; i != &s->queued; i = i->next) {
        const struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        assert_true(c->state == COMMAND_QUEUED && c->sent == 0);
        if (c->oob) {
            assert_true(!was_in_band && !c->id.text && !id_less_free);
        } else if (!was_in_band) {
            /* There is a reason why the first one waits. */
            was_in_band = true;
            assert_true(b->n_in_band >= in_band_max(s) || (!c->id.text && !id_less_free) ||
                        (carries(p, c) && b->n_carrying > 0));
        }
    }
}

void play_check_books(struct play *p)
{
    struct session *s = &p->session;
    struct books b = {0};
    struct list *i, *next;

    if (s->state == SESSION_FAILED)
        return;
    LIST_FOREACH (i, next, &s->outgoing) {
        const struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        assert_true(c->state == COMMAND_OUTGOING && c->sent < c->size);
        assert_true(c->sent == 0 || i == s->outgoing.next);
        assert_int_equal(c->n_fds > 0, carries(p, c) && c->sent == 0);
        count(p, c, &b);
    }
    LIST_FOREACH (i, next, &s->in_flight) {
        const struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        assert_true(c->state == COMMAND_IN_FLIGHT && c->sent == c->size && c->n_fds == 0);
        count(p, c, &b);
    }
    check_queue(p, &b);
    assert_int_equal(s->n_in_band, b.n_in_band);
    assert_true(b.n_in_band <= (s->agent ? 2 : in_band_max(s)));
    assert_int_equal(s->id_less != NULL, b.n_id_less);
    assert_int_equal(s->with_fds != NULL, b.n_carrying);
    assert_int_equal(frame_pending(&s->frame) == 0, s->frame.pending.allocated == 0);
}

static void check_greeted(const struct play *p, const char *text)
{
    char *want;

    if (!text) {
        assert_null(p->session.greeting);
        return;
    }
    want = play_expand(p, text);
    want[strcspn(want, "\r\n")] = '\0';
    assert_non_null(p->session.greeting);
    assert_value(qmp_message_root(p->session.greeting), want);
    free(want);
}

void play_step(struct play *p, const struct step *s)
{
    char *text;

    switch (s->op) {
    case OP_END:
        break;
    case OP_FEED:
        text = play_expand(p, s->text);
        play_feed(p, text, strlen(text));
        free(text);
        break;
    case OP_RUNNING:
    case OP_EVENT:
    case OP_REPLY:
    case OP_SILENT:
        check_item(p, s);
        break;
    case OP_NOTHING:
        assert_int_equal(p->first, p->n);
        break;
    case OP_SUBMIT:
        submit(p, s);
        break;
    case OP_OUTPUT:
        check_output(p, s);
        break;
    case OP_SEND:
        session_sent(&p->session, (size_t)s->n);
        break;
    case OP_SEND_BUT:
        send_but(p, (size_t)s->n);
        break;
    case OP_SEND_ALL:
        play_send_all(p);
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
    case OP_STATE:
        assert_int_equal(p->session.state, s->n);
        break;
    case OP_GREETED:
        check_greeted(p, s->text);
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
    note_own(p);
    if (s->op != OP_REST)
        play_check_books(p);
}

struct session_options play_options(void)
{
    return (struct session_options){
        .want_oob = true,
        .await_greeting = true,
        .negotiate = true,
        .message_max = SCRIPT_MESSAGE_MAX,
        .depth_max = SCRIPT_DEPTH_MAX,
    };
}

void play_init(struct play *p, enum mode mode, const struct session_options *options)
{
    *p = (struct play){.mode = mode};
    assert_ok(session_init(&p->session, options));
    session_start(&p->session);
    take_items(p);
    play_check_books(p);
}

void play_done(struct play *p)
{
    while (session_take_command(&p->session))
        ;
    while (p->first < p->n)
        qmp_message_unref(p->items[p->first++].message);
    session_done(&p->session);
    for (unsigned i = 0; i < SLOTS; i++)
        free(p->texts[i]);
    for (unsigned i = 0; i < ELEMENTS(p->ids); i++)
        free(p->ids[i]);
}

/* Where a script is, for the words of a failure. */
static struct {
    const char *mode;
    size_t step;
} playing;

void play_script(const struct step *script, const struct session_options *options, unsigned n_modes)
{
    static const char *const names[MODES] = {"whole", "byte by byte", "in place"};

    for (unsigned mode = 0; mode < n_modes; mode++) {
        struct play p;

        playing.mode = names[mode];
        playing.step = 0;
        play_init(&p, mode, options);
        for (; script[playing.step].op != OP_END; playing.step++)
            play_step(&p, &script[playing.step]);
        play_done(&p);
    }
    playing.mode = NULL;
}

void play_say_where(void *script)
{
    const struct step *s = (const struct step *)script + playing.step;

    if (playing.mode)
        print_error("fed %s, step %zu (op %d): %s\n", playing.mode, playing.step, (int)s->op, s->text ? s->text : "");
    playing.mode = NULL;
}
