/* SPDX-License-Identifier: MIT */

/* The verb call: one command, one answer.
 *
 * Everything that can be wrong with the words, standard input and files included, is found before the monitor is taken,
 * because it serves one client at a time. What depends on the command is found once its schema is known, and before
 * anything is sent. The answer is the value alone; an error of QEMU's goes to standard error and into the exit status,
 * so that a script needs to parse nothing to know that it failed.
 *
 * Without arguments no schema is read: nothing stands between the greeting and the command. */

#include <errno.h>

#include "arguments.h"
#include "ask.h"
#include "complain.h"
#include "connect.h"
#include "descriptors.h"
#include "duration.h"
#include "output.h"
#include "refusal.h"
#include "rehearse.h"
#include "typing.h"
#include "verb.h"

static enum outcome answer_print(const char *command, const qmp_message *reply)
{
    enum outcome outcome = output_json(qmp_reply_value(reply));

    if (outcome == OUTCOME_DONE)
        outcome = output_flush();
    if (outcome != OUTCOME_DONE)
        complain("%s was executed all the same; only its answer is lost", command);
    return outcome;
}

static enum outcome command_send(const struct options *o, qmp_client *c, const char *command, const char *arguments)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL, *refusal = NULL;
    __attribute__((cleanup(qmp_pending_unrefp))) qmp_pending *pending = NULL;
    struct qmp_request request = QMP_REQUEST_INIT;
    int r;

    request.command = command;
    request.arguments = arguments;
    request.oob = o->given & OPTION_OOB;
    r = qmp_client_send_full(c, &request, /* callback= */ NULL, /* userdata= */ NULL, &pending);
    if (r >= 0)
        r = qmp_pending_wait(pending, duration_until(o->deadline), &reply, &refusal);
    if (r >= 0)
        return answer_print(command, reply);
    if (r == -EREMOTEIO)
        return refusal_handle(o, c, command, refusal);
    if (r == -EOPNOTSUPP) {
        complain("--oob: this monitor runs nothing out of band");
        return OUTCOME_USAGE;
    }
    return ask_failed(o, c, command, r);
}

static enum outcome call_make(const struct options *o, const char *command, const struct arguments *a)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    __attribute__((cleanup(descriptors_done))) struct descriptors descriptors = {NULL, 0};
    __attribute__((cleanup(qmp_freep))) char *json = NULL;
    enum outcome outcome = descriptors_open(o, &descriptors);

    if (outcome == OUTCOME_DONE)
        outcome = connect_open(o, /* l= */ NULL, &c);
    if (outcome == OUTCOME_DONE)
        outcome = typing_make(o, c, command, a, &json);
    if (outcome == OUTCOME_DONE)
        outcome = descriptors_send(o, c, &descriptors);
    return outcome == OUTCOME_DONE ? command_send(o, c, command, json) : outcome;
}

static enum outcome call_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(arguments_done))) struct arguments a = {NULL, NULL};
    enum outcome outcome = ask_check(words[0]);

    if (outcome == OUTCOME_DONE)
        outcome = arguments_parse(words + 1, n - 1, &a);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (o->given & (OPTION_CHECK | OPTION_DRY_RUN))
        return rehearse(o, words[0], &a);
    return call_make(o, words[0], &a);
}

const struct verb verb_call = {
    .name = "call",
    .synopsis = "COMMAND [KEY=VALUE... | JSON | -]",
    .summary = "run a command and print what it returns",
    .description = "Runs a command and prints what it returns, as one line of JSON. When QEMU\n"
                   "answers with an error, that goes to standard error, and the exit status is 1.\n\n"
                   "Arguments:\n"
                   "  KEY=VALUE   VALUE becomes what QEMU's schema says: a string, a number (0x10,\n"
                   "              64K, 1.5G), a bool (on, off, true, false, yes, no), a list (a,b or\n"
                   "              JSON), an object (JSON); where the schema says nothing, JSON if\n"
                   "              VALUE is JSON, else a string\n"
                   "  KEY:=JSON   exactly this JSON\n"
                   "  KEY=@FILE   the text in FILE ('-' is standard input); KEY:=@FILE the JSON\n"
                   "              in it; KEY=@@X is the text '@X'\n"
                   "  A.B=VALUE   member B of object A; A.0=VALUE the first item of list A;\n"
                   "              a dot inside a key is written '\\.'\n"
                   "  JSON        all arguments as one object: '{\"id\": \"disk0\"}'\n"
                   "  -           the same from standard input\n\n"
                   "What the schema does not know is sent all the same, with a warning. --check and\n"
                   "--dry-run work without QEMU, too, with the schema that was seen last.\n",
    .examples = "  qmp call query-status\n"
                "  qmp call -g . human-monitor-command command-line='info block'\n"
                "  qmp call blockdev-add driver=raw node-name=d0 file.driver=file file.filename=d0\n"
                "  qmp call --fd tap0=/dev/tap3 netdev_add type=tap id=net0 fd=tap0\n",
    .options =
        OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_CHECK | OPTION_DRY_RUN | OPTION_OOB | OPTION_FD | OPTION_GRACEFUL,
    .words_min = 1,
    .several = true,
    .run = call_run,
};
