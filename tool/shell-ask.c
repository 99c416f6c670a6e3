/* SPDX-License-Identifier: MIT */

/* A command of the shell, from being sent to being answered.
 *
 * Waiting for the answer can be given up, by Ctrl-C or --timeout; the library then drops the answer when it comes, and
 * the next command is not confused by it. What the shell wants to know for itself must come soon or not at all.
 *
 * It knows nothing of what commands mean. */

#include <errno.h>

#include "ask.h"
#include "cache.h"
#include "complain.h"
#include "duration.h"
#include "output.h"
#include "shell.h"
#include "typing.h"

/* How long the shell waits for what it wants to know. */
#define HURRY (2 * QMP_SECOND)

struct answer {
    qmp_pending *pending;
    qmp_message *reply;
    int error;
};

static bool answer_is_there(void *userdata)
{
    struct answer *answer = userdata;
    qmp_message *reply = NULL, *refusal = NULL;

    answer->error = qmp_pending_wait(answer->pending, /* timeout= */ 0, &reply, &refusal);
    if (answer->error == -ETIMEDOUT)
        return false;
    answer->reply = reply != NULL ? reply : refusal;
    return true;
}

static enum outcome refused(struct shell *s, const char *name, const qmp_message *refusal)
{
    enum outcome outcome = ask_refused(name, refusal);

    if (outcome == OUTCOME_UNKNOWN) {
        shell_schema(s);
        typing_suggest(s->schema, name);
    }
    return outcome;
}

static enum outcome given_up(struct shell *s, const char *name, enum wake wake)
{
    if (wake == WAKE_INTERRUPTED) {
        output_print("\n"); /* after the terminal's "^C" */
        output_flush();
        complain("%s: given up; QEMU may execute it all the same", name);
        return OUTCOME_REFUSED;
    }
    return s->end == OUTCOME_TIMEOUT ? ask_failed(&s->options, s->link.client, name, -ETIMEDOUT) : s->end;
}

bool shell_is_connected(struct shell *s, const char *name)
{
    if (s->link.up || !s->interactive) /* a script is told why, once */
        return true;
    complain("%s is not sent: %s is gone; '.connect' tries again at once", name, s->link.name);
    return false;
}

enum outcome shell_ask(struct shell *s, const char *name, const struct qmp_request *request, qmp_message **ret_reply)
{
    __attribute__((cleanup(qmp_pending_unrefp))) qmp_pending *pending = NULL;
    struct answer answer = {0};
    enum wake wake;
    int r = qmp_client_send_full(s->link.client, request, /* callback= */ NULL, /* userdata= */ NULL, &pending);

    if (r == -EOPNOTSUPP) {
        complain("%s: the server runs nothing out of band", name);
        return OUTCOME_USAGE;
    }
    if (r < 0)
        return ask_failed(&s->options, s->link.client, name, r);
    answer.pending = pending;
    wake = shell_wait(s, answer_is_there, &answer, QMP_FOREVER);
    if (wake != WAKE_DONE)
        return given_up(s, name, wake);
    link_refresh(&s->link);
    if (answer.error == 0) {
        *ret_reply = answer.reply;
        return OUTCOME_DONE;
    }
    if (answer.error == -EREMOTEIO) {
        __attribute__((cleanup(qmp_message_unrefp))) qmp_message *refusal = answer.reply;
        return refused(s, name, refusal);
    }
    return ask_failed(&s->options, s->link.client, name, answer.error);
}

struct options shell_hurry(const struct shell *s)
{
    struct options o = s->options;
    uint64_t deadline = duration_deadline(HURRY);

    if (deadline < o.deadline) {
        o.deadline = deadline;
        o.timeout = HURRY;
    }
    return o;
}

void shell_schema(struct shell *s)
{
    struct options o = shell_hurry(s);

    if (s->schema == NULL && s->link.up)
        cache_get(&o, s->link.client, /* fresh= */ false, &s->schema);
}
