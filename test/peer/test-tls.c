/* SPDX-License-Identifier: MIT */

/* A client whose bytes are encrypted: nothing that has come waits in the library until something else comes.
 *
 * The peer of the scripts speaks in clear; between it and the client is a bridge that is the TLS server. What the peer
 * sends in one piece is one record. */

#include "duo.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <qmp/tls.h>

#define RECORD_MAX 16384

struct bridge {
    int clear, encrypted; /* its ends */
    bool refuses;         /* after the handshake */
    pthread_t thread;
};

static int give_key(gnutls_session_t session, const char *user, gnutls_datum_t *key)
{
    (void)session;
    (void)user;
    key->data = gnutls_malloc(16);
    key->size = 16;
    memset(key->data, 7, 16);
    return 0;
}

/* One way each, until one end is closed. */
static void carry(gnutls_session_t session, const struct bridge *b)
{
    char data[RECORD_MAX];
    ssize_t n = 1;

    while (n > 0) {
        struct pollfd pollfds[2] = {{.fd = b->clear, .events = POLLIN}, {.fd = b->encrypted, .events = POLLIN}};

        if (gnutls_record_check_pending(session) == 0 && poll(pollfds, 2, -1) < 0) {
            return;
        }
        if (pollfds[0].revents != 0) {
            n = recv(b->clear, data, sizeof(data), 0);
            n = n > 0 ? gnutls_record_send(session, data, (size_t)n) : n;
        }
        if (n > 0 && (pollfds[1].revents != 0 || gnutls_record_check_pending(session) > 0)) {
            n = gnutls_record_recv(session, data, sizeof(data));
            n = n > 0 ? send(b->clear, data, (size_t)n, MSG_NOSIGNAL) : n;
        }
    }
}

static void *bridge_main(void *bridge)
{
    const struct bridge *b = bridge;
    gnutls_psk_server_credentials_t credentials;
    gnutls_session_t session;

    gnutls_psk_allocate_server_credentials(&credentials);
    gnutls_psk_set_server_credentials_function(credentials, give_key);
    gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    gnutls_priority_set_direct(session, "NORMAL:+ECDHE-PSK:+DHE-PSK:+PSK", NULL);
    gnutls_credentials_set(session, GNUTLS_CRD_PSK, credentials);
    gnutls_transport_set_int(session, b->encrypted);
    if (gnutls_handshake(session) == 0) {
        if (b->refuses) {
            gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_ACCESS_DENIED);
        } else {
            carry(session, b);
        }
    }
    gnutls_deinit(session);
    gnutls_psk_free_server_credentials(credentials);
    close(b->clear);
    close(b->encrypted);
    return NULL;
}

static qmp_tls *credentials(void)
{
    const char *folder = check_path("keys");
    char path[256];
    qmp_tls *t = NULL;
    FILE *f;

    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(path, sizeof(path), "%s/keys.psk", folder);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("qemu:07070707070707070707070707070707\n", f);
    fclose(f);
    assert_ok(qmp_tls_new_psk(&t, folder, NULL, NULL));
    return t;
}

/* Not running yet. */
static struct duo duo_encrypted(struct bridge *b, qmp_tls *t, bool threaded)
{
    struct duo d = {NULL, NULL, threaded};
    int fds[2];

    assert_ok(qmp_client_new(&d.client));
    assert_ok(qmp_client_set_connect_timeout(d.client, CHECK_WAIT));
    assert_ok(qmp_client_set_message_limits(d.client, 1000, 20));
    assert_ok(qmp_client_set_tls(d.client, t, NULL));
    if (threaded) {
        assert_ok(qmp_client_start_thread(d.client));
    }
    d.peer = peer_new_pair(&b->clear);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    b->encrypted = fds[0];
    assert_int_equal(pthread_create(&b->thread, NULL, bridge_main, b), 0);
    assert_ok(qmp_client_connect_fd(d.client, fds[1]));
    return d;
}

/* The beginning of an event that fills the limit but for a few bytes. */
#define FILLER_100                                                                                                     \
    "          "                                                                                                       \
    "          "                                                                                                       \
    "          "                                                                                                       \
    "          "                                                                                                       \
    "          "                                                                                                       \
    "          "                                                                                                       \
    "          "                                                                                                       \
    "          "                                                                                                       \
    "          "                                                                                                       \
    "          "
#define FILLER_900 FILLER_100 FILLER_100 FILLER_100 FILLER_100 FILLER_100 FILLER_100 FILLER_100 FILLER_100 FILLER_100
#define BEGINNING "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}," FILLER_900

/* A record of which the client takes only a part, because the message that it waits for may not be larger: the rest is
 * in the library, and the socket is silent. */
static void buffered(bool threaded, void (*wait)(qmp_client *c, qmp_pending *p))
{
    qmp_tls *t = credentials();
    struct bridge b = {.refuses = false};
    struct duo d = duo_encrypted(&b, t, threaded);
    qmp_pending *p = NULL;

    peer_start(d.peer, PEER_NEGOTIATE);
    assert_ok(qmp_client_wait_running(d.client, CHECK_WAIT));
    peer_join(d.peer);
    submit(d.client, "stop", NULL, &p);
    peer_start(d.peer, PEER_EXPECT("stop"), PEER_SEND(BEGINNING), PEER_NOTE, PEER_WAIT,
        PEER_REPLY("\"event\": \"A\"}" PEER_EVENT_TEXT("B") PEER_EVENT_TEXT("C") "{\"return\": {}, \"id\": @id}"));
    duo_drive(&d);
    peer_await(d.peer);
    usleep(20000);
    duo_drive(&d);
    peer_go(d.peer);
    wait(d.client, p);
    assert_event(qmp_client_events(d.client), "A");
    assert_event(qmp_client_events(d.client), "B");
    assert_event(qmp_client_events(d.client), "C");
    peer_join(d.peer);
    qmp_pending_unref(p);
    duo_close(&d);
    pthread_join(b.thread, NULL);
    qmp_tls_unref(t);
}

static void wait_for_reply(qmp_client *c, qmp_pending *p)
{
    (void)c;
    assert_ok(qmp_pending_wait(p, CHECK_WAIT, NULL, NULL));
}

/* As an event loop does: one process() whenever it is time. */
static void loop(qmp_client *c, qmp_pending *p)
{
    while (qmp_pending_wait(p, 0, NULL, NULL) == -ETIMEDOUT) {
        struct pollfd pollfd = {.fd = qmp_client_get_fd(c), .events = (short)qmp_client_get_events(c)};
        uint64_t deadline = 0, until = check_deadline(CHECK_WAIT);

        assert_ok(qmp_client_get_deadline(c, &deadline));
        assert_true(poll(&pollfd, 1, check_poll_timeout(deadline < until ? deadline : until)) > 0 || deadline < until);
        assert_true(qmp_client_process(c) >= 0);
    }
}

static void test_buffered(void)
{
    buffered(false, wait_for_reply);
}

static void test_buffered_in_a_loop(void)
{
    buffered(false, loop);
}

static void test_buffered_threaded(void)
{
    buffered(true, wait_for_reply);
}

/* With TLS 1.3 the handshake is over for us before the server has made up its mind. */
static void test_refused_afterwards(void)
{
    qmp_tls *t = credentials();
    struct bridge b = {.refuses = true};
    struct duo d = duo_encrypted(&b, t, false);

    assert_error(qmp_client_wait_running(d.client, CHECK_WAIT), -EACCES);
    assert_int_equal(qmp_client_failure_kind(d.client), QMP_FAILURE_TLS);
    assert_contains(qmp_client_failure(d.client), "descriptor ");
    duo_close(&d);
    pthread_join(b.thread, NULL);
    qmp_tls_unref(t);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_buffered),
        CHECK_TEST(test_buffered_in_a_loop),
        CHECK_TEST(test_buffered_threaded),
        CHECK_TEST(test_refused_afterwards),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
