/* SPDX-License-Identifier: MIT */

/* The verb job ls: the jobs of a server, as a table for people and as JSON, one a line, for programs. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "bar.h"
#include "complain.h"
#include "connect.h"
#include "jobs.h"
#include "label.h"
#include "output.h"
#include "table.h"

/* The narrowest that a text of an error is still worth showing. */
#define ERROR_NARROWEST 20
#define DONE_MAX 16

enum { COLUMN_VM, COLUMN_ID, COLUMN_TYPE, COLUMN_STATUS, COLUMN_DONE, COLUMN_ERROR, COLUMNS };

static const struct column columns[] = {
    [COLUMN_VM] = {.title = "VM", .tail = true},
    [COLUMN_ID] = {.title = "ID"},
    [COLUMN_TYPE] = {.title = "TYPE", .leave = 1},
    [COLUMN_STATUS] = {.title = "STATUS"},
    [COLUMN_DONE] = {.title = "DONE", .leave = 3, .right = true},
    [COLUMN_ERROR] = {.title = "ERROR", .narrowest = ERROR_NARROWEST, .leave = 2},
};

/* The text of a member, the caller's; NULL when there is none. */
static char *member_text(qmp_value job, const char *key)
{
    char *text;

    return qmp_value_string(qmp_value_member(job, key), &text, /* ret_size= */ NULL) >= 0 ? text : NULL;
}

static char *done_text(qmp_value job)
{
    uint64_t current = 0, total = 0;
    char text[DONE_MAX];

    qmp_value_uint64(qmp_value_member(job, "current-progress"), &current);
    qmp_value_uint64(qmp_value_member(job, "total-progress"), &total);
    snprintf(text, sizeof(text), "%u%%", bar_permille(current, total) / 10);
    return strdup(text);
}

static enum style status_style(qmp_value job)
{
    static const char *const waiting[] = {"paused", "pending", "ready", "standby", "waiting"};
    qmp_value status = qmp_value_member(job, "status");

    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++)
        if (qmp_value_equals(status, waiting[i]))
            return STYLE_WARNING;
    if (!qmp_value_equals(status, "concluded"))
        return STYLE_PLAIN;
    return qmp_value_type(qmp_value_member(job, "error")) == QMP_ABSENT ? STYLE_GOOD : STYLE_BAD;
}

static void row_fill(struct cell *row, qmp_value job)
{
    row[COLUMN_VM].text = label_get() != NULL ? strdup(label_get()) : NULL;
    row[COLUMN_ID].text = member_text(job, "id");
    row[COLUMN_TYPE].text = member_text(job, "type");
    row[COLUMN_STATUS] = (struct cell){member_text(job, "status"), status_style(job)};
    row[COLUMN_DONE].text = done_text(job);
    row[COLUMN_ERROR] = (struct cell){member_text(job, "error"), STYLE_BAD};
    if (row[COLUMN_ERROR].text == NULL)
        row[COLUMN_ERROR] = (struct cell){strdup(""), STYLE_PLAIN};
}

static enum outcome jobs_show(qmp_value jobs, size_t n)
{
    /* the VM's column is there where there are several */
    size_t first = label_get() != NULL ? 0 : 1, row = 0;
    struct cell *cells = calloc(n * COLUMNS + 1, sizeof(*cells));
    qmp_value job = {NULL, 0};
    enum outcome outcome;

    if (cells == NULL)
        return outcome_of_error("a table", -ENOMEM);
    for (; qmp_value_next(jobs, /* key= */ NULL, &job); row++) {
        struct cell all[COLUMNS] = {{NULL, STYLE_PLAIN}};
        row_fill(all, job);
        memcpy(cells + row * (COLUMNS - first), all + first, (COLUMNS - first) * sizeof(*all));
    }
    outcome = table_print(columns + first, COLUMNS - first, cells, n);
    for (size_t i = 0; i < n * (COLUMNS - first); i++)
        free(cells[i].text);
    free(cells);
    return outcome;
}

static enum outcome jobs_print(const struct options *o, qmp_value jobs)
{
    bool people = output_is_terminal() && !(o->given & OPTIONS_OUTPUT);
    enum outcome outcome = OUTCOME_DONE;
    qmp_value job = {NULL, 0};
    size_t n = 0;

    for (; outcome == OUTCOME_DONE && qmp_value_next(jobs, /* key= */ NULL, &job); n++)
        if (!people)
            outcome = output_json(job);
    if (people && n == 0)
        complain("no jobs");
    else if (people)
        outcome = jobs_show(jobs, n);
    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

static enum outcome job_ls_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *jobs = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = job_words_check(words, n, /* max= */ 0);

    if (outcome == OUTCOME_DONE)
        outcome = connect_open(o, /* l= */ NULL, &c);
    if (outcome == OUTCOME_DONE)
        outcome = ask(o, c, "query-jobs", /* arguments= */ NULL, &jobs);
    return outcome == OUTCOME_DONE ? jobs_print(o, qmp_reply_value(jobs)) : outcome;
}

const struct verb verb_job_ls = {
    .name = "ls",
    .synopsis = "",
    .summary = "list the jobs",
    .description = "Lists the jobs that QEMU has: as a table on a terminal; else, and with --output\n"
                   "or --get, as JSON, a job a line.\n",
    .examples = "  qmp job ls\n"
                "  qmp job ls -g id\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT,
    .several = true,
    .run = job_ls_run,
};
