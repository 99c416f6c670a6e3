/* SPDX-License-Identifier: MIT */

/* What may stand where on a command line of qmp: two tables, one of verbs and one of options.
 *
 * A verb or an option that is in neither takes words that cannot be known, such as a duration. It knows nothing of how
 * the line was sorted, and of what is printed. */

#include <stdio.h>
#include <string.h>

#include "complete.h"
#include "kind.h"
#include "locate.h"
#include "meta.h"
#include "tab.h"

/* Room for the name of a verb, with that of its family. */
#define NAME_MAX_BYTES 64
/* The longest candidate that is made here. */
#define WORD_MAX 512
#define MEANING_MAX 128

typedef void (*tab_fn)(struct tab *t);

static void verbs_print(struct tab *t, const struct verb *const *table)
{
    for (; *table != NULL; table++)
        if (!(*table)->hidden)
            tab_candidate((*table)->name, (*table)->summary, /* finished= */ true, t);
}

static void choices_print(struct tab *t, const char *const *choices)
{
    for (; *choices != NULL; choices++)
        tab_candidate(*choices, "", /* finished= */ true, t);
}

/* How many words there were after the name of the verb. */
static size_t words_count(const struct tab *t)
{
    return t->n_words - t->n_name;
}

static void files(struct tab *t)
{
    tab_files(t, 0);
}

static void names_print(struct tab *t, bool commands, bool events)
{
    const struct schema *s = tab_schema(t);

    if (s != NULL)
        complete_name(s, commands, events, t->current, tab_candidate, t);
}

static void events(struct tab *t)
{
    names_print(t, /* commands= */ false, /* events= */ true);
}

static void names(struct tab *t)
{
    names_print(t, /* commands= */ true, /* events= */ true);
}

/* A command and its arguments. In "KEY=@FILE", the value is what is in a file. */
static void call(struct tab *t)
{
    const struct schema *s = tab_schema(t);
    const char *equals = strchr(t->current, '=');

    if (words_count(t) > 0 && equals != NULL && equals[1] == '@') {
        tab_files(t, (size_t)(equals - t->current) + 2);
    } else if (s != NULL) {
        t->words[t->n_words] = t->current; /* there is room for it */
        complete_call(s, t->words + t->n_name, words_count(t) + 1, tab_candidate, t);
    }
}

static void help(struct tab *t)
{
    size_t used = 0;
    const struct verb *verb = verb_look(t->words + t->n_name, words_count(t), &used);

    if (words_count(t) == 0) {
        verbs_print(t, verbs);
        names(t);
    } else if (verb != NULL && verb->family != NULL && used == words_count(t)) {
        verbs_print(t, verb->family);
    }
}

/* The values of an enum, behind what is written up to its last '=' or ','. */
static void values_print(struct tab *t, const char *entity, const char *key, const char *member)
{
    const struct schema *s = tab_schema(t);
    const char *equals = strrchr(t->current, '='), *comma = strrchr(t->current, ',');
    size_t kept = (size_t)((comma != NULL ? comma : equals) - t->current) + 1;
    qmp_value object, type, item = {NULL, 0}, value;

    if (s == NULL)
        return;
    object = schema_named(s, qmp_value_member(schema_find(s, entity), key));
    type = schema_named(s, qmp_value_member(meta_member(object, (qmp_value){member, strlen(member)}), "type"));
    while (kind_next_value(type, &item, &value)) {
        qmp_value name = meta_bare(value);
        char word[WORD_MAX];
        int n = snprintf(word, sizeof(word), "%.*s%.*s", (int)kept, t->current, (int)name.size, name.text);
        if (n > 0 && (size_t)n < sizeof(word) && complete_is_plain(name.text, name.size))
            tab_candidate(word, "", /* finished= */ true, t);
    }
}

static void conditions(struct tab *t)
{
    if (strncmp(t->current, "state=", 6) == 0) {
        values_print(t, "query-status", "ret-type", "status");
    } else if (strncmp(t->current, "job:", 4) == 0 && strchr(t->current, '=') != NULL) {
        values_print(t, "JOB_STATUS_CHANGE", "arg-type", "status");
    } else {
        tab_candidate("ready", "there is a QEMU, and it greets", /* finished= */ true, t);
        tab_candidate("gone", "there is none, or no longer", /* finished= */ true, t);
        tab_candidate("state=", "the VM is running, paused, ...", /* finished= */ false, t);
        tab_candidate("job:", "job:ID=STATUS, as concluded", /* finished= */ false, t);
        events(t);
    }
}

static void hook(struct tab *t)
{
    if (t->words_after == SIZE_MAX)
        events(t);
    else
        files(t);
}

static void kinds(struct tab *t)
{
    static const char *const choices[] = {"commands", "events", "types", NULL};

    choices_print(t, choices);
    names(t);
}

/* The VMs of this machine. */
static void machines(struct tab *t)
{
    struct machine *found = NULL;
    size_t n = 0;

    if (locate_machines(&found, &n) != OUTCOME_DONE)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct machine *m = &found[i];
        char meaning[MEANING_MAX];
        snprintf(meaning, sizeof(meaning), "%s, pid %ld", m->program != NULL ? m->program : "a socket", m->pid);
        if (complete_is_plain(m->name, strlen(m->name)))
            tab_candidate(m->name, meaning, /* finished= */ true, t);
    }
    locate_free(found, n);
}

static void addresses(struct tab *t)
{
    machines(t);
    tab_files(t, 0);
}

static void migrate(struct tab *t)
{
    static const char *const starts[] = {"tcp:", "unix:", "exec:", "fd:", NULL};
    const struct schema *s = tab_schema(t);

    if (words_count(t) == 0) {
        choices_print(t, starts);
    } else if (s != NULL) {
        t->words[t->n_words] = t->current; /* there is room for it */
        complete_members(s, qmp_value_member(schema_find(s, "migrate"), "arg-type"), t->words + t->n_name + 1,
            words_count(t), tab_candidate, t);
    }
}

static void shutdown_modes(struct tab *t)
{
    static const char *const modes[] = {"powerdown", "halt", "reboot", NULL};

    choices_print(t, modes);
}

/* A value of --where: what is in the events that are named. */
static void where_candidate(const char *candidate, const char *meaning, bool finished, void *userdata)
{
    char word[WORD_MAX];

    snprintf(word, sizeof(word), "data.%s", candidate);
    tab_candidate(word, meaning, finished, userdata);
}

static void where(struct tab *t)
{
    const struct schema *s = tab_schema(t);
    const char *path = t->current + strlen("data.");

    if (strncmp(t->current, "data.", strlen("data.")) != 0) {
        tab_candidate("data.", "what the event says", /* finished= */ false, t);
        return;
    }
    for (size_t i = t->n_name; s != NULL && i < t->n_words; i++) {
        qmp_value event = schema_find(s, t->words[i]);
        if (meta_of(event) == META_EVENT)
            complete_members(s, qmp_value_member(event, "arg-type"), &path, 1, where_candidate, t);
    }
}

/* A path into what the command returns. */
static void get(struct tab *t)
{
    const struct schema *s = tab_schema(t);
    qmp_value command;

    if (s == NULL || t->verb != &verb_call || words_count(t) == 0)
        return;
    command = schema_find(s, t->words[t->n_name]);
    complete_path(s, qmp_value_member(command, "ret-type"), t->current, tab_candidate, t);
}

static void classes(struct tab *t)
{
    static const char *const choices[] = {
        "GenericError", "CommandNotFound", "DeviceNotActive", "DeviceNotFound", "KVMMissingCap", NULL};

    choices_print(t, choices);
}

/* "NAME=PATH" */
static void descriptor(struct tab *t)
{
    const char *equals = strchr(t->current, '=');

    if (equals != NULL)
        tab_files(t, (size_t)(equals - t->current) + 1);
}

static const struct {
    const char *name;
    tab_fn print;
} of_verbs[] = {
    {"call", call},
    {"doctor", addresses},
    {"events", events},
    {"ga put", files},
    {"ga shutdown", shutdown_modes},
    {"help", help},
    {"hook", hook},
    {"job run", call},
    {"ls", machines},
    {"migrate", migrate},
    {"replay", files},
    {"run", call},
    {"schema diff", addresses},
    {"schema ls", kinds},
    {"schema show", names},
    {"wait", conditions},
};

static const struct {
    const char *name;
    tab_fn print;
} of_options[] = {
    {"exclude", events},
    {"fail-on", events},
    {"fd", descriptor},
    {"get", get},
    {"graceful", classes},
    {"socket", addresses},
    {"tls-psk", files},
    {"tls-x509", files},
    {"until", events},
    {"where", where},
    {"write", files},
};

void tab_word(struct tab *t)
{
    char name[NAME_MAX_BYTES];

    if (t->n_words == 0) {
        verbs_print(t, verbs);
        return;
    }
    if (t->verb == NULL)
        return;
    if (t->verb->family != NULL) {
        if (t->n_name == t->n_words)
            verbs_print(t, t->verb->family);
        return;
    }
    snprintf(name, sizeof(name), "%s%s%s", t->words[0], t->n_name > 1 ? " " : "", t->n_name > 1 ? t->words[1] : "");
    for (size_t i = 0; i < sizeof(of_verbs) / sizeof(of_verbs[0]); i++)
        if (strcmp(of_verbs[i].name, name) == 0)
            of_verbs[i].print(t);
}

void tab_value(struct tab *t)
{
    const char *const *choices = options_choices(t->option);

    if (choices != NULL)
        choices_print(t, choices);
    for (size_t i = 0; i < sizeof(of_options) / sizeof(of_options[0]); i++)
        if (strcmp(of_options[i].name, t->option) == 0)
            of_options[i].print(t);
}
