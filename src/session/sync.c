/* SPDX-License-Identifier: MIT */
/* How a guest agent and we find out what belongs to what.
 *
 * An agent's channel outlives its clients and the agent itself: what is read first may be the answer to somebody who
 * is gone, or the end of one, and what is written first may end up behind half a command. So we send a 0xFF, which no
 * JSON text can hold and which makes the agent's parser forget what it has, and then ask it to repeat a random number.
 * The agent puts a 0xFF before that answer, and behind a 0xFF is where we read; all else is skipped, not kept.
 *
 *     \xff{"execute":"guest-sync-delimited","arguments":{"id":N}}        answered by        \xff{"return": N}
 *
 * The same question, but without its 0xFF, goes behind a command that answers only errors: the agent works in order, so
 * when the answer comes first, there was no error. (A 0xFF there would make the agent complain of it, without an id,
 * and an old agent's error for the command has no id either.) From the 0xFF of the answer on, the search is the same in
 * both cases: the first message behind a 0xFF is the answer, or all is skipped up to the next 0xFF. Since the number is
 * new and random each time, neither an answer to somebody else nor a guess can be taken for it.
 *
 * The guest is not trusted. Whatever it sends while we search costs nothing but the time to look at it once; one
 * message at a time is kept, within the connection's limits; and nothing but the end of the connection, or of memory,
 * ends the search. Where there is no search, a 0xFF means what it always means, that what follows starts afresh, and
 * nothing more: a caller may have sent the question as a command of its own, and to synchronise at the guest's word
 * would let it keep us busy.
 *
 * The question is a command that the session owns, so limits and output need not know it. There is one at most. It
 * refuses to know how long an answer may take. */

#include "session/sync.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/util.h"

#define RESET 0xff
#define QUESTION "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%" PRIu64 "}}\n"

uint64_t sync_random(void)
{
    uint64_t number;

    if (getentropy(&number, sizeof(number)) < 0)
        number = time_now() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid();
    return number;
}

static void ask(struct session *s, const char *format)
{
    int size;

    s->own->sync_number = sync_random() & INT64_MAX;
    /* cppcheck-suppress wrongPrintfScanfArgNum; it loses the format where a string is made of two */
    size = snprintf(s->own->sync_text, sizeof(s->own->sync_text), format, s->own->sync_number);
    s->own->sync = (struct session_command){.state = COMMAND_OUTGOING, .text = s->own->sync_text, .size = (size_t)size};
    list_append(&s->outgoing, &s->own->sync.link);
    s->n_in_band++;
}

void sync_follow(struct session *s)
{
    ask(s, QUESTION);
}

void sync_drop(struct session *s)
{
    if (s->own->sync.state != COMMAND_OUTGOING && s->own->sync.state != COMMAND_IN_FLIGHT)
        return;
    list_remove(&s->own->sync.link);
    s->own->sync.state = COMMAND_DONE;
    s->n_in_band--;
}

void sync_start(struct session *s)
{
    sync_drop(s);
    s->owes_line_end = false; /* the 0xFF does more */
    s->state = SESSION_SYNCING;
    sync_search(s);
    ask(s, "\xff" QUESTION);
}

void sync_search(struct session *s)
{
    frame_reset(&s->frame);
    s->skipping = true;
}

void sync_cut(struct session *s, const char *data, size_t size)
{
    const char *reset = size > 0 ? memchr(data, RESET, size) : NULL;

    s->input = data;
    s->input_size = reset ? (size_t)(reset - data) : size;
    s->beyond_size = size - s->input_size;
}

void sync_on_reset(struct session *s)
{
    frame_reset(&s->frame);
    if (s->own->sync.state == COMMAND_IN_FLIGHT)
        s->state = SESSION_SYNCING;
    s->skipping = false;
    sync_cut(s, s->input + 1, s->beyond_size - 1);
}

bool sync_on_message(struct session *s, const qmp_message *m)
{
    uint64_t number;

    if (s->own->sync.state == COMMAND_IN_FLIGHT && qmp_value_uint64(qmp_reply_value(m), &number) >= 0 &&
        number == s->own->sync_number)
        return true;
    sync_search(s);
    return false;
}
