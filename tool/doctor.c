/* SPDX-License-Identifier: MIT */

/* The verb doctor: what works with an address and what does not, step by step.
 *
 * First everything that shows without connecting, from the file to the process behind it, because that names causes
 * where a connection only shows effects; then a short talk. A monitor that somebody holds, a process that is stopped
 * and a QEMU that waits for its first client are left alone. The first thing that is bad decides about the exit status,
 * which is the one that any other verb would end with.
 *
 * It knows nothing of what the checks look at: those are in the files doctor-*.c. */

#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "charset.h"
#include "complain.h"
#include "connect.h"
#include "mistake.h"
#include "names.h"
#include "output.h"
#include "style.h"
#include "verb.h"
#include "written.h"

/* The column where the texts begin. */
#define COLUMN 13

static const struct {
    const char *name; /* in the object */
    const char *mark, *plain_mark;
    enum style style;
} findings[] = {
    [FINDING_FINE] = {"ok", "✓", "ok    ", STYLE_GOOD},
    [FINDING_NOTE] = {"note", "!", "note  ", STYLE_WARNING},
    [FINDING_BAD] = {"failed", "✗", "FAILED", STYLE_BAD},
};

/* ---- what is found ---- */

static enum outcome line_show(enum finding finding, const char *step, const char *text)
{
    const char *mark = charset_is_utf8() ? findings[finding].mark : findings[finding].plain_mark;

    output_print("%s%s%s %-*s ", style_start(STDOUT_FILENO, findings[finding].style), mark, style_end(STDOUT_FILENO),
        COLUMN, step);
    output_escaped(text, strlen(text));
    output_print("\n");
    return output_flush(); /* the next step may take its time */
}

static void text_say(struct doctor *d, enum finding finding, const char *step, const char *text)
{
    if (!d->objects) {
        if (d->written == OUTCOME_DONE)
            d->written = line_show(finding, step, text);
        return;
    }
    qmp_writer_begin_object(d->steps, NULL);
    qmp_writer_string(d->steps, "step", step);
    qmp_writer_string(d->steps, "result", findings[finding].name);
    qmp_writer_string(d->steps, "text", text);
    qmp_writer_end(d->steps);
}

void doctor_say(struct doctor *d, enum finding finding, const char *step, const char *format, ...)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    text_say(d, finding, step, text != NULL ? text : "");
}

bool doctor_fail(struct doctor *d, enum outcome outcome, const char *step, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    text_say(d, FINDING_BAD, step, text != NULL ? text : "");
    if (d->outcome != OUTCOME_DONE) {
        free(text);
        return false;
    }
    d->outcome = outcome;
    d->verdict = text;
    return false;
}

bool doctor_advise(struct doctor *d, const char *format, ...)
{
    va_list arguments;

    if (d->advice != NULL)
        return false;
    va_start(arguments, format);
    if (vasprintf(&d->advice, format, arguments) < 0)
        d->advice = NULL;
    va_end(arguments);
    return false;
}

/* ---- the end of it ---- */

static enum outcome verdict_show(const struct doctor *d)
{
    if (d->verdict != NULL) {
        output_print("\nIt does not work: ");
        output_escaped(d->verdict, strlen(d->verdict));
        output_print("\n");
    } else {
        output_print("\n%s\n", d->talked ? "It works." : "Nothing is wrong so far.");
    }
    if (d->advice != NULL) {
        output_print("What to do: ");
        output_escaped(d->advice, strlen(d->advice));
        output_print("\n");
    }
    return output_flush();
}

static enum outcome object_show(struct doctor *d)
{
    __attribute__((cleanup(qmp_writer_freep))) qmp_writer *w = NULL;
    const char *steps;
    int r = qmp_writer_finish(d->steps, &steps);

    if (r >= 0)
        r = qmp_writer_new(&w);
    if (r < 0)
        return outcome_of_error("writing JSON", r);
    qmp_writer_begin_object(w, NULL);
    qmp_writer_string(w, "address", d->address);
    qmp_writer_bool(w, "works", d->talked && d->outcome == OUTCOME_DONE);
    qmp_writer_int64(w, "status", d->outcome);
    if (d->verdict != NULL)
        qmp_writer_string(w, "verdict", d->verdict);
    if (d->advice != NULL)
        qmp_writer_string(w, "advice", d->advice);
    if (d->machine != NULL)
        qmp_writer_string(w, "name", d->machine->name);
    qmp_writer_json(w, "steps", steps);
    qmp_writer_end(w);
    return written_print(w);
}

/* ---- all of it ---- */

static void checks_run(struct doctor *d)
{
    static bool (*const checks[])(struct doctor *) = {doctor_check_file, doctor_check_permission, doctor_check_name,
        doctor_check_listener, doctor_check_process, doctor_check_purpose, doctor_check_free, doctor_check_talk,
        doctor_check_spare};

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        if (!checks[i](d) || d->written != OUTCOME_DONE)
            return;
}

/* Whether two addresses lead to the same socket. */
static bool is_same_address(const char *a, const char *b)
{
    const char *path = sockets_path(a), *other_path = sockets_path(b);
    struct stat file, other;

    if (strcmp(a, b) == 0 || path == NULL || other_path == NULL)
        return strcmp(a, b) == 0;
    return stat(path, &file) == 0 && stat(other_path, &other) == 0 && file.st_ino == other.st_ino &&
           file.st_dev == other.st_dev;
}

static const struct machine *machine_find(const struct machine *machines, size_t n, const char *address)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < machines[i].n_monitors; k++)
            if (machines[i].monitors[k].address != NULL && is_same_address(machines[i].monitors[k].address, address))
                return &machines[i];
    return NULL;
}

static enum outcome result_show(struct doctor *d)
{
    enum outcome outcome;

    if (d->outcome == OUTCOME_USAGE)
        return d->outcome; /* it is no address, which has been said */
    if (d->written != OUTCOME_DONE)
        return d->written;
    if (d->objects)
        qmp_writer_end(d->steps);
    outcome = d->objects ? object_show(d) : verdict_show(d);
    return outcome == OUTCOME_DONE ? d->outcome : outcome;
}

static void heading_show(const struct doctor *d)
{
    output_print("%s", style_start(STDOUT_FILENO, STYLE_BOLD));
    output_escaped(d->address, strlen(d->address));
    if (d->machine != NULL) {
        output_print(", of the VM '");
        output_escaped(d->machine->name, strlen(d->machine->name));
        output_print("'");
    }
    output_print("%s\n", style_end(STDOUT_FILENO));
}

static enum outcome examine(struct doctor *d)
{
    int r = d->objects ? qmp_writer_new(&d->steps) : 0;

    if (r < 0)
        return outcome_of_error("writing JSON", r);
    if (d->objects)
        qmp_writer_begin_array(d->steps, NULL);
    else
        heading_show(d);
    checks_run(d);
    return result_show(d);
}

/* The address that the user means; NULL, with a complaint and its outcome, when there is none such. */
static char *address_find(const char *word, enum outcome *ret_outcome)
{
    char *address;

    *ret_outcome = mistake_check(word);
    if (*ret_outcome != OUTCOME_DONE)
        return NULL;
    address = names_is_name(word) ? names_resolve(word) : strdup(word);
    if (address == NULL)
        *ret_outcome = names_complain(word);
    return address;
}

static enum outcome doctor_run(const struct options *o, const char *const *words, size_t n_words)
{
    __attribute__((cleanup(sockets_freep))) struct sockets *sockets = NULL;
    __attribute__((cleanup(qmp_freep))) char *address = NULL;
    struct options own = *o;
    struct doctor d = {.options = &own, .objects = o->given & OPTIONS_OUTPUT};
    struct machine *machines = NULL;
    size_t n = 0;
    enum outcome outcome;

    if (n_words > 1 || (n_words == 1 && o->address != NULL)) {
        complain("'doctor' takes one address");
        return OUTCOME_USAGE;
    }
    own.address = n_words == 1 ? words[0] : connect_address(o);
    if (own.address == NULL)
        return OUTCOME_USAGE;
    address = address_find(own.address, &outcome);
    if (address == NULL)
        return outcome;
    outcome = locate_machines(&machines, &n);
    own.address = d.address = address;
    sockets = sockets_read();
    d.sockets = sockets;
    d.machine = machine_find(machines, n, address);
    if (outcome == OUTCOME_DONE)
        outcome = examine(&d);
    locate_free(machines, n);
    qmp_writer_free(d.steps);
    free(d.verdict);
    free(d.advice);
    return outcome;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .synopsis = "[ADDRESS|NAME]",
    .summary = "explain step by step what works and what does not",
    .description = "Looks at an address step by step: the file and its permissions, who listens and\n"
                   "what for, who holds the monitor, then connecting, the greeting, a command in\n"
                   "band and one out of band, and the state of the guest. It ends with a verdict,\n"
                   "and what to do. With -o or -g that is a JSON object.\n\n"
                   "The exit status is the one that any other verb would end with.\n",
    .examples = "  qmp doctor /run/vm7.qmp\n"
                "  qmp doctor vm7 -g verdict\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT,
    .run = doctor_run,
};
