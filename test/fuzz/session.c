/* SPDX-License-Identifier: MIT */
/* Sessions: whatever a server sends, and whatever is under way meanwhile, the books balance.
 *
 * The input plays both sides: it submits, sends and forgets commands, and it is the server, which says anything,
 * meaningful or not, in pieces. What must hold: each command that is submitted is the caller's again exactly once, and
 * a reply fits its command; what goes out is one line of JSON after the other, but where an agent was made to forget;
 * the messages that come in are those that a stream of the same bytes has; each event among them comes out once, in
 * order, numbered, and no other does; the limits of what is in flight hold; and after the end all is given back.
 *
 * The input: the options (1 byte), then steps, each a byte and perhaps more (see step()). In what the server says,
 * bytes 0x80 to 0x97 stand for the ids of the commands, 0x98 and 0x99 for the negotiations', 0x9a for the number that
 * an agent is asked to repeat, and 0x9b to 0x9f for whole messages. Ids are random elsewhere, and not here. */

#include "reference.h"

#include <errno.h>
#include <unistd.h>

#include "message/message.h"
#include "message/stream.h"
#include "session/session.h"
#include "json/value.h"

#define SLOTS 24u
#define MESSAGE_MAX ((size_t)2000)
#define SCRATCH_SIZE ((size_t)64)
/* The server's and ours. */
#define TEXT_MAX ((size_t)1 << 20)

struct slot {
    struct session_command command;
    char *text;
    bool submitted; /* the session's */
    bool forgotten; /* nobody waits any more, but the session has it */
};

struct play {
    struct session session;
    struct slot slots[SLOTS];
    struct session_tap tap;
    struct dump heard, told; /* the server's bytes, and the messages that the session made of them */
    struct dump out;         /* what was sent */
    uint64_t events, strays, replies;
    char ids[SESSION_NEGOTIATIONS_MAX][SESSION_NEGOTIATION_TEXT_MAX]; /* "" up to the negotiation */
    qmp_message *event;                                               /* received, and to come out next */
    bool ended;
};

/* Instead of the C library's: ids that depend on nothing. */
int getentropy(void *buffer, size_t size)
{
    memset(buffer, 0x5a, size);
    return 0;
}

/* ---- the tap ---- */

static void on_received(void *userdata, const qmp_message *m)
{
    struct play *p = userdata;

    REQUIRE(!p->event);
    dump_string(&p->told, qmp_message_root(m).text, qmp_message_root(m).size);
    if (qmp_message_kind(m) == QMP_EVENT && !p->session.agent)
        p->event = qmp_message_ref((qmp_message *)(uintptr_t)m);
}

static void on_sent(void *userdata, const struct session_command *c)
{
    (void)userdata;
    REQUIRE(c->state == COMMAND_IN_FLIGHT && c->sent == c->size && c->n_fds == 0);
}

static void on_stray(void *userdata, const qmp_message *m)
{
    struct play *p = userdata;

    REQUIRE(qmp_message_kind(m) == QMP_RETURN || qmp_message_kind(m) == QMP_ERROR);
    p->strays++;
}

/* ---- what comes out ---- */

static struct slot *slot_of(struct play *p, const struct session_command *c)
{
    unsigned i = 0;

    while (i < SLOTS && c != &p->slots[i].command)
        i++;
    REQUIRE(i < SLOTS);
    return &p->slots[i];
}

/* The command is the caller's again. */
static void complete(struct play *p, struct session_command *c)
{
    struct slot *slot = slot_of(p, c);

    REQUIRE(slot->submitted && c->state == COMMAND_DONE);
    slot->submitted = slot->forgotten = false;
}

static void on_reply(struct play *p, const struct session_item *item)
{
    qmp_value id = item->message ? message_id(item->message) : (qmp_value){NULL, 0};

    REQUIRE(item->command && !p->event);
    if (!item->message)
        REQUIRE(p->session.agent && item->command->only_errors);
    else
        REQUIRE(qmp_message_kind(item->message) == QMP_RETURN || qmp_message_kind(item->message) == QMP_ERROR);
    if (id.text)
        REQUIRE(json_equal(id, item->command->id));
    else if (item->message)
        REQUIRE(p->session.agent || !item->command->id.text);
    REQUIRE(item->command->sent == item->command->size);
    complete(p, item->command);
}

static void on_event(struct play *p, const struct session_item *item)
{
    REQUIRE(!item->command && item->message == p->event);
    REQUIRE(qmp_message_sequence(item->message) == ++p->events);
    qmp_message_unref(p->event);
    p->event = NULL;
}

static void note_ids(struct play *p)
{
    const union session_own *own = p->session.agent ? NULL : p->session.own;

    for (unsigned i = 0; own && i < own->n_negotiations; i++)
        memcpy(p->ids[i], own->negotiations[i].id.text, own->negotiations[i].id.size);
}

static void take_items(struct play *p)
{
    struct session_item item = {0};
    int r;

    while ((r = session_next(&p->session, &item)) > 0) {
        switch (item.kind) {
        case ITEM_RUNNING:
            REQUIRE(p->session.state == SESSION_RUNNING && !item.message && !item.command);
            break;
        case ITEM_REPLY:
            on_reply(p, &item);
            break;
        case ITEM_EVENT:
            on_event(p, &item);
            break;
        }
        qmp_message_unref(item.message);
    }
    note_ids(p);
    REQUIRE(!p->event);
    REQUIRE(p->session.strays == p->strays && p->session.events == p->events);
    REQUIRE(r == 0 || (p->session.state == SESSION_FAILED && p->session.failure.error == r));
    REQUIRE(p->session.input);
    REQUIRE(r < 0 || p->session.input_size + p->session.beyond_size == 0);
    p->ended = r < 0;
}

/* ---- the caller ---- */

static void compose(struct slot *slot, struct session *s, const struct session_request *request)
{
    size_t size = 0;

    REQUIRE(session_check(request, &size) == 0);
    free(slot->text);
    slot->text = malloc(size);
    REQUIRE(slot->text);
    session_compose(s, &slot->command, slot->text, request);
    REQUIRE(slot->command.size <= size);
}

static void submit(struct play *p, struct slot *slot, uint8_t how)
{
    static int fds[] = {100, 101};
    static const char *const ids[] = {NULL, NULL, "1", "1e0", "\"a\"", "\"\\u0061\"", "{\"a\":[1,null]}", "[]"};
    struct session_request request = {.command = "x", .id = ids[how & 7], .oob = how & 8, .only_errors = how & 16};
    int r;

    if (slot->submitted || p->ended)
        return;
    if (how & 32) {
        request =
            (struct session_request){.text = how & 8 ? "{\"exec-oob\": \"x\"}" : " {\"execute\": \"guest-shutdown\"} "};
    } else if (how & 64) {
        request.id = NULL;
        request.no_id = true;
    } else if ((how & 128) && !request.oob) {
        request.fds = fds;
        request.n_fds = 2;
    }
    compose(slot, &p->session, &request);
    r = session_submit(&p->session, &slot->command);
    REQUIRE(r == 0 || (r == -EEXIST && request.id) || (r == -EOPNOTSUPP && (how & 8)));
    slot->submitted = r == 0;
}

static void forget(struct play *p, struct slot *slot)
{
    if (!slot->submitted || slot->forgotten || p->ended)
        return;
    if (session_forget(&p->session, &slot->command))
        slot->submitted = false;
    else
        slot->forgotten = true;
}

static void send(struct play *p, size_t n)
{
    const int *fds = NULL;
    struct iovec iov[4];
    size_t n_fds = 0, filled = session_output(&p->session, iov, 4, &fds, &n_fds), sent = 0;

    REQUIRE((filled > 0) == session_wants_output(&p->session));
    for (size_t i = 0; i < filled && sent < n; i++) {
        size_t part = iov[i].iov_len < n - sent ? iov[i].iov_len : n - sent;

        REQUIRE(iov[i].iov_len > 0);
        dump_add(&p->out, iov[i].iov_base, part);
        sent += part;
    }
    if (sent > 0)
        session_sent(&p->session, sent);
}

/* ---- the server ---- */

/* What a byte of what the server says stands for. */
static void expand(struct play *p, struct dump *d, uint8_t byte)
{
    static const char *const messages[] = {
        "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n",
        "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\r\n",
        "{\"return\": {}, \"id\": ",
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": ",
        "{\"return\": ",
    };
    const struct session *s = &p->session;
    char number[32];

    if (byte < 0x80 || byte > 0x9f) {
        dump_add(d, &byte, 1);
    } else if (byte < 0x80 + SLOTS) {
        qmp_value id = p->slots[byte - 0x80].text ? p->slots[byte - 0x80].command.id : (qmp_value){NULL, 0};
        dump_add(d, id.text, id.size);
    } else if (byte < 0x9a) {
        dump_add(d, p->ids[byte - 0x98], strlen(p->ids[byte - 0x98]));
    } else if (byte == 0x9a) {
        if (s->agent)
            dump_add(
                d, number, (size_t)snprintf(number, sizeof(number), "%llu", (unsigned long long)s->own->sync_number));
    } else {
        dump_add(d, messages[byte - 0x9b], strlen(messages[byte - 0x9b]));
    }
}

static void feed(struct play *p, const char *bytes, size_t size)
{
    char *copy = input_copy(bytes, size);

    session_feed(&p->session, copy, size);
    take_items(p);
    free(copy);
}

static void feed_in_place(struct play *p, const char *bytes, size_t size)
{
    char scratch[SCRATCH_SIZE], *space = NULL;

    while (size > 0 && !p->ended) {
        size_t room = 0, part;

        REQUIRE(session_space(&p->session, scratch, sizeof(scratch), &space, &room) == 0 && room > 0);
        part = size < room ? size : room;
        memcpy(space, bytes, part);
        session_feed(&p->session, space, part);
        take_items(p);
        bytes += part;
        size -= part;
    }
}

static void say(struct play *p, struct input bytes, bool in_place)
{
    struct dump d = {0};

    while (bytes.size > 0)
        expand(p, &d, input_byte(&bytes));
    if (!p->ended && p->heard.size + d.size < TEXT_MAX && d.size > 0) {
        dump_add(&p->heard, d.text, d.size);
        (in_place ? feed_in_place : feed)(p, d.text, d.size);
    }
    dump_done(&d);
}

/* ---- the properties ---- */

static void check_limits(const struct session *s)
{
    unsigned n_in_band = 0, n_id_less = 0;

    for (unsigned list = 0; list < 2; list++) {
        const struct list *head = list == 0 ? &s->outgoing : &s->in_flight;

        for (struct list *i = head->next; i != head; i = i->next) {
            const struct session_command *c = LIST_ENTRY(i, struct session_command, link);

            REQUIRE(c->state == (list == 0 ? COMMAND_OUTGOING : COMMAND_IN_FLIGHT));
            n_in_band += !c->oob;
            n_id_less += !c->id.text && !session_owns(s, c);
        }
    }
    REQUIRE(n_in_band == s->n_in_band);
    /* Negotiations do not wait for a place, nor does the question to an agent. */
    REQUIRE(n_in_band <= (s->agent ? 2 : SESSION_IN_BAND_MAX + SESSION_NEGOTIATIONS_MAX));
    REQUIRE(s->agent || n_id_less <= 1);
}

/* One of the things that were sent: a command up to its line end, or what an agent was made to forget, which may be
 * anything short of a command. */
static void check_line(const struct session *s, const char *line, size_t size, bool whole)
{
    qmp_value v;

    if (size == 0) {
        REQUIRE(s->agent || !whole);
        return;
    }
    REQUIRE(line[0] == '{');
    if (!whole)
        return;
    REQUIRE(qmp_json_check(line, size, &v, NULL) == 0);
    REQUIRE(v.text == line && v.size == size && qmp_value_type(v) == QMP_OBJECT);
    REQUIRE(qmp_value_member(v, "execute").text || qmp_value_member(v, "exec-oob").text);
}

static void check_output(const struct play *p)
{
    const char *line = p->out.size > 0 ? p->out.text : "", *end = line + p->out.size;

    for (const char *c = line; c < end; c++) {
        if (*c != '\n' && *c != '\xff')
            continue;
        REQUIRE(*c == '\n' || p->session.agent);
        check_line(&p->session, line, (size_t)(c - line), *c == '\n');
        line = c + 1;
    }
    if (line < end)
        check_line(&p->session, line, (size_t)(end - line), false);
}

/* The messages of all that the server said, as a stream of their own. */
static void check_heard(const struct play *p)
{
    const char *data = p->heard.text;
    size_t left = p->heard.size;
    struct dump expected = {0};
    struct stream_flaw flaw;
    qmp_message *m = NULL;
    struct frame f;
    int r;

    frame_init(&f, MESSAGE_MAX, p->session.frame.depth_max);
    while ((r = stream_next(&f, &data, &left, &m, &flaw)) > 0) {
        dump_string(&expected, qmp_message_root(m).text, qmp_message_root(m).size);
        m = qmp_message_unref(m);
    }
    REQUIRE(p->told.size <= expected.size);
    REQUIRE(p->told.size == 0 || memcmp(p->told.text, expected.text, p->told.size) == 0);
    /* All that is there came in, unless the session has failed before. Where a flaw shows only in the end of what is
     * cut, it may still wait for that. */
    REQUIRE(p->ended || p->told.size == expected.size);
    frame_done(&f);
    dump_done(&expected);
}

/* The connection is over: what was under way is given back, each once, and nothing else. */
static void end(struct play *p, int error)
{
    struct session_command *c;

    REQUIRE(session_hang_up(&p->session, error) < 0);
    REQUIRE(p->session.failure.error < 0);
    while ((c = session_take_command(&p->session)) != NULL) {
        REQUIRE(!c->silent_success || (p->session.agent && c->only_errors && c->sent == c->size));
        complete(p, c);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        REQUIRE(!p->slots[i].submitted);
        free(p->slots[i].text);
    }
    REQUIRE(!session_wants_output(&p->session));
}

static void step(struct play *p, struct input *in)
{
    uint8_t byte = input_byte(in);
    struct slot *slot = &p->slots[(byte & 31) % SLOTS];

    switch (byte >> 5) {
    case 0:
    case 1:
        submit(p, slot, input_byte(in));
        break;
    case 2:
        forget(p, slot);
        break;
    case 3:
        send(p, byte & 31);
        break;
    case 4:
        send(p, SIZE_MAX);
        break;
    case 5:
        say(p, input_take(in, (byte & 31) + 1), /* in_place= */ true);
        break;
    default:
        say(p, input_take(in, (byte & 63) + 1), /* in_place= */ false);
    }
    if (!p->ended)
        check_limits(&p->session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t how = input_byte(&in);
    struct session_options options = {
        .agent = how & 1,
        .want_oob = how & 2,
        .await_greeting = !(how & 4),
        .negotiate = !(how & 8),
        .message_max = MESSAGE_MAX,
        .depth_max = how & 16 ? 5 : 1024,
    };
    struct play *p = calloc(1, sizeof(*p));

    REQUIRE(p);
    REQUIRE(session_init(&p->session, &options) == 0);
    p->tap = (struct session_tap){on_received, on_sent, on_stray, p};
    p->session.tap = &p->tap;
    session_start(&p->session);
    take_items(p);
    while (in.size > 0 && p->out.size < TEXT_MAX)
        step(p, &in);
    check_output(p);
    if (!options.agent)
        check_heard(p);
    end(p, how & 32 ? -EPIPE : 0);
    session_done(&p->session);
    dump_done(&p->heard);
    dump_done(&p->told);
    dump_done(&p->out);
    free(p);
    return 0;
}
