/* SPDX-License-Identifier: MIT */
/* `qmp events` in front of a flood, whole process, printing to /dev/null.
 *
 * The server is a process that greets one client, answers its negotiation and then writes as fast as it is read. The
 * floor reads the same bytes and writes them, in pieces of 64 KiB. With PEER_QEMU_QMP=DIR, where DIR holds the Python
 * package qemu.qmp, the reference prints the same events, fewer of them.
 *
 * It refuses to know what the command does. */

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "wire.h"

#define EVENTS 1000000u
#define EVENTS_QUICK 100000u
/* The reference takes as long for this many. */
#define EVENTS_REFERENCE 20000u
/* How many events the server writes at once. */
#define BATCH 1024u
#define PIECE 65536u
/* Of everything, in seconds. */
#define DEADLINE 120u

struct flood {
    const struct options *options;
    struct sockaddr_un address;
    unsigned events;
    uint64_t rss; /* bytes, of the last program */
};

static void serve(int listening, unsigned events)
{
    static char batch[BATCH * EVENT_SIZE], request[PIECE], answer[PIECE];
    int fd = accept(listening, NULL, NULL);
    ssize_t n;

    alarm(DEADLINE);
    for (unsigned i = 0; i < BATCH; i++)
        memcpy(batch + i * EVENT_SIZE, EVENT, EVENT_SIZE);
    wire_write(fd, GREETING, sizeof(GREETING) - 1);
    n = recv(fd, request, sizeof(request), 0);
    if (n <= 0)
        _exit(1);
    wire_write(fd, answer, wire_answer(request, (size_t)n, "{}", 2, answer));
    for (unsigned left = events; left > 0;) {
        unsigned now = left < BATCH ? left : BATCH;
        wire_write(fd, batch, now * EVENT_SIZE);
        left -= now;
    }
    while (recv(fd, request, sizeof(request), 0) > 0)
        continue;
    _exit(0);
}

static pid_t server_fork(struct flood *f)
{
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    unlink(f->address.sun_path);
    if (listening < 0 || bind(listening, (struct sockaddr *)&f->address, sizeof(f->address)) < 0 ||
        listen(listening, 1) < 0)
        die("the server of the flood", -errno);
    pid = fork();
    if (pid < 0)
        die("fork", -errno);
    if (pid == 0)
        serve(listening, f->events);
    close(listening);
    return pid;
}

/* The floor: says what any client says, and passes on what comes. */
static void pass(const struct flood *f)
{
    static const char negotiation[] = "{\"execute\": \"qmp_capabilities\", \"id\": 1}\n";
    static char piece[PIECE];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t left = f->events * EVENT_SIZE;
    ssize_t n;

    if (connect(fd, (const struct sockaddr *)&f->address, sizeof(f->address)) < 0)
        _exit(1);
    wire_write(fd, negotiation, sizeof(negotiation) - 1);
    while (left > 0) {
        n = recv(fd, piece, sizeof(piece), 0);
        if (n <= 0 || write(STDOUT_FILENO, piece, (size_t)n) < 0)
            _exit(1);
        left -= (size_t)n < left ? (size_t)n : left;
    }
    _exit(0);
}

/* Runs a program, NULL for the floor, to its end. Returns ns for each event. */
static double run(struct flood *f, char *const *arguments)
{
    pid_t server = server_fork(f), pid;
    struct rusage usage;
    int status = 0;
    uint64_t start = wall_ns(), taken;

    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        alarm(DEADLINE);
        if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
            _exit(1);
        if (arguments == NULL)
            pass(f);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        die("fork", -errno);
    taken = wall_ns() - start;
    f->rss = (uint64_t)usage.ru_maxrss * 1024;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die(arguments != NULL ? arguments[0] : "the floor of the flood", -EPROTO);
    return (double)taken / f->events;
}

static double run_ours(void *userdata)
{
    struct flood *f = userdata;
    char events[16], qmp[4200], verb[] = "events", s[] = "-s", count[] = "-c";

    snprintf(events, sizeof(events), "%u", f->events);
    snprintf(qmp, sizeof(qmp), "%s", f->options->qmp);
    return run(f, (char *const[]){qmp, verb, s, f->address.sun_path, count, events, NULL});
}

static double run_floor(void *userdata)
{
    return run(userdata, NULL);
}

static double run_reference(void *userdata)
{
    struct flood few = *(struct flood *)userdata;
    char events[16], python[] = "python3", script[] = BENCH_FOLDER "/peers/flood-qemu-qmp.py";

    few.events = EVENTS_REFERENCE;
    snprintf(events, sizeof(events), "%u", few.events);
    return run(&few, (char *const[]){python, script, few.address.sun_path, events, NULL});
}

static void memory(struct flood *f)
{
    uint64_t few;

    f->events /= 10;
    run_ours(f);
    few = f->rss;
    f->events *= 10;
    run_ours(f);
    table_row("its memory, against a tenth of the events", cell_bytes((double)f->rss), cell_bytes((double)few),
        cell_times((double)f->rss / (double)few), goal_times_at_most((double)f->rss / (double)few, 1.10));
}

static void flood(struct flood *f)
{
    const char *reference = getenv("PEER_QEMU_QMP");
    struct duel d =
        duel(f->options->quick ? 2 : 5, (struct contestant){run_ours, f}, (struct contestant){run_floor, f});

    table_duel("qmp events, each of a million", d, goal_none());
    memory(f);
    if (reference == NULL) {
        table_skipped("qmp events against the reference", "set PEER_QEMU_QMP to the folder with qemu/qmp");
        return;
    }
    setenv("PYTHONPATH", reference, /* overwrite= */ 1);
    d = duel(f->options->quick ? 2 : 5, (struct contestant){run_ours, f}, (struct contestant){run_reference, f});
    table_row("qmp events against the reference, printing", cell_time(d.ours), cell_time(d.floor),
        cell_times(1 / d.ratio), goal_times_at_least(1 / d.ratio, 50));
}

void bench_flood(const struct options *o)
{
    struct flood f = {.options = o, .address = {.sun_family = AF_UNIX}, .events = o->quick ? EVENTS_QUICK : EVENTS};
    char folder[] = "/tmp/qmp-bench.XXXXXX";

    table_title("a flood of events through the command (floor: the same bytes read and written)");
    if (access(o->qmp, X_OK) < 0) {
        table_skipped("qmp events", "no command qmp was built");
        return;
    }
    if (mkdtemp(folder) == NULL)
        die("mkdtemp", -errno);
    snprintf(f.address.sun_path, sizeof(f.address.sun_path), "%s/flood", folder);
    flood(&f);
    unlink(f.address.sun_path);
    rmdir(folder);
}
