/* SPDX-License-Identifier: MIT */
/* The connection: from connect to the end, between the transport and the session.
 *
 *     IDLE ──connect──▸ CONNECTING ──negotiated──▸ RUNNING ──▸ DISCONNECTING ──▸ IDLE
 *                        ▴   └──────── failure, disconnect ───────▸┘ │
 *                        └───────────── connecting again ────────────┘
 *
 * CONNECTING has three parts: the link is down, and an attempt is due at some time; the link is on its way up; the
 * session greets and negotiates.
 *
 * connection_step() is the one place where bytes move. It sends what the session has ready, receives once, and hands
 * every item to commands and listeners in the order of the wire: that order is why an event that precedes a reply is
 * queued before the reply completes. Input is received into the stack, or behind an unfinished message, so an idle
 * connection owns no buffer.
 *
 * However it ends (connection_end()), the order is the same: what was read is delivered, the descriptor is closed,
 * commands complete, listeners close (or are told of the gap), the state becomes IDLE (or CONNECTING once more). */

#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <qmp/error.h>

#include "transport/listening.h"
#include "transport/socket.h"
#include "util/util.h"

/* ---- beginning ---- */

/* The state in which a connection can be begun. */
static int check_idle(qmp_client *c)
{
    switch (c->state) {
    case QMP_IDLE:
        return c->dying ? -EALREADY : 0;
    case QMP_RUNNING:
        return -EISCONN;
    default:
        return -EALREADY;
    }
}

int connection_check_idle(qmp_client *c)
{
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    client_lock(c);
    r = check_idle(c);
    pthread_mutex_unlock(&c->lock);
    return r;
}

static void forget_session(qmp_client *c)
{
    if (!c->session_inited)
        return;
    c->strays += c->session.strays;
    session_done(&c->session);
    c->session_inited = false;
}

/* Before the user's own connect. */
static void forget_last(qmp_client *c)
{
    failure_done(&c->failure);
    c->failed = false;
    c->report = 0;
    forget_session(c);
    reconnect_reset(c);
}

static int init_session(qmp_client *c)
{
    bool agent = c->dialect == QMP_DIALECT_AGENT;
    const struct session_options options = {
        .agent = agent,
        .want_oob = c->want_oob,
        .await_greeting = !c->skip_greeting,
        .negotiate = !c->skip_greeting && !c->skip_negotiation,
        .message_max = c->message_max != 0 ? c->message_max
                       : agent             ? QMP_AGENT_MESSAGE_MAX
                                           : QMP_MESSAGE_MAX,
        .depth_max = c->depth_max != 0 ? c->depth_max
                     : agent           ? QMP_AGENT_DEPTH_MAX
                                       : QMP_DEPTH_MAX,
    };
    int r;

    forget_session(c);
    r = session_init(&c->session, &options);
    if (r < 0)
        return connection_fail(c, QMP_FAILURE_MEMORY, r, "no memory to connect to %s", c->address_text);
    c->session.tap = log_tap(c);
    c->session_inited = true;
    c->session_started = false;
    return 0;
}

/* Returns 0, or negative with the failure recorded. */
static int prepare_attempt(qmp_client *c)
{
    c->failed = false;
    c->send_error = 0;
    c->attempt_at = QMP_FOREVER;
    c->connect_deadline = time_deadline(c->connect_timeout);
    return init_session(c);
}

/* An attempt, up to its link. Returns 0, or negative with the failure recorded. */
static int attempt(qmp_client *c)
{
    struct link_flaw flaw = {0};
    struct address address;
    const char *wrong = NULL;
    int r;

    r = prepare_attempt(c);
    if (r < 0)
        return r;
    r = address_parse(&address, c->address_text, &wrong);
    if (r < 0)
        return explain_address(c, r, c->address_text, wrong);
    if (c->way == WAY_LISTEN)
        r = link_listen(&c->link, &address, c->tls, c->tls_name, &flaw);
    else
        r = link_dial(&c->link, &address, c->tls, c->tls_name, c->connect_deadline, &flaw);
    return r < 0 ? explain_connect(c, r, &flaw) : 0;
}

/* A connection has begun, with the lock held; unlocks. The client may be gone afterwards. */
static void begun(qmp_client *c)
{
    c->disconnect_wanted = false;
    log_line(c, QMP_LOG_INFO, "%s %s", c->way == WAY_LISTEN ? "listening on" : "connecting to", c->address_text);
    client_set_state(c, QMP_CONNECTING);
    dispatch_open(c);
    if (client_is_threaded(c) || c->processing) {
        pthread_mutex_unlock(&c->lock);
        drive_wake(c);
        return;
    }
    drive_enter(c);
    client_announce(c);
    drive_leave(c);
}

/* With the lock held. Takes the text over. */
static void set_address(qmp_client *c, char *text, enum way way)
{
    free(c->address_text);
    c->address_text = text;
    c->way = way;
}

/* Everything but IDLE is refused, then the text is looked at. Returns with the lock held, and on success with the
 * address set; the parsed one points into it. */
static int prepare(qmp_client *c, const char *text, enum way way, struct address *ret)
{
    CLEANUP(qmp_freep) char *copy = strdup(text);
    const char *flaw = NULL;
    int r;

    client_lock(c);
    r = copy ? check_idle(c) : -ENOMEM;
    if (r < 0)
        return r;
    forget_last(c);
    r = address_parse(ret, copy, &flaw);
    if (r < 0)
        return explain_address(c, r, text, flaw);
    set_address(c, TAKE(copy), ret->kind == ADDRESS_FD ? WAY_GIVEN : way);
    return 0;
}

int qmp_client_connect(qmp_client *c, const char *address)
{
    struct address parsed;
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    r = prepare(c, address, WAY_DIAL, &parsed);
    /* A descriptor is ours from now on, or not at all; everything else is begun by the first step. */
    if (r >= 0 && c->way == WAY_GIVEN)
        r = attempt(c);
    else if (r >= 0)
        c->attempt_at = 0;
    if (r < 0) {
        pthread_mutex_unlock(&c->lock);
        return r;
    }
    begun(c);
    return 0;
}

/* An attempt to listen, prepared. `text` has room for the address that it comes to. */
static int attempt_to_listen(qmp_client *c, char *text)
{
    enum way way = c->way;
    int r;

    c->way = WAY_LISTEN;
    r = attempt(c);
    c->way = way;
    /* With the port that the system chose, which is where whoever has dialled once dials again. */
    if (r >= 0)
        set_address(c, strcpy(text, link_listening_address(&c->link)), way);
    return r;
}

int qmp_client_listen_on(qmp_client *c, const char *address)
{
    CLEANUP(qmp_freep) char *text = NULL;
    struct address parsed;
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    text = malloc(LISTENING_TEXT_MAX); /* before a descriptor becomes ours */
    if (!text)
        return -ENOMEM;
    r = prepare(c, address, WAY_LISTEN, &parsed);
    if (r >= 0)
        r = attempt_to_listen(c, text);
    if (r < 0) {
        pthread_mutex_unlock(&c->lock);
        return r;
    }
    text = NULL; /* the client's */
    begun(c);
    return 0;
}

static int attempt_given(qmp_client *c, int fd, bool accepted)
{
    struct link_flaw flaw = {0};
    int r = prepare_attempt(c);

    if (r < 0)
        return r;
    r = link_adopt(&c->link, fd, accepted, c->tls, c->tls_name, c->connect_deadline, &flaw);
    return r < 0 ? explain_connect(c, r, &flaw) : 0;
}

/* On a socket that was connected by somebody else. Takes the text over. */
static int begin_given(qmp_client *c, int fd, char *address_text, bool accepted)
{
    CLEANUP(qmp_freep) char *text = address_text;
    int r;

    if (!text)
        return -ENOMEM;
    client_lock(c);
    r = check_idle(c);
    if (r >= 0) {
        forget_last(c);
        set_address(c, TAKE(text), WAY_GIVEN);
        r = attempt_given(c, fd, accepted);
    }
    if (r < 0) {
        pthread_mutex_unlock(&c->lock);
        return r;
    }
    begun(c);
    return 0;
}

int qmp_client_connect_fd(qmp_client *c, int fd)
{
    char *text = NULL;
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    if (asprintf(&text, "descriptor %d", fd) < 0)
        return -ENOMEM;
    return begin_given(c, fd, text, /* accepted= */ false);
}

int connection_begin_accepted(qmp_client *c, int fd, const char *address_text)
{
    return begin_given(c, fd, strdup(address_text), /* accepted= */ true);
}

/* ---- what a leader left ---- */

/* Another thread than the library's may not run callbacks: it leaves the item to the next step, and the input behind
 * it. */
static void hold(qmp_client *c, const struct session_item *item)
{
    struct driver *d = c->driver;

    d->held = *item;
    if (item->message)
        qmp_message_ref(item->message);
    d->holds = true;
}

static int handle_items(qmp_client *c);

/* Returns 0, or negative. */
static int take_up(qmp_client *c)
{
    CLEANUP(qmp_message_unrefp) qmp_message *m = NULL;
    struct driver *d = c->driver;
    int broken = c->broken;

    c->broken = 0;
    if (!d || !d->holds)
        return broken;
    d->holds = false;
    m = d->held.message;
    if (d->held.kind == ITEM_EVENT)
        dispatch_calls(c, m);
    else
        command_on_reply(c, d->held.command, m);
    return handle_items(c);
}

/* ---- ending ---- */

int connection_fail(qmp_client *c, enum qmp_failure kind, int error, const char *format, ...)
{
    va_list args;

    if (c->failed)
        return c->failure.error;
    failure_done(&c->failure);
    va_start(args, format);
    failure_set_v(&c->failure, kind, error, format, args);
    va_end(args);
    c->failed = true;
    return error;
}

/* The session's failure becomes the client's, with the address in front. */
static void adopt_failure(qmp_client *c)
{
    struct failure *f = &c->session.failure;
    char more[LINK_WHY_MAX] = "";
    int status;

    if (c->failed || !c->session_inited || f->kind == QMP_FAILURE_NONE)
        return;
    if (link_exit_status(&c->link, &status))
        snprintf(more, sizeof(more), "; the command ended with status %d", status);
    connection_fail(c, f->kind, f->error, "%s: %s%s", c->address_text, f->text ? f->text : "out of memory", more);
    c->failure.bytes = TAKE(f->bytes);
    c->failure.n_bytes = f->n_bytes;
}

static enum qmp_log_level level_of(enum qmp_failure kind)
{
    switch (kind) {
    case QMP_FAILURE_DISCONNECT:
    case QMP_FAILURE_CONNECT:
    case QMP_FAILURE_GREETING:
    case QMP_FAILURE_AGENT:
        return QMP_LOG_INFO;
    case QMP_FAILURE_CLOSED:
        return QMP_LOG_WARNING;
    default:
        return QMP_LOG_ERROR;
    }
}

/* Nobody may watch what is about to be closed. */
static void forget_fd(qmp_client *c)
{
    watch_forget_fd(c);
    drive_forget_fd(c);
}

bool connection_end(qmp_client *c)
{
    bool was_running = c->state == QMP_RUNNING, again;
    enum qmp_failure kind;
    int error;

    drive_oust(c);
    take_up(c);
    adopt_failure(c);
    kind = c->failure.kind;
    error = c->failure.error;
    log_line(c, level_of(kind), "%s", c->failure.text ? c->failure.text : "out of memory");
    c->again = reconnect_wanted(c, &c->attempt_at);
    client_set_state(c, QMP_DISCONNECTING);
    client_announce(c);
    forget_fd(c);
    link_close(&c->link);
    command_end_all(c);
    again = c->again && !c->dying; /* somebody may have disconnected meanwhile */
    c->again = false;
    if (again) {
        c->failed = false; /* it is the last attempt's from now on */
        dispatch_gap(c, was_running);
        log_line(c, QMP_LOG_INFO, "connecting to %s again", c->address_text);
    } else {
        dispatch_close(c);
    }
    c->disconnect_wanted = false;
    c->report = again || kind == QMP_FAILURE_DISCONNECT ? 0 : error;
    client_set_state(c, again ? QMP_CONNECTING : QMP_IDLE);
    client_announce(c);
    return again;
}

bool connection_break(qmp_client *c, int error)
{
    bool was_running = c->state == QMP_RUNNING;

    if (c->link.state != LINK_DOWN && !connection_is_due(c))
        c->broken = connection_fail(c, was_running ? QMP_FAILURE_CLOSED : QMP_FAILURE_CONNECT, error,
            "%s: cannot wait for the server: %s", c->address_text, qmp_strerror(error));
    return connection_is_due(c);
}

/* Returns the reason, or 1 when it goes on. */
static int end(qmp_client *c)
{
    int error;

    adopt_failure(c);
    error = c->failure.error;
    return connection_end(c) ? 1 : error;
}

int qmp_client_disconnect(qmp_client *c)
{
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    client_lock(c);
    if (c->again && !c->disconnect_wanted) {
        c->again = false; /* it is ending as it is */
        while (c->state == QMP_DISCONNECTING && !c->stopping && !client_is_driving(c))
            pthread_cond_wait(&c->changed, &c->lock);
    } else if (c->disconnect_wanted || c->state == QMP_DISCONNECTING) {
        r = -EALREADY;
    } else if (c->state != QMP_IDLE && client_is_threaded(c) && !client_is_driving(c)) {
        c->disconnect_wanted = true;
        drive_wake(c);
        while (c->disconnect_wanted && !c->stopping)
            pthread_cond_wait(&c->changed, &c->lock);
    } else if (c->state != QMP_IDLE && c->processing) {
        c->disconnect_wanted = true;
    } else if (c->state != QMP_IDLE) {
        drive_enter(c);
        connection_fail(c, QMP_FAILURE_DISCONNECT, -ENOTCONN, "disconnected");
        connection_end(c);
        drive_leave(c);
        return 0;
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

/* ---- going on ---- */

bool connection_is_due(const qmp_client *c)
{
    return c->disconnect_wanted || c->handlers_wanted || c->n_states > 0 || log_pending(c) ||
           __atomic_load_n(&c->cancelled, __ATOMIC_ACQUIRE) || client_has_left(c);
}

uint64_t connection_deadline(const qmp_client *c)
{
    uint64_t deadline = c->command_deadline;

    if (connection_is_due(c))
        return 0;
    if (c->link.state == LINK_UP && (link_has_input(&c->link) || !c->session_started || c->send_error < 0))
        return 0;
    if (c->state != QMP_CONNECTING)
        return deadline;
    if (c->link.state == LINK_DOWN)
        return MIN(deadline, c->attempt_at);
    deadline = MIN(deadline, c->connect_deadline);
    return c->link.state == LINK_UP ? deadline : MIN(deadline, link_deadline(&c->link));
}

static bool wants_output(const qmp_client *c)
{
    return c->send_error == 0 && (session_wants_output(&c->session) || link_wants_output(&c->link));
}

short connection_poll_events(const qmp_client *c)
{
    if (c->link.state != LINK_UP)
        return link_poll_events(&c->link);
    return wants_output(c) ? POLLIN | POLLOUT : POLLIN;
}

/* Closes the library's copies. */
static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

void connection_flush(qmp_client *c)
{
    if (link_wants_output(&c->link) && c->send_error == 0) {
        int r = link_flush(&c->link);

        if (r < 0 && r != -EAGAIN)
            c->send_error = r;
        if (r < 0)
            return;
    }
    while (session_wants_output(&c->session) && c->send_error == 0) {
        struct iovec iov[CLIENT_SEND_MAX];
        const int *fds = NULL;
        size_t n_fds = 0, n = session_output(&c->session, iov, ELEMENTS(iov), &fds, &n_fds);
        ssize_t sent = link_send(&c->link, iov, n, fds, n_fds);

        if (sent == -EAGAIN)
            return;
        if (sent < 0) {
            /* The server has gone. What it said before can still be read; then the end shows there. */
            c->send_error = (int)sent;
            return;
        }
        close_all(fds, n_fds);
        session_sent(&c->session, (size_t)sent);
    }
}

static void on_running(qmp_client *c)
{
    identity_learn(c);
    reconnect_on_running(c);
    log_line(c, QMP_LOG_INFO, "connected to %s", c->address_text);
    client_set_state(c, QMP_RUNNING);
    client_announce(c);
}

/* Whatever QEMU sends before it is negotiated with, it withholds the events behind it until then: a gap, and not the
 * one ahead of this connection. */
static void on_event(qmp_client *c, const struct session_item *item)
{
    bool early = c->state != QMP_RUNNING, called = dispatch_event(c, item->message);

    if (called && client_is_led(c))
        hold(c, item);
    else if (called)
        dispatch_calls(c, item->message);
    if (early && c->reconnect && !c->dying)
        dispatch_gap(c, /* was_running= */ false);
}

static void on_item(qmp_client *c, const struct session_item *item)
{
    CLEANUP(qmp_message_unrefp) qmp_message *m = item->message;

    switch (item->kind) {
    case ITEM_RUNNING:
        on_running(c);
        break;
    case ITEM_EVENT:
        on_event(c, item);
        break;
    case ITEM_REPLY:
        if (client_is_led(c) && command_calls_back(item->command))
            hold(c, item);
        else
            command_on_reply(c, item->command, m);
        break;
    }
}

static int handle_items(qmp_client *c)
{
    struct session_item item;
    int r = 0;

    while (!c->dying && !(c->driver && c->driver->holds) && (r = session_next(&c->session, &item)) > 0)
        on_item(c, &item);
    return r < 0 ? r : 0;
}

/* How long to wait for input where nothing else can come up before: 0 not at all, a moment, or for ever. */
static uint64_t patience(const qmp_client *c, uint64_t until)
{
    uint64_t earliest = MIN(until, connection_deadline(c));

    if (earliest == 0 || wants_output(c))
        return 0;
    if (earliest == QMP_FOREVER)
        return QMP_FOREVER;
    return time_now() + SOCKET_PATIENCE <= earliest ? SOCKET_PATIENCE : 0;
}

/* The stream has ended. Where TLS knows why, that is the reason. */
static int hang_up(qmp_client *c, int error)
{
    const char *words = link_words(&c->link);
    int r = session_hang_up(&c->session, error);

    if (words[0] == '\0')
        return r;
    if (c->session.announced)
        return connection_fail(c, QMP_FAILURE_CLOSED, -ECONNRESET, "%s: %s", c->address_text, words);
    r = error == -EACCES ? -EACCES : error == -EBADMSG ? -EPROTO : -ECONNRESET;
    return connection_fail(c, QMP_FAILURE_TLS, r, "%s: %s", c->address_text, words);
}

/* Returns 1 when something came, 0, negative. */
static int receive_into(qmp_client *c, char *scratch, uint64_t until)
{
    uint64_t waits;
    char *data;
    size_t size;
    ssize_t n;
    int r;

    r = session_space(&c->session, scratch, CLIENT_RECEIVE_SIZE, &data, &size);
    if (r < 0)
        return r;
    waits = patience(c, until);
    n = waits > 0 ? link_receive_patiently(&c->link, data, size, waits == QMP_FOREVER)
                  : link_receive(&c->link, data, size);
    if (n == -EAGAIN)
        return c->send_error < 0 ? hang_up(c, c->send_error) : 0; /* all it said has been read */
    if (n <= 0)
        return hang_up(c, (int)n);
    session_feed(&c->session, data, (size_t)n);
    r = handle_items(c);
    return r < 0 ? r : 1;
}

static int receive(qmp_client *c, uint64_t until)
{
    char scratch[CLIENT_RECEIVE_SIZE];

    return receive_into(c, scratch, until);
}

void connection_hear(qmp_client *c)
{
    int r = receive_into(c, c->driver->scratch, /* until= */ 0);

    if (r > 0)
        connection_flush(c);
    c->broken = MIN(r, 0);
}

/* On the way up. Returns 1 when the session can talk, 0 not yet, negative. */
static int rise(qmp_client *c)
{
    struct link_flaw flaw = {0};
    int r;

    if (c->link.state == LINK_DOWN) {
        if (time_now() < c->attempt_at)
            return 0;
        r = attempt(c);
        if (r < 0)
            return r;
    }
    forget_fd(c); /* one address after the other is tried, each with a descriptor of its own */
    r = link_step(&c->link, &flaw);
    return r < 0 ? explain_connect(c, r, &flaw) : r;
}

/* What a connection can do now. */
static int advance(qmp_client *c, uint64_t until)
{
    bool begins = false;
    int r;

    if (c->link.state != LINK_UP) {
        r = rise(c);
        if (r <= 0)
            return r;
    }
    if (!c->session_started) {
        session_start(&c->session);
        c->session_started = begins = true;
        r = handle_items(c);
        if (r < 0 || c->dying || c->disconnect_wanted)
            return r;
    }
    connection_flush(c);
    if (client_leader(c)) {
        if (c->send_error == 0)
            return 0; /* it receives */
        drive_oust(c);
        return 1;
    }
    r = c->driver ? receive_into(c, c->driver->scratch, /* until= */ 0) : receive(c, begins ? 0 : until);
    if (r > 0)
        connection_flush(c);
    return r < 0 ? r : begins | r; /* it may be RUNNING without having heard anything */
}

/* What needs no connection. Returns 1 when there was something, 0. */
static int do_wanted(qmp_client *c)
{
    int did = c->n_states > 0 || log_pending(c);

    client_announce(c);
    did |= dispatch_wanted(c);
    did |= command_expire(c);
    return did;
}

int connection_step(qmp_client *c, uint64_t until)
{
    int did = do_wanted(c), r = 0;

    if (c->dying)
        return -ESHUTDOWN;
    if (c->state == QMP_IDLE)
        return did ? 1 : -ENOTCONN;
    if (client_has_left(c)) {
        r = take_up(c);
        did = 1;
    } else if (!c->disconnect_wanted) {
        r = advance(c, did ? 0 : until);
    }
    if (c->dying)
        return -ESHUTDOWN;
    if (r >= 0 && c->state == QMP_CONNECTING && c->link.state != LINK_DOWN && time_now() >= c->connect_deadline)
        r = explain_timeout(c);
    if (r >= 0 && c->disconnect_wanted)
        r = connection_fail(c, QMP_FAILURE_DISCONNECT, -ENOTCONN, "disconnected");
    if (r < 0)
        r = end(c);
    log_emit(c);
    return c->dying ? -ESHUTDOWN : r < 0 ? r : did | r;
}
