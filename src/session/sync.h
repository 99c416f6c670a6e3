/* SPDX-License-Identifier: MIT */
#ifndef SRC_SESSION_SYNC_H
#define SRC_SESSION_SYNC_H

#include "session/session.h"

/* The part of a session that only agents need. */

/* A number that nobody can guess. */
uint64_t sync_random(void);

/* Begins a synchronisation, with a 0xFF; one that is under way is given up. Nothing else may be. */
void sync_start(struct session *s);

/* Puts the question behind a command that is about to be sent, without a 0xFF. */
void sync_follow(struct session *s);

/* Takes the question back, wherever it is. */
void sync_drop(struct session *s);

/* The part of the input up to the next 0xFF becomes what is read; all of it when there is none. */
void sync_cut(struct session *s, const char *data, size_t size);

/* What was read up to here ends with a 0xFF: starts afresh behind it. */
void sync_on_reset(struct session *s);

/* Whether this is the answer to the question. If not, it goes on searching: all up to the next 0xFF is skipped. */
bool sync_on_message(struct session *s, const qmp_message *m);

/* Nothing up to the next 0xFF counts. */
void sync_search(struct session *s);

#endif
