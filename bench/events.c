/* SPDX-License-Identifier: MIT */
/* Events: from the socket, framed, validated, through a listener's queue, taken and given back.
 *
 * The sender is not measured: a burst that fits into the socket's buffer is written first, then the time to drain it is
 * taken, in processor time of this thread. The floor drains the same burst with the same reads and looks at nothing.
 *
 * It refuses to read events: parsing costs the same whoever looks at the result. */

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"
#include "reads.h"
#include "wire.h"

#define REFERENCE_NS (1e9 / 43000)
#define CHUNK ((size_t)64) /* events to a write */

struct stream {
    int fds[2];
    qmp_client *c; /* NULL: the floor */
    qmp_listener *consumer;
    qmp_listener **deaf;
    size_t n_deaf;
    const struct reads *reads;
    size_t chunks;
};

static char chunk[CHUNK * EVENT_SIZE];

static void check(const char *what, int r)
{
    if (r < 0)
        die(what, r);
}

/* How many chunks a socket holds before its writer has to wait. */
static size_t socket_holds(void)
{
    size_t n = 0;
    int fds[2];

    for (size_t i = 0; i < CHUNK; i++)
        memcpy(chunk + i * EVENT_SIZE, EVENT, EVENT_SIZE);
    wire_pair(fds);
    while (send(fds[1], chunk, sizeof(chunk), MSG_DONTWAIT) == (ssize_t)sizeof(chunk))
        n++;
    close(fds[0]);
    close(fds[1]);
    if (n == 0)
        die("a socket too small for a burst", -ENOBUFS);
    return n;
}

static void fill(const struct stream *s)
{
    for (size_t i = 0; i < s->chunks; i++)
        wire_write(s->fds[1], chunk, sizeof(chunk));
}

static double drain(void *userdata)
{
    struct stream *s = userdata;
    size_t n = s->chunks * CHUNK;
    uint64_t start;

    fill(s);
    start = cpu_ns();
    if (s->c) {
        for (size_t i = 0; i < n; i++) {
            qmp_message *event = NULL;

            check("qmp_listener_get", qmp_listener_get(s->consumer, QMP_FOREVER, &event));
            qmp_message_unref(event);
        }
    } else {
        reads_repeat(s->reads, s->fds[0], n * EVENT_SIZE);
    }
    return (double)(cpu_ns() - start) / (double)n;
}

/* A client with one listener: the default one, or one of its own. */
static void stream_start(struct stream *s, size_t chunks, bool own)
{
    *s = (struct stream){.chunks = chunks};
    check("qmp_client_new", qmp_client_new(&s->c));
    s->consumer = qmp_client_events(s->c);
    if (own) {
        qmp_listener_set_limits(s->consumer, 0, 0);
        check("qmp_listener_new", qmp_listener_new(&s->consumer, NULL));
        check("qmp_client_register_listener", qmp_client_register_listener(s->c, s->consumer));
    } else {
        qmp_listener_ref(s->consumer);
    }
    wire_connect(s->c, s->fds);
}

static void stream_add_deaf(struct stream *s, size_t n, bool by_match)
{
    if (n == 0)
        return;
    s->deaf = calloc(n, sizeof(*s->deaf));
    if (!s->deaf)
        die("calloc", -ENOMEM);
    for (; s->n_deaf < n; s->n_deaf++) {
        qmp_listener **l = &s->deaf[s->n_deaf];
        char text[64];

        snprintf(text, sizeof(text), by_match ? "job%zu" : "OTHER_EVENT_%zu", s->n_deaf);
        check("qmp_listener_new",
            qmp_listener_new(l, (const char *const[]){by_match ? "BLOCK_JOB_COMPLETED" : text, NULL}));
        if (by_match)
            check("qmp_listener_add_match", qmp_listener_add_match(*l, "data.device", text));
        check("qmp_client_register_listener", qmp_client_register_listener(s->c, *l));
    }
}

static void stream_stop(struct stream *s)
{
    qmp_listener_unref(s->consumer);
    for (size_t i = 0; i < s->n_deaf; i++)
        qmp_listener_unref(s->deaf[i]);
    free(s->deaf);
    qmp_client_unref(s->c);
    close(s->fds[1]);
}

/* The sizes in which the library reads a burst. */
static void observe(struct stream *s, struct reads *reads)
{
    reads_record(s->fds[0], reads);
    drain(s);
    reads_end();
    if (reads->n == 0)
        reads->sizes[reads->n++] = 65536;
}

static struct duel one_listener(size_t chunks, unsigned rounds, bool own)
{
    static struct reads reads;
    struct stream ours, floor = {.chunks = chunks, .reads = &reads};
    struct duel d;

    stream_start(&ours, chunks, own);
    observe(&ours, &reads);
    wire_pair(floor.fds);
    d = duel(rounds, (struct contestant){drain, &ours}, (struct contestant){drain, &floor});
    stream_stop(&ours);
    close(floor.fds[0]);
    close(floor.fds[1]);
    return d;
}

/* Among `n` listeners that do not hear the event, against `fewer` of the same kind. */
static struct duel deaf_listeners(size_t chunks, unsigned rounds, size_t n, size_t fewer, bool by_match)
{
    struct stream many, few;
    struct duel d;

    stream_start(&few, chunks, true);
    stream_add_deaf(&few, fewer, by_match);
    stream_start(&many, chunks, true);
    stream_add_deaf(&many, n, by_match);
    d = duel(rounds, (struct contestant){drain, &many}, (struct contestant){drain, &few});
    stream_stop(&many);
    stream_stop(&few);
    return d;
}

static void bench_deaf(size_t chunks, unsigned rounds, bool by_match, const char *kind)
{
    static const size_t counts[] = {1, 100, 10000};
    struct duel d;
    char text[80];

    for (size_t i = 0; i < ELEMENTS(counts); i++) {
        snprintf(text, sizeof(text), "%zu by %s", counts[i], kind);
        d = deaf_listeners(chunks, rounds, counts[i], 0, by_match);
        table_duel(text, d, counts[i] == 10000 ? goal_times_at_most(d.ratio, 1.20) : goal_none());
    }
    d = deaf_listeners(chunks, rounds, 10000, 1, by_match);
    table_duel("  10000 against 1 of these", d, goal_times_at_most(d.ratio, 1.20));
}

void bench_events(const struct options *o)
{
    unsigned rounds = o->quick ? 50 : 600;
    size_t chunks = socket_holds();
    struct duel d;

    table_title("one event of 213 bytes: socket, frame, validate, queue, get, unref (floor: the same reads, unparsed)");
    d = one_listener(chunks, rounds, false);
    table_duel("through the default listener", d, goal_times_at_most(d.ratio, 8));
    d = one_listener(chunks, rounds, true);
    table_duel("through a registered listener, the default one off", d, goal_times_at_most(d.ratio, 8));
    table_row("events a second × the reference's 43 000/s (*)", cell_rate(d.ours), cell_rate(REFERENCE_NS),
        cell_times(REFERENCE_NS / d.ours), goal_times_at_least(REFERENCE_NS / d.ours, 100));
    table_note("(*) QEMU 7.2's qemu.qmp, measured elsewhere");

    table_title("the same event, among listeners that do not hear it (floor: the same client without them)");
    bench_deaf(chunks, rounds, false, "other names");
    bench_deaf(chunks, rounds, true, "another data.device of the same name");
}
