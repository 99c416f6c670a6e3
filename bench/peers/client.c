/* SPDX-License-Identifier: MIT */
/* This library among its peers, and what all are compared with: the bare system calls, and a relay such as socat.
 *
 * Usage: qmp-bench-client library|thread SOCKET WORK COUNT
 *        qmp-bench-client bare|socat SOCKET WORK COUNT
 *
 * WORK is `trips` (query-status, one after the other), `events` (so many, after `stop`), `replies` (query-qmp-schema)
 * or `once` (connect, query-status, and out; nothing is printed). Prints what each took in ns, connecting and a few to
 * warm up left out. All programs in this folder are called like that, and print the same.
 *
 * It refuses to be clever: each call is the first one that a reader of the manual finds. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qmp/qmp.h>

#include "../bench.h"
#include "../measure.h"
#include "../wire.h"

#define WARM_UP 10u
#define WAIT (20 * QMP_SECOND)

void die(const char *what, int error)
{
    fprintf(stderr, "%s: %s\n", what, strerror(-error));
    exit(1);
}

static void check(const char *what, int r)
{
    if (r < 0)
        die(what, r);
}

static void print(uint64_t start, unsigned long count)
{
    printf("%.1f\n", (double)(wall_ns() - start) / (double)count);
}

/* ---- the library ---- */

static void call(qmp_client *c, const char *command)
{
    qmp_message *reply = NULL;

    check(command, qmp_client_execute(c, command, NULL, WAIT, &reply, NULL));
    qmp_message_unref(reply);
}

static void library(const char *socket, const char *work, unsigned long count, bool thread)
{
    const char *command = strcmp(work, "replies") == 0 ? "query-qmp-schema" : "query-status";
    qmp_client *c = NULL;
    uint64_t start;

    check(socket, qmp_connect(&c, socket, WAIT));
    qmp_listener_set_limits(qmp_client_events(c), SIZE_MAX, 0);
    if (thread)
        check("qmp_client_start_thread", qmp_client_start_thread(c));
    for (unsigned i = 0; i < WARM_UP && strcmp(work, "once") != 0; i++)
        call(c, command);
    start = wall_ns();
    if (strcmp(work, "events") == 0) {
        call(c, "stop");
        for (unsigned long i = 0; i < count; i++) {
            qmp_message *event = NULL;

            check("qmp_listener_get", qmp_listener_get(qmp_client_events(c), WAIT, &event));
            qmp_message_unref(event);
        }
    } else {
        for (unsigned long i = 0; i < count; i++)
            call(c, command);
    }
    if (strcmp(work, "once") != 0)
        print(start, count);
    qmp_client_unref(c);
}

/* ---- system calls ---- */

static int dial(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
        die(path, -errno);
    return fd;
}

/* A relay as a process of its own, and our end of it. */
static int relay(const char *path)
{
    char address[256];
    int fds[2];
    pid_t pid;

    snprintf(address, sizeof(address), "UNIX-CONNECT:%s", path);
    wire_pair(fds);
    pid = fork();
    check("fork", pid < 0 ? -errno : 0);
    if (pid == 0) {
        dup2(fds[1], STDIN_FILENO);
        dup2(fds[1], STDOUT_FILENO);
        execlp("socat", "socat", "-", address, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    return fds[0];
}

static char buffer[65536];

/* Up to the end of a line; returns how many lines came. */
static unsigned long lines(int fd)
{
    unsigned long found = 0;
    ssize_t n;

    do {
        n = recv(fd, buffer, sizeof(buffer), 0);
        if (n <= 0)
            die("recv", n < 0 ? -errno : -ECONNRESET);
        for (const char *p = buffer; (p = memchr(p, '\n', (size_t)(buffer + n - p))); p++)
            found++;
    } while (buffer[n - 1] != '\n');
    return found;
}

static void ask(int fd, const char *command)
{
    char text[128];
    int n = snprintf(text, sizeof(text), "{\"execute\": \"%s\", \"id\": 1}\n", command);

    wire_write(fd, text, (size_t)n);
}

static void bare(int fd, const char *work, unsigned long count)
{
    const char *command = strcmp(work, "replies") == 0 ? "query-qmp-schema" : "query-status";
    unsigned long left = count;
    uint64_t start;

    lines(fd);
    ask(fd, "qmp_capabilities");
    lines(fd);
    for (unsigned i = 0; i < WARM_UP; i++) {
        ask(fd, command);
        lines(fd);
    }
    start = wall_ns();
    if (strcmp(work, "events") == 0) {
        unsigned long n = 0;

        ask(fd, "stop");
        while (n < count + 1)
            n += lines(fd);
    } else {
        for (; left > 0; left--) {
            ask(fd, command);
            lines(fd);
        }
    }
    print(start, count);
    close(fd);
}

int main(int argc, char **argv)
{
    unsigned long count = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;

    if (count == 0) {
        fprintf(stderr, "usage: qmp-bench-client library|thread|bare|socat SOCKET trips|events|replies|once COUNT\n");
        return 2;
    }
    if (strcmp(argv[1], "bare") == 0)
        bare(dial(argv[2]), argv[3], count);
    else if (strcmp(argv[1], "socat") == 0)
        bare(relay(argv[2]), argv[3], count);
    else
        library(argv[2], argv[3], count, strcmp(argv[1], "thread") == 0);
    return 0;
}
