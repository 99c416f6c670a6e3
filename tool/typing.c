/* SPDX-License-Identifier: MIT */

/* Arguments, typed or checked by the schema of a server.
 *
 * A schema that was kept from before may be another program's: QEMU and its storage daemon greet alike. So it is
 * trusted to say that everything is fine, and when it says that something is not, the server is asked for its own,
 * which has the last word. What device_add hands on to the device no schema knows; the server is asked for the device's
 * properties.
 *
 * It knows nothing of types. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "coerce.h"
#include "complain.h"
#include "guess.h"
#include "inspect.h"
#include "typing.h"

/* What is to be found out about a command. */
struct task {
    const char *command;
    const struct arguments *arguments;
    bool check; /* else: make */
    bool oob;
    char **ret; /* where to make the JSON text */
};

static const qmp_value absent = {NULL, 0};

static enum outcome json_copy(const struct arguments *a, char **ret)
{
    *ret = a->json != NULL ? strdup(a->json) : NULL;
    return *ret != NULL || a->json == NULL ? OUTCOME_DONE : outcome_of_error("arguments", -ENOMEM);
}

static enum outcome make(struct judge *j, const struct task *t)
{
    *t->ret = NULL;
    if (t->arguments->tree == NULL)
        return json_copy(t->arguments, t->ret);
    if (j->schema != NULL && qmp_value_type(judge_command(j)) == QMP_ABSENT)
        j->faults++; /* the server says it */
    return coerce(j, t->arguments->tree, t->ret);
}

static void command_guess(const struct schema *s, struct guess *guess)
{
    qmp_value entity;
    size_t position = 0;

    while (s != NULL && schema_next(s, &position, &entity)) {
        qmp_value name = qmp_value_member(entity, "name");
        if (qmp_value_equals(qmp_value_member(entity, "meta-type"), "command"))
            guess_add_sized(guess, name.text + 1, name.size - 2);
    }
}

static enum outcome command_unknown(struct judge *j)
{
    struct guess guess = guess_start(j->command);

    command_guess(j->schema, &guess);
    if (guess.best[0] != '\0')
        judge_fault(j, "there is no such command; did you mean '%s'?", guess.best);
    else
        judge_fault(j, "there is no such command");
    return OUTCOME_UNKNOWN;
}

static enum outcome check_run(struct judge *j, const struct task *t)
{
    __attribute__((cleanup(qmp_freep))) char *json = NULL;
    const struct task made = {t->command, t->arguments, true, t->oob, &json};
    enum outcome outcome;
    qmp_value v = absent;
    bool oob = false;

    if (j->schema == NULL) {
        judge_fault(j, "cannot be checked: the server has no schema");
        return OUTCOME_REFUSED;
    }
    if (qmp_value_type(judge_command(j)) == QMP_ABSENT)
        return command_unknown(j);
    j->checking = true;
    outcome = make(j, &made);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (json != NULL)
        (void)qmp_json_check(json, strlen(json), &v, /* reterr_description= */ NULL); /* it was made of what is */
    inspect(j, v);
    (void)qmp_value_bool(qmp_value_member(judge_command(j), "allow-oob"), &oob);
    if (t->oob && !oob)
        judge_fault(j, "it does not run out of band");
    return j->faults > 0 ? OUTCOME_USAGE : OUTCOME_DONE;
}

static enum outcome task_run(struct judge *j, const struct task *t)
{
    j->faults = j->remarks = 0;
    return t->check ? check_run(j, t) : make(j, t);
}

/* The text of a member of the arguments; NULL when there is none. The caller's to free(). */
static char *argument_text(const struct arguments *a, const char *name)
{
    const struct tree *node = a->tree != NULL ? tree_find(a->tree, name) : NULL;
    const char *text = a->json;
    qmp_value v = absent;
    char *ret = NULL;

    if (node != NULL && node->kind == TREE_LEAF && !node->exact)
        return strdup(node->text);
    if (node != NULL)
        text = node->text;
    if (text == NULL || qmp_json_check(text, strlen(text), &v, /* reterr_description= */ NULL) < 0)
        return NULL;
    (void)qmp_value_string(node != NULL ? v : qmp_value_member(v, name), &ret, /* ret_size= */ NULL);
    return ret;
}

/* The properties of the device, where the command adds one. */
static enum outcome device_ask(const struct options *o, qmp_client *c, const struct task *t, struct properties **ret)
{
    __attribute__((cleanup(qmp_freep))) char *driver = NULL;

    if (strcmp(t->command, "device_add") != 0)
        return OUTCOME_DONE;
    driver = argument_text(t->arguments, "driver");
    return driver != NULL ? properties_ask(o, c, driver, ret) : OUTCOME_DONE;
}

/* Runs a task by a schema that was kept, and by the server's own where that finds fault. */
static enum outcome task_run_connected(const struct options *o, qmp_client *c, const struct task *t)
{
    __attribute__((cleanup(properties_freep))) struct properties *properties = NULL;
    __attribute__((cleanup(schema_freep))) struct schema *kept = NULL, *own = NULL;
    struct judge j = {.properties = NULL, .command = t->command};
    enum outcome outcome = cache_get(o, c, /* fresh= */ false, &kept);

    if (outcome == OUTCOME_DONE && kept != NULL)
        outcome = device_ask(o, c, t, &properties);
    if (outcome != OUTCOME_DONE)
        return outcome;
    j.schema = kept;
    j.properties = properties;
    j.quiet = kept != NULL && !schema_is_live(kept);
    outcome = task_run(&j, t);
    if (!j.quiet || j.faults + j.remarks == 0)
        return outcome;
    if (t->ret != NULL) {
        free(*t->ret);
        *t->ret = NULL;
    }
    outcome = cache_get(o, c, /* fresh= */ true, &own);
    if (outcome != OUTCOME_DONE)
        return outcome;
    j.schema = own;
    j.quiet = false;
    return task_run(&j, t);
}

static enum outcome task_run_offline(const struct schema *s, const struct task *t)
{
    return task_run(&(struct judge){.schema = s, .command = t->command}, t);
}

enum outcome typing_make(
    const struct options *o, qmp_client *c, const char *command, const struct arguments *a, char **ret)
{
    const struct task t = {command, a, false, false, ret};

    return a->tree != NULL ? task_run_connected(o, c, &t) : json_copy(a, ret);
}

enum outcome typing_make_offline(const struct schema *s, const char *command, const struct arguments *a, char **ret)
{
    return task_run_offline(s, &(struct task){command, a, false, false, ret});
}

enum outcome typing_check(
    const struct options *o, qmp_client *c, const char *command, const struct arguments *a, bool oob)
{
    return task_run_connected(o, c, &(struct task){command, a, true, oob, NULL});
}

enum outcome typing_check_offline(const struct schema *s, const char *command, const struct arguments *a, bool oob)
{
    return task_run_offline(s, &(struct task){command, a, true, oob, NULL});
}

void typing_suggest(const struct schema *s, const char *command)
{
    struct guess guess = guess_start(command);

    command_guess(s, &guess);
    if (guess.best[0] != '\0')
        complain("did you mean '%s'?", guess.best);
}
