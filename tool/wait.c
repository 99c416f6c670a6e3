/* SPDX-License-Identifier: MIT */

/* The verb wait: until the first of some conditions holds.
 *
 * Level-triggered: first it listens, then it asks how things are, and only then it blocks. So what holds already ends
 * it at once, and what begins to hold between the question and the wait is heard. Every event may mean that things have
 * changed, so each makes the question due again, though a flood of them no more than a hundred a second; and because
 * not every change has an event (a migration's end has none by default), it is asked each second anyway. Events are
 * edges: only those that come from now on count.
 *
 * Nothing is queued: each event is looked at when it comes, and one that was waited for ends it. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "cache.h"
#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "filter.h"
#include "output.h"
#include "presence.h"
#include "pump.h"
#include "verb.h"
#include "watch.h"

/* Between two questions: after an event, and without any. */
#define ASK_AFTER (10 * QMP_MILLISECOND)
#define ASK_ANYWAY QMP_SECOND

struct question {
    const char *command; /* NULL: the end of them */
    enum condition_kind kind;
    qmp_pending *pending;
    qmp_message *reply;
};

struct wait {
    const struct options *options;
    qmp_client *client;
    qmp_listener *listener;
    struct filter filter;
    struct watch *watches;
    size_t n;
    const char **names; /* of the events that are waited for */
    size_t n_names;
    bool happened;  /* the listener holds one of them */
    bool stale;     /* something has happened since the last question */
    uint64_t asked; /* when; 0: never */
    bool asking;    /* not everything is answered */
    struct question questions[3];
};

static bool waits_for(const struct wait *w, enum condition_kind kind)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->watches[i].condition.kind == kind)
            return true;
    return false;
}

/* ---- setting up ---- */

/* What must be asked. */
static void questions_make(struct wait *w)
{
    size_t n = 0;

    if (waits_for(w, CONDITION_STATE))
        w->questions[n++] = (struct question){.command = "query-status", .kind = CONDITION_STATE};
    if (waits_for(w, CONDITION_JOB))
        w->questions[n++] = (struct question){.command = "query-jobs", .kind = CONDITION_JOB};
}

static enum outcome words_parse(struct wait *w, const char *const *words, size_t n)
{
    w->watches = calloc(n, sizeof(*w->watches));
    w->names = calloc(n, sizeof(*w->names));
    if (w->watches == NULL || w->names == NULL)
        return outcome_of_error("the conditions", -ENOMEM);
    for (w->n = 0; w->n < n; w->n++) {
        struct condition *c = &w->watches[w->n].condition;
        enum outcome outcome = condition_parse(words[w->n], c);
        if (outcome != OUTCOME_DONE)
            return outcome;
        if (c->kind == CONDITION_EVENT)
            w->names[w->n_names++] = c->word;
    }
    if (w->n_names == 0 && w->options->where.n > 0) {
        complain("--where is about events, and none is waited for");
        return OUTCOME_USAGE;
    }
    questions_make(w);
    return OUTCOME_DONE;
}

static const struct question *question_of(const struct wait *w, enum condition_kind kind)
{
    for (const struct question *q = w->questions; q->command != NULL; q++)
        if (q->kind == kind)
            return q;
    return NULL;
}

static void wait_done(struct wait *w)
{
    for (struct question *q = w->questions; q->command != NULL; q++) {
        qmp_pending_unref(q->pending);
        qmp_message_unref(q->reply);
    }
    for (size_t i = 0; i < w->n; i++)
        condition_done(&w->watches[i].condition);
    free(w->watches);
    free(w->names);
    qmp_client_unref(w->client);
    qmp_listener_unref(w->listener);
}

/* Each event; only the first that was waited for is queued. */
static bool event_accept(qmp_listener *l, const qmp_message *event, void *userdata)
{
    struct wait *w = userdata;

    w->stale = true;
    for (size_t i = 0; i < w->n; i++)
        watch_event(&w->watches[i], event);
    if (w->happened || w->n_names == 0 || !qmp_listener_accepts(l, event))
        return false;
    w->happened = true;
    return true;
}

static enum outcome wait_prepare(struct wait *w)
{
    enum outcome outcome = filter_make(w->options, w->names, w->n_names, &w->filter);

    if (outcome == OUTCOME_DONE)
        outcome = filter_listener(&w->filter, &w->listener);
    if (outcome != OUTCOME_DONE)
        return outcome;
    qmp_listener_set_accept(w->listener, event_accept, w);
    return connect_prepare(w->options, w->listener, &w->client);
}

/* Refuses states and statuses that this server does not know. A schema that was kept may be another server's. */
static enum outcome values_check(struct wait *w, bool fresh)
{
    __attribute__((cleanup(schema_freep))) struct schema *s = NULL;
    enum outcome outcome = cache_get(w->options, w->client, fresh, &s);

    for (size_t i = 0; outcome == OUTCOME_DONE && s != NULL && i < w->n; i++) {
        char text[CONDITION_VALUE_MAX], near[CONDITION_VALUE_MAX];
        const char *stranger = condition_stranger(&w->watches[i].condition, s, text, near);
        if (stranger != NULL && !schema_is_live(s))
            return values_check(w, /* fresh= */ true);
        if (stranger == NULL)
            continue;
        complain("'%s': this server never is '%s'%s%s%s", w->watches[i].condition.word, stranger,
            near[0] != '\0' ? "; did you mean '" : "", near, near[0] != '\0' ? "'?" : "");
        outcome = OUTCOME_USAGE;
    }
    return outcome;
}

/* ---- what holds ---- */

static enum outcome text_print(const char *text)
{
    enum outcome outcome = output_json((qmp_value){text, strlen(text)});

    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

static enum outcome event_print(struct wait *w)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *event = NULL;
    int r = qmp_listener_get(w->listener, /* timeout= */ 0, &event);
    enum outcome outcome = r < 0 ? outcome_of_error("taking the event", r) : output_json(qmp_message_root(event));

    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

static enum outcome version_print(struct wait *w)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *greeting = NULL;
    int r = qmp_client_greeting(w->client, &greeting);
    enum outcome outcome = r < 0 ? outcome_of_error("the greeting", r)
                                 : output_json(qmp_value_path(qmp_message_root(greeting), "QMP.version"));

    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

/* ---- asking ---- */

static uint64_t next_question(const struct wait *w)
{
    if (w->questions[0].command == NULL || w->asking)
        return QMP_FOREVER;
    return w->asked == 0 ? 0 : w->asked + (w->stale ? ASK_AFTER : ASK_ANYWAY);
}

static enum outcome questions_send(struct wait *w)
{
    w->asked = duration_now();
    w->stale = false;
    w->asking = true;
    for (struct question *q = w->questions; q->command != NULL; q++) {
        int r = qmp_client_execute_async(
            w->client, q->command, /* arguments= */ NULL, /* callback= */ NULL, /* userdata= */ NULL, &q->pending);
        if (r < 0)
            return ask_failed(w->options, w->client, q->command, r);
    }
    return OUTCOME_DONE;
}

/* Takes what was answered; `*ret_all` when nothing is missing. When the connection ends, something is. */
static enum outcome answers_take(struct wait *w, bool *ret_all)
{
    bool all = w->asking;

    for (struct question *q = w->questions; q->command != NULL && w->asking; q++) {
        __attribute__((cleanup(qmp_message_unrefp))) qmp_message *refusal = NULL;
        int r = q->reply == NULL ? qmp_pending_wait(q->pending, /* timeout= */ 0, &q->reply, &refusal) : 0;
        if (r == -EREMOTEIO)
            return ask_refused(q->command, refusal);
        all = all && r >= 0;
    }
    *ret_all = all;
    return OUTCOME_DONE;
}

static void answers_forget(struct wait *w)
{
    for (struct question *q = w->questions; q->command != NULL; q++) {
        q->pending = qmp_pending_unref(q->pending);
        q->reply = qmp_message_unref(q->reply);
    }
    w->asking = false;
}

/* Holds an answer against the conditions that it is about. One that holds counts before one that no longer can. */
static enum outcome answers_judge(struct wait *w, bool *ret_ended)
{
    const struct watch *never = NULL;

    for (size_t i = 0; i < w->n; i++) {
        __attribute__((cleanup(qmp_freep))) char *text = NULL;
        struct watch *watch = &w->watches[i];
        const struct question *q = question_of(w, watch->condition.kind);
        enum verdict verdict = VERDICT_OPEN;
        int r = q != NULL ? watch_answer(watch, qmp_reply_value(q->reply), &verdict, &text) : 0;
        *ret_ended = true;
        if (r < 0)
            return outcome_of_error("an answer", r);
        if (verdict == VERDICT_HOLDS) {
            enum outcome outcome = text_print(text);
            return outcome == OUTCOME_DONE ? watch_held(watch) : outcome;
        }
        if (verdict == VERDICT_NEVER && never == NULL)
            never = watch;
    }
    *ret_ended = never != NULL;
    return never != NULL ? watch_never(never) : OUTCOME_DONE;
}

/* Asks when it is time to, and looks at the answers when they are there. `*ret_ended` when they end it. */
static enum outcome state_find(struct wait *w, bool *ret_ended)
{
    bool all = false;
    enum outcome outcome = duration_until(next_question(w)) == 0 ? questions_send(w) : answers_take(w, &all);

    *ret_ended = outcome != OUTCOME_DONE;
    if (all) {
        outcome = answers_judge(w, ret_ended);
        answers_forget(w);
    }
    return outcome;
}

/* ---- waiting ---- */

static enum outcome wait_ended(struct wait *w)
{
    return waits_for(w, CONDITION_GONE) ? text_print("null") : outcome_of_failure(w->client, -ECONNRESET);
}

static enum outcome wait_timed_out(const struct wait *w)
{
    char time[DURATION_TEXT_MAX];

    duration_text(w->options->timeout, time);
    if (w->n_names > 0)
        complain("no event within %s", time);
    for (size_t i = 0; i < w->n; i++) {
        const struct watch *watch = &w->watches[i];
        const char *seen = watch->seen[0] != '\0' ? watch->seen : "unknown";
        if (watch->condition.kind == CONDITION_STATE)
            complain("after %s the state is still %s", time, seen);
        else if (watch->condition.kind == CONDITION_JOB)
            complain("after %s job '%s' is still %s", time, watch->condition.id, seen);
        else if (watch->condition.kind == CONDITION_GONE)
            complain("after %s %s is still there", time, connect_address(w->options));
    }
    return OUTCOME_TIMEOUT;
}

static enum outcome wait_block(struct wait *w)
{
    for (;;) {
        bool running = qmp_client_runstate(w->client) == QMP_RUNNING, ended = false;
        uint64_t due;
        enum outcome outcome = w->happened || !running ? OUTCOME_DONE : state_find(w, &ended);
        if (ended)
            return outcome;
        if (w->happened)
            return event_print(w);
        if (!running)
            return wait_ended(w);
        if (duration_until(w->options->deadline) == 0)
            return wait_timed_out(w);
        due = next_question(w);
        pump(w->client, due < w->options->deadline ? due : w->options->deadline);
    }
}

static enum outcome wait_connect(struct wait *w)
{
    bool ready = waits_for(w, CONDITION_READY), gone = waits_for(w, CONDITION_GONE);
    enum outcome outcome = OUTCOME_DONE;

    switch (presence_find(w->options, w->client, ready, gone, &outcome)) {
    case PRESENCE_GONE:
        return text_print("null");
    case PRESENCE_FAILED:
        return outcome;
    default:
        break;
    }
    if (ready)
        return version_print(w);
    if (w->questions[0].command != NULL)
        outcome = values_check(w, /* fresh= */ false);
    return outcome == OUTCOME_DONE ? wait_block(w) : outcome;
}

static enum outcome wait_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(wait_done))) struct wait w = {.options = o};
    enum outcome outcome = words_parse(&w, words, n);

    if (outcome == OUTCOME_DONE)
        outcome = output_check();
    if (outcome == OUTCOME_DONE)
        outcome = wait_prepare(&w);
    return outcome == OUTCOME_DONE ? wait_connect(&w) : outcome;
}

const struct verb verb_wait = {
    .name = "wait",
    .synopsis = "CONDITION...",
    .summary = "wait until something happens, or holds",
    .description = "Waits until the first of the conditions holds, and prints what does as JSON:\n"
                   "the event, the state, the job, the version. What holds already ends it at\n"
                   "once, but events count only from now on. Conditions are:\n\n"
                   "  EVENT           an event of this name, with --where; * stands for anything\n"
                   "  state=STATE,... the VM is running, paused, shutdown, io-error, ...\n"
                   "  job:ID=STATUS,...\n"
                   "                  the job is ready, pending, concluded, ...; exit status 1 when\n"
                   "                  it failed, 8 when there is no such job, or no longer\n"
                   "  ready           there is a QEMU, and it greets\n"
                   "  gone            there is none, or no longer; this prints null\n",
    .examples = "  qmp wait ready --timeout 10s\n"
                "  qmp wait state=paused,io-error\n"
                "  qmp wait job:backup0=concluded --timeout 1h\n"
                "  qmp wait SHUTDOWN gone\n"
                "  qmp wait BLOCK_JOB_ERROR --where data.device=job1\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_WHERE,
    .words_min = 1,
    .several = true,
    .run = wait_run,
};
