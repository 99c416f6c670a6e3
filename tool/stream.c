/* SPDX-License-Identifier: MIT */

/* A stream of events, from one listener to standard output.
 *
 * The listener is registered before the connection is made, so nothing is missed. A thread of the library's reads the
 * socket whatever standard output does: QEMU has no way to slow down and would buffer without bound for a reader that
 * stops. What does not fit the listener's queue meanwhile is lost, and said to be; memory stays the same. Output is
 * flushed whenever no event is waiting, so a program behind a pipe sees each at once and a burst costs few writes. A
 * reader that goes away is noticed even while there are no events.
 *
 * It knows nothing of verbs. */

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "output.h"
#include "stream.h"

struct stream {
    const struct options *options;
    qmp_client *client;
    qmp_listener *listener;
    size_t count;
    size_t printed;
    uint64_t dropped; /* that were reported */
    int error;        /* why connecting failed */
};

static int match_add(qmp_listener *l, const char *where)
{
    const char *equals = strchr(where, '=');
    __attribute__((cleanup(qmp_freep))) char *path = strndup(where, (size_t)(equals - where));

    return path != NULL ? qmp_listener_add_match(l, path, equals + 1) : -ENOMEM;
}

static int listener_make(const struct options *o, const char *const *names, size_t n_names, qmp_listener **ret)
{
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *l = NULL;
    __attribute__((cleanup(qmp_freep))) const char **list = calloc(n_names + 1, sizeof(*list));
    int r = list != NULL ? 0 : -ENOMEM;

    for (size_t i = 0; r >= 0 && i < n_names; i++)
        list[i] = names[i];
    if (r >= 0)
        r = qmp_listener_new(&l, list);
    for (size_t i = 0; r >= 0 && i < o->where.n; i++)
        r = match_add(l, o->where.items[i]);
    if (r < 0)
        return r;
    qmp_listener_set_limits(l, QMP_LISTENER_QUEUE_MAX, /* history_max= */ 0);
    *ret = l;
    l = NULL;
    return 0;
}

/* Refuses what cannot be the name of an event. */
static enum outcome names_check(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (*names[i] != '\0' && strchr(names[i], '=') == NULL)
            continue;
        if (*names[i] == '\0')
            complain("'' is not the name of an event");
        else
            complain("'%s' is not the name of an event; did you mean --where %s?", names[i], names[i]);
        return OUTCOME_USAGE;
    }
    return OUTCOME_DONE;
}

/* Sleeps until there is something to get, or the deadline. */
static enum outcome stream_sleep(const struct stream *s)
{
    struct pollfd fds[] = {{qmp_listener_get_fd(s->listener), POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
    uint64_t left = duration_until(s->options->deadline), ms = left / QMP_MILLISECOND + (left % QMP_MILLISECOND != 0);
    int timeout = left == QMP_FOREVER ? -1 : (int)(ms < INT_MAX ? ms : INT_MAX);

    if (fds[0].fd < 0)
        return outcome_of_error("waiting for events", fds[0].fd);
    if (poll(fds, sizeof(fds) / sizeof(fds[0]), timeout) > 0 && (fds[1].revents & (POLLERR | POLLHUP)))
        output_abandon();
    return OUTCOME_DONE;
}

static enum outcome stream_timed_out(const struct stream *s)
{
    char text[DURATION_TEXT_MAX];
    enum outcome outcome = output_flush();

    if (outcome != OUTCOME_DONE || s->count == 0)
        return outcome;
    duration_text(s->options->timeout, text);
    if (s->printed == 0)
        complain("no event within %s", text);
    else
        complain("%zu of %zu events within %s", s->printed, s->count, text);
    return OUTCOME_TIMEOUT;
}

static void losses_report(struct stream *s)
{
    uint64_t dropped = qmp_listener_dropped(s->listener);

    complain("%llu events lost: standard output takes them too slowly", (unsigned long long)(dropped - s->dropped));
    s->dropped = dropped;
}

static enum outcome event_print(struct stream *s, qmp_message *event)
{
    enum outcome outcome = output_json(qmp_message_root(event));

    s->printed++;
    qmp_message_unref(event);
    return outcome;
}

static enum outcome stream_pump(struct stream *s)
{
    enum outcome outcome = OUTCOME_DONE;

    while (outcome == OUTCOME_DONE) {
        qmp_message *event = NULL;
        int r = qmp_listener_get(s->listener, /* timeout= */ 0, &event);
        if (r >= 0)
            outcome = event_print(s, event);
        else if (r == -ENOBUFS)
            losses_report(s);
        else
            outcome = output_flush();
        if (outcome != OUTCOME_DONE || (s->count != 0 && s->printed == s->count))
            break;
        if (r < 0 && r != -EAGAIN && r != -ENOBUFS)
            return outcome_of_failure(s->client, s->error < 0 ? s->error : r);
        if (duration_until(s->options->deadline) == 0)
            return stream_timed_out(s);
        if (r == -EAGAIN)
            outcome = stream_sleep(s);
    }
    return outcome == OUTCOME_DONE ? output_flush() : outcome;
}

/* Connects and prints. A connection that fails may have brought events all the same, even the last one wanted. */
static enum outcome stream_connect(struct stream *s)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = connect_prepare(s->options, s->listener, &c);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    s->client = c;
    s->error = connect_run(s->options, c);
    r = s->error < 0 ? 0 : qmp_client_start_thread(c);
    return r < 0 ? outcome_of_error("starting a thread", r) : stream_pump(s);
}

enum outcome stream_run(const struct options *o, const char *const *names, size_t n_names, size_t count)
{
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *l = NULL;
    struct stream s = {.options = o, .count = count};
    enum outcome outcome = names_check(names, n_names);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    r = listener_make(o, names, n_names, &l);
    if (r < 0)
        return outcome_of_error("making a listener", r);
    s.listener = l;
    return stream_connect(&s);
}
