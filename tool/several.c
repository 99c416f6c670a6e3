/* SPDX-License-Identifier: MIT */

/* One verb, several servers.
 *
 * Each server gets a thread, on which the verb runs as if it were alone, with options of its own that name one address.
 * So a verb needs no code for it, and a server that hangs holds up no other. With --all, the servers are the machines
 * that locate.h knows. It knows nothing of what the verb does. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "label.h"
#include "locate.h"
#include "output.h"
#include "several.h"

/* How many servers one command line may name. */
#define SERVERS_MAX 1024

struct server {
    const struct verb *verb;
    const char *label;
    struct options options;
    const char *const *words;
    size_t n_words;
    pthread_t thread;
    bool started;
    enum outcome outcome;
};

bool several_given(const struct options *o)
{
    return o->addresses.n > 1 || (o->given & OPTION_ALL);
}

static void *server_run(void *userdata)
{
    struct server *s = userdata;
    enum outcome flushed;

    label_set(s->label);
    s->outcome = s->verb->run(&s->options, s->words, s->n_words);
    flushed = output_flush();
    if (s->outcome == OUTCOME_DONE)
        s->outcome = flushed;
    return NULL;
}

static enum outcome outcomes_join(struct server *servers, size_t n)
{
    enum outcome outcome = OUTCOME_DONE;

    for (size_t i = 0; i < n; i++) {
        if (servers[i].started)
            pthread_join(servers[i].thread, /* ret_value= */ NULL);
        if (i == 0)
            outcome = servers[i].outcome;
        else if (servers[i].outcome != outcome)
            outcome = OUTCOME_SOME;
    }
    return outcome;
}

static void servers_start(struct server *servers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct server *s = &servers[i];
        int r = pthread_create(&s->thread, /* attr= */ NULL, server_run, s);
        s->started = r == 0;
        if (r != 0)
            s->outcome = outcome_of_error("starting a thread", -r);
    }
}

static enum outcome servers_run(
    const struct server *template, const char *const *addresses, const char *const *labels, size_t n)
{
    __attribute__((cleanup(qmp_freep))) struct server *servers = NULL;

    if (n > SERVERS_MAX) {
        complain("%zu servers are more than the %d that can be talked to at once", n, SERVERS_MAX);
        return OUTCOME_USAGE;
    }
    servers = calloc(n, sizeof(*servers));
    if (servers == NULL)
        return outcome_of_error("several servers", -ENOMEM);
    for (size_t i = 0; i < n; i++) {
        servers[i] = *template;
        servers[i].options.address = addresses[i];
        servers[i].label = labels[i];
    }
    servers_start(servers, n);
    return outcomes_join(servers, n);
}

/* Every machine of this computer, by its name; by its address, where another one has the same name. */
static enum outcome machines_run(const struct server *template, const struct machine *machines, size_t n)
{
    __attribute__((cleanup(qmp_freep))) const char **addresses = calloc(2 * n + 1, sizeof(*addresses));
    __attribute__((cleanup(sockets_freep))) struct sockets *sockets = sockets_read();
    const char **labels = addresses + n;

    if (addresses == NULL)
        return outcome_of_error("several servers", -ENOMEM);
    for (size_t i = 0; i < n; i++) {
        const struct monitor *m = locate_monitor(&machines[i], sockets);
        bool namesake = (i > 0 && strcmp(machines[i].name, machines[i - 1].name) == 0) ||
                        (i + 1 < n && strcmp(machines[i].name, machines[i + 1].name) == 0);
        addresses[i] = m != NULL ? m->address : machines[i].name;
        labels[i] = namesake ? addresses[i] : machines[i].name;
    }
    return servers_run(template, addresses, labels, n);
}

enum outcome several_run(const struct verb *verb, const struct options *o, const char *const *words, size_t n_words)
{
    struct server template = {.verb = verb, .options = *o, .words = words, .n_words = n_words};
    struct machine *machines = NULL;
    size_t n = 0;
    enum outcome outcome;

    if (!(o->given & OPTION_ALL))
        return servers_run(&template, o->addresses.items, o->addresses.items, o->addresses.n);
    if (o->given & OPTION_SOCKET) {
        complain("--all and --socket exclude each other");
        return OUTCOME_USAGE;
    }
    outcome = locate_machines(&machines, &n);
    if (outcome == OUTCOME_DONE && n == 0) {
        complain("no VM here: no QEMU on this machine has a QMP socket");
        outcome = OUTCOME_UNKNOWN;
    } else if (outcome == OUTCOME_DONE) {
        outcome = machines_run(&template, machines, n);
    }
    locate_free(machines, n);
    return outcome;
}
