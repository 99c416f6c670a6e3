/* SPDX-License-Identifier: MIT */

/* How the machines are: a look at each, then a short talk with those that can be talked to.
 *
 * The invariant: nobody is kept waiting. A monitor that a client holds is left alone; so is one whose QEMU waits for
 * its first client before it starts (to connect would start it), and one whose process is stopped. The others are asked
 * all together, in one loop, and however many of them hang, it takes as long as one may take.
 *
 * It knows nothing of how the result is shown. */

#include "survey.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "process.h"

/* How many are asked at the same time, and have a descriptor open. */
#define ASKED_MAX 256
/* A QEMU that has not come further than its first client has no more threads than these. */
#define THREADS_EARLY 2

/* A talk with one machine. */
struct inquiry {
    struct survey *survey;
    const char *address;
    qmp_client *client; /* NULL: not begun, or done */
    uint64_t deadline;
    bool asked;
    bool done;
};

static void state_set(struct survey *s, const char *state)
{
    free(s->state);
    s->state = strdup(state);
}

/* ---- a look ---- */

/* Why a machine without a monitor that can be reached has none. */
static const char *out_of_reach(const struct machine *m)
{
    for (size_t i = 0; i < m->n_monitors; i++)
        if (m->monitors[i].reach == REACH_HIDDEN)
            return SURVEY_SECRET;
    return SURVEY_GONE;
}

/* Returns the monitor to ask; NULL when the machine is not to be asked, and its state says why. */
static const struct monitor *machine_look(struct survey *s, const struct sockets *sockets)
{
    const struct monitor *m = locate_monitor(s->machine, sockets);
    struct process process = {0};

    if (s->machine->pid != 0)
        process_look(s->machine->pid, &process);
    if (process.state == 'T' || process.state == 't')
        state_set(s, SURVEY_STOPPED);
    else if (m == NULL)
        state_set(s, out_of_reach(s->machine));
    else if (sockets_client(sockets, sockets_at(sockets, m->address)) != 0)
        state_set(s, SURVEY_HELD);
    else if (m->wait && process.threads != 0 && process.threads <= THREADS_EARLY)
        state_set(s, SURVEY_WAITING);
    else if (m->tls)
        state_set(s, SURVEY_TLS);
    else
        return m;
    return NULL;
}

/* The inode of the client of the first monitor that has one; 0: none has. */
static uint32_t holder_look(const struct machine *m, const struct sockets *sockets)
{
    for (size_t i = 0; i < m->n_monitors; i++) {
        uint32_t client = m->monitors[i].reach == REACH_FINE
                              ? sockets_client(sockets, sockets_at(sockets, m->monitors[i].address))
                              : 0;
        if (client != 0)
            return client;
    }
    return 0;
}

/* Who holds which monitor: all in one go, because it takes a look at every descriptor of every process. */
static bool holders_find(struct survey *survey, size_t n, const struct sockets *sockets)
{
    struct process_owner *owners = calloc(n + 1, sizeof(*owners));
    size_t n_held = 0;

    for (size_t i = 0; owners != NULL && i < n; i++) {
        uint32_t client = holder_look(survey[i].machine, sockets);
        survey[i].held = client != 0;
        if (client != 0)
            owners[n_held++].inode = client;
    }
    if (owners != NULL)
        process_find_owners(owners, n_held);
    n_held = 0;
    for (size_t i = 0; owners != NULL && i < n; i++) {
        struct process process;
        if (!survey[i].held)
            continue;
        survey[i].holder = owners[n_held++].pid;
        if (survey[i].holder != 0 && process_look(survey[i].holder, &process))
            survey[i].holder_name = strdup(process.name);
    }
    free(owners);
    return owners != NULL;
}

/* ---- a talk ---- */

static const char *failure_state(qmp_client *c, int error)
{
    switch (qmp_client_failure_kind(c)) {
    case QMP_FAILURE_CONNECT:
        return error == -EACCES || error == -EPERM ? SURVEY_SECRET : error == -ETIMEDOUT ? SURVEY_SILENT : SURVEY_GONE;
    case QMP_FAILURE_GREETING:
        return error == -EBUSY ? SURVEY_HELD : SURVEY_SILENT;
    case QMP_FAILURE_NEGOTIATION:
        return error == -ETIMEDOUT ? SURVEY_SILENT : SURVEY_FOREIGN;
    case QMP_FAILURE_CLOSED:
        return SURVEY_GONE;
    default:
        return SURVEY_FOREIGN;
    }
}

static void version_take(struct survey *s, qmp_client *c)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *greeting = NULL;
    qmp_value version;
    int64_t major, minor, micro;

    if (s->version != NULL || qmp_client_greeting(c, &greeting) < 0)
        return;
    version = qmp_value_path(qmp_message_root(greeting), "QMP.version.qemu");
    if (qmp_value_int64(qmp_value_member(version, "major"), &major) < 0 ||
        qmp_value_int64(qmp_value_member(version, "minor"), &minor) < 0 ||
        qmp_value_int64(qmp_value_member(version, "micro"), &micro) < 0)
        return;
    if (asprintf(&s->version, "%lld.%lld.%lld", (long long)major, (long long)minor, (long long)micro) < 0)
        s->version = NULL;
}

/* A storage daemon has no state, and says that it does not know the command. */
static void reply_take(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct inquiry *q = userdata;
    __attribute__((cleanup(qmp_freep))) char *state = NULL;

    (void)p;
    if (error >= 0 && qmp_value_string(qmp_value_member(qmp_reply_value(reply), "status"), &state, NULL) >= 0)
        state_set(q->survey, state);
    else if (error == -ETIMEDOUT)
        state_set(q->survey, SURVEY_SILENT);
    else if (error < 0 && error != -EREMOTEIO)
        state_set(q->survey, SURVEY_GONE);
    q->done = true;
}

static int question_send(struct inquiry *q)
{
    struct qmp_request request = QMP_REQUEST_INIT;
    uint64_t left = duration_until(q->deadline);

    version_take(q->survey, q->client);
    q->asked = true;
    request.command = "query-status";
    request.timeout = left > 0 ? left : 1;
    return qmp_client_send_full(q->client, &request, reply_take, q, /* ret= */ NULL);
}

static int inquiry_start(struct inquiry *q, uint64_t patience)
{
    int r = qmp_client_new(&q->client);

    if (r < 0)
        return r;
    q->deadline = duration_deadline(patience);
    qmp_listener_set_limits(qmp_client_events(q->client), /* queue_max= */ 0, /* history_max= */ 0);
    qmp_client_set_connect_timeout(q->client, patience);
    r = qmp_client_connect(q->client, q->address);
    if (r < 0 && r != -ENOMEM) {
        state_set(q->survey, failure_state(q->client, r));
        q->done = true;
    }
    return r == -ENOMEM ? r : 0;
}

/* Does what can be done now. */
static void inquiry_step(struct inquiry *q)
{
    int r = 1;

    while (!q->done && r > 0) {
        r = qmp_client_process(q->client);
        if (r >= 0 && !q->asked && qmp_client_runstate(q->client) == QMP_RUNNING)
            r = question_send(q) < 0 ? -ENOTCONN : 1;
    }
    if (!q->done && r < 0) {
        version_take(q->survey, q->client); /* it may have greeted */
        state_set(q->survey, failure_state(q->client, r));
        q->done = true;
    }
}

/* Sleeps until one of them has something to do. */
static void inquiries_wait(struct inquiry *inquiries, size_t n)
{
    struct pollfd fds[ASKED_MAX];
    uint64_t until = QMP_FOREVER;
    nfds_t n_fds = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t deadline = QMP_FOREVER;
        if (inquiries[i].client == NULL)
            continue;
        if (qmp_client_get_fd(inquiries[i].client) >= 0)
            fds[n_fds++] = (struct pollfd){
                qmp_client_get_fd(inquiries[i].client), (short)qmp_client_get_events(inquiries[i].client), 0};
        qmp_client_get_deadline(inquiries[i].client, &deadline);
        until = deadline < until ? deadline : until;
    }
    poll(fds, n_fds, duration_poll_timeout(until));
}

/* Begins as many as may be under way, takes them further, and ends those that are done. Returns how many are left; a
 * negative errno without memory. */
static int inquiries_step(struct inquiry *inquiries, size_t n, uint64_t patience)
{
    int left = 0, active = 0;

    for (size_t i = 0; i < n; i++) {
        struct inquiry *q = &inquiries[i];
        if (q->done)
            continue;
        left++;
        if (q->client == NULL && active < ASKED_MAX) {
            int r = inquiry_start(q, patience);
            if (r < 0)
                return r;
        }
        if (q->client == NULL)
            continue;
        inquiry_step(q);
        active += !q->done;
        if (q->done) {
            q->client = qmp_client_unref(q->client);
            left--;
        }
    }
    return left;
}

static int machines_ask(struct inquiry *inquiries, size_t n, uint64_t patience)
{
    int left;

    while ((left = inquiries_step(inquiries, n, patience)) > 0)
        inquiries_wait(inquiries, n);
    for (size_t i = 0; i < n; i++)
        qmp_client_unref(inquiries[i].client);
    return left;
}

enum outcome survey_run(const struct machine *machines, size_t n, uint64_t patience, struct survey **ret)
{
    __attribute__((cleanup(sockets_freep))) struct sockets *sockets = sockets_read();
    __attribute__((cleanup(qmp_freep))) struct inquiry *inquiries = calloc(n + 1, sizeof(*inquiries));
    struct survey *survey = calloc(n + 1, sizeof(*survey));
    size_t n_asked = 0;
    int r = survey != NULL && inquiries != NULL ? 0 : -ENOMEM;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        const struct monitor *m;
        survey[i].machine = &machines[i];
        m = machine_look(&survey[i], sockets);
        if (m != NULL)
            inquiries[n_asked++] = (struct inquiry){.survey = &survey[i], .address = m->address};
    }
    if (r >= 0 && !holders_find(survey, n, sockets))
        r = -ENOMEM;
    if (r >= 0)
        r = machines_ask(inquiries, n_asked, patience);
    if (r < 0) {
        survey_free(survey, survey != NULL ? n : 0);
        return outcome_of_error("asking the VMs", r);
    }
    *ret = survey;
    return OUTCOME_DONE;
}

void survey_free(struct survey *survey, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(survey[i].version);
        free(survey[i].state);
        free(survey[i].holder_name);
    }
    free(survey);
}
