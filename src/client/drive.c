/* SPDX-License-Identifier: MIT */
/* Driving: who calls connection_step(), and how everybody else waits.
 *
 * Caller-driven, it is whoever calls process() or waits for something; thread-driven, the library's own thread, and the
 * others wait on conditions. Both are the same loop: a step, and when there was nothing to do, poll.
 *
 * One of those who wait for a reply may be the leader: it receives, for everybody, and the library's thread, which
 * sleeps in epoll, is not woken for each reply only to wake the one who waits. At most one thread receives: the leader,
 * while there is one, else the library's. The leader completes commands and fills queues as a step does, but runs no
 * callback: when one is due it leaves the item, with all that was read behind it, to the library's thread (`held`), and
 * so it does with an end (`broken`), and with everything else that is due there. It leaves when its command is over,
 * too, or when it cannot wait; the others wait on. Before the descriptor is closed, the library's thread ousts it.
 * drive.pml is the model of all this.
 *
 * drive_enter() and drive_leave() stand around everything that may call the user back. Inside, process() and blocking
 * calls say -EBUSY. The user may let go of the last reference there; then leave() frees the client, and nobody on the
 * way out may touch it. */

#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "util/util.h"

void drive_enter(qmp_client *c)
{
    c->processing = true;
}

bool drive_leave(qmp_client *c)
{
    bool gone = c->dying && !c->stopping;

    c->processing = false;
    pthread_mutex_unlock(&c->lock);
    if (!gone) {
        watch_update(c);
        return false;
    }
    if (client_is_threaded(c))
        pthread_detach(c->driver->thread); /* this is the library's thread: nobody will join it */
    client_free(c);
    return true;
}

/* ---- steps ---- */

int drive_waiting(qmp_client *c)
{
    int r = client_check_fork(c);

    if (r < 0)
        return r;
    if (client_is_driving(c))
        return -EBUSY;
    return client_is_threaded(c) ? 0 : 1;
}

/* Returns 0 where process() may run. */
static int check_caller_driven(qmp_client *c)
{
    int r = drive_waiting(c);

    if (r < 0)
        return r;
    return r == 0 ? -EBUSY : 0;
}

static int step(qmp_client *c, uint64_t until)
{
    int r;

    client_lock(c);
    drive_enter(c);
    r = connection_step(c, until);
    return drive_leave(c) ? -ESHUTDOWN : r;
}

int drive_step(qmp_client *c)
{
    return step(c, /* until= */ 0);
}

/* Returns 1 when there is something to do, 0 at the deadline, -EINTR. */
static int poll_until(qmp_client *c, uint64_t deadline)
{
    struct pollfd pollfd;
    uint64_t own;
    int r;

    c->host.ops->poll(&c->host, &pollfd, &own);
    r = poll(&pollfd, 1, time_poll_timeout(MIN(own, deadline)));
    if (r < 0)
        return -errno;
    if (r > 0 || (own != QMP_FOREVER && time_now() >= own))
        return 1;
    return 0;
}

/* Whoever looks again and again must not do so in a loop that nothing stops. */
static void on_failed_wait(qmp_client *c, int error)
{
    const struct timespec moment = {.tv_nsec = 10 * 1000 * 1000};
    bool goes_on;

    if (error == -EINTR)
        return;
    client_lock(c);
    goes_on = connection_break(c, error);
    pthread_mutex_unlock(&c->lock);
    if (!goes_on)
        nanosleep(&moment, NULL);
}

int drive_pump(qmp_client *c, uint64_t deadline)
{
    int r = step(c, deadline);

    /* A flood of other things is no reason to be late. */
    if (r > 0 && deadline != QMP_FOREVER && time_now() >= deadline)
        return 0;
    if (r != 0)
        return r;
    r = poll_until(c, deadline);
    if (r == 0 && deadline != QMP_FOREVER && time_now() < deadline)
        return 1;
    if (r < 0)
        on_failed_wait(c, r);
    return r < 0 ? 1 : r; /* the caller looks again */
}

int qmp_client_process(qmp_client *c)
{
    int r = check_caller_driven(c);

    if (r < 0)
        return r;
    r = step(c, /* until= */ 0);
    if (r >= 0)
        return r;
    if (r == -ESHUTDOWN)
        return -ENOTCONN;
    client_lock(c);
    if (r == -ENOTCONN && c->report < 0)
        r = c->report; /* of an end that came about in a blocking call */
    c->report = 0;
    pthread_mutex_unlock(&c->lock);
    watch_update(c);
    return r;
}

int qmp_client_wait(qmp_client *c, uint64_t timeout)
{
    int r = check_caller_driven(c);

    if (r < 0)
        return r;
    if (c->state == QMP_IDLE)
        return c->report < 0 ? 1 : -ENOTCONN;
    return poll_until(c, time_deadline(timeout));
}

int qmp_client_get_fd(qmp_client *c)
{
    return client_is_threaded(c) ? -EBUSY : c->link.fd < 0 ? -ENOTCONN : c->link.fd;
}

int qmp_client_get_events(qmp_client *c)
{
    return client_is_threaded(c) ? -EBUSY : c->link.fd < 0 ? -ENOTCONN : connection_poll_events(c);
}

int qmp_client_get_deadline(qmp_client *c, uint64_t *ret)
{
    if (client_is_threaded(c))
        return -EBUSY;
    *ret = c->report < 0 ? 0 : connection_deadline(c); /* process() still has to say why it ended */
    return 0;
}

/* ---- waiting until running ---- */

/* With the lock held: 0 running, -EAGAIN not yet, or why not. */
static int running(const qmp_client *c)
{
    if (c->state == QMP_RUNNING)
        return 0;
    if (c->state != QMP_IDLE)
        return -EAGAIN;
    return c->failure.kind == QMP_FAILURE_NONE ? -ENOTCONN : c->failure.error;
}

static int wait_on_condition(qmp_client *c, uint64_t deadline)
{
    struct timespec t = time_timespec(deadline);
    int e = 0, r;

    while ((r = running(c)) == -EAGAIN && e == 0)
        e = deadline == QMP_FOREVER ? pthread_cond_wait(&c->changed, &c->lock)
                                    : pthread_cond_timedwait(&c->changed, &c->lock, &t);
    return r == -EAGAIN ? -ETIMEDOUT : r;
}

static int wait_pumping(qmp_client *c, uint64_t deadline)
{
    int r, p = 1;

    while ((r = running(c)) == -EAGAIN && p > 0) {
        pthread_mutex_unlock(&c->lock);
        p = drive_pump(c, deadline);
        if (p == -ESHUTDOWN)
            return -ESHUTDOWN;
        client_lock(c);
    }
    return r != -EAGAIN ? r : p < 0 ? p : -ETIMEDOUT;
}

int qmp_client_wait_running(qmp_client *c, uint64_t timeout)
{
    uint64_t deadline = time_deadline(timeout);
    int r = drive_waiting(c);

    if (r < 0)
        return r;
    client_lock(c);
    r = r > 0 ? wait_pumping(c, deadline) : wait_on_condition(c, deadline);
    if (r == -ESHUTDOWN)
        return -ENOTCONN; /* a callback freed the client */
    pthread_mutex_unlock(&c->lock);
    return r;
}

/* What qmp_connect() and qmp_accept() share. */
static int begin_and_wait(
    qmp_client **ret, int (*begin)(qmp_client *c, const char *address), const char *address, uint64_t timeout)
{
    CLEANUP(qmp_client_unrefp) qmp_client *c = NULL;
    int r = qmp_client_new(&c);

    if (r >= 0)
        r = qmp_client_set_connect_timeout(c, timeout);
    if (r >= 0)
        r = begin(c, address);
    if (r >= 0)
        r = qmp_client_wait_running(c, QMP_FOREVER); /* the connect timeout ends it */
    if (r < 0)
        return r;
    *ret = TAKE(c);
    return 0;
}

int qmp_connect(qmp_client **ret, const char *address, uint64_t timeout)
{
    return begin_and_wait(ret, qmp_client_connect, address, timeout);
}

int qmp_accept(qmp_client **ret, const char *address, uint64_t timeout)
{
    return begin_and_wait(ret, qmp_client_listen_on, address, timeout);
}

/* ---- the library's thread, and a leader beside it ---- */

void drive_wake(qmp_client *c)
{
    if (client_is_threaded(c))
        vigil_wake(&c->driver->vigil);
    else
        watch_update(c);
}

void drive_nudge(qmp_client *c)
{
    const struct driver *d = __atomic_load_n(&c->driver, __ATOMIC_ACQUIRE);

    if (d && __atomic_load_n(&d->leader, __ATOMIC_SEQ_CST))
        wake_set(&d->nudge);
}

/* What the library's thread watches: all, or what a leader leaves to it. */
static void watch_link(qmp_client *c)
{
    short events = c->link.fd >= 0 ? connection_poll_events(c) : 0;

    if (c->driver->leader)
        events = (short)(events & ~POLLIN);
    vigil_watch(&c->driver->vigil, c->link.fd, events);
}

void drive_forget_fd(qmp_client *c)
{
    if (client_is_threaded(c))
        vigil_watch(&c->driver->vigil, -1, 0);
}

/* Whoever takes the lock again and again lets those who wait for it go first. */
static void make_way(const qmp_client *c)
{
    while (__atomic_load_n(&c->contending, __ATOMIC_RELAXED) > 0)
        sched_yield();
}

bool drive_begin_leading(qmp_client *c, qmp_pending *p)
{
    /* Who logs is told on the library's thread, about every message: that would be woken each time. */
    if (c->state != QMP_RUNNING || c->driver->leader || c->processing || c->dying || c->log || c->send_error < 0 ||
        connection_is_due(c))
        return false;
    __atomic_store_n(&c->driver->leader, p, __ATOMIC_SEQ_CST);
    watch_link(c);
    return true;
}

void drive_end_leading(qmp_client *c)
{
    __atomic_store_n(&c->driver->leader, NULL, __ATOMIC_SEQ_CST);
    watch_link(c);
    if (connection_is_due(c) || c->send_error < 0 || link_has_input(&c->link))
        drive_wake(c);
    if (c->driver->ousting)
        pthread_cond_broadcast(&c->changed);
}

/* With the lock held, which is let go meanwhile. Returns 1 when there is something to receive, 0, negative. */
static int wait_for_input(qmp_client *c, uint64_t deadline)
{
    struct wake *nudge = &c->driver->nudge;
    struct pollfd pollfds[] = {{.fd = c->link.fd, .events = POLLIN}, {.fd = nudge->fds[0], .events = POLLIN}};
    int r;

    if (link_has_input(&c->link))
        return 1;
    pthread_mutex_unlock(&c->lock);
    r = poll(pollfds, 2, time_poll_timeout(deadline));
    r = r < 0 ? -errno : r;
    make_way(c);
    client_lock(c);
    if (r > 0 && pollfds[1].revents)
        wake_clear(nudge);
    if (r < 0)
        return r == -EINTR ? 0 : r;
    return r > 0 && pollfds[0].revents;
}

static bool may_lead_on(const qmp_client *c, uint64_t deadline)
{
    return !c->driver->ousting && c->send_error == 0 && !connection_is_due(c) &&
           (deadline == QMP_FOREVER || time_now() < deadline);
}

void drive_lead(qmp_client *c, uint64_t deadline)
{
    struct driver *d = c->driver;
    qmp_pending *p = d->leader;
    int ready = 0;

    client_lock(c);
    while (ready >= 0 && !command_is_over(p) && may_lead_on(c, deadline)) {
        if (ready > 0) {
            d->leading = true;
            connection_hear(c);
            d->leading = false;
        }
        ready = ready > 0 ? 0 : wait_for_input(c, deadline);
    }
    drive_end_leading(c);
    pthread_mutex_unlock(&c->lock);
}

void drive_oust(qmp_client *c)
{
    if (!client_leader(c))
        return;
    c->driver->ousting = true;
    drive_nudge(c);
    while (c->driver->leader)
        pthread_cond_wait(&c->changed, &c->lock);
    c->driver->ousting = false;
}

static void wait_for_work(qmp_client *c)
{
    uint64_t deadline;
    int r;

    client_lock(c);
    watch_link(c);
    deadline = connection_deadline(c);
    pthread_mutex_unlock(&c->lock);
    r = vigil_sleep(&c->driver->vigil, deadline);
    if (r < 0)
        on_failed_wait(c, r);
}

static void *thread_main(void *userdata)
{
    qmp_client *c = userdata;

    __atomic_store_n(&c->driver->io_thread, pthread_self(), __ATOMIC_RELEASE);
    for (;;) {
        bool stopping;
        int r;

        client_lock(c);
        stopping = c->stopping;
        pthread_mutex_unlock(&c->lock);
        if (stopping)
            return NULL;
        make_way(c);
        r = drive_step(c);
        if (r == -ESHUTDOWN)
            return NULL;
        if (r != 1)
            wait_for_work(c);
    }
}

void drive_close_thread(struct driver *d)
{
    if (!d)
        return;
    vigil_close(&d->vigil);
    wake_close(&d->nudge);
    free(d);
}

static int open_thread(struct driver **ret)
{
    struct driver *d = malloc(sizeof(*d));
    int r;

    if (!d)
        return -ENOMEM;
    memset(d, 0, offsetof(struct driver, scratch));
    vigil_init(&d->vigil);
    wake_init(&d->nudge);
    r = vigil_open(&d->vigil);
    if (r >= 0)
        r = wake_open(&d->nudge);
    if (r < 0) {
        drive_close_thread(d);
        return r;
    }
    *ret = d;
    return 0;
}

int qmp_client_start_thread(qmp_client *c)
{
    struct driver *d = NULL;
    struct watch *watch;
    sigset_t all, before;
    int r = drive_waiting(c);

    if (r <= 0)
        return r < 0 ? r : -EALREADY;
    r = open_thread(&d);
    if (r < 0)
        return r;
    watch = watch_take(c);
    sigfillset(&all);
    client_lock(c);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    __atomic_store_n(&c->driver, d, __ATOMIC_RELEASE);
    r = -pthread_create(&d->thread, NULL, thread_main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0) {
        __atomic_store_n(&c->driver, NULL, __ATOMIC_RELEASE);
        drive_close_thread(d);
        c->watch = TAKE(watch);
    }
    pthread_mutex_unlock(&c->lock);
    watch_free(watch);
    if (r < 0)
        watch_update(c);
    return r;
}

void drive_stop_thread(qmp_client *c)
{
    if (!client_is_threaded(c))
        return;
    drive_wake(c);
    pthread_join(c->driver->thread, NULL);
}
