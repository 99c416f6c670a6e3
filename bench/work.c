/* SPDX-License-Identifier: MIT */
/* One kind of work, so many times and nothing else: what stages.py counts instructions, calls and bytes of.
 *
 * Usage: qmp-bench-work event|trip|thread|reply|connection|idle COUNT
 *
 * Whoever counts runs it twice, with different counts, and takes the difference: so neither the start nor the end of
 * the process is in it. `idle` ends with its connections open, for whoever asks what they hold.
 *
 * It refuses to measure anything. */

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"
#include "wire.h"

#define STATUS "{\"status\": \"running\", \"singlestep\": false, \"running\": true}"
#define CHUNK ((size_t)64)
#define VALUE ((size_t)100000)
#define ELEMENT "{\"name\": \"drive-0001\", \"type\": \"str\", \"size\": 1073741824, \"ro\": false}, "

void die(const char *what, int error)
{
    fprintf(stderr, "qmp-bench-work: %s: %s\n", what, strerror(-error));
    exit(1);
}

static void check(const char *what, int r)
{
    if (r < 0)
        die(what, r);
}

static void events(unsigned long count)
{
    static char chunk[CHUNK * EVENT_SIZE];
    qmp_client *c = NULL;
    int fds[2];

    for (size_t i = 0; i < CHUNK; i++)
        memcpy(chunk + i * EVENT_SIZE, EVENT, EVENT_SIZE);
    check("qmp_client_new", qmp_client_new(&c));
    wire_connect(c, fds);
    for (unsigned long i = 0; i < count; i++) {
        qmp_message *event = NULL;

        if (i % CHUNK == 0)
            wire_write(fds[1], chunk, sizeof(chunk));
        check("qmp_listener_get", qmp_listener_get(qmp_client_events(c), QMP_FOREVER, &event));
        qmp_message_unref(event);
    }
    qmp_client_unref(c);
    close(fds[1]);
}

static void trips(unsigned long count, bool thread)
{
    qmp_client *c = NULL;
    struct server server;

    server_start(&server, STATUS, strlen(STATUS));
    check("qmp_client_new", qmp_client_new(&c));
    server_turn(&server, 0, 1 + (unsigned)count);
    check("qmp_client_connect_fd", qmp_client_connect_fd(c, server.fds[0]));
    check("qmp_client_wait_running", qmp_client_wait_running(c, QMP_FOREVER));
    if (thread)
        check("qmp_client_start_thread", qmp_client_start_thread(c));
    for (unsigned long i = 0; i < count; i++) {
        qmp_message *reply = NULL;

        check("qmp_client_execute", qmp_client_execute(c, "query-status", NULL, QMP_FOREVER, &reply, NULL));
        qmp_message_unref(reply);
    }
    qmp_client_unref(c);
    close(server.fds[1]);
    server_stop(&server);
}

static void replies(unsigned long count)
{
    static const char head[] = "{\"return\": ";
    static char value[VALUE] = "[";
    char *end = value + 1, request[512], answer[sizeof(request) + WIRE_ANSWER_EXTRA];
    qmp_client *c = NULL;
    int fds[2];

    while ((size_t)(end - value) < VALUE - sizeof(ELEMENT))
        end = mempcpy(end, ELEMENT, sizeof(ELEMENT) - 1);
    memcpy(end, "0]", 2);
    check("qmp_client_new", qmp_client_new(&c));
    wire_connect(c, fds);
    for (unsigned long i = 0; i < count; i++) {
        qmp_message *reply = NULL;
        qmp_pending *p = NULL;
        size_t n;

        check("qmp_client_execute_async", qmp_client_execute_async(c, "query-x", NULL, NULL, NULL, &p));
        while (qmp_client_process(c) > 0)
            continue;
        n = wire_answer(request, wire_requests(fds[1], request, sizeof(request)), "", 0, answer);
        /* The value in between, without a copy of it. */
        wire_write(fds[1], head, sizeof(head) - 1);
        wire_write(fds[1], value, (size_t)(end + 2 - value));
        wire_write(fds[1], answer + sizeof(head) - 1, n - (sizeof(head) - 1));
        check("qmp_pending_wait", qmp_pending_wait(p, QMP_FOREVER, &reply, NULL));
        qmp_message_unref(reply);
        qmp_pending_unref(p);
    }
    qmp_client_unref(c);
    close(fds[1]);
}

static void connections(unsigned long count, bool stay)
{
    for (unsigned long i = 0; i < count; i++) {
        qmp_client *c = NULL;
        int fds[2];

        check("qmp_client_new", qmp_client_new(&c));
        wire_connect(c, fds);
        if (stay)
            continue;
        qmp_client_unref(c);
        close(fds[1]);
    }
}

int main(int argc, char **argv)
{
    const char *work = argc == 3 ? argv[1] : "";
    unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

    if (strcmp(work, "event") == 0)
        events(count);
    else if (strcmp(work, "trip") == 0 || strcmp(work, "thread") == 0)
        trips(count, strcmp(work, "thread") == 0);
    else if (strcmp(work, "reply") == 0)
        replies(count);
    else if (strcmp(work, "connection") == 0 || strcmp(work, "idle") == 0)
        connections(count, strcmp(work, "idle") == 0);
    else {
        fprintf(stderr, "usage: qmp-bench-work event|trip|thread|reply|connection|idle COUNT\n");
        return 2;
    }
    return 0;
}
