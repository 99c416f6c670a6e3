/* SPDX-License-Identifier: MIT */

/* What a server's refusal means, and what to do about it.
 *
 * The server's own words come first. Only then is the schema looked at, and asked for if it must be, to name what was
 * perhaps meant: a command that is refused is slow, one that is not is not. */

#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "cache.h"
#include "complain.h"
#include "output.h"
#include "refusal.h"
#include "typing.h"

/* Room for the names of the commands that run out of band. */
#define NAMES_MAX 256

/* The schema, if it can be had, that a command which the server does not know is missing in. */
static struct schema *schema_without(const struct options *o, qmp_client *c, const char *command)
{
    struct schema *s = cache_try(o, c, /* fresh= */ false);

    if (s == NULL || schema_is_live(s) || qmp_value_type(schema_find(s, command)) == QMP_ABSENT)
        return s;
    schema_free(s); /* it is another program's */
    return cache_try(o, c, /* fresh= */ true);
}

/* Names the commands that run out of band. */
static void oob_suggest(const struct schema *s)
{
    char names[NAMES_MAX] = "";
    size_t position = 0, used = 0;
    qmp_value entity;

    while (s != NULL && used < sizeof(names) && schema_next(s, &position, &entity)) {
        qmp_value name = qmp_value_member(entity, "name");
        bool oob = false;
        if (qmp_value_bool(qmp_value_member(entity, "allow-oob"), &oob) < 0 || !oob)
            continue;
        used += (size_t)snprintf(
            names + used, sizeof(names) - used, "%s%.*s", used > 0 ? ", " : "", (int)name.size - 2, name.text + 1);
    }
    if (used > 0)
        complain("out of band run: %s", names);
}

/* What to say in addition to the server's error. */
static void refusal_explain(const struct options *o, qmp_client *c, const char *command, const char *class)
{
    __attribute__((cleanup(schema_freep))) struct schema *s = NULL;
    qmp_value entity;
    bool oob = false;

    if (strcmp(class, "CommandNotFound") == 0) {
        s = schema_without(o, c, command);
        if (s != NULL && qmp_value_type(schema_find(s, command)) == QMP_ABSENT)
            typing_suggest(s, command);
        return;
    }
    if ((o->given & OPTION_OOB) == 0)
        return;
    s = cache_try(o, c, /* fresh= */ false);
    entity = s != NULL ? schema_find(s, command) : (qmp_value){NULL, 0};
    (void)qmp_value_bool(qmp_value_member(entity, "allow-oob"), &oob); /* absent: it does not */
    if (!oob)
        oob_suggest(s);
}

enum outcome refusal_handle(const struct options *o, qmp_client *c, const char *command, const qmp_message *refusal)
{
    const char *class = qmp_reply_error_class(refusal);
    enum outcome outcome;

    for (size_t i = 0; i < o->graceful.n; i++)
        if (strcmp(o->graceful.items[i], class) == 0)
            return output_json(qmp_value_member(qmp_message_root(refusal), "error"));
    outcome = ask_refused(command, refusal);
    refusal_explain(o, c, command, class);
    return outcome;
}
