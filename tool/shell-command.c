/* SPDX-License-Identifier: MIT */

/* What a line of the shell means, and doing it.
 *
 * In this order: a line for the human monitor, JSON as it goes over the wire, the end of a transaction, a command of
 * the shell's own, an action of the transaction that is open, a command of QEMU. Everything that can be wrong with the
 * words is found before anything is sent.
 *
 * It knows nothing of how lines come to be. */

#include <errno.h>
#include <string.h>

#include "complain.h"
#include "output.h"
#include "shell-builtin.h"
#include "shell-line.h"
#include "shell-pipe.h"
#include "shell-transaction.h"
#include "shell.h"
#include "typing.h"

static enum outcome value_write(const qmp_message *reply)
{
    return output_json(qmp_reply_value(reply));
}

/* Writes the text of the human monitor, with the line ends of a file. */
static enum outcome text_write(const qmp_message *reply)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    enum outcome outcome = OUTCOME_DONE;
    size_t size = 0;
    int r = qmp_value_string(qmp_reply_value(reply), &text, &size);

    if (r < 0)
        return output_json(qmp_reply_value(reply));
    for (size_t i = 0; outcome == OUTCOME_DONE && i < size;) {
        const char *end = memchr(text + i, '\n', size - i);
        size_t n = end != NULL ? (size_t)(end - text) - i : size - i;
        size_t shown = n > 0 && text[i + n - 1] == '\r' ? n - 1 : n;
        outcome = output_is_terminal() ? output_escaped(text + i, shown) : output_text(text + i, shown);
        if (outcome == OUTCOME_DONE)
            outcome = output_text("\n", 1);
        i += n + 1;
    }
    return outcome;
}

static enum outcome answer_write(struct shell *s, const qmp_message *reply, const char *program, pipe_write_fn write)
{
    return program != NULL ? pipe_run(s, program, write, reply) : write(reply);
}

enum outcome shell_answer(struct shell *s, const qmp_message *reply, const char *program)
{
    return answer_write(s, reply, program, value_write);
}

static enum outcome monitor_run(struct shell *s, const struct line *l)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_freep))) char *arguments = NULL;
    struct qmp_request request = QMP_REQUEST_INIT;
    enum outcome outcome;

    if (*l->monitor == '\0') {
        complain("a command is missing after '!', as in !info block");
        return OUTCOME_USAGE;
    }
    if (!shell_is_connected(s, l->monitor))
        return OUTCOME_LOST;
    arguments = qmp_json("{'command-line': %s}", l->monitor);
    if (arguments == NULL)
        return outcome_of_error("the human monitor", -errno);
    request.command = "human-monitor-command";
    request.arguments = arguments;
    outcome = shell_ask(s, request.command, &request, &reply);
    return outcome == OUTCOME_DONE ? answer_write(s, reply, l->program, text_write) : outcome;
}

/* What a whole command in JSON is called in complaints. */
static char *json_name(qmp_value object)
{
    qmp_value name = qmp_value_member(object, "execute");
    char *text = NULL;

    if (qmp_value_type(name) == QMP_ABSENT)
        name = qmp_value_member(object, "exec-oob");
    return qmp_value_string(name, &text, /* ret_size= */ NULL) >= 0 ? text : strdup("the command");
}

static enum outcome json_run(struct shell *s, const struct line *l)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_freep))) char *description = NULL, *name = NULL;
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_value object;
    int r = qmp_json_check(l->json, strlen(l->json), &object, &description);
    enum outcome outcome;

    if (r < 0) {
        complain("%s", description != NULL ? description : qmp_strerror(r));
        return OUTCOME_USAGE;
    }
    name = json_name(object);
    if (!shell_is_connected(s, name != NULL ? name : "the command"))
        return OUTCOME_LOST;
    request.text = l->json;
    outcome = shell_ask(s, name != NULL ? name : "the command", &request, &reply);
    return outcome == OUTCOME_DONE ? shell_answer(s, reply, l->program) : outcome;
}

/* "quit" ends the VM, and people who want to leave a shell may well write it. */
static bool is_sure(struct shell *s, const char *command)
{
    __attribute__((cleanup(qmp_freep))) char *answer = NULL;

    if (!s->interactive || strcmp(command, "quit") != 0)
        return true;
    return shell_read(s, "'quit' ends the VM, 'exit' this shell. End the VM? [y/N] ", &answer) == READER_LINE &&
           (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0);
}

/* Refuses arguments that are to come from standard input: "-", KEY=@-. */
static enum outcome input_refuse(const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(words[i], '=');
        if (strcmp(words[i], "-") != 0 && (equals == NULL || strcmp(equals, "=@-") != 0))
            continue;
        complain("'%s' is for 'qmp call': standard input is where these lines come from", words[i]);
        return OUTCOME_USAGE;
    }
    return OUTCOME_DONE;
}

static enum outcome qemu_run(struct shell *s, const char *const *words, size_t n, const char *program, bool oob)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(arguments_done))) struct arguments a = {0};
    __attribute__((cleanup(qmp_freep))) char *json = NULL;
    struct qmp_request request = QMP_REQUEST_INIT;
    struct options o = shell_hurry(s);
    enum outcome outcome;

    if (!shell_is_connected(s, words[0]))
        return OUTCOME_LOST;
    if (!is_sure(s, words[0]))
        return OUTCOME_DONE;
    outcome = arguments_parse(words + 1, n - 1, &a);
    if (outcome == OUTCOME_DONE && n > 1)
        outcome = typing_make(&o, s->link.client, words[0], &a, &json);
    request.command = words[0];
    request.arguments = json;
    request.oob = oob;
    if (outcome == OUTCOME_DONE)
        outcome = shell_ask(s, words[0], &request, &reply);
    return outcome == OUTCOME_DONE ? shell_answer(s, reply, program) : outcome;
}

static enum outcome oob_run(struct shell *s, const char *const *words, size_t n, const char *program)
{
    if (n == 0) {
        complain("'.oob' wants a command of QEMU");
        return OUTCOME_USAGE;
    }
    return qemu_run(s, words, n, program, /* oob= */ true);
}

static enum outcome builtin_run(
    struct shell *s, const struct builtin *b, const char *const *words, size_t n, const char *program)
{
    if (b->run == NULL)
        return oob_run(s, words, n, program);
    if (program != NULL) {
        complain("'%s' gives no answer to a program", b->name);
        return OUTCOME_USAGE;
    }
    if (n > b->words_max) {
        complain("'%s' is one too many after '%s'", words[b->words_max], b->name);
        return OUTCOME_USAGE;
    }
    return b->run(s, words, n);
}

/* A line inside of a transaction, which may end it as well. */
static enum outcome action_run(struct shell *s, const char *const *words, size_t n, const char *program, bool ends)
{
    enum outcome outcome = n > 0 ? transaction_add(s, words, n) : OUTCOME_DONE;

    if (ends && (outcome == OUTCOME_DONE || !s->interactive)) {
        enum outcome ended = transaction_end(s, program);
        outcome = outcome == OUTCOME_DONE ? ended : outcome;
    }
    return outcome;
}

static enum outcome words_run(struct shell *s, const char *const *words, size_t n, const char *program)
{
    bool ends =
        strcmp(words[n - 1], ")") == 0 && (n == 1 || s->transaction != NULL || strcmp(words[0], "transaction(") == 0);
    const struct builtin *b;
    bool wrong;

    if (ends && n == 1)
        return transaction_end(s, program);
    if (input_refuse(words + 1, n - 1) != OUTCOME_DONE)
        return OUTCOME_USAGE;
    if (ends && s->transaction == NULL) {
        enum outcome outcome = transaction_begin(s);
        return outcome == OUTCOME_DONE ? action_run(s, words + 1, n - 2, program, ends) : outcome;
    }
    b = builtin_find(words[0], &wrong);
    if (wrong)
        return OUTCOME_USAGE;
    if (b != NULL)
        return builtin_run(s, b, words + 1, n - 1, program);
    if (s->transaction != NULL)
        return action_run(s, words, ends ? n - 1 : n, program, ends);
    return qemu_run(s, words, n, program, /* oob= */ false);
}

enum outcome shell_command(struct shell *s, const struct line *l)
{
    if (l->monitor == NULL && l->json == NULL && l->n_words == 0) {
        if (l->program == NULL)
            return OUTCOME_DONE;
        complain("a command is missing before '|'");
        return OUTCOME_USAGE;
    }
    if (s->transaction != NULL && l->n_words == 0) {
        complain("a transaction is open: write COMMAND KEY=VALUE..., or ')'");
        return OUTCOME_USAGE;
    }
    if (l->monitor != NULL)
        return monitor_run(s, l);
    if (l->json != NULL)
        return json_run(s, l);
    return words_run(s, (const char *const *)l->words, l->n_words, l->program);
}
