/* SPDX-License-Identifier: MIT */
/* TLS with a real QEMU, as its server and as its client, with certificates and with shared keys: a conversation, and
 * every way in which two sides do not trust each other.
 *
 * The credentials are made once for the whole program; QEMU gets the folder that a test is about, and so do we.
 *
 * Invariant: an encrypted connection is like any other; one that cannot be made ends in time, with words that say whose
 * fault it is, and the server is there for the next one. */

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define ARGUMENT_MAX 256

extern char **environ;

/* ---- credentials ---- */

static char folder[64];

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
    char *const arguments[] = {(char[]){MAKE_CREDENTIALS}, folder, NULL};

    snprintf(folder, sizeof(folder), "%s/qmp-test-XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
    return mkdtemp(folder) ? run(arguments) : -1;
}

static void remove_credentials(void)
{
    char *const arguments[] = {(char[]){"rm"}, (char[]){"-rf"}, folder, NULL};

    run(arguments);
}

/* Folders of shared keys are called psk… */
static bool is_psk(const char *name)
{
    return strncmp(name, "psk", 3) == 0;
}

/* What a client shows and wants to see. `peer`: NULL for the default, the host; with a shared key, the user. */
static void set_tls(qmp_client *c, const char *name, const char *peer)
{
    char path[128], *why = NULL;
    qmp_tls *t = NULL;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int r = is_psk(name) ? qmp_tls_new_psk(&t, path, peer, &why) : qmp_tls_new_x509(&t, path, &why);
    if (r < 0)
        fail_msg("%s: %s", name, why);
    assert_ok(qmp_client_set_tls(c, t, is_psk(name) ? NULL : peer));
    qmp_tls_unref(t);
}

/* ---- machines ---- */

/* A QEMU with credentials; `more`: NULL, or further options of theirs. `dial`: NULL for a monitor that listens, else
 * where monitor 0 dials. */
static void start(struct fixture *f, enum machine_kind kind, const char *name, const char *more, const char *dial)
{
    char object[ARGUMENT_MAX];

    snprintf(object, sizeof(object), "tls-creds-%s,id=tls,dir=%s/%s,endpoint=%s%s%s", is_psk(name) ? "psk" : "x509",
        folder, name, dial ? "client" : "server", more ? "," : "", more ? more : "");
    f->machine = machine_start(&(struct machine_options){.kind = kind,
        .pretty = f->pretty,
        .monitors = 2,
        .dial = dial,
        .extra = (const char *const[]){"--object", object, NULL},
        .monitor = dial ? NULL : "socket,host=127.0.0.1,port=0,server=on,wait=off,tls-creds=tls"});
}

/* The address of a QEMU that is the TLS server, the caller's. */
static char *serve(struct fixture *f, const char *name, const char *more, const char *host)
{
    start(f, MACHINE_NONE, name, more, NULL);
    return tcp_address(f, host);
}

/* ---- what works ---- */

/* Replies larger than a record, and events. */
static void talk(qmp_client *c, const char *job)
{
    qmp_message *reply;
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    for (unsigned i = 0; i < 3; i++) {
        reply = ask(c, "query-qmp-schema", NULL);
        assert_true(qmp_message_root(reply).size > 100000);
        qmp_message_unref(reply);
    }
    assert_ok(qmp_client_listener(c, NAMES("JOB_STATUS_CHANGE"), &l, &scope));
    backup(c, job, 1);
    assert_sequence(l, "created", "running", "paused", "running", "waiting", "pending", "concluded", "null");
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

static void quit(struct fixture *f, qmp_client *c)
{
    assert_ok(qmp_listener_clear(qmp_client_events(c), NULL, NULL));
    tell(c, "quit", NULL);
    assert_event(qmp_client_events(c), "SHUTDOWN");
    assert_get_error(qmp_client_events(c), CHECK_WAIT, -ENOTCONN);
    assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_CLOSED);
    assert_int_equal(machine_wait_exit(f->machine), 0);
}

static void converse(
    struct fixture *f, const char *theirs, const char *more, const char *ours, const char *peer, const char *host)
{
    char *address = serve(f, theirs, more, host), job[16];

    f->client = new_client(f);
    set_tls(f->client, ours, peer);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(job, sizeof(job), "job%u", i);
        connect_to(f->client, address);
        talk(f->client, job);
        assert_ok(qmp_client_disconnect(f->client));
    }
    connect_to(f->client, address);
    quit(f, f->client);
    free(address);
}

static void certificates(struct fixture *f)
{
    converse(f, "both", "verify-peer=on", "client", NULL, "localhost");
}

static void certificate_for_an_address(struct fixture *f)
{
    converse(f, "server", "verify-peer=on", "both", NULL, "127.0.0.1");
}

static void certificate_for_another_name(struct fixture *f)
{
    converse(f, "elsewhere", "verify-peer=on", "client", "elsewhere.example", "127.0.0.1");
}

static void without_a_client_certificate(struct fixture *f)
{
    converse(f, "both", "verify-peer=off", "anonymous", NULL, "localhost");
}

static void shared_key(struct fixture *f)
{
    converse(f, "psk", NULL, "psk", NULL, "127.0.0.1");
}

static void shared_key_of_another_user(struct fixture *f)
{
    converse(f, "psk", NULL, "psk-fred", "fred", "127.0.0.1");
}

static void storage_daemon(struct fixture *f)
{
    start(f, MACHINE_STORAGE, "both", "verify-peer=on", NULL);
    char *address = tcp_address(f, "localhost");
    f->client = new_client(f);
    set_tls(f->client, "client", NULL);
    connect_to(f->client, address);
    talk(f->client, "job");
    free(address);
}

/* What was said before QEMU was killed is read, and no end is made up. */
static void killed(struct fixture *f)
{
    char *address = serve(f, "both", "verify-peer=on", "localhost");

    f->client = new_client(f);
    set_tls(f->client, "client", NULL);
    connect_to(f->client, address);
    talk(f->client, "job");
    machine_kill(f->machine);
    assert_ok(qmp_listener_clear(qmp_client_events(f->client), NULL, NULL));
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ENOTCONN);
    assert_int_equal(qmp_client_failure_kind(f->client), QMP_FAILURE_CLOSED);
    assert_refused(f->client, address, -ECONNREFUSED, QMP_FAILURE_CONNECT, "nobody listens");
    free(address);
}

/* ---- QEMU as the client ---- */

static void dialled(struct fixture *f, const char *theirs, const char *ours)
{
    char *address = NULL, dial[96], job[16];

    f->client = new_client(f);
    set_tls(f->client, ours, NULL);
    assert_ok(qmp_client_listen_on(f->client, "tcp:127.0.0.1:0"));
    assert_ok(qmp_client_get_address(f->client, &address));
    snprintf(dial, sizeof(dial), "host=127.0.0.1,port=%s,tls-creds=tls", strrchr(address, ':') + 1);
    start(f, MACHINE_NONE, theirs, NULL, dial);
    for (unsigned i = 0; i < 2; i++) {
        if (i > 0)
            assert_ok(qmp_client_listen_on(f->client, address));
        int r = qmp_client_wait_running(f->client, CHECK_WAIT);
        if (r < 0)
            fail_msg("%s: %s", qmp_strerror(r), qmp_client_failure(f->client));
        snprintf(job, sizeof(job), "job%u", i);
        talk(f->client, job);
        assert_ok(qmp_client_disconnect(f->client));
    }
    free(address);
}

static void dialled_with_certificates(struct fixture *f)
{
    dialled(f, "client", "both");
}

static void dialled_with_a_shared_key(struct fixture *f)
{
    dialled(f, "psk", "psk");
}

/* Whoever dials is not trusted, or does not trust us. */
static void dialled_in_vain(struct fixture *f)
{
    static const struct {
        const char *theirs, *ours;
        int error;
        const char *words;
    } cases[] = {
        {"other", "both", -EACCES, "the client's certificate is not signed by the authority in"},
        {"anonymous", "both", -EACCES, "the client shows no certificate"},
        {"client", "elsewhere", -ECONNRESET, "it may not trust our certificate"},
        {"psk-wrong", "psk", -EACCES, "the client has another key than"},
        {"psk-nobody", "psk", -EACCES, "the client's user is not in"},
    };
    const char *const user = "username=nobody";

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char *address = NULL, dial[96];
        qmp_client *c = new_client(f);

        set_tls(c, cases[i].ours, NULL);
        assert_ok(qmp_client_listen_on(c, "tcp:127.0.0.1:0"));
        assert_ok(qmp_client_get_address(c, &address));
        snprintf(dial, sizeof(dial), "host=127.0.0.1,port=%s,tls-creds=tls", strrchr(address, ':') + 1);
        start(f, MACHINE_NONE, cases[i].theirs, strcmp(cases[i].theirs, "psk-nobody") == 0 ? user : NULL, dial);
        assert_error(qmp_client_wait_running(c, CHECK_WAIT), cases[i].error);
        assert_int_equal(qmp_client_failure_kind(c), QMP_FAILURE_TLS);
        assert_contains(qmp_client_failure(c), cases[i].words);
        machine_stop(f->machine);
        free(address);
        qmp_client_unref(c);
    }
}

/* ---- what does not work ---- */

/* An attempt that fails, twice in the same way: QEMU is none the worse. */
static void in_vain(struct fixture *f, const char *theirs, const char *more, const char *ours, const char *peer,
    int error, const char *words)
{
    char *address = serve(f, theirs, more, "localhost");
    qmp_client *c = new_client(f);

    set_tls(c, ours, peer);
    for (unsigned i = 0; i < 2; i++)
        assert_refused(c, address, error, QMP_FAILURE_TLS, address, words);
    qmp_client_unref(c);
    free(address);
}

static void another_authority(struct fixture *f)
{
    in_vain(f, "other", "verify-peer=on", "client", NULL, -EACCES, "is not signed by the authority in");
}

static void another_name(struct fixture *f)
{
    in_vain(f, "elsewhere", "verify-peer=on", "client", NULL, -EACCES, "it is for elsewhere.example");
}

static void a_name_that_was_asked_for(struct fixture *f)
{
    in_vain(f, "both", "verify-peer=on", "client", "vm7.example", -EACCES, "not for vm7.example");
}

static void an_expired_server(struct fixture *f)
{
    in_vain(f, "expired", "verify-peer=on,sanity-check=off", "client", NULL, -EACCES, "expired on 2020-01-01");
}

/* QEMU hangs up without saying why; what is known is that it asked. */
static void no_certificate_of_ours(struct fixture *f)
{
    in_vain(f, "both", "verify-peer=on", "anonymous", NULL, -ECONNRESET, "wants a certificate of ours");
}

/* Here the name is right and the authority ours, but QEMU trusts another one. */
static void our_certificate_refused(struct fixture *f)
{
    in_vain(f, "trusting-other", "verify-peer=on,sanity-check=off", "client", NULL, -ECONNRESET,
        "it may not trust our certificate");
}

static void a_wrong_key(struct fixture *f)
{
    in_vain(f, "psk", NULL, "psk-wrong", NULL, -ECONNRESET, "another key for the user \"qemu\"");
}

static void an_unknown_user(struct fixture *f)
{
    in_vain(f, "psk", NULL, "psk-nobody", "nobody", -ECONNRESET, "another key for the user \"nobody\"");
}

static void a_key_for_a_certificate(struct fixture *f)
{
    in_vain(f, "psk", NULL, "client", NULL, -ECONNRESET, "hung up in the TLS handshake");
}

static void tls_to_a_plain_server(struct fixture *f)
{
    f->machine = machine_start(&(struct machine_options){
        .pretty = f->pretty, .monitors = 2, .monitor = "socket,host=127.0.0.1,port=0,server=on,wait=off"});
    char *address = tcp_address(f, "localhost");
    qmp_client *c = new_client(f);
    set_tls(c, "client", NULL);
    assert_refused(c, address, -EPROTO, QMP_FAILURE_TLS, "does not speak TLS", "QMP");
    assert_ok(qmp_client_set_tls(c, NULL, NULL));
    connect_to(c, address);
    talk(c, "job");
    qmp_client_unref(c);
    free(address);
}

/* Both sides wait for the other: all that is left is the time limit. */
static void plain_to_a_tls_server(struct fixture *f)
{
    char *address = serve(f, "both", "verify-peer=on", "localhost");
    qmp_client *c = new_client(f);

    assert_ok(qmp_client_set_connect_timeout(c, 5 * MOMENT));
    assert_refused(c, address, -ETIMEDOUT, QMP_FAILURE_GREETING, "no greeting within 1 s", "wants TLS");
    assert_ok(qmp_client_set_connect_timeout(c, CHECK_WAIT));
    set_tls(c, "client", NULL);
    connect_to(c, address);
    talk(c, "job");
    qmp_client_unref(c);
    free(address);
}

static const struct scenario scenarios[] = {
    {"certificates", certificates, EVERY_WAY},
    {"certificate for an address", certificate_for_an_address, BOTH_MODES},
    {"certificate for another name", certificate_for_another_name, BOTH_MODES},
    {"without a client certificate", without_a_client_certificate, BOTH_MODES},
    {"shared key", shared_key, EVERY_WAY},
    {"shared key of another user", shared_key_of_another_user, BOTH_MODES},
    {"storage daemon", storage_daemon, BOTH_MODES},
    {"killed", killed, BOTH_MODES},
    {"dialled with certificates", dialled_with_certificates, EVERY_WAY},
    {"dialled with a shared key", dialled_with_a_shared_key, BOTH_MODES},
    {"dialled in vain", dialled_in_vain, BOTH_MODES},
    {"another authority", another_authority, BOTH_MODES},
    {"another name", another_name, BOTH_MODES},
    {"a name that was asked for", a_name_that_was_asked_for, BOTH_MODES},
    {"an expired server", an_expired_server, BOTH_MODES},
    {"our certificate refused", our_certificate_refused, BOTH_MODES},
    {"no certificate of ours", no_certificate_of_ours, BOTH_MODES},
    {"a wrong key", a_wrong_key, BOTH_MODES},
    {"an unknown user", an_unknown_user, BOTH_MODES},
    {"a certificate for a key", a_key_for_a_certificate, BOTH_MODES},
    {"TLS to a plain server", tls_to_a_plain_server, BOTH_MODES},
    {"plain to a TLS server", plain_to_a_tls_server, BOTH_MODES},
};

int main(int argc, char **argv)
{
    int r;

    if (make_credentials() != 0) {
        fprintf(stderr, "no credentials: these tests need certtool, of the Debian package gnutls-bin\n");
        return 1;
    }
    r = scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
    remove_credentials();
    return r;
}
