/* SPDX-License-Identifier: MIT */

/* The doctor's talk with a server: connecting, greeting, negotiation, a command in band and one out of band, the state
 * of the guest.
 *
 * The commands only ask. How far a connection came is told from how it failed. It knows nothing of files and processes,
 * but for the words. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "banner.h"
#include "connect.h"
#include "doctor.h"
#include "duration.h"

/* How long a command may take that QEMU answers at once. */
#define ANSWER_TIME (5 * QMP_SECOND)

/* ---- connecting ---- */

/* What the library says, without the address in front, which the first step has. */
static const char *words_of(const struct doctor *d, qmp_client *c)
{
    static const char *const fronts[] = {"cannot connect to ", "connected to ", ""};
    const char *words = qmp_client_failure(c);

    for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++) {
        size_t n = strlen(fronts[i]), size = strlen(d->address);
        if (strncmp(words, fronts[i], n) != 0 || strncmp(words + n, d->address, size) != 0)
            continue;
        words += n + size;
        words += strspn(words, ":, ");
        return strncmp(words, "but ", 4) == 0 ? words + 4 : words;
    }
    return words;
}

/* Says what came before the step that failed: all of it was fine. */
static void greeting_say(struct doctor *d, qmp_client *c)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *greeting = NULL;
    __attribute__((cleanup(qmp_freep))) char *package = NULL;
    int64_t major = 0, minor = 0, micro = 0;
    qmp_value version;

    if (qmp_client_greeting(c, &greeting) < 0)
        return;
    version = qmp_value_path(qmp_message_root(greeting), "QMP.version");
    qmp_value_int64(qmp_value_path(version, "qemu.major"), &major);
    qmp_value_int64(qmp_value_path(version, "qemu.minor"), &minor);
    qmp_value_int64(qmp_value_path(version, "qemu.micro"), &micro);
    qmp_value_string(qmp_value_member(version, "package"), &package, /* ret_size= */ NULL);
    doctor_say(d, FINDING_FINE, "greeting", "QEMU %lld.%lld.%lld%s%s%s", (long long)major, (long long)minor,
        (long long)micro, package != NULL && *package != '\0' ? " (" : "", package != NULL ? package : "",
        package != NULL && *package != '\0' ? ")" : "");
}

static bool connect_failed(struct doctor *d, qmp_client *c, int error)
{
    bool left_over = error == -ECONNREFUSED && sockets_path(d->address) != NULL;

    doctor_fail(d, outcome_judge(c, error), "connection", "%s",
        left_over ? "nobody listens: the file is left over from a QEMU that has gone" : words_of(d, c));
    if (left_over)
        return doctor_advise(d, "start QEMU again, which makes the socket anew");
    if (error == -ECONNREFUSED)
        return doctor_advise(
            d, "start QEMU with this address, and server=on; 'qmp ls' shows the monitors that there are");
    if (error == -ETIMEDOUT)
        return doctor_advise(d, "look whether a firewall drops it, and whether the host is up");
    return false;
}

/* What to do about a server that hangs. What it does can be looked at only on its own machine. */
static bool hang_advise(struct doctor *d, const char *advice)
{
    if (d->process.pid == 0)
        return doctor_advise(d, "%s", advice);
    return doctor_advise(
        d, "%s; or see where it is, with gdb -p %ld and then 'thread apply all backtrace'", advice, d->process.pid);
}

/* Nobody said anything. */
static bool greeting_missing(struct doctor *d, qmp_client *c, int error)
{
    doctor_fail(d, outcome_judge(c, error), "greeting", "%s", words_of(d, c));
    if (error == -EBUSY)
        return doctor_advise(
            d, "end that client; started with one more -qmp, QEMU serves two clients at the same time");
    return hang_advise(d, d->process.pid != 0 ? "ask what it is, if it is no QEMU"
                                              : "look at the machine where it runs: 'qmp doctor' sees more there");
}

static bool negotiation_failed(struct doctor *d, qmp_client *c, int error)
{
    greeting_say(d, c);
    doctor_fail(d, outcome_judge(c, error), "negotiation", "%s",
        error == -ETIMEDOUT ? "QEMU greets, but takes no commands: its main loop is busy or hangs" : words_of(d, c));
    if (error != -ETIMEDOUT)
        return false;
    return hang_advise(d, "wait: a slow disk, a dead network file system or a long command holds it up");
}

static bool words_wrong(struct doctor *d, qmp_client *c, int error)
{
    size_t size = 0;
    const char *bytes = qmp_client_failure_bytes(c, &size);
    const struct banner *banner = bytes != NULL ? banner_find(bytes, size) : NULL;

    greeting_say(d, c);
    if (banner == NULL)
        return doctor_fail(d, outcome_judge(c, error), "greeting", "%s", words_of(d, c));
    doctor_fail(d, outcome_judge(c, error), "greeting", "this is %s", banner->what);
    return *banner->advice != '\0' ? doctor_advise(d, "%s", banner->advice) : false;
}

/* How far it came before it failed. */
static bool failure_judge(struct doctor *d, qmp_client *c, int error)
{
    enum qmp_failure kind = qmp_client_failure_kind(c);

    if (kind == QMP_FAILURE_CONNECT)
        return connect_failed(d, c, error);
    doctor_say(d, FINDING_FINE, "connection", "made");
    if (kind == QMP_FAILURE_TLS)
        return doctor_fail(d, outcome_judge(c, error), "TLS", "%s", words_of(d, c));
    if (kind == QMP_FAILURE_GREETING)
        return greeting_missing(d, c, error);
    if (kind == QMP_FAILURE_NEGOTIATION)
        return negotiation_failed(d, c, error);
    return words_wrong(d, c, error);
}

bool doctor_is_address(struct doctor *d)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    int r;

    if (connect_prepare(d->options, /* l= */ NULL, &c) != OUTCOME_DONE) {
        d->outcome = OUTCOME_USAGE;
        return false;
    }
    r = qmp_client_connect(c, d->address);
    if (r != -EINVAL && r != -ENAMETOOLONG)
        return true;
    d->outcome = outcome_of_failure(c, r);
    return false;
}

/* ---- commands ---- */

/* Runs a command, and measures how long it takes. It gets half of the time that is left: another one may follow. */
static int command_run(const struct doctor *d, qmp_client *c, const char *command, bool oob, uint64_t *ret_duration,
    qmp_message **ret_reply)
{
    __attribute__((cleanup(qmp_pending_unrefp))) qmp_pending *p = NULL;
    struct qmp_request request = QMP_REQUEST_INIT;
    uint64_t start = duration_now(), left = duration_until(d->options->deadline) / 2;
    int r;

    request.command = command;
    request.oob = oob;
    r = qmp_client_send_full(c, &request, /* callback= */ NULL, /* userdata= */ NULL, &p);
    if (r >= 0)
        r = qmp_pending_wait(p, left < ANSWER_TIME ? left : ANSWER_TIME, ret_reply, /* reterr_reply= */ NULL);
    *ret_duration = duration_now() - start;
    return r;
}

/* Returns whether QEMU may be asked more. */
static bool answer_judge(struct doctor *d, qmp_client *c, const char *step, int r, uint64_t duration)
{
    char text[DURATION_TEXT_MAX];

    duration_text(duration, text);
    if (r >= 0)
        doctor_say(d, FINDING_FINE, step, "a command was answered after %s", text);
    else if (r == -ETIMEDOUT)
        doctor_fail(d, OUTCOME_TIMEOUT, step, "a command was not answered within %s", text);
    else if (r != -EREMOTEIO)
        doctor_fail(d, outcome_judge(c, r), step, "%s", words_of(d, c));
    return r >= 0 || r == -ETIMEDOUT || r == -EREMOTEIO;
}

static bool answers_check(struct doctor *d, qmp_client *c)
{
    uint64_t duration = 0;
    int r = command_run(d, c, "query-version", /* oob= */ false, &duration, /* ret_reply= */ NULL), oob;
    bool go_on = answer_judge(d, c, "in-band", r, duration);

    if (r == -ETIMEDOUT)
        hang_advise(d, "wait: its main loop is busy, or hangs");
    if (!go_on || !qmp_client_has_oob(c))
        return go_on && r != -ETIMEDOUT;
    /* What there is to ask out of band is not in every QEMU, and in no storage daemon. */
    oob = command_run(d, c, "query-yank", /* oob= */ true, &duration, /* ret_reply= */ NULL);
    return answer_judge(d, c, "out-of-band", oob, duration) && r != -ETIMEDOUT;
}

/* ---- the guest ---- */

/* What a state means, and what to do about it. */
static const struct {
    const char *state, *meaning, *advice;
} states[] = {
    {"running", "the guest runs", NULL},
    {"prelaunch", "QEMU was started with -S: the guest has not run yet", "'qmp call cont' lets the guest run"},
    {"paused", "somebody stopped the guest", "'qmp call cont' lets it run on"},
    {"inmigrate", "it waits for a migration to come in", "start the migration at the other side"},
    {"postmigrate", "the guest was migrated away", "it runs elsewhere now; 'qmp call quit' ends this QEMU"},
    {"finish-migrate", "a migration is about to be finished", NULL},
    {"save-vm", "a snapshot is being saved", NULL},
    {"restore-vm", "a snapshot is being restored", NULL},
    {"suspended", "the guest sleeps", "'qmp call system_wakeup' wakes it"},
    {"shutdown", "the guest has shut down", "'qmp call quit' ends QEMU"},
    {"io-error", "the guest was stopped because its disk failed",
        "see 'qmp call query-block', mend it (is the disk full?), then 'qmp call cont'"},
    {"guest-panicked", "the guest's kernel has crashed", "'qmp call system_reset' starts it again"},
    {"internal-error", "KVM could not go on with the guest",
        "see what QEMU wrote to its standard error; 'qmp call system_reset' starts the guest again"},
    {"watchdog", "the watchdog stopped the guest", "'qmp call system_reset' starts it again"},
    {"colo", "it is the secondary of a COLO pair", NULL},
    {"debug", "the guest was stopped by a debugger", "let the debugger continue"},
};

static void state_check(struct doctor *d, qmp_client *c)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_freep))) char *state = NULL;
    const char *meaning = "a state that is not known here", *advice = NULL;
    uint64_t duration;

    if (command_run(d, c, "query-status", /* oob= */ false, &duration, &reply) < 0 ||
        qmp_value_string(qmp_value_member(qmp_reply_value(reply), "status"), &state, /* ret_size= */ NULL) < 0)
        return;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(states[i].state, state) != 0)
            continue;
        meaning = states[i].meaning;
        advice = states[i].advice;
    }
    doctor_say(d, strcmp(state, "running") == 0 ? FINDING_FINE : FINDING_NOTE, "state", "%s: %s", state, meaning);
    if (advice != NULL)
        doctor_advise(d, "%s", advice);
}

/* ---- all of it ---- */

bool doctor_check_talk(struct doctor *d)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    int r;

    if (connect_prepare(d->options, /* l= */ NULL, &c) != OUTCOME_DONE) {
        d->outcome = OUTCOME_USAGE;
        return false;
    }
    r = connect_run(d->options, c);
    if (r == -EINVAL || r == -ENAMETOOLONG) {
        d->outcome = outcome_of_failure(c, r);
        return false;
    }
    if (r < 0)
        return failure_judge(d, c, r);
    doctor_say(d, FINDING_FINE, "connection", "made");
    if (d->options->tls_folder != NULL)
        doctor_say(d, FINDING_FINE, "TLS", "both sides trust each other");
    greeting_say(d, c);
    doctor_say(d, FINDING_FINE, "negotiation", "done, out-of-band execution is %s",
        qmp_client_has_oob(c) ? "on" : "not offered");
    if (!answers_check(d, c))
        return false;
    state_check(d, c);
    d->talked = true;
    return true;
}
