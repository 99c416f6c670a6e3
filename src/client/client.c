/* SPDX-License-Identifier: MIT */
/* The client: its life, its settings, its state, and the rules for calling users back.
 *
 * One lock guards it. In caller-driven mode nobody contends for it; in thread-driven mode it is what makes every
 * function callable from every thread. It is never held while a callback runs: client_call_begin() notes what kind of
 * callback it is, and into which listener, and lets go; client_call_end() takes the lock again and does what had to
 * wait for the callback to return. Whoever takes a callback away from another thread waits until it has returned
 * (client_settle()), so that its userdata can be freed then.
 *
 * The last reference may go inside a callback. Then the client is only marked as dying; the step that runs the callback
 * stops, and frees the client on its way out (see drive.c). */

#include "client/client.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "util/process.h"
#include "util/util.h"

void client_lock(qmp_client *c)
{
    if (pthread_mutex_trylock(&c->lock) == 0)
        return;
    __atomic_fetch_add(&c->contending, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&c->lock);
    __atomic_fetch_sub(&c->contending, 1, __ATOMIC_RELAXED);
}

static qmp_client *client_alloc(void)
{
    qmp_client *c = calloc(1, sizeof(*c));
    pthread_condattr_t monotonic;

    if (!c)
        return NULL;
    c->refs = 1;
    c->pid = process_id();
    c->host.ops = &client_host_ops;
    c->connect_timeout = QMP_CONNECT_TIMEOUT;
    c->want_oob = true;
    c->state = QMP_IDLE;
    link_init(&c->link);
    c->command_deadline = QMP_FOREVER;
    list_init(&c->listeners);
    index_init(&c->index);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return c;
}

int qmp_client_new(qmp_client **ret)
{
    CLEANUP(qmp_client_unrefp) qmp_client *c = client_alloc();
    int r;

    if (!c)
        return -ENOMEM;
    r = qmp_listener_new(&c->events, /* names= */ NULL);
    if (r >= 0)
        r = qmp_client_register_listener(c, c->events);
    if (r < 0)
        return r;
    *ret = TAKE(c);
    return 0;
}

qmp_client *qmp_client_ref(qmp_client *c)
{
    refs_take(&c->refs);
    return c;
}

/* In the child of a fork(): other threads, and with them the state of the locks, did not come along; the peer is the
 * parent's. */
static void free_after_fork(qmp_client *c)
{
    if (c->link.fd >= 0)
        close(c->link.fd);
    if (c->link.status_fd >= 0)
        close(c->link.status_fd);
    drive_close_thread(c->driver);
}

qmp_client *qmp_client_unref(qmp_client *c)
{
    bool in_callback;

    if (!c || !refs_drop(&c->refs))
        return NULL;
    if (client_check_fork(c) < 0) {
        free_after_fork(c);
        return NULL;
    }
    client_lock(c);
    in_callback = client_is_driving(c);
    c->dying = true;
    c->stopping = !in_callback;
    pthread_mutex_unlock(&c->lock);
    if (in_callback)
        return NULL; /* drive_leave() frees it */
    drive_stop_thread(c);
    client_free(c);
    return NULL;
}

void client_free(qmp_client *c)
{
    client_lock(c);
    c->dying = true;
    c->state_handler = NULL;
    /* Callbacks of commands that are still pending run here: this is the driving thread now. */
    c->processing = true;
    if (c->driver)
        __atomic_store_n(&c->driver->io_thread, pthread_self(), __ATOMIC_RELEASE);
    if (c->state != QMP_IDLE) {
        connection_fail(c, QMP_FAILURE_DISCONNECT, -ENOTCONN, "the client was freed");
        connection_end(c);
    }
    log_emit(c);
    dispatch_orphan_all(c);
    pthread_mutex_unlock(&c->lock);
    watch_free(watch_take(c));
    while (__atomic_load_n(&c->host.pins, __ATOMIC_ACQUIRE) > 0)
        sched_yield();

    index_done(&c->index);
    qmp_listener_unref(c->events);
    if (c->session_inited)
        session_done(&c->session);
    failure_done(&c->failure);
    identity_done(&c->identity);
    qmp_tls_unref(c->tls);
    free(c->tls_name);
    log_free(c->log);
    free(c->reconnect);
    free(c->address_text);
    free(c->calls);
    drive_close_thread(c->driver);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- callbacks ---- */

int client_check_fork(const qmp_client *c)
{
    return c->pid == process_id() ? 0 : -ECHILD;
}

bool client_is_threaded(const qmp_client *c)
{
    return __atomic_load_n(&c->driver, __ATOMIC_ACQUIRE) != NULL;
}

bool client_is_driving(const qmp_client *c)
{
    const struct driver *d = __atomic_load_n(&c->driver, __ATOMIC_ACQUIRE);

    /* Caller-driven, there is but one thread. */
    if (!d)
        return c->processing;
    return pthread_equal(__atomic_load_n(&d->io_thread, __ATOMIC_ACQUIRE), pthread_self());
}

void client_call_begin(qmp_client *c, enum calling calling, const void *into)
{
    c->calling = calling;
    c->calling_into = into;
    c->n_called++;
    pthread_mutex_unlock(&c->lock);
}

void client_call_end(qmp_client *c)
{
    client_lock(c);
    c->calling = CALLING_NOBODY;
    c->calling_into = NULL;
    if (c->removals_wanted)
        dispatch_remove_wanted(c);
    pthread_cond_broadcast(&c->changed);
}

void client_settle(qmp_client *c, const void *into)
{
    uint64_t n_called = c->n_called;

    while (c->calling_into == into && c->n_called == n_called && !client_is_driving(c))
        pthread_cond_wait(&c->changed, &c->lock);
}

/* ---- state ---- */

void client_set_state(qmp_client *c, enum qmp_runstate state)
{
    static const char *const names[] = {"IDLE", "CONNECTING", "RUNNING", "DISCONNECTING"};

    c->state = state;
    log_line(c, QMP_LOG_DEBUG, "state %s", names[state]);
    pthread_cond_broadcast(&c->changed);
    if (c->n_states < CLIENT_STATES_MAX)
        c->states[c->n_states++] = (uint8_t)state;
}

void client_announce(qmp_client *c)
{
    if (c->announcing)
        return;
    c->announcing = true;
    for (unsigned i = 0; i < c->n_states; i++) {
        qmp_runstate_fn handler = c->state_handler;
        void *userdata = c->state_handler_userdata;
        enum qmp_runstate state = (enum qmp_runstate)c->states[i];

        if (!handler || c->dying)
            continue;
        client_call_begin(c, CALLING_OTHER, &c->state_handler);
        handler(c, state, userdata);
        client_call_end(c);
    }
    c->n_states = 0;
    c->announcing = false;
    log_emit(c);
}

enum qmp_runstate qmp_client_runstate(qmp_client *c)
{
    enum qmp_runstate state;

    client_lock(c);
    state = c->state;
    pthread_mutex_unlock(&c->lock);
    return state;
}

int qmp_client_set_runstate_handler(qmp_client *c, qmp_runstate_fn handler, void *userdata)
{
    client_lock(c);
    c->state_handler = handler;
    c->state_handler_userdata = userdata;
    client_settle(c, &c->state_handler);
    pthread_mutex_unlock(&c->lock);
    return 0;
}
