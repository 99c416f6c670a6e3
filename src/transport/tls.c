/* SPDX-License-Identifier: MIT */
/* An encrypted stream over a socket, by GnuTLS.
 *
 * GnuTLS writes through vec_push() and reads through pull(), which never block. To GnuTLS writing never fails for want
 * of room: what the socket does not take is kept here, in `output`, and no new record is made before that is gone. So
 * no call into GnuTLS is ever left half done for sending, and what tls_send() took is out of its caller's hands for
 * good.
 *
 * When the peer has hung up, what GnuTLS still writes is thrown away, and the error kept: first comes what the peer
 * said before it went, which is the better answer. tls_send() and tls_flush() return the error when the stream is up.
 *
 * The peer's certificate is looked at inside the handshake, so that it hears about it. A stream is not up before that
 * has happened: `verified` is set by the check alone, whatever the handshake says.
 *
 * What is sent ends with a record of one byte. QEMU up to 7.2 reads byte by byte, each time its socket is readable; a
 * record leaves the socket as a whole with its first byte, and the others would be stuck in QEMU's GnuTLS until
 * something else comes. With one more record in the socket they are not, and a record of one byte has no others.
 *
 * GnuTLS reads exactly one record at a time from the socket, hence a descriptor that is not readable and
 * tls_has_input() false mean that nothing is there. Not known here: who closes the socket, deadlines, and what the
 * bytes are. */

#include "transport/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "transport/credentials.h"
#include "transport/socket.h"
#include "transport/tls-library.h"
#include "transport/tls-reason.h"
#include "util/buffer.h"
#include "util/util.h"

#define RECORD_SIZE ((size_t)16384)
/* A flight of the handshake (certificates, and on a server the names of all authorities), or a record and its company.
 */
#define OUTPUT_MAX ((size_t)4 * 1024 * 1024)
#define WORDS_MAX 400u
/* Messages other than data that are skipped in one call: nobody may keep us busy with them. */
#define SKIPPED_MAX 32

enum stage {
    SHAKING_HANDS,
    SENDING_THE_LAST, /* of the handshake */
    UP,
    BROKEN
};

struct tls {
    struct tls_case about;
    gnutls_session_t session;
    qmp_tls *credentials;
    char *peer_name;
    int fd;
    enum stage stage;
    bool verified;
    bool heard;        /* data, ever */
    bool at_end;       /* the peer sends no more */
    bool corked;       /* what GnuTLS writes stays in `output` */
    int receive_error; /* negative: of the socket */
    int send_error;
    struct buffer output;
    size_t output_sent;
    char words[WORDS_MAX];
    unsigned char record[RECORD_SIZE];
};

/* ---- the socket ---- */

/* Puts what the socket did not take of the vector behind the rest. */
static int keep(struct tls *t, const giovec_t *iov, size_t n, size_t sent)
{
    for (size_t i = 0; i < n; i++) {
        size_t skip = MIN(sent, iov[i].iov_len);
        int r = buffer_append(&t->output, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip, OUTPUT_MAX);

        if (r < 0)
            return r;
        sent -= skip;
    }
    return 0;
}

static ssize_t vec_push(gnutls_transport_ptr_t pointer, const giovec_t *iov, int n)
{
    struct tls *t = pointer;
    size_t size = 0, sent = 0;

    for (int i = 0; i < n; i++)
        size += iov[i].iov_len;
    if (t->output.size == 0 && t->send_error == 0 && !t->corked) {
        ssize_t r = socket_send(t->fd, iov, (size_t)n);

        if (r >= 0)
            sent = (size_t)r;
        else if (r != -EAGAIN)
            t->send_error = (int)r;
    }
    if (t->send_error == 0 && sent < size)
        t->send_error = keep(t, iov, (size_t)n, sent);
    return (ssize_t)size;
}

static void remember_first(struct tls *t, const void *data, size_t size)
{
    struct tls_case *c = &t->about;
    size_t n = MIN(size, sizeof(c->first) - c->first_size);

    memcpy(c->first + c->first_size, data, n);
    c->first_size += n;
}

static ssize_t pull(gnutls_transport_ptr_t pointer, void *data, size_t size)
{
    struct tls *t = pointer;
    ssize_t n = socket_receive(t->fd, data, size);

    if (n < 0) {
        if (n != -EAGAIN)
            t->receive_error = (int)n;
        sym_gnutls_transport_set_errno(t->session, (int)-n);
        return -1;
    }
    t->at_end = n == 0 && size > 0;
    if (t->stage == SHAKING_HANDS)
        remember_first(t, data, (size_t)n);
    return n;
}

int tls_flush(struct tls *t)
{
    while (t->send_error == 0 && t->output.size > 0) {
        const struct iovec rest = {t->output.data + t->output_sent, t->output.size - t->output_sent};
        ssize_t n = socket_send(t->fd, &rest, 1);

        if (n == -EAGAIN)
            return -EAGAIN;
        if (n < 0) {
            t->send_error = (int)n;
            break;
        }
        t->output_sent += (size_t)n;
        if (t->output_sent == t->output.size)
            t->output.size = t->output_sent = 0;
    }
    return t->send_error;
}

bool tls_wants_output(const struct tls *t)
{
    return t->output.size > 0 && t->send_error == 0;
}

/* ---- the peer ---- */

static bool is_address(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Called by GnuTLS within the handshake. */
static int verify(gnutls_session_t session)
{
    struct tls *t = CONTAINER_OF(sym_gnutls_session_get_ptr(session), struct tls, about.guest);
    int r = sym_gnutls_certificate_verify_peers3(session, t->about.peer_name, &t->about.status);

    if (r < 0)
        return r;
    if (t->about.status != 0)
        return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
    t->verified = true;
    return 0;
}

/* ---- beginning ---- */

int tls_check(qmp_tls *credentials, bool is_server, const char *peer_name, char *why, size_t why_size)
{
    const struct credentials_set *s = &credentials->sets[is_server ? CREDENTIALS_SERVER : CREDENTIALS_CLIENT];

    if (credentials->type != GNUTLS_CRD_CERTIFICATE)
        return 0;
    if (s->error < 0) {
        snprintf(why, why_size, "%s", s->flaw.why);
        return -EINVAL;
    }
    if (!is_server && credentials->verify_peer && (!peer_name || peer_name[0] == '\0')) {
        snprintf(why, why_size,
            "there is no name to check the server's certificate against: say how it is called (peer_name; qmp: "
            "--tls-name)");
        return -EINVAL;
    }
    return 0;
}

static int set_credentials(struct tls *t)
{
    const qmp_tls *c = t->credentials;
    bool is_server = t->about.is_server;
    void *own = c->type == GNUTLS_CRD_CERTIFICATE
                    ? (void *)c->sets[is_server ? CREDENTIALS_SERVER : CREDENTIALS_CLIENT].certificates
                : is_server ? (void *)c->server
                            : (void *)c->client;
    int r = sym_gnutls_priority_set(t->session, c->priority);

    return r < 0 ? r : sym_gnutls_credentials_set(t->session, c->type, own);
}

static int want_certificate(struct tls *t)
{
    const char *name = t->about.peer_name;

    if (t->credentials->verify_peer)
        sym_gnutls_session_set_verify_function(t->session, verify);
    if (t->about.is_server)
        sym_gnutls_certificate_server_set_request(
            t->session, t->credentials->verify_peer ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
    if (!name || is_address(name))
        return 0;
    return sym_gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, name, strlen(name));
}

static int set_up(struct tls *t)
{
    int r = sym_gnutls_init(&t->session, t->about.is_server ? GNUTLS_SERVER : GNUTLS_CLIENT);

    if (r < 0)
        return r;
    t->about.session = t->session;
    sym_gnutls_session_set_ptr(t->session, &t->about.guest);
    sym_gnutls_transport_set_ptr(t->session, t);
    sym_gnutls_transport_set_vec_push_function(t->session, vec_push);
    sym_gnutls_transport_set_pull_function(t->session, pull);
    r = set_credentials(t);
    if (r == 0 && t->credentials->type == GNUTLS_CRD_CERTIFICATE)
        r = want_certificate(t);
    return r;
}

static struct tls *allocate(qmp_tls *credentials, int fd, bool is_server, const char *peer_name)
{
    struct tls *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->fd = fd;
    t->credentials = qmp_tls_ref(credentials);
    t->about.credentials = t->about.guest.credentials = credentials;
    t->about.is_server = is_server;
    /* A client has no name to be checked. */
    if (is_server || !peer_name || peer_name[0] == '\0')
        return t;
    t->about.peer_name = t->peer_name = strdup(peer_name);
    if (t->peer_name)
        return t;
    tls_free(t);
    return NULL;
}

int tls_new(
    struct tls **ret, qmp_tls *credentials, int fd, bool is_server, const char *peer_name, char *why, size_t why_size)
{
    int r = tls_check(credentials, is_server, peer_name, why, why_size);
    struct tls *t;

    if (r < 0)
        return r;
    t = allocate(credentials, fd, is_server, peer_name);
    r = t ? set_up(t) : GNUTLS_E_MEMORY_ERROR;
    if (r < 0) {
        tls_free(t);
        snprintf(why, why_size, "TLS cannot begin: %s", sym_gnutls_strerror(r));
        return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
    }
    *ret = t;
    return 0;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    if (t->session)
        sym_gnutls_deinit(t->session);
    qmp_tls_unref(t->credentials);
    buffer_done(&t->output);
    sym_gnutls_memset(t->record, 0, sizeof(t->record));
    free(t->peer_name);
    free(t);
}

/* ---- the handshake ---- */

/* Lets the peer know, if it still listens, why it is refused. */
static void send_alert(struct tls *t, int gnutls_error)
{
    if (gnutls_error == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
        sym_gnutls_alert_send(t->session, GNUTLS_AL_FATAL, tls_reason_alert(t->about.status));
    else if (gnutls_error == GNUTLS_E_NO_CERTIFICATE_FOUND)
        sym_gnutls_alert_send(t->session, GNUTLS_AL_FATAL, GNUTLS_A_HANDSHAKE_FAILURE);
    else if (gnutls_error != GNUTLS_E_FATAL_ALERT_RECEIVED && !tls_reason_is_clear_text(&t->about))
        sym_gnutls_alert_send_appropriate(t->session, gnutls_error);
    tls_flush(t);
}

/* More of what was sent in clear, for the words. */
static void read_clear_text(struct tls *t)
{
    unsigned char more[TLS_FIRST_MAX];
    ssize_t n = socket_receive(t->fd, more, sizeof(more) - t->about.first_size);

    if (n > 0)
        remember_first(t, more, (size_t)n);
}

static int fail_on_socket(const struct tls *t, int error, char *why, size_t why_size)
{
    if (error == -ECONNRESET || error == -EPIPE)
        return tls_reason_of_handshake(&t->about, GNUTLS_E_PREMATURE_TERMINATION, why, why_size);
    snprintf(why, why_size, "the connection failed in the TLS handshake");
    return error;
}

static int fail_handshake(struct tls *t, int gnutls_error, char *why, size_t why_size)
{
    if (gnutls_error == GNUTLS_E_PULL_ERROR && t->receive_error < 0)
        return fail_on_socket(t, t->receive_error, why, why_size);
    /* In the middle of a record GnuTLS calls that another name. */
    if (gnutls_error == GNUTLS_E_UNEXPECTED_PACKET_LENGTH && t->at_end)
        gnutls_error = GNUTLS_E_PREMATURE_TERMINATION;
    if (tls_reason_is_clear_text(&t->about))
        read_clear_text(t);
    send_alert(t, gnutls_error);
    return tls_reason_of_handshake(&t->about, gnutls_error, why, why_size);
}

static int shake_hands(struct tls *t)
{
    int r = GNUTLS_E_INTERRUPTED;

    for (int i = 0; i < SKIPPED_MAX && (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED); i++)
        r = sym_gnutls_handshake(t->session);
    return r;
}

/* Whether the handshake ended in what was asked for. */
static bool is_as_agreed(const struct tls *t)
{
    const qmp_tls *c = t->credentials;

    if (sym_gnutls_auth_get_type(t->session) != c->type)
        return false;
    return c->type == GNUTLS_CRD_PSK || !c->verify_peer || t->verified;
}

/* Returns 1 at the end of it, 0 when it waits. */
static int step_handshake(struct tls *t, char *why, size_t why_size)
{
    int r = shake_hands(t);

    if (r == GNUTLS_E_AGAIN)
        return t->send_error == 0 ? 0 : fail_on_socket(t, t->send_error, why, why_size);
    if (r == 0 && !is_as_agreed(t))
        r = GNUTLS_E_INSUFFICIENT_CREDENTIALS;
    return r < 0 ? fail_handshake(t, r, why, why_size) : 1;
}

int tls_handshake(struct tls *t, char *why, size_t why_size)
{
    int r = 1;

    if (t->stage == BROKEN) {
        snprintf(why, why_size, "the TLS handshake failed before");
        return -EPROTO;
    }
    tls_flush(t);
    if (t->stage == SHAKING_HANDS)
        r = step_handshake(t, why, why_size);
    if (r <= 0) {
        t->stage = r < 0 ? BROKEN : SHAKING_HANDS;
        return r;
    }
    if (t->stage == SHAKING_HANDS)
        t->stage = SENDING_THE_LAST;
    if (t->stage == SENDING_THE_LAST && tls_wants_output(t))
        return 0;
    /* A peer that has gone already says why when it is read from. One that is still there waits for what was not sent.
     */
    if (t->stage == SENDING_THE_LAST && t->send_error < 0 && t->send_error != -EPIPE && t->send_error != -ECONNRESET) {
        t->stage = BROKEN;
        return fail_on_socket(t, t->send_error, why, why_size);
    }
    t->stage = UP;
    return 1;
}

short tls_poll_events(const struct tls *t)
{
    /* What is there to read when only sending is left is the caller's data. */
    if (t->stage == SENDING_THE_LAST)
        return POLLOUT;
    return tls_wants_output(t) ? POLLIN | POLLOUT : POLLIN;
}

/* ---- data ---- */

static ssize_t fail_to_receive(struct tls *t, int gnutls_error)
{
    int r;

    if (gnutls_error == GNUTLS_E_PULL_ERROR && t->receive_error < 0) {
        r = t->receive_error;
        if (!t->heard)
            tls_reason_of_silence(&t->about, t->words, sizeof(t->words));
    } else {
        r = tls_reason_of_record(&t->about, gnutls_error, t->words, sizeof(t->words));
    }
    return r;
}

/* A request to negotiate anew: a client says no and goes on, a server cannot. */
static bool decline(struct tls *t)
{
    if (t->about.is_server)
        return false;
    if (t->output.size == 0)
        sym_gnutls_alert_send(t->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
    return true;
}

static bool may_skip(struct tls *t, ssize_t r)
{
    return r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED ||
           (r == GNUTLS_E_REHANDSHAKE && decline(t));
}

ssize_t tls_receive(struct tls *t, void *data, size_t size)
{
    ssize_t r = GNUTLS_E_INTERRUPTED;

    for (int i = 0; i < SKIPPED_MAX; i++) {
        r = sym_gnutls_record_recv(t->session, data, size);
        if (r >= 0 || !may_skip(t, r))
            break;
    }
    if (r > 0) {
        t->heard = true;
        return r;
    }
    if (r == GNUTLS_E_AGAIN)
        return -EAGAIN;
    if (r == 0 || r == GNUTLS_E_PREMATURE_TERMINATION) {
        if (!t->heard)
            tls_reason_of_silence(&t->about, t->words, sizeof(t->words));
        return 0;
    }
    return fail_to_receive(t, (int)r);
}

bool tls_has_input(const struct tls *t)
{
    return sym_gnutls_record_check_pending(t->session) > 0;
}

/* Gathers at most one record. Returns where it is, and whether it is everything. */
static const void *gather(struct tls *t, const struct iovec *iov, size_t n, size_t *ret_size, bool *ret_all)
{
    size_t size = 0, i = 0;

    if (n == 1 || (n > 0 && iov[0].iov_len > RECORD_SIZE)) {
        *ret_size = MIN(iov[0].iov_len, RECORD_SIZE);
        *ret_all = n == 1 && *ret_size == iov[0].iov_len;
        return iov[0].iov_base;
    }
    while (i < n) {
        size_t part = MIN(iov[i].iov_len, RECORD_SIZE - size);

        if (part > 0)
            memcpy(t->record + size, iov[i].iov_base, part);
        size += part;
        if (part < iov[i].iov_len)
            break;
        i++;
    }
    *ret_size = size;
    *ret_all = i == n;
    return t->record;
}

/* Returns how much was taken, or a GnuTLS error. */
static ssize_t send_records(struct tls *t, const char *data, size_t size, bool all)
{
    size_t first = all && size > 1 ? size - 1 : size;
    ssize_t taken = sym_gnutls_record_send(t->session, data, first), last;

    if (taken < 0 || (size_t)taken < first || first == size)
        return taken;
    last = sym_gnutls_record_send(t->session, data + first, 1);
    return last < 0 ? last : taken + last;
}

ssize_t tls_send(struct tls *t, const struct iovec *iov, size_t n)
{
    const char *data;
    ssize_t taken;
    size_t size;
    bool all;
    int r = tls_flush(t);

    if (r < 0)
        return r;
    data = gather(t, iov, n, &size, &all);
    if (size == 0)
        return 0;
    t->corked = true; /* both records in one go */
    taken = send_records(t, data, size, all);
    t->corked = false;
    tls_flush(t);
    if (taken >= 0)
        return t->send_error < 0 ? t->send_error : taken;
    if (taken == GNUTLS_E_MEMORY_ERROR)
        return -ENOMEM;
    snprintf(t->words, sizeof(t->words), "TLS cannot send: %s", sym_gnutls_strerror((int)taken));
    return -EPIPE;
}

void tls_bye(struct tls *t)
{
    if (t->stage == UP && t->send_error == 0) {
        sym_gnutls_bye(t->session, GNUTLS_SHUT_WR);
        tls_flush(t);
    }
}

const char *tls_words(const struct tls *t)
{
    return t->words;
}
