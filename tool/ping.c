/* SPDX-License-Identifier: MIT */

/* The verb ping: how long QEMU takes to answer, in-band and out-of-band side by side.
 *
 * In-band commands go through QEMU's main loop, which a slow disk can hold up; out-of-band ones are answered by the
 * thread that reads the monitor. One that answers while the other does not tells a busy QEMU from a dead one. Which
 * command is sent out-of-band matters little: a refusal is an answer from that thread, too.
 *
 * The negotiation goes through the main loop, and until it is over the reading thread stops behind one in-band command.
 * So ping negotiates for itself: first it asks out-of-band, which is refused at once, then the negotiation is its first
 * in-band command. The invariant: of each kind one command at most is in flight, because QEMU reads no further than a
 * few unanswered ones; one that is late is waited for in the next rounds. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "label.h"
#include "output.h"
#include "style.h"
#include "verb.h"

/* How many rounds there are, how long each may take, and how far they are apart. */
#define ROUNDS 4
#define ROUND_TIME QMP_SECOND

/* Commands of one kind. */
struct probe {
    const char *name;
    qmp_pending *pending; /* in flight; NULL: none */
    uint64_t sent;        /* when */
    uint64_t took;        /* what the last answer took; valid when `answered` */
    bool answered;        /* in this round */
    uint64_t n, least, most, sum;
};

struct ping {
    const struct options *options;
    qmp_client *client;
    struct probe in_band, out_of_band;
    bool oob;        /* the server takes commands out-of-band */
    bool negotiated; /* in-band commands are welcome */
    size_t rounds;   /* that there were */
};

static void ping_done(struct ping *p)
{
    qmp_pending_unref(p->in_band.pending);
    qmp_pending_unref(p->out_of_band.pending);
    qmp_client_unref(p->client);
}

static void probe_answered(qmp_pending *pending, int error, qmp_message *reply, void *userdata)
{
    struct probe *probe = userdata;

    (void)pending;
    (void)reply;
    if (error < 0 && error != -EREMOTEIO)
        return; /* the connection has ended, as whoever drives it hears */
    probe->took = duration_now() - probe->sent;
    probe->answered = true;
}

/* Sends a command, unless one is in flight. */
static int probe_send(struct ping *p, struct probe *probe, const char *command, const char *arguments)
{
    struct qmp_request request = QMP_REQUEST_INIT;

    if (probe->pending != NULL)
        return 0;
    request.command = command;
    request.arguments = arguments;
    request.timeout = QMP_FOREVER;
    request.oob = probe == &p->out_of_band;
    probe->sent = duration_now();
    return qmp_client_send_full(p->client, &request, probe_answered, probe, &probe->pending);
}

static void probe_count(struct probe *probe)
{
    if (!probe->answered)
        return;
    probe->pending = qmp_pending_unref(probe->pending);
    probe->least = probe->n == 0 || probe->took < probe->least ? probe->took : probe->least;
    probe->most = probe->took > probe->most ? probe->took : probe->most;
    probe->sum += probe->took;
    probe->n++;
}

/* Drives the client until these were answered (NULL: nothing to wait for), or the moment has come. */
static int answers_await(struct ping *p, const struct probe *a, const struct probe *b, uint64_t until)
{
    for (;;) {
        int r = qmp_client_process(p->client);
        bool waiting = (a != NULL && !a->answered) || (b != NULL && !b->answered) || (a == NULL && b == NULL);
        if (r < 0)
            return r;
        if (!waiting || duration_until(until) == 0)
            return 0;
        if (r == 0)
            r = qmp_client_wait(p->client, duration_until(until));
        if (r < 0 && r != -EINTR)
            return r;
    }
}

/* Whether the server takes commands out-of-band, as it says in its greeting. */
static bool oob_is_offered(qmp_client *c)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *greeting = NULL;
    qmp_value capability = {NULL, 0}, list;

    if (qmp_client_greeting(c, &greeting) < 0)
        return false;
    list = qmp_value_path(qmp_message_root(greeting), "QMP.capabilities");
    while (qmp_value_next(list, /* key= */ NULL, &capability))
        if (qmp_value_equals(capability, "oob"))
            return true;
    return false;
}

/* Sends what this round asks; the first one negotiates. */
static int round_send(struct ping *p, uint64_t until)
{
    int r = 0;

    p->in_band.answered = p->out_of_band.answered = false;
    if (p->rounds > 0 && !p->negotiated) /* the reading thread stops behind the negotiation */
        return 0;
    if (p->oob)
        r = probe_send(p, &p->out_of_band, "query-yank", /* arguments= */ NULL);
    if (r >= 0 && p->rounds == 0 && p->oob)
        r = answers_await(p, /* a= */ NULL, &p->out_of_band, until);
    if (r >= 0 && p->rounds == 0)
        return probe_send(
            p, &p->in_band, "qmp_capabilities", p->oob ? "{\"enable\": [\"oob\"]}" : /* arguments= */ NULL);
    return r >= 0 ? probe_send(p, &p->in_band, "query-version", /* arguments= */ NULL) : r;
}

static int round_take(struct ping *p, uint64_t until)
{
    bool oob = p->oob && (p->rounds == 0 || p->negotiated);
    int r = round_send(p, until);

    if (r >= 0)
        r = answers_await(p, &p->in_band, oob ? &p->out_of_band : NULL, until);
    if (r < 0)
        return r;
    p->negotiated |= p->in_band.answered;
    probe_count(&p->in_band);
    probe_count(&p->out_of_band);
    p->rounds++;
    return 0;
}

/* The time that a command took, for people. */
static const char *probe_text(const struct probe *probe, char text[DURATION_TEXT_MAX])
{
    return probe->answered ? duration_text(probe->took, text) : "no answer";
}

static enum outcome round_print(const struct ping *p)
{
    char in[DURATION_TEXT_MAX], out[DURATION_TEXT_MAX];
    const char *on = style_start(STDOUT_FILENO, p->in_band.answered ? STYLE_PLAIN : STYLE_BAD);

    if (label_get() != NULL) {
        output_escaped(label_get(), strlen(label_get()));
        output_print(": ");
    }
    output_print(
        "%zu: in-band %s%s%s", p->rounds, on, probe_text(&p->in_band, in), *on != '\0' ? style_end(STDOUT_FILENO) : "");
    if (p->oob)
        output_print(", out-of-band %s", probe_text(&p->out_of_band, out));
    output_print("\n");
    return output_flush();
}

static enum outcome round_print_json(const struct ping *p)
{
    char in[DURATION_TEXT_MAX] = "null", out[DURATION_TEXT_MAX] = "null", text[4 * DURATION_TEXT_MAX];
    enum outcome outcome;

    if (p->in_band.answered)
        snprintf(in, sizeof(in), "%llu", (unsigned long long)p->in_band.took);
    if (p->out_of_band.answered)
        snprintf(out, sizeof(out), "%llu", (unsigned long long)p->out_of_band.took);
    snprintf(text, sizeof(text), "{\"round\": %zu, \"in-band\": %s, \"out-of-band\": %s}", p->rounds, in, out);
    outcome = output_json((qmp_value){text, strlen(text)});
    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

static void summary_print(const struct ping *p, const struct probe *probe)
{
    char least[DURATION_TEXT_MAX], mean[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];

    if (label_get() != NULL) {
        output_escaped(label_get(), strlen(label_get()));
        output_print(": ");
    }
    output_print("%s: %llu of %zu answered", probe->name, (unsigned long long)probe->n, p->rounds);
    if (probe->n > 0)
        output_print("; least %s, mean %s, most %s", duration_text(probe->least, least),
            duration_text(probe->sum / probe->n, mean), duration_text(probe->most, most));
    output_print("\n");
}

/* What all of it means. */
static enum outcome verdict(const struct ping *p, size_t wanted)
{
    const struct probe *in = &p->in_band, *out = &p->out_of_band;
    char text[DURATION_TEXT_MAX];

    if (in->n == p->rounds && p->rounds == wanted)
        return OUTCOME_DONE;
    if (in->n == p->rounds)
        complain("%zu of %zu rounds within %s", p->rounds, wanted, duration_text(p->options->timeout, text));
    else if (in->answered)
        complain("QEMU answers again; %s", out->n == p->rounds ? "its main loop was busy" : "it was stopped, or busy");
    else if (!p->oob)
        complain(
            "QEMU does not answer: its main loop is busy, or it is stopped; it takes no out-of-band commands to tell");
    else if (out->answered || (!p->negotiated && out->n > 0))
        complain("QEMU lives, but its main loop is busy: it answers out-of-band, and not in-band");
    else
        complain("QEMU does not answer at all: it is stopped (SIGSTOP, a debugger), or the host is");
    return OUTCOME_TIMEOUT;
}

static enum outcome rounds_run(struct ping *p, size_t wanted)
{
    bool people = output_is_terminal() && !(p->options->given & OPTIONS_OUTPUT);
    uint64_t until = duration_now();
    int r = 0;

    while (p->rounds < wanted && duration_until(p->options->deadline) > 0) {
        enum outcome outcome;
        until += ROUND_TIME;
        r = round_take(p, until < p->options->deadline ? until : p->options->deadline);
        if (r < 0)
            return outcome_of_failure(p->client, r);
        outcome = people ? round_print(p) : round_print_json(p);
        if (outcome != OUTCOME_DONE)
            return outcome;
        if (p->rounds < wanted)
            r = answers_await(
                p, /* a= */ NULL, /* b= */ NULL, until < p->options->deadline ? until : p->options->deadline);
        if (r < 0)
            return outcome_of_failure(p->client, r);
    }
    if (people)
        summary_print(p, &p->in_band);
    if (people && p->oob)
        summary_print(p, &p->out_of_band);
    return output_flush();
}

static enum outcome ping_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(ping_done))) struct ping p = {
        .options = o, .in_band = {.name = "in-band"}, .out_of_band = {.name = "out-of-band"}};
    size_t wanted = o->count != 0 ? o->count : ROUNDS;
    enum outcome outcome;
    int r;

    if (n > 0) {
        complain("'%s' is one word too many", words[0]);
        return OUTCOME_USAGE;
    }
    outcome = connect_prepare(o, /* l= */ NULL, &p.client);
    if (outcome != OUTCOME_DONE)
        return outcome;
    qmp_client_set_negotiate(p.client, false);
    r = connect_run(o, p.client);
    if (r < 0)
        return outcome_of_failure(p.client, r);
    p.oob = oob_is_offered(p.client);
    outcome = rounds_run(&p, wanted);
    return outcome == OUTCOME_DONE ? verdict(&p, wanted) : outcome;
}

const struct verb verb_ping = {
    .name = "ping",
    .synopsis = "",
    .summary = "tell a busy QEMU from a dead one",
    .description = "Measures how long QEMU takes to answer, once a second: in-band, through its main\n"
                   "loop, and out-of-band, past it. A QEMU that answers out-of-band only is alive and\n"
                   "busy; one that does not answer at all is stopped. Each round lasts a second at\n"
                   "most. In a pipe, and with --output or --get, prints JSON, a round a line, with\n"
                   "times in microseconds, null for no answer. Exit status 3: a round without an\n"
                   "in-band answer.\n",
    .examples = "  qmp ping -c 1\n"
                "  qmp ping -g in-band\n",
    .options = OPTIONS_CONNECT | OPTIONS_OUTPUT | OPTION_COUNT,
    .several = true,
    .run = ping_run,
};
