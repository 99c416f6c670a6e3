/* SPDX-License-Identifier: MIT */

/* The verb ls: the VMs of this machine.
 *
 * One look for all of it: who is there, in which state, and who holds the monitors. For people a table, for programs
 * an object a line. What a machine could not be asked stands where its state would: a list never fails because of one
 * of those that it lists.
 *
 * It knows nothing of how machines are found and asked. */

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "guess.h"
#include "output.h"
#include "survey.h"
#include "table.h"
#include "verb.h"
#include "written.h"

/* How long a machine may take to answer. */
#define PATIENCE (500 * QMP_MILLISECOND)

/* ---- which ---- */

static void word_complain(const char *word, const struct machine *machines, size_t n)
{
    struct guess guess = guess_start(word);

    for (size_t i = 0; i < n; i++)
        guess_add(&guess, machines[i].name);
    if (strpbrk(word, "*?[") != NULL)
        complain("no VM's name matches '%s'", word);
    else if (guess.best[0] != '\0')
        complain("no VM is called '%s'; did you mean '%s'?", word, guess.best);
    else
        complain("no VM is called '%s'", word);
}

/* Brings the machines that one of the words matches to the front, in order. Returns how many; each word has to match
 * one, or that is said and the outcome. */
static enum outcome machines_choose(
    struct machine *machines, size_t n, const char *const *words, size_t n_words, size_t *ret_n)
{
    enum outcome outcome = OUTCOME_DONE;
    size_t chosen = 0;

    for (size_t k = 0; k < n_words; k++) {
        size_t i = 0;
        while (i < n && fnmatch(words[k], machines[i].name, 0) != 0)
            i++;
        if (i < n)
            continue;
        word_complain(words[k], machines, n);
        outcome = OUTCOME_UNKNOWN;
    }
    for (size_t i = 0; i < n; i++) {
        bool wanted = n_words == 0;
        for (size_t k = 0; k < n_words; k++)
            wanted |= fnmatch(words[k], machines[i].name, 0) == 0;
        if (wanted) {
            struct machine m = machines[chosen];
            machines[chosen++] = machines[i];
            machines[i] = m;
        }
    }
    *ret_n = chosen;
    return outcome;
}

/* ---- for people ---- */

static const struct column columns[] = {
    {.title = "NAME", .narrowest = 12},
    {.title = "PID", .leave = 4, .right = true},
    {.title = "PROGRAM", .leave = 1},
    {.title = "VERSION", .leave = 2},
    {.title = "STATE"},
    {.title = "MONITOR", .narrowest = 16, .leave = 3, .tail = true},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static enum style state_style(const char *state)
{
    static const char *const bad[] = {"guest-panicked", "internal-error", "io-error", "watchdog", SURVEY_SILENT,
        SURVEY_STOPPED, SURVEY_GONE, SURVEY_FOREIGN};

    if (state == NULL)
        return STYLE_PLAIN;
    if (strcmp(state, "running") == 0)
        return STYLE_GOOD;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (strcmp(state, bad[i]) == 0)
            return STYLE_BAD;
    return STYLE_WARNING;
}

/* "held by 4242 (virtqemud)" */
static char *state_text(const struct survey *s)
{
    const char *name = s->holder_name != NULL ? s->holder_name : "?";
    char *text = NULL;
    int n;

    if (s->state == NULL || strcmp(s->state, SURVEY_HELD) != 0 || !s->held)
        return strdup(s->state != NULL ? s->state : "-");
    n = s->holder != 0 ? asprintf(&text, "held by %ld (%s)", s->holder, name) : asprintf(&text, "held by another user");
    return n < 0 ? NULL : text;
}

/* The first monitor, and how many more there are. */
static char *monitors_text(const struct machine *m)
{
    const char *first = m->monitors[0].address != NULL ? m->monitors[0].address : "-";
    char *text = NULL;
    int n = m->n_monitors == 1 ? asprintf(&text, "%s", first) : asprintf(&text, "%s +%zu", first, m->n_monitors - 1);

    return n < 0 ? NULL : text;
}

static void row_make(struct cell *row, const struct survey *s)
{
    const struct machine *m = s->machine;
    char pid[32];

    snprintf(pid, sizeof(pid), "%ld", m->pid);
    row[0] = (struct cell){strdup(m->name), STYLE_BOLD};
    row[1] = (struct cell){m->pid != 0 ? strdup(pid) : NULL, STYLE_PLAIN};
    row[2] = (struct cell){m->program != NULL ? strdup(m->program) : NULL, STYLE_FAINT};
    row[3] = (struct cell){s->version != NULL ? strdup(s->version) : NULL, STYLE_PLAIN};
    row[4] = (struct cell){state_text(s), state_style(s->state)};
    row[5] = (struct cell){monitors_text(m), STYLE_PLAIN};
}

static enum outcome table_show(const struct survey *survey, size_t n)
{
    struct cell *cells = calloc(n * COLUMNS + 1, sizeof(*cells));
    enum outcome outcome;

    if (cells == NULL)
        return outcome_of_error("a table", -ENOMEM);
    for (size_t i = 0; i < n; i++)
        row_make(cells + i * COLUMNS, &survey[i]);
    outcome = table_print(columns, COLUMNS, cells, n);
    for (size_t i = 0; i < n * COLUMNS; i++)
        free(cells[i].text);
    free(cells);
    return outcome;
}

/* ---- for programs ---- */

static void string_write(qmp_writer *w, const char *key, const char *value)
{
    if (value != NULL)
        qmp_writer_string(w, key, value);
    else
        qmp_writer_null(w, key);
}

static void pid_write(qmp_writer *w, const char *key, long pid)
{
    if (pid != 0)
        qmp_writer_int64(w, key, pid);
    else
        qmp_writer_null(w, key);
}

static void object_write(qmp_writer *w, const struct survey *s)
{
    const struct machine *m = s->machine;

    qmp_writer_begin_object(w, NULL);
    qmp_writer_string(w, "name", m->name);
    pid_write(w, "pid", m->pid);
    string_write(w, "program", m->program);
    string_write(w, "version", s->version);
    string_write(w, "state", s->state);
    if (s->held) {
        qmp_writer_begin_object(w, "holder");
        pid_write(w, "pid", s->holder);
        string_write(w, "name", s->holder_name);
        qmp_writer_end(w);
    } else {
        qmp_writer_null(w, "holder");
    }
    qmp_writer_begin_array(w, "addresses");
    for (size_t i = 0; i < m->n_monitors; i++)
        if (m->monitors[i].address != NULL)
            qmp_writer_string(w, NULL, m->monitors[i].address);
    qmp_writer_end(w);
    qmp_writer_end(w);
}

static enum outcome objects_show(const struct survey *survey, size_t n)
{
    enum outcome outcome = OUTCOME_DONE;

    for (size_t i = 0; outcome == OUTCOME_DONE && i < n; i++) {
        __attribute__((cleanup(qmp_writer_freep))) qmp_writer *w = NULL;
        int r = qmp_writer_new(&w);
        if (r < 0)
            return outcome_of_error("writing JSON", r);
        object_write(w, &survey[i]);
        outcome = written_print(w);
    }
    return outcome;
}

/* ---- the verb ---- */

static enum outcome survey_show(const struct options *o, const struct machine *machines, size_t n)
{
    bool objects = !output_is_terminal() || (o->given & OPTIONS_OUTPUT);
    uint64_t patience = o->given & OPTION_TIMEOUT ? o->timeout : PATIENCE;
    struct survey *survey = NULL;
    enum outcome outcome = survey_run(machines, n, patience, &survey);

    if (outcome != OUTCOME_DONE)
        return outcome;
    outcome = objects ? objects_show(survey, n) : table_show(survey, n);
    survey_free(survey, n);
    return outcome;
}

static enum outcome ls_run(const struct options *o, const char *const *words, size_t n_words)
{
    struct machine *machines = NULL;
    size_t n = 0, n_chosen = 0;
    enum outcome outcome = locate_machines(&machines, &n), chosen = OUTCOME_DONE;

    if (outcome != OUTCOME_DONE)
        return outcome;
    if (n == 0 && n_words == 0)
        complain("no VM here: no QEMU on this machine has a QMP socket");
    chosen = machines_choose(machines, n, words, n_words, &n_chosen);
    if (n_chosen > 0)
        outcome = survey_show(o, machines, n_chosen);
    locate_free(machines, n);
    return outcome == OUTCOME_DONE ? chosen : outcome;
}

const struct verb verb_ls = {
    .name = "ls",
    .synopsis = "[NAME|GLOB]...",
    .summary = "list the VMs of this machine that have a monitor",
    .description = "Lists the QEMUs and storage daemons of this machine that have a QMP socket: a\n"
                   "table on a terminal, else an object a line. A name of this list is an address\n"
                   "anywhere: qmp call -s NAME ...; one that two VMs have is not.\n\n"
                   "Each is asked for its state, for half a second at most (--timeout: for that\n"
                   "long), but not where that would disturb. Then STATE says why:\n"
                   "  held           a client holds the monitor (each serves one at a time)\n"
                   "  silent         no answer in time: QEMU hangs, or is very busy\n"
                   "  stopped        the process is, by a signal or a debugger\n"
                   "  waiting        QEMU waits for its first client before it starts (wait=on)\n"
                   "  gone           nobody listens, or the socket's file was removed\n"
                   "  no permission  the monitor is another user's\n"
                   "  wants TLS      connect with --tls-x509 or --tls-psk\n"
                   "  not QMP        something else answers there\n",
    .examples = "  qmp ls\n"
                "  qmp ls 'web-*' -g name\n",
    .options = OPTION_TIMEOUT | OPTIONS_OUTPUT,
    .run = ls_run,
};
