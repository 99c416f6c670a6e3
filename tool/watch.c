/* SPDX-License-Identifier: MIT */

/* What is known about the state of a server or of a job, out of answers and of events.
 *
 * Answers say how things are; events say what they were in between. A job that dismisses itself is concluded for so
 * short a time that no question finds it, and then only events know that it was, and how it ended. A job that is in no
 * list is "null", as QEMU calls it.
 *
 * It knows nothing of connections, nor of when to ask. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "complain.h"
#include "watch.h"

/* A decoded string, as far as there is room; "" when it is none. */
static void string_copy(char *ret, size_t size, qmp_value v)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;

    if (qmp_value_string(v, &text, /* ret_size= */ NULL) < 0)
        text = NULL;
    snprintf(ret, size, "%s", text != NULL ? text : "");
}

/* ---- events ---- */

static void status_learn(struct watch *w, qmp_value status)
{
    string_copy(w->seen, sizeof(w->seen), status);
    if (strcmp(w->seen, "created") == 0) { /* another one, maybe */
        w->failed = false;
        w->error[0] = '\0';
    }
    w->failed |= strcmp(w->seen, "aborting") == 0;
    if (w->passed[0] == '\0' && condition_wants(&w->condition, w->seen))
        memcpy(w->passed, w->seen, sizeof(w->passed));
}

void watch_event(struct watch *w, const qmp_message *event)
{
    const char *name = qmp_event_name(event);
    qmp_value data = qmp_event_data(event);

    if (w->condition.kind != CONDITION_JOB)
        return;
    if (strcmp(name, "JOB_STATUS_CHANGE") == 0 && qmp_value_equals(qmp_value_member(data, "id"), w->condition.id))
        status_learn(w, qmp_value_member(data, "status"));
    if (strcmp(name, "BLOCK_JOB_COMPLETED") == 0 && qmp_value_equals(qmp_value_member(data, "device"), w->condition.id))
        string_copy(w->error, sizeof(w->error), qmp_value_member(data, "error"));
}

/* ---- answers ---- */

static int text_copy(char **ret, qmp_value v)
{
    *ret = strndup(v.text, v.size);
    return *ret != NULL ? 0 : -ENOMEM;
}

static qmp_value job_find(qmp_value jobs, const char *id)
{
    qmp_value job = {NULL, 0};

    while (qmp_value_next(jobs, /* key= */ NULL, &job))
        if (qmp_value_equals(qmp_value_member(job, "id"), id))
            break;
    return job;
}

static void job_learn(struct watch *w, qmp_value job)
{
    qmp_value error = qmp_value_member(job, "error");

    if (job.text == NULL)
        return;
    string_copy(w->seen, sizeof(w->seen), qmp_value_member(job, "status"));
    if (qmp_value_type(error) != QMP_STRING)
        return;
    w->failed = true;
    string_copy(w->error, sizeof(w->error), error);
}

/* What is printed of a job that is gone, or further than what was waited for: what the event said. */
static int job_passed(const struct watch *w, char **ret)
{
    __attribute__((cleanup(qmp_freep))) char *id = qmp_json("%s", w->condition.id);

    if (id == NULL)
        return -errno;
    if (asprintf(ret, "{\"id\": %s, \"status\": \"%s\"}", id, w->passed) >= 0)
        return 0;
    *ret = NULL;
    return -ENOMEM;
}

static int job_answer(struct watch *w, qmp_value jobs, enum verdict *ret_verdict, char **ret)
{
    qmp_value job = job_find(jobs, w->condition.id);

    *ret_verdict = VERDICT_HOLDS;
    job_learn(w, job);
    if (job.text == NULL && condition_wants(&w->condition, "null"))
        strcpy(w->passed, "null");
    if (job.text != NULL && condition_wants(&w->condition, w->seen)) {
        memcpy(w->passed, w->seen, sizeof(w->passed));
        return text_copy(ret, job);
    }
    if (w->passed[0] != '\0')
        return job_passed(w, ret);
    *ret_verdict = job.text == NULL || strcmp(w->seen, "concluded") == 0 ? VERDICT_NEVER : VERDICT_OPEN;
    if (job.text != NULL && condition_wants(&w->condition, "null"))
        *ret_verdict = VERDICT_OPEN; /* that it goes is what is waited for */
    return 0;
}

int watch_answer(struct watch *w, qmp_value answer, enum verdict *ret_verdict, char **ret)
{
    if (w->condition.kind == CONDITION_JOB)
        return job_answer(w, answer, ret_verdict, ret);
    string_copy(w->seen, sizeof(w->seen), qmp_value_member(answer, "status"));
    *ret_verdict = condition_wants(&w->condition, w->seen) ? VERDICT_HOLDS : VERDICT_OPEN;
    return *ret_verdict == VERDICT_HOLDS ? text_copy(ret, answer) : 0;
}

/* ---- words ---- */

static void job_failed(const struct watch *w)
{
    complain("job '%s' failed%s%s", w->condition.id, w->error[0] != '\0' ? ": " : "", w->error);
}

enum outcome watch_held(const struct watch *w)
{
    if (w->condition.kind != CONDITION_JOB || !w->failed || strcmp(w->passed, "aborting") == 0)
        return OUTCOME_DONE;
    job_failed(w);
    return OUTCOME_REFUSED;
}

enum outcome watch_never(const struct watch *w)
{
    const char *id = w->condition.id;

    if (w->seen[0] == '\0') {
        complain("there is no job '%s'", id);
        return OUTCOME_UNKNOWN;
    }
    if (w->failed) {
        job_failed(w);
        return OUTCOME_REFUSED;
    }
    if (strcmp(w->seen, "concluded") == 0) {
        complain("job '%s' is concluded, and was not %s before", id, w->condition.wanted);
        return OUTCOME_REFUSED;
    }
    complain("job '%s' is gone, and was not %s before", id, w->condition.wanted);
    return OUTCOME_UNKNOWN;
}
