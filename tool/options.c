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
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "duration.h"
#include "options.h"

typedef enum outcome (*option_fn)(struct options *o, const char *name, const char *value);

static enum outcome socket_set(struct options *o, const char *name, const char *value)
{
    (void)name;
    o->address = value;
    return OUTCOME_DONE;
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
    complain("--%s: '%s' is not a duration; write a number and a unit, such as 200ms, 5s, 2m or 1h", name, value);
    return OUTCOME_USAGE;
}

static enum outcome connect_timeout_set(struct options *o, const char *name, const char *value)
{
    return duration_set(&o->connect_timeout, name, value);
}

static enum outcome timeout_set(struct options *o, const char *name, const char *value)
{
    o->timeout_text = value;
    return duration_set(&o->timeout, name, value);
}

static enum outcome where_set(struct options *o, const char *name, const char *value)
{
    const char *equals = strchr(value, '=');

    if (equals == NULL || equals == value) {
        complain("--%s: '%s' is not PATH=VALUE; write it as in data.id=job1", name, value);
        return OUTCOME_USAGE;
    }
    o->where[o->n_where++] = value;
    return OUTCOME_DONE;
}

static enum outcome count_set(struct options *o, const char *name, const char *value)
{
    size_t digits = strspn(value, "0123456789");
    size_t count = 0;

    /* 18 digits always fit */
    for (size_t i = 0; i < digits && i < 18; i++)
        count = count * 10 + (size_t)(value[i] - '0');
    if (count == 0 || digits > 18 || value[digits] != '\0') {
        complain("--%s: '%s' is not a number of events; write 1 or more", name, value);
        return OUTCOME_USAGE;
    }
    o->count = count;
    return OUTCOME_DONE;
}

static const struct option {
    unsigned bit;
    struct option_help help;
    option_fn set; /* NULL: takes no value, `given` is all there is */
} table[] = {
    {OPTION_SOCKET,
        {'s', "socket", "ADDRESS",
            "where QEMU's monitor is: PATH, unix:@NAME,\n"
            "tcp:HOST:PORT, tcp:[IPV6]:PORT,\n"
            "vsock:CID:PORT, fd:N or exec:COMMAND\n"
            "(default: $QMP_SOCKET)"},
        socket_set},
    {OPTION_WHERE,
        {0, "where", "PATH=VALUE",
            "only events with this value there, as in\n"
            "data.id=job1; given several times, all must hold"},
        where_set},
    {OPTION_COUNT, {0, "count", "N", "end after N events"}, count_set},
    {OPTION_TIMEOUT, {0, "timeout", "DUR", "end after this time in all: 200ms, 5s, 2m, 1h"}, timeout_set},
    {OPTION_CONNECT_TIMEOUT, {0, "connect-timeout", "DUR", "how long connecting may take (default: 5s)"},
        connect_timeout_set},
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
    {OPTION_HELP, {'h', "help", NULL, "print this help"}, NULL},
    {OPTION_VERSION, {0, "version", NULL, "print the version"}, NULL},
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

enum outcome options_parse(struct options *o, int argc, char **argv)
{
    enum outcome outcome = OUTCOME_DONE;
    bool ended = false;

    *o = (struct options){.connect_timeout = QMP_CONNECT_TIMEOUT, .timeout = QMP_FOREVER};
    o->where = calloc((size_t)argc + 1, sizeof(*o->where));
    o->words = calloc((size_t)argc + 1, sizeof(*o->words));
    if (o->where == NULL || o->words == NULL)
        return outcome_of_error("the command line", -ENOMEM);
    if (argc > 0)
        argv++;
    while (outcome == OUTCOME_DONE && *argv != NULL) {
        const char *argument = *argv++;
        if (ended || argument[0] != '-' || argument[1] == '\0')
            o->words[o->n_words++] = argument;
        else if (strcmp(argument, "--") == 0)
            ended = true;
        else if (argument[1] == '-')
            outcome = long_parse(o, argument, &argv);
        else
            outcome = short_parse(o, argument, &argv);
    }
    return outcome;
}

void options_done(struct options *o)
{
    free(o->where);
    free(o->words);
}

enum outcome options_check(const struct options *o, unsigned taken, const char *verb)
{
    for (const struct option *option = table; option < TABLE_END; option++) {
        if ((o->given & ~taken & option->bit) == 0)
            continue;
        complain("'%s' takes no --%s", verb, option->help.long_name);
        return OUTCOME_USAGE;
    }
    return OUTCOME_DONE;
}

bool options_next(unsigned taken, size_t *position, struct option_help *ret)
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
