/* SPDX-License-Identifier: MIT */
/* Encrypted connections: what the library adds to GnuTLS, and what GnuTLS adds to a plain connection.
 *
 * The floor calls gnutls_record_send() and gnutls_record_recv() on a session of its own, with the same credentials and
 * priorities, to the same process, in turns, and moves the client's own bytes. The large reply is processor time of the
 * reading thread, because the other process encrypts what this one has not read yet.
 *
 * The credentials are made at the start by certtool; without it there is no row. It refuses to measure handshakes. */

#include "bench.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qmp/tls.h>

#include "measure.h"
#include "wire.h"

#define STATUS "{\"status\": \"running\", \"singlestep\": false, \"running\": true}"
#define ELEMENT "{\"name\": \"a-member\", \"type\": \"str\", \"features\": [\"unstable\"], \"n\": 1234567}"
#define LARGE ((size_t)200000)
#define PATH_SIZE 300
#define HOST "localhost"

/* To one server each: the floor's and ours are encrypted. */
enum { FLOOR, OURS, PLAIN, N_CONNECTIONS };

struct tls_server {
    pid_t pid;
    int control;
    int fds[N_CONNECTIONS];
};

struct side {
    const struct tls_server *server;
    unsigned connection, trips;
    qmp_client *c;            /* NULL: the floor */
    gnutls_session_t session; /* the floor's */
    bool processor_time;
    char request[512];
    size_t request_size, reply_size;
};

static void check(const char *what, int r)
{
    if (r < 0)
        die(what, r);
}

static void check_gnutls(const char *what, ssize_t r)
{
    if (r >= 0)
        return;
    fprintf(stderr, "qmp-bench: %s\n", gnutls_strerror((int)r));
    die(what, -EPROTO);
}

/* ---- credentials ---- */

static int run(char *const *arguments)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        execvp(arguments[0], arguments);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    return status;
}

static bool make_credentials(char *folder)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, PATH_SIZE, "%s/qmp-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        die("mkdtemp", -errno);
    return run((char *[]){(char[]){MAKE_CREDENTIALS}, folder, NULL}) == 0;
}

static void remove_credentials(char *folder)
{
    run((char *[]){(char[]){"rm"}, (char[]){"-rf"}, folder, NULL});
}

static gnutls_certificate_credentials_t load(const char *folder, const char *end)
{
    char ca[2 * PATH_SIZE], certificate[2 * PATH_SIZE], key[2 * PATH_SIZE];
    gnutls_certificate_credentials_t c;

    snprintf(ca, sizeof(ca), "%s/both/ca-cert.pem", folder);
    snprintf(certificate, sizeof(certificate), "%s/both/%s-cert.pem", folder, end);
    snprintf(key, sizeof(key), "%s/both/%s-key.pem", folder, end);
    check_gnutls("credentials", gnutls_certificate_allocate_credentials(&c));
    check_gnutls(ca, gnutls_certificate_set_x509_trust_file(c, ca, GNUTLS_X509_FMT_PEM));
    check_gnutls(key, gnutls_certificate_set_x509_key_file(c, certificate, key, GNUTLS_X509_FMT_PEM));
    return c;
}

static gnutls_session_t shake_hands(int fd, unsigned flags, gnutls_certificate_credentials_t credentials)
{
    gnutls_session_t s;
    int r;

    check_gnutls("gnutls_init", gnutls_init(&s, flags));
    check_gnutls("priority", gnutls_priority_set_direct(s, "NORMAL", NULL));
    check_gnutls("credentials", gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, credentials));
    if (flags & GNUTLS_SERVER)
        gnutls_certificate_server_set_request(s, GNUTLS_CERT_REQUIRE);
    else
        gnutls_server_name_set(s, GNUTLS_NAME_DNS, HOST, strlen(HOST));
    gnutls_transport_set_int(s, fd);
    do
        r = gnutls_handshake(s);
    while (r < 0 && !gnutls_error_is_fatal(r));
    check_gnutls("handshake", r);
    return s;
}

/* ---- the server ---- */

struct stream {
    int fd;
    gnutls_session_t session; /* NULL: plain */
};

static void stream_write(const struct stream *s, const char *data, size_t size)
{
    while (s->session && size > 0) {
        ssize_t n = gnutls_record_send(s->session, data, size);

        check_gnutls("gnutls_record_send", n);
        data += n;
        size -= (size_t)n;
    }
    if (!s->session)
        wire_write(s->fd, data, size);
}

/* Returns 0 at the end. */
static size_t stream_read(const struct stream *s, char *data, size_t size)
{
    ssize_t n;

    if (!s->session) {
        n = recv(s->fd, data, size, 0);
    } else {
        do
            n = gnutls_record_recv(s->session, data, size);
        while (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
    }
    return n > 0 ? (size_t)n : 0;
}

struct turn {
    unsigned connection, commands;
};

static void serve_turn(const struct stream *s, unsigned commands, const char *value, char *out)
{
    char in[4096];
    size_t used = 0, at, size;

    while (commands > 0) {
        size_t n = stream_read(s, in + used, sizeof(in) - used);

        if (n == 0)
            _exit(0);
        used += n;
        for (at = 0; (size = wire_object(in + at, used - at)) > 0; at += size, commands--)
            stream_write(s, out, wire_answer(in + at, size, value, strlen(value), out));
        memmove(in, in + at, used - at);
        used -= at;
    }
}

static _Noreturn void serve(const char *folder, int control, const int *fds, const char *value)
{
    gnutls_certificate_credentials_t credentials = load(folder, "server");
    char *out = malloc(strlen(value) + WIRE_ANSWER_EXTRA);
    struct stream streams[N_CONNECTIONS];
    struct turn turn;

    if (!out)
        _exit(1);
    for (unsigned i = 0; i < N_CONNECTIONS; i++) {
        streams[i] = (struct stream){fds[i], i == PLAIN ? NULL : shake_hands(fds[i], GNUTLS_SERVER, credentials)};
        stream_write(&streams[i], GREETING, strlen(GREETING));
    }
    while (recv(control, &turn, sizeof(turn), 0) == (ssize_t)sizeof(turn))
        serve_turn(&streams[turn.connection], turn.commands, value, out);
    _exit(0);
}

static void tls_server_start(struct tls_server *s, const char *folder, const char *value)
{
    int control[2], theirs[N_CONNECTIONS];

    wire_pair(control);
    s->control = control[0];
    for (unsigned i = 0; i < N_CONNECTIONS; i++) {
        int pair[2];

        wire_pair(pair);
        s->fds[i] = pair[0];
        theirs[i] = pair[1];
    }
    s->pid = fork();
    check("fork", s->pid < 0 ? -errno : 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(folder, control[1], theirs, value);
    }
    close(control[1]);
    for (unsigned i = 0; i < N_CONNECTIONS; i++)
        close(theirs[i]);
}

static void tls_server_stop(struct tls_server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    close(s->control);
}

static void give_turn(const struct side *s, unsigned commands)
{
    const struct turn turn = {s->connection, commands};

    if (send(s->server->control, &turn, sizeof(turn), MSG_NOSIGNAL) != (ssize_t)sizeof(turn))
        die("send", -errno);
}

/* ---- the two sides ---- */

static void client_trip(qmp_client *c)
{
    qmp_message *reply = NULL;

    check("qmp_client_execute", qmp_client_execute(c, "query-status", NULL, QMP_FOREVER, &reply, NULL));
    qmp_message_unref(reply);
}

static void bare_read(const struct side *s, size_t size)
{
    const struct stream stream = {-1, s->session};
    char buffer[32768];

    while (size > 0) {
        size_t n = stream_read(&stream, buffer, sizeof(buffer));

        if (n == 0 || n > size)
            die("gnutls_record_recv", -EPROTO);
        size -= n;
    }
}

static void bare_trip(const struct side *s)
{
    const struct stream stream = {-1, s->session};

    stream_write(&stream, s->request, s->request_size);
    bare_read(s, s->reply_size);
}

static double trips(void *side)
{
    struct side *s = side;
    uint64_t (*clock)(void) = s->processor_time ? cpu_ns : wall_ns;
    uint64_t start;

    give_turn(s, s->trips);
    start = clock();
    for (unsigned i = 0; i < s->trips; i++) {
        if (s->c)
            client_trip(s->c);
        else
            bare_trip(s);
    }
    return (double)(clock() - start) / s->trips;
}

/* What a client sends, and how large the answer is. */
static void capture(struct side *s, const char *value)
{
    char *answer = malloc(strlen(value) + WIRE_ANSWER_EXTRA);
    qmp_client *c = NULL;
    int fds[2];

    if (!answer)
        die("malloc", -ENOMEM);
    check("qmp_client_new", qmp_client_new(&c));
    wire_connect(c, fds);
    check("qmp_client_execute_async", qmp_client_execute_async(c, "query-status", NULL, NULL, NULL, NULL));
    while (qmp_client_process(c) > 0)
        ;
    s->request_size = wire_requests(fds[1], s->request, sizeof(s->request));
    s->reply_size = wire_answer(s->request, s->request_size, value, strlen(value), answer);
    qmp_client_unref(c);
    close(fds[1]);
    free(answer);
}

static void floor_start(struct side *s, const char *folder, const char *value)
{
    static gnutls_certificate_credentials_t credentials;

    if (!credentials)
        credentials = load(folder, "client");
    capture(s, value);
    s->connection = FLOOR;
    s->session = shake_hands(s->server->fds[FLOOR], GNUTLS_CLIENT, credentials);
    bare_read(s, strlen(GREETING));
}

static void client_start(struct side *s, unsigned connection, qmp_tls *tls)
{
    s->connection = connection;
    check("qmp_client_new", qmp_client_new(&s->c));
    check("qmp_client_set_tls", qmp_client_set_tls(s->c, tls, HOST));
    give_turn(s, 1);
    check("qmp_client_connect_fd", qmp_client_connect_fd(s->c, s->server->fds[connection]));
    check("connecting", qmp_client_wait_running(s->c, 10 * QMP_SECOND));
}

static void side_end(struct side *s)
{
    qmp_client_unref(s->c);
    if (s->session) {
        gnutls_deinit(s->session);
        close(s->server->fds[FLOOR]);
    }
}

/* ---- rows ---- */

/* Throughput, when a size is given. */
static void row(const char *measure, struct duel d, size_t size)
{
    if (size == 0)
        table_duel(measure, d, goal_none());
    else
        table_row(measure, cell_throughput((double)size, d.ours), cell_throughput((double)size, d.floor),
            cell_times(d.ratio), goal_none());
}

static void measure(const char *folder, qmp_tls *tls, const char *value, bool large, unsigned rounds)
{
    const char *what = large ? "a reply of 200 kB" : "blocking round trip";
    size_t size = large ? LARGE : 0;
    struct tls_server server;
    struct side sides[N_CONNECTIONS];

    tls_server_start(&server, folder, value);
    for (unsigned i = 0; i < N_CONNECTIONS; i++)
        sides[i] = (struct side){.server = &server, .trips = large ? 5 : 100, .processor_time = large};
    floor_start(&sides[FLOOR], folder, value);
    client_start(&sides[OURS], OURS, tls);
    client_start(&sides[PLAIN], PLAIN, NULL);
    row(what, duel(rounds, (struct contestant){trips, &sides[OURS]}, (struct contestant){trips, &sides[FLOOR]}), size);
    row("  encrypted against plain, both the library",
        duel(rounds, (struct contestant){trips, &sides[OURS]}, (struct contestant){trips, &sides[PLAIN]}), size);
    for (unsigned i = 0; i < N_CONNECTIONS; i++)
        side_end(&sides[i]);
    tls_server_stop(&server);
}

static char *large_value(void)
{
    char *text = malloc(LARGE + sizeof(ELEMENT) + 8), *p = text;

    if (!text)
        die("malloc", -ENOMEM);
    *p++ = '[';
    while ((size_t)(p - text) < LARGE)
        p = stpcpy(stpcpy(p, ELEMENT), ", ");
    strcpy(p - 2, "]");
    return text;
}

static void rows(const char *folder, const struct options *o)
{
    unsigned rounds = o->quick ? 50 : 500;
    char path[2 * PATH_SIZE], *why = NULL, *large = large_value();
    qmp_tls *tls = NULL;
    int r;

    snprintf(path, sizeof(path), "%s/both", folder);
    r = qmp_tls_new_x509(&tls, path, &why);
    if (r < 0)
        die(why ? why : "qmp_tls_new_x509", r);
    measure(folder, tls, STATUS, /* large= */ false, rounds);
    measure(folder, tls, large, /* large= */ true, rounds);
    qmp_tls_unref(tls);
    free(large);
}

void bench_tls(const struct options *o)
{
    char folder[PATH_SIZE];

    table_title("an encrypted connection, ECDSA certificates (floor: GnuTLS on the same bytes)");
    fflush(stdout);
    if (make_credentials(folder))
        rows(folder, o);
    else
        table_skipped("round trip, large reply", "certtool is missing, or cannot make certificates");
    remove_credentials(folder);
}
