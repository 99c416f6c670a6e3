/* SPDX-License-Identifier: MIT */
/* A poll(2) loop over many QEMUs. It prints the status of each as soon as it is known.
 *
 * The descriptors to poll are kept in an array that the clients themselves keep up to date: in each turn the loop looks
 * at what is ready, and asks no client anything. poll-loop.c shows the same for one client, which is asked.
 *
 *     cc poll-many.c -o poll-many $(pkg-config --cflags --libs libqmpclient)
 *     ./poll-many /tmp/vm1.qmp /tmp/vm2.qmp ... */

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <qmp/qmp.h>

/* [poll-state] */
/* What is polled, and for how long: an entry for each client in each of the arrays. */
struct table {
    struct pollfd *pollfds;
    uint64_t *deadlines;
    qmp_client **clients;
};

struct place {
    struct table *table;
    unsigned i;
};
/* [poll-state] end */

/* [poll-adapter] */
static void on_change(qmp_client *client, int fd, short events, uint64_t deadline, void *userdata)
{
    struct place *place = userdata;
    (void)client;

    place->table->pollfds[place->i] = (struct pollfd){.fd = fd, .events = events}; /* poll(2) skips -1 */
    place->table->deadlines[place->i] = deadline;
}

static void on_destroy(void *userdata)
{
    struct place *place = userdata;

    place->table->deadlines[place->i] = QMP_FOREVER;
    place->table->clients[place->i] = NULL;
}

static int attach(struct place *place, qmp_client *client)
{
    place->table->clients[place->i] = client;
    return qmp_client_set_watch(client, on_change, on_destroy, place);
}
/* [poll-adapter] end */

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * QMP_SECOND + (uint64_t)t.tv_nsec / 1000;
}

/* As poll(2) wants it: milliseconds from now, rounded up, -1 for ever. */
static int milliseconds_until(uint64_t deadline)
{
    uint64_t usec = now();
    if (deadline == QMP_FOREVER)
        return -1;
    if (deadline <= usec)
        return 0;
    uint64_t msec = (deadline - usec + QMP_MILLISECOND - 1) / QMP_MILLISECOND;
    return msec < INT_MAX ? (int)msec : INT_MAX;
}

/* [poll-turn] */
/* One turn of the loop. A callback may take any client away meanwhile, and let others come. */
static void turn(struct table *table, unsigned n)
{
    uint64_t deadline = QMP_FOREVER;
    for (unsigned i = 0; i < n; i++) {
        if (table->deadlines[i] < deadline)
            deadline = table->deadlines[i];
    }

    if (poll(table->pollfds, n, milliseconds_until(deadline)) < 0)
        return; /* a signal: the caller looks what it was */
    uint64_t time = now();
    for (unsigned i = 0; i < n; i++) {
        if (table->clients[i] && (table->pollfds[i].revents || table->deadlines[i] <= time))
            qmp_client_process(table->clients[i]); /* its callbacks run here */
    }
}
/* [poll-turn] end */

struct query {
    qmp_client *client;
    const char *address;
    unsigned *n_left; /* of all queries */
    bool failed;
};

/* Safe in a callback, and the end of the client in the loop too. */
static void finish(struct query *query)
{
    --*query->n_left;
    query->client = qmp_client_unref(query->client);
}

static void on_reply(qmp_pending *pending, int error, qmp_message *reply, void *userdata)
{
    struct query *query = userdata;
    (void)pending;

    qmp_value status = error == 0 ? qmp_value_member(qmp_reply_value(reply), "status") : (qmp_value){NULL, 0};
    printf("%s: %.*s\n", query->address, (int)status.size, status.text ? status.text : "");
    query->failed = error < 0;
    finish(query);
}

static void on_state(qmp_client *client, enum qmp_runstate state, void *userdata)
{
    struct query *query = userdata;

    if (state == QMP_RUNNING) {
        qmp_client_execute_async(client, "query-status", /* arguments= */ NULL, on_reply, query, /* ret= */ NULL);
    } else if (state == QMP_IDLE) {
        query->failed = true;
        fprintf(stderr, "poll-many: %s\n", qmp_client_failure(client));
        finish(query);
    }
}

static int begin(struct query *query, struct place *place)
{
    int r = qmp_client_new(&query->client);
    if (r >= 0)
        r = attach(place, query->client);
    if (r >= 0)
        r = qmp_client_connect(query->client, query->address);
    if (r >= 0)
        r = qmp_client_set_runstate_handler(query->client, on_state, query);
    return r;
}

int main(int argc, char **argv)
{
    unsigned n = argc > 1 ? (unsigned)argc - 1 : 0, n_left = n;
    struct table table = {calloc(n + 1, sizeof *table.pollfds), calloc(n + 1, sizeof *table.deadlines),
        calloc(n + 1, sizeof *table.clients)};
    struct place *places = calloc(n + 1, sizeof *places);
    struct query *queries = calloc(n + 1, sizeof *queries);
    int r = table.pollfds && table.deadlines && table.clients && places && queries ? 0 : -ENOMEM;

    for (unsigned i = 0; i < n && r >= 0; i++) {
        queries[i] = (struct query){.address = argv[i + 1], .n_left = &n_left};
        places[i] = (struct place){&table, i};
        r = begin(&queries[i], &places[i]);
        if (r < 0) {
            const char *why = queries[i].client ? qmp_client_failure(queries[i].client) : "";
            fprintf(stderr, "poll-many: %s\n", *why ? why : qmp_strerror(r));
        }
    }
    while (r >= 0 && n_left > 0)
        turn(&table, n);

    bool failed = r < 0;
    for (unsigned i = 0; queries && i < n; i++) {
        failed |= queries[i].failed;
        qmp_client_unref(queries[i].client); /* those that are left after a failure */
    }
    free(queries);
    free(places);
    free(table.clients);
    free(table.deadlines);
    free(table.pollfds);
    return failed ? 1 : 0;
}
