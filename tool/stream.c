/* SPDX-License-Identifier: MIT */

/* A stream of events, from one listener to standard output.
 *
 * One thread reads and prints in turn: each step of reading is printed before the next, so nothing is lost between the
 * two, and no other thread costs time. Into a file that is all there is to it.
 *
 * A pipe or a socket may take nothing for hours, though, and QEMU has no way to slow down: for a client that does not
 * read it buffers without bound. So who prints has patience with standard output for a moment. When the moment has
 * passed before all was read that QEMU has sent, a thread of the library's reads from then on, whatever standard output
 * does; what does not fit the listener's queue meanwhile is lost, the oldest first, and said to be. A terminal can be
 * stopped in the middle of a write, and the threads of several servers wait for each other: there the library reads
 * from the start.
 *
 * Either way memory stays the same. The listener is registered before the connection is made, so nothing is missed.
 * Output is flushed whenever no event is waiting, so a program behind a pipe sees each at once and a burst costs few
 * writes. A reader that goes away is noticed even while there are no events.
 *
 * It knows nothing of verbs, nor of which events these are. */

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "label.h"
#include "output.h"
#include "pump.h"
#include "stream.h"

/* How long standard output may keep us from reading, from one time that all was read to the next. */
#define PATIENCE QMP_SECOND

struct stream {
    const struct options *options;
    qmp_client *client;
    qmp_listener *listener;
    bool threaded; /* the library reads */
    size_t printed;
    uint64_t dropped;     /* that were reported */
    int error;            /* why connecting failed */
    bool may_block;       /* standard output */
    enum outcome outcome; /* of starting the library's thread */
};

/* Whether standard output may keep a writer waiting for as long as somebody else likes. */
static bool output_may_block(void)
{
    struct stat st;

    return output_is_terminal() || fstat(STDOUT_FILENO, &st) < 0 || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
}

/* Lets the library read. */
static void thread_start(void *userdata)
{
    struct stream *s = userdata;
    int r = qmp_client_start_thread(s->client);

    s->threaded = r >= 0;
    if (r < 0)
        s->outcome = outcome_of_error("starting a thread", r);
}

static bool stream_is_full(const struct stream *s)
{
    return s->options->count != 0 && s->printed == s->options->count;
}

/* Nothing is queued: reads more, or waits for it, with nothing held back then. */
static enum outcome stream_wait(struct stream *s)
{
    enum outcome outcome;
    int fd;

    if (!s->threaded && qmp_client_process(s->client) != 0)
        return OUTCOME_DONE;
    if (!s->threaded && s->may_block)
        output_set_patience(PATIENCE, thread_start, s);
    outcome = output_flush();
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (!s->threaded) {
        pump(s->client, s->options->deadline);
        return OUTCOME_DONE;
    }
    fd = qmp_listener_get_fd(s->listener);
    if (fd < 0)
        return outcome_of_error("waiting for events", fd);
    pump_sleep(fd, POLLIN, s->options->deadline);
    return OUTCOME_DONE;
}

/* ---- printing ---- */

static void losses_report(struct stream *s)
{
    uint64_t dropped = qmp_listener_dropped(s->listener);

    if (dropped > s->dropped)
        complain("%llu events lost: standard output takes them too slowly", (unsigned long long)(dropped - s->dropped));
    s->dropped = dropped;
}

static enum outcome event_print(struct stream *s, const qmp_message *event)
{
    enum outcome outcome = output_json(qmp_message_root(event));

    s->printed++;
    return outcome == OUTCOME_DONE ? s->outcome : outcome;
}

/* Prints all that is queued, as far as it is wanted. */
static enum outcome queue_print(struct stream *s)
{
    enum outcome outcome = OUTCOME_DONE;
    qmp_message **events = NULL;
    size_t n = 0;
    int r = qmp_listener_clear(s->listener, &events, &n);

    if (r < 0)
        return outcome_of_error("taking events", r);
    losses_report(s);
    for (size_t i = 0; i < n && outcome == OUTCOME_DONE && !stream_is_full(s); i++)
        outcome = event_print(s, events[i]);
    qmp_message_unref_many(events, n);
    return outcome;
}

static enum outcome stream_timed_out(const struct stream *s)
{
    char text[DURATION_TEXT_MAX];
    enum outcome outcome = output_flush();

    if (outcome != OUTCOME_DONE || s->options->count == 0)
        return outcome;
    duration_text(s->options->timeout, text);
    if (s->printed == 0)
        complain("no event within %s", text);
    else
        complain("%zu of %zu events within %s", s->printed, s->options->count, text);
    return OUTCOME_TIMEOUT;
}

static enum outcome stream_ended(const struct stream *s, int error)
{
    enum outcome outcome = output_flush();

    return outcome == OUTCOME_DONE ? outcome_of_failure(s->client, s->error < 0 ? s->error : error) : outcome;
}

static enum outcome stream_pump(struct stream *s)
{
    enum outcome outcome = OUTCOME_DONE;

    while (outcome == OUTCOME_DONE && !stream_is_full(s)) {
        __attribute__((cleanup(qmp_message_unrefp))) qmp_message *event = NULL;
        int r = qmp_listener_get(s->listener, /* timeout= */ 0, &event);
        if (r >= 0)
            outcome = event_print(s, event);
        if (outcome == OUTCOME_DONE && (r >= 0 || r == -ENOBUFS))
            outcome = queue_print(s);
        else if (outcome == OUTCOME_DONE && r != -EAGAIN)
            return stream_ended(s, r);
        if (outcome != OUTCOME_DONE || stream_is_full(s))
            break;
        if (duration_until(s->options->deadline) == 0)
            return stream_timed_out(s);
        if (r == -EAGAIN)
            outcome = stream_wait(s);
    }
    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

/* Connects and prints. A connection that fails may have brought events all the same, even the last one wanted. */
static enum outcome stream_connect(struct stream *s)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = connect_prepare(s->options, s->listener, &c);

    if (outcome != OUTCOME_DONE)
        return outcome;
    s->client = c;
    s->error = connect_run(s->options, c);
    s->may_block = s->error >= 0 && output_may_block();
    if (s->may_block && (output_is_terminal() || label_get() != NULL))
        thread_start(s);
    else if (s->may_block)
        output_set_patience(PATIENCE, thread_start, s);
    outcome = s->outcome == OUTCOME_DONE ? stream_pump(s) : s->outcome;
    output_set_patience(0, /* slow= */ NULL, /* userdata= */ NULL);
    return outcome;
}

enum outcome stream_run(const struct options *o, const struct filter *f)
{
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *l = NULL;
    struct stream s = {.options = o};
    enum outcome outcome = output_check();

    if (outcome == OUTCOME_DONE)
        outcome = filter_listener(f, &l);
    if (outcome != OUTCOME_DONE)
        return outcome;
    s.listener = l;
    return stream_connect(&s);
}
