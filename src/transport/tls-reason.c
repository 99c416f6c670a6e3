/* SPDX-License-Identifier: MIT */
/* Why TLS failed, for somebody who is tired.
 *
 * GnuTLS gives a number, the peer at best an alert, and QEMU not even that: it hangs up. What went wrong is put
 * together here from all that is known: whose certificate it was, which file it was held against, what name it carries,
 * whether the peer asked for a certificate that we do not have. What somebody can put right is said with the file to
 * look at.
 *
 * Everything that comes from the peer is printable ASCII when it leaves here, and bounded. This file changes nothing
 * about a connection; it refuses to know sockets. */

#include "transport/tls-reason.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "transport/tls-library.h"
#include "util/util.h"

/* How many names of a certificate are listed, and how long each may get. */
#define NAMES_MAX 4u
#define NAME_MAX_SIZE 72u
#define NAMES_TEXT_MAX ((size_t)(NAMES_MAX + 1) * (NAME_MAX_SIZE + 2))

/* The types of a TLS record that can come first: an alert, or a part of the handshake. */
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22

static const char *peer(const struct tls_case *c)
{
    return c->is_server ? "client" : "server";
}

static const char *ourselves(const struct tls_case *c)
{
    return c->is_server ? "server" : "client";
}

static bool is_psk(const struct tls_case *c)
{
    return c->credentials->type == GNUTLS_CRD_PSK;
}

/* Whether we have a certificate of our own to show. */
static bool we_prove(const struct tls_case *c)
{
    return c->credentials->sets[c->is_server ? CREDENTIALS_SERVER : CREDENTIALS_CLIENT].proves;
}

static bool certificate_was_wanted(const struct tls_case *c)
{
    return !c->is_server && !is_psk(c) && sym_gnutls_certificate_client_get_request_status(c->session) != 0;
}

/* Printable and bounded, with "..." behind what was cut. */
static void escape(char *out, size_t size, const unsigned char *bytes, size_t n)
{
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        bool plain = bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\';

        if (used + 8 > size) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (plain)
            out[used++] = (char)bytes[i];
        else
            used += (size_t)snprintf(out + used, size - used, "\\x%02X", bytes[i]);
    }
    out[used] = '\0';
}

/* ---- the peer's certificate ---- */

static bool peer_certificate(const struct tls_case *c, gnutls_x509_crt_t *ret)
{
    unsigned n = 0;
    const gnutls_datum_t *list = sym_gnutls_certificate_get_peers(c->session, &n);

    if (!list || n == 0 || sym_gnutls_x509_crt_init(ret) < 0)
        return false;
    if (sym_gnutls_x509_crt_import(*ret, list, GNUTLS_X509_FMT_DER) == 0)
        return true;
    sym_gnutls_x509_crt_deinit(*ret);
    return false;
}

static void append_name(char *names, const char *name)
{
    size_t used = strlen(names);

    snprintf(names + used, NAMES_TEXT_MAX - used, "%s%s", used > 0 ? ", " : "", name);
}

/* One alternative name. Returns false at the end of them. */
static bool get_name(gnutls_x509_crt_t certificate, unsigned i, char out[NAME_MAX_SIZE])
{
    unsigned char raw[256];
    size_t size = sizeof(raw);
    int type = sym_gnutls_x509_crt_get_subject_alt_name(certificate, i, raw, &size, NULL);

    out[0] = '\0';
    if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return false;
    if (type == GNUTLS_SAN_DNSNAME)
        escape(out, NAME_MAX_SIZE, raw, MIN(size, sizeof(raw)));
    else if (type == GNUTLS_SAN_IPADDRESS && (size == 4 || size == 16))
        inet_ntop(size == 4 ? AF_INET : AF_INET6, raw, out, NAME_MAX_SIZE);
    else if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
        snprintf(out, NAME_MAX_SIZE, "(a very long name)");
    return type >= 0 || type == GNUTLS_E_SHORT_MEMORY_BUFFER;
}

/* The names that a server's certificate is for: the alternative ones, else the common name. */
static void list_names(gnutls_x509_crt_t certificate, char names[NAMES_TEXT_MAX])
{
    unsigned char raw[256];
    size_t size = sizeof(raw);
    char name[NAME_MAX_SIZE];
    unsigned n = 0;

    names[0] = '\0';
    for (unsigned i = 0; n <= NAMES_MAX && get_name(certificate, i, name); i++) {
        if (name[0] != '\0')
            append_name(names, n++ == NAMES_MAX ? "..." : name);
    }
    if (n > 0)
        return;
    if (sym_gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, raw, &size) < 0) {
        snprintf(names, NAMES_TEXT_MAX, "no name at all");
        return;
    }
    escape(name, sizeof(name), raw, size);
    append_name(names, name);
}

static void describe_wrong_name(const struct tls_case *c, char *why, size_t size)
{
    char names[NAMES_TEXT_MAX] = "somebody else";
    gnutls_x509_crt_t certificate;

    if (peer_certificate(c, &certificate)) {
        list_names(certificate, names);
        sym_gnutls_x509_crt_deinit(certificate);
    }
    snprintf(why, size, "the server's certificate is not for %s: it is for %s", c->peer_name, names);
}

static void describe_dates(const struct tls_case *c, char *why, size_t size)
{
    bool expired = c->status & GNUTLS_CERT_EXPIRED;
    gnutls_x509_crt_t certificate;
    char date[CREDENTIALS_DATE_MAX];
    time_t end, start, now = time(NULL);

    snprintf(why, size, "the %s's certificate, or that of its authority, %s", peer(c),
        expired ? "has expired" : "is not valid yet");
    if (!peer_certificate(c, &certificate))
        return;
    end = sym_gnutls_x509_crt_get_expiration_time(certificate);
    start = sym_gnutls_x509_crt_get_activation_time(certificate);
    sym_gnutls_x509_crt_deinit(certificate);
    if (expired ? end >= now : start <= now)
        return;
    credentials_date(date, expired ? end : start);
    snprintf(why, size, "the %s's certificate %s %s", peer(c), expired ? "expired on" : "is not valid before", date);
}

/* In the order of what is said when several are true; `file`: what it was held against. */
static const struct {
    unsigned status;
    gnutls_alert_description_t alert;
    const char *text, *file;
} verdicts[] = {
    {GNUTLS_CERT_REVOKED, GNUTLS_A_CERTIFICATE_REVOKED, "has been revoked: it is in", CREDENTIALS_REVOKED},
    {GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE | GNUTLS_CERT_SIGNER_NOT_CA, GNUTLS_A_UNKNOWN_CA,
        "is not signed by the authority in", CREDENTIALS_AUTHORITY},
    {GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_EXPIRED, NULL, NULL},
    {GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED, GNUTLS_A_CERTIFICATE_UNKNOWN,
        "cannot be checked: the list of revoked certificates is out of date, in", CREDENTIALS_REVOKED},
    {GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE, GNUTLS_A_CERTIFICATE_UNKNOWN,
        "cannot be checked: the list of revoked certificates is from the future, in", CREDENTIALS_REVOKED},
    {GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_UNSUPPORTED_CERTIFICATE, "uses an algorithm that is not safe any more",
        NULL},
    {GNUTLS_CERT_UNEXPECTED_OWNER, GNUTLS_A_BAD_CERTIFICATE, NULL, NULL},
};

static size_t find_verdict(unsigned status)
{
    size_t i = 0;

    while (i < ELEMENTS(verdicts) && !(status & verdicts[i].status))
        i++;
    return i;
}

gnutls_alert_description_t tls_reason_alert(unsigned status)
{
    size_t i = find_verdict(status);

    return i < ELEMENTS(verdicts) ? verdicts[i].alert : GNUTLS_A_BAD_CERTIFICATE;
}

static int refuse_certificate(const struct tls_case *c, char *why, size_t size)
{
    size_t i = find_verdict(c->status);

    if (i == ELEMENTS(verdicts))
        snprintf(why, size, "the %s's certificate cannot be trusted (status 0x%x)", peer(c), c->status);
    else if (verdicts[i].status & GNUTLS_CERT_UNEXPECTED_OWNER)
        describe_wrong_name(c, why, size);
    else if (verdicts[i].status & GNUTLS_CERT_EXPIRED)
        describe_dates(c, why, size);
    else if (!verdicts[i].file)
        snprintf(why, size, "the %s's certificate %s", peer(c), verdicts[i].text);
    else
        snprintf(why, size, "the %s's certificate %s %s/%s", peer(c), verdicts[i].text, c->credentials->folder,
            verdicts[i].file);
    return -EACCES;
}

/* ---- what the peer says ---- */

static int no_certificate_of_ours(const struct tls_case *c, char *why, size_t size)
{
    snprintf(why, size, "the server wants a certificate of ours, and there is no client-cert.pem in %s",
        c->credentials->folder);
    return -EACCES;
}

/* `certificate`: it is about our certificate. */
static const struct {
    int alert;
    bool certificate;
    const char *text;
} alerts[] = {
    {GNUTLS_A_BAD_CERTIFICATE, true, "it does not take it"},
    {GNUTLS_A_UNSUPPORTED_CERTIFICATE, true, "it does not take certificates of this type"},
    {GNUTLS_A_CERTIFICATE_REVOKED, true, "it has been revoked"},
    {GNUTLS_A_CERTIFICATE_EXPIRED, true, "it has expired, or is not valid yet"},
    {GNUTLS_A_CERTIFICATE_UNKNOWN, true, "it could not check it"},
    {GNUTLS_A_UNKNOWN_CA, true, "it does not know the authority that signed it"},
    {GNUTLS_A_ACCESS_DENIED, true, "access denied"},
    {GNUTLS_A_CERTIFICATE_REQUIRED, true, "it wants one"},
    {GNUTLS_A_UNEXPECTED_MESSAGE, false, "unexpected message"},
    {GNUTLS_A_BAD_RECORD_MAC, false, "a record that was tampered with"},
    {GNUTLS_A_RECORD_OVERFLOW, false, "a record that is too long"},
    {GNUTLS_A_HANDSHAKE_FAILURE, false, "nothing in common: other versions, ciphers or kinds of credentials"},
    {GNUTLS_A_ILLEGAL_PARAMETER, false, "illegal parameter"},
    {GNUTLS_A_DECODE_ERROR, false, "a message that it could not read"},
    {GNUTLS_A_DECRYPT_ERROR, false, "a signature or a key that is wrong"},
    {GNUTLS_A_PROTOCOL_VERSION, false, "no version of TLS in common"},
    {GNUTLS_A_INSUFFICIENT_SECURITY, false, "nothing in common that it thinks safe"},
    {GNUTLS_A_INTERNAL_ERROR, false, "internal error"},
    {GNUTLS_A_USER_CANCELED, false, "cancelled"},
    {GNUTLS_A_UNRECOGNIZED_NAME, false, "it does not go by the name that was asked for"},
};

/* How the other side of a shared key says that it has another one: that depends on its version and its library. */
static bool is_about_the_key(int alert)
{
    return alert == GNUTLS_A_BAD_RECORD_MAC || alert == GNUTLS_A_DECRYPT_ERROR || alert == GNUTLS_A_ILLEGAL_PARAMETER ||
           alert == GNUTLS_A_UNKNOWN_PSK_IDENTITY || alert == GNUTLS_A_ACCESS_DENIED;
}

static int wrong_key(const struct tls_case *c, char *why, size_t size)
{
    char user[NAME_MAX_SIZE];

    if (!c->is_server) {
        escape(user, sizeof(user), (const unsigned char *)c->credentials->user, strlen(c->credentials->user));
        snprintf(why, size, "the server has another key for the user \"%s\" than %s/" CREDENTIALS_KEYS ", or none",
            user, c->credentials->folder);
        return -EACCES;
    }
    if (c->guest.unknown)
        snprintf(why, size, "the client's user is not in %s/" CREDENTIALS_KEYS, c->credentials->folder);
    else
        snprintf(why, size, "the client has another key than %s/" CREDENTIALS_KEYS, c->credentials->folder);
    return -EACCES;
}

static int refused(const struct tls_case *c, char *why, size_t size)
{
    int alert = (int)sym_gnutls_alert_get(c->session);
    size_t i = 0;

    if (is_psk(c) && is_about_the_key(alert))
        return wrong_key(c, why, size);
    /* Up to TLS 1.2 there is no alert of its own for this. */
    if (certificate_was_wanted(c) && !we_prove(c))
        return no_certificate_of_ours(c, why, size);
    while (i < ELEMENTS(alerts) && alerts[i].alert != alert)
        i++;
    if (i == ELEMENTS(alerts)) {
        snprintf(why, size, "the %s broke TLS off with alert %d", peer(c), alert);
        return -EPROTO;
    }
    if (!alerts[i].certificate) {
        snprintf(why, size, "the %s broke TLS off: %s (alert %d)", peer(c), alerts[i].text, alert);
        return -EPROTO;
    }
    snprintf(why, size, "the %s refuses our certificate (%s/%s-cert.pem): %s (alert %d)", peer(c),
        c->credentials->folder, ourselves(c), alerts[i].text, alert);
    return -EACCES;
}

bool tls_reason_is_clear_text(const struct tls_case *c)
{
    return c->first_size > 0 && c->first[0] != RECORD_HANDSHAKE && c->first[0] != RECORD_ALERT;
}

static int clear_text(const struct tls_case *c, char *why, size_t size)
{
    char text[4 * TLS_FIRST_MAX + 8];

    escape(text, sizeof(text), c->first, c->first_size);
    snprintf(why, size, "the %s does not speak TLS: it sent %s", peer(c), text);
    return -EPROTO;
}

/* A server that checks keys at once says nothing: there is nothing yet that it could say it with. */
static int hung_up_on_a_key(const struct tls_case *c, char *why, size_t size)
{
    char user[NAME_MAX_SIZE];

    escape(user, sizeof(user), (const unsigned char *)c->credentials->user, strlen(c->credentials->user));
    snprintf(why, size,
        "the server hung up in the TLS handshake: it may have another key for the user \"%s\" than %s/" CREDENTIALS_KEYS
        ", or none%s",
        user, c->credentials->folder, c->first_size == 0 ? ", or not speak TLS" : "");
    return -ECONNRESET;
}

static int hung_up(const struct tls_case *c, char *why, size_t size)
{
    if (certificate_was_wanted(c) && !we_prove(c)) {
        no_certificate_of_ours(c, why, size);
        return -ECONNRESET;
    }
    if (is_psk(c) && !c->is_server)
        return hung_up_on_a_key(c, why, size);
    snprintf(why, size, "the %s hung up in the TLS handshake%s", peer(c),
        c->first_size == 0 ? " without a word: does it speak TLS?"
        : is_psk(c)        ? ": it may have another key"
        : c->is_server     ? ": it may not trust our certificate"
                           : ": it may want another kind of credentials");
    return -ECONNRESET;
}

/* ---- the rest ---- */

static const struct {
    int error;
    const char *text;
} errors[] = {
    {GNUTLS_E_UNSUPPORTED_VERSION_PACKET, "no version of TLS in common"},
    {GNUTLS_E_NO_CIPHER_SUITES, "no ciphers in common"},
    {GNUTLS_E_UNKNOWN_CIPHER_SUITE, "no ciphers in common"},
    {GNUTLS_E_NO_COMMON_KEY_SHARE, "no groups of keys in common"},
    {GNUTLS_E_INSUFFICIENT_CREDENTIALS, "it wants another kind of credentials"},
    {GNUTLS_E_INSUFFICIENT_SECURITY, "what it offers is not safe enough"},
    {GNUTLS_E_UNEXPECTED_PACKET, "a message out of turn"},
    {GNUTLS_E_UNEXPECTED_HANDSHAKE_PACKET, "a message out of turn"},
    {GNUTLS_E_UNEXPECTED_PACKET_LENGTH, "a record that is cut or malformed"},
    {GNUTLS_E_RECORD_OVERFLOW, "a record that is too long"},
    {GNUTLS_E_DECRYPTION_FAILED, "a record that was tampered with"},
    {GNUTLS_E_PK_SIG_VERIFY_FAILED, "a signature that is wrong"},
    {GNUTLS_E_HANDSHAKE_TOO_LARGE, "a handshake that is too large"},
    {GNUTLS_E_REHANDSHAKE, "it wants to negotiate anew, which is refused"},
};

static void describe_error(const struct tls_case *c, int gnutls_error, char *why, size_t size)
{
    size_t i = 0;

    while (i < ELEMENTS(errors) && errors[i].error != gnutls_error)
        i++;
    snprintf(why, size, "TLS with the %s failed: %s", peer(c),
        i < ELEMENTS(errors) ? errors[i].text : sym_gnutls_strerror(gnutls_error));
}

/* How the side that checks a shared key finds out. */
static bool is_wrong_key(const struct tls_case *c, int gnutls_error)
{
    return is_psk(c) && (c->guest.unknown || gnutls_error == GNUTLS_E_DECRYPTION_FAILED ||
                            gnutls_error == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER ||
                            gnutls_error == GNUTLS_E_ERROR_IN_FINISHED_PACKET);
}

int tls_reason_of_handshake(const struct tls_case *c, int gnutls_error, char *why, size_t why_size)
{
    if (tls_reason_is_clear_text(c))
        return clear_text(c, why, why_size);
    switch (gnutls_error) {
    case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
        return refuse_certificate(c, why, why_size);
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return refused(c, why, why_size);
    case GNUTLS_E_PREMATURE_TERMINATION:
    case GNUTLS_E_SESSION_EOF:
        return hung_up(c, why, why_size);
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
        /* GnuTLS says the same when there is an alert in the place of the certificate. */
        if (sym_gnutls_alert_get(c->session) != GNUTLS_A_CLOSE_NOTIFY)
            return refused(c, why, why_size);
        snprintf(why, why_size, "the %s shows no certificate", peer(c));
        return -EACCES;
    case GNUTLS_E_MEMORY_ERROR:
        snprintf(why, why_size, "no memory for TLS");
        return -ENOMEM;
    default:
        if (is_wrong_key(c, gnutls_error))
            return wrong_key(c, why, why_size);
        describe_error(c, gnutls_error, why, why_size);
        return -EPROTO;
    }
}

int tls_reason_of_record(const struct tls_case *c, int gnutls_error, char *why, size_t why_size)
{
    if (gnutls_error == GNUTLS_E_FATAL_ALERT_RECEIVED)
        return refused(c, why, why_size) == -EACCES ? -EACCES : -EBADMSG;
    describe_error(c, gnutls_error, why, why_size);
    return gnutls_error == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
}

void tls_reason_of_silence(const struct tls_case *c, char *why, size_t why_size)
{
    if (certificate_was_wanted(c) && !we_prove(c))
        no_certificate_of_ours(c, why, why_size);
    else if (certificate_was_wanted(c) || (c->is_server && !is_psk(c)))
        snprintf(why, why_size,
            "the %s hung up right after the TLS handshake: it may not trust our certificate (%s/%s-cert.pem)%s",
            peer(c), c->credentials->folder, ourselves(c), c->is_server ? ", or look for another name in it" : "");
    else
        snprintf(why, why_size, "the %s hung up right after the TLS handshake%s", peer(c),
            c->is_server && !is_psk(c) ? ": it may not trust our certificate" : "");
}
