/* SPDX-License-Identifier: MIT */
/* The command, whole process: from starting it to its end, against socat with the same bytes and the same QEMU.
 *
 * socat gets everything at once on its standard input and is told to end without waiting (-t 0). A real user of socat
 * has to keep its input open until the answer is there, so this program does, and closes it the moment the last answer
 * has been read: no use of socat can be faster. Each side has a monitor of its own, so that neither waits for the
 * other's connection to be cleaned up.
 *
 * It refuses to measure QEMU's start. */

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"
#include "program.h"
#include "wire.h"

extern char **environ;

#define REQUESTS "{\"execute\": \"qmp_capabilities\"}\n{\"execute\": \"query-status\"}\n"
/* Between runs, so that QEMU has seen the last connection close before the next one comes. */
#define SETTLE_NS (5L * 1000 * 1000)

#define DEADLINE_MS 20000

static pid_t start(const struct program *p, int *ret_in, int *ret_out)
{
    posix_spawn_file_actions_t actions;
    int in[2], out[2], r;
    pid_t pid;

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        die("pipe2", -errno);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    r = posix_spawnp(&pid, p->path, &actions, NULL, p->arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0)
        die(p->path, -r);
    close(in[0]);
    close(out[1]);
    *ret_in = in[1];
    *ret_out = out[0];
    return pid;
}

/* How many bytes the answers of socat's QEMU have before the end of the last one: greeting and two replies. */
static size_t complete(const char *text, size_t size)
{
    size_t at = 0;

    for (unsigned i = 0; i < 3; i++) {
        size_t n = wire_object(text + at, size - at);

        if (n == 0)
            return 0;
        at += n;
    }
    return at;
}

double program_run(void *userdata)
{
    struct program *p = userdata;
    char text[16384];
    size_t size = 0;
    int in, out, status = 0;
    uint64_t start_ns, taken;
    pid_t pid;
    ssize_t n;

    nanosleep(&(struct timespec){0, SETTLE_NS}, NULL);
    start_ns = wall_ns();
    pid = start(p, &in, &out);
    if (p->input && write(in, p->input, strlen(p->input)) < 0)
        die("write", -errno);
    if (!p->input) {
        close(in);
        in = -1;
    }
    while (size < sizeof(text)) {
        if (poll(&(struct pollfd){.fd = out, .events = POLLIN}, 1, DEADLINE_MS) <= 0)
            die(p->path, -ETIMEDOUT);
        n = read(out, text + size, sizeof(text) - size);
        if (n <= 0)
            break;
        size += (size_t)n;
        if (in >= 0 && complete(text, size) > 0) {
            close(in);
            in = -1;
        }
    }
    waitpid(pid, &status, 0);
    taken = wall_ns() - start_ns;
    close(out);
    if (in >= 0)
        close(in);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !memmem(text, size, p->output, strlen(p->output)))
        die(p->path, -EPROTO);
    return (double)taken;
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static void cache_remove(const char *folder)
{
    unsetenv("XDG_CACHE_HOME");
    nftw(folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* A Tab: what completes a word, out of the schema that a call before left in the cache. */
static void completion(const struct options *o, struct qemu *q)
{
    char qmp[4200], cache[300], echo[] = "echo", complete[] = "__complete", dashes[] = "--", s[] = "-s",
                                call[] = "call";
    char add[] = "blockdev-add", driver[] = "driver=nbd", word[] = "server.ty", list[] = "qom-list", path[] = "path=/";
    struct program a = {
        qmp, (char *const[]){qmp, complete, dashes, s, q->socket, call, add, driver, word, NULL}, NULL, "server.type="};
    struct program b = {echo, (char *const[]){echo, word, NULL}, NULL, word};
    struct program fill = {qmp, (char *const[]){qmp, s, q->socket, call, list, path, NULL}, NULL, "type"};
    struct duel d;

    snprintf(qmp, sizeof(qmp), "%s", o->qmp);
    snprintf(cache, sizeof(cache), "%s/cache", q->folder);
    setenv("XDG_CACHE_HOME", cache, /* overwrite= */ 1);
    program_run(&fill);
    d = duel(o->quick ? 20 : 200, (struct contestant){program_run, &a}, (struct contestant){program_run, &b});
    table_row("a Tab: qmp __complete, out of the cached schema (floor: echo)", cell_time(d.ours), cell_time(d.floor),
        cell_times(d.ratio), goal_time_at_most(d.ours, 5e6));
    cache_remove(cache);
}

bool program_exists(const char *path)
{
    char *const arguments[] = {(char *)(uintptr_t)path, (char *)(uintptr_t) "-V", NULL};
    posix_spawn_file_actions_t actions;
    int status = 0, r;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    r = posix_spawnp(&pid, path, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return r == 0 && waitpid(pid, &status, 0) == pid && (!WIFEXITED(status) || WEXITSTATUS(status) != 127);
}

static void contest(const struct options *o, struct qemu *ours, struct qemu *theirs)
{
    char connect[320], qmp[4200], socat[] = "socat";
    char s[] = "-s", call[] = "call", status[] = "query-status", t[] = "-t", zero[] = "0", dash[] = "-";
    struct program a = {qmp, (char *const[]){qmp, s, ours->socket, call, status, NULL}, NULL, "\"running\""};
    struct program b = {socat, (char *const[]){socat, t, zero, dash, connect, NULL}, REQUESTS, "\"running\""};
    struct duel d;

    snprintf(qmp, sizeof(qmp), "%s", o->qmp);
    snprintf(connect, sizeof(connect), "UNIX-CONNECT:%s", theirs->socket);
    d = duel(o->quick ? 20 : 200, (struct contestant){program_run, &a}, (struct contestant){program_run, &b});
    table_duel("qmp call query-status", d, goal_times_at_most(d.ratio, 1.00));
}

void bench_command(const struct options *o)
{
    struct qemu ours, theirs;

    table_title("the command, whole process, on a real QEMU (floor: socat sends the same and stops at the answer)");
    if (access(o->qmp, X_OK) < 0)
        table_skipped("qmp call query-status", "no command qmp was built");
    else if (!program_exists("socat"))
        table_skipped("qmp call query-status", "no socat");
    else if (!qemu_start(&ours))
        table_skipped("qmp call query-status", "no qemu-system-x86_64");
    else {
        if (!qemu_start(&theirs))
            die("qemu", -EPROTO);
        contest(o, &ours, &theirs);
        completion(o, &ours);
        qemu_stop(&theirs);
        qemu_stop(&ours);
    }
}
