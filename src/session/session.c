/* SPDX-License-Identifier: MIT */
/* The protocol, without I/O: bytes in, items out; commands in, bytes out.
 *
 *     GREETING ──greeting──▸ NEGOTIATING ──reply──▸ RUNNING        any of them ──violation──▸ FAILED
 *
 * Real servers are looser than the specification, and the session is as loose as they are: events may come before the
 * greeting and before the negotiation's reply; the first reply on a connection may be to the previous client's command;
 * replies come in any order with ids written in another way than they were sent; a QEMU that is just starting may greet
 * twice, and forgets what was negotiated before. So every command has an id (the negotiation too), ids are unique for
 * each process and session (a random part, then a counter), and replies are matched by value. A reply that matches
 * nothing is dropped and counted; an error without an id is QEMU telling that it could not parse what it got, after
 * which nothing can be trusted.
 *
 * In-band commands in flight are limited; the rest waits here, in order. Out-of-band ones overtake everything that has
 * not begun to be sent. A command that nobody waits for any more still occupies its place in QEMU's queue, so it stays
 * in flight until its late reply comes.
 *
 * It refuses to know descriptors, clocks, threads, and who waits for a command. */

#include "session/session.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <qmp/error.h>

#include "message/stream.h"
#include "util/util.h"
#include "json/validate.h"
#include "json/value.h"

/* "7f3a9c21d4e5-18446744073709551615", quoted, with its NUL. */
#define ID_SIZE_MAX ((size_t)40)

/* How much of an error reply ends up in a text for people. */
#define CLASS_SHOWN_MAX ((size_t)40)
#define DESC_SHOWN_MAX ((size_t)200)

static uint64_t random_nonce(void)
{
    uint64_t nonce;

    if (getentropy(&nonce, sizeof(nonce)) < 0)
        nonce = time_now() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid();
    return nonce & UINT64_C(0xffffffffffff);
}

void session_init(struct session *s, bool want_oob, size_t message_max, unsigned depth_max)
{
    *s = (struct session){.state = SESSION_GREETING, .want_oob = want_oob, .nonce = random_nonce()};
    frame_init(&s->frame, message_max, depth_max);
    list_init(&s->queued);
    list_init(&s->outgoing);
    list_init(&s->in_flight);
}

void session_done(struct session *s)
{
    frame_done(&s->frame);
    s->greeting = qmp_message_unref(s->greeting);
    failure_done(&s->failure);
}

/* ---- commands ---- */

static const char execute[] = "{\"execute\":", exec_oob[] = "{\"exec-oob\":";
static const char arguments_key[] = ",\"arguments\":", id_key[] = ",\"id\":", command_end[] = "}\n";

static int check_json(const char *text, unsigned depth_max, qmp_value *ret)
{
    struct json_scan scan;
    size_t size = strlen(text);
    int r;

    if (size > SESSION_COMMAND_MAX)
        return -EMSGSIZE;
    r = json_validate_for_qemu(text, size, depth_max, &scan);
    if (r < 0)
        return r;
    *ret = (qmp_value){text + scan.value, scan.value_size};
    return 0;
}

int session_check_command(const char *command, const char *arguments, const char *id, size_t *ret_size)
{
    size_t size = sizeof(exec_oob) + sizeof(arguments_key) + sizeof(id_key) + sizeof(command_end), n;
    qmp_value v;
    int r;

    if (!command || command[0] == '\0')
        return -EINVAL;
    n = strlen(command);
    if (n > SESSION_COMMAND_MAX)
        return -EMSGSIZE;
    if (!json_utf8_valid(command, n, /* refuse_noncharacters= */ true))
        return -EINVAL;
    size += 6 * n + 2;
    if (arguments) {
        r = check_json(arguments, JSON_DEPTH_MAX - 1, &v);
        if (r < 0)
            return r;
        if (qmp_value_type(v) != QMP_OBJECT)
            return -EINVAL;
        size += v.size;
    }
    if (id) {
        r = check_json(id, JSON_DEPTH_MAX - 1, &v);
        if (r < 0)
            return r;
        size += v.size;
    } else {
        size += ID_SIZE_MAX;
    }
    if (size > SESSION_COMMAND_MAX)
        return -EMSGSIZE;
    *ret_size = size;
    return 0;
}

static char *put(char *to, const void *text, size_t size)
{
    memcpy(to, text, size);
    return to + size;
}

/* White space around an argument is the caller's business, not the wire's. */
static char *put_json(char *to, const char *text)
{
    size_t size;

    text += strspn(text, " \t\r\n");
    size = strlen(text);
    while (strchr(" \t\r\n", text[size - 1]))
        size--;
    return put(to, text, size);
}

static char *put_hex(char *to, uint64_t value, unsigned n_digits)
{
    for (unsigned i = n_digits; i-- > 0; value >>= 4)
        to[i] = "0123456789abcdef"[value & 15];
    return to + n_digits;
}

static char *put_decimal(char *to, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[sizeof(digits) - ++n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(to, digits + sizeof(digits) - n, n);
}

static char *put_own_id(struct session *s, char *to)
{
    *to++ = '"';
    to = put_hex(to, s->nonce, 12);
    *to++ = '-';
    to = put_decimal(to, ++s->counter);
    *to++ = '"';
    return to;
}

void session_compose_command(struct session *s, struct session_command *c, char *buffer, const char *command,
    const char *arguments, const char *id, bool oob)
{
    char *p = buffer, *id_start;

    p = oob ? put(p, exec_oob, sizeof(exec_oob) - 1) : put(p, execute, sizeof(execute) - 1);
    p += json_quote(p, command, strlen(command));
    if (arguments)
        p = put_json(put(p, arguments_key, sizeof(arguments_key) - 1), arguments);
    p = id_start = put(p, id_key, sizeof(id_key) - 1);
    p = id ? put_json(p, id) : put_own_id(s, p);
    *c = (struct session_command){
        .state = COMMAND_NEW,
        .oob = oob,
        .own_id = !id,
        .text = buffer,
        .id = {id_start, (size_t)(p - id_start)},
    };
    list_init(&c->link);
    p = put(p, command_end, sizeof(command_end) - 1);
    c->size = (size_t)(p - buffer);
}

static bool id_equal(qmp_value a, qmp_value b)
{
    return (a.size == b.size && memcmp(a.text, b.text, a.size) == 0) || json_equal(a, b);
}

static struct session_command *find(struct list *head, qmp_value id)
{
    struct list *i, *n;

    LIST_FOREACH (i, n, head) {
        struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        if (id_equal(c->id, id))
            return c;
    }
    return NULL;
}

static unsigned in_band_max(const struct session *s)
{
    return s->has_oob ? SESSION_IN_BAND_MAX_WITH_OOB : SESSION_IN_BAND_MAX;
}

/* Lets held-back commands go as far as the limit allows. */
static void release(struct session *s)
{
    while (!list_empty(&s->queued) && s->n_in_band < in_band_max(s)) {
        struct session_command *c = LIST_ENTRY(s->queued.next, struct session_command, link);

        list_remove(&c->link);
        list_append(&s->outgoing, &c->link);
        c->state = COMMAND_OUTGOING;
        s->n_in_band++;
    }
}

/* Ahead of every in-band command of which no byte is out: those are at the end, and few. */
static void overtake(struct session *s, struct session_command *c)
{
    struct list *i = s->outgoing.prev;

    while (i != &s->outgoing) {
        struct session_command *other = LIST_ENTRY(i, struct session_command, link);

        if (other->oob || other->sent > 0)
            break;
        i = i->prev;
    }
    list_append(i->next, &c->link); /* before the next one, behind i */
    c->state = COMMAND_OUTGOING;
}

int session_submit(struct session *s, struct session_command *c)
{
    if (c->oob && !s->has_oob)
        return -EOPNOTSUPP;
    if (!c->own_id && (find(&s->queued, c->id) || find(&s->outgoing, c->id) || find(&s->in_flight, c->id)))
        return -EEXIST;
    if (c->oob) {
        overtake(s, c);
    } else {
        list_append(&s->queued, &c->link);
        c->state = COMMAND_QUEUED;
        release(s);
    }
    return 0;
}

bool session_forget(struct session *s, struct session_command *c)
{
    if (c->state == COMMAND_OUTGOING && c->sent == 0) {
        if (!c->oob)
            s->n_in_band--;
    } else if (c->state != COMMAND_QUEUED) {
        return false;
    }
    list_remove(&c->link);
    c->state = COMMAND_DONE;
    release(s);
    return true;
}

struct session_command *session_take_command(struct session *s)
{
    struct list *const heads[] = {&s->in_flight, &s->outgoing, &s->queued};

    for (unsigned i = 0; i < ELEMENTS(heads); i++) {
        while (!list_empty(heads[i])) {
            struct session_command *c = LIST_ENTRY(heads[i]->next, struct session_command, link);

            list_remove(&c->link);
            c->state = COMMAND_DONE;
            if (!session_owns(s, c))
                return c;
        }
    }
    return NULL;
}

/* ---- input ---- */

int session_space(struct session *s, char *scratch, size_t scratch_size, char **ret, size_t *ret_size)
{
    int r = frame_space(&s->frame, scratch, scratch_size, ret, ret_size);

    if (r < 0)
        failure_set(&s->failure, QMP_FAILURE_MEMORY, r, "no memory to receive a message of more than %zu bytes",
            frame_pending(&s->frame));
    return r;
}

void session_feed(struct session *s, const char *data, size_t size)
{
    s->input = data;
    s->input_size = size;
}

static int violation(struct session *s, enum qmp_failure kind, const qmp_message *m, const char *what)
{
    qmp_value root = qmp_message_root(m);

    return failure_set_bytes(&s->failure, kind, -EPROTO, root.text, root.size, "%s", what);
}

/* As above, where the server says itself what is wrong. */
static int complaint(struct session *s, enum qmp_failure kind, const qmp_message *m, const char *what)
{
    const char *class = qmp_reply_error_class(m), *desc = qmp_reply_error_desc(m);
    qmp_value root = qmp_message_root(m);
    char shown_class[CLASS_SHOWN_MAX], shown_desc[DESC_SHOWN_MAX];

    json_excerpt(shown_class, sizeof(shown_class), class, strlen(class));
    json_excerpt(shown_desc, sizeof(shown_desc), desc, strlen(desc));
    failure_set(&s->failure, kind, -EPROTO, "%s: %s: %s", what, shown_class, shown_desc);
    failure_keep_bytes(&s->failure, root.text, root.size);
    return -EPROTO;
}

static void negotiate(struct session *s)
{
    struct session_command *c = &s->negotiations[s->n_negotiations];

    session_compose_command(s, c, s->negotiation_texts[s->n_negotiations], "qmp_capabilities",
        s->has_oob ? "{\"enable\":[\"oob\"]}" : NULL, /* id= */ NULL, /* oob= */ false);
    list_append(&s->outgoing, &c->link);
    c->state = COMMAND_OUTGOING;
    s->n_in_band++;
    s->n_negotiations++;
    s->state = SESSION_NEGOTIATING;
}

static bool offers(qmp_value capabilities, const char *capability)
{
    qmp_value item = {NULL, 0};

    while (qmp_value_next(capabilities, /* key= */ NULL, &item)) {
        if (qmp_value_equals(item, capability))
            return true;
    }
    return false;
}

static int on_greeting(struct session *s, qmp_message *m)
{
    qmp_value root = qmp_message_root(m), capabilities = qmp_value_path(root, "QMP.capabilities");

    if (s->state == SESSION_RUNNING || s->n_negotiations == SESSION_NEGOTIATIONS_MAX)
        return violation(s, QMP_FAILURE_BAD_GREETING, m, "the server greeted again");
    if (qmp_value_type(qmp_value_path(root, "QMP.version")) != QMP_OBJECT || qmp_value_type(capabilities) != QMP_ARRAY)
        return violation(s, QMP_FAILURE_BAD_GREETING, m, "the server's greeting has no version or no capabilities");
    qmp_message_unref(s->greeting);
    s->greeting = qmp_message_ref(m);
    s->has_oob = s->want_oob && offers(capabilities, "oob");
    negotiate(s);
    return 0;
}

/* With two under way, one may have been taken before the second greeting, and then the other one is what counts; or
 * both after it, and then the second is refused because the first was accepted. */
static int on_negotiated(struct session *s, const qmp_message *m, struct session_item *ret)
{
    s->negotiated |= qmp_message_kind(m) == QMP_RETURN;
    if (++s->n_negotiations_answered < s->n_negotiations)
        return 0;
    if (!s->negotiated)
        return complaint(s, QMP_FAILURE_NEGOTIATION, m, "the server refused the negotiation");
    s->state = SESSION_RUNNING;
    release(s);
    *ret = (struct session_item){.kind = ITEM_RUNNING};
    return 1;
}

/* Returns 1 and an item, 0 for none, negative. */
static int on_reply(struct session *s, qmp_message *m, struct session_item *ret)
{
    qmp_value id = message_id(m);
    struct session_command *c;

    if (!id.text && qmp_message_kind(m) == QMP_ERROR)
        return complaint(s, QMP_FAILURE_SERVER_PARSE, m, "the server could not parse what it was sent");
    c = id.text ? find(&s->in_flight, id) : NULL;
    if (!c) {
        s->strays++;
        return 0;
    }
    list_remove(&c->link);
    c->state = COMMAND_DONE;
    if (!c->oob)
        s->n_in_band--;
    if (session_owns(s, c))
        return on_negotiated(s, m, ret);
    release(s);
    *ret = (struct session_item){.kind = ITEM_REPLY, .message = qmp_message_ref(m), .command = c};
    return 1;
}

/* Takes the message over. */
static int on_message(struct session *s, qmp_message *message, struct session_item *ret)
{
    CLEANUP(qmp_message_unrefp) qmp_message *m = message;

    switch (qmp_message_kind(m)) {
    case QMP_EVENT:
        message_set_sequence(m, ++s->events);
        *ret = (struct session_item){.kind = ITEM_EVENT, .message = TAKE(m)};
        return 1;
    case QMP_GREETING:
        return on_greeting(s, m);
    default:
        return on_reply(s, m, ret);
    }
}

/* What the stream says when it refuses. */
static int refuse(struct session *s, int error, const struct stream_flaw *flaw)
{
    switch (error) {
    case -ENOMEM:
        return failure_set(&s->failure, QMP_FAILURE_MEMORY, error, "no memory for a message");
    case -EMSGSIZE:
        return failure_set_bytes(&s->failure, QMP_FAILURE_LIMIT, error, flaw->text, flaw->size,
            "the server sent a message of more than %zu bytes, the limit", s->frame.size_max);
    case -ELOOP:
        return failure_set_bytes(&s->failure, QMP_FAILURE_LIMIT, error, flaw->text, flaw->size,
            "the server sent a message that is nested deeper than %u, the limit", s->frame.depth_max);
    case -EPROTO:
        return failure_set_bytes(&s->failure, QMP_FAILURE_UNEXPECTED_TYPE, error, flaw->text, flaw->size,
            "the server sent JSON that is no QMP message (%s)", flaw->what);
    default:
        return failure_set_bytes(&s->failure, QMP_FAILURE_DESERIALIZATION, error, flaw->text, flaw->size,
            "the server sent what is not JSON (%s)", flaw->what);
    }
}

int session_next(struct session *s, struct session_item *ret)
{
    int r = s->failure.error;

    while (r == 0) {
        CLEANUP(qmp_message_unrefp) qmp_message *m = NULL;
        struct stream_flaw flaw;

        r = stream_next(&s->frame, &s->input, &s->input_size, &m, &flaw);
        if (r == 0)
            return 0;
        r = r < 0 ? refuse(s, r, &flaw) : on_message(s, TAKE(m), ret);
    }
    if (r < 0)
        s->state = SESSION_FAILED;
    return r;
}

int session_hang_up(struct session *s, int error)
{
    static const char *const when[] = {
        [SESSION_GREETING] = " before its greeting",
        [SESSION_NEGOTIATING] = " during the negotiation",
        [SESSION_RUNNING] = "",
        [SESSION_FAILED] = "",
    };
    const char *phase = when[s->state];
    size_t pending = frame_pending(&s->frame);

    s->state = SESSION_FAILED;
    if (error < 0 && error != -ECONNRESET && error != -EPIPE)
        return failure_set(
            &s->failure, QMP_FAILURE_CLOSED, error, "the connection broke%s: %s", phase, qmp_strerror(error));
    if (pending > 0)
        return failure_set(&s->failure, QMP_FAILURE_CLOSED, -ECONNRESET,
            "the server closed the connection%s in the middle of a message, after %zu bytes of it", phase, pending);
    return failure_set(&s->failure, QMP_FAILURE_CLOSED, -ECONNRESET, "the server %s the connection%s",
        error < 0 ? "reset" : "closed", phase);
}

/* ---- output ---- */

/* A command is out when its object is: servers act on it, and may answer, before the line ends. */
size_t session_output(struct session *s, struct iovec *iov, size_t n)
{
    struct list *i, *next;
    size_t filled = 0;

    if (s->owes_line_end && n > 0) {
        iov[filled].iov_base = (char *)(uintptr_t) "\n";
        iov[filled++].iov_len = 1;
    }
    LIST_FOREACH (i, next, &s->outgoing) {
        struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        if (filled == n)
            break;
        iov[filled].iov_base = (char *)(uintptr_t)c->text + c->sent;
        iov[filled].iov_len = c->size - c->sent;
        filled++;
    }
    return filled;
}

void session_sent(struct session *s, size_t size)
{
    if (s->owes_line_end && size > 0) {
        s->owes_line_end = false;
        size--;
    }
    while (size > 0) {
        struct session_command *c = LIST_ENTRY(s->outgoing.next, struct session_command, link);
        size_t part = MIN(size, c->size - c->sent);

        c->sent += part;
        size -= part;
        if (c->sent < c->size - 1)
            return;
        s->owes_line_end = c->sent < c->size;
        c->sent = c->size;
        list_remove(&c->link);
        list_append(&s->in_flight, &c->link);
        c->state = COMMAND_IN_FLIGHT;
    }
}
