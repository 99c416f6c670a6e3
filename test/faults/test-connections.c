/* SPDX-License-Identifier: MIT */

/* Whatever fails while a connection comes about, in each of the ways there are, while it is used and when it ends. */

#include "world.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <qmp/server.h>
#include <qmp/tls.h>

/* For what does not come when whoever dialled is taken for gone. */
#define IN_VAIN (20 * QMP_MILLISECOND)

static void execute(struct world *w, const char *command)
{
    qmp_message *reply = NULL, *error = NULL;
    int r = DID(w, qmp_client_execute, w->client, command, NULL, CHECK_WAIT, &reply, &error);

    if ((r >= 0) != (reply != NULL) || (r == -EREMOTEIO) != (error != NULL)) {
        wrong(w, "execute says %d, and has %s reply, %s error", r, reply ? "a" : "no", error ? "an" : "no");
    }
    qmp_message_unref(reply);
    qmp_message_unref(error);
}

static void connecting(struct world *w)
{
    qmp_message *greeting = NULL;
    char *text = NULL;

    if (world_connect(w) >= 0) {
        execute(w, "query-name");
        execute(w, "refuse");
        execute(w, "large");
    }
    if (w->client) {
        if (DID(w, qmp_client_get_address, w->client, &text) >= 0) {
            faults_free(text);
        }
        DID(w, qmp_client_greeting, w->client, &greeting);
        qmp_message_unref(greeting);
        faults_free(qmp_client_failure_copy(w->client));
        DID(w, qmp_client_disconnect, w->client);
        if (DID(w, qmp_client_connect, w->client, w->path) >= 0 &&
            DID(w, qmp_client_wait_running, w->client, CHECK_WAIT) >= 0) {
            execute(w, "drop");
        }
    }
}

static void in_one_call(struct world *w)
{
    if (DID(w, qmp_connect, &w->client, w->path, CHECK_WAIT) >= 0) {
        execute(w, "query-name");
    }
}

static void over_tcp(struct world *w)
{
    char address[64];

    snprintf(address, sizeof(address), "tcp:localhost:%d", server_port(w->server));
    if (DID(w, qmp_connect, &w->client, address, CHECK_WAIT) >= 0) {
        execute(w, "large");
    }
}

static int dial(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)&un, sizeof(un)), 0);
    return fd;
}

/* On failure the descriptor is still the caller's. */
static void on_a_descriptor(struct world *w)
{
    int fd;

    if (DID(w, qmp_client_new, &w->client) < 0) {
        return;
    }
    fd = dial(w->path);
    if (DID(w, qmp_client_connect_fd, w->client, fd) < 0) {
        assert_int_equal(close(fd), 0);
    } else if (DID(w, qmp_client_wait_running, w->client, CHECK_WAIT) >= 0) {
        execute(w, "query-name");
    }
}

static void on_a_descriptor_by_address(struct world *w)
{
    char address[32];
    int fd;

    if (DID(w, qmp_client_new, &w->client) < 0) {
        return;
    }
    fd = dial(w->path);
    snprintf(address, sizeof(address), "fd:%d", fd);
    if (DID(w, qmp_client_connect, w->client, address) < 0) {
        assert_int_equal(close(fd), 0);
    } else if (DID(w, qmp_client_wait_running, w->client, CHECK_WAIT) >= 0) {
        execute(w, "query-name");
    }
}

/* A shell that answers line by line; it says who it is before it is asked. */
static void to_a_command(struct world *w)
{
    static const char command[] =
        "exec:printf '{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 1}, \"package\": "
        "\"\"}, \"capabilities\": []}}\\r\\n'; while read -r line; do id=${line##*\\\"id\\\":}; "
        "printf '{\"return\": {}, \"id\": %s\\r\\n' \"$id\"; done";

    if (DID(w, qmp_connect, &w->client, command, CHECK_WAIT) >= 0) {
        execute(w, "query-name");
        DID(w, qmp_client_disconnect, w->client);
    }
}

static void listening(struct world *w)
{
    if (DID(w, qmp_client_new, &w->client) < 0) {
        return;
    }
    qmp_client_set_connect_timeout(w->client, IN_VAIN);
    if (DID(w, qmp_client_listen_on, w->client, w->free_path) < 0) {
        return;
    }
    /* Before the accepting, so that the queue has it. */
    if (!server_dial(w->server, w->free_path)) {
        wrong(w, "it listens, and nobody can dial");
    } else if (DID(w, qmp_client_wait_running, w->client, CHECK_WAIT) >= 0) {
        execute(w, "query-name");
    }
}

/* On a socket file that somebody has left behind. */
static void listening_in_the_place_of_another(struct world *w)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", w->free_path);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&un, sizeof(un)), 0);
    assert_int_equal(close(fd), 0);
    listening(w);
}

static void listening_on_tcp(struct world *w)
{
    char *address = NULL;

    if (DID(w, qmp_client_new, &w->client) >= 0 && DID(w, qmp_client_listen_on, w->client, "tcp:127.0.0.1:0") >= 0 &&
        DID(w, qmp_client_get_address, w->client, &address) >= 0) {
        faults_free(address);
    }
    if (w->client) {
        DID(w, qmp_client_disconnect, w->client);
    }
}

static void serving(struct world *w)
{
    qmp_server *s = NULL;
    char *why = NULL;

    if (DID(w, qmp_client_new, &w->client) < 0) {
        return;
    }
    if (DID(w, qmp_server_new, &s, w->free_path, &why) < 0) {
        faults_free(why);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!server_dial(w->server, w->free_path)) {
            wrong(w, "it serves, and nobody can dial");
        } else if (DID(w, qmp_server_accept, s, IN_VAIN, w->client) >= 0 &&
                   DID(w, qmp_client_wait_running, w->client, CHECK_WAIT) >= 0) {
            execute(w, "query-name");
        }
        DID(w, qmp_client_disconnect, w->client);
    }
    qmp_server_free(s);
}

static void reconnecting(struct world *w)
{
    const struct qmp_reconnect reconnect = {sizeof(reconnect), QMP_MILLISECOND, QMP_MILLISECOND, 3, true};

    if (DID(w, qmp_client_new, &w->client) < 0 || DID(w, qmp_client_set_reconnect, w->client, &reconnect) < 0 ||
        DID(w, qmp_client_connect, w->client, w->path) < 0) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (DID(w, qmp_client_wait_running, w->client, CHECK_WAIT) < 0) {
            return;
        }
        execute(w, "emit");
        execute(w, "drop");
    }
}

/* Everybody who says why. */
static void failing(struct world *w)
{
    static const char *const addresses[] = {
        "tcp:127.0.0.1:1", "exec:exit 3", "nowhere:", "/nowhere/at/all", "tcp:localhost:1", "unix:@nobody-at-all"};

    if (DID(w, qmp_client_new, &w->client) < 0) {
        return;
    }
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        if (DID(w, qmp_client_connect, w->client, addresses[i]) >= 0) {
            DID(w, qmp_client_wait_running, w->client, CHECK_WAIT);
        }
        faults_free(qmp_client_failure_copy(w->client));
    }
}

/* Whoever does not greet, because it is busy or because it is no monitor: who holds it is looked up. */
static void not_greeted(struct world *w)
{
    if (DID(w, qmp_client_new, &w->client) < 0) {
        return;
    }
    qmp_client_set_connect_timeout(w->client, 2 * QMP_MILLISECOND);
    if (DID(w, qmp_client_connect, w->client, w->agent_path) >= 0) {
        DID(w, qmp_client_wait_running, w->client, CHECK_WAIT);
    }
    faults_free(qmp_client_failure_copy(w->client));
}

static void with_an_agent(struct world *w)
{
    qmp_pending *p = NULL;

    if (DID(w, qmp_client_new, &w->client) < 0 || DID(w, qmp_client_set_dialect, w->client, QMP_DIALECT_AGENT) < 0 ||
        DID(w, qmp_client_connect, w->client, w->agent_path) < 0 ||
        DID(w, qmp_client_wait_running, w->client, CHECK_WAIT) < 0) {
        return;
    }
    execute(w, "guest-ping");
    if (world_submit(w, 0, "hold", &p) >= 0) {
        qmp_client_process(w->client);
        DID(w, qmp_pending_cancel, p);
        qmp_pending_unref(p);
    }
    /* After asking again where it was. */
    execute(w, "large");
}

/* ---- TLS: two clients, of which one serves; neither wants to be greeted ---- */

static int encrypted_client(struct world *w, qmp_client **ret, qmp_tls *credentials)
{
    int r = DID(w, qmp_client_new, ret);

    if (r >= 0) {
        qmp_client_set_await_greeting(*ret, false);
        qmp_client_set_connect_timeout(*ret, CHECK_WAIT);
        r = DID(w, qmp_client_set_tls, *ret, credentials, NULL);
    }
    return r;
}

/* Both, in turns, until both are up or one is down. */
static bool shake_hands(qmp_client *a, qmp_client *b)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (qmp_client_runstate(a) != QMP_IDLE && qmp_client_runstate(b) != QMP_IDLE) {
        qmp_client_process(a);
        qmp_client_process(b);
        if (qmp_client_runstate(a) == QMP_RUNNING && qmp_client_runstate(b) == QMP_RUNNING) {
            return true;
        }
        if (check_now() > deadline) {
            fail_msg("no handshake, and no end");
        }
    }
    return false;
}

static void encrypted(struct world *w)
{
    qmp_tls *credentials = NULL;
    qmp_client *server = NULL, *client = NULL;
    char *why = NULL;

    if (DID(w, qmp_tls_new_psk, &credentials, w->folder, NULL, &why) < 0) {
        faults_free(why);
        return;
    }
    if (encrypted_client(w, &server, credentials) >= 0 && encrypted_client(w, &client, credentials) >= 0 &&
        DID(w, qmp_client_listen_on, server, w->free_path) >= 0 &&
        DID(w, qmp_client_connect, client, w->free_path) >= 0 && shake_hands(server, client)) {
        DID(w, qmp_client_execute_async, client, "query-name", NULL, NULL, NULL, NULL);
        DID(w, qmp_client_process, client);
        DID(w, qmp_client_process, server);
    }
    qmp_client_unref(client);
    qmp_client_unref(server);
    qmp_tls_unref(credentials);
}

int main(int argc, char **argv)
{
    static const struct scenario scenarios[] = {
        {"connecting", connecting, false},
        {"in_one_call", in_one_call, false},
        {"over_tcp", over_tcp, false},
        {"on_a_descriptor", on_a_descriptor, false},
        {"on_a_descriptor_by_address", on_a_descriptor_by_address, false},
        {"to_a_command", to_a_command, false},
        {"listening", listening, false},
        {"listening_in_the_place_of_another", listening_in_the_place_of_another, false},
        {"listening_on_tcp", listening_on_tcp, false},
        {"serving", serving, false},
        {"reconnecting", reconnecting, false},
        {"failing", failing, false},
        {"not_greeted", not_greeted, false},
        {"with_an_agent", with_an_agent, true},
        {"encrypted", encrypted, false},
    };

    return world_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
