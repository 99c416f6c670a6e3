/* SPDX-License-Identifier: MIT */
#ifndef TEST_PEER_PEER_H
#define TEST_PEER_PEER_H

/* A QMP server that follows a script, for tests: it does exactly what it is told, wrong things included. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer;

enum peer_op {
    PEER_OP_SEND,    /* the bytes, in one piece if the socket takes them */
    PEER_OP_DRIBBLE, /* the bytes, each on its own once the one before it was read */
    PEER_OP_FILL,    /* `number` times the first byte of the text */
    PEER_OP_STORM,   /* the text over and over, until peer_go() is called once more */
    PEER_OP_EXPECT,  /* the next object is this command; its id is remembered (absent ids too) */
    PEER_OP_REPLY,   /* the bytes, where @id is the id of the last command expected, @0 that of the first, … @9 */
    PEER_OP_SERVE,   /* answer every command with an empty object, until end of file */
    PEER_OP_SILENCE, /* no object arrives for `number` µs */
    PEER_OP_END,     /* the client's side is closed; what it sent before is skipped */
    PEER_OP_SHUT,    /* send no more: the client reads end of file */
    PEER_OP_DEAF,    /* read no more: the client's writing fails */
    PEER_OP_CLOSE,   /* close */
    PEER_OP_RESET,   /* close such that the client sees a reset: see peer_new_tcp() */
    PEER_OP_ACCEPT,  /* take the next connection of a listening peer */
    PEER_OP_WAIT,    /* until peer_go() was called once more */
    PEER_OP_NOTE,    /* let peer_await() return once more */
};

struct peer_step {
    enum peer_op op;
    const char *text;
    size_t size;
    uint64_t number;
};

#define PEER_STEP(op, text, size, number) ((struct peer_step){PEER_OP_##op, (text), (size), (number)})
#define PEER_SEND(literal) PEER_STEP(SEND, (literal), sizeof(literal) - 1, 0)
#define PEER_SEND_SIZED(bytes, size) PEER_STEP(SEND, (bytes), (size), 0)
#define PEER_DRIBBLE(literal) PEER_STEP(DRIBBLE, (literal), sizeof(literal) - 1, 0)
#define PEER_FILL(byte, number) PEER_STEP(FILL, (byte), 1, (number))
#define PEER_STORM(literal) PEER_STEP(STORM, (literal), sizeof(literal) - 1, 0)
#define PEER_EXPECT(command) PEER_STEP(EXPECT, (command), 0, 0)
#define PEER_REPLY(literal) PEER_STEP(REPLY, (literal), sizeof(literal) - 1, 0)
#define PEER_SERVE PEER_STEP(SERVE, NULL, 0, 0)
#define PEER_SILENCE(timeout) PEER_STEP(SILENCE, NULL, 0, (timeout))
#define PEER_END PEER_STEP(END, NULL, 0, 0)
#define PEER_SHUT PEER_STEP(SHUT, NULL, 0, 0)
#define PEER_DEAF PEER_STEP(DEAF, NULL, 0, 0)
#define PEER_CLOSE PEER_STEP(CLOSE, NULL, 0, 0)
#define PEER_RESET PEER_STEP(RESET, NULL, 0, 0)
#define PEER_ACCEPT PEER_STEP(ACCEPT, NULL, 0, 0)
#define PEER_WAIT PEER_STEP(WAIT, NULL, 0, 0)
#define PEER_NOTE PEER_STEP(NOTE, NULL, 0, 0)

#define PEER_GREETING_TEXT                                                                                             \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"test\"}, "         \
    "\"capabilities\": []}}\r\n"
#define PEER_GREETING_OOB_TEXT                                                                                         \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"test\"}, "         \
    "\"capabilities\": [\"oob\"]}}\r\n"
#define PEER_EVENT_TEXT(name)                                                                                          \
    "{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 250000}, \"event\": \"" name "\"}\r\n"

#define PEER_EVENT(name) PEER_SEND(PEER_EVENT_TEXT(name))
#define PEER_RETURN PEER_REPLY("{\"return\": {}, \"id\": @id}\r\n")
/* All of it, as an expansion into several steps. */
#define PEER_NEGOTIATE PEER_SEND(PEER_GREETING_TEXT), PEER_EXPECT("qmp_capabilities"), PEER_RETURN
#define PEER_NEGOTIATE_OOB PEER_SEND(PEER_GREETING_OOB_TEXT), PEER_EXPECT("qmp_capabilities"), PEER_RETURN

/* On a connected socket, which it takes over; on a socketpair whose other end is handed out; on a loopback TCP
 * connection likewise (there a reset always is one; a UNIX socket makes one only when the peer left something unread);
 * on a listening UNIX socket (accept with PEER_ACCEPT), in
 * the abstract namespace when its path starts with @. */
struct peer *peer_new(int fd);
struct peer *peer_new_pair(int *ret_fd);
struct peer *peer_new_tcp(int *ret_fd);
struct peer *peer_new_listening(const char *path);
/* Dials somebody who listens on a path. Returns a socket for peer_new(), or -1. */
int peer_dial(const char *path);
/* Ends its thread, wherever that is, and closes everything. Asserts nothing. */
struct peer *peer_free(struct peer *p);

/* Plays steps in the calling thread; a step that fails, fails the test. The client must have been driven so far that
 * what is expected was sent. */
void peer_play(struct peer *p, const struct peer_step *steps, size_t n);
#define peer_do(peer, ...)                                                                                             \
    peer_play((peer), (const struct peer_step[]){__VA_ARGS__},                                                         \
        sizeof((const struct peer_step[]){__VA_ARGS__}) / sizeof(struct peer_step))

/* Plays steps (copied; their texts are not) in a thread of the peer's own. peer_join() waits for their end and fails
 * the test if one of them failed. */
void peer_start_steps(struct peer *p, const struct peer_step *steps, size_t n);
#define peer_start(peer, ...)                                                                                          \
    peer_start_steps((peer), (const struct peer_step[]){__VA_ARGS__},                                                  \
        sizeof((const struct peer_step[]){__VA_ARGS__}) / sizeof(struct peer_step))
void peer_join(struct peer *p);

void peer_go(struct peer *p);
void peer_await(struct peer *p);

/* The last object expected, and the id of the n-th command expected on this connection, counted from the first (0) or
 * backwards from the last (1): JSON texts, "" when there was no id. At most 64 ids are remembered. Not while the peer's
 * thread plays. */
const char *peer_last(struct peer *p);
size_t peer_ids(struct peer *p);
const char *peer_id(struct peer *p, size_t n);
const char *peer_id_from_end(struct peer *p, size_t n);
void peer_forget_ids(struct peer *p);
/* Whether an object is there to be read now, or comes within the timeout. */
bool peer_has_object(struct peer *p, uint64_t timeout);
/* The peer's socket, borrowed. */
int peer_fd(struct peer *p);

#endif
