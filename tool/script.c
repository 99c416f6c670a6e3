/* SPDX-License-Identifier: MIT */

/* From the records of a capture to what was said in it: which command each reply belongs to, and what came unasked.
 *
 * A reply belongs to the oldest command without one that has the same id, or, like it, none. What of the client is no
 * command is left out; what of the server is no reply is told as it is. Connections in which the server said nothing
 * are left out.
 *
 * It knows nothing of files, nor of who will hear it. */

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "equal.h"
#include "script.h"

/* Commands that may be without a reply at once; of more, the oldest get none. */
#define PENDING_MAX ((size_t)65536)

/* The commands of a session that have no reply yet, oldest first. */
struct pending {
    size_t steps[PENDING_MAX];
    size_t n;
};

static void pending_remove(struct pending *pending, size_t i)
{
    pending->n--;
    memmove(&pending->steps[i], &pending->steps[i + 1], (pending->n - i) * sizeof(pending->steps[0]));
}

static void pending_add(struct pending *pending, size_t step)
{
    if (pending->n == PENDING_MAX)
        pending_remove(pending, 0);
    pending->steps[pending->n++] = step;
}

static void reply_pair(struct script *s, struct pending *pending, size_t reply)
{
    qmp_value id = qmp_value_member(s->steps[reply].message, "id");

    for (size_t i = 0; i < pending->n; i++) {
        size_t command = pending->steps[i];
        if (!equal_values(id, qmp_value_member(s->steps[command].message, "id")))
            continue;
        s->steps[command].pair = reply;
        s->steps[reply].pair = command;
        pending_remove(pending, i);
        return;
    }
}

/* Whether a record is of the client's, and worth a step. */
static bool command_understand(const struct record *record, struct step *step)
{
    step->kind = STEP_COMMAND;
    if (record->kind == RECORD_END || command_parse(record->text, record->size, &step->message, &step->memory) < 0 ||
        qmp_value_type(command_name(step->message)) == QMP_ABSENT) {
        free(step->memory);
        return false;
    }
    return true;
}

static void server_understand(const struct record *record, struct step *step)
{
    qmp_value v;

    step->kind = record->kind == RECORD_END ? STEP_END : STEP_TOLD;
    if (record->kind == RECORD_MESSAGE &&
        qmp_json_check(record->text, record->size, &v, /* reterr_description= */ NULL) >= 0 &&
        (qmp_value_type(qmp_value_member(v, "return")) != QMP_ABSENT ||
            qmp_value_type(qmp_value_member(v, "error")) != QMP_ABSENT)) {
        step->kind = STEP_REPLY;
        step->message = v;
    }
}

static void record_take(struct script *s, struct pending *pending, const struct record *record)
{
    struct step step = {.record = record, .pair = STEP_NONE};

    if (record->from_server)
        server_understand(record, &step);
    else if (!command_understand(record, &step))
        return;
    s->steps[s->n_steps] = step;
    if (step.kind == STEP_COMMAND)
        pending_add(pending, s->n_steps);
    else if (step.kind == STEP_REPLY)
        reply_pair(s, pending, s->n_steps);
    s->n_steps++;
}

/* Takes the records of one connection, from `first` on. Returns how many they are. */
static size_t session_take(struct script *s, struct pending *pending, const struct recording *recording, size_t first)
{
    struct session *session = &s->sessions[s->n_sessions];
    bool spoken = false;
    size_t i;

    session->begin = s->n_steps;
    pending->n = 0;
    for (i = first; i < recording->n && recording->records[i].connection == recording->records[first].connection; i++) {
        record_take(s, pending, &recording->records[i]);
        spoken |= recording->records[i].from_server && recording->records[i].kind != RECORD_END;
    }
    session->end = s->n_steps;
    s->n_sessions += spoken;
    return i - first;
}

static size_t sessions_count(const struct recording *recording)
{
    size_t n = 0;

    for (size_t i = 0; i < recording->n; i++)
        n += i == 0 || recording->records[i].connection != recording->records[i - 1].connection;
    return n;
}

bool script_make(struct script *ret, const struct recording *recording)
{
    __attribute__((cleanup(qmp_freep))) struct pending *pending = malloc(sizeof(*pending));

    *ret = (struct script){.steps = calloc(recording->n + 1, sizeof(*ret->steps)),
        .sessions = calloc(sessions_count(recording) + 1, sizeof(*ret->sessions))};
    if (pending == NULL || ret->steps == NULL || ret->sessions == NULL)
        return false;
    for (size_t i = 0; i < recording->n;)
        i += session_take(ret, pending, recording, i);
    return true;
}

void script_done(struct script *s)
{
    for (size_t i = 0; i < s->n_steps; i++)
        free(s->steps[i].memory);
    free(s->steps);
    free(s->sessions);
}
