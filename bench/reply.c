/* SPDX-License-Identifier: MIT */
/* A large reply: query-qmp-schema, 207 kB, as a real QEMU prints it.
 *
 * Frame and validator alone are measured by a program of their own, which may look inside the library; it prints its
 * rows into this table. Through the whole client the reply lies ready in the socket's buffer, and draining it is timed
 * in processor time; the floor drains the same bytes with the same reads.
 *
 * It refuses to make up a schema: without QEMU there is no row. */

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "reads.h"
#include "wire.h"

struct transfer {
    int fds[2];
    qmp_client *c; /* NULL: the floor */
    const struct reads *reads;
    qmp_value schema;
    char *answer;
};

qmp_message *ask_schema(void)
{
    qmp_message *reply = NULL;
    qmp_client *c = NULL;
    struct qemu q;
    int r;

    if (!qemu_start(&q))
        return NULL;
    r = qmp_connect(&c, q.socket, 10 * QMP_SECOND);
    if (r >= 0)
        r = qmp_client_execute(c, "query-qmp-schema", NULL, 10 * QMP_SECOND, &reply, NULL);
    qmp_client_unref(c);
    qemu_stop(&q);
    if (r < 0)
        die("query-qmp-schema", r);
    return reply;
}

static double receive_reply(struct transfer *t)
{
    qmp_message *reply = NULL;
    qmp_pending *p = NULL;
    char request[512];
    uint64_t start;
    int r;

    r = qmp_client_execute_async(t->c, "query-qmp-schema", NULL, NULL, NULL, &p);
    if (r < 0)
        die("qmp_client_execute_async", r);
    while (qmp_client_process(t->c) > 0)
        ;
    wire_write(t->fds[1], t->answer,
        wire_answer(
            request, wire_requests(t->fds[1], request, sizeof(request)), t->schema.text, t->schema.size, t->answer));
    start = cpu_ns();
    r = qmp_pending_wait(p, QMP_FOREVER, &reply, NULL);
    if (r < 0)
        die("qmp_pending_wait", r);
    qmp_message_unref(reply);
    start = cpu_ns() - start;
    qmp_pending_unref(p);
    return (double)start;
}

static double receive(void *userdata)
{
    struct transfer *t = userdata;
    size_t size;
    uint64_t start;

    if (t->c)
        return receive_reply(t);
    size = wire_answer("{\"id\": 1}", 9, t->schema.text, t->schema.size, t->answer);
    wire_write(t->fds[1], t->answer, size);
    start = cpu_ns();
    reads_repeat(t->reads, t->fds[0], size);
    return (double)(cpu_ns() - start);
}

/* Room for a whole reply, whatever the system's default. */
static bool enlarge(const int fds[2], size_t size)
{
    int want = (int)(2 * size), got = 0;
    socklen_t n = sizeof(got);

    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &want, sizeof(want));
    getsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &got, &n);
    return (size_t)got > size + size / 4;
}

static void through_client(unsigned rounds, qmp_value schema)
{
    static struct reads reads;
    char *answer = malloc(schema.size + WIRE_ANSWER_EXTRA);
    struct transfer ours = {.schema = schema, .answer = answer}, floor = ours;
    struct duel d;
    int r;

    if (!answer)
        die("malloc", -ENOMEM);
    r = qmp_client_new(&ours.c);
    if (r < 0)
        die("qmp_client_new", r);
    wire_connect(ours.c, ours.fds);
    wire_pair(floor.fds);
    floor.reads = &reads;
    if (enlarge(ours.fds, schema.size) && enlarge(floor.fds, schema.size)) {
        reads_record(ours.fds[0], &reads);
        receive(&ours);
        reads_end();
        if (reads.n == 0)
            reads.sizes[reads.n++] = 65536;
        d = duel(rounds, (struct contestant){receive, &ours}, (struct contestant){receive, &floor});
        table_row("through the whole client (floor: the same reads)", cell_throughput((double)schema.size, d.ours),
            cell_throughput((double)schema.size, d.floor), cell_times(d.ratio), goal_none());
    } else {
        table_skipped("through the whole client", "the socket's buffer is too small for it");
    }
    qmp_client_unref(ours.c);
    close(ours.fds[1]);
    close(floor.fds[0]);
    close(floor.fds[1]);
    free(answer);
}

/* Runs the other program with the text on its standard input. */
static void alone(const struct options *o, qmp_value text)
{
    int fds[2];
    pid_t pid;

    fflush(stdout);
    wire_pair(fds);
    pid = fork();
    if (pid < 0)
        die("fork", -errno);
    if (pid == 0) {
        dup2(fds[0], STDIN_FILENO);
        execl(o->reader, o->reader, o->quick ? "50" : "500", o->data, (char *)NULL);
        _exit(127);
    }
    close(fds[0]);
    if (send(fds[1], text.text, text.size, MSG_NOSIGNAL) < 0)
        table_skipped("framed and validated", o->reader);
    close(fds[1]);
    waitpid(pid, NULL, 0);
}

void bench_replies(const struct options *o)
{
    qmp_message *schema = ask_schema();

    table_title("a large reply: query-qmp-schema");
    if (!schema) {
        table_skipped("query-qmp-schema", "no qemu-system-x86_64");
        return;
    }
    alone(o, qmp_message_root(schema));
    through_client(o->quick ? 50 : 500, qmp_reply_value(schema));
    qmp_message_unref(schema);
}
