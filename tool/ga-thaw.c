/* SPDX-License-Identifier: MIT */

/* Thawing that does not give up, and the verb ga thaw.
 *
 * In a frozen guest, everything that writes hangs. The invariant of thaw_surely(): it returns when the agent has said
 * that the file systems are thawed, or after having said as loudly as it can that they are not. Thawing what is thawed
 * does no harm, so it is asked for again whenever an answer did not come. A connection is kept while it lasts: old
 * agents end with a client that leaves before its answers.
 *
 * It knows nothing of why the guest was frozen. */

#include <errno.h>

#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "ga-thaw.h"
#include "ga.h"
#include "output.h"

/* How long to try, and the time between two attempts. */
#define PATIENCE (60 * QMP_SECOND)
#define PAUSE_MIN (50 * QMP_MILLISECOND)
#define PAUSE_MAX (1 * QMP_SECOND)

static const char freezing[] = "guest-fsfreeze-status", thawing[] = "guest-fsfreeze-thaw";

struct thaw {
    const struct options *options; /* whose deadline is the end of all patience */
    qmp_client *client;            /* NULL: none */
    bool borrowed;                 /* the client is the caller's */
    bool said;                     /* that it is not easy */
    unsigned attempts;
};

static void trouble_say(struct thaw *t, const char *what, const char *why)
{
    char text[DURATION_TEXT_MAX];

    if (!t->said)
        complain("the guest's file systems are frozen, and cannot be thawed yet: %s%s; trying for %s", what, why,
            duration_text(t->options->timeout, text));
    t->said = true;
}

static void client_leave(struct thaw *t)
{
    if (!t->borrowed)
        qmp_client_unref(t->client);
    t->client = NULL;
    t->borrowed = false;
}

/* A client that is connected, if there can be one. */
static bool client_ensure(struct thaw *t)
{
    int r;

    if (t->client != NULL && qmp_client_runstate(t->client) == QMP_RUNNING)
        return true;
    client_leave(t);
    if (ga_prepare(t->options, &t->client) != OUTCOME_DONE)
        return false;
    r = ga_connect(t->options, t->client);
    if (r < 0)
        trouble_say(t, qmp_client_failure(t->client), "");
    return r >= 0;
}

static uint64_t time_for_one(const struct thaw *t)
{
    uint64_t left = duration_until(t->options->deadline);

    return left < QMP_AGENT_TIMEOUT ? left : QMP_AGENT_TIMEOUT;
}

/* Whether the agent says that nothing is frozen. */
static bool is_thawed(const struct thaw *t)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;

    return qmp_client_execute(t->client, freezing, /* arguments= */ NULL, time_for_one(t), &reply,
               /* reterr_reply= */ NULL) >= 0 &&
           qmp_value_equals(qmp_reply_value(reply), "thawed");
}

/* Tries once. Returns THAWED_NOT when it did not work out. */
static enum thawed attempt(struct thaw *t)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL, *refusal = NULL;
    int64_t n = 0;
    int r;

    if (!client_ensure(t))
        return THAWED_NOT;
    t->attempts++;
    r = qmp_client_execute(t->client, thawing, /* arguments= */ NULL, time_for_one(t), &reply, &refusal);
    if (r >= 0)
        return qmp_value_int64(qmp_reply_value(reply), &n) >= 0 && n == 0 && t->attempts == 1 ? THAWED_ALREADY : THAWED;
    if (r != -EREMOTEIO)
        trouble_say(t, qmp_strerror(r), "");
    else if (is_thawed(t))
        return t->attempts == 1 ? THAWED_ALREADY : THAWED;
    else
        trouble_say(t, "the guest agent refuses: ", qmp_reply_error_desc(refusal));
    return THAWED_NOT;
}

enum thawed thaw_surely(const struct options *o, qmp_client *c, bool aloud)
{
    struct options patient = *o;
    struct thaw t = {.options = &patient, .client = c, .borrowed = true};
    enum thawed thawed;

    patient.timeout = o->wait_for_socket != 0 ? o->wait_for_socket : PATIENCE;
    patient.deadline = duration_deadline(patient.timeout);
    patient.wait_for_socket = 0;
    for (uint64_t pause = PAUSE_MIN; (thawed = attempt(&t)) == THAWED_NOT; pause *= 2) {
        uint64_t left = duration_until(patient.deadline);
        pause = pause < PAUSE_MAX ? pause : PAUSE_MAX;
        if (left == 0)
            break;
        duration_sleep(left < pause ? left : pause);
    }
    client_leave(&t);
    if (thawed == THAWED_NOT)
        complain("THE GUEST'S FILE SYSTEMS ARE STILL FROZEN: run 'qmp ga thaw -s %s' until it succeeds", ga_address(o));
    else if (t.said || aloud)
        complain("the guest's file systems are thawed");
    return thawed;
}

static enum outcome thaw_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = ga_words_check(words, n, 0);

    if (outcome == OUTCOME_DONE)
        outcome = ga_open(o, &c);
    if (outcome == OUTCOME_DONE)
        outcome = ga_ask(o, c, thawing, /* arguments= */ NULL, &reply);
    return outcome == OUTCOME_DONE ? output_json(qmp_reply_value(reply)) : outcome;
}

const struct verb verb_ga_thaw = {
    .name = "thaw",
    .synopsis = "",
    .summary = "thaw the guest's file systems",
    .description = "Thaws the file systems of the guest and prints how many were frozen: 0 when\n"
                   "none was, which is no error.\n",
    .examples = "  qmp ga thaw\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT,
    .several = true,
    .run = thaw_run,
};
