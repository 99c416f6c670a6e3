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
 * function may be called from any thread. A thread that waits for a reply may receive in its place meanwhile, for
 * everybody, because that saves waking one thread by the other; callbacks run on the library's thread all the same.
 *
 * After fork(), the child leaves the parent's clients and listeners alone: what would do anything for it says -ECHILD,
 * and qmp_client_unref() closes its copies of the descriptors. Thread-driven, it may not call anything else: another
 * thread may have held a lock when it forked.
 *
 * Guaranteed: an event that precedes a reply on the wire is queued at its listeners before that reply completes; every
 * command completes exactly once; when a connection ends, what was read is delivered first, then pending commands
 * complete with -ECONNRESET, then listeners close, then process() returns the reason, once.
 *
 * A signal handler that runs meanwhile ends no wait but those of qmp_client_wait() and qmp_server_accept().
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
/* The same for a guest agent, which is untrusted: the largest and deepest message, unless
 * qmp_client_set_message_limits() says otherwise, and how long a command may take that brings no timeout of its own. */
#define QMP_AGENT_MESSAGE_MAX ((size_t)10 << 20)
#define QMP_AGENT_DEPTH_MAX 64u
#define QMP_AGENT_TIMEOUT (30 * QMP_SECOND)
/* Descriptors that may travel with one command, as QEMU takes them. */
#define QMP_REQUEST_FDS_MAX 16u

enum qmp_runstate { QMP_IDLE, QMP_CONNECTING, QMP_RUNNING, QMP_DISCONNECTING };

/* What ended the last connection, or the attempt at one. */
enum qmp_failure {
    QMP_FAILURE_NONE,
    QMP_FAILURE_CONNECT,     /* the transport could not be set up: -ENOENT, -ECONNREFUSED, -EACCES … */
    QMP_FAILURE_GREETING,    /* connected, but no greeting in time: -ETIMEDOUT, or -EBUSY when another client holds the
                                monitor */
    QMP_FAILURE_NEGOTIATION, /* qmp_capabilities was refused (-EPROTO) or not answered in time (-ETIMEDOUT) */
    QMP_FAILURE_CLOSED,      /* the server went away: -ECONNRESET, or the errno of the socket, or of waiting for it */
    QMP_FAILURE_DESERIALIZATION, /* not JSON: -EBADMSG */
    QMP_FAILURE_UNEXPECTED_TYPE, /* JSON, but no QMP message: -EPROTO */
    QMP_FAILURE_BAD_GREETING,    /* a greeting that is none, or one too many: -EPROTO */
    QMP_FAILURE_SERVER_PARSE,    /* an error reply without an id: QEMU could not parse what it got: -EPROTO */
    QMP_FAILURE_LIMIT,           /* larger (-EMSGSIZE) or deeper (-ELOOP) than the limits */
    QMP_FAILURE_MEMORY,          /* -ENOMEM */
    QMP_FAILURE_DISCONNECT,      /* qmp_client_disconnect(): -ENOTCONN */
    QMP_FAILURE_TLS,  /* one side does not trust the other: -EACCES; no TLS there, or no common kind: -EPROTO */
    QMP_FAILURE_AGENT /* the guest agent did not answer the synchronisation in time: -ETIMEDOUT */
};

/* What the server speaks. */
enum qmp_dialect {
    QMP_DIALECT_MONITOR, /* a QMP monitor: of QEMU, of qemu-storage-daemon */
    QMP_DIALECT_AGENT    /* the QEMU guest agent: no greeting, no negotiation, no events, one command at a time */
};

/* The completion of a command. `error` is 0 with `reply` a QMP_RETURN (NULL only for a command that answers only
 * errors, see qmp_request); -EREMOTEIO with `reply` the QMP_ERROR; or another negative errno with a NULL `reply`:
 * -ECONNRESET, -ETIMEDOUT (qmp_request.timeout), -ECANCELED. `p` and `reply` are borrowed. */
typedef void (*qmp_reply_fn)(qmp_pending *p, int error, qmp_message *reply, void *userdata);
typedef void (*qmp_runstate_fn)(qmp_client *c, enum qmp_runstate state, void *userdata);
/* What an event loop has to watch from now on: `fd` (-1: none) for `events` (POLLIN, POLLOUT), until `deadline` (µs of
 * CLOCK_MONOTONIC; 0: at once; QMP_FOREVER: never). */
typedef void (*qmp_watch_fn)(qmp_client *c, int fd, short events, uint64_t deadline, void *userdata);

/* How much the log hook wants to hear; each level includes those before it. */
enum qmp_log_level {
    QMP_LOG_NONE,
    QMP_LOG_ERROR,   /* the server broke the protocol, a limit or its TLS promise; memory */
    QMP_LOG_WARNING, /* something was lost: a connection without being asked, events */
    QMP_LOG_INFO,    /* connections: made, ended, tried again */
    QMP_LOG_DEBUG,   /* every change of state, every stray reply */
    QMP_LOG_TRAFFIC, /* every message, without the arguments of commands: they may hold passwords */
    QMP_LOG_FULL,    /* every message; "..." is in the place of what is known to be a secret */
    QMP_LOG_RAW      /* every message, whole, passwords too */
};
/* One line, without a line end: `text` has `size` bytes and a NUL behind them, and is printable ASCII, whatever the
 * server sent. Messages have "> " (sent) or "< " (received) in front. Borrowed. */
typedef void (*qmp_log_fn)(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *userdata);

/* Whether a connection leads to the server that the one before it led to. */
enum qmp_same_server {
    QMP_SERVER_UNKNOWN, /* no connection before, or no way to tell */
    QMP_SERVER_SAME,    /* the same process */
    QMP_SERVER_OTHER    /* another process, or another version */
};

/* How to connect again when a connection has ended without qmp_client_disconnect(). Set `size` to sizeof:
 * QMP_RECONNECT_INIT does it, with usual values. */
struct qmp_reconnect {
    size_t size;           /* sizeof(struct qmp_reconnect) */
    uint64_t delay_min;    /* µs before the first attempt; doubles with each attempt … */
    uint64_t delay_max;    /* … up to this. A random part of up to one half is taken off each delay */
    unsigned attempts_max; /* that may fail in a row before the client gives up; 0: no limit */
    bool initially;        /* also when the first attempt after qmp_client_connect() fails */
};
#define QMP_RECONNECT_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(struct qmp_reconnect), 100 * QMP_MILLISECOND, 10 * QMP_SECOND, 0, false                                 \
    }

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

/* Whether to wait for a greeting after connecting (default: yes). Without it the client is RUNNING as soon as the
 * transport is up, nothing is negotiated, and a greeting that comes is kept for qmp_client_greeting(). For the next
 * connect.
 *
 * Returns: 0.
 * Blocks: never.
 * From: QMPClient.await_greeting. */
QMP_API int qmp_client_set_await_greeting(qmp_client *c, bool enable);

/* Whether to send qmp_capabilities after the greeting (default: yes). Without it the client is RUNNING once it has been
 * greeted, and negotiating is the caller's business, who may then also send out-of-band commands. For the next connect.
 *
 * Returns: 0.
 * Blocks: never.
 * From: QMPClient.negotiate. */
QMP_API int qmp_client_set_negotiate(qmp_client *c, bool enable);

/* What the server speaks (default: QMP_DIALECT_MONITOR). For the next connect. With QMP_DIALECT_AGENT the client
 * synchronises with 0xFF and `guest-sync-delimited` after connecting and after every command that was given up while
 * the agent had it, sends one command at a time, and takes nothing for granted: see QMP_AGENT_MESSAGE_MAX,
 * QMP_AGENT_DEPTH_MAX and QMP_AGENT_TIMEOUT.
 *
 * Returns: 0; -EINVAL for another dialect.
 * Blocks: never.
 * From: QEMU's qga/qapi-schema.json, guest-sync-delimited. */
QMP_API int qmp_client_set_dialect(qmp_client *c, enum qmp_dialect dialect);

/* Encrypts connections from the next one on with these credentials, of which the client takes a reference; NULL for
 * none (the default). `peer_name` is the name that must stand in the server's certificate; NULL for the host of a
 * `tcp:` address. Where there is no host, a certificate needs a name: without one, connecting fails with
 * QMP_FAILURE_TLS and -EINVAL. A client that connects is the TLS client; one that was accepted (qmp_client_listen_on(),
 * qmp_server_accept()) is the TLS server, as with QEMU's character devices.
 *
 * Returns: 0; -EOPNOTSUPP when the library was built without TLS; -ENOMEM.
 * Blocks: never.
 * From: the `ssl` argument of AsyncProtocol.connect(). */
QMP_API int qmp_client_set_tls(qmp_client *c, qmp_tls *credentials, const char *peer_name);

/* Connects again by itself when a connection ends, until qmp_client_disconnect(); NULL for not (the default).
 *
 * The state then goes from DISCONNECTING to CONNECTING, and process() returns 1. Pending commands have completed with
 * -ECONNRESET, exactly once, and are never sent again. Each registered listener gets a mark behind what it has heard:
 * qmp_listener_get() says -ESTALE there once, and goes on with the events of the next connection. It says so again
 * behind each event that came before RUNNING: QEMU withholds the next ones until it was negotiated with. Between two
 * attempts qmp_client_get_fd() is -ENOTCONN and qmp_client_get_deadline() says when the next one is due. Delays start
 * again from `delay_min` after a connection that was RUNNING for `delay_max`.
 *
 * It may be changed at any time, and counts from the next end of a connection on. A client that listens (see
 * qmp_client_listen_on()) listens again. What was connected by somebody else (qmp_client_connect_fd(), `fd:`,
 * qmp_server_accept()) cannot be connected again, and ends; so do, at once, an address and credentials that
 * are wrong in themselves.
 *
 * Returns: 0; -EINVAL for a wrong `size`, a delay_min of 0 or above delay_max, or an endless delay_max; -ENOMEM.
 * Blocks: never.
 * From: `reconnect` of QEMU's character devices; the reference has none. */
QMP_API int qmp_client_set_reconnect(qmp_client *c, const struct qmp_reconnect *reconnect);

/* Whether the current connection, once RUNNING, leads to the same server process as the RUNNING one before it. Known
 * for UNIX sockets on Linux (the process that listens, and when it was started); elsewhere a version that changed tells
 * of another one, and all else is unknown.
 *
 * Returns: see enum qmp_same_server.
 * Blocks: never.
 * From: ours; the reference has no reconnect. */
QMP_API enum qmp_same_server qmp_client_same_server(qmp_client *c);

/* Sets the log function, which hears what is at `level` or before it; NULL takes it away. It runs on the driving
 * thread, with no lock held, in the order in which things happened, and may call what other callbacks may.
 *
 * Returns: 0; -EINVAL for an unknown level; -ENOMEM.
 * Blocks: never.
 * From: the reference's logging. */
QMP_API int qmp_client_set_log(qmp_client *c, enum qmp_log_level level, qmp_log_fn log, void *userdata);

/* For event loops: sets a function that is told what to watch, at once and then whenever it changes, at the end of the
 * call that changed it, whatever that was. It is told fd -1 before a descriptor is closed. All it may do with the
 * client is to remember it. Another function, NULL, or the end of the client calls `destroy` (may be NULL) with the old
 * `userdata`, after telling fd -1.
 *
 * So all that an adapter has to do is to watch what it is told, and to call process() once whenever the descriptor is
 * ready or the deadline has come: again and again, as long as that is so, whatever process() returns. The client may be
 * gone when process() returns; then `destroy` has been called. With a watch function, commands are sent at once,
 * outside of process(), when they are submitted outside of it. qmp_client_start_thread() takes the watch function away.
 *
 * Returns: 0; -EBUSY in thread-driven mode, where nobody else watches; -ECHILD after fork(); -ENOMEM. `destroy` is not
 * called for the new `userdata` then.
 * Blocks: never.
 * From: ours; asyncio's add_reader() and call_at(). */
QMP_API int qmp_client_set_watch(qmp_client *c, qmp_watch_fn watch, void (*destroy)(void *userdata), void *userdata);

/* Starts to connect to an address, which is one of
 *
 *     PATH  unix:PATH  unix:@NAME    a UNIX socket, or a name in Linux's abstract namespace
 *     tcp:HOST:PORT                  a name or an IPv4 address, or an IPv6 address in brackets; all addresses of a
 *                                    name are tried
 *     vsock:CID:PORT                 a virtual machine's socket, where the system has them; CID may be host or local
 *     fd:N                           an open stream socket of this process, which the client then owns
 *     exec:COMMAND                   standard input and output of a command for the shell; it inherits standard error,
 *                                    and ends when its standard input does
 *
 * Connecting, greeting and negotiation go on while the client is driven; see qmp_client_wait_running().
 *
 * Returns: 0; -EINVAL for an address that is none (qmp_client_failure() explains), -ENAMETOOLONG for a path too long
 * for a socket; -EALREADY while connecting, -EISCONN while running, -EALREADY while disconnecting; -ECHILD after
 * fork(); -ENOMEM; for `fd:` the errors of qmp_client_connect_fd(). A failure to reach the address is reported by
 * process(), with qmp_client_failure().
 * Blocks: never (names are looked up on a thread of its own).
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

/* Listens on an address, and takes the first server that dials it (QEMU's `-chardev socket,…,server=off`). Waiting for
 * it, greeting and negotiation go on while the client is driven, within the connect timeout; nobody else can dial once
 * one has. The address is `unix:` (a path or @NAME), `tcp:HOST:PORT` with a numeric HOST or localhost (port 0: any free
 * one, see qmp_client_get_address()), `vsock:CID:PORT` (CID may be any), or `fd:N`, a socket that listens already.
 *
 * A socket file is made with mode 0600, and removed when listening ends. What is at the path already is replaced
 * when it is a socket that nobody listens on, else left alone.
 *
 * Returns: 0; -EADDRINUSE when somebody listens there; -EEXIST when the path is something else than a socket; -EINVAL
 * for an address that cannot be listened on, -ENAMETOOLONG; -EADDRNOTAVAIL, -EAFNOSUPPORT, -EACCES, -ENOENT, -ENOTDIR,
 * -EROFS, -EMFILE, -ENFILE; for `fd:` -EBADF, -ENOTSOCK, -EPROTOTYPE; -EALREADY, -EISCONN, -ECHILD, -ENOMEM as
 * qmp_client_connect(). qmp_client_failure() explains.
 * Blocks: never.
 * From: QMPClient.start_server() and accept(). */
QMP_API int qmp_client_listen_on(qmp_client *c, const char *address);

/* The address of the current or last connection, as text: with the port that the system chose, while listening on port
 * 0.
 *
 * Returns: 0 and the address, the caller's to free(); -ENOENT when there was none yet; -ENOMEM.
 * Blocks: never.
 * From: ours; in the reference the bound port cannot be learnt. */
QMP_API int qmp_client_get_address(qmp_client *c, char **ret);

/* Waits until the connection is RUNNING.
 *
 * Returns: 0 when it is running; -ETIMEDOUT when it is not yet after `timeout` µs (it is still CONNECTING then, and
 * goes on); -ENOTCONN when nothing was started, or qmp_client_disconnect() ended it; otherwise the reason why
 * connecting failed, as process() returns it, with qmp_client_failure() for the words: -ENOENT, -ENOTDIR,
 * -ECONNREFUSED, -EACCES, -EPROTOTYPE for a socket; -EHOSTUNREACH also for a name that is not known; -ENETUNREACH,
 * -ENETDOWN, -EADDRNOTAVAIL; -EAFNOSUPPORT for a kind of address that the system does not have; -EMFILE, -ENFILE,
 * -ENOMEM; -ETIMEDOUT when the connect timeout passed; -EBUSY when another client holds the monitor; -EACCES and
 * -EPROTO for TLS; -ECONNRESET when the server went; -EBADMSG, -EPROTO, -EMSGSIZE, -ELOOP for what it sent. Also -EBUSY
 * inside a callback; -ECHILD after fork().
 * Blocks: up to `timeout` µs.
 * From: awaiting QMPClient.connect(). */
QMP_API int qmp_client_wait_running(qmp_client *c, uint64_t timeout);

/* New, connect and wait until running, in one call; `timeout` bounds all of it.
 *
 * Returns: 0 and the client, the caller's; the errors of qmp_client_connect() and qmp_client_wait_running(). The words
 * of a failure go with the client: who wants them uses the three functions.
 * Blocks: up to `timeout` µs.
 * From: sd_bus_open(3). */
QMP_API int qmp_connect(qmp_client **ret, const char *address, uint64_t timeout);

/* New, listen on an address and wait until a server has dialled and is running, in one call; `timeout` bounds all of
 * it.
 *
 * Returns: 0 and the client, the caller's; the errors of qmp_client_listen_on() and qmp_client_wait_running().
 * Blocks: up to `timeout` µs.
 * From: QMPClient.start_server_and_accept(). */
QMP_API int qmp_accept(qmp_client **ret, const char *address, uint64_t timeout);

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
 * Returns: a string borrowed until the next connect, the next failure or the last unref; "" when nothing has failed.
 * Blocks: never.
 * From: ConnectError's and ProtocolError's messages. */
QMP_API const char *qmp_client_failure(qmp_client *c);

/* The same as a copy, for a client that connects again by itself on another thread, where the string could go at any
 * time.
 *
 * Returns: a string, the caller's to free(); NULL without memory.
 * Blocks: never.
 * From: ConnectError's and ProtocolError's messages. */
QMP_API char *qmp_client_failure_copy(qmp_client *c);

/* The same as a kind, for programs.
 *
 * Returns: the kind; QMP_FAILURE_NONE when nothing has failed.
 * Blocks: never.
 * From: the reference's exception classes. */
QMP_API enum qmp_failure qmp_client_failure_kind(qmp_client *c);

/* The bytes that the server sent where a connection ended because of what it sent (NEGOTIATION, DESERIALIZATION,
 * UNEXPECTED_TYPE, BAD_GREETING, SERVER_PARSE, LIMIT): at most 256 of them.
 *
 * Returns: the bytes with their number in `*ret_size`, borrowed until the next connect, the next failure or the last
 * unref; NULL and 0 when there are none.
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
 * Returns: the descriptor; -ENOTCONN when there is none now (IDLE, or waiting to try (again): look at the deadline);
 * -EBUSY in thread-driven mode.
 * Blocks: never.
 * From: sd_bus_get_fd(3). */
QMP_API int qmp_client_get_fd(qmp_client *c);

/* For event loops: what to poll for.
 *
 * Returns: POLLIN, POLLOUT or both, 0 for nothing; -ENOTCONN and -EBUSY as qmp_client_get_fd().
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
 * -ECHILD after fork(); -EINTR; other errnos of poll(2).
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
 * Returns: 0, and in `*ret` (may be NULL) the command, the caller's; -ENOTCONN, -EINVAL, -EBADMSG, -ELOOP, -EMSGSIZE,
 * -ENOBUFS, -ECHILD and -ENOMEM as qmp_client_execute(). The callback does not run when this fails. Unlike waiting,
 * sending is fine inside callbacks.
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
    uint64_t timeout; /* µs from now until it is abandoned with -ETIMEDOUT; QMP_FOREVER for none. 0 is the dialect's
                         own: none with a monitor, QMP_AGENT_TIMEOUT with an agent */
    bool oob;         /* out-of-band: overtakes everything that waits in-band (exec-oob) */
    const char *text; /* instead of command, arguments, id and oob: the JSON text of a whole command, any object; an
                         "id" in it is kept, else the library's own is added */
    const int *fds;   /* descriptors to send with the command, over a UNIX socket; borrowed, and closed nowhere: the
                         library sends duplicates of its own */
    size_t n_fds;     /* at most QMP_REQUEST_FDS_MAX; QEMU's getfd and add-fd take one */
    bool no_id;       /* send no id at all; the next reply without one is the answer. One at a time: others wait */
    bool answers_only_errors; /* to a guest agent: success is silent. Of guest-shutdown, guest-suspend-disk,
                                 guest-suspend-ram and guest-suspend-hybrid the library knows it. The command completes
                                 with 0 and without a reply when the agent, asked again behind it, has not complained,
                                 or when the connection ends */
};
#define QMP_REQUEST_INIT                                                                                               \
    {                                                                                                                  \
        sizeof(struct qmp_request), NULL, NULL, NULL, 0, false, NULL, NULL, 0, false, false                            \
    }

/* As qmp_client_execute_async(), with every option.
 *
 * Commands with descriptors go one at a time, because QEMU forgets a descriptor when the next one comes.
 *
 * Returns: as qmp_client_execute_async(); also -EOPNOTSUPP for out-of-band where it is not negotiated; -EAFNOSUPPORT
 * for descriptors where the connection is no UNIX socket; -EBADF when one of them is not open; -EMFILE, -ENFILE;
 * -EEXIST when the id is in use; -EINVAL for a wrong `size`, for members that exclude each other, and for more than
 * QMP_REQUEST_FDS_MAX descriptors.
 * Blocks: never.
 * From: QMPClient.execute(), execute_msg(), _raw() and send_fd_scm(); qmp-spec section 2.3. */
QMP_API int qmp_client_send_full(
    qmp_client *c, const struct qmp_request *request, qmp_reply_fn callback, void *userdata, qmp_pending **ret);

/* Waits for a command to complete. May be asked again, by several threads, and after completion.
 *
 * Returns: 0, -EREMOTEIO and -ECONNRESET as qmp_client_execute(); -ETIMEDOUT when `timeout` passed first (the command
 * is still pending), or when the request's own timeout had (it is not: the answer comes at once); -ECANCELED after
 * qmp_pending_cancel(); -EBUSY where it would have to wait inside a callback of its client; -ECHILD where it would have
 * to wait after fork().
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
