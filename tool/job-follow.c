/* SPDX-License-Identifier: MIT */

/* Follows a job to its end.
 *
 * What a job is doing is always what query-jobs says. Events say when to ask again, and how a job ended that is
 * dismissed by itself and can be asked about no more. So nothing depends on having heard every event: a job that is
 * over already, or waits for something, is found so at the first look. The invariant: after each look, what was heard
 * before its answer has been taken, because QEMU sends the events of a job's end before it forgets the job.
 *
 * It knows nothing of who started the job. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "duration.h"
#include "jobs.h"
#include "output.h"
#include "progress.h"

/* Between two looks at how far a job is. */
#define LOOK_PAUSE (250 * QMP_MILLISECOND)
/* Room for the id and the status of a job, in front of its bar; longer ones are cut. */
#define LABEL_MAX 64
/* Events that may wait: a job goes through a dozen. */
#define EVENTS_MAX 65536

/* What QEMU says of a job that was cancelled, in its own words. */
#define CANCELLED "Operation canceled"

struct follow {
    const struct options *options;
    qmp_client *client;
    qmp_listener *listener;
    const char *id;
    struct progress_view progress;
    qmp_message *jobs;  /* the last that query-jobs said with the job in it; NULL: it never was */
    qmp_message *end;   /* BLOCK_JOB_COMPLETED or BLOCK_JOB_CANCELLED; NULL: not heard */
    bool heard;         /* something of the job since the last look */
    bool ended, failed; /* it was heard to have */
    bool error_said;    /* an error that it met on its way was said */
    const char *waits;  /* the command that it seemed to wait for at the last look; NULL: none */
    bool wait_said;     /* that was said */
};

enum outcome job_listen(qmp_client *c, qmp_listener **ret)
{
    static const char *const names[] = {
        "JOB_STATUS_CHANGE", "BLOCK_JOB_COMPLETED", "BLOCK_JOB_CANCELLED", "BLOCK_JOB_ERROR", NULL};
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *l = NULL;
    int r = qmp_listener_new(&l, names);

    if (r >= 0) {
        qmp_listener_set_limits(l, EVENTS_MAX, /* history_max= */ 0);
        r = qmp_client_register_listener(c, l);
    }
    if (r < 0)
        return outcome_of_error("making a listener", r);
    *ret = l;
    l = NULL;
    return OUTCOME_DONE;
}

void job_end_done(struct job_end *end)
{
    free(end->info);
    free(end->error);
}

static void follow_done(struct follow *f)
{
    progress_done(&f->progress);
    qmp_message_unref(f->jobs);
    qmp_message_unref(f->end);
}

/* The text of a string, the caller's; NULL when it is none, or there is no memory. */
static char *string_of(qmp_value v)
{
    char *text;

    return qmp_value_string(v, &text, /* ret_size= */ NULL) >= 0 ? text : NULL;
}

/* Says the first error that a job met on its way. */
static void error_event(struct follow *f, const qmp_message *event)
{
    qmp_value data = qmp_event_data(event), action = qmp_value_member(data, "action");
    __attribute__((cleanup(qmp_freep))) char *operation = string_of(qmp_value_member(data, "operation"));
    const char *then = "fails with it";

    if (f->error_said || operation == NULL)
        return;
    f->error_said = true;
    if (qmp_value_equals(action, "ignore"))
        then = "goes on";
    else if (qmp_value_equals(action, "stop"))
        then = "stops there";
    complain("job '%s': a %s failed; the job %s", f->id, operation, then);
    if (qmp_value_equals(action, "stop"))
        complain("it waits for: qmp call block-job-resume device=%s", f->id);
}

/* Whether an event is about the job; some call its id "device". */
static bool is_about(const qmp_message *event, const char *id)
{
    qmp_value data = qmp_event_data(event);

    return qmp_value_equals(qmp_value_member(data, "id"), id) || qmp_value_equals(qmp_value_member(data, "device"), id);
}

static void event_take(struct follow *f, qmp_message *event)
{
    const char *name = qmp_event_name(event);
    qmp_value status = qmp_value_member(qmp_event_data(event), "status");

    if (strcmp(name, "JOB_STATUS_CHANGE") == 0) {
        f->failed |= qmp_value_equals(status, "aborting");
        f->ended |= qmp_value_equals(status, "concluded");
    } else if (strcmp(name, "BLOCK_JOB_ERROR") == 0) {
        error_event(f, event);
    } else {
        qmp_message_unref(f->end);
        f->end = qmp_message_ref(event);
        f->ended = true;
    }
}

/* Takes what has been heard, waiting for it for so long. */
static enum outcome events_take(struct follow *f, uint64_t timeout)
{
    for (;; timeout = 0) {
        __attribute__((cleanup(qmp_message_unrefp))) qmp_message *event = NULL;
        int r = qmp_listener_get(f->listener, timeout, &event);
        if (r == -EAGAIN || r == -ETIMEDOUT)
            return OUTCOME_DONE;
        if (r < 0 && r != -ENOBUFS)
            return outcome_of_failure(f->client, r);
        if (r < 0 || !is_about(event, f->id))
            continue;
        f->heard = true;
        event_take(f, event);
    }
}

/* Says what a job waits for that will not go on by itself: once it was found so twice, because jobs pass through some
 * of these states. */
static void wait_say(struct follow *f, qmp_value status)
{
    static const struct {
        const char *status, *command;
    } waits[] = {
        {"pending", "job-finalize"}, {"ready", "job-complete"}, {"paused", "job-resume"}, {"standby", "job-resume"}};
    const char *before = f->waits;

    f->waits = NULL;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        if (!qmp_value_equals(status, waits[i].status))
            continue;
        f->waits = waits[i].command;
        if (before == f->waits && !f->wait_said && !f->error_said)
            complain("job '%s' is %s; it waits for: qmp call %s id=%s", f->id, waits[i].status, f->waits, f->id);
        f->wait_said = before == f->waits;
    }
}

/* Whether what a kind of job counts is bytes. */
static bool counts_bytes(qmp_value type)
{
    static const char *const types[] = {"backup", "commit", "mirror", "stream"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (qmp_value_equals(type, types[i]))
            return true;
    return false;
}

static void job_show(struct follow *f, qmp_value job)
{
    qmp_value status = qmp_value_member(job, "status");
    __attribute__((cleanup(qmp_freep))) char *word = string_of(status), *json = NULL;
    struct progress_state state = {.bytes = counts_bytes(qmp_value_member(job, "type"))};
    qmp_value id = qmp_value_member(job, "id");
    char label[LABEL_MAX];

    snprintf(label, sizeof(label), "%s %s", f->id, word != NULL ? word : "");
    qmp_value_uint64(qmp_value_member(job, "current-progress"), &state.current);
    qmp_value_uint64(qmp_value_member(job, "total-progress"), &state.total);
    if (asprintf(&json, "\"id\": %.*s, \"status\": %.*s", (int)id.size, id.text, (int)status.size, status.text) < 0) {
        json = NULL;
        return;
    }
    state.label = label;
    state.json = json;
    progress_show(&f->progress, &state);
}

/* A job that waits for job-dismiss: it says itself how it ended. */
static enum outcome end_listed(qmp_value job, struct job_end *ret)
{
    ret->over = ret->listed = true;
    ret->error = string_of(qmp_value_member(job, "error"));
    ret->info = strndup(job.text, job.size);
    return ret->info != NULL ? OUTCOME_DONE : outcome_of_error("what is known of the job", -ENOMEM);
}

/* Adds a member to a text of JSON: what the event of the job's end says of it, or what was seen of it before. */
static int member_add(char **text, const struct follow *f, qmp_value job, const char *key, const char *event_key)
{
    qmp_value v = f->end != NULL ? qmp_value_member(qmp_event_data(f->end), event_key) : (qmp_value){NULL, 0};
    char *longer;

    if (qmp_value_type(v) == QMP_ABSENT)
        v = qmp_value_member(job, key);
    if (qmp_value_type(v) == QMP_ABSENT)
        return 0;
    if (asprintf(&longer, "%s, \"%s\": %.*s", *text, key, (int)v.size, v.text) < 0)
        return -ENOMEM;
    free(*text);
    *text = longer;
    return 0;
}

/* The words for how a job ended that has gone. */
static char *vanished_error(const struct follow *f)
{
    if (f->end != NULL && strcmp(qmp_event_name(f->end), "BLOCK_JOB_CANCELLED") == 0)
        return strdup(CANCELLED);
    if (f->end != NULL)
        return string_of(qmp_value_member(qmp_event_data(f->end), "error"));
    return f->failed ? strdup("it failed; why, it did not say") : NULL;
}

/* A job that has gone: its end is what was heard. The JSON is what query-jobs would have said. */
static enum outcome end_vanished(struct follow *f, qmp_value job, struct job_end *ret)
{
    __attribute__((cleanup(qmp_freep))) char *id = qmp_json("%s", f->id), *text = NULL, *error = NULL;
    int r = -ENOMEM;

    ret->over = true;
    ret->error = vanished_error(f);
    if (ret->error != NULL)
        error = qmp_json("%s", ret->error);
    if (id != NULL && asprintf(&text, "{\"id\": %s, \"status\": \"concluded\"", id) < 0)
        text = NULL;
    if (text != NULL)
        r = member_add(&text, f, job, "type", "type");
    if (r >= 0)
        r = member_add(&text, f, job, "current-progress", "offset");
    if (r >= 0)
        r = member_add(&text, f, job, "total-progress", "len");
    if (r >= 0 &&
        asprintf(&ret->info, "%s%s%s}", text, error != NULL ? ", \"error\": " : "", error != NULL ? error : "") < 0) {
        ret->info = NULL;
        r = -ENOMEM;
    }
    return r >= 0 ? OUTCOME_DONE : outcome_of_error("what is known of the job", r);
}

/* The job as it was when it was seen last. */
static qmp_value job_seen(const struct follow *f)
{
    qmp_value job = {NULL, 0};

    if (f->jobs == NULL)
        return job;
    while (qmp_value_next(qmp_reply_value(f->jobs), /* key= */ NULL, &job))
        if (qmp_value_equals(qmp_value_member(job, "id"), f->id))
            break;
    return job;
}

/* One look at the job. */
static enum outcome follow_look(struct follow *f, struct job_end *ret)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *jobs = NULL;
    qmp_value job, status;
    enum outcome outcome;

    f->heard = false;
    outcome = job_query(f->options, f->client, f->id, &jobs, &job);
    if (outcome == OUTCOME_DONE)
        outcome = events_take(f, /* timeout= */ 0);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (qmp_value_type(job) == QMP_ABSENT && f->jobs == NULL && !f->ended)
        return job_unknown(jobs, f->id);
    if (qmp_value_type(job) == QMP_ABSENT)
        return end_vanished(f, job_seen(f), ret);
    status = qmp_value_member(job, "status");
    job_show(f, job);
    wait_say(f, status);
    if (qmp_value_equals(status, "concluded"))
        return end_listed(job, ret);
    qmp_message_unref(f->jobs);
    f->jobs = jobs;
    jobs = NULL;
    return OUTCOME_DONE;
}

enum outcome job_follow(
    const struct options *o, qmp_client *c, qmp_listener *l, const char *id, struct job_end *ret_end)
{
    struct follow f = {.options = o, .client = c, .listener = l, .id = id};
    enum outcome outcome = OUTCOME_DONE;

    *ret_end = (struct job_end){.over = false};
    progress_start(&f.progress, o);
    while (outcome == OUTCOME_DONE) {
        uint64_t left;
        outcome = follow_look(&f, ret_end);
        if (outcome != OUTCOME_DONE || ret_end->over)
            break;
        left = duration_until(o->deadline);
        if (left > LOOK_PAUSE && (progress_wanted(&f.progress) || (f.waits != NULL && !f.wait_said)))
            left = LOOK_PAUSE;
        if (!f.heard) /* else it has changed already */
            outcome = events_take(&f, left);
        if (duration_until(o->deadline) == 0)
            break;
    }
    follow_done(&f);
    return outcome;
}

enum outcome job_print(const struct job_end *end)
{
    enum outcome outcome = output_json((qmp_value){end->info, strlen(end->info)});

    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

enum outcome job_report(const char *id, const struct job_end *end)
{
    enum outcome outcome = job_print(end);

    if (end->error != NULL)
        complain("job '%s' failed: %s", id, end->error);
    return outcome == OUTCOME_DONE && end->error != NULL ? OUTCOME_REFUSED : outcome;
}
