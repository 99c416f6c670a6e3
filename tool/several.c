/* SPDX-License-Identifier: MIT */

/* One verb, several servers.
 *
 * Each server gets a thread, on which the verb runs as if it were alone, with options of its own that name one address.
 * So a verb needs no code for it, and a server that hangs holds up no other. It knows nothing of what the verb does. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "complain.h"
#include "label.h"
#include "output.h"
#include "several.h"

/* How many servers one command line may name. */
#define SERVERS_MAX 1024

struct server {
    const struct verb *verb;
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

    label_set(s->options.address);
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

enum outcome several_run(const struct verb *verb, const struct options *o, const char *const *words, size_t n_words)
{
    __attribute__((cleanup(qmp_freep))) struct server *servers = NULL;
    size_t n = o->addresses.n;

    if (n > SERVERS_MAX) {
        complain("%zu servers are more than the %d that can be talked to at once", n, SERVERS_MAX);
        return OUTCOME_USAGE;
    }
    servers = calloc(n, sizeof(*servers));
    if (servers == NULL)
        return outcome_of_error("several servers", -ENOMEM);
    for (size_t i = 0; i < n; i++) {
        struct server *s = &servers[i];
        int r;
        *s = (struct server){.verb = verb, .options = *o, .words = words, .n_words = n_words};
        s->options.address = o->addresses.items[i];
        r = pthread_create(&s->thread, /* attr= */ NULL, server_run, s);
        s->started = r == 0;
        if (r != 0)
            s->outcome = outcome_of_error("starting a thread", -r);
    }
    return outcomes_join(servers, n);
}
