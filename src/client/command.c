/* SPDX-License-Identifier: MIT */
/* Commands: from the caller to the session and back.
 *
 * A pending command is counted memory with two kinds of owners. Users hold it to wait for it; when the last of them
 * lets go, the command is abandoned. The client holds it as long as the session knows it: until its reply comes, late
 * or not, or the connection ends. It completes exactly once: under its own lock `done` is set, and whoever set it runs
 * the callback, on the driving thread.
 *
 * Giving a command up never touches the client's state: under the command's own lock, it puts the command on a list
 * of those that were given up, and wakes the driver, which completes them in its next step. So it is safe from
 * anywhere, whatever becomes of the client. */

#include "client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/util.h"

/* The size of struct qmp_request in the first release, which had nothing behind `oob`. */
#define REQUEST_SIZE_MIN offsetof(struct qmp_request, text)

static qmp_pending *pending_of(struct session_command *command)
{
    return CONTAINER_OF(command, qmp_pending, command);
}

/* gcc does not see that of two references the first does not free. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wanalyzer-use-after-free"
static void pending_release(qmp_pending *p)
{
    if (!refs_drop(&p->refs))
        return;
    for (unsigned i = 0; i < p->command.n_fds; i++)
        close(p->command.fds[i]); /* they were never sent */
    qmp_message_unref(p->reply);
    pthread_cond_destroy(&p->completed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
#pragma GCC diagnostic pop

/* Field by field: most of it, the command, is about to be written anyway. */
static qmp_pending *pending_alloc(size_t text_size, size_t n_fds)
{
    qmp_pending *p = malloc(sizeof(*p) + n_fds * sizeof(p->fds[0]) + text_size);
    pthread_condattr_t monotonic;

    if (!p)
        return NULL;
    p->command.n_fds = 0;
    p->refs = 1;
    p->users = 0;
    p->done = p->cancelled = false;
    p->error = 0;
    p->reply = NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->completed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return p;
}

/* ---- sending ---- */

/* With the lock held. */
static int submit(qmp_client *c, qmp_pending *p)
{
    int r;

    if (c->state != QMP_RUNNING || c->disconnect_wanted || c->dying)
        return -ENOTCONN;
    if (c->n_commands >= QMP_COMMANDS_MAX)
        return -ENOBUFS;
    if (p->command.n_fds > 0 && !c->link.carries_fds)
        return -EAFNOSUPPORT;
    r = session_submit(&c->session, &p->command);
    if (r < 0)
        return r;
    c->n_commands++;
    c->command_deadline = MIN(c->command_deadline, p->deadline);
    if (client_is_threaded(c)) {
        /* The library's thread may be waiting for input; the way out is free for everybody. */
        connection_flush(c);
        if (c->send_error < 0 || connection_poll_events(c) != POLLIN || p->deadline != QMP_FOREVER || log_pending(c))
            drive_wake(c);
    } else if (c->watch && !c->processing) {
        connection_flush(c); /* saves the loop to wait until it can be sent */
        drive_wake(c);
    }
    return 0;
}

/* What is asked for, as far as this library knows it. An older program's request ends earlier; a newer one's must have
 * nothing behind what is known here. */
static int copy_request(struct qmp_request *ret, const struct qmp_request *request)
{
    const char *bytes = (const char *)request;

    if (request->size < REQUEST_SIZE_MIN)
        return -EINVAL;
    for (size_t i = sizeof(*ret); i < request->size; i++) {
        if (bytes[i] != 0)
            return -EINVAL;
    }
    *ret = (struct qmp_request)QMP_REQUEST_INIT;
    memcpy(ret, request, MIN(request->size, sizeof(*ret)));
    return ret->n_fds > QMP_REQUEST_FDS_MAX || (ret->n_fds > 0 && !ret->fds) ? -EINVAL : 0;
}

/* Copies of the caller's descriptors, who may close them as soon as the command is submitted. They are the command's
 * one by one, so that it closes them whatever happens. */
static int duplicate(qmp_pending *p, const int *fds, size_t n)
{
    p->command.fds = p->fds;
    for (size_t i = 0; i < n; i++) {
        p->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (p->fds[i] < 0)
            return errno == EINVAL ? -EMFILE : -errno;
        p->command.n_fds++;
    }
    return 0;
}

/* With the lock held. */
static uint64_t deadline_of(const qmp_client *c, uint64_t timeout)
{
    if (timeout != 0)
        return time_deadline(timeout);
    return c->session.agent ? time_deadline(QMP_AGENT_TIMEOUT) : QMP_FOREVER;
}

/* Gives a new command to the session. Unless it returns 0, the command is nobody's. With `ret_leads`, its owner is
 * about to wait for it, and may have become the leader: before it is sent, so that the answer wakes nobody else. */
static int compose_and_submit(
    qmp_client *c, qmp_pending *p, const struct session_request *request, uint64_t timeout, bool *ret_leads)
{
    bool leads;
    int r = -ENOTCONN;

    client_lock(c);
    leads = ret_leads && drive_begin_leading(c, p);
    if (c->session_inited) {
        session_compose(&c->session, &p->command, (char *)(p->fds + request->n_fds), request);
        p->deadline = deadline_of(c, timeout);
        r = submit(c, p);
    }
    if (leads && r < 0)
        drive_end_leading(c);
    else if (leads)
        *ret_leads = true;
    pthread_mutex_unlock(&c->lock);
    return r;
}

static int send_request(qmp_client *c, const struct qmp_request *request, qmp_reply_fn callback, void *userdata,
    qmp_pending **ret, bool *ret_leads)
{
    struct session_request what = {
        .command = request->command,
        .arguments = request->arguments,
        .id = request->id,
        .text = request->text,
        .oob = request->oob,
        .no_id = request->no_id,
        .only_errors = request->answers_only_errors,
        .n_fds = (unsigned)request->n_fds,
    };
    qmp_pending *p;
    size_t size;
    int r;

    r = session_check(&what, &size);
    if (r < 0)
        return r;
    p = pending_alloc(size, request->n_fds);
    if (!p)
        return -ENOMEM;
    p->callback = callback;
    p->userdata = userdata;
    p->client = c;
    if (ret) {
        p->users = 1;
        refs_take(&p->refs);
    }
    r = duplicate(p, request->fds, request->n_fds);
    what.fds = p->fds;
    if (r >= 0)
        r = compose_and_submit(c, p, &what, request->timeout, ret_leads);
    if (r < 0) {
        if (ret)
            pending_release(p);
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): of two references the first does not free */
        pending_release(p);
        return r;
    }
    if (ret)
        *ret = p;
    return 0;
}

int qmp_client_send_full(
    qmp_client *c, const struct qmp_request *request, qmp_reply_fn callback, void *userdata, qmp_pending **ret)
{
    struct qmp_request known;
    int r = client_check_fork(c);

    if (r >= 0)
        r = copy_request(&known, request);
    return r < 0 ? r : send_request(c, &known, callback, userdata, ret, /* ret_leads= */ NULL);
}

int qmp_client_execute_async(
    qmp_client *c, const char *command, const char *arguments, qmp_reply_fn callback, void *userdata, qmp_pending **ret)
{
    struct qmp_request request = QMP_REQUEST_INIT;

    request.command = command;
    request.arguments = arguments;
    return qmp_client_send_full(c, &request, callback, userdata, ret);
}

/* ---- completing ---- */

/* Completes; a command that was cancelled, but has not been told so yet, with -ECANCELED. Runs the callback. Returns
 * false when nobody wanted the reply. */
static bool complete(qmp_client *c, qmp_pending *p, int error, qmp_message *reply)
{
    bool already, cancelled;

    pthread_mutex_lock(&p->lock);
    already = p->done;
    cancelled = p->cancelled;
    if (cancelled) {
        error = -ECANCELED;
        reply = NULL;
    }
    if (!already) {
        if (client_leader(c) == p && !client_is_led(c))
            drive_nudge(c);
        p->done = true;
        p->error = error;
        p->reply = reply ? qmp_message_ref(reply) : NULL;
        p->client = NULL;
        pthread_cond_broadcast(&p->completed);
    }
    pthread_mutex_unlock(&p->lock);
    if (already)
        return false;
    if (p->callback) {
        client_call_begin(c, CALLING_OTHER, /* into= */ NULL);
        p->callback(p, error, reply, p->userdata);
        client_call_end(c);
    }
    return !cancelled;
}

/* The client's own hold: nothing needs the command any more. */
static void let_go(qmp_client *c, qmp_pending *p)
{
    c->n_commands--;
    pending_release(p);
}

void command_on_reply(qmp_client *c, struct session_command *command, qmp_message *reply)
{
    qmp_pending *p = pending_of(command);

    if (!complete(c, p, reply && qmp_message_kind(reply) == QMP_ERROR ? -EREMOTEIO : 0, reply))
        c->strays++;
    let_go(c, p);
}

bool command_calls_back(struct session_command *command)
{
    return pending_of(command)->callback != NULL;
}

bool command_is_over(qmp_pending *p)
{
    bool over;

    pthread_mutex_lock(&p->lock);
    over = p->done || p->cancelled;
    pthread_mutex_unlock(&p->lock);
    return over;
}

/* Those that were given up, in that order. Whatever is not done is the client's, and stays. */
static void collect_cancelled(qmp_client *c, struct list *overdue)
{
    qmp_pending *p = __atomic_exchange_n(&c->cancelled, NULL, __ATOMIC_ACQ_REL), *before;

    for (; p; p = before) {
        before = p->given_up_before;
        pthread_mutex_lock(&p->lock);
        if (!p->done) {
            p->error = -ECANCELED;
            list_append(overdue->next, &p->overdue); /* in front */
        }
        pthread_mutex_unlock(&p->lock);
        pending_release(p);
    }
}

void command_end_all(qmp_client *c)
{
    struct session_command *command;
    struct list none;

    if (!c->session_inited)
        return;
    while ((command = session_take_command(&c->session)) != NULL) {
        qmp_pending *p = pending_of(command);

        complete(c, p, command->silent_success ? 0 : -ECONNRESET, /* reply= */ NULL);
        let_go(c, p);
    }
    c->command_deadline = QMP_FOREVER;
    list_init(&none);
    collect_cancelled(c, &none); /* all are done */
}

/* Whether a command has to complete without its reply. One that was given up is, or will be, collected as such. */
static bool is_overdue(qmp_pending *p, uint64_t now, uint64_t *earliest)
{
    bool overdue;

    pthread_mutex_lock(&p->lock);
    overdue = !p->done && !p->cancelled && p->deadline <= now;
    if (overdue)
        p->error = -ETIMEDOUT;
    else if (!p->done && !p->cancelled)
        *earliest = MIN(*earliest, p->deadline);
    pthread_mutex_unlock(&p->lock);
    return overdue;
}

/* In the order in which they were sent. */
static void collect_late(qmp_client *c, uint64_t now, struct list *overdue)
{
    struct list *const heads[] = {&c->session.in_flight, &c->session.outgoing, &c->session.queued};
    uint64_t earliest = QMP_FOREVER;
    struct list *i, *n;

    for (unsigned h = 0; h < ELEMENTS(heads); h++) {
        LIST_FOREACH (i, n, heads[h]) {
            struct session_command *command = LIST_ENTRY(i, struct session_command, link);

            if (!session_owns(&c->session, command) && is_overdue(pending_of(command), now, &earliest))
                list_append(overdue, &pending_of(command)->overdue);
        }
    }
    c->command_deadline = earliest;
}

int command_expire(qmp_client *c)
{
    struct list list, *i, *n;
    uint64_t now;

    if (!c->session_inited || (!__atomic_load_n(&c->cancelled, __ATOMIC_ACQUIRE) && c->command_deadline == QMP_FOREVER))
        return 0;
    list_init(&list);
    collect_cancelled(c, &list);
    if (c->command_deadline != QMP_FOREVER && (now = time_now()) >= c->command_deadline)
        collect_late(c, now, &list);
    if (list_empty(&list))
        return 0;
    /* First out of the session, then back to their owners: callbacks may send. A late reply needs what is in flight. */
    LIST_FOREACH (i, n, &list) {
        qmp_pending *p = LIST_ENTRY(i, qmp_pending, overdue);

        if (session_forget(&c->session, &p->command))
            c->n_commands--;
        else
            refs_take(&p->refs);
    }
    while (!list_empty(&list)) {
        qmp_pending *p = LIST_ENTRY(list.next, qmp_pending, overdue);

        list_remove(&p->overdue);
        complete(c, p, p->error, /* reply= */ NULL);
        pending_release(p);
    }
    return 1;
}

/* ---- for users ---- */

static int result(const qmp_pending *p, qmp_message **ret_reply, qmp_message **reterr_reply)
{
    if (!p->done)
        return -ECANCELED; /* all that is left is to tell the callback */
    if (p->error == 0 && ret_reply)
        *ret_reply = p->reply ? qmp_message_ref(p->reply) : NULL;
    if (p->error == -EREMOTEIO && reterr_reply)
        *reterr_reply = qmp_message_ref(p->reply);
    return p->error;
}

/* While the library's thread drives: makes the waiter the leader, if nobody else is. With the command's lock held,
 * which is let go meanwhile: the client may go as soon as the command is done. */
static bool begin_leading(qmp_pending *p, qmp_client *c)
{
    bool leads;

    refs_take(&c->host.pins);
    pthread_mutex_unlock(&p->lock);
    client_lock(c);
    leads = drive_begin_leading(c, p);
    pthread_mutex_unlock(&c->lock);
    __atomic_fetch_sub(&c->host.pins, 1, __ATOMIC_RELEASE);
    pthread_mutex_lock(&p->lock);
    return leads;
}

/* While others drive. */
static int wait_on_condition(qmp_pending *p, uint64_t deadline)
{
    struct timespec t = time_timespec(deadline);
    int e = 0;

    while (!p->done && !p->cancelled && e == 0)
        e = deadline == QMP_FOREVER ? pthread_cond_wait(&p->completed, &p->lock)
                                    : pthread_cond_timedwait(&p->completed, &p->lock, &t);
    return p->done || p->cancelled ? 0 : -ETIMEDOUT;
}

static int wait_pumping(qmp_pending *p, uint64_t deadline)
{
    int r = 1;

    while (!p->done && !p->cancelled && r > 0) {
        qmp_client *c = p->client;

        pthread_mutex_unlock(&p->lock);
        r = drive_pump(c, deadline);
        pthread_mutex_lock(&p->lock);
    }
    if (p->done || p->cancelled)
        return 0;
    return r == 0 ? -ETIMEDOUT : r;
}

/* `leader`: the client, if the caller leads it already. */
static int wait_threaded(qmp_pending *p, uint64_t deadline, qmp_client *leader)
{
    qmp_client *c = leader ? leader : p->client;

    if (leader || begin_leading(p, c)) {
        pthread_mutex_unlock(&p->lock);
        drive_lead(c, deadline);
        pthread_mutex_lock(&p->lock);
    }
    return wait_on_condition(p, deadline);
}

/* `pumping`: as drive_waiting() says. */
static int wait_for_reply(qmp_pending *p, uint64_t timeout, bool pumping, qmp_client *leader, qmp_message **ret_reply,
    qmp_message **reterr_reply)
{
    uint64_t deadline = timeout == 0 ? 0 : time_deadline(timeout);
    int r = 0;

    refs_take(&p->refs); /* a callback may give the caller's reference away */
    pthread_mutex_lock(&p->lock);
    if (leader)
        r = wait_threaded(p, deadline, leader);
    else if (!p->done && !p->cancelled && timeout == 0)
        r = -ETIMEDOUT;
    else if (!p->done && !p->cancelled)
        r = pumping ? wait_pumping(p, deadline) : wait_threaded(p, deadline, /* leader= */ NULL);
    if (r >= 0)
        r = result(p, ret_reply, reterr_reply);
    pthread_mutex_unlock(&p->lock);
    pending_release(p);
    return r;
}

int qmp_pending_wait(qmp_pending *p, uint64_t timeout, qmp_message **ret_reply, qmp_message **reterr_reply)
{
    int waiting;

    pthread_mutex_lock(&p->lock);
    waiting = p->done || p->cancelled || timeout == 0 ? 0 : drive_waiting(p->client);
    pthread_mutex_unlock(&p->lock);
    return waiting < 0 ? waiting : wait_for_reply(p, timeout, waiting > 0, /* leader= */ NULL, ret_reply, reterr_reply);
}

int qmp_client_execute(qmp_client *c, const char *command, const char *arguments, uint64_t timeout,
    qmp_message **ret_reply, qmp_message **reterr_reply)
{
    CLEANUP(qmp_pending_unrefp) qmp_pending *p = NULL;
    struct qmp_request request = QMP_REQUEST_INIT;
    int waiting = drive_waiting(c), r;
    bool leads = false;

    if (waiting < 0)
        return waiting;
    request.command = command;
    request.arguments = arguments;
    request.timeout = QMP_FOREVER; /* this call's own bounds it */
    r = send_request(c, &request, /* callback= */ NULL, /* userdata= */ NULL, &p, waiting > 0 ? NULL : &leads);
    return r < 0 ? r : wait_for_reply(p, timeout, waiting > 0, leads ? c : NULL, ret_reply, reterr_reply);
}

/* With the command's lock held. */
static void give_up(qmp_pending *p)
{
    qmp_pending **last;

    if (p->done || p->cancelled)
        return;
    p->cancelled = true;
    pthread_cond_broadcast(&p->completed);
    refs_take(&p->refs);
    last = &p->client->cancelled;
    p->given_up_before = __atomic_load_n(last, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(last, &p->given_up_before, p, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
    drive_wake(p->client);
    drive_nudge(p->client);
}

int qmp_pending_cancel(qmp_pending *p)
{
    int r;

    pthread_mutex_lock(&p->lock);
    r = p->done || p->cancelled ? -EALREADY : 0;
    give_up(p);
    pthread_mutex_unlock(&p->lock);
    return r;
}

qmp_pending *qmp_pending_ref(qmp_pending *p)
{
    pthread_mutex_lock(&p->lock);
    p->users++;
    refs_take(&p->refs);
    pthread_mutex_unlock(&p->lock);
    return p;
}

qmp_pending *qmp_pending_unref(qmp_pending *p)
{
    if (!p)
        return NULL;
    pthread_mutex_lock(&p->lock);
    if (--p->users == 0)
        give_up(p);
    pthread_mutex_unlock(&p->lock);
    pending_release(p);
    return NULL;
}
