/* SPDX-License-Identifier: MIT */
/* The library among its peers: the same server, the same work, in one run.
 *
 * Each peer is a program in peers/ that connects, warms up, does its work as its manual says, and prints what a unit
 * took by its own clock. All of them take turns, in five rounds. A peer that is not installed has a row that says
 * what to install; one that cannot do the work has a row with what it said. The server is one process that greets,
 * answers at once, and floods whoever says `stop`. From start to end of a process the server is a real QEMU.
 *
 * It refuses to know how a peer works. */

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "program.h"
#include "wire.h"

#define STATUS "{\"status\": \"running\", \"singlestep\": false, \"running\": true}"
#define DEADLINE 60u /* seconds, of one program */
#define BATCH ((size_t)256)
#define ROUNDS 5u

struct work {
    const char *name, *title;
    unsigned count, count_quick;
    bool is_rate;
    double at_least; /* times as fast as the reference; 0: no goal */
};

static const struct work works[] = {
    {"trips", "peers: round trips a second (floor: the peer; ratio: how many times faster ours is)", 2000, 300, true,
        0},
    {"events", "peers: events a second through the usual listener", 50000, 5000, true, 100},
    {"replies", "peers: query-qmp-schema, asked and received", 30, 5, false, 0},
};

struct peer {
    const char *name;
    const char *program; /* of this build; NULL: the script of the reference */
    const char *first;   /* its first argument; NULL: none */
    const char *missing; /* what to install */
    bool is_floor;
};

static const struct peer peers[] = {
    {"bare system calls", "qmp-bench-client", "bare", "-", true},
    {"this library, driven by its own thread", "qmp-bench-client", "thread", "-", false},
    {"socat, a relay: it parses nothing", "qmp-bench-client", "socat", "install socat", false},
    {"go-qemu", "qmp-bench-goqemu", NULL, "install golang-go, golang-github-digitalocean-go-qemu-dev", false},
    {"govmm", "qmp-bench-govmm", NULL, "install golang-go, golang-github-kata-containers-govmm-dev", false},
    {"the reference, qemu.qmp", NULL, NULL, "set PEER_QEMU_QMP to the folder with qemu/qmp", false},
};
static const struct peer library = {"this library", "qmp-bench-client", "library", "-", false};

/* One peer doing one work. */
struct run {
    const struct peer *peer;
    const struct work *work;
    const struct options *options;
    const char *socket;
    char failure[128]; /* what it said; empty: it worked */
};

/* ---- the server ---- */

static bool put(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static bool flood(int fd, unsigned events)
{
    static char batch[BATCH * EVENT_SIZE];

    for (size_t i = 0; i < BATCH; i++)
        memcpy(batch + i * EVENT_SIZE, EVENT, EVENT_SIZE);
    for (size_t left = events, now; left > 0; left -= now) {
        now = left < BATCH ? left : BATCH;
        if (!put(fd, batch, now * EVENT_SIZE))
            return false;
    }
    return true;
}

static bool asks(const char *request, size_t size, const char *command)
{
    return memmem(request, size, command, strlen(command)) != NULL;
}

static bool answer(int fd, const char *request, size_t size, qmp_value schema, unsigned events)
{
    static char out[1 << 20];
    bool large = asks(request, size, "query-qmp-schema"), stop = asks(request, size, "\"stop\"");
    const char *value = large ? schema.text : stop ? "{}" : STATUS;

    size = wire_answer(request, size, value, large ? schema.size : strlen(value), out);
    return put(fd, out, size) && (!stop || flood(fd, events));
}

static void attend(int fd, qmp_value schema, unsigned events)
{
    static char in[65536];
    size_t used = 0, size;
    ssize_t n;

    if (!put(fd, GREETING, strlen(GREETING)))
        return;
    while ((n = recv(fd, in + used, sizeof(in) - used, 0)) > 0) {
        used += (size_t)n;
        while ((size = wire_object(in, used)) > 0) {
            if (!answer(fd, in, size, schema, events))
                return;
            /* With whatever blanks there are before the next one. */
            memmove(in, in + size, used - size);
            used -= size;
        }
    }
}

static pid_t server_fork(const char *path, qmp_value schema, unsigned events)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    if (listening < 0 || bind(listening, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(listening, 8) < 0)
        die("the server of the peers", -errno);
    pid = fork();
    if (pid < 0)
        die("fork", -errno);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

            attend(fd, schema, events);
            close(fd);
        }
    }
    close(listening);
    return pid;
}

/* ---- a peer ---- */

/* The words of its command line, for as long as the next call has not come. */
static char **command_line(const struct run *r, const char *work, unsigned count)
{
    static char program[4300], script[] = BENCH_FOLDER "/peers/qemu-qmp.py", python[] = "python3", words[4][300];
    static char *arguments[8];
    size_t n = 0;

    snprintf(program, sizeof(program), "%s/%s", r->options->folder, r->peer->program ? r->peer->program : "");
    snprintf(words[0], sizeof(words[0]), "%s", r->peer->first ? r->peer->first : "");
    snprintf(words[1], sizeof(words[1]), "%s", r->socket);
    snprintf(words[2], sizeof(words[2]), "%s", work);
    snprintf(words[3], sizeof(words[3]), "%u", count);
    arguments[n++] = r->peer->program ? program : python;
    if (!r->peer->program)
        arguments[n++] = script;
    if (r->peer->first)
        arguments[n++] = words[0];
    for (size_t i = 1; i < ELEMENTS(words); i++)
        arguments[n++] = words[i];
    arguments[n] = NULL;
    return arguments;
}

static bool is_here(const struct run *r)
{
    if (!r->peer->program)
        return getenv("PEER_QEMU_QMP") != NULL;
    if (r->peer->first && strcmp(r->peer->first, "socat") == 0 && !program_exists("socat"))
        return false;
    return access(command_line(r, "", 0)[0], X_OK) == 0;
}

/* What it printed, or what it complained about: the first line. */
static double peer_run(void *run)
{
    struct run *r = run;
    unsigned count = r->options->quick ? r->work->count_quick : r->work->count;
    char **arguments = command_line(r, r->work->name, count), text[sizeof(r->failure)] = "";
    int out[2], status = 0;
    size_t size = 0;
    ssize_t n;
    pid_t pid;

    if (pipe2(out, O_CLOEXEC) < 0)
        die("pipe2", -errno);
    pid = fork();
    if (pid == 0) {
        alarm(DEADLINE);
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    close(out[1]);
    while (size < sizeof(text) - 1 && (n = read(out[0], text + size, sizeof(text) - 1 - size)) > 0)
        size += (size_t)n;
    close(out[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        die("fork", -errno);
    text[strcspn(text, "\n")] = '\0';
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return strtod(text, NULL);
    snprintf(r->failure, sizeof(r->failure), "%s", text[0] != '\0' ? text : "it ended by a signal");
    return NAN;
}

/* ---- rows ---- */

static struct cell cell_of(const struct work *w, double ns)
{
    return w->is_rate ? cell_rate(ns) : cell_time(ns);
}

static void row(const struct work *w, const struct peer *p, struct duel d)
{
    double faster = p->is_floor ? d.ratio : 1 / d.ratio;
    bool is_reference = p->program == NULL;
    char name[80];

    snprintf(name, sizeof(name), p->is_floor ? "%s (ratio: ours to them)" : "%s", p->name);
    table_row(name, cell_of(w, d.ours), cell_of(w, d.floor), cell_times(faster),
        is_reference && w->at_least > 0 ? goal_times_at_least(faster, w->at_least) : goal_none());
}

/* Whether a peer can do the work; if not, its row says why. */
static bool can(struct run *r)
{
    char why[200];

    if (!is_here(r)) {
        table_skipped(r->peer->name, r->peer->missing);
        return false;
    }
    if (!isnan(peer_run(r)))
        return true;
    snprintf(why, sizeof(why), "it says: %s", r->failure);
    table_skipped(r->peer->name, why);
    return false;
}

/* All of them in each round, so that a slow minute is one for all. */
static void contest(const struct work *w, const struct options *o, const char *socket)
{
    double ours[ROUNDS], theirs[ELEMENTS(peers)][ROUNDS];
    struct run us = {&library, w, o, socket, ""}, them[ELEMENTS(peers)];
    unsigned rounds = o->quick ? 1 : ROUNDS;
    bool takes_part[ELEMENTS(peers)];

    for (size_t p = 0; p < ELEMENTS(peers); p++) {
        them[p] = (struct run){&peers[p], w, o, socket, ""};
        takes_part[p] = can(&them[p]);
    }
    for (unsigned i = 0; i < rounds; i++) {
        ours[i] = peer_run(&us);
        for (size_t p = 0; p < ELEMENTS(peers); p++)
            if (takes_part[p])
                theirs[p][i] = peer_run(&them[p]);
    }
    for (size_t p = 0; p < ELEMENTS(peers); p++) {
        double ratio[ROUNDS], copy[ROUNDS];

        if (!takes_part[p])
            continue;
        for (unsigned i = 0; i < rounds; i++)
            ratio[i] = ours[i] / theirs[p][i];
        memcpy(copy, ours, sizeof(copy));
        row(w, &peers[p], (struct duel){median(copy, rounds), median(theirs[p], rounds), median(ratio, rounds)});
    }
}

static void works_of_peers(const struct options *o, const char *socket)
{
    qmp_message *reply = ask_schema();
    qmp_value schema = reply ? qmp_reply_value(reply) : (qmp_value){0};

    for (size_t i = 0; i < ELEMENTS(works); i++) {
        const struct work *w = &works[i];
        pid_t server;

        table_title(w->title);
        if (strcmp(w->name, "replies") == 0 && !reply) {
            table_skipped(w->name, "no qemu-system-x86_64");
            continue;
        }
        server = server_fork(socket, schema, o->quick ? w->count_quick : w->count);
        contest(w, o, socket);
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        unlink(socket);
    }
    qmp_message_unref(reply);
}

/* ---- virsh ---- */

/* libvirt's daemon, for as long as `in` is open. */
struct session {
    pid_t pid;
    int in;
    char folder[64], uri[256];
};

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

/* What it says: where it is, or why it is not. */
static void session_start(struct session *s)
{
    char *arguments[] = {(char[]){BENCH_FOLDER "/peers/virsh-session"}, s->folder, NULL};
    int in[2], out[2];
    size_t size = 0;
    ssize_t n;

    snprintf(s->folder, sizeof(s->folder), "/tmp/qmp-bench.XXXXXX");
    if (!mkdtemp(s->folder) || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        die("pipe2", -errno);
    s->pid = fork();
    if (s->pid < 0)
        die("fork", -errno);
    if (s->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execv(arguments[0], arguments);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    s->in = in[1];
    while (size < sizeof(s->uri) - 1 && (n = read(out[0], s->uri + size, sizeof(s->uri) - 1 - size)) > 0) {
        size += (size_t)n;
        if (s->uri[size - 1] == '\n')
            break;
    }
    s->uri[size] = '\0';
    s->uri[strcspn(s->uri, "\n")] = '\0';
    close(out[0]);
}

static void session_end(struct session *s)
{
    close(s->in);
    waitpid(s->pid, NULL, 0);
    nftw(s->folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static void against_virsh(const struct options *o, struct program *qmp_call)
{
    static const char ready[] = "ready ";
    char virsh[] = "virsh", c[] = "-c", run[] = "qemu-monitor-command", domain[] = "bench", uri[256],
         command[] = "{\"execute\": \"query-status\"}";
    struct program theirs = {virsh, (char *const[]){virsh, c, uri, run, domain, command, NULL}, NULL, "prelaunch"};
    struct session s;
    struct duel d;

    session_start(&s);
    if (strncmp(s.uri, ready, strlen(ready)) != 0) {
        table_skipped("virsh qemu-monitor-command", s.uri[0] != '\0' ? s.uri : "its daemon did not start");
    } else {
        snprintf(uri, sizeof(uri), "%s", s.uri + strlen(ready));
        d = duel(
            o->quick ? 5 : 20, (struct contestant){program_run, qmp_call}, (struct contestant){program_run, &theirs});
        table_row("virsh qemu-monitor-command, through libvirtd", cell_time(d.ours), cell_time(d.floor),
            cell_times(1 / d.ratio), goal_none());
    }
    session_end(&s);
}

/* ---- whole processes ---- */

/* Connect, ask, and out. */
static void whole_processes(const struct options *o, const struct qemu *q)
{
    char qmp[4200], s[] = "-s", call[] = "call", status[] = "query-status", path[280];
    struct program a = {qmp, (char *const[]){qmp, s, path, call, status, NULL}, NULL, "\"running\""};

    snprintf(qmp, sizeof(qmp), "%s", o->qmp);
    snprintf(path, sizeof(path), "%s", q->socket);
    for (size_t i = 0; i < ELEMENTS(peers); i++) {
        const struct peer *p = peers[i].is_floor ? &library : &peers[i];
        struct run r = {p, NULL, o, q->socket, ""};
        struct program b = {NULL, NULL, NULL, ""};
        struct duel d;
        char name[80];

        if (p->first && strcmp(p->first, "library") != 0)
            continue; /* qmp-bench command has socat */
        snprintf(name, sizeof(name), p == &library ? "a program of %s in C" : "a program with %s", p->name);
        if (!is_here(&r)) {
            table_skipped(name, p->missing);
            continue;
        }
        b.arguments = command_line(&r, "once", 1);
        b.path = b.arguments[0];
        d = duel(o->quick ? 5 : 20, (struct contestant){program_run, &a}, (struct contestant){program_run, &b});
        table_row(name, cell_time(d.ours), cell_time(d.floor), cell_times(1 / d.ratio), goal_none());
    }
    against_virsh(o, &a);
}

void bench_peers(const struct options *o)
{
    const char *reference = getenv("PEER_QEMU_QMP");
    char folder[] = "/tmp/qmp-bench.XXXXXX", socket[64];
    struct qemu q;

    if (reference)
        setenv("PYTHONPATH", reference, /* overwrite= */ 1);
    if (mkdtemp(folder) == NULL)
        die("mkdtemp", -errno);
    snprintf(socket, sizeof(socket), "%s/qmp", folder);
    works_of_peers(o, socket);
    rmdir(folder);
    table_title("peers: a process for one command, on a real QEMU (ours: qmp call query-status)");
    if (access(o->qmp, X_OK) < 0) {
        table_skipped("qmp call query-status", "no command qmp was built");
    } else if (!qemu_start(&q)) {
        table_skipped("qmp call query-status", "no qemu-system-x86_64");
    } else {
        whole_processes(o, &q);
        qemu_stop(&q);
    }
}
