/* SPDX-License-Identifier: MIT */
#ifndef QMP_LISTENER_H
#define QMP_LISTENER_H

/* Listeners: a FIFO queue of events for each consumer, filtered by names, by matches and by a predicate, with a
 * history.
 *
 * A listener is registered with a client (qmp_client_register_listener(), qmp_client_listen()) and hears that client's
 * events from then on. It does not know its client; either may be freed first.
 *
 * In caller-driven mode one thread at a time uses a client and its listeners, and a blocking qmp_listener_get() drives
 * the client meanwhile. After qmp_client_start_thread() every function here may be called from any thread. */

#include <qmp/message.h>
#include <qmp/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Events queued and events kept in the history when nobody set other limits: 24 MB and 380 kB of typical events. */
#define QMP_LISTENER_QUEUE_MAX ((size_t)65536)
#define QMP_LISTENER_HISTORY_MAX ((size_t)1024)

/* Callbacks run on the driving thread, with no lock held, never from inside a parser. A filter and an accept function
 * may call anything but process, register, remove and blocking functions of the same client (those say -EBUSY there); a
 * handler may also register and remove. Freeing the client or the listener inside is safe. `event` is borrowed:
 * qmp_message_ref() keeps it. */
typedef bool (*qmp_filter_fn)(const qmp_message *event, void *userdata);
typedef bool (*qmp_accept_fn)(qmp_listener *l, const qmp_message *event, void *userdata);
typedef void (*qmp_event_fn)(qmp_listener *l, qmp_message *event, void *userdata);

/* A new listener for the events of the given names (a NULL-terminated array, copied); NULL or an empty array hears
 * every event.
 *
 * Returns: 0 and the listener, the caller's; -EINVAL when a name is empty; -ENOMEM.
 * Blocks: never.
 * From: EventListener(names). */
QMP_API int qmp_listener_new(qmp_listener **ret, const char *const *names);

/* Takes one more reference. Thread-safe. A client holds one of each listener registered with it.
 *
 * Returns: `l`.
 * Blocks: never.
 * From: sd_bus_ref(3). */
QMP_API qmp_listener *qmp_listener_ref(qmp_listener *l);

/* Gives one reference back; the last one frees the listener, its queue and its history. Thread-safe.
 *
 * Returns: NULL.
 * Blocks: never.
 * From: sd_bus_unref(3). */
QMP_API qmp_listener *qmp_listener_unref(qmp_listener *l);

/* Replaces the names, effective from the next event on.
 *
 * Returns: 0; -EINVAL when a name is empty; -ENOMEM (the names stay as they were).
 * Blocks: never.
 * From: assigning to EventListener.names. */
QMP_API int qmp_listener_set_names(qmp_listener *l, const char *const *names);

/* Sets a predicate that is asked after names and matches; NULL takes it away. Effective from the next event on.
 *
 * Returns: 0.
 * Blocks: never.
 * From: EventListener(event_filter). */
QMP_API int qmp_listener_set_filter(qmp_listener *l, qmp_filter_fn filter, void *userdata);

/* Adds a condition: the value at `path` in the event (qmp_value_path(): "data.id") is the string `value`, or a number
 * or literal that is written like `value` ("42", "true"). All conditions must hold. Dispatch is indexed by names and by
 * the first condition, so ten thousand listeners on "data.id" cost no more than one. Effective from the next event on.
 *
 * Returns: 0; -EINVAL when the path is empty; -ENOMEM.
 * Blocks: never.
 * From: the reference's filter examples on data.id; D-Bus match rules. */
QMP_API int qmp_listener_add_match(qmp_listener *l, const char *path, const char *value);

/* Replaces the whole rule (names, matches and filter) by a function; it may call qmp_listener_accepts() for the default
 * rule. NULL restores the default. Such a listener is asked about every event.
 *
 * Returns: 0.
 * Blocks: never.
 * From: overriding EventListener.accept(). */
QMP_API int qmp_listener_set_accept(qmp_listener *l, qmp_accept_fn accept, void *userdata);

/* The default rule: names first, then matches, then the filter.
 *
 * Returns: whether the rule takes the event.
 * Blocks: never (the filter runs inside).
 * From: EventListener.accept(). */
QMP_API bool qmp_listener_accepts(qmp_listener *l, const qmp_message *event);

/* Bounds the queue and the history, in events; SIZE_MAX is no bound, 0 keeps none. Events beyond a bound go at once,
 * the oldest first. Losses from a queue are counted and reported; a queue of 0 is no queue, and loses nothing.
 *
 * Returns: 0.
 * Blocks: never.
 * From: ours; the reference is unbounded. */
QMP_API int qmp_listener_set_limits(qmp_listener *l, size_t queue_max, size_t history_max);

/* How many events the queue dropped so far because it was full.
 *
 * Returns: the number; it never goes back.
 * Blocks: never.
 * From: ours. */
QMP_API uint64_t qmp_listener_dropped(qmp_listener *l);

/* Sets a function that takes each event on the driving thread as soon as it is queued, together with those that are
 * queued already; NULL takes it away.
 *
 * Returns: 0.
 * Blocks: never.
 * From: an asyncio task on a listener. */
QMP_API int qmp_listener_set_handler(qmp_listener *l, qmp_event_fn handler, void *userdata);

/* Takes the next event. Each event is handed out exactly once for each listener, however many threads ask, in order.
 *
 *     while ((r = qmp_listener_get(l, QMP_FOREVER, &event)) >= 0)
 *         …;   // ends by itself when the connection does
 *
 * Returns: 0 and the event, the caller's; -EAGAIN when there is none and `timeout` is 0; -ETIMEDOUT when there was none
 * for `timeout` µs; -ENOTCONN when the queue is drained and the connection has ended (or the listener is not
 * registered); after the caller has connected again, -ENOTCONN once between the last event of the old connection and
 * the first of the new one; where the client connects again by itself (qmp_client_set_reconnect()), -ESTALE once where
 * a connection ended, heard or not, and behind an event that came before RUNNING, then it goes on; -ECANCELED when it
 * was removed while waiting; -ENOBUFS once after events were dropped, then it goes on; -EBUSY where it would have to
 * wait inside a callback of its own client; -ECHILD where it would have to wait after fork().
 * Blocks: up to `timeout` µs. In caller-driven mode it drives the client meanwhile.
 * From: EventListener.get(). */
QMP_API int qmp_listener_get(qmp_listener *l, uint64_t timeout, qmp_message **ret);

/* A descriptor for poll(2) that is readable exactly while qmp_listener_get(l, 0, …) would not say -EAGAIN. Poll it,
 * never read it or close it; it lives as long as the listener. In caller-driven mode it changes only while the client
 * is driven.
 *
 * Returns: the descriptor; -EMFILE, -ENFILE, -ENOMEM.
 * Blocks: never.
 * From: an asyncio task on a listener; eventfd(2). */
QMP_API int qmp_listener_get_fd(qmp_listener *l);

/* Whether no event is queued.
 *
 * Returns: true or false.
 * Blocks: never.
 * From: EventListener.empty(). */
QMP_API bool qmp_listener_empty(qmp_listener *l);

/* Takes all queued events at once, and with them a loss that was not reported yet. The history stays.
 *
 * Returns: 0, and in `*ret` and `*ret_n` the events in order, the caller's: qmp_message_unref_many() (NULL and 0 when
 * there were none); with a NULL `ret` they are discarded (`ret_n`, if not NULL, still gets their number). -ENOMEM with
 * a `ret`: nothing was taken.
 * Blocks: never.
 * From: EventListener.clear(). */
QMP_API int qmp_listener_clear(qmp_listener *l, qmp_message ***ret, size_t *ret_n);

/* A snapshot of every event accepted so far, taken or not, up to the limit. It survives clear, removal and reconnect.
 *
 * Returns: 0, and in `*ret` and `*ret_n` the events in order, with a reference each, the caller's:
 * qmp_message_unref_many() (NULL and 0 when there are none); -ENOMEM.
 * Blocks: never.
 * From: EventListener.history. */
QMP_API int qmp_listener_history(qmp_listener *l, qmp_message ***ret, size_t *ret_n);

/* Waits until one of several listeners, of one client or of many, is ready: until qmp_listener_get(…, 0, …) on it would
 * not say -EAGAIN.
 *
 * Returns: the index of the first one that is ready; -ETIMEDOUT; -EINVAL when n is 0; -EBUSY inside a callback; -ECHILD
 * after fork(); -ENOMEM, -EMFILE, -ENFILE.
 * Blocks: up to `timeout` µs. In caller-driven mode it drives the clients meanwhile.
 * From: asyncio.wait(FIRST_COMPLETED) on several listeners' get(). */
QMP_API int qmp_listeners_wait(qmp_listener *const *listeners, size_t n, uint64_t timeout);

static inline void qmp_listener_unrefp(qmp_listener **l)
{
    qmp_listener_unref(*l);
}

#ifdef __cplusplus
}
#endif

#endif
