/* SPDX-License-Identifier: MIT */
/* The connection: from connect to the end, between the transport and the session.
 *
 *     IDLE ──connect──▸ CONNECTING ──negotiated──▸ RUNNING ──▸ DISCONNECTING ──▸ IDLE
 *                            └──────── failure, disconnect ───────▸┘
 *
 * connection_step() is the one place where bytes move. It sends what the session has ready, receives once, and hands
 * every item to commands and listeners in the order of the wire: that order is why an event that precedes a reply is
 * queued before the reply completes. Input is received into the stack, or behind an unfinished message, so an idle
 * connection owns no buffer.
 *
 * However it ends (connection_end()), the order is the same: what was read is delivered, the descriptor is closed,
 * commands complete, listeners close, the state becomes IDLE. */

#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <qmp/error.h>

#include "transport/holder.h"
#include "transport/socket.h"
#include "util/util.h"
#include "json/value.h"

/* ---- beginning ---- */

/* The state in which a connection can be begun. */
static int check_idle(qmp_client *c)
{
    switch (c->state) {
    case QMP_IDLE:
        return 0;
    case QMP_RUNNING:
        return -EISCONN;
    default:
        return -EALREADY;
    }
}

static void forget_last(qmp_client *c)
{
    failure_done(&c->failure);
    c->report = 0;
    if (c->session_inited) {
        c->strays += c->session.strays;
        session_done(&c->session);
        c->session_inited = false;
    }
}

/* With the lock held; unlocks. The client may be gone afterwards. */
static void begin(qmp_client *c, char *address_text, const struct address *address, int fd)
{
    free(c->address_text);
    c->address_text = address_text;
    c->address = *address;
    c->fd = fd;
    c->retry_at = 0;
    c->send_broken = c->disconnect_wanted = false;
    c->connect_deadline = time_deadline(c->connect_timeout);
    session_init(&c->session, c->want_oob, c->message_max, c->depth_max);
    c->session_inited = true;
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

static int wrong_address(qmp_client *c, int error, const char *text, const char *flaw)
{
    char excerpt[200];

    json_excerpt(excerpt, sizeof(excerpt), text, strlen(text));
    return failure_set(&c->failure, QMP_FAILURE_CONNECT, error, "%s is %s; " ADDRESS_GRAMMAR, excerpt, flaw);
}

int qmp_client_connect(qmp_client *c, const char *address)
{
    CLEANUP(qmp_freep) char *text = strdup(address);
    struct address parsed;
    const char *flaw = NULL;
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    if (!text)
        return -ENOMEM;
    client_lock(c);
    r = check_idle(c);
    if (r >= 0) {
        forget_last(c);
        r = address_parse(&parsed, address, &flaw);
        if (r < 0)
            wrong_address(c, r, address, flaw);
    }
    if (r < 0) {
        pthread_mutex_unlock(&c->lock);
        return r;
    }
    begin(c, TAKE(text), &parsed, /* fd= */ -1);
    return 0;
}

int qmp_client_connect_fd(qmp_client *c, int fd)
{
    CLEANUP(qmp_freep) char *text = NULL;
    struct address peer = {.size = sizeof(peer.un)};
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    if (asprintf(&text, "descriptor %d", fd) < 0) {
        text = NULL;
        return -ENOMEM;
    }
    client_lock(c);
    r = check_idle(c);
    /* The peer's name tells who holds the monitor, if it has one. */
    if (r >= 0 && getpeername(fd, (struct sockaddr *)(void *)&peer.un, &peer.size) < 0)
        r = -errno;
    if (r >= 0)
        r = socket_adopt(fd);
    if (r < 0) {
        pthread_mutex_unlock(&c->lock);
        return r;
    }
    if (peer.un.sun_family != AF_UNIX)
        peer.size = 0;
    forget_last(c);
    begin(c, TAKE(text), &peer, fd);
    return 0;
}

/* ---- failing ---- */

static void duration_string(char out[32], uint64_t usec)
{
    if (usec == QMP_FOREVER)
        snprintf(out, 32, "all eternity");
    else if (usec % USEC_PER_SEC == 0)
        snprintf(out, 32, "%llu s", (unsigned long long)(usec / USEC_PER_SEC));
    else
        snprintf(out, 32, "%llu ms", (unsigned long long)(usec / 1000));
}

static int cannot_connect(qmp_client *c, int error)
{
    static const struct {
        int error;
        const char *hint;
    } hints[] = {
        {-ENOENT, ": is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?"},
        {-ECONNREFUSED, ": its QEMU has gone, or waits for nobody (server=off)"},
        {-EACCES, ": connecting needs write permission on it"},
        {-EPROTOTYPE, ": QMP wants a stream socket"},
    };
    const char *hint = "";

    for (unsigned i = 0; i < ELEMENTS(hints); i++) {
        if (hints[i].error == error)
            hint = hints[i].hint;
    }
    return failure_set(&c->failure, QMP_FAILURE_CONNECT, error, "cannot connect to %s: %s%s", c->address_text,
        qmp_strerror(error), hint);
}

/* "another client (pid 4242, virtqemud) holds this monitor" */
static bool explain_holder(const qmp_client *c, char *out, size_t size)
{
    char name[2 * PROCESS_NAME_MAX];
    struct process p;

    if (!holder_find(&c->address, c->fd, &p))
        return false;
    json_excerpt(name, sizeof(name), p.name, strlen(p.name));
    if (p.pid != 0)
        snprintf(out, size, "another client (pid %ld, %s) holds this monitor", (long)p.pid, name);
    else
        snprintf(out, size, "another client (of another user) holds this monitor");
    return true;
}

/* Why a server could be silent. */
static void explain_silence(const qmp_client *c, char *out, size_t size)
{
    struct process p;

    if (c->fd >= 0 && holder_server(c->fd, &p) && (p.state == 'T' || p.state == 't'))
        snprintf(out, size, "the server (pid %ld) is stopped, by a signal or a debugger", (long)p.pid);
    else
        snprintf(out, size, "the server is hung, or serves another client, or is no QMP server");
}

/* The connect timeout has passed: what was it waiting for? */
static int timed_out(qmp_client *c)
{
    char within[32], why[160];
    int error = -EBUSY;

    duration_string(within, c->connect_timeout);
    if (c->fd >= 0 && c->session.state != SESSION_GREETING) {
        explain_silence(c, why, sizeof(why));
        return failure_set(&c->failure, QMP_FAILURE_NEGOTIATION, -ETIMEDOUT,
            "%s greeted, but did not answer the negotiation within %s: %s", c->address_text, within, why);
    }
    if (!explain_holder(c, why, sizeof(why))) {
        explain_silence(c, why, sizeof(why));
        error = -ETIMEDOUT;
    }
    if (c->fd < 0)
        return failure_set(&c->failure, QMP_FAILURE_GREETING, error,
            "%s did not take the connection within %s, and others are waiting too: %s", c->address_text, within, why);
    return failure_set(&c->failure, QMP_FAILURE_GREETING, error, "connected to %s, but no greeting within %s: %s",
        c->address_text, within, why);
}

/* The session's failure becomes the client's, with the address in front. */
static void adopt_failure(qmp_client *c)
{
    struct failure *f = &c->session.failure;
    char *text = NULL;

    if (c->failure.kind != QMP_FAILURE_NONE || f->kind == QMP_FAILURE_NONE)
        return;
    c->failure = *f;
    f->text = f->bytes = NULL;
    if (!c->failure.text || asprintf(&text, "%s: %s", c->address_text, c->failure.text) < 0)
        return;
    free(c->failure.text);
    c->failure.text = text;
}

void connection_end(qmp_client *c)
{
    int error;

    adopt_failure(c);
    error = c->failure.error;
    client_set_state(c, QMP_DISCONNECTING);
    client_announce(c);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    command_end_all(c);
    dispatch_close(c);
    c->disconnect_wanted = false;
    c->report = c->failure.kind == QMP_FAILURE_DISCONNECT ? 0 : error;
    client_set_state(c, QMP_IDLE);
    client_announce(c);
}

static int end(qmp_client *c)
{
    int error;

    adopt_failure(c);
    error = c->failure.error;
    connection_end(c);
    return error;
}

int qmp_client_disconnect(qmp_client *c)
{
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    client_lock(c);
    if (c->disconnect_wanted || c->state == QMP_DISCONNECTING) {
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
        failure_set(&c->failure, QMP_FAILURE_DISCONNECT, -ENOTCONN, "disconnected");
        connection_end(c);
        drive_leave(c);
        return 0;
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

/* ---- going on ---- */

uint64_t connection_deadline(const qmp_client *c)
{
    uint64_t deadline = c->command_deadline;

    if (c->disconnect_wanted || c->handlers_wanted || c->n_states > 0 ||
        __atomic_load_n(&c->cancelled, __ATOMIC_ACQUIRE))
        return 0;
    if (c->state == QMP_CONNECTING) {
        deadline = MIN(deadline, c->connect_deadline);
        if (c->fd < 0)
            deadline = MIN(deadline, c->retry_at);
    }
    return deadline;
}

short connection_poll_events(const qmp_client *c)
{
    return session_wants_output(&c->session) && !c->send_broken ? POLLIN | POLLOUT : POLLIN;
}

/* Returns 1 when there is a connection now, 0 when it has to be tried again, negative. */
static int try_connect(qmp_client *c)
{
    uint64_t now = time_now();
    int r;

    if (now < c->retry_at)
        return 0;
    r = socket_connect(&c->address);
    if (r == -EAGAIN) {
        c->retry_at = now + CLIENT_RETRY_INTERVAL;
        return 0;
    }
    if (r < 0)
        return cannot_connect(c, r);
    c->fd = r;
    return 1;
}

void connection_flush(qmp_client *c)
{
    while (session_wants_output(&c->session) && !c->send_broken) {
        struct iovec iov[CLIENT_SEND_MAX];
        size_t n = session_output(&c->session, iov, ELEMENTS(iov));
        ssize_t sent = socket_send(c->fd, iov, n);

        if (sent == -EAGAIN)
            return;
        if (sent < 0) {
            /* The server has gone. What it said before can still be read; then the end shows there. */
            c->send_broken = true;
            return;
        }
        session_sent(&c->session, (size_t)sent);
    }
}

static void on_item(qmp_client *c, const struct session_item *item)
{
    CLEANUP(qmp_message_unrefp) qmp_message *m = item->message;

    switch (item->kind) {
    case ITEM_RUNNING:
        client_set_state(c, QMP_RUNNING);
        client_announce(c);
        break;
    case ITEM_EVENT:
        dispatch_event(c, m);
        break;
    case ITEM_REPLY:
        command_on_reply(c, item->command, m);
        break;
    }
}

/* Nothing else can come up before the answer to wait for. */
static bool may_wait(const qmp_client *c, uint64_t until)
{
    uint64_t earliest = MIN(until, connection_deadline(c));

    if (until == 0 || session_wants_output(&c->session))
        return false;
    return earliest == QMP_FOREVER || (earliest != 0 && time_now() + SOCKET_PATIENCE <= earliest);
}

/* Returns 1 when something came, 0, negative. */
static int receive(qmp_client *c, uint64_t until)
{
    char scratch[CLIENT_RECEIVE_SIZE], *data;
    struct session_item item;
    size_t size;
    ssize_t n;
    int r;

    r = session_space(&c->session, scratch, sizeof(scratch), &data, &size);
    if (r < 0)
        return r;
    n = may_wait(c, until) ? socket_receive_patiently(c->fd, data, size) : socket_receive(c->fd, data, size);
    if (n == -EAGAIN)
        return c->send_broken ? session_hang_up(&c->session, -EPIPE) : 0; /* all it said has been read */
    if (n <= 0)
        return session_hang_up(&c->session, (int)n);
    session_feed(&c->session, data, (size_t)n);
    while (!c->dying && (r = session_next(&c->session, &item)) > 0)
        on_item(c, &item);
    return r < 0 ? r : 1;
}

/* What needs no connection. Returns 1 when there was something, 0. */
static int do_wanted(qmp_client *c)
{
    int did = c->n_states > 0;

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
    if (c->fd < 0 && !c->disconnect_wanted)
        r = try_connect(c);
    if (r >= 0 && c->fd >= 0 && !c->disconnect_wanted) {
        connection_flush(c);
        r = receive(c, did ? 0 : until);
        if (r > 0)
            connection_flush(c);
    }
    if (c->dying)
        return -ESHUTDOWN;
    if (r >= 0 && c->state == QMP_CONNECTING && time_now() >= c->connect_deadline)
        r = timed_out(c);
    if (r >= 0 && c->disconnect_wanted)
        r = failure_set(&c->failure, QMP_FAILURE_DISCONNECT, -ENOTCONN, "disconnected");
    return r < 0 ? end(c) : did | r;
}
