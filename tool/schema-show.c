/* SPDX-License-Identifier: MIT */

/* The verbs schema and schema show: the declaration of commands, events and types. */

#include "output.h"
#include "signature.h"
#include "source.h"
#include "verb.h"

static enum outcome show_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(schema_freep))) struct schema *s = NULL;
    enum outcome outcome = source_get(o, &s);

    for (size_t i = 0; outcome == OUTCOME_DONE && i < n; i++) {
        qmp_value entity;
        bool json = o->given & OPTIONS_OUTPUT;
        outcome = source_entity(s, words[i], &entity);
        if (outcome == OUTCOME_DONE && i > 0 && !json)
            outcome = output_text("\n", 1);
        if (outcome == OUTCOME_DONE)
            outcome = json ? output_json(entity) : signature_print(s, entity);
    }
    return outcome;
}

static const struct verb verb_schema_show = {
    .name = "show",
    .synopsis = "NAME...",
    .summary = "show what a command takes and returns, what an event brings",
    .description = "Shows commands, events and types as declarations:\n"
                   "  NAME: TYPE      a member that must be there, its type after the colon\n"
                   "  NAME?: TYPE     one that may be left out\n"
                   "  a | b           one of these values or types\n"
                   "  [TYPE]          a list\n"
                   "  { ... }         an object, its members one a line\n"
                   "  tag = a, b: {   what is in the object, too, where tag has one of these values\n"
                   "  <PATH>          the type that stands at this path already\n"
                   "  (deprecated)    a mark: deprecated, unstable, out-of-band and others\n"
                   "With -o or -g, prints what the server says about each, as JSON.\n",
    .examples = "  qmp schema show block-commit\n"
                "  qmp schema show BLOCK_JOB_READY -o pretty\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT,
    .words_min = 1,
    .run = show_run,
};

extern const struct verb verb_schema_ls, verb_schema_diff;

const struct verb verb_schema = {
    .name = "schema",
    .synopsis = "ls | show | diff",
    .summary = "what a server has: its commands, events and their types",
    .description = "Reads the schema by which a server describes itself (query-qmp-schema): the\n"
                   "one at -s ADDRESS, or, when it is down, the one that was last seen.\n",
    .examples = "  qmp schema ls 'block*'\n"
                "  qmp schema show block-commit\n"
                "  qmp schema diff /tmp/old.qmp /tmp/new.qmp\n",
    .family = (const struct verb *const[]){&verb_schema_ls, &verb_schema_show, &verb_schema_diff, NULL},
};
