/* SPDX-License-Identifier: MIT */
/* The way from an address to a stream of bytes.
 *
 *     dial  ──▸ RESOLVING ──▸ DIALLING ──┐
 *     listen ──▸ LISTENING ──────────────┼──▸ HANDSHAKING ──▸ UP
 *     adopt ─────────────────────────────┘ (only with TLS)
 *
 * Each state has one function that does what can be done now and says whether the state has changed; link_step() calls
 * them until one has to wait. What to wait for is always one descriptor and one moment. All that is needed on the way
 * up lives in `struct dial` and is freed at the top: a link that is UP is a few words, and its functions go straight to
 * the socket or to TLS.
 *
 * The descriptor that is polled belongs to whatever the state is about (a listening socket, a look-up, a connect under
 * way), and to the link itself only from HANDSHAKING on. The link refuses to know what the bytes are, and what time
 * limit there is but for sharing it out among addresses. */

#include "transport/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qmp/tls.h>

#include "transport/exec.h"
#include "transport/listening.h"
#include "transport/resolve.h"
#include "transport/socket.h"
#include "transport/tls.h"
#include "transport/tries.h"
#include "util/util.h"

struct dial {
    qmp_tls *credentials;
    char *peer_name;
    char *host;    /* a name to look up */
    unsigned port; /* of the host */
    char *command; /* to start */
    uint64_t next; /* when to step at the latest */
    struct listening listening;
    struct resolve *resolve;
    struct tries tries;
};

static int flaw(struct link_flaw *reterr, int error, const char *why)
{
    snprintf(reterr->why, sizeof(reterr->why), "%s", why);
    return error;
}

/* ---- the way up as an object ---- */

static void dial_free(struct dial *d)
{
    if (!d)
        return;
    qmp_tls_unref(d->credentials);
    listening_close(&d->listening);
    resolve_free(d->resolve);
    tries_done(&d->tries);
    free(d->peer_name);
    free(d->host);
    free(d->command);
    free(d);
}

static int begin(
    struct link *l, struct qmp_tls *credentials, const char *peer_name, uint64_t deadline, struct link_flaw *reterr)
{
    struct dial *d = calloc(1, sizeof(*d));

    memset(reterr, 0, sizeof(*reterr));
    link_init(l);
    if (!d)
        return -ENOMEM;
    d->listening.fd = d->tries.fd = -1;
    d->tries.deadline = deadline;
    d->credentials = credentials ? qmp_tls_ref(credentials) : NULL;
    d->peer_name = peer_name ? strdup(peer_name) : NULL;
    l->dial = d;
    return peer_name && !d->peer_name ? -ENOMEM : 0;
}

void link_init(struct link *l)
{
    *l = (struct link){.fd = -1, .status_fd = -1};
}

static void arrive(struct link *l)
{
    l->state = LINK_UP;
    dial_free(TAKE(l->dial));
}

static int begin_tls(struct link *l, int fd, struct link_flaw *reterr)
{
    struct dial *d = l->dial;
    int r;

    if (!d->credentials)
        return 0;
    r = tls_new(&l->tls, d->credentials, fd, l->accepted, d->peer_name, reterr->why, sizeof(reterr->why));
    reterr->tls = r < 0 && r != -ENOMEM;
    return r;
}

/* There is a connection; its socket is the link's. */
static void enter(struct link *l, int fd)
{
    l->fd = fd;
    l->carries_fds = !l->tls && l->status_fd < 0 && socket_family(fd) == AF_UNIX;
    if (!l->tls) {
        arrive(l);
        return;
    }
    l->state = LINK_HANDSHAKING;
    l->dial->next = 0;
}

/* Returns 1, or negative. */
static int connected(struct link *l, int fd, struct link_flaw *reterr)
{
    int r = begin_tls(l, fd, reterr);

    if (r < 0) {
        close(fd);
        l->fd = -1;
        return r;
    }
    enter(l, fd);
    return 1;
}

/* ---- beginning ---- */

static int check_connected(int fd, struct link_flaw *reterr)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(int);
    int type, listens = 0;

    if (fcntl(fd, F_GETFD) < 0)
        return flaw(reterr, -EBADF, "this process has no such descriptor open");
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return flaw(reterr, -errno, "the descriptor is no socket");
    if (type != SOCK_STREAM)
        return flaw(reterr, -EPROTOTYPE, "the descriptor is no stream socket");
    size = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens)
        return flaw(reterr, -ENOTCONN, "the descriptor is a socket that listens; to connect, it must be connected");
    size = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)(void *)&peer, &size) < 0)
        return flaw(reterr, -errno, "the descriptor is a socket that is not connected");
    return 0;
}

static int adopt(struct link *l, int fd, struct link_flaw *reterr)
{
    int r = check_connected(fd, reterr);

    if (r >= 0)
        r = begin_tls(l, fd, reterr);
    if (r >= 0)
        r = socket_adopt(fd);
    if (r >= 0)
        enter(l, fd);
    return r;
}

static int begin_address(struct link *l, const struct address *a, struct link_flaw *reterr)
{
    struct sockaddr_storage address;
    socklen_t size;
    int r;

    if (a->kind == ADDRESS_VSOCK && a->vsock.cid == ADDRESS_CID_ANY)
        return flaw(reterr, -EINVAL, "any CID is for listening; to connect, it must be one");
    r = address_resolve(a, &address, &size);
    if (r == -EADDRNOTAVAIL)
        return flaw(reterr, r, "there is no such network interface");
    if (r < 0)
        return flaw(reterr, r, "this system has no vsock sockets");
    tries_add(&l->dial->tries, (const struct sockaddr *)(const void *)&address, size);
    l->state = LINK_DIALLING;
    return 0;
}

/* The name that a server's certificate has, which knows no interfaces of ours. */
static char *copy_name(const struct address *a)
{
    const char *percent = memchr(a->tcp.host, '%', a->tcp.host_size);

    return strndup(a->tcp.host, percent ? (size_t)(percent - a->tcp.host) : a->tcp.host_size);
}

static int begin_tcp(struct link *l, const struct address *a, struct link_flaw *reterr)
{
    struct dial *d = l->dial;
    int r;

    if (a->tcp.port == 0)
        return flaw(reterr, -EINVAL, "port 0 is for listening; to connect, it must be one");
    if (!d->peer_name)
        d->peer_name = copy_name(a);
    d->host = strndup(a->tcp.host, a->tcp.host_size);
    d->port = a->tcp.port;
    if (!d->host || !d->peer_name)
        return -ENOMEM;
    if (a->tcp.numeric)
        return begin_address(l, a, reterr);
    r = resolve_start(&d->resolve, d->host, a->tcp.port);
    if (r == -EAGAIN)
        return flaw(reterr, -ENOMEM, "no thread can be started to look the name up");
    if (r < 0)
        return r;
    l->fd = resolve_get_fd(d->resolve);
    l->state = LINK_RESOLVING;
    return 0;
}

static int begin_fd(struct link *l, const struct address *a, struct link_flaw *reterr)
{
    return adopt(l, a->fd, reterr);
}

static int begin_exec(struct link *l, const struct address *a, struct link_flaw *reterr)
{
    (void)reterr;
    l->dial->command = strdup(a->command);
    if (!l->dial->command)
        return -ENOMEM;
    l->state = LINK_DIALLING;
    return 0;
}

/* Before anybody is troubled: what is wrong with our own credentials. */
static int check_credentials(const struct link *l, bool is_server, struct link_flaw *reterr)
{
    const struct dial *d = l->dial;
    int r;

    if (!d || !d->credentials) /* none, or used already */
        return 0;
    r = tls_check(d->credentials, is_server, d->peer_name, reterr->why, sizeof(reterr->why));
    reterr->tls = r < 0;
    return r;
}

/* What failed at its beginning owns no connection yet. */
static int give_up(struct link *l, int error)
{
    tls_free(TAKE(l->tls));
    dial_free(TAKE(l->dial));
    link_init(l);
    return error;
}

int link_dial(struct link *l, const struct address *a, struct qmp_tls *credentials, const char *peer_name,
    uint64_t deadline, struct link_flaw *reterr)
{
    static int (*const beginnings[])(struct link * l, const struct address *a, struct link_flaw *reterr) = {
        [ADDRESS_UNIX] = begin_address,
        [ADDRESS_TCP] = begin_tcp,
        [ADDRESS_VSOCK] = begin_address,
        [ADDRESS_FD] = begin_fd,
        [ADDRESS_EXEC] = begin_exec,
    };
    int r = begin(l, credentials, peer_name, deadline, reterr);

    if (r >= 0)
        r = beginnings[a->kind](l, a, reterr);
    if (r >= 0 && a->kind != ADDRESS_FD) /* which is the link's already, and was checked before */
        r = check_credentials(l, /* is_server= */ false, reterr);
    return r < 0 ? give_up(l, r) : 0;
}

int link_adopt(struct link *l, int fd, bool accepted, struct qmp_tls *credentials, const char *peer_name,
    uint64_t deadline, struct link_flaw *reterr)
{
    int r = begin(l, credentials, peer_name, deadline, reterr);

    l->accepted = accepted;
    if (r >= 0)
        r = adopt(l, fd, reterr);
    return r < 0 ? give_up(l, r) : 0;
}

int link_listen(struct link *l, const struct address *a, struct qmp_tls *credentials, const char *peer_name,
    struct link_flaw *reterr)
{
    int r = begin(l, credentials, peer_name, /* deadline= */ UINT64_MAX, reterr);

    if (r >= 0)
        r = check_credentials(l, /* is_server= */ true, reterr);
    if (r >= 0)
        r = listening_open(&l->dial->listening, a, reterr);
    if (r < 0)
        return give_up(l, r);
    l->accepted = true;
    l->fd = l->dial->listening.fd;
    l->state = LINK_LISTENING;
    return 0;
}

const char *link_listening_address(const struct link *l)
{
    return l->state == LINK_LISTENING ? l->dial->listening.text : NULL;
}

/* ---- going on: each returns 1 when the state has changed, 0 when it has to wait, negative ---- */

static int step_down(struct link *l, struct link_flaw *reterr)
{
    (void)l;
    (void)reterr;
    return -ENOTCONN;
}

static int step_listening(struct link *l, struct link_flaw *reterr)
{
    struct dial *d = l->dial;
    int fd = listening_accept(&d->listening), r;

    d->next = UINT64_MAX;
    if (fd == -EAGAIN)
        return 0;
    if (fd < 0)
        return fd;
    l->fd = -1;
    listening_close(&d->listening);
    r = socket_adopt(fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    return connected(l, fd, reterr);
}

/* RFC 6761 says what localhost is; a system without a file of hosts does not. */
static bool add_localhost(struct dial *d)
{
    static const char *const addresses[] = {"[::1]", "127.0.0.1"};
    bool added = false;

    if (strcmp(d->host, "localhost") != 0)
        return false;
    for (size_t i = 0; i < ELEMENTS(addresses); i++) {
        char text[32];
        const char *why;
        struct address a;
        struct sockaddr_storage s;
        socklen_t size;

        snprintf(text, sizeof(text), "tcp:%s:%u", addresses[i], d->port);
        if (address_parse(&a, text, &why) >= 0 && address_resolve(&a, &s, &size) >= 0) {
            tries_add(&d->tries, (const struct sockaddr *)(const void *)&s, size);
            added = true;
        }
    }
    return added;
}

static int step_resolving(struct link *l, struct link_flaw *reterr)
{
    struct dial *d = l->dial;
    const struct addrinfo *found;
    const char *why;
    int r = resolve_result(d->resolve, &found, &why);

    d->next = UINT64_MAX;
    if (r == -EAGAIN)
        return 0;
    if (r < 0 && add_localhost(d)) {
        found = NULL;
    } else if (r < 0) {
        snprintf(reterr->why, sizeof(reterr->why), "%s: %s", d->host, why);
        return r;
    }
    for (; found; found = found->ai_next)
        tries_add(&d->tries, found->ai_addr, found->ai_addrlen);
    d->tries.named = true;
    l->fd = -1;
    resolve_free(TAKE(d->resolve));
    l->state = LINK_DIALLING;
    return 1;
}

static int start_command(struct link *l, struct link_flaw *reterr)
{
    int fd, r = exec_start(l->dial->command, &fd, &l->status_fd);

    if (r == -EIO)
        return flaw(reterr, r, "the shell could not start the command");
    if (r == -EAGAIN)
        return flaw(reterr, -ENOMEM, "the system has no room for another process");
    return r < 0 ? r : connected(l, fd, reterr);
}

static int step_dialling(struct link *l, struct link_flaw *reterr)
{
    struct dial *d = l->dial;
    int fd, r;

    if (d->command)
        return start_command(l, reterr);
    r = tries_step(&d->tries, &fd);
    l->fd = d->tries.fd;
    d->next = d->tries.next;
    if (r < 0)
        return flaw(reterr, r, d->tries.why);
    return r > 0 ? connected(l, fd, reterr) : 0;
}

static int step_handshaking(struct link *l, struct link_flaw *reterr)
{
    int r = tls_handshake(l->tls, reterr->why, sizeof(reterr->why));

    l->dial->next = UINT64_MAX;
    reterr->tls = r < 0;
    if (r > 0)
        arrive(l);
    return r;
}

int link_step(struct link *l, struct link_flaw *reterr)
{
    static int (*const steps[])(struct link * l, struct link_flaw * reterr) = {
        [LINK_DOWN] = step_down,
        [LINK_LISTENING] = step_listening,
        [LINK_RESOLVING] = step_resolving,
        [LINK_DIALLING] = step_dialling,
        [LINK_HANDSHAKING] = step_handshaking,
    };
    int r = 1;

    memset(reterr, 0, sizeof(*reterr));
    while (l->state != LINK_UP && r > 0)
        r = steps[l->state](l, reterr);
    return r;
}

short link_poll_events(const struct link *l)
{
    switch (l->state) {
    case LINK_DIALLING:
        return l->fd >= 0 ? POLLOUT : 0;
    case LINK_HANDSHAKING:
        return tls_poll_events(l->tls);
    case LINK_DOWN:
        return 0;
    default:
        return POLLIN;
    }
}

uint64_t link_deadline(const struct link *l)
{
    return l->dial ? l->dial->next : UINT64_MAX;
}

void link_explain_wait(const struct link *l, char *out, size_t size)
{
    switch (l->state) {
    case LINK_LISTENING:
        snprintf(out, size, "nobody dialled %s", l->dial->listening.text);
        break;
    case LINK_RESOLVING:
        snprintf(out, size, "the look-up of the name %s did not end", l->dial->host);
        break;
    case LINK_DIALLING:
        tries_explain_wait(&l->dial->tries, out, size);
        break;
    case LINK_HANDSHAKING:
        snprintf(out, size, "the TLS handshake did not end: the server is hung, or serves another client");
        break;
    default:
        snprintf(out, size, "%s", "");
    }
}

/* ---- up ---- */

const char *link_words(const struct link *l)
{
    return l->tls ? tls_words(l->tls) : "";
}

ssize_t link_receive(struct link *l, void *data, size_t size)
{
    return l->tls ? tls_receive(l->tls, data, size) : socket_receive(l->fd, data, size);
}

ssize_t link_receive_patiently(struct link *l, void *data, size_t size, bool for_ever)
{
    if (!for_ever && !l->bounded && !l->tls) {
        int r = socket_bound_patience(l->fd);

        if (r < 0)
            return r;
        l->bounded = true;
    }
    return l->tls ? tls_receive(l->tls, data, size) : socket_receive_patiently(l->fd, data, size);
}

ssize_t link_send(struct link *l, const struct iovec *iov, size_t n, const int *fds, size_t n_fds)
{
    if (n_fds > 0)
        return l->carries_fds ? socket_send_fds(l->fd, iov, n, fds, n_fds) : -EAFNOSUPPORT;
    return l->tls ? tls_send(l->tls, iov, n) : socket_send(l->fd, iov, n);
}

int link_flush(struct link *l)
{
    return l->tls ? tls_flush(l->tls) : 0;
}

/* ---- down ---- */

bool link_exit_status(const struct link *l, int *ret)
{
    return exec_status(l->status_fd, ret);
}

void link_close(struct link *l)
{
    bool owns_fd = l->state == LINK_HANDSHAKING || l->state == LINK_UP;

    if (l->tls && l->state == LINK_UP)
        tls_bye(l->tls);
    tls_free(l->tls);
    dial_free(l->dial);
    if (owns_fd)
        close(l->fd);
    if (l->status_fd >= 0)
        close(l->status_fd);
    link_init(l);
}
