/* SPDX-License-Identifier: MIT */

/* Options: one table for the whole tool.
 *
 * Every option has one meaning, one spelling and one help text wherever it appears; a verb only says which ones it
 * takes. So an option can be understood before the verb is known, and stand before or after it. Words keep their order.
 * Parsing stops at the first mistake and names it.
 *
 * To add an option: a bit, a member of struct options, a row here.
 *
 * It knows nothing of what verbs do with their options. */

#include <errno.h>
#include <qmp/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "duration.h"
#include "options.h"

/* Enough for the choices that an option has, in a complaint. */
#define CHOICES_MAX 128

typedef enum outcome (*option_fn)(struct options *o, const char *name, const char *value);

/* Appends to a list, which has room: no list can be longer than the command line. */
static enum outcome list_add(struct option_list *list, const char *value)
{
    list->items[list->n++] = value;
    return OUTCOME_DONE;
}

static enum outcome empty_refuse(const char *name, const char *value, const char *what)
{
    if (*value != '\0')
        return OUTCOME_DONE;
    complain("--%s: '' is not %s", name, what);
    return OUTCOME_USAGE;
}

static enum outcome socket_set(struct options *o, const char *name, const char *value)
{
    if (empty_refuse(name, value, "an address") != OUTCOME_DONE)
        return OUTCOME_USAGE;
    o->address = value;
    return list_add(&o->addresses, value);
}

static enum outcome tls_set(struct options *o, const char *name, const char *value)
{
    (void)name;
    o->tls_folder = value;
    return OUTCOME_DONE;
}

static enum outcome tls_name_set(struct options *o, const char *name, const char *value)
{
    (void)name;
    o->tls_name = value;
    return OUTCOME_DONE;
}

static enum outcome duration_set(uint64_t *ret, const char *name, const char *value)
{
    if (duration_parse(value, ret))
        return OUTCOME_DONE;
    complain("--%s: '%s' is not a duration: a number above 0 and a unit, such as 200ms, 5s, 2m or 1h, at most 366 days",
        name, value);
    return OUTCOME_USAGE;
}

static enum outcome connect_timeout_set(struct options *o, const char *name, const char *value)
{
    return duration_set(&o->connect_timeout, name, value);
}

static enum outcome wait_for_socket_set(struct options *o, const char *name, const char *value)
{
    return duration_set(&o->wait_for_socket, name, value);
}

static enum outcome timeout_set(struct options *o, const char *name, const char *value)
{
    enum outcome outcome = duration_set(&o->timeout, name, value);

    o->deadline = duration_deadline(o->timeout);
    return outcome;
}

static enum outcome kill_after_set(struct options *o, const char *name, const char *value)
{
    return duration_set(&o->kill_after, name, value);
}

static enum outcome where_set(struct options *o, const char *name, const char *value)
{
    const char *equals = strchr(value, '=');

    if (equals == NULL || equals == value) {
        complain("--%s: '%s' is not PATH=VALUE; write it as in data.id=job1", name, value);
        return OUTCOME_USAGE;
    }
    return list_add(&o->where, value);
}

static enum outcome number_set(size_t *ret, const char *name, const char *value)
{
    size_t digits = strspn(value, "0123456789");
    size_t number = 0;

    /* 18 digits always fit */
    for (size_t i = 0; i < digits && i < 18; i++)
        number = number * 10 + (size_t)(value[i] - '0');
    if (number == 0 || digits > 18 || value[digits] != '\0') {
        complain("--%s: '%s' is not a number; write 1 or more", name, value);
        return OUTCOME_USAGE;
    }
    *ret = number;
    return OUTCOME_DONE;
}

static enum outcome count_set(struct options *o, const char *name, const char *value)
{
    return number_set(&o->count, name, value);
}

static enum outcome queue_set(struct options *o, const char *name, const char *value)
{
    return number_set(&o->queue, name, value);
}

static enum outcome exclude_set(struct options *o, const char *name, const char *value)
{
    return empty_refuse(name, value, "the name of an event") == OUTCOME_DONE ? list_add(&o->exclude, value)
                                                                             : OUTCOME_USAGE;
}

static enum outcome until_set(struct options *o, const char *name, const char *value)
{
    return empty_refuse(name, value, "the name of an event") == OUTCOME_DONE ? list_add(&o->until, value)
                                                                             : OUTCOME_USAGE;
}

static enum outcome fail_on_set(struct options *o, const char *name, const char *value)
{
    return empty_refuse(name, value, "the name of an event") == OUTCOME_DONE ? list_add(&o->fail_on, value)
                                                                             : OUTCOME_USAGE;
}

static enum outcome graceful_set(struct options *o, const char *name, const char *value)
{
    return empty_refuse(name, value, "a class of errors") == OUTCOME_DONE ? list_add(&o->graceful, value)
                                                                          : OUTCOME_USAGE;
}

static enum outcome descriptor_set(struct options *o, const char *name, const char *value)
{
    const char *equals = strchr(value, '=');

    if (equals == NULL || equals == value || equals[1] == '\0') {
        complain("--%s: '%s' is not NAME=PATH", name, value);
        return OUTCOME_USAGE;
    }
    return list_add(&o->fds, value);
}

/* The position of a word in a list that NULL ends. */
static enum outcome choice_set(int *ret, const char *name, const char *value, const char *const *choices)
{
    char all[CHOICES_MAX] = "";
    size_t used = 0;

    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], value) == 0) {
            *ret = i;
            return OUTCOME_DONE;
        }
        if (used < sizeof(all))
            used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i == 0 ? "" : ", ", choices[i]);
    }
    complain("--%s: '%s' is none of %s", name, value, all);
    return OUTCOME_USAGE;
}

static const char *const formats[] = {
    [FORMAT_AUTO] = "auto", [FORMAT_SHORT] = "short", [FORMAT_PRETTY] = "pretty", [FORMAT_SEQ] = "seq", NULL};

static enum outcome output_set(struct options *o, const char *name, const char *value)
{
    int choice;
    enum outcome outcome = choice_set(&choice, name, value, formats);

    if (outcome == OUTCOME_DONE)
        o->format = (enum format)choice;
    return outcome;
}

static const char *const colors[] = {[COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never", NULL};

static enum outcome color_set(struct options *o, const char *name, const char *value)
{
    int choice;
    enum outcome outcome = choice_set(&choice, name, value, colors);

    if (outcome == OUTCOME_DONE)
        o->color = (enum color)choice;
    return outcome;
}

static const char *const progresses[] = {
    [PROGRESS_AUTO] = "auto", [PROGRESS_BAR] = "bar", [PROGRESS_JSON] = "json", [PROGRESS_NONE] = "none", NULL};

static enum outcome progress_set(struct options *o, const char *name, const char *value)
{
    int choice;
    enum outcome outcome = choice_set(&choice, name, value, progresses);

    if (outcome == OUTCOME_DONE)
        o->progress = (enum progress)choice;
    return outcome;
}

static enum outcome get_set(struct options *o, const char *name, const char *value)
{
    if (empty_refuse(name, value, "a path") != OUTCOME_DONE)
        return OUTCOME_USAGE;
    o->get = value;
    return OUTCOME_DONE;
}

static enum outcome write_set(struct options *o, const char *name, const char *value)
{
    if (empty_refuse(name, value, "a file") != OUTCOME_DONE)
        return OUTCOME_USAGE;
    o->write = value;
    return OUTCOME_DONE;
}

static enum outcome listen_set(struct options *o, const char *name, const char *value)
{
    if (empty_refuse(name, value, "an address") != OUTCOME_DONE)
        return OUTCOME_USAGE;
    o->listen = value;
    return OUTCOME_DONE;
}

static enum outcome run_set(struct options *o, const char *name, const char *value)
{
    if (empty_refuse(name, value, "a command") != OUTCOME_DONE)
        return OUTCOME_USAGE;
    o->run = value;
    return OUTCOME_DONE;
}

static const struct option {
    uint64_t bit;
    struct option_help help;
    option_fn set; /* NULL: takes no value, `given` is all there is */
} table[] = {
    {OPTION_WHERE,
        {0, "where", "PATH=VALUE",
            "only events with this value there, as in\n"
            "data.id=job1; given several times, all must hold"},
        where_set},
    {OPTION_EXCLUDE, {0, "exclude", "GLOB", "not these events; may be given several times"}, exclude_set},
    {OPTION_COUNT, {'c', "count", "N", "end after N of them"}, count_set},
    {OPTION_SINCE_START,
        {0, "since-start", NULL,
            "only what happened after this command started:\n"
            "not what QEMU had held back"},
        NULL},
    {OPTION_UNTIL,
        {0, "until", "EVENT",
            "end with this event; given several times, with\n"
            "the first of them"},
        until_set},
    {OPTION_FAIL_ON, {0, "fail-on", "EVENT", "fail (exit status 1) with this event"}, fail_on_set},
    {OPTION_CHECK, {0, "check", NULL, "check the words against QEMU's schema; send nothing"}, NULL},
    {OPTION_DRY_RUN, {0, "dry-run", NULL, "print the JSON that would be sent; send nothing"}, NULL},
    {OPTION_OOB, {0, "oob", NULL, "run it out of band, past a busy main loop"}, NULL},
    {OPTION_FD,
        {0, "fd", "NAME=PATH",
            "open PATH and pass its descriptor along first, under\n"
            "this NAME (getfd); may be given several times"},
        descriptor_set},
    {OPTION_GRACEFUL,
        {0, "graceful", "CLASS",
            "an error of this class is fine: its JSON is printed,\n"
            "and the exit status 0; may be given several times"},
        graceful_set},
    {OPTION_WAIT, {0, "wait", NULL, "wait for the end"}, NULL},
    {OPTION_CANCEL_ON_TIMEOUT, {0, "cancel-on-timeout", NULL, "when --timeout passes, cancel it"}, NULL},
    {OPTION_PROGRESS,
        {0, "progress", "HOW",
            "bar, json or none, on standard error\n"
            "(default: bar on a terminal, else none)"},
        progress_set},
    {OPTION_WRITE, {'w', "write", "FILE", "write to FILE"}, write_set},
    {OPTION_STDIN, {0, "stdin", NULL, "pass standard input to the program, at most 1 MiB"}, NULL},
    {OPTION_LISTEN,
        {0, "listen", "ADDRESS",
            "where clients connect: PATH, unix:@NAME,\n"
            "tcp:HOST:PORT (port 0: any), vsock:CID:PORT"},
        listen_set},
    {OPTION_RUN, {0, "run", "COMMAND", "run a shell command meanwhile"}, run_set},
    {OPTION_QUEUE, {0, "queue", "N", "how many events may wait (default: 1000)"}, queue_set},
    {OPTION_KILL_AFTER, {0, "kill-after", "DUR", "how long the program may run each time (default: 30s)"},
        kill_after_set},
    {OPTION_SOCKET,
        {'s', "socket", "ADDRESS",
            "where QEMU's monitor is: PATH, unix:@NAME,\n"
            "tcp:HOST:PORT, tcp:[IPV6]:PORT,\n"
            "vsock:CID:PORT, fd:N, exec:COMMAND, or the\n"
            "name of a VM that 'qmp ls' shows\n"
            "(default: $QMP_SOCKET); several: all of them"},
        socket_set},
    {OPTION_ALL, {'a', "all", NULL, "every VM that 'qmp ls' shows"}, NULL},
    {OPTION_TIMEOUT, {0, "timeout", "DUR", "end after this time in all: 200ms, 5s, 2m, 1h"}, timeout_set},
    {OPTION_CONNECT_TIMEOUT, {0, "connect-timeout", "DUR", "how long connecting may take (default: 5s)"},
        connect_timeout_set},
    {OPTION_WAIT_FOR_SOCKET, {0, "wait-for-socket", "DUR", "how long to wait for a QEMU that is not there yet"},
        wait_for_socket_set},
    {OPTION_TLS_X509,
        {0, "tls-x509", "DIR",
            "encrypt, with the certificates in DIR:\n"
            "ca-cert.pem, client-cert.pem, client-key.pem"},
        tls_set},
    {OPTION_TLS_PSK, {0, "tls-psk", "DIR", "encrypt, with the key in DIR/keys.psk"}, tls_set},
    {OPTION_TLS_NAME,
        {0, "tls-name", "NAME",
            "who: the name in the server's certificate\n"
            "(default: HOST), the user of the key\n"
            "(default: qemu)"},
        tls_name_set},
    {OPTION_GET,
        {'g', "get", "PATH",
            "print only the value at this path, strings bare,\n"
            "as in -g status; an absent one is an empty line"},
        get_set},
    {OPTION_OUTPUT,
        {'o', "output", "FORMAT",
            "JSON as short (a line), pretty, or seq (RFC 7464)\n"
            "(default: pretty on a terminal, else short)"},
        output_set},
    {OPTION_COLOR, {0, "color", "WHEN", "auto, always or never (default: auto, and $NO_COLOR)"}, color_set},
    {OPTION_VERBOSE, {'v', "verbose", NULL, "show what goes over the wire, on standard error"}, NULL},
    {OPTION_HELP, {'h', "help", NULL, "print this help"}, NULL},
    {OPTION_VERSION, {'V', "version", NULL, "print the version"}, NULL},
};

#define TABLE_END (table + sizeof(table) / sizeof(table[0]))

static const struct option *long_find(const char *name, size_t size)
{
    for (const struct option *option = table; option < TABLE_END; option++)
        if (strlen(option->help.long_name) == size && memcmp(option->help.long_name, name, size) == 0)
            return option;
    return NULL;
}

static const struct option *short_find(char name)
{
    for (const struct option *option = table; option < TABLE_END; option++)
        if (option->help.short_name != 0 && option->help.short_name == name)
            return option;
    return NULL;
}

/* Takes one option. `value` is what was attached to it (NULL: nothing); `*argv` is the argument after it, taken when a
 * value is wanted. */
static enum outcome option_take(struct options *o, const struct option *option, const char *value, char ***argv)
{
    const struct option_help *help = &option->help;

    o->given |= option->bit;
    if (option->set == NULL) {
        if (value == NULL)
            return OUTCOME_DONE;
        complain("--%s takes no value, but got '%s'", help->long_name, value);
        return OUTCOME_USAGE;
    }
    if (value == NULL && **argv != NULL)
        value = *(*argv)++;
    if (value == NULL) {
        complain("--%s wants a value: --%s %s", help->long_name, help->long_name, help->value);
        return OUTCOME_USAGE;
    }
    return option->set(o, help->long_name, value);
}

static enum outcome long_parse(struct options *o, const char *argument, char ***argv)
{
    size_t size = strcspn(argument + 2, "=");
    const struct option *option = long_find(argument + 2, size);

    if (option == NULL) {
        complain("unknown option '%.*s'", (int)size + 2, argument);
        return OUTCOME_USAGE;
    }
    return option_take(o, option, argument[size + 2] == '=' ? argument + size + 3 : NULL, argv);
}

static enum outcome short_parse(struct options *o, const char *argument, char ***argv)
{
    enum outcome outcome = OUTCOME_DONE;

    for (const char *letter = argument + 1; outcome == OUTCOME_DONE && *letter != '\0'; letter++) {
        const struct option *option = short_find(*letter);
        if (option == NULL) {
            if (long_find(argument + 1, strcspn(argument + 1, "=")) != NULL)
                complain("unknown option '%s': long ones have two dashes, '-%s'", argument, argument);
            else if (letter == argument + 1)
                complain("unknown option '%s'; words that start with '-' go after '--'", argument);
            else
                complain("unknown option '-%c' in '%s'; words that start with '-' go after '--'", *letter, argument);
            return OUTCOME_USAGE;
        }
        if (option->set != NULL)
            return option_take(o, option, letter[1] != '\0' ? letter + 1 : NULL, argv);
        outcome = option_take(o, option, /* value= */ NULL, argv);
    }
    return outcome;
}

/* Every list in one block: none is longer than the command line. */
static bool lists_make(struct options *o, size_t n)
{
    struct option_list *lists[] = {
        &o->addresses, &o->where, &o->exclude, &o->until, &o->fail_on, &o->graceful, &o->fds};
    const size_t n_lists = sizeof(lists) / sizeof(lists[0]);

    o->memory = calloc((n_lists + 1) * n, sizeof(*o->memory));
    if (o->memory == NULL)
        return false;
    for (size_t i = 0; i < n_lists; i++)
        lists[i]->items = o->memory + i * n;
    o->words = o->memory + n_lists * n;
    return true;
}

enum outcome options_parse(struct options *o, int argc, char **argv)
{
    enum outcome outcome = OUTCOME_DONE;
    bool ended = false;

    *o = (struct options){.connect_timeout = QMP_CONNECT_TIMEOUT,
        .timeout = QMP_FOREVER,
        .deadline = QMP_FOREVER,
        .words_after = SIZE_MAX};
    if (!lists_make(o, (size_t)argc + 1))
        return outcome_of_error("the command line", -ENOMEM);
    if (argc > 0)
        argv++;
    while (outcome == OUTCOME_DONE && *argv != NULL) {
        const char *argument = *argv++;
        if (ended || argument[0] != '-' || argument[1] == '\0')
            o->words[o->n_words++] = argument;
        else if (strcmp(argument, "--") == 0)
            o->words_after = o->n_words, ended = true;
        else if (argument[1] == '-')
            outcome = long_parse(o, argument, &argv);
        else
            outcome = short_parse(o, argument, &argv);
    }
    return outcome;
}

void options_done(struct options *o)
{
    free(o->memory);
}

enum outcome options_check(const struct options *o, uint64_t taken, const char *verb)
{
    for (const struct option *option = table; option < TABLE_END; option++) {
        if ((o->given & ~taken & option->bit) == 0)
            continue;
        complain("'%s' takes no --%s", verb, option->help.long_name);
        return OUTCOME_USAGE;
    }
    return OUTCOME_DONE;
}

bool options_next(uint64_t taken, size_t *position, struct option_help *ret)
{
    while (table + *position < TABLE_END) {
        const struct option *option = &table[(*position)++];
        if ((option->bit & taken) == 0)
            continue;
        *ret = option->help;
        return true;
    }
    return false;
}

const char *const *options_choices(const char *long_name)
{
    static const struct {
        const char *name;
        const char *const *choices;
    } rows[] = {{"output", formats}, {"color", colors}, {"progress", progresses}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].name, long_name) == 0)
            return rows[i].choices;
    return NULL;
}
