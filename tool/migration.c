/* SPDX-License-Identifier: MIT */

/* Watches a migration from its source.
 *
 * What it does is what query-migrate says, asked a few times a second. QEMU has events for it too, but only where a
 * capability is set that changes the VM's settings for everybody, so they are welcome and not relied on. The invariant:
 * a verdict is said only after it has held for a while, because QEMU measures in steps; what is on the bar is that of
 * the moment.
 *
 * It knows nothing of who started the migration. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "ask.h"
#include "complain.h"
#include "duration.h"
#include "migration.h"

/* Between two looks. */
#define LOOK_PAUSE (250 * QMP_MILLISECOND)
/* How long a verdict must hold before it is said. */
#define VERDICT_HOLD (2 * QMP_SECOND)
/* Nobody wants a guest to stand still for longer than this. */
#define DOWNTIME_MAX (30 * QMP_SECOND)
/* QEMU's own, where it does not tell. */
#define DOWNTIME_DEFAULT (300 * QMP_MILLISECOND)
#define LABEL_MAX 96

enum migration_phase migration_phase(const qmp_message *answer)
{
    static const struct {
        const char *status;
        enum migration_phase phase;
    } phases[] = {{"none", MIGRATION_NONE}, {"completed", MIGRATION_COMPLETED}, {"failed", MIGRATION_FAILED},
        {"cancelled", MIGRATION_CANCELLED}};
    qmp_value status = qmp_value_member(qmp_reply_value(answer), "status");

    if (qmp_value_type(status) == QMP_ABSENT)
        return MIGRATION_NONE;
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
        if (qmp_value_equals(status, phases[i].status))
            return phases[i].phase;
    return MIGRATION_GOES_ON;
}

char *migration_status(const qmp_message *answer)
{
    char *text;
    int r = qmp_value_string(qmp_value_member(qmp_reply_value(answer), "status"), &text, /* ret_size= */ NULL);

    return r >= 0 ? text : r == -ENOMEM ? NULL : strdup("none");
}

/* A number of the answer; 0 when it is not there. */
static uint64_t number(qmp_value v, const char *path)
{
    uint64_t ret = 0;

    qmp_value_uint64(qmp_value_path(v, path), &ret);
    return ret;
}

/* Sets what is tuned. A server that does not tell is taken for one that is not tuned. */
static enum outcome limits_read(struct migration *m, struct convergence_sample *s)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    int r = qmp_client_execute(m->client, "query-migrate-parameters", /* arguments= */ NULL,
        duration_until(m->options->deadline), &reply, /* reterr_reply= */ NULL);

    s->downtime_limit = DOWNTIME_DEFAULT;
    if (r == -EREMOTEIO)
        return OUTCOME_DONE;
    if (r < 0)
        return ask_failed(m->options, m->client, "query-migrate-parameters", r);
    s->link_max = number(qmp_reply_value(reply), "max-bandwidth");
    if (qmp_value_type(qmp_value_member(qmp_reply_value(reply), "downtime-limit")) != QMP_ABSENT)
        s->downtime_limit = number(qmp_reply_value(reply), "downtime-limit") * QMP_MILLISECOND;
    return OUTCOME_DONE;
}

static void sample_read(qmp_value v, struct convergence_sample *s)
{
    uint64_t page = number(v, "ram.page-size");
    double mbps = 0;

    s->postcopy = qmp_value_equals(qmp_value_member(v, "status"), "postcopy-active") ||
                  qmp_value_equals(qmp_value_member(v, "status"), "postcopy-recover");
    s->pass = number(v, "ram.dirty-sync-count");
    s->remaining = number(v, "ram.remaining") + number(v, "disk.remaining");
    s->moved = number(v, "ram.pages-per-second") * page;
    s->dirtied = number(v, "ram.dirty-pages-rate") * page;
    qmp_value_double(qmp_value_path(v, "ram.mbps"), &mbps);
    s->link = mbps > 0 && mbps < 1e12 ? (uint64_t)(mbps * 1e6 / 8) : 0;
    if (s->moved == 0)
        s->moved = s->link;
}

/* The verdict as it stands in the bar. */
static const char *verdict_text(const struct convergence *c, char text[LABEL_MAX])
{
    char left[AMOUNT_TEXT_MAX];

    if (c->left != QMP_FOREVER)
        amount_time(c->left, left);
    switch (c->verdict) {
    case CONVERGENCE_EARLY:
        return "first pass: too early to tell";
    case CONVERGENCE_NO:
        return "does not converge";
    case CONVERGENCE_STALLED:
        return "nothing moves";
    case CONVERGENCE_YES:
    case CONVERGENCE_POSTCOPY:
        break;
    }
    if (c->left == QMP_FOREVER)
        return "converges very slowly";
    snprintf(text, LABEL_MAX, "%s%s left", c->verdict == CONVERGENCE_YES ? "converges: about " : "about ", left);
    return text;
}

static void migration_show(
    struct migration *m, qmp_value v, const struct convergence_sample *s, const struct convergence *c)
{
    __attribute__((cleanup(qmp_freep))) char *status = migration_status(m->answer), *json = NULL;
    qmp_value word = qmp_value_member(v, "status");
    struct progress_state state = {.bytes = true, .rate = s->moved, .total = number(v, "ram.total")};
    char label[LABEL_MAX], text[LABEL_MAX], dirtied[AMOUNT_TEXT_MAX], left[AMOUNT_TEXT_MAX] = "null";

    state.total += number(v, "disk.total");
    if (s->pass > 0 && state.total > s->remaining)
        state.current = state.total - s->remaining;
    state.left = verdict_text(c, text);
    snprintf(label, sizeof(label), "%s", status != NULL ? status : "");
    if (s->pass > 1)
        snprintf(label, sizeof(label), "pass %llu, the guest changes %s/s", (unsigned long long)s->pass,
            amount_bytes(s->dirtied, dirtied));
    if (c->left != QMP_FOREVER)
        snprintf(left, sizeof(left), "%llu", (unsigned long long)(c->left / QMP_SECOND));
    if (asprintf(&json,
            "\"status\": %.*s, \"pass\": %llu, \"rate\": %llu, \"dirty-rate\": %llu, \"verdict\": \"%s\", "
            "\"seconds-left\": %s",
            (int)word.size, word.text, (unsigned long long)s->pass, (unsigned long long)s->moved,
            (unsigned long long)s->dirtied, convergence_word(c->verdict), left) < 0) {
        json = NULL;
        return;
    }
    state.label = label;
    state.json = json;
    progress_show(&m->progress, &state);
}

/* What would help a migration that does not converge. */
static void advise(qmp_value v, const struct convergence_sample *s, const struct convergence *c)
{
    uint64_t throttle = number(v, "cpu-throttle-percentage");
    char a[AMOUNT_TEXT_MAX], b[AMOUNT_TEXT_MAX];

    complain("does not converge: the guest changes %s/s, %s/s are moved; what helps is one of",
        amount_bytes(s->dirtied, a), amount_bytes(s->moved, b));
    if (c->link_limited)
        complain("  a faster link (its limit is %s/s now): qmp call migrate-set-parameters max-bandwidth=%llu",
            amount_bytes(s->link_max, a), (unsigned long long)s->dirtied * 2);
    if (c->downtime_needed < DOWNTIME_MAX)
        complain(
            "  a guest that stands still for longer in the end: qmp call migrate-set-parameters downtime-limit=%llu",
            (unsigned long long)(c->downtime_needed / QMP_MILLISECOND + 1));
    if (throttle > 0)
        complain("  patience: auto-converge slows the guest down, by %llu %% now", (unsigned long long)throttle);
    else
        complain("  a slower guest: qmp call migrate_cancel, qmp call migrate-set-capabilities "
                 "capabilities.0.capability=auto-converge capabilities.0.state=true, and again");
}

/* Says a verdict that has held: that it does not converge, and when it does so after all. */
static void verdict_say(
    struct migration *m, qmp_value v, const struct convergence_sample *s, const struct convergence *c)
{
    char text[LABEL_MAX];

    if (c->verdict != m->verdict) {
        m->verdict = c->verdict;
        m->since = duration_now();
    }
    if (m->progress.kind == PROGRESS_JSON || c->verdict == m->said || duration_now() - m->since < VERDICT_HOLD)
        return;
    if (c->verdict == CONVERGENCE_NO)
        advise(v, s, c);
    else if (c->verdict == CONVERGENCE_STALLED || m->said == CONVERGENCE_NO || m->said == CONVERGENCE_STALLED)
        complain("%s", verdict_text(c, text));
    else
        return;
    m->said = c->verdict;
}

/* Says what a migration waits for that will not go on by itself: once for each. */
static void wait_say(struct migration *m, qmp_value v)
{
    static const struct {
        const char *status, *what;
    } waits[] = {
        {"pre-switchover", "qmp call migrate-continue state=pre-switchover"},
        {"postcopy-paused", "migrate-recover on the other side, then qmp migrate URI resume=true"},
        {"wait-unplug", "the guest, to let go its network card"},
    };

    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        if (!qmp_value_equals(qmp_value_member(v, "status"), waits[i].status) || m->waits == waits[i].status)
            continue;
        m->waits = waits[i].status;
        complain("%s: it waits for %s", waits[i].status, waits[i].what);
    }
}

static enum outcome migration_look(struct migration *m)
{
    struct convergence_sample sample = {.postcopy = false};
    struct convergence c;
    enum outcome outcome;
    qmp_value v;

    m->answer = qmp_message_unref(m->answer);
    outcome = ask(m->options, m->client, "query-migrate", /* arguments= */ NULL, &m->answer);
    if (outcome != OUTCOME_DONE)
        return outcome;
    m->phase = migration_phase(m->answer);
    if (m->phase != MIGRATION_GOES_ON)
        return OUTCOME_DONE;
    outcome = limits_read(m, &sample);
    if (outcome != OUTCOME_DONE)
        return outcome;
    v = qmp_reply_value(m->answer);
    sample_read(v, &sample);
    c = convergence_judge(&sample);
    migration_show(m, v, &sample, &c);
    verdict_say(m, v, &sample, &c);
    wait_say(m, v);
    return OUTCOME_DONE;
}

/* Waits until it is time for another look, or something was heard. */
static enum outcome migration_sleep(struct migration *m)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *event = NULL;
    uint64_t left = duration_until(m->options->deadline);
    int r = qmp_listener_get(m->listener, left < LOOK_PAUSE ? left : LOOK_PAUSE, &event);

    if (r >= 0 || r == -ETIMEDOUT || r == -EAGAIN || r == -ENOBUFS)
        return OUTCOME_DONE;
    return outcome_of_failure(m->client, r);
}

enum outcome migration_watch(struct migration *m)
{
    enum outcome outcome;

    progress_start(&m->progress, m->options);
    m->verdict = m->said = CONVERGENCE_EARLY;
    do {
        outcome = migration_look(m);
        if (outcome != OUTCOME_DONE || m->phase != MIGRATION_GOES_ON)
            break;
        outcome = migration_sleep(m);
    } while (outcome == OUTCOME_DONE && duration_until(m->options->deadline) > 0);
    progress_done(&m->progress);
    return outcome;
}

void migration_done(struct migration *m)
{
    qmp_message_unref(m->answer);
    qmp_listener_unref(m->listener);
    qmp_client_unref(m->client);
}
