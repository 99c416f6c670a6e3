/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_TLS_REASON_H
#define SRC_TRANSPORT_TLS_REASON_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/credentials.h"

/* How much of what a peer sent first is kept, to show it when it is not TLS. */
#define TLS_FIRST_MAX 48u

/* A connection, as far as its failures need it. */
struct tls_case {
    gnutls_session_t session;
    const qmp_tls *credentials;
    const char *peer_name; /* NULL: any will do */
    bool is_server;
    unsigned status; /* of the peer's certificate: gnutls_certificate_status_t */
    struct credentials_guest guest;
    unsigned char first[TLS_FIRST_MAX];
    size_t first_size;
};

/* Whether the peer's first bytes are none of TLS. */
bool tls_reason_is_clear_text(const struct tls_case *c);
/* What a GnuTLS error of the handshake means: -EACCES, -EPROTO, -ECONNRESET or -ENOMEM, with words. */
int tls_reason_of_handshake(const struct tls_case *c, int gnutls_error, char *why, size_t why_size);
/* The same afterwards: -EACCES, -EBADMSG or -ENOMEM. */
int tls_reason_of_record(const struct tls_case *c, int gnutls_error, char *why, size_t why_size);
/* Words for a peer that hung up after the handshake without having said anything. */
void tls_reason_of_silence(const struct tls_case *c, char *why, size_t why_size);
/* The alert that tells the peer what is wrong with its certificate. */
gnutls_alert_description_t tls_reason_alert(unsigned status);

#endif
