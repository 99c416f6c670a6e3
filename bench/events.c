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

#define CHUNK ((size_t)64) /* events to a write */

struct stream {
    int fds[2];
    qmp_client *c; /* NULL: the floor */
    qmp_listener *consumer;
    qmp_listener **others;
    size_t n_others;
    bool others_hear;
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

static void take(qmp_listener *l, size_t n, uint64_t timeout)
{
    for (size_t i = 0; i < n; i++) {
        qmp_message *event = NULL;

        check("qmp_listener_get", qmp_listener_get(l, timeout, &event));
        qmp_message_unref(event);
    }
}

static double drain(void *userdata)
{
    struct stream *s = userdata;
    size_t n = s->chunks * CHUNK;
    uint64_t start;

    fill(s);
    start = cpu_ns();
    if (s->c) {
        take(s->consumer, n, QMP_FOREVER);
        for (size_t i = 0; i < s->n_others && s->others_hear; i++)
            take(s->others[i], n, 0);
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

/* What other listeners there are. */
enum others { OTHER_NAMES, OTHER_MATCHES, HEARING };

static qmp_listener *other_listener(enum others kind, size_t i)
{
    qmp_listener *l = NULL;
    char text[64];

    snprintf(text, sizeof(text), kind == OTHER_NAMES ? "OTHER_EVENT_%zu" : "job%zu", i);
    check("qmp_listener_new",
        qmp_listener_new(&l, (const char *const[]){kind == OTHER_NAMES ? text : "BLOCK_JOB_COMPLETED", NULL}));
    if (kind == OTHER_MATCHES)
        check("qmp_listener_add_match", qmp_listener_add_match(l, "data.device", text));
    return l;
}

static void stream_add_others(struct stream *s, size_t n, enum others kind)
{
    s->others_hear = kind == HEARING;
    s->others = calloc(n + 1, sizeof(*s->others));
    if (!s->others)
        die("calloc", -ENOMEM);
    for (; s->n_others < n; s->n_others++) {
        s->others[s->n_others] = other_listener(kind, s->n_others);
        check("qmp_client_register_listener", qmp_client_register_listener(s->c, s->others[s->n_others]));
    }
}

static void stream_stop(struct stream *s)
{
    qmp_listener_unref(s->consumer);
    for (size_t i = 0; i < s->n_others; i++)
        qmp_listener_unref(s->others[i]);
    free(s->others);
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

/* Among `n` other listeners, against `fewer` of the same kind. */
static struct duel among(size_t chunks, unsigned rounds, size_t n, size_t fewer, enum others kind)
{
    struct stream many, few;
    struct duel d;

    stream_start(&few, chunks, true);
    stream_add_others(&few, fewer, kind);
    stream_start(&many, chunks, true);
    stream_add_others(&many, n, kind);
    d = duel(rounds, (struct contestant){drain, &many}, (struct contestant){drain, &few});
    stream_stop(&many);
    stream_stop(&few);
    return d;
}

static const size_t counts[] = {1, 10, 100, 1000, 10000};

static void bench_deaf(size_t chunks, unsigned rounds, enum others kind, const char *name, const char *series)
{
    struct duel d;
    char text[80];

    for (size_t i = 0; i < ELEMENTS(counts); i++) {
        d = among(chunks, rounds, counts[i], 0, kind);
        snprintf(text, sizeof(text), "%zu by %s", counts[i], name);
        table_duel(text, d, counts[i] == 10000 ? goal_times_at_most(d.ratio, 1.20) : goal_none());
        table_point(series, (double)counts[i], d);
    }
    d = among(chunks, rounds, 10000, 1, kind);
    table_duel("  10000 against 1 of these", d, goal_times_at_most(d.ratio, 1.20));
}

/* For each of those that hear it, so that a listener's own share shows. */
static void bench_hearing(unsigned rounds)
{
    for (size_t i = 0; i < ELEMENTS(counts); i++) {
        struct duel d = among(1, counts[i] < 1000 ? rounds : 1 + rounds / 50, counts[i] - 1, 0, HEARING);
        char text[80];

        d.ours /= (double)counts[i];
        snprintf(text, sizeof(text), "%zu hear it, for each of them", counts[i]);
        table_duel(text, d, goal_none());
        table_point("listeners-hearing", (double)counts[i], d);
    }
}

void bench_events(const struct options *o)
{
    unsigned rounds = o->quick ? 50 : 600;
    size_t chunks = socket_holds();
    struct duel d;

    table_title("one event of 213 bytes: socket, frame, validate, queue, get, unref (floor: the same reads, unparsed)");
    d = one_listener(chunks, rounds, false);
    table_duel("through the default listener", d, goal_times_at_most(d.ratio, 5));
    d = one_listener(chunks, rounds, true);
    table_duel("through a registered listener, the default one off", d, goal_times_at_most(d.ratio, 5));

    table_title("the same event, among listeners that do not hear it (floor: the same client without them)");
    bench_deaf(chunks, rounds, OTHER_NAMES, "other names", "listeners-names");
    bench_deaf(chunks, rounds, OTHER_MATCHES, "another data.device of the same name", "listeners-matches");

    table_title("the same event, among listeners that do (floor: the whole event, with one; ratio: all against one)");
    bench_hearing(rounds);
}
