/* SPDX-License-Identifier: MIT */
/* Listeners: sequences of operations, against a model of what each must say.
 *
 * The input is a list of operations on a client, a few listeners and a server in the same process: registering, scopes,
 * rules, limits, events, ends of connections, getting. A callback takes its operations from the same input, so they
 * happen in the middle of others. The model below knows queues and histories as plain arrays of event numbers; whatever
 * the library answers must be what the model says.
 *
 * The order in which the listeners of one event are served is nobody's business, so the model is told of it by the
 * callbacks, and checks only that each is called when it may be, and in the end that nobody was left out. It refuses to
 * know threads (src/listener/listener.pml does) and memory that runs out.
 *
 * FUZZ_TRACE=1 prints the operations as they happen. */

#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <qmp/qmp.h>

#include "util/util.h"

#define N_LISTENERS 4u
#define N_SCOPES 2u
#define N_EVENTS 160u                      /* in one run, so that an array holds them all */
#define QUEUE_SIZE (2 * N_EVENTS + 2 * 32) /* each event may have a gap behind it */
#define OPERATIONS_MAX 200u

/* What a queue of the model holds besides numbers of events. */
enum { MARK_END = -1, MARK_GAP = -2 };

/* PERHAPS: the handler was away meanwhile; when its turn came, there was one again, or not. */
enum call { CALL_NONE, CALL_ASK, CALL_HANDLER, CALL_PERHAPS };

struct listener {
    qmp_listener *l;
    bool held; /* the harness has a reference; without it, only callbacks see the listener */
    unsigned in_scopes;

    /* The rule. */
    unsigned names; /* one bit each; 0: all */
    int match;      /* the value of data.id; -1: any */
    bool filter, accept;

    int queue[QUEUE_SIZE], history[N_EVENTS];
    size_t n, n_history, queue_max, history_max;
    uint64_t dropped;
    bool registered, open, heard, lost, told, handler;
    bool remove_wanted; /* its scope ended in a filter */
    unsigned registrations, removals;
    int fd;

    enum call call; /* what the event that is being served still owes it */
};

struct scope {
    qmp_scope *s;
    size_t n;
    struct listener *listeners[2];
    unsigned registrations[2];
};

static struct run {
    struct input in;
    unsigned n_operations;
    struct listener listeners[N_LISTENERS];
    struct scope scopes[N_SCOPES];
    qmp_client *client;
    int peer; /* -1: none */

    /* The connection. */
    bool connected, running, link_up, await_greeting, greeted;
    bool policy, ran;
    bool peer_closed;
    /* Sent and not read yet: event numbers, MARK_END for a greeting. */
    int pending[N_EVENTS + 8];
    size_t n_pending;
    int n_events; /* sent so far */
    unsigned char name_of[N_EVENTS], id_of[N_EVENTS];

    /* The step. */
    bool stepping, reading, dying, disconnect_wanted;
    struct listener *calling; /* whose callback runs */
    bool in_filter;
    int current; /* the event that is being served; -1 */
    bool early;  /* it came before the negotiation */
} R;

static int listening = -1;
static char address[128];
static bool tracing;

/* ---- saying what happens ---- */

static void trace(const char *format, ...) QMP_PRINTF(1, 2);
static void trace(const char *format, ...)
{
    va_list args;

    if (!tracing)
        return;
    fputs(R.calling ? "        " : "    ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static int number(const struct listener *m)
{
    return (int)(m - R.listeners);
}

static void wrong(const struct listener *m, const char *what, long long is, long long should)
{
    fprintf(stderr, "does not hold: listener %d: %s is %lld, should be %lld (FUZZ_TRACE=1 tells how)\n",
        m ? number(m) : -1, what, is, should);
    if (m) {
        fprintf(stderr, "the model: registered %d, open %d, lost %d, dropped %llu, queue", m->registered, m->open,
            m->lost, (unsigned long long)m->dropped);
        for (size_t i = 0; i < m->n; i++)
            fprintf(stderr, " %d", m->queue[i]);
        fputc('\n', stderr);
    }
    abort();
}

static void same(const struct listener *m, const char *what, long long is, long long should)
{
    if (is != should)
        wrong(m, what, is, should);
}

/* ---- the model: a queue ---- */

static size_t count_events(const struct listener *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n; i++)
        n += m->queue[i] >= 0;
    return n;
}

static void delete_at(struct listener *m, size_t i)
{
    memmove(&m->queue[i], &m->queue[i + 1], (m->n - i - 1) * sizeof(m->queue[0]));
    m->n--;
}

/* The oldest event goes. Of two marks that come together then, the later one stays. */
static void drop_one(struct listener *m)
{
    size_t i = 0;

    while (m->queue[i] < 0)
        i++;
    delete_at(m, i);
    if (i > 0 && i < m->n && m->queue[i] < 0)
        delete_at(m, 0);
    m->dropped++;
    m->lost = true;
}

static void empty(struct listener *m)
{
    m->n = 0;
    m->told = false;
}

static void hear(struct listener *m, int event)
{
    m->heard = true;
    if (m->queue_max > 0 || m->handler) {
        while (count_events(m) > 0 && count_events(m) >= m->queue_max)
            drop_one(m);
        m->queue[m->n++] = event;
    }
    if (m->history_max > 0) {
        if (m->n_history >= m->history_max)
            memmove(m->history, m->history + 1, --m->n_history * sizeof(m->history[0]));
        m->history[m->n_history++] = event;
    }
}

static void mark(struct listener *m, int what)
{
    if (m->n == 0 || m->queue[m->n - 1] >= 0)
        m->queue[m->n++] = what;
}

/* What get() says: 0 and the event, or an error. */
static int next(struct listener *m, int *event)
{
    int first = m->n > 0 ? m->queue[0] : 0;

    if (m->lost) {
        m->lost = false;
        return -ENOBUFS;
    }
    if (m->n == 0)
        return m->open ? -EAGAIN : -ENOTCONN;
    if (first == MARK_END && m->n == 1 && !m->open) {
        m->told = true; /* and says so for as long as there is no connection */
        return -ENOTCONN;
    }
    delete_at(m, 0);
    if (first < 0)
        return first == MARK_GAP ? -ESTALE : -ENOTCONN;
    *event = first;
    return 0;
}

static bool ready(const struct listener *m)
{
    return m->lost || m->n > 0 || !m->open;
}

static void opened(struct listener *m)
{
    m->open = true;
    if (m->told)
        empty(m);
}

static void closed(struct listener *m)
{
    m->open = false;
    if (m->heard)
        mark(m, MARK_END);
    m->heard = false;
}

static void gap(struct listener *m, bool was_running)
{
    if (m->queue_max > 0 && (was_running || m->heard))
        mark(m, MARK_GAP);
    m->heard = false;
}

static void attached(struct listener *m)
{
    m->registered = true;
    m->registrations++;
    if (R.connected)
        opened(m);
}

static void removed(struct listener *m)
{
    m->registered = m->open = m->remove_wanted = m->lost = m->heard = false;
    empty(m);
    m->removals++;
    m->call = CALL_NONE;
}

/* ---- the model: events on their way ---- */

static bool rule_takes(const struct listener *m, int event)
{
    return (m->names == 0 || (m->names >> R.name_of[event] & 1)) && (m->match < 0 || m->match == R.id_of[event]);
}

static bool here(const struct listener *m)
{
    return m->registered && !m->remove_wanted && !R.dying;
}

static bool wants_handler(const struct listener *m)
{
    return here(m) && m->handler && count_events(m) > 0;
}

/* Nobody is left out of what has been served so far. */
static void check_served(void)
{
    for (unsigned i = 0; i < N_LISTENERS; i++) {
        struct listener *m = &R.listeners[i];

        if (m->call == CALL_ASK && here(m) && (m->accept || (m->filter && rule_takes(m, R.current))))
            wrong(m, "a question about an event", -1, R.current);
        if (m->call != CALL_NONE && m->call != CALL_PERHAPS && wants_handler(m))
            wrong(m, "a call of the handler", -1, m->queue[0]);
        m->call = CALL_NONE;
    }
    R.current = -1;
}

static void begin_event(int event)
{
    R.current = event;
    for (unsigned i = 0; i < N_LISTENERS; i++) {
        struct listener *m = &R.listeners[i];

        m->call = CALL_NONE;
        if (!m->registered || !(m->accept || rule_takes(m, event)))
            continue;
        if (m->accept || m->filter) {
            m->call = CALL_ASK;
            continue;
        }
        hear(m, event);
        m->call = m->handler ? CALL_HANDLER : CALL_NONE;
    }
}

/* Handlers of what was queued before come first in a step; then what can be read. */
static void begin_reading(void)
{
    if (R.reading)
        return;
    if (R.disconnect_wanted)
        wrong(NULL, "reading after a disconnect", 1, 0);
    for (unsigned i = 0; i < N_LISTENERS; i++)
        if (wants_handler(&R.listeners[i]))
            wrong(&R.listeners[i], "a call of the handler before reading", -1, R.listeners[i].queue[0]);
    R.reading = true;
}

/* An event ahead of the negotiation has a gap behind it, for those who heard it. */
static void early_gap(void)
{
    for (unsigned i = 0; i < N_LISTENERS && R.early && R.policy; i++)
        if (R.listeners[i].registered)
            gap(&R.listeners[i], /* was_running= */ false);
    R.early = false;
}

static bool next_event(void)
{
    begin_reading();
    check_served();
    early_gap();
    while (R.n_pending > 0 && !R.dying) {
        int what = R.pending[0];

        memmove(R.pending, R.pending + 1, --R.n_pending * sizeof(R.pending[0]));
        if (what >= 0) {
            R.early = !R.running;
            begin_event(what);
            return true;
        }
        R.running = true;
        R.ran = R.policy;
    }
    return false;
}

static void all_closed(void)
{
    R.connected = R.running = R.link_up = false;
    R.disconnect_wanted = false;
    R.n_pending = 0;
    for (unsigned i = 0; i < N_LISTENERS; i++)
        if (R.listeners[i].registered)
            closed(&R.listeners[i]);
}

static void peer_close(void)
{
    if (R.peer >= 0)
        close(R.peer);
    R.peer = -1;
}

static void connection_lost(void)
{
    bool was_running = R.running;

    peer_close();
    if (!R.policy || !R.ran) {
        all_closed();
        return;
    }
    R.running = R.link_up = R.greeted = R.peer_closed = false;
    for (unsigned i = 0; i < N_LISTENERS; i++)
        if (R.listeners[i].registered)
            gap(&R.listeners[i], was_running);
}

static void client_gone(void)
{
    peer_close();
    if (R.connected)
        all_closed();
    for (unsigned i = 0; i < N_LISTENERS; i++) {
        struct listener *m = &R.listeners[i];

        if (m->registered)
            closed(m);
        m->registered = m->remove_wanted = false;
    }
    R.client = NULL;
    R.policy = R.ran = R.dying = R.early = false;
}

/* ---- steps of the client ---- */

static void step_begin(void)
{
    R.stepping = true;
    R.reading = R.dying = false;
}

/* What the library has done by now must be all that there was to do. */
static void step_end(bool hang_up)
{
    R.stepping = false;
    if (R.dying) {
        for (unsigned i = 0; i < N_LISTENERS; i++)
            R.listeners[i].call = CALL_NONE;
        client_gone();
        return;
    }
    if (!R.reading && R.disconnect_wanted) {
        peer_close();
        all_closed();
        return;
    }
    while (next_event())
        continue;
    if (R.disconnect_wanted) {
        peer_close();
        all_closed();
    } else if (hang_up) {
        connection_lost();
    }
}

static bool at_end(void)
{
    return R.connected && R.link_up && R.peer_closed && R.n_pending == 0;
}

/* The server's side of a new connection; only the last one is not out of date. */
static void accept_peer(void)
{
    int fd;

    while ((fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        peer_close();
        R.peer = fd;
    }
    if (!R.connected)
        peer_close();
    if (R.peer < 0)
        return;
    R.link_up = true;
    if (!R.await_greeting) {
        R.running = true;
        R.ran = R.policy;
    }
}

static void drive(void)
{
    int r;

    do {
        bool hang_up = at_end();

        step_begin();
        r = qmp_client_process(R.client);
        step_end(hang_up);
        if (R.client && R.connected && !R.link_up)
            accept_peer();
    } while (R.client && (r > 0 || (R.connected && !R.link_up)));
    if (R.client)
        same(NULL, "the state", qmp_client_runstate(R.client),
            R.running     ? QMP_RUNNING
            : R.connected ? QMP_CONNECTING
                          : QMP_IDLE);
}

/* ---- callbacks ---- */

static int event_number(const qmp_message *event)
{
    int64_t n = -1;

    REQUIRE(qmp_value_int64(qmp_value_path(qmp_message_root(event), "data.n"), &n) == 0);
    REQUIRE(n >= 0 && n < R.n_events);
    REQUIRE(qmp_event_name(event)[0] == 'A' + R.name_of[n] && qmp_event_name(event)[1] == '\0');
    return (int)n;
}

static void operate(void);

static void operate_inside(struct listener *m, bool in_filter)
{
    R.calling = m;
    R.in_filter = in_filter;
    if (input_byte(&R.in) & 1)
        operate();
    R.calling = NULL;
    R.in_filter = false;
}

static bool ask(struct listener *m, const qmp_message *event)
{
    int n = event_number(event);
    bool takes;

    trace("listener %d is asked about %d", number(m), n);
    REQUIRE(R.stepping && !R.calling);
    while (R.current != n)
        if (!next_event())
            wrong(m, "the event of a question", n, R.current);
    same(m, "being asked", here(m) ? (int)m->call : -1, CALL_ASK);
    m->call = CALL_NONE;
    takes = !(input_byte(&R.in) & 1);
    operate_inside(m, /* in_filter= */ true);
    for (unsigned i = 0; i < N_LISTENERS; i++)
        if (R.listeners[i].remove_wanted)
            removed(&R.listeners[i]);
    if (takes && here(m)) {
        hear(m, n);
        m->call = m->handler ? CALL_HANDLER : CALL_NONE;
    }
    return takes;
}

static bool on_filter(const qmp_message *event, void *userdata)
{
    struct listener *m = userdata;

    REQUIRE(m->filter && !m->accept && rule_takes(m, event_number(event)));
    return ask(m, event);
}

static bool on_accept(qmp_listener *l, const qmp_message *event, void *userdata)
{
    struct listener *m = userdata;

    REQUIRE(m->accept && m->l == l);
    return ask(m, event);
}

static void on_event(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct listener *m = userdata;
    int n = event_number(event), taken = -1;

    trace("the handler of listener %d gets %d", number(m), n);
    REQUIRE(R.stepping && !R.calling && m->l == l);
    while (!wants_handler(m) || (R.reading && m->call != CALL_HANDLER && m->call != CALL_PERHAPS))
        if (!next_event())
            wrong(m, "the event of a handler", n, -1);
    while (next(m, &taken) < 0) /* losses and marks are for those who ask */
        continue;
    same(m, "the event of a handler", n, taken);
    operate_inside(m, /* in_filter= */ false);
    if (!wants_handler(m))
        m->call = CALL_NONE; /* what it wants from now on is for the next step */
}

/* ---- operations ---- */

/* Also where a signal comes, as the fuzzer's clock sends them. */
static int readiness(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    int r;

    do
        r = poll(&pollfd, 1, 0);
    while (r < 0 && errno == EINTR);
    return r;
}

/* What is always visible from outside. */
static void check(const struct listener *m)
{
    if (!m->held)
        return;
    same(m, "dropped()", (long long)qmp_listener_dropped(m->l), (long long)m->dropped);
    same(m, "empty()", qmp_listener_empty(m->l), count_events(m) == 0);
    if (m->fd >= 0) {
        same(m, "get_fd()", qmp_listener_get_fd(m->l), m->fd);
        same(m, "the descriptor's readiness", readiness(m->fd), ready(m));
    }
}

static void check_events(struct listener *m, const char *what, qmp_message **events, size_t n, const int *should)
{
    for (size_t i = 0; i < n; i++)
        same(m, what, event_number(events[i]), should[i]);
    qmp_message_unref_many(events, n);
}

static void check_history(struct listener *m)
{
    qmp_message **events = NULL;
    size_t n = 0;

    same(m, "history()", qmp_listener_history(m->l, &events, &n), 0);
    same(m, "the length of the history", (long long)n, (long long)m->n_history);
    check_events(m, "the history", events, n, m->history);
}

/* A listener to do something with; NULL when the one that was chosen is not there. */
static struct listener *choose(void)
{
    struct listener *m = &R.listeners[input_byte(&R.in) % N_LISTENERS];

    return m->held ? m : NULL;
}

/* Whether the rule may change: who is about to be asked is left alone, since with another rule there may be no question
 * that would tell when. */
static struct listener *choose_to_change(void)
{
    struct listener *m = choose();

    return m && m->call != CALL_ASK ? m : NULL;
}

static const char *const *names_of(unsigned mask)
{
    static const char *const letters[] = {"A", "B", "C"};
    static const char *names[4];
    size_t n = 0;

    for (unsigned i = 0; i < 3; i++)
        if (mask >> i & 1)
            names[n++] = letters[i];
    names[n] = NULL;
    return names;
}

static void do_new(void)
{
    struct listener *m = &R.listeners[input_byte(&R.in) % N_LISTENERS];

    if (m->held || m->registered || m->in_scopes > 0 || m == R.calling)
        return;
    *m = (struct listener){
        .held = true, .match = -1, .queue_max = QMP_LISTENER_QUEUE_MAX, .history_max = QMP_LISTENER_HISTORY_MAX};
    m->fd = -1;
    m->names = input_byte(&R.in) & 7;
    trace("new %d, names %u", number(m), m->names);
    REQUIRE(qmp_listener_new(&m->l, names_of(m->names)) == 0);
}

/* In a handler: one whose own call is still to come, if there is one. */
static struct listener *choose_to_unref(void)
{
    struct listener *m = choose();

    for (unsigned i = 0; m && R.calling && m->call == CALL_NONE && i < N_LISTENERS; i++)
        if (R.listeners[i].held && R.listeners[i].call != CALL_NONE)
            m = &R.listeners[i];
    return m;
}

/* In a handler the client lets go of it first, so that the reference may be the last one. */
static void do_unref(void)
{
    struct listener *m = choose_to_unref();

    if (!m)
        return;
    trace("unref %d", number(m));
    if (R.calling && !R.in_filter && R.client && m->registered) {
        same(m, "remove_listener() before the end", qmp_client_remove_listener(R.client, m->l), 0);
        removed(m);
    }
    m->held = false;
    REQUIRE(!qmp_listener_unref(m->l));
}

static int register_result(const struct listener *m)
{
    return R.in_filter ? -EBUSY : m->registered ? -EEXIST : 0;
}

static void do_register(void)
{
    struct listener *m = choose();
    int should;

    if (!m || !R.client)
        return;
    trace("register %d", number(m));
    should = register_result(m);
    same(m, "register_listener()", qmp_client_register_listener(R.client, m->l), should);
    if (should == 0)
        attached(m);
}

static void do_remove(void)
{
    struct listener *m = choose();
    int should;

    if (!m || !R.client)
        return;
    trace("remove %d", number(m));
    should = R.in_filter ? -EBUSY : m->registered ? 0 : -ENOENT;
    same(m, "remove_listener()", qmp_client_remove_listener(R.client, m->l), should);
    if (should == 0)
        removed(m);
}

static void do_listen(void)
{
    struct scope *s = &R.scopes[input_byte(&R.in) % N_SCOPES];
    qmp_listener *listeners[2];
    int should = 0;

    if (s->s || !R.client)
        return;
    s->n = 1 + input_byte(&R.in) % 2;
    for (size_t i = 0; i < s->n; i++) {
        s->listeners[i] = choose();
        if (!s->listeners[i])
            return;
        listeners[i] = s->listeners[i]->l;
    }
    trace("listen %d %d", number(s->listeners[0]), s->n > 1 ? number(s->listeners[1]) : -1);
    for (size_t i = 0; i < s->n && should == 0; i++) {
        should = register_result(s->listeners[i]);
        if (should == 0)
            attached(s->listeners[i]);
        else if (i > 0)
            removed(s->listeners[0]);
        s->registrations[i] = s->listeners[i]->registrations;
    }
    same(s->listeners[0], "listen()", qmp_client_listen(R.client, listeners, s->n, &s->s), should);
    for (size_t i = 0; i < s->n && should == 0; i++)
        s->listeners[i]->in_scopes++;
}

static void scope_end(struct scope *s)
{
    if (!s->s)
        return;
    trace("end of scope %d", (int)(s - R.scopes));
    for (size_t i = 0; i < s->n; i++) {
        struct listener *m = s->listeners[i];

        m->in_scopes--;
        if (!m->registered || m->registrations != s->registrations[i])
            continue;
        if (R.in_filter)
            m->remove_wanted = true;
        else
            removed(m);
    }
    s->s = qmp_scope_end(s->s);
    REQUIRE(!s->s);
}

static void do_scope_end(void)
{
    scope_end(&R.scopes[input_byte(&R.in) % N_SCOPES]);
}

static void do_names(void)
{
    struct listener *m = choose_to_change();

    if (!m)
        return;
    m->names = input_byte(&R.in) & 7;
    trace("names of %d: %u", number(m), m->names);
    same(m, "set_names()", qmp_listener_set_names(m->l, names_of(m->names)), 0);
}

static void do_match(void)
{
    struct listener *m = choose_to_change();

    if (!m || m->match >= 0)
        return;
    m->match = input_byte(&R.in) % 2;
    trace("match of %d: %d", number(m), m->match);
    same(m, "add_match()", qmp_listener_add_match(m->l, "data.id", m->match == 0 ? "0" : "1"), 0);
}

static void do_filter(void)
{
    struct listener *m = choose_to_change();

    if (!m)
        return;
    m->filter = !m->filter;
    trace("filter of %d: %d", number(m), m->filter);
    same(m, "set_filter()", qmp_listener_set_filter(m->l, m->filter ? on_filter : NULL, m), 0);
}

static void do_accept(void)
{
    struct listener *m = choose_to_change();

    if (!m)
        return;
    m->accept = !m->accept;
    trace("accept function of %d: %d", number(m), m->accept);
    same(m, "set_accept()", qmp_listener_set_accept(m->l, m->accept ? on_accept : NULL, m), 0);
}

static void do_handler(void)
{
    struct listener *m = choose();

    if (!m)
        return;
    m->handler = !m->handler;
    if (m->call == CALL_HANDLER)
        m->call = CALL_PERHAPS;
    trace("handler of %d: %d", number(m), m->handler);
    same(m, "set_handler()", qmp_listener_set_handler(m->l, m->handler ? on_event : NULL, m), 0);
}

static void do_limits(void)
{
    struct listener *m = choose();

    if (!m)
        return;
    m->queue_max = input_byte(&R.in) % 5;
    m->history_max = input_byte(&R.in) % 4;
    trace("limits of %d: %zu %zu", number(m), m->queue_max, m->history_max);
    same(m, "set_limits()", qmp_listener_set_limits(m->l, m->queue_max, m->history_max), 0);
    if (m->queue_max == 0)
        empty(m);
    while (count_events(m) > m->queue_max)
        drop_one(m);
    while (m->n_history > m->history_max)
        memmove(m->history, m->history + 1, --m->n_history * sizeof(m->history[0]));
}

static void check_get(struct listener *m, int r, qmp_message *event, int should, int should_event)
{
    same(m, "get()", r, should);
    if (r == 0)
        same(m, "the event of get()", event_number(event), should_event);
    qmp_message_unref(event);
}

static void do_get(void)
{
    struct listener *m = choose();
    unsigned n = 1 + input_byte(&R.in) % 4;

    for (; m && n > 0; n--) {
        qmp_message *event = NULL;
        int taken = -1, should = next(m, &taken), r = qmp_listener_get(m->l, 0, &event);

        trace("get %d: %d, event %d", number(m), should, taken);
        check_get(m, r, event, should, taken);
    }
}

/* With time: where something is there, where it is not allowed, and where the end of the connection is all there is. */
static void do_get_waiting(void)
{
    struct listener *m = choose();
    qmp_message *event = NULL;
    unsigned removals;
    int should, taken = -1, r;

    if (!m || (!ready(m) && !R.calling && (!at_end() || R.policy)))
        return;
    trace("get with time %d", number(m));
    if (ready(m) || R.calling) {
        should = next(m, &taken);
        r = qmp_listener_get(m->l, QMP_FOREVER, &event);
        check_get(m, r, event, should == -EAGAIN ? -EBUSY : should, taken);
        return;
    }
    removals = m->removals;
    qmp_listener_ref(m->l);
    step_begin();
    r = qmp_listener_get(m->l, QMP_FOREVER, &event);
    step_end(/* hang_up= */ true);
    should = m->removals != removals ? -ECANCELED : next(m, &taken);
    check_get(m, r, event, should, taken);
    qmp_listener_unref(m->l);
}

static void do_clear(void)
{
    struct listener *m = choose();
    bool want = input_byte(&R.in) & 1;
    qmp_message **events = NULL;
    int should[QUEUE_SIZE];
    size_t n = 99, n_should = 0;

    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        if (m->queue[i] >= 0)
            should[n_should++] = m->queue[i];
    trace("clear %d", number(m));
    same(m, "clear()", qmp_listener_clear(m->l, want ? &events : NULL, &n), 0);
    same(m, "the number of cleared events", (long long)n, (long long)n_should);
    if (want)
        check_events(m, "a cleared event", events, n, should);
    empty(m);
    m->lost = m->heard = false;
}

static void do_history(void)
{
    struct listener *m = choose();

    if (m)
        check_history(m);
}

static void do_fd(void)
{
    struct listener *m = choose();

    if (!m)
        return;
    trace("descriptor of %d", number(m));
    m->fd = qmp_listener_get_fd(m->l);
    REQUIRE(m->fd >= 0);
}

static void do_wait(void)
{
    qmp_listener *listeners[N_LISTENERS];
    size_t n = 0;
    int should = -ETIMEDOUT;

    for (unsigned i = 0; i < N_LISTENERS; i++) {
        struct listener *m = &R.listeners[i];

        if (!m->held)
            continue;
        if (should < 0 && ready(m))
            should = (int)n;
        listeners[n++] = m->l;
    }
    if (n == 0)
        should = -EINVAL;
    trace("wait for %zu", n);
    same(NULL, "listeners_wait()", qmp_listeners_wait(listeners, n, 0), should);
}

static void do_connect(void)
{
    if (R.calling || R.connected)
        return;
    R.await_greeting = input_byte(&R.in) & 1;
    trace("connect, awaiting a greeting %d", R.await_greeting);
    qmp_client_set_await_greeting(R.client, R.await_greeting);
    same(NULL, "connect()", qmp_client_connect(R.client, address), 0);
    R.connected = true;
    R.greeted = R.peer_closed = R.ran = false;
    for (unsigned i = 0; i < N_LISTENERS; i++)
        if (R.listeners[i].registered)
            opened(&R.listeners[i]);
    drive();
}

static void do_disconnect(void)
{
    int should = R.disconnect_wanted ? -EALREADY : 0;

    if (!R.client)
        return;
    trace("disconnect");
    same(NULL, "disconnect()", qmp_client_disconnect(R.client), should);
    if (R.connected && R.calling) {
        R.disconnect_wanted = true;
    } else if (R.connected) {
        peer_close();
        all_closed();
    }
}

static void say(const char *text, size_t size)
{
    REQUIRE(send(R.peer, text, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static void do_send(void)
{
    char text[512];
    size_t size = 0;

    if (R.calling || R.peer < 0)
        return;
    for (unsigned n = 1 + input_byte(&R.in) % 4; n > 0 && R.n_events < (int)N_EVENTS; n--) {
        uint8_t what = input_byte(&R.in);
        int event = R.n_events++;

        R.name_of[event] = what % 3;
        R.id_of[event] = what / 3 % 3;
        R.pending[R.n_pending++] = event;
        trace("the server sends %d: %c, id %d", event, 'A' + R.name_of[event], R.id_of[event]);
        size += (size_t)snprintf(text + size, sizeof(text) - size,
            "{\"event\": \"%c\", \"data\": {\"n\": %d, \"id\": %d}}\r\n", 'A' + R.name_of[event], event,
            R.id_of[event]);
    }
    if (size > 0)
        say(text, size);
}

static void do_greet(void)
{
    static const char greeting[] = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 8}, "
                                   "\"package\": \"\"}, \"capabilities\": []}}\r\n";

    if (R.calling || R.peer < 0 || !R.await_greeting || R.greeted)
        return;
    trace("the server greets");
    R.greeted = true;
    R.pending[R.n_pending++] = MARK_END;
    say(greeting, sizeof(greeting) - 1);
}

static void do_hang_up(void)
{
    if (R.calling || R.peer < 0)
        return;
    trace("the server hangs up");
    peer_close();
    R.peer_closed = true;
}

static void do_drive(void)
{
    if (R.calling) {
        if (R.client)
            same(NULL, "process() in a callback", qmp_client_process(R.client), -EBUSY);
        return;
    }
    trace("drive");
    drive();
}

static void do_policy(void)
{
    struct qmp_reconnect policy = QMP_RECONNECT_INIT;
    bool had = R.policy;

    if (!R.client)
        return;
    R.policy = input_byte(&R.in) & 1;
    R.ran = R.policy && (had ? R.ran : R.running);
    trace("reconnect %d", R.policy);
    policy.delay_min = policy.delay_max = 1;
    same(NULL, "set_reconnect()", qmp_client_set_reconnect(R.client, R.policy ? &policy : NULL), 0);
}

static void do_free(void)
{
    if (!R.client)
        return;
    trace("free the client");
    REQUIRE(!qmp_client_unref(R.client));
    if (R.calling) {
        R.dying = true;
        R.client = NULL;
    } else {
        client_gone();
    }
}

static void (*const operations[])(void) = {
    do_new,
    do_register,
    do_send,
    do_drive,
    do_get,
    do_connect,
    do_remove,
    do_listen,
    do_scope_end,
    do_names,
    do_match,
    do_filter,
    do_accept,
    do_handler,
    do_limits,
    do_get_waiting,
    do_clear,
    do_history,
    do_fd,
    do_wait,
    do_disconnect,
    do_greet,
    do_hang_up,
    do_policy,
    do_free,
    do_unref,
};

static void operate(void)
{
    if (R.n_operations++ >= OPERATIONS_MAX)
        return;
    operations[input_byte(&R.in) % ELEMENTS(operations)]();
    for (unsigned i = 0; i < N_LISTENERS; i++)
        check(&R.listeners[i]);
}

/* ---- one run ---- */

static void prepare(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int size;

    if (listening >= 0)
        return;
    tracing = getenv("FUZZ_TRACE") != NULL;
    size = snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "qmp-fuzz-listener-%d", (int)getpid());
    snprintf(address, sizeof(address), "unix:@%s", un.sun_path + 1);
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE(listening >= 0);
    REQUIRE(bind(listening, (struct sockaddr *)&un,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size)) == 0);
    REQUIRE(listen(listening, 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    memset(&R, 0, sizeof(R));
    R.in = (struct input){data, size};
    R.peer = R.current = -1;
    while (R.in.size > 0 && R.n_operations < OPERATIONS_MAX) {
        if (!R.client) {
            REQUIRE(qmp_client_new(&R.client) == 0);
            qmp_client_set_negotiate(R.client, false);
        }
        operate();
    }
    if (R.client)
        do_free();
    for (unsigned i = 0; i < N_SCOPES; i++)
        scope_end(&R.scopes[i]);
    for (unsigned i = 0; i < N_LISTENERS; i++) {
        struct listener *m = &R.listeners[i];

        if (!m->held)
            continue;
        check(m);
        check_history(m);
        qmp_listener_unref(m->l);
    }
    accept_peer();
    return 0;
}
