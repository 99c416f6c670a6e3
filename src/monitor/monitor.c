/* SPDX-License-Identifier: MIT */
/* The monitor: blocking calls for scripts, on top of a client.
 *
 * Nothing here that a program could not do with the client's public functions; what it adds is a memory. It keeps the
 * last reply, the last event, the words of the last error, and the queue of events.
 *
 * The client's default listener is a FIFO, and a script wants to take events out of its middle. So whenever the monitor
 * looks, it moves all that the listener holds to the end of a queue of its own, and takes events from there: each is
 * stored once, and their order is the wire's. What a listener says between events is kept as flags: events were lost,
 * the connection was made again by itself, the connection has ended. The first two are reported once, before anything
 * is taken; the last only when nothing that was asked for is left.
 *
 * No call of a script reads for ever: a call that must not block reads a limited number of times, so that a server that
 * sends faster than we read cannot hold it.
 *
 * It refuses to know descriptors, threads and the client's insides. */

#include <qmp/monitor.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <qmp/error.h>

#include "util/util.h"
#include "json/template.h"
#include "json/value.h"

/* How often a call that must not block reads. The client reads 32 KiB at a time: this is more than a socket holds. */
#define READS_MAX 256u
/* What a failed call has to say, and how much of that a name may be. */
#define WORDS_MAX ((size_t)1024)
#define NAME_WORDS_MAX ((size_t)128)
/* How much longer than the caller's time to wait for the client to say why it could not connect in that time. */
#define VERDICT_TIMEOUT (100 * QMP_MILLISECOND)
/* The first allocation of the queue. */
#define EVENTS_MIN ((size_t)64)

/* events[first] is the oldest of `n`. */
struct queue {
    qmp_message **events;
    size_t allocated, first, n;
    size_t seen; /* how many of them, from the oldest on, the current call has looked at in vain */
};

struct qmp_monitor {
    qmp_client *client;
    char *address;
    uint64_t timeout;
    bool listening;     /* and nobody is connected yet */
    qmp_message *reply; /* to the last command; NULL when that failed */
    qmp_message *event; /* pulled last */
    struct queue queue;
    bool lost, gap; /* not reported yet */
    bool ended;     /* nothing more can come into the queue */
    bool waiting;   /* for the listener: a callback that runs meanwhile must not take what would wake it */
    char words[WORDS_MAX];
};

/* ---- words ---- */

/* Keeps what went wrong. Returns the error. */
static int fail(qmp_monitor *m, int error, const char *format, ...) QMP_PRINTF(3, 4);

static int fail(qmp_monitor *m, int error, const char *format, ...)
{
    static const char more[] = "...";
    size_t end = sizeof(m->words) - sizeof(more);
    va_list list;
    int size;

    va_start(list, format);
    size = vsnprintf(m->words, sizeof(m->words), format, list);
    va_end(list);
    if (size >= (int)sizeof(m->words)) {
        while (end > 0 && (m->words[end] & 0xC0) == 0x80)
            end--; /* in the middle of a character */
        memcpy(m->words + end, more, sizeof(more));
    }
    return error;
}

/* Fit for a terminal, whoever wrote it. */
static void picture(char *out, size_t size, const char *text)
{
    json_excerpt(out, size, text ? text : "", text ? strlen(text) : 0);
}

/* Something that needs a connection. */
static int fail_connected(qmp_monitor *m, int error, const char *what, const char *meaning)
{
    CLEANUP(qmp_freep) char *why = NULL;

    if (error == -ENOTCONN || error == -ECONNRESET)
        why = qmp_client_failure_copy(m->client);
    return fail(m, error, "%s: %s", what, why && *why ? why : meaning);
}

/* Something that makes one. When nothing was tried, what the client has to say is about an older connection. */
static int fail_connecting(qmp_monitor *m, int error)
{
    CLEANUP(qmp_freep) char *why = NULL;

    if (error != -EISCONN && error != -EALREADY && error != -ENOMEM && error != -ECHILD && !m->waiting)
        why = qmp_client_failure_copy(m->client);
    if (why && *why)
        return fail(m, error, "%s", why);
    return fail(m, error, "%s: %s", m->address, qmp_strerror(error));
}

const char *qmp_monitor_error(qmp_monitor *m)
{
    return m ? m->words : qmp_strerror(-ENOMEM);
}

/* ---- the queue ---- */

static qmp_message **oldest(const struct queue *q)
{
    return q->events + q->first;
}

static qmp_message *take_at(struct queue *q, size_t i)
{
    qmp_message **place = oldest(q) + i, *event = *place;

    q->n--;
    if (i < q->seen)
        q->seen--;
    if (i == 0)
        q->first++;
    else
        memmove(place, place + 1, (q->n - i) * sizeof(qmp_message *));
    return event;
}

/* Takes the oldest event with this name; NULL when there is none. */
static qmp_message *take(struct queue *q, const char *name)
{
    for (; q->seen < q->n; q->seen++) {
        if (!name || strcmp(qmp_event_name(oldest(q)[q->seen]), name) == 0)
            return take_at(q, q->seen);
    }
    return NULL;
}

/* Makes room for one more behind the last. Returns 0, -ENOMEM. */
static int reserve(struct queue *q)
{
    size_t allocated = q->allocated == 0 ? EVENTS_MIN : 2 * q->allocated;
    qmp_message **events;

    if (q->first + q->n < q->allocated)
        return 0;
    if (q->allocated > 0 && q->first >= q->n) {
        memmove(q->events, oldest(q), q->n * sizeof(qmp_message *));
        q->first = 0;
        return 0;
    }
    events = realloc(q->events, allocated * sizeof(qmp_message *));
    if (!events)
        return -ENOMEM;
    q->events = events;
    q->allocated = allocated;
    return 0;
}

static void drop_all(struct queue *q)
{
    while (q->n > 0)
        qmp_message_unref(take_at(q, 0));
    free(q->events);
    *q = (struct queue){NULL, 0, 0, 0, 0};
}

/* ---- from the client to the queue ---- */

/* Moves one event, or notes what the listener says instead. Returns what it says; -ENOMEM, then nothing is lost. */
static int hear(qmp_monitor *m, uint64_t timeout)
{
    struct queue *q = &m->queue;
    qmp_message *event;
    int r = reserve(q);

    if (r >= 0)
        r = qmp_listener_get(qmp_client_events(m->client), timeout, &event);
    m->lost |= r == -ENOBUFS;
    m->gap |= r == -ESTALE;
    if (r < 0)
        return r;
    oldest(q)[q->n++] = event;
    if (q->n > QMP_MONITOR_EVENTS_MAX) {
        qmp_message_unref(take_at(q, 0));
        m->lost = true;
    }
    return 0;
}

/* Whether hear() has more to say. */
static bool goes_on(int r)
{
    return r >= 0 || r == -ENOBUFS || r == -ESTALE || r == -ENOTCONN;
}

/* Moves what the listener holds, without reading more. It says -ENOTCONN once between two connections that the script
 * made, and again and again after the last. Returns 0, -ENOMEM, -EBUSY. */
static int collect(qmp_monitor *m)
{
    int r = 0, before;

    if (m->waiting)
        return -EBUSY;
    m->ended = false;
    for (size_t i = 0; i < QMP_MONITOR_EVENTS_MAX && goes_on(r) && !m->ended; i++) {
        before = r;
        r = hear(m, /* timeout= */ 0);
        m->ended = r == -ENOTCONN && before == -ENOTCONN;
    }
    return r == -ENOMEM ? r : 0;
}

/* Reads what has arrived, and collects it. Where the library's thread reads, or a callback runs, there is only
 * collecting to do. Returns 0, -ENOMEM, -EBUSY, -ECHILD. */
static int read_arrived(qmp_monitor *m)
{
    int r = 0, did = 1;

    for (unsigned i = 0; i < READS_MAX && did > 0 && r >= 0; i++) {
        did = qmp_client_process(m->client);
        r = collect(m);
    }
    return did == -ECHILD ? did : r;
}

/* What has happened to the queue since the last call, once. */
static int report(qmp_monitor *m)
{
    if (m->lost) {
        m->lost = false;
        return -ENOBUFS;
    }
    if (m->gap) {
        m->gap = false;
        return -ESTALE;
    }
    return 0;
}

static int fail_events(qmp_monitor *m, int error, const char *what)
{
    const char *meaning = qmp_strerror(error);

    if (error == -ENOBUFS)
        meaning = "events were dropped, because too many were queued";
    if (error == -ESTALE)
        meaning = "the connection ended and was made again; events in between were not heard";
    return fail_connected(m, error, what, meaning);
}

/* ---- events ---- */

/* Returns 0 and takes the event; -EAGAIN, or what there is to report instead. */
static int look(qmp_monitor *m, const char *name)
{
    qmp_message *event;
    int r = collect(m);

    if (r >= 0)
        r = report(m);
    if (r < 0)
        return r;
    event = take(&m->queue, name);
    if (!event)
        return m->ended ? -ENOTCONN : -EAGAIN;
    qmp_message_unref(m->event);
    m->event = event;
    return 0;
}

static int look_at_arrived(qmp_monitor *m, const char *name)
{
    int r = look(m, name);

    if (r != -EAGAIN)
        return r;
    r = read_arrived(m);
    return r < 0 ? r : look(m, name);
}

/* The listener wakes for every event; those with other names are queued on the way. */
static int look_until(qmp_monitor *m, const char *name, uint64_t deadline)
{
    int r;

    while ((r = look(m, name)) == -EAGAIN) {
        uint64_t now = deadline == QMP_FOREVER ? 0 : time_now();

        m->waiting = true;
        r = now < deadline ? hear(m, deadline - now) : -ETIMEDOUT;
        m->waiting = false;
        if (!goes_on(r))
            break;
    }
    return r;
}

int qmp_monitor_pull_event(qmp_monitor *m, const char *name, uint64_t timeout)
{
    char what[sizeof("waiting for ") + NAME_WORDS_MAX] = "waiting for an event";
    int r;

    if (!m)
        return -ENOMEM;
    r = timeout == 0 ? look_at_arrived(m, name) : look_until(m, name, time_deadline(timeout));
    m->queue.seen = 0; /* for the next call, and for one that runs the callback that this one is made from */
    if (r >= 0)
        return 0;
    if (name) {
        char shown[NAME_WORDS_MAX];

        picture(shown, sizeof(shown), name);
        snprintf(what, sizeof(what), "waiting for %s", shown);
    }
    return fail_events(m, r, what);
}

const qmp_message *qmp_monitor_event(qmp_monitor *m)
{
    return m ? m->event : NULL;
}

int qmp_monitor_get_events(qmp_monitor *m, qmp_message *const **ret)
{
    int r;

    if (!m)
        return -ENOMEM;
    r = read_arrived(m);
    if (r >= 0)
        r = report(m);
    if (r < 0)
        return fail_events(m, r, "events");
    *ret = oldest(&m->queue);
    return (int)m->queue.n;
}

int qmp_monitor_clear_events(qmp_monitor *m)
{
    int r;

    if (!m)
        return -ENOMEM;
    r = read_arrived(m);
    if (r == -EBUSY || r == -ECHILD)
        return fail_events(m, r, "events");
    qmp_listener_clear(
        qmp_client_events(m->client), /* ret= */ NULL, /* ret_n= */ NULL); /* without memory to collect */
    drop_all(&m->queue);
    m->lost = m->gap = false;
    return 0;
}

/* ---- commands ---- */

static int fail_command(qmp_monitor *m, int error, const char *command, const qmp_message *reply)
{
    char name[NAME_WORDS_MAX], class[NAME_WORDS_MAX], description[WORDS_MAX - 2 * NAME_WORDS_MAX - sizeof(": : ")];

    picture(name, sizeof(name), command);
    if (!reply)
        return fail_connected(m, error, name, qmp_strerror(error));
    picture(class, sizeof(class), qmp_reply_error_class(reply));
    picture(description, sizeof(description), qmp_reply_error_desc(reply));
    return fail(m, error, "%s: %s: %s", name, class, description);
}

static int fail_arguments(qmp_monitor *m, int error, const char *command)
{
    char name[NAME_WORDS_MAX];

    picture(name, sizeof(name), command);
    return fail(m, error, "%s: %s", name,
        error == -ENOMEM ? qmp_strerror(error)
                         : "the format or a value for it is wrong: no arguments can be made of it");
}

int qmp_monitor_command(qmp_monitor *m, const char *command, const char *format, ...)
{
    CLEANUP(qmp_freep) char *arguments = NULL;
    CLEANUP(qmp_message_unrefp) qmp_message *error = NULL;
    int r = 0;

    if (!m)
        return -ENOMEM;
    m->reply = qmp_message_unref(m->reply);
    if (format) {
        va_list list;

        va_start(list, format);
        r = json_template(&arguments, format, list);
        va_end(list);
    }
    if (r < 0)
        return fail_arguments(m, r, command);
    r = qmp_client_execute(m->client, command, arguments, m->timeout, &m->reply, &error);
    return r < 0 ? fail_command(m, r, command, error) : 0;
}

qmp_value qmp_monitor_value(qmp_monitor *m)
{
    return m && m->reply ? qmp_reply_value(m->reply) : (qmp_value){NULL, 0};
}

int qmp_monitor_set_timeout(qmp_monitor *m, uint64_t timeout)
{
    if (!m)
        return -ENOMEM;
    m->timeout = timeout;
    return 0;
}

/* ---- connecting ---- */

/* Starts one or the other. A connection that has ended may not have been noticed yet, for want of driving: the reading
 * does that, and saves its last events. */
static int start(qmp_monitor *m, int (*how)(qmp_client *c, const char *address), uint64_t connect_timeout)
{
    int r = read_arrived(m);

    if (r >= 0)
        r = qmp_client_set_connect_timeout(m->client, connect_timeout);
    if (r >= 0)
        r = how(m->client, m->address);
    return r < 0 ? fail_connecting(m, r) : 0;
}

int qmp_monitor_connect(qmp_monitor *m, uint64_t timeout)
{
    int r;

    if (!m)
        return -ENOMEM;
    r = start(m, qmp_client_connect, timeout);
    if (r < 0)
        return r;
    m->listening = false;
    r = qmp_client_wait_running(m->client, timeout);
    if (r == -ETIMEDOUT)
        r = qmp_client_wait_running(m->client, VERDICT_TIMEOUT);
    if (r < 0) {
        fail_connecting(m, r);
        qmp_client_disconnect(m->client); /* one that tries again by itself would go on */
    }
    return r;
}

int qmp_monitor_listen(qmp_monitor *m)
{
    int r;

    if (!m)
        return -ENOMEM;
    r = start(m, qmp_client_listen_on, QMP_FOREVER);
    if (r >= 0)
        m->listening = true;
    return r;
}

int qmp_monitor_accept(qmp_monitor *m, uint64_t timeout)
{
    int r;

    if (!m)
        return -ENOMEM;
    if (!m->listening)
        return fail(m, -ENOTCONN, "%s: nobody can dial, because nothing listens there", m->address);
    r = qmp_client_wait_running(m->client, timeout);
    m->listening = qmp_client_runstate(m->client) == QMP_CONNECTING;
    if (r == -ETIMEDOUT && m->listening)
        return fail(m, r, "%s: no QEMU has dialled and greeted in time", m->address);
    return r < 0 ? fail_connecting(m, r) : 0;
}

/* ---- life ---- */

qmp_monitor *qmp_monitor_new(const char *address)
{
    CLEANUP(qmp_monitor_freep) qmp_monitor *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    m->timeout = QMP_MONITOR_TIMEOUT;
    m->address = strdup(address);
    if (!m->address || qmp_client_new(&m->client) < 0)
        return NULL;
    return TAKE(m);
}

qmp_monitor *qmp_monitor_free(qmp_monitor *m)
{
    if (!m)
        return NULL;
    qmp_client_unref(m->client);
    qmp_message_unref(m->reply);
    qmp_message_unref(m->event);
    drop_all(&m->queue);
    free(m->address);
    free(m);
    return NULL;
}

qmp_client *qmp_monitor_client(qmp_monitor *m)
{
    return m ? m->client : NULL;
}
