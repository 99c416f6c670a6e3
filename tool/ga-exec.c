/* SPDX-License-Identifier: MIT */

/* The verb ga exec: a program in the guest.
 *
 * The agent starts it, keeps what it writes, and hands that out once it has ended; so it is asked again and again, less
 * and less often. Our standard input goes along only when --stdin says so, because the agent wants all of it
 * beforehand. The exit status of this verb says whether the program succeeded, not with which status it ended: that
 * could mean anything, and ours mean something.
 *
 * It knows nothing of what the program does. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base64.h"
#include "complain.h"
#include "duration.h"
#include "ga.h"
#include "guest-text.h"
#include "input.h"
#include "output.h"

/* The most that is passed to a program's standard input. */
#define INPUT_MAX ((size_t)1 << 20)
/* The largest answer: an agent keeps at most 16 MiB of each stream, which base64 makes a third longer. */
#define ANSWER_MAX ((size_t)48 << 20)
/* Between two questions whether the program has ended. */
#define PAUSE_MIN (20 * QMP_MILLISECOND)
#define PAUSE_MAX (500 * QMP_MILLISECOND)

/* A program that was started. */
struct execution {
    const struct options *options;
    qmp_client *client;
    const char *program;
    int64_t pid;
};

static enum outcome input_write(qmp_writer *w)
{
    __attribute__((cleanup(qmp_freep))) char *input = NULL, *encoded = NULL;
    size_t size = 0;
    enum outcome outcome = input_read("-", INPUT_MAX, &input, &size);

    if (outcome == OUTCOME_USAGE)
        complain("'qmp ga put' brings files of any size");
    if (outcome != OUTCOME_DONE)
        return outcome;
    encoded = malloc(BASE64_SIZE(size));
    if (encoded == NULL)
        return outcome_of_error("standard input", -ENOMEM);
    qmp_writer_string_sized(w, "input-data", encoded, base64_encode(encoded, input, size));
    return OUTCOME_DONE;
}

static enum outcome arguments_write(const struct options *o, const char *const *words, size_t n, qmp_writer *w)
{
    enum outcome outcome = OUTCOME_DONE;

    qmp_writer_begin_object(w, /* key= */ NULL);
    qmp_writer_string(w, "path", words[0]);
    qmp_writer_begin_array(w, "arg");
    for (size_t i = 1; i < n; i++)
        qmp_writer_string(w, /* key= */ NULL, words[i]);
    qmp_writer_end(w);
    if (o->given & OPTION_STDIN)
        outcome = input_write(w);
    qmp_writer_bool(w, "capture-output", true);
    qmp_writer_end(w);
    return outcome;
}

/* The arguments of guest-exec as text, which is the writer's. */
static enum outcome arguments_make(
    const struct options *o, const char *const *words, size_t n, qmp_writer *w, const char **ret)
{
    enum outcome outcome = arguments_write(o, words, n, w);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    r = qmp_writer_finish(w, ret);
    if (r == -ENOMEM)
        return outcome_of_error("arguments", r);
    if (r >= 0)
        return OUTCOME_DONE;
    complain("the program or its arguments cannot be sent: not UTF-8, or too long");
    return OUTCOME_USAGE;
}

/* Connects, ready for large answers. */
static enum outcome agent_open(const struct options *o, qmp_client **ret)
{
    enum outcome outcome = ga_prepare(o, ret);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    qmp_client_set_message_limits(*ret, ANSWER_MAX, QMP_AGENT_DEPTH_MAX);
    r = ga_connect(o, *ret);
    return r < 0 ? ga_connect_failed(o, *ret, r) : OUTCOME_DONE;
}

static enum outcome program_start(struct execution *e, const char *arguments)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    enum outcome outcome = ga_ask(e->options, e->client, "guest-exec", arguments, &reply);

    return outcome == OUTCOME_DONE ? ga_number("guest-exec", qmp_reply_value(reply), "pid", &e->pid) : outcome;
}

/* Asks once. `*ret` is the answer, the caller's, when the program has ended, else NULL. */
static enum outcome status_ask(const struct execution *e, qmp_message **ret)
{
    __attribute__((cleanup(qmp_freep))) char *arguments = qmp_json("{'pid': %lld}", (long long)e->pid);
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    enum outcome outcome;
    bool exited = false;

    if (arguments == NULL)
        return outcome_of_error("arguments", -errno);
    outcome = ga_ask(e->options, e->client, "guest-exec-status", arguments, &reply);
    if (outcome == OUTCOME_DONE)
        outcome = ga_truth("guest-exec-status", qmp_reply_value(reply), "exited", &exited);
    if (outcome == OUTCOME_DONE && exited) {
        *ret = reply;
        reply = NULL;
    }
    return outcome;
}

/* Says that the program may go on without us. */
static void abandon_say(const struct execution *e)
{
    complain("%s may go on in the guest, as process %lld", e->program, (long long)e->pid);
}

/* Asks until the program has ended. Towards the deadline it asks more often again, so a program that ends before it is
 * seen to. */
static enum outcome end_await(const struct execution *e, qmp_message **ret)
{
    uint64_t pause = PAUSE_MIN, left = duration_until(e->options->deadline);
    enum outcome outcome = status_ask(e, ret);
    char text[DURATION_TEXT_MAX];

    while (outcome == OUTCOME_DONE && *ret == NULL && left >= PAUSE_MIN) {
        uint64_t nap = left / 2 < pause ? left / 2 : pause;
        duration_sleep(nap);
        pause = pause * 2 < PAUSE_MAX ? pause * 2 : PAUSE_MAX;
        outcome = status_ask(e, ret);
        left = duration_until(e->options->deadline);
    }
    if (outcome == OUTCOME_DONE && *ret == NULL) {
        complain("%s did not end within %s", e->program, duration_text(e->options->timeout, text));
        outcome = OUTCOME_TIMEOUT;
    }
    if (outcome != OUTCOME_DONE)
        abandon_say(e);
    return outcome;
}

/* Passes on what the program wrote to one of its streams; `truncated` names the member that says it was more. */
static enum outcome stream_pass(
    const struct execution *e, qmp_value status, const char *data, const char *truncated, int fd)
{
    __attribute__((cleanup(qmp_freep))) char *bytes = NULL;
    struct guest_text text = guest_text_start(fd);
    const char *name = fd == STDOUT_FILENO ? "standard output" : "standard error";
    bool is_truncated = false;
    size_t size = 0;
    enum outcome outcome = ga_bytes("guest-exec-status", status, data, &bytes, &size);
    int r;

    if (outcome == OUTCOME_DONE)
        outcome = ga_truth("guest-exec-status", status, truncated, &is_truncated);
    if (outcome != OUTCOME_DONE)
        return outcome;
    r = guest_text_write(&text, bytes, size);
    if (r >= 0)
        r = guest_text_end(&text);
    if (r == -EPIPE)
        output_abandon();
    if (r < 0) {
        complain("cannot write to %s: %s", name, strerror(-r));
        return OUTCOME_LOCAL;
    }
    if (is_truncated)
        complain("%s wrote more to %s than the guest agent keeps: the rest is lost", e->program, name);
    return is_truncated ? OUTCOME_PROTOCOL : OUTCOME_DONE;
}

/* How the program ended. */
static enum outcome verdict(const struct execution *e, qmp_value status)
{
    bool killed = qmp_value_type(qmp_value_member(status, "signal")) != QMP_ABSENT;
    int64_t number = 0;
    enum outcome outcome;

    if (!killed && qmp_value_type(qmp_value_member(status, "exitcode")) == QMP_ABSENT)
        return ga_senseless("guest-exec-status", "neither 'exitcode' nor 'signal' of a program that has ended");
    outcome = ga_number("guest-exec-status", status, killed ? "signal" : "exitcode", &number);
    if (outcome != OUTCOME_DONE || (!killed && number == 0))
        return outcome;
    complain(killed ? "%s was killed by signal %lld" : "%s exited with %lld", e->program, (long long)number);
    return OUTCOME_REFUSED;
}

static enum outcome program_finish(const struct execution *e, qmp_value status)
{
    enum outcome out = stream_pass(e, status, "out-data", "out-truncated", STDOUT_FILENO);
    enum outcome err = stream_pass(e, status, "err-data", "err-truncated", STDERR_FILENO);
    enum outcome end = verdict(e, status);

    return end != OUTCOME_DONE ? end : out != OUTCOME_DONE ? out : err;
}

static enum outcome exec_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *status = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    __attribute__((cleanup(qmp_writer_freep))) qmp_writer *w = NULL;
    struct execution e = {.options = o, .program = words[0]};
    const char *arguments = NULL;
    enum outcome outcome = qmp_writer_new(&w) < 0 ? outcome_of_error("arguments", -ENOMEM) : OUTCOME_DONE;

    if (outcome == OUTCOME_DONE)
        outcome = arguments_make(o, words, n, w, &arguments);
    if (outcome == OUTCOME_DONE)
        outcome = agent_open(o, &c);
    e.client = c;
    if (outcome == OUTCOME_DONE)
        outcome = program_start(&e, arguments);
    if (outcome == OUTCOME_DONE)
        outcome = end_await(&e, &status);
    return outcome == OUTCOME_DONE ? program_finish(&e, qmp_reply_value(status)) : outcome;
}

const struct verb verb_ga_exec = {
    .name = "exec",
    .synopsis = "[--] PROGRAM [ARGUMENT...]",
    .summary = "run a program in the guest",
    .description = "Runs a program in the guest, not through a shell, waits for its end, and then\n"
                   "writes what it wrote to standard output and standard error. The exit status is\n"
                   "0 when the program's was 0, and 1 when it was another, which standard error\n"
                   "names, or when the program was killed or could not be started. When --timeout\n"
                   "passes, the program goes on in the guest. Options among its arguments go after\n"
                   "'--'.\n",
    .examples = "  qmp ga exec -- df -h\n"
                "  qmp ga exec -- sh -c 'journalctl -b | tail'\n"
                "  qmp ga exec --stdin -- sh -c 'cat >>/etc/motd' <notice\n",
    .options = OPTIONS_CONNECT | OPTION_STDIN,
    .words_min = 1,
    .run = exec_run,
};
