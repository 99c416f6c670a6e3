/* SPDX-License-Identifier: MIT */
#ifndef SRC_MESSAGE_MESSAGE_H
#define SRC_MESSAGE_MESSAGE_H

#include <qmp/message.h>

/* Why a text is no message. */
struct message_flaw {
    const char *what; /* static */
    size_t at;        /* the byte */
    bool truncated;   /* as far as it goes, it is fine */
};

/* Makes a message of a text. Returns 0; -EBADMSG, -ELOOP (deeper than depth_max), -EPROTO, -EMSGSIZE (above 2 GiB),
 * with *reterr_flaw; -ENOMEM. */
int message_new(qmp_message **ret, const char *text, size_t size, unsigned depth_max, struct message_flaw *reterr_flaw);

/* The same of the start of a text, whatever follows; *ret_used bytes of it are the message. */
int message_new_first(qmp_message **ret, const char *text, size_t size, unsigned depth_max, size_t *ret_used,
    struct message_flaw *reterr_flaw);

/* Before the message is shared. */
void message_set_sequence(qmp_message *m, uint64_t sequence);

/* qmp_value_path() from the root, with a short cut to the data of an event. */
qmp_value message_path(const qmp_message *m, const char *path);

/* Takes several references at once. */
void message_ref_many(qmp_message *m, unsigned n);

/* The id of a reply, absent when it has none. */
qmp_value message_id(const qmp_message *m);

#endif
