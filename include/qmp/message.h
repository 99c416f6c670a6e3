/* SPDX-License-Identifier: MIT */
#ifndef QMP_MESSAGE_H
#define QMP_MESSAGE_H

/* A message of the wire: immutable, validated, counted. It is its text plus a small fixed header, points at nothing,
 * and may be shared between threads and kept longer than the client that received it. */

#include <qmp/types.h>
#include <qmp/value.h>

#ifdef __cplusplus
extern "C" {
#endif

enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };

/* Makes a message from a text: one JSON object, with nothing but white space around it.
 *
 * Returns: 0 and the message, the caller's; -EBADMSG when the text is not JSON, -EPROTO when it is JSON but no QMP
 * message (no object; not exactly one of the members QMP, return, error, event; one of them twice; an event name that
 * is no string), -ELOOP when it is nested deeper than 1024, -EMSGSIZE above 2 GiB, -ENOMEM.
 * Blocks: never.
 * From: qmp-spec section 2; the reference's Message class. */
QMP_API int qmp_message_parse(qmp_message **ret, const char *text, size_t size);

/* Takes one more reference. Thread-safe.
 *
 * Returns: `m`.
 * Blocks: never.
 * From: sd_bus_message_ref(3). */
QMP_API qmp_message *qmp_message_ref(qmp_message *m);

/* Gives one reference back; the last one frees. Thread-safe.
 *
 * Returns: NULL.
 * Blocks: never.
 * From: sd_bus_message_unref(3). */
QMP_API qmp_message *qmp_message_unref(qmp_message *m);

/* Gives back one reference of each of `n` messages and frees the array, as qmp_listener_clear() and
 * qmp_listener_history() hand it out. NULL with 0 is fine.
 *
 * Returns: nothing.
 * Blocks: never.
 * From: strv_free's idiom. */
QMP_API void qmp_message_unref_many(qmp_message **messages, size_t n);

/* Which of the four kinds of message it is.
 *
 * Returns: the kind.
 * Blocks: never.
 * From: qmp-spec sections 2.2, 2.4 and 2.5. */
QMP_API enum qmp_kind qmp_message_kind(const qmp_message *m);

/* The whole message: .text and .size are the exact bytes received, from { to }.
 *
 * Returns: the value, borrowed from the message.
 * Blocks: never.
 * From: the reference's Message.__bytes__. */
QMP_API qmp_value qmp_message_root(const qmp_message *m);

/* The position of an event in its connection's stream of events: 1, 2, 3 … A new connection starts at 1 again.
 *
 * Returns: the number; 0 for other kinds and for messages made by qmp_message_parse().
 * Blocks: never.
 * From: ours; the wire has no numbers. */
QMP_API uint64_t qmp_message_sequence(const qmp_message *m);

/* The name of an event, "STOP".
 *
 * Returns: the decoded name, borrowed from the message; NULL for other kinds.
 * Blocks: never.
 * From: qmp-spec section 2.5, "event". */
QMP_API const char *qmp_event_name(const qmp_message *m);

/* The data of an event.
 *
 * Returns: the value, borrowed from the message; absent when the event carries none (STOP) and for other kinds.
 * Blocks: never.
 * From: qmp-spec section 2.5, "data". */
QMP_API qmp_value qmp_event_data(const qmp_message *m);

/* When QEMU emitted an event, by the host's wall clock, in microseconds since 1970. Rate-limited events may be a second
 * older than their arrival.
 *
 * Returns: 0; -ENOENT when there is no timestamp, or QEMU could not tell (it sends -1), or this is no event; -EPROTO
 * when it is not as specified.
 * Blocks: never.
 * From: qmp-spec section 2.5, "timestamp". */
QMP_API int qmp_event_timestamp(const qmp_message *m, int64_t *ret_usec);

/* The value that a successful command returned: the member "return".
 *
 * Returns: the value, borrowed from the message; absent for other kinds.
 * Blocks: never.
 * From: qmp-spec section 2.4.1. */
QMP_API qmp_value qmp_reply_value(const qmp_message *m);

/* The class of an error reply, "GenericError".
 *
 * Returns: the decoded string, borrowed from the message; NULL for other kinds.
 * Blocks: never.
 * From: qmp-spec section 2.4.2; the reference's ExecuteError.error_class. */
QMP_API const char *qmp_reply_error_class(const qmp_message *m);

/* The description of an error reply, for people.
 *
 * Returns: the decoded string, up to a U+0000 if it holds one, borrowed from the message; NULL for other kinds.
 * Blocks: never.
 * From: qmp-spec section 2.4.2. */
QMP_API const char *qmp_reply_error_desc(const qmp_message *m);

static inline void qmp_message_unrefp(qmp_message **m)
{
    qmp_message_unref(*m);
}

#ifdef __cplusplus
}
#endif

#endif
