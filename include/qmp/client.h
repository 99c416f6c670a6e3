/* SPDX-License-Identifier: MIT */
#ifndef QMP_CLIENT_H
#define QMP_CLIENT_H

/* The client: one connection at a time to one QMP server, its commands and its listeners.
 *
 * Caller-driven (the default): one thread at a time uses the client, its listeners and its pending commands.
 * qmp_client_process() is the only thing that does I/O; blocking calls pump it. From an event loop: poll
 * qmp_client_get_fd() for qmp_client_get_events() until qmp_client_get_deadline(), then call qmp_client_process().
 *
 * Thread-driven (qmp_client_start_thread()): the library runs that same loop on a thread of its own; from then on every
 * function may be called from any thread.
 *
 * After fork(), the child leaves the parent's clients and listeners alone: what would do anything for it says -ECHILD,
 * and qmp_client_unref() closes its copies of the descriptors. Thread-driven, it may not call anything else: another
 * thread may have held a lock when it forked.
 *
 * Guaranteed: an event that precedes a reply on the wire is queued at its listeners before that reply completes; every
 * command completes exactly once; when a connection ends, what was read is delivered first, then pending commands
 * complete with -ECONNRESET, then listeners close, then process() returns the reason, once.
 *
 * Callbacks run on the driving thread, from inside process() or a blocking call that pumps it (and from the last
 * qmp_client_unref(), for commands still pending), with no lock held. Inside one, process() and blocking calls of the
 * same client say -EBUSY. */

#include <qmp/listener.h>
#include <qmp/message.h>
#include <qmp/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From the start of connect to RUNNING, unless qmp_client_set_connect_timeout() says otherwise. */
#define QMP_CONNECT_TIMEOUT (5 * QMP_SECOND)
/* The largest message taken from the server, as QEMU's own parser: 64 MiB. */
#define QMP_MESSAGE_MAX ((size_t)64 << 20)
/* The deepest nesting taken from the server, as QEMU's own parser. */
#define QMP_DEPTH_MAX 1024u
/* Commands that may wait to be sent or answered at once. */
#define QMP_COMMANDS_MAX ((size_t)65536)

enum qmp_runstate { QMP_IDLE, QMP_CONNECTING, QMP_RUNNING, QMP_DISCONNECTING };

/* What ended the last connection, or the attempt at one. */
enum qmp_failure {
    QMP_FAILURE_NONE,
    QMP_FAILURE_CONNECT,     /* the transport could not be set up: -ENOENT, -ECONNREFUSED, -EACCES … */
    QMP_FAILURE_GREETING,    /* connected, but no greeting in time: -ETIMEDOUT, or -EBUSY when another client holds the
                                monitor */
    QMP_FAILURE_NEGOTIATION, /* qmp_capabilities was refused (-EPROTO) or not answered in time (-ETIMEDOUT) */
    QMP_FAILURE_CLOSED,      /* the server went away: -ECONNRESET, or the errno of the socket */
    QMP_FAILURE_DESERIALIZATION, /* not JSON: -EBADMSG */
    QMP_FAILURE_UNEXPECTED_TYPE, /* JSON, but no QMP message: -EPROTO */
    QMP_FAILURE_BAD_GREETING,    /* a greeting that is none, or one too many: -EPROTO */
    QMP_FAILURE_SERVER_PARSE,    /* an error reply without an id: QEMU could not parse what it got: -EPROTO */
    QMP_FAILURE_LIMIT,           /* larger (-EMSGSIZE) or deeper (-ELOOP) than the limits */
    QMP_FAILURE_MEMORY,          /* -ENOMEM */
    QMP_FAILURE_DISCONNECT       /* qmp_client_disconnect() */
};

/* The completion of a command. `error` is 0 with `reply` a QMP_RETURN; -EREMOTEIO with `reply` the QMP_ERROR; or
 * another negative errno with a NULL `reply`: -ECONNRESET, -ETIMEDOUT (qmp_request.timeout), -ECANCELED. `p` and
 * `reply` are borrowed. */
typedef void (*qmp_reply_fn)(qmp_pending *p, int error, qmp_message *reply, void *userdata);
typedef void (*qmp_runstate_fn)(qmp_client *c, enum qmp_runstate state, void *userdata);

/* A new client in state IDLE, with its default listener.
 *
 * Returns: 0 and the client, the caller's; -ENOMEM.
 * Blocks: never.
 * From: QMPClient(). */
QMP_API int qmp_client_new(qmp_client **ret);

/* Takes one more reference. Thread-safe.
 *
 * Returns: `c`.
 * Blocks: never.
 * From: sd_bus_ref(3). */
QMP_API qmp_client *qmp_client_ref(qmp_client *c);

/* Gives one reference back. The last one disconnects, completes what is pending, closes and lets go the listeners,
 * stops the thread, and frees. Safe inside callbacks. After fork() it only closes the child's copies of
 * descriptors.
 *
 * Returns: NULL.
 * Blocks: only to join the library's thread, which never waits without a wake-up (but for callbacks running there).
 * From: sd_bus_unref(3). */
QMP_API qmp_client *qmp_client_unref(qmp_client *c);

/* How long connecting, greeting and negotiation may take together, in µs. For the next connect. Default
 * QMP_CONNECT_TIMEOUT.
 *
 * Returns: 0.
 * Blocks: never.
 * From: ours; the reference waits for ever. */
QMP_API int qmp_client_set_connect_timeout(qmp_client *c, uint64_t timeout);

/* The largest and deepest message taken from the server. For the next connect. Defaults QMP_MESSAGE_MAX, QMP_DEPTH_MAX.
 *
 * Returns: 0; -EINVAL when a limit is 0, message_max above 2 GiB - 1 or depth_max above QMP_DEPTH_MAX.
 * Blocks: never.
 * From: QEMU's json-streamer limits. */
QMP_API int qmp_client_set_message_limits(qmp_client *c, size_t message_max, unsigned depth_max);

/* Whether to ask for out-of-band execution when the server offers it (default: yes). For the next connect.
 *
 * Returns: 0.
 * Blocks: never.
 * From: qmp-spec section 4, "oob". */
QMP_API int qmp_client_set_oob(qmp_client *c, bool enable);

/* Starts to connect to an address: a path, `unix:PATH`, or `unix:@NAME` in Linux's abstract namespace. Connecting,
 * greeting and negotiation go on while the client is driven; see qmp_client_wait_running().
 *
 * Returns: 0; -EINVAL for an address that is none (qmp_client_failure() explains), -ENAMETOOLONG for a path too long
 * for a socket; -EALREADY while connecting, -EISCONN while running, -EALREADY while disconnecting; -ECHILD after
 * fork(); -ENOMEM, -EMFILE, -ENFILE. A failure to reach the address is reported by process(), with
 * qmp_client_failure().
 * Blocks: never.
 * From: QMPClient.connect(). */
QMP_API int qmp_client_connect(qmp_client *c, const char *address);

/* As qmp_client_connect(), on a connected stream socket. The client owns `fd` from then on (on failure it stays the
 * caller's).
 *
 * Returns: 0; -EBADF or -ENOTSOCK when it is no socket, -EPROTOTYPE when it is no stream socket, -ENOTCONN when it is
 * not connected; -EALREADY, -EISCONN, -ECHILD as above; -ENOMEM.
 * Blocks: never.
 * From: QMPClient.open_with_socket(). */
QMP_API int qmp_client_connect_fd(qmp_client *c, int fd);

/* Waits until the connection is RUNNING.
 *
 * Returns: 0 when it is running; -ETIMEDOUT when it is not yet after `timeout` µs (the attempt goes on); -ENOTCONN when
 * nothing was started; otherwise the reason why connecting failed, as process() returns it: -ENOENT, -ECONNREFUSED,
 * -EACCES …, -EBUSY, -ETIMEDOUT, -ECONNRESET, -EBADMSG, -EPROTO, -EMSGSIZE, -ELOOP; qmp_client_failure() has it in
 * words. -EBUSY inside a callback; -ECHILD after fork().
 * Blocks: up to `timeout` µs.
 * From: awaiting QMPClient.connect(). */
QMP_API int qmp_client_wait_running(qmp_client *c, uint64_t timeout);

/* New, connect and wait until running, in one call; `timeout` bounds all of it.
 *
 * Returns: 0 and the client, the caller's; the errors of qmp_client_connect() and qmp_client_wait_running().
 * Blocks: up to `timeout` µs.
 * From: sd_bus_open(3). */
QMP_API int qmp_connect(qmp_client **ret, const char *address, uint64_t timeout);

/* Ends the connection, or the attempt: pending commands complete with -ECONNRESET, listeners close, the state becomes
 * IDLE. Inside a callback, and from another thread than the library's own, it happens as soon as the driving thread is
 * free.
 *
 * Returns: 0, also when there is no connection; -EALREADY when one is being ended already; -ECHILD after fork().
 * Blocks: never for the peer; from another thread, until the library's thread has done it.
 * From: QMPClient.disconnect(). */
QMP_API int qmp_client_disconnect(qmp_client *c);

/* The state of the connection.
 *
 * Returns: IDLE, CONNECTING (until negotiated), RUNNING or DISCONNECTING.
 * Blocks: never.
 * From: AsyncProtocol.runstate. */
QMP_API enum qmp_runstate qmp_client_runstate(qmp_client *c);

/* Sets a function that is called on the driving thread after each change of state, none missed, in order; NULL takes it
 * away.
 *
 * Returns: 0.
 * Blocks: never.
 * From: AsyncProtocol.runstate_changed(). */
QMP_API int qmp_client_set_runstate_handler(qmp_client *c, qmp_runstate_fn handler, void *userdata);

/* The greeting of the current connection, or of the last one.
 *
 * Returns: 0 and the message, the caller's; -ENOENT when there was none yet.
 * Blocks: never.
 * From: QMPClient.greeting. */
QMP_API int qmp_client_greeting(qmp_client *c, qmp_message **ret);

/* Whether out-of-band execution was negotiated on the current connection.
 *
 * Returns: true or false.
 * Blocks: never.
 * From: qmp-spec section 4. */
QMP_API bool qmp_client_has_oob(qmp_client *c);

/* What ended the last connection or attempt, in words that help: "connected to /run/vm7.qmp, but no greeting within 5
 * s: another client (pid 4242, virtqemud) holds this monitor". Text of the server in it is escaped: it may go to a
 * terminal.
 *
 * Returns: a string borrowed until the next connect or the last unref; "" when nothing has failed.
 * Blocks: never.
 * From: ConnectError's and ProtocolError's messages. */
QMP_API const char *qmp_client_failure(qmp_client *c);

/* The same as a kind, for programs.
 *
 * Returns: the kind; QMP_FAILURE_NONE when nothing has failed.
 * Blocks: never.
 * From: the reference's exception classes. */
QMP_API enum qmp_failure qmp_client_failure_kind(qmp_client *c);

/* The bytes that the server sent where a connection ended because of what it sent (NEGOTIATION, DESERIALIZATION,
 * UNEXPECTED_TYPE, BAD_GREETING, SERVER_PARSE, LIMIT): at most 256 of them.
 *
 * Returns: the bytes with their number in `*ret_size`, borrowed until the next connect or the last unref; NULL and 0
 * when there are none.
 * Blocks: never.
 * From: ProtocolError's raw data. */
QMP_API const char *qmp_client_failure_bytes(qmp_client *c, size_t *ret_size);

/* How many replies came that nobody was waiting for: late ones to abandoned commands, a previous client's, without an
 * id.
 *
 * Returns: the number since the client was made.
 * Blocks: never.
 * From: ours; the reference logs them. */
QMP_API uint64_t qmp_client_stray_replies(qmp_client *c);

/* Goes over to thread-driven mode: the library drives the client on a thread of its own until the last unref. Signals
 * are blocked on it.
 *
 * Returns: 0; -EALREADY when it runs already; -EBUSY inside a callback; -ECHILD after fork(); -EAGAIN, -ENOMEM,
 * -EMFILE, -ENFILE.
 * Blocks: never.
 * From: ours; the reference has one asyncio loop. */
QMP_API int qmp_client_start_thread(qmp_client *c);

/* For event loops: the descriptor to poll. It changes with every connect, so ask before every poll.
 *
 * Returns: the descriptor; -ENOTCONN when there is none now (IDLE, or waiting to try again: look at the deadline);
 * -EBUSY in thread-driven mode.
 * Blocks: never.
 * From: sd_bus_get_fd(3). */
QMP_API int qmp_client_get_fd(qmp_client *c);

/* For event loops: what to poll for.
 *
 * Returns: POLLIN, POLLOUT or both, 0 for nothing; -ENOTCONN and -EBUSY as above.
 * Blocks: never.
 * From: sd_bus_get_events(3). */
QMP_API int qmp_client_get_events(qmp_client *c);

/* For event loops: when process() wants to be called at the latest, even if the descriptor stays silent.
 *
 * Returns: 0 and the deadline (µs, CLOCK_MONOTONIC; QMP_FOREVER for never; 0 for at once); -EBUSY in thread-driven
 * mode.
 * Blocks: never.
 * From: sd_bus_get_timeout(3). */
QMP_API int qmp_client_get_deadline(qmp_client *c, uint64_t *ret);

/* Does what can be done now: connects, reads, parses, queues events, completes commands, writes, times out.
 *
 * Returns: 1 when it did something (call again: there may be more), 0 when there is nothing to do; when the connection
 * or the attempt has ended, the reason, once (see qmp_client_wait_running(), and -ECONNRESET); then -ENOTCONN. -EBUSY
 * inside a callback or in thread-driven mode; -ECHILD after fork().
 * Blocks: never.
 * From: sd_bus_process(3). */
QMP_API int qmp_client_process(qmp_client *c);

/* Waits until process() has something to do.
 *
 * Returns: 1; 0 when `timeout` µs passed; -ENOTCONN when IDLE; -EBUSY inside a callback or in thread-driven mode;
 * -ECHILD after fork(); -EINTR.
 * Blocks: up to `timeout` µs.
 * From: sd_bus_wait(3). */
QMP_API int qmp_client_wait(qmp_client *c, uint64_t timeout);

/* Executes a command and waits for its reply. `arguments` is the JSON text of an object, or NULL for none.
 *
 * Returns: 0, and the reply in `*ret_reply` (the caller's; may be NULL); -EREMOTEIO when the server answered with an
 * error, and that reply in `*reterr_reply` (the caller's; may be NULL); -ETIMEDOUT (the command is abandoned: a late
 * reply is dropped, the connection goes on); -ECONNRESET when the connection ended first; -ENOTCONN when not RUNNING;
 * -EINVAL, -EBADMSG, -ELOOP or -EMSGSIZE for a command or arguments that must not be sent (see qmp_json_check());
 * -ENOBUFS when QMP_COMMANDS_MAX are waiting; -EBUSY inside a callback; -ECHILD after fork(); -ENOMEM.
 * Blocks: up to `timeout` µs.
 * From: QMPClient.execute(). */
QMP_API int qmp_client_execute(qmp_client *c, const char *command, const char *arguments, uint64_t timeout,
    qmp_message **ret_reply, qmp_message **reterr_reply);

/* Executes a command without waiting. With a callback, it runs exactly once, on the driving thread. With a `ret`, the
 * caller may wait for the command, and giving up the last reference abandons it; without, it runs to its end by itself.
 *
 * Returns: 0, and in `*ret` (may be NULL) the command, the caller's; the errors of qmp_client_execute() but -EREMOTEIO,
 * -ETIMEDOUT and -ECONNRESET. The callback does not run when this fails.
 * Blocks: never.
 * From: asyncio.create_task(QMPClient.execute()). */
QMP_API int qmp_client_execute_async(qmp_client *c, const char *command, const char *arguments, qmp_reply_fn callback,
    void *userdata, qmp_pending **ret);

/* A command in full. Zero it, set `size` to sizeof, and what is wanted: QMP_REQUEST_INIT does the first two. */
struct qmp_request {
    size_t size;           /* sizeof(struct qmp_request) */
    const char *command;   /* the name */
    const char *arguments; /* JSON text of an object, or NULL */
    const char *id;        /* JSON text of any value, unique among the commands in flight; NULL: the library's own */
    uint64_t timeout;      /* µs from now until it is abandoned with -ETIMEDOUT; QMP_FOREVER, or 0, for none */
    bool oob;              /* out-of-band: overtakes everything that waits in-band (exec-oob) */
};
#define QMP_REQUEST_INIT                                                                                               \
    {                                                                                                                  \
        sizeof(struct qmp_request), NULL, NULL, NULL, 0, false                                                         \
    }

/* As qmp_client_execute_async(), with every option.
 *
 * Returns: as qmp_client_execute_async(); also -EOPNOTSUPP for out-of-band where it is not negotiated, -EEXIST when the
 * id is in use, -EINVAL for a wrong `size`.
 * Blocks: never.
 * From: QMPClient.execute() and execute_msg(); qmp-spec section 2.3. */
QMP_API int qmp_client_send_full(
    qmp_client *c, const struct qmp_request *request, qmp_reply_fn callback, void *userdata, qmp_pending **ret);

/* Waits for a command to complete. May be asked again, by several threads, and after completion.
 *
 * Returns: as qmp_client_execute() after sending; -ETIMEDOUT from `timeout` leaves the command pending; -ECANCELED
 * after qmp_pending_cancel(); -EBUSY where it would have to wait inside a callback of its client.
 * Blocks: up to `timeout` µs. In caller-driven mode it drives the client meanwhile.
 * From: awaiting the task of an execute(). */
QMP_API int qmp_pending_wait(qmp_pending *p, uint64_t timeout, qmp_message **ret_reply, qmp_message **reterr_reply);

/* Gives a command up: it completes with -ECANCELED, its callback on the driving thread, unless it has completed
 * already. Not yet sent, it never is; else its late reply is dropped. Nothing else is harmed.
 *
 * Returns: 0; -EALREADY when it has completed, or is cancelled already.
 * Blocks: never.
 * From: asyncio.Task.cancel(). */
QMP_API int qmp_pending_cancel(qmp_pending *p);

/* Takes one more reference. Thread-safe.
 *
 * Returns: `p`.
 * Blocks: never.
 * From: sd_bus_slot_ref(3). */
QMP_API qmp_pending *qmp_pending_ref(qmp_pending *p);

/* Gives one reference back. The last one abandons the reply, as qmp_pending_cancel() does.
 *
 * Returns: NULL.
 * Blocks: never.
 * From: sd_bus_slot_unref(3). */
QMP_API qmp_pending *qmp_pending_unref(qmp_pending *p);

/* Registers a listener: from now on it hears the client's events. The client holds a reference to it. A registration
 * survives disconnect and reconnect.
 *
 * Returns: 0; -EEXIST when it is registered, here or elsewhere; -EBUSY inside a filter or accept function; -ECHILD
 * after fork(); -ENOMEM.
 * Blocks: never.
 * From: Events.register_listener(). */
QMP_API int qmp_client_register_listener(qmp_client *c, qmp_listener *l);

/* Removes a listener: its queue is cleared, its history stays, and waiting callers get -ECANCELED. Once this returns,
 * none of its callbacks is running or will run (except when called from one). It may be registered again.
 *
 * Returns: 0; -ENOENT when it is not registered here (nothing changes); -EPERM for the default listener; -EBUSY inside
 * a filter or accept function; -ECHILD after fork().
 * Blocks: from another thread, while one of its callbacks is running.
 * From: Events.remove_listener(). */
QMP_API int qmp_client_remove_listener(qmp_client *c, qmp_listener *l);

/* Registers several listeners for a scope, all or none.
 *
 * Returns: 0 and the scope, the caller's: qmp_scope_end() it; the errors of qmp_client_register_listener(), then none
 * is registered that was not before.
 * Blocks: never.
 * From: `with qmp.listen(…)`. */
QMP_API int qmp_client_listen(qmp_client *c, qmp_listener *const *listeners, size_t n, qmp_scope **ret);

/* A new listener for names, registered for a scope.
 *
 * Returns: 0, the listener and the scope, both the caller's; the errors of qmp_listener_new() and qmp_client_listen().
 * Blocks: never.
 * From: `with qmp.listener(names) as l`. */
QMP_API int qmp_client_listener(qmp_client *c, const char *const *names, qmp_listener **ret, qmp_scope **ret_scope);

/* Ends a scope: removes what it registered and is still registered there, and frees it. NULL is fine. Inside a filter
 * or an accept function the removal happens as soon as the function returns. The client may be gone already.
 *
 * Returns: NULL.
 * Blocks: as qmp_client_remove_listener().
 * From: leaving the `with` block. */
QMP_API qmp_scope *qmp_scope_end(qmp_scope *s);

/* The default listener: hears every event, from qmp_client_new() on, across reconnects, and cannot be removed. A
 * program that never reads it may turn it off with qmp_listener_set_limits(l, 0, 0).
 *
 * Returns: the listener, borrowed from the client.
 * Blocks: never.
 * From: QMPClient.events. */
QMP_API qmp_listener *qmp_client_events(qmp_client *c);

static inline void qmp_client_unrefp(qmp_client **c)
{
    qmp_client_unref(*c);
}

static inline void qmp_pending_unrefp(qmp_pending **p)
{
    qmp_pending_unref(*p);
}

static inline void qmp_scope_endp(qmp_scope **s)
{
    qmp_scope_end(*s);
}

#ifdef __cplusplus
}
#endif

#endif
