/* SPDX-License-Identifier: MIT */
/* The protocol, without I/O: bytes in, items out; commands in, bytes out.
 *
 *     GREETING ──greeting──▸ NEGOTIATING ──reply──▸ RUNNING        any of them ──violation──▸ FAILED
 *     SYNCING ──the number──▸ RUNNING ──given up──▸ SYNCING        with a guest agent
 *
 * Real servers are looser than the specification, and the session is as loose as they are: events may come before the
 * greeting and before the negotiation's reply; the first reply on a connection may be to the previous client's command,
 * and an error without an id about what that client sent; replies come in any order with ids written in another way
 * than they were sent; a QEMU that is just starting may greet twice, and forgets what was negotiated before. So every
 * command has an id (the negotiation too), ids are unique for each process and session (a random part, then a counter),
 * and replies are matched by value. A reply that matches nothing is dropped and counted; an error without an id is QEMU
 * telling that it could not parse what it got, after which nothing can be trusted. Where the caller negotiates, or
 * nobody does, the session takes greetings as they come and supposes that out-of-band is on.
 *
 * In-band commands in flight are limited; the rest waits here, in order. Out-of-band ones overtake everything that has
 * not begun to be sent. A command that nobody waits for any more still occupies its place in QEMU's queue, so it stays
 * in flight until its late reply comes. A caller may want a command without an id; only while it is the only one can
 * its reply be known, so the next one waits. So does a command with descriptors, since QEMU keeps only what came last.
 *
 * A guest agent works on one command at a time. It may be old enough to repeat no ids, and it is not trusted; what is
 * under way is given up with it, and how it is then known where the answers start is in sync.c.
 *
 * It refuses to know descriptors, clocks, threads, and who waits for a command. How commands are written down is in
 * compose.c. */

#include "session/session.h"

#include <errno.h>
#include <string.h>

#include <qmp/error.h>

#include "message/stream.h"
#include "session/sync.h"
#include "util/util.h"
#include "json/value.h"

/* How much of an error reply ends up in a text for people. */
#define CLASS_SHOWN_MAX ((size_t)40)
#define DESC_SHOWN_MAX ((size_t)200)

/* What each id of this session begins with: written once, copied for each. */
static void start_ids(struct session *s)
{
    uint64_t random = sync_random();
    char *p = s->id_start;

    *p++ = '"';
    for (; p < s->id_start + SESSION_ID_START - 1; random >>= 4)
        *p++ = "0123456789abcdef"[random & 15];
    *p = '-';
}

int session_init(struct session *s, const struct session_options *o)
{
    *s = (struct session){
        .state = o->agent ? SESSION_SYNCING : SESSION_GREETING,
        .agent = o->agent,
        .want_oob = o->want_oob,
        .await_greeting = o->await_greeting,
        .negotiates = !o->agent && o->await_greeting && o->negotiate,
        .input = "", /* none yet, and still where one can go on from */
    };
    if (s->agent || s->negotiates) {
        s->own = calloc(1, sizeof(*s->own));
        if (!s->own)
            return -ENOMEM;
    }
    if (s->agent)
        s->own->sync.state = COMMAND_DONE;
    start_ids(s);
    frame_init(&s->frame, o->message_max, o->depth_max);
    list_init(&s->queued);
    list_init(&s->outgoing);
    list_init(&s->in_flight);
    return 0;
}

/* What is idle holds no memory for what it will not say again. */
static void free_own(struct session *s)
{
    free(s->own);
    s->own = NULL;
}

void session_done(struct session *s)
{
    free_own(s);
    frame_done(&s->frame);
    s->greeting = qmp_message_unref(s->greeting);
    failure_done(&s->failure);
}

void session_start(struct session *s)
{
    if (s->agent)
        sync_start(s);
    else if (!s->await_greeting)
        s->state = SESSION_RUNNING;
}

/* ---- commands ---- */

static bool id_equal(qmp_value a, qmp_value b)
{
    return (a.size == b.size && memcmp(a.text, b.text, a.size) == 0) || json_equal(a, b);
}

static struct session_command *find(struct list *head, qmp_value id)
{
    struct list *i, *n;

    LIST_FOREACH (i, n, head) {
        struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        if (c->id.text && id_equal(c->id, id))
            return c;
    }
    return NULL;
}

static bool may_be_oob(const struct session *s)
{
    return s->has_oob || !(s->negotiates || s->agent);
}

static unsigned in_band_max(const struct session *s)
{
    if (s->agent)
        return s->state == SESSION_RUNNING ? 1 : 0;
    return may_be_oob(s) ? SESSION_IN_BAND_MAX_WITH_OOB : SESSION_IN_BAND_MAX;
}

static bool may_go(const struct session *s, const struct session_command *c)
{
    if (!c->oob && s->n_in_band >= in_band_max(s))
        return false;
    return !(s->id_less && !c->id.text) && !(s->with_fds && c->n_fds > 0);
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
}

static void go(struct session *s, struct session_command *c)
{
    list_remove(&c->link);
    c->state = COMMAND_OUTGOING;
    if (c->oob) {
        overtake(s, c);
    } else {
        list_append(&s->outgoing, &c->link);
        s->n_in_band++;
    }
    if (!c->id.text)
        s->id_less = c;
    if (c->n_fds > 0)
        s->with_fds = c;
    if (c->only_errors)
        sync_follow(s);
}

/* Out of wherever it is, and its place is free. */
static void leave(struct session *s, struct session_command *c)
{
    list_remove(&c->link);
    if (c->state != COMMAND_QUEUED && !c->oob)
        s->n_in_band--;
    c->state = COMMAND_DONE;
    if (s->id_less == c)
        s->id_less = NULL;
    if (s->with_fds == c)
        s->with_fds = NULL;
}

/* Lets held-back commands go as far as the limits allow. */
static void release(struct session *s)
{
    struct list *i, *n;

    LIST_FOREACH (i, n, &s->queued) {
        struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        if (may_go(s, c))
            go(s, c);
        else if (!c->oob)
            break;
    }
}

/* The first in-band one; the end if there is none. */
static struct list *behind_oob(struct list *queued)
{
    struct list *i = queued->next;

    while (i != queued && LIST_ENTRY(i, struct session_command, link)->oob)
        i = i->next;
    return i;
}

int session_submit(struct session *s, struct session_command *c)
{
    if (c->oob && !may_be_oob(s))
        return -EOPNOTSUPP;
    if (!c->own_id && (find(&s->queued, c->id) || find(&s->outgoing, c->id) || find(&s->in_flight, c->id)))
        return -EEXIST;
    list_append(c->oob ? behind_oob(&s->queued) : &s->queued, &c->link);
    c->state = COMMAND_QUEUED;
    release(s);
    return 0;
}

bool session_forget(struct session *s, struct session_command *c)
{
    bool queued = c->state == COMMAND_QUEUED, outgoing = c->state == COMMAND_OUTGOING;
    bool unsent = queued || (outgoing && c->sent == 0);

    if (!unsent && !(s->agent && (outgoing || c->state == COMMAND_IN_FLIGHT)))
        return false;
    leave(s, c);
    if (!unsent && s->state != SESSION_FAILED)
        sync_start(s);
    else if (outgoing && c->only_errors)
        sync_drop(s);
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
    s->owes_line_end = false;
    return NULL;
}

/* ---- input ---- */

int session_space(struct session *s, char *scratch, size_t scratch_size, char **ret, size_t *ret_size)
{
    int r;

    if (s->agent) {
        /* Never where the frame may have to be reset. */
        *ret = scratch;
        *ret_size = scratch_size;
        return 0;
    }
    r = frame_space(&s->frame, scratch, scratch_size, ret, ret_size);
    if (r < 0)
        failure_set(&s->failure, QMP_FAILURE_MEMORY, r, "no memory to receive a message of more than %zu bytes",
            frame_pending(&s->frame));
    return r;
}

void session_feed(struct session *s, const char *data, size_t size)
{
    if (s->agent) {
        sync_cut(s, data, size);
        return;
    }
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
    union session_own *own = s->own;
    struct session_request request = {
        .command = "qmp_capabilities",
        .arguments = s->has_oob ? "{\"enable\":[\"oob\"]}" : NULL,
    };

    session_compose(s, &own->negotiations[own->n_negotiations], own->negotiation_texts[own->n_negotiations], &request);
    go(s, &own->negotiations[own->n_negotiations++]);
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

static int running(struct session *s, struct session_item *ret)
{
    s->state = SESSION_RUNNING;
    s->announced = true;
    release(s);
    *ret = (struct session_item){.kind = ITEM_RUNNING};
    return 1;
}

/* Returns 1 and an item, 0 for none, negative; so do the next ones. */
static int on_greeting(struct session *s, qmp_message *m, struct session_item *ret)
{
    qmp_value root = qmp_message_root(m), capabilities = qmp_value_path(root, "QMP.capabilities");

    if (s->negotiates && (s->state == SESSION_RUNNING || s->own->n_negotiations == SESSION_NEGOTIATIONS_MAX))
        return violation(s, QMP_FAILURE_BAD_GREETING, m, "the server greeted again");
    if (qmp_value_type(qmp_value_path(root, "QMP.version")) != QMP_OBJECT || qmp_value_type(capabilities) != QMP_ARRAY)
        return violation(s, QMP_FAILURE_BAD_GREETING, m, "the server's greeting has no version or no capabilities");
    qmp_message_unref(s->greeting);
    s->greeting = qmp_message_ref(m);
    if (!s->negotiates)
        return s->state == SESSION_GREETING ? running(s, ret) : 0;
    s->has_oob = s->want_oob && offers(capabilities, "oob");
    negotiate(s);
    return 0;
}

/* With two under way because the server greeted twice, one may have been taken before the second greeting, and then the
 * other one is what counts; or both after it, and then the second is refused because the first was accepted. With two
 * because the first was in doubt, the first acceptance counts, and what is said to the other one means nothing. */
static int on_negotiated(struct session *s, const qmp_message *m, struct session_item *ret)
{
    union session_own *own = s->own;
    bool all, negotiated;

    own->negotiated |= qmp_message_kind(m) == QMP_RETURN;
    negotiated = own->negotiated;
    all = ++own->n_negotiations_answered == own->n_negotiations;
    if (!all && !(own->in_doubt && negotiated))
        return 0;
    if (all)
        free_own(s);
    if (s->state == SESSION_RUNNING) {
        release(s);
        return 0;
    }
    if (!negotiated)
        return complaint(s, QMP_FAILURE_NEGOTIATION, m, "the server refused the negotiation");
    return running(s, ret);
}

/* The one that an agent is working on; its question aside, which is always behind. */
static struct session_command *agents_command(const struct session *s)
{
    struct session_command *c = LIST_ENTRY(s->in_flight.next, struct session_command, link);

    return list_empty(&s->in_flight) || (s->own && c == &s->own->sync) ? NULL : c;
}

static struct session_command *addressee(struct session *s, qmp_value id)
{
    if (id.text)
        return find(&s->in_flight, id);
    if (s->agent)
        return agents_command(s);
    return s->id_less && s->id_less->state == COMMAND_IN_FLIGHT ? s->id_less : NULL;
}

/* An error without an id, before anything but a negotiation was sent. QEMU may say it of what the previous client sent;
 * or, while it is starting, of our negotiation, of which it has lost the beginning. In either case asking once more
 * does no harm. */
static bool is_old_complaint(struct session *s)
{
    if (s->state == SESSION_GREETING)
        return true;
    if (s->state != SESSION_NEGOTIATING || s->own->in_doubt || s->own->n_negotiations == SESSION_NEGOTIATIONS_MAX)
        return false;
    s->own->in_doubt = true;
    negotiate(s);
    return true;
}

static int on_stray(struct session *s, const qmp_message *m, qmp_value id)
{
    if (!id.text && qmp_message_kind(m) == QMP_ERROR) {
        if (!s->agent && !is_old_complaint(s))
            return complaint(s, QMP_FAILURE_SERVER_PARSE, m, "the server could not parse what it was sent");
        if (s->agent && s->own->sync.state == COMMAND_IN_FLIGHT)
            sync_start(s); /* that was its answer, and no other will come */
    }
    s->strays++;
    if (s->tap)
        s->tap->stray(s->tap->userdata, m);
    return 0;
}

static int on_reply(struct session *s, qmp_message *m, struct session_item *ret)
{
    qmp_value id = message_id(m);
    struct session_command *c = addressee(s, id);

    if (!c)
        return on_stray(s, m, id);
    leave(s, c);
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

    if (s->tap)
        s->tap->received(s->tap->userdata, m);
    switch (qmp_message_kind(m)) {
    case QMP_EVENT:
        if (s->agent)
            return violation(s, QMP_FAILURE_UNEXPECTED_TYPE, m, "the guest agent sent an event");
        message_set_sequence(m, ++s->events);
        *ret = (struct session_item){.kind = ITEM_EVENT, .message = TAKE(m)};
        return 1;
    case QMP_GREETING:
        if (s->agent)
            return violation(s, QMP_FAILURE_UNEXPECTED_TYPE, m, "the guest agent sent a greeting");
        return on_greeting(s, m, ret);
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

/* The agent's answer: it is where we are, and if it has a command, there was nothing to complain of. */
static int on_synced(struct session *s, struct session_item *ret)
{
    struct session_command *c = agents_command(s);

    sync_drop(s);
    if (!s->announced)
        return running(s, ret);
    s->state = SESSION_RUNNING;
    if (c)
        leave(s, c);
    release(s);
    *ret = (struct session_item){.kind = ITEM_REPLY, .command = c};
    return c ? 1 : 0;
}

/* What is behind a 0xFF: a message, or what stream_next() says instead. Takes the message over. */
static int on_searched(struct session *s, int error, qmp_message *message, struct session_item *ret)
{
    CLEANUP(qmp_message_unrefp) qmp_message *m = message;

    if (error == -ENOMEM)
        return refuse(s, error, /* flaw= */ NULL);
    if (error >= 0 && s->tap)
        s->tap->received(s->tap->userdata, m);
    if (error >= 0)
        return sync_on_message(s, m) ? on_synced(s, ret) : 0;
    sync_search(s);
    return 0;
}

int session_next(struct session *s, struct session_item *ret)
{
    int r = s->failure.error;

    if (r == 0 && s->state == SESSION_RUNNING && !s->announced)
        return running(s, ret);
    while (r == 0) {
        qmp_message *m = NULL;
        struct stream_flaw flaw;

        if (s->skipping) {
            s->input += s->input_size;
            s->input_size = 0;
        }
        r = stream_next(&s->frame, &s->input, &s->input_size, &m, &flaw);
        if (r > 0 && s->state != SESSION_SYNCING)
            r = on_message(s, m, ret);
        else if (r == 0 && s->beyond_size == 0)
            return 0;
        else if (r == 0)
            sync_on_reset(s);
        else
            r = s->state == SESSION_SYNCING ? on_searched(s, r, m, ret) : refuse(s, r, &flaw);
    }
    if (r < 0)
        s->state = SESSION_FAILED;
    return r;
}

/* An agent that goes without complaining of a command that answers only errors has executed it. Behind a 0xFF the
 * complaint can come no more. */
static void note_silence(struct session *s)
{
    struct session_command *c = s->agent && s->state != SESSION_FAILED ? agents_command(s) : NULL;

    if (c)
        c->silent_success = c->only_errors && (s->state == SESSION_SYNCING || frame_pending(&s->frame) == 0);
}

int session_hang_up(struct session *s, int error)
{
    static const char *const when[] = {
        [SESSION_GREETING] = " before its greeting",
        [SESSION_NEGOTIATING] = " during the negotiation",
        [SESSION_SYNCING] = " during the synchronisation",
        [SESSION_RUNNING] = "",
        [SESSION_FAILED] = "",
    };
    const char *phase = when[s->state];
    size_t pending = frame_pending(&s->frame);

    note_silence(s);
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

size_t session_output(struct session *s, struct iovec *iov, size_t n, const int **ret_fds, size_t *ret_n_fds)
{
    struct list *i, *next;
    size_t filled = 0;

    *ret_fds = NULL;
    *ret_n_fds = 0;
    if (s->owes_line_end && n > 0) {
        iov[filled].iov_base = (char *)(uintptr_t) "\n";
        iov[filled++].iov_len = 1;
    }
    LIST_FOREACH (i, next, &s->outgoing) {
        struct session_command *c = LIST_ENTRY(i, struct session_command, link);

        if (filled == n || (c->n_fds > 0 && filled > 0))
            break;
        if (c->n_fds > 0) {
            *ret_fds = c->fds;
            *ret_n_fds = c->n_fds;
        }
        iov[filled].iov_base = (char *)(uintptr_t)c->text + c->sent;
        iov[filled].iov_len = c->size - c->sent;
        filled++;
    }
    return filled;
}

/* A command is out when its object is: servers act on it, and may answer, before the line ends. */
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
        c->n_fds = 0;
        size -= part;
        if (c->sent < c->size - 1)
            return;
        s->owes_line_end = c->sent < c->size;
        c->sent = c->size;
        list_remove(&c->link);
        list_append(&s->in_flight, &c->link);
        c->state = COMMAND_IN_FLIGHT;
        if (s->tap)
            s->tap->sent(s->tap->userdata, c);
    }
}
