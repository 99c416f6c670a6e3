/* SPDX-License-Identifier: MIT */

/* The verb capture: writes down what goes over a connection.
 *
 * With --listen it stands between: clients connect here instead of to the server, one after the other, as with the
 * server, and each gets a connection of its own to there. The server is reached when a client has come, so that its
 * monitor is not held before. Without --listen it is the client: it negotiates, and what is written is what comes.
 *
 * Ctrl-C is the usual end of it, and no failure. */

#include <errno.h>
#include <unistd.h>

#include "bare.h"
#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "ending.h"
#include "output.h"
#include "recorder.h"
#include "relay.h"
#include "verb.h"

/* "> " and "< " in front of a message. */
#define MARK 2

/* ---- standing between ---- */

/* One client. */
static enum outcome client_serve(const struct options *o, struct recorder *recorder, uint32_t connection, int client)
{
    enum outcome outcome;
    int server = -1;

    outcome = bare_dial(o, &server);
    if (outcome == OUTCOME_DONE && server >= 0) {
        outcome = relay_run(o, recorder, connection, client, server);
        close(server);
    }
    close(client);
    return outcome;
}

static bool is_over(const struct options *o, const struct recorder *recorder)
{
    return ending_noted() != 0 || duration_until(o->deadline) == 0 || recorder_abandoned(recorder);
}

static enum outcome between_run(const struct options *o, struct recorder *recorder, size_t *ret_n)
{
    __attribute__((cleanup(qmp_server_freep))) qmp_server *s = NULL;
    enum outcome outcome;

    if (o->given & OPTIONS_TLS) {
        complain("--listen and TLS exclude each other: what is encrypted cannot be recorded on its way");
        return OUTCOME_USAGE;
    }
    if (connect_address(o) == NULL)
        return OUTCOME_USAGE;
    outcome = bare_listen(o, &s);
    if (outcome != OUTCOME_DONE)
        return outcome;
    complain("listening on %s", qmp_server_get_address(s));
    while (outcome == OUTCOME_DONE && !is_over(o, recorder) && (o->count == 0 || *ret_n < o->count)) {
        int client;
        outcome = bare_accept(o, s, recorder_fd(recorder), &client);
        if (outcome == OUTCOME_DONE && client >= 0)
            outcome = client_serve(o, recorder, (uint32_t)(*ret_n += 1), client);
    }
    return outcome;
}

/* ---- as the client ---- */

struct witness {
    const struct options *options;
    struct recorder *recorder;
    size_t events;
    enum outcome outcome;
};

static bool is_event(const char *text, size_t size)
{
    return qmp_value_type(qmp_value_member((qmp_value){text, size}, "event")) != QMP_ABSENT;
}

static bool witness_is_content(const struct witness *w)
{
    return w->options->count != 0 && w->events == w->options->count;
}

/* A line of the log: what goes over the wire is marked with "> " or "< ". */
static void on_line(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *userdata)
{
    struct witness *w = userdata;
    struct record record = {.time = duration_date(), .connection = 1, .from_server = *text == '<', .text = text + MARK};

    (void)c;
    if ((w->options->given & OPTION_VERBOSE) && level != QMP_LOG_DEBUG)
        complain("%s", text);
    if (level != QMP_LOG_RAW || size < MARK || w->outcome != OUTCOME_DONE || witness_is_content(w))
        return;
    record.kind = RECORD_MESSAGE;
    record.size = size - MARK;
    w->outcome = recorder_add(w->recorder, &record);
    w->events += is_event(record.text, record.size);
}

/* Sleeps until the connection or the reader of the capture has something to say. */
static enum outcome witness_sleep(const struct witness *w, qmp_client *c)
{
    struct pollfd fds[] = {
        {qmp_client_get_fd(c), (short)qmp_client_get_events(c), 0}, {recorder_fd(w->recorder), 0, 0}};
    uint64_t deadline = QMP_FOREVER;
    int r;

    qmp_client_get_deadline(c, &deadline);
    r = ending_poll(fds, 2, deadline < w->options->deadline ? deadline : w->options->deadline);
    return r >= 0 || r == -EINTR ? OUTCOME_DONE : outcome_of_error("waiting", r);
}

static enum outcome witness_loop(struct witness *w, qmp_client *c)
{
    while (w->outcome == OUTCOME_DONE && !witness_is_content(w) && !is_over(w->options, w->recorder)) {
        int r = qmp_client_process(c);
        if (r < 0 && w->outcome == OUTCOME_DONE)
            return outcome_of_failure(c, r);
        if (r == 0 && w->outcome == OUTCOME_DONE)
            w->outcome = witness_sleep(w, c);
    }
    return w->outcome;
}

static enum outcome witness_run(const struct options *o, struct recorder *recorder, size_t *ret_n)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    struct witness w = {.options = o, .recorder = recorder};
    enum outcome outcome = connect_prepare(o, /* l= */ NULL, &c);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    r = qmp_client_set_log(c, QMP_LOG_RAW, on_line, &w);
    if (r < 0)
        return outcome_of_error("the capture", r);
    r = connect_run(o, c);
    if (r < 0 && w.outcome == OUTCOME_DONE && ending_noted() == 0)
        w.outcome = outcome_of_failure(c, r);
    outcome = witness_loop(&w, c);
    qmp_client_set_log(c, QMP_LOG_NONE, /* log= */ NULL, /* userdata= */ NULL);
    *ret_n = w.events;
    return outcome;
}

/* ---- the verb ---- */

static enum outcome words_check(const struct options *o, size_t n)
{
    if (n == 0 && o->write != NULL)
        return OUTCOME_DONE;
    complain(o->write == NULL ? "where to? Say -w FILE, or -w - for standard output"
                              : "'capture' takes no words; the file goes behind -w");
    return OUTCOME_USAGE;
}

/* What is to be said in the end: how much there is, and whether that is enough. */
static enum outcome capture_end(const struct options *o, const struct recorder *recorder, size_t n)
{
    char text[DURATION_TEXT_MAX];

    complain("%zu record%s captured", recorder_count(recorder), recorder_count(recorder) == 1 ? "" : "s");
    if (o->count == 0 || n >= o->count || ending_noted() != 0)
        return OUTCOME_DONE;
    complain("%zu of %zu %s within %s", n, o->count, o->listen != NULL ? "clients" : "events",
        duration_text(o->timeout, text));
    return OUTCOME_TIMEOUT;
}

static enum outcome capture_run(const struct options *o, const char *const *words, size_t n_words)
{
    struct recorder *recorder = NULL;
    enum outcome outcome = words_check(o, n_words);
    bool abandoned;
    size_t n = 0;

    (void)words;
    if (outcome != OUTCOME_DONE)
        return outcome;
    ending_note();
    outcome = recorder_open(o->write, &recorder);
    if (outcome != OUTCOME_DONE)
        return outcome;
    outcome = o->listen != NULL ? between_run(o, recorder, &n) : witness_run(o, recorder, &n);
    abandoned = recorder_abandoned(recorder);
    if (!abandoned && (outcome == OUTCOME_DONE || ending_noted() != 0))
        outcome = capture_end(o, recorder, n);
    recorder_close(recorder);
    if (abandoned)
        output_abandon();
    return outcome;
}

const struct verb verb_capture = {
    .name = "capture",
    .synopsis = "-w FILE [--listen ADDRESS]",
    .summary = "write down what goes over a connection",
    .description = "Writes what goes over a connection to FILE: a pcap that Wireshark decodes, when\n"
                   "the name ends in '.pcap', else JSON lines, each with the time, who sent it, and\n"
                   "the message. 'pcap:' or 'json:' in front of FILE says so, too; '-' is standard\n"
                   "output. FILE must not be there already.\n\n"
                   "With --listen, clients connect to that address instead of to QEMU's; they are\n"
                   "passed on to QEMU, one after the other, and all is written down byte for byte.\n"
                   "Without, it is the client, and writes down QEMU's events.\n\n"
                   "Ends with Ctrl-C, after --timeout, or after --count clients (without --listen:\n"
                   "events). A capture holds all that was said, passwords too.\n",
    .examples = "  qmp capture -w bug.pcap -s /tmp/vm.qmp --listen /tmp/spy.qmp\n"
                "  qmp capture -w boot.jsonl -s /tmp/vm.qmp --wait-for-socket 1m\n"
                "  qmp capture -w pcap:- -s /tmp/vm.qmp | wireshark -k -i -\n",
    .options = OPTIONS_CONNECT | OPTION_WRITE | OPTION_LISTEN | OPTION_COUNT,
    .words_min = 0,
    .several = false,
    .run = capture_run,
};
