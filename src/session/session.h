/* SPDX-License-Identifier: MIT */
#ifndef SRC_SESSION_SESSION_H
#define SRC_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <qmp/message.h>

#include "frame/frame.h"
#include "session/failure.h"
#include "util/list.h"

/* In-band commands in flight. QEMU's monitor stops reading once eight wait in its queue, and with it stops hearing
 * out-of-band ones; the one that is being executed does not count, but it may not have been taken from the queue yet.
 * So seven always leave the way free, and eight serve a connection that has no out-of-band. */
#define SESSION_IN_BAND_MAX 8u
#define SESSION_IN_BAND_MAX_WITH_OOB 7u

/* A QEMU that has just been started can greet twice on one connection, and then wants to negotiate again. */
#define SESSION_NEGOTIATIONS_MAX 2u

/* The largest command, as QEMU's own parser. */
#define SESSION_COMMAND_MAX ((size_t)64 << 20)

enum session_state { SESSION_GREETING, SESSION_NEGOTIATING, SESSION_RUNNING, SESSION_FAILED };

enum session_command_state { COMMAND_NEW, COMMAND_QUEUED, COMMAND_OUTGOING, COMMAND_IN_FLIGHT, COMMAND_DONE };

/* A command; the caller's memory, until session_next() gives it back, session_forget() or session_take_command(). */
struct session_command {
    struct list link;
    enum session_command_state state;
    bool oob, own_id;
    const char *text;
    size_t size, sent;
    qmp_value id; /* in the text */
};

struct session {
    enum session_state state;
    bool want_oob, has_oob;
    struct frame frame;
    const char *input;
    size_t input_size;
    qmp_message *greeting;

    uint64_t nonce, counter; /* of ids */
    struct list queued;      /* held back; out-of-band ones are never here */
    struct list outgoing;    /* being sent, the first one perhaps in part */
    struct list in_flight;   /* sent, not answered */
    bool owes_line_end;      /* of the last command that is in flight */
    unsigned n_in_band;      /* outgoing and in flight */
    struct session_command negotiations[SESSION_NEGOTIATIONS_MAX];
    char negotiation_texts[SESSION_NEGOTIATIONS_MAX][128];
    unsigned n_negotiations, n_negotiations_answered;
    bool negotiated;

    uint64_t events, strays;
    struct failure failure;
};

void session_init(struct session *s, bool want_oob, size_t message_max, unsigned depth_max);
/* The commands must have been taken out before. */
void session_done(struct session *s);

/* Commands. Composing validates: returns 0 and the size that session_compose_command() needs at most; -EINVAL,
 * -EBADMSG, -ELOOP, -EMSGSIZE. */
int session_check_command(const char *command, const char *arguments, const char *id, size_t *ret_size);
void session_compose_command(struct session *s, struct session_command *c, char *buffer, const char *command,
    const char *arguments, const char *id, bool oob);
/* Returns 0; -EOPNOTSUPP when it is out-of-band and that is not negotiated; -EEXIST when its id is in use. */
int session_submit(struct session *s, struct session_command *c);
/* Nobody waits for the reply any more. Returns true when the session has let go of the command (it was never sent),
 * false when the session still needs it to know the late reply. */
bool session_forget(struct session *s, struct session_command *c);
/* Takes any one command out, for the end of the connection; NULL when there is none left. */
struct session_command *session_take_command(struct session *s);

/* Input: session_space() says where to receive, session_feed() takes what came, then session_next() until it returns 0.
 */
int session_space(struct session *s, char *scratch, size_t scratch_size, char **ret, size_t *ret_size);
void session_feed(struct session *s, const char *data, size_t size);

enum session_item_kind {
    ITEM_RUNNING, /* negotiated */
    ITEM_EVENT,   /* `message`, the caller's */
    ITEM_REPLY,   /* `message`, the caller's, to `command`, which is the caller's again */
};

struct session_item {
    enum session_item_kind kind;
    qmp_message *message;
    struct session_command *command;
};

/* Returns 1 and an item; 0 when the input is used up; negative when the connection has failed: s->failure. */
int session_next(struct session *s, struct session_item *ret);

/* The server closed the connection, or it broke (`error`, negative; 0 for end of file): records the failure. Returns
 * its errno. */
int session_hang_up(struct session *s, int error);

/* Output: what is to be sent next. Returns how many of the n vectors are filled. */
size_t session_output(struct session *s, struct iovec *iov, size_t n);
void session_sent(struct session *s, size_t size);

/* Whether a command is the session's own, not the caller's. */
static inline bool session_owns(const struct session *s, const struct session_command *c)
{
    return c >= s->negotiations && c < s->negotiations + SESSION_NEGOTIATIONS_MAX;
}

static inline bool session_wants_output(const struct session *s)
{
    return s->owes_line_end || !list_empty(&s->outgoing);
}

#endif
