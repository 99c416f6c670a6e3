/* SPDX-License-Identifier: MIT */

/* The verb hook: a program for each event.
 *
 * In order, one at a time. A thread of the library's reads meanwhile, so QEMU is never held up by a program; events
 * wait in the listener's queue, up to --queue of them, beyond which the oldest are lost, and said to be. A program that
 * fails is reported, and the next one run: what went wrong with one event says nothing about the next. When the
 * connection ends, what is still queued is run first.
 *
 * It knows nothing of what programs do. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "environment.h"
#include "filter.h"
#include "program.h"
#include "verb.h"

#define QUEUE_DEFAULT 1000
#define KILL_AFTER_DEFAULT (30 * QMP_SECOND)

struct hook {
    const struct options *options;
    char *const *arguments; /* of the program, itself first */
    qmp_client *client;
    qmp_listener *listener;
    size_t ran;
    uint64_t dropped; /* that were reported */
};

static void hook_done(struct hook *h)
{
    qmp_client_unref(h->client);
    qmp_listener_unref(h->listener);
}

static size_t queue_max(const struct options *o)
{
    return o->given & OPTION_QUEUE ? o->queue : QUEUE_DEFAULT;
}

static uint64_t kill_after(const struct options *o)
{
    return o->given & OPTION_KILL_AFTER ? o->kill_after : KILL_AFTER_DEFAULT;
}

/* ---- one event ---- */

static void status_report(const struct hook *h, const struct program *p, const char *event, int status)
{
    const char *name = h->arguments[0];

    if (program_signal() != 0)
        return; /* we ended it, and end */
    if (p->overdue)
        complain("%s for %s: ended, because time was up", name, event);
    else if (WIFSIGNALED(status))
        complain("%s for %s: ended by signal %d (%s)", name, event, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        complain("%s for %s: exit status %d", name, event, WEXITSTATUS(status));
}

static enum outcome event_run(struct hook *h, const qmp_message *event)
{
    __attribute__((cleanup(environment_freep))) struct environment *e = NULL;
    uint64_t deadline = duration_deadline(kill_after(h->options));
    qmp_value root = qmp_message_root(event);
    struct program p;
    int status = 0, r = environment_new(&e, connect_address(h->options), event);

    if (r < 0)
        return outcome_of_error("the environment", r);
    h->ran++;
    r = program_start(&p, h->arguments, environment_list(e), root.text, root.size);
    if (r < 0) {
        complain("%s for %s: cannot be started: %s", h->arguments[0], qmp_event_name(event), strerror(-r));
        return OUTCOME_DONE;
    }
    program_wait(&p, deadline < h->options->deadline ? deadline : h->options->deadline, &status);
    status_report(h, &p, qmp_event_name(event), status);
    return OUTCOME_DONE;
}

/* ---- all events ---- */

static void losses_report(struct hook *h)
{
    uint64_t dropped = qmp_listener_dropped(h->listener);

    complain("%llu events lost: %s takes too long for a queue of %zu", (unsigned long long)(dropped - h->dropped),
        h->arguments[0], queue_max(h->options));
    h->dropped = dropped;
}

static enum outcome hook_timed_out(const struct hook *h)
{
    char text[DURATION_TEXT_MAX];

    if (h->options->count == 0)
        return OUTCOME_DONE;
    complain("%zu of %zu events within %s", h->ran, h->options->count, duration_text(h->options->timeout, text));
    return OUTCOME_TIMEOUT;
}

static enum outcome hook_pump(struct hook *h)
{
    enum outcome outcome = OUTCOME_DONE;
    int fd = qmp_listener_get_fd(h->listener);

    if (fd < 0)
        return outcome_of_error("waiting for events", fd);
    while (outcome == OUTCOME_DONE && (h->options->count == 0 || h->ran < h->options->count)) {
        __attribute__((cleanup(qmp_message_unrefp))) qmp_message *event = NULL;
        int r;
        if (duration_until(h->options->deadline) == 0)
            return hook_timed_out(h);
        r = qmp_listener_get(h->listener, /* timeout= */ 0, &event);
        if (r >= 0)
            outcome = event_run(h, event);
        else if (r == -ENOBUFS)
            losses_report(h);
        else if (r == -EAGAIN)
            program_sleep(fd, h->options->deadline);
        else
            return outcome_of_failure(h->client, r);
        if (program_signal() != 0)
            program_die(program_signal());
    }
    return outcome;
}

static enum outcome hook_connect(struct hook *h, const struct filter *f)
{
    enum outcome outcome = filter_listener(f, &h->listener);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    qmp_listener_set_limits(h->listener, queue_max(h->options), /* history_max= */ 0);
    outcome = connect_open(h->options, h->listener, &h->client);
    if (outcome != OUTCOME_DONE)
        return outcome;
    program_setup();
    r = qmp_client_start_thread(h->client);
    return r < 0 ? outcome_of_error("starting a thread", r) : hook_pump(h);
}

/* The words before "--" are events, and those after it the program. */
static enum outcome words_split(const struct options *o, size_t n, size_t *ret_events)
{
    size_t used = o->n_words - n, events;

    if (o->words_after == SIZE_MAX || o->words_after < used || o->words_after - used == n) {
        complain("'hook' wants a program after '--': qmp hook EVENT... -- PROGRAM [ARGUMENT...]");
        return OUTCOME_USAGE;
    }
    events = o->words_after - used;
    if (events == 0) {
        complain("'hook' wants events before '--'; '*' is all of them");
        return OUTCOME_USAGE;
    }
    *ret_events = events;
    return OUTCOME_DONE;
}

static enum outcome hook_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_freep))) char **arguments = NULL;
    __attribute__((cleanup(hook_done))) struct hook h = {.options = o};
    struct filter f;
    size_t events = 0;
    enum outcome outcome = words_split(o, n, &events);
    int r;

    if (outcome == OUTCOME_DONE)
        outcome = filter_make(o, words, events, &f);
    if (outcome != OUTCOME_DONE)
        return outcome;
    r = program_look(words[events]);
    if (r < 0) {
        complain("%s cannot be run: %s", words[events], strerror(-r));
        return OUTCOME_USAGE;
    }
    arguments = calloc(n - events + 1, sizeof(*arguments));
    if (arguments == NULL)
        return outcome_of_error("the program", -ENOMEM);
    for (size_t i = events; i < n; i++)
        arguments[i - events] = (char *)(uintptr_t)words[i];
    h.arguments = arguments;
    return hook_connect(&h, &f);
}

const struct verb verb_hook = {
    .name = "hook",
    .synopsis = "EVENT... -- PROGRAM [ARGUMENT...]",
    .summary = "run a program for each event",
    .description = "Runs the program for each event of the given names, in order, one at a time.\n"
                   "In a name, * stands for anything. The program has the event's JSON on its\n"
                   "standard input, and in its environment:\n\n"
                   "  QMP_EVENT       the event's name\n"
                   "  QMP_TIMESTAMP   when it was, in seconds since 1970\n"
                   "  QMP_SOCKET      the address of the server\n"
                   "  QMP_DATA        the event's data, as JSON\n"
                   "  QMP_DATA_NAME   a member of it that is a string, number, true, false or\n"
                   "                  null: QMP_DATA_NODE_NAME for node-name\n\n"
                   "Their values come from the server, and perhaps from its guest: quote them.\n"
                   "A program that fails is reported, and the next event is taken. QEMU is read\n"
                   "meanwhile; beyond --queue waiting events, the oldest are lost, and counted.\n",
    .examples = "  qmp hook BLOCK_IO_ERROR -- logger -t vm7 'disk error'\n"
                "  qmp hook DEVICE_DELETED -- sh -c 'echo \"$QMP_DATA_DEVICE is gone\"'\n"
                "  qmp hook '*' --exclude RTC_CHANGE --kill-after 5s -- ./notify\n",
    .options = OPTIONS_CONNECT | OPTION_WHERE | OPTION_EXCLUDE | OPTION_COUNT | OPTION_QUEUE | OPTION_KILL_AFTER,
    .words_min = 1,
    .several = false,
    .run = hook_run,
};
