/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_LINK_H
#define SRC_TRANSPORT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "transport/address.h"
#include "transport/tls.h"

/* Words for a failure. */
#define LINK_WHY_MAX 400u

struct dial; /* on the way: names, addresses to try, a child that is being started */

enum link_state {
    LINK_DOWN,
    LINK_LISTENING,   /* waiting for a peer to dial */
    LINK_RESOLVING,   /* waiting for a name */
    LINK_DIALLING,    /* waiting for a connect, or for the time to try one again */
    LINK_HANDSHAKING, /* TLS */
    LINK_UP
};

/* Where a connect that cannot be done yet (a full backlog) is tried again, in µs. */
#define LINK_RETRY_INTERVAL UINT64_C(20000)

/* A byte stream to a server, from the address to the end. It never blocks (but see link_receive_patiently()). */
struct link {
    enum link_state state;
    int fd;           /* to poll, -1: none now. While RESOLVING it is not a socket */
    bool accepted;    /* the peer dialled us: with TLS, we are its server */
    bool bounded;     /* its patience: some wait was not for ever */
    bool carries_fds; /* a UNIX socket that leads straight to the peer */
    int status_fd;    /* exec: where the shell tells the exit status of the command; -1 */
    struct dial *dial;
    struct tls *tls;
};

/* All that can be wrong on the way. */
struct link_flaw {
    bool tls;               /* it is TLS that failed */
    char why[LINK_WHY_MAX]; /* to be said instead of what the errno means; or "" */
};

/* All zero with fd and status_fd -1. */
void link_init(struct link *l);

/* Starts towards an address, within the deadline. With `credentials` (may be NULL; a reference is taken) the stream is
 * encrypted, and the peer must be called `peer_name` (may be NULL: the address's host). All is copied that outlives the
 * call. Whatever can fail because of the world outside fails in link_step(); here it is the address: -EINVAL for what
 * only listeners may say, -EADDRNOTAVAIL for an unknown network interface, -EAFNOSUPPORT; for fd: those of
 * link_adopt(). Returns 0, or negative with *reterr; the link is DOWN then. */
int link_dial(struct link *l, const struct address *a, struct qmp_tls *credentials, const char *peer_name,
    uint64_t deadline, struct link_flaw *reterr);
/* The same with a socket that is connected already and becomes the link's (on failure it stays the caller's, as it
 * was). -EBADF, -ENOTSOCK, -EPROTOTYPE (not a stream), -ENOTCONN. */
int link_adopt(struct link *l, int fd, bool accepted, struct qmp_tls *credentials, const char *peer_name,
    uint64_t deadline, struct link_flaw *reterr);
/* The same by listening: the first peer that dials is the one, then listening ends. Errors of listening_open(). */
int link_listen(struct link *l, const struct address *a, struct qmp_tls *credentials, const char *peer_name,
    struct link_flaw *reterr);
/* The address that a link in LINK_LISTENING listens on, as text; NULL for others. */
const char *link_listening_address(const struct link *l);

/* Does what can be done on the way up, and must be called once at the beginning. Returns 1 when it is UP now (or was),
 * 0 when it has to be called again (see link_poll_events() and link_deadline()), negative with *reterr: the errno of
 * the failed step; for TLS -EACCES when one side does not trust the other, -EPROTO for everything else. After a failure
 * all that is left to do is link_exit_status() and link_close(). */
int link_step(struct link *l, struct link_flaw *reterr);
/* What to poll `fd` for on the way up, and when to call link_step() at the latest (QMP_FOREVER: never). */
short link_poll_events(const struct link *l);
uint64_t link_deadline(const struct link *l);
/* What it is waiting for, for the words of a deadline that passed: "the look-up of the name vm7 did not end", "10.0.0.7
 * did not answer; 10.0.0.6: nobody listens there", "the TLS handshake did not end". */
void link_explain_wait(const struct link *l, char *out, size_t size);

/* UP only. Returns the bytes received; 0 at the end; -EAGAIN; other errnos (-EBADMSG: the TLS stream is broken, cut
 * off, or not TLS; -EACCES: the TLS peer refuses us after all). Patiently: may wait for
 * something, up to SOCKET_PATIENCE or for ever. */
ssize_t link_receive(struct link *l, void *data, size_t size);
ssize_t link_receive_patiently(struct link *l, void *data, size_t size, bool for_ever);
/* More about the last failure of link_receive(), or about an end before the first byte; "" for nothing. */
const char *link_words(const struct link *l);
/* Returns how many bytes were taken, -EAGAIN, other errnos. Raises no SIGPIPE. Descriptors go with the first byte, and
 * have gone when it returns more than 0; they need carries_fds (else -EAFNOSUPPORT). */
ssize_t link_send(struct link *l, const struct iovec *iov, size_t n, const int *fds, size_t n_fds);
/* Whether link_receive() would return bytes although the descriptor may not be readable; whether link_flush() has
 * something to send. */
static inline bool link_has_input(const struct link *l)
{
    return l->tls && tls_has_input(l->tls);
}

static inline bool link_wants_output(const struct link *l)
{
    return l->tls && tls_wants_output(l->tls);
}

/* Sends what a link_send() left in the link. Returns 0 when it is all gone, -EAGAIN, other errnos. */
int link_flush(struct link *l);

/* After the end of an exec: stream, until link_close(): whether the exit status of the command is known, as a shell's
 * $?. */
bool link_exit_status(const struct link *l, int *ret);

/* Down, from any state: says goodbye where that does not block, closes, stops listening and removes its socket file,
 * lets a look-up of names go. */
void link_close(struct link *l);

#endif
