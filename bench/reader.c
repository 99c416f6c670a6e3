/* SPDX-License-Identifier: MIT */
/* Frame and validator alone, on the text that comes on standard input. Prints rows of qmp-bench's table.
 *
 * Usage: qmp-bench-reader ROUNDS [DATA]
 *
 * The floor is reading the same bytes from a socket. The text is fed to the frame in reads of 64 KiB, as the library
 * does; `parse` is qmp_message_parse(), which also copies.
 *
 * It refuses to know a client. */

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame/frame.h"
#include "measure.h"
#include "wire.h"
#include "json/validate.h"

#define READ_SIZE ((size_t)65536)

struct text {
    char *data;
    size_t size;
    int fds[2];
};

void die(const char *what, int error)
{
    fflush(stdout);
    fprintf(stderr, "qmp-bench-reader: %s: %s\n", what, strerror(-error));
    exit(1);
}

static void check(const char *what, int r)
{
    if (r < 0)
        die(what, r);
}

static double run_floor(void *userdata)
{
    static char buffer[READ_SIZE];
    struct text *t = userdata;
    size_t left = t->size;
    uint64_t start;

    wire_write(t->fds[1], t->data, t->size);
    start = cpu_ns();
    while (left > 0) {
        ssize_t n = recvfrom(t->fds[0], buffer, sizeof(buffer), 0, NULL, NULL);

        check("recv", n < 0 ? -errno : 0);
        left -= (size_t)n;
    }
    return (double)(cpu_ns() - start);
}

static double run_frame(void *userdata)
{
    struct text *t = userdata;
    uint64_t start = cpu_ns();
    const char *message = NULL;
    size_t size = 0;
    struct frame f;
    int r = 0;

    frame_init(&f, QMP_MESSAGE_MAX, QMP_DEPTH_MAX);
    for (size_t at = 0; at < t->size && r == 0; at += READ_SIZE) {
        const char *data = t->data + at;
        size_t left = t->size - at < READ_SIZE ? t->size - at : READ_SIZE;

        r = frame_next(&f, &data, &left, &message, &size);
    }
    check("frame_next", r == 1 ? 0 : -EPROTO);
    frame_done(&f);
    return (double)(cpu_ns() - start);
}

static double run_validate(void *userdata)
{
    struct text *t = userdata;
    uint64_t start = cpu_ns();
    struct json_scan scan;

    check("json_validate", json_validate(t->data, t->size, QMP_DEPTH_MAX, 0, &scan));
    return (double)(cpu_ns() - start);
}

static double run_both(void *userdata)
{
    double frame = run_frame(userdata);

    return frame + run_validate(userdata);
}

static double run_parse(void *userdata)
{
    struct text *t = userdata;
    uint64_t start = cpu_ns();
    qmp_message *m = NULL;

    check("qmp_message_parse", qmp_message_parse(&m, t->data, t->size));
    qmp_message_unref(m);
    return (double)(cpu_ns() - start);
}

static void text_read(struct text *t)
{
    size_t allocated = (size_t)16 << 20;
    ssize_t n;

    t->size = 0;
    t->data = malloc(allocated);
    if (!t->data)
        die("malloc", -ENOMEM);
    while ((n = read(STDIN_FILENO, t->data + t->size, allocated - t->size)) > 0)
        t->size += (size_t)n;
    if (t->size == 0)
        die("standard input", -EPROTO);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        contestant_fn run;
    } rows[] = {{"framed", run_frame}, {"validated", run_validate}, {"framed and validated", run_both},
        {"qmp_message_parse(): validated and copied", run_parse}};
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 500;
    struct text t;
    int size;

    if (argc > 2)
        check(argv[2], table_data(argv[2]));
    text_read(&t);
    size = (int)(2 * t.size);
    wire_pair(t.fds);
    setsockopt(t.fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct duel d = duel(rounds, (struct contestant){rows[i].run, &t}, (struct contestant){run_floor, &t});
        struct goal goal = goal_none();
        double bytes = (double)t.size;
        char name[80];

        if (rows[i].run == run_both)
            goal = goal_throughput_at_least(bytes, d.ours, 1);
        snprintf(name, sizeof(name), "%s, %.0f kB", rows[i].name, bytes / 1e3);
        table_row(name, cell_throughput(bytes, d.ours), cell_throughput(bytes, d.floor), cell_times(d.ratio), goal);
    }
    free(t.data);
    return 0;
}
