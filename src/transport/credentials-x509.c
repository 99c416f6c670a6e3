/* SPDX-License-Identifier: MIT */
/* Certificates: the authority's, ours, and the keys that belong to ours.
 *
 * Only the folder's authority is trusted, never the system's. What is checked here is what QEMU checks when it loads
 * the same files, so that a folder that serves the one serves the other: dates, that an authority is one and our own
 * certificate is not, a purpose that excludes our end (when it is marked critical), and that our certificate comes from
 * the authority. Of several authorities in one file, one good one is enough.
 *
 * Diffie-Hellman parameters in the folder are not read: GnuTLS has had good ones of its own since 3.6. */

#include "transport/credentials.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "transport/tls-library.h"
#include "util/util.h"

#define PURPOSE_MAX 128u

static const struct {
    const char *end, *certificate, *key, *purpose;
} ends[] = {
    [CREDENTIALS_CLIENT] = {"client", "client-cert.pem", "client-key.pem", GNUTLS_KP_TLS_WWW_CLIENT},
    [CREDENTIALS_SERVER] = {"server", "server-cert.pem", "server-key.pem", GNUTLS_KP_TLS_WWW_SERVER},
};

/* The certificates of a file. */
struct chain {
    gnutls_x509_crt_t *certificates;
    unsigned n;
    char path[CREDENTIALS_PATH_MAX];
};

struct revoked {
    gnutls_x509_crl_t *lists;
    unsigned n;
};

static void chain_done(struct chain *c)
{
    for (unsigned i = 0; i < c->n; i++)
        sym_gnutls_x509_crt_deinit(c->certificates[i]);
    (*sym_gnutls_free)(c->certificates);
}

static void revoked_done(struct revoked *r)
{
    for (unsigned i = 0; i < r->n; i++)
        sym_gnutls_x509_crl_deinit(r->lists[i]);
    (*sym_gnutls_free)(r->lists);
}

static void key_done(gnutls_x509_privkey_t *key)
{
    if (*key)
        sym_gnutls_x509_privkey_deinit(*key);
}

static int fail_to_parse(struct credentials_flaw *flaw, int gnutls_error, const char *what, const char *path)
{
    switch (gnutls_error) {
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR:
    case GNUTLS_E_BASE64_DECODING_ERROR:
    case GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE:
        return credentials_fail(flaw, -EINVAL, "%s holds no %s in PEM form", path, what);
    case GNUTLS_E_DECRYPTION_FAILED:
        return credentials_fail(flaw, -EINVAL, "the key in %s is protected by a password", path);
    case GNUTLS_E_MEMORY_ERROR:
        return credentials_fail(flaw, -ENOMEM, "no memory for %s", path);
    default:
        return credentials_fail(
            flaw, -EINVAL, "%s holds no good %s: %s", path, what, sym_gnutls_strerror(gnutls_error));
    }
}

/* ---- one certificate ---- */

static int check_dates(gnutls_x509_crt_t certificate, const char *path, struct credentials_flaw *flaw)
{
    time_t now = time(NULL), end = sym_gnutls_x509_crt_get_expiration_time(certificate),
           start = sym_gnutls_x509_crt_get_activation_time(certificate);
    char date[CREDENTIALS_DATE_MAX];

    if (end < now) {
        credentials_date(date, end);
        return credentials_fail(flaw, -EINVAL, "the certificate in %s expired on %s", path, date);
    }
    if (start > now) {
        credentials_date(date, start);
        return credentials_fail(flaw, -EINVAL, "the certificate in %s is not valid before %s", path, date);
    }
    return 0;
}

static int check_authority(gnutls_x509_crt_t certificate, const char *path, struct credentials_flaw *flaw)
{
    if (sym_gnutls_x509_crt_get_basic_constraints(certificate, NULL, NULL, NULL) <= 0)
        return credentials_fail(flaw, -EINVAL, "the certificate in %s is not one of an authority", path);
    return check_dates(certificate, path, flaw);
}

/* Whether the certificate's purposes exclude this end, and it insists on them. */
static bool purpose_excludes(gnutls_x509_crt_t certificate, enum credentials_end end)
{
    bool insists = false;

    for (unsigned i = 0;; i++) {
        char purpose[PURPOSE_MAX];
        size_t size = sizeof(purpose);
        unsigned critical = 0;
        int r = sym_gnutls_x509_crt_get_key_purpose_oid(certificate, i, purpose, &size, &critical);

        if (r < 0 && r != GNUTLS_E_SHORT_MEMORY_BUFFER)
            return insists;
        insists = insists || critical;
        if (r == 0 && (strcmp(purpose, ends[end].purpose) == 0 || strcmp(purpose, GNUTLS_KP_ANY) == 0))
            return false;
    }
}

static int check_own(
    const struct chain *own, const struct chain *authority, enum credentials_end end, struct credentials_flaw *flaw)
{
    unsigned status = 0;
    int r = check_dates(own->certificates[0], own->path, flaw);

    if (r < 0)
        return r;
    if (sym_gnutls_x509_crt_get_basic_constraints(own->certificates[0], NULL, NULL, NULL) > 0)
        return credentials_fail(
            flaw, -EINVAL, "the certificate in %s is one of an authority, not of a %s", own->path, ends[end].end);
    if (purpose_excludes(own->certificates[0], end))
        return credentials_fail(flaw, -EINVAL, "the certificate in %s is not meant for a %s", own->path, ends[end].end);
    r = sym_gnutls_x509_crt_list_verify(
        own->certificates, own->n, authority->certificates, authority->n, NULL, 0, 0, &status);
    if (r < 0)
        return credentials_fail_gnutls(flaw, r, "cannot be verified", own->path);
    if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
        return credentials_fail(
            flaw, -EINVAL, "the certificate in %s uses an algorithm that is not safe any more", own->path);
    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE | GNUTLS_CERT_SIGNER_NOT_CA))
        return credentials_fail(
            flaw, -EINVAL, "the certificate in %s is not signed by the authority in %s", own->path, authority->path);
    if (status != 0)
        return credentials_fail(flaw, -EINVAL, "the certificate in %s does not stand up to the authority in %s",
            own->path, authority->path);
    return 0;
}

/* ---- the files ---- */

static int load_chain(const qmp_tls *t, const char *name, struct chain *ret, struct credentials_flaw *flaw)
{
    gnutls_datum_t file;
    int r = credentials_read(t, name, ret->path, &file, flaw);

    if (r < 0)
        return r;
    r = sym_gnutls_x509_crt_list_import2(&ret->certificates, &ret->n, &file, GNUTLS_X509_FMT_PEM, 0);
    credentials_wipe(&file);
    return r < 0 ? fail_to_parse(flaw, r, "certificate", ret->path) : 0;
}

static int load_authority(const qmp_tls *t, struct chain *ret, struct credentials_flaw *flaw)
{
    struct credentials_flaw other;
    int r = load_chain(t, CREDENTIALS_AUTHORITY, ret, flaw);

    if (r < 0)
        return r;
    r = -EINVAL;
    for (unsigned i = 0; i < ret->n && r < 0; i++)
        r = check_authority(ret->certificates[i], ret->path, i == 0 ? flaw : &other);
    return r;
}

/* A list that another authority made would be ignored, and nobody would be revoked. */
static int check_revoked(
    const struct revoked *revoked, const struct chain *authority, const char *path, struct credentials_flaw *flaw)
{
    for (unsigned i = 0; i < revoked->n; i++) {
        unsigned status = 0;
        int r = sym_gnutls_x509_crl_verify(revoked->lists[i], authority->certificates, authority->n,
            GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_CRL_CHECKS, &status);

        if (r < 0 || (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE)))
            return credentials_fail(flaw, -EINVAL,
                "the list of revoked certificates in %s is not signed by the authority in %s", path, authority->path);
    }
    return 0;
}

static int load_revoked(
    const qmp_tls *t, const struct chain *authority, struct revoked *ret, struct credentials_flaw *flaw)
{
    char path[CREDENTIALS_PATH_MAX];
    gnutls_datum_t file;
    int r = credentials_read(t, CREDENTIALS_REVOKED, path, &file, flaw);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = sym_gnutls_x509_crl_list_import2(&ret->lists, &ret->n, &file, GNUTLS_X509_FMT_PEM, 0);
    credentials_wipe(&file);
    if (r < 0)
        return fail_to_parse(flaw, r, "list of revoked certificates", path);
    return check_revoked(ret, authority, path, flaw);
}

static int load_key(const qmp_tls *t, const char *name, char path[CREDENTIALS_PATH_MAX], gnutls_x509_privkey_t *ret,
    struct credentials_flaw *flaw)
{
    gnutls_datum_t file;
    int r = credentials_read(t, name, path, &file, flaw);

    if (r < 0)
        return r;
    r = sym_gnutls_x509_privkey_init(ret);
    if (r == 0)
        r = sym_gnutls_x509_privkey_import2(*ret, &file, GNUTLS_X509_FMT_PEM, NULL, 0);
    credentials_wipe(&file);
    return r < 0 ? fail_to_parse(flaw, r, "private key", path) : 0;
}

/* ---- a set ---- */

/* The authority, for either end. */
static int begin_set(struct credentials_set *s, const struct chain *authority, const struct revoked *revoked)
{
    int r = sym_gnutls_certificate_allocate_credentials(&s->certificates);

    if (r < 0)
        return r;
    r = sym_gnutls_certificate_set_x509_trust(s->certificates, authority->certificates, (int)authority->n);
    if (r >= 0 && revoked->n > 0)
        r = sym_gnutls_certificate_set_x509_crl(s->certificates, revoked->lists, (int)revoked->n);
    if (r >= 0)
        r = sym_gnutls_certificate_set_known_dh_params(s->certificates, GNUTLS_SEC_PARAM_MEDIUM);
    return r;
}

static int add_own(struct credentials_set *s, const struct chain *own, gnutls_x509_privkey_t key, const char *key_path,
    struct credentials_flaw *flaw)
{
    int r = sym_gnutls_certificate_set_x509_key(s->certificates, own->certificates, (int)own->n, key);

    if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return credentials_fail(
            flaw, -EINVAL, "the key in %s does not belong to the certificate in %s", key_path, own->path);
    if (r < 0)
        return credentials_fail_gnutls(flaw, r, "is not a certificate that GnuTLS takes", own->path);
    s->proves = true;
    return 0;
}

/* Our own certificate. Returns 0; 1 when neither it nor its key is there; negative with the flaw. */
static int load_own(const qmp_tls *t, struct credentials_set *s, enum credentials_end end,
    const struct chain *authority, struct credentials_flaw *flaw)
{
    CLEANUP(chain_done) struct chain own = {.n = 0};
    CLEANUP(key_done) gnutls_x509_privkey_t key = NULL;
    char key_path[CREDENTIALS_PATH_MAX];
    struct credentials_flaw key_flaw;
    int r = load_chain(t, ends[end].certificate, &own, flaw),
        r_key = load_key(t, ends[end].key, key_path, &key, &key_flaw);

    if (r == -ENOENT && r_key == -ENOENT)
        return 1;
    if (r == -ENOENT)
        return credentials_fail(flaw, r, "%s is not there, but %s is", own.path, key_path);
    if (r < 0)
        return r;
    if (r_key == -ENOENT)
        return credentials_fail(flaw, r_key, "%s is not there, but %s is", key_path, own.path);
    if (r_key < 0) {
        *flaw = key_flaw;
        return r_key;
    }
    r = add_own(s, &own, key, key_path, flaw);
    return r < 0 ? r : check_own(&own, authority, end, flaw);
}

/* Returns 1 when the folder has such a set, 0 when it has none, negative with the flaw, which stays in the set. */
static int load_set(qmp_tls *t, enum credentials_end end, const struct chain *authority, const struct revoked *revoked)
{
    struct credentials_set *s = &t->sets[end];
    int r = begin_set(s, authority, revoked);

    if (r < 0)
        return s->error = credentials_fail_gnutls(&s->flaw, r, "is not what GnuTLS takes", authority->path);
    r = load_own(t, s, end, authority, &s->flaw);
    if (r < 0)
        return s->error = r;
    if (r == 0)
        return 1;
    /* A client may go ahead, and prove nothing. */
    if (end == CREDENTIALS_SERVER)
        s->error = credentials_fail(
            &s->flaw, -ENOENT, "%s/%s is not there, and a TLS server needs it", t->folder, ends[end].certificate);
    return 0;
}

int credentials_load_x509(qmp_tls *t, struct credentials_flaw *flaw)
{
    CLEANUP(chain_done) struct chain authority = {.n = 0};
    CLEANUP(revoked_done) struct revoked revoked = {NULL, 0};
    int r = load_authority(t, &authority, flaw), client, server;

    if (r == 0)
        r = load_revoked(t, &authority, &revoked, flaw);
    if (r < 0)
        return r;
    client = load_set(t, CREDENTIALS_CLIENT, &authority, &revoked);
    server = load_set(t, CREDENTIALS_SERVER, &authority, &revoked);
    /* A set that is no good does not matter while the other is. */
    if (client < 0 && (server <= 0 || client == -ENOMEM)) {
        *flaw = t->sets[CREDENTIALS_CLIENT].flaw;
        return client;
    }
    /* A server's key is often somebody else's secret, and no concern of a client's. */
    if (server < 0 && ((client == 0 && server != -EACCES) || server == -ENOMEM)) {
        *flaw = t->sets[CREDENTIALS_SERVER].flaw;
        return server;
    }
    return 0;
}
