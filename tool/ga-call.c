/* SPDX-License-Identifier: MIT */

/* The verb ga call: any command of the agent, one answer.
 *
 * An agent has no schema to ask for, so arguments are typed by their looks. A command that answers only errors prints
 * nothing. It knows nothing of what commands mean. */

#include "arguments.h"
#include "ga.h"
#include "output.h"
#include "typing.h"

static enum outcome call_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    __attribute__((cleanup(arguments_done))) struct arguments a = {NULL, NULL};
    __attribute__((cleanup(qmp_freep))) char *json = NULL;
    enum outcome outcome = arguments_parse(words + 1, n - 1, &a);

    if (outcome == OUTCOME_DONE)
        outcome = typing_make_offline(/* s= */ NULL, words[0], &a, &json);
    if (outcome == OUTCOME_DONE)
        outcome = ga_open(o, &c);
    if (outcome == OUTCOME_DONE)
        outcome = ga_ask(o, c, words[0], json, &reply);
    return outcome == OUTCOME_DONE && reply != NULL ? output_json(qmp_reply_value(reply)) : outcome;
}

const struct verb verb_ga_call = {
    .name = "call",
    .synopsis = "COMMAND [KEY=VALUE... | JSON | -]",
    .summary = "run any other command of the agent",
    .description = "Runs a command of the guest agent and prints what it returns. 'qmp ga info'\n"
                   "lists the commands. A VALUE that is JSON, but not a JSON string, is taken as\n"
                   "that; anything else is a string. KEY:=JSON is exact, as in 'qmp call --help'.\n",
    .examples = "  qmp ga call guest-get-osinfo -g pretty-name\n"
                "  qmp ga call guest-set-user-password username=root crypted=false password=c2VjcmV0\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT,
    .words_min = 1,
    .several = true,
    .run = call_run,
};
