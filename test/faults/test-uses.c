/* SPDX-License-Identifier: MIT */

/* Whatever fails while a connection is used: commands, events, the library's thread, an event loop, the monitor of
 * scripts; and while values are read and written, with no connection at all. */

#include "world.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qmp/monitor.h>
#include <qmp/writer.h>

/* ---- commands ---- */

static void wait_for(struct world *w, qmp_pending *p)
{
    qmp_message *reply = NULL, *error = NULL;

    if (p) {
        DID(w, qmp_pending_wait, p, CHECK_WAIT, &reply, &error);
    }
    qmp_message_unref(reply);
    qmp_message_unref(error);
    qmp_pending_unref(p);
}

static void commands(struct world *w)
{
    qmp_pending *pending[4] = {NULL};
    struct outcome *last = &w->outcomes[4];
    struct qmp_request request = QMP_REQUEST_INIT;

    if (world_connect(w) < 0) {
        return;
    }
    world_submit(w, 0, "query-name", &pending[0]);
    world_submit(w, 1, "refuse", NULL);
    world_submit(w, 2, "hold", &pending[1]);
    world_submit(w, 3, "large", &pending[2]);
    if (pending[1]) {
        DID(w, qmp_pending_cancel, pending[1]);
    }
    request.command = "query-status";
    request.arguments = "{\"a\": [1, 2, {\"b\": null, \"c\": 0}]}";
    request.id = "{\"my\": \"own\"}";
    request.timeout = CHECK_WAIT;
    last->submitted = DID(w, qmp_client_send_full, w->client, &request, world_record, last, &pending[3]);
    for (unsigned i = 0; i < 4; i++) {
        wait_for(w, pending[i]);
    }
}

static void other_requests(struct world *w)
{
    struct outcome *o = w->outcomes;
    struct qmp_request text = QMP_REQUEST_INIT, oob = QMP_REQUEST_INIT, late = QMP_REQUEST_INIT;
    qmp_pending *pending[3] = {NULL}, *last = NULL;

    if (world_connect(w) < 0) {
        return;
    }
    text.text = " {\"execute\": \"query-name\", \"arguments\": {}} ";
    o[0].submitted = DID(w, qmp_client_send_full, w->client, &text, world_record, &o[0], &pending[0]);
    oob.command = "query-name";
    oob.oob = true;
    o[1].submitted = DID(w, qmp_client_send_full, w->client, &oob, world_record, &o[1], &pending[1]);
    late.command = "hold";
    late.timeout = QMP_MILLISECOND;
    o[2].submitted = DID(w, qmp_client_send_full, w->client, &late, world_record, &o[2], &pending[2]);
    for (unsigned i = 0; i < 3; i++) {
        wait_for(w, pending[i]);
    }
    /* In flight when the connection ends. */
    world_submit(w, 3, "hold", NULL);
    world_submit(w, 4, "drop", &last);
    wait_for(w, last);
}

static void descriptors(struct world *w)
{
    int fds[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    struct qmp_request request = QMP_REQUEST_INIT;
    qmp_pending *pending[2] = {NULL};

    if (world_connect(w) >= 0) {
        request.command = "getfd";
        request.arguments = "{\"fdname\": \"a\"}";
        request.fds = fds;
        request.n_fds = 2;
        for (unsigned i = 0; i < 2; i++) {
            struct outcome *o = &w->outcomes[i];

            o->submitted = DID(w, qmp_client_send_full, w->client, &request, world_record, o, &pending[i]);
        }
        wait_for(w, pending[0]);
        wait_for(w, pending[1]);
    }
    close(fds[0]);
    close(fds[1]);
}

/* ---- events ---- */

static bool take(const qmp_message *event, void *userdata)
{
    (void)userdata;
    return qmp_value_member(qmp_event_data(event), "number").size > 0;
}

static bool accept_default(qmp_listener *l, const qmp_message *event, void *userdata)
{
    (void)userdata;
    return qmp_listener_accepts(l, event);
}

static void hear(qmp_listener *l, qmp_message *event, void *heard)
{
    (void)l;
    (void)event;
    ++*(unsigned *)heard;
}

/* How many events have been emitted for sure. */
static unsigned emit(struct world *w)
{
    return DID(w, qmp_client_execute, w->client, "emit", NULL, CHECK_WAIT, NULL, NULL) >= 0 ? 3 : 0;
}

/* What it has and what it says that it lost is all there was: nothing vanishes in silence. */
static void get_all(struct world *w, qmp_listener *l, unsigned emitted)
{
    qmp_message *event = NULL;
    bool lost = false;
    unsigned n = 0;
    int r;

    while ((r = DID(w, qmp_listener_get, l, 0, &event)) >= 0 || r == -ENOBUFS || r == -ESTALE) {
        lost |= r == -ENOBUFS;
        n += r >= 0;
        event = r >= 0 ? qmp_message_unref(event) : NULL;
    }
    if (n < emitted && !lost) {
        wrong(w, "%u of %u events came, and no loss was reported", n, emitted);
    }
}

static void clear_and_look_back(struct world *w, qmp_listener *l)
{
    qmp_message **events = NULL;
    size_t n = 0;

    if (DID(w, qmp_listener_clear, l, &events, &n) >= 0) {
        for (size_t i = 0; i < n; i++) {
            qmp_message_unref(events[i]);
        }
        faults_free(events);
    }
    events = NULL;
    n = 0;
    if (DID(w, qmp_listener_history, l, &events, &n) >= 0) {
        for (size_t i = 0; i < n; i++) {
            qmp_message_unref(events[i]);
        }
        faults_free(events);
    }
}

static void events(struct world *w)
{
    static const char *const names[] = {"EMITTED", "OTHER", NULL};
    qmp_listener *matching = NULL;

    if (DID(w, qmp_listener_new, &w->listener, names) < 0 || world_connect(w) < 0 ||
        DID(w, qmp_client_register_listener, w->client, w->listener) < 0) {
        return;
    }
    DID(w, qmp_listener_get_fd, w->listener);
    if (DID(w, qmp_listener_new, &matching, NULL) >= 0 &&
        DID(w, qmp_listener_add_match, matching, "data.number", "2") >= 0 &&
        DID(w, qmp_client_register_listener, w->client, matching) >= 0) {
        qmp_listener *const both[] = {matching, w->listener};

        unsigned emitted = emit(w) / 3;

        DID(w, qmp_listeners_wait, both, 2, 0);
        DID(w, qmp_listener_add_match, matching, "event", "EMITTED");
        emitted += emit(w) / 3;
        get_all(w, matching, emitted);
        DID(w, qmp_client_remove_listener, w->client, matching);
    }
    qmp_listener_unref(matching);
    get_all(w, w->listener, 0);
    emit(w);
    DID(w, qmp_listener_set_names, w->listener, &names[0]);
    clear_and_look_back(w, w->listener);
}

/* Filters, accept functions and handlers, each with its own way to the queue; every listener hears or loses each. */
static void callbacks(struct world *w)
{
    qmp_listener *l[3] = {NULL};
    qmp_scope *scope = NULL, *more = NULL;
    qmp_listener *scoped = NULL;
    static const char *const names[] = {"EMITTED", NULL};
    unsigned heard = 0, emitted, r = 0;

    for (unsigned i = 0; i < 3; i++) {
        r |= DID(w, qmp_listener_new, &l[i], NULL) < 0;
    }
    if (r == 0 && world_connect(w) >= 0) {
        qmp_listener_set_filter(l[0], take, NULL);
        qmp_listener_set_accept(l[1], accept_default, NULL);
        qmp_listener_set_handler(l[2], hear, &heard);
        if (DID(w, qmp_client_listen, w->client, l, 3, &scope) >= 0) {
            DID(w, qmp_client_listener, w->client, names, &scoped, &more);
            emitted = emit(w);
            get_all(w, l[0], emitted);
            get_all(w, l[1], emitted);
            for (unsigned i = 0; i < 3 && heard + qmp_listener_dropped(l[2]) < 3; i++) {
                DID(w, qmp_client_process, w->client);
            }
            if (emitted > 0 && heard + qmp_listener_dropped(l[2]) != emitted) {
                wrong(w, "a handler heard %u events of %u", heard, emitted);
            }
        }
    }
    qmp_scope_end(more);
    qmp_scope_end(scope);
    qmp_listener_unref(scoped);
    for (unsigned i = 0; i < 3; i++) {
        qmp_listener_unref(l[i]);
    }
}

/* More than the queue and the history take. */
static void floods(struct world *w)
{
    if (DID(w, qmp_listener_new, &w->listener, NULL) < 0 || world_connect(w) < 0) {
        return;
    }
    qmp_listener_set_limits(w->listener, 2, 5);
    if (DID(w, qmp_client_register_listener, w->client, w->listener) >= 0) {
        unsigned emitted = 0;

        for (unsigned i = 0; i < 4; i++) {
            emitted += emit(w);
        }
        get_all(w, w->listener, emitted);
    }
    qmp_listener_set_limits(w->listener, 100, 100);
}

/* ---- who drives ---- */

static void thread(struct world *w)
{
    qmp_pending *p = NULL;
    qmp_message *event = NULL;
    int r;

    if (DID(w, qmp_client_new, &w->client) < 0 || DID(w, qmp_listener_new, &w->listener, NULL) < 0 ||
        DID(w, qmp_client_start_thread, w->client) < 0 ||
        DID(w, qmp_client_register_listener, w->client, w->listener) < 0 ||
        DID(w, qmp_client_connect, w->client, w->path) < 0 ||
        DID(w, qmp_client_wait_running, w->client, CHECK_WAIT) < 0) {
        return;
    }
    world_submit(w, 0, "emit", &p);
    world_submit(w, 1, "refuse", NULL);
    wait_for(w, p);
    while ((r = DID(w, qmp_listener_get, w->listener, 0, &event)) >= 0 || r == -ENOBUFS) {
        event = r >= 0 ? qmp_message_unref(event) : NULL;
    }
    DID(w, qmp_client_execute, w->client, "large", NULL, CHECK_WAIT, NULL, NULL);
    DID(w, qmp_client_disconnect, w->client);
}

/* A thread with nothing to do, where it may not even be able to sleep: it looks again now and then. */
static void idle(struct world *w)
{
    uint64_t began, moments;
    unsigned long before;

    if (DID(w, qmp_client_new, &w->client) < 0 || DID(w, qmp_client_start_thread, w->client) < 0) {
        return;
    }
    before = faults_count(FAULTS_POLL);
    began = check_now();
    poll(NULL, 0, 30);
    moments = (check_now() - began) / (10 * QMP_MILLISECOND);
    if (faults_count(FAULTS_POLL) - before > moments + 5) {
        wrong(w, "%lu times in %llu moments", faults_count(FAULTS_POLL) - before, (unsigned long long)moments);
    }
}

static void started_late(struct world *w)
{
    if (world_connect(w) < 0) {
        return;
    }
    world_submit(w, 0, "query-name", NULL);
    DID(w, qmp_client_start_thread, w->client);
    emit(w);
}

struct loop {
    int fd;
    short events;
    uint64_t deadline;
};

static void watch(qmp_client *c, int fd, short events, uint64_t deadline, void *userdata)
{
    struct loop *l = userdata;

    (void)c;
    *l = (struct loop){fd, events, deadline};
}

static void listen_to_log(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *n)
{
    (void)c;
    (void)level;
    if (strlen(text) == size) {
        ++*(unsigned *)n;
    }
}

static void count_state(qmp_client *c, enum qmp_runstate state, void *n)
{
    (void)c;
    (void)state;
    ++*(unsigned *)n;
}

/* As an adapter does it, until the client is in the state, or down. */
static void loop_until(struct world *w, const struct loop *l, bool (*done)(const struct world *w))
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (!done(w) && qmp_client_runstate(w->client) != QMP_IDLE) {
        struct pollfd p = {.fd = l->fd, .events = l->events};
        uint64_t until = l->deadline < deadline ? l->deadline : deadline;

        poll(&p, 1, check_poll_timeout(until));
        DID(w, qmp_client_process, w->client);
        if (check_now() > deadline) {
            fail_msg("the loop has nothing to do, and nothing comes");
        }
    }
}

static bool is_running(const struct world *w)
{
    return qmp_client_runstate(w->client) == QMP_RUNNING;
}

static bool has_completed(const struct world *w)
{
    return w->outcomes[0].calls > 0 || w->outcomes[0].submitted < 0;
}

static void loop(struct world *w)
{
    struct loop l = {-1, 0, QMP_FOREVER};
    unsigned lines = 0, states = 0;

    if (DID(w, qmp_client_new, &w->client) < 0) {
        return;
    }
    DID(w, qmp_client_set_log, w->client, QMP_LOG_FULL, listen_to_log, &lines);
    qmp_client_set_runstate_handler(w->client, count_state, &states);
    if (DID(w, qmp_client_set_watch, w->client, watch, NULL, &l) >= 0 &&
        DID(w, qmp_client_connect, w->client, w->path) >= 0) {
        loop_until(w, &l, is_running);
        if (is_running(w) && world_submit(w, 0, "emit", NULL) >= 0) {
            loop_until(w, &l, has_completed);
        }
        DID(w, qmp_client_disconnect, w->client);
        /* None missed: up to where it came, and down. */
        if (qmp_client_runstate(w->client) != QMP_IDLE || states < 3) {
            wrong(w, "%u changes of state", states);
        }
    }
    qmp_client_set_watch(w->client, NULL, NULL, NULL);
    qmp_client_set_log(w->client, QMP_LOG_NONE, NULL, NULL);
    qmp_client_set_runstate_handler(w->client, NULL, NULL);
}

/* ---- the monitor of scripts ---- */

static void monitor(struct world *w)
{
    qmp_monitor *m = qmp_monitor_new(w->path);
    qmp_message *const *events = NULL;

    if (DID(w, qmp_monitor_connect, m, CHECK_WAIT) >= 0) {
        DID(w, qmp_monitor_command, m, "refuse", NULL);
        /* It waits for an event only where one must come, or the loss of one. */
        if (DID(w, qmp_monitor_command, m, "emit", "{'a': %s, 'b': %d}", "text", 7) >= 0 &&
            DID(w, qmp_monitor_pull_event, m, "EMITTED", CHECK_WAIT) == -ETIMEDOUT) {
            wrong(w, "an event vanished");
        }
        DID(w, qmp_monitor_get_events, m, &events);
        DID(w, qmp_monitor_clear_events, m);
        DID(w, qmp_monitor_command, m, "drop", NULL);
        DID(w, qmp_monitor_pull_event, m, "NEVER", 0);
    }
    if (m && strlen(qmp_monitor_error(m)) == 0) {
        wrong(w, "the monitor has no words for what failed");
    }
    qmp_monitor_free(m);
}

/* ---- without a connection ---- */

static void values(struct world *w)
{
    static const char text[] = "{\"event\": \"A\\u00e9\", \"data\": {\"s\": \"a\\nb\", \"n\": 1.25, \"k\": [1, 2]}}";
    static const char *const mistaken[] = {
        "", "{", "{\"a\": 1, \"a\": 2}", "[1, 2, nul]", "\"\\ud800\"", "1e999", "[1] 2"};
    qmp_message *m = NULL;
    qmp_value v;
    double d;

    if (DID(w, qmp_message_parse, &m, text, strlen(text)) >= 0) {
        char *s = NULL;

        if (DID(w, qmp_value_string, qmp_value_path(qmp_message_root(m), "data.s"), &s, NULL) >= 0) {
            faults_free(s);
        }
        if (qmp_value_double(qmp_value_path(qmp_message_root(m), "data.n"), &d) < 0) {
            wrong(w, "a number was not to be read");
        }
    }
    qmp_message_unref(m);
    for (unsigned i = 0; i < sizeof(mistaken) / sizeof(mistaken[0]); i++) {
        char *why = NULL;

        if (DID(w, qmp_json_check, mistaken[i], strlen(mistaken[i]), &v, &why) >= 0) {
            wrong(w, "what is wrong was taken: %s", mistaken[i]);
        }
        faults_free(why);
    }
}

/* Many keys, which are noted to find one that comes twice. */
static void writing(struct world *w)
{
    qmp_writer *writer = NULL;
    const char *text = NULL;
    char *json;

    if (DID(w, qmp_writer_new, &writer) >= 0) {
        qmp_writer_begin_object(writer, NULL);
        for (unsigned i = 0; i < 200; i++) {
            const char key[] = {'k', (char)('a' + i % 26), (char)('a' + i / 26), '\0'};

            qmp_writer_string(writer, key, "a text that is long enough to let the buffer grow some times");
        }
        qmp_writer_json(writer, "json", "{\"a\": [1, 2, 3], \"b\": {\"c\": 1.5}}");
        qmp_writer_double(writer, "double", 0.1);
        qmp_writer_end(writer);
        if (DID(w, qmp_writer_finish, writer, &text) >= 0) {
            DID(w, qmp_json_check, text, strlen(text), NULL, NULL);
        }
        qmp_writer_free(writer);
    }
    json = qmp_json("{'a': %s, 'b': %d, 'c': %i, 'd': %f, 'e': %p}", "text", 1, 1, 1.5, (const void *)"[1]");
    if (!json && errno != ENOMEM) {
        wrong(w, "a template fails with errno %d", errno);
    }
    faults_free(json);
}

int main(int argc, char **argv)
{
    static const struct scenario scenarios[] = {
        {"commands", commands, false},
        {"other_requests", other_requests, false},
        {"descriptors", descriptors, false},
        {"events", events, false},
        {"callbacks", callbacks, false},
        {"floods", floods, false},
        {"thread", thread, false},
        {"idle", idle, false},
        {"started_late", started_late, false},
        {"loop", loop, false},
        {"monitor", monitor, false},
        {"values", values, false},
        {"writing", writing, false},
    };

    return world_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
