/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_TLS_H
#define SRC_TRANSPORT_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <qmp/tls.h>

/* An encrypted stream over a connected socket, which stays the caller's. */
struct tls;

/* Whether the credentials will do for this side. Returns 0; -EINVAL with *why when they lack what it needs, or a client
 * has no name to verify; -EOPNOTSUPP. Worth asking before anybody is dialled or waited for. */
int tls_check(qmp_tls *credentials, bool is_server, const char *peer_name, char *why, size_t why_size);

/* Returns 0; as tls_check(); -ENOMEM. `peer_name` is copied; a reference to the credentials is taken. The socket may be
 * in either mode, no call blocks. */
int tls_new(
    struct tls **ret, qmp_tls *credentials, int fd, bool is_server, const char *peer_name, char *why, size_t why_size);
void tls_free(struct tls *t);

/* Returns 1 when the stream is up and the peer is verified, 0 when it waits for what tls_poll_events() says; -EACCES
 * when one side does not trust the other, -EPROTO for everything else of TLS, -ECONNRESET when the peer hung up, other
 * errnos of the socket; -ENOMEM; with *why. */
int tls_handshake(struct tls *t, char *why, size_t why_size);
short tls_poll_events(const struct tls *t);

/* As link_receive(), link_send() and their companions. What tls_send() has taken it owns: when it could not be sent
 * altogether, tls_wants_output() is true, and the rest goes with tls_flush(). It takes 16 KiB at most, and
 * nothing (-EAGAIN) while there is such a rest. Receiving can leave something to be sent too.
 *
 * tls_receive() returns 0 for a peer that says goodbye as for one that just closes where a record begins; -EBADMSG for
 * a stream that is broken, or cut within a record, and -EACCES when the peer refuses us now: in TLS 1.3 a client is up
 * before the server has looked at its certificate. QEMU hangs up instead. */
ssize_t tls_receive(struct tls *t, void *data, size_t size);
bool tls_has_input(const struct tls *t);
ssize_t tls_send(struct tls *t, const struct iovec *iov, size_t n);
bool tls_wants_output(const struct tls *t);
int tls_flush(struct tls *t);
/* Says goodbye, as far as that goes without blocking. */
void tls_bye(struct tls *t);
/* More about the last failure of a stream that was up, or about an end before the first byte; "" for nothing. */
const char *tls_words(const struct tls *t);

#endif
