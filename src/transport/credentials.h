/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_CREDENTIALS_H
#define SRC_TRANSPORT_CREDENTIALS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <qmp/tls.h>

/* The largest file of a folder of credentials: lists of revoked certificates grow. */
#define CREDENTIALS_FILE_MAX ((size_t)16 * 1024 * 1024)
#define CREDENTIALS_PATH_MAX 4096u
#define CREDENTIALS_WHY_MAX 1024u
#define CREDENTIALS_DATE_MAX 32u

#define CREDENTIALS_AUTHORITY "ca-cert.pem"
#define CREDENTIALS_REVOKED "ca-crl.pem"
#define CREDENTIALS_KEYS "keys.psk"

/* Which end of a connection this process is. */
enum credentials_end { CREDENTIALS_CLIENT, CREDENTIALS_SERVER, CREDENTIALS_ENDS };

/* What is wrong, in words. */
struct credentials_flaw {
    char why[CREDENTIALS_WHY_MAX];
};

/* The certificates for one end. */
struct credentials_set {
    gnutls_certificate_credentials_t certificates;
    bool proves;                  /* there is a certificate of our own */
    int error;                    /* negative: this end is not possible */
    struct credentials_flaw flaw; /* then */
};

/* One line of keys.psk. */
struct credentials_key {
    char *user;
    size_t user_size;
    unsigned char *key;
    size_t size;
};

struct qmp_tls {
    unsigned refs;
    bool verify_peer;
    gnutls_credentials_type_t type; /* GNUTLS_CRD_CERTIFICATE or GNUTLS_CRD_PSK */
    gnutls_priority_t priority;
    char *folder;

    struct credentials_set sets[CREDENTIALS_ENDS]; /* certificates */

    char *user; /* shared keys */
    struct credentials_key *keys;
    size_t n_keys;
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
};

/* A session of a TLS server points at this (gnutls_session_set_ptr()), for whoever comes with a key. */
struct credentials_guest {
    const qmp_tls *credentials;
    bool unknown; /* there is no such user */
};

/* Writes the flaw and returns `error`. */
int credentials_fail(struct credentials_flaw *flaw, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a GnuTLS error: -ENOMEM for want of memory, else -EINVAL. */
int credentials_fail_gnutls(struct credentials_flaw *flaw, int gnutls_error, const char *what, const char *path);

/* Reads a file of the folder, whose path goes to `path`. Returns 0 and the contents, with a NUL behind them, to be
 * given to credentials_wipe(); -ENOENT, -EACCES, -EINVAL, -ENOMEM, other errnos of the system, with the flaw. */
int credentials_read(const qmp_tls *t, const char *name, char path[CREDENTIALS_PATH_MAX], gnutls_datum_t *ret,
    struct credentials_flaw *flaw);
/* Frees what may be a secret. */
void credentials_wipe(gnutls_datum_t *d);
/* "2031-12-24 18:00 UTC". */
void credentials_date(char out[CREDENTIALS_DATE_MAX], time_t date);

/* Read what the folder holds. Returns 0, or an error as qmp_tls_new_x509() and qmp_tls_new_psk(), with the flaw. */
int credentials_load_x509(qmp_tls *t, struct credentials_flaw *flaw);
int credentials_load_psk(qmp_tls *t, struct credentials_flaw *flaw);

#endif
