/* SPDX-License-Identifier: MIT */
/* TLS between a client and a server of ours, and a peer that is GnuTLS alone where ours would not do what is wanted. A
 * pump between the two carries a given number of bytes at a time, and can spoil them or cut them off. Everything runs
 * on one thread, since no call may block. */

#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/credentials.h"
#include "transport/tls.h"
#include "util/util.h"

#define NOBODY 65534
#define TLS_1_2 "NORMAL:-VERS-TLS-ALL:+VERS-TLS1.2"
#define TLS_1_3 "NORMAL:-VERS-TLS-ALL:+VERS-TLS1.3"
#define LARGE ((size_t)1024 * 1024)
#define RECORD_HEADER 5
#define THREADS 4
#define ROUNDS 5

extern char **environ;

/* ---- credentials ---- */

static char credentials_folder[64];

static int run(char *const arguments[])
{
    int status = -1;
    pid_t pid;

    if (posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, environ) != 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

static int make_credentials(void)
{
    const char *base = getenv("TMPDIR");
    char *const arguments[] = {(char[]){MAKE_CREDENTIALS}, credentials_folder, NULL};

    snprintf(credentials_folder, sizeof(credentials_folder), "%s/qmp-test-XXXXXX",
        base && strlen(base) < 40 ? base : "/tmp");
    return mkdtemp(credentials_folder) ? run(arguments) : -1;
}

static void remove_credentials(void)
{
    char *const arguments[] = {(char[]){"rm"}, (char[]){"-rf"}, credentials_folder, NULL};

    run(arguments);
}

static const char *folder_of(const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", credentials_folder, name);
    return out;
}

/* Folders of shared keys are called psk… . `priority`: NULL for the default. */
static qmp_tls *load(const char *name, const char *user, bool verify, const char *priority)
{
    char path[128], *why = NULL;
    qmp_tls *t = NULL;
    int r = strncmp(name, "psk", 3) == 0 ? qmp_tls_new_psk(&t, folder_of(name, path), user, &why)
                                         : qmp_tls_new_x509(&t, folder_of(name, path), &why);

    if (r < 0)
        fail_msg("%s: %s", name, why);
    assert_ok(qmp_tls_set_verify_peer(t, verify));
    if (priority)
        assert_ok(qmp_tls_set_priority(t, priority));
    return t;
}

/* ---- a wire ---- */

struct end {
    qmp_tls *credentials;
    struct tls *tls;
    int fd, wire; /* ours, and the pump's */
    bool hung_up, ended;
    int result;
    char why[400];
    size_t carried; /* from this end */
};

struct wire {
    struct end client, server;
    size_t step;        /* bytes that the pump carries at a time */
    bool spoil, record; /* the next byte from the server; what both say */
    char *log;
    size_t log_size;
};

static void make_pair(struct end *e, int buffer)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    e->fd = fds[0];
    e->wire = fds[1];
    if (buffer > 0) {
        assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)), 0);
        assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)), 0);
    }
}

static void log_bytes(struct wire *w, const char *data, size_t size)
{
    char *log = realloc(w->log, w->log_size + size);

    assert_non_null(log);
    memcpy(log + w->log_size, data, size);
    w->log = log;
    w->log_size += size;
}

static void carry(struct wire *w, struct end *from, struct end *to)
{
    char data[65536];
    ssize_t n = recv(from->wire, data, MIN(w->step, sizeof(data)), MSG_DONTWAIT | MSG_PEEK), sent;

    if (n == 0 && !from->hung_up) {
        from->hung_up = true;
        shutdown(to->wire, SHUT_WR);
    }
    if (n <= 0)
        return;
    if (w->spoil && from == &w->server) {
        data[n - 1] ^= 0x55;
        w->spoil = false;
    }
    if (w->record)
        log_bytes(w, data, (size_t)n);
    sent = send(to->wire, data, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return;
    if (sent < 0)
        sent = n; /* nobody is there any more */
    from->carried += (size_t)sent;
    assert_int_equal(recv(from->wire, data, (size_t)sent, MSG_DONTWAIT), sent);
}

static void pump(struct wire *w)
{
    carry(w, &w->client, &w->server);
    carry(w, &w->server, &w->client);
}

static void begin(struct end *e, bool is_server, const char *name)
{
    e->result = tls_new(&e->tls, e->credentials, e->fd, is_server, name, e->why, sizeof(e->why));
    if (e->result < 0)
        fail_msg("%s", e->why);
    e->result = 0;
}

static void end_close(struct end *e)
{
    tls_free(e->tls);
    e->tls = NULL;
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
}

static void end_done(struct end *e)
{
    end_close(e);
    if (e->wire >= 0)
        close(e->wire);
    e->credentials = qmp_tls_unref(e->credentials);
}

static void wire_done(struct wire *w)
{
    end_done(&w->client);
    end_done(&w->server);
    free(w->log);
}

static void wire_init(struct wire *w, qmp_tls *client, qmp_tls *server, int buffer)
{
    *w = (struct wire){.step = 65536};
    w->client.credentials = client;
    w->server.credentials = server;
    make_pair(&w->client, buffer);
    make_pair(&w->server, buffer);
}

/* One try; an end that failed hangs up, as a link does. */
static void step_end(struct end *e)
{
    if (!e->tls || e->result != 0)
        return;
    e->result = tls_handshake(e->tls, e->why, sizeof(e->why));
    if (e->result < 0) {
        close(e->fd);
        e->fd = -1;
    }
}

static void shake(struct wire *w)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while ((w->client.tls && w->client.result == 0) || (w->server.tls && w->server.result == 0)) {
        assert_true(check_now() < deadline);
        step_end(&w->client);
        step_end(&w->server);
        pump(w);
    }
}

static void connect_ends(struct wire *w, const char *name)
{
    begin(&w->client, false, name);
    begin(&w->server, true, NULL);
    shake(w);
}

static void assert_up(const struct wire *w)
{
    if (w->client.result != 1 || w->server.result != 1)
        fail_msg("client %d: %s; server %d: %s", w->client.result, w->client.why, w->server.result, w->server.why);
}

/* Receives something, waiting for it. */
static ssize_t receive(struct wire *w, struct end *e, void *data, size_t size)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);
    ssize_t n;

    while ((n = tls_receive(e->tls, data, size)) == -EAGAIN) {
        assert_true(check_now() < deadline);
        tls_flush(w->client.tls ? w->client.tls : e->tls);
        tls_flush(w->server.tls ? w->server.tls : e->tls);
        pump(w);
    }
    return n;
}

static void say(struct wire *w, struct end *from, struct end *to, const char *text)
{
    const struct iovec iov[] = {{(void *)(uintptr_t)text, 1}, {(void *)(uintptr_t)(text + 1), strlen(text) - 1}};
    char data[64] = "";
    size_t have = 0;

    assert_int_equal(tls_send(from->tls, iov, 2), strlen(text));
    while (have < strlen(text)) {
        ssize_t n = receive(w, to, data + have, sizeof(data) - have);

        assert_true(n > 0);
        have += (size_t)n;
    }
    assert_memory_equal(data, text, have);
}

/* ---- what works ---- */

static const struct good {
    const char *title, *client, *server, *name, *client_priority, *server_priority;
    bool careless_client, careless_server;
} goods[] = {
    {"certificates", "both", "both", "localhost", NULL, NULL, false, false},
    {"folders for one end", "client", "server", "localhost", NULL, NULL, false, false},
    {"an IPv4 address", "client", "server", "127.0.0.1", NULL, NULL, false, false},
    {"an IPv6 address", "client", "server", "::1", NULL, NULL, false, false},
    {"TLS 1.2", "client", "server", "localhost", TLS_1_2, NULL, false, false},
    {"TLS 1.3", "client", "server", "localhost", NULL, TLS_1_3, false, false},
    {"an anonymous client", "anonymous", "server", "localhost", NULL, NULL, false, true},
    {"an anonymous client, TLS 1.2", "anonymous", "server", "localhost", TLS_1_2, NULL, false, true},
    {"a careless client", "client", "server", NULL, NULL, NULL, true, false},
    {"a careless client and a wrong name", "client", "elsewhere", "localhost", NULL, NULL, true, false},
    {"a careless client and a foreign server", "client", "other", "localhost", NULL, NULL, true, true},
    {"a wildcard", "client", "elsewhere", "vm.wild.example", NULL, NULL, false, false},
    {"another address", "client", "elsewhere", "192.0.2.7", NULL, NULL, false, false},
    {"a common name", "client", "nameless", "old.example", NULL, NULL, false, false},
    {"nobody of these is revoked", "revoking", "revoking", "localhost", NULL, NULL, false, false},
    {"a shared key", "psk", "psk", NULL, NULL, NULL, false, false},
    {"a shared key, TLS 1.2", "psk", "psk", NULL, TLS_1_2, NULL, false, false},
    {"a shared key, TLS 1.2 on both sides", "psk", "psk", NULL, TLS_1_2, TLS_1_2, false, false},
    {"a shared key, TLS 1.3", "psk", "psk", NULL, TLS_1_3, TLS_1_3, false, false},
    {"a shared key, a name that nobody checks", "psk", "psk", "localhost", NULL, NULL, false, false},
};

static void test_good(void *state)
{
    const struct good *g = state;
    struct wire w;
    char byte;

    wire_init(&w, load(g->client, NULL, !g->careless_client, g->client_priority),
        load(g->server, NULL, !g->careless_server, g->server_priority), 0);
    w.record = true;
    connect_ends(&w, g->name);
    assert_up(&w);
    assert_int_equal(tls_receive(w.client.tls, &byte, 1), -EAGAIN);
    say(&w, &w.server, &w.client, "{\"QMP\": {}}");
    say(&w, &w.client, &w.server, "{\"execute\": \"qmp_capabilities\"}");
    assert_null(memmem(w.log, w.log_size, "QMP", 3));
    assert_null(memmem(w.log, w.log_size, "execute", 7));
    tls_bye(w.client.tls);
    assert_int_equal(receive(&w, &w.server, &byte, 1), 0);
    assert_string_equal(tls_words(w.server.tls), "");
    wire_done(&w);
}

/* Another user than the usual one, and both ends with their own references. */
static void test_other_user(void)
{
    struct wire w;

    wire_init(&w, load("psk-fred", "fred", true, NULL), load("psk", NULL, true, NULL), 0);
    connect_ends(&w, NULL);
    assert_up(&w);
    say(&w, &w.client, &w.server, "hello");
    wire_done(&w);
}

/* ---- what does not ---- */

static const struct bad {
    const char *title, *client, *server, *name, *client_priority, *server_priority;
    bool careless_client, careless_server;
    int client_error;
    const char *client_words;
    int server_error;
    const char *server_words;
} bads[] = {
    {"a foreign server", "client", "other", "localhost", NULL, NULL, false, true, -EACCES,
        "the server's certificate is not signed by the authority in %s/client/ca-cert.pem", -EACCES,
        "the client refuses our certificate (%s/other/server-cert.pem): it does not know the authority"},
    {"a foreign server, TLS 1.2", "client", "other", "localhost", TLS_1_2, NULL, false, true, -EACCES,
        "is not signed by the authority in %s/client/ca-cert.pem", -EACCES, "it does not know the authority"},
    {"a wrong name", "client", "elsewhere", "localhost", NULL, NULL, false, false, -EACCES,
        "the server's certificate is not for localhost: it is for elsewhere.example, *.wild.example, 192.0.2.7",
        -EACCES, "the client refuses our certificate"},
    {"a wrong address", "client", "server", "127.0.0.2", NULL, NULL, false, false, -EACCES,
        "is not for 127.0.0.2: it is for localhost, 127.0.0.1, ::1", -EACCES, "refuses our certificate"},
    {"a wrong common name", "client", "nameless", "localhost", TLS_1_2, NULL, false, false, -EACCES,
        "the server's certificate is not for localhost: it is for old.example", -EACCES, "refuses our certificate"},
    {"a revoked server", "revoking", "revoked", "localhost", NULL, NULL, false, true, -EACCES,
        "the server's certificate has been revoked: it is in %s/revoking/ca-crl.pem", -EACCES,
        "(%s/revoked/server-cert.pem): it has been revoked"},
    {"a revoked client, TLS 1.2", "revoked", "revoking", "localhost", TLS_1_2, NULL, false, false, -EACCES,
        "the server refuses our certificate (%s/revoked/client-cert.pem): it has been revoked", -EACCES,
        "the client's certificate has been revoked: it is in %s/revoking/ca-crl.pem"},
    {"a foreign client, TLS 1.2", "other", "server", NULL, TLS_1_2, NULL, true, false, -EACCES,
        "(%s/other/client-cert.pem): it does not know the authority", -EACCES,
        "the client's certificate is not signed by the authority in %s/server/ca-cert.pem"},
    {"an anonymous client, TLS 1.2", "anonymous", "server", "localhost", TLS_1_2, NULL, false, false, -EACCES,
        "the server wants a certificate of ours, and there is no client-cert.pem in %s/anonymous", -EACCES,
        "the client shows no certificate"},
    {"no version in common", "client", "server", "localhost", TLS_1_2, TLS_1_3, false, false, -EPROTO, "version",
        -EPROTO, "version"},
    {"no version in common the other way", "client", "server", "localhost", TLS_1_3, TLS_1_2, false, false, -EPROTO, "",
        -EPROTO, ""},
    {"a wrong key", "psk-wrong", "psk", NULL, NULL, NULL, false, false, -EACCES,
        "the server has another key for the user \"qemu\" than %s/psk-wrong/keys.psk, or none", -EACCES,
        "the client has another key than %s/psk/keys.psk"},
    {"a wrong key, TLS 1.2", "psk-wrong", "psk", NULL, TLS_1_2, NULL, false, false, -EACCES,
        "the server has another key for the user \"qemu\"", -EACCES, "the client has another key than %s/psk/keys.psk"},
    {"an unknown user", "psk-nobody", "psk", NULL, NULL, NULL, false, false, -EACCES,
        "the server has another key for the user \"nobody\" than %s/psk-nobody/keys.psk, or none", -EACCES,
        "the client's user is not in %s/psk/keys.psk"},
    {"an unknown user, TLS 1.2", "psk-nobody", "psk", NULL, TLS_1_2, NULL, false, false, -EACCES,
        "the server has another key for the user \"nobody\"", -EACCES, "the client's user is not in %s/psk/keys.psk"},
    {"a key for certificates", "psk", "server", NULL, NULL, NULL, false, false, -EPROTO, "", -EPROTO, ""},
    {"certificates for a key", "client", "psk", "localhost", NULL, NULL, false, false, -EPROTO, "", -EPROTO, ""},
};

static void assert_refused(const struct end *e, int error, const char *words)
{
    char expected[400];

    snprintf(expected, sizeof(expected), words, credentials_folder);
    if (getenv("TELL"))
        print_message("  %d %s\n", e->result, e->why);
    if (e->result != error || !strstr(e->why, expected))
        fail_msg("%d: %s, instead of %d: %s", e->result, e->why, error, expected);
    assert_true(e->why[0] != '\0');
}

static void test_bad(void *state)
{
    const struct bad *b = state;
    const char *user = strcmp(b->client, "psk-nobody") == 0 ? "nobody" : NULL;
    struct wire w;

    wire_init(&w, load(b->client, user, !b->careless_client, b->client_priority),
        load(b->server, NULL, !b->careless_server, b->server_priority), 0);
    connect_ends(&w, b->name);
    assert_refused(&w.client, b->client_error, b->client_words);
    assert_refused(&w.server, b->server_error, b->server_words);
    assert_true(tls_handshake(w.client.tls, w.client.why, sizeof(w.client.why)) < 0);
    wire_done(&w);
}

/* In TLS 1.3 a client is up before the server has looked at its certificate; it hears of it when it receives. */
static const struct late {
    const char *title, *client, *server, *client_words, *server_words;
    bool careless;
} lates[] = {
    {"an anonymous client", "anonymous", "server",
        "the server wants a certificate of ours, and there is no client-cert.pem in %s/anonymous",
        "the client shows no certificate", false},
    {"a foreign client", "other", "server", "(%s/other/client-cert.pem): it does not know the authority",
        "the client's certificate is not signed by the authority in %s/server/ca-cert.pem", true},
    {"a revoked client", "revoked", "revoking", "(%s/revoked/client-cert.pem): it has been revoked",
        "the client's certificate has been revoked", false},
};

static void test_late(void *state)
{
    const struct late *l = state;
    struct wire w;
    char byte;

    wire_init(&w, load(l->client, NULL, !l->careless, TLS_1_3), load(l->server, NULL, true, NULL), 0);
    connect_ends(&w, "localhost");
    assert_int_equal(w.client.result, 1);
    assert_refused(&w.server, -EACCES, l->server_words);
    w.client.result = (int)receive(&w, &w.client, &byte, 1);
    snprintf(w.client.why, sizeof(w.client.why), "%s", tls_words(w.client.tls));
    assert_refused(&w.client, -EACCES, l->client_words);
    wire_done(&w);
}

/* Our own functions refuse to load what is out of its time, so the server gets it behind their back. */
static void put_certificate(qmp_tls *t, const char *folder)
{
    char certificate[160], key[160], path[128];
    struct credentials_set *s = &t->sets[CREDENTIALS_SERVER];

    gnutls_certificate_free_credentials(s->certificates);
    assert_int_equal(gnutls_certificate_allocate_credentials(&s->certificates), 0);
    snprintf(certificate, sizeof(certificate), "%s/server-cert.pem", folder_of(folder, path));
    snprintf(key, sizeof(key), "%s/server-key.pem", path);
    assert_int_equal(gnutls_certificate_set_x509_key_file(s->certificates, certificate, key, GNUTLS_X509_FMT_PEM), 0);
}

static void test_dates(void)
{
    static const struct {
        const char *folder, *words;
    } cases[] = {
        {"expired", "the server's certificate expired on 2020-01-01 00:00 UTC"},
        {"early", "the server's certificate is not valid before 2040-01-01 00:00 UTC"},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct wire w;

        wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, false, NULL), 0);
        put_certificate(w.server.credentials, cases[i].folder);
        connect_ends(&w, "localhost");
        assert_refused(&w.client, -EACCES, cases[i].words);
        assert_refused(&w.server, -EACCES, "refuses our certificate");
        wire_done(&w);
    }
}

/* GnuTLS would not write such names itself. */
static void set_hostile_names(gnutls_x509_crt_t certificate)
{
    unsigned char der[8000];
    size_t n = 4;

    for (int i = 0; i < 50; i++) {
        int size = snprintf((char *)der + n + 2, 128, "\x1b[31m%d\n\\%080d", i, i);

        der[n] = 0x82; /* a DNS name */
        der[n + 1] = (unsigned char)size;
        n += 2 + (size_t)size;
    }
    der[0] = 0x30; /* a sequence, its size in two bytes */
    der[1] = 0x82;
    der[2] = (unsigned char)((n - 4) >> 8);
    der[3] = (unsigned char)((n - 4) & 0xff);
    assert_int_equal(gnutls_x509_crt_set_extension_by_oid(certificate, "2.5.29.17", der, n, 0), 0);
}

/* The names in a certificate are the peer's: they are escaped, and not all are told. */
static void test_hostile_names(void)
{
    gnutls_x509_crt_t certificate;
    gnutls_x509_privkey_t key;
    struct wire w;

    wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, false, NULL), 0);
    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(
        gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
    assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
    assert_int_equal(gnutls_x509_crt_set_version(certificate, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(certificate, "\1", 1), 0);
    assert_int_equal(gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 3600), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + 3600), 0);
    assert_int_equal(gnutls_x509_crt_set_key(certificate, key), 0);
    set_hostile_names(certificate);
    assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    /* Trusted for this once, so that the name is all that is wrong. */
    assert_int_equal(
        gnutls_certificate_set_x509_trust(w.client.credentials->sets[CREDENTIALS_CLIENT].certificates, &certificate, 1),
        1);
    gnutls_certificate_free_keys(w.server.credentials->sets[CREDENTIALS_SERVER].certificates);
    assert_int_equal(gnutls_certificate_set_x509_key(
                         w.server.credentials->sets[CREDENTIALS_SERVER].certificates, &certificate, 1, key),
        0);
    connect_ends(&w, "localhost");
    assert_refused(
        &w.client, -EACCES, "the server's certificate is not for localhost: it is for \\x1B[31m0\\x0A\\x5C00000");
    assert_contains(w.client.why, "..., ...");
    for (const char *p = w.client.why; *p; p++)
        assert_true(*p >= 0x20 && *p < 0x7f);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    wire_done(&w);
}

static void test_no_name(void)
{
    qmp_tls *t = load("client", NULL, true, NULL);
    struct tls *tls = NULL;
    char why[400] = "";

    assert_error(tls_new(&tls, t, 0, false, NULL, why, sizeof(why)), -EINVAL);
    assert_contains(why, "no name to check the server's certificate against");
    assert_error(tls_check(t, false, "", why, sizeof(why)), -EINVAL);
    assert_error(tls_check(t, true, NULL, why, sizeof(why)), -EINVAL);
    assert_contains(why, "/client/server-cert.pem is not there, and a TLS server needs it");
    assert_ok(tls_check(t, false, "localhost", why, sizeof(why)));
    assert_null(tls);
    qmp_tls_unref(t);
}

/* ---- peers that do not speak TLS, or stop ---- */

static void test_clear_text(void)
{
    static const struct {
        bool is_server;
        const char *text, *words;
    } cases[] = {
        {false, "{\"QMP\": {\"version\": 7}}\r\n", "the server does not speak TLS: it sent {\"QMP\": {"},
        {true, "{\"execute\": \"qmp_capabilities\"}", "the client does not speak TLS: it sent {\"execute"},
        {true, "GET / HTTP/1.0\r\n\r\n", "the client does not speak TLS: it sent GET / HTTP/1.0\\x0D"},
        {false, "\x1b[31m\x80", "it sent \\x1B[31m\\x80"},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct wire w;
        struct end *e;

        wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, true, NULL), 0);
        e = cases[i].is_server ? &w.server : &w.client;
        begin(e, cases[i].is_server, "localhost");
        assert_true(send(e->wire, cases[i].text, strlen(cases[i].text), 0) > 0);
        while (e->result == 0)
            step_end(e);
        assert_refused(e, -EPROTO, cases[i].words);
        wire_done(&w);
    }
}

static void test_hang_up(void)
{
    static const char *const first[] = {"", "\x16\x03", "\x16\x03\x03\x00\x40zzzzz"};

    for (size_t i = 0; i < ELEMENTS(first); i++) {
        struct wire w;
        struct end *e = &w.client;

        wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, true, NULL), 0);
        begin(e, false, "localhost");
        step_end(e);
        assert_int_equal(e->result, 0);
        assert_int_equal(tls_poll_events(e->tls), POLLIN);
        assert_int_equal(send(e->wire, first[i], i == 1 ? 2 : i == 2 ? 10 : 0, 0), i == 1 ? 2 : i == 2 ? 10 : 0);
        shutdown(e->wire, SHUT_WR);
        while (e->result == 0)
            step_end(e);
        assert_refused(e, -ECONNRESET, "the server hung up in the TLS handshake");
        wire_done(&w);
    }
}

/* The socket is gone altogether: not even writing works. */
static void test_gone(void)
{
    struct wire w;

    wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, true, NULL), 0);
    begin(&w.client, false, "localhost");
    close(w.client.wire);
    w.client.wire = -1;
    step_end(&w.client);
    assert_refused(&w.client, -ECONNRESET, "the server hung up in the TLS handshake");
    wire_done(&w);
}

static void test_garbage_in_handshake(void)
{
    for (int seed = 1; seed < 40; seed++) {
        unsigned char data[300];
        struct wire w;

        wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, true, NULL), 0);
        begin(&w.client, false, "localhost");
        srand((unsigned)seed);
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = (unsigned char)rand();
        memcpy(data, "\x16\x03\x03\x00\xf0\x02", seed % 3 == 0 ? 0 : (size_t)(seed % 3) * 3);
        assert_int_equal(send(w.client.wire, data, sizeof(data), 0), sizeof(data));
        shutdown(w.client.wire, SHUT_WR);
        while (w.client.result == 0)
            step_end(&w.client);
        assert_true(w.client.result == -EPROTO || w.client.result == -ECONNRESET);
        assert_true(w.client.why[0] != '\0');
        wire_done(&w);
    }
}

/* A spoilt byte anywhere in the handshake never leads to a stream. */
static void test_spoilt_handshake(void)
{
    for (size_t at = 0; at < 2000; at += 97) {
        struct wire w;

        wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, true, NULL), 0);
        w.step = 1;
        begin(&w.client, false, "localhost");
        begin(&w.server, true, NULL);
        while (w.client.result == 0 || w.server.result == 0) {
            w.spoil = w.server.carried == at;
            step_end(&w.client);
            step_end(&w.server);
            pump(&w);
            /* A length that was spoilt makes both wait: deadlines are somebody else's. */
            if (w.server.carried > at && check_poll(w.client.wire, POLLIN, 0) == 0 &&
                check_poll(w.server.wire, POLLIN, 0) == 0 && check_poll(w.client.fd, POLLIN, 0) == 0)
                break;
        }
        if (w.server.carried > at)
            assert_true(w.client.result != 1 || w.server.result != 1);
        wire_done(&w);
    }
}

/* ---- a narrow transport ---- */

static void test_dribble(void)
{
    static const char *const priorities[] = {TLS_1_2, TLS_1_3};

    for (size_t i = 0; i < ELEMENTS(priorities); i++) {
        struct wire w;

        wire_init(&w, load("client", NULL, true, priorities[i]), load("server", NULL, true, NULL), 1);
        w.step = 1;
        connect_ends(&w, "localhost");
        assert_up(&w);
        say(&w, &w.server, &w.client, "{\"QMP\": {}}");
        say(&w, &w.client, &w.server, "{\"execute\": \"qmp_capabilities\"}");
        wire_done(&w);
    }
}

struct flow {
    struct end *from, *to;
    char *sent, *got;
    size_t n_sent, n_got;
    bool waited;
};

static void flow_init(struct flow *f, struct end *from, struct end *to, unsigned seed)
{
    *f = (struct flow){.from = from, .to = to, .sent = malloc(LARGE), .got = malloc(LARGE)};
    assert_non_null(f->sent);
    assert_non_null(f->got);
    srand(seed);
    for (size_t i = 0; i < LARGE; i++)
        f->sent[i] = (char)rand();
}

/* Sends from three pieces of odd sizes. */
static void flow_step(struct flow *f)
{
    size_t left = LARGE - f->n_sent, a = MIN(left, 7), b = MIN(left - a, 9001), c = MIN(left - a - b, 20000);
    const struct iovec iov[] = {
        {f->sent + f->n_sent, a}, {f->sent + f->n_sent + a, b}, {f->sent + f->n_sent + a + b, c}};
    ssize_t n = left > 0 ? tls_send(f->from->tls, iov, f->n_sent % 2 ? 3 : 1) : 0;

    if (n == -EAGAIN) {
        f->waited = true;
        assert_true(tls_wants_output(f->from->tls));
        assert_int_equal(tls_poll_events(f->from->tls), POLLIN | POLLOUT);
    } else {
        assert_true(n >= 0 && n <= 16384);
        f->n_sent += (size_t)n;
    }
    if (left == 0)
        assert_true(tls_flush(f->from->tls) <= 0);
    if (f->n_got == LARGE)
        return;
    n = tls_receive(f->to->tls, f->got + f->n_got, MIN(LARGE - f->n_got, 5000));
    if (n == -EAGAIN)
        return;
    assert_true(n > 0);
    f->n_got += (size_t)n;
    while (tls_has_input(f->to->tls) && f->n_got < LARGE) {
        n = tls_receive(f->to->tls, f->got + f->n_got, LARGE - f->n_got);
        assert_true(n > 0);
        f->n_got += (size_t)n;
    }
}

static void flow_done(struct flow *f)
{
    assert_int_equal(f->n_got, LARGE);
    assert_memory_equal(f->sent, f->got, LARGE);
    assert_true(f->waited);
    assert_false(tls_wants_output(f->from->tls));
    free(f->sent);
    free(f->got);
}

static void test_large(void)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);
    struct flow up, down;
    struct wire w;

    wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, true, NULL), 4096);
    w.step = 1500;
    connect_ends(&w, "localhost");
    assert_up(&w);
    flow_init(&up, &w.client, &w.server, 1);
    flow_init(&down, &w.server, &w.client, 2);
    while (up.n_got < LARGE || down.n_got < LARGE || tls_wants_output(w.client.tls) || tls_wants_output(w.server.tls)) {
        assert_true(check_now() < deadline);
        flow_step(&up);
        flow_step(&down);
        pump(&w);
    }
    flow_done(&up);
    flow_done(&down);
    wire_done(&w);
}

/* ---- streams that break ---- */

static void wire_up(struct wire *w, const char *priority)
{
    wire_init(w, load("client", NULL, true, priority), load("server", NULL, true, NULL), 0);
    connect_ends(w, "localhost");
    assert_up(w);
}

static void test_spoilt_record(void)
{
    const struct iovec iov = {(char[]){"h"}, 1};
    struct wire w;
    char byte;

    wire_up(&w, NULL);
    w.spoil = true;
    assert_int_equal(tls_send(w.server.tls, &iov, 1), 1);
    assert_int_equal(receive(&w, &w.client, &byte, 1), -EBADMSG);
    assert_contains(tls_words(w.client.tls), "tampered with");
    assert_int_equal(tls_receive(w.client.tls, &byte, 1), -EBADMSG);
    wire_done(&w);
}

static void test_garbage_in_stream(void)
{
    struct wire w;
    char byte;

    wire_up(&w, NULL);
    assert_int_equal(send(w.client.wire, "{\"return\": {}}", 14, 0), 14);
    assert_int_equal(receive(&w, &w.client, &byte, 1), -EBADMSG);
    assert_true(tls_words(w.client.tls)[0] != '\0');
    wire_done(&w);
}

/* Between two records that is an end, and within one it is a cut. */
static void test_cut(void)
{
    const struct iovec iov = {(char[]){"hello"}, 5};
    char data[64];
    struct wire w;

    for (size_t keep = 0; keep < 20; keep += 3) {
        ssize_t n;

        wire_up(&w, NULL);
        say(&w, &w.server, &w.client, "greeting");
        assert_int_equal(tls_send(w.server.tls, &iov, 1), 5);
        n = recv(w.server.wire, data, sizeof(data), 0);
        assert_true(n > (ssize_t)keep);
        assert_int_equal(send(w.client.wire, data, keep, 0), keep);
        shutdown(w.client.wire, SHUT_WR);
        assert_int_equal(receive(&w, &w.client, data, sizeof(data)), keep < RECORD_HEADER ? 0 : -EBADMSG);
        if (keep == 0)
            assert_string_equal(tls_words(w.client.tls), "");
        wire_done(&w);
    }
}

/* What QEMU does to a client that it does not trust: it says nothing at all. */
static void test_silence(void)
{
    static const struct {
        const char *client, *words;
    } cases[] = {
        {"client", "the server hung up right after the TLS handshake: it may not trust our certificate"},
        {"anonymous", "the server hung up right after the TLS handshake"},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct wire w;
        char byte;

        wire_init(&w, load(cases[i].client, NULL, true, NULL), load("server", NULL, i == 0, NULL), 0);
        connect_ends(&w, "localhost");
        assert_up(&w);
        end_close(&w.server);
        assert_int_equal(receive(&w, &w.client, &byte, 1), 0);
        assert_contains(tls_words(w.client.tls), cases[i].words);
        wire_done(&w);
    }
}

static void test_send_to_nobody(void)
{
    const struct iovec iov = {(char[]){"hello"}, 5};
    struct wire w;
    char byte;

    wire_up(&w, NULL);
    close(w.client.wire);
    w.client.wire = -1;
    assert_int_equal(tls_send(w.client.tls, &iov, 1), -EPIPE);
    assert_int_equal(tls_send(w.client.tls, &iov, 1), -EPIPE);
    assert_int_equal(tls_flush(w.client.tls), -EPIPE);
    assert_false(tls_wants_output(w.client.tls));
    assert_int_equal(tls_receive(w.client.tls, &byte, 1), 0);
    tls_bye(w.client.tls);
    wire_done(&w);
}

/* ---- a server that is GnuTLS alone ---- */

static gnutls_session_t raw_server(struct wire *w, const char *priority)
{
    gnutls_session_t s;

    assert_int_equal(gnutls_init(&s, GNUTLS_SERVER), 0);
    assert_int_equal(gnutls_priority_set_direct(s, priority, NULL), 0);
    assert_int_equal(
        gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, w->server.credentials->sets[CREDENTIALS_SERVER].certificates),
        0);
    assert_int_equal(fcntl(w->server.fd, F_SETFL, O_NONBLOCK), 0);
    gnutls_transport_set_int(s, w->server.fd);
    return s;
}

static void raw_shake(struct wire *w, gnutls_session_t s)
{
    int r = GNUTLS_E_AGAIN;

    begin(&w->client, false, "localhost");
    while (w->client.result == 0 || r == GNUTLS_E_AGAIN) {
        step_end(&w->client);
        if (r == GNUTLS_E_AGAIN)
            r = gnutls_handshake(s);
        pump(w);
    }
    assert_int_equal(w->client.result, 1);
    assert_int_equal(r, 0);
}

/* One record. */
static void raw_receive(struct wire *w, gnutls_session_t s, const char *expected)
{
    char data[64];
    ssize_t n;

    do
        pump(w);
    while ((n = gnutls_record_recv(s, data, sizeof(data))) == GNUTLS_E_AGAIN);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(data, expected, strlen(expected));
}

/* Tickets come before the data, new keys between: a client notices nothing. */
static void test_tickets_and_new_keys(void)
{
    gnutls_datum_t ticket_key;
    gnutls_session_t s;
    char data[64];
    struct wire w;

    wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, true, NULL), 0);
    s = raw_server(&w, "NORMAL");
    assert_int_equal(gnutls_session_ticket_key_generate(&ticket_key), 0);
    assert_int_equal(gnutls_session_ticket_enable_server(s, &ticket_key), 0);
    raw_shake(&w, s);
    assert_int_equal(gnutls_record_send(s, "one", 3), 3);
    assert_int_equal(receive(&w, &w.client, data, sizeof(data)), 3);
    assert_int_equal(gnutls_session_key_update(s, GNUTLS_KU_PEER), 0);
    assert_int_equal(gnutls_record_send(s, "two", 3), 3);
    assert_int_equal(receive(&w, &w.client, data, sizeof(data)), 3);
    assert_memory_equal(data, "two", 3);
    for (int i = 0; i < 2; i++) {
        const struct iovec iov = {(char[]){"answer"}, 6};

        assert_int_equal(tls_send(w.client.tls, &iov, 1), 6);
        raw_receive(&w, s, "answe");
        raw_receive(&w, s, "r"); /* the last byte comes in a record of its own */
    }
    gnutls_free(ticket_key.data);
    gnutls_deinit(s);
    wire_done(&w);
}

static void test_renegotiation(void)
{
    gnutls_session_t s;
    char data[64];
    struct wire w;
    ssize_t n;

    wire_init(&w, load("client", NULL, true, NULL), load("server", NULL, true, NULL), 0);
    s = raw_server(&w, TLS_1_2);
    raw_shake(&w, s);
    assert_int_equal(gnutls_rehandshake(s), 0);
    assert_int_equal(gnutls_record_send(s, "data", 4), 4);
    assert_int_equal(receive(&w, &w.client, data, sizeof(data)), 4);
    do
        pump(&w);
    while ((n = gnutls_record_recv(s, data, sizeof(data))) == GNUTLS_E_AGAIN);
    assert_int_equal(n, GNUTLS_E_WARNING_ALERT_RECEIVED);
    assert_int_equal(gnutls_alert_get(s), GNUTLS_A_NO_RENEGOTIATION);
    gnutls_deinit(s);
    wire_done(&w);
}

/* ---- loading ---- */

static const struct flawed {
    const char *title;
    const char *from; /* a folder to begin with, NULL: the folder is not there */
    const char *name; /* a file that is removed, or gets other contents */
    const char *contents, *source;
    const char *user;
    int error;
    const char *words;
} flaws[] = {
    {"no folder", NULL, NULL, NULL, NULL, NULL, -ENOENT, "the folder %s is not there"},
    {"no authority", "client", "ca-cert.pem", NULL, NULL, NULL, -ENOENT, "%s/ca-cert.pem is not there"},
    {"an empty authority", "client", "ca-cert.pem", "", NULL, NULL, -EINVAL,
        "%s/ca-cert.pem holds no certificate in PEM form"},
    {"an authority that is no PEM", "client", "ca-cert.pem", "hello\n", NULL, NULL, -EINVAL,
        "%s/ca-cert.pem holds no certificate in PEM form"},
    {"a key for an authority", "client", "ca-cert.pem", NULL, "both/client-key.pem", NULL, -EINVAL,
        "%s/ca-cert.pem holds no certificate in PEM form"},
    {"an authority that is none", "client", "ca-cert.pem", NULL, "both/server-cert.pem", NULL, -EINVAL,
        "the certificate in %s/ca-cert.pem is not one of an authority"},
    {"PEM that is broken inside", "client", "ca-cert.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", NULL, NULL, -EINVAL,
        "%s/ca-cert.pem holds no good certificate"},
    {"another authority", "client", "ca-cert.pem", NULL, "other/ca-cert.pem", NULL, -EINVAL,
        "the certificate in %s/client-cert.pem is not signed by the authority in %s/ca-cert.pem"},
    {"a certificate without its key", "client", "client-key.pem", NULL, NULL, NULL, -ENOENT,
        "%s/client-key.pem is not there, but %s/client-cert.pem is"},
    {"a key without its certificate", "client", "client-cert.pem", NULL, NULL, NULL, -ENOENT,
        "%s/client-cert.pem is not there, but %s/client-key.pem is"},
    {"a certificate that is no PEM", "client", "client-cert.pem", "hello\n", NULL, NULL, -EINVAL,
        "%s/client-cert.pem holds no certificate in PEM form"},
    {"a key that is no PEM", "client", "client-key.pem", "hello\n", NULL, NULL, -EINVAL,
        "%s/client-key.pem holds no private key in PEM form"},
    {"a certificate for a key", "client", "client-key.pem", NULL, "both/client-cert.pem", NULL, -EINVAL,
        "%s/client-key.pem holds no private key in PEM form"},
    {"a key that does not belong", "crossed", NULL, NULL, NULL, NULL, -EINVAL,
        "the key in %s/client-key.pem does not belong to the certificate in %s/client-cert.pem"},
    {"an expired certificate", "expired", NULL, NULL, NULL, NULL, -EINVAL,
        "the certificate in %s/client-cert.pem expired on 2020-01-01 00:00 UTC"},
    {"a certificate from the future", "early", NULL, NULL, NULL, NULL, -EINVAL,
        "the certificate in %s/client-cert.pem is not valid before 2040-01-01 00:00 UTC"},
    {"a list of the revoked by somebody else", "other", "ca-crl.pem", NULL, "revoking/ca-crl.pem", NULL, -EINVAL,
        "the list of revoked certificates in %s/ca-crl.pem is not signed by the authority in %s/ca-cert.pem"},
    {"a list of the revoked that is none", "client", "ca-crl.pem", "hello\n", NULL, NULL, -EINVAL,
        "%s/ca-crl.pem holds no list of revoked certificates in PEM form"},
    {"a server without its key", "server", "server-key.pem", NULL, NULL, NULL, -ENOENT,
        "%s/server-key.pem is not there, but %s/server-cert.pem is"},
    {"no keys", "psk", "keys.psk", NULL, NULL, NULL, -ENOENT, "%s/keys.psk is not there"},
    {"no user", "psk-fred", NULL, NULL, NULL, NULL, -EINVAL, "%s/keys.psk has no key for the user \"qemu\""},
    {"no such user", "psk", NULL, NULL, NULL, "paul", -EINVAL, "%s/keys.psk has no key for the user \"paul\""},
    {"no lines", "psk", "keys.psk", "\n# nothing\n\n", NULL, NULL, -EINVAL, "%s/keys.psk has no line with a key"},
    {"an empty file", "psk", "keys.psk", "", NULL, NULL, -EINVAL, "%s/keys.psk has no line with a key"},
    {"no colon", "psk", "keys.psk", "qemu 00\n", NULL, NULL, -EINVAL, "%s/keys.psk, line 1: there is no colon"},
    {"an empty key", "psk", "keys.psk", "qemu:\n", NULL, NULL, -EINVAL, "%s/keys.psk, line 1: the key is empty"},
    {"an empty user", "psk", "keys.psk", ":00\n", NULL, NULL, -EINVAL, "%s/keys.psk, line 1: the user is empty"},
    {"half a digit", "psk", "keys.psk", "#\nqemu:000\n", NULL, NULL, -EINVAL,
        "%s/keys.psk, line 2: the key has an odd"},
    {"no hex", "psk", "keys.psk", "qemu:00\nfred:secret\r\n", NULL, NULL, -EINVAL,
        "%s/keys.psk, line 2: the key is not hexadecimal"},
};

static char *read_source(const char *name)
{
    char path[160], *text = calloc(1, 65536);
    FILE *f;

    assert_non_null(text);
    snprintf(path, sizeof(path), "%s/%s", credentials_folder, name);
    f = fopen(path, "re");
    assert_non_null(f);
    assert_true(fread(text, 1, 65535, f) > 0);
    fclose(f);
    return text;
}

static void write_file(const char *folder, const char *name, const char *contents)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(contents, f) >= 0);
    fclose(f);
}

/* A folder of this test's own, as `from`. */
static const char *copy_folder(const char *from)
{
    const char *folder = check_path("credentials");
    char path[128];
    char *const arguments[] = {
        (char[]){"cp"}, (char[]){"-r"}, (char *)(uintptr_t)folder_of(from, path), (char *)(uintptr_t)folder, NULL};

    assert_int_equal(run(arguments), 0);
    return folder;
}

static void assert_not_loaded(const char *folder, bool psk, const char *user, int error, const char *words)
{
    char *why = NULL, expected[600];
    qmp_tls *t = NULL;
    int r = psk ? qmp_tls_new_psk(&t, folder, user, &why) : qmp_tls_new_x509(&t, folder, &why);

    snprintf(expected, sizeof(expected), words, folder, folder);
    if (getenv("TELL"))
        print_message("  %d %s\n", r, why);
    if (r != error || !why || !strstr(why, expected))
        fail_msg("%d: %s, instead of %d: %s", r, why, error, expected);
    assert_null(t);
    free(why);
    assert_error(psk ? qmp_tls_new_psk(&t, folder, user, NULL) : qmp_tls_new_x509(&t, folder, NULL), error);
}

static void test_flawed(void *state)
{
    const struct flawed *f = state;
    const char *folder = f->from ? copy_folder(f->from) : check_path("credentials");

    if (f->source) {
        char *text = read_source(f->source);

        write_file(folder, f->name, text);
        free(text);
    } else if (f->contents) {
        write_file(folder, f->name, f->contents);
    } else if (f->name) {
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", folder, f->name);
        assert_int_equal(unlink(path), 0);
    }
    assert_not_loaded(folder, f->from && strncmp(f->from, "psk", 3) == 0, f->user, f->error, f->words);
}

static void test_no_folder(void)
{
    char path[256], *why = NULL;
    qmp_tls *t;

    write_file(copy_folder("client"), "file", "");
    snprintf(path, sizeof(path), "%s/file", check_path("credentials"));
    assert_not_loaded(path, false, NULL, -EINVAL, "%s is not a folder");
    snprintf(path, sizeof(path), "%s/ca-crl.pem", check_path("credentials"));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_not_loaded(check_path("credentials"), false, NULL, -EINVAL, "%s/ca-crl.pem is not a regular file");
    assert_error(qmp_tls_new_x509(&t, "", &why), -EINVAL);
    assert_contains(why, "no folder");
    free(why);
}

/* White space and line ends of other systems, upper case, comments, an end without a newline. */
static void test_tolerance(void)
{
    const char *folder = copy_folder("psk");
    qmp_tls *t = NULL;

    write_file(folder, "keys.psk", "# keys\r\n\r\nqemu:00FFab \t\r\nfred:00112233445566778899aabbccddeeff");
    assert_ok(qmp_tls_new_psk(&t, folder, "fred", NULL));
    assert_int_equal(t->n_keys, 2);
    assert_int_equal(t->keys[0].size, 3);
    assert_memory_equal(t->keys[0].key, "\x00\xff\xab", 3);
    qmp_tls_unref(t);
}

/* Many keys. */
static void test_many_keys(void)
{
    const char *folder = copy_folder("psk");
    char *text = calloc(1, 1000 * 32), user[16];
    qmp_tls *t = NULL;
    size_t n = 0;

    assert_non_null(text);
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(text + n, 32, "user%d:%04x\n", i, i);
    write_file(folder, "keys.psk", text);
    free(text);
    for (int i = 0; i < 1000; i += 333) {
        snprintf(user, sizeof(user), "user%d", i);
        assert_ok(qmp_tls_new_psk(&t, folder, user, NULL));
        assert_int_equal(t->n_keys, 1000);
        qmp_tls_unref(t);
    }
}

/* In a child, which gives up being root first. */
static int load_as_nobody(const char *folder, const char *file, char *why, size_t why_size)
{
    char path[256];
    int fds[2], status = 0, answer[1] = {0};
    pid_t pid;

    snprintf(path, sizeof(path), "%s/%s", folder, file);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *words = NULL;
        qmp_tls *t = NULL;

        if (chmod(path, 0) < 0 || (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)))
            _exit(77);
        answer[0] = qmp_tls_new_x509(&t, folder, &words);
        if (answer[0] == 0)
            answer[0] = tls_check(t, true, NULL, why, why_size) == -EINVAL ? 1 : 2;
        if (write(fds[1], answer, sizeof(answer)) < 0 || (words && write(fds[1], words, strlen(words)) < 0))
            _exit(1);
        _exit(0);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], answer, sizeof(answer)), sizeof(answer));
    memset(why, 0, why_size);
    assert_true(read(fds[0], why, why_size - 1) >= 0);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
    return answer[0];
}

static const char *readable_folder(const char *from)
{
    const char *folder = copy_folder(from);
    char *const arguments[] = {(char[]){"chmod"}, (char[]){"-R"}, (char[]){"a+rX"}, (char *)(uintptr_t)folder, NULL};
    char *above = strdup(folder);

    assert_non_null(above);
    *strrchr(above, '/') = '\0';
    assert_int_equal(chmod(above, 0755), 0);
    free(above);
    assert_int_equal(run(arguments), 0);
    return folder;
}

static void test_unreadable(void)
{
    char why[600];

    assert_int_equal(load_as_nobody(readable_folder("client"), "client-key.pem", why, sizeof(why)), -EACCES);
    assert_contains(why, "/client-key.pem may not be read by this user");
}

/* The server's key is another user's secret: a client does without. */
static void test_unreadable_server(void)
{
    char why[600];

    assert_int_equal(load_as_nobody(readable_folder("both"), "server-key.pem", why, sizeof(why)), 1);
}

static void test_unreadable_server_anonymously(void)
{
    char why[600];

    assert_int_equal(load_as_nobody(readable_folder("server"), "server-key.pem", why, sizeof(why)), 1);
}

/* A flaw of one end leaves the other alone, and comes out when it is needed. */
static void test_one_end_flawed(void)
{
    const char *folder = copy_folder("both");
    char why[600], *text = read_source("expired/server-cert.pem"), *key = read_source("expired/server-key.pem");
    qmp_tls *t = NULL;

    write_file(folder, "server-cert.pem", text);
    write_file(folder, "server-key.pem", key);
    free(text);
    free(key);
    assert_ok(qmp_tls_new_x509(&t, folder, NULL));
    assert_ok(tls_check(t, false, "localhost", why, sizeof(why)));
    assert_error(tls_check(t, true, NULL, why, sizeof(why)), -EINVAL);
    assert_contains(why, "server-cert.pem expired on 2020-01-01");
    qmp_tls_unref(t);
}

/* Of several authorities one is enough. */
static void test_two_authorities(void)
{
    const char *folder = copy_folder("client");
    char *ours = read_source("both/ca-cert.pem"), *other = read_source("other/ca-cert.pem"), *text = NULL;
    struct wire w;
    qmp_tls *t = NULL;

    assert_true(asprintf(&text, "%s\nand ours\n%s", other, ours) > 0);
    write_file(folder, "ca-cert.pem", text);
    assert_ok(qmp_tls_new_x509(&t, folder, NULL));
    wire_init(&w, t, load("server", NULL, true, NULL), 0);
    connect_ends(&w, "localhost");
    assert_up(&w);
    wire_done(&w);
    free(text);
    free(ours);
    free(other);
}

static void test_priority(void)
{
    qmp_tls *t = load("client", NULL, true, NULL);

    assert_error(qmp_tls_set_priority(t, "NONSENSE"), -EINVAL);
    assert_error(qmp_tls_set_priority(t, ""), -EINVAL);
    assert_ok(qmp_tls_set_priority(t, TLS_1_3));
    assert_ptr_equal(qmp_tls_ref(t), t);
    assert_null(qmp_tls_unref(t));
    assert_null(qmp_tls_unref(t));
    assert_null(qmp_tls_unref(NULL));
    tls_free(NULL);
}

/* ---- threads ---- */

struct worker {
    pthread_t thread;
    qmp_tls *client, *server;
    int failed;
};

/* No assertions off the main thread. */
static void *work(void *argument)
{
    struct worker *worker = argument;

    for (int i = 0; i < ROUNDS; i++) {
        struct tls *client = NULL, *server = NULL;
        char why[400];
        int fds[2], a = 0, b = 0;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
            return NULL;
        worker->failed |= tls_new(&client, worker->client, fds[0], false, "localhost", why, sizeof(why));
        worker->failed |= tls_new(&server, worker->server, fds[1], true, NULL, why, sizeof(why));
        for (int j = 0; !worker->failed && j < 1000 && (a != 1 || b != 1); j++) {
            a = tls_handshake(client, why, sizeof(why));
            b = tls_handshake(server, why, sizeof(why));
        }
        worker->failed |= a != 1 || b != 1;
        tls_free(client);
        tls_free(server);
        close(fds[0]);
        close(fds[1]);
    }
    return NULL;
}

static void test_threads(void)
{
    static const char *const folders[] = {"both", "psk"};

    for (size_t f = 0; f < ELEMENTS(folders); f++) {
        qmp_tls *t = load(folders[f], NULL, true, NULL);
        struct worker workers[THREADS];

        for (size_t i = 0; i < THREADS; i++) {
            workers[i] = (struct worker){.client = t, .server = t};
            assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(workers[i].thread, NULL);
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(workers[i].failed, 0);
        qmp_tls_unref(t);
    }
}

/* ---- all ---- */

static const struct check_test single[] = {
    CHECK_TEST(test_other_user),
    CHECK_TEST(test_dates),
    CHECK_TEST(test_hostile_names),
    CHECK_TEST(test_no_name),
    CHECK_TEST(test_clear_text),
    CHECK_TEST(test_hang_up),
    CHECK_TEST(test_gone),
    CHECK_TEST(test_garbage_in_handshake),
    CHECK_TEST(test_spoilt_handshake),
    CHECK_TEST(test_dribble),
    CHECK_TEST(test_large),
    CHECK_TEST(test_spoilt_record),
    CHECK_TEST(test_garbage_in_stream),
    CHECK_TEST(test_cut),
    CHECK_TEST(test_silence),
    CHECK_TEST(test_send_to_nobody),
    CHECK_TEST(test_tickets_and_new_keys),
    CHECK_TEST(test_renegotiation),
    CHECK_TEST(test_no_folder),
    CHECK_TEST(test_tolerance),
    CHECK_TEST(test_many_keys),
    CHECK_TEST(test_unreadable),
    CHECK_TEST(test_unreadable_server),
    CHECK_TEST(test_unreadable_server_anonymously),
    CHECK_TEST(test_one_end_flawed),
    CHECK_TEST(test_two_authorities),
    CHECK_TEST(test_priority),
    CHECK_TEST(test_threads),
};

int main(int argc, char **argv)
{
    struct check_test tests[ELEMENTS(single) + ELEMENTS(goods) + ELEMENTS(bads) + ELEMENTS(lates) + ELEMENTS(flaws)];
    size_t n = 0;
    int r = 1;

#define ADD_CASES(cases, function)                                                                                     \
    for (size_t i = 0; i < ELEMENTS(cases); i++)                                                                       \
    tests[n++] = (struct check_test)CHECK_CASE((cases)[i].title, function, (void *)(uintptr_t) & (cases)[i])
    ADD_CASES(goods, test_good);
    ADD_CASES(bads, test_bad);
    ADD_CASES(lates, test_late);
    ADD_CASES(flaws, test_flawed);
#undef ADD_CASES
    for (size_t i = 0; i < ELEMENTS(single); i++)
        tests[n++] = single[i];
    if (make_credentials() == 0)
        r = check_main(argc, argv, tests, n);
    remove_credentials();
    return r;
}
