/* SPDX-License-Identifier: MIT */

/* The verb replay: a capture as a server.
 *
 * Clients are served one after the other, as a monitor does it, each with the next connection of the capture, and with
 * the first one again after the last. What is to be said to a client waits in a buffer, which is bounded: above the
 * limit nothing more is read of one that does not read. What a client asks that is not in the capture is refused to it,
 * and said here, too: that is where the client and the capture differ.
 *
 * It knows nothing of what answers a command; that is the player's. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bare.h"
#include "complain.h"
#include "duration.h"
#include "ending.h"
#include "output.h"
#include "player.h"
#include "verb.h"

#define CHUNK_MAX ((size_t)65536)
/* How much may wait for a client before it is asked no more. */
#define WAITING_MAX ((size_t)64 << 20)
/* How much of an unknown command is shown. */
#define SHOWN_MAX 200

struct client {
    const struct options *options;
    int fd;
    size_t number;
    bool silent; /* it says no more */
    bool gone;   /* it hears no more */
    struct frames frames;
    struct buffer waiting; /* to be sent */
    struct player player;
    const char *rest; /* of the chunk: what was not looked at yet */
    size_t n_rest;
    char chunk[CHUNK_MAX];
};

static enum outcome no_memory(void)
{
    return outcome_of_error("the replay", -ENOMEM);
}

/* Each line of what was sent. */
static void wire_show(const struct client *c, const char *text, size_t size)
{
    while ((c->options->given & OPTION_VERBOSE) && size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t line = end != NULL ? (size_t)(end - text) + 1 : size, shown = line;
        while (shown > 0 && (text[shown - 1] == '\n' || text[shown - 1] == '\r'))
            shown--;
        complain("> %.*s", (int)shown, text);
        text += line;
        size -= line;
    }
}

static enum outcome piece_answer(struct client *c, const struct piece *piece)
{
    size_t before = c->waiting.size;
    bool known;

    if (c->options->given & OPTION_VERBOSE)
        complain("< %.*s", (int)piece->size, piece->text);
    if (!player_hear(&c->player, piece, &c->waiting, &known))
        return no_memory();
    wire_show(c, buffer_data(&c->waiting) + before, c->waiting.size - before);
    if (!known)
        complain("client %zu asks what is not in the capture: %.*s", c->number,
            (int)(piece->size < SHOWN_MAX ? piece->size : SHOWN_MAX), piece->text);
    return OUTCOME_DONE;
}

static void client_receive(struct client *c)
{
    ssize_t n = recv(c->fd, c->chunk, sizeof(c->chunk), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->silent = n <= 0;
    c->rest = c->chunk;
    c->n_rest = n > 0 ? (size_t)n : 0;
}

static bool has_room(const struct client *c)
{
    return !c->player.ended && c->waiting.size < WAITING_MAX;
}

/* Answers what was received, as far as there is room for answers. */
static enum outcome rest_answer(struct client *c)
{
    enum outcome outcome = OUTCOME_DONE;
    struct piece piece;
    int r = 0;

    while (outcome == OUTCOME_DONE && has_room(c) && (r = frames_next(&c->frames, &c->rest, &c->n_rest, &piece)) > 0)
        outcome = piece_answer(c, &piece);
    return r < 0 ? no_memory() : outcome;
}

static void client_send(struct client *c)
{
    ssize_t n = send(c->fd, buffer_data(&c->waiting), c->waiting.size, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n >= 0)
        buffer_consume(&c->waiting, (size_t)n);
    else if (errno != EAGAIN && errno != EINTR)
        c->gone = true;
}

static bool client_listens(const struct client *c)
{
    return !c->silent && c->n_rest == 0 && has_room(c);
}

/* Does what can be done without waiting. False when nothing is left to do. */
static bool client_step(struct client *c, enum outcome *ret)
{
    do {
        *ret = rest_answer(c);
        if (*ret == OUTCOME_DONE && c->waiting.size > 0)
            client_send(c);
    } while (*ret == OUTCOME_DONE && !c->gone && c->n_rest > 0 && has_room(c));
    if (*ret != OUTCOME_DONE || c->gone)
        return false;
    return c->waiting.size > 0 || (!c->player.ended && (!c->silent || c->n_rest > 0));
}

static enum outcome client_loop(struct client *c)
{
    enum outcome outcome;

    while (client_step(c, &outcome)) {
        short events = (short)((client_listens(c) ? POLLIN : 0) | (c->waiting.size > 0 ? POLLOUT : 0));
        struct pollfd fd = {c->fd, events, 0};
        int r = ending_poll(&fd, 1, c->options->deadline);
        if (r == -EINTR || duration_until(c->options->deadline) == 0)
            break;
        if (r < 0)
            return outcome_of_error("waiting", r);
        if (client_listens(c))
            client_receive(c);
    }
    return outcome;
}

static enum outcome client_serve(const struct options *o, const struct script *script, size_t number, int fd)
{
    struct client c = {.options = o, .fd = fd, .number = number};
    enum outcome outcome = OUTCOME_DONE;

    if (!player_begin(&c.player, script, (number - 1) % script->n_sessions, &c.waiting))
        outcome = no_memory();
    wire_show(&c, buffer_data(&c.waiting), c.waiting.size);
    if (outcome == OUTCOME_DONE)
        outcome = client_loop(&c);
    buffer_done(&c.waiting);
    frames_done(&c.frames);
    close(fd);
    return outcome;
}

static enum outcome replay_listen(const struct options *o, const struct script *script)
{
    __attribute__((cleanup(qmp_server_freep))) qmp_server *s = NULL;
    enum outcome outcome;
    size_t n = 0;

    ending_note();
    outcome = bare_listen(o, &s);
    if (outcome == OUTCOME_DONE)
        outcome = output_print("%s\n", qmp_server_get_address(s));
    if (outcome == OUTCOME_DONE)
        outcome = output_flush();
    while (outcome == OUTCOME_DONE && (o->count == 0 || n < o->count) && ending_noted() == 0 &&
           duration_until(o->deadline) > 0) {
        int fd;
        outcome = bare_accept(o, s, /* watched= */ -1, &fd);
        if (outcome == OUTCOME_DONE && fd >= 0)
            outcome = client_serve(o, script, ++n, fd);
    }
    return outcome;
}

static enum outcome replay_run(const struct options *o, const char *const *words, size_t n)
{
    struct recording recording;
    struct script script;
    enum outcome outcome;

    if (n > 1 || o->listen == NULL) {
        complain(n > 1 ? "'replay' takes one file" : "where? Say --listen ADDRESS, such as --listen /tmp/replay.qmp");
        return OUTCOME_USAGE;
    }
    outcome = recording_read(&recording, words[0]);
    if (outcome == OUTCOME_DONE) {
        if (!script_make(&script, &recording))
            outcome = no_memory();
        if (outcome == OUTCOME_DONE && script.n_sessions == 0) {
            complain("%s: no server says anything in it", words[0]);
            outcome = OUTCOME_USAGE;
        }
        if (outcome == OUTCOME_DONE)
            outcome = replay_listen(o, &script);
        script_done(&script);
    }
    recording_done(&recording);
    return outcome;
}

const struct verb verb_replay = {
    .name = "replay",
    .synopsis = "FILE --listen ADDRESS",
    .summary = "serve a capture as if the VM were there",
    .description = "Serves what 'qmp capture' wrote, as a QMP server: a command gets the answer that\n"
                   "it got then, and events come where they came. So a bug can be looked into\n"
                   "without the VM. FILE is a pcap or JSON lines; '-' is standard input.\n\n"
                   "Prints the address when clients may connect. They are served one after the\n"
                   "other: the first one with the first connection of the capture, and so on, and\n"
                   "again from the first. A command that is not in the capture is refused, with a\n"
                   "note on standard error.\n\n"
                   "Ends with Ctrl-C, after --timeout, or after --count clients.\n",
    .examples = "  qmp replay bug.pcap --listen /tmp/replay.qmp\n"
                "  qmp replay bug.jsonl --listen tcp:127.0.0.1:0 --count 1\n",
    .options = OPTION_LISTEN | OPTION_COUNT | OPTION_TIMEOUT | OPTION_VERBOSE,
    .words_min = 1,
    .several = false,
    .run = replay_run,
};
