/* SPDX-License-Identifier: MIT */

/* transaction( ... ): several commands as one, all of them or none.
 *
 * Each line becomes an action at once, typed by the schema as the argument of `transaction` that it is, so what is
 * wrong with it is said where it stands. A person may then write it again; in a script, a transaction with a line that
 * is wrong is not sent, because the rest of it is not what was meant.
 *
 * It knows nothing of which actions there are. */

#include "shell-transaction.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "complain.h"
#include "typing.h"

/* How many actions there may be. */
#define ACTIONS_MAX 256

struct transaction {
    char *actions[ACTIONS_MAX]; /* JSON */
    size_t n;
    bool wrong;
};

enum outcome transaction_begin(struct shell *s)
{
    if (s->transaction != NULL) {
        complain("a transaction is open already; ')' runs it");
        return OUTCOME_USAGE;
    }
    s->transaction = calloc(1, sizeof(*s->transaction));
    return s->transaction != NULL ? OUTCOME_DONE : outcome_of_error("transaction", -ENOMEM);
}

void transaction_spoil(struct shell *s)
{
    if (s->transaction != NULL)
        s->transaction->wrong = true;
}

void transaction_drop(struct shell *s)
{
    if (s->transaction == NULL)
        return;
    for (size_t i = 0; i < s->transaction->n; i++)
        free(s->transaction->actions[i]);
    free(s->transaction);
    s->transaction = NULL;
}

/* A word of an action as a word of `transaction`: "node=n0" becomes "actions.0.data.node=n0". */
static char *word_make(const char *prefix, const char *word)
{
    char *text = NULL;

    return asprintf(&text, "%s%s", prefix, word) < 0 ? NULL : text;
}

static void words_free(char **words, size_t n)
{
    for (size_t i = 0; words != NULL && i < n; i++)
        free(words[i]);
    free(words);
}

/* The words of a transaction of one action; NULL without memory. */
static char **words_make(const char *const *words, size_t n)
{
    char **made = calloc(n + 2, sizeof(*made));
    bool complete = made != NULL;

    if (complete) {
        made[0] = word_make("actions.0.type=", words[0]);
        complete = made[0] != NULL;
    }
    for (size_t i = 1; complete && i < n; i++) {
        made[i] = word_make(words[i][0] == '{' ? "actions.0.data:=" : "actions.0.data.", words[i]);
        complete = made[i] != NULL;
    }
    if (complete && n == 1)
        complete = (made[1] = word_make("actions.0.data:=", "{}")) != NULL;
    if (complete)
        return made;
    words_free(made, n + 1);
    return NULL;
}

static enum outcome action_make(struct shell *s, const char *const *words, size_t n, char **ret)
{
    __attribute__((cleanup(arguments_done))) struct arguments a = {0};
    __attribute__((cleanup(qmp_freep))) char *json = NULL;
    struct options o = shell_hurry(s);
    char **made = words_make(words, n);
    enum outcome outcome = made != NULL ? OUTCOME_DONE : outcome_of_error("transaction", -ENOMEM);

    if (outcome == OUTCOME_DONE)
        outcome = arguments_parse((const char *const *)made, n == 1 ? 2 : n, &a);
    if (outcome == OUTCOME_DONE)
        outcome = typing_make(&o, s->link.client, "transaction", &a, &json);
    words_free(made, n + 1);
    if (outcome == OUTCOME_DONE) {
        qmp_value action = qmp_value_path((qmp_value){json, strlen(json)}, "actions.0");
        *ret = strndup(action.text, action.size);
        outcome = *ret != NULL ? OUTCOME_DONE : outcome_of_error("transaction", -ENOMEM);
    }
    return outcome;
}

enum outcome transaction_add(struct shell *s, const char *const *words, size_t n)
{
    struct transaction *t = s->transaction;
    enum outcome outcome;

    if (t->n == ACTIONS_MAX) {
        complain("a transaction has %d actions at most", ACTIONS_MAX);
        return OUTCOME_USAGE;
    }
    if (!shell_is_connected(s, words[0]))
        return OUTCOME_LOST;
    outcome = action_make(s, words, n, &t->actions[t->n]);
    if (outcome == OUTCOME_DONE)
        t->n++;
    else
        t->wrong = true;
    return outcome;
}

static enum outcome arguments_write(const struct transaction *t, qmp_writer *w, const char **ret)
{
    int r;

    qmp_writer_begin_object(w, /* key= */ NULL);
    qmp_writer_begin_array(w, "actions");
    for (size_t i = 0; i < t->n; i++)
        qmp_writer_json(w, /* key= */ NULL, t->actions[i]);
    qmp_writer_end(w);
    qmp_writer_end(w);
    r = qmp_writer_finish(w, ret);
    return r >= 0 ? OUTCOME_DONE : outcome_of_error("transaction", r);
}

static enum outcome transaction_run(struct shell *s, const char *program)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_writer_freep))) qmp_writer *w = NULL;
    struct qmp_request request = QMP_REQUEST_INIT;
    int r = qmp_writer_new(&w);
    enum outcome outcome = r >= 0 ? OUTCOME_DONE : outcome_of_error("transaction", r);

    if (outcome == OUTCOME_DONE)
        outcome = arguments_write(s->transaction, w, &request.arguments);
    request.command = "transaction";
    if (outcome == OUTCOME_DONE)
        outcome = shell_ask(s, request.command, &request, &reply);
    return outcome == OUTCOME_DONE ? shell_answer(s, reply, program) : outcome;
}

enum outcome transaction_end(struct shell *s, const char *program)
{
    enum outcome outcome;

    if (s->transaction == NULL) {
        complain("no transaction is open; 'transaction(' begins one");
        return OUTCOME_USAGE;
    }
    if (s->transaction->wrong && !s->interactive) {
        complain("the transaction is not sent: something in it is wrong");
        outcome = OUTCOME_USAGE;
    } else {
        outcome = transaction_run(s, program);
    }
    transaction_drop(s);
    return outcome;
}
