/* SPDX-License-Identifier: MIT */
/* The other end of the wire: just enough of a server to keep a client busy.
 *
 * The answering process does the same work for the library and for the floor: a blocking read, a search for the id, one
 * write for all that was asked. Whatever it costs, it costs both.
 *
 * It refuses to be a test peer: it believes whatever the client sends. */

#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "measure.h"

#define DEADLINE_MS 20000

void wire_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        die("socketpair", -errno);
}

void wire_write(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

        if (n < 0)
            die("send", -errno);
        data += n;
        size -= (size_t)n;
    }
}

size_t wire_object(const char *text, size_t size)
{
    bool in_string = false;
    size_t depth = 0;

    for (size_t i = 0; i < size; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* The id of a request: a string or a number, as it is written. */
static const char *find_id(const char *request, size_t size, size_t *ret_size)
{
    static const char key[] = "\"id\":";
    const char *end = request + size, *id = memmem(request, size, key, sizeof(key) - 1), *p;

    if (!id) {
        *ret_size = 4;
        return "null";
    }
    for (id += sizeof(key) - 1; id < end && *id == ' '; id++)
        ;
    p = id + 1;
    if (*id == '"') {
        while (p < end && *p != '"')
            p++;
        p++;
    } else {
        while (p < end && *p != ',' && *p != '}' && *p != ' ')
            p++;
    }
    *ret_size = (size_t)(p - id);
    return id;
}

size_t wire_answer(const char *request, size_t request_size, const char *value, size_t value_size, char *out)
{
    static const char head[] = "{\"return\": ", middle[] = ", \"id\": ", tail[] = "}\r\n";
    size_t id_size;
    const char *id = find_id(request, request_size, &id_size);
    char *p = out;

    if (memmem(request, request_size, "qmp_capabilities", strlen("qmp_capabilities"))) {
        value = "{}";
        value_size = 2;
    }
    p = mempcpy(p, head, sizeof(head) - 1);
    p = mempcpy(p, value, value_size);
    p = mempcpy(p, middle, sizeof(middle) - 1);
    p = mempcpy(p, id, id_size);
    p = mempcpy(p, tail, sizeof(tail) - 1);
    return (size_t)(p - out);
}

size_t wire_requests(int peer, char *buffer, size_t size)
{
    ssize_t n = recvfrom(peer, buffer, size, MSG_DONTWAIT, NULL, NULL);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        die("recv", n < 0 ? -errno : -ECONNRESET);
    if (wire_object(buffer, (size_t)n) == 0)
        die("a request in pieces", -EPROTO);
    return (size_t)n;
}

void wire_connect(qmp_client *c, int fds[2])
{
    uint64_t deadline = wall_ns() + DEADLINE_MS * UINT64_C(1000000);
    char request[512], answer[512 + WIRE_ANSWER_EXTRA];
    size_t n;
    int r;

    wire_pair(fds);
    wire_write(fds[1], GREETING, strlen(GREETING));
    r = qmp_client_connect_fd(c, fds[0]);
    if (r < 0)
        die("qmp_client_connect_fd", r);
    while (qmp_client_runstate(c) != QMP_RUNNING) {
        r = qmp_client_process(c);
        if (r < 0)
            die("qmp_client_process", r);
        n = wire_requests(fds[1], request, sizeof(request));
        if (n > 0)
            wire_write(fds[1], answer, wire_answer(request, n, "{}", 2, answer));
        else if (r == 0 && wall_ns() > deadline)
            die("negotiation", -ETIMEDOUT);
    }
}

struct turn {
    unsigned connection, commands;
};

/* Answers so many commands; all that came together are answered together. */
static void serve_turn(int fd, unsigned commands, const char *value, size_t value_size)
{
    static char in[65536];
    static char out[65536];
    size_t used = 0;

    while (commands > 0) {
        ssize_t n = recvfrom(fd, in + used, sizeof(in) - used, 0, NULL, NULL);
        size_t at = 0, out_size = 0, size;

        if (n <= 0)
            _exit(0);
        used += (size_t)n;
        while (
            (size = wire_object(in + at, used - at)) > 0 && sizeof(out) - out_size > value_size + WIRE_ANSWER_EXTRA) {
            out_size += wire_answer(in + at, size, value, value_size, out + out_size);
            at += size;
            commands--;
        }
        wire_write(fd, out, out_size);
        memmove(in, in + at, used - at);
        used -= at;
    }
}

static void serve(int control, const int *fds, const char *value, size_t value_size)
{
    struct turn turn;

    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++)
        wire_write(fds[i], GREETING, strlen(GREETING));
    while (recvfrom(control, &turn, sizeof(turn), 0, NULL, NULL) == (ssize_t)sizeof(turn))
        serve_turn(fds[turn.connection], turn.commands, value, value_size);
    _exit(0);
}

void server_start(struct server *s, const char *value, size_t value_size)
{
    int control[2], fds[SERVER_CONNECTIONS];

    wire_pair(control);
    s->control = control[0];
    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++) {
        int pair[2];

        wire_pair(pair);
        s->fds[i] = pair[0];
        fds[i] = pair[1];
    }
    s->pid = fork();
    if (s->pid < 0)
        die("fork", -errno);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(control[1], fds, value, value_size);
    }
    close(control[1]);
    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++)
        close(fds[i]);
}

void server_turn(const struct server *s, unsigned connection, unsigned commands)
{
    struct turn turn = {connection, commands};

    if (send(s->control, &turn, sizeof(turn), MSG_NOSIGNAL) != (ssize_t)sizeof(turn))
        die("send", -errno);
}

void server_stop(struct server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    close(s->control);
}

static void qemu_exec(const char *argument, int console)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(console, STDIN_FILENO);
    dup2(console, STDOUT_FILENO);
    execlp("qemu-system-x86_64", "qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-qmp",
        "stdio", "-qmp", argument, (char *)NULL);
    _exit(127);
}

/* Whether QEMU answers a command on its standard input and output. Only then its main loop runs: a connection to a
 * socket that comes while QEMU is still starting can make QEMU 7.2 hang in accept(). */
static bool qemu_answers(int console)
{
    static const char commands[] = "{\"execute\": \"qmp_capabilities\"} {\"execute\": \"query-status\"}";
    struct pollfd pollfd = {.fd = console, .events = POLLIN};
    char text[4096];
    size_t size = 0;
    ssize_t n;

    if (send(console, commands, sizeof(commands) - 1, MSG_NOSIGNAL) < 0)
        return false;
    while (size < sizeof(text) && poll(&pollfd, 1, DEADLINE_MS) > 0) {
        n = recvfrom(console, text + size, sizeof(text) - size, 0, NULL, NULL);
        if (n <= 0)
            return false;
        size += (size_t)n;
        if (memmem(text, size, "\"running\"", strlen("\"running\"")))
            return true;
    }
    return false;
}

bool qemu_start(struct qemu *q)
{
    const char *tmp = getenv("TMPDIR");
    char argument[320];
    int console[2];

    snprintf(q->folder, sizeof(q->folder), "%s/qmp-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(q->folder))
        die("mkdtemp", -errno);
    snprintf(q->socket, sizeof(q->socket), "%s/qmp", q->folder);
    snprintf(argument, sizeof(argument), "unix:%s,server=on,wait=off", q->socket);
    wire_pair(console);
    q->console = console[0];
    q->pid = fork();
    if (q->pid < 0)
        die("fork", -errno);
    if (q->pid == 0)
        qemu_exec(argument, console[1]);
    close(console[1]);
    if (qemu_answers(q->console))
        return true;
    qemu_stop(q);
    return false;
}

void qemu_stop(struct qemu *q)
{
    kill(q->pid, SIGKILL);
    waitpid(q->pid, NULL, 0);
    close(q->console);
    unlink(q->socket);
    rmdir(q->folder);
}
