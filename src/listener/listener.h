/* SPDX-License-Identifier: MIT */
#ifndef SRC_LISTENER_LISTENER_H
#define SRC_LISTENER_LISTENER_H

#include <poll.h>
#include <pthread.h>

#include <qmp/listener.h>

#include "listener/ring.h"
#include "listener/rule.h"
#include "util/list.h"
#include "util/wake.h"

/* What a listener needs from whoever it is registered with. A listener holds no reference to its host: the host takes
 * itself away with listener_orphan() before it dies, and waits until nobody has it pinned. */
struct listener_host {
    const struct listener_host_ops *ops;
    unsigned pins; /* atomic: threads that are in `waiting`, `set_rule`, `settle` or `remove` */
};

struct listener_host_ops {
    /* How to wait for events: 1 pump(), 0 wait on the condition (others drive), -EBUSY not here (inside a callback),
     * -ECHILD. */
    int (*waiting)(struct listener_host *h);
    /* Does what can be done, or waits until there is something, at most until the deadline. Returns 1, 0 when the
     * deadline came, negative when nothing can come any more. The host may be gone afterwards. */
    int (*pump)(struct listener_host *h, uint64_t deadline);
    /* For waiting on several: what to poll until when (.fd may be -1), then step() does what can be done, as pump(). */
    void (*poll)(struct listener_host *h, struct pollfd *ret, uint64_t *ret_deadline);
    int (*step)(struct listener_host *h);
    /* Files the listener under another rule, and stores it. Returns 0, -ENOMEM, -ENOENT (not attached any more). */
    int (*set_rule)(struct listener_host *h, qmp_listener *l, struct rule *rule);
    /* A rule or a handler has changed: events that are queued go to the new handler; the old functions are not running
     * any more when this returns, unless it is called from them. */
    void (*settle)(struct listener_host *h, qmp_listener *l);
    /* The end of a scope; where it cannot be done at once, as soon as possible. */
    void (*remove)(struct listener_host *h, qmp_listener *l);
};

struct qmp_listener {
    unsigned refs;
    pid_t pid; /* a child after fork() shares the descriptors below */

    /* The host's, under the host's lock. */
    struct list of_host;
    struct list entries; /* in the host's index */
    bool remove_wanted;

    pthread_mutex_t changing; /* held while the rule is replaced; taken before all other locks */
    pthread_mutex_t lock;     /* for all that follows; taken after the host's lock, never before it */
    pthread_cond_t ready;
    unsigned n_waiting;
    struct listener_host *host; /* NULL: not registered */
    uint64_t registrations, removals, closings;
    bool open;      /* events can come */
    bool heard;     /* accepted an event since it was opened */
    bool mark_told; /* get() has reported the mark at the end of the queue */
    struct rule *rule;
    struct ring queue; /* with marks where a connection ended */
    struct ring history;
    size_t n_marks;                /* in the queue; never two in a row */
    size_t queue_max, history_max; /* in events */
    uint64_t dropped;
    bool lost; /* get() has not reported the latest losses */
    qmp_event_fn handler;
    void *handler_userdata;
    struct wake wake; /* not open: not asked for */
    bool fd_readable;
};

/* For hosts. Attaching: returns 0, -EEXIST. The rule under which the host has to file it is given back, with a
 * reference. */
int listener_attach(qmp_listener *l, struct listener_host *h, struct rule **ret_rule);
/* Takes it away from its host, clears the queue and cancels whoever waits. Returns 0, -ENOENT when it is not attached
 * to this host. */
int listener_remove(qmp_listener *l, struct listener_host *h);
/* The host goes away: closed, with what is queued still to be read. */
void listener_orphan(qmp_listener *l);
/* The current rule, with a reference. */
struct rule *listener_rule(qmp_listener *l);
void listener_store_rule(qmp_listener *l, struct rule *rule);
bool listener_is_attached(qmp_listener *l, const struct listener_host *h);
/* A connection begins; ends. */
void listener_open(qmp_listener *l);
void listener_close(qmp_listener *l);
/* Something was missed without closing: a connection, or only an attempt at one, has ended and the next one is made;
 * or an event came before the negotiation, when others are withheld. */
void listener_gap(qmp_listener *l, bool was_running);

/* Puts an event that the rule has accepted into queue and history. Returns whether a handler waits for it. */
bool listener_push(qmp_listener *l, qmp_message *event);
/* An event that could not even be offered, for want of memory. */
void listener_lose(qmp_listener *l);
/* Whether a handler is set and events are queued; whoever sees it calls listener_call_handler() with no lock held, from
 * a callback context of the host. */
bool listener_wants_call(qmp_listener *l);
/* With one event; false when there was none. */
bool listener_call_handler(qmp_listener *l);

/* For waiting: how, as the host's `waiting` says, or -ENOTCONN without a host; *ret is the host, which the caller may
 * only touch if it is to pump it (then no other thread can take it away). Whether get() would not say -EAGAIN. */
int listener_waiting(qmp_listener *l, struct listener_host **ret);
bool listener_is_ready(qmp_listener *l);

/* For scopes: the number of this registration, and the end of it if it still is the current one. */
uint64_t listener_registration(qmp_listener *l);
void listener_end_registration(qmp_listener *l, uint64_t registration);

#endif
