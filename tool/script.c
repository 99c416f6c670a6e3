/* SPDX-License-Identifier: MIT */

/* From the records of a capture to what was said in it: which command each reply belongs to, and what came unasked.
 *
 * A reply belongs to the oldest command without one that has the same id, or, like it, none. What of the client is no
 * command is left out; what of the server is no reply is told as it is. Connections in which the server said nothing
 * are left out.
 *
 * A capture may hold millions of messages, and be hostile: what is the same is found by sorting, never by looking at
 * all.
 *
 * It knows nothing of files, nor of who will hear it. */

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "order.h"
#include "script.h"

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

static void record_take(struct script *s, struct session *session, const struct record *record)
{
    struct step step = {.record = record, .pair = STEP_NONE};

    if (record->from_server)
        server_understand(record, &step);
    else if (!command_understand(record, &step))
        return;
    s->steps[s->n_steps++] = step;
    if (step.kind == STEP_REPLY)
        session->replied = s->n_steps;
    else if (step.kind == STEP_END)
        session->ended = s->n_steps;
}

/* Takes the records of one connection, from `first` on. Returns how many they are. */
static size_t session_take(struct script *s, const struct recording *recording, size_t first)
{
    struct session *session = &s->sessions[s->n_sessions];
    bool spoken = false;
    size_t i;

    session->begin = session->replied = session->ended = s->n_steps;
    for (i = first; i < recording->n && recording->records[i].connection == recording->records[first].connection; i++) {
        record_take(s, session, &recording->records[i]);
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

/* ---- sorting ---- */

/* What steps are sorted by. */
struct sorting {
    const struct step *steps;
    int (*order)(qmp_value a, qmp_value b, bool *ret_failed);
    bool failed;
};

static int ids_order(qmp_value a, qmp_value b, bool *ret_failed)
{
    return order_values(qmp_value_member(a, "id"), qmp_value_member(b, "id"), ret_failed);
}

static int steps_order(const void *a, const void *b, void *userdata)
{
    struct sorting *sorting = userdata;
    size_t step_a = *(const size_t *)a, step_b = *(const size_t *)b;
    int r = sorting->order(sorting->steps[step_a].message, sorting->steps[step_b].message, &sorting->failed);

    return r != 0 ? r : (step_a > step_b) - (step_a < step_b);
}

/* Sorts steps, the same ones by where they stand. */
static bool steps_sort(
    const struct script *s, size_t *steps, size_t n, int (*order)(qmp_value a, qmp_value b, bool *ret_failed))
{
    struct sorting sorting = {s->steps, order, false};

    qsort_r(steps, n, sizeof(*steps), steps_order, &sorting);
    return !sorting.failed;
}

/* Gives each reply of a connection its command. `sorted` has room for all steps. */
static bool session_pair(struct script *s, const struct session *session, size_t *sorted)
{
    size_t n = 0, oldest = 0;
    bool failed = false;

    for (size_t i = session->begin; i < session->end; i++)
        if (s->steps[i].kind == STEP_COMMAND || s->steps[i].kind == STEP_REPLY)
            sorted[n++] = i;
    if (!steps_sort(s, sorted, n, ids_order))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct step *step = &s->steps[sorted[i]];
        if (i > 0 && ids_order(s->steps[sorted[i - 1]].message, step->message, &failed) != 0)
            oldest = i;
        if (step->kind != STEP_REPLY)
            continue;
        while (oldest < i && s->steps[sorted[oldest]].kind != STEP_COMMAND)
            oldest++;
        if (oldest < i) {
            step->pair = sorted[oldest];
            s->steps[sorted[oldest++]].pair = sorted[i];
        }
    }
    return !failed;
}

static bool commands_sort(struct script *s)
{
    for (size_t i = 0; i < s->n_steps; i++)
        if (s->steps[i].kind == STEP_COMMAND)
            s->commands[s->n_commands++] = i;
    return steps_sort(s, s->commands, s->n_commands, command_order);
}

bool script_make(struct script *ret, const struct recording *recording)
{
    *ret = (struct script){.steps = calloc(recording->n + 1, sizeof(*ret->steps)),
        .sessions = calloc(sessions_count(recording) + 1, sizeof(*ret->sessions)),
        .commands = calloc(recording->n + 1, sizeof(*ret->commands))};
    if (ret->steps == NULL || ret->sessions == NULL || ret->commands == NULL)
        return false;
    for (size_t i = 0; i < recording->n;)
        i += session_take(ret, recording, i);
    for (size_t i = 0; i < ret->n_sessions; i++)
        if (!session_pair(ret, &ret->sessions[i], ret->commands))
            return false;
    return commands_sort(ret);
}

void script_done(struct script *s)
{
    for (size_t i = 0; i < s->n_steps; i++)
        free(s->steps[i].memory);
    free(s->steps);
    free(s->sessions);
    free(s->commands);
}

/* ---- finding ---- */

/* How many of the sorted commands go before one, or, with `same`, before it or with it. */
static size_t commands_before(
    const struct script *s, script_order *order, qmp_value command, bool same, bool *ret_failed)
{
    size_t begin = 0, end = s->n_commands;

    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int r = order(command, s->steps[s->commands[middle]].message, ret_failed);
        if (r > 0 || (same && r == 0))
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

bool script_find(const struct script *s, script_order *order, qmp_value command, size_t *ret_begin, size_t *ret_end)
{
    bool failed = false;

    *ret_begin = commands_before(s, order, command, /* same= */ false, &failed);
    *ret_end = commands_before(s, order, command, /* same= */ true, &failed);
    return !failed;
}
