/* SPDX-License-Identifier: MIT */
#ifndef QMP_MONITOR_H
#define QMP_MONITOR_H

/* A small blocking interface for test rigs and scripts: a monitor, its commands, and one queue of all its events. It
 * keeps what it hands out, and the words of the last error, so that a script needs no cleaning up but the end:
 *
 *     qmp_monitor *vm = qmp_monitor_new("/tmp/vm.qmp");
 *     if (qmp_monitor_connect(vm, 5 * QMP_SECOND) < 0 || qmp_monitor_command(vm, "stop", NULL) < 0 ||
 *         qmp_monitor_pull_event(vm, "STOP", 5 * QMP_SECOND) < 0)
 *         errx(1, "%s", qmp_monitor_error(vm));
 *     qmp_monitor_free(vm);
 *
 * A NULL monitor is fine everywhere: what could fail says -ENOMEM, so that nobody needs to look at what
 * qmp_monitor_new() returned. Everything else is to be had from the client underneath, qmp_monitor_client(). One thread
 * at a time uses a monitor. */

#include <qmp/client.h>
#include <qmp/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How long a command may take, unless qmp_monitor_set_timeout() says otherwise. */
#define QMP_MONITOR_TIMEOUT (30 * QMP_SECOND)
/* Events that a monitor queues: beyond that the oldest are dropped, which is reported. */
#define QMP_MONITOR_EVENTS_MAX ((size_t)65536)

/* A new monitor for an address (see qmp_client_connect()), not connected.
 *
 * Returns: the monitor, the caller's; NULL without memory.
 * Blocks: never.
 * From: QEMUMonitorProtocol(address). */
QMP_API qmp_monitor *qmp_monitor_new(const char *address);

/* Disconnects and frees, with everything it has handed out. NULL is fine. Not inside a callback that one of the
 * monitor's calls runs.
 *
 * Returns: NULL.
 * Blocks: never.
 * From: QEMUMonitorProtocol.close(). */
QMP_API qmp_monitor *qmp_monitor_free(qmp_monitor *m);

/* Connects and negotiates. It may be called again after a connection has ended: events of that one which are queued
 * stay so, in front of the new ones. When it fails, nothing goes on.
 *
 * Returns: 0; the errors of qmp_connect(); -EISCONN when connected; -EALREADY after qmp_monitor_listen().
 * Blocks: up to `timeout` µs.
 * From: QEMUMonitorProtocol.connect(). */
QMP_API int qmp_monitor_connect(qmp_monitor *m, uint64_t timeout);

/* Listens on the address, so that a QEMU may be started that dials it; then qmp_monitor_accept(). It listens until a
 * QEMU has dialled, however long that takes.
 *
 * Returns: 0; the errors of qmp_client_listen_on().
 * Blocks: never.
 * From: QEMUMonitorProtocol(address, server=True). */
QMP_API int qmp_monitor_listen(qmp_monitor *m);

/* Waits until a QEMU has dialled and is negotiated, after qmp_monitor_listen(), once for each.
 *
 * Returns: 0; the errors of qmp_client_wait_running(): after -ETIMEDOUT it goes on listening and may be asked again;
 * -ENOTCONN without qmp_monitor_listen().
 * Blocks: up to `timeout` µs.
 * From: QEMUMonitorProtocol.accept(). */
QMP_API int qmp_monitor_accept(qmp_monitor *m, uint64_t timeout);

/* Executes a command. `format` makes its arguments, as in qmp_json(); NULL for none. What it returned is
 * qmp_monitor_value() afterwards.
 *
 * Returns: 0; -EREMOTEIO when the server answered with an error; -EINVAL when the arguments cannot be made; the errors
 * of qmp_client_execute(); qmp_monitor_error() has all of them in words.
 * Blocks: up to the monitor's timeout.
 * From: QEMUMonitorProtocol.command(). */
QMP_API int qmp_monitor_command(qmp_monitor *m, const char *command, const char *format, ...) QMP_PRINTF(3, 4);

/* What the last command returned.
 *
 * Returns: the value, valid until the next command or the end of the monitor; absent when it failed.
 * Blocks: never.
 * From: QEMUMonitorProtocol.command(). */
QMP_API qmp_value qmp_monitor_value(qmp_monitor *m);

/* Takes the oldest event with this name (NULL for any) out of the queue, or waits for one. Others stay, in order. It is
 * qmp_monitor_event() afterwards. The queue takes over what the client's default listener, qmp_client_events(), hears.
 *
 * Returns: 0; -EAGAIN when there is none (`timeout` 0: what has arrived is read first); -ETIMEDOUT; -ENOTCONN when the
 * connection has ended and no such event is left; once, then it goes on, -ENOBUFS after events were dropped and -ESTALE
 * after the client has connected again by itself (qmp_client_set_reconnect()); -EBUSY where it would have to wait
 * inside a callback, and in one that runs while another call of it waits; -ECHILD after fork(); -ENOMEM.
 * Blocks: up to `timeout` µs.
 * From: QEMUMonitorProtocol.pull_event(). */
QMP_API int qmp_monitor_pull_event(qmp_monitor *m, const char *name, uint64_t timeout);

/* The event that was pulled last.
 *
 * Returns: the event, valid until the next one is pulled or the end of the monitor; NULL when none was pulled yet.
 * Blocks: never.
 * From: QEMUMonitorProtocol.pull_event(). */
QMP_API const qmp_message *qmp_monitor_event(qmp_monitor *m);

/* All events that are queued; what has arrived is read first. They stay queued.
 *
 * Returns: how many, also when the connection has ended; in `*ret` an array of them, oldest first, valid until the next
 * call that takes the monitor. -ENOBUFS and -ESTALE as qmp_monitor_pull_event(), then it goes on; -EBUSY
 * in a callback that runs while that waits; -ECHILD after fork(); -ENOMEM.
 * Blocks: never.
 * From: QEMUMonitorProtocol.get_events(). */
QMP_API int qmp_monitor_get_events(qmp_monitor *m, qmp_message *const **ret);

/* Drops all events that are queued; what has arrived is read first. Losses that were not reported yet are forgotten.
 *
 * Returns: 0; -EBUSY and -ECHILD as qmp_monitor_get_events().
 * Blocks: never.
 * From: QEMUMonitorProtocol.clear_events(). */
QMP_API int qmp_monitor_clear_events(qmp_monitor *m);

/* How long a command may take, in µs. Default QMP_MONITOR_TIMEOUT.
 *
 * Returns: 0.
 * Blocks: never.
 * From: QEMUMonitorProtocol.settimeout(). */
QMP_API int qmp_monitor_set_timeout(qmp_monitor *m, uint64_t timeout);

/* What the last call that failed had to say: "blockdev-add: GenericError: Duplicate nodes with node-name='disk0'". Text
 * of the server in it is escaped, and cut when it is long: it may go to a terminal.
 *
 * Returns: a string, valid until the next call that takes the monitor; "" when nothing has failed.
 * Blocks: never.
 * From: the reference's exceptions. */
QMP_API const char *qmp_monitor_error(qmp_monitor *m);

/* The client underneath: for descriptors, TLS, other dialects, listeners.
 *
 * Returns: the client, borrowed from the monitor; NULL for NULL.
 * Blocks: never.
 * From: QEMUMonitorProtocol._qmp. */
QMP_API qmp_client *qmp_monitor_client(qmp_monitor *m);

static inline void qmp_monitor_freep(qmp_monitor **m)
{
    qmp_monitor_free(*m);
}

#ifdef __cplusplus
}
#endif

#endif
