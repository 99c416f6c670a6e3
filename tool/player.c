/* SPDX-License-Identifier: MIT */

/* Who answers as a server did, out of a capture.
 *
 * A command gets the reply to the next one in the connection that is the same (its name and its arguments); then all
 * that was told before that reply goes before it, and what was told between it and the next command goes behind it. So
 * a client that does what the recorded one did gets what that one got, event by event. A command that does not come
 * again gets the reply that it got last, or else one out of another connection, and nothing moves. Only one that is
 * nowhere in the capture is refused. qmp_capabilities is the same whatever its arguments, and always answered.
 *
 * Replies are as they were, but for the id, which is the client's. It knows nothing of sockets and files. */

#include <errno.h>
#include <qmp/writer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "order.h"
#include "player.h"

#define LINE_END "\r\n"

static const struct step *step_at(const struct player *p, size_t i)
{
    return &p->script->steps[i];
}

/* ---- what is told ---- */

static bool step_tell(const struct step *step, struct buffer *out)
{
    return step->kind != STEP_TOLD || (buffer_append(out, step->record->text, step->record->size) &&
                                          (step->record->kind == RECORD_BYTES || buffer_append_text(out, LINE_END)));
}

/* Tells what was told up to a step. */
static bool tell_until(struct player *p, size_t until, struct buffer *out)
{
    bool done = true;

    for (; done && p->told < until; p->told++) {
        done = step_tell(step_at(p, p->told), out);
        p->ended |= step_at(p, p->told)->kind == STEP_END;
    }
    return done;
}

/* Tells what was told up to the next command. */
static bool tell_on(struct player *p, struct buffer *out)
{
    size_t next = p->cursor;

    while (next < p->session.end && step_at(p, next)->kind != STEP_COMMAND)
        next++;
    return tell_until(p, next, out);
}

bool player_begin(struct player *p, const struct script *script, size_t session, struct buffer *out)
{
    *p = (struct player){.script = script, .session = script->sessions[session]};
    p->cursor = p->told = p->session.begin;
    return tell_on(p, out);
}

/* ---- replies ---- */

static bool value_append(struct buffer *out, qmp_value v)
{
    return buffer_append(out, v.text, v.size);
}

static bool member_append(struct buffer *out, bool first, qmp_value key, qmp_value item)
{
    return (first || buffer_append_text(out, ", ")) && value_append(out, key) && buffer_append_text(out, ": ") &&
           value_append(out, item);
}

/* A reply with another id, member by member; absent: with none. */
static bool reply_rewrite(struct buffer *out, qmp_value reply, qmp_value id)
{
    qmp_value key = {NULL, 0}, item = {NULL, 0}, id_key = {"\"id\"", 4};
    bool done = buffer_append_text(out, "{"), first = true;

    while (done && qmp_value_next(reply, &key, &item)) {
        if (qmp_value_equals(key, "id"))
            continue;
        done = member_append(out, first, key, item);
        first = false;
    }
    if (done && qmp_value_type(id) != QMP_ABSENT)
        done = member_append(out, first, id_key, id);
    return done && buffer_append_text(out, "}");
}

/* A recorded reply, byte for byte but for the id. */
static bool reply_append(struct buffer *out, qmp_value reply, qmp_value id)
{
    qmp_value old = qmp_value_member(reply, "id");
    bool done;

    if (order_equal(old, id))
        done = value_append(out, reply);
    else if (qmp_value_type(old) == QMP_ABSENT || qmp_value_type(id) == QMP_ABSENT)
        done = reply_rewrite(out, reply, id);
    else
        done = buffer_append(out, reply.text, (size_t)(old.text - reply.text)) && value_append(out, id) &&
               buffer_append(out, old.text + old.size, (size_t)(reply.text + reply.size - old.text) - old.size);
    return done && buffer_append_text(out, LINE_END);
}

/* A reply of our own. Takes the text over; NULL: no memory. */
static bool own_append(struct buffer *out, char *reply, qmp_value id)
{
    bool done = reply != NULL && reply_append(out, (qmp_value){reply, strlen(reply)}, id);

    free(reply);
    return done;
}

/* Spelt as QEMU does it. */
static bool error_append(struct buffer *out, const char *class, const char *desc, qmp_value id)
{
    __attribute__((cleanup(qmp_freep))) char *quoted = qmp_json("%s", desc);
    char *reply = NULL;

    if (quoted == NULL || asprintf(&reply, "{\"error\": {\"class\": \"%s\", \"desc\": %s}}", class, quoted) < 0)
        return false;
    return own_append(out, reply, id);
}

/* ---- commands ---- */

/* The commands [begin, end) of the sorted ones that are the same as one. */
struct same {
    size_t begin, end;
};

static size_t command_at(const struct player *p, size_t i)
{
    return p->script->commands[i];
}

/* How many of them stand before a step of the script. */
static size_t same_before(const struct player *p, struct same same, size_t step)
{
    size_t begin = same.begin, end = same.end;

    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (command_at(p, middle) < step)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin - same.begin;
}

/* The first of them in the steps [begin, end). STEP_NONE: there is none. */
static size_t same_first(const struct player *p, struct same same, size_t begin, size_t end)
{
    size_t i = same.begin + same_before(p, same, begin);

    return i < same.end && command_at(p, i) < end ? command_at(p, i) : STEP_NONE;
}

/* The last of them there. */
static size_t same_last(const struct player *p, struct same same, size_t begin, size_t end)
{
    size_t i = same.begin + same_before(p, same, end);

    return i > same.begin && command_at(p, i - 1) >= begin ? command_at(p, i - 1) : STEP_NONE;
}

/* Whether the server answered nothing after a step, and then ended the connection. */
static bool ends_unanswered(const struct player *p, size_t step)
{
    return p->session.replied <= step && p->session.ended > step;
}

/* Plays the connection on from its next command, which has come. */
static bool command_play(struct player *p, size_t found, qmp_value id, struct buffer *out)
{
    size_t reply = step_at(p, found)->pair;

    p->cursor = found + 1;
    if (reply == STEP_NONE && ends_unanswered(p, found))
        return tell_until(p, p->session.end, out);
    if (reply == STEP_NONE)
        return tell_on(p, out) && error_append(out, "GenericError", "the capture holds no reply to this command", id);
    if (!tell_until(p, reply, out) || !reply_append(out, step_at(p, reply)->message, id))
        return false;
    return tell_on(p, out);
}

/* The reply to a command that is to be found elsewhere. STEP_NONE: none is. */
static size_t reply_find(const struct player *p, struct same same)
{
    size_t found = same_last(p, same, p->session.begin, p->cursor);

    if (found == STEP_NONE)
        found = same_first(p, same, 0, p->script->n_steps);
    return found == STEP_NONE ? STEP_NONE : step_at(p, found)->pair;
}

static int names_order(qmp_value a, qmp_value b, bool *ret_failed)
{
    return order_values(command_name(a), command_name(b), ret_failed);
}

/* Refuses a command that is nowhere in the capture. */
static bool unknown_append(const struct player *p, struct buffer *out, qmp_value command, qmp_value id)
{
    __attribute__((cleanup(qmp_freep))) char *name = NULL, *desc = NULL;
    struct same named;
    bool known;

    if (!script_find(p->script, names_order, command, &named.begin, &named.end))
        return false;
    known = named.begin < named.end;
    if (qmp_value_string(command_name(command), &name, /* ret_size= */ NULL) < 0 ||
        asprintf(&desc, known ? "The capture does not hold %s with these arguments" : "The capture does not hold %s",
            name) < 0)
        return false;
    return error_append(out, known ? "GenericError" : "CommandNotFound", desc, id);
}

static bool command_answer(struct player *p, qmp_value command, struct buffer *out, bool *ret_known)
{
    qmp_value id = qmp_value_member(command, "id");
    struct same same;
    size_t found, reply;

    if (!script_find(p->script, command_order, command, &same.begin, &same.end))
        return false;
    found = same_first(p, same, p->cursor, p->session.end);
    if (found != STEP_NONE)
        return command_play(p, found, id, out);
    reply = reply_find(p, same);
    if (reply != STEP_NONE)
        return reply_append(out, step_at(p, reply)->message, id);
    if (command_is_negotiation(command))
        return own_append(out, strdup("{\"return\": {}}"), id);
    *ret_known = false;
    return unknown_append(p, out, command, id);
}

bool player_hear(struct player *p, const struct piece *piece, struct buffer *out, bool *ret_known)
{
    __attribute__((cleanup(qmp_freep))) char *memory = NULL;
    qmp_value command = {NULL, 0};
    int r = command_parse(piece->text, piece->size, &command, &memory);

    *ret_known = true;
    if (r == -ENOMEM)
        return false;
    if (r < 0 || qmp_value_type(command) != QMP_OBJECT)
        return error_append(out, "GenericError", r < 0 ? "JSON parse error" : "QMP input must be a JSON object",
            /* id= */ (qmp_value){NULL, 0});
    if (qmp_value_type(command_name(command)) == QMP_ABSENT)
        return error_append(out, "GenericError", "QMP input lacks member 'execute'", qmp_value_member(command, "id"));
    return command_answer(p, command, out, ret_known);
}
