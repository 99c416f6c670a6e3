/* SPDX-License-Identifier: MIT */
#ifndef SRC_CLIENT_CLIENT_H
#define SRC_CLIENT_CLIENT_H

#include <pthread.h>
#include <sys/types.h>

#include <qmp/client.h>
#include <qmp/tls.h>

#include "listener/index.h"
#include "listener/listener.h"
#include "session/session.h"
#include "transport/link.h"
#include "util/vigil.h"

/* Received at a time, on the stack. */
#define CLIENT_RECEIVE_SIZE ((size_t)32768)
/* Commands sent with one system call. */
#define CLIENT_SEND_MAX ((size_t)16)
/* Changes of state that wait to be announced. Between two announcements there is at most: connecting, disconnecting,
 * idle, or connecting again. */
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
    struct list overdue;          /* while command_expire() completes several */
    qmp_pending *given_up_before; /* in the client's list of those */
    struct session_command command;
    int fds[]; /* copies of the caller's, then the text */
};

struct call {
    qmp_listener *listener;
    uint64_t registration;
    bool ask; /* the rule's function first; else only the handler */
};

/* How an attempt at a connection is made, and made again. */
enum way { WAY_DIAL, WAY_LISTEN, WAY_GIVEN };

struct log;       /* log.c */
struct watch;     /* watch.c */
struct reconnect; /* reconnect.c */

/* What a server is known by. */
struct identity {
    pid_t pid; /* 0: unknown */
    uint64_t started;
    qmp_message *greeting;
};

/* What only the library's thread needs, and a leader beside it. */
struct driver {
    pthread_t thread, io_thread; /* the same, one to join it, one (atomic) to know it */
    struct vigil vigil;          /* that thread's */
    struct wake nudge;           /* for the leader */
    qmp_pending *leader;         /* atomic: the command whose waiter receives for everybody; NULL: nobody does */
    bool leading;                /* and is at it, with the lock held */
    bool ousting;                /* the library's thread waits for the leader to leave */
    bool holds;
    struct session_item held; /* taken from the session by a leader, who may not run the callbacks that are due */
    char scratch[CLIENT_RECEIVE_SIZE]; /* to receive into: what one thread has not handled the next one does */
};

struct qmp_client {
    unsigned refs;
    pid_t pid;
    struct listener_host host;
    unsigned contending;  /* atomic: threads that wait for the lock */
    pthread_mutex_t lock; /* for everything else here; never held while a callback runs */

    /* For the next connect. */
    uint64_t connect_timeout;
    size_t message_max; /* 0: the dialect's own */
    unsigned depth_max;
    bool want_oob, skip_greeting, skip_negotiation;
    enum qmp_dialect dialect;
    qmp_tls *tls;
    char *tls_name;

    /* The connection. */
    enum qmp_runstate state;
    enum way way;
    struct link link;
    char *address_text;
    uint64_t connect_deadline;
    uint64_t attempt_at; /* CONNECTING with the link down: when the next attempt is due */
    struct session session;
    bool session_inited, session_started;
    int send_error; /* negative: nothing can be sent any more */
    bool again;     /* DISCONNECTING, to connect again afterwards */
    bool failed;    /* `failure` is this attempt's, not the last one's */
    struct failure failure;
    int broken;      /* negative: a leader has seen the end, or nobody can wait */
    uint64_t strays; /* of earlier sessions, and late replies to commands that were given up */
    int report;      /* what process() has still to return */
    struct reconnect *reconnect;
    struct identity identity; /* of the last server that was RUNNING */
    enum qmp_same_server same_server;

    /* Commands. */
    size_t n_commands;         /* that the session knows, late replies included */
    uint64_t command_deadline; /* not later than the earliest of them */
    qmp_pending *cancelled;    /* atomic: since the last step, the latest first, with a reference each */

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
    struct log *log;
    struct watch *watch;
    uint8_t states[CLIENT_STATES_MAX]; /* enum qmp_runstate */
    unsigned n_states;
    bool announcing;
    bool stopping;
    struct driver *driver; /* atomic; NULL: caller-driven */
};

/* The command whose waiter receives; NULL: nobody does. With the lock held. */
static inline qmp_pending *client_leader(const qmp_client *c)
{
    return c->driver ? c->driver->leader : NULL;
}

/* Whether it is the leader who receives right now. With the lock held. */
static inline bool client_is_led(const qmp_client *c)
{
    return c->driver && c->driver->leading;
}

/* Whether a leader has left something to the driving thread. With the lock held. */
static inline bool client_has_left(const qmp_client *c)
{
    return c->broken < 0 || (c->driver && c->driver->holds);
}

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
/* On a connected socket that is the client's from then on (on failure it stays the caller's). */
int connection_check_idle(qmp_client *c); /* takes the lock itself, as the next one */
int connection_begin_accepted(qmp_client *c, int fd, const char *address_text);
/* What can be done now; may wait a moment for input if `until` is far enough away (0: not at all). Returns 1, 0,
 * -ENOTCONN when IDLE, the reason when the connection ended in this step. Stops early when the client is dying. */
int connection_step(qmp_client *c, uint64_t until);
/* Records why the connection, or the attempt, ends. Returns the error. */
int connection_fail(qmp_client *c, enum qmp_failure kind, int error, const char *format, ...) QMP_PRINTF(4, 5);
/* The session's failure, or the client's, is recorded: the end, in the order that is promised; or, where the client
 * connects again by itself, the way there. Returns whether it does. */
bool connection_end(qmp_client *c);
uint64_t connection_deadline(const qmp_client *c);
short connection_poll_events(const qmp_client *c);
void connection_flush(qmp_client *c);
/* For a leader: receives once, and handles what came, up to the first callback that is due: that, and an end, are left
 * to the next step. */
void connection_hear(qmp_client *c);
/* Nobody can wait for the connection: the next step ends it. Returns whether that step has something to do: there may
 * be nothing to end. */
bool connection_break(qmp_client *c, int error);
/* Whether something is due on the driving thread, whatever the descriptor says. */
bool connection_is_due(const qmp_client *c);

/* explain.c: records why, in words */
int explain_address(qmp_client *c, int error, const char *text, const char *flaw);
int explain_connect(qmp_client *c, int error, const struct link_flaw *flaw);
int explain_timeout(qmp_client *c);

/* identity.c: the server of a connection that is RUNNING now */
void identity_learn(qmp_client *c);
void identity_done(struct identity *i);

/* reconnect.c */
/* After the end of an attempt. Returns whether there will be another one, and in `ret` when. */
bool reconnect_wanted(qmp_client *c, uint64_t *ret_at);
void reconnect_on_running(qmp_client *c);
/* Before the user's own connect: as if nothing had been tried. */
void reconnect_reset(qmp_client *c);

/* log.c: queues a line, where the level is wanted; said by log_emit(), on the driving thread, which unlocks meanwhile.
 */
bool log_wants(const qmp_client *c, enum qmp_log_level level);
void log_line(qmp_client *c, enum qmp_log_level level, const char *format, ...) QMP_PRINTF(3, 4);
/* For the session: what goes over the wire; NULL when nobody wants it. */
const struct session_tap *log_tap(const qmp_client *c);
bool log_has_lines(const struct log *log);
void log_say(qmp_client *c);

static inline bool log_pending(const qmp_client *c)
{
    return c->log && log_has_lines(c->log);
}

static inline void log_emit(qmp_client *c)
{
    if (c->log)
        log_say(c);
}

void log_free(struct log *log);

/* watch.c, caller-driven only */
/* Tells what there is to watch, if it has changed and nothing runs that will change it again. */
void watch_update(qmp_client *c);
/* The descriptor is about to be closed. */
void watch_forget_fd(qmp_client *c);
/* Whoever takes it, with the descriptor forgotten, frees it or puts it back. */
struct watch *watch_take(qmp_client *c);
void watch_free(struct watch *w);

/* command.c, with the lock held */
void command_on_reply(qmp_client *c, struct session_command *command, qmp_message *reply);
bool command_calls_back(struct session_command *command);
/* Whether there is nothing to wait for any more. */
bool command_is_over(qmp_pending *p);
/* Completes what was cancelled or is too late. Returns 1 when there was something, 0. */
int command_expire(qmp_client *c);
void command_end_all(qmp_client *c);

/* dispatch.c */
extern const struct listener_host_ops client_host_ops;
/* An event, in two parts: it is queued where nobody is to be called (returns whether somebody is), then the others are
 * called. */
bool dispatch_event(qmp_client *c, qmp_message *event);
void dispatch_calls(qmp_client *c, qmp_message *event);
/* Handlers and removals that wait. Returns 1 when there was something, 0. */
int dispatch_wanted(qmp_client *c);
void dispatch_open(qmp_client *c);
void dispatch_close(qmp_client *c);
void dispatch_gap(qmp_client *c, bool was_running);
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
/* Makes whoever drives look again: the library's thread, or the event loop that watches. Needs no lock. */
void drive_wake(qmp_client *c);
void drive_stop_thread(qmp_client *c);
/* Frees it, and closes what is its; NULL is fine. */
void drive_close_thread(struct driver *d);
/* Thread-driven, and with the lock held: makes the caller, who is about to wait for this command, the leader, unless
 * somebody else receives. Then, with no lock held: receives until the command is over, or the deadline has come, or the
 * library's thread has to. */
bool drive_begin_leading(qmp_client *c, qmp_pending *p);
void drive_lead(qmp_client *c, uint64_t deadline);
/* Gives the lead back unused, with the lock held. */
void drive_end_leading(qmp_client *c);
/* Makes the leader, if there is one, look at its command again. Needs no lock. */
void drive_nudge(qmp_client *c);
/* On the library's thread, with the lock held, which is let go meanwhile: afterwards there is no leader. */
void drive_oust(qmp_client *c);
/* The connection's descriptor is about to be closed. */
void drive_forget_fd(qmp_client *c);
/* Around whatever may call users back, with the lock held; leave() unlocks, and frees a client that died meanwhile:
 * true. */
void drive_enter(qmp_client *c);
bool drive_leave(qmp_client *c);

#endif
