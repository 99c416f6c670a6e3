/* SPDX-License-Identifier: MIT */

/* The verb run: a command, and the event that says that it is over.
 *
 * The listener is armed on the command's own connection just before the command is sent. So the event cannot be missed,
 * however fast it is, and one from before is not taken for it. Both the answer and the event are waited for: events may
 * come before the answer (STOP comes before that of stop), and the connection may end right after (with quit). A
 * refusal ends it at once, and so does an event of --fail-on.
 *
 * It knows nothing of which event belongs to which command. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "ask.h"
#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "filter.h"
#include "output.h"
#include "pump.h"
#include "refusal.h"
#include "typing.h"
#include "verb.h"

/* Room for the names of events, in a complaint. */
#define NAMES_MAX 256

/* Steps of reading that may be left to do before the command is sent. */
#define STALE_STEPS_MAX 64

struct run {
    const struct options *options;
    const char *command;
    qmp_client *client;
    qmp_listener *listener;
    qmp_pending *pending;
    bool answered;
    qmp_message *event; /* one of --until */
};

static void run_done(struct run *r)
{
    qmp_pending_unref(r->pending);
    qmp_message_unref(r->event);
    qmp_listener_unref(r->listener);
    qmp_client_unref(r->client);
}

/* "SHUTDOWN or RESET" */
static const char *names_join(const struct option_list *names, char text[NAMES_MAX])
{
    size_t used = 0;

    for (size_t i = 0; i < names->n && used < NAMES_MAX; i++)
        used += (size_t)snprintf(text + used, NAMES_MAX - used, "%s%s", i == 0 ? "" : " or ", names->items[i]);
    return text;
}

static enum outcome event_print(const qmp_message *event)
{
    enum outcome outcome = output_json(qmp_message_root(event));

    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

/* Says what is known of a command when no more will be. */
static void unfinished_complain(const struct run *r, const char *when)
{
    char names[NAMES_MAX];

    complain("%s was %s, but %s did not come%s", r->command, r->answered ? "executed" : "sent",
        names_join(&r->options->until, names), when);
}

static enum outcome run_timed_out(const struct run *r)
{
    char text[DURATION_TEXT_MAX], within[DURATION_TEXT_MAX + sizeof(" within ")];

    snprintf(within, sizeof(within), " within %s", duration_text(r->options->timeout, text));
    if (r->event != NULL)
        complain("%s: %s came, but no answer%s", r->command, qmp_event_name(r->event), within);
    else
        unfinished_complain(r, within);
    return OUTCOME_TIMEOUT;
}

/* The connection has ended, after everything that came over it was looked at. */
static enum outcome run_ended(const struct run *r)
{
    enum outcome outcome;

    if (r->event != NULL)
        return event_print(r->event);
    outcome = outcome_of_failure(r->client, -ECONNRESET);
    unfinished_complain(r, "");
    return outcome;
}

/* Takes the events that have come. `*ret_ended` when one of --fail-on did. */
static enum outcome events_take(struct run *r, bool *ret_ended)
{
    const struct option_list *fail_on = &r->options->fail_on;

    for (;;) {
        __attribute__((cleanup(qmp_message_unrefp))) qmp_message *event = NULL;
        enum outcome outcome;
        int e = qmp_listener_get(r->listener, /* timeout= */ 0, &event);
        if (e < 0)
            return OUTCOME_DONE;
        if (filter_names(fail_on->items, fail_on->n, event) && r->event == NULL) {
            *ret_ended = true;
            outcome = event_print(event);
            complain("%s: %s came", r->command, qmp_event_name(event));
            return outcome == OUTCOME_DONE ? OUTCOME_REFUSED : outcome;
        }
        if (r->event == NULL) {
            r->event = event;
            event = NULL;
        }
    }
}

/* Looks for the answer. `*ret_ended` when it is a refusal. */
static enum outcome answer_take(struct run *r, bool *ret_ended)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *refusal = NULL;
    int e = r->answered ? 0 : qmp_pending_wait(r->pending, /* timeout= */ 0, /* ret_reply= */ NULL, &refusal);

    *ret_ended = e == -EREMOTEIO;
    if (e == -EREMOTEIO)
        return refusal_handle(r->options, r->client, r->command, refusal);
    r->answered = e >= 0;
    return e >= 0 || e == -ETIMEDOUT || e == -ECONNRESET ? OUTCOME_DONE
                                                         : ask_failed(r->options, r->client, r->command, e);
}

static enum outcome run_block(struct run *r)
{
    for (;;) {
        bool running = qmp_client_runstate(r->client) == QMP_RUNNING, ended = false;
        enum outcome outcome = answer_take(r, &ended);
        if (outcome == OUTCOME_DONE && !ended)
            outcome = events_take(r, &ended);
        if (outcome != OUTCOME_DONE || ended)
            return outcome;
        if (r->answered && r->event != NULL)
            return event_print(r->event);
        if (!running)
            return run_ended(r);
        if (duration_until(r->options->deadline) == 0)
            return run_timed_out(r);
        pump(r->client, r->options->deadline);
    }
}

/* Reads what is there already, and only then listens and sends. */
static enum outcome run_send(struct run *r, const char *arguments)
{
    int e;

    for (unsigned i = 0; i < STALE_STEPS_MAX && qmp_client_process(r->client) > 0; i++)
        continue;
    e = qmp_client_register_listener(r->client, r->listener);
    if (e < 0)
        return outcome_of_error("listening", e);
    e = qmp_client_execute_async(
        r->client, r->command, arguments, /* callback= */ NULL, /* userdata= */ NULL, &r->pending);
    return e < 0 ? ask_failed(r->options, r->client, r->command, e) : run_block(r);
}

static enum outcome run_connect(struct run *r, const char *const *words, size_t n, const struct filter *f)
{
    __attribute__((cleanup(arguments_done))) struct arguments a = {NULL, NULL};
    __attribute__((cleanup(qmp_freep))) char *json = NULL;
    enum outcome outcome = arguments_parse(words, n, &a);

    if (outcome == OUTCOME_DONE)
        outcome = filter_listener(f, &r->listener);
    if (outcome == OUTCOME_DONE)
        outcome = output_check();
    if (outcome == OUTCOME_DONE)
        outcome = connect_open(r->options, /* l= */ NULL, &r->client);
    if (outcome == OUTCOME_DONE)
        outcome = typing_make(r->options, r->client, r->command, &a, &json);
    return outcome == OUTCOME_DONE ? run_send(r, json) : outcome;
}

static enum outcome run_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_freep))) const char **names = calloc(o->until.n + o->fail_on.n + 1, sizeof(*names));
    __attribute__((cleanup(run_done))) struct run r = {.options = o, .command = words[0]};
    struct filter f;
    enum outcome outcome = ask_check(words[0]);

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (names == NULL)
        return outcome_of_error("the names of events", -ENOMEM);
    if (o->until.n == 0) {
        complain("'run' wants --until EVENT; without one, 'qmp call' does it");
        return OUTCOME_USAGE;
    }
    for (size_t i = 0; i < o->until.n; i++)
        names[i] = o->until.items[i];
    for (size_t i = 0; i < o->fail_on.n; i++)
        names[o->until.n + i] = o->fail_on.items[i];
    outcome = filter_make(o, names, o->until.n + o->fail_on.n, &f);
    return outcome == OUTCOME_DONE ? run_connect(&r, words + 1, n - 1, &f) : outcome;
}

const struct verb verb_run = {
    .name = "run",
    .synopsis = "COMMAND [KEY=VALUE... | JSON | -] --until EVENT",
    .summary = "run a command and wait for its event",
    .description = "Runs a command as 'call' does, waits for an event of --until, and prints that.\n"
                   "The event may come before the answer, and is not missed. An event of\n"
                   "--fail-on is printed too, but the exit status is then 1; --where is about\n"
                   "both. In a name, * stands for anything.\n",
    .examples = "  qmp run device_del id=disk1 --until DEVICE_DELETED --where data.device=disk1\n"
                "  qmp run system_powerdown --until SHUTDOWN --timeout 1m\n"
                "  qmp run cont --until STOP --fail-on GUEST_PANICKED\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_UNTIL | OPTION_FAIL_ON | OPTION_WHERE | OPTION_GRACEFUL,
    .words_min = 1,
    .several = true,
    .run = run_run,
};
