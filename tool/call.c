/* SPDX-License-Identifier: MIT */

/* The verb call: one command, one answer.
 *
 * Everything that can be wrong with the words, standard input included, is found before the monitor is taken, because
 * it serves one client at a time. The answer is the value alone; an error of QEMU's goes to standard error and into the
 * exit status, so that a script needs to parse nothing to know that it failed. */

#include "arguments.h"
#include "ask.h"
#include "complain.h"
#include "connect.h"
#include "output.h"
#include "verb.h"

/* Refuses what cannot be sent as the name of a command. */
static enum outcome command_check(const char *command)
{
    __attribute__((cleanup(qmp_freep))) char *json = qmp_json("%s", command);

    if (*command != '\0' && json != NULL)
        return OUTCOME_DONE;
    complain("'%s' is not the name of a command", command);
    return OUTCOME_USAGE;
}

static enum outcome answer_print(const char *command, const qmp_message *reply)
{
    enum outcome outcome = output_json(qmp_reply_value(reply));

    if (outcome == OUTCOME_DONE)
        outcome = output_flush();
    if (outcome != OUTCOME_DONE)
        complain("%s was executed all the same; only its answer is lost", command);
    return outcome;
}

static enum outcome call_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    __attribute__((cleanup(qmp_freep))) char *arguments = NULL;
    enum outcome outcome = command_check(words[0]);

    if (outcome == OUTCOME_DONE)
        outcome = arguments_make(words + 1, n - 1, &arguments);
    if (outcome == OUTCOME_DONE)
        outcome = connect_open(o, /* l= */ NULL, &c);
    if (outcome == OUTCOME_DONE)
        outcome = ask(o, c, words[0], arguments, &reply);
    return outcome == OUTCOME_DONE ? answer_print(words[0], reply) : outcome;
}

const struct verb verb_call = {
    .name = "call",
    .synopsis = "COMMAND [KEY=VALUE... | JSON | -]",
    .summary = "run a command and print what it returns",
    .description = "Runs a command and prints what it returns, as one line of JSON. When QEMU\n"
                   "answers with an error, that goes to standard error, and the exit status is 1.\n\n"
                   "Arguments:\n"
                   "  KEY=VALUE   VALUE is taken as JSON when it is a JSON number, true, false,\n"
                   "              null, object or array; anything else is a string, as it stands\n"
                   "  KEY:=JSON   exactly this JSON: id:='\"5\"' is a string, where id=5 is a number\n"
                   "  A.B=VALUE   member B of object A; A.0=VALUE the first item of array A;\n"
                   "              a dot inside a key is written '\\.'\n"
                   "  JSON        all arguments as one object: '{\"id\": \"disk0\"}'\n"
                   "  -           the same from standard input\n",
    .examples = "  qmp call query-status\n"
                "  qmp call blockdev-add driver=raw node-name=d0 file.driver=file file.filename=d0\n"
                "  qmp call human-monitor-command command-line='info block'\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT,
    .words_min = 1,
    .several = true,
    .run = call_run,
};
