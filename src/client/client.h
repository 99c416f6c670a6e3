/* SPDX-License-Identifier: MIT */
#ifndef SRC_CLIENT_CLIENT_H
#define SRC_CLIENT_CLIENT_H

#include <pthread.h>
#include <sys/types.h>

#include <qmp/client.h>

#include "listener/index.h"
#include "listener/listener.h"
#include "session/session.h"
#include "transport/address.h"
#include "util/wake.h"

/* Received at a time, on the stack. */
#define CLIENT_RECEIVE_SIZE ((size_t)32768)
/* Commands sent with one system call. */
#define CLIENT_SEND_MAX ((size_t)16)
/* How often a full backlog is tried again, in µs. */
#define CLIENT_RETRY_INTERVAL UINT64_C(20000)
/* Changes of state that wait to be announced. Between two announcements there is at most: connecting, disconnecting,
 * idle. */
#define CLIENT_STATES_MAX 8u

/* What runs on the driving thread right now, with no lock held. */
enum calling { CALLING_NOBODY, CALLING_FILTER, CALLING_OTHER };

struct qmp_pending {
    unsigned refs; /* of the memory: one for each user reference, one for the client until it is through with it */
    pthread_mutex_t lock; /* for what follows up to the next comment; taken after the client's lock */
    pthread_cond_t completed;
    unsigned users;
    bool done, cancelled;
    int error;
    qmp_message *reply;
    qmp_client *client; /* NULL once done */

    qmp_reply_fn callback;
    void *userdata;
    uint64_t deadline;
    struct list overdue; /* while command_expire() completes several */
    struct session_command command;
    char text[];
};

struct call {
    qmp_listener *listener;
    bool ask; /* the rule's function first; else only the handler */
};

struct qmp_client {
    unsigned refs;
    pid_t pid;
    struct listener_host host;
    unsigned contending;  /* atomic: threads that wait for the lock */
    pthread_mutex_t lock; /* for everything else here; never held while a callback runs */

    /* For the next connect. */
    uint64_t connect_timeout;
    size_t message_max;
    unsigned depth_max;
    bool want_oob;

    /* The connection. */
    enum qmp_runstate state;
    int fd; /* -1: none, or waiting for a place in the backlog */
    struct address address;
    char *address_text;
    uint64_t connect_deadline, retry_at;
    struct session session;
    bool session_inited, send_broken;
    struct failure failure;
    uint64_t strays; /* of earlier sessions, and late replies to commands that were given up */
    int report;      /* what process() has still to return */

    /* Commands. */
    size_t n_commands;         /* that the session knows, late replies included */
    uint64_t command_deadline; /* not later than the earliest of them */
    bool cancelled;            /* atomic: some command is */

    /* Listeners. */
    struct index index;
    struct list listeners;
    qmp_listener *events;
    struct call *calls; /* of the event that is being dispatched */
    size_t n_calls, calls_allocated;
    bool removals_wanted, handlers_wanted;

    /* Driving. */
    bool processing, dying, disconnect_wanted;
    enum calling calling;
    uint64_t n_called;        /* callbacks so far, to tell one from the next */
    const void *calling_into; /* whose callback runs: a listener's, or &state_handler's */
    pthread_cond_t changed;   /* a state, or the end of a callback */
    qmp_runstate_fn state_handler;
    void *state_handler_userdata;
    enum qmp_runstate states[CLIENT_STATES_MAX];
    unsigned n_states;
    bool announcing;

    bool threaded; /* atomic */
    bool stopping;
    pthread_t thread, io_thread; /* the same, one to join it, one (atomic) to know it */
    struct wake wake;
};

/* client.c */
/* The one way to take the lock: the library's thread, which takes it again and again, lets those who wait go first. */
void client_lock(qmp_client *c);
/* These three need no lock. -ECHILD after fork(), else 0; whether the library drives; whether this is the driving
 * thread, in a step or a callback. */
int client_check_fork(const qmp_client *c);
bool client_is_threaded(const qmp_client *c);
bool client_is_driving(const qmp_client *c);
/* With the lock held. Announcing unlocks meanwhile, on the driving thread. */
void client_set_state(qmp_client *c, enum qmp_runstate state);
void client_announce(qmp_client *c);
/* Around everything that calls the user back: unlocks, and locks again. client_call_end() does what had to wait. */
void client_call_begin(qmp_client *c, enum calling calling, const void *into);
void client_call_end(qmp_client *c);
/* Waits until no callback of this one is running, unless that is where we are. Lets the lock go meanwhile. */
void client_settle(qmp_client *c, const void *into);
void client_free(qmp_client *c);

/* connection.c, with the lock held */
/* What can be done now; may wait a moment for input if `until` is far enough away (0: not at all). Returns 1, 0,
 * -ENOTCONN when IDLE, the reason when the connection ended in this step. Stops early when the client is dying. */
int connection_step(qmp_client *c, uint64_t until);
/* The session's failure, or the client's, is recorded: the end, in the order that is promised. */
void connection_end(qmp_client *c);
uint64_t connection_deadline(const qmp_client *c);
short connection_poll_events(const qmp_client *c);
void connection_flush(qmp_client *c);

/* command.c, with the lock held */
void command_on_reply(qmp_client *c, struct session_command *command, qmp_message *reply);
/* Completes what was cancelled or is too late. Returns 1 when there was something, 0. */
int command_expire(qmp_client *c);
void command_end_all(qmp_client *c);

/* dispatch.c */
extern const struct listener_host_ops client_host_ops;
void dispatch_event(qmp_client *c, qmp_message *event);
/* Handlers and removals that wait. Returns 1 when there was something, 0. */
int dispatch_wanted(qmp_client *c);
void dispatch_open(qmp_client *c);
void dispatch_close(qmp_client *c);
void dispatch_orphan_all(qmp_client *c);
/* What scopes that ended in a filter left to do. */
void dispatch_remove_wanted(qmp_client *c);

/* drive.c */
/* One step, or waiting until one is due. Returns 1, 0 at the deadline, negative. The client may be gone afterwards:
 * -ESHUTDOWN. */
int drive_pump(qmp_client *c, uint64_t deadline);
/* A step without waiting. As above. */
int drive_step(qmp_client *c);
/* How a blocking call has to wait: 1 drive_pump(), 0 a condition, -EBUSY, -ECHILD. */
int drive_waiting(qmp_client *c);
/* Makes the library's thread look again. Needs no lock. */
void drive_wake(qmp_client *c);
void drive_stop_thread(qmp_client *c);
/* Around whatever may call users back, with the lock held; leave() unlocks, and frees a client that died meanwhile:
 * true. */
void drive_enter(qmp_client *c);
bool drive_leave(qmp_client *c);

#endif
