/* SPDX-License-Identifier: MIT */
/* The soak test: clients at work for minutes or hours, and at the end this process must be as small as near its
 * beginning.
 *
 *     soak --hours 0.05      for so long; says ten times how it is
 *     soak --laps 20         a fixed amount of work
 *
 * In each lap every actor connects, executes, hears, and disconnects: on a QEMU of its own, or on a server that floods
 * and hangs up, caller-driven or thread-driven. Between two laps nobody is connected, and that is when it is measured.
 * The run has ten parts; what counts of a part is the least that was measured in it, so that a moment means nothing.
 *
 * Invariant: all that was sent is accounted for (heard, dropped, answered, or broken off), each part has made progress
 * everywhere, and from the third part to the last nothing has grown.
 *
 * It uses nothing of the library but its public functions. */

#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "machine.h"
#include "server.h"

/* What AddressSanitizer keeps of what was freed. */
#ifdef __SANITIZE_ADDRESS__
#define QUARANTINE ((size_t)512 * 1024 * 1024)
#else
#define QUARANTINE ((size_t)0)
#endif

/* What may grow from the floor of the parts EARLY_* to that of the parts LATE_* (counted from 0): what allocators keep
 * back and round up. Descriptors and threads may not grow. */
#define HEAP_GROWTH_MAX ((size_t)64 * 1024)
#define RSS_GROWTH_MAX ((size_t)4 * 1024 * 1024 + QUARANTINE)
enum { PARTS = 10, EARLY_FIRST = 2, EARLY_LAST = 4, LATE_FIRST = 7 };

/* The amount of work in a lap. */
enum { TURNS = 10, CONNECTIONS = 3, COMMANDS = 5, SLOW_QUEUE = 64 };
/* Full long before the parts that are compared. */
enum { HISTORY = 32 };
/* A client is replaced after so many laps, where it is not there to stay. */
enum { LAPS_OF_A_CLIENT = 8 };

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

struct actor {
    const char *name;
    void (*lap)(struct actor *a);
    bool threaded;
    bool stays; /* one client for the whole time */
    const char *address;
    qmp_client *client;
    qmp_listener *slow, *handled;
    uint64_t laps, connections, events, commands, dropped;
    uint64_t slow_heard, by_handler, flooded; /* with this client */
    unsigned completed[2];                    /* callbacks of this connection: with a reply, and broken off */
    const char *complaint;
    int error;
};

/* ---- actors ---- */

/* Keeps the first thing that goes wrong. Returns whether all is well. */
static bool expect(struct actor *a, bool well, const char *what, int error)
{
    if (!well && !a->complaint) {
        a->complaint = what;
        a->error = error;
    }
    return !a->complaint;
}

static void count_handled(qmp_listener *l, qmp_message *event, void *actor)
{
    struct actor *a = actor;

    (void)l;
    (void)event;
    __atomic_add_fetch(&a->by_handler, 1, __ATOMIC_RELAXED);
}

static void renew(struct actor *a)
{
    bool well = qmp_client_new(&a->client) == 0 && qmp_client_set_connect_timeout(a->client, CHECK_WAIT) == 0 &&
                qmp_listener_set_limits(qmp_client_events(a->client), QMP_LISTENER_QUEUE_MAX, HISTORY) == 0 &&
                qmp_listener_new(&a->slow, NULL) == 0 && qmp_listener_set_limits(a->slow, SLOW_QUEUE, 0) == 0 &&
                qmp_listener_new(&a->handled, (const char *const[]){"ODD", NULL}) == 0 &&
                qmp_listener_set_handler(a->handled, count_handled, a) == 0 &&
                qmp_client_register_listener(a->client, a->slow) == 0 &&
                qmp_client_register_listener(a->client, a->handled) == 0;

    if (well && a->threaded)
        well = qmp_client_start_thread(a->client) == 0;
    a->slow_heard = a->by_handler = a->flooded = 0;
    expect(a, well, "no new client", 0);
}

static void retire(struct actor *a)
{
    a->client = qmp_client_unref(a->client);
    a->slow = qmp_listener_unref(a->slow);
    a->handled = qmp_listener_unref(a->handled);
}

static bool execute(struct actor *a, const char *command)
{
    int r = qmp_client_execute(a->client, command, NULL, CHECK_WAIT, NULL, NULL);

    a->commands += r == 0;
    return expect(a, r == 0, "a command failed", r);
}

static bool connected(struct actor *a)
{
    int r = qmp_client_wait_running(a->client, CHECK_WAIT);

    a->connections += r == 0;
    return expect(a, r == 0, "no connection", r);
}

/* Takes `n` events that are all there. */
static bool hear(struct actor *a, qmp_listener *l, uint64_t n, uint64_t timeout)
{
    for (uint64_t i = 1; i <= n; i++) {
        qmp_message *event = NULL;
        int r = qmp_listener_get(l, timeout, &event);

        if (!expect(a, r == 0, "an event is missing", r) ||
            !expect(a, qmp_message_sequence(event) > 0 && qmp_message_sequence(event) <= n, "an event too many", 0))
            return false;
        a->events++;
        qmp_message_unref(event);
    }
    return true;
}

/* What is left in the queue of the slow one. */
static void hear_slowly(struct actor *a)
{
    qmp_message *event = NULL;
    int r;

    while ((r = qmp_listener_get(a->slow, 0, &event)) == 0 || r == -ENOBUFS || r == -ESTALE) {
        a->slow_heard += r == 0;
        if (r == 0)
            qmp_message_unref(event);
    }
}

static void lap_on_qemu(struct actor *a)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;
    int r = qmp_client_connect(a->client, a->address);

    if (!expect(a, r == 0, "no connecting", r) || !connected(a))
        return;
    r = qmp_client_listener(a->client, (const char *const[]){"STOP", "RESUME", NULL}, &l, &scope);
    if (!expect(a, r == 0, "no listener", r))
        return;
    for (unsigned i = 0; i < TURNS && execute(a, "cont") && execute(a, "stop"); i++)
        continue;
    if (hear(a, qmp_client_events(a->client), 2 * TURNS, 0))
        hear(a, l, 2 * TURNS, 0);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
    a->flooded += 2 * TURNS;
    r = qmp_client_disconnect(a->client);
    expect(a, r == 0, "no disconnecting", r);
    r = qmp_listener_get(qmp_client_events(a->client), CHECK_WAIT, &(qmp_message *){NULL});
    expect(a, r == -ENOTCONN, "events that nobody sent", r);
}

static void count_completed(qmp_pending *p, int error, qmp_message *reply, void *actor)
{
    struct actor *a = actor;

    (void)p;
    (void)reply;
    __atomic_add_fetch(&a->completed[error == 0 ? 0 : 1], error == 0 || error == -ECONNRESET ? 1 : 2, __ATOMIC_RELAXED);
}

/* A connection that is flooded and breaks off, with one command that is answered and one that is not. */
static bool be_flooded(struct actor *a)
{
    int r = 0;

    a->completed[0] = a->completed[1] = 0;
    for (unsigned i = 0; i < COMMANDS && !a->complaint; i++)
        execute(a, "work");
    r = qmp_client_execute_async(a->client, "late", NULL, count_completed, a, NULL);
    if (r == 0)
        r = qmp_client_execute_async(a->client, "flood", NULL, count_completed, a, NULL);
    if (!expect(a, r == 0, "no command", r) || !hear(a, qmp_client_events(a->client), SERVER_FLOOD, CHECK_WAIT))
        return false;
    a->flooded += SERVER_FLOOD;
    r = qmp_listener_get(qmp_client_events(a->client), CHECK_WAIT, &(qmp_message *){NULL});
    if (!expect(a, r == -ESTALE, "no gap after a connection", r) || !connected(a) || !execute(a, "work"))
        return false;
    a->commands += 2;
    return expect(a,
        __atomic_load_n(&a->completed[0], __ATOMIC_RELAXED) == 1 &&
            __atomic_load_n(&a->completed[1], __ATOMIC_RELAXED) == 1,
        "a command completed not once", 0);
}

static void lap_in_floods(struct actor *a)
{
    struct qmp_reconnect soon = QMP_RECONNECT_INIT;

    soon.delay_min = soon.delay_max = 1;
    int r = qmp_client_set_reconnect(a->client, &soon);
    if (r == 0)
        r = qmp_client_connect(a->client, a->address);
    if (!expect(a, r == 0, "no connecting", r) || !connected(a))
        return;
    for (unsigned i = 0; i < CONNECTIONS && be_flooded(a); i++)
        hear_slowly(a);
    execute(a, "work"); /* the handlers have run */
    r = qmp_client_disconnect(a->client);
    expect(a, r == 0, "no disconnecting", r);
    expect(a, 2 * __atomic_load_n(&a->by_handler, __ATOMIC_RELAXED) == a->flooded, "a handler did not hear it all", 0);
    r = qmp_listener_get(qmp_client_events(a->client), CHECK_WAIT, &(qmp_message *){NULL});
    expect(a, r == -ENOTCONN, "events that nobody sent", r);
}

static void *run_lap(void *actor)
{
    struct actor *a = actor;
    uint64_t dropped;

    if (!a->client)
        renew(a);
    if (!a->complaint)
        a->lap(a);
    if (a->complaint)
        return NULL;
    hear_slowly(a);
    dropped = qmp_listener_dropped(a->slow);
    expect(a, a->slow_heard + dropped == a->flooded, "events are neither heard nor dropped", 0);
    if (++a->laps % LAPS_OF_A_CLIENT == 0 && !a->stays) {
        a->dropped += dropped;
        retire(a);
    }
    return NULL;
}

/* ---- measuring ---- */

struct measure {
    size_t heap, rss, fds, threads;
};

static size_t resident(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    if (f && fscanf(f, "%*u %zu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static struct measure measure(void)
{
    struct mallinfo2 info = mallinfo2();

    return (struct measure){info.uordblks + info.hblkhd, resident(), check_count_fds(), check_count_threads()};
}

static void lower(size_t *floor, size_t value)
{
    if (value < *floor)
        *floor = value;
}

static void lower_all(struct measure *floor, const struct measure *m)
{
    lower(&floor->heap, m->heap);
    lower(&floor->rss, m->rss);
    lower(&floor->fds, m->fds);
    lower(&floor->threads, m->threads);
}

static struct measure floor_of(const struct measure *parts, size_t first, size_t last)
{
    struct measure floor = parts[first];

    for (size_t i = first; i <= last; i++)
        lower_all(&floor, &parts[i]);
    return floor;
}

static bool is_flat(const char *what, size_t early, size_t late, size_t growth_max)
{
    if (late <= early + growth_max)
        return true;
    fprintf(stderr, "soak: %s grew from %zu to %zu; %zu more would be flat\n", what, early, late, growth_max);
    return false;
}

static bool are_flat(const struct measure parts[PARTS])
{
    struct measure early = floor_of(parts, EARLY_FIRST, EARLY_LAST), late = floor_of(parts, LATE_FIRST, PARTS - 1);
    bool flat = is_flat("heap in use", early.heap, late.heap, HEAP_GROWTH_MAX);

    flat &= is_flat("resident memory", early.rss, late.rss, RSS_GROWTH_MAX);
    flat &= is_flat("number of descriptors", early.fds, late.fds, 0);
    flat &= is_flat("number of threads", early.threads, late.threads, 0);
    return flat;
}

/* ---- the run ---- */

static bool run_laps(struct actor *actors, size_t n)
{
    pthread_t threads[16];
    bool well = true;

    for (size_t i = 0; i < n; i++) {
        if (pthread_create(&threads[i], NULL, run_lap, &actors[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        if (!actors[i].complaint)
            continue;
        fprintf(stderr, "soak: %s: %s (%s), in lap %" PRIu64 ": %s\n", actors[i].name, actors[i].complaint,
            qmp_strerror(actors[i].error), actors[i].laps + 1,
            actors[i].client ? qmp_client_failure(actors[i].client) : "");
        well = false;
    }
    return well;
}

static void say(uint64_t start, const struct actor *actors, size_t n, const struct measure *m)
{
    uint64_t connections = 0, events = 0, commands = 0, dropped = 0;

    for (size_t i = 0; i < n; i++) {
        connections += actors[i].connections;
        events += actors[i].events;
        commands += actors[i].commands;
        dropped += actors[i].dropped + (actors[i].slow ? qmp_listener_dropped(actors[i].slow) : 0);
    }
    printf("%8.1f %11" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %8zu %8zu %5zu %7zu\n",
        (double)(check_now() - start) / QMP_SECOND, connections, commands, events, dropped, m->rss / 1024,
        m->heap / 1024, m->fds, m->threads);
    fflush(stdout);
}

/* One part: until its time is over, or so many laps. Returns whether all went well. */
static bool run_part(struct actor *actors, size_t n, uint64_t end, uint64_t laps, struct measure *floor)
{
    *floor = (struct measure){SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX};
    for (uint64_t i = 0; i < laps || check_now() < end; i++) {
        if (!run_laps(actors, n))
            return false;
        struct measure m = measure();
        lower_all(floor, &m);
    }
    return true;
}

static void say_head(size_t n_actors)
{
    printf(
        "%zu clients at work. Until now: connections, commands, events that were heard, and events that a full queue "
        "dropped.\nThe least that was measured since the line before: this process's memory, descriptors and "
        "threads.\n%8s %11s %10s %10s %10s %8s %8s %5s %7s\n",
        n_actors, "seconds", "connections", "commands", "heard", "dropped", "RSS/KiB", "heap/KiB", "files", "threads");
    fflush(stdout);
}

static bool run(struct actor *actors, size_t n, uint64_t duration, uint64_t laps)
{
    uint64_t start = check_now();
    struct measure parts[PARTS];

    say_head(n);
    for (unsigned i = 0; i < PARTS; i++) {
        uint64_t before[16];

        for (size_t k = 0; k < n; k++)
            before[k] = actors[k].laps;
        /* At least a lap, however long it takes. */
        if (!run_part(actors, n, start + duration / PARTS * (i + 1), laps > PARTS ? laps / PARTS : 1, &parts[i]))
            return false;
        say(start, actors, n, &parts[i]);
        for (size_t k = 0; k < n; k++) {
            if (actors[k].laps == before[k]) {
                fprintf(stderr, "soak: %s made no progress\n", actors[k].name);
                return false;
            }
        }
    }
    return are_flat(parts);
}

static bool parse(int argc, char **argv, uint64_t *ret_duration, uint64_t *ret_laps)
{
    char *end = NULL;

    if (argc != 3)
        return false;
    double number = strtod(argv[2], &end);
    if (*end || end == argv[2] || !(number > 0) || number > 1e6)
        return false;
    if (strcmp(argv[1], "--hours") == 0)
        *ret_duration = (uint64_t)(number * 3600 * QMP_SECOND);
    else if (strcmp(argv[1], "--laps") == 0)
        *ret_laps = (uint64_t)number;
    else
        return false;
    return true;
}

static struct machine *start_machine(bool pretty)
{
    return machine_start(&(struct machine_options){.pretty = pretty});
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/qmp-soak-XXXXXX", paths[2][64];
    uint64_t duration = 0, laps = 0;

    if (!parse(argc, argv, &duration, &laps)) {
        fputs("usage: soak --hours HOURS | --laps N\n", stderr);
        return 2;
    }
    if (!mkdtemp(folder))
        return 1;
    struct machine *machines[] = {start_machine(false), start_machine(true)};
    struct server *servers[2];
    for (size_t i = 0; i < ELEMENTS(servers); i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/%zu", folder, i);
        servers[i] = server_start(paths[i]);
        if (!servers[i])
            abort();
    }
    struct actor actors[] = {
        {.name = "QEMU, caller-driven", .lap = lap_on_qemu, .stays = true, .address = machine_address(machines[0], 0)},
        {.name = "QEMU, thread-driven",
            .lap = lap_on_qemu,
            .threaded = true,
            .address = machine_address(machines[1], 0)},
        {.name = "floods, caller-driven", .lap = lap_in_floods, .address = paths[0]},
        {.name = "floods, thread-driven", .lap = lap_in_floods, .threaded = true, .stays = true, .address = paths[1]},
    };
    bool well = run(actors, ELEMENTS(actors), duration, laps);
    for (size_t i = 0; i < ELEMENTS(actors); i++)
        retire(&actors[i]);
    for (size_t i = 0; i < ELEMENTS(servers); i++) {
        server_stop(servers[i]);
        unlink(paths[i]);
    }
    rmdir(folder);
    machine_stop_all(/* show= */ !well);
    if (well)
        puts("soak: passed: nothing has grown, everything is accounted for, and nobody stood still");
    return well ? 0 : 1;
}
